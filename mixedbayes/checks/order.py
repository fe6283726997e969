"""Residuals of rows that follow each other: are they alike?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes.checks.leave_out import take
from mixedbayes.checks.report import Finding, p_said
from mixedbayes.checks.residual import MOST_ROWS, Alone, Residuals, residuals_of, thinned
from mixedbayes.design.types import Design, Floats, GroupDesign, Ints
from mixedbayes.errors import ModelError
from mixedbayes.formula.nodes import column
from mixedbayes.predict.streams import stream
from mixedbayes.results.correlated import structure, whitened
from mixedbayes.results.posterior import Posterior

SMALL_P = 0.01  # of both sides together
WHITE = 15  # purpose of the stream of random numbers
FEWEST_PAIRS = 20
FEWEST_STEPS = 5  # that differ, from which rows can be told to be sorted
ROWS_PER_LEVEL = 3  # on average, from which rows of a level make a series
_ONE_WAY = 0.95  # share of steps in one direction from which rows count as sorted
_TIME = re.compile(
    r"(^|[^a-z])(t|times?|years?|months?|weeks?|days?|hours?|minutes?|seconds?|dates?|waves?|"
    r"visits?|occasions?|sessions?|trials?|periods?|rounds?|ages?|steps?|quarters?)([^a-z]|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, eq=False)
class Order:
    """An order of the user's rows."""

    name: str
    place: Ints  # (rows of the user's frame,); equal where rows have the same, -1 where unknown

    @property
    def key(self) -> tuple[str, bytes]:
        return self.name, self.place.tobytes()


def given_order(design: Design, order: Any) -> Order:
    """The order that a user gives: values of the rows, or a column that the model reads.

    Parameters
    ----------
    design
        The design, for its rows and the columns that it reads.
    order
        The name of one of these; or a value for each row of the user's frame, or of those used,
        of any kind that sorts.

    Raises
    ------
    ModelError
        It is no such column; there is not one value for each row; one is missing, or they do not
        sort.
    """
    frame = design.whole
    if isinstance(order, str):
        if order not in frame:
            raise ModelError(
                f"order={order!r}: the model reads no such column, and keeps only those that it "
                f'reads ({", ".join(map(str, frame))}); give the values, order=data["{order}"]'
            )
        name, values = order, _values(frame[order])
    else:
        name = str(getattr(order, "name", None) or "the order given")
        known = order.index if isinstance(order, pd.Series) else None
        values = _values(order)
        _check_rows(design, frame, values, known)
    rows = design.rows if len(values) == len(frame) else np.arange(design.n)
    used = pd.Series(values[rows])
    if used.isna().any():
        raise ModelError(
            f"order: {used.isna().sum():,} of {design.n:,} rows used have no value of {name}"
        )
    try:
        place = np.unique(used.to_numpy(), return_inverse=True)[1]
    except TypeError as error:
        raise ModelError(f"order: the values of {name} do not sort: {error}") from error
    whole = np.full(len(frame), -1)
    whole[design.rows] = place
    return Order(name, whole)


def _values(order: Any) -> NDArray[Any]:
    """Values that sort as the user's do; a list of several kinds stays one."""
    if isinstance(getattr(order, "dtype", None), pd.CategoricalDtype) and order.dtype.ordered:
        codes = pd.Series(order).cat.codes
        return codes.where(codes >= 0).to_numpy()
    return np.asarray(order, object) if isinstance(order, list | tuple) else np.asarray(order)


def _check_rows(
    design: Design, frame: pd.DataFrame, values: NDArray[Any], known: pd.Index | None
) -> None:
    if values.ndim != 1 or len(values) not in (len(frame), design.n):
        used = "" if design.n == len(frame) else f", or for each of the {design.n:,} used"
        raise ModelError(
            f"order has the shape {values.shape}: it takes a value for each of the {len(frame):,} "
            f"rows of the data{used}"
        )
    labels = frame.index if len(values) == len(frame) else design.index
    if known is not None and known.isin(labels).all() and not known.equals(labels):
        raise ModelError(
            "order has its rows in another order than the data; take the column from the data "
            "frame of the fit"
        )


@dataclass(frozen=True, eq=False)
class Series:
    """Pairs of rows that follow each other within a level."""

    first: Ints  # (pairs,)
    second: Ints  # (pairs,)
    group: GroupDesign | None
    along: str | None  # the column that says the order; None for that of the rows

    @property
    def words(self) -> str:
        within = f" within {self.group.name}" if self.group is not None else ""
        return f"{within} {'in row order' if self.along is None else f'along {self.along}'}"


