"""Responses whose standard errors are known, as in a meta-analysis: `y | se(s)`.

The rows' weights are 1 / s^2. Without a sigma the scale of a row is s, so that a normal model with
group effects stays in closed form; with `se(s, sigma=True)` it is sqrt(sigma^2 + s^2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar

import numpy as np

from mixedbayes.design.types import Design, Floats
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family, Parameter, Values, per_row, weights_of
from mixedbayes.families.gaussian import Gaussian, row_sd
from mixedbayes.families.rows import RowDensity, Rows, compiled, nothing
from mixedbayes.families.student_t import StudentTFamily
from mixedbayes.formula import Formula


@cache
def _rows_of(density: RowDensity, adds: bool) -> RowDensity:
    """The row of scale s or sqrt(sigma^2 + s^2), from that of scale sigma; size is 1 / s^2.

    And its tails.
    """
    row, once, tails = density.row, density.once, density.tails
    assert density.kept is None  # rows have a scale each, and so all that is of it

    @compiled
    def known(t, y, size, extra, parameters, shared):
        own = (1.0 / math.sqrt(size), *parameters)
        value, slope, d = row(t, y, 1.0, extra, own, once(own))
        return value, slope, d[1:]

    @compiled
    def added(t, y, size, extra, parameters, shared):
        sigma = parameters[0]
        scale = math.sqrt(sigma * sigma + 1.0 / size)
        own = (scale, *parameters[1:])
        value, slope, d = row(t, y, 1.0, extra, own, once(own))
        return value, slope, (d[0] * sigma / scale, *d[1:])

    @compiled
    def known_tails(t, bound, upper, size, parameters, shared):
        own = (1.0 / math.sqrt(size), *parameters)
        value, slope, d = tails(t, bound, upper, 1.0, own, once(own))
        return value, slope, d[1:]

    @compiled
    def added_tails(t, bound, upper, size, parameters, shared):
        sigma = parameters[0]
        scale = math.sqrt(sigma * sigma + 1.0 / size)
        own = (scale, *parameters[1:])
        value, slope, d = tails(t, bound, upper, 1.0, own, once(own))
        return value, slope, (d[0] * sigma / scale, *d[1:])

    if adds:
        return replace(density, row=added, once=nothing, tails=added_tails)
    return replace(density, row=known, once=nothing, tails=known_tails)


class _KnownErrors(Gaussian):
    """What both kinds share; they stand before a family in its variant's bases."""

    adds: ClassVar[bool]

    @property
    def correlates(self) -> bool:
        return False

    @property
    def row_density(self) -> RowDensity:
        density = super().row_density
        assert density is not None
        return _rows_of(density, self.adds)

    def rows(self, design: Design) -> Rows:
        return replace(super().rows(replace(design, weights=None)), size=weights_of(design))

    def typical_weight(self, design: Design) -> float:
        return 1.0

    def weighted(self, parameters: Values, weights: Any) -> Values:
        if weights is None:
            return parameters
        sd = self.row_sd(parameters, weights)
        return {**parameters, "sigma": sd if np.ndim(weights) else sd[:, 0]}

    def residual_variance(self, parameters: Values) -> Floats:
        return super().residual_variance({"sigma": np.ones(1), **parameters})

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        square = parameters["sigma"] ** 2 if self.adds else 0.0
        sd = xp.sqrt(square + 1 / xp.as_tensor(design.weights))
        unweighted = replace(design, weights=None)
        return super().pymc(eta, {**parameters, "sigma": sd}, unweighted, xp)

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        def written(name: str) -> str:
            """So that its square is the row's."""
            if name != "sigma":
                return symbol(name)
            return rf"\left({symbol(name)}^2 + s_i^2\right)^{{1/2}}" if self.adds else "s_i"

        law = super().latex(y, written, weighted=False)
        return law.replace(r"\right)^{1/2}^2", r"\right)")


class _Known(_KnownErrors):
    adds: ClassVar[bool] = False
    dispersion: ClassVar[str | None] = None

    def information(self, eta: Floats, parameters: Values) -> Floats:
        """In a row of standard error 1."""
        return super().information(eta, {**parameters, "sigma": np.ones(1)})

    def row_sd(self, parameters: Values, weights: Floats | None) -> Floats:
        """(1, n) the standard errors; of rows whose parameters are `weighted`, theirs."""
        if weights is None:
            return per_row(parameters["sigma"]) if "sigma" in parameters else np.ones((1, 1))
        return 1 / np.sqrt(np.atleast_2d(weights))


class _Added(_KnownErrors):
    adds: ClassVar[bool] = True
    divided: ClassVar[bool] = False

    @property
    def closed_form(self) -> bool:
        return False

    def information_in(self, design: Design, eta: Floats, parameters: Values) -> Floats:
        """By the variance sigma^2 + s^2 of each row, of size 1 / s^2."""
        w = weights_of(design)
        return super().information(eta, self.weighted(parameters, w)) / w

    def row_sd(self, parameters: Values, weights: Floats | None) -> Floats:
        """(S, n) sqrt(sigma^2 + s^2)."""
        sigma = row_sd(parameters, None)
        return sigma if weights is None else np.sqrt(sigma**2 + 1 / np.atleast_2d(weights))


def _without_sigma(family: type[Family]) -> tuple[Parameter, ...]:
    return tuple(p for p in family.declared if p.name != "sigma")


@dataclass(frozen=True)
class GaussianKnown(_Known, Gaussian):
    """y ~ Normal(mu, s), s known."""

    variant_of: ClassVar[type[Family] | None] = Gaussian
    declared: ClassVar[tuple[Parameter, ...]] = _without_sigma(Gaussian)


@dataclass(frozen=True)
class GaussianAdded(_Added, Gaussian):
    """y ~ Normal(mu, sqrt(sigma^2 + s^2)), s known."""

    variant_of: ClassVar[type[Family] | None] = Gaussian


@dataclass(frozen=True)
class StudentTKnown(_Known, StudentTFamily):
    """y ~ StudentT(nu, mu, s), s a known scale."""

    variant_of: ClassVar[type[Family] | None] = StudentTFamily
    declared: ClassVar[tuple[Parameter, ...]] = _without_sigma(StudentTFamily)


@dataclass(frozen=True)
class StudentTAdded(_Added, StudentTFamily):
    """y ~ StudentT(nu, mu, sqrt(sigma^2 + s^2)), s known."""

    variant_of: ClassVar[type[Family] | None] = StudentTFamily


_VARIANTS = {
    (kind.variant_of, kind.adds): kind
    for kind in (GaussianKnown, GaussianAdded, StudentTKnown, StudentTAdded)
}


def with_errors(family: Family, formula: Formula) -> Family:
    """The family as a response has it: its variant of known errors where there is `se(...)`.

    Raises ModelError where there is none.
    """
    base, response = family.variant_of or type(family), formula.response
    if response.se is None:
        return family if type(family) is base else base(link=family.link, links=family.links)
    kind = _VARIANTS.get((base, response.se_adds))
    if kind is None:
        known = " or ".join(repr(k.name) for k, adds in _VARIANTS if k is not None and not adds)
        raise ModelError(
            f"se({response.se}) gives known standard errors, which the {family.name} family has no "
            f"place for: use family={known}"
        )
    return kind(link=family.link, links=family.links)
