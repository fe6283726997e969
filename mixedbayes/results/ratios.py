"""Odds, rate and hazard ratios, and ratios of means: effects on a logarithmic scale, as factors."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
import xarray as xr
from scipy import special

from mixedbayes import names
from mixedbayes.design.types import Design, Floats, LinearPredictor
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family
from mixedbayes.families.links import Cloglog, Identity, Inverse, Log, Logit, Probit
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import (
    ENDS,
    Description,
    Interval,
    Statistics,
    chained,
    labelled,
)
from mixedbayes.terms.base import need_plain

_OF_THE_RATIO = ("mean", "sd", "median", "mad", "mcse")  # others are the same as of its logarithm
_DUMMY = re.compile(r".+\[[^\[\]]+\]")
# Two levels drawn at random differ by sqrt(2) sd N(0, 1); the median of |N(0, 1)| is this.
_MEDIAN = float(np.sqrt(2) * special.ndtri(0.75))


@dataclass(frozen=True)
class Ratio:
    """What exp() of an effect is, and exp() of the intercept."""

    name: str  # "odds ratio"
    level: str  # "baseline odds"


def ratio_of(family: Family, design: Design) -> Ratio:
    """What exp() of this model's effects is; ModelError where it is nothing."""
    link = family.link
    if family.unordered:
        return Ratio("relative-risk ratio", "baseline relative risk")
    if reason := family.no_ratio(design):
        raise _meaningless(family, reason)
    if family.mean_link != link.name:
        # With a sigma of its own per row, means are not proportional to medians.
        what = "median" if names.SIGMA in design.further else "mean"
        beyond = family.beyond
        return Ratio(f"ratio of {what}s{beyond}", f"baseline median{beyond}")
    if isinstance(link, Logit):
        return Ratio("odds ratio", "baseline odds")
    if isinstance(link, Cloglog):
        return Ratio("hazard ratio", "baseline hazard")
    if isinstance(link, Log):
        if not family.discrete:
            return Ratio("ratio of means", "baseline mean")
        exposed = design.mu.offset is not None
        return Ratio("rate ratio", "baseline rate" if exposed else "baseline mean")
    if isinstance(link, Identity):
        reason = "effects are differences, in the response's own unit"
    elif isinstance(link, Probit):
        reason = (
            "effects are in sds of a latent normal, of which no ratio follows; link=mb.Logit() "
            "has odds ratios"
        )
    elif isinstance(link, Inverse):
        reason = "effects are differences of 1 / mean; link=mb.Log() has ratios of means"
    else:
        reason = f"effects are differences on the {link.name} scale"
    raise _meaningless(family, reason)


def _meaningless(family: Family, reason: str) -> ModelError:
    return ModelError(
        f"exponentiate=True has no meaning for the {family.name} family with {family.link.name} "
        f"link: {reason}"
    )


def of_the_mean(design: Design) -> tuple[LinearPredictor, ...]:
    """The predictor of the mean; those of all categories where each has its own."""
    return design.predictors if design.mu.parameter != names.MU else (design.mu,)


def level_terms(predictor: LinearPredictor) -> set[str]:
    """Terms whose exp() is a level, not a ratio: the intercept, and without one the dummies.

    In `0 + arm` the coefficients of arm[a] and arm[b] are the levels themselves.
    """
    if predictor.intercept:
        return {names.INTERCEPT}
    sets: dict[str, list[int]] = {}  # dummies of one category, or of one combination
    for k, term in enumerate(predictor.terms):
        if all(_DUMMY.fullmatch(part) for part in term.split(":")):
            sets.setdefault(re.sub(r"\[[^\[\]]*\]", "", term), []).append(k)
    whole = [at for at in sets.values() if _one_in_each_row(predictor.X[:, at])]
    return {predictor.terms[k] for at in whole for k in at}


def _one_in_each_row(columns: Floats) -> bool:
    return bool(np.isin(columns, (0, 1)).all() and (columns.sum(axis=1) == 1).all())


