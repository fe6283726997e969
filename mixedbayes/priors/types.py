"""The prior of every parameter of one model, after defaults and the user's own are put together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes import names
from mixedbayes.design.types import Across, Design, Floats, LinearPredictor, Monotonic
from mixedbayes.distributions import Dirichlet, Prior
from mixedbayes.priors.placement import Centre, Cuts, Placement
from mixedbayes.terms.covariance import Covariance
from mixedbayes.theta import simplex

GIVEN = "given"


@dataclass(frozen=True)
class Assigned:
    """A prior and where it comes from, in words."""

    prior: Prior
    origin: str  # "2.5 sd(Reaction) / sd(Days)", or "given"

    @property
    def given(self) -> bool:
        """Whether the user gave it."""
        return self.origin == GIVEN


@dataclass(frozen=True)
class MonotonicPrior:
    """Priors of a monotonic effect: of its average step b, and of the shares of its steps."""

    effect: Monotonic
    average: Assigned
    shares: Assigned  # a Dirichlet with a number for each step

    @property
    def name(self) -> str:
        return self.effect.name

    @property
    def dirichlet(self) -> Dirichlet:
        assert isinstance(self.shares.prior, Dirichlet)
        return self.shares.prior

    @property
    def coordinates(self) -> dict[int, Assigned]:
        """By the columns' places the priors of b and of the z behind the shares; see `simplex`."""
        own = (self.average, *(Assigned(z, self.shares.origin) for z in self.dirichlet.shares))
        return dict(zip(self.effect.columns, own, strict=True))


def _at_means(assigned: Assigned) -> Assigned:
    return replace(assigned, origin=f"{assigned.origin}; at the predictors' means")