def autocorrelation(
    post: Posterior, found: Residuals, seed: int, order: Order | None = None
) -> Finding | None:
    """Lag-1 autocorrelation of Pearson residuals; None where no order is known.

    `found` are the residuals of all rows, or of some where there are many: those of whole levels
    are computed then.
    """
    if post.design.residual is not None:
        return _left_over(post, seed)
    if post.design.n > MOST_ROWS:
        rows = take(post.design, _whole_levels(post.design, order))
        found = residuals_of(post.with_design(rows), seed)
    series = None if post.design.repeats is not None else follow(found.design, order)
    if series is None:
        return None if order is None else _no_series(post.design, order)
    beside = Alone(*(_lag(x, series) for x in (found.data, found.replicated)))
    low, high = beside.range()
    p, mean = beside.p(), float(np.mean(beside.data))
    said = (
        f"The lag-1 autocorrelation of residuals{series.words} is {mean:.2f}, of replicates "
        f"{low:.2f} to {high:.2f} ({p_said(p, 2 / len(found.data), SMALL_P)})"
    )
    table = beside.table().assign(pairs=len(series.first), along=[series.along or "row order"])
    look = p < SMALL_P
    if look and not beside.larger:
        said += ": rows that follow each other differ more than by chance"
    elif look:
        said += ": rows that follow each other are alike, and count for less than the model takes "
        said += f"them for. {_remedy(post, found.design, series)}"
    said = f"{said.removesuffix('.')}."
    if series.along is None:
        said += ' Where time runs otherwise, check(order=data["time"]) goes by it.'
    return Finding("Autocorrelation", said, look, table)


def _no_series(design: Design, order: Order) -> Finding:
    few = f"fewer than {FEWEST_PAIRS} rows follow another along {order.name}"
    why = few if design.repeats is None else "rows that count several times have no order"
    return Finding("Autocorrelation", f"Not looked for: {why}.", False, pd.DataFrame())


def _lag(r: Floats, series: Series) -> Floats:
    """(K,) sum of r r' over pairs, in units of the root mean squares."""
    a, b = r[:, series.first], r[:, series.second]
    return np.sum(a * b, axis=1) / np.sqrt(np.sum(a**2, axis=1) * np.sum(b**2, axis=1))


def _left_over(post: Posterior, seed: int) -> Finding | None:
    """The same of residuals given those before them, where their correlations are in the model."""
    design = post.design
    if design.n > MOST_ROWS:
        of = np.random.default_rng(0).permutation(len(structure(post).levels))
        rank = np.argsort(of)[structure(post).refs]
        rows = np.flatnonzero(rank < np.sort(rank)[MOST_ROWS])
        post = post.with_design(take(design, rows))
    some, own = thinned(post), structure(post)
    order = np.lexsort((own.places, own.refs))
    same = own.refs[order[1:]] == own.refs[order[:-1]]
    series = Series(order[:-1][same], order[1:][same], None, own.structure.of or None)
    if len(series.first) < FEWEST_PAIRS:
        return None
    white = whitened(some, np.arange(len(own.refs)))[0]
    replicated = stream(seed, WHITE).standard_normal(white.shape)
    beside = Alone(_lag(white, series), _lag(replicated, series))
    low, high = beside.range()
    p, mean = beside.p(), float(np.mean(beside.data))
    said = (
        f"The lag-1 autocorrelation within {own.name} of residuals given those before them, by "
        f"{own.text}, is {mean:.2f}, of replicates {low:.2f} to {high:.2f} "
        f"({p_said(p, 2 / len(white), SMALL_P)})"
    )
    look = p < SMALL_P
    if look:
        said += ": the structure does not take all of it; "
        said += (
            "by= gives each level of a column correlations of its own"
            if own.structure.closed
            else "arma11 and toep say more than ar1, and unstr says all"
        )
    table = beside.table().assign(pairs=len(series.first), along=[own.structure.of or "rows"])
    return Finding("Autocorrelation", f"{said}.", look, table)


def residual_term(design: Design, series: Series) -> str:
    """The structure of residuals that takes it, as `residual=` has it; empty where none does."""
    g, along = series.group, series.along
    if g is None or along is None or along not in design.mu.terms or not along.isidentifier():
        return ""
    at = design.mu.X[:, design.mu.terms.index(along)]
    if len(np.unique(np.column_stack([g.refs, at]), axis=0)) < len(at):
        return ""  # several rows of a level at one time
    name = "ar1" if bool(np.all(at == np.floor(at))) else "ou"
    return f'residual="{name}({along} | {":".join(map(column, g.factors))})"'


