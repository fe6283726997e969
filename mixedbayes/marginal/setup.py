"""From design and priors to the marginal problem, and from its draws back to named parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import Design, GroupDesign, LinearPredictor
from mixedbayes.distributions import Flat, Normal, Prior
from mixedbayes.marginal.chained import Chained, chains_of
from mixedbayes.marginal.crossproducts import Parts
from mixedbayes.marginal.effects import (
    Shift,
    draw_effects,
    draw_population,
    effects_moments,
)
from mixedbayes.marginal.parameters import Constrained, Layout
from mixedbayes.marginal.plan import MAX_DENSE, Plan, SparsePlan, choose_plan
from mixedbayes.marginal.problem import Problem, build_problem
from mixedbayes.marginal.summaries import EffectsSummary
from mixedbayes.numerics.rows import row_blocks
from mixedbayes.priors.factor import FactorParameters
from mixedbayes.priors.placement import Centre, Placement
from mixedbayes.priors.residual import ResidualParameters
from mixedbayes.priors.types import MonotonicPrior, PredictorPriors, Priors
from mixedbayes.terms.base import Term

if TYPE_CHECKING:
    from mixedbayes.marginal.density import Likelihood
    from mixedbayes.marginal.sparse.entries import Errors
    from mixedbayes.marginal.sparse.products import Effects

Floats = NDArray[np.float64]

SUMMARISED = 2e8  # effects x draws that summaries are made of, in seconds; beyond it, fewer draws
FEWEST_DRAWS = 200
SLOW_FLOPS = 1e5  # of a gradient that takes some 100 microseconds
_DRAWN = 2**23  # effects that are drawn together where few of them are kept


@dataclass(frozen=True, eq=False)
class Population:
    """The population columns, the intercept first, and which of them are integrated out.

    The columns are those of the effects that the priors are about. Where the intercept's prior is
    at the predictors' means, columns have their means subtracted and the first coefficient is the
    intercept at the means.
    """

    terms: tuple[str, ...]  # (p,) of all columns, "Intercept" first where there is one
    priors: tuple[Prior, ...]  # (p,)
    centre: Centre  # of the columns but the intercept's
    integrated: tuple[int, ...]  # positions with a normal or flat prior
    sampled: tuple[int, ...]  # positions of those whose effects are sampled
    placement: Placement | None = None
    monotonic: tuple[MonotonicPrior, ...] = ()  # effects whose columns are among the sampled ones

    @classmethod
    def of(
        cls, predictor: LinearPredictor, priors: PredictorPriors, *, integrate: bool = True
    ) -> Population:
        """Of a predictor with the columns that the priors are about."""
        terms, column_priors = predictor.terms, [a.prior for a in priors.fixef]
        if priors.intercept is not None:
            terms = (names.INTERCEPT, *terms)
            column_priors = [priors.intercept.prior, *column_priors]
        first = len(terms) - len(priors.terms)
        stepped = {first + k for m in priors.monotonic for k in m.effect.columns}
        normal = [
            integrate and isinstance(p, Normal | Flat) and i not in stepped
            for i, p in enumerate(column_priors)
        ]
        return cls(
            terms,
            tuple(column_priors),
            priors.centre(predictor),
            tuple(i for i, ok in enumerate(normal) if ok),
            tuple(i for i, ok in enumerate(normal) if not ok),
            priors.population,
            priors.monotonic,
        )

    @property
    def steps(self) -> tuple[tuple[int, ...], ...]:
        """Places of each monotonic effect's columns among the sampled ones."""
        at = {i: k for k, i in enumerate(self.sampled)}
        return tuple(tuple(at[self.first + k] for k in m.effect.columns) for m in self.monotonic)

    def columns(self, predictor: LinearPredictor, which: Sequence[int]) -> Floats:
        """(n, len(which)) the columns as the problem sees them."""
        first = int(predictor.intercept)
        out = np.empty((len(predictor.X), len(which)))
        for k, i in enumerate(which):
            if i < first:
                out[:, k] = 1.0
            else:
                np.subtract(predictor.X[:, i - first], self.centre.means[i - first], out=out[:, k])
        return out

    def prior_moments(self) -> tuple[Floats, Floats]:
        """Mean (p,) and precision (p, p) of the integrated coefficients; precision 0 is flat."""
        priors = [self.priors[i] for i in self.integrated]
        mean = np.array([getattr(p, "mu", 0.0) for p in priors])
        precision = np.array([p.sigma**-2.0 if isinstance(p, Normal) else 0.0 for p in priors])
        return mean, np.diag(precision)

    def shift(self, terms: Sequence[str], sampled: Floats) -> Shift:
        """The coefficients of some terms, as what is added to group effects of these terms.

        `sampled` (S, ...) are the draws of the coefficients that are not integrated.
        """
        n, columns = len(self.integrated), [self.terms.index(t) for t in terms if t in self.terms]
        rows = [i for i, t in enumerate(terms) if t in self.terms]
        A, constant = np.zeros((len(terms), n)), np.zeros((len(sampled), len(terms)))
        A[rows] = self.coefficients(np.eye(n), np.zeros((n, len(self.sampled)))).T[columns]
        constant[:, rows] = self.coefficients(np.zeros((len(sampled), n)), sampled)[:, columns]
        return Shift(A, constant)

    def coefficients(self, integrated: Floats, sampled: Floats) -> Floats:
        """(S, p) all coefficients at predictor value zero, from the two kinds of draws."""
        beta = np.empty((len(integrated), len(self.terms)))
        beta[:, list(self.integrated)] = integrated
        beta[:, list(self.sampled)] = sampled
        slopes = beta[:, self.first :]
        if self.first:
            beta[:, 0] = self.centre.intercept_at_zero(beta[:, 0], slopes)
        if self.placement is not None:
            beta[:, self.first :] = self.placement.effects(slopes)
        return beta

    def named(self, integrated: Floats, sampled: Floats, parameter: str) -> dict[str, Floats]:
        """`coefficients` by the names of a parameter's predictor."""
        found, out = self.coefficients(integrated, sampled), {}
        if self.first:
            out[names.intercept(parameter)] = found[:, 0]
        if found.shape[1] > self.first:
            out[names.fixef(parameter)] = found[:, self.first :]
        return out

    def placed(self, beta: Floats) -> Floats:
        """(S, p) what the priors are about, from coefficients (S, p) at predictor value zero."""
        out = beta.copy()
        slopes = out[:, self.first :]
        if self.placement is not None:
            slopes[:] = self.placement.effects_at_means(slopes)
        if self.first:
            out[:, 0] = self.centre.intercept(out[:, 0], slopes)
        return out

    @property
    def first(self) -> int:
        """Position of the first slope."""
        return int(self.terms[:1] == (names.INTERCEPT,))


