"""The search for the mode of the variance parameters, and their spread around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.joint.layout import JointLayout
from mixedbayes.joint.ordered import unordered
from mixedbayes.joint.scoring import Conditional, Scoring
from mixedbayes.theta.logpriors import GAMMA, IDENTITY, INVERSE_GAMMA, LOG, NORMAL, STUDENT
from mixedbayes.theta.tails import TailTransform

_LONGEST = 1.0  # step of a coordinate
_NEARLY = 0.005  # expected gain at which the search stops
_ITERATIONS = 50
_SLOPE = 0.01  # of the differences in the search
_STEP = 0.1  # of the differences that give the curvature
_WIDEST = 2.0  # largest sd that the curvature may claim for a coordinate


@dataclass(frozen=True, eq=False)
class Hyper:
    """The approximate log posterior of the variance parameters, as a function of t."""

    scoring: Scoring
    tails: TailTransform

    def conditional(self, t: Floats) -> Conditional:
        return self.scoring.conditional(self.tails.phi(t))

    def value(self, t: Floats) -> float:
        """Log density of t (h,), -inf where effects and coefficients have no mode."""
        try:
            value = self.conditional(t).log_evidence + float(self.tails.log_slope(t))
        except np.linalg.LinAlgError:
            return -np.inf
        return value if np.isfinite(value) else -np.inf


def start(layout: JointLayout) -> Floats:
    """phi (h,): positive parameters at a typical value of their prior, no correlations.

    Parameters that may be negative are where the family says that they fit the data roughly.
    Thresholds are those that give the categories' overall shares.
    """
    h = layout.n_hyper
    codes, numbers = layout.table.codes[:h], layout.table.numbers[:h]
    phi = np.zeros(h)
    logs = codes[:, 1] == LOG
    medians = [_prior_median(c, x) for c, x in zip(codes[logs], numbers[logs], strict=True)]
    phi[logs] = np.log(medians)
    for m, at in zip(layout.monotonic, layout.share_starts, strict=True):  # equal ones
        left = np.arange(len(m.effect.steps) - 1, 0, -1.0)
        phi[at : at + len(left)] = -np.log(left)
    for k, own in enumerate(layout.parameters, h - layout.n_parameters):
        if layout.family.parameter(own).real and codes[k, 1] == IDENTITY:
            typical = layout.family.typical(own, layout.design, layout.priors.parameters[own])
            phi[k] = float(typical)
    for name, here in layout.vectors.items():
        typical = layout.family.typical(name, layout.design, layout.priors.parameters[name])
        first = h - layout.n_thresholds
        phi[first + here.start : first + here.stop] = (
            unordered(typical) if layout.in_order(name) else typical
        )
    return phi


def _prior_median(code: np.ndarray, numbers: Floats) -> float:
    """A typical value of a positive parameter: mean of a gamma, scale of a half normal or t."""
    _, a, b, _, _, _ = numbers
    if code[0] == GAMMA:
        return 0.7 * a / b
    if code[0] == INVERSE_GAMMA:
        return 2 * b / a
    return max(0.7 * b + max(a, 0.0), 1e-3) if code[0] in (NORMAL, STUDENT) else 1.0


def highest(hyper: Hyper, t: Floats) -> tuple[Floats, bool]:
    """t where the density is highest, by BFGS in short steps, and whether the search settled."""
    value = hyper.value(t)
    if not np.isfinite(value):
        hyper.conditional(t)  # raises the reason
    slope, curvature = _differences(hyper, t, value)
    inverse = np.diag(1 / np.maximum(curvature, 1.0))
    for _ in range(_ITERATIONS):
        step = inverse @ slope
        step *= min(1.0, _LONGEST / max(np.abs(step).max(initial=0.0), 1e-300))
        if slope @ step < _NEARLY:
            return t, True
        length = 1.0
        while (there := hyper.value(t + length * step)) < value:
            length /= 2
            if length < 1e-4:
                return t, False
        t, value, before = t + length * step, there, slope
        slope, _ = _differences(hyper, t, value)
        inverse = _bfgs(inverse, length * step, before - slope)
    return t, False


def _differences(hyper: Hyper, t: Floats, value: float) -> tuple[Floats, Floats]:
    """Slope and minus second derivatives (h,)."""
    sides = _sides(hyper, t, value, _SLOPE)
    slope = (sides[:, 1] - sides[:, 0]) / (2 * _SLOPE)
    return slope, (2 * value - sides.sum(axis=1)) / _SLOPE**2


def _sides(hyper: Hyper, t: Floats, value: float, width: float) -> Floats:
    """Values (h, 2) below and above t along each coordinate; the one at t where there is none."""
    steps = width * np.eye(len(t))
    sides = np.array([(hyper.value(t - e), hyper.value(t + e)) for e in steps]).reshape(-1, 2)
    return np.where(np.isfinite(sides), sides, value)


def _bfgs(inverse: Floats, step: Floats, change: Floats) -> Floats:
    """The inverse curvature after a step on which minus the slope changed so much."""
    along = float(step @ change)
    if along <= 1e-10:
        return inverse
    left = np.eye(len(step)) - np.outer(step, change) / along
    return left @ inverse @ left.T + np.outer(step, step) / along


def covariance(hyper: Hyper, t: Floats) -> Floats:
    """(h, h) from second differences at the mode, no sd above `_WIDEST`."""
    h, steps, here = len(t), _STEP * np.eye(len(t)), hyper.value(t)
    sides = _sides(hyper, t, here, _STEP)
    curvature = np.empty((h, h))
    for i in range(h):
        curvature[i, i] = (2 * here - sides[i].sum()) / _STEP**2
        for j in range(i):
            both = hyper.value(t + steps[i] + steps[j])
            mixed = (both - sides[i, 1] - sides[j, 1] + here) / _STEP**2
            curvature[i, j] = curvature[j, i] = -mixed if np.isfinite(mixed) else 0.0
    values, vectors = np.linalg.eigh(np.nan_to_num(curvature))
    return (vectors / np.maximum(values, _WIDEST**-2)) @ vectors.T
