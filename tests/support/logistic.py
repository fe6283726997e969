"""Responses with somewhat heavier tails than normal ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import special, stats

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.families.base import Elsewhere, Values, weights_of
from mixedbayes.families.gaussian import Gaussian, row_sd
from mixedbayes.families.links import Identity
from mixedbayes.families.rows import RowDensity, Rows, compiled

_UNIT = math.sqrt(3.0) / math.pi  # scale of sd 1


@compiled
def _row(t, y, size, extra, parameters, shared):
    """log p of y with mean t, its variance divided by size; derivatives in t and in sigma."""
    scale = _UNIT * parameters[0] / math.sqrt(size)
    z = (y - t) / scale
    value = -abs(z) - 2.0 * math.log1p(math.exp(-abs(z))) - math.log(scale)
    slope = math.tanh(0.5 * z)
    return value, slope / scale, ((z * slope - 1.0) / parameters[0],)


@dataclass(frozen=True)
class Logistic(Gaussian):
    """y ~ Logistic of mean mu and sd sigma / sqrt(weight), mu = g^-1(eta)."""

    name: ClassVar[str] = "logistic"
    elsewhere: ClassVar[Elsewhere] = Elsewhere(names=("logistic_distribution",))
    wider: ClassVar[str | None] = "student_t"
    normal: ClassVar[bool] = False

    @property
    def row_density(self) -> RowDensity:
        return RowDensity(_row, Identity)

    def rows(self, design: Design) -> Rows:
        return Rows.of(design.y, weights_of(design), 0.0)

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        _, args = super().pymc(eta, parameters, design, xp)
        return "Logistic", {"mu": args["mu"], "s": _UNIT * args["sigma"]}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        divided = "/w_i" if weighted else ""
        law = rf"\text{{mean }}\mu_i,\, \text{{variance }}{symbol('sigma')}^2{divided}"
        return rf"{y} &\sim \mathrm{{Logistic}}({law})"

    def simulate(
        self, mu: Floats, parameters: Values, rng: np.random.Generator, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        return rng.logistic(mu, _UNIT * row_sd(parameters, weights))

    def cdf(
        self, y: Floats | float, mu: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        return special.expit((y - mu) / (_UNIT * row_sd(parameters, weights)))

    def log_density(
        self, y: Floats, mu: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        return stats.logistic.logpdf(y, mu, _UNIT * row_sd(parameters, weights))

    def information(self, eta: Floats, parameters: Values) -> Floats:
        return super().information(eta, parameters) * np.pi**2 / 9

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        return np.full(np.shape(eta), (3 + np.pi**2) / 9)
