"""Which models quadrature takes; apart from the density, which is compiled where it is imported."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from mixedbayes.design.types import Design
from mixedbayes.families.base import Family
from mixedbayes.families.fronts import SAME
from mixedbayes.joint import density as joint
from mixedbayes.joint.data import compiled_of
from mixedbayes.priors.types import Priors

MOST_EFFECTS = 3  # of a level: a product rule has nodes to the power of it


def obstacle(design: Design, family: Family, priors: Priors) -> str | None:
    """Why effects cannot be integrated out by quadrature; None where they can."""
    said = joint.unwritten(design, family, priors)
    found = compiled_of(family)
    if said is not None or found is None:
        return said
    rows, before = found
    if design.several is not None and design.further:
        return "responses have linear predictors of their own"
    if rows.row is None and rows.each is None and rows.each_of_numbers is None:
        return f"the density of the {family.name} family is that of all rows at once"
    if not rows.smooth:
        return (
            f"the density of the {family.name} family has kinks, which no nodes integrate exactly"
        )
    if before.positive:
        return "effects for which a row's predictor is not positive are impossible"
    if (said := _of_factors(design)) is not None:
        return said
    if (q := effects_of_level(design)) > MOST_EFFECTS:
        name = factors(design)[0]
        return f"{name} has {q} effects in each level, more than {MOST_EFFECTS}"
    return None


def concave(design: Design, family: Family) -> bool:
    """Whether the log density of each level's rows is known to be concave in its effects."""
    found = compiled_of(family)
    alone = not any(p.groups for p in design.predictors if p is not design.mu)
    return (
        found is not None
        and found[0].concave
        and found[1] is SAME
        and (alone and design.limits is None)
    )


def factors(design: Design) -> list[str]:
    """Grouping factors of all predictors, each once."""
    return list(dict.fromkeys(g.name for p in design.predictors for g in p.groups))


def effects_of_level(design: Design) -> int:
    """How many effects a level has, on all predictors; of nested factors a level of the finest."""
    if len(factors(design)) > 1:
        return 1
    return sum(len(g.terms) for p in design.predictors for g in p.groups)


def _of_factors(design: Design) -> str | None:
    """Why the factors of a design do not do; None where they do."""
    found = factors(design)
    if len(found) > 1:
        return _of_nested(design)
    if not found:
        return "there are no grouping factors"
    return next((g.entangled for p in design.predictors for g in p.groups if g.entangled), None)


def _of_nested(design: Design) -> str | None:
    """Why several factors do not do; None where each lies in the next, with one effect each."""
    groups = sorted(design.mu.groups, key=lambda g: -g.n_levels)
    if design.further or len(groups) != len(factors(design)):
        return "there are several grouping factors, and further parameters with formulas"
    if (said := next((g.entangled for g in groups if g.entangled), None)) is not None:
        return said
    for finer, coarser in pairwise(groups):
        if finer.n_levels == coarser.n_levels:
            return (
                f"{finer.name} and {coarser.name} have {finer.n_levels} levels each, so that "
                "neither is the finer one"
            )
        if finer.parents(coarser) is None:
            return (
                f"there are {len(groups)} grouping factors, each of which would have to lie within "
                f"the next: levels of {finer.name} lie in several levels of {coarser.name}"
            )
        if len(finer.terms) > 1 or len(coarser.terms) > 1:
            return (
                f"{finer.name} lies within {coarser.name}, and levels have several effects, so "
                "that the nodes of both would multiply"
            )
        if not np.array_equal(finer.Z, coarser.Z):
            return f"{finer.name} lies within {coarser.name}, and their effects differ"
    return None
