"""Prior distributions as frozen dataclasses, with the field's names and parametrisations.

They hold numbers only. `logpdf` is the density; `pymc` says which PyMC distribution, with which
arguments, is the same one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from scipy import special, stats

from mixedbayes.errors import PriorError

__all__ = [
    "LKJ",
    "Cauchy",
    "Dirichlet",
    "Exponential",
    "Flat",
    "Gamma",
    "HalfCauchy",
    "HalfNormal",
    "HalfStudentT",
    "InverseGamma",
    "Normal",
    "Prior",
    "StudentT",
    "Uniform",
]


_SMALLEST = 1e-100  # positive number that a prior may have


@dataclass(frozen=True)
class Prior:
    """Base of all priors on a scalar. Arguments are checked when the object is made."""

    positive: ClassVar[tuple[str, ...]] = ()  # arguments that must be > 0
    support: ClassVar[str] = "real"  # or "positive", "interval", "correlation"
    largest: ClassVar[float] = 1e100  # number that it may have
    remedy: ClassVar[str] = "rescale the column, or choose a prior of usual width"

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, bool) or not isinstance(value, int | float | np.number):
                raise PriorError(f"{type(self).__name__}: {f.name} must be a number, got {value!r}")
            try:
                value = float(value)
            except OverflowError:
                value = np.inf if value > 0 else -np.inf
            if not np.isfinite(value):
                raise PriorError(f"{type(self).__name__}: {f.name} must be finite, got {value}")
            if f.name in self.positive and value <= 0:
                raise PriorError(
                    f"{type(self).__name__}: {f.name} must be greater than 0, got {value:g}"
                )
            if abs(value) > self.largest or (f.name in self.positive and value < _SMALLEST):
                raise PriorError(
                    f"{type(self).__name__}: {f.name} = {value:g} is beyond what can be computed "
                    f"with ({_SMALLEST:g} to {self.largest:g}): {self.remedy}"
                )
            object.__setattr__(self, f.name, value)

    def frozen(self) -> Any:
        """The SciPy distribution, for densities and quantiles."""
        raise PriorError(f"{self} has no proper density to evaluate or draw from")

    def logpdf(self, x: Any) -> Any:
        """Natural log of the density at x."""
        return self.frozen().logpdf(x)

    @property
    def proper(self) -> bool:
        return True

    def pymc(self) -> tuple[str, dict[str, float]]:
        """Name and arguments of the PyMC distribution."""
        return type(self).__name__, {f.name: getattr(self, f.name) for f in fields(self)}

    def shifted(self, by: Any) -> tuple[str, dict[str, Any]] | None:
        """PyMC distribution of x + by where x has this prior; None if it is no location family."""
        return None

    def __str__(self) -> str:
        values = ", ".join(f"{getattr(self, f.name):.4g}" for f in fields(self))
        return f"{type(self).__name__}({values})"


class _Location(Prior):
    def shifted(self, by: Any) -> tuple[str, dict[str, Any]]:
        name, args = self.pymc()
        return name, {**args, "mu" if "mu" in args else "alpha": _center(self) + by}


def _center(prior: Any) -> float:
    return prior.mu if hasattr(prior, "mu") else prior.alpha


@dataclass(frozen=True)
class Normal(_Location):
    """Normal with mean mu and standard deviation sigma."""

    mu: float = 0.0
    sigma: float = 1.0
    positive: ClassVar[tuple[str, ...]] = ("sigma",)

    def frozen(self) -> Any:
        return stats.norm(self.mu, self.sigma)


@dataclass(frozen=True)
class StudentT(_Location):
    """Student's t with nu degrees of freedom, location mu and scale sigma."""

    nu: float
    mu: float = 0.0
    sigma: float = 1.0
    positive: ClassVar[tuple[str, ...]] = ("nu", "sigma")

    def frozen(self) -> Any:
        return stats.t(self.nu, self.mu, self.sigma)


@dataclass(frozen=True)
class Cauchy(_Location):
    """Cauchy with location alpha and scale beta."""

    alpha: float = 0.0
    beta: float = 1.0
    positive: ClassVar[tuple[str, ...]] = ("beta",)

    def frozen(self) -> Any:
        return stats.cauchy(self.alpha, self.beta)


