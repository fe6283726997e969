"""Ids of bars, `(x | id | g)`: which effects of several formulas are correlated."""

from __future__ import annotations

from collections.abc import Sequence

from mixedbayes.formula.nodes import column
from mixedbayes.formula.tokens import fail
from mixedbayes.formula.types import RandomTerm

type Bars = tuple[str, Sequence[RandomTerm]]  # the text of a formula, and its bars


def check_ids(formulas: Sequence[Bars]) -> None:
    """Each id belongs to one factor, or one nesting of factors, and stands once in a formula.

    Raises
    ------
    FormulaError
        With the formula, carets under the bar, and the remedy.
    """
    first: dict[str, tuple[str, list[RandomTerm]]] = {}
    for text, bars in formulas:
        here: dict[str, list[RandomTerm]] = {}
        for bar in bars:
            if bar.id:
                here.setdefault(bar.id, []).append(bar)
        for name, own in here.items():
            _check_once(text, name, own)
            _, known = first.setdefault(name, (text, own))
            if not {bar.factors for bar in known} & {bar.factors for bar in own}:
                _fail_of_factors(text, name, known[0], own[0])


def _check_once(text: str, name: str, own: list[RandomTerm]) -> None:
    """All bars of one id in a formula are over one factor, or over nested ones."""
    for bar in own[1:]:
        if bar.factors in {other.factors for other in own if other is not bar}:
            fail(
                text, bar.span,
                f"the id `{name}` stands twice for `{bar.group}` in one formula",
                f"write one bar with all effects: (1 + x | {name} | {_named(bar)})",
            )  # fmt: skip
        short, long = sorted((own[0].factors, bar.factors), key=len)
        if long[: len(short)] != short:  # h and h:k are h/k written out
            _fail_of_factors(text, name, own[0], bar)


def _fail_of_factors(text: str, name: str, known: RandomTerm, bar: RandomTerm) -> None:
    fail(
        text, bar.span,
        f"the id `{name}` stands for effects over `{bar.group}` here, and for effects over "
        f"`{known.group}` in {known.text}: effects over different factors are not correlated",
        f"write another id, or (... | {name} | {_named(known)})",
    )  # fmt: skip


def _named(bar: RandomTerm) -> str:
    return ":".join(map(column, bar.factors))
