"""Smooths of a formula in the rows: columns of the population, terms, and both in new rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mixedbayes.design.encoded import EncodedTerm
from mixedbayes.design.evaluate import Rows
from mixedbayes.design.types import Floats, Ints, NewTerm
from mixedbayes.design.used import names_in
from mixedbayes.design.values import Categorical, Matrix, label
from mixedbayes.errors import DataError
from mixedbayes.formula.nodes import Name, Node, unparse
from mixedbayes.formula.smooths import PRODUCT, SmoothTerm
from mixedbayes.formula.terms import Term as FormulaTerm
from mixedbayes.formula.types import Span
from mixedbayes.smooths.basis import Basis, Functions
from mixedbayes.smooths.curve import Curve
from mixedbayes.smooths.registry import BASES
from mixedbayes.smooths.space import Single, Space, Tensor
from mixedbayes.terms.base import Term
from mixedbayes.terms.smooth import SmoothDesign

SIZE = 5  # default k of each variable of t2()
LEVEL = "level"  # the constant of a curve that a number multiplies: the number's own effect


# The name of a curve, of its columns of the population, and of its terms.
type Counted = tuple[str, tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Part:
    """One curve of a smooth: the whole, or that of a level of the factor that it is by."""

    name: str  # "s(x)", "s(x):f[b]", "s(x):z"
    level: int | None = None  # code of the level


class Fitted(Protocol):
    """A smooth as the fit made it, whatever its curves are of."""

    @property
    def said(self) -> SmoothTerm: ...
    @property
    def curve(self) -> Curve: ...
    @property
    def parts(self) -> tuple[Part, ...]: ...
    @property
    def numeric(self) -> bool: ...
    @property
    def variables(self) -> tuple[str, ...]: ...
    @property
    def columns(self) -> tuple[FormulaTerm, ...]: ...
    @property
    def x(self) -> Floats: ...

    def rows_of(self, part: Part) -> Ints | None: ...

    def place(self, rows: Rows) -> None: ...

    def counted(self) -> list[Counted]: ...

    def made_of(self, part: Part, x: Floats) -> Iterator[tuple[str, Ints | None, Floats]]: ...

    def terms(self, rows: Rows) -> Iterator[tuple[Term, EncodedTerm]]: ...


@dataclass(frozen=True, eq=False)
class FittedSmooth:
    """A smooth as the fit made it, by which other rows are seen."""

    said: SmoothTerm
    curve: Curve
    parts: tuple[Part, ...]
    numeric: bool  # whether numbers multiply the curve, which then has a constant
    x: Floats  # (n, d) its variables in the rows
    rows: tuple[Ints | None, ...]  # in which each part counts; None: in all

    def rows_of(self, part: Part) -> Ints | None:
        """The rows in which a part counts; None: in all."""
        return self.rows[self.parts.index(part)]

    def counted(self) -> list[Counted]:
        """Each curve, its columns of the population and its terms, by name."""
        titles = self.curve.space.block_names(self.variables)
        return [
            (
                part.name,
                tuple(f"{part.name}[{n}]" for n in self.null_names),
                tuple(f"{part.name}[{t}]" if t else part.name for t in titles),
            )
            for part in self.parts
        ]

    def made_of(self, part: Part, x: Floats) -> Iterator[tuple[str, Ints | None, Floats]]:
        """Names, levels and columns (m, r) of the effects that make a curve at x (m, d).

        Without levels it is a column of the population. The number that may multiply the curve is
        1.
        """
        _, straight, bent = self.counted()[self.parts.index(part)]
        N = self.curve.null(x)
        if self.numeric:
            N = np.column_stack([np.ones(len(N)), N])
        for name, column in zip(straight, N.T, strict=True):
            yield name, None, column[:, None]
        for name, Z in zip(bent, self.curve.blocks(x), strict=True):
            yield name, np.arange(Z.shape[1]), Z

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(v.name if isinstance(v, Name) else unparse(v) for v in self.said.variables)

    @property
    def columns(self) -> tuple[FormulaTerm, ...]:
        """What it has in the population part, one term for each curve; `place` has the values."""
        names = self.null_names
        return tuple(FormulaTerm((_column(part),)) for part in self.parts) if names else ()

    @property
    def null_names(self) -> tuple[str, ...]:
        own = self.curve.space.null_names(self.variables)
        return (LEVEL, *own) if self.numeric else own

    def place(self, rows: Rows) -> None:
        """Put the values of its columns of the population where `rows` finds them."""
        names = self.null_names
        if not names:
            return
        N = self.curve.null(values(self.said.variables, rows))
        if self.numeric:
            N = np.column_stack([np.ones(len(N)), N])
        for part in self.parts:
            node = _column(part)
            rows.values[unparse(node)] = Matrix(self.times(N, part, rows), names)

    def times(self, columns: Floats, part: Part, rows: Rows) -> Floats:
        """Columns (m, r) of a curve where it counts, times the number that multiplies it."""
        if self.said.by is None:
            return columns
        by = rows.value(self.said.by)
        if isinstance(by, Categorical):
            return columns * (by.codes == part.level)[:, None]
        return columns * rows.array(self.said.by)[:, None]

    def blocks(self, part: Part, rows: Rows) -> tuple[Floats, ...]:
        """(m, r) penalised functions of each penalty."""
        every = self.curve.blocks(values(self.said.variables, rows))
        return tuple(self.times(Z, part, rows) for Z in every)

    def terms(self, rows: Rows) -> Iterator[tuple[SmoothDesign, EncodedTerm]]:
        """One term for each penalty of each curve."""
        every = self.curve.blocks(values(self.said.variables, rows))
        titles = self.curve.space.block_names(self.variables)
        inside = tuple(dict.fromkeys(n for node in self._nodes for n in names_in(node)))
        for part in self.parts:
            for k, (Z, title) in enumerate(zip(every, titles, strict=True)):
                name = f"{part.name}[{title}]" if title else part.name
                functions = self.times(Z, part, rows)
                yield (
                    SmoothDesign(name, functions, self.variables, part.name),
                    EncodedSmooth(name, inside, (), (), self, part, k),
                )

    @property
    def _nodes(self) -> tuple[Node, ...]:
        by = () if self.said.by is None else (self.said.by,)
        return (*self.said.variables, *by)


@dataclass(frozen=True, eq=False)
class EncodedSmooth(EncodedTerm):
    """One penalty of a smooth in new rows, which lie in all of its functions."""

    smooth: FittedSmooth
    part: Part
    block: int

    def columns(self, rows: Rows) -> tuple[Floats, Floats | None]:
        Z = self.smooth.blocks(self.part, rows)[self.block]
        return np.ones((len(Z), 1)), Z

    def new(self, rows: Rows) -> NewTerm:
        ones, Z = self.columns(rows)
        assert Z is not None
        codes: Ints = np.broadcast_to(np.arange(Z.shape[1]), Z.shape)
        return NewTerm(self.name, ones, codes, Z)


def fit_smooth(said: SmoothTerm, rows: Rows) -> FittedSmooth:
    """Basis, constraints and scale of a smooth in the rows of the fit.

    Raises
    ------
    DataError
        Where the variables have too few distinct values, or are no numbers.
    """
    x = values(said.variables, rows)
    space = _space(said, x, rows)
    parts, by = _parts(said, rows)
    curve = Curve.fit(space, x, by)
    if not np.all(curve.units > 0):
        raise DataError(
            f"{said.text}: nothing of the curve is left in the {len(x)} rows used beside what does "
            "not bend; write the variable itself"
        )
    factor = None if said.by is None else rows.value(said.by)
    there = tuple(
        np.flatnonzero(factor.codes == part.level) if isinstance(factor, Categorical) else None
        for part in parts
    )
    return FittedSmooth(said, curve, parts, by is not None, x, there)


def values(variables: Sequence[Node], rows: Rows) -> Floats:
    """(m, d) the variables of a smooth."""
    try:
        return np.column_stack([rows.array(node) for node in variables])
    except DataError as error:
        texts = [unparse(node) for node in variables]
        kinds = [isinstance(rows.values.get(text), Categorical) for text in texts]
        numeric = [text for text, factor in zip(texts, kinds, strict=True) if not factor]
        levels = [text for text, factor in zip(texts, kinds, strict=True) if factor]
        remedy = ""
        if numeric and len(levels) == 1:
            inside, level = ", ".join(numeric), levels[0]
            remedy = f"; for a curve of each level write s({inside}, by={level})"
            if len(numeric) == 1:
                remedy += f', or, drawn from a population, s({inside}, {level}, bs="fs")'
        raise DataError(f"in the smooth of {', '.join(texts)}: {error}{remedy}") from error


def _parts(said: SmoothTerm, rows: Rows) -> tuple[tuple[Part, ...], Floats | None]:
    """The curves of a smooth, and the numbers (n,) that multiply it, if any."""
    if said.by is None:
        return (Part(said.name),), None
    by = rows.value(said.by)
    name = said.by.name if isinstance(said.by, Name) else unparse(said.by)
    if isinstance(by, Categorical):
        levels = (f"{said.name}:{name}[{label(level)}]" for level in by.levels)
        return tuple(Part(text, k) for k, text in enumerate(levels)), None
    return (Part(f"{said.name}:{name}"),), rows.array(said.by)


def _space(said: SmoothTerm, x: Floats, rows: Rows) -> Space:
    """Bases of the variables x (n, d), of the size that is asked for."""
    if said.function != PRODUCT:
        basis = BASES[said.bases[0]]
        k = said.k[0] if said.k else basis.size(x.shape[1])
        return Single(fitted_functions(said, basis, x, k, said.variables))
    sizes = (said.k or (SIZE,)) * (1 if len(said.k) > 1 else len(said.variables))
    margins = [
        fitted_functions(said, BASES[name], x[:, [j]], k, (node,))
        for j, (name, k, node) in enumerate(zip(said.bases, sizes, said.variables, strict=True))
    ]
    return Tensor.fit(margins, x)


def fitted_functions(
    said: SmoothTerm, basis: Basis, x: Floats, k: int, variables: tuple[Node, ...]
) -> Functions:
    """One basis; DataError with what to write where the data do not carry it."""
    found = len(np.unique(x, axis=0))
    names = ", ".join(map(unparse, variables))
    least = max(basis.least, 3)
    if found < k and not said.knots:
        size = f"k={k}" + ("" if said.k else " (the default)")
        inside = said.name.removesuffix(")")
        remedy = (
            f"write {inside}, k={found})" if found >= least
            else f"write {names} itself, or C({names}) for an effect of each value" if found > 1
            else "leave the term out"
        )  # fmt: skip
        many = f"the single value {x[0, 0]:g}" if found == 1 else f"{found} distinct values"
        raise DataError(
            f"{said.text}: {names} has {many} in the {len(x)} rows used, and {size} functions need "
            f"as many; {remedy}"
        )
    try:
        return basis.fit(x, k, said.knots)
    except (ValueError, DataError) as error:
        raise DataError(f"{said.text}: {error}") from error


def _column(part: Part) -> Name:
    """What stands for a curve's columns in the population part."""
    return Name(part.name, Span(0, 0), quoted=True)


def check_names(smooths: Sequence[Fitted], rows: Rows) -> None:
    """DataError where two curves, or a curve and a column of the data, have one name."""
    seen: set[str] = set()
    for name in (name for s in smooths for name, _, _ in s.counted()):
        if name in seen:
            raise DataError(f"{name} stands twice in one formula; keep one of the two")
        if name in rows.table.columns:
            raise DataError(f"the column {name!r} has the name of a smooth; rename it")
        seen.add(name)


def level_notes(smooths: Sequence[Fitted], there: Collection[str]) -> list[str]:
    """What to know of curves by a factor that is not `there`, among the factors of terms."""
    return [
        f"{s.said.text}: curves by level are centred, and the levels' means are not in the "
        f"formula; add {unparse(s.said.by)}"
        for s in smooths
        if s.said.by is not None and not s.numeric and unparse(s.said.by) not in there
    ]
