"""Draws from the priors alone: parameters, group effects and responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import Across, Floats, GroupDesign, LinearPredictor, Residual
from mixedbayes.errors import PriorError
from mixedbayes.model.coords import dims_of, model_coords, response_name
from mixedbayes.model.spec import Spec
from mixedbayes.numerics import correlation
from mixedbayes.predict.forward import correlated_noise, effects, responses
from mixedbayes.predict.streams import checked_seed
from mixedbayes.priors.types import Assigned, PredictorPriors, Priors

_MOST = 10**9  # responses
_REMEDY = "or give priors that keep it there"


def prior_predictive(spec: Spec, draws: int = 500, seed: int | None = None) -> xr.DataTree:
    """Draws of all parameters from the priors alone, and of the response given them.

    Parameters
    ----------
    spec
        Of the model.
    draws
        How many.
    seed
        By default one of the system's.

    Returns
    -------
    DataTree
        Groups `prior` and `prior_predictive` with dimensions (chain, draw, ...), one chain, and
        `observed_data`.

    Raises
    ------
    PriorError
        A prior is improper (Flat), so that nothing can be drawn from it; or `draws` is no number
        of draws that can be had.
    ModelError
        Under a link that does not keep it above 0, the mean of counts or of positive responses is
        below in some draws.

    See Also
    --------
    simulate : One such data set.
    priors : The priors, in a table.
    pp_check : With ``prior=True`` pictures, once there is a fit.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> model = mb.Model("Reaction ~ Days + (Days | Subject)", mb.load_data("sleepstudy"))
    >>> tree = model.prior_predictive(draws=100, seed=1)
    >>> tree["prior_predictive"]["Reaction"].shape
    (1, 100, 180)
    >>> sorted(tree["prior"].data_vars)[:4]
    ['Intercept', 'cor_Subject', 'cor_Subject_at_means', 'fixef']
    """
    if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 1:
        raise PriorError(f"draws={draws!r}: ask for a whole number of draws, at least one")
    width = int(np.prod([len(own) for own in spec.family.response_labels.values()]))
    if draws * spec.design.n * width > _MOST:
        columns = f" x {width} categories" if width > 1 else ""
        raise PriorError(
            f"{spec.design.n:,} rows{columns} x the draws that are asked for are more than "
            f"{_MOST:,} numbers; ask for fewer"
        )
    seed = checked_seed(seed)
    rng = np.random.default_rng(seed)
    family, design = spec.family, spec.design
    drawn: dict[str, Floats] = {}
    for a in design.across:
        drawn |= _across(a, spec.priors, draws, rng)
    eta = _predictor(design.mu, spec.priors.mu, draws, rng, drawn)
    vectors = family.vectors  # they follow the coefficients
    parameters = {
        name: _parameter(spec, name, a, draws, rng, drawn)
        for name, a in spec.priors.parameters.items()
        if name not in vectors
    }
    for predictor in design.predictors[1:]:
        name = predictor.parameter
        own = _predictor(predictor, spec.priors.predictor(name), draws, rng, drawn)
        parameters[name] = family.parameter_link(name).inverse(own, np)
    for name in vectors:
        assigned = spec.priors.parameters[name]
        parameters[name] = _parameter(spec, name, assigned, draws, rng, drawn)
    correlations = _correlations(spec, draws, rng)
    drawn |= correlations
    noise = correlated_noise(design.residual, correlations, draws, rng)
    y = responses(family, design, eta, parameters, rng, remedy=_REMEDY, noise=noise)
    coords, dims, name = model_coords(spec), dims_of(spec), response_name(spec)
    of_response = (names.OBS, *family.response_labels)
    tree = {
        "prior": _dataset(drawn, dims, coords, seed),
        "prior_predictive": _dataset({name: family.reported(y)}, {name: of_response}, coords, seed),
        "observed_data": xr.Dataset(
            {name: (of_response, family.observed(design))}, {d: coords[d] for d in of_response}
        ),
    }
    return xr.DataTree.from_dict(tree)


def _correlations(spec: Spec, draws: int, rng: np.random.Generator) -> dict[str, Floats]:
    """Draws of the parameters of residuals that are correlated, by name."""
    own = spec.design.residual
    return {} if own is None else correlation_draws(own, spec.priors, draws, rng)


def correlation_draws(
    own: Residual, priors: Priors, draws: int, rng: np.random.Generator
) -> dict[str, Floats]:
    """The same of one structure: (S, ...) by name."""
    numbers = own.parameters(priors.correlations)
    z = np.stack([number.draw(draws * own.n_arms, rng) for number in numbers], axis=-1)
    return own.named(z.reshape(draws, own.n_arms, -1))


def _dataset(
    values: Mapping[str, Floats],
    dims: Mapping[str, tuple[str, ...]],
    coords: Mapping[str, Any],
    seed: int,
) -> xr.Dataset:
    used = {d for name in values for d in dims.get(name, ())}
    data = {
        name: ((names.CHAIN, names.DRAW, *dims.get(name, ())), value[None])
        for name, value in values.items()
    }
    return xr.Dataset(data, {d: coords[d] for d in coords if d in used}, {"seed": seed})


def _parameter(
    spec: Spec,
    name: str,
    a: Assigned,
    draws: int,
    rng: np.random.Generator,
    out: dict[str, Floats],
) -> Floats:
    """(S,) draws of one of the family's parameters; (S, k) of thresholds."""
    labels = spec.family.labels(name, spec.design)
    if labels is None:
        out[name] = _one(name, a, draws, rng)
        return out[name]
    values = _scalars([name] * len(labels), [a] * len(labels), draws, rng)
    if spec.family.parameter(name).ordered:
        values = np.sort(values, axis=1)
    slopes = [out[names.fixef(p.parameter)] for p in spec.design.moving if p.terms]
    if slopes:
        cuts = spec.priors.cuts(name, spec.design)
        values = cuts.thresholds_at_zero(values, np.concatenate(slopes, axis=1))
    out[name] = values
    return values


