"""Tables of the words of formulas, which are those of `mb.formula_functions()`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

import mixedbayes as mb
from mixedbayes.design.functions import REGISTERED
from mixedbayes.design.vocabulary import WORDS, Word
from mixedbayes.terms.registry import COVARIANCES

KINDS = ("population", "functions", "bars", "structures", "smooths", "response", "residuals")
_OF = {"predictor": "functions", "smooth": "smooths", "residual": "residuals"}
_ONE = (("x",), ("z",), ("k",))
_TWO = (("x", "z"), ("k", "j"), ("x", "j"))


def kind(word: Word) -> str:
    """The table that a word stands in."""
    if word.part == "operator":
        return "bars" if "|" in word.function else "population"
    if word.part == "group":
        return "structures" if word.function.partition("(")[0] in COVARIANCES else "bars"
    return _OF.get(word.part, word.part)


def table(name: str) -> str:
    """The table of one kind of words, with an example of each as `mb.fit` takes it."""
    lines = ["| term | what it is | an example |", "|---|---|---|"]
    for word in WORDS:
        if kind(word) == name:
            cells = (_code(word.function), _text(word.says), _code(example(word)))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def example(word: Word) -> str:
    """Arguments of `fit` but for the data."""
    if word.part == "residual":
        return f'"y ~ x", residual={_quoted(word.example)}'
    return ", ".join(filter(None, (_quoted(word.example), word.arguments)))


def models(rows: pd.DataFrame, once: pd.DataFrame, **known: Any) -> Iterator[Any]:
    """The model of every example, of a page's rows, those of residuals with each visit once."""
    for word in WORDS:
        made = partial(mb.Model, data=once if word.part == "residual" else rows)
        yield eval(f"made({example(word)})", {"made": made, **known})


def _quoted(text: str) -> str:
    return f"'{text}'" if '"' in text else f'"{text}"'


def _code(text: str) -> str:
    """As code in a cell."""
    return f"`{text}`".replace("|", "\\|")


def _text(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


def elementwise() -> str:
    """NumPy's functions that columns of numbers can be given to, and what each is."""
    lines = ["| function | what it is | an example |", "|---|---|---|"]
    for name, function in sorted(REGISTERED.items()):
        if isinstance(function, np.ufunc) and (call := running(name, function)):
            lines.append(f"| `{name}` | {_first_line(function)} | `y ~ {call} + (1 \\| g)` |")
    return "\n".join(lines) + "\n"


def running(name: str, function: np.ufunc) -> str | None:
    """A call of it that makes a column of `_numbers`; None where it takes no columns of numbers."""
    for arguments in _ONE if function.nin == 1 else _TWO:
        call = f"{name}({', '.join(arguments)})"
        try:
            mb.Model(f"y ~ {call} + (1 | g)", _numbers())
        except mb.DataError:
            continue
        return call
    return None


@cache
def _numbers() -> pd.DataFrame:
    """Sixty rows in six groups: x in (0, 1), z above 1, whole numbers k and j."""
    rng = np.random.default_rng(1)
    n, g = 60, np.repeat(list("abcdef"), 10)
    x, z = rng.uniform(0.1, 0.9, n), rng.uniform(1.1, 3, n)
    k, j = rng.integers(1, 9, (2, n))
    return pd.DataFrame({"y": x + rng.normal(size=n), "x": x, "z": z, "k": k, "j": j, "g": g})


def _first_line(function: np.ufunc) -> str:
    lines = [line.strip() for line in (function.__doc__ or "").splitlines()]
    text = next((x for x in lines if x and "(" not in x.split(" ")[0]), "")
    return text.replace("|", "\\|").replace("*", "\\*").replace("``", "`").rstrip(".")
