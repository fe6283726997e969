"""What a user asks for, as frames of rows, weights, and a question about groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd

from mixedbayes.design.table import column_names, eager
from mixedbayes.design.types import Floats, Ints
from mixedbayes.design.values import encode
from mixedbayes.errors import DataError, ModelError
from mixedbayes.estimands.average import Asked
from mixedbayes.estimands.grid import Columns, as_frame, columns_of, shown
from mixedbayes.predict.question import Groups, Question, ask
from mixedbayes.predict.streams import seed_of
from mixedbayes.predict.target import Mean, Target
from mixedbayes.predict.target_text import parse_target
from mixedbayes.results.posterior import Posterior

Kind = Literal["mean", "linear"]
Over = Any  # "observed", "balanced", or a frame


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows that an answer is averaged over, and how.

    base
        m rows with the columns that the model reads.
    by
        The columns within whose combinations averages are taken; `cells` (K, ...) are these, `code`
        (m,) says where a row is.
    at
        Columns that are set, by name their values.
    """

    columns: Columns
    base: pd.DataFrame
    weights: Floats  # (m,)
    by: tuple[str, ...]
    cells: pd.DataFrame
    code: Ints
    at: Mapping[str, list[Any]]
    words: str  # of the rows

    def settings(self) -> list[dict[str, Any]]:
        """Every combination of the values in `at`."""
        return [dict(zip(self.at, row, strict=True)) for row in product(*self.at.values())]


@dataclass(frozen=True, eq=False)
class Request:
    """Rows, and what is asked of them."""

    rows: Rows
    asked: Asked
    groups_words: str

    @property
    def post(self) -> Posterior:
        return self.asked.post

    @property
    def words(self) -> str:
        """The target."""
        response = self.post.design.response
        return self.asked.target.words(response)


def names_of(given: Any, what: str) -> list[str]:
    """A name or several, as a list."""
    if given is None:
        return []
    if isinstance(given, str):
        return [given]
    if isinstance(given, Iterable) and all(isinstance(name, str) for name in given):
        return list(dict.fromkeys(given))
    raise ModelError(f"{what}={given!r} is neither the name of a column nor a list of names")


def request(
    post: Posterior,
    focal: Sequence[str],
    *,
    by: Any,
    at: Mapping[str, Any] | None,
    over: Over,
    weights: str | None,
    groups: Groups | None,
    kind: Kind,
    target: Any,
    seed: int | None,
    progress: bool,
) -> Request:
    """Read the arguments that means, comparisons and slopes share.

    Raises
    ------
    DataError, ModelError
        As `means` says.
    """
    columns = columns_of(post)
    for name in focal:
        columns.check(name)
    by_names = expanded(columns, names_of(by, "by"))
    if at is not None and not isinstance(at, Mapping):
        raise ModelError(f'at={at!r} is no mapping of columns to values, such as {{"age": [20]}}')
    if isinstance(groups, Sequence) and not isinstance(groups, str):
        by_names += [n for n in expanded(columns, list(groups)) if n not in (*by_names, *focal)]
    values = {name: columns.values(name, given) for name, given in (at or {}).items()}
    by_names = [name for name in by_names if name not in values]
    if both := set(by_names) & set(focal):
        raise ModelError(f"{', '.join(sorted(both))}: asked about, and given in by= as well")
    if isinstance(over, str) and over == "observed":
        _check_observed(post, kind, target, by_names)
    base, base_words, frame_names = _base(columns, over, focal, by_names, values)
    row_weights, weight_words = _weights(post, base, over, weights, by_names)
    _refuse_missing(base, by_names)
    counted = row_weights > 0
    base, row_weights = base[counted], row_weights[counted]
    cells, code = _cells(columns, base, by_names)
    named = {*focal, *by_names, *values, *frame_names}
    named |= {outer for name in named & {*columns.factors} for outer in columns.outer(name)}
    question = _question(post, groups, named)
    asked = Asked(post, question, _target(post, kind, target), seed_of(post, seed), progress)
    balanced = isinstance(over, str) and over == "balanced"
    # Levels at which factors stand that have their own effects and were not asked about.
    held = [f for f in asked.own_columns if balanced and f not in named]
    levels = [f"{name} = {shown(base[name].iloc[0])}" for name in held]
    words = ", ".join(filter(None, (base_words, *levels)))
    if words or weights is not None:
        words = (words + weight_words).removeprefix(", ")
    rows = Rows(columns, base, row_weights, tuple(by_names), cells, code, values, words)
    return Request(rows, asked, _groups_words(asked))


def expanded(columns: Columns, names: Sequence[str]) -> list[str]:
    """Names of grouping factors of several columns as these columns."""
    factors = {name: g.factors for name, g in columns.groups.items()}
    return list(dict.fromkeys(c for name in names for c in factors.get(name, (name,))))


def _check_observed(post: Posterior, kind: Kind, target: Any, by: Sequence[str]) -> None:
    """ModelError where averages over all rows need more of them than means and products."""
    standing = post.design.standing
    if standing is None or not standing.moments:
        return
    for name in by:
        if name in standing.numbers:
            post.design.need_rows(f"by={name!r}, a number,")
    if target is not None:
        post.design.need_rows(f"the average of {target!r}")
    if standing.computed:
        text = next(iter(standing.computed)).replace("\t", ":")
        post.design.need_rows(f"an average over the rows of what is not linear in them, {text},")


