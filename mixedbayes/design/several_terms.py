"""Terms of several responses: one of all of them, or each response's own under its name.

Effects over one factor on all responses are those of one factor, `child`, correlated where an id
says so: of plain bars, of memberships and of levels in a known relation. Smooths, and effects with
a structure, arms or a law of their own, are those of one response, `weight_child`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import Across, Design, GroupDesign, Ints, LinearPredictor
from mixedbayes.errors import DataError
from mixedbayes.terms.unstructured import UNSTRUCTURED

type Member = tuple[int, str, LinearPredictor]  # place and name of a response, and its predictor


def shared(g: GroupDesign) -> bool:
    """Whether effects over the same levels on other responses are those of the same term."""
    structured = g.correlated and g.covariance != UNSTRUCTURED
    return g.grouping and not (g.within or g.arms or structured) and g.law.normal


def called(name: str, g: GroupDesign) -> str:
    """What a term of one response is called among those of all: `child`, `weight_s(age)`."""
    return g.name if shared(g) else names.label(name, g.name)


def joined(members: Sequence[Member]) -> tuple[Across, ...]:
    """Each factor of all responses once, with its effects on all of them."""
    by_name: dict[str, list[tuple[str, GroupDesign]]] = {}
    for _, name, p in members:
        for g in p.groups:
            if shared(g):
                by_name.setdefault(g.name, []).append((name, g))
    return tuple(Across(tuple(own)) for own in by_name.values())


def together(design: Design, parameter: str) -> tuple[Across, ...]:
    """Factors with effects on a parameter of more than one response, with all these effects."""
    assert design.several is not None
    members = [
        (k, name, part.predictor(parameter))
        for k, (name, part) in enumerate(zip(design.several.names, design.parts, strict=True))
        if part.has(parameter)
    ]
    return tuple(a for a in joined(members) if len(a.members) > 1)


def terms(members: Sequence[Member], units: Ints, places: Ints) -> tuple[GroupDesign, ...]:
    """Terms of the rows (unit, response), from those of each response in all units.

    Raises
    ------
    DataError
        Two responses say different things of the levels of one factor, an id is on effects of one
        response, or two terms have one name.
    """
    place = {name: k for k, name, _ in members}
    found = [_together(a, place, units, places) for a in joined(members)]
    for k, name, p in members:
        found += [_own(name, g, units, places == k) for g in p.groups if not shared(g)]
    known = [names.identifier(g.name) for g in found]
    for k, g in enumerate(found):
        if known[k] in known[:k]:
            raise DataError(
                f"{found[known.index(known[k])].name} and {g.name} are two terms of "
                f"{' and '.join(place)} and have one name; rename a column"
            )
    return tuple(sorted(found, key=lambda g: not g.grouping))


def _together(a: Across, place: dict[str, int], units: Ints, places: Ints) -> GroupDesign:
    """Effects over one factor on all responses, as those of one factor."""
    _check_same(a)
    effects = a.effects
    Z, margins = effects.Z[units], list[tuple[int, ...]]()
    for name, g in a.members:
        own = a.places[name]
        Z[:, own] *= (places == place[name])[:, None]
        inside = g.margins or ((),) * len(g.terms)
        margins += [tuple(own.start + c for c in contained) for contained in inside]
    return replace(
        effects.take(units),
        Z=Z,
        left_out=tuple(names.label(name, t) for name, g in a.members for t in g.left_out),
        margins=tuple(margins) if any(margins) else (),
        ids=a.ids,
    )


def _own(name: str, g: GroupDesign, units: Ints, there: NDArray[np.bool_]) -> GroupDesign:
    """A term of one response, which does nothing in the rows of others."""
    if any(g.ids):
        ids = ", ".join(dict.fromkeys(i for i in g.ids if i))
        raise DataError(
            f"the id {ids} is on effects over {g.name} on {name} that are of one response alone: "
            "plain effects, (x | id | g), are correlated across responses; leave the id out"
        )
    term = g.take(units).masked(there)
    within = names.label(name, g.within) if g.within else ""
    return replace(term, name=called(name, g), within=within)


def _check_same(a: Across) -> None:
    """The levels of a factor, and what is known of them, are the same for all responses."""
    (name, first), *others = a.members
    for other, g in others:
        if not _same(first, g):
            raise DataError(
                f"the formulas of {name} and {other} say different things of the levels of "
                f"{a.name}: write the same in both bars, or leave one out"
            )


def _same(g: GroupDesign, h: GroupDesign) -> bool:
    (_, refs, weights), (_, others, of_others) = g.by_row, h.by_row
    known = [None if t.relation is None else t.relation.name for t in (g, h)]
    alike = np.array_equal(refs, others) and known[0] == known[1] and g.levels.equals(h.levels)
    if weights is None or of_others is None:
        return alike and weights is of_others
    return alike and np.array_equal(weights, of_others)
