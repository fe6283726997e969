"""Bambi's one formula for all categories, of our predictors of each but the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from mixedbayes.errors import ModelError
from mixedbayes.formula.nodes import column
from mixedbayes.interop.bambi_model import Described, Ordered, Value, Vector
from mixedbayes.model.spec import Spec
from mixedbayes.names import INTERCEPT


def check(spec: Spec) -> None:
    """ModelError where the model is none of those that Bambi has."""
    for a in spec.design.across:
        raise ModelError(
            "Bambi has no correlations between the group effects on several categories, and those "
            f"of {a.name} ({', '.join(a.terms)}) are correlated here: write "
            f"(x || {a.name}) for independent ones, or use code('brms')"
        )
    if any(p.offset is not None for p in spec.design.predictors):
        raise ModelError(
            "Bambi's models of several categories have no offset; code('brms') has offsets"
        )


def joined(
    spec: Spec, parts: Sequence[tuple[str, Mapping[str, Described]]]
) -> tuple[str, dict[str, Described]]:
    """The right side and the priors that all categories share, from those of each."""
    (right, first), *_ = parts
    if any(own != right or found.keys() != first.keys() for own, found in parts):
        raise ModelError(
            f"Bambi has one formula for all categories of {spec.design.response}, and here some "
            "have formulas of their own; code('brms') has these"
        )
    return right, {name: _one(name, [found[name] for _, found in parts]) for name in first}


def _one(name: str, priors: Sequence[Described]) -> Described:
    """One prior of an effect on all categories; those of an intercept may differ in numbers."""
    first = priors[0]
    if all(prior == first for prior in priors):
        return Described(first.name, {k: _plain(v) for k, v in first.arguments.items()})
    if name == INTERCEPT and all(prior.name == first.name for prior in priors):
        each = {k: [p.arguments[k] for p in priors] for k in first.arguments}
        return Described(first.name, cast("dict[str, Value]", each))
    raise ModelError(
        f"Bambi has one prior of {name} on all categories, and here they differ: "
        f"{' and '.join(dict.fromkeys(prior.text() for prior in priors))}; code('brms') has them"
    )


def _plain(value: Value) -> Value:
    """One number of equal ones; else an array, which Bambi repeats for each category."""
    if not isinstance(value, list):
        return value
    return value[0] if len(set(value)) == 1 else Vector(value)


def response(spec: Spec) -> tuple[str, Ordered | None]:
    """The left side, the reference first, and the column that has to be made for that."""
    levels = spec.family.categories(spec.design) or ()
    if spec.family.columns:
        return f"counts({', '.join(column(str(level)) for level in levels)})", None
    name = spec.design.response
    plain = spec.design.frame[name]
    known = all(isinstance(level, str) for level in levels) and list(levels) == sorted(levels)
    if known and not hasattr(plain, "cat"):
        return column(name), None
    return column(name), Ordered(name, tuple(levels))
