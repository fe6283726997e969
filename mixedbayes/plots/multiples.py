"""Pictures along a covariate: which it is, and small multiples on its axis."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import Floats, GroupDesign, Ints
from mixedbayes.design.used import level_columns, used_columns
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family
from mixedbayes.plots import style
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.ranef import chosen_groups
from mixedbayes.plots.scene import Key, MaxTicks, Panel, Sheet, Ticks, in_rows
from mixedbayes.results.posterior import Posterior

# ---- the covariate along the horizontal axis ---------------------------------------------------


Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Covariate:
    """A horizontal axis: numbers, or codes into categories."""

    name: str
    x: Floats  # (n,)
    categories: tuple[str, ...] | None = None
    coded: frozenset[str] = frozenset()  # columns of numbers that are categories, as C(x) has them


def covariate(post: Posterior, group: GroupDesign | None, x: str | None) -> Covariate:
    """The axis the user named, or the one that the model is about.

    In this order: the factor's own random slope, the first numeric population term, the first
    other one, the levels of another grouping factor, and the running number of the row within its
    level; without a factor, among all rows. A term such as log(Days) or Machine[T.B] leads to the
    column of the user's frame that it is made of; in a design without a frame, to its column there.
    """
    found = _covariate(post, group, x)
    return replace(found, coded=frozenset(level_columns(post.design.formula)))


def _covariate(post: Posterior, group: GroupDesign | None, x: str | None) -> Covariate:
    frame = _frame(post)
    if x is not None:
        choices = ", ".join(_choices(post, frame))
        if not choices:
            raise ModelError(f"x={x!r}: the model has no predictor to draw along: leave x out")
        if x in used_columns(post.design.formula).response:
            raise ModelError(f"x={x!r} is the response, which runs upwards; choose from {choices}")
        found = _named(post, x, frame)
        if found is None:
            raise ModelError(f"x={x!r} is none of {choices}")
        return found
    slopes = [] if group is None else _slopes(group)
    for term in slopes:
        found = _of_term(post, term, frame)
        if found and group and frame is not None and found.name not in frame.columns:
            found = _of_effects(post, group, frame) or found
        if found is not None:
            return found
    fixed = [c for t in post.design.mu.terms if (c := _of_term(post, t, frame)) is not None]
    for found in sorted(fixed, key=lambda c: c.categories is not None):
        return found
    if group is None:
        return Covariate("row", np.arange(1.0, post.design.n + 1))
    for other in post.design.mu.of_one_level:
        if other is not group:
            return _levels(other)
    return Covariate(f"row within {group.name}", _running(group.refs))


def called(g: GroupDesign) -> str:
    """A factor in a legend: its name, or the column whose levels have its curves."""
    return ":".join(g.factors) if g.within else g.name


def _slopes(g: GroupDesign) -> list[str]:
    """The factor's effects beside an intercept, those of all arms once."""
    return [t for t in dict.fromkeys(g.population) if t != names.INTERCEPT]


def _frame(post: Posterior) -> pd.DataFrame | None:
    return None if post.design.data is None else post.design.frame


def _columns(post: Posterior) -> dict[str, Floats]:
    """Every distinct column of the design by its term."""
    mu = post.design.mu
    columns = {t: mu.X[:, k] for k, t in enumerate(mu.terms)}
    for g in (g.of_one_arm for g in mu.of_one_level):
        for k, t in enumerate(g.terms):
            if t != names.INTERCEPT:
                columns.setdefault(t, g.Z[:, k])
    return columns


def _choices(post: Posterior, frame: pd.DataFrame | None) -> list[str]:
    known = [] if frame is None else [str(c) for c in frame.columns]
    known += [*_columns(post), *(g.name for g in post.design.mu.of_one_level)]
    response = used_columns(post.design.formula).response
    return [name for name in dict.fromkeys(known) if name not in response]


def mean_columns(post: Posterior) -> list[str]:
    """Columns that the expected response depends on, grouping factors apart."""
    used = [used_columns(post.design.formula)]
    if not post.family.mean_is_mu:
        used += [used_columns(formula) for formula in post.design.formula.others]
    parts = (part for u in used for part in (u.fixed, *u.effects.values()))
    return list(dict.fromkeys(name for part in parts for name in part))


def alone(post: Posterior, group: GroupDesign | None, axis: Covariate, rows: Rows) -> bool:
    """Whether nothing else that the expected response depends on varies over some of the rows.

    Then the axis determines it, and rows lie on one curve. In a design without a data frame, by
    its columns: all that are not made of the axis.
    """
    others = [other for other in post.design.mu.factors if other is not group]
    frame = _frame(post)
    if frame is None:
        own = _columns(post).items()
        columns: list[NDArray[Any]] = [x for term, x in own if not mentions(term, axis.name)]
        offset = post.design.mu.offset
        columns += [] if offset is None else [offset]
        columns += [r for other in others if other.name != axis.name for r, _ in other.pieces]
        return all(np.ptp(x[rows]) == 0 for x in columns)
    factors = [factor for other in others for factor in other.factors]
    used = ({*mean_columns(post), *factors} - {axis.name}) & {*frame.columns}
    return all(frame[name].iloc[rows].nunique(dropna=False) <= 1 for name in used)


