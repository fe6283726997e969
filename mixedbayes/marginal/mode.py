"""Mode and curvature of the marginal posterior: where chains start, and in which units they move.

The density of theta is maximised by a trust-region method whose curvature is learnt from gradients
(symmetric rank one; Nocedal & Wright, Numerical Optimization, 2nd ed., algorithm 6.2). The
curvature at the mode then comes from differences of gradients: a full matrix over the variance
parameters and coefficients. Spherical effects, where some are sampled, have a scale each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from mixedbayes.errors import ModelError
from mixedbayes.marginal.density import Affine, MarginalDensity
from mixedbayes.marginal.start import ThetaDensity, coordinate_units, default_start
from mixedbayes.theta.logpriors import IDENTITY, LOG
from mixedbayes.theta.shares import ShareTransform
from mixedbayes.theta.tails import fit_tails

__all__ = ["Mode", "find_mode", "initial_points", "share_variance", "transform_tails", "whiten"]

Floats = NDArray[np.float64]

DENSE = 200  # most coordinates for a search with a full matrix
_WIDEST = 3.0  # largest posterior sd that the curvature may claim, in a coordinate's own units
_NEARLY = 1e-5  # gain in log density still expected when the search stops; one Newton step follows
_STEP = 1e-4  # of the differences
_LONGEST = 4.0  # radius of the trust region
_TRADED = -0.3  # correlation of two log sds below which they trade variance


@dataclass(frozen=True, eq=False)
class Mode:
    """The highest point of the density and a normal approximation around it.

    theta = theta_mode + C eta with eta ~ N(0, I) approximates the posterior: `units` is this map.
    """

    theta: Floats  # (d,)
    logp: float
    units: Affine
    converged: bool
    iterations: int
    evaluations: int  # calls of logp_grad, the curvature's included

    @property
    def covariance(self) -> Floats:
        """(m, m) of the variance parameters and coefficients, given the spherical effects."""
        return self.units.factor @ self.units.factor.T

    @property
    def laplace_log_evidence(self) -> float:
        """log p(y) by Laplace's method: as if the posterior of theta were normal."""
        return self.logp + 0.5 * self.theta.size * np.log(2 * np.pi) + self.units.log_det

    def to_theta(self, eta: Floats) -> Floats:
        """theta (..., d) at eta (..., d)."""
        return self.units.to_t(eta)

    def to_eta(self, theta: Floats) -> Floats:
        """eta (..., d) at theta (..., d)."""
        return self.units.to_eta(theta)


def whiten[D: ThetaDensity](density: D, mode: Mode) -> D:
    """The density of eta, theta = mode + C eta: nearly independent coordinates of unit scale.

    It includes the Jacobian log |C|, so that it integrates to what the density of theta does.
    """
    return replace(density, units=mode.units)


def transform_tails[D: ThetaDensity](density: D, mode: Mode) -> tuple[D, Mode]:
    """The density in coordinates without long tails, see `tails`, and its mode there.

    Coefficients stay as they are, and the variances of factors whose effects are sampled: their
    tails show only where the effects move along.
    """
    layout = density.layout
    eligible = layout.table.codes[:, 1] != IDENTITY
    for f in layout.sampled:
        eligible[layout.starts[f"factor {f.name}"] : layout.starts["correlations"]] = False
    tails = fit_tails(density.logp, mode.theta, mode.covariance, eligible)
    if not tails.bent:
        return density, mode
    transformed = replace(density, tails=tails)
    return transformed, find_mode(transformed, tails.t(mode.theta))


