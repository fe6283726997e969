"""Marginal means, comparisons and slopes of what a model predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd

from mixedbayes.design.limits import limits_note
from mixedbayes.design.types import Floats
from mixedbayes.errors import ModelError
from mixedbayes.estimands.ask import Kind, Over, Request, at_words, names_of, request
from mixedbayes.estimands.average import Rowwise, average
from mixedbayes.estimands.axis import Axis, axis_of
from mixedbayes.estimands.contrasts import How, Shift, combine, contrasts, how_words, null_of
from mixedbayes.estimands.result import COLUMNS, SLOPE_ROUNDING, Estimates
from mixedbayes.predict.forward import impossible
from mixedbayes.predict.question import Groups
from mixedbayes.predict.target import Mean, Quantile
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import Description, Interval, Statistics, apart

SlopeHow = Literal["dydx", "eyex", "dyex", "eydx"]


def means(
    post: Posterior,
    focal: str | Sequence[str] | Mapping[str, Any] | None = None,
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    over: Over = "observed",
    weights: str | None = None,
    groups: Groups | None = None,
    kind: Kind = "mean",
    target: str | None = None,
    prob: float = 0.95,
    statistics: Statistics = None,
    interval: Interval = "eti",
    seed: int | None = None,
    progress: bool = True,
) -> Estimates:
    """Marginal means: what the model predicts at each value of some columns, averaged over rows.

    For every value v of the focal columns, and in every posterior draw,

        mean(v) = sum_i w_i E[y | x_i, focal columns = v] / sum_i w_i

    over rows i, each set to v in the focal columns and as it is in the others.

    Parameters
    ----------
    post
        The posterior.
    focal
        Columns whose values have a mean each, in all combinations: a name, several, or a mapping of
        names to values. Without values a category has all its levels, a number its values if these
        are 10 or fewer, else minimum, quartiles and maximum. None: one mean of all rows, or one in
        each group of `by`.
    by
        Columns within whose levels means are taken, each over its own rows; a grouping factor's
        name stands for its columns.
    at
        Values at which other columns are set, by name; means are at each combination.
    over
        The rows. "observed": those of the fit, the others' columns as they were; "balanced": every
        combination of the other categories' levels, equally often, numbers at their mean; or a data
        frame with the columns that are needed.
    weights
        Name of a column of weights of these rows: with `over`, a table of a population by strata,
        this is poststratification.
    groups
        Which groups the answer is about. By default their population, averaged over in each draw
        through the link, by quadrature, but for a grouping factor whose columns the question names
        (in `focal`, `by`, `at` or the frame given as `over`), whose levels have their own effects.
        "average", "typical", "auto" and "new" are as in `predict`; a list gives the levels of these
        factors their own effects and a row each, the effects of all others being 0.
    kind
        "mean": on the response scale, of ordered categories the probability of each; "linear": the
        linear predictor, on the link scale.
    target
        Something else of the response: a parameter of the family, "sigma"; "P(y > 3)", also with
        >=, <, <=, =, of an observation, "P(y = 0)" of counts; "positive mean", that of observations
        above 0; "median" or "quantile(0.9)" of an observation, with groups averaged over that of an
        observation from a group drawn at random. Of censored and truncated responses all of these,
        and the mean, are of the distribution before either, which the result's `note` says; after
        "truncated", as in "truncated mean" and "truncated P(y > 3)", of observations between the
        bounds.
    prob, statistics, interval
        Probability of the interval; the table's columns, such as ["median", "mad"], instead of
        those below; "eti" for equal tails or "hdi" for the shortest interval.
    seed
        Of effects that are drawn, with ``groups="new"``; by default the fit's.
    progress
        Show the progress of large averages.

    Returns
    -------
    Estimates
        A data frame with one row per combination of values:

        - the columns of the grid: the focal ones, and those of `by` and `at`;
        - category: of ordered categories, whose probability it is;
        - mean, sd: posterior mean and standard deviation;
        - lower, upper: ends of the interval of probability `prob`;
        - prob_positive: posterior probability that it is above 0;
        - mcse: Monte Carlo standard error of the mean.

        It prints the question that it answers. `draws`, `contrast`, `rank`, `hypothesis` and `plot`
        go on from it.

    Raises
    ------
    DataError
        A column is not in the model, a level not in the data, or the rows lack what is needed.
    ModelError
        An argument is not understood, or the average over groups does not exist.

    See Also
    --------
    comparisons : Differences and ratios of such means.
    slopes : Their derivatives.
    grid : The rows themselves.
    plot_means : The picture.
    predict : Of each row, without averaging.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> machines = mb.load_data("machines")
    >>> fit = mb.fit("score ~ Machine + (1 | Worker)", machines, seed=1)
    >>> m = fit.means("Machine")
    >>> m
    Expected score by Machine; population of Worker averaged over.
    <BLANKLINE>
      Machine  mean    sd lower upper prob_positive    mcse
    0       A 52.36 2.724 46.88 57.87             1 0.04334
    1       B 60.30 2.734 54.85 65.76             1 0.04389
    2       C 66.22 2.693 60.93 71.61             1 0.04303
    >>> m.contrast("pairwise")
    Contrasts along Machine of: Expected score by Machine; population of Worker averaged over.
    <BLANKLINE>
      contrast  mean    sd lower upper prob_positive    mcse
    0    B - A 7.944 1.092 5.852 10.19             1 0.01688
    1    C - A 13.86 1.076 11.75 15.97             1 0.01672
    2    C - B 5.912 1.079 3.788 8.024             1 0.01704

    The same for each of the six workers:

    >>> len(fit.means("Machine", by="Worker"))
    18
    """
    described = Description.asked(prob, statistics, interval, default=COLUMNS)
    names, given = _focal(focal)
    req = request(
        post, names, by=by, at=at, over=over, weights=weights, groups=groups, kind=kind,
        target=target, seed=seed, progress=progress,
    )  # fmt: skip
    _require_free(req, names)
    columns = req.rows.columns
    values = {
        n: columns.places(n) if given.get(n) is None else columns.values(n, given[n]) for n in names
    }
    rows, parts = [], []
    for place in product(*values.values()):
        setting = dict(zip(names, place, strict=True))
        for there in req.rows.settings():
            parts.append(_average(req, [setting | there])[:, 0])
            rows.append(setting | there)
    asks = f"{_capital(req.words)} by {' and '.join(names)}" if names else _capital(req.words)
    axis, found = axis_of(post, req.asked.target), np.stack(parts)
    return _estimates(
        req, rows, found, names, asks, described, "means", axis, note=_below_zero(req, found)
    )


def comparisons(
    post: Posterior,
    focal: str | Sequence[str] | Mapping[str, Any],
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    over: Over = "observed",
    weights: str | None = None,
    how: How = "difference",
    groups: Groups | None = None,
    kind: Kind = "mean",
    target: str | None = None,
    prob: float = 0.95,
    statistics: Statistics = None,
    interval: Interval = "eti",
    seed: int | None = None,
    progress: bool = True,
) -> Estimates:
    """Comparisons of what the model predicts at two values of a column, averaged over rows.

    With m(v) the marginal mean at v, see `means`, in every draw: the difference m(b) - m(a), the
    ratio m(b) / m(a), the lift m(b) / m(a) - 1, the odds ratio, or any function of both. Only the
    focal columns differ between the two: rows, groups and draws are the same.

    Parameters
    ----------
    post
        The posterior.
    focal
        What is compared: a column, several, or a mapping of columns to comparisons. Several are
        crossed: all change at once. Of a category: "reference", each level against the first, which
        is the default; "pairwise", each pair; "sequential", each against the one before; "mean",
        each against the mean of all; or (a, b), from a to b. Of a number d, from x to x + d, 1 by
        default, for x as in the rows; (a, b), from a to b; "sd", from x by one standard deviation;
        "iqr", from the lower to the upper quartile; "minmax", from the least to the largest.
    how
        "difference", "ratio", "lift", "odds_ratio", "log_ratio", "log_odds_ratio", or a function of
        draws (S,) at b and at a, in this order. They are taken of the averages.
    by, at, over, weights, groups, kind, target, prob, statistics, interval, seed, progress
        As in `means`.

    Returns
    -------
    Estimates
        A data frame with one row per comparison:

        - the columns of the grid: those of `by` and `at`;
        - a column for each focal column, which says from where to where, "B - A";
        - mean, sd: posterior mean and standard deviation;
        - lower, upper: ends of the interval of probability `prob`;
        - prob_positive: posterior probability that it is above 0, of a ratio that it is above 1;
        - mcse: Monte Carlo standard error of the mean.

        It prints the question that it answers; `draws`, `contrast`, `rank`, `hypothesis` and `plot`
        go on from it.

    Raises
    ------
    DataError
        As `means` does.
    ModelError
        An argument is not understood; odds or logarithms of what has none are asked for.

    See Also
    --------
    means : The means that are compared.
    slopes : Derivatives by numbers.
    fixef : Effects on the link scale.
    plot_comparisons : The picture.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> machines = mb.load_data("machines")
    >>> fit = mb.fit("score ~ Machine + (1 | Worker)", machines, seed=1)
    >>> fit.comparisons("Machine")
    Difference in expected score; population of Worker averaged over.
    <BLANKLINE>
      Machine  mean    sd lower upper prob_positive    mcse
    0   B - A 7.944 1.092 5.852 10.19             1 0.01688
    1   C - A 13.86 1.076 11.75 15.97             1 0.01672

    Odds ratios, of a herd drawn at random in each period against the first:

    >>> import mixedbayes as mb
    >>> herds = mb.load_data("cbpp")
    >>> formula = "incidence | trials(size) ~ period + (1 | herd)"
    >>> fit = mb.fit(formula, herds, family="binomial", seed=1)
    >>> fit.comparisons("period", how="odds_ratio")
    Odds ratio in expected share of incidence; population of herd averaged over; other predictors as
    observed.
    <BLANKLINE>
                  period   mean      sd   lower  upper prob_positive     mcse
    0  odds(2) / odds(1) 0.4173  0.1188  0.2240 0.6913        0.0000 0.001464
    1  odds(3) / odds(1) 0.3678  0.1126  0.1872 0.6290        0.0005 0.001460
    2  odds(4) / odds(1) 0.2437 0.09977 0.09215 0.4784        0.0000 0.001365
    """
    described = Description.asked(prob, statistics, interval, default=COLUMNS)
    names, given = _focal(focal)
    if not names:
        raise ModelError('name a column to compare, such as comparisons("treatment")')
    req = request(
        post, names, by=by, at=at, over=over, weights=weights, groups=groups, kind=kind,
        target=target, seed=seed, progress=progress,
    )  # fmt: skip
    _require_free(req, names)
    each = [contrasts(req.rows.columns, n, given.get(n), how) for n in names]
    versions = list(product(*(c.versions for c in each)))
    found = {}  # by setting, (V, K, W, S)
    for k, there in enumerate(req.rows.settings()):
        found[k] = np.stack([
            _average(req, [there | dict(zip(names, version, strict=True))])[:, 0]
            for version in versions
        ])  # fmt: skip
    note = _below_zero(req, np.concatenate(list(found.values()))) if how in _RELATIVE else ""
    rows, parts = [], []
    for pairs in product(*(c.pairs for c in each)):
        labels = dict(zip(names, (pair.label for pair in pairs), strict=True))
        high, low = (_outer([getattr(pair, side) for pair in pairs]) for side in ("high", "low"))
        for k, there in enumerate(req.rows.settings()):
            high_draws, low_draws = (np.tensordot(w, found[k], 1) for w in (high, low))
            parts.append(combine(high_draws, low_draws, how, req.words))
            rows.append(labels | there)
    asks = f"{how_words(how)} in {req.words}"
    return _estimates(
        req, rows, np.stack(parts), names, asks, described, "comparisons",
        axis_of(post, req.asked.target).compared(how), labelled=names, null=null_of(how),
        note=note,
    )  # fmt: skip


def slopes(
    post: Posterior,
    focal: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    over: Over = "observed",
    weights: str | None = None,
    how: SlopeHow = "dydx",
    groups: Groups | None = None,
    kind: Kind = "mean",
    target: str | None = None,
    prob: float = 0.95,
    statistics: Statistics = None,
    interval: Interval = "eti",
    seed: int | None = None,
    progress: bool = True,
) -> Estimates:
    """Slopes: derivatives of what the model predicts by a numeric column, averaged over rows.

    Parameters
    ----------
    post
        The posterior.
    focal
        The column x, or several, which have a row each.
    how
        "dydx": dm / dx; "eyex", the elasticity: d log m / d log x; "dyex": dm / d log x; "eydx":
        d log m / dx; each of the row's prediction m, then averaged.
    at
        Values at which columns are set; one for `focal` says where the derivative is taken, which
        by default is at the rows' own x. With ``at={"age": [20, 60]}, by="Sex"`` the result has the
        simple slopes of an interaction.
    by, over, weights, groups, kind, target, prob, statistics, interval, seed, progress
        As in `means`.

    Returns
    -------
    Estimates
        A data frame with one row per slope:

        - term: the x of the derivative;
        - the columns of `by` and `at`;
        - mean, sd: posterior mean and standard deviation;
        - lower, upper: ends of the interval of probability `prob`;
        - prob_positive: posterior probability that it is above 0;
        - mcse: Monte Carlo standard error of the mean.

    Raises
    ------
    DataError
        As `means` does.
    ModelError
        An argument is not understood; x is a category, for which there are `comparisons`.

    See Also
    --------
    comparisons : Of two values that are not near each other, and of categories.
    plot_slopes : The picture.

    Notes
    -----
    Central differences of a step of 1e-4 standard deviations of x; by log x, of a relative 1e-4.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.slopes("Days")
    Slope of expected Reaction by Days; population of Subject averaged over.
    <BLANKLINE>
       term  mean    sd lower upper prob_positive    mcse
    0  Days 10.42 1.624 7.235 13.60             1 0.02553

    With the identity link that is the effect itself. Each subject's own:

    >>> fit.slopes("Days", by="Subject")[["Subject", "mean", "lower", "upper"]].head(2)
      Subject  mean  lower upper
    0     308 19.64  14.60 24.66
    1     309 2.327 -2.624 7.416
    """
    described = Description.asked(prob, statistics, interval, default=COLUMNS)
    names = names_of(focal, "focal")
    if not names:
        raise ModelError('name a column to take the slope of, such as slopes("age")')
    if how not in _SLOPES:
        raise ModelError(f"how={how!r} is not one of {', '.join(map(repr, _SLOPES))}")
    req = request(
        post, names, by=by, at=at, over=over, weights=weights, groups=groups, kind=kind,
        target=target, seed=seed, progress=progress,
    )  # fmt: skip
    columns = req.rows.columns
    if isinstance(req.asked.target, Quantile) and post.family.discrete:
        raise ModelError(
            f"the {req.words} moves in whole steps and has no slope; comparisons({names[0]!r}) has "
            "its differences"
        )
    for name in names:
        if columns.is_category(name):
            raise ModelError(
                f"{name} is a category and has no slope; comparisons({name!r}) has its differences"
            )
    relative, divided = how in ("eyex", "dyex"), how in ("eyex", "eydx")
    if divided and isinstance(over, str) and over == "observed":
        post.design.need_rows(f"the average of rows' own ratios, how={how!r},")
    rows, parts = [], []
    for name in names:
        step = 1e-4 if relative else 1e-4 * (columns.sd(name) or 1.0)
        sides = (-1, 0, 1) if divided else (-1, 1)
        for there in req.rows.settings():
            moves = [Shift(side * step, relative, there.get(name)) for side in sides]
            versions = [there | {name: move} for move in moves]
            parts.append(_average(req, versions, _slope(step, divided=divided))[:, 0])
            rows.append({_TERM: name} | there)
    asks = f"{_SLOPES[how]} of {req.words} by {' and '.join(names)}"
    per = names[0] if how == "dydx" and len(names) == 1 else ""
    axis = axis_of(post, req.asked.target).slope(_SLOPES[how], tuple(names), per)
    found = np.stack(parts)
    largest = np.abs(found).max(axis=(0, 1, 2), initial=np.finfo(float).tiny)
    found = np.round(found / (SLOPE_ROUNDING * largest)) * (SLOPE_ROUNDING * largest)
    return _estimates(req, rows, found, [_TERM], asks, described, "slopes", axis, labelled=[_TERM])


_RELATIVE = ("ratio", "lift")  # logarithms and odds of what is below 0 are refused
_TERM = "\0term"  # the column of a slope's x, which no column of the user's is called


_SLOPES = {
    "dydx": "Slope",
    "eyex": "Elasticity",
    "dyex": "Slope by the logarithm",
    "eydx": "Relative slope",
}


def _slope(step: float, *, divided: bool) -> Rowwise:
    def slope(values: Floats) -> Floats:
        found = (values[:, -1:] - values[:, :1]) / (2 * step)
        return found / values[:, 1:2] if divided else found

    return slope


# ---- shared ------------------------------------------------------------------------------------


def _focal(focal: Any) -> tuple[list[str], dict[str, Any]]:
    """Names, and what is said of each."""
    if isinstance(focal, Mapping):
        return list(focal), dict(focal)
    return names_of(focal, "focal"), {}


def _require_free(req: Request, names: Sequence[str]) -> None:
    """ModelError where a column that is asked about is set as well."""
    if both := [name for name in names if name in req.rows.at]:
        raise ModelError(f"{both[0]}: asked about, and set in at= as well")


def _average(
    req: Request, versions: Sequence[Mapping[str, Any]], rowwise: Rowwise | None = None
) -> Floats:
    """(K, F, W, S) averages in each cell of the rows with columns set, or of functions of them."""
    rows = req.rows
    frames = [_set(req, version) for version in versions]
    return average(req.asked, frames, rows.code, len(rows.cells), rows.weights, rowwise)


def _set(req: Request, version: Mapping[str, Any]) -> pd.DataFrame:
    """The rows with columns at a value, or moved from there by a step."""
    columns = req.rows.columns
    frame = columns.placed(
        req.rows.base, {n: v for n, v in version.items() if not isinstance(v, Shift)}
    )
    for name, move in version.items():
        if isinstance(move, Shift):
            frame[name] = move.column(frame[name])
    return frame


def _outer(weights: Sequence[Floats]) -> Floats:
    """(V,) products of the weights of crossed versions, the last fastest."""
    out = np.ones(1)
    for w in weights:
        out = np.multiply.outer(out, w).ravel()
    return out


def _estimates(
    req: Request,
    rows: Sequence[Mapping[str, Any]],
    parts: Floats,
    names: Sequence[str],
    asks: str,
    described: Description,
    kind: str,
    axis: Axis,
    *,
    labelled: Sequence[str] = (),
    null: float = 0.0,
    note: str = "",
) -> Estimates:
    """(R, K, W, S) draws as a result: a row for each setting, cell and category.

    Columns are of the data's types, but those `labelled` have texts.
    """
    columns, (R, K, W, S) = req.rows.columns, parts.shape
    categories = req.asked.categories
    each = np.repeat(np.arange(R), K * W)
    table = {}
    for name in dict.fromkeys(n for row in rows for n in row):
        values = [rows[k][name] for k in each.tolist()]
        table[name] = values if name in labelled else columns.column(name, values)
    ours = {"term"} if _TERM in table else {"category"} if categories is not None else set()
    called = {n: apart(str(n), ours, "value") for n in (*table, *req.rows.by)} | {_TERM: "term"}
    grid = pd.DataFrame(table, index=range(len(each))).rename(columns=called)
    cell = np.tile(np.repeat(np.arange(K), W), R)
    for name in req.rows.by:
        grid[called[name]] = req.rows.cells[name].iloc[cell].reset_index(drop=True)
    if categories is not None:
        codes = np.tile(np.arange(W), R * K)
        grid["category"] = pd.Categorical.from_codes(codes, list(categories), ordered=True)
    fixed = {n: v for n, v in req.rows.at.items() if len(v) == 1}
    varied = [n for n in req.rows.at if n not in fixed]
    held = ", ".join(filter(None, (at_words(fixed), req.rows.words)))
    inside = [name for name in req.rows.by if name not in req.asked.own_columns]
    within = f"{asks}, in each {' and '.join(inside)}" if inside else asks
    question = "; ".join(filter(None, (within, req.groups_words, held))) + "."
    limits = (
        limits_note(req.post.design, req.asked.target.between)
        if req.asked.target.of_response
        else ""
    )
    return Estimates(
        grid=grid,
        sampled=parts.reshape(R * K * W, S),
        note=" ".join(filter(None, (limits, note))),
        chains=req.post.shape[0],
        question=question,
        quantity=req.words,
        focal=tuple(called[n] for n in names),
        by=tuple(called[n] for n in (*varied, *req.rows.by)),
        null=null,
        description=described,
        kind=kind,
        library=req.post.design.library,
        axis=axis,
        numbers=tuple(
            called[n]
            for n in called
            if n in columns.names and n not in labelled and not columns.is_category(n)
        ),
    )


def _below_zero(req: Request, parts: Floats) -> str:
    """What to say of means (..., S) below 0 where the family has none; empty where there are none.

    Differences and slopes of such means are what they are; ratios are not.
    """
    if not (isinstance(req.asked.target, Mean) and req.post.family.positive):
        return ""
    low = parts.reshape(-1, parts.shape[-1]) < 0
    return impossible(req.post.family, low.any(axis=0), low.any(axis=1))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
