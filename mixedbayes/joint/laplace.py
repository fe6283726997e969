"""Laplace's approximation of the joint posterior: where NUTS starts, and in which units it walks.

For given variance parameters phi the effects and coefficients e are found by Fisher scoring; their
precision H is sparse. phi is found at the highest point of

    log p(phi, e(phi), y) - 1/2 log |H(phi)|,

the posterior of phi with e integrated out approximately (Tierney & Kadane 1986,
doi:10.1080/01621459.1986.10478240; Rue, Martino & Chopin 2009,
doi:10.1111/j.1467-9868.2008.00700.x). Nothing in the posterior depends on it: it is a starting
point, a metric and a parametrisation for the exact density.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from mixedbayes.design.types import Floats
from mixedbayes.joint.density import JointDensity
from mixedbayes.joint.factor import Factor, factorise
from mixedbayes.joint.layout import Coordinates
from mixedbayes.marginal.logpriors import LOG, NORMAL, STUDENT

_SETTLED = 1e-6  # expected gain at which Fisher scoring stops
_ITERATIONS = 50
_LONGEST = 1.0  # step of a coordinate of phi
_NEARLY = 0.005  # expected gain at which the search for phi stops
_STEP = 0.1  # of the differences in phi
_WIDEST = 2.0  # largest sd that the curvature may claim for a coordinate of phi
_SLOPE = 0.01  # of the differences in the search


@dataclass(frozen=True, eq=False)
class Conditional:
    """Effects and coefficients for given phi: their mode, precision, and log p(phi, y)."""

    effects: Floats  # (N,) u, not centred, then coefficients
    factor: Factor
    information: Floats  # (m,) of each row about its linear predictor
    log_evidence: float


@dataclass(frozen=True, eq=False)
class Approximation:
    """A normal approximation of the posterior in theta, the effects in these coordinates."""

    mode: Floats  # (d,)
    hyper: Floats  # (h, h) Cholesky factor of the covariance of phi
    slopes: Floats  # (N, h) how effects and coefficients move with phi
    factor: Factor  # of their precision given phi
    coordinates: Coordinates
    converged: bool

    def to_theta(self, z: Floats) -> Floats:
        """theta (S, d) at standard normal coordinates z (S, d)."""
        h, n_first = len(self.hyper), self.factor.couplings.shape[0]
        moved = z[:, :h] @ self.hyper.T
        rest = z[:, h + n_first :] @ self.factor.outer
        q = self.factor.inner.shape[1]
        first = (z[:, h : h + n_first] - rest @ self.factor.couplings.T).reshape(len(z), -1, q)
        first = np.einsum("gji,sgj->sgi", self.factor.inner, first).reshape(len(z), n_first)
        given = np.concatenate([first, rest], axis=1) + moved @ self.slopes.T
        return self.mode + np.concatenate([moved, given], axis=1)


class _Model:
    """Fisher scoring of effects and coefficients, from wherever the last call ended."""

    def __init__(self, density: JointDensity) -> None:
        self.density, self.layout = density, density.layout
        layout, rows = self.layout, density.data.rows
        mu = layout.design.mu
        self.offset = np.zeros(len(rows)) if mu.offset is None else mu.offset[rows]
        self.Z = [g.Z[rows] for g in layout.groups]
        self.refs = [np.asarray(g.refs)[rows] for g in layout.groups]
        ones = np.ones((len(rows), int(mu.intercept)))
        self.X = np.concatenate([ones, mu.X[rows] - layout.means], axis=1)
        self.precision = _prior_precision(density)
        self.start = np.zeros(layout.ndim - layout.n_hyper)
        if mu.intercept:
            start = layout.family.location(layout.design)
            self.start[layout.n_effects] = start

    def columns(self, phi: Floats) -> tuple[list[Floats], sparse.csr_array]:
        """Values (m, q) of each factor's columns for u, and all but the first as a matrix."""
        sd, W, _ = self.layout.hyper(phi)
        values = [Z @ (s[:, None] * w) for Z, s, w in zip(self.Z, sd, W, strict=True)]
        n, at, cols = len(self.X), 0, []
        for refs, v in zip(self.refs[1:], values[1:], strict=True):
            q = v.shape[1]
            cols.append(at + refs[:, None] * q + np.arange(q))
            at += (self.layout.groups[len(cols)].n_levels) * q
        cols.append(np.broadcast_to(at + np.arange(self.X.shape[1]), self.X.shape))
        index = np.concatenate(cols, axis=1)
        data = np.concatenate([*values[1:], self.X], axis=1)
        pointer = np.arange(n + 1) * index.shape[1]
        shape = (n, at + self.X.shape[1])
        return values, sparse.csr_array((data.ravel(), index.ravel(), pointer), shape=shape)

    def first(self, values: list[Floats]) -> sparse.csr_array:
        """The first factor's columns as a matrix (m, J q)."""
        if not values:
            return sparse.csr_array((len(self.X), 0))
        v, refs = values[0], self.refs[0]
        q = v.shape[1]
        index = (refs[:, None] * q + np.arange(q)).ravel()
        shape = (len(v), self.layout.groups[0].n_levels * q)
        return sparse.csr_array((v.ravel(), index, np.arange(len(v) + 1) * q), shape=shape)

    def conditional(self, phi: Floats) -> Conditional:
        """The mode of effects and coefficients given phi; LinAlgError where there is none."""
        values, rest = self.columns(phi)
        first = self.first(values)
        _, _, parameters = self.layout.hyper(phi[None])
        e = self.start
        value, gradient = self._value(phi, e)
        for _ in range(_ITERATIONS):
            w = self._information(first, rest, e, parameters)
            factor = factorise(*self._precision(values, first, rest, w))
            step = factor.solve(gradient)
            gain = float(gradient @ step)
            if gain < _SETTLED:
                break
            e, value, gradient = self._search(phi, e, value, step)
        else:
            raise np.linalg.LinAlgError("Fisher scoring did not settle")
        self.start = e
        log_2pi = 0.5 * len(e) * np.log(2 * np.pi)
        return Conditional(e, factor, w, value - factor.log_det + log_2pi)

    def _value(self, phi: Floats, e: Floats) -> tuple[float, Floats]:
        value, gradient = self.density.logp_grad(np.concatenate([phi, e]))
        return value, gradient[len(phi) :]

    def _search(
        self, phi: Floats, e: Floats, value: float, step: Floats
    ) -> tuple[Floats, float, Floats]:
        """A step that does not lead down, halved as often as needed."""
        length = 1.0
        while length > 1e-8:
            there, slope = self._value(phi, e + length * step)
            if there >= value - 1e-9 * abs(value):
                return e + length * step, there, slope
            length /= 2
        raise np.linalg.LinAlgError("no step leads up")

    def _information(
        self, first: sparse.csr_array, rest: sparse.csr_array, e: Floats, parameters: dict
    ) -> Floats:
        n_first = first.shape[1]
        eta = self.offset + first @ e[:n_first] + rest @ e[n_first:]
        with np.errstate(over="ignore"):
            each = self.layout.family.information(eta[None], parameters)[0]
        return self.density.data.size * np.clip(np.nan_to_num(each), 1e-12, 1e12)

    def _precision(
        self, values: list[Floats], first: sparse.csr_array, rest: sparse.csr_array, w: Floats
    ) -> tuple[Floats, sparse.csr_array, Floats]:
        """H of u and coefficients: the first factor's blocks, couplings, and the others' corner."""
        weighted = sparse.csr_array(rest.multiply(w[:, None]))
        corner = (rest.T @ weighted).toarray() + np.diag(self.precision)
        blocks = np.zeros((0, 1, 1))
        if values:
            v, refs = values[0], self.refs[0]
            J, q = self.layout.groups[0].n_levels, v.shape[1]
            blocks = np.empty((J, q, q))
            for i in range(q):
                for j in range(q):
                    blocks[:, i, j] = np.bincount(refs, w * v[:, i] * v[:, j], J) + (i == j)
        return blocks, sparse.csr_array(first.T @ weighted), corner

    def factor(self, phi: Floats, w: Floats, T: sparse.csr_array) -> Factor:
        """The factor of T' H T; T is diagonal where it takes the first factor to itself."""
        values, rest = self.columns(phi)
        blocks, couplings, corner = self._precision(values, self.first(values), rest, w)
        n, q = couplings.shape[0], blocks.shape[1]
        if len(blocks):
            at = np.arange(len(blocks) + 1)
            H11 = sparse.csr_array(sparse.bsr_array((blocks, at[:-1], at)))
        else:
            H11 = sparse.csr_array((0, 0))
        T11, T12, T22 = T[:n, :n], T[:n, n:], T[n:, n:]
        left = H11 @ T12 + couplings @ T22
        corner = T22.T @ (T22.T @ corner.T).T + (T12.T @ left + (couplings @ T22).T @ T12).toarray()
        units = T11.diagonal().reshape(-1, q)
        blocks = blocks * units[:, :, None] * units[:, None, :]
        return factorise(blocks, sparse.csr_array(T11.T @ left), corner)


