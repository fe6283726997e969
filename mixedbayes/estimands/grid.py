"""Rows at which a model is asked: reference grids, copies of the data, balanced designs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd

from mixedbayes.design import counted
from mixedbayes.design.moments import kind_of_moments
from mixedbayes.design.table import eager, table
from mixedbayes.design.types import Design
from mixedbayes.design.used import Used, category_columns, level_columns, used_columns
from mixedbayes.design.values import encode, is_logical, label, listed, lookup
from mixedbayes.design.values import kind as kind_of
from mixedbayes.errors import DataError, ModelError
from mixedbayes.results.posterior import Posterior

Kind = Literal["reference", "observed", "balanced"]
_FEW = 10  # different numbers, all of which are places of a mean
_MOST_ROWS = 10**7


def grid(
    post: Posterior,
    *columns: str,
    grid: Kind = "reference",
    at: Mapping[str, Any] | None = None,
    **values: Any,
) -> pd.DataFrame:
    """Rows of new data for `predict`: every combination of the values of some columns.

    Parameters
    ----------
    post
        The posterior.
    columns
        Names of columns that take all their values, as ``name="all"``.
    grid
        What the other columns are. "reference": each stands at its mean, or its commonest level if
        it is a category; grouping factors stand at a combination of levels that occurs, the
        commonest one with those that are named, so that an inner level keeps its outer one.
        "balanced": categories among the population effects take all their levels, the rest stands
        as in the reference grid. "observed": the data are copied for every combination, which
        changes only the named columns, and the outer factors of a named inner one.
    at
        Values by column, for names that Python cannot have as an argument.
    values
        Values by column, as arguments: one, a list of them, "all" (the levels of a category in
        their order; the different values of a numeric column), or a function of the column, such
        as ``np.median``.

    Returns
    -------
    DataFrame
        The columns that the formula reads, without the response; ``attrs["held"]`` says in words
        where the columns that do not vary stand. Combinations of nested grouping factors are those
        that occur.

    Raises
    ------
    DataError
        A column is not in the model, or a level not in the data.
    ModelError
        `grid` is unknown, or there would be more than 10 million rows.

    See Also
    --------
    predict : What such rows are for.
    means : Means over grids, in one call.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> machines = mb.load_data("machines")
    >>> fit = mb.fit("score ~ Machine + (1 | Worker)", machines, seed=1)
    >>> fit.grid(Machine="all")
      Machine Worker
    0       A      1
    1       B      1
    2       C      1
    """
    if grid not in ("reference", "observed", "balanced"):
        raise ModelError(f'grid={grid!r} is not "reference", "observed" or "balanced"')
    named = dict.fromkeys(columns, "all") | dict(at or {}) | values
    found = Columns(post.design)
    if grid == "observed":
        post.design.need_rows('grid="observed"')
        out = found.counterfactual(found.frame[list(found.names)], named)
    else:
        out = found.crossed(named, balanced=grid == "balanced")
    out.attrs["held"] = found.held([n for n in out.columns if n not in named])
    return out


_COUNT = "\t"  # no name of a column


class Columns:
    """The columns that the right sides of a model's formulas read, in the rows of the fit.

    Of several models of the same rows: those that any of them reads.
    """

    def __init__(self, design: Design, *others: Design) -> None:
        self.designs = (design, *others)
        used = [used_columns(d.formula) for d in self.designs]
        left = {n for u in used for n in u.response}
        effects = [n for u in used for names in u.effects.values() for n in names]
        fixed = [n for u in used for n in (*u.fixed, *u.others)]
        right = {*fixed, *effects, *(n for u in used for n in u.groups)}
        self.frame = design.frame
        for other in others:
            more = [n for n in other.frame if n not in self.frame]
            self.frame = self.frame.assign(
                **{n: other.frame[n].set_axis(self.frame.index) for n in more}
            )
        # A model's columns in the order of its formula: the right sides, then trials and weights.
        own = [_in_order(u) for u in used]
        self.names = tuple(
            n
            for n in dict.fromkeys(n for names in own for n in names)
            if n in self.frame and (n in right or n not in left)
        )
        self.responses = tuple(n for n in used[0].response if n in self.frame)
        self.groups = {g.name: g for d in self.designs for p in d.predictors for g in p.factors}
        self.factors = tuple(dict.fromkeys(f for g in self.groups.values() for f in g.factors))
        # Columns in which each level of a factor lies in one arm.
        self.arms = tuple(dict.fromkeys(g.arms.by for g in self.groups.values() if g.arms))
        self.fixed = tuple(n for n in dict.fromkeys(fixed) if n in self.frame)
        # Grouping columns that are nothing else, of which a level may be new.
        population = {n for u in used for n in u.fixed}
        self.grouping = tuple(f for f in self.factors if f not in {*population, *effects})
        self._categories = {n for d in self.designs for n in category_columns(d.formula)}
        self._levels = {n for d in self.designs for n in level_columns(d.formula)}
        self._frequencies = design.repeats
        # Numbers of which the frame has means and products, not values.
        standing = design.standing
        self._summed = frozenset[str]() if standing is None else standing.numbers
        self._trials = {n for u in used for n in u.trials}

    def check(self, name: Any) -> str:
        """A column's name; DataError where the model does not read it."""
        if name in self.names:
            return str(name)
        if name in self.responses:
            raise DataError(f"{name} is the response; it is what is asked about")
        near = difflib.get_close_matches(str(name), self.names, n=1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        has = ", ".join(self.names) or "no columns"
        several = len(self.designs) > 1
        who, reads = ("any model", "they read") if several else ("the model", "it reads")
        raise DataError(f"{name!r} is no column that {who} reads{meant}; {reads} {has}")

    def is_category(self, name: str) -> bool:
        column = self.frame[name]
        return (
            name in self._categories
            or name in self.factors
            or is_logical(column)
            or bool(kind_of_moments(column))
            or kind_of(column, name) == "factor"
        )

    def levels(self, name: str) -> list[Any]:
        """The values of a column that occur, in their order.

        Raises ModelError where they are not known.
        """
        if name in self._summed:
            self.designs[0].need_rows(f"every value of {name}, a number,")
        return list(encode(self.frame[name], name)[1])

    def places(self, name: str) -> list[Any]:
        """Levels of a category; of a number all values if they are few, else five quantiles."""
        if name in self._summed:
            self.designs[0].need_rows(f"where values of {name} lie")
        levels = self.levels(name)
        if self.is_category(name) or name in self._levels or len(levels) <= _FEW:
            return levels
        found = [self.quantile(name, order) for order in np.linspace(0, 1, 5)]
        if name in self._trials:
            found = [float(max(1, round(value))) for value in found]
        return list(dict.fromkeys(found))

    def quantile(self, name: str, order: float) -> float:
        """Of a number's values, each as often as its row counts.

        Raises ModelError where they are not known.
        """
        standing = self.designs[0].standing
        if name in self._summed:
            if standing is not None and name in standing.ranges and order in (0, 1):
                return standing.ranges[name][int(order)]
            self.designs[0].need_rows(f"where values of {name} lie")
        return counted.quantile(self.frame[name].to_numpy(float), self._frequencies, order)

    def sd(self, name: str) -> float:
        """Of a number's values, each as often as its row counts."""
        return counted.sd(self.frame[name].to_numpy(float), self._frequencies)

    def values(self, name: str, given: Any) -> list[Any]:
        """The values of a column that a user names.

        Raises
        ------
        DataError
            For a level that the data do not have, and for what is no number in a numeric column.
        """
        self.check(name)
        if isinstance(given, str) and given == "all":
            return self.levels(name)
        if callable(given):
            if name in self._summed:
                self.designs[0].need_rows(f"a function of {name}")
            given = given(self.frame[name])
        single = isinstance(given, str | bytes) or not isinstance(given, Iterable)
        asked = [given] if single else list(given)
        if not asked:
            raise DataError(f"{name}: there are no values in {given!r}")
        if name in self.grouping:
            return asked
        if kind_of_moments(self.frame[name]):
            return self._moments(name, asked)
        if self.is_category(name):
            return self._known(name, asked)
        for value in asked:
            number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if not number or not np.isfinite(value):
                raise DataError(f"{name} is numeric, and {value!r} is not a finite number")
        return asked

    def _moments(self, name: str, asked: Sequence[Any]) -> list[Any]:
        """Dates, also those that the data do not have."""
        try:
            return pd.Series(list(asked)).astype(self.frame[name].dtype).tolist()
        except (TypeError, ValueError) as error:
            kind = kind_of_moments(self.frame[name])
            raise DataError(f"{name} holds {kind}, and not {listed(list(asked), 4)}") from error

    def _known(self, name: str, asked: Sequence[Any]) -> list[Any]:
        levels = pd.Index(self.levels(name))
        try:
            codes = lookup(pd.Series(list(asked)), levels, name, others=False)
        except DataError:
            codes = np.array([-1])
        if (codes < 0).any():
            texts = {label(level): level for level in levels}
            unknown = [v for v in asked if v not in texts and label(v) not in texts]
            if unknown:
                raise DataError(
                    f"{name} has no level {unknown[0]!r}; known are {listed(list(levels))}"
                )
            return [texts.get(v, texts.get(label(v))) for v in asked]
        return [levels[code] for code in codes]

    def column(self, name: str, values: Any) -> pd.Series:
        """Values as a column of the type that the data have, numbers as they are."""
        own = self.frame[name]
        if isinstance(own.dtype, pd.CategoricalDtype):
            known = own.cat.categories
            extra = [v for v in dict.fromkeys(values) if v not in known]
            kind = pd.CategoricalDtype([*known, *extra], own.cat.ordered)
            return pd.Series(pd.Categorical(values, dtype=kind))
        made = pd.Series(list(values))
        if pd.api.types.is_numeric_dtype(own) or not len(made):
            return made
        try:
            return made.astype(own.dtype)
        except (TypeError, ValueError):
            return made

    def typical(self, name: str) -> Any:
        """The mean of numbers, of trials the whole one next to it; else the commonest level."""
        column = self.frame[name]
        if not (self.is_category(name) or name in self._levels):
            mean = float(np.average(column.to_numpy(float), weights=self._frequencies))
            return max(1, round(mean)) if name in self._trials else mean
        codes, levels = encode(column, name)
        return levels[int(np.argmax(np.bincount(codes, self._frequencies)))]

    def held(self, names: Iterable[str]) -> dict[str, str]:
        """In words where columns stand that are held at their typical value."""
        return {n: shown(self.typical(n)) for n in names if n not in self.grouping}

    # ---- frames --------------------------------------------------------------------------------

    def crossed(self, named: Mapping[str, Any], *, balanced: bool = False) -> pd.DataFrame:
        """Every combination of the named columns' values, the others typical."""
        wanted = {name: self.values(name, given) for name, given in named.items()}
        if balanced:
            own = (n for n in self.fixed if n not in wanted and n not in self.grouping)
            wanted |= {n: self.levels(n) for n in own if self.is_category(n)}
        size = int(np.prod([len(v) for v in wanted.values()], dtype=float)) if wanted else 1
        if size > _MOST_ROWS:
            raise ModelError(
                f"{size:,} combinations of {', '.join(wanted)} are more than {_MOST_ROWS:,} rows; "
                "name fewer values"
            )
        rows = list(product(*wanted.values()))
        columns = {n: self.column(n, [r[k] for r in rows]) for k, n in enumerate(wanted)}
        out = pd.DataFrame(columns, index=range(len(rows)))
        whole = {n for n in wanted if n not in named or isinstance(named[n], str)}
        nesting = {*self.factors, *self.arms}
        out = self._nested(out, [n for n in wanted if n in nesting], whole)
        given = {n for n in out if n in self.factors}
        for name in self.names:
            if name in out or name in self.grouping:
                continue
            if name in self.arms and any(name in self.outer(factor) for factor in given):
                continue  # that of the level
            out[name] = self.column(name, [self.typical(name)] * len(out))
        return self._with_factors(out)[list(dict.fromkeys((*wanted, *self.names)))]

    def counterfactual(self, base: pd.DataFrame, named: Mapping[str, Any]) -> pd.DataFrame:
        """Copies of rows, one for each combination of the named values."""
        wanted = {name: self.values(name, given) for name, given in named.items()}
        parts = [
            self.placed(base, dict(zip(wanted, row, strict=True)))
            for row in product(*wanted.values())
        ]
        return pd.concat(parts) if parts else base.copy()

    def placed(self, base: pd.DataFrame, values: Mapping[str, Any]) -> pd.DataFrame:
        """Rows with some columns at one value each; factors that contain a named one go with it."""
        out = base.copy()
        for name, value in values.items():
            out[name] = self.column(name, [value] * len(base)).set_axis(base.index)
        inner = [n for n in values if n in self.factors]
        for name in inner:
            for outer in self.outer(name):
                if outer not in values:
                    match = self.frame[outer][self.frame[name] == values[name]]
                    if len(match):
                        column = self.column(outer, [match.iloc[0]] * len(base))
                        out[outer] = column.set_axis(base.index)
        return out

    def outer(self, name: str) -> list[str]:
        """Grouping columns, and arms, of which every level of a column lies within one level."""
        inner = encode(self.frame[name], name)[0]
        found = []
        for other in dict.fromkeys((*self.factors, *self.arms)):
            if other == name:
                continue
            outer = encode(self.frame[other], other)[0]
            pairs = pd.MultiIndex.from_arrays([inner, outer]).unique()
            if len(pairs) == inner.max() + 1 and outer.max() < inner.max():
                found.append(other)
        return found

    def _nested(self, out: pd.DataFrame, factors: Sequence[str], whole: set[str]) -> pd.DataFrame:
        """The rows whose combination of nested factors occurs, where one takes all its levels."""
        for g in self.groups.values():
            inside = [f for f in g.factors if f in factors]
            inside += [o for f in g.factors if f in factors for o in self.outer(f) if o in factors]
            inside = list(dict.fromkeys(inside))
            if len(inside) > 1 and whole.intersection(inside):
                there = set(self.frame[inside].itertuples(index=False, name=None))
                rows = out[inside].itertuples(index=False, name=None)
                out = out[[row in there for row in rows]].reset_index(drop=True)
        return out

    def _with_factors(self, out: pd.DataFrame) -> pd.DataFrame:
        """Grouping columns that are not there: the commonest combination with those that are."""
        every = list(dict.fromkeys((*self.factors, *self.arms)))
        missing = [f for f in every if f not in out]
        given = [f for f in every if f in out]
        if not missing:
            return out
        table = self._combinations(every)
        combinations = (
            out[given].drop_duplicates().itertuples(index=False, name=None) if given else [()]
        )
        chosen: dict[tuple[Any, ...], Any] = {}
        for row in combinations:
            match = np.ones(len(table), bool)
            for name, value in zip(given, row, strict=True):
                narrowed = match & (table[name] == value).to_numpy()
                match = narrowed if narrowed.any() else match
            chosen[row] = table.iloc[int(np.argmax(match))]
        keys = list(out[given].itertuples(index=False, name=None)) if given else [()] * len(out)
        for name in missing:
            out[name] = self.column(name, [chosen[key][name] for key in keys])
        return out

    def _combinations(self, names: list[str]) -> pd.DataFrame:
        """Combinations of columns that occur, the commonest first."""
        if self._frequencies is None:
            return self.frame[names].value_counts(sort=True).index.to_frame(index=False)
        by = self.frame[names].assign(**{_COUNT: self._frequencies}).groupby(names, observed=True)
        counts = by[_COUNT].sum().round(6)
        return counts.sort_values(ascending=False, kind="stable").index.to_frame(index=False)


def _in_order(used: Used) -> list[str]:
    effects = [n for names in used.effects.values() for n in names]
    return [*used.fixed, *effects, *used.groups, *used.others, *used.trials, *used.weights,
            *used.trunc]  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Among(Posterior):
    """A posterior that is asked beside those of other models of the same rows.

    `columns` are those of all the models: what this one does not read changes no answer of it.
    """

    columns: Columns | None = None


def columns_of(post: Posterior) -> Columns:
    """The columns that a question about a posterior may name."""
    own = post.columns if isinstance(post, Among) else None
    return Columns(post.design) if own is None else own


def shown(value: Any) -> str:
    """A value in words: four digits of a number."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)
    return f"{value:.4g}" if number else label(value)


def as_frame(data: Any, columns: Sequence[str]) -> pd.DataFrame:
    """Some columns of a frame of any library, as pandas; those not there are left out."""
    return table(eager(data), columns).frame()
