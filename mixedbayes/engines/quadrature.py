"""Draws of the few parameters of a generalised model whose effects are integrated by quadrature.

By proposals from a polynomial, and NUTS where they are rarely accepted, where chains stay for long
in a tail, or where it is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Floats
from mixedbayes.engines.base import Chosen, Engine, Unsuitable, factors
from mixedbayes.engines.whitened import sample_whitened
from mixedbayes.errors import ModelError, SamplingError
from mixedbayes.model.formulations import Formulation
from mixedbayes.model.spec import Spec
from mixedbayes.numerics.threads import available_cores, one_blas_thread
from mixedbayes.sample.result import THETA, SamplingResult
from mixedbayes.sample.settings import Settings

if TYPE_CHECKING:
    from mixedbayes.marginal.summaries import EffectsSummary

# Levels from which on it is chosen. Effective draws in a CPU second, and those of the joint engine:
#
#                         10 x 20       30 x 10 or 5   100 x 5        100 x 200   300 x 5 (levels x
#     Poisson, (1 | g)    11300, 7200   11800, 7800                               rows of each)
#     Poisson, (x | g)    1500, 3500    7300, 2100     4600, 760      400, 100
#     Bernoulli, (1 | g)                               5400, 2300
#     Bernoulli, (x | g)                970, 1100      2400, 580      250, 80
#     gamma, (1 | g)                                   6600, 2900
#     negative binomial, (x | g)                                                  310, 200
#
# Ordered categories, five of them in 5 rows of each level; wine has 8 ratings of each of 9 judges:
#
#                                  wine          30 levels     100           300          1,000
#     cumulative, (1 | g)          4700, 2800    3500, 3200    3500, 1600                 890, 480
#     cumulative, probit                                       3100, 1700                 610, 490
#     cumulative, (x | g)                      410, 1000    1500, 420     520, 210   230 on, 110
#     sratio, acat                                             3800, 1300 and 2800, 530
#     categorical, 3 of them                                   850, 670                   130, 116
#
# With few levels the posterior is no longer close to a polynomial, and a value of the integral
# then costs more than a gradient of all effects.
#
# Where rows are not concave in their predictors, the rule takes more nodes and steps (5 rows each):
#
#                                       100 levels    500 levels
#     Student t, (1 | g)                3000, 5400    740, 1470
#     zero-inflated Poisson, (1 | g)    2200, 5200    550, 290
#     negative binomial, shape ~ x      1000, 1800
#     gamma, effects on mean and shape  290, 390
#
# Nested factors, (1 | a/b): coarse levels x levels in each x rows; quadrature, then joint.
#
#                   30 x 3 x 5    100 x 3 x 5   100 x 8 x 5   300 x 3 x 5   1000 x 3 x 5
#     Poisson       4960, 2660    1970, 2410    970, 980      770, 140
#     Bernoulli     1060, 2120    1070, 1150    770, 960      590, 490      190, 20
#     Bernoulli with 400 x 2 x 5: 670, 530; 200 x 4 x 3: 790, 580; 300 x 3 x 15: 300, 340
#
# Not taken are several effects in a level of nested factors: nodes of both factors would multiply,
# to 225 in a row for (1 | a) + (x | a:b), 405 for (x | a) + (1 | a:b), 2,025 for (x | a/b). At 3.8
# and 5.2 ns a node (Poisson, Bernoulli) that would make about so many effective draws in a CPU
# second, beside those of the joint engine, of 3 x 4 rows in each coarse level:
#
#     coarse levels   (1 | a) + (x | a:b)   (x | a) + (1 | a:b)   (x | a/b)
#     Poisson, 100         390, 140              220, 250          43, 98
#     Bernoulli, 100       280, 240              155, 305          31, 141
#     Bernoulli, 1,000     28, 6                 16, 3
#
# Nor responses of different families that share a factor, whose rows are known all at once alone:
# two of 300 levels have 170 to 190 jointly. Nor smooths beside a factor: s(x) and 1,000 levels have
# 180 jointly, a polynomial of degree 5 in the place of s(x) 84 by quadrature, start included.
#
FEWEST, FEWEST_NOT_CONCAVE = 100, 1000
FEWEST_NESTED = 1000  # of all factors, FEWEST of them of the coarsest
APPROXIMATED = 16  # most coordinates of a polynomial, of 1,000 coefficients
# Error of a polynomial's slopes up to which proposals are made from it, whose acceptance then says
# whether it serves; NUTS takes its slopes up to `surrogate.ERROR`. Where the sd of 1,000 levels'
# slopes is near 0, 82 to 86 % of the proposals are accepted at errors of 0.15 to 0.4. Effective
# draws in a CPU second, by NUTS, and by the joint engine: Poisson 396, 97, 100; five ordered
# categories 228, 46, 107.
FARTHEST = 0.6
MOVED = 0.05  # posterior sds that a finer rule may move a mean without a word


@dataclass(frozen=True)
class Quadrature(Formulation):
    """Effects of one grouping factor integrated out numerically, and drawn back exactly.

    By adaptive Gauss-Hermite quadrature with `nodes` in each dimension of a level's effects; None:
    as many as change the log posterior by less than 0.01 beside the next finer rule. Effects of a
    level on the mean and on further parameters are one vector, of up to three numbers in all. For
    the whole model. Of nested factors, `(1 | a/b/c)`, each with one effect in a level, those of the
    finer one are integrated given each node of the coarser one's. Their nodes lie at even steps, so
    many within each direction's reach at the coarsest levels, and more at the others, as the
    coarser ones' spread asks for.

    Where the density of a level's effects has several modes or long tails, so that no number of
    nodes leaves the log posterior as it is, fitting raises SamplingError; where the engine was not
    asked for, the next one samples, and `fit.formulation` says why.

    Parameters
    ----------
    nodes
        Nodes in each dimension of a level's effects; None: as many as matter.

    See Also
    --------
    Marginal : In closed form, of Gaussian models.
    PartiallyCentered : Effects sampled beside the other parameters.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> ticks = mb.load_data("grouseticks")
    >>> formula = "TICKS ~ YEAR + (1 | BROOD)"
    >>> model = mb.Model(formula, ticks, family="poisson", formulation=mb.Quadrature())
    >>> print(model.formulation)
    Quadrature()
    """

    nodes: int | None = None

    def __post_init__(self) -> None:
        given = self.nodes
        if given is None:
            return
        if isinstance(given, bool) or not isinstance(given, Integral) or not 3 <= given <= 100:
            raise ModelError(
                f"Quadrature(nodes={given!r}): must be an integer from 3 to 100, or None"
            )
        object.__setattr__(self, "nodes", int(given))


@dataclass(frozen=True)
class QuadratureEngine(Engine):
    """The posterior of coefficients, variances and family's parameters alone; then the effects.

    Samplers other than nutpie sample the pm.Model with its group effects.
    """

    name: ClassVar[str] = "quadrature"
    formulations: ClassVar[tuple[type[Formulation], ...]] = (Quadrature,)
    reason: ClassVar[str] = (
        "the effects of each level are integrated out by quadrature, so that few parameters are "
        "left to sample"
    )
    summaries: ClassVar[bool] = True

    def obstacle(self, spec: Spec) -> str | None:
        from mixedbayes.quadrature.obstacle import obstacle

        return obstacle(spec.design, spec.family, spec.priors)

    def burden(self, spec: Spec) -> str | None:
        from mixedbayes.quadrature.obstacle import concave

        plain = concave(spec.design, spec.family) and not spec.design.further
        if len(spec.design.mu.groups) > 1:
            return _burden_of_nested(spec, plain)
        g = next(g for p in spec.design.predictors for g in p.groups)
        fewest = FEWEST if plain else FEWEST_NOT_CONCAVE
        if g.n_levels >= fewest:
            return None
        return (
            f"{g.name} has {g.n_levels} levels, and with fewer than {fewest} it takes less time to "
            "sample their effects than to integrate them out"
        )

    def account(self, spec: Spec, settings: Settings, chosen: Chosen) -> str:
        if settings.sampler != "nutpie":
            return "All parameters were sampled jointly."
        return (
            "The group effects were integrated out of the posterior by adaptive Gauss-Hermite "
            "quadrature, so that the sampler moved in the other parameters alone; given each draw, "
            "the effects were then drawn from their conditional distribution by some steps of "
            "independence Metropolis."
        )

    def sample(self, spec: Spec, settings: Settings, chosen: Chosen) -> SamplingResult:
        if settings.sampler != "nutpie":
            return self.sample_with_effects(spec, settings, chosen)
        asked = next(iter(chosen.groups.values()))
        with one_blas_thread():
            return _sample(spec, settings, asked.nodes if isinstance(asked, Quadrature) else None)


def _burden_of_nested(spec: Spec, concave: bool) -> str | None:
    if not concave:
        return (
            "nested factors of rows that are not log-concave are integrated out where "
            "formulation=mb.Quadrature() asks for it"
        )
    every = [g.n_levels for g in spec.design.mu.groups]
    if sum(every) >= FEWEST_NESTED and min(every) >= FEWEST:
        return None
    return (
        f"nested factors have {sum(every):,} levels, {min(every):,} of them the coarsest, and with "
        f"fewer than {FEWEST_NESTED:,}, or {FEWEST}, it takes less time to sample their effects "
        "than to integrate them out"
    )


def _sample(spec: Spec, settings: Settings, nodes: int | None) -> SamplingResult:
    from mixedbayes import jit
    from mixedbayes.engines.marginal import MAX_BYTES
    from mixedbayes.marginal.summaries import QUANTILES
    from mixedbayes.marginal.surrogate import ERROR, fit_surrogate
    from mixedbayes.quadrature.draws import draw_all, summarise
    from mixedbayes.quadrature.evidence import integrated
    from mixedbayes.quadrature.integral import expect, integrate
    from mixedbayes.quadrature.kernel import density, draw_effects, marginal
    from mixedbayes.quadrature.modes import find_modes
    from mixedbayes.quadrature.nested import draw_nested, nested
    from mixedbayes.quadrature.resolve import shift
    from mixedbayes.sample.defaults import QUADRATURE, measured_non_normality
    from mixedbayes.sample.labels import named_result
    from mixedbayes.sample.transitions import sample_transitions
    from mixedbayes.theta.transitions import accepted_turns, chain
    from mixedbayes.theta.whitening import to_theta, to_z

    began, cores = time.perf_counter(), settings.cores or available_cores()
    of_mean = not any(p.groups for p in spec.design.predictors if p is not spec.design.mu)
    of_mean = of_mean and len(spec.design.mu.groups) == 1
    if settings.effects == "summary" and not of_mean:
        raise SamplingError(
            'effects="summary" is of effects of one factor on the mean, and here there are others; '
            'use effects="draws".'
        )
    # which a first fit compiles beside what follows
    several = len(spec.design.mu.groups) > 1
    integrals = find_modes, *((nested,) if several else ()), expect, integrate, marginal
    proposals = () if settings.of_nuts else (chain, accepted_turns)
    drawn = draw_nested if several else draw_effects
    jit.ahead(*integrals, to_theta, to_z, drawn, *proposals)
    density.ready()
    resolved = integrated(spec.design, spec.family, spec.priors, nodes, cores)
    said = resolved.trouble(factors(spec)) if nodes is None or resolved.explodes else None
    if said is not None:
        raise Unsuitable(said)
    white, mode = resolved.white, resolved.mode
    joint, q = white.layout.joint, len(white.modes)
    near = fit_surrogate(white, cores, FARTHEST) if white.ndim <= APPROXIMATED else None
    result = None
    if near is not None and not settings.of_nuts:
        result = sample_transitions(white, near, settings)
    if result is None:
        near = near if near and near.error <= ERROR else None
        white = replace(white, surrogate=near)
        non_normality = (
            near.non_normality if near else measured_non_normality(white.logp_grad, white.ndim)
        )
        result, eta = sample_whitened(white, mode, non_normality, QUADRATURE, settings)
    else:
        eta = result.posterior[THETA].to_numpy().reshape(-1, white.ndim)
    t = white.whitening.to_theta(eta)
    theta = t if white.tails is None else white.tails.phi(t)
    phi, coefficients = theta[:, : joint.n_hyper], theta[:, joint.n_hyper :]
    given, rng = (white, phi, coefficients), np.random.default_rng(result.seed)
    kept: dict[str, tuple[EffectsSummary, EffectsSummary]] = {}
    large = 8.0 * len(phi) * white.modes.size > MAX_BYTES
    if settings.effects == "summary" or (settings.effects == "auto" and large and of_mean):
        (g,) = spec.design.mu.groups
        values = joint.told(phi, [np.empty((len(phi), 0, q))], coefficients)
        values = {name: x for name, x in values.items() if not names.is_ranef(name)}
        population = _coefficients(spec, values, len(phi))
        kept[g.name] = summarise(*given, population, rng, cores, QUANTILES)
    else:
        values = joint.told(phi, draw_all(*given, rng, cores), coefficients)
    moved = shift(resolved, eta, cores)
    if not moved <= MOVED:
        said = (
            f"Effects are integrated with {resolved.nodes} nodes in each dimension, and a finer "
            f"rule moves a posterior mean by {moved:.2g} sd. Remedy: "
            "formulation=mb.PartiallyCentered(), which needs no quadrature."
        )
        result = replace(result, note=f"{result.note} {said}".strip())
    return replace(named_result(spec, result, values, began), effects=kept)


def _coefficients(spec: Spec, values: Mapping[str, Floats], draws: int) -> Floats:
    """(S, q) the population's coefficients of a level's effects; 0 where there is none."""
    mu, (g,) = spec.design.mu, spec.design.mu.groups
    found = np.zeros((draws, len(g.terms)))
    for k, term in enumerate(g.terms):
        if term == names.INTERCEPT and mu.intercept:
            found[:, k] = values[names.intercept()]
        elif term in mu.terms:
            found[:, k] = values[names.fixef()][:, mu.terms.index(term)]
    return found
