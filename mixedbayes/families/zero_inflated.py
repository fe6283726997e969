"""A distribution with more zeros than its own: zero with probability zi, else the component's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from mixedbayes.design.types import Floats, Ints
from mixedbayes.families.base import Parameter, Values, repeated
from mixedbayes.families.links import Logit
from mixedbayes.families.rows import RowDensity, compiled
from mixedbayes.families.two_part import (
    JOIN,
    OF_COMPONENT,
    TwoPart,
    component_kept,
    component_row,
    nothing_kept,
    shared_by_rows,
    something_kept,
    zeros_mass,
)


@cache
def _row_of(part: RowDensity, parameters: int, sized: bool) -> tuple[Any, Any, Any]:
    """The row density of a component as that of the zero-inflated family, what rows share, and
    what is kept of each."""
    first, join = OF_COMPONENT[parameters], JOIN[parameters]
    one, kept = component_row(part.row, first, sized), component_kept(part, first, sized)
    own = nothing_kept if kept is None else something_kept

    @compiled
    def zero_inflated(t, y, size, extra, parameters, shared):
        """log p, with p = zi + (1 - zi) f(0) of a zero; derivatives by t and log odds of zi."""
        log_zi, log_rest, zi, rest = shared[1]
        value, d_t, d = one(t, y, extra, parameters, own(shared))
        if y > 0.0:
            return size * (log_rest + value), size * d_t, join(size, d, 0.0, d, -size * zi)
        other = log_rest + value
        total = max(log_zi, other) + math.log1p(math.exp(-abs(log_zi - other)))
        share = size * math.exp(other - total)  # of zeros that are the component's
        slope = share * d_t if share > 0.0 else 0.0
        d_zi = -size * math.exp(log_zi - total) * rest * math.expm1(value)
        return size * total, slope, join(share, d, 0.0, d, d_zi)

    return zero_inflated, shared_by_rows(part.once, first, parameters), kept


@dataclass(frozen=True)
class ZeroInflated(TwoPart):
    """y is 0 with probability zi, and drawn from the component otherwise.

    P(y = 0) = zi + (1 - zi) p0, with p0 that of the component; E[y] = (1 - zi) mu.
    Lambert (1992), doi:10.2307/1269547.
    """

    zeros: ClassVar[Parameter] = Parameter("zi", r"\pi", Logit())
    mean_is_mu: ClassVar[bool] = False

    def predictor_words(self, response: str) -> str:
        what = "probability of a success" if self.trials else "mean"
        return f"the {what} of {response} apart from the share zi of zeros"

    @property
    def row_density(self) -> RowDensity:
        part = self.component.row_density
        assert part is not None  # components are compiled
        row, once, kept = _row_of(part, len(self.of.declared), self.sized)
        return RowDensity(
            row, part.scale, once, kept, part.n_kept, concave=False,
            merges=None if self.trials else "size", odds=self.odds,
            mass=zeros_mass(part, len(self.of.declared), False),
        )  # fmt: skip

    def simulate(
        self, mu: Floats, parameters: Values, rng: np.random.Generator, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        y = self.component.simulate(mu, parameters, rng, trials=trials)
        return np.where(rng.uniform(size=np.shape(y)) < self.share(parameters), 0.0, y)

    def cdf(
        self, y: Floats | float, mu: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        zi = self.share(parameters)
        own = self.component.cdf(y, mu, parameters, trials=trials)
        return np.where(np.asarray(y) < 0, 0.0, zi + (1 - zi) * own)

    def transition(
        self, y: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> tuple[Floats, Floats] | None:  # fmt: skip
        return self.component.transition(y, parameters, trials=trials)

    def log_density(
        self, y: Floats, mu: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        zi = self.share(parameters)
        with np.errstate(divide="ignore"):
            own = np.log1p(-zi) + self.component.log_density(y, mu, parameters, trials=trials)
            return repeated(np.where(y == 0, np.logaddexp(np.log(zi), own), own), weights)

    def expectation(self, mu: Floats, parameters: Values) -> Floats:
        return (1 - self.share(parameters)) * self.component.expectation(mu, parameters)

    def variance(
        self, mu: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        """(1 - zi) (V + zi m^2), with m and V the component's mean and variance."""
        zi, mean = self.share(parameters), self.component.expectation(mu, parameters)
        return (1 - zi) * (self.component.variance(mu, parameters, trials=trials) + zi * mean**2)

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        """Of counts that of the lognormal with their moments; of one trial, what it would be of the
        component and what the zeros add by the delta method, v / (1 - zi) + zi / (1 - zi)
        (mu / slope)^2.
        """
        if not self.trials:
            return super().latent_variance(mean, parameters)
        zi, link = self.share(parameters)[:, 0], self.link
        own = self.component.latent_variance(mean, parameters)
        return (own + zi * (mean / link.slope(link.link(mean, np), np)) ** 2) / (1 - zi)

    def with_zeros(
        self, information: Floats, slope: Floats, mu: Floats, parameters: Values,
        trials: Ints | None,
    ) -> Floats:  # fmt: skip
        """(1 - zi) (I - zi p0 slope^2 / p), p = zi + (1 - zi) p0."""
        zi, p0 = self.share(parameters), np.exp(self.log_zero(mu, parameters, trials))
        return (1 - zi) * (information - zi * p0 * slope**2 / (zi + (1 - zi) * p0))

    def zeros_information(self, mu: Floats, parameters: Values, trials: Ints | None) -> Floats:
        """zi^2 (1 - zi) (1 - p0) / p."""
        zi, log_p0 = self.share(parameters), self.log_zero(mu, parameters, trials)
        return zi**2 * (1 - zi) * -np.expm1(log_p0) / (zi + (1 - zi) * np.exp(log_p0))
