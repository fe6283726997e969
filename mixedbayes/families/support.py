"""What a response may be: checks against a family's support, and the families that would fit."""

from __future__ import annotations

import difflib
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from mixedbayes.design.types import Design, Floats
from mixedbayes.design.values import label, row_name
from mixedbayes.errors import DataError, ModelError
from mixedbayes.formula.types import Formula, Response


def suggestion(design: Design) -> str:
    """The families that a response like this one would fit, in words."""
    y, levels = design.y, design.response_levels
    whole = bool(np.all(y == np.floor(y)))
    if design.trials is not None:
        return "family='binomial'"
    if levels is not None and len(levels) > 2:
        return "family='cumulative' if its levels are ordered, else 'categorical'"
    if levels is not None or (whole and set(np.unique(y)) <= {0.0, 1.0}):
        return "family='bernoulli'"
    if len(y) > 2 == len(two := np.unique(y)):
        return f"family='bernoulli' with I({design.formula.response.text} == {label(two[1])})"
    if whole and y.min() >= 0:
        return "family='poisson' or 'negative_binomial'"
    if y.min() > 0 and y.max() < 1:
        return "family='beta'"
    if y.min() >= 0 and y.max() <= 1:
        count = f"round({design.formula.response.text}*n) | trials(n)"
        return (
            f"family='ordered_beta' or 'zero_one_inflated_beta', or 'binomial' with {count} where "
            "these are shares of n trials,"
        )
    if y.min() > 0:
        return "family='gamma' or 'lognormal'"
    if y.min() == 0:
        return "family='hurdle_gamma' or 'hurdle_lognormal'"
    return "family='gaussian' or 'student_t'"


def require(design: Design, valid: NDArray[np.bool_], family: str, support: str) -> None:
    """Raise DataError unless every row is valid: it names the first that is not.

    `support` says in words what the family takes: "counts 0, 1, 2, ...".
    """
    if valid.all():
        return
    first = int(np.argmin(valid))
    value, near = design.y[first], np.round(design.y[first])
    shown = f"{value:g}"
    if value != near and abs(value - near) < 1e-6 * max(1.0, abs(near)):
        text = design.formula.response.text
        shown = f"{float(value)!r}, a whole number but for rounding (write round({text}) ~ ...),"
    remedy = f"{suggestion(design)} fits these values"
    if design.limits is not None and design.limits.censored(design.n)[first]:
        remedy = (
            "the row is censored, and its limit is no value that the response can have: take the "
            "row out where that says nothing, as that a time is above 0, or correct it"
        )
    raise DataError(
        f"the response {design.response!r} is {shown} in row {row_name(design.index, first)} "
        f"({int((~valid).sum())} of {design.n} rows are not {support}): the {family} family takes "
        f"{support}; {remedy}"
    )


def refuse_specific(formula: Formula, family: str, *, ordered: bool) -> NoReturn:
    """Raise ModelError: no category-specific effects, cs(x), in this family."""
    why = f"the {family} family has no steps from category to category"
    if ordered:
        why = (
            f"the thresholds of the {family} family increase, and effects of their own would let "
            "them cross, where probabilities are negative"
        )
    raise ModelError(
        f"cs() gives each threshold of an ordered response effects of its own: {why}. Use "
        "family='acat', 'sratio' or 'cratio', or write the terms without cs()"
    )


def refuse_parameter(
    name: str, formula: Formula, family: str, distributional: tuple[str, ...]
) -> NoReturn:
    """Raise ModelError: a formula of what is no parameter that may have one."""
    near = difflib.get_close_matches(name.lower(), distributional, n=1)
    meant = f". Did you mean {near[0]!r}?" if near else ""
    response = formula.response.text
    if response in distributional:
        first, second = f"{name} ~ ...", f"{response} ~ ..."
        meant = f". The response's formula goes first: [{first!r}, {second!r}]"
    can = ", ".join(distributional) or "none"
    raise ModelError(
        f"{name!r} has a formula, but the {family} family's parameters that may have one are: "
        f"{can}{meant}"
    )


def refuse_rate(rate: str, family: str, link: str) -> NoReturn:
    """Raise ModelError: no counts whose mean has a log link."""
    raise ModelError(
        f"rate({rate}) is the exposure of counts whose mean has a log link, which the {family} "
        f"family with the {link} link has not; use family='poisson' or 'negative_binomial'"
    )


