"""Scalar priors as numbers that a compiled function can read: log densities with derivatives.

Every parameter x is a function of one unconstrained coordinate t, and its contribution to the log
posterior is log p(x(t)) + log |dx/dt|. A prior becomes one row of a table: a family of densities,
its arguments, the constant that normalises it, and the map from t to x. A correlation matrix is a
set of such rows too, see `terms.covariance`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

from mixedbayes import distributions as d
from mixedbayes import jit
from mixedbayes.errors import PriorError
from mixedbayes.numerics.correlation import CLOSEST

__all__ = [
    "Coordinate",
    "Table",
    "apply_inverse_links",
    "apply_links",
    "coordinate",
    "log_prior",
    "partial_correlation",
    "scaled_beta",
    "tabulate",
]

Floats = NDArray[np.float64]

# Families of densities: f(x) without its constant.
CONSTANT, NORMAL, STUDENT, GAMMA, INVERSE_GAMMA, PARTIAL, BETA = range(7)
# Maps from the coordinate t to the parameter x.
IDENTITY, LOG, LOGIT, TANH = range(4)
_SMALLEST = 1e-300  # standard deviation that has a finite coordinate


@dataclass(frozen=True)
class Coordinate:
    """One unconstrained coordinate: the prior's family and arguments, and the map t -> x."""

    family: int
    link: int
    constant: float = 0.0  # log of the normalising constant
    a: float = 0.0  # location, or shape
    b: float = 1.0  # scale, or rate
    c: float = 1.0  # degrees of freedom
    lower: float = 0.0  # interval of a LOGIT link
    upper: float = 1.0


@dataclass(frozen=True, eq=False)
class Table:
    """Coordinates as two contiguous arrays, one row each."""

    codes: NDArray[np.int64]  # (d, 2) family, link
    numbers: Floats  # (d, 6) constant, a, b, c, lower, upper


def tabulate(coordinates: Sequence[Coordinate]) -> Table:
    """The coordinates as a table that `log_prior` reads."""
    rows = [(c.family, c.link) for c in coordinates]
    numbers = [(c.constant, c.a, c.b, c.c, c.lower, c.upper) for c in coordinates]
    return Table(np.array(rows, np.int64).reshape(-1, 2), np.array(numbers, float).reshape(-1, 6))


def coordinate(prior: d.Prior, *, positive: bool, where: str = "prior") -> Coordinate:
    """The coordinate of a parameter with this prior.

    A positive parameter (a standard deviation) moves on the log scale, one in an interval on the
    logit scale, any other as it is. A prior on the whole real line that is given for a positive
    parameter is restricted to positive values and renormalised. Raises PriorError where that
    leaves nothing.
    """
    if isinstance(prior, d.Uniform):
        lower = max(prior.lower, 0.0) if positive else prior.lower
        if lower >= prior.upper:
            raise PriorError(
                f"{where}: {prior} has no values above 0, but the parameter is positive; "
                "use Uniform(0, upper) with upper > 0"
            )
        width = prior.upper - lower
        return Coordinate(CONSTANT, LOGIT, -math.log(width), lower=lower, upper=prior.upper)
    if isinstance(prior, d.Share):
        return scaled_beta(prior.alpha, prior.beta, 0.0, 1.0)
    link = LOG if positive or prior.support == "positive" else IDENTITY
    family, constant, a, b, c = _density(prior, where)
    if positive and prior.support == "real" and prior.proper:
        constant -= float(prior.frozen().logsf(0.0))
    return Coordinate(family, link, constant, a, b, c)


def partial_correlation(shape: float) -> Coordinate:
    """Coordinate of a partial correlation z = tanh(t), (1 + z) / 2 ~ Beta(shape, shape)."""
    constant = -(2 * shape - 1) * math.log(2.0) - float(betaln(shape, shape))
    return Coordinate(PARTIAL, TANH, constant, a=shape)


def scaled_beta(a: float, b: float, lower: float, upper: float) -> Coordinate:
    """Coordinate of z on an interval, (z - lower) / (upper - lower) ~ Beta(a, b)."""
    constant = -float(betaln(a, b)) - math.log(upper - lower)
    return Coordinate(BETA, LOGIT, constant, a=a, b=b, lower=lower, upper=upper)


def apply_links(table: Table, theta: Floats) -> tuple[Floats, Floats]:
    """x (..., d) at theta, and sqrt(1 - x^2) where x is a partial correlation."""
    x, root = theta.copy(), np.ones_like(theta)
    log, logit, tanh = (table.codes[:, 1] == link for link in (LOG, LOGIT, TANH))
    with np.errstate(over="ignore"):
        x[..., log] = np.exp(theta[..., log])
        lower, upper = table.numbers[logit, 4], table.numbers[logit, 5]
        x[..., logit] = lower + (upper - lower) / (1 + np.exp(-theta[..., logit]))
        root[..., tanh] = 1 / np.cosh(theta[..., tanh])
    x[..., tanh] = np.tanh(theta[..., tanh])
    return x, root