def _named(post: Posterior, x: str, frame: pd.DataFrame | None) -> Covariate | None:
    if frame is not None and x in frame.columns:
        return _from_frame(post, frame[x])
    if x in _columns(post):
        return _of_term(post, x, frame)
    return next((_levels(g) for g in post.design.mu.of_one_level if g.name == x), None)


def _of_term(post: Posterior, term: str, frame: pd.DataFrame | None) -> Covariate | None:
    if frame is not None:
        if term in frame.columns:
            return _from_frame(post, frame[term])
        for column in frame.columns:
            if mentions(term, str(column)):
                return _from_frame(post, frame[column])
    columns = _columns(post)
    return Covariate(term, columns[term]) if term in columns else None


def _of_effects(post: Posterior, group: GroupDesign, frame: pd.DataFrame) -> Covariate | None:
    """The first column that a factor's effects are made of, such as that of a smooth."""
    own = used_columns(post.design.formula).effects.get(group.name, ())
    return next((_from_frame(post, frame[name]) for name in own if name in frame.columns), None)


def mentions(term: str, column: str) -> bool:
    """Whether a term is made of a column, among others."""
    return re.search(rf"(?<![\w.]){re.escape(column)}(?![\w.])", term) is not None


def _from_frame(post: Posterior, column: pd.Series) -> Covariate:
    name = str(column.name)
    if counts_on(column, level_columns(post.design.formula)):
        return Covariate(name, column.to_numpy(float))
    coded = column.astype("category").cat.remove_unused_categories()
    categories = tuple(str(c) for c in coded.cat.categories)
    return Covariate(name, coded.cat.codes.to_numpy(float), categories)


def counts_on(column: pd.Series, coded: Collection[str]) -> bool:
    """Whether a column is numbers, and not among those that are categories all the same."""
    numbers = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    return numbers and str(column.name) not in coded


def typical(column: pd.Series, coded: Collection[str], refs: Ints, J: int) -> pd.Series:
    """(J,) mean of numbers, commonest of anything else, in each group of rows.

    Of values that are equally common the first of their order.
    """
    if counts_on(column, coded):
        x = column.to_numpy(float, na_value=np.nan)
        known = ~np.isnan(x)
        with np.errstate(invalid="ignore"):
            total = np.bincount(refs[known], x[known], J)
            return pd.Series(total / np.bincount(refs[known], minlength=J))
    codes, labels = pd.factorize(column, sort=True)
    known = codes >= 0
    at = refs[known] * len(labels) + codes[known]
    counts = np.bincount(at, minlength=J * len(labels)).reshape(J, -1)
    return pd.Series(labels[counts.argmax(axis=1)], dtype=column.dtype)


def _levels(group: GroupDesign) -> Covariate:
    return Covariate(group.name, group.refs.astype(float), tuple(map(str, group.levels)))


def _running(refs: NDArray[np.integer]) -> Floats:
    """(n,) 1, 2, ... within each level, in the order of the rows."""
    return pd.Series(refs).groupby(refs).cumcount().to_numpy(float) + 1


# ---- small multiples: a panel for each level, on shared axes -----------------------------------


_PANEL = (1.62, 1.5)  # inches
_LARGE = (2.4, 2.2)  # of a panel where there are at most four


def sheet(
    panels: Sequence[Panel],
    axis: Covariate,
    xlabel: str,
    ylabel: str,
    keys: Sequence[Key],
    key_columns: int,
) -> Sheet:
    """Panels in rows, their axes shared."""
    n = len(panels)
    columns = n if n <= 4 else 3 if n <= 6 else 4 if n <= 12 else 6
    width, height = _PANEL if n > 4 else _LARGE
    places, limits = ticks(axis, width)
    titles = [wrapped(panel.title, width) for panel in panels]
    shown = [
        replace(panel, title=title, xticks=places, yticks=MaxTicks(4), xlim=limits, small=True)
        for panel, title in zip(panels, titles, strict=True)
    ]
    height += 0.15 * max(title.count("\n") for title in titles)
    turned = isinstance(places, Ticks) and places.turned
    longest = max(map(len, places.texts)) if isinstance(places, Ticks) else 0
    deep = longest * style.LETTER / 72 if turned else 0.0
    return Sheet(
        in_rows(shown, columns),
        width=max(4.6, width * columns + 0.5),
        height=height * -(-n // columns) + 0.8 + deep,
        share_x="all",
        share_y="all",
        xlabel=xlabel,
        ylabel=ylabel,
        keys=keys,
        key_columns=key_columns,
        keys_above=True,
    )


def wrapped(title: str, width: float) -> str:
    """A title in lines that are as wide as a panel, shortened where it would have more than 3."""
    letters = max(8, int(72 * width / (1.1 * style.LETTER)))
    lines = textwrap.wrap(title, letters, max_lines=3, placeholder=" …")
    return "\n".join(lines)


def ticks(
    axis: Covariate, width: float, most: int = 9
) -> tuple[Ticks | MaxTicks, tuple[float, float] | None]:
    """Ticks and limits of an axis: at most so many categories by name, else few numbers."""
    if axis.categories is None:
        return MaxTicks(3, whole=bool(np.all(axis.x == np.round(axis.x)))), None
    n = len(axis.categories)
    at = np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))
    texts = [axis.categories[i] for i in at]
    crowded = sum(len(t) + 2 for t in texts) * style.LETTER > 72 * (width - 0.3)
    return Ticks(at.astype(float), texts, turned=crowded), (-0.5, n - 0.5)