@dataclass(frozen=True)
class HalfNormal(Prior):
    """Normal(0, sigma) restricted to positive values."""

    sigma: float = 1.0
    positive: ClassVar[tuple[str, ...]] = ("sigma",)
    support: ClassVar[str] = "positive"

    def frozen(self) -> Any:
        return stats.halfnorm(scale=self.sigma)


class _HalfT:
    """SciPy has no half Student-t: density and quantiles from the symmetric one."""

    def __init__(self, nu: float, sigma: float) -> None:
        self._t = stats.t(nu, 0.0, sigma)
        self._nu, self._sigma = nu, sigma

    def mean(self) -> float:
        nu = self._nu
        if nu <= 1:
            return math.inf
        log_ratio = special.gammaln(0.5 * (nu + 1)) - special.gammaln(0.5 * nu)
        return float(2 * self._sigma * math.sqrt(nu / math.pi) * np.exp(log_ratio) / (nu - 1))

    def logpdf(self, x: Any) -> Any:
        x = np.asarray(x, float)
        return np.where(x >= 0, np.log(2.0) + self._t.logpdf(x), -np.inf)

    def ppf(self, p: Any) -> Any:
        return self._t.ppf(0.5 + np.asarray(p) / 2)

    def cdf(self, x: Any) -> Any:
        return np.clip(2 * self._t.cdf(x) - 1, 0, 1)

    def rvs(self, size: Any = None, random_state: Any = None) -> Any:
        return np.abs(self._t.rvs(size=size, random_state=random_state))


@dataclass(frozen=True)
class HalfStudentT(Prior):
    """Student's t with nu degrees of freedom and scale sigma, restricted to positive values."""

    nu: float
    sigma: float = 1.0
    positive: ClassVar[tuple[str, ...]] = ("nu", "sigma")
    support: ClassVar[str] = "positive"

    def frozen(self) -> Any:
        return _HalfT(self.nu, self.sigma)


@dataclass(frozen=True)
class HalfCauchy(Prior):
    """Cauchy(0, beta) restricted to positive values."""

    beta: float = 1.0
    positive: ClassVar[tuple[str, ...]] = ("beta",)
    support: ClassVar[str] = "positive"

    def frozen(self) -> Any:
        return stats.halfcauchy(scale=self.beta)


@dataclass(frozen=True)
class Exponential(Prior):
    """Exponential with rate lam: mean 1 / lam."""

    lam: float = 1.0
    positive: ClassVar[tuple[str, ...]] = ("lam",)
    support: ClassVar[str] = "positive"

    def frozen(self) -> Any:
        return stats.expon(scale=1 / self.lam)


@dataclass(frozen=True)
class Gamma(Prior):
    """Gamma with shape alpha and rate beta: mean alpha / beta."""

    alpha: float
    beta: float
    positive: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    support: ClassVar[str] = "positive"

    def frozen(self) -> Any:
        return stats.gamma(self.alpha, scale=1 / self.beta)


@dataclass(frozen=True)
class InverseGamma(Prior):
    """Inverse gamma with shape alpha and scale beta: mean beta / (alpha - 1)."""

    alpha: float
    beta: float
    positive: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    support: ClassVar[str] = "positive"

    def frozen(self) -> Any:
        return stats.invgamma(self.alpha, scale=self.beta)


@dataclass(frozen=True)
class Uniform(Prior):
    """Uniform between lower and upper."""

    lower: float
    upper: float
    support: ClassVar[str] = "interval"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lower >= self.upper:
            raise PriorError(
                f"Uniform: lower must be below upper, got {self.lower:g} and {self.upper:g}"
            )

    def frozen(self) -> Any:
        return stats.uniform(self.lower, self.upper - self.lower)

    def __str__(self) -> str:
        """In as many digits as tell the ends apart."""
        most, width = max(abs(self.lower), abs(self.upper)), self.upper - self.lower
        far = np.clip(np.ceil(np.log10(most) - np.log10(width)), 0, 13)
        digits = 4 + int(far)
        return f"Uniform({self.lower:.{digits}g}, {self.upper:.{digits}g})"


@dataclass(frozen=True)
class Flat(Prior):
    """Improper uniform prior over the parameter's whole range: density 1 everywhere."""

    def logpdf(self, x: Any) -> Any:
        return np.zeros_like(np.asarray(x, float))

    @property
    def proper(self) -> bool:
        return False

    def shifted(self, by: Any) -> tuple[str, dict[str, Any]]:
        return "Flat", {}


