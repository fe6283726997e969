"""Group effects: deviations from the population, and population + deviation."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.errors import ModelError
from mixedbayes.results import kept
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import chained, describe, stack

Floats = NDArray[np.float64]

KEYS = ("group", "level", "term", "n")
COLUMNS = (*KEYS, "mean", "sd", "lower", "upper", "ess_bulk", "rhat")


def chosen(post: Posterior, group: str | None) -> list[tuple[str, GroupDesign]]:
    """(parameter, factor) pairs: of one factor if it is named, else of all."""
    found = [(p.parameter, g) for p in post.predictors for g in p.groups]
    if group is None:
        return found
    known = list(dict.fromkeys(g.name for _, g in found))
    if group not in known:
        has = ", ".join(known) or "no group effects"
        raise ModelError(f"{group!r} is not a grouping factor of this model, which has {has}")
    return [(p, g) for p, g in found if g.name == group]


def effect_rows(g: GroupDesign, parameter: str = "mu") -> pd.DataFrame:
    """One row per level and term, levels first: group, level, the level's parts, term, n.

    The parts of a combination, such as batch and cask of batch:cask, have a column each.
    """
    q = len(g.terms)
    columns: dict[str, object] = {
        "group": pd.Series([g.name] * (g.n_levels * q), dtype="str"),
        "level": pd.Series(g.levels.repeat(q)).reset_index(drop=True),
    }
    if len(g.factors) > 1:
        for factor in g.factors:
            name = f"{factor}_level" if factor in COLUMNS else factor
            columns[name] = g.parts[factor].repeat(q).reset_index(drop=True)
    labels = [names.prefix(parameter) + term for term in g.terms]
    columns["term"] = pd.Series(labels * g.n_levels, dtype="str")
    columns["n"] = np.bincount(g.refs, minlength=g.n_levels).repeat(q)
    return pd.DataFrame(columns)


def population_of(post: Posterior, g: GroupDesign, parameter: str = "mu") -> Floats:
    """(S, q) population effect of each of a factor's terms, zero where it has none."""
    return np.stack([post.population(term, parameter) for term in g.terms], axis=1)


def coef_kernel(ranef: Floats, population: Floats) -> Floats:
    """(S, J, q) population (S, q) + deviation (S, J, q)."""
    return ranef + population[:, None, :]


@overload
def ranef(
    post: Posterior,
    group: str | None = None,
    prob: float = 0.95,
    *,
    draws: Literal[False] = False,
) -> pd.DataFrame: ...
@overload
def ranef(
    post: Posterior, group: str | None = None, prob: float = 0.95, *, draws: Literal[True]
) -> xr.Dataset: ...
def ranef(
    post: Posterior, group: str | None = None, prob: float = 0.95, *, draws: bool = False
) -> pd.DataFrame | xr.Dataset:
    """Group effects: deviations from the population, on the link scale.

    Parameters
    ----------
    post
        The posterior.
    group
        One grouping factor; all by default.
    prob
        Probability of the equal-tailed interval.
    draws
        Return the draws instead: a Dataset of `ranef_<group>` (chain, draw, level, term).

    Returns
    -------
    DataFrame with one row per level and term: group, level, the parts of a combined level, term, n
    (rows of that level), mean, sd, lower, upper, ess_bulk, rhat. Levels keep the user's labels,
    order and, where the factors shown share one, type. Where only summaries of the effects were
    kept, ess_bulk and rhat are absent.

    Raises
    ------
    ModelError
        If there is no such grouping factor, or draws are asked for that were not kept.
    """
    if draws:
        return _draws(post, group)
    tables = []
    for p, g in chosen(post, group):
        name = names.ranef(g.name, p)
        if post.has_ranef(g.name, p):
            described = describe(post.chains(name), prob)
        else:
            described = kept.columns(kept.read(post, name), prob)
        tables.append(effect_rows(g, p).assign(**described))
    return stack(tables, COLUMNS)


@overload
def coef(
    post: Posterior,
    group: str | None = None,
    prob: float = 0.95,
    *,
    draws: Literal[False] = False,
) -> pd.DataFrame: ...
@overload
def coef(
    post: Posterior, group: str | None = None, prob: float = 0.95, *, draws: Literal[True]
) -> xr.Dataset: ...
def coef(
    post: Posterior, group: str | None = None, prob: float = 0.95, *, draws: bool = False
) -> pd.DataFrame | xr.Dataset:
    """Coefficients per level: population effect + deviation, on the link scale.

    A term that varies over the levels without a population effect is the deviation alone. With
    several grouping factors each level's coefficient has that factor's deviation only, the others'
    at zero.

    Parameters, rows and errors are those of `ranef`; draws are `coef_<group>`.
    """
    if draws:
        return _with_population(post, _draws(post, group), group)
    chains = post.shape[0]
    tables = []
    for p, g in chosen(post, group):
        if post.has_ranef(g.name, p):
            values = coef_kernel(post.ranef(g.name, p), population_of(post, g, p))
            described = describe(chained(values, chains), prob)
        else:
            described = kept.columns(kept.read(post, names.coef(g.name, p)), prob)
        tables.append(effect_rows(g, p).assign(**described))
    return stack(tables, COLUMNS)


def _draws(post: Posterior, group: str | None) -> xr.Dataset:
    pairs = chosen(post, group)
    for p, g in pairs:
        post.need_ranef(g.name, p)
    return post.draws[[names.ranef(g.name, p) for p, g in pairs]]


def _with_population(post: Posterior, deviations: xr.Dataset, group: str | None) -> xr.Dataset:
    out = {}
    for p, g in chosen(post, group):
        deviation = deviations[names.ranef(g.name, p)]
        term = names.group_term_dim(g.name, p)
        population = xr.DataArray(
            chained(population_of(post, g, p), post.shape[0]), dims=(names.CHAIN, names.DRAW, term)
        )
        order = deviation.dims
        out[names.coef(g.name, p)] = (deviation + population).transpose(*order)
    return xr.Dataset(out)
