"""The families of several responses, `mv(weight, height) ~ ...`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mixedbayes import names
from mixedbayes.design import check_effects, several
from mixedbayes.design.roles import Role
from mixedbayes.design.types import Design, Floats
from mixedbayes.errors import FormulaError, ModelError
from mixedbayes.families.base import Family
from mixedbayes.families.different import as_one
from mixedbayes.families.exact import refuse_exact
from mixedbayes.families.known_errors import with_errors
from mixedbayes.families.registry import as_family, check_limits
from mixedbayes.formula import Formula, parse_expression
from mixedbayes.formula.nodes import unparse
from mixedbayes.formula.responses import additions, correlated, left_sides, responses


def family_of(family: Any, formula: Formula) -> Family:
    """The family that a model was asked for, by name, class or object, or by response.

    Raises
    ------
    ModelError
        A dictionary has not one family for each response; or residuals that are not all normal
        would be correlated.
    """
    joined = responses(formula)
    if not isinstance(family, Mapping):
        one = as_family(family)
        if not joined:
            return with_errors(one, formula)
        family = dict.fromkeys(joined, family)
    family = {_called(name): own for name, own in family.items()} if joined else family
    if not joined:
        raise ModelError(
            f"family={dict(family)!r} has a family for each of several responses, and there is "
            f"one, {formula.response.text}: write mv(a, b) ~ ..., or name one family"
        )
    if set(family) != set(joined):
        raise ModelError(
            f"family has {', '.join(map(repr, family)) or 'none'}, and the responses are "
            f"{', '.join(joined)}: give each of them one"
        )
    more, apart = additions(formula), not correlated(formula)
    lefts = left_sides(formula)
    own = [
        with_errors(as_family(family[name]), replace(formula, response=lefts[name]))
        for name in joined
    ]
    found = as_one(joined, own, alike=not (more and apart))
    if not found.closed_form:
        _check(formula, joined, found)
    elif more:
        raise ModelError(
            f"{' and '.join(more)} is not offered where the residuals of {', '.join(joined)} are "
            f"correlated: write mv({', '.join(joined)}, rescor=False) ~ ...; effects over a factor "
            "may be correlated, (1 | p | g)"
        )
    return found


def _called(name: Any) -> Any:
    """A response as formulas name it: `cbind(a, b)`, with or without blanks."""
    if not isinstance(name, str) or "(" not in name:
        return name
    try:
        return unparse(parse_expression(name))
    except FormulaError:
        return name


def as_asked(family: Family, formula: Formula) -> Family | dict[str, Family]:
    """What `family_of` makes the family of: of each response where these differ."""
    joined = responses(formula)
    if not joined or family.closed_form:
        return family
    return {name: family.of_response(k) for k, name in enumerate(joined)}


def _check(formula: Formula, joined: tuple[str, ...], family: Family) -> None:
    if correlated(formula):
        raise ModelError(
            f"residuals of {', '.join(joined)} are not all normal ({family.described}) and cannot "
            f"be correlated: write mv({', '.join(joined)}, rescor=False) ~ ...; effects over a "
            "factor may be, (1 | p | g)"
        )


def roles_of(family: Family, formula: Formula) -> dict[str, Role] | None:
    """The role of each of several responses of different families; None of all others."""
    joined = responses(formula)
    if not joined or family.closed_form:
        return None
    return {name: _role(name, family.of_response(k)) for k, name in enumerate(joined)}


def _role(name: str, own: Family) -> Role:
    return Role(
        parameters=() if own.unknown else own.parameters,
        numbers=tuple(p.name for p in own.declared if not (p.level or p.optional)),
        vector="" if own.thresholds is None else names.vector(own.thresholds, name),
        unknown=own.unknown,
        expand=own.expanded,
        knows=own.knows,
    )


def check_formula(family: Family, formula: Formula) -> None:
    """`Family.check_formula`, of each response where there are several."""
    if not responses(formula):
        family.check_formula(formula)
        check_limits(family, formula)
        return
    if formula.residual is not None:
        raise ModelError(
            f'residual="{formula.residual.text}" is of one response, and the formula has several, '
            "whose residuals in one row are correlated: leave it out, or fit one response by itself"
        )
    for k, f in enumerate(several.alone(formula, roles_of(family, formula))):
        family.of_response(k).check_formula(f)
        check_limits(family.of_response(k), f)


def alone(design: Design, family: Family) -> list[tuple[Design, Family]]:
    """Each response with its family; of one response the design and family themselves."""
    if design.several is None:
        return [(design, family)]
    return [(part, family.of_response(k)) for k, part in enumerate(design.parts)]


def check_told(design: Design, family: Family, given: Collection[str]) -> None:
    """DataError where nothing is left for a residual whose scale has no prior `given` by the user.

    An effect in each row can be told from it only by what is known of sigma.
    """
    for part, own in alone(design, family):
        scale = own.dispersion
        if scale is None or scale in given:
            continue
        if own.normal:
            check_effects(part)
        if not own.discrete:
            least = 1e-7 if own.closed_form else 1e-5
            refuse_exact(part, own.on_link_scale(part), scale, least)


def prepared(family: Family, design: Design) -> Design:
    """The design as the family reads it, and each of several responses as it reads that."""
    every = design.several
    if every is None:
        return family.prepare(design)
    parts = tuple(family.of_response(k).prepare(part) for k, part in enumerate(every.parts))
    y = np.empty(design.n)
    for k, part in enumerate(parts):
        y[every.at(k)] = part.y
    said = (
        note for p, q in zip(parts, every.parts, strict=True) for note in p.notes[len(q.notes) :]
    )
    return replace(
        family.counted(design),
        y=y,
        several=replace(every, parts=parts),
        notes=(*design.notes, *said),
    )


def centres(design: Design, family: Family, parameter: str) -> Floats:
    """(p,) coefficients of one predictor at which each response is at its centre, roughly."""
    every = design.several
    assert every is not None
    found: list[float] = []
    for k, (part, own) in enumerate(alone(design, family)):
        if not every.reads(k, parameter):
            continue
        if parameter == part.mu.parameter:
            p, centre = part.mu, own.location(part)
        else:
            there = part.has(parameter)
            p = part.predictor(parameter) if there else several.one(part.n, parameter)
            # Of an intercept alone: where there is none it is 0, as of single thresholds.
            centre = own.link_scale(parameter, part)[0] if p.intercept else 0.0
        found += [centre] * p.intercept + [0.0] * len(p.terms)
    return np.array(found, float)