def _predictor(
    predictor: LinearPredictor,
    priors: PredictorPriors,
    draws: int,
    rng: np.random.Generator,
    out: dict[str, Floats],
) -> Floats:
    """(S, n) linear predictors; the parameters drawn for them are added to `out`."""
    p = predictor.parameter
    beta = _scalars([f"{names.fixef(p)}[{t}]" for t in predictor.terms], priors.fixef, draws, rng)
    if predictor.terms:
        beta = priors.fixef_at_zero(beta)
        out[names.fixef(p)] = beta
    intercept = np.zeros(draws)
    if priors.intercept is not None:
        intercept = _scalars([names.intercept(p)], [priors.intercept], draws, rng)[:, 0]
        intercept = priors.centre(predictor).intercept_at_zero(intercept, beta)
        out[names.intercept(p)] = intercept
    for g in predictor.groups:
        if names.ranef(g.name, p) not in out:  # with those on other parameters
            out |= _group(g, p, priors, draws, rng)
    return predictor.eta(intercept, beta, lambda g: out[names.ranef(g.name, p)]).T


def _group(
    g: GroupDesign,
    parameter: str,
    priors: PredictorPriors,
    draws: int,
    rng: np.random.Generator,
) -> dict[str, Floats]:
    """Draws of one factor's parameters and effects, at zero, by name."""
    name = names.sd(g.name, parameter)
    sd = standard_deviations(g, priors, draws, rng)
    C = correlation_roots(g, priors, draws, rng)
    numbers = {
        n: _one(names.law(n, g.name, parameter), a, draws, rng)
        for n, a in priors.laws.get(g.name, {}).items()
    }
    law = g.law.at({n: x[:, None, None] for n, x in numbers.items()}) if numbers else g.law
    u = law.draw((draws, g.n_levels, len(g.terms)), rng)
    own = {name: g.told_sd(sd), names.ranef(g.name, parameter): g.mixed(effects(u, sd, C))}
    if g.correlated:
        own[names.cor(g.name, parameter)] = g.told_cor(correlation.matrix(C))
    drawn = {names.law(n, g.name, parameter): x for n, x in numbers.items()}
    return priors.at_zero(own, g.name) | drawn


def _across(a: Across, priors: Priors, draws: int, rng: np.random.Generator) -> dict[str, Floats]:
    """The same of a factor whose effects are correlated across parameters."""
    members = [(g, priors.predictor(p)) for p, g in a.members]
    sd = np.concatenate([standard_deviations(g, p, draws, rng) for g, p in members], axis=1)
    C = correlation_roots(a.effects, priors.joined(a), draws, rng)
    u = rng.standard_normal((draws, a.effects.n_levels, len(a.terms)))
    return priors.across_at_zero(a, sd, correlation.matrix(C), effects(u, sd, C))


def standard_deviations(
    g: GroupDesign, priors: PredictorPriors, draws: int, rng: np.random.Generator
) -> Floats:
    """(S, q) sds of one factor's effects, where the priors are."""
    name = names.sd(g.name, priors.parameter)
    labels = [f"{name}[{term}]" for term in g.sd_terms]
    return np.asarray(g.every_sd(_scalars(labels, priors.sd[g.name], draws, rng)))


def correlation_roots(
    g: GroupDesign, priors: PredictorPriors, draws: int, rng: np.random.Generator
) -> Floats:
    """(S, q, q) roots of one factor's correlations, where the priors are."""
    q = len(g.terms)
    C = np.broadcast_to(np.eye(q), (draws, q, q)).copy()
    for block in g.blocks:
        if len(block) > 1:
            prior = priors.cor[g.name].prior
            C[np.ix_(range(draws), block, block)] = g.covariance.draw(len(block), prior, draws, rng)
    return C


def _scalars(
    labels: Sequence[str], priors: Sequence[Assigned], draws: int, rng: np.random.Generator
) -> Floats:
    """(S, k) independent draws of k parameters."""
    out = np.empty((draws, len(priors)))
    for k, (label, a) in enumerate(zip(labels, priors, strict=True)):
        if not a.prior.proper:
            raise PriorError(
                f"{label} has the improper prior {a.prior}, from which nothing can be drawn; "
                f"give it a proper one, such as Normal(0, 10)"
            )
        out[:, k] = a.prior.frozen().rvs(size=draws, random_state=rng)
    return out


def _one(label: str, a: Assigned, draws: int, rng: np.random.Generator) -> Floats:
    return _scalars([label], [a], draws, rng)[:, 0]
