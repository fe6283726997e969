"""Which models quadrature takes; apart from the density, which is compiled where it is imported."""

from __future__ import annotations

from mixedbayes.design.types import Design
from mixedbayes.families.base import Family
from mixedbayes.joint import density as joint
from mixedbayes.joint.data import compiled_of
from mixedbayes.joint.links import SAME
from mixedbayes.priors.types import Priors

MOST_EFFECTS = 2  # of a level: a product rule has nodes to the power of it


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
    if not (rows.concave and rows.smooth and before is SAME and design.limits is None):
        return "the density of a level's effects may have several modes"
    if design.further:
        return f"{', '.join(design.further)} has a formula of its own"
    if len(design.mu.groups) != 1:
        return f"there are {len(design.mu.groups) or 'no'} grouping factors, and quadrature is of 1"
    (g,) = design.mu.groups
    if g.entangled:
        return g.entangled
    if len(g.terms) > MOST_EFFECTS:
        return f"{g.name} has {len(g.terms)} effects in each level, more than {MOST_EFFECTS}"
    return None
