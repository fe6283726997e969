"""Several responses of different families, independent of one another given effects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import Prior
from mixedbayes.errors import ModelError
from mixedbayes.families.arrays import some
from mixedbayes.families.base import Bools, Elsewhere, Family, Parameter, Values
from mixedbayes.families.composed import Component, composed
from mixedbayes.families.fronts import CODES, SAME, front
from mixedbayes.families.limited import limited, of_each, rows_of, simulate_each
from mixedbayes.families.links import Identity, Link
from mixedbayes.families.rows import RowDensity, Rows
from mixedbayes.families.several import OfOne
from mixedbayes.formula import Formula
from mixedbayes.priors.types import Assigned

_MOST = 31  # parameters: the compiled loop has two bits for the link of each


@dataclass(frozen=True)
class Different(Family):
    """Each response of `mv(weight, sick, rescor=False)` has a family of its own.

    log p of a row is the sum of those of its responses that are known, each given its own linear
    predictors. In arrays of rows the parameter `response` says which each row is of, 0, 1, ...; mu
    and all other parameters are linear predictors, of which each family makes its own parameters.
    Thresholds are a vector for each response that has them, `thresholds_rating`.
    """

    name: ClassVar[str] = "several"
    elsewhere: ClassVar[Elsewhere] = Elsewhere()
    mean_links: ClassVar[tuple[type[Link], ...]] = (Identity,)
    takes: ClassVar[str] = "what the family of each response takes"
    repeats_rows: ClassVar[bool] = False  # what weights mean each response's family says
    divided: ClassVar[bool] = False
    mean_is_mu: ClassVar[bool] = False
    link: Link = field(default_factory=Identity)
    responses: tuple[str, ...] = ()
    components: tuple[Family, ...] = ()
    # (K,) from a design: the predictors of each response besides mu, and whether it has limits.
    predicted: tuple[tuple[str, ...], ...] = ()
    within: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        found: dict[str, Parameter] = {}
        for response, own, reads in zip(self.responses, self.components, self._reads, strict=True):
            if own.thresholds is not None:
                known = own.parameter(own.thresholds)
                name = names.vector(own.thresholds, response)
                found[name] = replace(known, name=name)
            for p in reads:
                found.setdefault(p, replace(own.parameter(p), link=Identity()))
        declared = (*found.values(), Parameter(names.RESPONSE, r"r", Identity()))
        if len(declared) > _MOST:
            some_of = ", ".join(list(found)[:6])
            raise ModelError(
                f"{', '.join(self.responses)} have {len(declared) - 1} parameters in all besides "
                f"their means ({some_of}, ...), and at most {_MOST - 1} are taken: a category has "
                "one each; put rare categories together, or fit a response by itself"
            )
        object.__setattr__(self, "declared", declared)
        object.__setattr__(self, "parameters", tuple(p.name for p in declared))

    @property
    def _reads(self) -> tuple[tuple[str, ...], ...]:
        """(K,) parameters of each response that have predictors."""
        if self.predicted:
            return self.predicted
        return tuple(
            tuple(p.name for p in own.declared if not (p.level or p.optional))
            for own in self.components
        )

    @property
    def described(self) -> str:
        pairs = zip(self.responses, self.components, strict=True)
        return "; ".join(f"{name}: {own.described}" for name, own in pairs)

    @property
    def by_response(self) -> Mapping[str, Family]:
        return dict(zip(self.responses, self.components, strict=True))

    def of_response(self, k: int) -> Family:
        return self.components[k]

    def reading(self, design: Design, levels: Sequence[Any] | None) -> Self:
        """`levels` are those of each response, in their order."""
        every = zip(
            self.components, design.parts, levels or (None,) * len(design.parts), strict=True
        )
        return replace(self, components=tuple(own.reading(part, v) for own, part, v in every))

    @property
    def thresholds(self) -> None:
        """None take the place of an intercept of all; see `vectors`."""
        return None

    def of_vector(self, name: str) -> int:
        """Which response thresholds are of."""
        every = zip(self.responses, self.components, strict=True)
        own = [r if f.thresholds is None else names.vector(f.thresholds, r) for r, f in every]
        return own.index(name)

    # ---- before anything runs -----------------------------------------------------------------

    def check_formula(self, formula: Formula) -> None:
        """Each response's own formula is checked by its own family."""

    def check(self, design: Design) -> None:
        """Each response is checked by its own family."""

    def of_design(self, design: Design) -> Self:
        """Each response's family as its own design has it."""
        every = design.several
        assert every is not None
        pairs = zip(self.components, design.parts, strict=True)
        return replace(
            self,
            components=tuple(own.of_design(part) for own, part in pairs),
            predicted=every.parameters,
            within=tuple(part.limits is not None for part in design.parts),
        )

    def counts(self, design: Design) -> Floats | None:
        """None: rows of different responses are not added up."""
        return None

    def location(self, design: Design) -> float:
        raise NotImplementedError("each response has a location of its own")

    def labels(self, name: str, design: Design) -> tuple[str, ...] | None:
        if name not in self.vectors:
            return None
        k = self.of_vector(name)
        own = self.components[k]
        return own.labels(str(own.thresholds), design.parts[k])

    def typical(self, name: str, design: Design, assigned: Assigned | None) -> Floats:
        k = self.of_vector(name)
        own = self.components[k]
        return own.typical(str(own.thresholds), design.parts[k], assigned)

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        k = self.of_vector(name)
        own = self.components[k]
        return own.parameter_prior(str(own.thresholds), design.parts[k])

    def totals(self, design: Design) -> Ints | None:
        """(n,) those of each response, 1 where it has none."""
        if design.several is None:
            return design.trials
        found = np.ones(design.n, np.int64)
        pairs = list(enumerate(zip(self.components, design.parts, strict=True)))
        own = {k: totals for k, (f, part) in pairs if (totals := f.totals(part)) is not None}
        for k, totals in own.items():
            found[design.several.at(k)] = totals
        return found if own else None

    def fingerprint(self, design: Design) -> dict[str, Any]:
        """Of the families of a user's own, by response."""
        every = zip(self.responses, self.components, design.parts, strict=True)
        found = {name: own.fingerprint(part) for name, own, part in every}
        return {name: kept for name, kept in found.items() if kept}

    def observed(self, design: Design) -> Floats:
        assert design.several is not None
        found = np.empty(design.n)
        for k, (own, part) in enumerate(zip(self.components, design.parts, strict=True)):
            found[design.several.at(k)] = part.y + own.first_code
        return found

    # ---- the compiled engine ------------------------------------------------------------------

    @property
    def slowness(self) -> str:
        return next((own.slowness for own in self.components if own.slowness), "")

    def failure(self, design: Design) -> Callable[[], BaseException | None]:
        every = [f.failure(part) for f, part in zip(self.components, design.parts, strict=True)]
        return lambda: next((e for one in every if (e := one()) is not None), None)

    @cached_property
    def _numbers(self) -> tuple[str, ...]:
        """The parameters that are predictors, but for the number of the response."""
        return tuple(p for p in self.parameters[:-1] if p not in self.vectors)

    def _own(self, k: int) -> tuple[str, ...]:
        """Parameters of the k-th response's family that its rows have as numbers."""
        own = self.components[k]
        return tuple(p for p in own.parameters if p in self._reads[k] and p != own.thresholds)

    def _first(self, k: int) -> str | None:
        """The predictor of the k-th response's mean; None where it is mu."""
        first = self._reads[k][0] if self._reads[k] else None
        return first if first is not None and first not in self.components[k].parameters else None

    @property
    def row_density(self) -> RowDensity | None:
        found = []
        for k, own in enumerate(self.components):
            density, mine, first = own.row_density, self._own(k), self._first(k)
            before = None if density is None else front(own.link, density.scale)
            codes = tuple(CODES.get(type(own.parameter_link(p)), -1) for p in mine)
            if density is None or before is None or -1 in codes:
                return None
            if self.within and self.within[k]:
                density = limited(density, len(own.parameters))
            places = tuple(map(self._numbers.index, mine))
            at = -1 if first is None else self._numbers.index(first)
            found.append(Component(density, before if at < 0 else SAME, places, codes, at))
        return composed(tuple(found), len(self._numbers))

    def rows(self, design: Design) -> Rows:
        assert design.several is not None
        y, size = np.empty((2, design.n))
        head, extra, constant = [], [], 0.0
        for k, (part, own) in enumerate(zip(design.parts, self.components, strict=True)):
            at, found = design.several.at(k), rows_of(own, part)
            y[at], size[at] = found.y, found.size
            vector = names.vector(str(own.thresholds), self.responses[k])
            head += [
                found.extra.size // max(part.n, 1),
                len(self.labels(vector, design) or ()) if own.thresholds is not None else 0,
            ]
            extra.append(found.extra)
            constant += found.constant
        return Rows.of(y, size, constant, np.concatenate([np.array(head, float), *extra]))

    def linked_rows(self, design: Design) -> Bools | None:
        """(m + 2, n) where mu, each of m numbers and `response` share their information.

        See `Family.linked_information`; None where there are none.
        """
        assert design.several is not None
        found = np.zeros((2 + len(self._numbers), design.n), bool)
        for k in range(len(self.components)):
            for p in self._reads[k] if self._linked(k) else ():
                found[1 + self._numbers.index(p), design.several.at(k)] = True
        return found if found.any() else None

    def _linked(self, k: int) -> bool:
        shape = (len(self._reads[k]), 1)
        return self.components[k].linked_information(np.zeros(shape)) is not None

    # ---- the distribution ---------------------------------------------------------------------

    def of_rows(self, k: int, eta: Any, parameters: Mapping[str, Any], some: Any, xp: Any) -> Any:
        """The linear predictor of the k-th response's mean and its own parameters.

        `some` takes the rows of this response out of those of all.
        """
        own, first = self.components[k], self._first(k)
        mine = {p: own.parameter_link(p).inverse(some(parameters[p]), xp) for p in self._own(k)}
        if own.thresholds is not None:
            mine[own.thresholds] = parameters[names.vector(own.thresholds, self.responses[k])]
        return some(eta if first is None else parameters[first]), mine

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
                h, mine = self.of_rows(k, eta, parameters, lambda x, at=at: some(x, at), np)
                out[..., at] = of(own, h, mine, at)
        return out

    def simulate(
        self, mu: Floats, parameters: Values, rng: np.random.Generator, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        """As draws have responses, `reported`."""
        return simulate_each(self, mu, parameters, rng, weights=weights, trials=trials)

    def each_alone(self, mu: Floats, parameters: Values, of: OfOne) -> Floats:
        return self._each(
            mu, parameters, lambda own, eta, mine, at: of(own, own.inverse(eta, np), mine, at)
        )

    def log_density(
        self, y: Floats, mu: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        def of(own: Family, eta: Floats, mine: Values, at: Any) -> Any:
            how = of_each(own, at, weights, trials)
            return own.log_density(y[at], own.inverse(eta, np), mine, **how)

        return self._each(mu, parameters, of)

    def cdf(
        self, y: Floats | float, mu: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        def of(own: Family, eta: Floats, mine: Values, at: Any) -> Any:
            here = y if np.ndim(y) == 0 else np.asarray(y)[..., at]
            return own.cdf(here, own.inverse(eta, np), mine, **of_each(own, at, weights, trials))

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
        def of(own: Family, eta: Floats, mine: Values, at: Any) -> Any:
            how = of_each(own, at, weights, trials)
            return own.variance(own.inverse(eta, np), mine, **how)

        return self._each(mu, parameters, of)

    def information_in(self, design: Design, eta: Floats, parameters: Values) -> Floats:
        """About the predictor of the mean, where it is mu."""
        return self._informed(design, eta, parameters, None)

    def parameter_information_in(self, name: str, design: Design, eta: Floats, own: Values) -> Any:
        return self._informed(design, eta, own, name)

    def _informed(
        self, design: Design, eta: Floats, parameters: Values, name: str | None
    ) -> Floats:
        out = np.zeros(np.shape(eta))
        assert design.several is not None
        for k, (own, part) in enumerate(zip(self.components, design.parts, strict=True)):
            at, reads = design.several.at(k), self._reads[k]
            if name != self._first(k) and name not in reads:
                continue
            if self._linked(k):
                every = [some(parameters[p], at).reshape(-1, len(at)) for p in reads]
                linked = own.linked_information(np.concatenate(every))
                assert linked is not None
                assert name is not None
                out[..., at] = linked[reads.index(name)]
                continue
            h, mine = self.of_rows(k, eta, parameters, lambda x, at=at: some(x, at), np)
            if name is None:
                out[..., at] = own.information_in(part, h, mine)
                continue
            found = own.link_information(name, part, some(parameters[name], at), h, mine)
            # Where a weight divides the variance, it says nothing about how large that is.
            divided = part.weights is not None and not own.repeats_rows
            out[..., at] = found / part.weights if divided else found
        return out

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        raise NotImplementedError("the rows of each response have the distribution of its family")

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        return rf"{y} &\sim \text{{{self.described}}}"


def as_one(responses: Sequence[str], components: Sequence[Family], *, alike: bool = True) -> Family:
    """The family of several responses: one for all where all are normal with identity link.

    Unless they are not `alike` in what is said of their rows.
    """
    first = components[0]
    if alike and all(own == first and own.closed_form for own in components):
        return first
    return Different(responses=tuple(responses), components=tuple(components))
