"""log P(a < Y <= b) with its derivatives, compiled from the tails of a row density."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from mixedbayes import jit
from mixedbayes.families.rows import RowDensity, compiled

_LOG_HALF = math.log(0.5)


@compiled
def _sum_0(u, x, v, z):
    return ()


@compiled
def _sum_1(u, x, v, z):
    return (u * x[0] + v * z[0],)


@compiled
def _sum_2(u, x, v, z):
    return (u * x[0] + v * z[0], u * x[1] + v * z[1])


@compiled
def _sum_3(u, x, v, z):
    return (u * x[0] + v * z[0], u * x[1] + v * z[1], u * x[2] + v * z[2])


SUMS = (_sum_0, _sum_1, _sum_2, _sum_3)  # u x + v z of tuples, by their length


@cache
def mass_of(density: RowDensity, m: int) -> Any:
    """mass(t, a, b, size, parameters, shared): log P(a < Y <= b), -inf and inf for no bound.

    With the derivatives as `RowDensity.row` has them, by m parameters. Both ends' masses are taken
    from the same tail, the smaller one, or from 1 where they are on either side of the median, so
    that nothing is lost in the far tails. What is lost is what F(b) - F(a) loses where the range is
    narrow: about 1e-16 F / (F(b) - F(a)).
    """
    if density.mass is not None:
        return density.mass
    tails, add = density.tails, SUMS[m]

    @jit.inner
    def mass(t, a, b, size, parameters, shared):
        if b == math.inf:
            if a == -math.inf:
                return 0.0, 0.0, add(0.0, parameters, 0.0, parameters)
            return tails(t, a, True, size, parameters, shared)
        if a == -math.inf:
            return tails(t, b, False, size, parameters, shared)
        first = tails(t, a, False, size, parameters, shared)
        upper = first[0] > _LOG_HALF
        if upper:
            first = tails(t, a, True, size, parameters, shared)
        last = tails(t, b, upper, size, parameters, shared)
        if not upper and last[0] > _LOG_HALF:
            last = tails(t, b, True, size, parameters, shared)
            left, right = math.exp(first[0]), math.exp(last[0])
            u, v = -left / (1.0 - left - right), -right / (1.0 - left - right)
            value = math.log1p(-(left + right))
            return value, u * first[1] + v * last[1], add(u, first[2], v, last[2])
        large, small = (first, last) if upper else (last, first)
        gap = small[0] - large[0]
        if not gap < 0.0:  # narrower than numbers can tell
            return -math.inf, 0.0, add(0.0, parameters, 0.0, parameters)
        share = -math.expm1(gap)
        u, v = 1.0 / share, -math.exp(gap) / share
        value = large[0] + math.log(share)
        return value, u * large[1] + v * small[1], add(u, large[2], v, small[2])

    return mass