def share_variance(density: MarginalDensity, mode: Mode) -> tuple[MarginalDensity, Mode]:
    """The density with a ratio and a total in the place of log sigma and of the log sd that the
    data tell least from it, see `theta.shares`, and its mode there; where they tell these apart,
    the same.
    """
    layout, cov = density.layout, mode.covariance
    if layout.sigma is None or not layout.integrated:
        return density, mode
    j = layout.starts["sigma"]
    starts = ((layout.starts[f"factor {f.name}"], len(f.sd)) for f in layout.integrated)
    every = [at + k for at, many in starts for k in range(many)]
    spread = np.sqrt(np.diag(cov))
    i = min(every, key=lambda k: cov[k, j] / (spread[k] * spread[j]))
    logs = (layout.table.codes[[i, j], 1] == LOG).all()
    if cov[i, j] > _TRADED * spread[i] * spread[j] or not logs:
        return density, mode
    share = ShareTransform.at(i, j, mode.theta, cov)
    changed = replace(density, share=share)
    return changed, find_mode(changed, share.t(mode.theta))


def initial_points(
    mode: Mode, chains: int, rng: np.random.Generator, *, spread: float = 2.0
) -> Floats:
    """(chains, d) starting points in theta, `spread` times as far out as the posterior's draws.

    Spherical effects start at draws from their own approximation.
    """
    m = len(mode.units.factor)
    eta = rng.standard_normal((chains, mode.theta.size))
    eta[:, :m] = spread * np.clip(eta[:, :m], -2, 2)
    return mode.to_theta(eta)


def find_mode(
    density: ThetaDensity, start: Floats | None = None, *, max_iterations: int = 200
) -> Mode:
    """Maximise the density of theta and measure its curvature there.

    `start` (d,) defaults to cheap estimates from the least-squares fit of the population columns.
    Raises ModelError if the density is 0 or not finite wherever the search could begin, or so
    steep in some direction that its curvature cannot be computed.
    """
    units = coordinate_units(density.layout, density.problem)
    starts = [start] if start is not None else [default_start(density), np.zeros(density.ndim)]
    f = _Counted(density, units)
    at = next((s for s in starts if np.isfinite(f(s / units)[0])), None)
    if at is None:
        raise ModelError(
            f"the posterior density of the {density.ndim} sampled parameters is 0 or not finite "
            "where the search for its mode starts; check that the priors suit the scale of the "
            "response"
        )
    m = density.layout.n_parameters
    search = _trust_region if density.ndim <= DENSE else _limited_memory
    found = search(f, at / units, max_iterations)
    try:
        x, logp, factor = _newton_step(f, found, m)
    except np.linalg.LinAlgError as error:
        raise ModelError(
            "the posterior density of the variance parameters has no curvature that can be "
            "computed at its mode: some direction is steeper than others by more digits than "
            "numbers have; check that the priors suit the scale of the response"
        ) from error
    scales = _scales(f, x, m)
    affine = Affine(x * units, factor * units[:m, None], scales * units[m:])
    return Mode(affine.mode, logp, affine, found.converged, found.iterations, f.calls)


class _Counted:
    """logp_grad in each coordinate's own units, counting its calls."""

    def __init__(self, density: ThetaDensity, units: Floats) -> None:
        self.density, self.units, self.calls = density, units, 0

    def __call__(self, x: Floats) -> tuple[float, Floats]:
        self.calls += 1
        logp, grad = self.density.logp_grad(x * self.units)
        return logp, grad * self.units


@dataclass(frozen=True, eq=False)
class _Found:
    """Where a search ended, in each coordinate's own units."""

    x: Floats
    logp: float
    g: Floats
    converged: bool
    iterations: int


def _trust_region(f: _Counted, x: Floats, max_iterations: int) -> _Found:
    """Maximise by quadratic models logp + g's - s'Bs/2 within a radius; B by rank-one updates."""
    logp, g = f(x)
    B = _differences(f, x, g, x.size)
    radius = 1.0
    for iteration in range(1, max_iterations + 1):
        step, gain = _model_step(B, g, radius)
        length = float(np.sqrt(step @ step))
        if gain < _NEARLY and length < 0.9 * radius:
            return _Found(x, logp, g, True, iteration)
        new, g_new = f(x + step)
        if not np.isfinite(new):
            radius = length / 4
            continue
        miss = (g - g_new) - B @ step
        curvature = miss @ step
        if abs(curvature) > 1e-8 * length * np.sqrt(miss @ miss):
            B = B + np.outer(miss, miss) / curvature
        ratio = (new - logp) / gain
        if ratio < 0.1:
            radius = length / 4
        elif ratio > 0.75 and length > 0.8 * radius:
            radius = min(2 * radius, _LONGEST)
        if ratio > 1e-3:
            x, logp, g = x + step, new, g_new
        elif radius < 1e-8:
            break
    return _Found(x, logp, g, False, iteration)


