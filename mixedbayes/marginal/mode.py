"""Mode and curvature of the marginal posterior: where NUTS starts, and in which units it walks.

The density of theta is maximised by a trust-region method whose curvature is learnt from gradients
(symmetric rank one; Nocedal & Wright, Numerical Optimization, 2nd ed., algorithm 6.2). The
curvature at the mode then comes from differences of gradients. Up to `DENSE` coordinates it is a
full matrix; beyond, only the leading coordinates (the variance parameters and coefficients) are
taken together, and each spherical effect has a scale of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from mixedbayes.errors import ModelError
from mixedbayes.marginal.density import MarginalDensity
from mixedbayes.marginal.logpriors import IDENTITY, LOGIT
from mixedbayes.marginal.parameters import Constrained, Layout
from mixedbayes.marginal.problem import Problem

__all__ = ["Mode", "Whitened", "default_start", "find_mode", "initial_points", "whiten"]

Floats = NDArray[np.float64]

DENSE = 60  # most coordinates whose curvature is a full matrix
_WIDEST = 3.0  # largest posterior sd that the curvature may claim, in a coordinate's own units
_NEARLY = 1e-5  # gain in log density still expected when the search stops; one Newton step follows
_STEP = 1e-4  # of the differences


class Density(Protocol):
    """A log density over an unconstrained vector."""

    @property
    def ndim(self) -> int: ...
    def logp_grad(self, theta: Floats) -> tuple[float, Floats]: ...


@dataclass(frozen=True, eq=False)
class Mode:
    """The highest point of the density and a normal approximation around it.

    theta = mode + C eta with eta ~ N(0, I) approximates the posterior. C is lower triangular for
    the first m coordinates and diagonal for the others.
    """

    theta: Floats  # (d,)
    logp: float
    factor: Floats  # (m, m) lower triangular
    scales: Floats  # (d - m,)
    converged: bool
    iterations: int
    evaluations: int  # calls of logp_grad, the curvature included

    @property
    def covariance(self) -> Floats:
        """(m, m) of the first m coordinates."""
        return self.factor @ self.factor.T

    @property
    def log_det(self) -> float:
        """log |C|."""
        return float(np.log(np.diagonal(self.factor)).sum() + np.log(self.scales).sum())

    @property
    def laplace_log_evidence(self) -> float:
        """log of the integral of the density, if it were normal: log p(y) by Laplace."""
        return self.logp + 0.5 * self.theta.size * np.log(2 * np.pi) + self.log_det

    def to_theta(self, eta: Floats) -> Floats:
        """mode + C eta, for eta (..., d)."""
        m = len(self.factor)
        moved = np.concatenate([eta[..., :m] @ self.factor.T, eta[..., m:] * self.scales], axis=-1)
        return self.theta + moved

    def to_eta(self, theta: Floats) -> Floats:
        """C^-1 (theta - mode), for theta (..., d)."""
        m, moved = len(self.factor), np.asarray(theta, float) - self.theta
        first = np.linalg.solve(self.factor, moved[..., :m, None])[..., 0]
        return np.concatenate([first, moved[..., m:] / self.scales], axis=-1)


@dataclass(frozen=True, eq=False)
class Whitened:
    """A density over eta, theta = mode + C eta: of nearly independent coordinates of unit scale.

    It has the Jacobian log |C|, so that it integrates to what the density of theta integrates to.
    """

    density: Density
    mode: Mode

    @property
    def ndim(self) -> int:
        return self.density.ndim

    def logp_grad(self, eta: Floats) -> tuple[float, Floats]:
        """Log density over eta and its gradient (d,)."""
        m = len(self.mode.factor)
        logp, grad = self.density.logp_grad(self.mode.to_theta(eta))
        out = np.empty(grad.size)
        out[:m] = grad[:m] @ self.mode.factor
        out[m:] = grad[m:] * self.mode.scales
        return logp + self.mode.log_det, out


def default_start(density: MarginalDensity) -> Floats:
    """theta (d,) from the least-squares fit of the population columns alone.

    With s its residual standard deviation: sigma = 0.7 s, each group sd such that its effects
    have half the size of s, correlations and spherical effects 0, coefficients at the fit.
    """
    layout, problem = density.layout, density.problem
    theta = np.zeros(layout.ndim)
    size, units = _effect_units(layout, problem)
    at = layout.constrained(theta)
    sd = {f.name: 0.5 * u for f, u in zip(layout.factors, units, strict=True)}
    coefficients = _fitted_coefficients(problem)
    x = Constrained(sd, at.cor, at.L, np.array(0.7 * size), coefficients, at.spherical)
    return layout.unconstrained(_inside(layout, x))


def whiten(density: Density, mode: Mode) -> Whitened:
    """The same density in the units of its mode's curvature."""
    return Whitened(density, mode)


