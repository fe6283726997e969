"""Draws from the compiled joint density, in the units of Laplace's approximation.

By NUTS; with many coordinates, where it is nearly normal in them, by chains of quarter turns. These
are refused where they would take many steps, and not tried where the user sets what NUTS alone has.
"""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.engines.base import Chosen, Engine
from mixedbayes.errors import SamplingError
from mixedbayes.model.formulations import Formulation
from mixedbayes.model.spec import Spec
from mixedbayes.numerics.threads import one_blas_thread
from mixedbayes.sample.result import THETA, SamplingResult
from mixedbayes.sample.settings import Settings

if TYPE_CHECKING:
    from mixedbayes.joint.density import JointDensity
    from mixedbayes.sample.defaults import Trajectory

_BOUNDARY = (
    "The identity link of counts ends the posterior where a row's mean would be 0; draws diverged "
    "there. Remedy: the log link, whose means are positive whatever the effects."
)
_STEPS = {"leapfrog": 10, "turns": 3, "quarter_turn": 1}  # of a trajectory, about
_LONG = 60.0  # seconds of sampling that are announced where there is something faster
_LEAST = 1e-6  # distance from the mode of a starting point that gives up


@dataclass(frozen=True)
class PartiallyCentered(Formulation):
    """Effects between centred and non-centred, for each level by how much its own rows say.

    Effects of nested factors are written relative to the coarser factors', those of smooths and of
    related levels in directions in which they are known by themselves, and the sampler moves in the
    units of the posterior's curvature at its mode (Laplace's approximation), on a compiled density:
    nothing is compiled when a model is fitted. For the whole model.

    See Also
    --------
    NonCentered : All the way to one side, by PyMC.
    Centered : To the other.
    Quadrature : Effects integrated out.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> ticks = mb.load_data("grouseticks")
    >>> formula = "TICKS ~ YEAR + (1 | BROOD)"
    >>> model = mb.Model(formula, ticks, family="poisson", formulation=mb.PartiallyCentered())
    >>> print(model.formulation)
    PartiallyCentered()
    """


@dataclass(frozen=True)
class JointEngine(Engine):
    """All effects and variances together, on the compiled density; nothing else is compiled.

    Samplers other than nutpie sample the pm.Model with its group effects.
    """

    name: ClassVar[str] = "joint"
    formulations: ClassVar[tuple[type[Formulation], ...]] = (PartiallyCentered,)
    reason: ClassVar[str] = (
        "each level's effects are centred as far as its own rows inform them, and sampled in units "
        "of the posterior's curvature"
    )

    def obstacle(self, spec: Spec) -> str | None:
        from mixedbayes.joint.density import obstacle

        return obstacle(spec.design, spec.family, spec.priors)

    def account(self, spec: Spec, settings: Settings, chosen: Chosen) -> str:
        if settings.sampler != "nutpie":
            return "All parameters were sampled jointly."
        mu = spec.design.predictors
        what = ["group effects"] * any(p.factors for p in mu) + ["smooths"] * any(
            p.smooths for p in mu
        )
        centred = (
            f"; the {' and '.join(what)} were partially centred, by the share of information that "
            "the rows of each level give"
        )
        return (
            "All parameters were sampled jointly, in units of the posterior's curvature at its "
            f"mode (Laplace's approximation){centred if chosen.groups else ''}."
        )

    def sample(self, spec: Spec, settings: Settings, chosen: Chosen) -> SamplingResult:
        if settings.sampler != "nutpie":
            return self.sample_with_effects(spec, settings, chosen)
        from mixedbayes.joint.feasible import Infeasible

        try:
            return _sample_density(spec, settings)
        except np.linalg.LinAlgError as error:
            said = f"the posterior has no mode that Fisher scoring finds ({error})"
            proper = all(a.prior.proper for _, _, a in spec.priors.rows())
            if isinstance(error, Infeasible) or not proper:
                raise SamplingError(
                    f"No starting point: {said}. Remedy: use proper priors, and check that no "
                    "column separates the outcomes perfectly."
                ) from error
            warnings.warn(
                f"{said}: the model is compiled and sampled by PyMC instead, which takes longer",
                UserWarning,
                stacklevel=2,
            )
            return self.sample_with_effects(spec, settings, chosen)


def _sample_density(spec: Spec, settings: Settings) -> SamplingResult:
    """Laplace's approximation gives the starting points, the metric, and how far the effects of
    each level are centred; the density that is sampled is exact.
    """
    from mixedbayes import jit
    from mixedbayes.joint.density import JointDensity
    from mixedbayes.joint.laplace import approximate
    from mixedbayes.joint.levels import from_rows, to_rows
    from mixedbayes.sample.defaults import (
        JOINT,
        choose_trajectory,
        measured_non_normality,
        quarter_turns_serve,
    )
    from mixedbayes.sample.density import sample_density
    from mixedbayes.sample.labels import named_result
    from mixedbayes.sample.nutpie import CDensity
    from mixedbayes.sample.turning import sample_turning
    from mixedbayes.theta.whitening import to_theta, to_z

    began = time.perf_counter()
    # which a first fit compiles beside the loop over the rows and the density
    jit.ahead(from_rows, to_rows, to_theta, to_z)
    plain = JointDensity.of(spec.design, spec.family, spec.priors)
    with one_blas_thread(), np.errstate(all="ignore"):
        near = approximate(plain)
    white = plain.whitened(near, near.coordinates)

    def start(rng: np.random.Generator) -> Floats:
        z = rng.standard_normal(white.ndim)
        while white.logp_grad(z)[0] == -np.inf and np.abs(z).max() > _LEAST:
            z = z / 2  # towards the mode: means that cannot be are behind a boundary
        return z

    non_normality = measured_non_normality(white.logp_grad, white.ndim)
    trajectory = choose_trajectory(non_normality, JOINT, settings.target_accept)
    fewest = min((g.n_levels for g in plain.layout.groups), default=math.inf)
    if spec.family.slowness:
        say_how_slow(spec.family.slowness, white, settings, trajectory)
    result = None
    if quarter_turns_serve(non_normality, white.ndim, fewest) and not settings.of_nuts:
        result = sample_turning(white, settings, start, white.watch)
    if result is None:
        result = sample_density(
            CDensity.of(white, white.watch),
            settings,
            ndim=white.ndim,
            initial_point=start,
            trajectory=trajectory,
            fewest=fewest,
        )
    z = result.posterior[THETA].to_numpy()
    values = plain.layout.named(near.to_theta(z.reshape(-1, white.ndim)), near.coordinates)
    if spec.family.ends_at_zero and result.sample_stats["diverging"].any():
        result = replace(result, note=f"{result.note} {_BOUNDARY}".strip())
    return named_result(spec, result, values, began)


def say_how_slow(
    reason: str, density: JointDensity, settings: Settings, trajectory: Trajectory
) -> None:
    """Warn of a long wait, where a family knows of a remedy."""
    from mixedbayes.sample.defaults import density_tuning

    once = math.inf
    for _ in range(3):
        began = time.perf_counter()
        density.logp_grad(np.zeros(density.ndim))
        once = min(once, time.perf_counter() - began)
    tune = density_tuning(trajectory, density.ndim).tune if settings.tune is None else settings.tune
    seconds = once * settings.chains * (tune + settings.draws) * _STEPS[trajectory]
    if seconds > _LONG:
        warnings.warn(
            f"sampling will take about {_duration(seconds)}, {1000 * once:.3g} ms for each "
            f"evaluation of the density: {reason}",
            UserWarning,
            stacklevel=2,
        )


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"
