"""Free variables of our pm.Models, from draws of the parameters that every fit has.

A pm.Model's own free variables depend on how it was written: u with b = L u, partial correlations,
intercepts at the covariates' means. PyMC looks for them in a trace, and draws those it does not
find from their priors. All follow from the named parameters, so that one trace serves every
formulation, whatever sampler it is from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Across, Floats, GroupDesign, LinearPredictor, Residual
from mixedbayes.distributions import Prior
from mixedbayes.model.coords import coefficient_parts, parts
from mixedbayes.model.spec import Spec
from mixedbayes.numerics import correlation
from mixedbayes.priors.placement import Centre, Cuts, Placement
from mixedbayes.priors.types import Assigned, PredictorPriors, Priors
from mixedbayes.terms.chain import SMALLEST
from mixedbayes.terms.covariance import Number
from mixedbayes.theta import simplex


@dataclass(frozen=True)
class Derived:
    """A free variable as a function of named parameters.

    Attributes
    ----------
    dims
        Besides chain and draw.
    of
        The named parameters it is computed from.
    function
        From their draws (..., own dimensions) to its own; every draw by itself.
    """

    dims: tuple[str, ...]
    of: tuple[str, ...]
    function: Callable[..., Floats]


def free_variables(spec: Spec) -> dict[str, Derived]:
    """Every free variable that a formulation of the model has and the contract has not, by name."""
    moving = [p for p in spec.design.moving if p.terms]
    out: dict[str, Derived] = {}
    for predictor, priors in zip(spec.design.predictors, spec.priors.predictors, strict=True):
        out |= _of_predictor(spec, predictor, priors)
    for a in spec.design.across:
        out |= _across(a, spec.priors)
    for name in spec.family.parameters:
        vector = name in spec.family.vectors
        if vector and moving and not spec.priors.parameters[name].given:
            slopes = (names.fixef(p.parameter) for p in moving)
            moved = partial(_cuts, cuts=Cuts.of(spec.design, name))
            out[names.at_means(name)] = Derived((names.vector_dim(name),), (name, *slopes), moved)
    if spec.design.residual is not None:
        out |= _of_residual(spec.design.residual, spec.priors)
    return out


def _of_residual(own: Residual, priors: Priors) -> Iterator[tuple[str, Derived]]:
    for symbol, numbers in own.by_symbol(priors.correlations).items():
        if all(z.prior is None for _, z in numbers):
            name = names.partial_residual(symbol)
            function = partial(residual_numbers, own=own, numbers=numbers)
            yield name, Derived((names.unnamed(name),), own.symbols, function)


def _cuts(at_zero: Floats, *slopes: Floats, cuts: Cuts) -> Floats:
    """(..., k) thresholds at the columns' means, from those at zero and the slopes."""
    return np.asarray(cuts.thresholds(at_zero, np.concatenate(slopes, axis=-1)))


def _of_predictor(
    spec: Spec, predictor: LinearPredictor, priors: PredictorPriors
) -> Iterator[tuple[str, Derived]]:
    p = predictor.parameter
    fixef = names.fixef(p)
    if predictor.terms:
        placement, whole = priors.population, fixef
        if placement is not None:
            whole, moved = names.at_means(fixef), placement.effects_at_means
            yield whole, Derived((names.term_dim(p),), (fixef,), moved)
        for k, name, _ in coefficient_parts(spec, whole, priors):
            yield name, Derived((), (fixef,), partial(element, k=k, placement=placement))
        for m in predictor.monotonic:
            own = list(m.columns)
            average, shares = (partial(part_of_steps, own=own, which=which) for which in (0, 1))
            yield names.average_step(m.name, p), Derived((), (fixef,), average)
            dims = (names.step_dim(m.name, p),)
            yield names.simplex(m.name, p), Derived(dims, (fixef,), shares)
        prior = priors.intercept
        if prior and (priors.intercept_at_means or prior.prior.shifted(0.0)):
            intercept, there = names.intercept(p), Centre.of(predictor).intercept
            yield names.at_means(intercept), Derived((), (intercept, fixef), there)
    for g in predictor.groups:
        if spec.design.joined(g.name) is None:
            yield from _of_group(spec, g, priors)
        else:
            sd = priors.name(names.sd(g.name, p), g.name)
            yield from _parts(spec, sd, sd, g.sd_terms, priors.sd[g.name])


