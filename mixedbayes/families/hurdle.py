"""Zeros by a process of their own, and of all other responses a distribution without zeros."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar

import numpy as np

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.errors import DataError
from mixedbayes.families import support
from mixedbayes.families.base import Bools, Family, Parameter, Values, repeated, weights_of
from mixedbayes.families.links import Logit
from mixedbayes.families.rows import RowDensity, Rows, compiled, shared_of_row
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

_ALL_ZEROS = -1e-300  # log p0 above which rounding leaves no digits of 1 - p0


@cache
def _counts_row(part: RowDensity, parameters: int) -> tuple[Any, Any, Any]:
    """The row density of a component as that of a hurdle, truncated at 0, what rows share, and
    what is kept of each."""
    first, join = OF_COMPONENT[parameters], JOIN[parameters]
    one, kept = component_row(part.row, first, False), component_kept(part, first, False)
    own, of_zero = nothing_kept if kept is None else something_kept, shared_of_row(part.kept)

    @compiled
    def hurdle(t, y, size, extra, parameters, shared):
        log_hu, log_rest, hu, rest = shared[1]
        value, d_t, d = one(t, y, extra, parameters, own(shared))
        if y == 0.0:
            return size * log_hu, 0.0, join(0.0, d, 0.0, d, size * rest)
        none = of_zero(0.0, 1.0, extra, first(parameters), shared[0])
        at_zero, slope, d_zero = one(t, 0.0, extra, parameters, none)
        # log(1 - p0), and p0 / (1 - p0); 1 - p0 is the mean as that goes to 0
        if at_zero > _ALL_ZEROS:
            d_t, d_hu = size * (d_t - 1.0), -size * hu
            return size * (log_rest + value - t), d_t, join(size, d, 0.0, d, d_hu)
        if at_zero > -0.7:
            log_some = math.log(-math.expm1(at_zero))
        else:
            log_some = math.log1p(-math.exp(at_zero))
        ratio = size / math.expm1(-at_zero)
        d_t *= size
        if ratio > 0.0:
            d_t += ratio * slope
        return size * (log_rest + value - log_some), d_t, join(size, d, ratio, d_zero, -size * hu)

    return hurdle, shared_by_rows(part.once, first, parameters), kept


@cache
def _continuous_row(part: RowDensity, parameters: int) -> tuple[Any, Any, Any]:
    """The same for a component without zeros; y is -inf in rows of 0, of which nothing is kept."""
    assert part.kept is None
    first, join = OF_COMPONENT[parameters], JOIN[parameters]
    one = component_row(part.row, first, False)

    @compiled
    def hurdle(t, y, size, extra, parameters, shared):
        log_hu, log_rest, hu, rest = shared[1]
        zero = y == -math.inf
        value, d_t, d = one(t, 0.0 if zero else y, extra, parameters, shared[0])
        if zero:
            return size * log_hu, 0.0, join(0.0, d, 0.0, d, size * rest)
        return size * (log_rest + value), size * d_t, join(size, d, 0.0, d, -size * hu)

    return hurdle, shared_by_rows(part.once, first, parameters), None


@dataclass(frozen=True)
class Hurdle(TwoPart):
    """y is 0 with probability hu, and otherwise drawn from the component, which is truncated.

    P(y = 0) = hu, and E[y] = (1 - hu) m / (1 - p0), with m and p0 the component's mean and
    probability of 0. Mullahy (1986), doi:10.1016/0304-4076(86)90002-3.
    """

    zeros: ClassVar[Parameter] = Parameter("hu", r"\pi", Logit())
    mean_is_mu: ClassVar[bool] = False

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        """Centre of hu: the share of zeros, half a zero and half another response added."""
        if name != self.zeros.name:
            return super().parameter_scale(name, design)
        counts = design.repeats
        w = np.ones(design.n) if counts is None else counts
        zeros = float(w @ (design.y == 0))
        return float(np.log((zeros + 0.5) / (w.sum() - zeros + 0.5))), 1.0

    def predictor_words(self, response: str) -> str:
        if self.positive_only:
            what = "mean" if self.mean_link == self.link.name else f"mean of the {self.mean_link}"
            return f"the {what} of {response} above 0"
        return f"the mean of the distribution whose values above 0 {response} has"

    @property
    def row_density(self) -> RowDensity:
        part = self.component.row_density
        assert part is not None  # components are compiled
        make = _continuous_row if self.positive_only else _counts_row
        row, once, kept = make(part, len(self.of.declared))
        mass = zeros_mass(part, len(self.of.declared), not self.positive_only)
        return RowDensity(
            row, part.scale, once, kept, part.n_kept if kept else 0, concave=False, merges="size",
            odds=self.odds, mass=mass,
        )  # fmt: skip

    def simulate(
        self, mu: Floats, parameters: Values, rng: np.random.Generator, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        if self.positive_only:
            y = self.component.simulate(mu, parameters, rng)
        else:
            y = truncated_draws(self.component, mu, parameters, rng)
        return np.where(rng.uniform(size=np.shape(y)) < self.share(parameters), 0.0, y)

    def _some(self, mu: Floats, parameters: Values) -> Floats:
        """(S, n) 1 - p0, the probability that the component is not 0."""
        return -np.expm1(self.log_zero(mu, parameters))

    def cdf(
        self, y: Floats | float, mu: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        hu = self.share(parameters)
        with np.errstate(all="ignore"):
            own = self.component.cdf(np.maximum(y, 0.0), mu, parameters)
            above = np.clip((1 - own) / self._some(mu, parameters), 0.0, 1.0)
        above = np.where(np.isnan(above), np.asarray(y) < 1, above)  # p0 = 1: the rest are ones
        return np.where(np.asarray(y) < 0, 0.0, hu + (1 - hu) * (1 - above))

    def transition(
        self, y: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> tuple[Floats, Floats] | None:  # fmt: skip
        return self.component.transition(y, parameters)

    def log_density(
        self, y: Floats, mu: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        hu, some = self.share(parameters), np.asarray(y) > 0
        with np.errstate(all="ignore"):
            above = self.component.log_density(np.where(some, y, 1.0), mu, parameters)
            above = above - np.log(self._some(mu, parameters))
            ones = np.where(np.asarray(y) == 1, 0.0, -np.inf)  # p0 = 1: the rest are ones
            above = np.log1p(-hu) + np.where(np.isnan(above), ones, above)
            return repeated(np.where(some, above, np.log(hu)), weights)

    def _moments(self, mu: Floats, parameters: Values) -> tuple[Floats, Floats]:
        """(S, n) mean and mean square of responses above 0."""
        mean, some = self.component.expectation(mu, parameters), self._some(mu, parameters)
        square = self.component.variance(mu, parameters) + mean**2
        with np.errstate(all="ignore"):
            return np.where(some > 0, mean / some, 1.0), np.where(some > 0, square / some, 1.0)

    def expectation(self, mu: Floats, parameters: Values) -> Floats:
        return (1 - self.share(parameters)) * self._moments(mu, parameters)[0]

    def variance(
        self, mu: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        rest, (mean, square) = 1 - self.share(parameters), self._moments(mu, parameters)
        return rest * (square - mean**2) + rest * (1 - rest) * mean**2

    def with_zeros(
        self, information: Floats, slope: Floats, mu: Floats, parameters: Values,
        trials: Ints | None,
    ) -> Floats:  # fmt: skip
        """(1 - hu) (I / (1 - p0) - p0 slope^2 / (1 - p0)^2)."""
        some, p0 = self._some(mu, parameters), np.exp(self.log_zero(mu, parameters))
        return (1 - self.share(parameters)) * (information / some - p0 * (slope / some) ** 2)

    def zeros_information(self, mu: Floats, parameters: Values, trials: Ints | None) -> Floats:
        """hu (1 - hu)."""
        hu = self.share(parameters)
        return np.broadcast_to(hu * (1 - hu), np.shape(mu))


@dataclass(frozen=True)
class PositiveHurdle(Hurdle):
    """A hurdle before a continuous distribution of positive numbers, which has no zeros."""

    positive_only: ClassVar[bool] = True
    atoms: ClassVar[tuple[float, ...]] = (0.0,)
    takes: ClassVar[str] = "0 and positive numbers"

    def check(self, design: Design) -> None:
        support.refuse_labels(design, self.name)
        self.require_support(design)
        above = self.positive_rows(design)
        if not (above.y > 0).any():
            raise DataError(
                f"the response {design.response!r} is 0 in all {design.n} rows: the {self.name} "
                "family needs rows above 0; whether there is anything at all is a model with "
                "family='bernoulli'"
            )
        support.refuse_constant(above)

    def supports(self, y: Floats, trials: Ints | None = None) -> Bools:
        return np.isfinite(y) & (y >= 0)

    def constant(self, design: Design, logs: Floats) -> float:
        """What the component's log densities, with weights (n,), have besides its row density.

        `logs` are log y, 0 in rows of 0. The component's own is - sum of logs, but for what it says
        of any response.
        """
        w, part = weights_of(design), self.component
        some = design.y > 0
        one = replace(design, y=np.where(some, design.y, 1.0), weights=None)
        each = (part.rows(one).constant + float(logs.sum())) / design.n
        return float(w[some].sum()) * each - float(w @ logs)

    def rows(self, design: Design) -> Rows:
        some, part = design.y > 0, self.component
        alone = part.rows(replace(design, y=np.where(some, design.y, 1.0), weights=None))
        logs = np.log(np.where(some, design.y, 1.0))
        y = np.where(some, alone.y, -np.inf)
        return Rows.of(y, weights_of(design), self.constant(design, logs), alone.extra)


_ROUNDS = 20


def truncated_draws(
    family: Family, mu: Floats, parameters: Values, rng: np.random.Generator
) -> Floats:
    """Counts above 0 of a family, for means (S, n): by rejection, and what is left by inversion."""
    y = family.simulate(mu, parameters, rng)
    for _ in range(_ROUNDS):
        if (y > 0).all():
            return y
        y = np.where(y > 0, y, family.simulate(mu, parameters, rng))
    log_zero = family.log_density(np.zeros(1), mu, parameters)
    target = rng.uniform(size=np.shape(mu)) * -np.expm1(log_zero)  # P(y > found) of the draw

    def beyond(k: Floats) -> Floats:
        return 1 - family.cdf(k, mu, parameters)

    low, high = np.zeros(np.shape(mu)), np.ones(np.shape(mu))
    while np.any(far := (beyond(high) > target) & (y == 0)):
        low, high = np.where(far, high, low), np.where(far, 2 * high, high)
    while np.any((high - low > 1) & (y == 0)):
        middle = np.floor((low + high) / 2)
        right = beyond(middle) > target
        low, high = np.where(right, middle, low), np.where(right, high, middle)
    return np.where(y > 0, y, high)
