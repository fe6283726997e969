"""Log densities of a model's priors at draws of the parameters, as PyMC computes them.

One for each free variable of the pm.Model but the group effects: their distribution is a part of
the model, and no prior. So they are the same in every formulation, and who scales them scales the
priors alone (Kallioinen et al. 2024, doi:10.1007/s11222-023-10366-5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Floats, GroupDesign, LinearPredictor, Residual
from mixedbayes.distributions import Prior
from mixedbayes.model.coords import sd_dim
from mixedbayes.model.free import Derived, free_variables
from mixedbayes.model.spec import Spec
from mixedbayes.priors.types import Assigned, PredictorPriors, Priors
from mixedbayes.terms.covariance import Number


@dataclass(frozen=True)
class PriorDensity:
    """The prior of one free variable.

    Attributes
    ----------
    name
        Of the variable, and of its log density.
    dims
        Of the log density, besides chain and draw.
    function
        From draws of the variable (..., own dimensions) to the log density.
    of
        Name of the variable that the draws are of, where it is another with the same density.
    """

    name: str
    dims: tuple[str, ...]
    function: Callable[[Floats], Floats]
    of: str = ""


def log_priors(spec: Spec) -> dict[str, Derived]:
    """The log density of every prior by the name that `pm.compute_log_prior` gives it.

    Of a vector those of its elements, of ordered thresholds their sum; of improper priors 0.
    """
    free, out = free_variables(spec), {}
    for d in _densities(spec):
        value = free.get(d.of or d.name)
        if value is None:
            out[d.name] = Derived(d.dims, (d.of or d.name,), d.function)
        else:
            function = partial(composed, inner=value.function, outer=d.function)
            out[d.name] = Derived(d.dims, value.of, function)
    return out


def _densities(spec: Spec) -> Iterator[PriorDensity]:
    for predictor, priors in zip(spec.design.predictors, spec.priors.predictors, strict=True):
        yield from _of_predictor(predictor, priors, spec.priors.across)
    for a in spec.design.across:
        yield from _correlations(a.effects, spec.priors.across[a.name].prior, "mu")
    for name, assigned in spec.priors.parameters.items():
        one = partial(log_density, prior=assigned.prior)
        if name not in spec.family.vectors:
            yield PriorDensity(name, (), one)
            continue
        at_means = any(p.terms for p in spec.design.moving) and not assigned.given
        called = names.at_means(name) if at_means else name
        if spec.family.parameter(name).ordered:
            yield PriorDensity(called, (), partial(summed, function=one))
        else:
            yield PriorDensity(called, (names.vector_dim(name),), one)
    if spec.design.residual is not None:
        yield from _of_residual(spec.design.residual, spec.priors)


def _of_residual(own: Residual, priors: Priors) -> Iterator[PriorDensity]:
    for symbol, numbers in own.by_symbol(priors.correlations).items():
        if any(z.prior is not None for _, z in numbers):
            prior = priors.residual[symbol].prior
            yield PriorDensity(symbol, own.dims[symbol], partial(log_density, prior=prior))
            continue
        name, every = names.partial_residual(symbol), tuple(z for _, z in numbers) * own.n_arms
        yield PriorDensity(name, (names.unnamed(name),), partial(of_numbers, numbers=every))


def _of_predictor(
    predictor: LinearPredictor, priors: PredictorPriors, across: Mapping[str, Assigned]
) -> Iterator[PriorDensity]:
    p = predictor.parameter
    fixef, intercept = names.fixef(p), names.intercept(p)
    whole = fixef if priors.population is None else names.at_means(fixef)
    if priors.monotonic:
        for k in priors.plain:
            one = partial(log_density, prior=priors.fixef[k].prior)
            yield PriorDensity(names.part(whole, predictor.terms[k]), (), one)
        for m in priors.monotonic:
            one = partial(log_density, prior=m.average.prior)
            yield PriorDensity(names.average_step(m.name, p), (), one)
            yield PriorDensity(
                names.simplex(m.name, p), (), partial(log_density, prior=m.dirichlet)
            )
    else:
        yield from _vector(whole, names.term_dim(p), predictor.terms, priors.fixef)
    if priors.intercept is not None:
        prior = priors.intercept.prior
        there = predictor.terms and (priors.intercept_at_means or prior.shifted(0.0))
        own = names.at_means(intercept) if there else intercept
        of = "" if priors.intercept_at_means else intercept
        yield PriorDensity(own, (), partial(log_density, prior=prior), of)
    for g in predictor.groups:
        sd = priors.name(names.sd(g.name, p), g.name)
        yield from _vector(sd, sd_dim(g, p), g.sd_terms, priors.sd[g.name])
        for number, a in priors.laws.get(g.name, {}).items():
            own = names.law(number, g.name, p)
            yield PriorDensity(own, (), partial(log_density, prior=a.prior))
        if g.correlated and g.name not in across:
            yield from _correlations(g, priors.cor[g.name].prior, p)


def _correlations(g: GroupDesign, prior: Prior, parameter: str) -> Iterator[PriorDensity]:
    """Of the numbers that PyMC's graph has of each block of correlated effects."""
    for k, block in enumerate(b for b in g.blocks if len(b) > 1):
        name = names.partial_cor(g.name, parameter, k)
        numbers = g.covariance.parameters(len(block), prior)
        function = partial(of_numbers, numbers=numbers)
        yield PriorDensity(name, (names.unnamed(name),), function)


def _vector(
    name: str, dim: str, labels: tuple[str, ...], assigned: tuple[Assigned, ...]
) -> Iterator[PriorDensity]:
    """Of one variable where the priors are of one kind, else of each element; see `variables`."""
    priors = tuple(a.prior for a in assigned)
    if len({type(prior) for prior in priors}) == 1:
        yield PriorDensity(name, (dim,), partial(elementwise, priors=priors))
        return
    for label, prior in zip(labels, priors, strict=True):
        yield PriorDensity(names.part(name, label), (), partial(log_density, prior=prior))


# ---- numbers: `...` are the dimensions of draws -------------------------------------------------


def log_density(x: Floats, *, prior: Prior) -> Floats:
    """(...) log density at x (...)."""
    return np.asarray(prior.logpdf(x), float)


def elementwise(x: Floats, *, priors: tuple[Prior, ...]) -> Floats:
    """(..., K) log densities of the elements of x (..., K), each under its own prior."""
    return np.stack([log_density(x[..., k], prior=p) for k, p in enumerate(priors)], axis=-1)


def of_numbers(x: Floats, *, numbers: tuple[Number, ...]) -> Floats:
    """(..., K) log densities of what PyMC's graph has of numbers (..., K)."""
    return np.stack([z.unit_log_density(x[..., k]) for k, z in enumerate(numbers)], axis=-1)


def summed(x: Floats, *, function: Callable[[Floats], Floats]) -> Floats:
    """(...) sums over the last dimension of a function of x (..., K)."""
    return function(x).sum(axis=-1)


def composed(*x: Floats, inner: Callable[..., Floats], outer: Callable[[Floats], Floats]) -> Floats:
    """outer(inner(x))."""
    return outer(inner(*x))
