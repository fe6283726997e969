"""Observations that have some effects nearly to themselves, scored without these effects.

A draw of an effect that only one row, or a few rows, know has seen that row: weights that take the
row out of such draws are about the effect rather than the population, and too few draws carry them
even where Pareto k does not show it. Here the effects are integrated out: in each draw

    p(y_i | the other rows of these levels, everything else)
        = p(y_i and these rows | everything else) / p(these rows | everything else)

Vehtari, Mononen, Tolvanen, Sivula & Winther (2016), Journal of Machine Learning Research 17(103).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mixedbayes.checks.group_density import Block, in_closed_form, integral
from mixedbayes.checks.log_likelihood import copies, of_one
from mixedbayes.design.types import Floats, Ints
from mixedbayes.predict.linear import Moving
from mixedbayes.results.posterior import Posterior

FEW_ROWS = 3  # of a level with one effect
ROWS_PER_EFFECT = 2  # of a level with more
MOST_EFFECTS = 60  # of a level


@dataclass(frozen=True, eq=False)
class Own:
    """Which levels are known by few rows; of grouping factors with independent levels."""

    factors: tuple[Moving, ...]
    sizes: Floats  # (n, factors) observations of the level that each row belongs to

    @classmethod
    def of(cls, post: Posterior) -> Own:
        # Effects of other terms, such as related ones, have no integral of their own, and very
        # many of a level none that is quick.
        factors = tuple(
            (p.parameter, g)
            for p in post.predictors
            for g in p.factors
            if not g.peculiarity and len(g.terms) <= MOST_EFFECTS
        )
        if post.design.residual is not None:  # other rows of a group say what its effects do
            factors = ()
        count = copies(post.design, post.family)
        sizes = [np.bincount(g.refs, count)[g.refs] for _, g in factors]
        return cls(factors, np.stack(sizes, 1) if sizes else np.zeros((post.design.n, 0)))

    @cached_property
    def few(self) -> np.ndarray:
        """(n, factors) levels of at most three rows, or of two for each of their effects."""
        most = [max(FEW_ROWS, ROWS_PER_EFFECT * len(g.terms)) for _, g in self.factors]
        return self.sizes <= np.array(most, int)

    @property
    def rows(self) -> Ints:
        """Rows that belong to such a level."""
        return np.flatnonzero(self.few.any(axis=1))

    def blocks(self, row: int) -> list[Block]:
        """The levels of a row that few rows know; else the smallest of its levels."""
        chosen = self.few[row]
        if not chosen.any():
            chosen = self.sizes[row] == self.sizes[row].min()
        return [
            (p, g, int(g.refs[row])) for (p, g), c in zip(self.factors, chosen, strict=True) if c
        ]


def without_own(post: Posterior, own: Own, rows: Ints) -> Floats:
    """(S, m) log p(y_i | other rows, draw) of some rows, without the effects of `Own.blocks`."""
    together: dict[tuple[tuple[str, str, int], ...], list[int]] = {}
    for at, row in enumerate(rows):
        key = tuple((p, g.name, level) for p, g, level in own.blocks(int(row)))
        together.setdefault(key, []).append(at)
    out = np.empty((post.n_draws, len(rows)))
    asked = []
    for members in together.values():
        blocks = own.blocks(int(rows[members[0]]))
        asked.append((blocks, _rows_of(blocks)))
    if post.closed_form and copies(post.design, post.family) is None:
        found = in_closed_form(post, asked, each=True)
        for members, (_, every), (_, alone) in zip(together.values(), asked, found, strict=True):
            assert alone is not None
            out[:, members] = alone[:, np.searchsorted(every, rows[members])]
        return out
    for members, (blocks, every) in zip(together.values(), asked, strict=True):
        whole = integral(post, blocks, every)[0]
        for at in members:
            rest, others = _without_one(post, int(rows[at]), every)
            known = integral(rest, blocks, others)[0] if len(others) else 0.0
            out[:, at] = whole - known
    return out


def _without_one(post: Posterior, row: int, rows: Ints) -> tuple[Posterior, Ints]:
    """Some rows without one of the observations that a row among them stands for."""
    count = copies(post.design, post.family)
    if count is None or count[row] == 1:
        return post, rows[rows != row]
    weights = count.copy()
    weights[row] -= 1
    return post.with_design(replace(post.design, weights=weights)), rows


def _rows_of(blocks: Sequence[Block]) -> Ints:
    return np.flatnonzero(np.any([g.refs == level for _, g, level in blocks], axis=0))


def one_by_one(post: Posterior, rows: Ints) -> Floats:
    """(S, m) log density by which single observations are weighed, each with all others known."""
    own = Own.of(post)
    few = np.isin(rows, own.rows)
    out = of_one(post, rows)
    if few.any():
        out[:, few] = without_own(post, own, rows[few])
    return out
