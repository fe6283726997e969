"""Weakly informative default priors.

Every scale is (spread of the response) / (spread of that term's column), what is left of the
column beside all others being its spread. Defaults therefore follow a change of units, and the
posterior stays as it is when a predictor's origin moves, in products and powers too. Those of
products, powers and group effects are placed at the covariates' means, see
`mixedbayes.priors.placement`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mixedbayes import names
from mixedbayes.design import several
from mixedbayes.design.counted import mean, sd
from mixedbayes.design.projection import constant, left_over, triangle
from mixedbayes.design.types import Design, Floats, GroupDesign, LinearPredictor, Monotonic
from mixedbayes.distributions import Dirichlet, Exponential, Normal
from mixedbayes.families.base import Family
from mixedbayes.priors.placement import Placement
from mixedbayes.priors.several import side_by_side
from mixedbayes.priors.types import Assigned, MonotonicPrior, PredictorPriors, Priors

WIDTH = 2.5  # population effects: prior sd in units of sd(response) / sd(predictor)


def default_priors(design: Design, family: Family) -> Priors:
    """Defaults for every parameter of `design` under `family`.

    Intercept (at the predictors' means): Normal(center(y), 2.5 sd(y)); slopes:
    Normal(0, 2.5 sd(y) / s(x)); sds of group effects (at the means): Exponential with mean
    sd(y) / s(z); correlations: LKJ(2); sigma: Exponential with mean sd(y). The average step of a
    monotonic effect has the slope's prior of numbered levels, 0, 1, ..., D; the shares of its
    steps are Dirichlet(1, ..., 1). y is on the link scale;
    s is the step of a column with two values and the sd of others, times the share of it that least
    squares on the other columns leaves.
    """
    if design.several is not None:
        return _of_several(design, family)
    location, scale = family.location(design), family.scale(design)
    level = family.thresholds is not None
    mu = predictor_priors(design.mu, location, scale, family.scale_origin(design), level=level)
    others = (_further(predictor, design, family) for predictor in design.predictors[1:])
    parameters = {
        name: Assigned(*family.parameter_prior(name, design)) for name in family.estimated(design)
    }
    predictors, across = _across(design, (mu, *others))
    return Priors(predictors, parameters, across=across, residual=_residual(design))


def _residual(design: Design) -> dict[str, Assigned]:
    """Of the correlations of residuals; those of every arm have the same."""
    own = design.residual
    if own is None:
        return {}
    return {symbol: Assigned(*own.structure.default()) for symbol in own.symbols}


def _of_several(design: Design, family: Family) -> Priors:
    """Defaults of several responses: those of each response's own model.

    A parameter that is one number has that of the intercept of its own formula, on its link's
    scale.
    """
    every = design.several
    assert every is not None
    families = [family.of_response(k) for k in range(len(every.names))]
    parts = [default_priors(p, f) for p, f in zip(design.parts, families, strict=True)]
    found = []
    for predictor in design.predictors:
        p, own = predictor.parameter, []
        for k, (part, priors) in enumerate(zip(design.parts, parts, strict=True)):
            if part.has(p):
                own.append((k, part.predictor(p), priors.predictor(p)))
            elif p in every.parameters[k]:
                one = several.one(part.n, p)
                own.append((k, one, _further(one, part, families[k])))
        found.append(side_by_side(design, p, own))
    predictors, across = _across(design, tuple(found))
    parameters = {name: Assigned(*family.parameter_prior(name, design)) for name in family.vectors}
    return Priors(predictors, parameters, across=across, residual=_residual(design))


def _further(predictor: LinearPredictor, design: Design, family: Family) -> PredictorPriors:
    name = predictor.parameter
    if predictor.threshold is not None:  # effects of the mean
        scale, unit = family.scale(design), family.scale_origin(design)
        return predictor_priors(predictor, 0.0, scale, unit, level=True)
    unit = family.parameter_origin(name)
    return predictor_priors(predictor, *family.link_scale(name, design), unit)


def _across(
    design: Design, predictors: tuple[PredictorPriors, ...]
) -> tuple[tuple[PredictorPriors, ...], dict[str, Assigned]]:
    """Of effects that are correlated across parameters one prior of all correlations."""
    across = {a.name: Assigned(*a.effects.covariance.default()) for a in design.across}

    def own(p: PredictorPriors) -> PredictorPriors:
        return replace(p, cor={g: prior for g, prior in p.cor.items() if g not in across})

    return (tuple(map(own, predictors)) if across else predictors), across


def predictor_scale(x: Floats, counts: Floats | None = None, *, level: bool = True) -> float:
    """Spread of one column: the step of a two-valued one, else its sd; |x| of a constant one.

    Row i counts `counts` (n,) times. Without a `level`, where the predictor passes through zero,
    about zero: the step from 0, or the root mean square.
    """
    low, high = float(np.min(x)), float(np.max(x))
    if low == high:
        return abs(low) or 1.0
    if (level or low == 0 or high == 0) and bool(np.all((x == low) | (x == high))):
        return high - low
    return sd(x, counts) if level else float(np.sqrt(mean(np.square(x), counts)))


def column_scales(
    X: Floats,
    R: Floats,
    placement: Placement | None,
    counts: Floats | None,
    *,
    level: bool,
    centred: bool,
) -> Floats:
    """(p,) spread of each column times the share of it that least squares on the others leaves.

    The columns are X (n, p), each replaced as the placement says. With a `level` (an intercept,
    thresholds) a column of ones is among the others, and R is the `triangle` of the centred
    columns; else of the columns. Spreads are about the mean where the columns are `centred`, with a
    level or because they add up to a constant.
    """
    about = R if level == centred else triangle(X, counts, centre=mean(X, counts))
    own = _own_scales(X, about, placement, counts, level=centred)
    left = left_over(triangle(R if placement is None else placement.columns(R)))
    return own * np.where(left > 0, left, 1.0)  # a dependent column has its prior to itself


def effect_scales(
    g: GroupDesign, placement: Placement | None, counts: Floats | None = None
) -> Floats:
    """(q,) spread of a factor's columns, replaced as the placement says; 1 of the intercept."""
    if g.terms == (names.INTERCEPT,) or g.meaning:
        return np.ones(len(g.terms))
    R = None if placement is None else triangle(g.Z, counts, centre=mean(g.Z, counts))
    own = _own_scales(g.Z, R, placement, counts, level=True)
    return np.where([t == names.INTERCEPT for t in g.terms], 1.0, own)


def _own_scales(
    X: Floats, R: Floats | None, placement: Placement | None, counts: Floats | None, *, level: bool
) -> Floats:
    """(p,) spread of each column, times the share that is left of it where it is replaced.

    R is the columns' `triangle`, which without a placement is not read.
    """
    own = np.array([predictor_scale(x, counts, level=level) for x in X.T])
    if placement is None or R is None:
        return own
    whole, left = (np.linalg.norm(A, axis=0) for A in (R, placement.columns(R)))
    return own * np.where((whole > 0) & (left > 0), left / np.where(whole > 0, whole, 1.0), 1.0)


def _typical_variance(g: GroupDesign) -> float:
    """Mean variance of levels in a known relation, 1 of independent ones."""
    if g.related_to is None:
        return 1.0
    mean = float(np.mean(g.related_to.diagonal))
    return 1.0 if abs(mean - 1) < 1e-6 else mean


def _of_sd(g: GroupDesign, term: str, scale: float, typical: float, unit: str) -> str:
    """Where the default prior of an sd comes from."""
    if g.meaning:
        return f"{g.meaning}: mean {unit}"
    found = f"mean {unit}{f' / {term}: {scale:.4g}' if term else ''}"
    return found if typical == 1 else f"{found} / {np.sqrt(typical):.3g}, the sd of typical levels"


def predictor_priors(
    predictor: LinearPredictor,
    location: float,
    scale: float,
    unit: str,
    *,
    level: bool = False,
) -> PredictorPriors:
    """Defaults for one predictor of a quantity with this location and spread (link scale).

    `level` says that something else than an intercept is its value at the means: thresholds.
    """
    level = level or predictor.intercept
    whole = predictor
    predictor = with_equal_steps(whole)
    stepped = {predictor.terms.index(m.name) for m in whole.monotonic}
    X, counts = predictor.X, predictor.counts
    R = triangle(X, counts, centre=predictor.means if level else None)
    population = Placement.of(R, predictor.margins)
    ones = None if level else constant(X, counts)
    if ones is not None and population is not None:
        ones = population.effects_at_means(ones)
    centred = level or ones is not None
    scales = column_scales(X, R, population, counts, level=level, centred=centred)
    if stepped:  # the priors of monotonic effects are at zero
        there = None if population is None else population.fixing(stepped)
        zero = column_scales(X, R, there, counts, level=level, centred=centred)
        scales[list(stepped)] = zero[list(stepped)]
    spread = f"{unit} = {scale:.4g}"
    intercept = None
    if predictor.intercept:
        intercept = Assigned(Normal(location, WIDTH * scale), f"mean, and {WIDTH} x {spread}")
    reach, reach_unit = scale, spread
    if not level and ones is None:
        # The predictor passes through zero, so that the effects carry the location.
        reach = float(np.hypot(scale, location))
        reach_unit = f"root mean square = {reach:.4g}"
    # Columns that add up to a constant, such as all indicators of a factor, are at the location.
    centre = np.zeros(len(scales)) if ones is None else location * ones + 0.0  # no -0
    fixef = tuple(
        Assigned(
            Normal(float(m), WIDTH * reach / s),
            f"{'mean, and ' if m else ''}{WIDTH} x {reach_unit} / {term}: {s:.4g}",
        )
        for term, m, s in zip(predictor.terms, centre, scales, strict=True)
    )
    by_effect = dict(zip(predictor.terms, fixef, strict=True))
    predictor = whole
    if predictor.monotonic:
        R = triangle(whole.X, counts, centre=whole.means if level else None)
        population = Placement.of(R, whole.margins)
        if population is not None:
            population = population.fixing({k for m in whole.monotonic for k in m.columns})
        fixef = tuple(by_effect.get(term, EQUAL) for term in whole.terms)
    sds, cor, placed, laws = {}, {}, {}, {}
    for g in predictor.groups:
        one, arms = g.of_one_arm, 1 if g.arms is None else len(g.arms.levels)
        placement = None
        if any(one.margins):
            placement = Placement.of(triangle(one.Z, g.counting(counts)), one.margins)
        scales = np.tile(effect_scales(one, placement, g.counting(counts)), arms)
        placement = Placement.joint([(placement, len(one.terms))] * arms)
        typical = _typical_variance(g)
        spreads = g.told_sd(scales)
        told = g.sd_terms if g.arms is None else g.population
        measured = {*g.population} - {names.INTERCEPT}  # not all levels of a variable
        sds[g.name] = tuple(
            Assigned(
                Exponential(s * np.sqrt(typical) / reach),
                _of_sd(g, t if t in measured else "", s, typical, reach_unit),
            )
            for t, s in zip(told, spreads, strict=True)
        )
        laws[g.name] = {n: Assigned(*g.law.default(n)) for n in g.law.estimated}
        if g.correlated:
            cor[g.name] = Assigned(*g.covariance.default())
        if placement is not None:
            placed[g.name] = placement
    found = PredictorPriors(
        parameter=predictor.parameter,
        intercept=intercept,
        intercept_at_means=True,
        terms=predictor.terms,
        fixef=fixef,
        group_terms={g.name: g.sd_terms for g in predictor.groups},
        sd=sds,
        cor=cor,
        placed=placed,
        population=population,
        covariances={g.name: g.covariance for g in predictor.groups},
        laws={name: own for name, own in laws.items() if own},
    )
    return found.with_monotonic(tuple(_monotonic(m, by_effect[m.name]) for m in whole.monotonic))


EQUAL = Assigned(Dirichlet(1.0), "every way to divide the steps is as likely")


def _monotonic(m: Monotonic, average: Assigned) -> MonotonicPrior:
    shares = replace(EQUAL, prior=Dirichlet(1.0).of(len(m.steps)))
    return MonotonicPrior(
        m, replace(average, origin=f"{average.origin}, if steps are equal"), shares
    )


def with_equal_steps(predictor: LinearPredictor) -> LinearPredictor:
    """The predictor were the steps of monotonic effects equal: of each the column of its levels."""
    if not predictor.monotonic:
        return predictor
    own = {m.name: list(m.columns) for m in predictor.monotonic}
    places = [own.get(e) or [predictor.terms.index(e)] for e in predictor.effects]
    new = {old: k for k, columns in enumerate(places) for old in columns}
    margins = predictor.margins or ((),) * len(predictor.terms)
    return replace(
        predictor,
        terms=predictor.effects,
        X=np.stack([predictor.X[:, columns].sum(axis=1) for columns in places], axis=1),
        margins=tuple(tuple(new[k] for k in margins[columns[0]]) for columns in places),
        monotonic=(),
    )
