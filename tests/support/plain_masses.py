"""log P(a < Y <= b) of families with its derivatives, by the compiled functions as plain Python.

A program: cases as JSON on its input, what is found of each on its output. Nothing is compiled,
which would take a minute for all families.
"""

import json
import math
import struct
import sys

import numba
import numpy as np


def plain(*args, **options):
    """In the place of numba's decorators: the function itself."""
    return args[0] if args and callable(args[0]) else lambda function: function


def bits(x):
    """Those of a number, as a whole one."""
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def from_bits(n):
    return struct.unpack("<d", struct.pack("<Q", n & (2**64 - 1)))[0]


def mass(case):
    from mixedbayes.families.masses import mass_of
    from mixedbayes.families.registry import FAMILIES

    family = FAMILIES[case["family"]]()
    density, own = family.row_density, [case["parameters"][n] for n in family.parameters]
    for k in density.odds:
        own[k] = math.log(own[k]) - math.log1p(-own[k])
    t = case.get("t")
    if t is None:
        t = float(density.scale().link(np.asarray(case["mu"]), np))
    trials = np.array([case["trials"]]) if "trials" in case else None
    ends = [-math.inf if case["a"] is None else case["a"]]
    ends += [math.inf if case["b"] is None else case["b"]]
    a, b = (float(family.bound(np.array([end]), trials)[0]) for end in ends)
    size = float(family.tail_size(1, None, trials)[0])

    def at(t, own):
        values = tuple(own)
        return mass_of(density, len(own))(t, a, b, size, values, density.once(values))

    value, d_t, d = at(t, own)
    found = {"value": value, "slopes": [d_t, *d]}
    if case.get("differences"):
        step, found["differences"] = 1e-5 * min(1.0, *map(abs, [*own, 1.0])), []
        for k in range(len(own) + 1):
            ends = []
            for sign in (1, -1):
                moved = [t, *own]
                moved[k] += sign * step
                ends.append(at(moved[0], moved[1:])[0])
            found["differences"].append((ends[0] - ends[1]) / (2 * step))
    return found


if __name__ == "__main__":
    numba.njit = plain
    from mixedbayes import jit

    jit.njit = jit.inner = plain
    jit.bits, jit.from_bits = bits, from_bits
    np.seterr(all="ignore")
    for name in ("exp", "expm1", "log", "log1p"):  # infinities as compiled code has them
        setattr(math, name, getattr(np, name))
    json.dump([mass(case) for case in json.load(sys.stdin)], sys.stdout)
