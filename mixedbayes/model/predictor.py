"""Linear predictors in PyMC: population part, group effects by formulation, offset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pymc as pm
import pytensor.tensor as pt

from mixedbayes import names
from mixedbayes.design.types import Design, GroupDesign, LinearPredictor
from mixedbayes.model.covariance import cholesky_factor, standard_deviations
from mixedbayes.model.data import refs_and_Z
from mixedbayes.model.formulations import EachFactor
from mixedbayes.model.variables import number, scalar, shifted, vector
from mixedbayes.priors.placement import Centre, Cuts
from mixedbayes.priors.types import MonotonicPrior, PredictorPriors


def linear_predictor(
    predictor: LinearPredictor,
    priors: PredictorPriors,
    formulations: Mapping[str, EachFactor],
) -> Any:
    """eta = Intercept + X fixef + sum_k Z_k b_k + offset, (n,), inside a model context.

    Effects that are correlated across parameters are in the model already, see `across`.
    """
    eta, p = population(predictor, priors), predictor.parameter
    for g in predictor.groups:
        across = names.ranef(g.name, p) in pm.modelcontext(None)
        own = None if across else formulations[names.prefix(p) + g.name]
        eta = eta + group_part(g, priors, own)
    if predictor.offset is not None:
        eta = eta + pm.modelcontext(None)[f"{names.prefix(predictor.parameter)}offset"]
    return eta


def population(predictor: LinearPredictor, priors: PredictorPriors) -> Any:
    """Intercept + X fixef.

    The sampler moves in the intercept at the columns' means, which is nearly uncorrelated with
    the slopes; `Intercept` is always the one at zero.
    """
    p = predictor.parameter
    if not predictor.terms:
        zeros = pt.zeros(pm.modelcontext(None).dim_lengths[names.OBS])
        if priors.intercept is None:
            return zeros
        return scalar(names.intercept(p), priors.intercept.prior) + zeros
    X = pm.modelcontext(None)[f"{names.prefix(p)}X"]
    name, dim = names.fixef(p), names.term_dim(p)
    own = name if priors.population is None else names.at_means(name)
    if priors.monotonic:
        beta = _with_steps(own, predictor, priors)
    else:
        beta = vector(own, [a.prior for a in priors.fixef], predictor.terms, dim)
    if priors.population is not None:
        at_zero = number(f"placed_{name}", priors.population.T) @ beta
        beta = pm.Deterministic(name, at_zero, dims=dim)
    if priors.intercept is None:
        return X @ beta
    return _intercept(predictor, priors, beta) + X @ beta


def _with_steps(name: str, predictor: LinearPredictor, priors: PredictorPriors) -> Any:
    """(p,) coefficients, those of a monotonic effect b D zeta: its average step and the shares."""
    p, elements = predictor.parameter, dict[int, Any]()
    for k in priors.plain:
        elements[k] = scalar(names.part(name, predictor.terms[k]), priors.fixef[k].prior)
    for m in priors.monotonic:
        b, zeta = average_and_shares(m, p)
        for i, k in enumerate(m.effect.columns):
            elements[k] = b * len(m.effect.steps) * zeta[i]
    beta = pt.stack([elements[k] for k in range(len(predictor.terms))])
    return pm.Deterministic(name, beta, dims=names.term_dim(p))


def average_and_shares(m: MonotonicPrior, parameter: str) -> tuple[Any, Any]:
    """The average step of a monotonic effect, and the shares (D,) of its steps."""
    b = scalar(names.average_step(m.name, parameter), m.average.prior)
    name, dim = names.simplex(m.name, parameter), names.step_dim(m.name, parameter)
    a = number(f"prior_{name}_a", m.dirichlet.alpha)
    return b, pm.Dirichlet(name, a=a, dims=dim)


def _intercept(predictor: LinearPredictor, priors: PredictorPriors, beta: Any) -> Any:
    assert priors.intercept is not None
    name, prior = names.intercept(predictor.parameter), priors.intercept.prior
    centre = centre_of(predictor)
    if priors.intercept_at_means:
        at_means = scalar(names.at_means(name), prior)
    else:
        at_means = shifted(names.at_means(name), prior, centre.intercept(0.0, beta))
        if at_means is None:
            return scalar(name, prior)
    return pm.Deterministic(name, centre.intercept_at_zero(at_means, beta))


def centre_of(predictor: LinearPredictor) -> Centre:
    """The columns' means, which the sampler's coordinates are about, as a variable."""
    return Centre(number(f"{names.prefix(predictor.parameter)}X_means", predictor.means))


def cuts_of(design: Design, name: str) -> Cuts:
    """The means of the columns that move thresholds, as a variable."""
    called = name.replace("thresholds", "cut", 1)
    return Cuts(number(f"{called}_X_means", Cuts.of(design, name).means))


def group_part(g: GroupDesign, priors: PredictorPriors, formulation: EachFactor | None) -> Any:
    """Z_k b_k per row, (n,), by gathering each row's effects: nothing is one-hot.

    Without a formulation the effects are in the model.
    """
    data, total = pm.modelcontext(None), 0.0
    if formulation is None:
        b = data[names.ranef(g.name, priors.parameter)]  # (J, q)
    else:
        sd = standard_deviations(g, priors)
        b = formulation.effects(g, priors, sd, cholesky_factor(g, sd, priors))
    if g.dense is not None:
        return data[refs_and_Z(g.name, priors.parameter)[1]] @ b[:, 0]
    for k in range(len(g.pieces)):
        refs, Z = refs_and_Z(g.name, priors.parameter, k)
        there = b[data[refs]]
        total = total + ((data[Z] * there).sum(axis=1) if Z in data else there[:, 0])
    return total
