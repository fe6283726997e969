"""Coefficients per level: population + deviation."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.results import kept
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.ranef import COLUMNS, chosen, ranef_draws, rows_of
from mixedbayes.results.tables import chained, describe, stack

Floats = NDArray[np.float64]


def population_of(post: Posterior, g: GroupDesign, parameter: str = "mu") -> Floats:
    """(S, q) population effect of each of a factor's terms, zero where it has none."""
    return np.stack([post.population(term, parameter) for term in g.terms], axis=1)


def coef_kernel(ranef: Floats, population: Floats) -> Floats:
    """(S, J, q) population (S, q) + deviation (S, J, q)."""
    return ranef + population[:, None, :]


def coef(
    post: Posterior, prob: float = 0.95, *, group: str | None = None, draws: bool = False
) -> Any:
    """Coefficients per level: population effect + deviation, on the link scale.

    A term that varies over the levels without a population effect is the deviation alone. With
    several grouping factors a level's coefficient has that factor's own deviation, the others' are
    zero.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the equal-tailed interval.
    group
        One grouping factor; all by default.
    draws
        Return the draws instead: a Dataset of `coef_<group>` (chain, draw, level, term).

    Returns
    -------
    DataFrame with the rows and columns of `ranef`.

    Raises
    ------
    ModelError
        If there is no such grouping factor, or draws are asked for that were not kept.
    """
    if draws:
        return coef_draws(post, group)
    chains = post.shape[0]
    tables = []
    for p, g in chosen(post, group):
        if post.has_ranef(g.name, p):
            values = coef_kernel(post.ranef(g.name, p), population_of(post, g, p))
            described = describe(chained(values, chains), prob)
        else:
            described = kept.columns(kept.read(post, names.coef(g.name, p)), prob)
        tables.append(rows_of(post, g, p).assign(**described))
    return stack(tables, COLUMNS)


def coef_draws(post: Posterior, group: str | None) -> xr.Dataset:
    """`coef_<group>` of one factor or of all; ModelError where draws were not kept."""
    deviations = ranef_draws(post, group)
    out = {}
    for p, g in chosen(post, group):
        values = coef_kernel(post.ranef(g.name, p), population_of(post, g, p))
        order = (names.CHAIN, names.DRAW, names.group_dim(g.name), names.group_term_dim(g.name, p))
        out[names.coef(g.name, p)] = (order, chained(values, post.shape[0]))
    return xr.Dataset(out, coords=deviations.coords)
