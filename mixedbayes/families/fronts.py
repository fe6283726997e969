"""Links in front of the compiled row densities, and those of further parameters.

A row density knows one predictor t, on a scale of its own: the mean of a normal or Student t, the
logarithm of the mean of a gamma or of counts, the log odds of the mean of a beta. For another link
g, t is a function of the linear predictor eta = g(mean), compiled in front of it.

Means that must be positive make identity and inverse links functions on a half line: where eta is
not positive, such a model's density is 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from mixedbayes import jit
from mixedbayes.families.links import (
    Cloglog,
    Identity,
    Inverse,
    Link,
    Log,
    Logit,
    Probit,
    Softplus,
    TanHalf,
)
from mixedbayes.families.rows import compiled
from mixedbayes.numerics.special import log_ndtr

_SQRT_HALF = math.sqrt(0.5)
_PER_ROOT_2PI = 1.0 / math.sqrt(2.0 * math.pi)


@compiled
def _same(eta):
    return eta, 1.0


@compiled
def _exp(eta):
    t = math.exp(eta) if eta < 700.0 else math.inf
    return t, t


@compiled
def _reciprocal(eta):
    t = 1.0 / eta if eta > 0.0 or eta < 0.0 else math.nan
    return t, -t * t


@compiled
def _log(eta):
    if not eta > 0.0:
        return math.nan, math.nan
    return math.log(eta), 1.0 / eta


@compiled
def _minus_log(eta):
    if not eta > 0.0:
        return math.nan, math.nan
    return -math.log(eta), -1.0 / eta


@compiled
def _twice_arctan(eta):
    return 2.0 * math.atan(eta), 2.0 / (1.0 + eta * eta)


@compiled
def normal_odds(eta):
    """Log odds of Phi(eta)."""
    below, hazard = log_ndtr(eta)
    above, back = log_ndtr(-eta)
    return below - above, hazard + back


@compiled
def gumbel_odds(eta):
    """Log odds of 1 - exp(-exp(eta)); beyond eta = 650, where products overflow, those there."""
    hazard = math.exp(min(eta, 650.0))
    if hazard < 1e-300:
        return eta, 1.0
    share = -math.expm1(-hazard)
    return hazard + math.log(share), hazard / share


@dataclass(frozen=True)
class Front:
    """t and dt / d eta as a compiled function of eta; NaN where eta is not possible."""

    function: Any
    positive: bool = False  # the density is 0 or has a pole at 0; the centre is on the right


SAME = Front(_same)
_FRONTS: dict[tuple[type[Link], type[Link]], Front] = {  # by link and the row density's scale
    (Log, Identity): Front(_exp),
    (Inverse, Identity): Front(_reciprocal, positive=True),
    (TanHalf, Identity): Front(_twice_arctan),
    (Identity, Log): Front(_log, positive=True),
    (Inverse, Log): Front(_minus_log, positive=True),
    (Probit, Logit): Front(normal_odds),
    (Cloglog, Logit): Front(gumbel_odds),
}


def front(link: Link, scale: type[Link]) -> Front | None:
    """What stands in front of a row density on this scale; None where nothing is compiled."""
    return SAME if type(link) is scale else _FRONTS.get((type(link), scale))


# Links of further parameters with a formula, by code; 0 stands for no formula.
CODES: dict[type[Link], int] = {Log: 1, Identity: 2, Logit: 3, Softplus: 4, Probit: 5, Cloglog: 6}


def bits_of(m: int) -> int:
    """Bits for the code of each of m parameters, which all fit into 63: two hold the first three
    links alone, the ones that families declare."""
    return 3 if 3 * m < 64 else 2


@compiled
def inverse(code, eta):
    """A parameter and its slope in eta."""
    if code == 1:
        return _exp(eta)
    if code == 2:
        return eta, 1.0
    if code > 4:
        return _share(code, eta)
    e = math.exp(-abs(eta))
    p = (1.0 if eta > 0.0 else e) / (1.0 + e)
    if code == 4:
        return max(eta, 0.0) + math.log1p(e), p
    return p, e / (1.0 + e) ** 2


@compiled
def odds(code, eta):
    """Log odds of a parameter and their slope in eta."""
    return (eta, 1.0) if code == 3 else _other_odds(code, eta)


# Not part of each loop: rare, and long to compile.
@jit.inner
def _share(code, eta):
    if code == 5:
        return 0.5 * math.erfc(-eta * _SQRT_HALF), _PER_ROOT_2PI * math.exp(-0.5 * eta * eta)
    hazard = math.exp(min(eta, 700.0))
    return -math.expm1(-hazard), hazard * math.exp(-hazard)


@jit.inner
def _other_odds(code, eta):
    return normal_odds(eta) if code == 5 else gumbel_odds(eta)
