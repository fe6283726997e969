"""Centred group effects: b ~ Normal(0, L L') directly."""

from __future__ import annotations

from typing import Any

import pymc as pm
import pytensor.tensor as pt

from mixedbayes import names
from mixedbayes.design.types import GroupDesign


def effects(g: GroupDesign, parameter: str, sd: Any, L: Any | None) -> Any:
    """(J, q) effects on the original scale, named `ranef_<group>`."""
    name = names.ranef(g.name, parameter)
    dims = (names.group_dim(g.name), names.group_term_dim(g.name, parameter))
    if L is None:
        return pm.Normal(name, 0.0, sd, dims=dims)
    return pm.MvNormal(name, pt.zeros(len(g.terms)), chol=L, dims=dims)