def _across(a: Across, priors: Priors) -> Iterator[tuple[str, Derived]]:
    """Of effects that are correlated across parameters."""
    g, members = a.effects, [(priors.predictor(p), p) for p, _ in a.members]
    placement, prior = priors.placement(a), priors.across[a.name].prior
    cor = names.cor(a.name)
    cor = cor if placement is None else names.at_means(cor)
    for k, block in enumerate(b for b in g.blocks if len(b) > 1):
        name = names.partial_cor(a.name, block=k)
        own = partial(unit_numbers, g=g, block=block, prior=prior)
        yield name, Derived((names.unnamed(name),), (cor,), own)
    effects = tuple(names.ranef(a.name, p) for _, p in members)
    sds = tuple(own.name(names.sd(a.name, p), a.name) for own, p in members)
    level, size = names.group_dim(a.name), len(members)
    side_by_side = partial(beside, placement=placement)
    yield names.across(a.name), Derived((level, names.effect_dim(a.name)), effects, side_by_side)
    for _, p in members:
        dims = level, names.group_term_dim(a.name, p)
        function = partial(spherical_part, k=size, own=a.places[p], placement=placement)
        yield names.spherical(a.name, p), Derived(dims, (*effects, *sds, cor), function)


def _of_group(spec: Spec, g: GroupDesign, priors: PredictorPriors) -> Iterator[tuple[str, Derived]]:
    p = priors.parameter
    sd, cor = (priors.name(f(g.name, p), g.name) for f in (names.sd, names.cor))
    ranef, placement = names.ranef(g.name, p), priors.placed.get(g.name)
    yield from _parts(spec, sd, sd, g.sd_terms, priors.sd[g.name])
    for k, block in enumerate(b for b in g.blocks if len(b) > 1):
        name = names.partial_cor(g.name, p, k)
        own = partial(unit_numbers, g=g, block=block, prior=priors.cor[g.name].prior)
        yield name, Derived((names.unnamed(name),), (cor,), own)
    dims = g.level_dim(p), names.group_term_dim(g.name, p)
    if placement is not None:
        yield names.at_means(ranef), Derived(dims, (ranef,), placement.effects_at_means)
    of = (ranef, sd, cor) if g.correlated else (ranef, sd)
    function = partial(spherical_told, g=g, placement=placement)
    yield names.spherical(g.name, p), Derived(dims, of, function)


def _parts(
    spec: Spec,
    whole: str,
    of: str,
    labels: tuple[str, ...],
    priors: tuple[Assigned, ...],
) -> Iterator[tuple[str, Derived]]:
    """Elements of a vector, which a model has as variables of their own."""
    for k, name, _ in parts(spec, whole, labels, priors):
        yield name, Derived((), (of,), partial(element, k=k))


# ---- numbers: `...` are the dimensions of draws -------------------------------------------------


def element(x: Floats, *, k: int, placement: Placement | None = None) -> Floats:
    """(...) the k-th of x (..., K), of what the priors are about."""
    return (x if placement is None else placement.effects_at_means(x))[..., k]


def part_of_steps(x: Floats, *, own: list[int], which: int) -> Floats:
    """The average step (...) or the shares (..., D) of the coefficients `own` of x (..., p)."""
    return simplex.divided(x[..., own])[which]


