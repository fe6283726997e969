"""Shares from 0 to 1 whose ends have probabilities of their own, and a beta between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from mixedbayes import jit
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import Prior
from mixedbayes.errors import DataError
from mixedbayes.families import support
from mixedbayes.families.arrays import some_rows
from mixedbayes.families.base import Bools, Values, per_row, repeated, weights_of
from mixedbayes.families.beta import Beta, beta_tails
from mixedbayes.families.bounded import AT_ZERO
from mixedbayes.families.limited import log_mass as beta_mass
from mixedbayes.families.masses import mass_of
from mixedbayes.families.rows import RowDensity, Rows
from mixedbayes.interrupts import later

stats = later("scipy.stats")

_STEP = 1e-4  # of the differences that give slopes of the mean, in the predictor


@cache
def ends_mass(parts: Any) -> Any:
    """`RowDensity.mass` of a beta between ends, both of which have a probability.

    parts(t, parameters, shared) are the logarithms of the probabilities of 0, of what lies between
    and of 1, each with its derivatives by t and by the two parameters beside phi.
    """
    mass = mass_of(RowDensity(tails=beta_tails), 1)

    @jit.inner
    def of_range(t, a, b, size, parameters, shared):
        zero, between, one = parts(t, parameters, shared)
        if a == -math.inf and b == math.inf:
            return 0.0, 0.0, (0.0, 0.0, 0.0)
        low = -math.inf if a == AT_ZERO else a
        value, d_t, d_phi = -math.inf, 0.0, 0.0
        if b != AT_ZERO:
            value, d_t, d = mass(t, low, b, 1.0, (parameters[0],), ())
            d_phi = d[0]
        at_zero = zero[0] if a == -math.inf else -math.inf
        at_one = one[0] if b == math.inf else -math.inf
        value += between[0]
        top = max(value, at_zero, at_one)
        if top == -math.inf:
            return top, 0.0, (0.0, 0.0, 0.0)
        total = top + math.log(
            math.exp(value - top) + math.exp(at_zero - top) + math.exp(at_one - top)
        )
        u, v, w = math.exp(at_zero - total), math.exp(value - total), math.exp(at_one - total)
        d_t = u * zero[1] + v * (between[1] + d_t) + w * one[1]
        d_2 = u * zero[2] + v * between[2] + w * one[2]
        d_3 = u * zero[3] + v * between[3] + w * one[3]
        return total, d_t, (v * d_phi, d_2, d_3)

    return of_range


@dataclass(frozen=True)
class Ends(Beta):
    """y is 0 with probability p0, 1 with p1, and else Beta(mu phi, (1 - mu) phi).

    Subclasses say `log_parts`, and their row density, whose response is log y, -inf at 0, and
    `extra` log(1 - y), -inf at 1.
    """

    atoms: ClassVar[tuple[float, ...]] = (0.0, 1.0)
    takes: ClassVar[str] = "shares from 0 to 1"
    mean_is_mu: ClassVar[bool] = False

    def log_parts(self, mu: Any, parameters: Mapping[str, Any], xp: Any) -> tuple[Any, Any, Any]:
        """log of the probabilities of 0, of what lies between, and of 1."""
        raise NotImplementedError

    def parts(self, mu: Floats, parameters: Values) -> tuple[Floats, Floats, Floats]:
        """(S, n) the probabilities of 0, of what lies between, and of 1."""
        zero, between, one = self._logs(mu, parameters)
        return np.exp(zero), np.exp(between), np.exp(one)

    def _logs(self, mu: Floats, parameters: Values) -> tuple[Floats, Floats, Floats]:
        """(S, n) `log_parts`; -inf where a share rounds to 0 or 1."""
        own = {name: per_row(value) for name, value in parameters.items()}
        with np.errstate(divide="ignore"):
            return self.log_parts(mu, own, np)

    def rows(self, design: Design) -> Rows:
        w, between = weights_of(design), _between(design.y)
        with np.errstate(divide="ignore"):
            logs, rest = np.log(design.y), np.log1p(-design.y)
        constant = -float(w[between] @ (logs + rest)[between])
        return Rows.of(logs, w, constant, rest)

    def bound(self, y: Floats, trials: Ints | None = None) -> Floats:
        """Its log odds; -inf below 0 and inf from 1 on."""
        return np.where(y < 0, -np.inf, np.where(y == 0, AT_ZERO, super().bound(y)))

    def check(self, design: Design) -> None:
        support.refuse_labels(design, self.name)
        self.require_support(design)
        if not _between(design.y).any():
            raise DataError(
                f"the response {design.response!r} is 0 or 1 in all {design.n} rows: the "
                f"{self.name} family needs shares between them; family='bernoulli' fits"
            )

    def supports(self, y: Floats, trials: Ints | None = None) -> Bools:
        return (y >= 0) & (y <= 1)

    def between(self, design: Design) -> Design:
        """The rows strictly between 0 and 1, for what the beta distribution says of them."""
        return some_rows(design, _between(design.y))

    def shares(self, design: Design) -> tuple[float, float, float]:
        """How many rows are 0, between and 1, each with half a row added."""
        w = np.ones(design.n) if design.mu.counts is None else design.mu.counts
        found = (design.y == 0, _between(design.y), design.y == 1)
        zero, between, one = (float(w[some].sum()) + 0.5 for some in found)
        return zero, between, one

    def location(self, design: Design) -> float:
        return super().location(self.between(design))

    def scale(self, design: Design) -> float:
        """Of the rows between 0 and 1; that of the link where all these are alike."""
        found = super().scale(self.between(design))
        return found if found > 0 else 1.0

    def scale_origin(self, design: Design) -> str:
        return f"{super().scale_origin(design)} between 0 and 1"

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        return super().parameter_prior(name, self.between(design))

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        inner = self.between(design)
        return super().parameter_scale(name, inner) if np.ptp(inner.y) else (0.0, 1.0)

    def pymc_logp(self, y: Any, arguments: Mapping[str, Any], xp: Any) -> Any:
        mu, phi = arguments["mu"], arguments["phi"]
        zero, between, one = self.log_parts(mu, arguments, xp)
        a, b, inside = mu * phi, (1 - mu) * phi, xp.clip(y, 1e-300, 1 - 1e-16)
        beta = xp.gammaln(phi) - xp.gammaln(a) - xp.gammaln(b)
        beta = beta + (a - 1) * xp.log(inside) + (b - 1) * xp.log1p(-inside)
        return xp.switch(y <= 0, zero, xp.switch(y >= 1, one, between + beta))

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        zero, between, _ = self.parts(mu, parameters)
        u = rng.uniform(size=np.shape(mu))
        y = super().simulate(mu, parameters, rng)
        return np.where(u < zero, 0.0, np.where(u < zero + between, y, 1.0))

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        zero, between, one = self.parts(mu, parameters)
        below = zero * (np.asarray(y) >= 0) + between * super().cdf(y, mu, parameters)
        return np.where(np.asarray(y) >= 1, 1.0, np.minimum(below, 1.0 - one))

    def transition(
        self,
        y: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> tuple[Floats, Floats] | None:
        return None

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        zero, between, one = self._logs(mu, parameters)
        inside, phi = np.where(_between(y), y, 0.5), per_row(parameters["phi"])
        beta = stats.beta.logpdf(inside, mu * phi, (1 - mu) * phi)
        found = np.where(y == 0, zero, np.where(y == 1, one, between + beta))
        return repeated(np.where((y >= 0) & (y <= 1), found, -np.inf), weights)

    def expectation(self, mu: Floats, parameters: Values) -> Floats:
        _, between, one = self.parts(mu, parameters)
        return one + between * mu

    def mean_between(
        self, low: Floats, high: Floats, log_mass: Floats, mu: Floats, parameters: Values,
        weights: Floats | None,
    ) -> Floats | None:  # fmt: skip
        """Of the beta between the ends by its size-biased distribution, and of the ones."""
        _, between, one = self.parts(mu, parameters)
        phi = per_row(parameters["phi"])
        mean = (mu * phi + 1) / (phi + 1)
        part = np.exp(beta_mass(Beta(), low, high, mean, {"phi": phi + 1}) - log_mass)
        return between * mu * part + np.where(high >= 1, one * np.exp(-log_mass), 0.0)

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        zero, between, one = self.parts(mu, parameters)
        within = between * super().variance(mu, parameters)
        mean = one + between * mu
        return within + zero * mean**2 + between * (mu - mean) ** 2 + one * (1 - mean) ** 2

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        """Var[y] / (d E[y] / d eta)^2, where mu has this mean."""
        own = {name: per_row(value) for name, value in parameters.items()}
        eta = per_row(self.link.link(np.asarray(mean), np))
        low, high = (self.expectation(self.inverse(eta + s, np), own) for s in (-_STEP, _STEP))
        variance = self.variance(self.inverse(eta, np), own)
        return (variance / ((high - low) / (2 * _STEP)) ** 2)[:, 0]

    def information(self, eta: Floats, parameters: Values) -> Floats:
        """Of the beta distribution, by the probability of what lies between."""
        _, between, _ = self.parts(self.inverse(eta, np), parameters)
        return between * super().information(eta, parameters)

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        """About log(phi)."""
        _, between, _ = self.parts(self.inverse(eta, np), parameters)
        return between * super().parameter_information("phi", eta, parameters)


def _between(y: Floats) -> Bools:
    return (y > 0) & (y < 1)
