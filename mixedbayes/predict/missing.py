"""Responses that are missing, `y | mi()`: their posterior predictive, and data sets with draws."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.design.original import is_transformed, original
from mixedbayes.design.table import PANDAS, eager, table
from mixedbayes.design.types import Floats
from mixedbayes.design.unobserved import unobserved_frame
from mixedbayes.design.used import used_columns
from mixedbayes.errors import DataError, ModelError
from mixedbayes.formula import parse_expression
from mixedbayes.formula.nodes import Name
from mixedbayes.predict.missing_several import missing_of_several
from mixedbayes.predict.predict import predict
from mixedbayes.predict.question import Kind, Scale, ask, check_answer
from mixedbayes.results.library import in_library
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import Description, Interval, Statistics

DATA_SETS = 5
_MOST = 1000


@overload
def missing(
    post: Any, prob: float = 0.95, *, kind: Kind | None = None, draws: Literal[False] = False,
    seed: int | None = None, scale: Scale = "model", statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame: ...  # fmt: skip


@overload
def missing(
    post: Any, prob: float = 0.95, *, kind: Kind | None = None, draws: Literal[True],
    seed: int | None = None, scale: Scale = "model", statistics: Statistics = None,
    interval: Interval = "eti",
) -> xr.DataArray: ...  # fmt: skip


@overload
def missing(
    post: Any, prob: float = 0.95, *, kind: Kind | None = None, draws: bool,
    seed: int | None = None, scale: Scale = "model", statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.DataArray: ...  # fmt: skip


def missing(
    post: Posterior,
    prob: float = 0.95,
    *,
    kind: Kind | None = None,
    draws: bool = False,
    seed: int | None = None,
    scale: Scale = "model",
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.DataArray:
    """The missing responses of a model of `y | mi()`, drawn from their posterior predictive.

    A row without a response adds nothing to the likelihood of rows that are independent given the
    parameters and the group effects: p(y_obs | theta) is the integral of p(y_obs, y_mis | theta)
    over y_mis, so that the posterior is that of the observed rows, and p(y_mis | y_obs) the average
    of p(y_mis | theta) over it. That is exact, under missingness that depends on what is observed
    alone (missing at random). Where residuals are correlated within groups, the missing responses
    of a group are drawn together given the residuals of its observed ones, N(K e, R_mm - K R_om)
    with K = R_mo R_oo^-1 and all in units of sigma. Within one draw all rows have the same
    parameters and effects; a level whose responses are all missing draws its effects from the
    estimated population. Of several responses, `mv(a, b) ~ ...`, which need no mi(), those that a
    row lacks are drawn given the residuals of those that it has, where these are correlated.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the interval.
    kind
        "response": the missing observation itself; "mean": its expectation; "linear": the linear
        predictor, as in `predict`. By default "response", of categories without an order the
        probability of each, "mean".
    draws
        Return the draws instead: a DataArray (chain, draw, obs), whose obs are the row labels.
    seed
        Of the observations; by default the fit's own, so that the same call gives the same answer.
    scale
        "model", or "original" of a transformed response: see `predict`.
    statistics
        Columns in the place of mean, sd, lower and upper, by name: "mean", "sd", "median", "mad",
        "prob_positive", "mcse", "ess_tail"; see `mixedbayes.results.tables.Description`.
    interval
        "eti": equal tails; "hdi": highest density, the shortest.

    Returns
    -------
    DataFrame
        One row per row of the data that lacks the response alone, under the user's row labels, of
        categories one for each row and category:

        - response: of several, which one; a row of the data is there for each that it lacks;
        - the columns that the right side reads;
        - category: of categories, which one;
        - mean, sd: posterior mean and standard deviation;
        - lower, upper: ends of the interval of probability `prob`;
        - new: the grouping factors whose level has no observed response.

        Rows that lack a predictor are not among them.

    Raises
    ------
    ModelError
        The formula has no mi(); or what `predict` refuses.

    See Also
    --------
    imputed : Data sets in which they are drawn.
    predict : Rows that are not in the data.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> sleep.loc[[4, 9], "Reaction"] = None
    >>> fit = mb.fit("Reaction | mi() ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.missing()
       Days Subject  mean    sd lower upper new
    4     4     308 324.1 26.98 269.8 376.2
    9     9     308 410.2 30.66 350.6 469.4
    """
    if post.design.several is not None:
        asked = kind or "response"
        ask(post.design, "auto", asked)  # that it is a kind
        check_answer(asked, "draw", scale)  # columns by name have no other scale
        how = Description.asked(prob, statistics, interval)
        plain = {"prob": prob, "statistics": statistics, "interval": interval}
        return missing_of_several(post, kind, how, draws=draws, seed=seed, plain=plain)
    _need_mi(post)
    if kind is None:
        categories = post.family.unordered and not draws
        kind = "mean" if categories else "response"
    frame = _right_side(post)
    return predict(
        post, frame, kind=kind, prob=prob, draws=draws, seed=seed, progress=False, scale=scale,
        statistics=statistics, interval=interval,
    )  # fmt: skip


def imputed(
    post: Posterior, n: int = DATA_SETS, *, data: Any = None, seed: int | None = None
) -> list[Any]:
    """Data sets in which the missing responses are drawn from their posterior predictive.

    Each is filled from one draw of the posterior, at even distances among all draws.

    Parameters
    ----------
    post
        The posterior of a model of `y | mi()`.
    n
        How many data sets.
    data
        The data frame of the fit, with columns that the formula does not read; by default those
        that it reads.
    seed
        Of the observations; by default the fit's own.

    Returns
    -------
    List of n data frames, of the library of the data: all rows in their order, those whose response
    was missing with one that is drawn. Rows that were left out of the fit for another missing value
    stay as they are. `fit_many` fits models to them.

    Raises
    ------
    ModelError
        The formula has no mi(), or `n` is no whole number from 1 to 1000.
    DataError
        The response is no column, or such an expression of one that has no way back; or `data` are
        other rows than those of the fit.

    See Also
    --------
    missing : Their posterior predictive in one table.
    fit_many : Fits a model to all data sets and pools the draws.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> sleep.loc[[4, 9], "Reaction"] = None
    >>> fit = mb.fit("Reaction | mi() ~ Days + (Days | Subject)", sleep, seed=1)
    >>> sets = fit.imputed(3)
    >>> len(sets), sets[0].shape, int(sets[0]["Reaction"].isna().sum())
    (3, (180, 3), 0)
    """
    _need_mi(post)
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or not 1 <= n <= _MOST:
        raise ModelError(
            f"imputed() makes a whole number of data sets from 1 to {_MOST}, not {n!r}"
        )
    design = post.design
    frame = design.whole if data is None else _checked(post, data)
    undone = is_transformed(design)
    found = predict(
        post, _right_side(post), kind="response", draws=True, seed=seed, progress=False,
        scale="original" if undone else "model",
    )  # fmt: skip
    values = found.transpose(names.CHAIN, names.DRAW, ...).to_numpy()
    values = values.reshape(post.n_draws, -1)
    at = np.linspace(0, post.n_draws - 1, int(n)).round().astype(int)
    column = _response_column(post)
    return [_filled(post, frame, column, values[s]) for s in at]


def _need_mi(post: Posterior) -> None:
    if not post.design.formula.response.mi:
        y = post.design.response
        raise ModelError(
            f"the formula leaves rows without {y} out: write {y} | mi() ~ ... for them to stay, or "
            "predict() them"
        )


def _right_side(post: Posterior) -> pd.DataFrame:
    """(m, columns) the rows without a response, without its columns."""
    frame = unobserved_frame(post.design)
    own = _read_by_response(post)
    return frame[[name for name in frame if name not in own]]


def _read_by_response(post: Posterior) -> set[str]:
    return set(used_columns(post.design.formula).response)


def _response_column(post: Posterior) -> str:
    node = parse_expression(post.design.formula.response.text)
    return node.name if isinstance(node, Name) else original(post.design).column


def _checked(post: Posterior, data: Any) -> pd.DataFrame:
    """The user's whole frame, as pandas; DataError where its rows are others than the fit's."""
    native = eager(data)
    whole = table(native, list(native.columns)).frame()
    known = post.design.whole
    column = _response_column(post)
    same = len(whole) == len(known) and column in whole
    if not same or not (whole[column].isna().to_numpy() == known[column].isna().to_numpy()).all():
        raise DataError(
            f"data= has {len(whole):,} rows, and the fit was made of {len(known):,} with other "
            f"missing values of {column}: give imputed() the data frame of the fit"
        )
    return whole


def _filled(post: Posterior, frame: pd.DataFrame, column: str, values: Floats) -> Any:
    """A copy of the frame with responses (m,) in the rows that lack one, in the user's library."""
    levels, own = post.design.response_levels, frame[column].copy()
    drawn: Any = values
    if levels is not None:
        drawn = [levels[int(code) - post.family.first_code] for code in values]
    elif post.family.discrete or pd.api.types.is_integer_dtype(own.dtype):
        drawn = np.round(values)
    at = np.zeros(0, np.int64) if post.design.unobserved is None else post.design.unobserved
    if own.dtype == object or levels is None:
        own.iloc[at] = drawn
        own = own.infer_objects()
    else:
        own.iloc[at] = pd.Series(drawn, dtype=own.dtype).to_numpy()
    out = frame.assign(**{column: own})
    library = post.design.library
    return out if library == PANDAS else in_library(out.reset_index(drop=True), library)
