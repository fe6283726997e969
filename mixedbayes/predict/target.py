"""What of the response a question is about, as a function of a row's linear predictors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.errors import DataError
from mixedbayes.families.base import Family, per_row
from mixedbayes.families.links import Inverse
from mixedbayes.names import MU
from mixedbayes.predict.at import At as At
from mixedbayes.predict.at import Within
from mixedbayes.predict.quantiles import quantile, whole_quantile


class Integrate(Protocol):
    """Averages a function of (eta, at) over groups.

    around
        See `quadrature.Rowwise.mean`.
    reads
        What the function depends on, as `Target.reads`; None for all that the target reads.
    """

    def __call__(
        self,
        function: Callable[[Floats, At], Floats],
        around: Floats | float | None = None,
        reads: Callable[[Family], tuple[str, ...]] | None = None,
    ) -> Floats: ...


class Target(ABC):
    """A number of the response's distribution, or one for each category.

    What is averaged over groups is `value`; a target that is no mean of such values, as a quantile,
    says itself how it comes from them in `over`.

    of_response
        Whether it is a number of the response, not of a predictor or parameter.
    affine
        Whether the values are affine in the distribution: of a mixture what they are of its parts.
    """

    of_response: ClassVar[bool] = True
    affine: ClassVar[bool] = True

    @property
    def unbounded(self) -> Target:
        """The same of responses before truncation."""
        return self

    @property
    def between(self) -> bool:
        """Whether it is of responses between the bounds of truncation."""
        return self.unbounded is not self

    @abstractmethod
    def reads(self, family: Family) -> tuple[str, ...]:
        """The parameters that it depends on, "mu" for the mean's linear predictor."""

    @abstractmethod
    def words(self, response: str) -> str:
        """What it is, in words."""

    def value(self, eta: Floats, at: At) -> Floats:
        """(S, r), or (S, r, K) of K categories, for linear predictors (S, r) of the mean."""
        raise NotImplementedError

    def over(self, integrate: Integrate) -> Floats:
        """Its value where `integrate` averages functions of (eta, at) over groups."""
        return integrate(self.value)

    def closed(self, family: Family, eta: Floats, variance: Floats) -> Floats | None:
        """Mean of `value` for eta ~ N(eta, variance) where there is a formula; None elsewhere."""
        return None

    def joint(self, family: Family, etas: Floats, roots: Floats) -> Floats | None:
        """Mean of `value` over effects on several predictors; see `Family.normal_probabilities`."""
        return None

    def obstacle(self, family: Family, effects: Sequence[str]) -> str:
        """Why there is no average over effects on these parameters; empty where there is."""
        return ""

    def needs(self, family: Family) -> tuple[bool, bool]:
        """Whether it depends on the rows' weights, and on their trials."""
        return False, False


@dataclass(frozen=True)
class Mean(Target):
    """E[y]; of counts out of trials the share; of ordered categories the probability of each."""

    categories: bool  # whether there are any
    said: str = ""  # in words, where it is no expected response

    def reads(self, family: Family) -> tuple[str, ...]:
        return (MU,) if family.mean_is_mu else (MU, *family.parameters)

    def words(self, response: str) -> str:
        return self.said or f"expected {response}"

    def value(self, eta: Floats, at: At) -> Floats:
        if self.categories:
            mu = at.family.inverse(eta, np)
            return at.family.probabilities(mu, at.parameters)
        return at.mean(eta)

    def closed(self, family: Family, eta: Floats, variance: Floats) -> Floats | None:
        if self.categories or not family.mean_is_mu:
            return None
        return family.link.normal_mean(eta, variance)

    def joint(self, family: Family, etas: Floats, roots: Floats) -> Floats | None:
        return family.normal_probabilities(etas, roots) if self.categories else None

    def obstacle(self, family: Family, effects: Sequence[str]) -> str:
        if family.no_average and effects:
            return (
                f'groups="average" has no answer here: {family.no_average}; use groups="typical", '
                'or target="linear"'
            )
        further = [name for name in effects if name in family.infinite_over]
        if further and not self.categories:
            return (
                f'groups="average" has no answer here: the mean of the {family.name} family grows '
                f"so fast with {further[0]} that its average over normal group effects on "
                f'{further[0]} is infinite; use groups="typical"'
            )
        if isinstance(family.link, Inverse) and effects:
            return (
                'groups="average" has no answer with the inverse link: 1 / h has no mean where h '
                'is normal; use groups="typical", or fit with the log link'
            )
        return ""


@dataclass(frozen=True)
class Linear(Target):
    """The linear predictor of the mean."""

    of_response: ClassVar[bool] = False
    name: str = "linear"

    def reads(self, family: Family) -> tuple[str, ...]:
        return (MU,)

    def words(self, response: str) -> str:
        return f"{'linear predictor' if self.name == 'linear' else self.name} of {response}"

    def value(self, eta: Floats, at: At) -> Floats:
        return eta

    def closed(self, family: Family, eta: Floats, variance: Floats) -> Floats | None:
        return eta


@dataclass(frozen=True)
class OfParameter(Target):
    """A parameter of the family besides the mean."""

    of_response: ClassVar[bool] = False
    name: str

    def reads(self, family: Family) -> tuple[str, ...]:
        return (self.name,)

    def words(self, response: str) -> str:
        return f"{self.name} of {response}"

    def value(self, eta: Floats, at: At) -> Floats:
        return np.broadcast_to(per_row(at.parameters[self.name]), eta.shape)


