"""Densities with effects integrated out, by sums over grids, and their slopes."""

import numpy as np


def by_brute_force(joint, theta, K=201, wide=9.0):
    """log of the integral over the effects: they are independent given all others."""
    layout = joint.layout
    h, n, J = layout.n_hyper, layout.n_effects, layout.groups[0].n_levels
    widths = [len(g.terms) for g in layout.groups]
    q = sum(widths)
    whole = np.concatenate([theta[:h], np.zeros(n), theta[h:]])
    at_zero = joint.logp_grad(whole)[0]
    x = np.linspace(-wide, wide, K if q == 1 else 121)
    grid = np.stack(np.meshgrid(*[x] * q, indexing="ij"), -1).reshape(-1, q)
    total = at_zero
    for j in range(J):
        starts = h + J * np.cumsum([0, *widths[:-1]])
        own = [at + j * w + k for at, w in zip(starts, widths, strict=True) for k in range(w)]
        values = np.empty(len(grid))
        for k, u in enumerate(grid):
            whole[own] = u
            values[k] = joint.logp_grad(whole)[0]
        whole[own] = 0
        top = values.max()
        total += top - at_zero + np.log(np.exp(values - top).sum() * (x[1] - x[0]) ** q)
    return total


def slopes(density, theta):
    steps = 1e-5 * np.eye(density.ndim)
    return [(density.logp(theta + e) - density.logp(theta - e)) / 2e-5 for e in steps]
