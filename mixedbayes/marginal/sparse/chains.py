"""Effects of which each depends on the one before it alone: what their precision is made of.

With correlations r_t of each effect and the one before, and s_t^2 = 1 - r_t^2, effects of sd 1 have

    u_0 ~ N(0, 1),   u_t = r_t u_(t-1) + s_t z_t,

so that their precision has entries next to the diagonal alone,

    C_tt = 1 / s_t^2 + r_(t+1)^2 / s_(t+1)^2,   C_t(t-1) = -r_t / s_t^2,
    log|C| = -2 sum_t log s_t,

with 1 for 1 / s_0^2. It is a sum of few matrices times numbers kappa: three for each distance of
neighbours, from which r follows. These are in the parameter vector by the roots W (2, 2) of two
neighbours, 1, 0, r and s.
"""

from __future__ import annotations

import numpy as np

from mixedbayes.marginal.inner import inner
from mixedbayes.marginal.plan import Ints


def chain_entries(distance: Ints) -> tuple[Ints, Ints, Ints]:
    """Rows, columns and numbers of the entries of C (T, T), for neighbours (T - 1,).

    Number 0 is 1; those of distance g are 1 + 3 g and the two that follow it: 1 / s^2, r^2 / s^2
    and -r / s^2.
    """
    first, number = np.zeros(1, np.int64), 1 + 3 * np.asarray(distance, np.int64)
    after = np.arange(1, len(number) + 1)
    return (
        np.concatenate([first, after, after - 1, after, after - 1]),
        np.concatenate([first, after, after - 1, after - 1, after]),
        np.concatenate([first, number, number + 1, number + 2, number + 2]),
    )


@inner
def read_links(h, ints, x, at, kappa):
    """Fill the numbers of all chains from their roots, in x from `at` on; log|C| / 2 of all."""
    value = 0.0
    for g in range(h.n_links):
        r, s, own = x[at + 4 * g + 2], x[at + 4 * g + 3], ints[h.links + 2 * g + 1]
        kappa[own], kappa[own + 1], kappa[own + 2] = 1.0 / s**2, (r / s) ** 2, -r / s**2
        value -= ints[h.links + 2 * g] * np.log(s)
    return value


@inner
def link_slopes(h, ints, x, at, slopes, grad):
    """Fill the derivatives in the roots, in grad from `at` on, from those in the numbers."""
    for g in range(h.n_links):
        r, s, own = x[at + 4 * g + 2], x[at + 4 * g + 3], ints[h.links + 2 * g + 1]
        one, two, both = slopes[own], slopes[own + 1], slopes[own + 2]
        grad[at + 4 * g + 2] = (2.0 * r * two - both) / s**2
        grad[at + 4 * g + 3] = (
            2.0 * (r * both - one - r * r * two) / s**3 - ints[h.links + 2 * g] / s
        )
