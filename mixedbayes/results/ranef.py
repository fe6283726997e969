"""Group effects, and coefficients per level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import Floats, GroupDesign
from mixedbayes.errors import ModelError
from mixedbayes.results import effect_summaries
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.several import rows_per_effect
from mixedbayes.results.tables import (
    EFFECT,
    HEALTH,
    STATISTICS,
    Description,
    Interval,
    Statistics,
    apart,
    chained,
    labelled,
    stack,
)

COLUMNS = ("group", "level", "term", "n", *EFFECT, *HEALTH)
# Columns of tables with a row for each level and term, beside which a factor's name has to stand
_TAKEN = (
    *COLUMNS, *STATISTICS, "parameter", "kind", "note", "no_pooling", "partial_pooling",
    "complete_pooling", "pooling", *(f"pooling_{name}" for name in STATISTICS), "borrowed",
)  # fmt: skip


def chosen(post: Posterior, group: str | None) -> list[tuple[str, GroupDesign]]:
    """(parameter, factor) pairs: of one factor if it is named, else of all."""
    found = [(p.parameter, g) for p in post.predictors for g in p.factors]
    if group is None:
        return found
    known = list(dict.fromkeys(g.name for _, g in found))
    if group not in known:
        has = ", ".join(known) or "no group effects"
        raise ModelError(f"{group!r} is not a grouping factor of this model, which has {has}")
    return [(p, g) for p, g in found if g.name == group]


def effect_rows(
    g: GroupDesign, parameter: str = "mu", n: NDArray[np.integer] | None = None
) -> pd.DataFrame:
    """One row per level and term, levels first: group, level, the level's parts, term, n.

    The parts of a combination, such as batch and cask of batch:cask, have a column each. `n` is
    (J, q), of every effect; the level's rows by default.
    """
    q = len(g.terms)
    columns: dict[str, object] = {
        "group": pd.Series([g.name] * (g.n_levels * q), dtype="str"),
        "level": pd.Series(g.levels.repeat(q)).reset_index(drop=True),
    }
    if len(g.factors) > 1 and g.parts.shape[1] > 1:
        for factor in g.parts.columns:
            name = apart(factor, _TAKEN, "level")
            columns[name] = g.parts[factor].repeat(q).reset_index(drop=True)
    labels = [names.label(parameter, term) for term in g.terms]
    columns["term"] = pd.Series(labels * g.n_levels, dtype="str")
    columns["n"] = g.rows_per_level.repeat(q) if n is None else n.ravel()
    return pd.DataFrame(columns)


@overload
def ranef(
    post: Any, prob: float = 0.95, *, group: str | None = None, draws: Literal[False] = False,
    wide: bool = False, statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame: ...  # fmt: skip


@overload
def ranef(
    post: Any, prob: float = 0.95, *, group: str | None = None, draws: Literal[True],
    wide: bool = False, statistics: Statistics = None, interval: Interval = "eti",
) -> xr.Dataset: ...  # fmt: skip


@overload
def ranef(
    post: Any, prob: float = 0.95, *, group: str | None = None, draws: bool, wide: bool = False,
    statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame | xr.Dataset: ...  # fmt: skip


def ranef(
    post: Posterior,
    prob: float = 0.95,
    *,
    group: str | None = None,
    draws: bool = False,
    wide: bool = False,
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.Dataset:
    """Group effects: deviations from the population, on the link scale.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the interval.
    group
        One grouping factor; all by default.
    draws
        Return the draws instead: a Dataset of `ranef_<group>` (chain, draw, level, term).
    wide
        One point estimate of each instead: a row for each level and a column for each term.
    statistics
        Columns in the place of those below, by name: "mean", "sd", "median", "mad",
        "prob_positive", "mcse", "ess_tail"; see `mixedbayes.results.tables.Description`.
    interval
        "eti": equal tails; "hdi": highest density, the shortest.

    Returns
    -------
    DataFrame
        One row per level and term:

        - parameter: of which parameter of the family the effect is; only where a further one has a
          formula;
        - group: the grouping factor;
        - level: its label as in the data, in their order; parts of a combined level, `batch:cask`,
          stand in columns of their own after it;
        - term: `Intercept`, or the column whose slope varies;
        - n: rows of that level;
        - mean, sd: posterior mean and standard deviation;
        - lower, upper: ends of the interval of probability `prob`;
        - prob_positive: posterior probability that the deviation is above 0;
        - ess_bulk, rhat: effective number of draws, and agreement of the chains, 1.00 where they
          agree; absent where only summaries of the effects were kept.

        With ``wide=True``, posterior means (or the one statistic that is named) of one factor, a
        row per level and a column per term; a combined level by its parts. In other libraries than
        pandas levels are columns.

    Raises
    ------
    ModelError
        If there is no such grouping factor, or draws, or statistics that follow from them alone,
        are asked for that were not kept; or `prob`, a statistic or the interval is not known; or
        ``wide=True`` has several factors or statistics to show.

    See Also
    --------
    coef : Population effect + deviation.
    varcorr : The distribution that the deviations come from.
    shrinkage : Beside each level's own estimate.
    plot_ranef : The picture.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.ranef().query("term == 'Days'").head(2)
         group level  term   n   mean    sd  lower  upper prob_positive ess_bulk  rhat
    1  Subject   308  Days  10  9.221 2.875  3.764  15.13         0.999     3902 1.001
    3  Subject   309  Days  10 -8.095 2.836 -13.74 -2.574         0.002     3915 1.001

    Subject 308 slows by 9.2 ms a day more than the average. One number of each:

    >>> fit.ranef(wide=True).head(3)
            Intercept   Days
    Subject
    308         1.729  9.221
    309        -43.00 -8.095
    310        -41.96 -4.798
    >>> fit.ranef(draws=True)["ranef_Subject"].sel(Subject="308", Subject_term="Days").shape
    (4, 1000)
    """
    how = Description.asked(prob, statistics, interval, default=EFFECT)
    if wide:
        how = _one_statistic(post, how, statistics, group, draws)
    if draws:
        return ranef_draws(post, group)
    tables, pairs = [], chosen(post, group)
    for p, g in pairs:
        name = names.ranef(g.name, p)
        if post.has_ranef(g.name, p):
            described = how.sampled(post.chains(name))
        else:
            described = effect_summaries.columns(effect_summaries.read(post, name), how)
        tables.append(present(g, rows_of(post, g, p).assign(**described)))
    return _wide(pairs[0][1], tables, how.columns[0]) if wide else stack(tables, COLUMNS)


def _one_statistic(
    post: Posterior, how: Description, statistics: Statistics, group: str | None, draws: bool
) -> Description:
    """What is said in a wide table; ModelError where that is more than one number of a cell."""
    if draws:
        raise ModelError("wide=True is a table of point estimates, and draws=True has none")
    named = [statistics] if statistics is None or isinstance(statistics, str) else statistics
    if len(named) > 1:
        raise ModelError(
            f"wide=True has one number in each cell, and statistics={statistics!r} are "
            f"{len(named)}: name one"
        )
    groups = list(dict.fromkeys(g.name for _, g in chosen(post, group)))
    if len(groups) != 1:
        choose = " or ".join(f"group={name!r}" for name in groups)
        raise ModelError(
            f"wide=True shows one grouping factor: choose {choose}"
            if groups
            else "the model has no group effects, so no levels to stand below each other"
        )
    return replace(how, columns=how.columns[:1])


def _wide(g: GroupDesign, tables: Sequence[pd.DataFrame], column: str) -> pd.DataFrame:
    """The column of a factor's tables, levels below and terms beside each other."""
    index = pd.Index(g.levels, name=g.name)
    if len(g.factors) > 1 and g.parts.shape[1] > 1:
        parts = [g.parts[factor] for factor in g.parts.columns]
        index = pd.MultiIndex.from_arrays(parts, names=list(g.parts.columns))
    columns: dict[str, Floats] = {}
    for table in tables:
        wide = table.pivot(columns="term", index="level", values=column)
        wide = wide.reindex(index=g.levels, columns=table["term"].unique())
        columns |= {str(name): wide[name].to_numpy() for name in wide.columns}
    return pd.DataFrame(columns, index=index)


