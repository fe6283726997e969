"""Fitted values, residuals, predictions and scores of rows that are read again, batch by batch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from mixedbayes.checks.leave_out import log_mean
from mixedbayes.checks.log_likelihood import by_observation
from mixedbayes.checks.predictive import statistic
from mixedbayes.checks.weighing import MOST_NUMBERS, check_draws, relative_efficiency, weigh
from mixedbayes.design.types import Floats
from mixedbayes.errors import DataError, ModelError
from mixedbayes.numerics import psis
from mixedbayes.numerics.rows import row_blocks
from mixedbayes.predict.forward import responses
from mixedbayes.predict.predict import BLOCK_ROWS, predict, predict_given
from mixedbayes.progress import display
from mixedbayes.results.again import Reader, of_batch
from mixedbayes.results.fitted import fitted, residuals
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.predictors import linear_predictor, row_parameters
from mixedbayes.sources.libraries import arrow

What = Literal["fitted", "residuals", "predict", "loo"]
REPLICATES = 400  # of which statistics are compared with the data's
_WORST = 20  # rows with the highest Pareto k that are named
_REPLICATED = 5  # beside the seed, of replicates


def by_batch(
    post: Posterior,
    what: What = "fitted",
    to: str | Path | None = None,
    *,
    data: Any = None,
    columns: str | Sequence[str] = (),
    size: int | None = None,
    **given: Any,
) -> Iterator[pd.DataFrame] | Path:
    """What is of single rows, of data that were read in batches: they are read once more.

    Parameters
    ----------
    post
        The posterior.
    what
        "fitted", "residuals": as `fitted` and `residuals` have them. "predict": as `predict` has
        them of new rows. "loo": of each row elpd, log p(y_i | all other rows) by Pareto-smoothed
        importance sampling, p_loo and Pareto k.
    to
        A Parquet file, which is written; None hands the tables out.
    data
        What is read in the place of the fit's own source, such as after `mixedbayes.load`: the
        same rows, as a model takes them.
    columns
        Columns of the data that come first in each table, to know its rows by.
    size
        Rows of a batch; by default as the fit read them.
    given
        Passed on, such as prob= or kind=.

    Returns
    -------
    Tables, one of each batch, with the columns that the method of this name has, and those asked
    for. The index `row` is the place of a row in the data, from 0, rows that lack something
    counted. With `to` the file's path; `row` is a column there. Predictions come 64 rows and more
    together, so that up to 63 rows of a batch are in the next table: rows have the random numbers
    that `predict` gives them among all, whatever the size of batches.

    Raises
    ------
    ModelError
        The data were not read in batches, `what` is unknown, or draws are asked for.
    DataError
        The source is not at hand, or its rows are not those of the fit.

    See Also
    --------
    fitted : Of rows in memory.
    residuals : Of rows in memory.
    predict : Of new rows.
    source : Of the package: data that are read in batches.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.source(mb.load_data("sleepstudy"), progress=False)
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1, progress=False)
    >>> for table in fit.by_batch("residuals", columns="Subject"):
    ...     print(table[["Subject", "mean", "sd"]].head(2))
        Subject       mean         sd
    row
    0       308  -3.594763  13.547966
    1       308 -14.092325  11.563962
    """
    if what not in _TABLES:
        raise ModelError(f"what={what!r}: by_batch() has {', '.join(map(repr, _TABLES))}")
    if given.get("draws"):
        raise ModelError("by_batch() has tables: draws of all rows would not fit into memory")
    reader = Reader.of(post.design, data, columns=columns, size=size)
    tables = _tables(post, what, reader, given)
    return tables if to is None else _written(tables, Path(to))


def _tables(
    post: Posterior, what: str, reader: Reader, given: dict[str, Any]
) -> Iterator[pd.DataFrame]:
    done = 0
    for frame in _in_blocks(reader.frames()) if what == "predict" else reader.frames():
        found = _TABLES[what](post, frame[list(reader.columns)], given, done)
        done += len(frame)
        there = [n for n in reader.further if n in found and n in reader.columns]  # of predict()
        own = frame[[name for name in reader.further if name not in there]].loc[found.index]
        clash = [name for name in own if name in found]
        if clash:
            raise DataError(f"the table has a column {clash[0]!r} of its own: rename the data's")
        yield pd.concat([own, found], axis=1)


def _in_blocks(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The same rows, as many of them together as blocks of random numbers have."""
    left: pd.DataFrame | None = None
    for frame in frames:
        rows = frame if left is None or left.empty else pd.concat([left, frame])
        whole = len(rows) // BLOCK_ROWS * BLOCK_ROWS
        left = rows.iloc[whole:]
        if whole:
            yield rows.iloc[:whole]
    if left is not None and len(left):
        yield left