@dataclass(frozen=True)
class LKJ(Prior):
    """LKJ prior on a correlation matrix R: density proportional to det(R)^(eta - 1).

    eta = 1 is uniform over correlation matrices; larger values favour weak correlations.
    Lewandowski, Kurowicka & Joe (2009), doi:10.1016/j.jmva.2009.04.008.
    """

    eta: float = 2.0
    positive: ClassVar[tuple[str, ...]] = ("eta",)
    support: ClassVar[str] = "correlation"
    largest: ClassVar[float] = 1e8  # beyond it correlations are below 1e-4
    remedy: ClassVar[str] = "write (x || g) for effects without correlations"

    def logpdf(self, x: Any) -> Any:
        """Normalised log density at correlation matrices x of shape (..., q, q)."""
        x = np.asarray(x, float)
        q = x.shape[-1]
        k = np.arange(1, q)
        b = self.eta + (q - 1 - k) / 2
        log_norm = np.sum((2 * self.eta - 2 + q - k) * (q - k) * np.log(2.0)) + np.sum(
            (q - k) * special.betaln(b, b)
        )
        sign, logdet = np.linalg.slogdet(x)
        return np.where(sign > 0, (self.eta - 1) * logdet, -np.inf) - log_norm


@dataclass(frozen=True)
class Share(Prior):
    """Beta(alpha, beta) of a number between 0 and 1: a share of what is left of a simplex."""

    alpha: float
    beta: float
    positive: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    support: ClassVar[str] = "share"

    def frozen(self) -> Any:
        return stats.beta(self.alpha, self.beta)


@dataclass(frozen=True)
class Dirichlet(Prior):
    """Dirichlet prior on shares that add up to 1: density proportional to prod_i x_i^(a_i - 1).

    `alpha` is one number for all shares, or a list with one for each. 1 is uniform over all ways to
    divide; larger values favour equal shares.
    """

    alpha: float | tuple[float, ...] = 1.0
    support: ClassVar[str] = "simplex"

    def __post_init__(self) -> None:
        several = isinstance(self.alpha, list | tuple | np.ndarray)
        values = list(self.alpha) if several else [self.alpha]  # type: ignore[arg-type]
        checked = tuple(self._numbers(values))
        object.__setattr__(self, "alpha", checked if several else checked[0])

    @staticmethod
    def _numbers(values: list[Any]) -> list[float]:
        for value in values:
            number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if not number or not 0 < value < np.inf:
                raise PriorError(f"Dirichlet: alpha must be greater than 0, got {value!r}")
        if not values:
            raise PriorError("Dirichlet: alpha is empty; give one number, or one for each share")
        return [float(value) for value in values]

    def of(self, size: int) -> Dirichlet:
        """The same with a number for each of `size` shares; PriorError where it has others."""
        if not isinstance(self.alpha, tuple):
            return Dirichlet((self.alpha,) * size)
        if len(self.alpha) != size:
            raise PriorError(f"{self} has {len(self.alpha)} shares, where there are {size}")
        return self

    @property
    def shares(self) -> tuple[Share, ...]:
        """Of k shares the k - 1 independent laws of each as a part of what those before it leave.

        With z_i ~ Beta(a_i, a_(i+1) + ... + a_k), x_i = z_i (1 - z_1) ... (1 - z_(i-1)).
        """
        assert isinstance(self.alpha, tuple)
        rest = np.cumsum(self.alpha[::-1])[::-1]
        return tuple(Share(a, float(b)) for a, b in zip(self.alpha[:-1], rest[1:], strict=True))

    @property
    def margins(self) -> tuple[Any, ...]:
        """The SciPy distribution of each share."""
        assert isinstance(self.alpha, tuple)
        total = sum(self.alpha)
        return tuple(stats.beta(a, total - a) for a in self.alpha)

    def logpdf(self, x: Any) -> Any:
        """Log density at shares x (..., k), in k - 1 of them."""
        x = np.asarray(x, float)
        a = np.asarray(self.of(x.shape[-1]).alpha)
        constant = special.gammaln(a.sum()) - special.gammaln(a).sum()
        return special.xlogy(a - 1, x).sum(axis=-1) + constant

    def pymc(self) -> tuple[str, dict[str, Any]]:
        return "Dirichlet", {"a": self.alpha}

    def __str__(self) -> str:
        each = self.alpha if isinstance(self.alpha, tuple) else (self.alpha,)
        return f"Dirichlet({', '.join(f'{a:.4g}' for a in each)})"