def approximate(density: JointDensity) -> Approximation:
    """The approximation for the density in theta, effects not centred."""
    model, h = _Model(density), density.layout.n_hyper
    phi, converged = _highest(model, _start(density))
    at = model.conditional(phi)
    here = (phi, at)
    around = [(_moved(model, phi, i, -_STEP), _moved(model, phi, i, _STEP)) for i in range(h)]
    covariance = _covariance(model, here, around)
    hyper = np.linalg.cholesky(covariance)
    coordinates = _coordinates(model, phi, at, np.sqrt(np.diag(covariance)))
    mode = _written(model, phi, at.effects, coordinates)
    slopes = np.empty((len(mode), h))
    for i, pair in enumerate(around):
        low, high = (
            _written(model, phi + sign * _STEP * np.eye(h)[i], c.effects, coordinates)
            for sign, c in zip((-1, 1), pair, strict=True)
        )
        slopes[:, i] = (high - low) / (2 * _STEP)
    factor = model.factor(phi, at.information, _unwritten(model, phi, coordinates))
    return Approximation(
        np.concatenate([phi, mode]), hyper, slopes, factor, coordinates, converged
    )


def _start(density: JointDensity) -> Floats:
    """phi (h,): sds at a half of their prior's scale, no correlations, parameters at their prior's."""
    layout = density.layout
    h = layout.n_hyper
    codes, numbers = layout.table.codes[:h], layout.table.numbers[:h]
    phi = np.zeros(h)
    logs = codes[:, 1] == LOG
    medians = [_prior_median(c, x) for c, x in zip(codes[logs], numbers[logs], strict=True)]
    phi[logs] = np.log(medians)
    return phi


