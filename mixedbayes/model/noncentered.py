"""Non-centred group effects: b = L u, u ~ Normal(0, I)."""

from __future__ import annotations

from typing import Any

import pymc as pm

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.model.covariance import effects_at_zero
from mixedbayes.priors.types import PredictorPriors


def effects(g: GroupDesign, priors: PredictorPriors, sd: Any, L: Any | None) -> Any:
    """(J, q) effects on the original scale, named `ranef_<group>`."""
    p = priors.parameter
    dims = (names.group_dim(g.name), names.group_term_dim(g.name, p))
    u = pm.Normal(names.spherical(g.name, p), 0.0, 1.0, dims=dims)
    b = u * sd if L is None else u @ L.T
    if g.name in priors.placed:
        b = effects_at_zero(g, priors, b)
    return pm.Deterministic(names.ranef(g.name, p), b, dims=dims)
