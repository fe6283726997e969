"""Covariance of one grouping factor's effects: L = diag(sd) C with C C' the correlations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.model.variables import number, vector
from mixedbayes.numerics.correlation import lkj_shapes, row_of
from mixedbayes.priors.types import PredictorPriors


def standard_deviations(g: GroupDesign, priors: PredictorPriors) -> Any:
    """(q,) sds of a factor's effects, as the priors are about them."""
    p = priors.parameter
    return vector(
        priors.name(names.sd(g.name, p), g.name),
        [a.prior for a in priors.sd[g.name]],
        g.terms,
        names.group_term_dim(g.name, p),
        positive=True,
    )


def cholesky_factor(g: GroupDesign, sd: Any, priors: PredictorPriors) -> Any | None:
    """(q, q) lower-triangular L with L L' the covariance; None where all are uncorrelated.

    Each block of correlated effects has its own LKJ prior; across blocks correlations are zero.
    Where the priors are placed at the columns' means, so is L; the sds and correlations at zero are
    variables of the model that follow from it.
    """
    if not g.correlated:
        return None
    parameter = priors.parameter
    name = names.cor(g.name, parameter)
    C = pt.eye(len(g.terms))
    for k, block in enumerate(b for b in g.blocks if len(b) > 1):
        tag = names.partial_cor(g.name, parameter, k)
        factor = correlation_factor(tag, len(block), priors.lkj(g.name).eta)
        C = pt.set_subtensor(C[np.ix_(block, block)], factor)
    dims = (names.group_term_dim(g.name, parameter), names.group_term_bis_dim(g.name, parameter))
    pm.Deterministic(priors.name(name, g.name), C @ C.T, dims=dims)
    L = sd[:, None] * C
    if g.name in priors.placed:
        root = number(f"placed_{name}", priors.placed[g.name].T) @ L
        at_zero = pt.sqrt((root**2).sum(axis=1))
        pm.Deterministic(names.sd(g.name, parameter), at_zero, dims=dims[:1])
        unit = root / at_zero[:, None]
        pm.Deterministic(name, unit @ unit.T, dims=dims)
    return L


def effects_at_zero(g: GroupDesign, priors: PredictorPriors, placed: Any) -> Any:
    """(J, q) effects at predictor values of zero, from those that the priors are about."""
    name = names.ranef(g.name, priors.parameter)
    return placed @ number(f"placed_{name}", priors.placed[g.name].T.T)


def correlation_factor(name: str, q: int, eta: float) -> Any:
    """(q, q) Cholesky factor of a correlation matrix from LKJ(eta).

    Of partial correlations r the variables are (r + 1) / 2. Plain Beta variables compile in a
    fraction of the time that pm.LKJCorr takes, whose draws need a loop.
    """
    b = lkj_shapes(eta, q)
    r = 2 * pm.Beta(name, b, b) - 1
    zero, one, at, rows = pt.constant(0.0), pt.constant(1.0), 0, []
    for i in range(q):
        own = [r[k] for k in range(at, at + i)]
        row = row_of(own, [pt.sqrt(1 - z**2) for z in own], one)
        rows.append(pt.stack([*row, *[zero] * (q - 1 - i)]))
        at += i
    return pt.stack(rows)
