"""What a response may be: checks against a family's support, and the families that would fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedbayes.design.types import Design, Floats
from mixedbayes.design.values import label
from mixedbayes.errors import DataError


def suggestion(design: Design) -> str:
    """The families that a response like this one would fit, in words."""
    y, levels = design.y, design.response_levels
    whole = bool(np.all(y == np.floor(y)))
    if design.trials is not None:
        return "family='binomial'"
    if levels is not None and len(levels) > 2:
        return "family='cumulative' if its levels are ordered"
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
        return f"family='binomial' with {count}, where these are shares of n trials,"
    if y.min() > 0:
        return "family='gamma' or 'lognormal'"
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
    reason = suggestion(design)
    raise DataError(
        f"the response {design.response!r} is {shown} in row {design.index[first]!r} "
        f"({int((~valid).sum())} of {design.n} rows are not {support}): the {family} family takes "
        f"{support}; {reason} fits these values"
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
        "whole numbers"
    )


def refuse_trials(design: Design, family: str) -> None:
    """Raise DataError if trials were given to a family that has none."""
    if design.trials is not None:
        raise DataError(
            f"trials({design.formula.response.trials}) is for binomial counts; the {family} "
            "family does not use it: leave it out, or use family='binomial'"
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