@overload
def fixef_ratios(
    post: Any, prob: float = 0.95, *, draws: Literal[False] = False, statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame: ...  # fmt: skip


@overload
def fixef_ratios(
    post: Any, prob: float = 0.95, *, draws: Literal[True], statistics: Statistics = None,
    interval: Interval = "eti",
) -> xr.DataArray: ...  # fmt: skip


@overload
def fixef_ratios(
    post: Any, prob: float = 0.95, *, draws: bool, statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.DataArray: ...  # fmt: skip


def fixef_ratios(
    post: Posterior,
    prob: float = 0.95,
    *,
    draws: bool = False,
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.DataArray:
    """Population effects of the mean as ratios: what a step of 1 in a predictor multiplies.

    Parameters
    ----------
    post
        The posterior of a model with a logit, log or complementary log-log link, or lognormal.
    prob
        Probability of the interval.
    draws
        Return draws of exp(effect) instead: a DataArray (chain, draw, term).
    statistics
        Further columns in the place of those below, of the ratio: "mean", "sd", "mad", ...; see
        `mixedbayes.results.tables.Description`.
    interval
        "eti": equal tails, exp() of those of the effect; "hdi": highest density of the ratio.

    Returns
    -------
    DataFrame with one row per effect: term, a column named by what the ratio is ("odds ratio",
    "rate ratio", "hazard ratio", "ratio of means", "relative-risk ratio"), lower, upper,
    prob_positive, ess_bulk, rhat.
    The value is the posterior median; it and the interval are exp() of those of the effect, and
    prob_positive is the posterior probability that the ratio is above 1. The intercept is no ratio
    but the odds, rate, hazard or mean itself (of lognormal responses the median) where every
    predictor is zero, and named so: `Intercept (baseline odds)`; without an intercept that goes for
    the levels of a category, `arm[a] (baseline odds)`. Effects on further parameters of the family
    are left out. Of categories without an order there are the effects on every category's
    predictor, `mu_bus_x`: what a step multiplies P(bus) / P(reference) by.

    Raises
    ------
    ModelError
        Where exp() of an effect is no ratio: the identity, probit and inverse links.

    References
    ----------
    Prentice & Gloeckler (1978), doi:10.2307/2529588, for hazard ratios by the complementary
    log-log link.
    """
    ratio = ratio_of(post.family, post.design)
    name, terms, columns = ratio.name, list[str](), list[Floats]()
    for predictor in of_the_mean(post.design):
        p, levels = predictor.parameter, level_terms(predictor)
        own = [names.INTERCEPT] * predictor.intercept + list(predictor.effects)
        terms += [
            names.prefix(p) + (f"{term} ({ratio.level})" if term in levels else term)
            for term in own
        ]
        columns += [post.intercept(p)[:, None]] if predictor.intercept else []
        columns.append(post.population_effects(p))
    apart = post.design.moving[1:]  # effects on single thresholds
    terms += [names.label(p.parameter, t) for p in apart for t in p.effects]
    columns += [post.population_effects(p.parameter) for p in apart]
    values = np.concatenate(columns, axis=1)
    if draws:
        return labelled(np.exp(values), post.shape[0], [names.TERM], {names.TERM: terms}, name)
    table = pd.DataFrame({names.TERM: pd.Series(terms, dtype="str")})
    how = Description.asked(prob, statistics, interval, default=(*ENDS, "prob_positive"))
    return table.assign(**_exponentiated(values, post.shape[0], how, name))


@overload
def varcorr_ratios(
    post: Any, prob: float = 0.95, *, draws: Literal[False] = False, statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame: ...  # fmt: skip


@overload
def varcorr_ratios(
    post: Any, prob: float = 0.95, *, draws: Literal[True], statistics: Statistics = None,
    interval: Interval = "eti",
) -> xr.DataArray: ...  # fmt: skip


@overload
def varcorr_ratios(
    post: Any, prob: float = 0.95, *, draws: bool, statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.DataArray: ...  # fmt: skip


def varcorr_ratios(
    post: Posterior,
    prob: float = 0.95,
    *,
    draws: bool = False,
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.DataArray:
    """Standard deviations of the group effects as median ratios between two random levels.

    Of two levels drawn at random, the ratio of the one with the larger odds (rate, hazard, mean) to
    the other, all covariates equal, has the median exp(sqrt(2) sd z), z = 0.6745 the normal's third
    quartile. 1 where levels do not differ. For a slope it is the median ratio of the two levels'
    ratios per step of 1.

    Parameters
    ----------
    post, prob, draws, statistics, interval
        As in `fixef_ratios`; draws are a DataArray (chain, draw, effect).

    Returns
    -------
    DataFrame with one row per group effect on the mean: group, term, "median odds ratio" (or that
    of another ratio), lower, upper, ess_bulk, rhat.

    Raises
    ------
    ModelError
        As in `fixef_ratios`; or the model has no group effects.

    References
    ----------
    Larsen & Merlo (2005), doi:10.1093/aje/kwi017; Austin, Wagner & Merlo (2017),
    doi:10.1002/sim.7188, for hazard ratios.
    """
    name = f"median {ratio_of(post.family, post.design).name}"
    groups = [(p.parameter, g) for p in of_the_mean(post.design) for g in p.factors]
    need_plain([g for _, g in groups], "exponentiate=True")
    if not groups:
        raise ModelError(f"the model has no group effects, so no {name}")
    rows = [(g.name, names.prefix(p) + term) for p, g in groups for term in g.terms]
    values = _MEDIAN * np.concatenate([post.sd(g.name, p) for p, g in groups], axis=1)
    if draws:
        labels = [f"{group}: {term}" for group, term in rows]
        return labelled(np.exp(values), post.shape[0], ["effect"], {"effect": labels}, name)
    table = pd.DataFrame(rows, columns=["group", names.TERM], dtype="str")
    how = Description.asked(prob, statistics, interval, default=ENDS)
    return table.assign(**_exponentiated(values, post.shape[0], how, name))


def _exponentiated(values: Floats, chains: int, how: Description, name: str) -> dict[str, Floats]:
    """Columns of exp(values), values (S, K): quantiles go through exp() as they are."""
    found = how.sampled(chained(values, chains))
    if how.interval == "eti":
        found |= {end: np.exp(found[end]) for end in ENDS if end in found}
    moved = _OF_THE_RATIO if how.interval == "eti" else (*_OF_THE_RATIO, *ENDS)
    own = replace(how, columns=tuple(c for c in how.columns if c in moved))
    with np.errstate(over="ignore", invalid="ignore"):  # a ratio may be beyond all numbers
        found |= own.plain(np.exp(values).T, chains)
    return {name: np.exp(np.median(values, axis=0)), **found}
