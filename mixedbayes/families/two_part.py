"""Families with a process of its own for zeros, beside that of another family.

What zero-inflated families and hurdles have in common. The other family is the component: its row
density, distribution function, draws and moments are all that is needed of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, ClassVar

import numpy as np

from mixedbayes import jit
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import Prior, Uniform
from mixedbayes.families.arrays import below_one, some_rows
from mixedbayes.families.base import Family, Parameter, Values, per_row, weights_of
from mixedbayes.families.bounded import AT_ZERO, SizeBiased
from mixedbayes.families.links import Log
from mixedbayes.families.masses import SUMS, mass_of
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.numerics.special import logs_of_share

_TAKEN = ("mean_links", "discrete", "extremes", "positive", "counting", "trials", "probability",
          "dispersion", "dispersion_words", "infinite_over")  # fmt: skip
_STEP = 1e-4  # of the differences that give slopes, on the scale of a link


@dataclass(frozen=True)
class TwoPart(Family):
    """A share of zeros, and the distribution of a component.

    mu is the mean of the component, as in brms, and its parameters keep their names. A row of
    weight w counts w times.

    Subclasses declare `of`, the component's class, which has at most one parameter, and `link` with
    its default. What is `_TAKEN` is the component's.
    """

    of: ClassVar[type[Family]]
    zeros: ClassVar[Parameter]  # the share
    sized: ClassVar[bool] = False  # whether the component's row density takes trials as its size
    positive_only: ClassVar[bool] = False  # whether the component has no response of 0 itself

    def __init_subclass__(cls, **keywords: Any) -> None:
        if "of" in cls.__dict__:
            cls.declared = (*cls.of.declared, cls.zeros)
            for name in _TAKEN:
                if name not in cls.__dict__:
                    setattr(cls, name, getattr(cls.of, name))
        super().__init_subclass__(**keywords)

    @cached_property
    def component(self) -> Family:
        """The family whose distribution this one has, zeros aside."""
        return self.of(link=self.link)

    @property
    def mean_link(self) -> str:
        return self.component.mean_link

    def inverse(self, eta: Any, xp: Any) -> Any:
        return self.component.inverse(eta, xp)

    @property
    def mixing(self) -> tuple[str, ...]:
        return (self.zeros.name,)

    def share(self, parameters: Values) -> Floats:
        """(S, 1) or (S, n) the parameter of the zeros; where it rounds to 1, just below that."""
        return below_one(per_row(parameters[self.zeros.name]))

    def positive_rows(self, design: Design) -> Design:
        """The rows with a response above 0, for what the component says of them; all if none is.

        How often they count is in the predictor: a component that would divide its variance by
        weights has none.
        """
        positive = design.y > 0
        found = some_rows(design, positive if positive.any() else np.ones(design.n, bool))
        return found if self.of.repeats_rows else replace(found, weights=None)

    # ---- default priors -----------------------------------------------------------------------

    def location(self, design: Design) -> float:
        """The component's centre of the responses above 0."""
        return self.component.location(self.positive_rows(design))

    def scale(self, design: Design) -> float:
        return self.component.scale(self.positive_rows(design))

    def scale_origin(self, design: Design) -> str:
        said = self.component.scale_origin(design)
        above = f" of {design.response} > 0" if design.response in said else ""
        return f"{said}{above}"

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        if name == self.zeros.name:
            return Uniform(0, 1), "any share"
        return self.component.parameter_prior(name, self.positive_rows(design))

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        if name != self.zeros.name:
            return self.component.parameter_scale(name, self.positive_rows(design))
        return 0.0, 1.0

    # ---- the compiled engine -------------------------------------------------------------------

    @property
    def odds(self) -> tuple[int, ...]:
        """Places of the parameters that rows take as log odds: that of the zeros."""
        return (len(self.of.declared),)

    def rows(self, design: Design) -> Rows:
        """Size is the weight; extra what the component's row takes besides y."""
        part, w = self.component, weights_of(design)
        constant = part.merged(part.rows(design)).constant
        alone = part.merged(part.rows(replace(design, weights=None)))
        return Rows.of(alone.y, w, constant, alone.size if self.sized else alone.extra)

    def bound(self, y: Floats, trials: Ints | None = None) -> Floats:
        """The component's; `AT_ZERO` at 0 where the component has no zeros."""
        own = self.component.bound(y, trials)
        if not self.positive_only:
            return own
        return np.where(y < 0, -np.inf, np.where(y == 0, AT_ZERO, own))

    # ---- the distribution ---------------------------------------------------------------------

    def log_zero(self, mu: Floats, parameters: Values, trials: Ints | None = None) -> Floats:
        """(S, n) log P(y = 0) of the component; -inf where it has no zeros."""
        if self.positive_only:
            return np.full(np.shape(mu), -np.inf)
        with np.errstate(divide="ignore"):
            return self.component.log_density(np.zeros(1), mu, parameters, trials=trials)

    def size_biased(
        self, mu: Floats, parameters: Values, weights: Floats | None, trials: Ints | None
    ) -> SizeBiased | None:
        """The component's: zeros add nothing."""
        return self.component.size_biased(mu, parameters, None, trials)

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        """Of the lognormal with the mean and variance of y, on the log link; else as it is.

        `mean` is that of the component.
        """
        parameters = {k: per_row(v) for k, v in parameters.items()}
        mu = per_row(mean)
        centre, variance = self.expectation(mu, parameters), self.variance(mu, parameters)
        if self.mean_link == Log.name:
            return np.log1p(variance / centre**2)[:, 0]
        eta = self.link.link(mu, np)
        step = _STEP * np.maximum(np.abs(eta), 1.0)
        low, high = (self.expectation(self.inverse(eta + s, np), parameters) for s in (-step, step))
        return (variance / ((high - low) / (2 * step)) ** 2)[:, 0]

    # ---- Fisher information ---------------------------------------------------------------------

    def zero_slope(self, eta: Floats, parameters: Values, trials: Ints | None) -> Floats:
        """(S, n) slope of `log_zero` in eta; 0 where the component has no zeros."""
        if self.positive_only:
            return np.zeros(np.shape(eta))
        step = _STEP * np.maximum(np.abs(eta), 1.0) if self.ends_at_zero else _STEP
        low, high = (
            self.log_zero(self.inverse(eta + s, np), parameters, trials) for s in (-step, step)
        )
        return (high - low) / (2 * step)

    def zero_parameter_slope(
        self, name: str, eta: Floats, parameters: Values, trials: Ints | None
    ) -> Floats:
        """(S, n) slope of `log_zero` in a parameter of the component, on the scale of its link."""
        if self.positive_only:
            return np.zeros(np.shape(eta))
        link, mu = self.parameter(name).link, self.inverse(eta, np)
        at = link.link(per_row(parameters[name]), np)
        low, high = (
            self.log_zero(mu, {**parameters, name: link.inverse(at + s, np)}, trials)
            for s in (-_STEP, _STEP)
        )
        return (high - low) / (2 * _STEP)

    def component_information(self, eta: Floats, parameters: Values, trials: Ints | None) -> Floats:
        """(S, n) of the component about eta, of all trials."""
        if self.sized and trials is not None:
            return self.component.information(eta, parameters) * trials
        return self.component.row_information(eta, parameters, trials)

    def with_zeros(
        self, information: Floats, slope: Floats, mu: Floats, parameters: Values,
        trials: Ints | None,
    ) -> Floats:  # fmt: skip
        """(S, n) what the zeros leave of the component's information.

        `slope` is that of `log_zero` in the same quantity.
        """
        raise NotImplementedError

    def zeros_information(self, mu: Floats, parameters: Values, trials: Ints | None) -> Floats:
        """(S, n) about the log odds of the share of zeros."""
        raise NotImplementedError

    def information(self, eta: Floats, parameters: Values) -> Floats:
        return self.row_information(eta, parameters, None)

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        return self.row_parameter_information(name, eta, parameters, None)

    def row_information(self, eta: Floats, parameters: Values, trials: Ints | None) -> Floats:
        mu, trials = self.inverse(eta, np), _some(trials, self.trials)
        alone = self.component_information(eta, parameters, trials)
        slope = self.zero_slope(eta, parameters, trials)
        return self.with_zeros(alone, slope, mu, parameters, trials)

    def row_parameter_information(
        self, name: str, eta: Floats, parameters: Values, trials: Ints | None
    ) -> Floats:
        mu, trials = self.inverse(eta, np), _some(trials, self.trials)
        if name == self.zeros.name:
            return self.zeros_information(mu, parameters, trials)
        alone = self.component.row_parameter_information(name, eta, parameters, trials)
        slope = self.zero_parameter_slope(name, eta, parameters, trials)
        return self.with_zeros(alone, slope, mu, parameters, trials)


