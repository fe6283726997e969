"""What a target reads at some rows: numbers of the response's distribution there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mixedbayes.design.limits import Limits
from mixedbayes.design.types import Floats, Ints
from mixedbayes.families.base import Family, Values
from mixedbayes.families.limited import bounds
from mixedbayes.families.within import cdf_within, mean_within


@dataclass(frozen=True, eq=False)
class At:
    """What a target reads at some rows, besides the linear predictor of the mean.

    parameters
        The family's own, (S, ...); (S, r) where one has a formula of its own.
    """

    family: Family
    parameters: Values
    weights: Floats | None  # (r,)
    trials: Ints | None  # (r,)
    limits: Limits | None = None  # bounds of what can be observed, as `within` reads them

    @property
    def rows(self) -> dict[str, Any]:
        """Weights and trials, by name."""
        return {"weights": self.weights, "trials": self.trials}

    def cdf(self, y: Floats | float, eta: Floats) -> Floats:
        """(S, r) P(Y <= y), y coded as in a design."""
        mu = self.family.inverse(eta, np)
        return self.family.cdf(y, mu, self.parameters, **self.rows)

    def mean(self, eta: Floats) -> Floats:
        """(S, r) E[Y]; of counts out of trials the share."""
        mu, family = self.family.inverse(eta, np), self.family
        if family.mean_is_mu:  # and no parameters may be there
            return family.expectation(mu, self.parameters)
        return family.expectation(mu, family.weighted(self.parameters, self.weights))

    def centre(self, eta: Floats) -> Floats:
        """(S, r) a value among those of Y, of counts out of trials a count."""
        return self.family.observation_mean(
            self.family.inverse(eta, np), self.parameters, **self.rows
        )

    def zero(self, eta: Floats) -> Floats:
        """(S, r) log P(Y = 0)."""
        mu = self.family.inverse(eta, np)
        with np.errstate(divide="ignore"):
            return self.family.log_density(np.zeros(1), mu, self.parameters, trials=self.trials)


class Within(At):
    """The same of observations between the bounds."""

    def _bounds(self, eta: Floats) -> tuple[Floats, Floats]:
        assert self.limits is not None  # `require` has seen to it
        return bounds(self.family, self.limits, eta.shape[1])

    def cdf(self, y: Floats | float, eta: Floats) -> Floats:
        mu = self.family.inverse(eta, np)
        return cdf_within(self.family, y, *self._bounds(eta), mu, self.parameters, **self.rows)

    def centre(self, eta: Floats) -> Floats:
        mu = self.family.inverse(eta, np)
        return mean_within(self.family, *self._bounds(eta), mu, self.parameters, **self.rows)

    def mean(self, eta: Floats) -> Floats:
        return self.centre(eta) if self.trials is None else self.centre(eta) / self.trials

    def zero(self, eta: Floats) -> Floats:
        below = np.where(self.family.discrete, -1.0, np.nextafter(0.0, -1.0))
        with np.errstate(divide="ignore"):
            return np.log(np.maximum(self.cdf(0.0, eta) - self.cdf(below, eta), 0.0))
