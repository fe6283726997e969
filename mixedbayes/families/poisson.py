"""Counts without an upper limit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from scipy import special

from mixedbayes.design.counted import sd
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.errors import DataError
from mixedbayes.families import support
from mixedbayes.families.base import Bools, Elsewhere, Family, Values, repeated, weights_of
from mixedbayes.families.bounded import SizeBiased
from mixedbayes.families.elsewhere import InMgcv
from mixedbayes.families.links import Identity, Link, Log
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.numerics.elementary import exp
from mixedbayes.numerics.incomplete import log_gamma_tail


@dataclass(frozen=True)
class Counts(Family):
    """What families of counts have in common."""

    discrete: ClassVar[bool] = True
    positive: ClassVar[bool] = True
    counting: ClassVar[bool] = True
    largest: ClassVar[float] = 1e12  # count beyond which too few digits of differences are left
    takes: ClassVar[str] = "counts 0, 1, 2, ..."
    mean_links: ClassVar[tuple[type[Link], ...]] = (Log, Identity)
    link: Link = field(default_factory=Log)

    def check(self, design: Design) -> None:
        support.refuse_labels(design, self.name)
        self.require_support(design)
        if not design.y.any() and isinstance(self.link, Identity):
            raise DataError(
                f"the response {design.response!r} is 0 in all {design.n} rows, and a mean of 0 is "
                "the end of the identity link: use the log link"
            )
        if design.y.max() > self.largest:
            raise DataError(
                f"the response {design.response!r} has counts up to {design.y.max():.3g}, and the "
                f"{self.name} family can be computed up to {self.largest:g}: counts so large are "
                "as good as continuous; family='gamma' or 'lognormal' fits"
            )

    def supports(self, y: Floats, trials: Ints | None = None) -> Bools:
        return support.whole(y)

    def bound(self, y: Floats, trials: Ints | None = None) -> Floats:
        return np.where(y < 0, -np.inf, np.floor(y))

    def location(self, design: Design) -> float:
        """Link of the mean count, the mean offset taken off; of half a count in all if none is."""
        mean = float(design.mu.average(design.y))
        if mean == 0:
            counts = design.mu.counts
            mean = 0.5 / (design.n if counts is None else float(counts.sum()))
        return float(self.link.link(mean, np)) - design.mu.mean_offset

    def scale(self, design: Design) -> float:
        """1, a factor of e, on the log link; sd of the counts on the identity."""
        if isinstance(self.link, Identity):
            return max(sd(design.y, design.mu.counts), 1.0)
        return 1.0

    def scale_origin(self, design: Design) -> str:
        return f"sd({design.response})" if isinstance(self.link, Identity) else "unit of log"


@compiled
def _row(t, y, size, extra, parameters, shared):
    """y counts in size rows of mean exp(t); extra the log of their mean."""
    mean = size * exp(t) if t < 700.0 else math.inf
    return y * (t - extra) - (mean - y), y - mean, ()  # small beside large counts


@compiled
def _tails(t, bound, upper, size, parameters, shared):
    """At a count k: P(Y > k) = P(X <= mu) for X ~ Gamma(k + 1)."""
    value, slope, _ = log_gamma_tail(bound + 1.0, t - math.log(bound + 1.0), not upper)
    return value, slope, ()


@dataclass(frozen=True)
class Poisson(Counts):
    """y ~ Poisson(mu): Var[y] = mu.

    Counts that vary more have an effect of each row, `(1 | row)`, or family="negative_binomial".

    Parameters
    ----------
    link
        Of mu: `mb.Log()` by default; or `mb.Identity()`.
    links
        None: there are no further parameters with formulas.

    See Also
    --------
    NegativeBinomial : Counts that vary more.
    ZeroInflatedPoisson : With more zeros.
    HurdlePoisson : Zeros apart.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("grouseticks")
    >>> model = mb.Model("TICKS ~ YEAR + (1 | BROOD)", data, family="poisson")
    >>> model.priors[["parameter", "term", "prior"]]
       parameter                      term               prior
    0  Intercept  at the predictors' means  Normal(1.852, 2.5)
    1      fixef                  YEAR[96]     Normal(0, 2.99)
    2      fixef                  YEAR[97]     Normal(0, 2.99)
    3   sd_BROOD                 Intercept      Exponential(1)
    """

    name: ClassVar[str] = "poisson"
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "poisson",
        "poisson",
        "poisson",
        bambi_weights=True,
        names=("count", "pois"),
        mgcv=InMgcv('poisson(link = "{link}")'),
    )
    inflated: ClassVar[str | None] = "zero_inflated_poisson"
    hurdle: ClassVar[str | None] = "hurdle_poisson"
    wider: ClassVar[str | None] = "negative_binomial"

    @property
    def row_density(self) -> RowDensity:
        return RowDensity(_row, Log, merges="sum", tails=_tails)

    def rows(self, design: Design) -> Rows:
        w = weights_of(design)
        return Rows.of(w * design.y, w, -w @ special.gammaln(design.y + 1))

    def merged(self, rows: Rows) -> Rows:
        y, size = rows.y, rows.size
        extra = np.log(np.where(y > 0, y, size) / size)
        return replace(rows, extra=extra, constant=rows.constant + float(np.sum(y * extra - y)))

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        return "Poisson", {"mu": self.inverse(eta, xp)}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        return rf"{y} &\sim \mathrm{{Poisson}}(\mu_i)"

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return poisson_draws(mu, rng)

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return np.where(np.asarray(y) < 0, 0.0, special.pdtr(np.maximum(y, 0.0), mu))

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return repeated(special.xlogy(y, mu) - special.gammaln(y + 1) - mu, weights)

    def size_biased(
        self, mu: Floats, parameters: Values, weights: Floats | None, trials: Ints | None
    ) -> SizeBiased | None:
        """1 + a Poisson count of the same mean."""
        return SizeBiased(self, mu, parameters, shift=1.0)

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return mu

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        """log(1 + 1 / mean) on the log link: the lognormal with this mean and variance."""
        return count_variance(self.link, mean, mean)


# Beyond this mean, counts are normal to all digits that matter, and NumPy's sampler overflows.
_LARGE = 1e15


def poisson_draws(mu: Floats, rng: np.random.Generator) -> Floats:
    """Poisson draws; from the normal limit where the mean is beyond the range of integers."""
    mu = np.asarray(mu, float)
    large = ~(mu < _LARGE)
    if not large.any():
        return rng.poisson(mu).astype(float)
    with np.errstate(invalid="ignore"):
        limit = rng.normal(mu, np.sqrt(mu))
    return np.where(large, limit, rng.poisson(np.where(large, 0.0, mu)))


def count_variance(link: Link, mean: Floats, variance: Floats) -> Floats:
    """Var[y] on the link scale: of the lognormal with these two moments, or as it is."""
    if isinstance(link, Log):
        return np.log1p(variance / mean**2)
    return variance