def unit_numbers(cor: Floats, *, g: GroupDesign, block: tuple[int, ...], prior: Prior) -> Floats:
    """(..., m) what PyMC's graph has of one block of k effects; see `Covariance.parameters`."""
    own = sorted(block)
    if g.covariance.chain:
        z = g.numbers_of(cor)
    else:
        z = g.covariance.inverse(g.every_cor(cor)[..., *np.ix_(own, own)])
    numbers = g.covariance.parameters(len(own), prior)
    return np.stack([number.to_unit(z[..., m]) for m, number in enumerate(numbers)], axis=-1)


def residual_numbers(
    *draws: Floats, own: Residual, numbers: tuple[tuple[int, Number], ...]
) -> Floats:
    """(..., A m) what PyMC's graph has of the numbers of one symbol, arm by arm."""
    z = own.numbers(dict(zip(own.symbols, draws, strict=True)))
    unit = np.stack([number.to_unit(z[..., m]) for m, number in numbers], axis=-1)
    return unit.reshape(*unit.shape[:-2], -1)


def beside(*b: Floats, placement: Placement | None = None) -> Floats:
    """(..., J, q) effects on several parameters side by side, of what the priors are about."""
    found = np.concatenate(b, axis=-1)
    return found if placement is None else placement.effects_at_means(found)


def spherical_part(*of: Floats, k: int, own: slice, placement: Placement | None = None) -> Floats:
    """Those of `spherical` on one of k parameters, from the effects on each, the sds, and cor."""
    b, sd = np.concatenate(of[:k], axis=-1), np.concatenate(of[k:-1], axis=-1)
    return spherical(b, sd, of[-1], placement=placement)[..., own]


def spherical_told(
    b: Floats,
    sd: Floats,
    cor: Floats | None = None,
    *,
    g: GroupDesign,
    placement: Placement | None = None,
) -> Floats:
    """`spherical` of the sds and correlations that draws have."""
    unmixed = g.unmixed if g.joins else None
    if cor is not None and g.covariance.chain and placement is None:
        u = spherical(b, g.every_sd(sd), unmixed=unmixed)
        return _chain_apart(u, g, g.numbers_of(cor))
    every = None if cor is None else g.every_cor(cor)
    return spherical(b, g.every_sd(sd), every, placement=placement, unmixed=unmixed)


def _chain_apart(u: Floats, g: GroupDesign, z: Floats) -> Floats:
    """Independent effects (..., J, q), from those of sd 1 in a chain of numbers z (..., m)."""
    longest = max(g.blocks, key=len)
    block = list(longest)
    r = g.covariance.between(
        [z[..., m, None] for m in range(z.shape[-1])], np.diff(g.covariance.positions(len(block)))
    )[..., None, :]
    u, own = u.copy(), u[..., block]
    left = np.sqrt(np.maximum((1 - r) * (1 + r), SMALLEST))
    u[..., block[1:]] = (own[..., 1:] - r * own[..., :-1]) / left
    return u


def spherical(
    b: Floats,
    sd: Floats,
    cor: Floats | None = None,
    *,
    placement: Placement | None = None,
    unmixed: Callable[[Floats], Floats] | None = None,
) -> Floats:
    """(..., J, q) u with b = L u, L = diag(sd) W the Cholesky factor of the effects' covariance.

    b is (..., J, q), sd (..., q), cor (..., q, q). Where an sd is zero, so is its u. With a
    placement sd and cor are those of the effects that it says, and b is at zero. `unmixed` gives
    effects of independent levels from those of related ones.
    """
    if placement is not None:
        b = placement.effects_at_means(b)
    b = b if unmixed is None else unmixed(b)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        u = b / sd[..., None, :]
    u = np.where(np.isfinite(u), u, 0.0)
    if cor is None:
        return u
    W = correlation.root(cor)
    for i in range(W.shape[-1]):
        for j in range(i):
            u[..., i] -= W[..., None, i, j] * u[..., j]
        u[..., i] /= W[..., None, i, i]
    return u