def _prior_median(code: np.ndarray, numbers: Floats) -> float:
    """A typical value of a positive parameter: mean of a gamma, scale of a half normal or t."""
    from mixedbayes.marginal.logpriors import GAMMA, INVERSE_GAMMA

    _, a, b, _, _, _ = numbers
    if code[0] == GAMMA:
        return 0.7 * a / b
    if code[0] == INVERSE_GAMMA:
        return 2 * b / a
    return max(0.7 * b + max(a, 0.0), 1e-3) if code[0] in (NORMAL, STUDENT) else 1.0


def _highest(model: _Model, phi: Floats) -> tuple[Floats, bool]:
    """phi at the highest point of the approximate posterior: BFGS on differences, in short steps."""
    value = model.conditional(phi).log_evidence
    slope, curvature = _differences(model, phi, value)
    inverse = np.diag(1 / np.maximum(curvature, 1.0))
    for _ in range(_ITERATIONS):
        step = inverse @ slope
        step *= min(1.0, _LONGEST / max(np.abs(step).max(initial=0.0), 1e-300))
        if slope @ step < _NEARLY:
            return phi, True
        length = 1.0
        while (there := _evidence(model, phi + length * step)) < value:
            length /= 2
            if length < 1e-4:
                return phi, False
        phi, value, before = phi + length * step, there, slope
        slope, _ = _differences(model, phi, value)
        inverse = _bfgs(inverse, length * step, before - slope)
    return phi, False


def _bfgs(inverse: Floats, step: Floats, change: Floats) -> Floats:
    """The inverse curvature after a step on which minus the slope changed so much."""
    along = float(step @ change)
    if along <= 1e-10:
        return inverse
    left = np.eye(len(step)) - np.outer(step, change) / along
    return left @ inverse @ left.T + np.outer(step, step) / along


def _evidence(model: _Model, phi: Floats) -> float:
    try:
        return model.conditional(phi).log_evidence
    except np.linalg.LinAlgError:
        return -np.inf


def _differences(model: _Model, phi: Floats, value: float) -> tuple[Floats, Floats]:
    """Slope and minus second derivatives (h,) of the approximate log posterior."""
    sides = np.array([[_evidence(model, phi + d) for d in (-e, e)] for e in _SLOPE * np.eye(len(phi))])
    sides = sides.reshape(len(phi), 2)
    slope = (sides[:, 1] - sides[:, 0]) / (2 * _SLOPE)
    return slope, (2 * value - sides.sum(axis=1)) / _SLOPE**2


def _moved(model: _Model, phi: Floats, i: int, step: float) -> Conditional:
    there = phi.copy()
    there[i] += step
    return model.conditional(there)


