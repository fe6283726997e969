"""NUTS on the compiled joint density, in the units of Laplace's approximation."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.errors import SamplingError
from mixedbayes.joint.density import JointDensity
from mixedbayes.joint.laplace import approximate
from mixedbayes.marginal.surrogate import departure
from mixedbayes.marginal.threads import one_blas_thread
from mixedbayes.model.spec import Spec
from mixedbayes.sample.cdensity import CDensity, Trajectory
from mixedbayes.sample.density import THETA, sample_density
from mixedbayes.sample.labels import by_name
from mixedbayes.sample.result import SamplingResult
from mixedbayes.sample.settings import Settings

_BOUNDARY = (
    "The identity link of counts ends the posterior where a row's mean would be 0; draws diverged "
    "there. Remedy: the log link, whose means are positive whatever the effects."
)
# Departure from N(0, I) up to which turns are used: 0.6 to 1.5 for binary, count and ordered
# responses, where they halve the steps; 18 for a correlation whose long tail makes them diverge.
_TURNING = 2.0
_POINTS = 32
_LEAST = 1e-6  # distance from the mode of a starting point that gives up


def sample_joint(spec: Spec, settings: Settings) -> SamplingResult:
    """Sample all effects and variances together, without compiling anything.

    Laplace's approximation gives the starting points, the metric, and how far the effects of each
    level are centred; the density that is sampled is exact.

    Returns
    -------
    SamplingResult
        Posterior draws of every named parameter, group effects among them.
    """
    begin = time.perf_counter()
    plain = JointDensity.of(spec.design, spec.family, spec.priors)
    try:
        with one_blas_thread():
            near = approximate(plain)
    except np.linalg.LinAlgError as error:
        raise SamplingError(
            f"No starting point: the posterior has no mode that Fisher scoring finds ({error}). "
            "Remedy: use proper priors, check that no column separates the outcomes perfectly, or "
            "give formulation=mb.NonCentered()."
        ) from error
    walked = plain.walked(near.mode, near.hyper, near.slopes, near.factor, near.coordinates)
    preparing = time.perf_counter() - begin
    compiled = CDensity(walked.c_address, walked.c_data, walked, walked.logp_grad)

    def start(rng: np.random.Generator) -> Floats:
        z = rng.standard_normal(walked.ndim)
        while walked.logp_grad(z)[0] == -np.inf and np.abs(z).max() > _LEAST:
            z = z / 2  # towards the mode: means that cannot be are behind a boundary
        return z

    result = sample_density(
        compiled, settings, ndim=walked.ndim, initial_point=start, trajectory=_trajectory(walked)
    )
    z = result.posterior[THETA].to_numpy()
    values = plain.layout.named(near.to_theta(z.reshape(-1, walked.ndim)), near.coordinates)
    timings = replace(result.timings, compile=result.timings.compile + preparing)
    if spec.family.ends_at_zero and result.sample_stats["diverging"].any():
        result = replace(result, note=f"{result.note} {_BOUNDARY}".strip())
    return replace(result, posterior=by_name(spec, values, z.shape[:2]), timings=timings)


def _trajectory(walked: JointDensity) -> Trajectory:
    """Turns where the density in these units is close to N(0, I)."""
    points = np.random.default_rng(0).standard_normal((_POINTS, walked.ndim))
    values, gradients = zip(*map(walked.logp_grad, points), strict=True)
    close = np.isfinite(values).all() and departure(points, np.array(gradients)) < _TURNING
    return "turns" if close else "leapfrog"
