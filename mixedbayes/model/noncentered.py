"""Non-centred group effects: b = L u, u ~ Normal(0, I)."""

from __future__ import annotations

from typing import Any

import pymc as pm

from mixedbayes import names
from mixedbayes.design.types import GroupDesign


def effects(g: GroupDesign, parameter: str, sd: Any, L: Any | None) -> Any:
    """(J, q) effects on the original scale, named `ranef_<group>`."""
    name = names.ranef(g.name, parameter)
    dims = (names.group_dim(g.name), names.group_term_dim(g.name, parameter))
    u = pm.Normal(names.spherical(g.name, parameter), 0.0, 1.0, dims=dims)
    return pm.Deterministic(name, u * sd if L is None else u @ L.T, dims=dims)
