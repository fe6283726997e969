"""Shares that add up to 1, and the steps of a monotonic effect, as numbers that do not depend on
each other a priori.

The shares are broken off one after the other: z_i is the part that the i-th takes of what those
before it leave. Under a Dirichlet the z are independent, each with a Beta law (see
`distributions.Dirichlet.shares`). A monotonic effect over D steps has the point (b, z_1, ...,
z_(D-1)), b the average step, and the steps b D zeta.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedbayes import jit

Floats = NDArray[np.float64]


def shares(z: Floats) -> Floats:
    """(..., k) shares, from the parts (..., k - 1) of what is left."""
    left = np.concatenate([np.ones((*z.shape[:-1], 1)), np.cumprod(1 - z, axis=-1)], axis=-1)
    return np.concatenate([z, np.ones((*z.shape[:-1], 1))], axis=-1) * left


def parts(zeta: Floats) -> Floats:
    """(..., k - 1) z, from the shares (..., k)."""
    rest = np.flip(np.cumsum(np.flip(zeta, -1), -1), -1)[..., :-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        z = zeta[..., :-1] / rest
    return np.where(rest > 0, np.clip(z, 0.0, 1.0), 0.5)


def steps(point: Floats) -> Floats:
    """(..., D) b D zeta, from points (..., D)."""
    return point[..., :1] * point.shape[-1] * shares(point[..., 1:])


def divided(steps: Floats) -> tuple[Floats, Floats]:
    """b (...) and zeta (..., D) of steps (..., D) of one sign; equal shares where all are 0."""
    total = steps.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        zeta = steps / total
    D = steps.shape[-1]
    return total[..., 0] / D, np.where(total != 0, np.maximum(zeta, 0.0), 1 / D)


def point(steps: Floats) -> Floats:
    """(..., D) b and z, from steps (..., D)."""
    b, zeta = divided(steps)
    return np.concatenate([b[..., None], parts(zeta)], axis=-1)


@jit.inner
def put_steps(effects, x, at):
    """Change points in x, from `at` on, into steps; `effects` is (D, D places), again and again."""
    k = 0
    while k < effects.size:
        D, left = effects[k], 1.0
        b = x[at + effects[k + 1]]
        for i in range(1, D + 1):
            z = x[at + effects[k + 1 + i]] if i < D else 1.0
            x[at + effects[k + i]] = b * D * left * z
            left *= 1.0 - z
        k += D + 1


@jit.inner
def step_slopes(effects, point, dx, at):
    """Change derivatives dx in the steps, from `at` on, into those in the points (n,)."""
    k = 0
    while k < effects.size:
        D, b = effects[k], point[effects[k + 1]]
        # what a unit of that which is left after i shares adds, by the steps that follow
        after = dx[at + effects[k + D]]
        for i in range(D - 1, 0, -1):
            own, z = dx[at + effects[k + i]], point[effects[k + 1 + i]]
            dx[at + effects[k + 1 + i]] = own - after  # of z_i, for one unit left
            after = z * own + (1.0 - z) * after
        left = b * D
        for i in range(1, D):
            dx[at + effects[k + 1 + i]] *= left
            left *= 1.0 - point[effects[k + 1 + i]]
        dx[at + effects[k + 1]] = D * after
        k += D + 1