def _some(trials: Ints | None, needed: bool) -> Ints | None:
    """One trial where the family needs trials and none are said."""
    return np.ones(1, np.int64) if needed and trials is None else trials


# ---- what row densities are made of: for components without and with one parameter of their own --


@compiled
def _none(parameters):
    return ()


@compiled
def _first(parameters):
    return (parameters[0],)


@compiled
def _join(times, d, more, other, last):
    """times d + more other of the component's slopes, and the last; of infinite ones 0 times 0."""
    return (last,)


@compiled
def _join_one(times, d, more, other, last):
    own = times * d[0] if times > 0.0 else 0.0
    if more > 0.0:
        own += more * other[0]
    return (own, last)


OF_COMPONENT = (_none, _first)  # the component's parameters, by how many there are
JOIN = (_join, _join_one)


def component_row(row: Any, first: Any, sized: bool) -> Any:
    """A component's row of weight 1, as a function of (t, y, extra, parameters, shared)."""

    @compiled
    def plain(t, y, extra, parameters, shared):
        return row(t, y, 1.0, extra, first(parameters), shared)

    @compiled
    def of_trials(t, y, extra, parameters, shared):
        return row(t, y, extra, 0.0, first(parameters), shared)

    return of_trials if sized else plain


def component_kept(part: RowDensity, first: Any, sized: bool) -> Any:
    """`RowDensity.kept` of a row from the component's; its `shared` is `shared_by_rows`'."""
    kept = part.kept
    if kept is None:
        return None

    @compiled
    def plain(y, size, extra, parameters, shared):
        return kept(y, 1.0, extra, first(parameters), shared[0])

    @compiled
    def of_trials(y, size, extra, parameters, shared):
        return kept(y, extra, 0.0, first(parameters), shared[0])

    return of_trials if sized else plain


