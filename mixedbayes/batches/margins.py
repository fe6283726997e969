"""Which combinations of levels have sums of their own.

Cross-products of two columns of a model need the rows of each combination of the levels that these
two have. With two grouping factors that is every combination that occurs; with more, each two
factors have a table of their own beside those of the single ones, so that combinations of three
are not kept. Columns whose levels are covariates as well are in all tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from mixedbayes.batches.reading import Reading
from mixedbayes.design.standing import product_name
from mixedbayes.design.used import names_in, used_columns
from mixedbayes.formula import parse_terms
from mixedbayes.formula.nodes import unparse


@dataclass(frozen=True)
class Margin:
    """A table of sums.

    Attributes
    ----------
    levels
        Columns and expressions whose combinations are its cells.
    parts
        Which parts of the grouping columns they are of, by number.
    numbers
        Names of the columns that are added up; None: all.
    own
        Of the levels, those of its parts, which come last.
    """

    levels: tuple[str, ...]
    parts: tuple[int, ...] = ()
    numbers: frozenset[str] | None = None
    own: tuple[str, ...] = ()


def parts(read: Reading) -> tuple[tuple[str, ...], ...]:
    """Grouping columns that are nothing else; those whose combinations are levels are together."""
    used = used_columns(read.formula)
    covariates = {*used.response, *used.fixed, *(n for own in used.effects.values() for n in own)}
    found: list[set[str]] = []
    for bar in read.formula.random:
        own = set(bar.factors) - covariates
        if own:
            joined = [one for one in found if one & own]
            found = [one for one in found if not one & own] + [own.union(*joined)]
    places = {name: k for k, name in enumerate(read.levels)}
    ordered = (tuple(sorted(one, key=places.__getitem__)) for one in found)
    return tuple(sorted(ordered, key=lambda one: places[one[0]]))


def margins(read: Reading, two: Iterable[str]) -> tuple[Margin, ...]:
    """Tables of the single parts, in their order, then of each two of them.

    `two` are the expressions that say a row's cell, too, whose values have to be those of the cell.
    """
    own, two = parts(read), tuple(two)
    inside = {name for part in own for name in part}
    common = (*(name for name in read.levels if name not in inside), *two)
    numbers = [_numbers(read, part) | set(two) for part in own]
    single = [Margin((*common, *part), (k,), own=part) for k, part in enumerate(own)]
    pairs = [
        Margin(
            (*common, *own[a], *own[b]),
            (a, b),
            frozenset(numbers[a] | numbers[b]),
            (*own[a], *own[b]),
        )
        for a, b in combinations(range(len(own)), 2)
    ]
    return (*single, *pairs)


def _numbers(read: Reading, part: tuple[str, ...]) -> set[str]:
    """Names of the numbers that vary over the levels of a part."""
    found = set()
    for bar in read.formula.random:
        if set(bar.factors).isdisjoint(part):
            continue
        for term in parse_terms(bar.effects).terms:
            own = [f for f in term.factors if not set(read.numbers).isdisjoint(names_in(f))]
            texts = tuple(unparse(f) for f in own)
            if len(texts) > 1:
                found.add(product_name(texts))
            elif texts:
                found.add(texts[0] if texts[0] in read.expressions else texts[0].strip("`"))
    return found
