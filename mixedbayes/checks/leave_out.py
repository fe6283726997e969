"""Fits without some of the rows, and the density of these rows under such a fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.checks.elpd import KFold, standard_error
from mixedbayes.checks.evidence import bridge
from mixedbayes.checks.group_density import of_levels
from mixedbayes.checks.held_out import OBSERVATION, HeldOut, grouped_by
from mixedbayes.checks.log_likelihood import by_target, of_one
from mixedbayes.checks.own import one_by_one
from mixedbayes.checks.rows_of_several import by_row, some_rows
from mixedbayes.design.several import taken
from mixedbayes.design.types import Design, Floats, Ints, LinearPredictor
from mixedbayes.errors import ModelError
from mixedbayes.model.spec import Spec
from mixedbayes.predict.streams import seed_of, stream
from mixedbayes.priors.placement import Centre
from mixedbayes.priors.types import GIVEN, Assigned, PredictorPriors, Priors
from mixedbayes.results.correlated import given_kept
from mixedbayes.results.posterior import Posterior
from mixedbayes.sample.health import health

LARGEST_RHAT = 1.05


@dataclass(frozen=True, eq=False)
class Refit:
    """log p(units left out | all other rows), and whether the fit that says so converged."""

    log_density: Floats  # (units left out,)
    rhat: float  # largest of the population-level parameters; NaN for a single chain

    @property
    def converged(self) -> bool:
        return not self.rhat > LARGEST_RHAT


def leave_out(
    post: Posterior,
    held_out: HeldOut,
    units: Ints,
    number: int,
    taken: Floats | None = None,
) -> Refit:
    """Fit without the rows of some units and score these units.

    Priors stay what they were, those placed at the predictors' means of all rows among them. All
    levels stay in the model: one that has lost its rows has the population's distribution.

    Parameters
    ----------
    post
        The posterior of all rows; the fit is made as it was.
    held_out
        What a unit is: an observation, or a level of a grouping factor.
    units
        (u,) positions of the units left out.
    number
        Of this fit, for its seed.
    taken
        (u,) how many of the observations that each row stands for are left out, where rows stand
        for several; one by default.

    Returns
    -------
    Refit
        log of the mean over draws of p(y_u | draw): per observation given its group effects (of a
        row that stands for several, of each; of several responses of all that a row has), per
        level with its effects integrated out. Of a single unit it comes from the draws of both
        posteriors, whose densities differ by p(y_u | draw): an outlying unit is hard to score from
        draws that know nothing of it.

    Raises
    ------
    ModelError
        It is not known how the posterior was made.
    """
    spec = anchored(post.spec)
    draws = post.made.again(replace(spec, design=_without(spec, held_out, units, taken)), number)
    left = Posterior(spec, xr.DataTree.from_dict({"posterior": draws}))
    rhat = population_rhat(draws)
    if len(units) > 1 or (taken is not None and taken[0] > 1):
        return Refit(log_mean(_density(left, held_out, units, alone=False)), rhat)
    full, density = (
        _density(p, held_out, units, alone=True).reshape(*p.shape) for p in (post, left)
    )
    return Refit(np.array([bridge(full, density).log]), rhat)


def _without(spec: Spec, held_out: HeldOut, units: Ints, taken: Floats | None) -> Design:
    """The rows that are left; those of which some observations are left count less often."""
    design = spec.design
    if held_out.copies is None:
        return take(design, np.flatnonzero(~np.isin(held_out.unit_of_row(), units)))
    left = held_out.copies.copy()
    left[units] -= 1 if taken is None else taken
    rows = np.flatnonzero(left)
    return spec.family.counted(replace(take(design, rows), weights=left[rows]))


def _density(post: Posterior, held_out: HeldOut, units: Ints, *, alone: bool) -> Floats:
    """(S, u) log density of units that are left out together, or of one that is `alone`."""
    if not held_out.by_observation:
        return of_levels(post, held_out.target, units).log_density
    if post.design.several is not None:
        return by_row(post, units)
    if post.design.residual is not None and not alone:
        return given_kept(post, units, ~np.isin(np.arange(post.design.n), units))
    return one_by_one(post, units) if alone else of_one(post, units)


def log_mean(log_density: Floats) -> Floats:
    """(u,) log of the mean over draws of exp(log_density (S, u))."""
    most = log_density.max(axis=0)
    most = np.where(np.isfinite(most), most, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(log_density - most).mean(axis=0)) + most


def population_rhat(draws: xr.Dataset) -> float:
    """Largest rhat of the parameters that are not group effects."""
    values = population_draws(draws)
    if values.shape[1] < 2 or not len(values):
        return float("nan")
    return float(np.nanmax(health(values)[1]))


def population_draws(draws: xr.Dataset) -> Floats:
    """(K, C, D) draws of every number that varies and is no group effect."""
    parts = []
    for name, variable in draws.data_vars.items():
        if not str(name).startswith("ranef_"):
            x = variable.transpose(..., names.CHAIN, names.DRAW).to_numpy()
            parts.append(x.reshape(-1, *x.shape[-2:]))
    values = np.concatenate(parts)
    return values[np.ptp(values, axis=(1, 2)) > 1e-12]


def take(design: Design, rows: Ints) -> Design:
    """The design of some of its rows; every level stays."""
    return replace(
        design.each(lambda p: taken(p, rows)),
        y=design.y[rows],
        weights=None if design.weights is None else design.weights[rows],
        trials=None if design.trials is None else design.trials[rows],
        index=design.index[rows],
        rows=design.rows[rows],
        limits=None if design.limits is None else design.limits.take(rows),
        residual=None if design.residual is None else design.residual.take(rows),
        several=None if design.several is None else some_rows(design.several, rows, take),
    )


def anchored(spec: Spec) -> Spec:
    """The same model with its columns' means subtracted, where priors are placed at the means.

    Such priors are then at zero, and do not move when rows are left out.
    """
    design, priors = spec.design, spec.priors
    vectors = {n for n in spec.family.parameters if spec.family.labels(n, design) is not None}
    at_means = any(not priors.parameters[n].given for n in vectors & priors.parameters.keys())
    moved = [
        _anchored(p, prior, at_means and p in design.moving)
        for p, prior in zip(design.predictors, priors.predictors, strict=True)
    ]
    return replace(
        spec,
        design=replace(design, predictors=tuple(p for p, _ in moved)),
        priors=Priors(
            tuple(prior for _, prior in moved),
            _given(priors.parameters, vectors),
            across=priors.across,
            residual=priors.residual,
        ),
    )


def _anchored(
    predictor: LinearPredictor, priors: PredictorPriors, at_means: bool
) -> tuple[LinearPredictor, PredictorPriors]:
    predictor = priors.moved(predictor)
    priors = replace(priors, placed={}, population=None)
    if priors.intercept is not None:
        at_means = priors.intercept_at_means
    if not at_means:
        return predictor, priors
    moved = replace(predictor, X=Centre.of(predictor).columns(predictor.X))
    return moved, replace(priors, intercept_at_means=False)


def _given(parameters: Mapping[str, Assigned], vectors: set[str]) -> dict[str, Assigned]:
    """Thresholds' priors at zero, as a user's are."""
    return {
        name: replace(a, origin=GIVEN) if name in vectors else a for name, a in parameters.items()
    }


# ---- K-fold cross-validation -------------------------------------------------------------------


FOLDS = 7  # purpose of the stream of random numbers
MOST_SHUFFLED = 10**7


def kfold(post: Posterior, k: int = 10, by: str | None = None, *, seed: int | None = None) -> KFold:
    """K-fold cross-validation: a k-th of the observations, or levels, is left out at a time.

    elpd = sum over units of log p(y_unit | rows of the other folds): per observation given its
    group effects, per level with its effects integrated out. Each fold is a fit of its own with
    the priors of the whole. Rows that weights repeat a whole number of times are as many
    observations, divided among the folds; with other weights, and of counts out of trials, a row is
    in one fold.

    Parameters
    ----------
    post
        The posterior of all rows: the model, and for the effective number of parameters.
    k
        Number of folds; with more folds than units each unit is a fold.
    by
        Grouping factor whose levels stay together, and are predicted as groups never seen; None for
        single observations.
    seed
        Of the division into folds; by default the fit's.

    Returns
    -------
    KFold
        ArviZ's ELPDData.

    Raises
    ------
    ModelError
        k is below 2, or `by` is no grouping factor.

    See Also
    --------
    loo : Without fitting again, where that can be trusted.
    compare : Models of the same data, by this.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> dyes = mb.load_data("dyestuff")
    >>> fit = mb.fit("Yield ~ 1 + (1 | Batch)", dyes, draws=500, seed=1)
    >>> fit.kfold(3, by="Batch")
    3 folds of 6 levels of Batch, fitted again
    <BLANKLINE>
               Estimate       SE
    elpd_kfold  -166.80     2.59
    p_kfold        2.46        -
    <BLANKLINE>
    All 3 fits converged.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 2:
        raise ModelError(f"k={k!r}: cross-validation needs at least 2 folds; use k=10")
    known = list(grouped_by(post.design))
    if by is not None and by not in known:
        has = ", ".join(known) or "no group effects"
        raise ModelError(f"by={by!r} is not a grouping factor of this model, which has {has}")
    held_out = HeldOut.of(post.design, post.family, OBSERVATION if by is None else by)
    fold = folds(held_out.n_units, int(k), seed_of(post, seed), held_out.copies)
    taken = fold if fold.ndim == 2 else np.equal.outer(fold, np.arange(fold.max() + 1))
    (density,) = by_target(post, held_out.target).data_vars.values()
    elpd, times = np.zeros(held_out.n_units), taken.sum(axis=1)
    unconverged = 0
    for number, count in enumerate(taken.T.astype(float)):
        units = np.flatnonzero(count)
        found = leave_out(post, held_out, units, number, count[units])
        elpd[units] += count[units] * found.log_density
        unconverged += not found.converged
    full = times * log_mean(density.to_numpy().reshape(post.n_draws, -1) / times)
    (dim,) = (str(d) for d in density.dims if d not in (names.CHAIN, names.DRAW))
    coords = {dim: density.coords[dim].to_numpy()}
    return KFold(
        elpd=float(elpd.sum()),
        se=standard_error(elpd, held_out.copies),
        p=float((full - elpd).sum()),
        n_samples=post.n_draws,
        n_data_points=held_out.count(),
        scale="log",
        warning=unconverged > 0,
        good_k=None,
        elpd_i=xr.DataArray(elpd, coords, (dim,), name=density.name),
        p_kfold_i=xr.DataArray(full - elpd, coords, (dim,), name=density.name),
        n_folds=taken.shape[1],
        held_out=held_out,
        fold=fold,
        unconverged=unconverged,
    )


def folds(units: int, k: int, seed: int, copies: Floats | None = None) -> Ints:
    """(units,) the fold of each unit, at random and of sizes that differ by at most one.

    Of rows that stand for several observations (units, k): how many of them are in each fold, as
    if they were rows of their own. Of very many a row's are divided evenly, and the rest at random.
    """
    rng = stream(seed, FOLDS)
    if copies is None:
        return rng.permutation(np.arange(units) % min(k, units))
    count = copies.astype(int)
    k = min(k, int(count.sum()))
    even = count // k if count.sum() > MOST_SHUFFLED else np.zeros_like(count)
    row = np.repeat(np.arange(units), count - k * even)
    fold = rng.permutation(np.arange(len(row)) % k)
    return even[:, None] + np.bincount(row * k + fold, minlength=units * k).reshape(units, k)