def _model_step(B: Floats, g: Floats, radius: float) -> tuple[Floats, float]:
    """The step of length <= radius that maximises g's - s'Bs/2, and that maximum."""
    w, V = np.linalg.eigh(B)
    c = V.T @ g
    low = max(0.0, 1e-8 * max(1.0, abs(w[-1])) - w[0])
    step = c / (w + low)
    if step @ step > radius**2:
        high = low + np.sqrt(c @ c) / radius + abs(w[0])
        length = np.inf
        while abs(length - radius) > 0.1 * radius and high - low > 1e-12 * high:
            middle = 0.5 * (low + high)
            step = c / (w + middle)
            length = np.sqrt(step @ step)
            low, high = (middle, high) if length > radius else (low, middle)
    return V @ step, float(c @ step - 0.5 * (w * step) @ step)


def _limited_memory(f: _Counted, x: Floats, max_iterations: int) -> _Found:
    """The same for many coordinates, by L-BFGS; points of density 0 look very bad instead."""

    def negative(x: Floats) -> tuple[float, Floats]:
        logp, grad = f(x)
        return (-logp, -grad) if np.isfinite(logp) else (1e300, np.zeros(x.size))

    options = {"maxiter": 10 * max_iterations, "maxcor": 20, "ftol": 1e-12, "gtol": 1e-3}
    found = optimize.minimize(negative, x, jac=True, method="L-BFGS-B", options=options)
    return _Found(found.x, -found.fun, -found.jac, bool(found.success), int(found.nit))


def _differences(f: _Counted, x: Floats, g: Floats, m: int) -> Floats:
    """Minus the Hessian of the first m coordinates, by differences of the gradient, g at x."""
    B = np.empty((m, m))
    for i in range(m):
        step = np.zeros(x.size)
        step[i] = _STEP
        B[i] = (g - f(x + step)[1])[:m] / _STEP
    return 0.5 * (B + B.T)


def _newton_step(f: _Counted, at: _Found, m: int) -> tuple[Floats, float, Floats]:
    """A last step in the first m coordinates: point, log density, and C (m, m) there."""
    w, V = np.linalg.eigh(_differences(f, at.x, at.g, m))
    w = np.maximum(w, _WIDEST**-2)
    factor = np.linalg.cholesky((V / w) @ V.T)
    x = at.x.copy()
    x[:m] += V @ ((V.T @ at.g[:m]) / w)
    logp, _ = f(x)
    return (x, logp, factor) if logp > at.logp else (at.x, at.logp, factor)


def _scales(f: _Counted, x: Floats, m: int, probes: int = 8) -> Floats:
    """Scales (d - m,) of the other coordinates: the Hessian's diagonal from random directions.

    For s with entries +-1, s * (H s) has the diagonal of H as its mean (Bekas, Kokiopoulou &
    Saad 2007, doi:10.1016/j.apnum.2007.01.003). A spherical effect's curvature is at least that of
    its prior, 1.
    """
    rng = np.random.default_rng(0)
    total = np.zeros(x.size - m)
    for _ in range(probes if x.size > m else 0):
        signs = rng.choice([-1.0, 1.0], x.size - m)
        step = np.concatenate([np.zeros(m), _STEP * signs])
        total += signs * (f(x - step)[1] - f(x + step)[1])[m:]
    return np.maximum(total / (2 * _STEP * probes), 1.0) ** -0.5
