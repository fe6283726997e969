"""Smooths: their curves, and how many degrees of freedom these take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
import xarray as xr
from scipy import sparse
from scipy.sparse.linalg import splu

from mixedbayes import names
from mixedbayes.design.build import smooths_of
from mixedbayes.design.smooths import Counted, Part
from mixedbayes.design.smooths import Fitted as FittedSmooth
from mixedbayes.design.types import Floats, Ints, LinearPredictor
from mixedbayes.design.values import listed
from mixedbayes.errors import ModelError
from mixedbayes.results.fitted import row_parameters
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import Description, Interval, Statistics, chained, labelled
from mixedbayes.terms.base import need_independent

SMOOTH = "smooth"
POINT = "point"
_ALONG, _ACROSS = 100, 25  # points of one variable; of each of several
_MOST_DRAWS = 400  # of which the degrees of freedom are computed
_DENSE = 1000  # effects up to which their precision is inverted as a whole


@dataclass(frozen=True, eq=False)
class CurveOf:
    """One curve of a posterior: a smooth, or what it is at a level of the factor that it is by."""

    name: str  # "s(x)", "s(x):f[b]", "sigma_s(x)"
    parameter: str
    smooth: FittedSmooth
    part: Part

    @property
    def variables(self) -> tuple[str, ...]:
        return self.smooth.variables

    def draws(self, post: Posterior, x: Floats) -> Floats:
        """(S, m) the curve at x (m, d), without the number that may multiply it."""
        terms, fixef = post.predictor(self.parameter).terms, post.fixef(self.parameter)
        out = np.zeros((post.n_draws, len(x)))
        for name, levels, columns in self.smooth.made_of(self.part, x):
            if levels is not None:
                out += post.ranef(name, self.parameter)[:, levels, 0] @ columns.T
            elif name in terms:  # else another column has it
                out += fixef[:, [terms.index(name)]] @ columns.T
        return out

    @property
    def rows(self) -> Ints:
        """The rows in which the curve counts."""
        own = self.smooth.rows_of(self.part)
        return np.arange(len(self.smooth.x)) if own is None else own

    def grid(self, n: int | None) -> Floats:
        """(m, d) points evenly over the range that each variable has in the rows."""
        x = self.smooth.x[self.rows]
        low, high = x.min(axis=0), x.max(axis=0)
        steps = n or (_ALONG if len(low) == 1 else _ACROSS)
        along = [np.linspace(a, b, steps) for a, b in zip(low, high, strict=True)]
        return np.array(list(product(*along)))


def curves(post: Posterior, smooth: str | None = None) -> list[CurveOf]:
    """All curves, or those of one smooth; ModelError where there is none such."""
    found = [
        CurveOf(names.label(p.parameter, part.name), p.parameter, s, part)
        for p in post.predictors
        for s in smooths_of(post.design, p.parameter)
        for part in s.parts
    ]
    if not found:
        raise ModelError("the model has no smooths; write one as s(x) in the formula")
    if smooth is None:
        return found
    chosen = [c for c in found if smooth in (c.name, names.label(c.parameter, c.smooth.said.name))]
    if not chosen:
        raise ModelError(f"no smooth {smooth!r}; the model has {listed([c.name for c in found])}")
    return chosen


@overload
def smooths(
    post: Any, smooth: str | None = None, prob: float = 0.95, *, n: int | None = None,
    draws: Literal[False] = False, statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame: ...  # fmt: skip


@overload
def smooths(
    post: Any, smooth: str | None = None, prob: float = 0.95, *, n: int | None = None,
    draws: Literal[True], statistics: Statistics = None, interval: Interval = "eti",
) -> dict[str, xr.DataArray]: ...  # fmt: skip


@overload
def smooths(
    post: Any, smooth: str | None = None, prob: float = 0.95, *, n: int | None = None, draws: bool,
    statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame | dict[str, xr.DataArray]: ...  # fmt: skip


def smooths(
    post: Posterior,
    smooth: str | None = None,
    prob: float = 0.95,
    *,
    n: int | None = None,
    draws: bool = False,
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | dict[str, xr.DataArray]:
    """The curves of the smooths, each by itself, on the link scale.

    A curve is what the smooth adds to the linear predictor: the straight part and what bends, 0 on
    average over the rows (of all levels, where it is by a factor). Where a number multiplies it,
    ``s(x, by=z)``, it is the effect of one unit of z by x, and not centred.

    Parameters
    ----------
    post
        The posterior.
    smooth
        Name of one, "s(x)" for all its levels or "s(x):f[b]" for one; all by default.
    prob
        Probability of the interval, at each point by itself.
    n
        Number of points over the range of a variable in the data; 100, of several variables 25 of
        each. Curves at other values: `predict`.
    draws
        Return the draws instead: a dictionary by curve of DataArrays (chain, draw, point), with
        the variables as coordinates of the points.
    statistics
        Columns in the place of mean, sd, lower and upper, by name: "median", "mad",
        "prob_positive"; see `mixedbayes.results.tables.Description`.
    interval
        "eti": equal tails; "hdi": highest density, the shortest.

    Returns
    -------
    DataFrame
        One row per curve and point:

        - parameter: whose curve it is; only where further parameters have formulas;
        - smooth: its name, "s(x)", "s(x):f[b]";
        - a column for each variable, missing where a curve is not along it;
        - mean, sd: posterior mean and standard deviation;
        - lower, upper: ends of the interval of probability `prob`.

    Raises
    ------
    ModelError
        If the model has no smooth, or none of that name, or its effects were kept as summaries.

    See Also
    --------
    edf : How much the curves bend, as a number.
    plot_smooths : The picture.
    predict : Curves at other values, with the rest of the model.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> crash = mb.load_data("mcycle")
    >>> fit = mb.fit("accel ~ s(times, k=20)", crash, seed=1)
    >>> fit.smooths(n=5).iloc[1:4]
         smooth times   mean    sd  lower  upper
    1  s(times) 16.20 -24.24 3.945 -32.03 -16.41
    2  s(times) 30.00  54.44 7.304  40.12  69.04
    3  s(times) 43.80  28.95 7.749  13.77  44.42
    """
    how = Description.asked(prob, statistics, interval)
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 2):
        raise ModelError(f"n={n!r}: give a number of points, 2 or more")
    found = curves(post, smooth)
    at = {c.name: c.grid(n) for c in found}
    if draws:
        return {c.name: _labelled(post, c, at[c.name]) for c in found}
    columns = dict.fromkeys(v for c in found for v in c.variables)
    parts = []
    for c in found:
        x = at[c.name]
        table = {SMOOTH: pd.Series([c.name] * len(x), dtype="str")}
        own = dict(zip(c.variables, x.T, strict=True))
        table |= {v: own.get(v, np.full(len(x), np.nan)) for v in columns}
        table |= how.plain(c.draws(post, x).T, post.shape[0])
        if post.design.further:
            owner = [names.owner(c.parameter)] * len(x)
            table = {"parameter": pd.Series(owner, dtype="str"), **table}
        parts.append(pd.DataFrame(table))
    return pd.concat(parts, ignore_index=True)


def _labelled(post: Posterior, c: CurveOf, x: Floats) -> Any:
    found = labelled(c.draws(post, x), post.shape[0], [POINT], {POINT: list(range(len(x)))}, c.name)
    return found.assign_coords({v: (POINT, at) for v, at in zip(c.variables, x.T, strict=True)})


def bends(
    post: Posterior,
    prob: float = 0.95,
    *,
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | None:
    """The sds of all smooths, one row for each penalty; None where there are no smooths.

    Columns are smooth, mean, sd, lower, upper, ess_bulk and rhat: of the root mean square over the
    rows of how far the curve bends.
    """
    how = Description.asked(prob, statistics, interval)
    found = [(p.parameter, g) for p in post.predictors for g in p.smooths]
    if not found:
        return None
    values = np.concatenate([post.sd(g.name, p) for p, g in found], axis=1)
    labels = pd.Series([names.label(p, g.name) for p, g in found], dtype="str")
    return pd.DataFrame({SMOOTH: labels, **how.sampled(chained(values, post.shape[0]))})


# ---- effective degrees of freedom ----------------------------------------------------------------


@overload
def edf(
    post: Any, prob: float = 0.95, *, draws: Literal[False] = False, statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame: ...  # fmt: skip


@overload
def edf(
    post: Any, prob: float = 0.95, *, draws: Literal[True], statistics: Statistics = None,
    interval: Interval = "eti",
) -> xr.DataArray: ...  # fmt: skip


@overload
def edf(
    post: Any, prob: float = 0.95, *, draws: bool, statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.DataArray: ...  # fmt: skip


def edf(
    post: Posterior,
    prob: float = 0.95,
    *,
    draws: bool = False,
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.DataArray:
    """Effective degrees of freedom of the mean's smooths: as how many coefficients a curve counts.

    With the sds and the family's parameters of a draw, the posterior mean of all effects is
    (C'WC + P)^-1 C'W z: C their columns, W the information of the rows, P the precision of what is
    penalised. The degrees of freedom of a curve are the sum of the diagonal elements of
    (C'WC + P)^-1 C'WC that belong to it: 1 for a straight line, as many as it has functions where
    nothing holds it back. Priors of population effects do not count, as in mgcv. Wood (2017),
    section 6.1.2, doi:10.1201/9781315370279.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the interval.
    draws
        Return the draws instead: a DataArray (sample, smooth).
    statistics
        Columns in the place of mean, sd, lower and upper, by name: "median", "mad"; see
        `mixedbayes.results.tables.Description`.
    interval
        "eti": equal tails; "hdi": highest density, the shortest.

    Returns
    -------
    DataFrame
        One row per curve, over at most 400 draws, evenly spread:

        - smooth: its name;
        - functions: how many it has, which bounds the degrees of freedom;
        - mean, sd: posterior mean and standard deviation;
        - lower, upper: ends of the interval of probability `prob`.

    Raises
    ------
    ModelError
        If the mean has no smooth, or levels of a grouping factor are related.

    See Also
    --------
    smooths : The curves.
    plot_smooths : The picture.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> crash = mb.load_data("mcycle")
    >>> fit = mb.fit("accel ~ s(times, k=20)", crash, seed=1)
    >>> fit.edf()
         smooth  functions  mean    sd lower upper
    0  s(times)         19 11.88 1.035 9.968 13.93
    """
    how = Description.asked(prob, statistics, interval)
    curves(post)
    smooths = smooths_of(post.design)
    found = [counted for s in smooths for counted in s.counted()]
    if not found:
        raise ModelError("the formula of the mean has no smooths; edf() is of those")
    values = post.once("edf", lambda: edf_draws(post, found))
    if draws:
        import xarray as xr

        coords = {SMOOTH: [name for name, _, _ in found]}
        return xr.DataArray(values, dims=("sample", SMOOTH), coords=coords, name="edf")
    functions = [_size(post.design.mu, c) for c in found]
    labels = pd.Series([name for name, _, _ in found], dtype="str")
    return pd.DataFrame({SMOOTH: labels, "functions": functions, **how.plain(values.T)})


def _size(mu: LinearPredictor, counted: Counted) -> int:
    """Number of functions of a curve: columns of the population, and what bends."""
    _, straight, bent = counted
    return sum(mu.group(name).n_levels for name in bent) + sum(n in mu.terms for n in straight)


def edf_draws(post: Posterior, found: list[Counted]) -> Floats:
    """(D, K) degrees of freedom of K curves of the mean, for D of the draws."""
    mu = post.design.mu
    need_independent(mu.groups, "edf()", normal=False)
    if post.design.residual is not None:
        raise ModelError(
            f"edf() is of rows that are independent given the effects, and residuals are "
            f"{post.design.residual.text}; smooths() has the curves with their intervals"
        )
    X = mu.X / np.maximum(np.sqrt(np.mean(mu.X**2, axis=0)), 1e-300)
    ones = np.ones((post.design.n, int(mu.intercept)))
    whole = sparse.csc_array(sparse.hstack([ones, X, *(g.operator() for g in mu.groups)]))
    starts = np.cumsum(
        [int(mu.intercept) + len(mu.terms), *(g.n_levels * len(g.terms) for g in mu.groups)]
    )
    spans = zip(mu.groups, starts[:-1], starts[1:], strict=True)
    place = {g.name: slice(a, b) for g, a, b in spans}
    chosen = np.unique(np.linspace(0, post.n_draws - 1, _MOST_DRAWS).round().astype(int))
    bent = np.concatenate([np.arange(starts[-1])[place[t]] for _, _, own in found for t in own])
    free = [sum(name in mu.terms for name in own) for _, own, _ in found]
    sizes = [sum(mu.group(t).n_levels for t in own) for _, _, own in found]
    first = starts[0]
    roots = {g.name: _roots(post, g.name, chosen) for g in mu.groups}
    out = []
    for k, gram in enumerate(_grams(post, whole, chosen)):
        own = [sparse.kron(sparse.eye_array(g.n_levels), roots[g.name][k]) for g in mu.groups]
        T = sparse.csr_array(sparse.block_diag([sparse.eye_array(first), *own]))
        A = sparse.csc_array(T.T @ gram @ T)
        A += sparse.diags_array((np.arange(starts[-1]) >= first).astype(float), format="csc")
        shrunk = [part.sum() for part in np.split(_inverse(A, bent), np.cumsum(sizes)[:-1])]
        out.append(np.array(free) + np.array(sizes) - shrunk)
    return np.array(out)


def _inverse(A: sparse.csc_array, at: Ints) -> Floats:
    """Elements of the diagonal of the inverse of A."""
    if A.shape[0] <= _DENSE:
        return np.diag(np.linalg.inv(A.toarray()))[at]
    right = np.zeros((A.shape[0], len(at)))
    right[at, np.arange(len(at))] = 1.0
    return np.einsum("ij,ij->j", right, splu(A).solve(right))


def _roots(post: Posterior, group: str, chosen: Any) -> Floats:
    """(D, q, q) a root of the covariance of a term's effects."""
    cov = post.cov(group)[chosen]
    values, vectors = np.linalg.eigh(cov)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :])


