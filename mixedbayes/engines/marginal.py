"""Draws of the variance parameters of a Gaussian model, then exact draws of all effects."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Floats
from mixedbayes.engines.base import Chosen, Engine, Reading
from mixedbayes.engines.whitened import sample_whitened
from mixedbayes.errors import ModelError, SamplingError
from mixedbayes.marginal.plan import MAX_DENSE
from mixedbayes.model.coords import dims_of
from mixedbayes.model.formulations import Formulation
from mixedbayes.model.spec import Spec
from mixedbayes.numerics.threads import available_cores, one_blas_thread
from mixedbayes.sample.result import THETA, SamplingResult
from mixedbayes.sample.settings import Settings

if TYPE_CHECKING:
    import pymc as pm

    from mixedbayes.marginal.parameters import Constrained
    from mixedbayes.marginal.setup import Setup
    from mixedbayes.marginal.summaries import EffectsSummary

# Rounding errors of the log density that are still small: its sums of squares have 16 digits.
_ROUNDING = 0.01
_EXACT = 1e-13  # residual sd, of the response's range, that its own rounding errors make
MAX_PRODUCTS = 20_000_000  # that a gradient takes in some hundredths of a second
MAX_BYTES = 2e9  # draws of group effects beyond this are summarised, unless asked for


@dataclass(frozen=True)
class Marginal(Formulation):
    """Effects integrated out in closed form and drawn back exactly; Gaussian models only.

    Effects of crossed factors meet in one dense block. Where it would have more than `max_dense`
    columns, those of the largest crossed factors are sampled, and the others integrated. With terms
    that are no grouping factors, such as smooths, it is the most columns of a dense block of the
    sparse factor of all effects; a model that needs more is left to other engines.

    Parameters
    ----------
    max_dense
        Most columns of the dense block in which effects of crossed factors meet.

    See Also
    --------
    Quadrature : Of other families.
    PartiallyCentered : Effects sampled beside the other parameters.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> model = mb.Model("Reaction ~ Days + (1 | Subject)", sleep, formulation=mb.Marginal())
    >>> print(model.formulation)
    Marginal()
    """

    max_dense: int = MAX_DENSE

    def __post_init__(self) -> None:
        given = self.max_dense
        if isinstance(given, bool) or not isinstance(given, Integral) or given < 0:
            raise ModelError(f"Marginal(max_dense={given!r}): must be an integer, 0 or more")
        object.__setattr__(self, "max_dense", int(given))


@dataclass(frozen=True)
class MarginalEngine(Engine):
    """The marginal posterior of the variance parameters is sampled, and the effects drawn back.

    The mode and curvature of the marginal posterior give starting points and the metric in which
    chains move, so that tuning is short. Of few parameters `sample.transitions` proposes draws from
    a polynomial close to the density, see `mixedbayes.marginal.surrogate`, and a draw costs one
    value. NUTS takes its place where the posterior is far from such a polynomial or has a long
    tail, proposals are rarely accepted, chains stay for long where they are, or the user sets what
    NUTS alone has; of gradients that take long a surrogate serves there, and a step follows a
    normal density exactly.
    Samplers other than nutpie sample the pm.Model of `mixedbayes.model.marginal`.
    """

    name: ClassVar[str] = "marginal"
    formulations: ClassVar[tuple[type[Formulation], ...]] = (Marginal,)
    reason: ClassVar[str] = "the response is Gaussian, so all effects integrate out exactly"
    qualities: ClassVar[str] = "exact"
    summaries: ClassVar[bool] = True
    quick: ClassVar[bool] = True
    sums: ClassVar[bool] = True

    def obstacle(self, spec: Spec) -> str | None:
        design = spec.design
        scales = [p for p in design.predictors[1:] if p.intercept or p.terms]
        sampled = names.SIGMA in spec.priors.parameters or design.residual or scales
        if spec.closed_form_obstacle is None and not sampled and not design.mu.groups:
            return "all variances are known, so that none is left to sample"
        return spec.closed_form_obstacle

    def burden(self, spec: Spec) -> str | None:
        from mixedbayes.marginal.setup import needs_sparse, plan_of, products_of

        mu = spec.design.mu
        products = products_of(spec.design, spec.priors)
        if products > MAX_PRODUCTS:
            return (
                "the residual's inverse covariance has so many distinct entries that their "
                f"products with the columns are {products:,}, more than {MAX_PRODUCTS:,}"
            )
        columns = sum(g.n_levels * len(g.terms) for g in mu.groups) + len(mu.terms) + mu.intercept
        if columns <= MAX_DENSE or not needs_sparse(spec.design):
            return None
        largest = plan_of(spec.design, spec.priors).n_dense
        if largest <= MAX_DENSE:
            return None
        return (
            f"integrating the effects of {' and '.join(g.name for g in mu.groups)} needs a dense "
            f"block of {largest:,} columns, more than {MAX_DENSE:,}"
        )

    def plan(self, spec: Spec, chosen: Chosen) -> str:
        from mixedbayes.marginal.setup import plan_of

        if not chosen.groups:
            return ""
        return str(plan_of(spec.design, spec.priors, _max_dense(chosen)))

    def account(self, spec: Spec, settings: Settings, chosen: Chosen) -> str:
        from mixedbayes.marginal.setup import Population, plan_of

        mu = spec.design.mu
        population = Population.of(mu, spec.priors.mu)
        plan = plan_of(spec.design, spec.priors, _max_dense(chosen)) if mu.groups else None
        stay = plan.sampled if plan else ()
        out = ["population"] * bool(population.integrated)
        out += ["group"] * (len(stay) < len(mu.factors))
        integrated = [f"{' and '.join(out)} effects"] * bool(out)
        integrated += ["smooths"] * bool(mu.smooths)
        if not integrated:
            return "All parameters were sampled jointly."
        beside = [f"the effects of {mu.groups[k].name}" for k in stay]
        beside += [f"the steps of {m.name}" for m in population.monotonic]
        beside += ["the correlations of residuals"] * (spec.design.residual is not None)
        beside += [f"the effects on {name}" for name in spec.design.further]
        if n := len(population.sampled) - sum(map(len, population.steps)):
            beside.append(f"{n} population effect{'s' * (n > 1)} without a normal prior")
        moved = "the variance parameters" + (f", {' and '.join(beside)}" if beside else " alone")
        return (
            f"The {' and the '.join(integrated)} were integrated out of the posterior in closed "
            f"form, so that the sampler moved in {moved}; they were then drawn from their exact "
            "conditional distribution given each draw."
        )

    def sample(self, spec: Spec, settings: Settings, chosen: Chosen) -> SamplingResult:
        """Draws of every parameter; where effects are "auto", draws of them up to 2 GB."""
        from mixedbayes.marginal.summaries import QUANTILES
        from mixedbayes.sample.labels import named_result

        began = time.perf_counter()
        setup = _set_up(spec, chosen)
        _compile_ahead(setup, settings)
        sample = _sample_density if settings.sampler == "nutpie" else _sample_model
        with one_blas_thread():
            result, constrained = sample(spec, setup, settings)
        rng = np.random.default_rng(result.seed)
        effects: dict[str, tuple[EffectsSummary, EffectsSummary]] = {}
        if _summarise(setup, result.sample_stats["diverging"].size, settings.effects):
            values, effects = setup.summaries(constrained, rng, QUANTILES)
        else:
            values = setup.parameters(constrained, rng)
        return replace(named_result(spec, result, values, began), effects=effects)

    def model(self, spec: Spec, chosen: Chosen) -> pm.Model:
        from mixedbayes.model.marginal import build_marginal

        return build_marginal(spec, _set_up(spec, chosen))

    def reading(self, spec: Spec, chosen: Chosen) -> Reading:
        """Effects that the trace lacks are drawn from their exact distribution given the rest."""
        from mixedbayes.model.marginal import constrained_of, variable_dims, variables

        setup, dims = _set_up(spec, chosen), dims_of(spec)
        dims |= variable_dims(setup)
        dims |= {names.spherical(g.name): dims[names.ranef(g.name)] for g in setup.sampled}
        own = (m.name for m in spec.design.mu.monotonic)
        dims |= {names.simplex(name): (names.step_dim(name),) for name in own}

        def named(draws: Mapping[str, Floats], seed: int) -> Mapping[str, Floats]:
            with one_blas_thread():
                return setup.parameters(constrained_of(setup, draws), np.random.default_rng(seed))

        return {name: dims.get(name, ()) for name in variables(setup)}, named


def _compile_ahead(setup: Setup, settings: Settings) -> None:
    from mixedbayes import jit
    from mixedbayes.marginal.effects import compile_ahead
    from mixedbayes.theta.transitions import accepted_turns, chain

    draws = settings.chains * settings.draws
    compile_ahead(setup.problem, summaries=_summarise(setup, draws, settings.effects))
    if settings.sampler == "nutpie" and not settings.of_nuts:
        jit.ahead(chain, accepted_turns)


def _max_dense(chosen: Chosen) -> int:
    """As asked; without groups nothing depends on it."""
    return next((f.max_dense for f in chosen.groups.values() if isinstance(f, Marginal)), MAX_DENSE)


def _set_up(spec: Spec, chosen: Chosen) -> Setup:
    from mixedbayes.marginal.setup import set_up

    return set_up(spec.design, spec.priors, _max_dense(chosen))


def _sample_density(
    spec: Spec, setup: Setup, settings: Settings
) -> tuple[SamplingResult, Constrained]:
    """The compiled density, in the units of its mode's curvature, by proposals or by nutpie."""
    from mixedbayes.marginal.density import MarginalDensity
    from mixedbayes.marginal.mode import find_mode, share_variance, transform_tails, whiten
    from mixedbayes.marginal.surrogate import dear, fit_surrogate, proposals_pay, surrogate_pays
    from mixedbayes.sample.defaults import MARGINAL
    from mixedbayes.sample.transitions import DEAR, QUICK, falls_slowly, sample_transitions

    density = MarginalDensity(setup.layout, setup.problem, likelihood=setup.likelihood())
    density.compiled.ready()  # a first fit compiles it while the kernels are compiled elsewhere
    mode = find_mode(density)
    _check_rounding(spec, setup, setup.least_sigma(density.constrained(mode.theta)))
    density, mode = transform_tails(*share_variance(density, mode))
    white = whiten(density, mode)
    pays = surrogate_pays(setup.problem, density)
    proposed = proposals_pay(setup.problem, density) and not settings.of_nuts
    if pays or proposed:
        long = dear(setup.problem, density)
        cores = settings.cores or available_cores()
        near = fit_surrogate(white, cores if pays else 1)
        if near and proposed and not falls_slowly(white, near):
            drawn = sample_transitions(white, near, settings, DEAR if long else QUICK)
            if drawn is not None:
                eta = drawn.posterior[THETA].to_numpy().reshape(-1, white.ndim)
                return drawn, white.constrained(eta)
        white = replace(white, surrogate=near if pays else None)

    # without a surrogate nothing is known of it
    non_normality = white.surrogate.non_normality if white.surrogate else np.inf
    result, eta = sample_whitened(white, mode, non_normality, MARGINAL, settings)
    return result, white.constrained(eta)