def initial_points(
    mode: Mode, chains: int, rng: np.random.Generator, *, spread: float = 2.0
) -> Floats:
    """(chains, d) starting points in theta, `spread` times as far out as the posterior's draws.

    Spherical effects beyond the full matrix start at draws from their own approximation.
    """
    m, d = len(mode.factor), mode.theta.size
    eta = rng.standard_normal((chains, d))
    eta[:, :m] = spread * np.clip(eta[:, :m], -2, 2)
    return mode.to_theta(eta)


def find_mode(density: Density, start: Floats | None = None, *, max_iterations: int = 200) -> Mode:
    """Maximise the density and measure its curvature there.

    `start` (d,) defaults to cheap estimates from the problem's least-squares fit. Raises
    ModelError if the density is 0 wherever the search could begin.
    """
    scale = _units(density)
    starts = [default_start(density), np.zeros(density.ndim)] if start is None else [start]
    counted = _Counted(density, scale)
    at = next((s for s in starts if np.isfinite(counted(s / scale)[0])), None)
    if at is None:
        raise ModelError(
            f"the posterior density of {density.ndim} parameters is 0 or infinite at the start of "
            "the search for its mode; check that priors and response are on the same scale"
        )
    search = _trust_region if density.ndim <= DENSE else _limited_memory
    x, converged, iterations = search(counted, at / scale, max_iterations)
    x, logp, factor, scales = _curvature(counted, x, _leading(density))
    m = len(factor)
    return Mode(
        x * scale, logp, factor * scale[:m, None], scales * scale[m:], converged, iterations,
        counted.calls,
    )  # fmt: skip


class _Counted:
    """logp_grad in a coordinate's own units, counting its calls."""

    def __init__(self, density: Density, scale: Floats) -> None:
        self.density, self.scale, self.calls = density, scale, 0

    def __call__(self, x: Floats) -> tuple[float, Floats]:
        self.calls += 1
        logp, grad = self.density.logp_grad(x * self.scale)
        return logp, grad * self.scale


def _trust_region(f: _Counted, x: Floats, max_iterations: int) -> tuple[Floats, bool, int]:
    """Maximise by quadratic models logp + g's - s'Bs/2 within a radius; B by rank-one updates."""
    logp, g = f(x)
    B = _difference_hessian(f, x, g)
    radius = 1.0
    for iteration in range(1, max_iterations + 1):
        step, gain = _model_step(B, g, radius)
        if gain < _NEARLY and np.linalg.norm(step) < 0.99 * radius:
            return x, True, iteration
        new, g_new = f(x + step)
        if not np.isfinite(new):
            radius /= 4
            continue
        ratio = (new - logp) / gain
        miss = (g - g_new) - B @ step
        curvature = miss @ step
        if abs(curvature) > 1e-8 * np.linalg.norm(step) * np.linalg.norm(miss):
            B = B + np.outer(miss, miss) / curvature
        length = np.linalg.norm(step)
        if ratio < 0.1:
            radius = length / 4
        elif ratio > 0.75 and length > 0.8 * radius:
            radius = min(2 * radius, 8.0)
        if ratio > 1e-3:
            x, logp, g = x + step, new, g_new
        elif radius < 1e-10:
            return x, False, iteration
    return x, False, max_iterations


