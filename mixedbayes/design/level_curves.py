"""Curves of each level of a factor, `s(x, g, bs="fs")`, in the rows and in new ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mixedbayes.design.encoded import EncodedTerm
from mixedbayes.design.evaluate import Rows
from mixedbayes.design.grouping import Grouping, find, group
from mixedbayes.design.smooths import Counted, Part, fitted_functions, values
from mixedbayes.design.types import Floats, GroupDesign, Ints, NewTerm
from mixedbayes.design.used import names_in
from mixedbayes.design.values import label
from mixedbayes.formula.nodes import Name, unparse
from mixedbayes.formula.smooths import SmoothTerm
from mixedbayes.formula.terms import Term as FormulaTerm
from mixedbayes.names import INTERCEPT
from mixedbayes.smooths.curve import Curve
from mixedbayes.smooths.registry import BASES
from mixedbayes.smooths.space import Single
from mixedbayes.terms.smooth import BEND, LEVEL, LINEAR, LevelCurves

_SIZE = 10  # default k


@dataclass(frozen=True, eq=False)
class FittedLevels:
    """Curves of each level as the fit made them: level, slope and what bends, an sd for each.

    All three are in units of the response: the slope is that of the variable divided by its root
    mean square around its mean, over all rows; what bends is orthogonal to both there.
    """

    said: SmoothTerm
    curve: Curve
    grouping: Grouping
    spread: float  # root mean square of the variable around its mean
    x: Floats  # (n, 1) the variable in the rows
    refs: Ints  # (n,) their levels

    numeric = False
    columns: tuple[FormulaTerm, ...] = ()
    null_names: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(v.name if isinstance(v, Name) else unparse(v) for v in self.said.variables)

    @property
    def parts(self) -> tuple[Part, ...]:
        """One curve for each level."""
        levels = enumerate(self.grouping.levels)
        return tuple(Part(f"{self.said.name}[{label(v)}]", k) for k, v in levels)

    def rows_of(self, part: Part) -> Ints | None:
        return np.flatnonzero(self.refs == part.level)

    def place(self, rows: Rows) -> None:
        """Nothing: no level's curve belongs to the population."""

    def counted(self) -> list[Counted]:
        """What degrees of freedom are counted for: all levels together."""
        name = self.said.name
        return [(name, (), (name, f"{name}[{LINEAR}]", f"{name}[{LEVEL}]"))]

    def made_of(self, part: Part, x: Floats) -> Iterator[tuple[str, Ints | None, Floats]]:
        """Names, levels and columns (m, r) of the effects that make a curve at x (m, 1)."""
        name, j, Z = self.said.name, part.level or 0, self.functions(x)
        yield name, j * Z.shape[1] + np.arange(Z.shape[1]), Z
        yield f"{name}[{LINEAR}]", np.array([j]), self.slope(x)
        yield f"{name}[{LEVEL}]", np.array([j]), np.ones((len(x), 1))

    def functions(self, x: Floats) -> Floats:
        return self.curve.blocks(x)[0]

    def slope(self, x: Floats) -> Floats:
        return self.curve.null(x) / self.spread

    def terms(self, rows: Rows) -> Iterator[tuple[GroupDesign, EncodedTerm]]:
        """What bends, slopes and levels."""
        assert self.said.level is not None
        name, factor, g = self.said.name, self.said.level.name, self.grouping
        inside = tuple(dict.fromkeys(n for v in self.said.variables for n in names_in(v)))
        Z = self.functions(self.x)
        r, J = Z.shape[1], len(g.levels)
        each = np.repeat(np.arange(J), r)
        levels = pd.Index(_pairs([label(v) for v in g.levels], r))
        parts = g.parts.iloc[each].reset_index(drop=True)
        codes = self.refs[:, None] * r + np.arange(r)
        ones = np.ones((len(Z), 1))
        bend = LevelCurves(
            name, (factor,), levels, parts, codes, (BEND,), ones, ((0,),), weights=Z, within=name
        )
        yield bend, EncodedLevels(name, inside, (factor,), (), self, BEND)
        for of, term, column in ((LINEAR, LINEAR, self.slope(self.x)), (LEVEL, INTERCEPT, ones)):
            called = f"{name}[{of}]"
            own = GroupDesign(
                called, (factor,), g.levels, g.parts, self.refs, (term,), column, ((0,),),
                within=name,
            )  # fmt: skip
            yield own, EncodedLevels(called, inside, (factor,), (), self, of)


@dataclass(frozen=True, eq=False)
class EncodedLevels(EncodedTerm):
    """One of the terms of the curves in new rows."""

    smooth: FittedLevels
    of: str

    def columns(self, rows: Rows) -> tuple[Floats, Floats | None]:
        x = values(self.smooth.said.variables, rows)
        ones = np.ones((len(x), 1))
        if self.of == BEND:
            return ones, self.smooth.functions(x)
        return (self.smooth.slope(x) if self.of == LINEAR else ones), None

    def new(self, rows: Rows) -> NewTerm:
        Z, weights = self.columns(rows)
        refs, labels, parts = find(self.smooth.grouping, rows.table)
        if weights is None:
            return NewTerm(self.name, Z, refs[:, None], weights, labels, parts)
        r = weights.shape[1]
        codes = np.where(refs[:, None] < 0, -1, refs[:, None] * r + np.arange(r))
        each = np.repeat(np.arange(len(Z)), r)
        pairs = pd.Index(_pairs([label(v) for v in labels], r))
        return NewTerm(self.name, Z, codes, weights, pairs, parts.iloc[each].reset_index(drop=True))


def fit_levels(said: SmoothTerm, rows: Rows) -> FittedLevels:
    """Basis and scale of curves of each level in the rows of the fit.

    Raises
    ------
    DataError
        Where the variable has too few distinct values, or is no number.
    """
    assert said.level is not None
    x = values(said.variables, rows)
    k = said.k[0] if said.k else _SIZE
    curve = Curve.fit(Single(fitted_functions(said, BASES["tp"], x, k, said.variables)), x)
    grouping, refs = group(rows.table, (said.level.name,))
    spread = float(np.sqrt(np.mean(curve.null(x) ** 2)))
    return FittedLevels(said, curve, grouping, spread, x, refs)


def _pairs(levels: list[str], r: int) -> list[str]:
    """Names of the functions of each level: "a, 1", "a, 2", ..."""
    return [f"{level}, {k + 1}" for level in levels for k in range(r)]
