"""Group effects: deviations from the population."""

from __future__ import annotations

from typing import Any

import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.errors import ModelError
from mixedbayes.results import kept
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import apart, describe, stack

COLUMNS = ("group", "level", "term", "n", "mean", "sd", "lower", "upper", "ess_bulk", "rhat")
# Columns of tables with a row for each level and term, beside which a factor's name has to stand
_TAKEN = (
    *COLUMNS, "parameter", "kind", "note", "no_pooling", "partial_pooling", "complete_pooling",
    "pooling", "pooling_lower", "pooling_upper", "borrowed",
)  # fmt: skip


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
            name = apart(factor, _TAKEN, "level")
            columns[name] = g.parts[factor].repeat(q).reset_index(drop=True)
    labels = [names.prefix(parameter) + term for term in g.terms]
    columns["term"] = pd.Series(labels * g.n_levels, dtype="str")
    columns["n"] = g.rows_per_level.repeat(q)
    return pd.DataFrame(columns)


def ranef(
    post: Posterior, prob: float = 0.95, *, group: str | None = None, draws: bool = False
) -> Any:
    """Group effects: deviations from the population, on the link scale.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the equal-tailed interval.
    group
        One grouping factor; all by default.
    draws
        Return the draws instead: a Dataset of `ranef_<group>` (chain, draw, level, term).

    Returns
    -------
    DataFrame with one row per level and term: group, level, the parts of a combined level, term, n
    (rows of that level), mean, sd, lower, upper, ess_bulk, rhat. Levels keep the user's labels,
    order and, where the factors shown share one, type. Where further parameters of the family have
    formulas, a column `parameter` says whose effects these are. Where only summaries of the effects
    were kept, ess_bulk and rhat are absent.

    Raises
    ------
    ModelError
        If there is no such grouping factor, or draws are asked for that were not kept.

    Examples
    --------
    >>> fit.ranef(group="Subject")  # doctest: +SKIP
    """
    if draws:
        return ranef_draws(post, group)
    tables = []
    for p, g in chosen(post, group):
        name = names.ranef(g.name, p)
        if post.has_ranef(g.name, p):
            described = describe(post.chains(name), prob)
        else:
            described = kept.columns(kept.read(post, name), prob)
        tables.append(rows_of(post, g, p).assign(**described))
    return stack(tables, COLUMNS)


def rows_of(post: Posterior, g: GroupDesign, parameter: str) -> pd.DataFrame:
    """`effect_rows`, with a column `parameter` where several have formulas."""
    found = effect_rows(g, parameter)
    if post.design.further:
        found.insert(0, "parameter", pd.Series([parameter] * len(found), dtype="str"))
    return found


def ranef_draws(post: Posterior, group: str | None) -> xr.Dataset:
    """`ranef_<group>` of one factor or of all; ModelError where draws were not kept."""
    pairs = chosen(post, group)
    for p, g in pairs:
        post.need_ranef(g.name, p)
    return post.draws[[names.ranef(g.name, p) for p, g in pairs]]
