"""Distributions of one number, with SciPy's methods.

Density, quantiles and mean are here, as every fit asks for them and loading `scipy.stats` takes
longer than a small fit. Whatever else is asked of one, SciPy's distribution answers.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import special

from mixedbayes.interrupts import later

stats = later("scipy.stats")


@dataclass(frozen=True)
class Univariate(ABC):
    """A distribution of loc + scale z, where z has the standard density.

    Parameters
    ----------
    loc, scale
        As in SciPy; scale is above 0.
    shapes
        Further numbers, in SciPy's order.
    """

    loc: float = 0.0
    scale: float = 1.0
    shapes: tuple[float, ...] = ()
    scipy: ClassVar[str]  # its name there
    lower: ClassVar[float] = -math.inf  # end of the support of z
    upper: ClassVar[float] = math.inf

    @abstractmethod
    def _log_density(self, z: Any) -> Any:
        """Of z within the support."""

    @abstractmethod
    def _quantile(self, p: Any) -> Any:
        """z below which a share p lies."""

    @abstractmethod
    def _mean(self) -> float:
        """Of z; inf or nan where there is none."""

    def logpdf(self, x: Any) -> Any:
        """Natural log of the density at x, -inf outside the support."""
        z = (np.asarray(x, float) - self.loc) / self.scale
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = np.where(np.isnan(z), z, self._log_density(z) - math.log(self.scale))
            return np.where((z < self.lower) | (z > self.upper), -np.inf, inside)[()]

    def pdf(self, x: Any) -> Any:
        """Density at x."""
        return np.exp(self.logpdf(x))

    def ppf(self, p: Any) -> Any:
        """Quantiles: x below which a share p lies; nan where p is no share."""
        p = np.asarray(p, float)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(p == 0, self.lower, np.where(p == 1, self.upper, self._quantile(p)))
        return np.where((p >= 0) & (p <= 1), self.loc + self.scale * z, np.nan)[()]

    def median(self) -> float:
        return float(self.ppf(0.5))

    def mean(self) -> float:
        return self.loc + self.scale * self._mean()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(getattr(stats, self.scipy)(*self.shapes, self.loc, self.scale), name)


class Normal(Univariate):
    scipy = "norm"

    def _log_density(self, z: Any) -> Any:
        return -0.5 * z**2 - 0.5 * math.log(2 * math.pi)

    def _quantile(self, p: Any) -> Any:
        return special.ndtri(p)

    def _mean(self) -> float:
        return 0.0


class StudentT(Univariate):
    scipy = "t"

    def _log_density(self, z: Any) -> Any:
        (nu,) = self.shapes
        scale = math.log(special.poch(0.5 * nu, 0.5)) - 0.5 * math.log(nu * math.pi)
        return scale - 0.5 * (nu + 1) * np.log1p(z**2 / nu)

    def _quantile(self, p: Any) -> Any:
        return special.stdtrit(self.shapes[0], p)

    def _mean(self) -> float:
        return 0.0 if self.shapes[0] > 1 else math.inf


class Cauchy(Univariate):
    scipy = "cauchy"

    def _log_density(self, z: Any) -> Any:
        return -math.log(math.pi) - np.log1p(z**2)

    def _quantile(self, p: Any) -> Any:
        return np.tan(np.pi * (p - 0.5))

    def _mean(self) -> float:
        return math.nan


class _Positive(Univariate):
    lower = 0.0


class HalfNormal(_Positive):
    scipy = "halfnorm"

    def _log_density(self, z: Any) -> Any:
        return -0.5 * z**2 + 0.5 * math.log(2 / math.pi)

    def _quantile(self, p: Any) -> Any:
        return special.ndtri((1 + p) / 2)

    def _mean(self) -> float:
        return math.sqrt(2 / math.pi)


class HalfCauchy(_Positive):
    scipy = "halfcauchy"

    def _log_density(self, z: Any) -> Any:
        return math.log(2 / math.pi) - np.log1p(z**2)

    def _quantile(self, p: Any) -> Any:
        return np.tan(0.5 * np.pi * p)

    def _mean(self) -> float:
        return math.inf


class Exponential(_Positive):
    scipy = "expon"

    def _log_density(self, z: Any) -> Any:
        return -z

    def _quantile(self, p: Any) -> Any:
        return -np.log1p(-p)

    def _mean(self) -> float:
        return 1.0


class Gamma(_Positive):
    scipy = "gamma"

    def _log_density(self, z: Any) -> Any:
        (a,) = self.shapes
        return special.xlogy(a - 1, z) - z - math.lgamma(a)

    def _quantile(self, p: Any) -> Any:
        return special.gammaincinv(self.shapes[0], p)

    def _mean(self) -> float:
        return self.shapes[0]


class InverseGamma(_Positive):
    scipy = "invgamma"

    def _log_density(self, z: Any) -> Any:
        (a,) = self.shapes
        return np.where(z == 0, -np.inf, -(a + 1) * np.log(z) - 1 / z - math.lgamma(a))

    def _quantile(self, p: Any) -> Any:
        return 1 / special.gammainccinv(self.shapes[0], p)

    def _mean(self) -> float:
        (a,) = self.shapes
        return 1 / (a - 1) if a > 1 else math.inf


class Uniform(_Positive):
    scipy = "uniform"
    upper = 1.0

    def _log_density(self, z: Any) -> Any:
        return np.zeros_like(z)

    def _quantile(self, p: Any) -> Any:
        return p

    def _mean(self) -> float:
        return 0.5


class Beta(_Positive):
    scipy = "beta"
    upper = 1.0

    def _log_density(self, z: Any) -> Any:
        a, b = self.shapes
        return special.xlogy(a - 1, z) + special.xlog1py(b - 1, -z) - special.betaln(a, b)

    def _quantile(self, p: Any) -> Any:
        return special.betaincinv(*self.shapes, p)

    def _mean(self) -> float:
        a, b = self.shapes
        return a / (a + b)
