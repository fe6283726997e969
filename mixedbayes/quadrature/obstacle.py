"""Which models quadrature takes; apart from the density, which is compiled where it is imported."""

from __future__ import annotations

from mixedbayes.design.types import Design
from mixedbayes.families.base import Family
from mixedbayes.families.fronts import SAME
from mixedbayes.joint import density as joint
from mixedbayes.joint.data import compiled_of
from mixedbayes.priors.types import Priors

MOST_EFFECTS = 3  # of a level: a product rule has nodes to the power of it


def obstacle(design: Design, family: Family, priors: Priors) -> str | None:
    """Why effects cannot be integrated out by quadrature; None where they can."""
    said = joint.obstacle(design, family, priors)
    found = compiled_of(family)
    if said is not None or found is None:
        return said
    if priors.mu.monotonic:
        return f"the steps of {priors.mu.monotonic[0].name} are products of parameters"
    rows, before = found
    if rows.loop is not None:
        return f"the rows of the {family.name} family share a vector of parameters"
    if not rows.smooth:
        return (
            f"the density of the {family.name} family has kinks, which no nodes integrate exactly"
        )
    if before.positive:
        return "effects for which a row's predictor is not positive are impossible"
    if design.several is not None and design.further:
        return "responses have linear predictors of their own"
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
    """How many effects a level has, on all predictors; of nested factors a level of the finer."""
    if len(factors(design)) > 1:
        return 1
    return sum(len(g.terms) for p in design.predictors for g in p.groups)


def _of_factors(design: Design) -> str | None:
    """Why the factors of a design do not do; None where they do."""
    found = factors(design)
    groups = sorted(design.mu.groups, key=lambda g: -g.n_levels)
    if len(found) == 2 and len(groups) == 2 and not design.further:
        if (said := next((g.entangled for g in groups if g.entangled), None)) is not None:
            return said
        finer, coarser = groups
        if finer.n_levels > coarser.n_levels and finer.parents(coarser) is not None:
            if all(len(g.terms) == 1 for g in groups):
                return None
            return f"{finer.name} lies within {coarser.name}, and levels have several effects"
    if len(found) != 1:
        many = len(found) or "no"
        return f"there are {many} grouping factors, and quadrature is of 1, or of 2 nested ones"
    return next((g.entangled for p in design.predictors for g in p.groups if g.entangled), None)
