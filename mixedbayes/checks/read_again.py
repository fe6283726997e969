"""The checks of a fit whose rows were read in batches: some of the rows are read once more.

Residuals are looked at in the rows that `check` takes of as many in memory, evenly spread over all
that are complete; what follows within a level, in all rows of some levels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mixedbayes.checks.by_batch import loo_by_batch
from mixedbayes.checks.order import ROWS_PER_LEVEL
from mixedbayes.checks.report import Finding
from mixedbayes.checks.residual import MOST_ROWS, spread
from mixedbayes.design.types import GroupDesign
from mixedbayes.errors import ModelError
from mixedbayes.results.again import Reader, of_batch
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.text import plural

_NOT_CHECKED = (
    "Slopes within and between groups and the influence of groups need all rows of a level at "
    "once, and the rows were read in batches; check() of a data frame of some groups has them."
)


@dataclass(frozen=True, eq=False)
class Some:
    """Some rows of the data, each as a posterior of its own design.

    Attributes
    ----------
    spread
        Evenly spread over all complete rows.
    levels
        All rows of some levels of the finest factor; None where no factor of one column has
        several rows in a level.
    """

    spread: Posterior
    levels: Posterior | None

    @classmethod
    def of(cls, post: Posterior) -> Some:
        """Read them; ModelError or DataError where the rows are not at hand, or are others."""
        reader = Reader.of(post.design)
        wanted = spread(np.ones(reader.used), MOST_ROWS)
        finest, labels = _levels(post)
        first, whole, done, left = list[pd.DataFrame](), list[pd.DataFrame](), 0, MOST_ROWS
        for frame in reader.frames():
            end = done + len(frame)
            here = wanted[np.searchsorted(wanted, done) : np.searchsorted(wanted, end)]
            first.append(frame.iloc[here - done])
            if finest is not None and left:
                own = frame[frame[finest].isin(labels)].head(left)
                left -= len(own)
                whole.append(own)
            done = end
        levels = of_batch(post, pd.concat(whole)) if whole else None
        return cls(of_batch(post, pd.concat(first)), levels)


def _levels(post: Posterior) -> tuple[str | None, list[object]]:
    """Column and labels of levels that have at most MOST_ROWS rows together."""
    used = post.design.used
    found = [g for g in post.design.mu.factors if _is_column(g)]
    found = [g for g in found if used >= ROWS_PER_LEVEL * g.n_levels]
    if not found:
        return None, []
    finest = max(found, key=lambda g: g.n_levels)
    mixed = np.random.default_rng(0).permutation(finest.n_levels)
    ends = np.cumsum(finest.rows_per_level[mixed])
    taken = mixed[: max(1, int(np.searchsorted(ends, MOST_ROWS, "right")))]
    return finest.factors[0], list(finest.levels[taken])


def _is_column(g: GroupDesign) -> bool:
    return len(g.factors) == 1 and len(g.pieces) == 1


def some_of(post: Posterior) -> Some:
    """The rows, read once; ModelError or DataError where they are not at hand, or are others."""
    return post.once("some rows", lambda: Some.of(post))


def at_hand(post: Posterior) -> Posterior:
    """The posterior whose rows are at hand: some, read again, where they are not in memory."""
    return some_of(post).spread if post.design.without_rows else post


def check_order(post: Posterior, order: object) -> None:
    """ModelError where an order of rows that are read again is none of the model's columns."""
    there = [str(name) for name in post.design.whole if not str(name).startswith("(")]
    if order is not None and (not isinstance(order, str) or order not in there):
        raise ModelError(
            "order: the rows were read in batches, and are read again with the columns of the "
            f"model, {', '.join(there)}: give the name of one of them"
        )


def of_rows(
    post: Posterior,
    what: str,
    find: Callable[[Posterior, Posterior | None], Iterator[Finding]],
) -> Iterator[Finding]:
    """What `find` says of the rows that were read; one sentence where they are not at hand.

    `what` is not looked at then, in the plural and as a sentence begins.
    """
    try:
        some = some_of(post)
    except ModelError as reason:
        said = f"{what} were not looked at: {reason}."
        yield Finding("Not checked", said, True, pd.DataFrame())
        return
    yield from find(some.spread, some.levels)


def influence(post: Posterior, progress: bool) -> Finding:
    """Of which rows can weights not tell what the others say without them?"""
    found = loo_by_batch(post, progress=progress)
    if found.high:
        rows = ", ".join(f"{row:,}" for row in found.influence.index[: min(found.high, 5)])
        most = float(found.influence["pareto_k"].iloc[0])
        said = (
            f"Pareto k of {plural(found.high, 'observation')} (row {rows}) is up to {most:.2f}, "
            f"above its limit {found.good_k:.2f}: weights cannot tell reliably what the posterior "
            "is without each. They may be unusual, or simply weigh much; by_batch('loo') has all."
        )
    else:
        said = (
            "No observation moves the posterior too far for importance weights: Pareto k is at "
            f"most {found.influence['pareto_k'].iloc[0]:.2f}, its limit {found.good_k:.2f}."
        )
    return Finding("Influential observations", said, bool(found.high), found.influence)


def not_checked() -> Finding:
    """What is not looked at where rows were read in batches."""
    return Finding("Not checked", _NOT_CHECKED, False, pd.DataFrame())