def _model_step(B: Floats, g: Floats, radius: float) -> tuple[Floats, float]:
    """The step of length <= radius that maximises g's - s'Bs/2, and that maximum."""
    w, V = np.linalg.eigh(B)
    c = V.T @ g
    low = max(0.0, -w[0] + 1e-10 * max(1.0, abs(w[-1])))
    shifted = c / (w + low + 1e-300)
    if np.linalg.norm(shifted) > radius:
        high = low + np.linalg.norm(c) / radius + abs(w[0])
        for _ in range(60):
            middle = 0.5 * (low + high)
            shifted = c / (w + middle)
            length = np.linalg.norm(shifted)
            if abs(length - radius) < 0.05 * radius:
                break
            low, high = (middle, high) if length > radius else (low, middle)
    return V @ shifted, float(c @ shifted - 0.5 * (w * shifted) @ shifted)


def _limited_memory(f: _Counted, x: Floats, max_iterations: int) -> tuple[Floats, bool, int]:
    """The same for many coordinates, by L-BFGS; points of density 0 look very bad instead."""

    def negative(x: Floats) -> tuple[float, Floats]:
        logp, grad = f(x)
        return (-logp, -grad) if np.isfinite(logp) else (1e300, np.zeros(x.size))

    options = {"maxiter": 10 * max_iterations, "maxcor": 20, "ftol": 1e-13, "gtol": 1e-3}
    found = optimize.minimize(negative, x, jac=True, method="L-BFGS-B", options=options)
    return found.x, bool(found.success), int(found.nit)


def _difference_hessian(f: _Counted, x: Floats, g: Floats) -> Floats:
    """Minus the Hessian (d, d) by forward differences of the gradient."""
    B = np.empty((x.size, x.size))
    for i in range(x.size):
        moved = x.copy()
        moved[i] += _STEP
        B[i] = (g - f(moved)[1]) / _STEP
    return 0.5 * (B + B.T)


def _curvature(f: _Counted, x: Floats, m: int) -> tuple[Floats, float, Floats, Floats]:
    """Point after a last Newton step, log density there, C (m, m) and scales (d - m,)."""
    B = np.empty((m, x.size))
    for i in range(m):
        moved = x.copy()
        moved[i] += _STEP
        above = f(moved)[1]
        moved[i] -= 2 * _STEP
        B[i] = (f(moved)[1] - above) / (2 * _STEP)
    w, V = np.linalg.eigh(0.5 * (B[:, :m] + B[:, :m].T))
    w = np.maximum(w, _WIDEST**-2)
    logp, g = f(x)
    better = x.copy()
    better[:m] += V @ ((V.T @ g[:m]) / w)
    new = f(better)[0]
    if new > logp:
        x, logp = better, new
    return x, logp, np.linalg.cholesky((V / w) @ V.T), _scales(f, x, m)


def _scales(f: _Counted, x: Floats, m: int, probes: int = 8) -> Floats:
    """Scale of each coordinate from m on: the diagonal of the Hessian from random directions.

    For s with entries +-1, s * (H s) has the diagonal of H as its mean (Bekas, Kokiopoulou &
    Saad 2007, doi:10.1016/j.apnum.2007.01.003). A spherical effect's curvature is at least that of
    its prior, 1.
    """
    if m == x.size:
        return np.empty(0)
    rng = np.random.default_rng(0)
    total = np.zeros(x.size - m)
    for _ in range(probes):
        signs = rng.choice([-1.0, 1.0], x.size - m)
        move = np.concatenate([np.zeros(m), _STEP * signs])
        total += signs * (f(x - move)[1] - f(x + move)[1])[m:]
    return np.maximum(total / (2 * _STEP * probes), 1.0) ** -0.5