@dataclass(frozen=True, eq=False)
class PredictorPriors:
    """Priors of one linear predictor's parameters."""

    parameter: str  # "mu" or the distributional parameter
    intercept: Assigned | None
    # True: the prior is on the predictor's value at the columns' means. The intercept at zero,
    # which is what `Intercept` always names, then has the prior that this implies.
    intercept_at_means: bool
    terms: tuple[str, ...]
    # (p,) of each column's coefficient; of a monotonic effect's columns those of its coordinates.
    fixef: tuple[Assigned, ...]
    group_terms: Mapping[str, tuple[str, ...]]  # what each of a factor's sds is of
    sd: Mapping[str, tuple[Assigned, ...]]
    cor: Mapping[str, Assigned]
    # Factors the priors of whose sds and correlations are about effects at the columns' means.
    placed: Mapping[str, Placement] = field(default_factory=dict)
    population: Placement | None = None  # the same of the population effects
    # Of the numbers of the laws of the factors' effects that are estimated, by factor and number.
    laws: Mapping[str, Mapping[str, Assigned]] = field(default_factory=dict)
    # Structures of the factors' covariances; without structure where none is said.
    covariances: Mapping[str, Covariance] = field(default_factory=dict)
    monotonic: tuple[MonotonicPrior, ...] = ()

    @property
    def plain(self) -> tuple[int, ...]:
        """Places of the columns that no monotonic effect has."""
        stepped = {k for m in self.monotonic for k in m.effect.columns}
        return tuple(k for k in range(len(self.terms)) if k not in stepped)

    @property
    def effects(self) -> dict[str, Assigned]:
        """Priors of the population effects by name: a monotonic effect has one."""
        first = {m.effect.columns[0]: m for m in self.monotonic}
        every = sorted([*self.plain, *first])
        return {
            first[k].name if k in first else self.terms[k]: self.fixef[k] for k in every
        }  # fmt: skip

    def with_effects(self, given: Mapping[str, Assigned]) -> PredictorPriors:
        """With other priors of some population effects, by name."""
        found = [given.get(t, a) for t, a in zip(self.terms, self.fixef, strict=True)]
        own = tuple(replace(m, average=given.get(m.name, m.average)) for m in self.monotonic)
        return replace(self, fixef=tuple(found)).with_monotonic(own)

    def with_monotonic(self, own: tuple[MonotonicPrior, ...]) -> PredictorPriors:
        """With these priors of the monotonic effects."""
        placed = {k: a for m in own for k, a in m.coordinates.items()}
        fixef = tuple(placed.get(k, a) for k, a in enumerate(self.fixef))
        return replace(self, fixef=fixef, monotonic=own)

    @property
    def linear(self) -> Floats:
        """(p, p) what coefficients at zero are of those that the priors are about, as rows.

        The steps of monotonic effects are taken as they are.
        """
        eye = np.eye(len(self.terms))
        return eye if self.population is None else self.population.effects(eye)

    def steps(self, drawn: Floats) -> Floats:
        """(..., p) coefficients, from what the priors are of: b and z of monotonic effects."""
        return self._changed(drawn, simplex.steps)

    def _changed(self, values: Floats, change: Callable[[Floats], Floats]) -> Floats:
        if not self.monotonic:
            return values
        out = np.array(values, float)
        for m in self.monotonic:
            own = list(m.effect.columns)
            out[..., own] = change(out[..., own])
        return out

    @property
    def threshold(self) -> str | None:
        """The predictor's own threshold, see `LinearPredictor.threshold`."""
        return names.threshold_of(self.parameter)

    def rows(self) -> Iterator[tuple[str, str, Assigned]]:
        p = self.parameter
        if self.intercept is not None:
            where = "at the predictors' means" if self.intercept_at_means else "at zero"
            yield names.intercept(p), where if self.terms else "", self.intercept
        for term, prior in self.effects.items():
            k = self.terms.index(term) if term in self.terms else None
            moved = k is not None and self.population is not None and self.population.moves(k)
            yield names.fixef(p), term, _at_means(prior) if moved else prior
        for m in self.monotonic:
            yield names.simplex(m.name, p), "", m.shares
        for group, priors in self.sd.items():
            for k, (term, prior) in enumerate(zip(self.group_terms[group], priors, strict=True)):
                moved = group in self.placed and self.placed[group].moves(k)
                yield names.sd(group, p), term, _at_means(prior) if moved else prior
        for group, prior in self.cor.items():
            yield names.cor(group, p), "", _at_means(prior) if group in self.placed else prior
        for (group, number), prior in self.law_numbers.items():
            yield names.law(number, group, p), "", prior

    @property
    def law_numbers(self) -> dict[tuple[str, str], Assigned]:
        """Priors of `laws` by factor and number."""
        return {(g, n): a for g, own in self.laws.items() for n, a in own.items()}

    def moved(self, predictor: LinearPredictor) -> LinearPredictor:
        """The predictor with the columns of those effects that the priors are about."""
        if not self.placed and self.population is None:
            return predictor
        X = predictor.X if self.population is None else self.population.columns(predictor.X)
        groups = tuple(
            replace(g, Z=self.placed[g.name].columns(g.Z)) if g.name in self.placed else g
            for g in predictor.groups
        )
        return replace(predictor, X=X, groups=groups)

    def centre(self, predictor: LinearPredictor) -> Centre:
        """Where the intercept's prior is: at the columns' means, or at zero."""
        there = self.intercept is not None and self.intercept_at_means
        return Centre.of(predictor, at_means=there)

    def fixef_at_zero(self, drawn: Floats) -> Floats:
        """(..., p) population effects, from those (..., p) that the priors are about."""
        return self.coefficients_at_zero(self.steps(drawn))

    def coefficients_at_zero(self, placed: Floats) -> Floats:
        """(..., p) coefficients, from those (..., p) of the columns that the priors are about."""
        return placed if self.population is None else self.population.effects(placed)

    def fixef_placed(self, at_zero: Floats) -> Floats:
        """(..., p) what the priors of the population effects are about, from these (..., p)."""
        placed = self.population
        found = at_zero if placed is None else placed.effects_at_means(at_zero)
        return self._changed(found, simplex.point)

    def at_zero(self, drawn: Mapping[str, Floats], group: str) -> dict[str, Floats]:
        """Draws of one factor's parameters by name, from those of what the priors are about.

        `drawn` has its sds and correlations, and its effects where they were drawn. Those that a
        placement moved are kept under names of their own.
        """
        if group not in self.placed:
            return dict(drawn)
        p, placement = self.parameter, self.placed[group]
        sd, cor, ranef = (f(group, p) for f in (names.sd, names.cor, names.ranef))
        out = {self.name(name, group): drawn[name] for name in (sd, cor)}
        out[sd], out[cor] = placement.at_zero(drawn[sd], drawn[cor])
        if ranef in drawn:
            out[ranef] = self.effects_at_zero(drawn[ranef], group)
        return out

    def effects_at_zero(self, drawn: Floats, group: str) -> Floats:
        """(..., q) effects of a factor, from those (..., q) that the priors are about."""
        return self.placed[group].effects(drawn) if group in self.placed else drawn

    def name(self, parameter: str, group: str) -> str:
        """The name of an sd, correlation or effect of a factor that the priors are about."""
        return names.at_means(parameter) if group in self.placed else parameter


