"""Fitted values and residuals of the rows used, in blocks of rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.limits import limits_note, limits_of
from mixedbayes.design.original import is_transformed
from mixedbayes.design.types import Design
from mixedbayes.design.unobserved import unobserved_note
from mixedbayes.errors import ModelError
from mixedbayes.families.limited import bounds, completed
from mixedbayes.families.within import mean_within
from mixedbayes.numerics.rows import row_blocks
from mixedbayes.results.correlated import whitened
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.predictors import linear_predictor as linear_predictor
from mixedbayes.results.predictors import response_sd as response_sd
from mixedbayes.results.predictors import row_parameters as row_parameters
from mixedbayes.results.tables import (
    Description,
    Interval,
    Statistics,
    category_rows,
    labelled,
    noted,
)

Floats = NDArray[np.float64]
Block = Callable[[slice], Floats]

_RESIDUALS = 5  # beside the fit's seed, of the residuals of censored responses
_BLOCK = 2**22  # numbers held at a time: rows of a block x draws


def need_one_predictor(design: Design, what: str) -> None:
    """Raise ModelError where the response has several linear predictors, none of them its mean's.

    `what` is where one of them can be asked for.
    """
    if design.mu.parameter == names.MU:
        return
    first, *others = (f'"{p.parameter}"' for p in design.predictors)
    raise ModelError(
        f"{design.response} has a linear predictor for each category but the reference: ask for "
        f"one of them, {what.format(first)}, or {', '.join(others)}"
    )


def need_residuals(post: Posterior) -> None:
    """Raise ModelError where the response has no one mean: categories without an order."""
    if post.family.columns:
        raise ModelError(
            f"{post.design.response} has no one residual in a row: {post.family.unordered}. "
            "residuals() has those of each category, pp_check() compares its counts with "
            "replicated ones"
        )
    if post.family.unordered:
        raise ModelError(
            f"{post.design.response} has no residuals: {post.family.unordered}, from which a "
            "response could differ. pp_check() compares the categories' shares with replicated "
            "ones, fitted() has the probability of each"
        )


def expected(
    post: Posterior, rows: slice | NDArray[np.integer], *, without: Collection[str] = ()
) -> Floats:
    """(m, S) E[y] on the response scale at some of the rows; of binomial counts the share.

    Without the effects of some grouping factors on the mean, as in `linear_predictor`.
    """
    weights = None if post.design.weights is None else post.design.weights[rows]
    mu = post.family.inverse(linear_predictor(post, rows, without=without).T, np)
    own = post.family.weighted(row_parameters(post, rows), weights)
    return post.family.expectation(mu, own).T


def observable(post: Posterior, rows: slice | NDArray[np.integer]) -> Floats:
    """(m, S) `expected` of what could be observed: of truncated responses between the bounds."""
    limits = limits_of(post.design, rows)
    if limits is None or not limits.truncated:
        return expected(post, rows)
    d, mu = post.design, post.family.inverse(linear_predictor(post, rows).T, np)
    weights = None if d.weights is None else d.weights[rows]
    trials = None if d.trials is None else d.trials[rows]
    ends = bounds(post.family, limits, mu.shape[1])
    mean = mean_within(post.family, *ends, mu, row_parameters(post, rows), weights, trials)
    return (mean if trials is None else mean / trials).T


def is_truncated(post: Posterior) -> bool:
    """Whether responses beyond some bound could not be observed."""
    return post.design.limits is not None and post.design.limits.truncated


def observed(post: Posterior) -> Floats:
    """(n,) the response on the scale of `expected`; (n, K) counts of categories."""
    post.need_one_data_set("what compares with responses")
    post.design.need_rows("what compares with responses")
    d = post.design
    return post.family.reported(d.y) if d.trials is None else d.y / d.trials


@overload
def fitted(
    post: Any, prob: float = 0.95, *, kind: str = "mean", draws: Literal[False] = False,
    statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame: ...  # fmt: skip


@overload
def fitted(
    post: Any, prob: float = 0.95, *, kind: str = "mean", draws: Literal[True],
    statistics: Statistics = None, interval: Interval = "eti",
) -> xr.DataArray: ...  # fmt: skip


@overload
def fitted(
    post: Any, prob: float = 0.95, *, kind: str = "mean", draws: bool,
    statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame | xr.DataArray: ...  # fmt: skip


def fitted(
    post: Posterior,
    prob: float = 0.95,
    *,
    kind: str = "mean",
    draws: bool = False,
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.DataArray:
    """Fitted values of the rows used, group effects included.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the interval of the fitted value; a new observation varies more.
    kind
        "mean": E[y], on the response scale (of binomial counts the share of successes, of ordered
        categories the probability of each); "truncated mean": of truncated responses E[y] between
        the bounds, what the data are to be compared with, while "mean" is that before truncation
        (and before censoring), which the coefficients describe; "linear": eta, on the link scale.
    draws
        Return the draws instead: a DataArray (chain, draw, obs), of the size rows x draws; of
        probabilities (chain, draw, obs, category).
    statistics
        Columns in the place of those below, by name: "mean", "sd", "median", "mad",
        "prob_positive", "mcse", "ess_tail"; see `mixedbayes.results.tables.Description`.
    interval
        "eti": equal tails; "hdi": highest density, the shortest.

    Returns
    -------
    DataFrame
        One row per row of data used, under the user's index; of ordered categories one for each row
        and category:

        - category: of ordered categories, whose probability it is;
        - mean, sd: posterior mean and standard deviation;
        - lower, upper: ends of the interval of probability `prob`.

        Rows without a response, `y | mi()`, are not among them, which `attrs["note"]` says. Angles
        are described about their mean direction: an end of the interval can be beyond pi. Where the
        response is an expression such as log(y), `attrs["note"]` says that the values are of that;
        where it is censored or truncated, what they are of.

    Raises
    ------
    ModelError
        If `kind` is another, or "truncated mean" where there are no bounds, or draws of the group
        effects were not kept; or `prob`, a statistic or the interval is not known.

    See Also
    --------
    residuals : Observed minus fitted.
    predict : Other rows, other groups, new observations.
    plot_fitted : Data and fitted values by level.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.fitted().head(3)
       mean    sd lower upper
    0 253.2 13.55 226.1 279.8
    1 272.8 11.56 250.0 295.2
    2 292.4 9.849 273.0 311.4
    """
    if kind not in ("mean", "truncated mean", "linear"):
        raise ModelError(
            f'kind={kind!r}: fitted() has kind="mean" (response), "truncated mean" (response '
            'between bounds) or "linear" (link)'
        )
    if kind == "truncated mean" and not is_truncated(post):
        raise ModelError(
            f'kind="truncated mean" is of responses with bounds, and {post.design.response} has '
            f'none: write {post.design.response} | trunc(lower, upper), or use kind="mean"'
        )
    if kind == "linear":
        need_one_predictor(post.design, "predict(target={})")
    how = Description.asked(prob, statistics, interval)
    categories = post.family.categories(post.design) if kind == "mean" else None

    def block(rows: slice) -> Floats:
        if kind == "linear":
            return linear_predictor(post, rows)
        if categories is not None:
            return _probabilities(post, rows)
        mean = expected(post, rows) if kind == "mean" else observable(post, rows)
        return mean if draws else post.family.unwound(mean)

    found = _by_rows(post, block, how, draws, "fitted", categories)
    if kind == "linear":
        return noted(found, unobserved_note(post.design))
    note = f"{limits_note(post.design, kind != 'mean')} {unobserved_note(post.design)}".strip()
    if is_transformed(post.design):
        note = f"On the model's scale: of {post.design.response}. {note}".rstrip()
    return noted(found, note)


def _probabilities(post: Posterior, rows: slice) -> Floats:
    """(m K, S) of the categories, those of a row together."""
    mu = post.family.inverse(linear_predictor(post, rows).T, np)
    p = post.family.probabilities(mu, row_parameters(post, rows))
    return p.reshape(len(p), -1).T


@overload
def residuals(
    post: Any, prob: float = 0.95, *, kind: str = "response", draws: Literal[False] = False,
    statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame: ...  # fmt: skip


@overload
def residuals(
    post: Any, prob: float = 0.95, *, kind: str = "response", draws: Literal[True],
    statistics: Statistics = None, interval: Interval = "eti",
) -> xr.DataArray: ...  # fmt: skip


@overload
def residuals(
    post: Any, prob: float = 0.95, *, kind: str = "response", draws: bool,
    statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame | xr.DataArray: ...  # fmt: skip


def residuals(
    post: Posterior,
    prob: float = 0.95,
    *,
    kind: str = "response",
    draws: bool = False,
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.DataArray:
    """Residuals of the rows used: observed minus fitted, group effects included.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the interval.
    kind
        "response": y - E[y], in the response's unit; "pearson": that over sd(y), without unit;
        "normalized": where residuals are correlated within groups those given the rows before them
        in the group, over their sd, as in nlme, which are independent where the model is right;
        elsewhere the same as "pearson". Of
        ordered categories y is the code 1, 2, ..., as if they were equally far apart.
        Of counts of categories in several columns there is one of each category,
        y_k - n p_k and (y_k - n p_k) / sqrt(n p_k (1 - p_k)), n the row's total.
        Of angles it is the angle from E[y] to y, from -pi to pi.
        For a weighted gaussian row the sd is sigma / sqrt(w). A censored response is drawn from
        where it is known to be, in every draw. Of truncated responses E[y] is that between the
        bounds, and there are no Pearson residuals: `plot_residuals` has quantile residuals.
    draws
        Return the draws instead: a DataArray (chain, draw, obs), of the size rows x draws; of
        counts of categories (chain, draw, obs, category).
    statistics, interval
        As in `fitted`.

    Returns
    -------
    DataFrame
        One row per row of data used, under the user's index; of counts of categories one for each
        row and category:

        - category: of counts of categories, whose it is;
        - mean, sd: posterior mean and standard deviation;
        - lower, upper: ends of the interval of probability `prob`.

    Raises
    ------
    ModelError
        If `kind` is another, the response is a category without an order, or "pearson" of truncated
        responses, or draws of the group effects were not kept; or `prob`, a statistic or the
        interval is not known.

    See Also
    --------
    fitted : What they are from.
    plot_residuals : Against fitted values and normal quantiles.
    check : Whether they are as the model says, in words.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.residuals(kind="pearson").head(3)
         mean     sd  lower   upper
    0 -0.1377 0.5249 -1.166  0.9065
    1 -0.5463 0.4477 -1.418  0.3449
    2  -1.618 0.3888 -2.381 -0.8544
    """
    if kind not in ("response", "pearson", "normalized"):
        known = '"response", "pearson" or "normalized"'
        raise ModelError(f"kind={kind!r}: residuals() has kind={known}")
    how = Description.asked(prob, statistics, interval)
    if post.family.columns:
        categories = post.family.categories(post.design)
        return _by_rows(post, _of_counts(post, kind), how, draws, "residual", categories)
    need_residuals(post)
    truncated = is_truncated(post)
    if kind != "response" and truncated:
        raise ModelError(
            f'kind="{kind}": the sd of {post.design.response} between the bounds of truncation is '
            'not known here; kind="response" has y less its mean between them, and '
            "plot_residuals() quantile residuals"
        )
    seed = int({**post.draws.attrs, **post.idata.attrs}.get("seed", 0))
    y, rng = observed(post), np.random.default_rng([seed, _RESIDUALS])

    white = _whitened(post) if kind == "normalized" else None

    def block(rows: slice) -> Floats:
        if white is not None:
            return white[:, rows].T
        values = post.family.deviation(_completed(post, y, rows, rng), observable(post, rows))
        values = values if draws else post.family.unwound(values)
        return values if kind == "response" else values / response_sd(post, rows)

    found = _by_rows(post, block, how, draws, "residual")
    notes = (
        limits_note(post.design, between=True) if truncated else "",
        unobserved_note(post.design),
    )
    return noted(found, " ".join(filter(None, notes)))


def _whitened(post: Posterior) -> Floats | None:
    """(S, n) residuals given those before them; None where they are independent."""
    own = post.design.residual
    return None if own is None else whitened(post, np.arange(post.design.n))[0]


def _of_counts(post: Posterior, kind: str) -> Block:
    """Residuals of counts of categories, (m K, S), those of a row together."""
    y, totals = np.asarray(observed(post), float), post.family.totals(post.design)
    assert totals is not None

    def block(rows: slice) -> Floats:
        p = _probabilities(post, rows)
        n = totals[rows].repeat(y.shape[1])[:, None]
        values = y[rows].reshape(-1, 1) - n * p
        return values if kind == "response" else values / np.sqrt(n * p * (1 - p))

    return block


def _completed(post: Posterior, y: Floats, rows: slice, rng: np.random.Generator) -> Floats:
    """(m, 1) responses, or (m, S) where some are censored."""
    limits = limits_of(post.design, rows)
    if limits is None or limits.censoring is None:
        return y[rows, None]
    mu = post.family.inverse(linear_predictor(post, rows).T, np)
    d, own = post.design, row_parameters(post, rows)
    weights = None if d.weights is None else d.weights[rows]
    trials = None if d.trials is None else d.trials[rows]
    y = completed(
        post.family, d.y[rows], mu, own, rng, weights=weights, trials=trials, limits=limits
    ).T
    return post.family.reported(y) if trials is None else y / trials[:, None]


def _by_rows(
    post: Posterior,
    block: Block,
    how: Description,
    draws: bool,
    name: str,
    categories: Sequence[Any] | None = None,
) -> Any:
    n, index = post.design.n, post.design.index
    width = 1 if categories is None else len(categories)
    if draws:
        whole, coords = block(slice(0, n)).T, {names.OBS: post.design.labels}
        if categories is not None:
            whole = whole.reshape(len(whole), n, width)
            coords[names.CATEGORY] = np.asarray(categories, object)
        return labelled(whole, post.shape[0], list(coords), coords, name)
    size = max(1, _BLOCK // (post.n_draws * width))
    parts = [how.plain(block(rows), post.shape[0]) for rows in row_blocks(n, size)]
    columns = {key: np.concatenate([p[key] for p in parts]) for key in parts[0]}
    if categories is not None:
        return category_rows(index, categories).assign(**columns)
    return pd.DataFrame(columns, index=index)
