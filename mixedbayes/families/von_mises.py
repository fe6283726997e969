"""Angles."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from scipy import special

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.design.values import row_name
from mixedbayes.distributions import Gamma, Prior
from mixedbayes.errors import DataError
from mixedbayes.families import support
from mixedbayes.families.base import (
    Bools,
    Elsewhere,
    Family,
    Parameter,
    Values,
    per_row,
    repeated,
    weights_of,
)
from mixedbayes.families.links import Identity, Link, TanHalf
from mixedbayes.families.rows import RowDensity, Rows, compiled
from mixedbayes.interrupts import later
from mixedbayes.numerics.special import bessel

stats = later("scipy.stats")

_NEAR_THE_END = 2.4  # of a mean direction, where the link's end at pi is within reach
_MANY = 100.0  # kappa from which the variance is a series in 1 / kappa


@compiled
def _once(parameters):
    return bessel(parameters[0])


@compiled
def _row(t, y, size, extra, parameters, shared):
    """An angle y of mean direction t that counts size times."""
    kappa, half = parameters[0], math.sin(0.5 * (y - t))
    log_bessel, rest = shared  # log(I0 exp(-kappa)), and 1 - I1 / I0
    gap = 2.0 * half * half  # 1 - cos
    return (
        -size * (kappa * gap + log_bessel),
        size * kappa * math.sin(y - t),
        (size * (rest - gap),),
    )


@dataclass(frozen=True)
class VonMises(Family):
    """log p(y) = kappa cos(y - mu) - log(2 pi I0(kappa)), of angles y from -pi to pi (radians).

    mu = 2 atan(eta) is the mean direction, from -pi to pi: where data lie on both sides of pi, turn
    all angles first, so that their mean direction is near 0. kappa is the concentration: near 0 all
    angles are alike, and where it is large y is nearly Normal(mu, 1 / sqrt(kappa)). Fisher & Lee
    (1992), doi:10.2307/2532334.

    Directions have no average as numbers have: `predict` gives those of groups by name or of a
    typical group; means and comparisons are of target="linear", tan(mu / 2). Tables are of angles
    turned to within pi of their mean direction, so that an interval across pi is short, with an end
    beyond pi. Residuals are angles from the mean, from -pi to pi.

    Parameters
    ----------
    link
        Of mu: `mb.TanHalf()`, the only one.
    links
        Of formulas of further parameters, by name, such as ``{"kappa": mb.Softplus()}``. kappa:
        positive, `mb.Log()` or `mb.Softplus()`.

    See Also
    --------
    Gaussian : Of numbers on a line.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> formula = "y ~ x + (1 | g)"
    >>> plan = {"groups": {"g": 10}, "per_group": 20, "sd": {"g": 0.5}, "seed": 1}
    >>> data = mb.simulate(formula, **plan, family="von_mises", kappa=3)
    >>> model = mb.Model(formula, data, family="von_mises")
    >>> model.priors[["parameter", "term", "prior"]]
       parameter                      term                prior
    0  Intercept  at the predictors' means  Normal(0.2046, 2.5)
    1      fixef                         x       Normal(0, 2.5)
    2       sd_g                 Intercept       Exponential(1)
    3      kappa                                 Gamma(2, 0.01)
    """

    name: ClassVar[str] = "von_mises"
    declared: ClassVar[tuple[Parameter, ...]] = (Parameter("kappa", r"\kappa"),)
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "von_mises", names=("vonmises", "circular", "von_mises_fisher")
    )
    dispersion: ClassVar[str | None] = "kappa"
    dispersion_words: ClassVar[str] = "concentration"
    takes: ClassVar[str] = "angles in radians, from -pi to pi"
    mean_links: ClassVar[tuple[type[Link], ...]] = (TanHalf,)
    no_limits: ClassVar[str] = "a circle has no tails, so that no angle is beyond another"
    no_average: ClassVar[str] = "directions have no average as numbers have"
    link: Link = field(default_factory=TanHalf)

    @property
    def row_density(self) -> RowDensity:
        return RowDensity(_row, Identity, _once, concave=False)

    def rows(self, design: Design) -> Rows:
        w = weights_of(design)
        return Rows.of(design.y, w, -np.log(2 * np.pi) * float(w.sum()))

    def check(self, design: Design) -> None:
        support.refuse_labels(design, self.name)
        self._refuse_other_angles(design)
        self.require_support(design)
        support.refuse_constant(design)

    def _refuse_other_angles(self, design: Design) -> None:
        """Raise DataError if the response looks like degrees, or angles from 0 to 2 pi."""
        y, text = design.y, design.formula.response.text
        if not (y.min() >= -180 and np.pi < y.max() <= 360):
            return
        whole = y.min() >= 0 and y.max() <= 2 * np.pi
        angle = text if whole else f"deg2rad({text})"
        first = int(np.argmax(y > np.pi))
        raise DataError(
            f"the response {design.response!r} is {y[first]:g} in row "
            f"{row_name(design.index, first)}: the {self.name} family takes {self.takes}. If these "
            f"are {'angles from 0 to 2 pi' if whole else 'degrees'}, write "
            f"arctan2(sin({angle}), cos({angle})) ~ ..."
        )

    def supports(self, y: Floats, trials: Ints | None = None) -> Bools:
        return np.abs(y) <= np.pi

    def prepare(self, design: Design) -> Design:
        design = super().prepare(design)
        direction = _direction(design)
        if abs(direction) < _NEAR_THE_END:
            return design
        note = (
            f"the mean direction of {design.response} is {direction:.3g}, near the end of the "
            f"link's range at pi = {np.pi:.3g}: effects are large numbers there, and directions "
            "beyond pi are far from those below; turn all angles, so that their mean is near 0"
        )
        return replace(design, notes=(*design.notes, note))

    def location(self, design: Design) -> float:
        found = np.clip(np.tan(_direction(design) / 2), -20.0, 20.0)
        return float(found) - design.mu.mean_offset

    def scale(self, design: Design) -> float:
        return 1.0

    def scale_origin(self, design: Design) -> str:
        return "unit of tan(mu / 2)"

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        return Gamma(2.0, 0.01), "from nearly uniform to nearly constant; as in brms"

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        """Centre: the concentration that all variation would have without predictors."""
        spread = 1 - float(np.hypot(*design.mu.average(_unit(design.y))))
        return float(np.log(np.clip(0.5 / max(spread, 1e-12), 0.5, 1e12))), 1.0

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        """PyMC's own has no digits where kappa is large."""
        return "VonMisesOfHalf", {"mu": self.inverse(eta, xp), "kappa": parameters["kappa"]}

    def pymc_logp(self, y: Any, arguments: Mapping[str, Any], xp: Any) -> Any:
        kappa, gap = arguments["kappa"], 2 * xp.sin(0.5 * (y - arguments["mu"])) ** 2
        inside = xp.and_(y >= -np.pi, y <= np.pi)
        value = -kappa * gap - xp.log(2 * np.pi * xp.ive(0, kappa))
        return xp.switch(inside, value, -np.inf)

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        return rf"{y} &\sim \mathrm{{VonMises}}(\mu_i,\, {symbol('kappa')})"

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        kappa = np.broadcast_to(per_row(parameters["kappa"]), np.shape(mu))
        turned = mu + rng.vonmises(0.0, kappa)
        return np.clip(turned - 2 * np.pi * np.round(turned / (2 * np.pi)), -np.pi, np.pi)

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        kappa = per_row(parameters["kappa"])
        inside = np.clip(y, -np.pi, np.pi)
        found = stats.vonmises.cdf(inside - mu, kappa) - stats.vonmises.cdf(-np.pi - mu, kappa)
        return np.clip(found, 0.0, 1.0)

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
        kappa, half = per_row(parameters["kappa"]), np.sin(0.5 * (y - mu))
        value = -2 * kappa * half**2 - np.log(2 * np.pi * special.ive(0, kappa))
        return repeated(np.where(np.abs(y) <= np.pi, value, -np.inf), weights)

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        """Mean squared angle between y and mu."""
        return np.broadcast_to(_variance(per_row(parameters["kappa"])), np.shape(mu))

    def mean_words(self, response: str) -> str:
        return f"mean direction of {response}"

    def deviation(self, y: Floats, mean: Floats) -> Floats:
        """The angle from the mean to y, from -pi to pi."""
        gap = y - mean
        return gap - 2 * np.pi * np.round(gap / (2 * np.pi))

    def unwound(self, draws: Floats, about: Floats | None = None) -> Floats:
        centre = _mean_direction(draws if about is None else about)[..., None]
        return draws - 2 * np.pi * np.round((draws - centre) / (2 * np.pi))

    def information(self, eta: Floats, parameters: Values) -> Floats:
        """kappa I1 / I0 about mu."""
        kappa = per_row(parameters["kappa"])
        ratio = special.ive(1, kappa) / special.ive(0, kappa)
        return self.link.slope(eta, np) ** 2 * kappa * ratio

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        """kappa^2 (1 - A / kappa - A^2) about log(kappa), A = I1 / I0; 1 / 2 where it is large."""
        kappa = per_row(parameters["kappa"])
        ratio = special.ive(1, kappa) / special.ive(0, kappa)
        exact = kappa**2 * (1 - ratio / kappa - ratio**2)
        return np.broadcast_to(np.where(kappa > 1e4, 0.5, exact), np.shape(eta))

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        """By the delta method, for angles near their mean direction."""
        slope = self.link.slope(self.link.link(mean, np), np)
        return _variance(np.asarray(parameters["kappa"])) / slope**2


def _unit(y: Floats) -> Floats:
    """(n, 2) cos and sin."""
    return np.column_stack([np.cos(y), np.sin(y)])


def _direction(design: Design) -> float:
    """The mean direction of the response."""
    return float(np.angle(np.sum(weights_of(design) * np.exp(1j * design.y))))


def _mean_direction(draws: Floats) -> Floats:
    """(...) that of (..., S) angles."""
    return np.arctan2(np.sin(draws).mean(axis=-1), np.cos(draws).mean(axis=-1))


def _variance(kappa: Floats) -> Floats:
    """E of the squared angle from the mean direction."""
    few = np.minimum(kappa, _MANY)
    first, found = special.ive(0, few), np.full(np.shape(few), np.pi**2 / 3)
    for j in range(1, 91):
        found = found + 4 * (-1) ** j * special.ive(j, few) / first / j**2
    x = 1 / np.maximum(kappa, _MANY)
    series = x * (1 + x * (1 / 2 + x * (13 / 24 + x * 7 / 8)))
    return np.where(kappa > _MANY, series, found)
