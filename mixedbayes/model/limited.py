"""Log densities of censored and truncated responses in PyTensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.families.base import Family
from mixedbayes.families.limited import bounds

type Distribution = Callable[[Ints], Any]  # PyMC's of some rows


def limited_logp(family: Family, design: Design, y: Any, of: Distribution) -> Any:
    """(n,) log density of each row, the rows' limits being numbers.

    `of` makes the distribution of some rows; y (n,) is the response of all.
    """
    limits = design.limits
    assert limits is not None
    low, high = bounds(family, limits, design.n)
    known = ~limits.censored(design.n)
    a, b = limits.range(design.y)
    found = pt.zeros(design.n)
    if (at := np.flatnonzero(known)).size:
        found = found[at].set(pm.logp(of(at), y[at]))
    if (at := np.flatnonzero(~known)).size:
        a, b = np.maximum(a, low)[at], np.minimum(b, high)[at]
        found = found[at].set(_log_mass(of, at, *_within(family, a, b)))
    if limits.truncated:
        found = found - _log_mass(of, np.arange(design.n), *_within(family, low, high))
    return found


def _within(family: Family, a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """The range (a, b] with infinite ends where the support ends."""
    return (
        np.where(np.isfinite(family.bound(a)), a, -np.inf),
        np.where(np.isfinite(family.bound(b)), b, np.inf),
    )


def _log_mass(of: Distribution, rows: Ints, a: Floats, b: Floats) -> Any:
    """log P(a < Y <= b) of some rows."""
    below, above = np.isfinite(b), np.isfinite(a)
    out = pt.zeros(len(rows))
    if (at := np.flatnonzero(below & ~above)).size:
        out = out[at].set(pm.logcdf(of(rows[at]), b[at]))
    if (at := np.flatnonzero(above & ~below)).size:
        out = out[at].set(pm.logccdf(of(rows[at]), a[at]))
    if (at := np.flatnonzero(above & below)).size:
        law = of(rows[at])
        left, right = pm.logcdf(law, a[at]), pm.logcdf(law, b[at])
        beyond_a, beyond_b = pm.logccdf(law, a[at]), pm.logccdf(law, b[at])
        upper = left > np.log(0.5)  # both ends in the upper tail: the difference is taken there
        large, small = pt.switch(upper, beyond_a, right), pt.switch(upper, beyond_b, left)
        out = out[at].set(large + pt.log1mexp(small - large))
    return out