def _check_rounding(spec: Spec, setup: Setup, sigma: float) -> None:
    """SamplingError where the effects fit the response so closely that rounding errors decide.

    The density adds up squares in units of sigma^2 that all but cancel.
    """
    square = setup.problem.sections["XX"][-1, -1]  # what the population's columns leave of y
    lost = np.finfo(float).eps * square > _ROUNDING * sigma**2
    if not lost and sigma > _EXACT * np.ptp(spec.design.y):
        return
    y, groups = spec.design.response, " and ".join(f.name for f in setup.layout.factors)
    raise SamplingError(
        f"{y} hardly changes within a level of {groups}, or follows the terms there exactly: the "
        f"effects leave a residual sd of {sigma:.2g} or less, the population's coefficients "
        f"alone one of {np.sqrt(square / setup.problem.n):.2g}, and the difference is lost in "
        f"rounding. Remedy: if {y} is a property of the level, give one row for each level and "
        "leave out its effects; if a term fits it exactly, leave out the term or its effects."
    )


def _sample_model(
    spec: Spec, setup: Setup, settings: Settings
) -> tuple[SamplingResult, Constrained]:
    """Another sampler on the pm.Model with the same density."""
    from mixedbayes.model.marginal import build_marginal, constrained_of
    from mixedbayes.sample.run import sample_model

    model = build_marginal(spec, setup)
    keep = [v.name for v in (*model.free_RVs, *model.deterministics)]
    result = sample_model(model, settings, keep=keep)
    draws = {
        str(name): values.to_numpy().reshape(-1, *values.shape[2:])
        for name, values in result.posterior.data_vars.items()
    }
    return result, constrained_of(setup, draws)


def _summarise(setup: Setup, draws: int, keep: str) -> bool:
    """Whether group effects are kept as summaries only."""
    size = 8.0 * draws * sum(g.n_levels * len(g.terms) for g in setup.integrated)
    return bool(setup.integrated) and (keep == "summary" or (keep == "auto" and size > MAX_BYTES))
