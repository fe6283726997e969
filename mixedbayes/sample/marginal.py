"""NUTS in the variance parameters of a Gaussian model, then exact draws of all effects."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import Floats
from mixedbayes.marginal.density import MarginalDensity
from mixedbayes.marginal.mode import find_mode, initial_points, whiten
from mixedbayes.marginal.setup import Setup, set_up
from mixedbayes.model.coords import dims_of, model_coords
from mixedbayes.model.spec import Spec
from mixedbayes.sample.cdensity import CDensity
from mixedbayes.sample.density import THETA, sample_density
from mixedbayes.sample.result import SamplingResult
from mixedbayes.sample.settings import Settings


def sample_marginal(spec: Spec, settings: Settings) -> SamplingResult:
    """Sample the marginal posterior of the variance parameters and draw the effects back.

    The mode and curvature of the marginal posterior give starting points and the metric in which
    NUTS walks, so that tuning is short.

    Returns
    -------
    SamplingResult
        Posterior draws of every named parameter, group effects among them.
    """
    begin = time.perf_counter()
    setup = set_up(spec.design, spec.priors)
    density = MarginalDensity(setup.layout, setup.problem)
    mode = find_mode(density)
    white = whiten(density, mode)

    def start(rng: np.random.Generator) -> Floats:
        return mode.to_eta(initial_points(mode, 1, rng)[0])

    preparing = time.perf_counter() - begin
    compiled = CDensity(white.c_address, white.c_data, white, white.logp_grad)
    result = sample_density(compiled, settings, ndim=density.ndim, initial_point=start)
    theta = mode.to_theta(result.posterior[THETA].to_numpy())
    timings = replace(result.timings, compile=result.timings.compile + preparing)
    return replace(result, posterior=effects(spec, setup, theta, result.seed), timings=timings)


def effects(spec: Spec, setup: Setup, theta: Floats, seed: int) -> xr.Dataset:
    """Every named parameter (chain, draw, ...) from draws of theta (chain, draw, ndim)."""
    chains, draws, ndim = theta.shape
    constrained = setup.layout.constrained(theta.reshape(-1, ndim))
    values = setup.parameters(constrained, np.random.default_rng(seed))
    dims, coords = dims_of(spec), model_coords(spec)
    used = {d for name in values for d in dims[name]}
    table = {
        name: ((names.CHAIN, names.DRAW, *dims[name]), x.reshape(chains, draws, *x.shape[1:]))
        for name, x in values.items()
    }
    labels = {names.CHAIN: np.arange(chains), names.DRAW: np.arange(draws)}
    return xr.Dataset(table, labels | {d: coords[d] for d in coords if d in used})