@dataclass(frozen=True, eq=False)
class Setup:
    """Everything the sampler needs of one Gaussian model, and what turns its draws into effects."""

    problem: Problem
    layout: Layout
    population: Population
    priors: PredictorPriors
    integrated: tuple[GroupDesign, ...]  # with the columns that the priors are about
    sampled: tuple[GroupDesign, ...]
    log_sigma: Population | None = None  # of sigma's own predictor, where it has columns
    weights: Floats | None = None  # (n,) known weights of the rows
    errors: Errors | None = None  # where the problem is for the sparse kernel
    chains: Mapping[str, Chained] = field(default_factory=dict)  # of the factors that are such
    # What the sparse kernel's problem was made of: terms, y, X, known weights, offset.
    made_of: tuple[list[Effects], Floats, Floats, Floats | None, Floats | None] | None = None

    def likelihood(self) -> Likelihood | None:
        """One that is quicker than the problem's own, see `marginal.ratio`; None where none is."""
        if self.made_of is None or self.problem.plan.flops < SLOW_FLOPS:
            return None
        from mixedbayes.marginal.ratio import ratio_likelihood

        return ratio_likelihood(self.problem, *self.made_of)

    def parameters(self, constrained: Constrained, rng: np.random.Generator) -> dict[str, Floats]:
        """Draws (S, ...) of every named parameter: effects are exact draws given the others."""
        beta, effects = draw_effects(*self._given(constrained), rng, self._maps())
        drawn = self._by_term(effects)
        for g in self.sampled:
            u, L = constrained.spherical[g.name], constrained.L[g.name]
            drawn[g.name] = self.priors.effects_at_zero(np.einsum("sij,sgj->sgi", L, u), g.name)
        return self._parameters(constrained, beta, drawn)

    def summaries(
        self, constrained: Constrained, rng: np.random.Generator, probs: Sequence[float]
    ) -> tuple[dict[str, Floats], dict[str, tuple[EffectsSummary, EffectsSummary]]]:
        """As `parameters`, with integrated group effects as summaries instead of draws.

        Of each factor the deviations, and population effects + deviations. Smooths belong to the
        population, and are drawn.

        Given the parameters an effect's moments are exact, so that of very many effects a few
        hundred draws of the parameters say as much as thousands.
        """
        given = self._given(constrained)
        effects_in_all = sum(g.n_levels * len(g.terms) for g in self.integrated)
        enough = max(FEWEST_DRAWS, int(SUMMARISED / effects_in_all))
        out = self._parameters(constrained, *self._population(constrained, rng))
        shifts = [self.population.shift(g.terms, constrained.coefficients) for g in self.integrated]
        own: list[Shift] = []
        for g, shift in zip(self.integrated, shifts, strict=True):
            parts = (list(b) for b in self._blocks(g))
            own += [Shift(shift.map[b], shift.constant[:, b]) for b in parts]
        kept = effects_moments(*given, probs=probs, max_draws=enough, maps=self._maps(), shifts=own)
        b, c = (self._summaries(part) for part in kept)
        return out, {g.name: (b[g.name], c[g.name]) for g in self.integrated if g.grouping}

    def _blocks(self, g: GroupDesign) -> Sequence[Sequence[int]]:
        """Which effects of a term the kernel has together: all, or those of blocks of a chain."""
        chain = self.chains.get(g.name)
        return [range(len(g.terms))] if chain is None else chain.blocks

    def _maps(self) -> list[Floats | None]:
        """What takes effects that the priors are about to those at zero."""
        placed, maps = self.priors.placed, []
        for g in self.integrated:
            maps += [placed[g.name].T if g.name in placed else None] * len(self._blocks(g))
        return maps

    def _population(
        self, constrained: Constrained, rng: np.random.Generator
    ) -> tuple[Floats, dict[str, Floats]]:
        """Draws of the population effects, and of the smooths' coefficients by name."""
        problem, L, residual, v = self._given(constrained)
        smooths = [g.name for g in self.integrated if not g.grouping]
        if not smooths:
            return draw_population(problem, L, residual, v, rng), {}
        columns = sum(g.n_levels * len(g.terms) for g in self.integrated)
        found = []
        for own in row_blocks(len(residual), max(1, _DRAWN // columns)):
            beta, b = draw_effects(problem, [f[own] for f in L], residual[own], v[own], rng)
            every = self._by_term(b)
            found.append([beta, *(every[name].copy() for name in smooths)])
        beta, *effects = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return beta, dict(zip(smooths, effects, strict=True))

    @property
    def n_links(self) -> int:
        """How many of a residual's numbers are those of chains."""
        return sum(f.n_links for f in self.layout.integrated)

    def new_effects(
        self, L: Sequence[Floats], residual: Floats, rng: np.random.Generator
    ) -> Iterator[tuple[GroupDesign, Floats]]:
        """Effects (J, q) of independent levels from their distribution, for each term."""
        links = residual[: self.n_links]
        for (name, chain, own), g in zip(self._split(L), self.integrated, strict=True):
            z = rng.standard_normal((g.n_levels, len(g.terms)))
            if chain is None:
                yield g, z @ own[0].T
                continue
            here, links = np.split(links, [self.layout.factor(name).n_links])
            yield g, chain.correlated(z, [float(f[0, 0]) for f in own], here)

    def _split[T](self, parts: Sequence[T]) -> Iterator[tuple[str, Chained | None, list[T]]]:
        """What the kernel has of each term: of a chain that of its blocks."""
        left = iter(parts)
        for g in self.integrated:
            chain = self.chains.get(g.name)
            yield g.name, chain, [*islice(left, 1 if chain is None else len(chain.blocks))]

    def _by_term(self, effects: Sequence[Floats]) -> dict[str, Floats]:
        every = self._split(effects)
        return {name: own[0] if chain is None else chain.joined(own) for name, chain, own in every}

    def _summaries(self, effects: Sequence[EffectsSummary]) -> dict[str, EffectsSummary]:
        every = self._split(effects)
        return {name: own[0] if chain is None else chain.summary(own) for name, chain, own in every}

    def least_sigma(self, constrained: Constrained) -> float:
        """The least sigma of a row, given one value of the parameters."""
        if constrained.log_sigma is None:
            return float(constrained.sigma)
        parts = self.problem.sections
        log_sigma = parts["scale_X"] @ constrained.log_sigma + parts["scale_0"]
        return float(np.exp(log_sigma.min()))

    def factors(self, constrained: Constrained) -> list[Floats]:
        """L (..., q, q) of what the kernel integrates: all terms, or blocks of a chain."""
        out: list[Floats] = []
        for g in self.integrated:
            chain = self.chains.get(g.name)
            own = [constrained.L[g.name]] if chain is None else chain.sds(constrained.sd[g.name])
            out += own
        return out

    def _given(self, constrained: Constrained) -> tuple[Problem, list[Floats], Floats, Floats]:
        return self.problem, self.factors(constrained), constrained.residual, constrained.v

    def _parameters(
        self, constrained: Constrained, beta: Floats, effects: Mapping[str, Floats]
    ) -> dict[str, Floats]:
        """Draws of every parameter by name, and of those factors' effects, at zero, that were
        drawn.
        """
        out = {} if self.layout.sigma is None else {names.SIGMA: constrained.sigma}
        if self.layout.correlations is not None:
            assert constrained.numbers is not None
            out |= self.layout.correlations.residual.named(constrained.numbers)
        out |= self.population.named(beta, constrained.coefficients, names.MU)
        if self.log_sigma is not None and constrained.log_sigma is not None:
            none = np.empty((len(constrained.log_sigma), 0))
            out |= self.log_sigma.named(none, constrained.log_sigma, names.SIGMA)
        for g in (*self.integrated, *self.sampled):
            own = {names.sd(g.name): g.told_sd(constrained.sd[g.name])}
            if g.correlated:
                cor = constrained.cor[g.name]
                chained = g.name in self.chains
                own[names.cor(g.name)] = g.told_numbers(cor) if chained else g.told_cor(cor)
            out |= self.priors.at_zero(own, g.name)
            if g.name in effects:
                out[names.ranef(g.name)] = effects[g.name]
        return out


def needs_sparse(design: Design) -> bool:
    """Whether a sparse factor of all effects is needed.

    Where a term is no grouping factor, effects are in chains, residuals are correlated, or sigma
    has a formula.
    """
    apart = design.residual is None and not design.further
    groups = design.mu.groups
    return not apart or any(g.entangled or Chained.of(g) is not None for g in groups)


def plan_of(design: Design, priors: Priors, max_dense: int = MAX_DENSE) -> Plan | SparsePlan:
    """How the effects will be eliminated, and which factors' effects have to be sampled."""
    groups = design.mu.groups
    p = len(Population.of(design.mu, priors.mu).integrated)
    if needs_sparse(design):
        from mixedbayes.marginal.sparse.problem import sparse_plan

        moved = priors.mu.moved(design.mu).groups
        terms, names_of = _integrated(moved, chains_of(moved))
        return sparse_plan(terms, design.n, p, names_of, errors_of(design))
    return choose_plan(
        [(g.refs, g.Z, g.n_levels) for g in groups],
        p,
        names=[g.name for g in groups],
        max_dense=max_dense,
    )


def products_of(design: Design, priors: Priors) -> int:
    """How many products of columns the residual's inverse covariance makes, at most; 0 where rows
    are independent with one sigma.
    """
    from mixedbayes.marginal.sparse.entries import find_entries

    if design.residual is None and not design.further:
        return 0
    groups = design.mu.groups
    alone = len(design.mu.terms) + design.mu.intercept + 1  # columns of a row, and the response
    each = alone + sum(len(g.pieces) * len(g.terms) for g in groups)
    _, _, columns, offset = _scales(design, priors)
    entries = find_entries(errors_of(design, columns, offset), design.n, None)
    every = sum(g.n_levels * len(g.terms) for g in groups) + each
    meets, total = np.full(design.n, float(each)), 0.0
    if entries.sums is not None:
        meets = np.append(meets, np.minimum(np.diff(entries.sums.indptr) * float(each), every))
        met = alone + entries.met([(g.pieces, g.n_levels, len(g.terms)) for g in groups])
        total = float((met * (met + 1)).sum())
    per_weight = np.bincount(entries.number, meets[entries.rows] * meets[entries.columns])
    return int(total + np.minimum(per_weight, float(every) * meets.max()).sum())


def set_up(design: Design, priors: Priors, max_dense: int = MAX_DENSE) -> Setup:
    """Cross-products, elimination plan and parameter layout of a Gaussian model."""
    predictor = priors.mu.moved(design.mu)
    population = Population.of(predictor, priors.mu)
    mean, precision = population.prior_moments()
    rows = (design.y, population.columns(predictor, population.integrated))
    given: dict[str, Any] = {
        "weights": design.weights,
        "offset": predictor.offset,
        "prior_mean": mean,
        "prior_precision": precision,
        "X_sampled": population.columns(predictor, population.sampled),
        "max_dense": max_dense,
    }
    integrated, sampled = predictor.groups, predictor.groups[:0]
    log_sigma, correlations, errors = None, None, None
    chains: Mapping[str, Chained] = {}
    made_of = None
    if needs_sparse(design):
        from mixedbayes.marginal.sparse.problem import build_sparse_problem

        log_sigma, given["weights"], columns, offset = _scales(design, priors)
        errors = errors_of(design, columns, offset)
        if design.residual is not None and errors.correlations is not None:
            distances = errors.correlations.distances
            correlations = ResidualParameters.of(design.residual, priors, distances)
        chains = chains_of(integrated)
        terms, given["names"] = _integrated(integrated, chains)
        problem: Problem = build_sparse_problem(*rows, terms, errors=errors, **given)
        made_of = (terms, *rows, given["weights"], given["offset"])
    else:
        left_out = plan_of(design, priors, max_dense).sampled
        integrated = tuple(g for k, g in enumerate(predictor.groups) if k not in left_out)
        sampled = tuple(g for k, g in enumerate(predictor.groups) if k in left_out)
        factors = [(g.refs, g.Z, g.n_levels) for g in integrated]
        given["names"] = [g.name for g in integrated]
        given["sampled_factors"] = [(g.refs, g.Z, g.n_levels) for g in sampled]
        if design.standing is not None:
            given["of_rows"] = design.standing.used, design.standing.log_weights
            given["apart"] = Parts.of(design.standing, [g.factors for g in integrated])
        problem = build_problem(*rows, factors, **given)
    layout = _layout(population, integrated, sampled, priors, log_sigma, correlations, chains)
    return Setup(
        problem, layout, population, priors.mu, integrated, sampled, log_sigma, given["weights"],
        errors, chains, made_of,
    )  # fmt: skip


def _scales(
    design: Design, priors: Priors
) -> tuple[Population | None, Floats | None, Floats | None, Floats | None]:
    """sigma's own predictor: its population, the rows' weights, and the columns and offset of log
    sigma. One without columns is known, and enters the weights.
    """
    if names.SIGMA not in design.further:
        return None, design.weights, None, None
    own = priors.predictor(names.SIGMA)
    predictor = own.moved(design.predictor(names.SIGMA))
    population = Population.of(predictor, own, integrate=False)
    if population.terms:
        columns = population.columns(predictor, population.sampled)
        return population, design.weights, columns, predictor.offset
    weights = np.ones(design.n) if design.weights is None else design.weights
    known = 0.0 if predictor.offset is None else predictor.offset
    return None, weights * np.exp(-2.0 * known), None, None


def errors_of(
    design: Design, columns: Floats | None = None, offset: Floats | None = None
) -> Errors:
    """The residual's standard deviations and correlations, as the sparse kernel takes them."""
    from mixedbayes.marginal.sparse.entries import Correlations, Errors, Kind

    own = design.residual
    if own is None:
        return Errors(columns, offset)
    positions = own.structure.positions(own.n_positions)
    kind: Kind = "chain" if own.structure.chain else "equal" if own.structure.equal else "any"
    correlations = Correlations(own.refs, own.places, positions, kind, own.arms, own.n_arms)
    return Errors(columns, offset, correlations)


def _integrated(
    groups: Sequence[Term], chains: Mapping[str, Chained]
) -> tuple[list[Effects], list[str]]:
    """Terms as the sparse kernel takes them, and their names."""
    from mixedbayes.marginal.sparse.products import Effects

    out, named = list[Effects](), list[str]()
    for g in groups:
        if g.name in chains:
            out += (own := chains[g.name].effects())
            named += [g.name] * len(own)
            continue
        noun = "level" if g.grouping else "function"
        out.append(Effects(g.pieces, g.n_levels, g.precision, g.log_determinant, noun=noun))
        named.append(g.name)
    return out, named


def _layout(
    population: Population,
    integrated: Sequence[GroupDesign],
    sampled: Sequence[GroupDesign],
    priors: Priors,
    log_sigma: Population | None,
    correlations: ResidualParameters | None,
    chains: Mapping[str, Chained],
) -> Layout:
    distances = {name: chain.distances for name, chain in chains.items()}
    factors = [
        FactorParameters.of(g, priors.mu, distances=distances.get(g.name)) for g in integrated
    ]
    factors += [FactorParameters.of(g, priors.mu, sampled=True) for g in sampled]
    coefficients = tuple((population.terms[i], population.priors[i]) for i in population.sampled)
    assigned = priors.parameters.get(names.SIGMA)
    sigma = None if assigned is None else assigned.prior
    scales = () if log_sigma is None else zip(log_sigma.terms, log_sigma.priors, strict=True)
    named = tuple((names.label(names.SIGMA, term), prior) for term, prior in scales)
    return Layout(tuple(factors), sigma, coefficients, population.steps, named, correlations)