@compiled
def nothing_kept(shared):
    """What the component's row takes as shared, of what a row of the family does."""
    return shared[0]


@compiled
def something_kept(shared):
    """The same where the component keeps numbers of each row."""
    return shared[0] + shared[2:]


@cache
def zeros_mass(part: RowDensity, parameters: int, truncated: bool) -> Any:
    """`RowDensity.mass` of a share of zeros and a component, perhaps truncated at 0.

    Bounds are as `TwoPart.bound` has them: zeros are in a range whose lower bound is -inf.
    """
    first, join, add = OF_COMPONENT[parameters], JOIN[parameters], SUMS[parameters]
    mass = mass_of(part, parameters)

    @jit.inner
    def of_range(t, a, b, size, parameters, shared):
        log_share, log_others, share, others = shared[1]
        own, zero = first(parameters), a == -math.inf
        if zero and b == math.inf:
            return 0.0, 0.0, join(0.0, own, 0.0, own, 0.0)
        if b == AT_ZERO or (truncated and b == 0.0):
            return log_share, 0.0, join(0.0, own, 0.0, own, others)
        low = a
        if zero or a == AT_ZERO:
            low = 0.0 if truncated else -math.inf
        value, d_t, d = mass(t, low, b, size, own, shared[0])
        if truncated:
            whole, slope, d_whole = mass(t, 0.0, math.inf, size, own, shared[0])
            value, d_t, d = value - whole, d_t - slope, add(1.0, d, -1.0, d_whole)
        if not zero:
            return log_others + value, d_t, join(1.0, d, 0.0, d, -share)
        other = log_others + value
        total = max(log_share, other) + math.log1p(math.exp(-abs(log_share - other)))
        times = math.exp(other - total)
        d_share = -math.exp(log_share - total) * others * math.expm1(value)
        return total, times * d_t, join(times, d, 0.0, d, d_share)

    return of_range


def shared_by_rows(once: Any, first: Any, place: int) -> Any:
    """What rows share: what the component's do, and the logarithms of the share of zeros."""

    @compiled
    def both(parameters):
        return once(first(parameters)), logs_of_share(parameters[place])

    return both
