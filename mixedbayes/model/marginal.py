"""The marginal formulation as a pm.Model: priors of the variance parameters, effects integrated.

Its free variables are the sds, correlations, sigma and those coefficients that cannot be
integrated; `mixedbayes.engines.marginal` draws the effects back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from mixedbayes import names
from mixedbayes.design.types import Design, Floats, GroupDesign
from mixedbayes.distributions import Normal
from mixedbayes.errors import ModelError
from mixedbayes.marginal.parameters import Constrained
from mixedbayes.marginal.setup import Population, Setup
from mixedbayes.model.coords import model_coords, response_name
from mixedbayes.model.covariance import (
    chain_numbers,
    cholesky_factor,
    effects_at_zero,
    standard_deviations,
)
from mixedbayes.model.marginal_op import marginal_logp
from mixedbayes.model.predictor import average_and_shares
from mixedbayes.model.residual import residual_arms
from mixedbayes.model.spec import Spec
from mixedbayes.model.variables import scalar, vector
from mixedbayes.numerics import correlation
from mixedbayes.priors.links import link_graph
from mixedbayes.priors.types import PredictorPriors


def build_marginal(spec: Spec, setup: Setup) -> pm.Model:
    """The pm.Model of a Gaussian model with its effects integrated out.

    The observed variable is a CustomDist whose log density is that of the data the model was made
    with; drawing from it simulates new group effects.
    """
    priors = spec.priors
    with pm.Model(coords=model_coords(spec)) as model:
        factors, L, links = {}, list[Any](), list[Any]()
        for g in setup.integrated:
            chain = setup.chains.get(g.name)
            if chain is None:
                L.append(_factor(g, priors.mu))
                continue
            L += chain.sds(standard_deviations(g, priors.mu))
            z = chain_numbers(g, priors.mu)
            links.append(link_graph(g.covariance, z, chain.distances, pt))
        factors = {g.name: _factor(g, priors.mu) for g in setup.sampled}
        residual = pt.concatenate([*links, _residual(spec, setup)])
        v = _sampled(setup, factors)

        def logp(value: Any, rows: Any, residual: Any, v: Any, *L: Any) -> Any:
            return marginal_logp(setup.problem, L, residual, v)

        def random(*args: Any, rng: np.random.Generator, size: Any = None) -> Floats:
            _, residual, v, *L = (np.asarray(a, float) for a in args)
            return simulate(setup, spec.design, L, residual, v, rng)

        matrices = ",".join(f"(q{k},q{k})" for k in range(len(L)))
        pm.CustomDist(
            response_name(spec),
            pt.zeros(spec.design.n),  # gives the response its length
            residual,
            v,
            *L,
            logp=logp,
            random=random,
            signature=f"(n),(k),(r){',' if L else ''}{matrices}->(n)",
            observed=spec.design.y,
            dims=names.OBS,
        )
    return model


def _residual(spec: Spec, setup: Setup) -> Any:
    """(k,) the numbers of the residual, as `Problem.n_residual` has them."""
    correlations, parts = setup.layout.correlations, []
    if correlations is not None:
        parts.append(correlations.graph(residual_arms(spec, correlations.residual), pt))
    if setup.log_sigma is not None:
        first, own = setup.log_sigma.first, setup.log_sigma
        dim = names.term_dim(names.SIGMA)
        if first:
            parts.append(pt.atleast_1d(scalar(_scale_names(own)[0], own.priors[0])))
        if own.terms[first:]:
            name = _scale_names(own)[-1]
            parts.append(vector(name, own.priors[first:], own.terms[first:], dim))
    elif setup.layout.sigma is not None:
        parts.append(pt.atleast_1d(scalar(names.SIGMA, setup.layout.sigma, positive=True)))
    else:
        parts.append(pt.ones(1))
    return pt.concatenate(parts)


def _scale_names(population: Population) -> list[str]:
    """Names of the variables of log sigma: its level where the priors are, and its slopes."""
    intercept, fixef = names.intercept(names.SIGMA), names.fixef(names.SIGMA)
    level = names.at_means(intercept) if population.centre.means.any() else intercept
    slopes = fixef if population.placement is None else names.at_means(fixef)
    first = population.first
    return [level] * first + [slopes] * (len(population.terms) > first)


def variable_dims(setup: Setup) -> dict[str, tuple[str, ...]]:
    """Dimensions of those of `variables` that are not among `dims_of`."""
    if setup.log_sigma is None:
        return {}
    return {names.at_means(names.fixef(names.SIGMA)): (names.term_dim(names.SIGMA),)}


def variables(setup: Setup) -> list[str]:
    """Names of the variables of the model that `constrained_of` reads."""
    factors = (*setup.integrated, *setup.sampled)
    out = [] if setup.layout.sigma is None else [names.SIGMA]
    out += [] if setup.log_sigma is None else _scale_names(setup.log_sigma)
    correlations = setup.layout.correlations
    out += [] if correlations is None else correlations.residual.symbols
    out += [setup.priors.name(names.sd(g.name), g.name) for g in factors]
    out += [setup.priors.name(names.cor(g.name), g.name) for g in factors if g.correlated]
    for i in _alone(setup.population):
        out.append(_coefficient(setup.population, i))
    for m in setup.population.monotonic:
        out += [names.average_step(m.name), names.simplex(m.name)]
    return out + [names.spherical(g.name) for g in setup.sampled]


def constrained_of(setup: Setup, draws: Mapping[str, Floats]) -> Constrained:
    """The parameters behind draws (S, ...) of the model's variables, by name."""
    sd, cor, L, spherical, links = {}, {}, {}, {}, list[Floats]()
    n = len(next(iter(draws.values())))
    for g in (*setup.integrated, *setup.sampled):
        sd[g.name] = g.every_sd(draws[setup.priors.name(names.sd(g.name), g.name)])
        if g.name in setup.chains:
            z = g.numbers_of(draws[setup.priors.name(names.cor(g.name), g.name)])
            cor[g.name] = z
            links.append(setup.layout.factor(g.name).links(z))
            continue
        q = len(g.terms)
        eye = np.broadcast_to(np.eye(q), (len(sd[g.name]), q, q))
        told = draws[setup.priors.name(names.cor(g.name), g.name)] if g.correlated else None
        cor[g.name] = eye if told is None else g.every_cor(told)
        L[g.name] = sd[g.name][:, :, None] * correlation.root(cor[g.name])
    for g in setup.sampled:
        spherical[g.name] = draws[names.spherical(g.name)]
    population = setup.population
    columns = {i: draws[_coefficient(population, i)] for i in _alone(population)}
    for m, own in zip(population.monotonic, population.steps, strict=True):
        b, zeta = draws[names.average_step(m.name)], draws[names.simplex(m.name)]
        for k, share in zip(own, zeta.T, strict=True):
            columns[population.sampled[k]] = b * len(own) * share
    sigma = np.ones(n) if setup.layout.sigma is None else draws[names.SIGMA]
    parts = [columns[i] for i in population.sampled]
    coefficients = np.column_stack(parts) if parts else np.zeros((n, 0))
    every = np.concatenate(links, axis=-1) if links else None
    found = Constrained(sd, cor, L, sigma, coefficients, spherical, links=every)
    if setup.log_sigma is not None:
        scales = [draws[name].reshape(n, -1) for name in _scale_names(setup.log_sigma)]
        found = replace(found, log_sigma=np.concatenate(scales, axis=1))
    if (correlations := setup.layout.correlations) is not None:
        residual = correlations.residual
        z = residual.numbers({symbol: draws[symbol] for symbol in residual.symbols})
        left = np.sqrt(np.maximum(1 - z**2, 0.0))
        found = replace(found, numbers=z, roots=correlations.roots(z, left))
    return found


