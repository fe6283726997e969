"""Complete, no and partial pooling side by side, each with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import Design, GroupDesign
from mixedbayes.interrupts import later
from mixedbayes.numerics.rows import row_blocks
from mixedbayes.results.level_fits import LevelFits, complete_pooling, level_fits
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.ranef import chosen, coef, effect_rows
from mixedbayes.results.shrinkage import (
    check_least_squares,
    notes,
    own_response,
)
from mixedbayes.results.tables import OF_CHAINS, Description, Interval, Statistics, stack, tails

stats = later("scipy.stats")

Floats = NDArray[np.float64]
Ints = NDArray[np.integer]

KINDS = ("complete", "none", "partial")
COLUMNS = ("group", "level", "term", "n", "kind", "mean", "sd", "lower", "upper", "note")

# Relative size of a singular value that counts as zero, in columns of unit length.
_SINGULAR = 1e-9


@dataclass(frozen=True, eq=False)
class Alone:
    """Least squares within each level, with what it takes to judge it."""

    fits: LevelFits
    cov: Floats  # (J, q, q) covariance of the estimates; NaN without residual degrees of freedom
    df: Floats  # (J,) rows less the rank of the level's columns; infinite of known variances
    n: Ints  # (J,) rows


@dataclass(frozen=True, eq=False)
class Together:
    """Least squares over all rows without group effects."""

    terms: tuple[str, ...]  # (k,) "Intercept" first, where there is one
    estimate: Floats  # (k,)
    cov: Floats  # (k, k)
    df: float  # infinite of known variances


def pooling(
    post: Posterior,
    group: str | None = None,
    prob: float = 0.95,
    *,
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame:
    """Every level's coefficients under complete, no and partial pooling.

    Parameters
    ----------
    post
        The posterior of the model that pools partially.
    group
        One grouping factor; all by default.
    prob
        Probability of the intervals.
    statistics
        Columns in the place of mean, sd, lower and upper, by name, as in `ranef`. Of "complete" and
        "none" they are of Student's t about the estimate: the median is the mean, the sd stays the
        standard error; mcse, ess_bulk, ess_tail and rhat, which are of draws, are NaN.
    interval
        Of "partial": "eti", equal tails, or "hdi", highest density. The others' are symmetric, and
        both are the same.

    Returns
    -------
    DataFrame
        One row per level, term and kind of pooling:

        - group, level, term: which coefficient; parts of a combined level are columns, too;
        - n: rows of that level;
        - kind: "complete", least squares over all rows, as if there were no groups: sd is the
          standard error, the interval is Student's t with n - p degrees of freedom; both are false
          where rows of a group resemble each other, and a term without a population effect is 0.
          "none", least squares within the level alone, with the level's own residual variance; what
          does not vary over the factor (other columns, other factors' effects, the offset) is taken
          at its posterior mean. "partial", population + deviation;
        - mean, sd: the estimate and its standard error; of "partial" posterior mean and sd;
        - lower, upper: ends of the interval of probability `prob`;
        - note: why a row of "none" is NaN, where the level's rows do not identify the term, or
          leave no residual to judge it by; else empty.

        Under the prior p(beta, sigma) = 1 / sigma the intervals of "complete" and "none" are
        posterior intervals too.

    Raises
    ------
    ModelError
        If there is no such grouping factor, or the model has no least squares to compare with: its
        link is not the identity; or `prob`, a statistic or the interval is not known; or only
        summaries of the group effects were kept, which do not have the statistic.

    See Also
    --------
    shrinkage : How far each level is pulled, and why.
    plot_pooling : The three lines in a panel for each level.
    coef : Partial pooling alone.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.pooling(group="Subject").head(6)
         group level       term   n      kind  mean    sd lower upper note
    0  Subject   308  Intercept  10  complete 251.4 6.610 238.4 264.4
    1  Subject   308  Intercept  10      none 244.2 28.08 179.4 309.0
    2  Subject   308  Intercept  10   partial 253.2 13.55 226.1 279.8
    3  Subject   308       Days  10  complete 10.47 1.238 8.024 12.91
    4  Subject   308       Days  10      none 21.76 5.260 9.634 33.90
    5  Subject   308       Days  10   partial 19.64 2.559 14.60 24.66
    """
    how = Description.asked(prob, statistics, interval)
    check_least_squares(post, "pooling()")
    post.design.need_together("the residual sum of squares of each level, in pooling(),")
    groups = [g for _, g in chosen(post, group)]
    known = post.known_variances
    whole = together(post.design, known)
    partial = coef(post, prob, group=group, statistics=how.columns, interval=interval)
    tables = []
    for g in groups:
        rows = effect_rows(g)
        own = alone(g, own_response(post, g), post.design.weights, known)
        rows_of_g = (partial["group"] == g.name) & partial["term"].isin(g.terms)
        ours = partial.loc[rows_of_g, list(how.columns)]
        tables.append(
            _interleaved(
                rows,
                {
                    "complete": _complete(g, whole, how),
                    "none": _none(g, own, how),
                    "partial": ours.reset_index(drop=True).assign(note=""),
                },
            )
        )
    return stack(tables, COLUMNS)


def together(design: Design, known: bool = False) -> Together:
    """(Weighted) least squares of the population part over all rows, with its covariance.

    `known` says that the weights are the inverse of known variances.
    """
    mu, found = design.mu, complete_pooling(design)
    w = np.ones(design.n) if design.weights is None else design.weights
    y = design.y if mu.offset is None else design.y - mu.offset
    beta = np.array([found[t] for t in mu.terms])
    center = w @ mu.X / w.sum() if mu.intercept else np.zeros(len(mu.terms))
    gram, rss = np.zeros((len(mu.terms),) * 2), 0.0
    for rows in row_blocks(design.n):
        X = mu.X[rows] - center
        gram += X.T @ (w[rows, None] * X)
        rest = y[rows] - found.get(names.INTERCEPT, 0.0) - mu.X[rows] @ beta
        rss += float(w[rows] @ rest**2)
    scale = np.sqrt(np.diag(gram))
    slopes = np.linalg.pinv(gram / np.outer(scale, scale)) / np.outer(scale, scale)
    df = np.inf if known else float(design.used - len(found))
    s2 = 1.0 if known else rss / df if df else np.nan
    if not mu.intercept:
        return Together(mu.terms, beta, s2 * slopes, df)
    at_zero = -slopes @ center
    corner = 1 / w.sum() + center @ slopes @ center
    cov = np.block([[np.array([[corner]]), at_zero[None]], [at_zero[:, None], slopes]])
    estimate = np.array([found[names.INTERCEPT], *beta])
    return Together((names.INTERCEPT, *mu.terms), estimate, s2 * cov, df)


def alone(g: GroupDesign, y: Floats, weights: Floats | None, known: bool = False) -> Alone:
    """(Weighted) least squares of y (n,) on Z within every level, with its covariance.

    `known` says that the weights are the inverse of known variances.
    """
    fits, q = level_fits(g, y, weights), len(g.terms)
    order = np.argsort(g.refs, kind="stable")
    n, own = np.bincount(g.refs, minlength=g.n_levels), g.rows_per_level
    cov, df = np.full((g.n_levels, q, q), np.nan), np.zeros(g.n_levels)
    root = np.ones(len(y)) if weights is None else np.sqrt(weights)
    for j, rows in enumerate(np.split(order, np.cumsum(n)[:-1])):
        Z = root[rows, None] * g.Z[rows]
        scale = np.linalg.norm(Z, axis=0)
        scale[scale == 0] = 1.0
        U, s, Vt = np.linalg.svd(Z / scale, full_matrices=False)
        some = s > _SINGULAR * s.max(initial=0.0)
        df[j] = np.inf if known else own[j] - some.sum()
        if df[j] == 0:
            continue
        right = root[rows] * y[rows]
        rest = right - U[:, some] @ (U[:, some].T @ right)
        half = Vt[some].T / s[some] / scale[:, None]
        cov[j] = (1.0 if known else rest @ rest / df[j]) * (half @ half.T)
    return Alone(fits, cov, df, own)


def _complete(g: GroupDesign, whole: Together, how: Description) -> pd.DataFrame:
    at = [whole.terms.index(t) if t in whole.terms else -1 for t in g.terms]
    mean = np.array([whole.estimate[k] if k >= 0 else 0.0 for k in at])
    sd = np.array([np.sqrt(whole.cov[k, k]) if k >= 0 else 0.0 for k in at])
    note = ["" if k >= 0 else "no population effect: 0 under complete pooling" for k in at]
    columns = _of_t(mean, sd, np.array(whole.df), how)
    return pd.concat([pd.DataFrame(columns).assign(note=note)] * g.n_levels, ignore_index=True)


def _none(g: GroupDesign, own: Alone, how: Description) -> pd.DataFrame:
    mean = own.fits.estimate
    sd = np.where(np.isnan(mean), np.nan, np.sqrt(np.einsum("jtt->jt", own.cov)))
    columns = _of_t(mean, sd, own.df[:, None], how)
    unsure = np.repeat(own.df == 0, len(g.terms))
    exact = [f"no residual: {n} row{'s' if n > 1 else ''} fitted exactly" for n in own.n]
    why = np.array(notes(g, own.fits, own.n), dtype=object)
    why = np.where((why == "") & unsure, np.repeat(exact, len(g.terms)), why)
    return pd.DataFrame({k: v.ravel() for k, v in columns.items()}).assign(note=why)


def _of_t(mean: Floats, sd: Floats, df: Floats, how: Description) -> dict[str, Floats]:
    """The columns of estimates with Student's t about them; NaN without degrees of freedom."""
    law = stats.t(np.maximum(df, 1))
    sure = np.broadcast_to(df > 0, mean.shape) & ~np.isnan(sd)
    none = np.full(mean.shape, np.nan)
    half = np.where(sure, law.ppf(tails(how.prob)[1]) * sd, np.nan)
    known = {"mean": mean, "sd": sd, "median": mean, "lower": mean - half, "upper": mean + half}
    known |= dict.fromkeys(OF_CHAINS, none)
    if how.needs("mad"):
        known["mad"] = np.where(sure, law.ppf(0.75) * sd, np.nan)
    if how.needs("prob_positive"):
        certain = np.where(mean > 0, np.inf, -np.inf)
        z = np.divide(mean, sd, out=certain, where=sd > 0)
        known["prob_positive"] = np.where(sure, law.cdf(z), np.nan)
    return {name: known[name] for name in how.columns}


def _interleaved(rows: pd.DataFrame, kinds: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Level by level and term by term, the kinds of pooling below each other."""
    parts = [pd.concat([rows.assign(kind=k), t], axis=1) for k, t in kinds.items()]
    table = pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)
    return table.astype({"kind": "str", "note": "str"})