class OfObservation(Target):
    """A number of a new observation's distribution, which all of the family's parameters shape."""

    def reads(self, family: Family) -> tuple[str, ...]:
        return (MU, *family.parameters)

    def needs(self, family: Family) -> tuple[bool, bool]:
        return not family.repeats_rows, True


@dataclass(frozen=True)
class Probability(OfObservation):
    """P(y > value) and the like; `value` is coded as in a design."""

    sign: str
    at: float
    said: str
    where: str = ""  # at which exposure

    def words(self, response: str) -> str:
        return f"P({response} {self.sign} {self.said}){self.where}"

    def value(self, eta: Floats, at: At) -> Floats:
        c = self.at  # P(y < c) = P(y <= below)
        below = np.ceil(c) - 1 if at.family.discrete else float(np.nextafter(c, -np.inf))
        if self.sign == "=":
            before = c - 1 if at.family.discrete else below
            return np.maximum(at.cdf(c, eta) - at.cdf(before, eta), 0.0)
        upper = at.cdf(c if self.sign in (">", "<=") else below, eta)
        return upper if self.sign in ("<", "<=") else 1 - upper

    def joint(self, family: Family, etas: Floats, roots: Floats) -> Floats | None:
        found = family.normal_probabilities(etas, roots)
        return None if found is None else found[..., int(self.at)]  # categories have only "="

    def over(self, integrate: Integrate) -> Floats:
        return integrate(self.value, self.at)


@dataclass(frozen=True)
class MeanAboveZero(OfObservation):
    """E[y | y > 0] of a new observation; of counts out of trials the share.

    With groups averaged over it is that of an observation from a group drawn at random, E[y] over
    P(y > 0), each averaged.
    """

    where: str = ""  # at which exposure

    def words(self, response: str) -> str:
        return f"expected {response} above 0{self.where}"

    def obstacle(self, family: Family, effects: Sequence[str]) -> str:
        return Mean(categories=False).obstacle(family, effects)

    def value(self, eta: Floats, at: At) -> Floats:
        return self.over(lambda function, around=None, reads=None: function(eta, at))

    def over(self, integrate: Integrate) -> Floats:
        def some(eta: Floats, at: At) -> Floats:
            return -np.expm1(at.zero(eta))

        mean = Mean(categories=False)
        return integrate(mean.value, reads=mean.reads) / integrate(some, 0.0)


@dataclass(frozen=True)
class Quantile(OfObservation):
    """The value that a new observation lies below with probability p.

    With groups averaged over it is that of an observation from a group drawn at random.
    """

    p: float
    where: str = ""  # at which exposure

    def words(self, response: str) -> str:
        which = "median" if self.p == 0.5 else f"{self.p:g} quantile"
        return f"{which} of {response}{self.where}"

    def value(self, eta: Floats, at: At) -> Floats:
        return self.over(lambda function, around=None, reads=None: function(eta, at))

    def over(self, integrate: Integrate) -> Floats:
        first: list[At] = []

        def centre(eta: Floats, at: At) -> Floats:
            first.append(at)
            return at.centre(eta)

        middle = integrate(centre)
        family = first[0].family
        whole = family.discrete
        offset = family.first_code if whole else 0

        def below(y: Floats) -> Floats:
            return integrate(lambda eta, at: at.cdf(y, eta), y)

        start = np.floor(middle) - offset if whole else middle
        found = whole_quantile(below, start, self.p) if whole else quantile(below, start, self.p)
        for atom in family.atoms:  # where the distribution function jumps over p
            place = np.full(np.shape(found), atom)
            jumps = (below(np.nextafter(place, -np.inf)) < self.p) & (below(place) >= self.p)
            found = np.where(jumps, place, found)
        return found + offset


@dataclass(frozen=True)
class Truncated(OfObservation):
    """A target of observations between the bounds of truncation.

    With groups averaged over it is the average over groups of what is so of each.
    """

    affine: ClassVar[bool] = False
    inner: Target

    @property
    def unbounded(self) -> Target:
        return self.inner

    def words(self, response: str) -> str:
        return f"{self.inner.words(response)} between the bounds"

    def obstacle(self, family: Family, effects: Sequence[str]) -> str:
        return self.inner.obstacle(family, effects)

    def value(self, eta: Floats, at: At) -> Floats:
        return self.inner.value(eta, _within(at))

    def over(self, integrate: Integrate) -> Floats:
        def inside(
            function: Callable[[Floats, At], Floats],
            around: Floats | float | None = None,
            reads: Callable[[Family], tuple[str, ...]] | None = None,
        ) -> Floats:
            return integrate(lambda eta, at: function(eta, _within(at)), around)

        return self.inner.over(inside)


def _within(at: At) -> Within:
    return Within(at.family, at.parameters, at.weights, at.trials, at.limits)


def require(
    target: Target, family: Family, weights: Any, trials: Any, response: Any, limits: Any = None
) -> None:
    """DataError where a target depends on weights, trials or bounds of rows that have none."""
    if target.between and limits is None:
        raise DataError(
            f"what is between the bounds depends on {response.limits[-1]}, and the rows lack its "
            'column(s); add them, or ask for target="mean", that before truncation'
        )
    weighs, tries = target.needs(family)
    for depends, said, have in (
        (weighs, response.weighing, weights),
        (tries, response.trials and f"trials({response.trials})", trials),
    ):
        if depends and said and have is None:
            raise DataError(
                f"the distribution of an observation depends on {said}, and the rows "
                'lack its column(s); add them, or ask for target="mean"'
            )