def present(g: GroupDesign, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table of levels and terms that stand for effects: those of a level's arm."""
    if g.there is None:
        return table
    q, rows = len(g.terms), len(table) // g.n_levels
    first = np.ones((g.n_levels, rows - q), bool)  # a constant intercept
    return table[np.concatenate([first, g.there], axis=1).ravel()].reset_index(drop=True)


def rows_of(post: Posterior, g: GroupDesign, parameter: str) -> pd.DataFrame:
    """`effect_rows`, with a column `parameter` where several have formulas."""
    fitted = any(g is own for own in post.predictor(parameter).groups)
    n = rows_per_effect(post.design, g, parameter) if fitted else None
    found = effect_rows(g, parameter, n)
    if post.design.further:
        found.insert(0, "parameter", pd.Series([names.owner(parameter)] * len(found), dtype="str"))
    return found


def ranef_draws(post: Posterior, group: str | None) -> xr.Dataset:
    """`ranef_<group>` of one factor or of all; ModelError where draws were not kept."""
    pairs = chosen(post, group)
    for p, g in pairs:
        post.need_ranef(g.name, p)
    return post.draws[[names.ranef(g.name, p) for p, g in pairs]]


# ---- coefficients: population + deviation ------------------------------------------------------


def population_of(post: Posterior, g: GroupDesign, parameter: str = "mu") -> Floats:
    """(S, q) population effect of each of a factor's terms, zero where it has none."""
    return np.stack([post.population(term, parameter) for term in g.population], axis=1)


def coef_kernel(ranef: Floats, population: Floats) -> Floats:
    """(S, J, q) population (S, q) + deviation (S, J, q)."""
    return ranef + population[:, None, :]


@overload
def coef(
    post: Any, prob: float = 0.95, *, group: str | None = None, draws: Literal[False] = False,
    wide: bool = False, statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame: ...  # fmt: skip


@overload
def coef(
    post: Any, prob: float = 0.95, *, group: str | None = None, draws: Literal[True],
    wide: bool = False, statistics: Statistics = None, interval: Interval = "eti",
) -> xr.Dataset: ...  # fmt: skip


@overload
def coef(
    post: Any, prob: float = 0.95, *, group: str | None = None, draws: bool, wide: bool = False,
    statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame | xr.Dataset: ...  # fmt: skip


def coef(
    post: Posterior,
    prob: float = 0.95,
    *,
    group: str | None = None,
    draws: bool = False,
    wide: bool = False,
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.Dataset:
    """Coefficients per level: population effect + deviation, on the link scale.

    A term that varies over the levels without a population effect is the deviation alone. Where a
    factor's effects have no intercept, as in (0 + x | g), every level has the population's. With
    several grouping factors a level's coefficient has that factor's own deviation, the others' are
    zero.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the interval.
    group
        One grouping factor; all by default.
    draws
        Return the draws instead: a Dataset of `coef_<group>` (chain, draw, level, term).
    wide
        One point estimate of each instead: a row for each level and a column for each term.
    statistics, interval
        As in `ranef`.

    Returns
    -------
    DataFrame
        One row per level and term, and one for an intercept that does not vary: the columns of
        `ranef`, of which

        - mean, sd: posterior mean and standard deviation;
        - lower, upper: ends of the interval of probability `prob`;
        - prob_positive: posterior probability that the coefficient is above 0;
        - group, level, term, n, parameter, ess_bulk, rhat: as there.

        With ``wide=True`` a row for each level and a column for each term.

    Raises
    ------
    ModelError
        If there is no such grouping factor, or draws, or statistics that follow from them alone,
        are asked for that were not kept; or `prob`, a statistic or the interval is not known; or
        ``wide=True`` has several factors or statistics to show.

    See Also
    --------
    ranef : The deviations alone.
    fixef : The population effects alone.
    pooling : Beside least squares of all rows and of each level.
    plot_fitted : Data and lines of each level.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.coef(group="Subject").head(4)
         group level       term   n  mean    sd  lower upper prob_positive ess_bulk  rhat
    0  Subject   308  Intercept  10 253.2 13.55  226.1 279.8       1.00000     3561 1.000
    1  Subject   308       Days  10 19.64 2.559  14.60 24.66       1.00000     3724 1.000
    2  Subject   309  Intercept  10 208.4 13.75  181.4 235.5       1.00000     4029 1.000
    3  Subject   309       Days  10 2.327 2.529 -2.624 7.416       0.82175     3933 1.000
    >>> fit.coef(wide=True).head(3)
            Intercept  Days
    Subject
    308         253.2 19.64
    309         208.4 2.327
    310         209.5 5.624
    """
    how = Description.asked(prob, statistics, interval, default=EFFECT)
    if wide:
        how = _one_statistic(post, how, statistics, group, draws)
    if draws:
        return coef_draws(post, group)
    chains = post.shape[0]
    tables, pairs = [], chosen(post, group)
    for p, g in pairs:
        if post.has_ranef(g.name, p):
            values = coef_kernel(post.ranef(g.name, p), population_of(post, g, p))
            described = how.sampled(chained(values, chains))
        else:
            kept = effect_summaries.read(post, names.coef(g.name, p))
            described = effect_summaries.columns(kept, how)
        table = rows_of(post, g, p).assign(**described)
        if constant_intercept(post, g, p):
            whole = how.sampled(chained(post.intercept(p), chains))
            table = with_constant(rows_of(post, only_intercept(g), p), whole, table)
        tables.append(present(g, table))
    return _wide(pairs[0][1], tables, how.columns[0]) if wide else stack(tables, COLUMNS)


def constant_intercept(post: Posterior, g: GroupDesign, parameter: str = "mu") -> bool:
    """Whether there is an intercept, and the factor's levels all have the same."""
    return post.predictor(parameter).intercept and names.INTERCEPT not in g.population


def only_intercept(g: GroupDesign) -> GroupDesign:
    """The factor's levels with one term, the intercept."""
    return replace(
        g, terms=(names.INTERCEPT,), Z=np.ones((len(g.refs), 1)), blocks=((0,),), arms=None
    )


def with_constant(
    rows: pd.DataFrame, described: Mapping[str, Floats], table: pd.DataFrame
) -> pd.DataFrame:
    """A table of levels and terms, a row with the same numbers before those of each level.

    Parameters
    ----------
    rows
        (J,) the labels of the rows that come first.
    described
        Their numbers, (1,) each.
    table
        (J q,) the other rows, those of a level together.
    """
    J = len(rows)
    shared = {name: np.repeat(v, J) for name, v in described.items() if name in table}
    both = pd.concat([rows.assign(**shared), table], ignore_index=True)
    order = np.column_stack([np.arange(J), J + np.arange(len(table)).reshape(J, -1)])
    return both.iloc[order.ravel()].reset_index(drop=True)


def coef_draws(post: Posterior, group: str | None) -> xr.Dataset:
    """`coef_<group>` of one factor or of all; ModelError where draws were not kept."""
    ranef_draws(post, group)  # which says where they were not kept
    out = {}
    for p, g in chosen(post, group):
        values = coef_kernel(post.ranef(g.name, p), population_of(post, g, p))
        variable = names.coef(g.name, p)
        out[variable] = labelled_coef(post, g, p, values)
    return xr.Dataset(out)


def labelled_coef(post: Posterior, g: GroupDesign, parameter: str, values: Floats) -> xr.DataArray:
    """(S, J, q) coefficients under their labels, a constant intercept put first."""
    terms = g.terms
    if constant_intercept(post, g, parameter):
        own = np.broadcast_to(post.intercept(parameter)[:, None, None], (*values.shape[:2], 1))
        values, terms = np.concatenate([own, values], axis=2), (names.INTERCEPT, *terms)
    dims = g.level_dim(parameter), names.group_term_dim(g.name, parameter)
    coords = {dims[0]: g.levels.to_numpy(), dims[1]: list(terms)}
    return labelled(values, post.shape[0], dims, coords, names.coef(g.name, parameter))
