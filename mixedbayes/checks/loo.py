"""Leave-one-out cross-validation of observations or of whole groups."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import xarray as xr
from scipy import special

from mixedbayes.checks.elpd import INTEGRATED, REFITTED, WEIGHTED, Loo
from mixedbayes.checks.leave_out import Sampler, leave_out, log_mean, population_draws
from mixedbayes.checks.log_likelihood import INTEGRAL_K, log_likelihood
from mixedbayes.checks.own import Own, without_own
from mixedbayes.checks.scored import Scored
from mixedbayes.design.types import Floats
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
    of the posterior draws. An observation whose group has few rows (at most three, or two for each
    effect of a level) is weighted with the group's effects integrated out: their draws have seen
    the observation and little else. So is, on a second try, one whose Pareto k is above its limit,
    min(1 - 1 / log10(S), 0.7): the weights are then about the population alone. Units still above
    it are scored by fits without them.

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
    out = smoothed(post, spec, target)
    if out.scored.by_observation:
        out = post.once("loo integrated", lambda: _integrated(out, post)).copy()
    high = out.high
    if len(high) and (refit is True or (refit == "auto" and quick and len(high) <= MOST_REFITS)):
        key = ("loo refitted", out.scored.target)
        out = post.once(key, lambda: _refitted(out, post, spec, sample)).copy()
    return out


def smoothed(post: Posterior, spec: Spec, target: str) -> Loo:
    """The estimate by importance weights, effects that few rows know integrated out."""
    _check_draws(post)
    scored = Scored.of(spec.design, spec.family, target)
    return post.once(("loo", scored.target), lambda: _first(post, spec, scored)).copy()


def _first(post: Posterior, spec: Spec, scored: Scored) -> Loo:
    found = log_likelihood(post, spec, scored.target)
    (density,) = found.data_vars.values()
    full = log_mean(density.to_numpy().reshape(post.n_draws, -1))
    own = Own.of(post)
    rows = own.rows if scored.by_observation else np.array([], int)
    if len(rows):
        density[:, :, rows] = without_own(post, own, rows).reshape(*post.shape, -1)
    out = _smoothed(post, density, scored, full)
    out.how[rows] = INTEGRATED
    out.integral_k = np.asarray(found.attrs.get(INTEGRAL_K, []))
    out.warning = out.warning or bool(len(out.rough))
    return out


def _check_draws(post: Posterior) -> None:
    if post.n_draws < FEWEST_DRAWS:
        raise ModelError(
            f"{post.n_draws} draws are too few to smooth importance weights; fit with at least "
            f"{FEWEST_DRAWS}"
        )


def _smoothed(post: Posterior, density: xr.DataArray, scored: Scored, full: Floats) -> Loo:
    """ArviZ's estimate; its warning is left to the words of the result.

    `full` (units,) is the log of the mean density of each unit in all draws.
    """
    from arviz_stats import loo as arviz_loo

    tree = xr.DataTree.from_dict({"log_likelihood": density.to_dataset()})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Estimated shape parameter of Pareto", UserWarning)
        found = arviz_loo(tree, pointwise=True, reff=relative_efficiency(post))
    return Loo(
        elpd=found.elpd,
        se=found.se,
        p=float(full.sum() - found.elpd),
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


def _integrated(out: Loo, post: Posterior) -> Loo:
    """Weigh observations above the limit again, the effects of a group integrated out.

    The group is that with the fewest rows: its effects are the ones that the observation moves.
    """
    own = Own.of(post)
    rows = out.high[out.how[out.high] == WEIGHTED] if own.factors else []
    for row in rows:
        density = without_own(post, own, np.array([row]))[:, 0]
        weights = smooth(-density)
        if weights.pareto_k <= out.good_k:
            elpd = special.logsumexp(density, b=weights.weights)
            out.replace(int(row), float(elpd), weights.pareto_k, INTEGRATED)
    return out


def _refitted(out: Loo, post: Posterior, spec: Spec, sample: Sampler) -> Loo:
    """Put exact scores in the place of those by importance weights that are above the limit."""
    for unit in out.high:
        found = leave_out(post, spec, out.scored, np.array([unit]), sample, int(unit))
        out.replace(int(unit), float(found.log_density[0]), 0.0, REFITTED)
        out.unconverged += not found.converged
    return out


def relative_efficiency(post: Posterior) -> float:
    """Effective over actual number of draws, on average over the parameters."""
    values = population_draws(post.draws)
    if post.shape[0] < 2 or not len(values):
        return 1.0
    return float(np.mean(np.minimum(effective_size(values) / post.n_draws, 1.0)))
