"""One simulation of a structure by a sampler, right or wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

import mixedbayes as mb
from benchmarks.calibration.structures import end_of, spec_of
from mixedbayes.design.limits import Limits
from mixedbayes.design.types import Design
from mixedbayes.engines.base import Chosen, Unsuitable
from mixedbayes.engines.choose import choose_engine
from mixedbayes.engines.joint import PartiallyCentered
from mixedbayes.lab.calibration import Sampler, Simulation, as_drawn, simulation
from mixedbayes.model.spec import Spec
from mixedbayes.sample.result import SamplingResult
from mixedbayes.sample.settings import Settings

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Refused:
    """Simulated data that an engine finds it cannot take, with its words."""

    number: int
    said: str


def marginal(spec: Spec, settings: Settings) -> SamplingResult:
    """Effects integrated out and drawn back."""
    return _sample(spec, settings, choose_engine(mb.Marginal(), spec))


def noncentered(spec: Spec, settings: Settings) -> SamplingResult:
    """Every effect sampled, non-centred; compiled once per structure."""
    return _sample(spec, settings, choose_engine(mb.NonCentered(), spec))


def partially_centered(spec: Spec, settings: Settings) -> SamplingResult:
    """Every effect sampled, partially centred, on the compiled joint density."""
    return _sample(spec, settings, choose_engine(PartiallyCentered(), spec))


def quadrature(spec: Spec, settings: Settings) -> SamplingResult:
    """Effects integrated out by quadrature and drawn back."""
    return _sample(spec, settings, choose_engine(mb.Quadrature(), spec))


def _sample(spec: Spec, settings: Settings, chosen: Chosen) -> SamplingResult:
    return chosen.engine.sample(spec, replace(settings, effects="draws"), chosen)


def half_prior(spec: Spec, settings: Settings) -> SamplingResult:
    """A wrong sampler: its prior of the group sds has half the scale."""
    narrow = mb.HalfNormal(0.5)
    sd = {g: tuple(replace(a, prior=narrow) for a in row) for g, row in spec.priors.mu.sd.items()}
    priors = spec.priors.each(lambda p: replace(p, sd=sd))
    return marginal(replace(spec, priors=priors), settings)


def short_sd(spec: Spec, settings: Settings) -> SamplingResult:
    """A wrong sampler: it returns group sds that are 20 % too small."""
    result = marginal(spec, settings)
    small = {n: v * 0.8 for n, v in result.posterior.data_vars.items() if str(n).startswith("sd_")}
    return replace(result, posterior=result.posterior.assign(small))


SAMPLERS: Mapping[str, Sampler] = {
    "marginal": marginal,
    "noncentered": noncentered,
    "partially_centered": partially_centered,
    "quadrature": quadrature,
}
WRONG: Mapping[str, Sampler] = {"wrong_prior": half_prior, "wrong_sd": short_sd}


def simulate(structure: str, sampler: str, number: int, seed: int) -> Simulation | Refused:
    """The `number`-th simulation of a study; it depends on nothing but its arguments."""
    own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)
    sample, end = {**SAMPLERS, **WRONG}[sampler], end_of(structure)

    def observed(design: Design, y: Floats) -> Design:
        """The design with responses y (n,), of which those beyond `end` (n,) are censored there."""
        if end is None:
            return as_drawn(design, y)
        limits = Limits(censoring=(y > end).astype(int))
        return replace(design, y=np.minimum(y, end), limits=limits)

    try:
        found = simulation(spec_of(structure), sample, number, own, observed)
    except Unsuitable as error:
        return Refused(number, str(error))
    return replace(found, number=number)
