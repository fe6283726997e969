"""One simulation: parameters from the priors, a response, a fit, and the ranks of the truth.

Talts et al. (2018), arXiv:1804.06788; Modrak et al. (2023), doi:10.1214/23-BA1404, for the log
likelihood among the quantities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import mixedbayes as mb
from benchmarks.calibration.structures import end_of, spec_of
from mixedbayes import names
from mixedbayes.checks.log_likelihood import by_observation
from mixedbayes.design.limits import Limits
from mixedbayes.design.types import Design
from mixedbayes.engines.base import Chosen
from mixedbayes.engines.choose import choose_engine
from mixedbayes.engines.joint import PartiallyCentered
from mixedbayes.model.spec import Spec
from mixedbayes.predict.prior import prior_predictive
from mixedbayes.results.icc import icc_kernel
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.smooths import curves
from mixedbayes.results.variance import components
from mixedbayes.sample.health import health
from mixedbayes.sample.result import SamplingResult
from mixedbayes.sample.settings import Settings

Floats = NDArray[np.float64]

MOST = 99  # a rank is the number of 99 draws below the truth
CHAINS = 2
DRAWS = 500  # of each chain, at first
LONGEST = 8_000
INDEPENDENT = 2.0  # least effective draws of every quantity, per draw that is kept


@dataclass(frozen=True)
class Simulation:
    """Ranks of the true values by quantity, and how the sampler fared."""

    number: int
    ranks: Mapping[str, int]
    divergences: int
    ess: float  # lowest bulk ESS over the quantities
    draws: int  # of all chains, before thinning


Sampler = Callable[[Spec, Settings], SamplingResult]


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


def simulate(structure: str, sampler: str, number: int, seed: int) -> Simulation:
    """The `number`-th simulation of a study; it depends on nothing but its arguments."""
    spec = spec_of(structure)
    own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)
    prior = prior_predictive(spec, 1, own)
    y = next(iter(prior["prior_predictive"].data_vars.values())).to_numpy().ravel().astype(float)
    simulated = replace(spec, design=_observed(spec.design, y, end_of(structure)))
    truth = quantities(_posterior(simulated, prior["prior"].to_dataset()))
    sample, draws = {**SAMPLERS, **WRONG}[sampler], DRAWS
    while True:
        settings = Settings(draws=draws, chains=CHAINS, cores=1, seed=own, progress=False)
        result = sample(simulated, settings)
        values = quantities(_posterior(simulated, result.posterior))
        stacked = np.stack(list(values.values())).reshape(len(values), CHAINS, draws)
        ess = float(health(stacked)[0].min())
        if ess >= INDEPENDENT * MOST or draws >= LONGEST:
            break
        draws *= 2
    kept = np.linspace(0, CHAINS * draws - 1, MOST).round().astype(int)
    ranks = {name: int(np.sum(v[kept] < truth[name])) for name, v in values.items()}
    divergences = int(result.sample_stats["diverging"].sum())
    return Simulation(number, ranks, divergences, ess, CHAINS * draws)


def quantities(post: Posterior) -> dict[str, Floats]:
    """(S,) draws of all population-level quantities, of some group effects, and log p(y | all)."""
    mu, out = post.design.mu, {names.INTERCEPT: post.intercept(), **post.parameters()}
    out |= {f"fixef[{t}]": v for t, v in zip(mu.terms, post.fixef().T, strict=True)}
    if post.design.residual is not None:
        for symbol in post.design.residual.symbols:
            found = post.stacked(symbol)
            each = np.argwhere(np.tri(found.shape[-1], k=-1)) if found.ndim > 1 else [()]
            out |= {f"{symbol}{list(at) or ''}": found[:, *at] for at in map(tuple, each)}
    parts = components(post)
    icc = icc_kernel(parts)[0]  # adjusted; (K + 1, S)
    if parts.groups:
        out["icc"] = icc[-1]
    if len(parts.groups) > 1:
        out |= {f"icc[{g}]": v for g, v in zip(parts.groups, icc, strict=False)}
    for g in mu.groups:
        sd = g.told_sd(post.sd(g.name))
        out |= {f"sd_{g.name}[{t}]": v for t, v in zip(g.sd_terms, sd.T, strict=True)}
        if g.correlated:
            out[f"cor_{g.name}"] = post.cor(g.name)[:, 1, 0]
        for level in (0, g.n_levels // 2, g.n_levels - 1) if g.grouping else ():
            for j, t in enumerate(g.terms):
                out[f"ranef_{g.name}[{g.levels[level]}, {t}]"] = post.ranef(g.name)[:, level, j]
    for c in curves(post) if any(not g.grouping for g in mu.groups) else ():
        at = c.grid(3)
        out |= {f"{c.name}[{k}]": v for k, v in enumerate(c.draws(post, at).T)}
    out["log_lik"] = by_observation(post).sum(axis=1)
    return out


def _observed(design: Design, y: Floats, end: Floats | None) -> Design:
    """The design with responses y (n,), of which those beyond `end` (n,) are censored there."""
    if end is None:
        return replace(design, y=y)
    limits = Limits(censoring=(y > end).astype(int))
    return replace(design, y=np.minimum(y, end), limits=limits)


def _posterior(spec: Spec, draws: xr.Dataset) -> Posterior:
    return Posterior(spec, xr.DataTree.from_dict({"posterior": draws}))