def _target(post: Posterior, kind: Kind, target: Any) -> Target:
    if kind not in ("mean", "linear"):
        raise ModelError(
            f'kind={kind!r}: averages are of "mean" (the expected response) or "linear" (the '
            'linear predictor); of an observation ask for target="P(y > 3)" or "quantile(0.9)"'
        )
    if target is not None and kind != "mean":
        raise ModelError("give kind= or target=, not both")
    found = parse_target(kind if target is None else target, post.design, post.family)
    if isinstance(found, Mean) and post.family.no_average:
        raise ModelError(
            f"means over rows have no meaning here: {post.family.no_average}; ask for "
            'target="linear", or for the rows one by one with predict()'
        )
    return found


def _base(
    columns: Columns,
    over: Over,
    focal: Sequence[str],
    by: Sequence[str],
    at: Mapping[str, Any],
) -> tuple[pd.DataFrame, str, Sequence[str]]:
    """The rows, their name in words, and the columns of a frame of the user's."""
    if over is None or np.isscalar(over):
        for name in by:
            columns.check(name)
        others = [n for n in columns.names if n not in (*focal, *by, *at, *columns.grouping)]
        if over == "observed":
            base = columns.frame[list(columns.names)]
            return base, "" if not others else "other predictors as observed", ()
        if over == "balanced":
            crossed = [n for n in others if columns.is_category(n)]
            left = [n for n in others if n not in crossed]
            base = columns.crossed(dict.fromkeys(by, "all"), balanced=True)
            held = columns.held(left)
            parts = [f"balanced over {', '.join(crossed)}"] if crossed else []
            parts += [f"{n} = {v}" for n, v in held.items()]
            return base, ", ".join(parts), ()
        raise ModelError(
            f'over={over!r}: averages are over the "observed" rows, over "balanced" levels, or '
            "over the rows of a data frame"
        )
    names = [name for name in column_names(eager(over)) if isinstance(name, str)]
    base = as_frame(over, names)
    if base.empty:
        raise DataError("over= has no rows")
    for name in by:
        if name not in base:
            raise DataError(f"over= has no column {name!r}, which by= names")
    return base, f"over the {len(base):,} rows given", names


def _weights(
    post: Posterior, base: pd.DataFrame, over: Over, name: str | None, by: Sequence[str]
) -> tuple[Floats, str]:
    """(m,) weights of the rows, and their name in words."""
    if name is None:
        counts = post.design.counts_of(by) if isinstance(over, str) and over == "observed" else None
        if counts is None or np.all(counts == counts[0]):
            return np.ones(len(base)), ""
        return counts, ", each as often as it counts"
    if not isinstance(name, str) or name not in base:
        has = ", ".join(map(str, base.columns))
        raise DataError(f"weights={name!r} names no column of the rows, which have {has}")
    standing = post.design.standing if isinstance(over, str) and over == "observed" else None
    if standing is not None and name in standing.numbers:
        post.design.need_rows(f"weights={name!r}, a number,")
    column = pd.to_numeric(base[name], errors="coerce").to_numpy(float)
    if not np.all(np.isfinite(column)) or np.any(column < 0) or not column.sum() > 0:
        raise DataError(f"weights={name!r}: weights are numbers from 0, not all 0 and none missing")
    if standing is not None:
        column = column * standing.of_factor(by)[0]
    return column, f", weighted by {name}"


def _refuse_missing(base: pd.DataFrame, by: Sequence[str]) -> None:
    """DataError where a row has no value in a column within whose levels averages are taken."""
    for name in by:
        if count := int(base[name].isna().sum()):
            raise DataError(
                f"by={name!r}: {count} of {len(base)} rows have no value of {name}; leave them out "
                "or fill them"
            )


def _cells(columns: Columns, base: pd.DataFrame, by: Sequence[str]) -> tuple[pd.DataFrame, Ints]:
    """Combinations of the by-columns that occur, in the order of their levels, and each row's."""
    if not by:
        return pd.DataFrame(index=[0]), np.zeros(len(base), int)
    found = [encode(base[name], name) for name in by]
    codes = np.stack([c.astype(np.int64) for c, _ in found])
    each, code = np.unique(codes, axis=1, return_inverse=True)
    cells = {
        name: columns.column(name, list(levels[k]))
        if name in columns.frame
        else pd.Series(list(levels[k]))
        for name, (_, levels), k in zip(by, found, each, strict=True)
    }
    return pd.DataFrame(cells), np.ravel(code)


def _question(post: Posterior, groups: Groups | None, named: set[str]) -> Question:
    """By default groups are averaged over, but for factors whose levels the question names."""
    if groups is not None:
        return ask(post.design, groups, "mean")
    factors = {g.name: g.factors for p in post.design.predictors for g in p.factors}
    own = tuple(name for name, columns in factors.items() if named.issuperset(columns))
    return replace(ask(post.design, "average", "mean"), own=own)


def _groups_words(asked: Asked) -> str:
    """What the answer supposes about the groups that it depends on, in words."""
    question, predictors = asked.question, map(asked.post.design.predictor, asked.reads)
    said = {g.name: g.within or g.name for p in predictors for g in p.factors}
    if question.treatment == "drawn" and said:
        return f"a new {_joined(list(dict.fromkeys(said.values())))}"
    read = [name for name in said if name in question.factors and question.reads(name)]
    own = list(dict.fromkeys(said[name] for name in read))
    rest = list(dict.fromkeys(said[name] for name in said if name not in read))
    parts = [f"each {_joined(own)} with its own effects"] if own else []
    if rest and question.treatment == "integrated":
        parts.append(f"population of {_joined(rest)} averaged over")
    elif rest:
        parts.append(f"a typical {_joined(rest)} (effects 0)")
    return "; ".join(parts)


def _joined(names: Sequence[str]) -> str:
    """a, b and c."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def at_words(at: Mapping[str, Sequence[Any]]) -> str:
    """The columns that are set to one value, in words."""
    return ", ".join(f"{name} = {shown(v[0])}" for name, v in at.items() if len(v) == 1)
