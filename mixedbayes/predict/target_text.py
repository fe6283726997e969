"""The target that a user's text names, "P(y > 3)"."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from mixedbayes.design.types import Design
from mixedbayes.design.used import used_columns
from mixedbayes.design.values import label, listed
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family
from mixedbayes.names import MU
from mixedbayes.predict.target import (
    Linear,
    Mean,
    MeanAboveZero,
    OfParameter,
    Probability,
    Quantile,
    Target,
    Truncated,
)
from mixedbayes.results.fitted import need_one_predictor

_PROBABILITY = re.compile(r"^\s*P\s*\((.*?)\s*(<=|>=|==|<|>|=)\s*(.*?)\)\s*$", re.DOTALL)
_TRUNCATED = re.compile(r"^\s*truncated\s+(.*)$", re.DOTALL)
_QUANTILE = re.compile(r"^\s*quantile\s*\(\s*([^()]*)\)\s*$")


def parse_target(text: Any, design: Design, family: Family) -> Target:
    """The target that a text names.

    "mean"; "linear", the linear predictor; a parameter of the family, such as "sigma"; "P(y > 3)"
    with >, >=, <, <= or =, y or the response's name on the left and a number or a category on the
    right; "positive mean", of an observation that is not 0; "median" and "quantile(0.9)", of an
    observation; each of the response after "truncated", of observations between the bounds.

    Raises
    ------
    ModelError
        It is none of these, or has no meaning in this family.
    """
    categories = family.categories(design) is not None
    if isinstance(text, Target):
        return text
    if isinstance(text, str) and (found := _TRUNCATED.match(text)):
        return _truncated(found[1], design, family)
    if text == "mean":
        return Mean(categories, _mean_words(design, family))
    if text == "linear":
        need_one_predictor(design, "target={}")
    if text in {"linear", design.mu.parameter} - {MU}:
        return Linear(text)
    own = {*design.further, *family.estimated(design)}
    single = [n for n in family.parameters if n in own and family.labels(n, design) is None]
    single = [*({design.mu.parameter} - {MU}), *single]
    if isinstance(text, str):
        if text in single:
            return OfParameter(text)
        if text.strip() == "positive mean":
            return _above_zero(design, family)
        if text.strip() == "median":
            return _quantile("0.5", design, family)
        if found := _QUANTILE.match(text):
            return _quantile(found[1], design, family)
        if found := _PROBABILITY.match(text):
            left, sign, right = found.groups()
            return _probability(left, sign, right, design, family)
    also = "".join(f'"{name}", ' for name in single)
    raise ModelError(
        f'target={text!r} is not understood: use "mean", "linear", {also}'
        f'"P({design.response} > 3)" (also >=, <, <=, =), "median" or "quantile(0.9)"'
        + (', or "positive mean"' if _has_zeros(family) else "")
        + (', or one of them between the bounds, as "truncated mean"' if _truncates(design) else "")
    )


def _truncates(design: Design) -> bool:
    return design.formula.response.trunc != (None, None)


def _truncated(text: str, design: Design, family: Family) -> Truncated:
    if not _truncates(design):
        raise ModelError(
            f'target="truncated {text}" is of responses with bounds, and {design.response} has '
            f"none: write {design.response} | trunc(lower, upper), or ask for target={text!r}"
        )
    inner = parse_target(text, design, family)
    if not inner.of_response or inner.between:
        raise ModelError(
            f'target="truncated {text}": bounds change the response, as "truncated mean" '
            f'and "truncated P({design.response} > 3)" have them: ask for target={text!r}'
        )
    if isinstance(inner, Mean):
        inner = Mean(False, "" if family.mean_words(design.response) else inner.said)
    return Truncated(inner)


def _mean_words(design: Design, family: Family) -> str:
    """What the mean is, where that is a probability; empty elsewhere."""
    response, levels = design.response, design.response_levels
    if said := family.mean_words(response):
        return said
    if family.categories(design) is not None:
        return f"probability of each {response}"
    if design.trials is not None:
        return f"expected share of {response}"
    if not family.probability:
        where = _exposure(design)
        return where and f"expected {response}{where}"
    return f"probability of {response}" + ("" if levels is None else f" = {label(levels[-1])}")


def _exposure(design: Design) -> str:
    """At which exposure counts are, to follow what is said of them; empty where there is none."""
    exposure = design.formula.response.rate
    return "" if exposure is None else f" at the rows' exposure {exposure}"


def _has_zeros(family: Family) -> bool:
    """Whether a response of 0 has a probability, beside larger ones."""
    return family.counting or family.trials or 0.0 in family.atoms


def _above_zero(design: Design, family: Family) -> MeanAboveZero:
    if not _has_zeros(family):
        raise ModelError(
            f'target="positive mean" is of families in which 0 has a probability beside larger '
            f'numbers, such as counts; {design.response} is {family.name} here: use target="mean"'
        )
    return MeanAboveZero(_exposure(design))


def _quantile(text: str, design: Design, family: Family) -> Quantile:
    try:
        p = float(text)
    except ValueError:
        p = float("nan")
    if not 0 < p < 1:
        raise ModelError(f"quantile({text.strip()}): give a probability between 0 and 1, as 0.9")
    categories = family.categories(design)
    if categories is not None:
        raise ModelError(
            f"categories of {design.response} have no quantiles; use a probability, as "
            f'target="P({design.response} {"=" if family.unordered else "<="} '
            f'{label(categories[0])})"'
        )
    return Quantile(p, _exposure(design))


def _probability(left: str, sign: str, right: str, design: Design, family: Family) -> Probability:
    short = "y" not in used_columns(design.formula).columns
    if left.strip() not in (design.response, *(["y"] if short else [])):
        raise ModelError(
            f"P({left} {sign} {right}): on the left of {sign} stands the response as the formula "
            f"has it, {design.response}{', or y' if short else ''}"
        )
    sign, said = ("=" if sign == "==" else sign), right.strip().strip("'\"")
    if family.unordered and sign != "=":
        raise ModelError(
            f"P({left} {sign} {right}): {design.response} has categories without an order; ask for "
            f'"P({left} = {said})"'
        )
    levels = family.categories(design) or design.response_levels
    if levels is not None:
        texts = [label(value) for value in levels]
        if said not in texts and not (len(texts) == 2 and said in ("0", "1")):
            raise ModelError(
                f"P({left} {sign} {right}): {said!r} is no category of {design.response}, which "
                f"has {listed(texts)}"
            )
        code = texts.index(said) if said in texts else int(said)
        return Probability(sign, float(code), said)
    try:
        at = float(said)
    except ValueError:
        at = float("nan")
    if not np.isfinite(at):
        raise ModelError(f"P({left} {sign} {right}): {said!r} is not a number")
    if sign == "=" and not family.discrete and at not in family.atoms:
        raise ModelError(
            f"P({left} = {said}) is 0: {design.response} is continuous in the {family.name} "
            "family; ask for > or <"
        )
    return Probability(sign, at - family.first_code, said, _exposure(design))