@dataclass(frozen=True, eq=False)
class Priors:
    """Priors of all parameters: predictors and the family's own parameters."""

    predictors: tuple[PredictorPriors, ...]  # in the design's order
    parameters: Mapping[str, Assigned]
    given: Mapping[str, Any] = field(default_factory=dict)  # the user's own, as they were given
    # Of the correlations over each factor of `Design.across`, which no predictor's `cor` has.
    across: Mapping[str, Assigned] = field(default_factory=dict)
    # Of the correlations of residuals, by `Residual.symbols`: "rho", "theta", "range".
    residual: Mapping[str, Assigned] = field(default_factory=dict)
    # By what the data are known whose defaults these are; "" where they are the model's own.
    of: str = ""

    @property
    def correlations(self) -> dict[str, Prior]:
        """Of the correlations of residuals, by symbol."""
        return {symbol: a.prior for symbol, a in self.residual.items()}

    @property
    def mu(self) -> PredictorPriors:
        """Of the mean's predictor."""
        return self.predictors[0]

    def predictor(self, parameter: str) -> PredictorPriors:
        """Of the predictor of one parameter, "mu" the first; KeyError where it has none."""
        if parameter == names.MU:
            return self.mu
        for p in self.predictors:
            if p.parameter == parameter:
                return p
        raise KeyError(parameter)

    def each(self, change: Callable[[PredictorPriors], PredictorPriors]) -> Priors:
        """The priors with every predictor's changed."""
        return replace(self, predictors=tuple(map(change, self.predictors)))

    def placement(self, a: Across) -> Placement | None:
        """Which effects the priors are about, of all those over a factor."""
        own = (self.predictor(p).placed.get(a.name) for p, _ in a.members)
        sizes = (len(g.terms) for _, g in a.members)
        return Placement.joint(list(zip(own, sizes, strict=True)))

    def joined(self, a: Across) -> PredictorPriors:
        """Of all effects over a factor, as those of one predictor, about what the priors are."""
        sds = tuple(s for p, _ in a.members for s in self.predictor(p).sd[a.name])
        return PredictorPriors(
            "mu", None, True, (), (), {a.name: a.terms}, {a.name: sds},
            {a.name: self.across[a.name]}, covariances={a.name: a.effects.covariance},
        )  # fmt: skip

    def across_at_zero(
        self, a: Across, sd: Floats, cor: Floats, b: Floats | None = None
    ) -> dict[str, Floats]:
        """Draws by name, from sds (..., q), correlations and effects (..., J, q) of all effects.

        These are those that the priors are about; what a placement moved keeps them too, under
        names of its own.
        """
        placement, out = self.placement(a), {}
        if placement is not None:
            out[names.at_means(names.cor(a.name))] = cor
            for p, own in a.places.items():
                if a.name in self.predictor(p).placed:
                    out[names.at_means(names.sd(a.name, p))] = sd[..., own]
            sd, cor = placement.at_zero(sd, cor)
            b = None if b is None else placement.effects(b)
        out[names.cor(a.name)] = cor
        for p, own in a.places.items():
            out[names.sd(a.name, p)] = sd[..., own]
            if b is not None:
                out[names.ranef(a.name, p)] = b[..., own]
        return out

    def cuts(self, parameter: str, design: Design) -> Cuts:
        """Where the prior of thresholds is: a default one at the columns' means."""
        return Cuts.of(design, parameter, at_means=not self.parameters[parameter].given)

    def moved(self, design: Design) -> Design:
        """The design with the columns of those effects that the priors are about."""
        return design.each(lambda p: self.predictor(p.parameter).moved(p))

    def at_means(self, parameters: Collection[str] | None = None) -> Priors:
        """The same priors, the intercepts' taken at the predictors' means.

        `parameters` names the predictors for which this is so; all by default.
        """

        def moved(p: PredictorPriors) -> PredictorPriors:
            there = parameters is None or p.parameter in parameters
            return replace(p, intercept_at_means=there)

        return self.each(moved)

    def rows(self) -> Iterator[tuple[str, str, Assigned]]:
        for predictor in self.predictors:
            yield from predictor.rows()
        for group, prior in self.across.items():
            moved = any(group in p.placed for p in self.predictors)
            yield names.cor(group), "", _at_means(prior) if moved else prior
        for name, prior in (*self.parameters.items(), *self.residual.items()):
            yield name, "", prior

    def table(self) -> pd.DataFrame:
        """One row per parameter: parameter, term, prior, and the scale it was derived from."""
        return pd.DataFrame(
            [(p, t, str(a.prior), a.origin) for p, t, a in self.rows()],
            columns=["parameter", "term", "prior", "derived_from"],
        )