def _grams(post: Posterior, columns: sparse.csc_array, chosen: Any) -> Iterator[Any]:
    """C'WC with the rows' information W in each of the chosen draws."""
    mu, design, family = post.design.mu, post.design, post.family
    own = _row_parameters(post)
    alike = family.closed_form and design.limits is None and not design.further
    ranef = {} if alike else {g.name: post.ranef(g.name) for g in mu.groups}
    eta, gram = np.zeros((1, design.n)), None
    for s in chosen:
        parameters = {name: values[[s]] for name, values in own.items()}
        if alike and gram is not None:  # the information is in proportion to 1 / sigma^2
            yield gram / _variance(parameters)
            continue
        if not alike:
            at = _of_draw(ranef, s)
            eta = mu.eta(post.intercept()[s], post.fixef()[s], at)[None]
        with np.errstate(all="ignore"):
            w = family.design_information(eta, parameters, design)
        w = np.nan_to_num(np.broadcast_to(w, eta.shape)[0])
        found = columns.T @ (columns * w[:, None])
        gram = found * _variance(parameters) if alike else None
        yield found


def _variance(parameters: Mapping[str, Floats]) -> float:
    """sigma^2 of one draw; 1 where errors are known."""
    sigma = parameters.get(names.SIGMA)
    return 1.0 if sigma is None else float(np.ravel(sigma)[0]) ** 2


def _of_draw(effects: Mapping[str, Floats], s: int) -> Callable[[Any], Floats]:
    return lambda g: effects[g.name][s]


def _row_parameters(post: Posterior) -> Mapping[str, Floats]:
    return row_parameters(post, slice(None)) if post.design.further else dict(post.parameters())
