"""Errors about names in a formula that the data or the functions do not have."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import pairwise
from typing import Any, NoReturn

from mixedbayes.design.table import some
from mixedbayes.errors import DataError, FormulaError
from mixedbayes.formula.nodes import column
from mixedbayes.formula.tokens import caret, tokenize
from mixedbayes.formula.words import CONTRASTS, WORDS, our_way


def unknown_column(name: str, names: Iterable[Any], formula: str) -> NoReturn:
    """Raise DataError: no such column; show the place and the near names."""
    every = list(names)
    names = [n for n in every if isinstance(n, str)]
    near = _near(name, names)
    if near:
        remedy = f"did you mean {' or '.join(near)}?"
    elif name in CONTRASTS:
        remedy = WORDS[name].replace("{x}", "x")
    elif len(names) < len(every):
        odd = [n for n in every if not isinstance(n, str)]
        remedy = (
            f"{len(odd)} of {len(every)} column names are not text: {some(odd)}; "
            "use data.columns = data.columns.map(str)"
        )
    elif len(names) <= 20:
        remedy = f"the columns are {', '.join(names)}"
    else:
        remedy = f"the data have {len(names)} columns, none of a similar name"
    raise DataError(f"no column {name!r} in the data\n{_place(name, formula)}{remedy}")


def unknown_function(name: str, functions: Mapping[str, Any], formula: str) -> NoReturn:
    """Raise FormulaError: no such function; show the place, and our way or the near names."""
    plain = name.rpartition(".")[2]
    tokens, at = tokenize(formula), _first(name, formula, call=True)
    first = tokens[at + 2] if at is not None else None
    named = first is not None and first.kind in ("name", "column")
    x = column(first.value) if first is not None and named else "x"
    remedy = our_way(name, x) or our_way(plain, x)
    if remedy is None:
        near = [plain] if plain != name and plain in functions else _near(name, functions)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        remedy = (
            f"{hint}NumPy's elementwise functions are called by plain name, log(x); "
            f'pass your own by functions={{"{plain}": ...}}: it gives each row its own value'
        )
    raise FormulaError(f"unknown function {name!r}\n{_place(name, formula, call=True)}{remedy}")


def _near(name: str, names: Iterable[str]) -> list[str]:
    """Names that differ in a few letters, or in case alone."""
    names = list(names)
    same = [other for other in names if other.casefold() == name.casefold()]
    return same or get_close_matches(name, names, n=3, cutoff=0.6)


def _place(name: str, formula: str, *, call: bool = False) -> str:
    """The formula with carets under the first place of a name, and a line's end; or nothing."""
    at = _first(name, formula, call=call)
    return "" if at is None else f"{caret(formula, tokenize(formula)[at].span)}\n"


def _first(name: str, formula: str, *, call: bool) -> int | None:
    """Number of the first token that is this name, called or not."""
    for at, (token, following) in enumerate(pairwise(tokenize(formula))):
        called = token.kind == "name" and following.value == "("
        if token.value == name and token.kind in ("name", "column", "string") and called == call:
            return at
    return None
