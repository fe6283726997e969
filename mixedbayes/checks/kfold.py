"""K-fold cross-validation by fitting again."""

from __future__ import annotations

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.checks.elpd import KFold, standard_error
from mixedbayes.checks.leave_out import leave_out, log_mean
from mixedbayes.checks.log_likelihood import by_target
from mixedbayes.checks.scored import OBSERVATION, Scored
from mixedbayes.design.types import Floats, Ints
from mixedbayes.errors import ModelError
from mixedbayes.model.coords import model_coords
from mixedbayes.predict.streams import seed_of, stream
from mixedbayes.results.posterior import Posterior

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

    Examples
    --------
    >>> fit.kfold(6, by="Subject")  # doctest: +SKIP
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 2:
        raise ModelError(f"k={k!r}: cross-validation needs at least 2 folds; use k=10")
    known = [g.name for g in post.design.mu.groups]
    if by is not None and by not in known:
        has = ", ".join(known) or "no group effects"
        raise ModelError(f"by={by!r} is not a grouping factor of this model, which has {has}")
    scored = Scored.of(post.design, post.family, OBSERVATION if by is None else by)
    fold = folds(scored.n_units, int(k), seed_of(post, seed), scored.copies)
    taken = fold if fold.ndim == 2 else np.equal.outer(fold, np.arange(fold.max() + 1))
    (density,) = by_target(post, scored.target).data_vars.values()
    elpd, times = np.zeros(scored.n_units), taken.sum(axis=1)
    unconverged = 0
    for number, count in enumerate(taken.T.astype(float)):
        units = np.flatnonzero(count)
        found = leave_out(post, scored, units, number, count[units])
        elpd[units] += count[units] * found.log_density
        unconverged += not found.converged
    full = times * log_mean(density.to_numpy().reshape(post.n_draws, -1) / times)
    dim = names.OBS if scored.by_observation else names.group_dim(scored.target)
    coords = {dim: model_coords(post.spec)[dim]}
    return KFold(
        elpd=float(elpd.sum()),
        se=standard_error(elpd, scored.copies),
        p=float((full - elpd).sum()),
        n_samples=post.n_draws,
        n_data_points=scored.count(),
        scale="log",
        warning=unconverged > 0,
        good_k=None,
        elpd_i=xr.DataArray(elpd, coords, (dim,), name=density.name),
        p_kfold_i=xr.DataArray(full - elpd, coords, (dim,), name=density.name),
        n_folds=taken.shape[1],
        scored=scored,
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
