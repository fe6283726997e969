"""Weakly informative default priors.

Every scale is (spread of the response) / (spread of that term's predictor), so that defaults
follow a change of units and stay as they are when a predictor's origin moves.
"""

from __future__ import annotations

import numpy as np

from mixedbayes import names
from mixedbayes.design.counted import sd
from mixedbayes.design.types import Design, Floats, LinearPredictor
from mixedbayes.families.base import Family
from mixedbayes.priors.distributions import LKJ, Exponential, Normal
from mixedbayes.priors.types import Assigned, PredictorPriors, Priors

WIDTH = 2.5  # population effects: prior sd in units of sd(response) / sd(predictor)


def predictor_scale(x: Floats, counts: Floats | None = None) -> float:
    """Spread of one column: the step of a two-valued one, else its sd; |x| of a constant one.

    Row i counts `counts` (n,) times in the sd.
    """
    low, high = float(np.min(x)), float(np.max(x))
    if low == high:
        return abs(low) or 1.0
    two_valued = bool(np.all((x == low) | (x == high)))
    return high - low if two_valued else sd(x, counts)


def default_priors(design: Design, family: Family) -> Priors:
    """Defaults for every parameter of `design` under `family`.

    Intercept (at the predictors' means): Normal(center(y), 2.5 sd(y)); slopes:
    Normal(0, 2.5 sd(y) / sd(x)); sds of group effects: Exponential with mean sd(y) / sd(z);
    correlations: LKJ(2); sigma: Exponential with mean sd(y). y is on the link scale.
    """
    location, scale = family.location(design), family.scale(design)
    mu = predictor_priors(design.mu, location, scale, family.scale_origin(design))
    others = {
        name: predictor_priors(
            predictor,
            *family.parameter_scale(name, design),
            f"unit of {family.parameter_link(name).name}({name})",
        )
        for name, predictor in design.others.items()
    }
    parameters = {
        name: Assigned(*family.parameter_prior(name, design))
        for name in family.parameters
        if name not in others
    }
    return Priors(mu, others, parameters)


def predictor_priors(
    predictor: LinearPredictor, location: float, scale: float, unit: str
) -> PredictorPriors:
    """Defaults for one predictor of a quantity with this location and spread (link scale)."""
    spread = f"{unit} = {scale:.4g}"
    intercept = None
    if predictor.intercept:
        intercept = Assigned(Normal(location, WIDTH * scale), f"mean, and {WIDTH} x {spread}")
    # Without an intercept the predictor passes through zero, so the effects carry the location.
    reach = scale if predictor.intercept else float(np.hypot(scale, location))
    reach_unit = spread if predictor.intercept else f"root mean square = {reach:.4g}"
    fixef = []
    for term, x in zip(predictor.terms, predictor.X.T, strict=True):
        s = predictor_scale(x, predictor.counts)
        fixef.append(
            Assigned(Normal(0.0, WIDTH * reach / s), f"{WIDTH} x {reach_unit} / {term}: {s:.4g}")
        )
    sds, cor = {}, {}
    for g in predictor.groups:
        assigned = []
        for term, z in zip(g.terms, g.Z.T, strict=True):
            s = 1.0 if term == names.INTERCEPT else predictor_scale(z, predictor.counts)
            per = "" if term == names.INTERCEPT else f" / {term}: {s:.4g}"
            assigned.append(Assigned(Exponential(s / scale), f"mean {spread}{per}"))
        sds[g.name] = tuple(assigned)
        if g.correlated:
            cor[g.name] = Assigned(LKJ(2.0), "favours weak correlations a little")
    return PredictorPriors(
        parameter=predictor.parameter,
        intercept=intercept,
        intercept_at_means=True,
        terms=predictor.terms,
        fixef=tuple(fixef),
        group_terms={g.name: g.terms for g in predictor.groups},
        sd=sds,
        cor=cor,
    )