def _predicted(
    post: Posterior, frame: pd.DataFrame, given: dict[str, Any], done: int
) -> pd.DataFrame:
    """With the random numbers that the rows have among all, of which `done` were before."""
    asked = inspect.signature(predict).bind(post, frame, **{"progress": False, **given})
    asked.apply_defaults()
    how = {k: v for k, v in asked.arguments.items() if k not in ("post", "new")}
    found = predict_given(post, frame, {}, before=done // BLOCK_ROWS, **how)
    return pd.DataFrame(found).set_axis(frame.index)


def _scores(
    post: Posterior, frame: pd.DataFrame, given: dict[str, Any], done: int = 0
) -> pd.DataFrame:
    if given:
        raise TypeError(f"by_batch('loo') takes no {', '.join(given)}")
    check_draws(post)
    own, efficiency = of_batch(post, frame), relative_efficiency(post)
    out = np.empty((3, len(frame)))
    for rows in row_blocks(len(frame), max(1, min(500, MOST_NUMBERS // post.n_draws))):
        density = by_observation(own, rows)
        elpd, k = weigh(density, efficiency)
        out[:, rows] = elpd, log_mean(density) - elpd, k
    return pd.DataFrame(out.T, frame.index, ["elpd", "p_loo", "pareto_k"])


_TABLES: dict[str, Callable[[Posterior, pd.DataFrame, dict[str, Any], int], pd.DataFrame]] = {
    "fitted": lambda post, frame, given, _: fitted(of_batch(post, frame), **given),
    "residuals": lambda post, frame, given, _: residuals(of_batch(post, frame), **given),
    "predict": _predicted,
    "loo": _scores,
}


def _written(tables: Iterator[pd.DataFrame], path: Path) -> Path:
    """A Parquet file of all tables; none is left where writing fails."""
    pa, parquet = arrow(), arrow("pyarrow.parquet")
    writer, part = None, path.with_name(path.name + ".part")
    try:
        for found in tables:
            own = pa.Table.from_pandas(found.reset_index(), preserve_index=False)
            if writer is None:
                writer = parquet.ParquetWriter(part, own.schema)
            writer.write_table(own.cast(writer.schema))
    except BaseException:
        if writer is not None:
            writer.close()
            part.unlink()
        raise
    if writer is not None:
        writer.close()
        part.replace(path)
    return path


# ---- leaving out one observation at a time -------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Scores:
    """Leave-one-out cross-validation of rows that were read again; what is of each is not kept.

    Attributes
    ----------
    elpd, se, p
        Sum over the rows of log p(y_i | all other rows), its standard error, and the effective
        number of parameters.
    n
        Rows.
    good_k
        Above which Pareto k says that a score is not reliable.
    high
        How many rows are above.
    influence
        The rows with the highest Pareto k: row, elpd, p_loo, pareto_k.
    """

    elpd: float
    se: float
    p: float
    n: int
    good_k: float
    high: int
    influence: pd.DataFrame

    def __str__(self) -> str:
        lines = [
            f"elpd {self.elpd:,.1f} (se {self.se:,.1f}), p {self.p:,.1f}: {self.n:,} observations "
            "left out one at a time, which were read again",
            f"Pareto k is above {self.good_k:.2f} in {self.high:,} of them",
        ]
        if self.high:
            rows = ", ".join(f"{row:,}" for row in self.influence.index[: min(self.high, 5)])
            lines[1] += (
                f", such as row {rows}, whose scores are not reliable. by_batch('loo') has all "
                "rows; a data frame of some groups would be scored with their effects integrated "
                "out, and fits without a row"
            )
        return "\n".join(lines)

    __repr__ = __str__


def loo_by_batch(post: Posterior, *, progress: bool = True) -> Scores:
    """The estimate by importance weights of all rows, batch by batch."""
    check_draws(post)
    reader = Reader.of(post.design)
    n, sums, squares, p, high = 0, 0.0, 0.0, 0.0, 0
    pivot: float | None = None
    good = psis.good_k(post.n_draws)
    worst = pd.DataFrame()
    with display("Leaving out", reader.used, "rows", wanted=progress) as shown:
        for frame in reader.frames():
            found = _scores(post, frame, {})
            elpd = found["elpd"].to_numpy()
            pivot = float(elpd.mean()) if pivot is None else pivot
            n, sums = n + len(elpd), sums + float((elpd - pivot).sum())
            squares += float(((elpd - pivot) ** 2).sum())
            p += float(found["p_loo"].sum())
            high += int((found["pareto_k"] > good).sum())
            worst = pd.concat([worst, found]).nlargest(_WORST, "pareto_k")
            shown.update(n)
    se = float(np.sqrt(max(squares - sums**2 / n, 0.0)))
    return Scores(sums + n * (pivot or 0.0), se, p, n, good, high, worst)


# ---- statistics of replicates --------------------------------------------------------------------


@dataclass(eq=False)
class _Sums:
    """Of each set of responses its number, sum, squares about a number, ends and zeros."""

    pivot: float
    values: Floats  # (6, sets)

    @classmethod
    def none(cls, sets: int, pivot: float) -> _Sums:
        values = np.zeros((6, sets))
        values[3], values[4] = np.inf, -np.inf
        return cls(pivot, values)

    def add(self, y: Floats) -> None:
        """(sets, n) more responses."""
        own, away = self.values, y - self.pivot
        own[0] += y.shape[1]
        own[1] += away.sum(axis=1)
        own[2] += (away**2).sum(axis=1)
        own[3], own[4] = np.minimum(own[3], y.min(axis=1)), np.maximum(own[4], y.max(axis=1))
        own[5] += (y == 0).sum(axis=1)

    def of(self, stat: str) -> Floats:
        """(sets,)"""
        n, total, square, low, high, zeros = self.values
        spread = np.sqrt(np.maximum(square - total**2 / n, 0.0) / np.maximum(n - 1, 1))
        mean = self.pivot + total / n
        return {"mean": mean, "sd": spread, "min": low, "max": high, "zeros": zeros / n}[stat]


def statistics_by_batch(post: Posterior, stat: Any, seed: int) -> tuple[float, Floats]:
    """A statistic of the data and of (R,) sets of replicates, from rows that are read again.

    Raises ModelError of a statistic that is no sum over rows.
    """
    statistic(stat)  # that it is one
    if not isinstance(stat, str):
        raise ModelError(
            "a statistic of your own takes all responses at once, and the data were read in "
            'batches: stat="mean", "sd", "min", "max" or "zeros"; or fit a sample of the rows'
        )
    reader, S = Reader.of(post.design), post.n_draws
    chosen = np.unique(np.linspace(0, S - 1, min(S, REPLICATES)).astype(int))
    data: _Sums | None = None
    replicated: _Sums | None = None
    for k, frame in enumerate(reader.frames()):
        own, rng = of_batch(post, frame), np.random.default_rng([seed, _REPLICATED, k])
        y = own.family.reported(own.design.y)
        if data is None or replicated is None:
            pivot = float(np.mean(y))
            data, replicated = _Sums.none(1, pivot), _Sums.none(len(chosen), pivot)
        data.add(y[None])
        for rows in row_blocks(len(frame), max(1, MOST_NUMBERS // S)):
            eta = linear_predictor(own, rows)[:, chosen].T
            every = {n: v[chosen] for n, v in row_parameters(own, rows).items()}
            drawn = responses(own.family, own.design, eta, every, rng, rows)
            replicated.add(own.family.reported(drawn))
    assert data is not None
    assert replicated is not None
    return float(data.of(stat)[0]), replicated.of(stat)