def _remedy(post: Posterior, design: Design, series: Series) -> str:
    """The terms that take it, in words."""
    term = residual_term(design, series) if post.family.correlates else ""
    if term:
        slope = ""
        if series.group is not None and not any(str(series.along) in t for t in series.group.terms):
            slope = f", or slopes of each {series.group.name}, ({series.along} | "
            slope += f"{series.group.name})"
        return (
            f"{term} takes what carries over from row to row; a course in time that is missing is "
            f"taken by a curve of {series.along}{slope}."
        )
    time = "time" if series.along is None else series.along
    g, slope = series.group, ""
    if g is not None and not any(time in term for term in g.terms):
        slope = f"slopes of each {g.name}, ({time} | {g.name}), or "
    return (
        "What carries over from row to row is taken by the response of the row before as a "
        f"predictor; a course in time that is missing, by {slope}a curve of {time}."
    )


def follow(design: Design, order: Order | None = None) -> Series | None:
    """Which rows follow each other: in a given order, else along a column that looks like time.

    Else in row order, only within levels, and not where the rows were sorted by the response.
    """
    plain = [g for g in design.mu.factors if len(g.pieces) == 1]
    groups = [g for g in plain if design.n >= ROWS_PER_LEVEL * len(np.unique(g.refs))]
    groups.sort(key=lambda g: -g.n_levels)
    if order is not None:
        place, group = order.place[design.rows], groups[0] if groups else None
        first, second = _pairs(place, group)
        later = place[first] < place[second]
        found = Series(first[later], second[later], group, order.name)
        return found if later.sum() >= FEWEST_PAIRS else None
    for term in (t for t in design.mu.terms if ":" not in t and _TIME.search(t)):
        at = design.mu.X[:, design.mu.terms.index(term)]
        for g in groups if design.mu.factors else [None]:
            first, second = _pairs(at, g)
            ordered = at[first] < at[second]
            if len(first) >= FEWEST_PAIRS and ordered.mean() > _ONE_WAY:
                return Series(first[ordered], second[ordered], g, term)
    if not groups:
        return None
    first, second = _pairs(np.arange(design.n), groups[0])
    if len(first) < FEWEST_PAIRS or _sorted(design, first, second):
        return None
    return Series(first, second, groups[0], None)


def _pairs(at: Floats | Ints, group: GroupDesign | None) -> tuple[Ints, Ints]:
    """Rows next to each other within a level, in ascending order of `at`."""
    refs = np.zeros(len(at), int) if group is None else group.refs
    order = np.lexsort((at, refs))
    same = refs[order[1:]] == refs[order[:-1]]
    return order[:-1][same], order[1:][same]


def _sorted(design: Design, first: Ints, second: Ints) -> bool:
    """Whether rows are in order of the response where no predictor says why.

    As counted outcomes are that were written out, or a table that was sorted.
    """
    X = design.mu.X
    alike = np.all(X[first] == X[second], axis=1)
    if _one_way(design.y, first[alike], second[alike]):
        return True
    return _one_way(design.y, first, second) and not any(_one_way(x, first, second) for x in X.T)


def _one_way(x: Floats, first: Ints, second: Ints) -> bool:
    """Whether the steps of x from row to row are in one direction."""
    step = x[second] - x[first]
    up, down = int(np.sum(step > 0)), int(np.sum(step < 0))
    return up + down >= FEWEST_STEPS and max(up, down) > _ONE_WAY * (up + down)


def _whole_levels(design: Design, order: Order | None) -> Ints:
    """At most MOST_ROWS rows, whole levels of the finest factor that makes series."""
    series = follow(design, order)
    if series is None or series.group is None:
        rows = np.arange(design.n)
        return (rows if order is None else np.argsort(order.place[design.rows]))[:MOST_ROWS]
    refs = series.group.refs
    sizes = np.bincount(refs, minlength=series.group.n_levels)
    mixed = np.random.default_rng(0).permutation(series.group.n_levels)
    taken = mixed[: max(1, int(np.searchsorted(np.cumsum(sizes[mixed]), MOST_ROWS, "right")))]
    return np.flatnonzero(np.isin(refs, taken))[:MOST_ROWS]
