"""Monotonic effects, `mo(x)`: columns that say which levels a row has passed.

x has the ordered levels 0, ..., D. With b the average step between neighbours and zeta the shares
of the steps in all of them, sum zeta = 1, a row at level x has b D sum_{i <= x} zeta_i (Bürkner &
Charpentier 2020, doi:10.1111/bmsp.12195). That is D columns, 1 where x has passed the step to
level i and 0 elsewhere, with the coefficients b D zeta_i: the steps themselves. In a product,
`mo(x):z`, each of its columns is multiplied by z, and every column of z has an average step and
shares of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from mixedbayes.design.encode import Encoding
from mixedbayes.design.evaluate import Rows
from mixedbayes.design.types import Monotonic
from mixedbayes.design.values import Matrix, Steps
from mixedbayes.errors import DataError
from mixedbayes.formula.nodes import Node, unparse


def monotonic(encoding: Encoding, rows: Rows, where: str) -> tuple[Monotonic, ...]:
    """The monotonic effects among the columns of a population part, the intercept not counted.

    One with a single step is an ordinary column, and is not among them.

    Raises
    ------
    DataError
        A step cannot be told from other columns, or a term has two monotonic effects.
    """
    found: list[Monotonic] = []
    at = 0
    for block in encoding.blocks:
        sizes, own = list[int](), list[tuple[int, Node, Steps]]()
        for k, (node, full) in enumerate(block.parts):
            value = rows.value(node)
            if isinstance(value, Steps):
                own.append((k, node, value))
            sizes.append(_size(value, full))
        if len(own) > 1:
            raise DataError(
                f"{where}: {':'.join(unparse(node) for _, node, _ in own)} is a product of two "
                "monotonic effects, which are not offered; keep mo() at one of the two"
            )
        for k, node, steps in own:
            _check(encoding, block.names, where)
            found += _effects(block.names, sizes, k, unparse(node), steps, at)
        at += sum(name not in encoding.left_out for name in block.names)
    return tuple(found)


def refuse(encoding: Encoding, rows: Rows, where: str) -> None:
    """DataError where the effects of a bar are monotonic."""
    for block in encoding.blocks:
        for node, _ in block.parts:
            if isinstance(rows.value(node), Steps):
                inside = unparse(node)[3:-1]
                raise DataError(
                    f"{where}: monotonic effects that vary over groups are not offered; keep "
                    f"{unparse(node)} among the population effects, and let a number or a category "
                    f"vary: ({inside} | g)"
                )


def _size(value: Any, full: bool) -> int:
    if isinstance(value, Matrix):
        return len(value.fields)
    return len(value.levels) - (not full) if hasattr(value, "levels") else 1


def _check(encoding: Encoding, names: Sequence[str], where: str) -> None:
    lost = [name for name in names if name in encoding.left_out]
    if lost:
        raise DataError(
            f"{where}: {lost[0]} depends on columns before it"
            + (f", and so do {len(lost) - 1} more" if len(lost) > 1 else "")
            + ": its step is in no row by itself. Join levels between which the data have no such "
            "rows, or leave out the terms that say the same"
        )


def _effects(
    names: Sequence[str], sizes: Sequence[int], own: int, text: str, steps: Steps, at: int
) -> Iterator[Monotonic]:
    """One for each combination of the other factors' columns, in their order."""
    if len(steps.fields) == 1:
        return
    columns: dict[tuple[int, ...], list[int]] = {}
    places = product(*(range(size) for size in reversed(sizes)))  # the first runs fastest
    for k, chosen in enumerate(place[::-1] for place in places):
        columns.setdefault((*chosen[:own], *chosen[own + 1 :]), []).append(k)
    for inside in columns.values():
        name = names[inside[0]].replace(f"{text}[{steps.fields[0]}]", text, 1)
        yield Monotonic(name, tuple(at + k for k in inside), steps.fields, text)
