"""Coefficients of columns where effects are monotonic: their steps are products of parameters.

A population effect that is none is its column's coefficient. A monotonic one is the average of its
D steps, and step k is D times it times a share, which are broken off one after the other, as
`theta.simplex` says: share coordinates are logits of the part that is taken of what is left.
"""

import math

import numpy as np

from mixedbayes import jit


@jit.inner
def _share(t):
    """What a share is of its coordinate."""
    e = math.exp(-abs(t))
    return (1.0 if t > 0 else e) / (1.0 + e)


@jit.inner
def columns_of(plain, steps, effects, point, beta):
    """Fill beta (p,) from the population effects; coordinates of shares are in `point`.

    `plain` and `steps` are those of `JointLayout.stepped`, one number after another.
    """
    for i in range(0, plain.size, 2):
        beta[plain[i]] = effects[plain[i + 1]]
    at = 0
    while at < steps.size:
        D, left = steps[at], 1.0
        average = effects[steps[at + 1]]
        for i in range(D):
            z = _share(point[steps[at + 2] + i]) if i < D - 1 else 1.0
            beta[steps[at + 3 + i]] = average * D * left * z
            left *= 1.0 - z
        at += D + 3


@jit.inner
def column_slopes(plain, steps, effects, point, d_beta, d_effects, d_point):
    """Add what derivatives in beta (p,) are in the effects, and in coordinates of shares."""
    for i in range(0, plain.size, 2):
        d_effects[plain[i + 1]] += d_beta[plain[i]]
    at = 0
    while at < steps.size:
        D, effect, first = steps[at], steps[at + 1], steps[at + 2]
        # what a unit of that which is left after i shares adds, by the steps that follow
        after = np.empty(D)
        after[D - 1] = d_beta[steps[at + 2 + D]]
        for i in range(D - 2, -1, -1):
            z = _share(point[first + i])
            after[i] = z * d_beta[steps[at + 3 + i]] + (1.0 - z) * after[i + 1]
        d_effects[effect] += D * after[0]
        left = effects[effect] * D
        for i in range(D - 1):
            z = _share(point[first + i])
            own = d_beta[steps[at + 3 + i]]
            d_point[first + i] += left * (own - after[i + 1]) * z * (1.0 - z)
            left *= 1.0 - z
        at += D + 3
