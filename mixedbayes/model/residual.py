"""Correlated residuals in PyMC: one multivariate normal over the rows of each group."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from mixedbayes import names
from mixedbayes.design.types import Residual
from mixedbayes.model.spec import Spec
from mixedbayes.model.variables import vector
from mixedbayes.terms.covariance import Number, Scaled

_LOG_2_PI = float(np.log(2 * np.pi))


def residual_correlations(spec: Spec, own: Residual) -> Any:
    """(A, T, T) correlations of the rows of a group by their positions, for each arm.

    Inside a model context, whose variables are the numbers behind them, and those that draws have.
    """
    return _matrices(own, residual_arms(spec, own))


def residual_arms(spec: Spec, own: Residual) -> list[list[Any]]:
    """The numbers of each arm, scalars; inside a model context, as `residual_correlations`."""
    A = own.n_arms
    z: dict[int, Any] = {}  # (A,) by place
    for symbol, numbers in own.by_symbol(spec.priors.correlations).items():
        values = _numbers(own, symbol, numbers, A)
        for k, (m, number) in enumerate(numbers):
            z[m] = number.of_unit(values[:, k])
    arms = [[z[m][a] for m in range(len(z))] for a in range(A)]
    _told(own, arms)
    return arms


def _matrices(own: Residual, arms: list[list[Any]]) -> Any:
    return pt.stack([own.structure.graph(arm, own.n_positions, pt) for arm in arms])


def _numbers(own: Residual, symbol: str, numbers: tuple[tuple[int, Number], ...], A: int) -> Any:
    """(A, m) those of one symbol on (0, 1), or of one that has a prior of its own."""
    given = [z.prior for _, z in numbers if z.prior is not None]
    if given:
        dims = own.dims[symbol]
        if not dims:
            kind, args = given[0].pymc()
            return getattr(pm, kind)(symbol, **args)[None, None]
        return vector(symbol, given * A, own.coords[dims[0]], dims[0], positive=True)[:, None]
    shapes = np.array([(z.a, z.b) for _, z in numbers if isinstance(z, Scaled)] * A)
    return pm.Beta(names.partial_residual(symbol), *shapes.T).reshape((A, len(numbers)))


def _told(own: Residual, arms: list[list[Any]]) -> None:
    """The variables that draws have, where they are not free themselves."""
    model = pm.modelcontext(None)
    if not own.labels:
        told = {own.symbols[0]: _matrices(own, arms)}
    else:
        every = [own.structure.told(z, _rows(own, z)) for z in arms]
        columns = list(zip(*every, strict=True))
        told = (
            {own.symbols[0]: pt.stack([pt.stack(arm) for arm in every])}
            if len(columns) > len(own.symbols) or own.structure.dimension
            else {s: pt.stack(c) for s, c in zip(own.symbols, columns, strict=True)}
        )
    for symbol, value in told.items():
        if symbol not in model.named_vars:
            value = value if own.arm_levels else value[0]
            pm.Deterministic(symbol, value, dims=own.dims[symbol] or None)


def _rows(own: Residual, z: list[Any]) -> list[list[Any]]:
    if own.structure.chain or own.structure.equal:
        return []  # their numbers are told; all k (k + 1) / 2 entries would be nodes of the graph
    left = [pt.sqrt(1 - x**2) for x in z]
    return own.structure.rows(z, left, pt.constant(1.0), own.n_positions)


def correlated_response(
    name: str, own: Residual, mu: Any, sd: Any, R: Any, observed: Any, dims: tuple[str, ...]
) -> Any:
    """The observed variable (n,): normal rows of means mu and sds, correlated within groups.

    All rows are one observation.
    """
    n = len(own.refs)

    def draw(*inputs: Any) -> Any:
        mu, sd, R, _size = inputs
        z = pm.Normal.dist(0.0, 1.0, size=(n,))
        e = pt.zeros((n,))
        for p in own.patterns:
            L = pt.linalg.cholesky(R[p.arm][np.ix_(p.places, p.places)])
            e = pt.set_subtensor(e[p.rows], z[p.rows] @ L.T)
        return mu + pt.broadcast_to(sd, (n,)) * e

    def logp(value: Any, mu: Any, sd: Any, R: Any) -> Any:
        sd = pt.broadcast_to(sd, (n,))
        z, total = (value - mu) / sd, -pt.log(sd).sum() - 0.5 * n * _LOG_2_PI
        for p in own.patterns:
            L = pt.linalg.cholesky(R[p.arm][np.ix_(p.places, p.places)])
            white = pt.linalg.solve_triangular(L, z[p.rows].T, lower=True)
            total = total - 0.5 * (white**2).sum()
            total = total - len(p.rows) * pt.log(pt.diagonal(L)).sum()
        return total

    return pm.CustomDist(
        name, mu, pt.atleast_1d(sd), R,
        dist=draw, logp=logp, ndim_supp=1, ndims_params=[1, 1, 3],
        class_name="CorrelatedNormal", observed=observed, dims=dims,
    )  # fmt: skip
