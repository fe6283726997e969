"""Leave-one-out cross-validation of observations or of whole groups."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import xarray as xr
from scipy import special

from mixedbayes.checks.elpd import INTEGRATED, REFITTED, WEIGHTED, Loo
from mixedbayes.checks.group_density import by_observation_in_group, group_obstacle
from mixedbayes.checks.leave_out import Sampler, leave_out, log_mean, population_draws
from mixedbayes.checks.log_likelihood import INTEGRAL_K, log_likelihood
from mixedbayes.checks.scored import Scored
from mixedbayes.design.types import Floats, Ints
from mixedbayes.errors import ModelError
from mixedbayes.model.spec import Spec
from mixedbayes.predict.importance import smooth
from mixedbayes.results.posterior import Posterior
from mixedbayes.sample.health import effective_size

Refit = Literal["auto"] | bool
FEWEST_DRAWS = 100
MOST_REFITS = 50  # that refit="auto" makes


def loo(
    post: Posterior, spec: Spec, target: str, sample: Sampler, *, refit: Refit = "auto", quick: bool
) -> Loo:
    """Leave one observation, or one level of a grouping factor, out at a time.

    elpd = sum over units of log p(y_unit | all other rows), by Pareto-smoothed importance sampling
    of the posterior draws. An observation whose Pareto k is above its limit,
    min(1 - 1 / log10(S), 0.7), is weighted again with its group's effects integrated out, so that
    the weights are about the population alone; units still above it are scored by fits without
    them.

    Parameters
    ----------
    post, spec
        The posterior and its model.
    target
        "observation": would the model predict another row of the *same* groups? The density is
        given the group effects. "group", or a grouping factor's name: would it predict a group
        never seen? The density is that of all rows of a level together, its effects integrated out.
    sample
        Draws of the posterior of a model, for refits.
    refit
        True: fit again for every unit that is still above the limit. False: never. "auto": where
        fits are `quick` and the units at most 50.
    quick
        Whether a fit takes about a second.

    Returns
    -------
    Loo
        ArviZ's ELPDData; prints who is influential.

    Raises
    ------
    ModelError
        Unknown or ambiguous target; too few draws; only summaries of the effects were kept.

    References
    ----------
    Vehtari, Gelman & Gabry (2017), doi:10.1007/s11222-016-9696-4; Vehtari, Simpson, Gelman, Yao &
    Gabry (2024), arXiv:1507.02646; Merkle, Furr & Rabe-Hesketh (2019),
    doi:10.1007/s11336-019-09679-0, for groups; Vehtari, Mononen, Tolvanen, Sivula & Winther (2016),
    Journal of Machine Learning Research 17(103), for effects integrated out.
    """
    if refit not in ("auto", True, False):
        raise ModelError(f'refit={refit!r}: use "auto", True or False')
    out, density = smoothed(post, spec, target)
    if out.scored.by_observation:
        _integrate(out, post, out.high)
    high = out.high
    if len(high) and (refit is True or (refit == "auto" and quick and len(high) <= MOST_REFITS)):
        _refit(out, spec, high, sample, density)
    return out


def smoothed(post: Posterior, spec: Spec, target: str) -> tuple[Loo, Floats]:
    """The estimate by importance weights alone, and the log densities (C, D, units)."""
    _check_draws(post)
    scored = Scored.of(spec.design, spec.family, target)
    found = log_likelihood(post, spec, scored.target)
    (density,) = found.data_vars.values()
    out = _smoothed(post, density, scored)
    out.integral_k = np.asarray(found.attrs.get(INTEGRAL_K, []))
    out.warning = out.warning or bool(len(out.rough))
    return out, density.to_numpy()


def _check_draws(post: Posterior) -> None:
    if post.n_draws < FEWEST_DRAWS:
        raise ModelError(
            f"{post.n_draws} draws are too few to smooth importance weights; fit with at least "
            f"{FEWEST_DRAWS}"
        )


def _smoothed(post: Posterior, density: xr.DataArray, scored: Scored) -> Loo:
    """ArviZ's estimate; its warning is left to the words of the result."""
    from arviz_stats import loo as arviz_loo

    tree = xr.DataTree.from_dict({"log_likelihood": density.to_dataset()})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Estimated shape parameter of Pareto", UserWarning)
        found = arviz_loo(tree, pointwise=True, reff=relative_efficiency(post))
    full = log_mean(density.to_numpy().reshape(post.n_draws, -1))
    return Loo(
        elpd=found.elpd,
        se=found.se,
        p=found.p,
        n_samples=found.n_samples,
        n_data_points=scored.n_units,
        scale=found.scale,
        warning=found.warning,
        good_k=found.good_k,
        elpd_i=found.elpd_i,
        pareto_k=found.pareto_k,
        influence_pareto_k=found.pareto_k.copy(),
        p_loo_i=found.elpd_i.copy(data=full - found.elpd_i.to_numpy()),
        scored=scored,
        how=np.full(scored.n_units, WEIGHTED, object),
    )


def _integrate(out: Loo, post: Posterior, rows: Ints) -> None:
    """Weigh some observations again, each with the effects of one of its groups integrated out.

    The group is that with the fewest rows: its effects are the ones that the observation moves.
    """
    groups = [g for g in post.design.mu.groups if group_obstacle(post, g) is None]
    if not groups:
        return
    sizes = [np.bincount(g.refs)[g.refs] for g in groups]
    for row in rows:
        g = groups[int(np.argmin([size[row] for size in sizes]))]
        density = by_observation_in_group(post, g, int(row))
        weights = smooth(-density)
        if weights.pareto_k <= out.good_k:
            elpd = special.logsumexp(density, b=weights.weights)
            out.replace(int(row), float(elpd), weights.pareto_k, INTEGRATED)


def _refit(out: Loo, spec: Spec, units: Ints, sample: Sampler, density: Floats) -> None:
    """Put exact scores in the place of those by importance weights."""
    for unit in units:
        one = np.array([unit])
        found = leave_out(spec, out.scored, one, sample, int(unit), full=density[..., one])
        out.replace(int(unit), float(found.log_density[0]), 0.0, REFITTED)
        out.unconverged += not found.converged


def relative_efficiency(post: Posterior) -> float:
    """Effective over actual number of draws, on average over the parameters."""
    values = population_draws(post.draws)
    if post.shape[0] < 2 or not len(values):
        return 1.0
    return float(np.mean(np.minimum(effective_size(values) / post.n_draws, 1.0)))