def _covariance(
    model: _Model,
    here: tuple[Floats, Conditional],
    around: list[tuple[Conditional, Conditional]],
) -> Floats:
    """Covariance (h, h) of phi from second differences, no sd above `_WIDEST`."""
    phi, at = here
    h = len(phi)
    curvature = np.empty((h, h))
    for i in range(h):
        low, high = (c.log_evidence for c in around[i])
        curvature[i, i] = (2 * at.log_evidence - low - high) / _STEP**2
        for j in range(i):
            there = phi.copy()
            there[[i, j]] += _STEP
            both = model.conditional(there).log_evidence
            mixed = both - high - around[j][1].log_evidence + at.log_evidence
            curvature[i, j] = curvature[j, i] = -mixed / _STEP**2
    values, vectors = np.linalg.eigh(curvature)
    values = np.maximum(values, _WIDEST**-2)
    return (vectors / values) @ vectors.T


def _coordinates(model: _Model, phi: Floats, at: Conditional, spread: Floats) -> Coordinates:
    """Centring and pull of every effect: the share of its variance that the data take away.

    The posterior variance of u given the effects of coarser factors, those of finer ones unknown,
    is v = 1 / (1 + s^2 I) for some information I. That of s^c u does not change with s, to first
    order, for c = 1 - v, which is averaged here over the posterior of log s (three-point
    Gauss-Hermite). A change of a coarser factor's effect by 1 moves u by -(1 - v) / s.
    """
    layout = model.layout
    centring, pull = np.zeros(layout.n_effects), np.zeros(layout.n_effects)
    variances, sds = at.factor.given_later(), layout.hyper(phi)[0]
    for k, span in enumerate(layout.spans()):
        sd = sds[k]
        q, first = len(sd), layout.variance_starts[k]
        v = np.clip(variances[span].reshape(-1, q), 1e-12, 1 - 1e-12)
        share = np.zeros_like(v)
        for node, weight in ((-np.sqrt(3), 1 / 6), (0.0, 2 / 3), (np.sqrt(3), 1 / 6)):
            moved = phi.copy()
            moved[first : first + q] += node * spread[first : first + q]
            signal = (1 - v) / v * (layout.hyper(moved)[0][k] / sd) ** 2
            share += weight * signal / (1 + signal)
        centring[span] = share.ravel()
        pull[span] = ((1 - v) * sd ** (share - 1)).ravel()
    return Coordinates(centring, pull)


def _unwritten(model: _Model, phi: Floats, coordinates: Coordinates) -> sparse.csr_array:
    """The matrix (N, N) that turns effects as written, and coefficients, into u and coefficients."""
    layout = model.layout
    spans, (sds, Ws, _) = layout.spans(), layout.hyper(phi)
    size = layout.ndim - layout.n_hyper
    whole = sparse.csr_array(sparse.eye_array(size))
    u_rows: list[sparse.csr_array] = [whole] * len(spans)
    b_rows: list[sparse.csr_array] = [whole] * len(spans)
    for k in reversed(range(len(spans))):
        J, q = layout.groups[k].n_levels, len(sds[k])
        rows = whole[spans[k]]
        for link in layout.links:
            if link.finer == k:
                above = link.above * len(sds[link.coarser]) + link.term_above
                own = np.arange(J) * q + link.term
                total = b_rows[link.coarser][above]
                place = sparse.csr_array((np.ones(J), (own, np.arange(J))), shape=(J * q, J))
                rows = rows - _diagonal(coordinates.pull[spans[k]]) @ place @ total
        power = np.tile(sds[k], J) ** -coordinates.centring[spans[k]]
        u_rows[k] = _diagonal(power) @ rows
        to_b = sparse.csr_array(sparse.kron(sparse.eye_array(J), sds[k][:, None] * Ws[k]))
        b_rows[k] = to_b @ u_rows[k]
    return sparse.csr_array(sparse.vstack([*u_rows, whole[layout.n_effects :]]))


def _diagonal(values: Floats) -> sparse.dia_array:
    return sparse.diags_array(values)


def _written(model: _Model, phi: Floats, effects: Floats, coordinates: Coordinates) -> Floats:
    """Effects and coefficients (N,) as written in theta, from u and coefficients."""
    return linalg.spsolve(_unwritten(model, phi, coordinates).tocsc(), effects)


def _prior_precision(density: JointDensity) -> Floats:
    """Prior precision of all but the first factor's effects: 1, and the coefficients'."""
    layout = density.layout
    codes, numbers = (x[layout.n_hyper :] for x in (layout.table.codes, layout.table.numbers))
    curvature = np.zeros(len(codes))
    bell = codes[:, 0] == NORMAL
    curvature[bell] = numbers[bell, 2] ** -2.0
    heavy = codes[:, 0] == STUDENT
    nu, scale = numbers[heavy, 3], numbers[heavy, 2]
    curvature[heavy] = (nu + 1) / nu / scale**2
    n_rest = layout.n_effects - density.n_first
    return np.concatenate([np.ones(n_rest), curvature])
