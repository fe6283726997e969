"""Terms to the columns of a model matrix.

A categorical factor enters as all its indicators where nothing before it spans their sum, as
J - 1 contrasts otherwise, so that the columns are independent by structure: `f` is reduced next to
an intercept, full after `0 +`. This is the rule of R and of lme4's `(f | g)` and `(0 + f | g)`.

Names: "x", "f[b]" for the column of level b, "poly(x, 2)[1]", "f[b]:x" for products.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, combinations, product
from math import prod
from typing import Any

import numpy as np

from mixedbayes.design.columns import coding
from mixedbayes.design.evaluate import Rows
from mixedbayes.design.moments import Moments
from mixedbayes.design.types import Floats
from mixedbayes.design.used import names_in
from mixedbayes.design.values import Categorical, Matrix, Steps, label, listed
from mixedbayes.errors import DataError
from mixedbayes.formula.nodes import Name, Node, unparse
from mixedbayes.formula.terms import Term, Terms
from mixedbayes.names import INTERCEPT

_MOST_COLUMNS = 20_000


@dataclass(frozen=True)
class Block:
    """Columns of one product of factors, each categorical one coded in full or reduced."""

    parts: tuple[tuple[Node, bool], ...]  # factor, and whether it is coded in full
    names: tuple[str, ...]  # (k,)
    numeric: bool  # no factor is categorical


@dataclass(frozen=True)
class Encoding:
    """How a sum of terms becomes columns; fixed by the data of the fit, replayed on others."""

    intercept: bool
    blocks: tuple[Block, ...]
    left_out: frozenset[str] = frozenset()  # names of columns that depend on others
    note: str = ""  # about those, in words
    made_of: Floats | None = field(
        default=None, compare=False
    )  # those in the intercept and columns
    unseen: str = ""  # what to say where new data have another level
    along: Node | None = None  # numbers whose distinct values are the levels
    moments: Moments | None = None  # how these are numbers, where they are dates

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, the intercept not among them."""
        return tuple(name for name in self.every if name not in self.left_out)

    @property
    def every(self) -> tuple[str, ...]:
        """Names of the columns, with those left out."""
        return tuple(chain.from_iterable(block.names for block in self.blocks))


