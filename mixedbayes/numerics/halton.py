"""Points that are spread evenly over the unit cube: Halton's sequence, its digits permuted.

Owen (2017), arXiv:1706.02808. The points are those of `scipy.stats.qmc.Halton`, which is not asked
for them since loading `scipy.stats` takes longer than a small fit.
"""

from __future__ import annotations

import math
from itertools import count, islice

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_BITS = 54  # of a number in [0, 1): digits that are smaller are left out


def halton(d: int, n: int, seed: int) -> Floats:
    """(n, d) points of [0, 1)^d.

    Parameters
    ----------
    d
        Dimensions; each has the digits in a prime of its own as base.
    n
        Points.
    seed
        Of the permutations of digits.
    """
    rng = np.random.default_rng(seed).spawn(1)[0]  # as SciPy does
    return np.stack([_digits(base, n, rng) for base in _primes(d)], axis=-1)


def _digits(base: int, n: int, rng: np.random.Generator) -> Floats:
    """(n,) 0, 1, ... with the digits of each behind the point, in reverse."""
    places = math.ceil(_BITS / math.log2(base)) - 1
    permutations = np.repeat(np.arange(base)[None], places, axis=0)
    for permutation in permutations:
        rng.shuffle(permutation)
    left, out, unit = np.arange(n), np.zeros(n), 1.0 / base
    for permutation in permutations:
        out += permutation[left % base] * unit
        left //= base
        unit /= base
    return out


def _primes(d: int) -> list[int]:
    """The first d of them."""
    odd = (k for k in count(2) if all(k % j for j in range(2, math.isqrt(k) + 1)))
    return list(islice(odd, d))
