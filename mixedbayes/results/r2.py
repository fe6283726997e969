"""How much of a variance the model explains: of the response, and of each batch of coefficients."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.design import counted
from mixedbayes.design.limits import limits_note
from mixedbayes.design.types import Floats, GroupDesign, LinearPredictor
from mixedbayes.families.links import Identity
from mixedbayes.numerics.rows import row_blocks
from mixedbayes.results.fitted import linear_predictor
from mixedbayes.results.icc import check_scale
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import (
    Description,
    Interval,
    Statistics,
    chained,
    labelled,
    noted,
)
from mixedbayes.results.variance import Components, components, need_shares, r2_response, ratio

KINDS = ("marginal", "conditional")


def r2_kernel(parts: Components) -> Floats:
    """(2, S) marginal and conditional R2.

    marginal = fixed / total, conditional = (fixed + random) / total, total = fixed + random +
    residual.
    """
    total = parts.total
    return np.stack([ratio(parts.fixed, total), ratio(parts.fixed + parts.random, total)])


@overload
def r2(
    post: Any, prob: float = 0.95, *, scale: Literal["link", "response"] = "link",
    draws: Literal[False] = False, statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame: ...  # fmt: skip


@overload
def r2(
    post: Any, prob: float = 0.95, *, scale: Literal["link", "response"] = "link",
    draws: Literal[True], statistics: Statistics = None, interval: Interval = "eti",
) -> xr.Dataset: ...  # fmt: skip


@overload
def r2(
    post: Any, prob: float = 0.95, *, scale: Literal["link", "response"] = "link", draws: bool,
    statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame | xr.Dataset: ...  # fmt: skip


def r2(
    post: Posterior,
    prob: float = 0.95,
    *,
    scale: Literal["link", "response"] = "link",
    draws: bool = False,
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.Dataset:
    """Marginal and conditional R2 with their posterior, on the link scale unless asked otherwise.

    marginal is the share of the population part, conditional that of population and groups
    together, of the variance fixed + groups + residual.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the interval.
    scale
        "link", or "response": of the response itself, by quadrature over the effects; see
        `mixedbayes.results.variance`.
    draws
        Return the draws instead: a Dataset with `marginal` and `conditional`, each (chain, draw).
    statistics
        Columns in the place of those below, by name: "mean", "sd", "median", "mad",
        "prob_positive", "mcse", "ess_tail"; see `mixedbayes.results.tables.Description`.
    interval
        "eti": equal tails; "hdi": highest density, the shortest.

    Returns
    -------
    DataFrame
        Two rows:

        - kind: "marginal", "conditional";
        - mean, sd: posterior mean and standard deviation;
        - lower, upper: ends of the interval of probability `prob`;
        - ess_bulk: effective number of draws in the bulk of the distribution; 400 and more are
          enough for the mean;
        - rhat: 1.00 where the chains agree; above 1.01 they do not yet.

        Of censored and truncated responses it is that of the response before either, on both
        scales, which `attrs["note"]` says.

    Warns
    -----
    UserWarning
        As a method, where the residual has no finite variance (Student's t with nu <= 2).

    Raises
    ------
    ModelError
        If the response is a category without an order, `scale` is another, or `prob`, a statistic
        or the interval is not known.

    See Also
    --------
    icc : Shares of variance between groups.
    explained : Of the variance between levels, what level-2 covariates explain.
    loo : Whether predictions of new rows get better.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.r2()
              kind   mean      sd  lower  upper ess_bulk  rhat
    0     marginal 0.2707 0.07432 0.1259 0.4118     3918 1.001
    1  conditional 0.7998 0.04109 0.7146 0.8762     3657 1.001

    References
    ----------
    Nakagawa, Johnson & Schielzeth (2017), doi:10.1098/rsif.2017.0213.
    """
    need_shares(post)
    check_scale(scale)
    how, note = Description.asked(prob, statistics, interval), limits_note(post.design)
    kernel = _of_link if scale == "link" else r2_response
    values = post.by_set(kernel)
    chains = post.shape[0]
    if draws:
        each = {k: labelled(v, chains, [], {}, k) for k, v in zip(KINDS, values, strict=True)}
        return noted(xr.Dataset(each), note)
    table = pd.DataFrame({"kind": pd.Series(KINDS, dtype="str")})
    return noted(table.assign(**how.sampled(chained(values.T, chains))), note)


def _of_link(post: Posterior) -> Floats:
    return r2_kernel(components(post))


# ---- by batch of coefficients ------------------------------------------------------------------


COLUMNS = ("group", "term", "n", "r2", "pooling")
RESIDUAL = "Residual"

_BLOCK = 2**22  # numbers held at a time: rows of a block x draws
_ROUNDING = 1e-12
# A column that is a level's own factor times a term's column departs from that by less than this.
_PROPORTIONAL = 1e-9


def explained(post: Posterior) -> pd.DataFrame:
    """Explained variance and pooling of every batch of parameters.

    A batch are the coefficients theta_j of one term over the levels of one factor, with errors
    eps_j: their deviations from what the population part predicts. Level-2 covariates are part of
    that prediction. With V the sample variance over j and E the posterior mean,

        r2 = 1 - E V(eps) / E V(theta),    pooling = 1 - V(E eps) / E V(eps).

    For the data level theta_i are the responses and eps_i the residuals.

    Returns
    -------
    DataFrame
        One row per factor and term, and "Residual" for the data level where the link is the
        identity and no response is censored or truncated:

        - group, term: which batch; of categories without an order there are the effects on each,
          `mu_bus_Intercept`; of variances by arm the levels of each arm; of factors with rows in
          several levels nothing;
        - n: number of levels, or of rows;
        - r2: 0 where no covariate predicts the coefficients, and may be a little below;
        - pooling: near 1 where the deviations are hardly told apart, near 0 where each is well
          known by itself.

    Raises
    ------
    ModelError
        If only summaries of the group effects were kept.

    See Also
    --------
    r2 : Of the response as a whole.
    shrinkage : Pooling of each level.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.explained()
          group       term    n     r2 pooling
    0   Subject  Intercept   18  0.000  0.2433
    1   Subject       Days   18  0.000  0.1744
    2  Residual        NaN  180 0.7923  0.1706

    References
    ----------
    Gelman & Pardoe (2006), doi:10.1198/004017005000000517, equations 5 and 8.
    """
    rows: list[tuple[str, str | None, int, float, float]] = []
    several = post.design.mu.parameter != names.MU
    for p in post.design.predictors if several else (post.design.mu,):
        for g in p.of_one_level:
            eps = post.ranef(g.name, p.parameter)
            there = np.ones(eps.shape[1:], bool) if g.there is None else g.there
            for t, term in enumerate(g.terms):
                own = there[:, t]
                theta = (eps[:, :, t] + predicted(post, p, g, t))[:, own]
                label = names.label(p.parameter, term)
                rows.append((g.name, label, int(own.sum()), *batch(theta, eps[:, own, t])))
    if isinstance(post.family.link, Identity) and post.design.limits is None:
        rows.append((RESIDUAL, None, post.design.used, *data_level(post)))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    texts = {name: pd.Series(table[name].to_list(), dtype="str") for name in ("group", "term")}
    return table.assign(**texts)


def batch(theta: Floats, eps: Floats) -> tuple[float, float]:
    """r2 and pooling factor of one batch, from draws (S, J)."""
    unexplained = eps.var(axis=1, ddof=1).mean()
    total = theta.var(axis=1, ddof=1).mean()
    return _share(unexplained, total), _share(eps.mean(axis=0).var(ddof=1), unexplained)


def _share(part: float, whole: float) -> float:
    """1 - part / whole; NaN where there is no variance at all, 0 where rounding alone is left."""
    if not whole > 0:
        return float("nan")
    found = float(1 - part / whole)
    return 0.0 if abs(found) < _ROUNDING else found


def predicted(post: Posterior, of: LinearPredictor, g: GroupDesign, t: int) -> Floats:
    """(S, J) what population effects add to a term's coefficient in each level, on one predictor.

    A column x of the population part belongs to the coefficient of the term's column z if x = w_j z
    in every level j: w is a covariate of the levels, or 1 for the term's own population effect.
    A level where z is 0 throughout does not show its w; it gets the mean of the others'. Of levels
    in arms, those count that have the effect.
    """
    rows = slice(None) if g.there is None else g.there[g.refs, t]
    X, z, refs = of.X[rows], g.Z[rows, t], g.refs[rows]
    total = np.bincount(refs, z**2, g.n_levels)
    some = total > 0
    out = np.zeros((post.n_draws, g.n_levels))
    if of.intercept and g.population[t] == names.INTERCEPT:
        out += post.intercept(of.parameter)[:, None]
    for k, beta in enumerate(post.fixef(of.parameter).T):
        product = np.bincount(refs, z * X[:, k], g.n_levels)
        w = np.divide(product, total, out=np.zeros(g.n_levels), where=some)
        w[~some] = w[some].mean()
        if np.abs(X[:, k] - w[refs] * z).max() <= _PROPORTIONAL * np.abs(X[:, k]).max():
            out += beta[:, None] * w
    return out


def data_level(post: Posterior) -> tuple[float, float]:
    """r2 and pooling factor of the residuals, a block of rows at a time."""
    y, n, counts = post.design.y, post.design.n, post.design.joint_counts
    w, total = (np.ones(n), n) if counts is None else (counts, counts.sum())
    first, second, mean = np.zeros(post.n_draws), np.zeros(post.n_draws), np.empty(n)
    for rows in row_blocks(n, max(1, _BLOCK // post.n_draws)):
        eps = y[rows, None] - linear_predictor(post, rows)
        first += w[rows] @ eps
        second += w[rows] @ eps**2
        mean[rows] = eps.mean(axis=1)
    unexplained = float((second - first**2 / total).mean()) / counted.freedom(n, counts)
    whole, known = (counted.sd(x, counts) ** 2 for x in (y, mean))
    return _share(unexplained, whole), _share(known, unexplained)