def check_residual(formula: Formula, family: str, link: str, *, possible: bool) -> None:
    """Raise ModelError where residuals are said to be correlated that are not normal, or not known.

    Those of responses within limits are not, and known standard errors are independent.
    """
    said, response = formula.residual, formula.response
    if said is None:
        return
    effects = f"{said.structure}({said.of} | {said.group})" if said.of else f"(1 | {said.group})"
    for what in (*response.limits, *([response.weighing] if response.se is not None else [])):
        raise ModelError(
            f'residual="{said.text}" is of responses that are known themselves, and here is '
            f"{what}: leave it out, or residual=, and put effects of each row's position into the "
            f"formula, + {effects}"
        )
    if not possible:
        with_link = "" if link == "identity" else f" with the {link} link"
        raise ModelError(
            f'residual="{said.text}" is of normal residuals around a linear predictor, and the '
            f"{family} family{with_link} has none: in its formula effects of each row's position "
            f"do the same on the scale of the linear predictor, + {effects}"
        )


def refuse_labels(design: Design, family: str) -> None:
    """Raise DataError if the response is categorical."""
    levels = design.response_levels
    if levels is None:
        return
    shown = ", ".join(map(repr, levels[:3])) + (", ..." if len(levels) > 3 else "")
    raise DataError(
        f"the response {design.response!r} is categorical ({shown}): the {family} family needs "
        f"numbers; {suggestion(design)} fits"
    )


def refuse_unordered(design: Design) -> None:
    """Raise DataError: the response is a category whose levels are in no stated order."""
    levels = list(design.response_levels or ())
    text = design.formula.response.text
    shown = ", ".join(map(repr, levels[:10])) + (", ..." if len(levels) > 10 else "")
    raise DataError(
        f"the response {design.response!r} is a category without an order (it has the levels "
        f"{shown}); say the order from the lowest to the highest: C({text}, levels=[...]) ~ ... in "
        "the formula, pandas.Categorical(..., categories=[...], ordered=True) in the data, or "
        "whole numbers; family='categorical' needs no order"
    )


def refuse_trials(response: Response, family: str) -> NoReturn:
    """Raise DataError: the family does not count successes among trials."""
    y, n = response.text, response.trials
    raise DataError(
        f"trials({n}) is for binomial counts; the {family} family does not use it: leave it out, "
        f"or use family='binomial' (of shares, with round({y}*{n}) | trials({n}))"
    )


def refuse_constant(design: Design) -> None:
    """Raise DataError if the response never varies: nothing would set the scale of the priors."""
    if np.ptp(design.y) == 0:
        raise DataError(
            f"the response {design.response!r} is {design.y[0]:g} in all {design.n} rows: "
            "there is no variation to model"
        )


def whole(y: Floats) -> NDArray[np.bool_]:
    """(n,) which values are counts."""
    return np.isfinite(y) & (y >= 0) & (y == np.floor(y))


_LARGEST, _SMALLEST = 1e30, 1e-30  # sizes whose squares, and squares of these, are numbers
_WIDEST = 600.0  # offsets on a log or logit scale: a factor of e^600 is nearly all there is


def refuse_extremes(design: Design, *, logged: bool) -> None:
    """Raise DataError if a column has a size whose powers are no floating-point numbers.

    A response that enters by its logarithm alone, `logged`, may have any size.
    """
    found = [] if logged else [(f"the response {design.response!r}", design.y)]
    if design.weights is not None:
        found.append((design.formula.response.weighing or "the weights", design.weights))
    for predictor in design.predictors:
        found += list(zip(predictor.terms, predictor.X.T, strict=True))
        if predictor.offset is not None:
            found.append(("the offset", predictor.offset))
        for g in predictor.groups:
            found += [
                (f"{t}, which varies over {g.name},", z)
                for _, Z in g.pieces
                for t, z in zip(g.terms, Z.T, strict=True)
            ]
    for what, values in found:
        size = float(np.max(np.abs(values), initial=0.0))
        if size and not _SMALLEST <= size <= _LARGEST:
            raise DataError(
                f"{what} has values of size {size:.3g}, too {'large' if size > 1 else 'small'} to "
                f"compute with (from {_SMALLEST:g} to {_LARGEST:g}): rescale the column, such as "
                f"dividing it by {size:.0e}"
            )


def refuse_wide_offset(design: Design, link: str) -> None:
    """Raise DataError if offsets on the scale of a link differ beyond what means can differ."""
    offset = design.mu.offset
    if offset is not None and np.ptp(offset) > _WIDEST:
        raise DataError(
            f"the offset goes from {offset.min():.4g} to {offset.max():.4g} on the {link} scale, "
            f"further than means of {design.response} can differ (at most {_WIDEST:g}): it is "
            "added to the linear predictor; of exposures take the logarithm, offset(log(exposure))"
        )
