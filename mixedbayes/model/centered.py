"""Centred group effects: b ~ Normal(0, L L') directly."""

from __future__ import annotations

from typing import Any

import pymc as pm
import pytensor.tensor as pt

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.model.covariance import effects_at_zero
from mixedbayes.priors.types import PredictorPriors


def effects(g: GroupDesign, priors: PredictorPriors, sd: Any, L: Any | None) -> Any:
    """(J, q) effects on the original scale, named `ranef_<group>`."""
    p = priors.parameter
    name = names.ranef(g.name, p)
    dims = (names.group_dim(g.name), names.group_term_dim(g.name, p))
    if L is None:
        return pm.Normal(name, 0.0, sd, dims=dims)
    own = priors.name(name, g.name)
    b = pm.MvNormal(own, pt.zeros(len(g.terms)), chol=L, dims=dims)
    if own == name:
        return b
    return pm.Deterministic(name, effects_at_zero(g, priors, b), dims=dims)
