"""The density at one point, from draws."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_REACH = 4.0  # widths of the kernel beyond which it is nothing
_NOTHING = 30.0  # widths at which its value underflows in sums
_AT = 0.5  # widths within which a point is at a bound
_GRID = 400
_STEPS = 50


def density_at(
    draws: Floats, point: float, size: float, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[float, float]:
    """Density of what was drawn at a point, by local likelihood.

    Near the point the log density is taken to be quadratic, and fitted to the draws under a normal
    kernel of width h = s size^(-1/9), s the robust standard deviation: exact for a normal density
    whatever h, and with an error of h^4 for others, where a kernel estimate has one of h^2. Where a
    bound of the support is near, this is done on the scale of the log distance from it; at the
    bound the log density is taken to be linear, h = s size^(-1/5), and the kernel ends there.

    Parameters
    ----------
    draws
        (S,).
    point
        Where.
    size
        Effective number of the draws.
    bounds
        Of the support.

    Returns
    -------
    The density, and the effective number of draws near the point. 0 and 0 outside the bounds; NaN
    and 0 where the draws do not vary.

    References
    ----------
    Hjort & Jones (1996), doi:10.1214/aos/1032298288; Loader (1996), doi:10.1214/aos/1032298287.
    """
    lower, upper = bounds
    if not lower <= point <= upper:
        return 0.0, 0.0
    scale = _spread(draws)
    if not 0 < scale < np.inf:
        return float("nan"), 0.0
    narrow = scale * size ** (-1 / 5)
    below, above = point - lower, upper - point
    if min(below, above) > _REACH * scale * size ** (-1 / 9):
        return _at(draws, point, scale * size ** (-1 / 9), size, None)
    if min(below, above) < _AT * narrow:
        return _at(draws, point, narrow, size, (-below / narrow, above / narrow))
    distance, here = (draws - lower, below) if below < above else (upper - draws, above)
    logs = np.log(np.maximum(distance, np.finfo(float).tiny))
    density, near = _at(logs, math.log(here), _spread(logs) * size ** (-1 / 9), size, None)
    return density / here, near


def _spread(draws: Floats) -> float:
    """The smaller of the sd and what it is of a normal with these quartiles."""
    quarter, three = np.quantile(draws, (0.25, 0.75))
    with np.errstate(all="ignore"):  # infinite draws
        spread = float(np.nan_to_num(draws.std(), nan=np.inf))
    return min(spread, float(three - quarter) / 1.349) or spread


def _at(
    draws: Floats, point: float, h: float, size: float, ends: tuple[float, float] | None
) -> tuple[float, float]:
    """Density and effective number of draws under a kernel of width h, which ends at `ends`."""
    with np.errstate(over="ignore"):
        u = (draws - point) / h
    u = u[np.abs(u) < _NOTHING]
    kernel = np.exp(-0.5 * u**2)
    total = float(kernel.sum())
    if total == 0:
        return 0.0, 0.0
    near = total**2 / float(kernel @ kernel) * size / len(draws)
    share = total / len(draws) / math.sqrt(2 * math.pi)  # mean of the kernel
    found = _quadratic(u, kernel, share) if ends is None else _linear(u, kernel, share, ends)
    return found / h, near


def _quadratic(u: Floats, kernel: Floats, share: float) -> float:
    """exp(a) where exp(a + b u + c u^2) has the draws' moments under the kernel, in closed form.

    Under it the draws are then N(m, v), with 1 / v = 1 - 2 c and m = b v.
    """
    m = float(kernel @ u / kernel.sum())
    v = float(kernel @ (u - m) ** 2 / kernel.sum())
    return share * math.exp(-0.5 * m**2 / v) / math.sqrt(v) if v > 0 else float("nan")


def _linear(u: Floats, kernel: Floats, share: float, ends: tuple[float, float]) -> float:
    """exp(a) where exp(a + b u) has the draws' moments under the kernel between the ends."""
    x = np.linspace(max(ends[0], -_REACH), min(ends[1], _REACH), _GRID)
    weight = np.exp(-0.5 * x**2) / math.sqrt(2 * math.pi) * (x[1] - x[0])
    weight[[0, -1]] /= 2
    m = float(kernel @ u / kernel.sum())
    b = 0.0
    for _ in range(_STEPS):  # Newton: the mean of x under the tilted kernel is m
        tilted = weight * np.exp(b * x)
        total = tilted.sum()
        mean = float(tilted @ x / total)
        variance = float(tilted @ (x - mean) ** 2 / total)
        step = (m - mean) / variance if variance > 0 else 0.0
        b = float(np.clip(b + np.clip(step, -2.0, 2.0), -30.0, 30.0))
        if abs(step) < 1e-10:
            break
    return share / float(weight @ np.exp(b * x))
