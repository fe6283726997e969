"""NUTS in the variance parameters of a Gaussian model, then exact draws of all effects."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.errors import SamplingError
from mixedbayes.marginal.density import MarginalDensity
from mixedbayes.marginal.mode import bend_tails, find_mode, initial_points, whiten
from mixedbayes.marginal.parameters import Constrained
from mixedbayes.marginal.plan import MAX_DENSE
from mixedbayes.marginal.setup import Setup, set_up
from mixedbayes.marginal.summaries import QUANTILES, EffectsSummary
from mixedbayes.marginal.surrogate import fit_surrogate, surrogate_pays
from mixedbayes.model.spec import Spec
from mixedbayes.numerics.threads import available_cores, one_blas_thread
from mixedbayes.sample.defaults import MARGINAL, choose_trajectory
from mixedbayes.sample.density import THETA, sample_density
from mixedbayes.sample.labels import named_result
from mixedbayes.sample.nutpie import CDensity
from mixedbayes.sample.result import SamplingResult
from mixedbayes.sample.settings import Keep, Settings

# Rounding errors of the log density that are still small: its sums of squares have 16 digits.
_ROUNDING = 0.01
_EXACT = 1e-13  # residual sd, of the response's range, that its own rounding errors make
MAX_BYTES = 2e9  # draws of group effects beyond this are summarised, unless asked for


def sample_marginal(
    spec: Spec, settings: Settings, keep: Keep = "auto", max_dense: int = MAX_DENSE
) -> SamplingResult:
    """Sample the marginal posterior of the variance parameters and draw the effects back.

    The mode and curvature of the marginal posterior give starting points and the metric in which
    NUTS moves, so that tuning is short. Where a surrogate of the gradient serves, see
    `mixedbayes.marginal.surrogate`, a step costs one value and follows a normal density exactly.

    Parameters
    ----------
    spec, settings
        The model and how to sample it; with sampler "pymc" PyMC's own NUTS samples the model
        of `mixedbayes.model.marginal`.
    keep
        Of group effects: "draws", "summary" (mean, sd and quantiles), or "auto": draws up to 2 GB.

    Returns
    -------
    SamplingResult
        Posterior draws of every named parameter, group effects among them.
    """
    began = time.perf_counter()
    setup = set_up(spec.design, spec.priors, max_dense)
    sample = _sample_density if settings.sampler == "nutpie" else _sample_model
    with one_blas_thread():
        result, constrained = sample(spec, setup, settings)
    rng = np.random.default_rng(result.seed)
    effects: dict[str, tuple[EffectsSummary, EffectsSummary]] = {}
    if _summarise(setup, result.sample_stats["diverging"].size, keep):
        values, effects = setup.summaries(constrained, rng, QUANTILES)
    else:
        values = setup.parameters(constrained, rng)
    return replace(named_result(spec, result, values, began), effects=effects)


def _sample_density(
    spec: Spec, setup: Setup, settings: Settings
) -> tuple[SamplingResult, Constrained]:
    """nutpie on the compiled density, in the units of its mode's curvature."""
    density = MarginalDensity(setup.layout, setup.problem)
    mode = find_mode(density)
    _check_rounding(spec, setup, density.constrained(mode.theta).sigma)
    density, mode = bend_tails(density, mode)
    white = whiten(density, mode)
    if surrogate_pays(setup.problem, density):
        cores = settings.cores or available_cores()
        white = replace(white, surrogate=fit_surrogate(white, cores))

    def start(rng: np.random.Generator) -> Floats:
        return mode.to_eta(initial_points(mode, 1, rng)[0])

    # without a surrogate nothing is known of it
    non_normality = white.surrogate.non_normality if white.surrogate else np.inf
    result = sample_density(
        CDensity.of(white),
        settings,
        ndim=density.ndim,
        initial_point=start,
        trajectory=choose_trajectory(non_normality, MARGINAL, settings.target_accept),
    )
    eta = result.posterior[THETA].to_numpy()
    return result, white.constrained(eta.reshape(-1, density.ndim))


def _check_rounding(spec: Spec, setup: Setup, sigma: Floats) -> None:
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
        f"effects leave a residual sd of {float(sigma):.2g} or less, the population's coefficients "
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


def _summarise(setup: Setup, draws: int, keep: Keep) -> bool:
    """Whether group effects are kept as summaries only."""
    size = 8.0 * draws * sum(g.n_levels * len(g.terms) for g in setup.integrated)
    return bool(setup.integrated) and (keep == "summary" or (keep == "auto" and size > MAX_BYTES))
