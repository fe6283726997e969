"""Several responses of different families, independent of one another given effects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Elsewhere, Family, Parameter, Values
from mixedbayes.families.composed import composed
from mixedbayes.families.links import Identity, Link
from mixedbayes.families.rows import RowDensity, Rows
from mixedbayes.formula import Formula


@dataclass(frozen=True)
class Different(Family):
    """Each response of `mv(weight, sick, rescor=False)` has a family of its own.

    log p of a row is the sum of those of its responses that are known, each given its own linear
    predictor. In arrays of rows the parameter `response` says which each row is of, 0, 1, ...; mu
    is the linear predictor itself.
    """

    name: ClassVar[str] = "several"
    elsewhere: ClassVar[Elsewhere] = Elsewhere()
    mean_links: ClassVar[tuple[type[Link], ...]] = (Identity,)
    takes: ClassVar[str] = "what the family of each response takes"
    link: Link = field(default_factory=Identity)
    responses: tuple[str, ...] = ()
    components: tuple[Family, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        found: dict[str, Parameter] = {}
        as_odds: dict[str, bool] = {}
        for response, own in zip(self.responses, self.components, strict=True):
            density = _check(response, own)
            for k, p in enumerate(own.declared):
                known = found.setdefault(p.name, p)
                if as_odds.setdefault(p.name, k in density.odds) != (k in density.odds):
                    raise ModelError(
                        f"{p.name} of {response} is another parameter than that of a response "
                        "before it; fit this response by itself"
                    )
                if type(known.link) is not type(own.parameter_link(p.name)):
                    raise ModelError(
                        f"{p.name} is on the {known.link.name} scale in one response and on the "
                        f"{own.parameter_link(p.name).name} scale in {response}: parameters of one "
                        "name have one link"
                    )
        declared = (*found.values(), Parameter(names.RESPONSE, r"r", Identity()))
        object.__setattr__(self, "declared", declared)
        object.__setattr__(self, "parameters", tuple(p.name for p in declared))

    @property
    def described(self) -> str:
        pairs = zip(self.responses, self.components, strict=True)
        return "; ".join(f"{name}: {own.described}" for name, own in pairs)

    @property
    def by_response(self) -> Mapping[str, Family]:
        return dict(zip(self.responses, self.components, strict=True))

    def of_response(self, k: int) -> Family:
        return self.components[k]

    # ---- before anything runs -----------------------------------------------------------------

    def check_formula(self, formula: Formula) -> None:
        """Each response's own formula is checked by its own family."""

    def check(self, design: Design) -> None:
        """Each response is checked by its own family."""

    def location(self, design: Design) -> float:
        raise NotImplementedError("each response has a location of its own")

    # ---- the compiled engine ------------------------------------------------------------------

    @property
    def row_density(self) -> RowDensity:
        densities = tuple(own.row_density for own in self.components)
        places = tuple(
            tuple(self.parameters.index(p) for p in own.parameters) for own in self.components
        )
        return composed(tuple(d for d in densities if d is not None), places)

    def rows(self, design: Design) -> Rows:
        assert design.several is not None
        y, size, extra = np.empty((3, design.n))
        constant = 0.0
        for k, (part, own) in enumerate(zip(design.parts, self.components, strict=True)):
            at, found = design.several.at(k), own.merged(own.rows(part))
            y[at], size[at], extra[at] = found.y, found.size, found.extra
            constant += found.constant
        return Rows.of(y, size, constant, extra)

    # ---- the distribution ---------------------------------------------------------------------

    def _each(
        self,
        eta: Floats,
        parameters: Values,
        of: Callable[[Family, Floats, Values, Any], Any],
    ) -> Floats:
        """(S, n) what `of` says of the rows of each response.

        It gets the family, linear predictors (S, m), parameters, and which rows.
        """
        which = np.asarray(parameters[names.RESPONSE])
        which = np.rint(which.reshape(-1, which.shape[-1])[0])
        out = np.zeros(np.shape(eta))
        for k, own in enumerate(self.components):
            at = np.flatnonzero(which == k)
            if len(at):
                mine = {p: _some(parameters[p], at) for p in own.parameters}
                out[..., at] = of(own, eta[..., at], mine, at)
        return out

    def simulate(
        self, mu: Floats, parameters: Values, rng: np.random.Generator, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        def of(own: Family, eta: Floats, mine: Values, at: Any) -> Any:
            return own.simulate(own.inverse(eta, np), mine, rng)

        return self._each(mu, parameters, of)

    def log_density(
        self, y: Floats, mu: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        def of(own: Family, eta: Floats, mine: Values, at: Any) -> Any:
            return own.log_density(y[at], own.inverse(eta, np), mine)

        return self._each(mu, parameters, of)

    def cdf(
        self, y: Floats | float, mu: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        def of(own: Family, eta: Floats, mine: Values, at: Any) -> Any:
            here = y if np.ndim(y) == 0 else np.asarray(y)[..., at]
            return own.cdf(here, own.inverse(eta, np), mine)

        return self._each(mu, parameters, of)

    def transition(
        self, y: Floats, parameters: Values, *, weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> tuple[Floats, Floats] | None:  # fmt: skip
        return None

    def expectation(self, mu: Floats, parameters: Values) -> Floats:
        return self._each(
            mu, parameters, lambda own, eta, mine, _: own.expectation(own.inverse(eta, np), mine)
        )

    def variance(
        self, mu: Floats, parameters: Values, *, weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        return self._each(
            mu, parameters, lambda own, eta, mine, _: own.variance(own.inverse(eta, np), mine)
        )

    def information(self, eta: Floats, parameters: Values) -> Floats:
        return self._each(eta, parameters, lambda own, h, mine, _: own.information(h, mine))

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        def of(own: Family, h: Floats, mine: Values, _: Any) -> Any:
            if name not in own.parameters:
                return 0.0
            return own.parameter_information(name, h, mine)

        return self._each(eta, parameters, of)

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        raise NotImplementedError("the rows of each response have the distribution of its family")

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        return rf"{y} &\sim \text{{{self.described}}}"


def _some(values: Any, at: Any) -> Any:
    values = np.asarray(values)
    return values[..., at] if values.ndim > 1 else values


def _check(response: str, own: Family) -> RowDensity:
    """Its density; ModelError where a family cannot stand beside others."""
    density = own.row_density
    said = f"the {own.name} family of {response}"
    if density is None or density.row is None or own.own or own.columns or own.thresholds:
        raise ModelError(
            f"{said} is not offered beside others: it has several predictors, thresholds or a "
            "density of your own; fit this response by itself"
        )
    if density.width > 1 or not all(p.formula for p in own.declared):
        raise ModelError(f"{said} is not offered beside others; fit this response by itself")
    if type(own.link) is not density.scale:
        raise ModelError(
            f"{said} is offered beside others with the {density.scale().name} link alone"
        )
    return density


def as_one(responses: Sequence[str], components: Sequence[Family]) -> Family:
    """The family of several responses: one for all where all are normal with identity link."""
    first = components[0]
    if all(own == first and own.closed_form for own in components):
        return first
    return Different(responses=tuple(responses), components=tuple(components))
