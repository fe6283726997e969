"""Leave-one-out cross-validation of observations or of whole groups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.checks.by_batch import Scores, loo_by_batch
from mixedbayes.checks.elpd import INTEGRATED, REFITTED, WEIGHTED, Loo, standard_error
from mixedbayes.checks.group_density import group_obstacle, of_levels
from mixedbayes.checks.held_out import OBSERVATION, HeldOut
from mixedbayes.checks.leave_out import leave_out, log_mean
from mixedbayes.checks.log_likelihood import TOTAL, of_one
from mixedbayes.checks.own import Own, without_own
from mixedbayes.checks.rows_of_several import ROW, by_row
from mixedbayes.checks.weighing import MOST_NUMBERS, check_draws, relative_efficiency, weigh
from mixedbayes.design.types import Floats, Ints
from mixedbayes.errors import ModelError
from mixedbayes.model.coords import model_coords, response_name
from mixedbayes.numerics import psis
from mixedbayes.numerics.rows import row_blocks
from mixedbayes.progress import display
from mixedbayes.results.posterior import Posterior

Refit = Literal["auto"] | bool
MOST_REFITS = 50  # that refit="auto" makes
_ROWS, _LEVELS, _EXACT_LEVELS = 500, 8, 100  # scored at a time
_LONG = 4_000_000  # rows x draws from which progress is shown


def loo(
    post: Posterior, target: str = "observation", *, refit: Refit = "auto", progress: bool = True
) -> Loo | Scores:
    """Leave-one-out cross-validation: expected log predictive density, higher is better.

    One observation, or one level of a grouping factor, is left out at a time:
    elpd = sum over units of log p(y_unit | all other rows), by Pareto-smoothed importance sampling
    of the posterior draws. An observation whose group has few rows (at most three, or two for each
    effect of a level) is weighted with the group's effects integrated out: their draws have seen
    the observation and little else. So is, on a second try, one whose Pareto k is above its limit,
    min(1 - 1 / log10(S), 0.7): the weights are then about the population alone. Units still above
    it are scored by fits without them. A row that weights repeat w times, w a whole number, stands
    for w observations, as if the rows were written out: its score is w times that of one of them
    with all others known; ArviZ's own ``loo(fit.idata)`` would leave the row out with all of them.
    Of weights that are not whole numbers a row is left out with all its weight; of counts out of
    trials, with all its trials. Of sums of rows that were read in batches, the rows are read again;
    no effects are integrated out then, since a batch does not have all rows of a group.

    Parameters
    ----------
    post
        The posterior.
    target
        "observation": would the model predict another row of the *same* groups? The density is
        given the group effects. "group", or a grouping factor's name: would it predict a group
        never seen? The density is that of all rows of a level together, its effects, with those of
        factors nested in it, integrated out.
    refit
        True: fit again for every unit that is still above the limit. False: never. "auto": where
        a fit takes about a second and the units are at most 50.
    progress
        Show how many units are done where it takes more than some seconds. The scores are kept
        with the posterior: asking again, `check` and `report` take no time for them.

    Returns
    -------
    Loo
        ArviZ's ELPDData; it prints who is influential, and `influence` has it as a table. Of rows
        that were read again `Scores`, which have their sums and the most influential ones;
        `by_batch` has all.

    Raises
    ------
    ModelError
        Unknown or ambiguous target; too few draws; only summaries of the effects were kept.

    See Also
    --------
    compare : Models of the same data, by this.
    kfold : By fits without a part of the rows.
    check : Who is influential, among other things.
    average : Predictions of several models, weighted by this.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.loo()
    Leave one observation out: 180 observations, 4,000 draws
    <BLANKLINE>
             Estimate       SE
    elpd_loo  -861.87    22.90
    p_loo       35.61        -
    <BLANKLINE>
    ... of 180 observations move the posterior far (Pareto k above 0.70): ...

    Subjects that the fit has not seen:

    >>> print(f"{fit.loo('Subject').elpd:.0f}")
    -886

    References
    ----------
    Vehtari, Gelman & Gabry (2017), doi:10.1007/s11222-016-9696-4; Vehtari, Simpson, Gelman, Yao &
    Gabry (2024), arXiv:1507.02646; Merkle, Furr & Rabe-Hesketh (2019),
    doi:10.1007/s11336-019-09679-0, for groups; Vehtari, Mononen, Tolvanen, Sivula & Winther (2016),
    Journal of Machine Learning Research 17(103), for effects integrated out.
    """
    if refit not in ("auto", True, False):
        raise ModelError(f'refit={refit!r}: use "auto", True or False')
    if post.design.without_rows:
        if target != OBSERVATION or refit is True:
            post.design.need_rows("leaving out levels, or fits without a row,")
        return loo_by_batch(post, progress=progress)
    return of_rows(post, target, refit=refit, progress=progress)


def of_rows(
    post: Posterior, target: str = "observation", *, refit: Refit = "auto", progress: bool = True
) -> Loo:
    """`loo` of rows in memory; ModelError where sums of them are left."""
    post.design.need_rows("loo()")
    out = weighted(post, target, progress=progress)
    high = out.high
    quick = post.run is not None and post.run.quick and len(high) <= MOST_REFITS
    if len(high) and (refit is True or (refit == "auto" and quick)):
        key = ("loo refitted", out.held_out.target)
        out = post.once(key, lambda: _refitted(out, post)).copy()
    return out


def weighted(post: Posterior, target: str, *, progress: bool = False) -> Loo:
    """`smoothed`, the effects of observations above the limit integrated out; without refits."""
    out = smoothed(post, target, progress=progress)
    if not out.held_out.by_observation or post.design.several is not None:
        return out
    return post.once("loo integrated", lambda: _integrated(out, post)).copy()


def smoothed(post: Posterior, target: str, *, progress: bool = False) -> Loo:
    """The estimate by importance weights, effects that few rows know integrated out."""
    check_draws(post)
    held_out = HeldOut.of(post.design, post.family, target)
    return post.once(("loo", held_out.target), lambda: _first(post, held_out, progress)).copy()


@dataclass(frozen=True, eq=False)
class Densities:
    """Log densities of some units in every draw."""

    weighed: Floats  # (S, u) by which the draws are weighed
    given: Floats  # (S, u) given all effects; of levels the same
    integral_k: Floats  # (u,) Pareto k of integrals
    how: Any  # (u,)


def _of_rows(post: Posterior, own: Own, rows: Ints) -> Densities:
    given, few = of_one(post, rows), np.isin(rows, own.rows)
    weighed, how = given, np.where(few, INTEGRATED, WEIGHTED).astype(object)
    if few.any():
        weighed = given.copy()
        weighed[:, few] = without_own(post, own, rows[few])
    return Densities(weighed, given, np.full(len(rows), -np.inf), how)


def _of_several(post: Posterior, units: Ints) -> Densities:
    """Rows of several responses, given all effects."""
    density = by_row(post, units)
    how = np.full(len(units), WEIGHTED, object)
    return Densities(density, density, np.full(len(units), -np.inf), how)


def _of_levels(post: Posterior, group: str, levels: Ints) -> Densities:
    found = of_levels(post, group, levels)
    density, how = found.log_density, np.full(len(levels), WEIGHTED, object)
    return Densities(density, density, found.pareto_k, how)


def _first(post: Posterior, held_out: HeldOut, progress: bool) -> Loo:
    """Some units at a time, in bounded memory; the rows' total log likelihood is kept too."""
    n, s = held_out.n_units, post.n_draws
    if held_out.by_observation and post.design.several is not None:
        size, made = max(1, min(_ROWS, MOST_NUMBERS // s)), partial(_of_several, post)
    elif held_out.by_observation:
        own, size = Own.of(post), max(1, min(_ROWS, MOST_NUMBERS // s))
        made = partial(_of_rows, post, own)
    else:
        group, size = held_out.target, _EXACT_LEVELS if post.closed_form else _LEVELS
        obstacle = group_obstacle(post, group)
        if obstacle is not None:
            raise ModelError(f"target={held_out.target!r}: {obstacle}")
        made = partial(_of_levels, post, group)
    elpd, k, full, integral_k = np.empty((4, n))
    how, total, efficiency = np.empty(n, object), np.zeros(s), relative_efficiency(post)
    times = np.ones(n) if held_out.copies is None else held_out.copies
    shown = progress and post.design.n * s >= _LONG
    units = "rows" if held_out.by_observation else "levels"
    with display("Leaving out", n, units, wanted=shown) as left_out:
        for block in row_blocks(n, size):
            found = made(np.arange(n)[block])
            total += found.given @ times[block]
            full[block], how[block] = log_mean(found.given), found.how
            integral_k[block] = found.integral_k
            elpd[block], k[block] = weigh(found.weighed, efficiency)
            left_out.update(block.stop)
    elpd, full = elpd * times, full * times
    if held_out.by_observation:
        if post.design.residual is None:  # of which each row's is given the others
            post.once(TOTAL, lambda: total)
        integral_k = np.array([])
    return _result(post, held_out, elpd, k, full, integral_k, how)


def _result(
    post: Posterior,
    held_out: HeldOut,
    elpd: Floats,
    k: Floats,
    full: Floats,
    integral_k: Floats,
    how: Any,
) -> Loo:
    dim = names.OBS if held_out.by_observation else names.group_dim(held_out.target)
    coords = {dim: model_coords(post.spec)[dim]}
    if held_out.by_observation and post.design.several is not None:
        dim, coords = ROW, {ROW: post.design.several.frame_labels}

    def labelled(values: Floats) -> xr.DataArray:
        return xr.DataArray(values, coords, (dim,), name=response_name(post.spec))

    good_k = psis.good_k(post.n_draws)
    out = Loo(
        elpd=float(elpd.sum()),
        se=standard_error(elpd, held_out.copies),
        p=float(full.sum() - elpd.sum()),
        n_samples=post.n_draws,
        n_data_points=held_out.count(),
        scale="log",
        warning=bool(np.any(k > good_k)),
        good_k=good_k,
        elpd_i=labelled(elpd),
        pareto_k=labelled(k),
        influence_pareto_k=labelled(k.copy()),
        p_loo_i=labelled(full - elpd),
        held_out=held_out,
        how=how,
        integral_k=integral_k,
    )
    out.warning = out.warning or bool(len(out.rough))
    return out


def _integrated(out: Loo, post: Posterior) -> Loo:
    """Weigh observations above the limit again, the effects of a group integrated out.

    The group is that with the fewest rows: its effects are the ones that the observation moves.
    """
    own = Own.of(post)
    rows = out.high[out.how[out.high] == WEIGHTED] if own.factors else []
    for row in rows:
        elpd, k = (float(x[0]) for x in weigh(without_own(post, own, np.array([row])), 1.0))
        if k <= out.good_k:
            out.replace(int(row), elpd, k, INTEGRATED)
    return out


def _refitted(out: Loo, post: Posterior) -> Loo:
    """Put exact scores in the place of those by importance weights that are above the limit."""
    for unit in out.high:
        found = leave_out(post, out.held_out, np.array([unit]), int(unit))
        out.replace(int(unit), float(found.log_density[0]), 0.0, REFITTED)
        out.unconverged += not found.converged
    return out