def plan(terms: Terms, rows: Rows, where: str) -> Encoding:
    """Choose the coding of every categorical factor and name the columns.

    Raises
    ------
    DataError
        If a factor that needs contrasts has one level, if two columns have one name, or if there
        are absurdly many.
    """
    spanned: set[tuple[frozenset[str], frozenset[str]]] = set()
    if terms.intercept:
        spanned.add((frozenset(), frozenset()))
    blocks = [block for term in terms.terms for block in _blocks(term, rows, spanned, where)]
    names = [name for block in blocks for name in block.names]
    clash = (
        {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else {}
    )
    if INTERCEPT in names:
        clash = {INTERCEPT}
    if clash:
        raise DataError(
            f"{where}: two columns would be called {sorted(clash)[0]!r}; rename a column or a level"
        )
    return Encoding(terms.intercept, tuple(blocks))


def margins(encoding: Encoding) -> tuple[tuple[int, ...], ...]:
    """Of each column, the intercept first where there is one, the columns that it contains.

    `x:z` contains 1, x and z; `I(x**2)` contains 1 and x. Moving the origin of x or z adds to a
    column multiples of those that it contains, and of no others.
    """
    ones = int(encoding.intercept)
    sizes = [sum(n not in encoding.left_out for n in block.names) for block in encoding.blocks]
    ends = ones + np.cumsum(sizes)
    spans = [_Span(frozenset(), frozenset(), (0,), range(ones))] if ones else []
    spans += [
        _Span.of(block, range(end - size, end))
        for block, size, end in zip(encoding.blocks, sizes, ends, strict=True)
    ]
    return tuple(
        tuple(k for other in spans if other.inside(span) for k in other.columns)
        for span in spans
        for _ in span.columns
    )


@dataclass(frozen=True)
class _Span:
    """The columns of a block, and the variables that they are made of."""

    variables: frozenset[str]
    bound: frozenset[str]  # without those coded in full, whose columns add up to a constant
    rank: tuple[Any, ...]  # plain columns before functions of them
    columns: range

    @classmethod
    def of(cls, block: Block, columns: range) -> "_Span":
        variables = frozenset(v for node, _ in block.parts for v in names_in(node))
        bound = frozenset(v for node, full in block.parts if not full for v in names_in(node))
        plain = all(isinstance(node, Name) for node, _ in block.parts)
        rank = (len(variables), not plain, block.names)
        return cls(variables, bound, rank, columns)

    def inside(self, other: "_Span") -> bool:
        same = self.bound == other.variables
        return self is not other and (
            self.rank < other.rank if same else self.bound < other.variables
        )


def matrix(encoding: Encoding, rows: Rows, *, intercept: bool) -> Floats:
    """The columns in the rows at hand, after a column of ones if wanted: (n, p), C-contiguous."""
    ones = int(intercept and encoding.intercept)
    out = np.empty((rows.table.n, ones + len(encoding.names)))
    out[:, :ones] = 1.0
    at = ones
    for block in encoding.blocks:
        kept = [j for j, name in enumerate(block.names) if name not in encoding.left_out]
        if not kept:
            continue
        parts = [_columns(rows, node, full) for node, full in block.parts]
        if len(parts) == 1:
            out[:, at : at + len(kept)] = parts[0][:, kept]
        else:
            every = list(_products([part.shape[1] for part in parts]))
            if (joint := _joint(block, rows, parts)) is not None:
                out[:, at : at + len(kept)] = joint[:, kept]
                at += len(kept)
                continue
            for k, chosen in enumerate(every[j] for j in kept):
                column = out[:, at + k]
                column[:] = parts[0][:, chosen[0]]
                for part, i in zip(parts[1:], chosen[1:], strict=True):
                    column *= part[:, i]
        at += len(kept)
    return out


def _joint(block: Block, rows: Rows, parts: list[Floats]) -> Floats | None:
    """(n, k) the columns of a product of numbers of which only the product's sums are known.

    None where rows are those of the data, or one factor alone is of such numbers.
    """
    standing = rows.table.standing
    if standing is None:
        return None
    nodes = [node for node, _ in block.parts]
    own = [k for k, node in enumerate(nodes) if not standing.numbers.isdisjoint(names_in(node))]
    if len(own) < 2:
        return None
    product = standing.joint(tuple(unparse(nodes[k]) for k in own))
    others = [k for k in range(len(parts)) if k not in own]
    sizes = [part.shape[1] for part in parts]
    out = np.empty((rows.table.n, prod(sizes)))
    for at, chosen in enumerate(_products(sizes)):
        place, stride = 0, 1
        for k in own:
            place, stride = place + chosen[k] * stride, stride * sizes[k]
        out[:, at] = product[:, place]
        for k in others:
            out[:, at] *= parts[k][:, chosen[k]]
    return out


def _blocks(
    term: Term, rows: Rows, spanned: set[tuple[frozenset[str], frozenset[str]]], where: str
) -> Iterator[Block]:
    """The blocks of one term: what it adds to the space that is spanned already."""
    factors = {unparse(node): node for node in term.factors}
    categorical = [
        text for text, node in factors.items() if isinstance(rows.value(node), Categorical)
    ]
    numeric = frozenset(factors) - frozenset(categorical)
    subsets = chain.from_iterable(
        combinations(categorical, size) for size in range(len(categorical) + 1)
    )
    fresh = [s for s in subsets if (numeric, frozenset(s)) not in spanned]
    spanned.update((numeric, frozenset(s)) for s in fresh)
    for full in _merge(fresh):
        parts = tuple(
            (node, full.get(text, False))
            for text, node in factors.items()
            if text in numeric or text in full
        )
        labels = [_labels(rows, node, whole, where) for node, whole in parts]
        if prod(map(len, labels)) > _MOST_COLUMNS:
            raise DataError(
                f"{where}: {term} makes {prod(map(len, labels)):,} columns "
                f"(at most {_MOST_COLUMNS:,}); let it vary over groups instead: (1 | {term})"
            )
        names = tuple(
            ":".join(labels[i][k] for i, k in enumerate(chosen))
            for chosen in _products([len(names) for names in labels])
        )
        yield Block(parts, names, numeric=not full)


def _merge(subsets: list[tuple[str, ...]]) -> list[dict[str, bool]]:
    """Fewest products that span the same: a reduced `a` and its margin make one full `a`."""
    products = [dict.fromkeys(subset, False) for subset in subsets]
    merged = True
    while merged:
        merged = False
        for short, long in combinations(products, 2):
            extra = long.keys() - short.keys()
            if (
                len(long) == len(short) + 1
                and len(extra) == 1
                and all(long[key] == full for key, full in short.items() if key in long)
                and not long[name := next(iter(extra))]
            ):
                long[name] = True
                products.remove(short)
                merged = True
                break
    return products


def _products(sizes: list[int]) -> Iterator[tuple[int, ...]]:
    """Indices of a product's columns, the first factor's running fastest, as in R."""
    for chosen in product(*(range(size) for size in reversed(sizes))):
        yield chosen[::-1]


def _labels(rows: Rows, node: Node, full: bool, where: str) -> tuple[str, ...]:
    value = rows.value(node)
    name = node.name if isinstance(node, Name) else unparse(node)
    if isinstance(value, Steps) and len(value.fields) == 1:
        return (name,)
    if isinstance(value, Matrix):
        return tuple(f"{name}[{field}]" for field in value.fields)
    if not isinstance(value, Categorical):
        rows.array(node)
        return (name,)
    if len(value.levels) > _MOST_COLUMNS:
        raise DataError(
            f"{where}: {name} has {len(value.levels):,} levels, a column for each (at most "
            f"{_MOST_COLUMNS:,}); let it vary over groups instead: (1 | {name})"
        )
    if len(value.levels) == 1 and not full:
        raise DataError(
            f"{where}: {name} has the single level {listed(list(value.levels))} in the "
            f"{rows.table.n} rows used, so that there is nothing to compare; leave it out"
        )
    return tuple(f"{name}[{label(field)}]" for field in _coding(value, full, name)[1])


def _columns(rows: Rows, node: Node, full: bool) -> Floats:
    """Columns of one factor of a term, (n, k)."""
    value = rows.value(node)
    if isinstance(value, Matrix):
        return value.entries
    if isinstance(value, Categorical):
        return _coding(value, full, unparse(node))[0][value.codes]
    return rows.array(node)[:, None]


def _coding(factor: Categorical, full: bool, name: str) -> tuple[Floats, tuple[object, ...]]:
    try:
        return coding(factor.contrast, factor.levels, full=full)
    except Exception as error:  # of a contrast's settings, by formulaic or by NumPy
        raise DataError(
            f"{name}: {error} Its levels are {', '.join(map(repr, factor.levels))}"
        ) from error
