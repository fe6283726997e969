"""Log densities of censored and truncated responses in PyTensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.families.base import Family
from mixedbayes.families.limited import bounds
from mixedbayes.model.mass_op import log_mass

type Distribution = Callable[[Ints], Any]  # PyMC's of some rows
type Mass = Callable[[Ints, Floats, Floats], Any]  # of some rows, log P(a < Y <= b)


def limited_logp(
    family: Family, design: Design, y: Any, of: Distribution, eta: Any, parameters: Sequence[Any]
) -> Any:
    """(n,) log density of each row, the rows' limits being numbers.

    `of` makes the distribution of some rows; y (n,) is the response of all, eta the linear
    predictor of the mean, (n,) or a number. Where PyMC has no tails of this distribution, or an
    atom makes them ambiguous, they are the family's compiled ones.
    """
    limits = design.limits
    assert limits is not None
    low, high = bounds(family, limits, design.n)
    known = ~limits.censored(design.n)
    a, b = limits.range(design.y)
    mass = _by_pymc(family, design, of)
    if not _has_tails(family, of):
        mass = _compiled(family, design, eta, parameters)
    found = pt.zeros(design.n)
    if (at := np.flatnonzero(known)).size:
        found = found[at].set(pm.logp(of(at), y[at]))
    if (at := np.flatnonzero(~known)).size:
        found = found[at].set(mass(at, np.maximum(a, low)[at], np.minimum(b, high)[at]))
    if limits.truncated:
        found = found - mass(np.arange(design.n), low, high)
    return found


def _has_tails(family: Family, of: Distribution) -> bool:
    """Whether PyMC has both tails of a family's distribution, row by row."""
    if family.row_density is None or family.row_density.mass is not None or family.trials:
        return False
    try:
        pm.logccdf(of(np.arange(1)), np.ones(1))
        pm.logcdf(of(np.arange(1)), np.ones(1))
    except (NotImplementedError, TypeError):
        return False
    return True


def _compiled(family: Family, design: Design, eta: Any, parameters: Sequence[Any]) -> Mass:
    """Log masses by the family's own tails."""
    density = family.row_density
    assert density is not None
    eta = pt.as_tensor(eta)
    t = eta
    if type(family.link) is not density.scale:
        t = density.scale().link(family.inverse(eta, pt), pt)
    t = pt.zeros(design.n) + t
    size = family.tail_size(design.n, design.weights, design.trials)

    def mass(rows: Ints, a: Floats, b: Floats) -> Any:
        own = [p[rows] if p.ndim and p.type.shape != (1,) else p for p in parameters]
        trials = None if design.trials is None else design.trials[rows]
        a, b = family.bound(a, trials), family.bound(b, trials)
        return log_mass(family, t[rows], own, a, b, size[rows])

    return mass


def _by_pymc(family: Family, design: Design, of: Distribution) -> Mass:
    """Log masses by PyMC's distribution functions."""

    def mass(rows: Ints, a: Floats, b: Floats) -> Any:
        a = np.where(np.isfinite(family.bound(a)), a, -np.inf)  # infinite where the support ends
        b = np.where(np.isfinite(family.bound(b)), b, np.inf)
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

    return mass