def apply_inverse_links(table: Table, x: Floats) -> Floats:
    """theta (..., d) at x; those at the edge of their range are pulled in a little."""
    theta = x.copy()
    log, logit, tanh = (table.codes[:, 1] == link for link in (LOG, LOGIT, TANH))
    theta[..., log] = np.log(np.maximum(x[..., log], _SMALLEST))
    lower, upper = table.numbers[logit, 4], table.numbers[logit, 5]
    share = np.clip((x[..., logit] - lower) / (upper - lower), 1 - CLOSEST, CLOSEST)
    theta[..., logit] = np.log(share) - np.log1p(-share)
    theta[..., tanh] = np.arctanh(np.clip(x[..., tanh], -CLOSEST, CLOSEST))
    return theta


def _density(prior: d.Prior, where: str) -> tuple[int, float, float, float, float]:
    """Family, log normalising constant and arguments (a, b, c)."""
    match prior:
        case d.Normal(mu, sigma):
            return NORMAL, _normal(sigma), mu, sigma, 1.0
        case d.HalfNormal(sigma):
            return NORMAL, math.log(2.0) + _normal(sigma), 0.0, sigma, 1.0
        case d.StudentT(nu, mu, sigma):
            return STUDENT, _student(nu, sigma), mu, sigma, nu
        case d.HalfStudentT(nu, sigma):
            return STUDENT, math.log(2.0) + _student(nu, sigma), 0.0, sigma, nu
        case d.Cauchy(alpha, beta):
            return STUDENT, _student(1.0, beta), alpha, beta, 1.0
        case d.HalfCauchy(beta):
            return STUDENT, math.log(2.0) + _student(1.0, beta), 0.0, beta, 1.0
        case d.Exponential(lam):
            return GAMMA, math.log(lam), 1.0, lam, 1.0
        case d.Gamma(alpha, beta):
            return GAMMA, alpha * math.log(beta) - float(gammaln(alpha)), alpha, beta, 1.0
        case d.InverseGamma(alpha, beta):
            return INVERSE_GAMMA, alpha * math.log(beta) - float(gammaln(alpha)), alpha, beta, 1.0
        case d.Flat():
            return CONSTANT, 0.0, 0.0, 1.0, 1.0
    raise PriorError(f"{where}: {prior} is not a prior for a single number")


def _normal(sigma: float) -> float:
    return -0.5 * math.log(2 * math.pi) - math.log(sigma)


def _student(nu: float, sigma: float) -> float:
    half = float(gammaln((nu + 1) / 2) - gammaln(nu / 2))
    return half - 0.5 * math.log(nu * math.pi) - math.log(sigma)


@jit.njit(
    "float64(float64[::1], int64[:, ::1], float64[:, ::1], float64[:, ::1])",
    error_model="numpy",
)
def log_prior(theta, codes, numbers, out):
    """Sum over coordinates of log p(x) + log |dx/dt|.

    Fills the rows of out (3, d): x, dx/dt, and the derivative of the sum. Overflow is left as
    inf or nan for the caller to see.
    """
    total = 0.0
    for i in range(theta.size):
        t = theta[i]
        family, link = codes[i, 0], codes[i, 1]
        constant, a, b, c = numbers[i, 0], numbers[i, 1], numbers[i, 2], numbers[i, 3]
        if link == LOG:
            x = math.exp(t) if t < 700.0 else math.inf
            slope, jacobian, d_jacobian = x, t, 1.0
        elif link == LOGIT:
            lower, width = numbers[i, 4], numbers[i, 5] - numbers[i, 4]
            e = math.exp(-abs(t))
            p = (1.0 if t > 0 else e) / (1.0 + e)
            x, slope = lower + width * p, width * e / (1.0 + e) ** 2
            jacobian = math.log(width) - abs(t) - 2.0 * math.log1p(e)
            d_jacobian = 1.0 - 2.0 * p
        elif link == TANH:
            e = math.exp(-2.0 * abs(t))
            x, slope = math.tanh(t), 4.0 * e / (1.0 + e) ** 2
            jacobian = 2.0 * (math.log(2.0) - abs(t) - math.log1p(e))
            d_jacobian = -2.0 * x
        else:
            x, slope, jacobian, d_jacobian = t, 1.0, 0.0, 0.0
        f, df = 0.0, 0.0  # log density without its constant, and its derivative in t
        if family == NORMAL:
            r = (x - a) / b
            f, df = -0.5 * r * r, -r / b * slope
        elif family == STUDENT:
            r = (x - a) / b
            f, df = -0.5 * (c + 1) * math.log1p(r * r / c), -(c + 1) * r / (b * (c + r * r)) * slope
        elif family == GAMMA:
            f, df = (a - 1) * t - b * x, (a - 1) - b * x
        elif family == INVERSE_GAMMA:
            inverse = math.exp(-t) if t > -700.0 else math.inf
            f, df = -(a + 1) * t - b * inverse, b * inverse - (a + 1)
        elif family == PARTIAL:
            f, df = (a - 1) * jacobian, (a - 1) * d_jacobian
        elif family == BETA:  # of p, whose logit t is
            e = math.exp(-abs(t))
            p, both = (1.0 if t > 0 else e) / (1.0 + e), math.log1p(e)
            f = (a - 1) * (min(t, 0.0) - both) - (b - 1) * (max(t, 0.0) + both)
            df = (a - 1) * (1.0 - p) - (b - 1) * p
        out[0, i], out[1, i], out[2, i] = x, slope, df + d_jacobian
        total += constant + f + jacobian
    return total
