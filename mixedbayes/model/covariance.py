"""Covariance of one grouping factor's effects: L = diag(sd) C with C C' the correlations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.priors.types import PredictorPriors


def cholesky_factor(g: GroupDesign, parameter: str, sd: Any, priors: PredictorPriors) -> Any | None:
    """(q, q) lower-triangular L with L L' the covariance; None where all are uncorrelated.

    Each block of correlated effects has its own LKJ prior; across blocks correlations are zero.
    """
    if not g.correlated:
        return None
    q, eta = len(g.terms), priors.lkj(g.name).eta
    name = names.cor(g.name, parameter)
    C = pt.eye(q)
    for k, block in enumerate(b for b in g.blocks if len(b) > 1):
        chol = pm.LKJCorr(f"chol_{name}" + (f"_{k}" if k else ""), n=len(block), eta=eta)
        C = pt.set_subtensor(C[np.ix_(block, block)], chol)
    dims = (names.group_term_dim(g.name, parameter), names.group_term_bis_dim(g.name, parameter))
    pm.Deterministic(name, C @ C.T, dims=dims)
    return sd[:, None] * C
