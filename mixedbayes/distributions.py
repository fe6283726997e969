"""Prior distributions as frozen dataclasses, with the field's names and parametrisations.

They hold numbers only. `logpdf` is the density; `pymc` says which PyMC distribution, with which
arguments, is the same one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from scipy import special

from mixedbayes.errors import PriorError
from mixedbayes.numerics import univariate

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
    """Normal prior with mean mu and standard deviation sigma.

        p(x) = exp(-(x - mu)^2 / (2 sigma^2)) / (sigma sqrt(2 pi))

    Parameters
    ----------
    mu
        Mean, in units of the parameter on its link scale.
    sigma
        Standard deviation, above 0.

    Raises
    ------
    PriorError
        A number is not finite, or not positive where it has to be.

    See Also
    --------
    StudentT : With heavier tails.
    HalfNormal : Of what is positive.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> mb.Normal(0, 10).frozen().ppf([0.025, 0.5, 0.975]).round(2)
    array([-19.6,   0. ,  19.6])
    >>> sleep = mb.load_data("sleepstudy")
    >>> priors = {"fixef": mb.Normal(0, 10)}
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", sleep, priors=priors)
    >>> model.priors[["parameter", "prior"]]
        parameter                 prior
    0   Intercept  Normal(298.5, 140.8)
    1       fixef         Normal(0, 10)
    2  sd_Subject  Exponential(0.01775)
    3       sigma  Exponential(0.01775)
    """

    mu: float = 0.0
    sigma: float = 1.0
    positive: ClassVar[tuple[str, ...]] = ("sigma",)

    def frozen(self) -> Any:
        return univariate.Normal(self.mu, self.sigma)


@dataclass(frozen=True)
class StudentT(_Location):
    """Student's t prior with nu degrees of freedom, location mu and scale sigma.

        p(x) proportional to (1 + ((x - mu) / sigma)^2 / nu)^(-(nu + 1) / 2)

    Parameters
    ----------
    nu
        Degrees of freedom, above 0; small ones have heavy tails.
    mu
        Location.
    sigma
        Scale, above 0; the standard deviation is sigma sqrt(nu / (nu - 2)) for nu > 2.

    Raises
    ------
    PriorError
        A number is not finite, or not positive where it has to be.

    See Also
    --------
    Normal : Without heavy tails.
    Cauchy : With one degree of freedom.
    HalfStudentT : Of what is positive.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> mb.StudentT(3, 0, 10).frozen().ppf([0.025, 0.5, 0.975]).round(2)
    array([-31.82,   0.  ,  31.82])
    >>> sleep = mb.load_data("sleepstudy")
    >>> priors = {"fixef": mb.StudentT(3, 0, 10)}
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", sleep, priors=priors)
    >>> model.priors[["parameter", "prior"]]
        parameter                 prior
    0   Intercept  Normal(298.5, 140.8)
    1       fixef    StudentT(3, 0, 10)
    2  sd_Subject  Exponential(0.01775)
    3       sigma  Exponential(0.01775)
    """

    nu: float
    mu: float = 0.0
    sigma: float = 1.0
    positive: ClassVar[tuple[str, ...]] = ("nu", "sigma")

    def frozen(self) -> Any:
        return univariate.StudentT(self.mu, self.sigma, (self.nu,))


@dataclass(frozen=True)
class Cauchy(_Location):
    """Cauchy prior with location alpha and scale beta; it has no mean.

        p(x) = 1 / (pi beta (1 + ((x - alpha) / beta)^2))

    Parameters
    ----------
    alpha
        Location, the median.
    beta
        Scale, above 0: half of the distribution is within beta of alpha.

    Raises
    ------
    PriorError
        A number is not finite, or not positive where it has to be.

    See Also
    --------
    StudentT : With lighter tails.
    HalfCauchy : Of what is positive.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> mb.Cauchy(0, 10).frozen().ppf([0.025, 0.5, 0.975]).round(2)
    array([-127.06,    0.  ,  127.06])
    >>> sleep = mb.load_data("sleepstudy")
    >>> priors = {"fixef": mb.Cauchy(0, 10)}
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", sleep, priors=priors)
    >>> model.priors[["parameter", "prior"]]
        parameter                 prior
    0   Intercept  Normal(298.5, 140.8)
    1       fixef         Cauchy(0, 10)
    2  sd_Subject  Exponential(0.01775)
    3       sigma  Exponential(0.01775)
    """

    alpha: float = 0.0
    beta: float = 1.0
    positive: ClassVar[tuple[str, ...]] = ("beta",)

    def frozen(self) -> Any:
        return univariate.Cauchy(self.alpha, self.beta)


@dataclass(frozen=True)
class HalfNormal(Prior):
    """Normal(0, sigma) restricted to positive values.

        p(x) = sqrt(2 / pi) exp(-x^2 / (2 sigma^2)) / sigma, x >= 0

    Parameters
    ----------
    sigma
        Standard deviation of the normal distribution before the restriction, above 0; the mean is
        sigma sqrt(2 / pi).

    Raises
    ------
    PriorError
        A number is not finite, or not positive where it has to be.

    See Also
    --------
    Exponential : With a heavier tail; the default of sds.
    HalfStudentT : With a heavy tail.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> mb.HalfNormal(50).frozen().ppf([0.025, 0.5, 0.975]).round(2)
    array([  1.57,  33.72, 112.07])
    >>> sleep = mb.load_data("sleepstudy")
    >>> priors = {"sd": {"Subject": mb.HalfNormal(50)}}
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", sleep, priors=priors)
    >>> model.priors[["parameter", "prior"]]
        parameter                 prior
    0   Intercept  Normal(298.5, 140.8)
    1       fixef      Normal(0, 48.89)
    2  sd_Subject        HalfNormal(50)
    3       sigma  Exponential(0.01775)
    """

    sigma: float = 1.0
    positive: ClassVar[tuple[str, ...]] = ("sigma",)
    support: ClassVar[str] = "positive"

    def frozen(self) -> Any:
        return univariate.HalfNormal(scale=self.sigma)


class _HalfT:
    """SciPy has no half Student-t: density and quantiles from the symmetric one."""

    def __init__(self, nu: float, sigma: float) -> None:
        self._t = univariate.StudentT(0.0, sigma, (nu,))
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
    """Student's t about 0 restricted to positive values; the default of sds in brms.

        p(x) proportional to (1 + (x / sigma)^2 / nu)^(-(nu + 1) / 2), x >= 0

    Parameters
    ----------
    nu
        Degrees of freedom, above 0.
    sigma
        Scale, above 0.

    Raises
    ------
    PriorError
        A number is not finite, or not positive where it has to be.

    See Also
    --------
    HalfNormal : With a light tail.
    HalfCauchy : With one degree of freedom.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> mb.HalfStudentT(3, 50).frozen().ppf([0.025, 0.5, 0.975]).round(2)
    array([  1.7 ,  38.24, 208.83])
    >>> sleep = mb.load_data("sleepstudy")
    >>> priors = {"sd": {"Subject": mb.HalfStudentT(3, 50)}}
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", sleep, priors=priors)
    >>> model.priors[["parameter", "prior"]]
        parameter                 prior
    0   Intercept  Normal(298.5, 140.8)
    1       fixef      Normal(0, 48.89)
    2  sd_Subject   HalfStudentT(3, 50)
    3       sigma  Exponential(0.01775)
    """

    nu: float
    sigma: float = 1.0
    positive: ClassVar[tuple[str, ...]] = ("nu", "sigma")
    support: ClassVar[str] = "positive"

    def frozen(self) -> Any:
        return _HalfT(self.nu, self.sigma)


@dataclass(frozen=True)
class HalfCauchy(Prior):
    """Cauchy(0, beta) restricted to positive values; it has no mean.

        p(x) = 2 / (pi beta (1 + (x / beta)^2)), x >= 0

    Parameters
    ----------
    beta
        Scale and median, above 0.

    Raises
    ------
    PriorError
        A number is not finite, or not positive where it has to be.

    See Also
    --------
    HalfStudentT : With lighter tails.
    HalfNormal : With a light tail.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> mb.HalfCauchy(50).frozen().ppf([0.025, 0.5, 0.975]).round(2)
    array([   1.96,   50.  , 1272.58])
    >>> sleep = mb.load_data("sleepstudy")
    >>> priors = {"sd": {"Subject": mb.HalfCauchy(50)}}
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", sleep, priors=priors)
    >>> model.priors[["parameter", "prior"]]
        parameter                 prior
    0   Intercept  Normal(298.5, 140.8)
    1       fixef      Normal(0, 48.89)
    2  sd_Subject        HalfCauchy(50)
    3       sigma  Exponential(0.01775)
    """

    beta: float = 1.0
    positive: ClassVar[tuple[str, ...]] = ("beta",)
    support: ClassVar[str] = "positive"

    def frozen(self) -> Any:
        return univariate.HalfCauchy(scale=self.beta)


@dataclass(frozen=True)
class Exponential(Prior):
    """Exponential prior with rate lam: mean 1 / lam; the default of sds and of sigma.

        p(x) = lam exp(-lam x), x >= 0

    Parameters
    ----------
    lam
        Rate, above 0, in one over the unit of the parameter.

    Raises
    ------
    PriorError
        A number is not finite, or not positive where it has to be.

    See Also
    --------
    HalfNormal : With a lighter tail.
    Gamma : Away from 0.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> mb.Exponential(1 / 50).frozen().ppf([0.025, 0.5, 0.975]).round(2)
    array([  1.27,  34.66, 184.44])
    >>> sleep = mb.load_data("sleepstudy")
    >>> priors = {"sd": {"Subject": mb.Exponential(1 / 50)}}
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", sleep, priors=priors)
    >>> model.priors[["parameter", "prior"]]
        parameter                 prior
    0   Intercept  Normal(298.5, 140.8)
    1       fixef      Normal(0, 48.89)
    2  sd_Subject     Exponential(0.02)
    3       sigma  Exponential(0.01775)
    """

    lam: float = 1.0
    positive: ClassVar[tuple[str, ...]] = ("lam",)
    support: ClassVar[str] = "positive"

    def frozen(self) -> Any:
        return univariate.Exponential(scale=1 / self.lam)


@dataclass(frozen=True)
class Gamma(Prior):
    """Gamma prior with shape alpha and rate beta: mean alpha / beta.

        p(x) proportional to x^(alpha - 1) exp(-beta x), x > 0

    Parameters
    ----------
    alpha
        Shape, above 0; above 1 the density is 0 at 0, so that an sd keeps away from it.
    beta
        Rate, above 0.

    Raises
    ------
    PriorError
        A number is not finite, or not positive where it has to be.

    See Also
    --------
    InverseGamma : With a heavy right tail.
    Exponential : Of shape 1.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> mb.Gamma(2, 0.05).frozen().ppf([0.025, 0.5, 0.975]).round(2)
    array([  4.84,  33.57, 111.43])
    >>> sleep = mb.load_data("sleepstudy")
    >>> priors = {"sd": {"Subject": mb.Gamma(2, 0.05)}}
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", sleep, priors=priors)
    >>> model.priors[["parameter", "prior"]]
        parameter                 prior
    0   Intercept  Normal(298.5, 140.8)
    1       fixef      Normal(0, 48.89)
    2  sd_Subject        Gamma(2, 0.05)
    3       sigma  Exponential(0.01775)
    """

    alpha: float
    beta: float
    positive: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    support: ClassVar[str] = "positive"

    def frozen(self) -> Any:
        return univariate.Gamma(0.0, 1 / self.beta, (self.alpha,))


@dataclass(frozen=True)
class InverseGamma(Prior):
    """Inverse gamma prior with shape alpha and scale beta: mean beta / (alpha - 1) for alpha > 1.

        p(x) proportional to x^(-alpha - 1) exp(-beta / x), x > 0

    Parameters
    ----------
    alpha
        Shape, above 0.
    beta
        Scale, above 0.

    Raises
    ------
    PriorError
        A number is not finite, or not positive where it has to be.

    See Also
    --------
    Gamma : With a light right tail.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> mb.InverseGamma(3, 100).frozen().ppf([0.025, 0.5, 0.975]).round(2)
    array([ 13.84,  37.4 , 161.64])
    >>> sleep = mb.load_data("sleepstudy")
    >>> priors = {"sigma": mb.InverseGamma(3, 100)}
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", sleep, priors=priors)
    >>> model.priors[["parameter", "prior"]]
        parameter                 prior
    0   Intercept  Normal(298.5, 140.8)
    1       fixef      Normal(0, 48.89)
    2  sd_Subject  Exponential(0.01775)
    3       sigma  InverseGamma(3, 100)
    """

    alpha: float
    beta: float
    positive: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    support: ClassVar[str] = "positive"

    def frozen(self) -> Any:
        return univariate.InverseGamma(0.0, self.beta, (self.alpha,))


@dataclass(frozen=True)
class Uniform(Prior):
    """Uniform prior between two bounds, beyond which the parameter cannot be.

        p(x) = 1 / (upper - lower), lower < x < upper

    Parameters
    ----------
    lower
        Lower bound.
    upper
        Upper bound, above it.

    Raises
    ------
    PriorError
        A bound is not finite, or `lower` is not below `upper`.

    See Also
    --------
    Flat : Without bounds, and improper.
    Normal : That pulls gently instead.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> mb.Uniform(0, 100).frozen().ppf([0.025, 0.5, 0.975]).round(2)
    array([ 2.5, 50. , 97.5])
    >>> sleep = mb.load_data("sleepstudy")
    >>> priors = {"sigma": mb.Uniform(0, 100)}
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", sleep, priors=priors)
    >>> model.priors[["parameter", "prior"]]
        parameter                 prior
    0   Intercept  Normal(298.5, 140.8)
    1       fixef      Normal(0, 48.89)
    2  sd_Subject  Exponential(0.01775)
    3       sigma       Uniform(0, 100)
    """

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
        return univariate.Uniform(self.lower, self.upper - self.lower)

    def __str__(self) -> str:
        """In as many digits as tell the ends apart."""
        most, width = max(abs(self.lower), abs(self.upper)), self.upper - self.lower
        far = np.clip(np.ceil(np.log10(most) - np.log10(width)), 0, 13)
        digits = 4 + int(far)
        return f"Uniform({self.lower:.{digits}g}, {self.upper:.{digits}g})"


@dataclass(frozen=True)
class Flat(Prior):
    """Improper uniform prior over the parameter's whole range: density 1 everywhere.

    As lme4's estimates have it. Nothing can be drawn from it, and there is no evidence p(y) with
    it.

    See Also
    --------
    Normal : A wide one does the same, and is proper.
    Uniform : Between bounds.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", sleep, priors={"fixef": mb.Flat()})
    >>> model.priors[["parameter", "prior"]]
        parameter                 prior
    0   Intercept  Normal(298.5, 140.8)
    1       fixef                Flat()
    2  sd_Subject  Exponential(0.01775)
    3       sigma  Exponential(0.01775)
    """

    def logpdf(self, x: Any) -> Any:
        return np.zeros_like(np.asarray(x, float))

    @property
    def proper(self) -> bool:
        return False

    def shifted(self, by: Any) -> tuple[str, dict[str, Any]]:
        return "Flat", {}


@dataclass(frozen=True)
class LKJ(Prior):
    """LKJ prior on a correlation matrix R of the effects over a grouping factor.

        p(R) proportional to det(R)^(eta - 1)

    Parameters
    ----------
    eta
        Above 0. 1 is uniform over correlation matrices; larger values favour weak correlations. Of
        q effects each correlation is Beta(eta + q/2 - 1, eta + q/2 - 1) stretched over [-1, 1].

    Raises
    ------
    PriorError
        A number is not finite, or not positive where it has to be.

    See Also
    --------
    Uniform : Of one correlation, of cs() and ar1().

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> priors = {"cor": {"Subject": mb.LKJ(4)}}
    >>> model = mb.Model("Reaction ~ Days + (Days | Subject)", sleep, priors=priors)
    >>> model.priors.query("parameter == 'cor_Subject'")[["parameter", "prior"]]
         parameter   prior
    4  cor_Subject  LKJ(4)
    >>> mb.LKJ(4)
    LKJ(eta=4.0)

    References
    ----------
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
        return univariate.Beta(0.0, 1.0, (self.alpha, self.beta))


@dataclass(frozen=True)
class Dirichlet(Prior):
    """Dirichlet prior on shares that add up to 1, as those of the steps of mo(x).

        p(x) proportional to prod_i x_i^(alpha_i - 1)

    Parameters
    ----------
    alpha
        One number for all shares, or a list with one for each, above 0. 1 is uniform over all ways
        to divide; larger values favour equal shares.

    Raises
    ------
    PriorError
        A number is not finite, or not positive where it has to be.

    See Also
    --------
    Normal : Of the average step.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy").query("Days < 4")
    >>> priors = {"simo_Days": mb.Dirichlet(2)}
    >>> model = mb.Model("Reaction ~ mo(Days) + (1 | Subject)", sleep, priors=priors)
    >>> model.priors[["parameter", "prior"]]
        parameter                 prior
    0   Intercept  Normal(267.4, 85.82)
    1       fixef      Normal(0, 76.22)
    2   simo_Days    Dirichlet(2, 2, 2)
    3  sd_Subject  Exponential(0.02913)
    4       sigma  Exponential(0.02913)
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
        return tuple(univariate.Beta(0.0, 1.0, (a, total - a)) for a in self.alpha)

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
