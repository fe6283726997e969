"""Covariance of one grouping factor's effects: L = diag(sd) C with C C' the correlations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.distributions import Prior
from mixedbayes.model.coords import cor_dims, sd_dim
from mixedbayes.model.variables import number, scalar, vector
from mixedbayes.priors.types import PredictorPriors
from mixedbayes.terms.covariance import Covariance, Number, Scaled
from mixedbayes.terms.law import Law

_MANY = 20  # effects of a chain whose roots are written entry by entry


def standard_deviations(g: GroupDesign, priors: PredictorPriors) -> Any:
    """(q,) sds of a factor's effects, as the priors are about them."""
    p = priors.parameter
    told = vector(
        priors.name(names.sd(g.name, p), g.name),
        [a.prior for a in priors.sd[g.name]],
        g.sd_terms,
        sd_dim(g, p),
        positive=True,
    )
    return g.every_sd(told)


def cholesky_factor(g: GroupDesign, sd: Any, priors: PredictorPriors) -> Any | None:
    """(q, q) lower-triangular L with L L' the covariance; None where all are uncorrelated.

    Each block of correlated effects has correlations of its own; across blocks they are zero.
    Where the priors are placed at the columns' means, so is L; the sds and correlations at zero are
    variables of the model that follow from it.
    """
    if not g.correlated:
        return None
    parameter = priors.parameter
    name = names.cor(g.name, parameter)
    C, told = correlation_root(g, priors)
    dims = cor_dims(g, parameter)
    cor = pt.stack(told) if g.cor_terms else C @ C.T
    pm.Deterministic(priors.name(name, g.name), cor, dims=dims)
    L = sd[:, None] * C
    if g.name in priors.placed:
        root = number(f"placed_{name}", priors.placed[g.name].T) @ L
        at_zero = pt.sqrt((root**2).sum(axis=1))
        pm.Deterministic(names.sd(g.name, parameter), at_zero, dims=dims[:1])
        unit = root / at_zero[:, None]
        pm.Deterministic(name, unit @ unit.T, dims=dims)
    return L


def correlation_root(g: GroupDesign, priors: PredictorPriors) -> tuple[Any, list[Any]]:
    """(q, q) Cholesky factor of the correlations of a factor's effects, and their `cor_terms`."""
    C, told = pt.eye(len(g.terms)), list[Any]()
    for k, block in enumerate(b for b in g.blocks if len(b) > 1):
        tag = names.partial_cor(g.name, priors.parameter, k)
        factor, told = correlation_factor(tag, g.covariance, len(block), priors.cor[g.name].prior)
        C = pt.set_subtensor(C[np.ix_(block, block)], factor)
    return C, told


def law_of(g: GroupDesign, priors: PredictorPriors) -> Law:
    """The law of a factor's effects, its numbers that are estimated as variables of the model."""
    own = priors.laws.get(g.name, {})
    numbers = {
        number: scalar(names.law(number, g.name, priors.parameter), a.prior, positive=True)
        for number, a in own.items()
    }
    return g.law.at(numbers) if numbers else g.law


def effects_at_zero(g: GroupDesign, priors: PredictorPriors, placed: Any) -> Any:
    """(J, q) effects at predictor values of zero, from those that the priors are about."""
    name = names.ranef(g.name, priors.parameter)
    return placed @ number(f"placed_{name}", priors.placed[g.name].T.T)


def correlation_factor(
    name: str, covariance: Covariance, k: int, prior: Prior
) -> tuple[Any, list[Any]]:
    """(k, k) Cholesky factor of a correlation matrix of this structure, under its prior.

    And the numbers that are told of it. Of its numbers z on intervals the variables are those on
    (0, 1): of partial correlations r they are (r + 1) / 2. Plain Beta variables compile in a
    fraction of the time that pm.LKJCorr takes, whose draws need a loop.
    """
    numbers = covariance.parameters(k, prior)
    unit = _unit_numbers(name, numbers)
    z = [number.of_unit(unit[m]) for m, number in enumerate(numbers)]
    if covariance.chain and covariance.labels(k) and k > _MANY:
        return chain_factor(covariance, z, k), z
    rows = covariance.rows(z, [pt.sqrt(1 - own**2) for own in z], pt.constant(1.0), k)
    zero = pt.constant(0.0)
    factor = pt.stack([pt.stack([*row, *[zero] * (k - len(row))]) for row in rows])
    return factor, covariance.told(z, rows)


def chain_factor(covariance: Covariance, z: Sequence[Any], k: int) -> Any:
    """(k, k) that of a chain with the numbers z, w_ij = s_j r(t_i - t_j), without a node for each
    entry.
    """
    at = covariance.positions(k)
    below = np.tril(np.ones((k, k)), -1)
    apart = np.where(below > 0, np.subtract.outer(at, at), 1.0)
    step = covariance.between(z, np.diff(at))
    left = pt.concatenate([pt.ones(1), pt.sqrt((1 - step) * (1 + step))])
    return pt.diag(left) + below * covariance.between(z, apart) * left[None, :]


def chain_numbers(g: GroupDesign, priors: PredictorPriors) -> list[Any]:
    """The numbers z of a factor's chain as variables of the model, and what is told of them."""
    block = max(g.blocks, key=len)
    numbers = g.covariance.parameters(len(block), priors.cor[g.name].prior)
    unit = _unit_numbers(names.partial_cor(g.name, priors.parameter, 0), numbers)
    z = [number.of_unit(unit[m]) for m, number in enumerate(numbers)]
    name = priors.name(names.cor(g.name, priors.parameter), g.name)
    pm.Deterministic(name, pt.stack(z), dims=cor_dims(g, priors.parameter))
    return z


def _unit_numbers(name: str, numbers: Sequence[Number]) -> Any:
    """(m,) a variable of Beta elements, or of one that has a prior of its own."""
    own = [z.prior for z in numbers if z.prior is not None]
    if own:
        return vector(name, own, (), None, positive=True)
    shapes = [(z.a, z.b) for z in numbers if isinstance(z, Scaled)]
    return pm.Beta(name, *np.array(shapes).T)
