"""Weighted averages over rows of what a model predicts, draw by draw, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mixedbayes.design.types import Floats, Ints
from mixedbayes.errors import ModelError
from mixedbayes.estimands.grid import Columns
from mixedbayes.numerics.rows import row_blocks
from mixedbayes.predict.evaluate import Block, run, target_values
from mixedbayes.predict.linear import predictor
from mixedbayes.predict.predict import BLOCK_ROWS, MOST_BYTES
from mixedbayes.predict.question import Question
from mixedbayes.predict.rows import FactorRows, PredictionRows, prediction_rows
from mixedbayes.predict.target import MU, Target
from mixedbayes.results.posterior import Posterior

Rowwise = Callable[[Floats], Floats]  # (r, V, ...) of V versions of each row to (r, F, ...)
_CHUNK = 16  # blocks whose sums are kept apart, so that the order of threads plays no role


@dataclass(frozen=True, eq=False)
class Asked:
    """What of the response, about which groups."""

    post: Posterior
    question: Question
    target: Target
    seed: int
    progress: bool = True

    @property
    def reads(self) -> tuple[str, ...]:
        """The parameters with a predictor that the target depends on."""
        design = self.post.design
        known = (MU, *design.further)
        return tuple(name for name in self.target.reads(self.post.family) if name in known)

    @property
    def own_columns(self) -> tuple[str, ...]:
        """Columns of the grouping factors whose levels have their own effects."""
        question, predictors = self.question, map(self.post.design.predictor, self.reads)
        groups = (g for p in predictors for g in p.factors if g.name in question.factors)
        own = (g for g in groups if question.reads(g.name))
        return tuple(dict.fromkeys(f for g in own for f in g.factors))

    @property
    def width(self) -> int:
        """Numbers of a row: categories, or one."""
        found = self.categories
        return 1 if found is None else len(found)

    @property
    def categories(self) -> tuple[object, ...] | None:
        each = getattr(self.target, "categories", False)
        return self.post.family.categories(self.post.design) if each else None


def average(
    asked: Asked,
    frames: Sequence[pd.DataFrame],
    cells: Ints,
    n_cells: int,
    weights: Floats,
    rowwise: Rowwise | None = None,
) -> Floats:
    """Averages over the rows of each cell, of functions of the versions of a row.

    Parameters
    ----------
    asked
        The target and the groups.
    frames
        V versions of the same m rows.
    cells
        (m,) cell of each row.
    weights
        (m,) of the rows in the average.
    rowwise
        From draws (r, V, ...) of the versions of some rows to (r, F, ...); by default F = V.

    Returns
    -------
    (n_cells, F, W, S): W categories, or 1. Cells without weight are NaN.
    """
    V, S, W = len(frames), asked.post.n_draws, asked.width
    F = V if rowwise is None else rowwise(np.ones((1, V, 1, 1))).shape[1]
    _check_size(n_cells * F * W, S)
    mass = np.bincount(cells, weights, minlength=n_cells)
    rows, weights = _distinct(asked, frames, cells, weights)
    rows = rows[np.argsort(cells[rows], kind="stable")]
    cells, weights = cells[rows], weights[rows]
    evaluate = _evaluation(asked, [frame.iloc[rows] for frame in frames])
    blocks = list(enumerate(row_blocks(len(rows), max(1, BLOCK_ROWS // V))))
    chunks = [blocks[k : k + _CHUNK] for k in range(0, len(blocks), _CHUNK)]
    sums: list[tuple[Ints, Floats]] = [(np.zeros(0, int), np.zeros((0, 0)))] * len(chunks)

    def work(chunk: Block) -> None:
        members = chunks[chunk[0]]
        span = slice(members[0][1].start, members[-1][1].stop)
        present = np.unique(cells[span])
        found = np.zeros((len(present), F * W * S))
        for number, at in members:
            values = evaluate((number, slice(at.start * V, at.stop * V))).reshape(-1, V, W, S)
            if rowwise is not None:
                values = rowwise(values)
            weighed = values.reshape(len(values), -1) * weights[at, None]
            own, starts = np.unique(cells[at], return_index=True)
            found[np.searchsorted(present, own)] += np.add.reduceat(weighed, starts)
        sums[chunk[0]] = present, found

    spans = [(k, slice(c[0][1].start, c[-1][1].stop)) for k, c in enumerate(chunks)]
    run(spans, work, S * V, shown=asked.progress)
    total = np.zeros((n_cells, F * W * S))
    for present, found in sums:
        total[present] += found
    with np.errstate(invalid="ignore"):
        total /= mass[:, None]
    return total.reshape(n_cells, F, W, S)


def _distinct(
    asked: Asked, frames: Sequence[pd.DataFrame], cells: Ints, weights: Floats
) -> tuple[Ints, Floats]:
    """Rows that differ in what the answer depends on, and (m,) weights that they stand for."""
    if asked.question.treatment == "drawn":  # rows without a label are groups of their own
        return np.arange(len(cells)), weights
    columns = Columns(asked.post.design)
    skipped = set(columns.grouping).difference(asked.own_columns)
    key = np.asarray(cells, np.int64)
    for frame in frames:
        for name in columns.names:
            if name in frame and name not in skipped:
                codes, levels = pd.factorize(frame[name], use_na_sentinel=False)
                if len(levels) > 1:
                    key = pd.factorize(key * len(levels) + codes)[0]
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    return first, np.bincount(inverse, weights)[inverse]


def _evaluation(asked: Asked, frames: Sequence[pd.DataFrame]) -> Callable[[Block], Floats]:
    """The target at the versions of every row, one after the other: row i V + v."""
    post, V = asked.post, len(frames)
    together = pd.concat(frames, ignore_index=True)
    m = len(together) // V
    joint = together.iloc[np.arange(V * m).reshape(V, m).T.ravel()].reset_index(drop=True)
    rows: dict[str, PredictionRows] = {}
    for name in asked.reads:
        found = prediction_rows(post.design, joint, asked.question, name)
        rows[name] = _one_level_each(found, V) if asked.question.treatment == "drawn" else found
    predictors = {name: predictor(post, own, asked.seed, {}, name) for name, own in rows.items()}
    none = PredictionRows(np.zeros((len(joint), 0)), (), None, None, None, joint.index)
    shape = next(iter(rows.values()), none)
    return target_values(post, shape, asked.question, asked.target, predictors, asked.seed)


def _one_level_each(rows: PredictionRows, V: int) -> PredictionRows:
    """Versions of a row are of one new level, in factors whose levels the rows do not name."""

    def labelled(factor: FactorRows) -> FactorRows:
        if factor.codes is not None:
            return factor
        m, k = rows.n // V, factor.width
        codes = -1 - np.repeat(np.arange(m * k).reshape(m, k), V, axis=0)
        unseen = tuple(f"\0row {i}" + f", {j}" * (j > 0) for i in range(m) for j in range(k))
        return replace(factor, codes=codes, unseen=unseen)

    return replace(rows, factors=tuple(map(labelled, rows.factors)))


def _check_size(numbers: int, draws: int) -> None:
    size = 8 * numbers * draws
    if size > MOST_BYTES:
        raise ModelError(
            f"{numbers:,} averages x {draws:,} draws would take {size / 1e9:,.1f} GB, more than "
            f"{MOST_BYTES / 1e9:.0f} GB; ask for fewer values or groups at a time"
        )