def _alone(population: Population) -> tuple[int, ...]:
    """Positions of the sampled coefficients that no monotonic effect has."""
    stepped = {population.sampled[k] for own in population.steps for k in own}
    return tuple(i for i in population.sampled if i not in stepped)


def _coefficient(population: Population, i: int) -> str:
    """Name of a population coefficient that is sampled: that of the same number elsewhere."""
    term = population.terms[i]
    if term != names.INTERCEPT:
        own = population.placement is not None
        return names.part(names.at_means(names.FIXEF) if own else names.FIXEF, term)
    return names.at_means(term) if population.centre.means.any() else term


def _factor(g: GroupDesign, priors: PredictorPriors) -> Any:
    sd = standard_deviations(g, priors)
    L = cholesky_factor(g, sd, priors)
    return pt.diag(sd) if L is None else L


def _sampled(setup: Setup, factors: dict[str, Any]) -> Any:
    """v: coefficients whose prior is not normal, then effects of factors that are sampled."""
    population = setup.population
    found = {i: scalar(_coefficient(population, i), population.priors[i])
             for i in _alone(population)}  # fmt: skip
    for m, own in zip(population.monotonic, population.steps, strict=True):
        b, zeta = average_and_shares(m, names.MU)
        found |= {population.sampled[k]: b * len(own) * zeta[i] for i, k in enumerate(own)}
    parts = [found[i] for i in population.sampled]
    v = [pt.stack(parts)] if parts else []
    for g in setup.sampled:
        dims = (names.group_dim(g.name), names.group_term_dim(g.name))
        u = pm.Normal(names.spherical(g.name), 0.0, 1.0, dims=dims)
        b = u @ factors[g.name].T
        v.append(b.ravel())
        at_zero = effects_at_zero(g, setup.priors, b) if g.name in setup.priors.placed else b
        pm.Deterministic(names.ranef(g.name), at_zero, dims=dims)
    return pt.concatenate(v) if v else pt.zeros(0)


def simulate(
    setup: Setup,
    design: Design,
    L: Sequence[Floats],
    residual: Floats,
    v: Floats,
    rng: np.random.Generator,
) -> Floats:
    """(n,) a response drawn from the marginal distribution: new effects, new errors."""
    population, predictor = setup.population, setup.priors.moved(design.mu)
    beta = [_draw(population.priors[i], rng) for i in population.integrated]
    r = len(population.sampled)
    y = population.columns(predictor, population.integrated) @ np.array(beta)
    y = y + population.columns(predictor, population.sampled) @ v[:r]
    effects = [(g, g.mixed(b)) for g, b in setup.new_effects(L, residual, rng)]
    at = r
    for g in setup.sampled:
        size = g.n_levels * len(g.terms)
        effects.append((g, v[at : at + size].reshape(g.n_levels, -1)))
        at += size
    for g, b in effects:
        g.add(y, b)
    if predictor.offset is not None:
        y += predictor.offset
    known = 1.0 if setup.weights is None else 1 / np.sqrt(setup.weights)
    if setup.errors is None:
        return y + residual[0] * rng.normal(size=design.n) * known
    return y + setup.errors.draw(residual[setup.n_links :], design.n, rng) * known


def _draw(prior: Any, rng: np.random.Generator) -> float:
    if not isinstance(prior, Normal):
        raise ModelError(f"nothing can be drawn from the improper prior {prior}")
    return float(rng.normal(prior.mu, prior.sigma))