def varying_group(post: Posterior, group: str | None) -> GroupDesign:
    """The factor named; else the first with a random slope, else the first."""
    known = [post.group(name) for name in chosen_groups(post, group)]
    known = [g for g in known if g in post.design.mu.of_one_level]
    if not known:
        raise ModelError(
            f"{group or 'every grouping factor'} has rows that lie in several levels, so that no "
            "level has rows of its own to draw; plot_ranef() draws the effects"
        )
    return next(filter(_slopes, known), known[0])


def grouped(
    post: Posterior, group: str | None, levels: Sequence[object] | None = None
) -> GroupDesign | None:
    """`varying_group`; None for a model without group effects, of which none is asked."""
    if post.design.mu.of_one_level or group is not None:
        return varying_group(post, group)
    if levels is not None:
        raise ModelError("levels= are those of a grouping factor, and the model has none")
    return None


def shown_levels(
    post: Posterior,
    g: GroupDesign,
    levels: Sequence[object] | None,
    max_levels: int,
    *,
    with_rows: bool = False,
) -> tuple[list[int], str]:
    """Codes of the levels to show, and what to say of the choice.

    `with_rows`: of those that the data have; a known relation may have others.
    """
    if isinstance(levels, str):
        raise ModelError(f"levels={levels!r} is a text, and levels are a list: levels=[{levels!r}]")
    if levels is not None:
        at = {str(level): j for j, level in enumerate(g.levels)}
        unknown = [level for level in levels if str(level) not in at]
        if unknown or not len(levels):
            missing = ", ".join(map(str, unknown)) or "nothing"
            raise ModelError(f"levels: {missing} is not among the {g.n_levels} of {g.name}")
        empty = [level for level in levels if with_rows and at[str(level)] not in g.refs]
        if empty:
            raise ModelError(
                f"levels: {', '.join(map(str, empty))} of {g.name} has no rows to draw, and is "
                "known by its relation to others alone; name levels that the data have"
            )
        return [at[str(level)] for level in levels], ""
    if max_levels < 1:
        raise ModelError(f"max_levels must be at least 1, got {max_levels}")
    known = np.unique(g.refs) if with_rows else np.arange(g.n_levels)
    if len(known) <= max_levels:
        return known.tolist(), ""
    term = (*_slopes(g), g.population[0])[0]
    every = [k for k, of in enumerate(g.population) if of == term]  # that of each arm
    there = np.ones((g.n_levels, len(every))) if g.there is None else g.there[:, every]
    effect = (post.ranef(g.name)[:, :, every].mean(axis=0) * there).sum(axis=1)
    chosen = known[spanning(effect[known], max_levels)]
    how = f"evenly spaced in rank of the {term} effect, lowest first"
    return chosen.tolist(), f"{len(chosen)} of {len(known)} levels, {how}"


def spanning(effect: Floats, k: int) -> np.ndarray:
    """k levels evenly spaced in the rank of their effect, lowest and highest among them."""
    order = np.argsort(effect, kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, k).round().astype(int))]


def check_mean(post: Posterior) -> None:
    """Raise ModelError where the response has no mean to draw."""
    if post.family.categories(post.design) is not None:
        raise ModelError(
            f"{post.design.response} is categories, which have no mean to draw; "
            "plot_fitted and plot_predictions draw the probability of each"
        )


def observed(post: Posterior) -> Floats:
    """(n,) the response; of binomial counts the share of successes."""
    d = post.design
    return d.y if d.trials is None else d.y / np.maximum(d.trials, 1)


def straight(family: Family) -> bool:
    """Whether the expected response is the linear predictor itself."""
    return family.mean_is_mu and family.link.name == "identity"


def response_axis(post: Posterior, labels: Labels) -> str:
    """The response on its own scale, and that it is, where the model works on another."""
    response = post.design.response
    if post.design.trials is not None:
        return f"{response}, proportion of trials"
    if post.family.categories(post.design) is not None:
        said = post.family.mean_words(response)
        return said or f"probability of each category of {response}"
    if post.family.probability:
        found = post.design.response_levels
        return f"probability of {response}" + (f" = {found[-1]}" if found is not None else "")
    return labels.observed if straight(post.family) else f"{labels.observed}, response scale"
