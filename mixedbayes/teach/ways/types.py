"""A form of a model, with its equation, its code, and the numbers by which it was checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from mixedbayes.design.types import Floats
from mixedbayes.printable import printable


@dataclass(frozen=True, eq=False, repr=False)
class Check:
    """Two computations of one thing."""

    what: str
    left: Floats
    right: Floats

    @property
    def error(self) -> float:
        """Largest difference, relative to the largest number where that is above 1."""
        size = max(1.0, float(np.abs(self.right).max()))
        return float(np.abs(self.left - self.right).max()) / size

    def __str__(self) -> str:
        if self.left.size == 1:
            shown = f"{self.left.item():.10g} and {self.right.item():.10g}"
        else:
            shape = " x ".join(map(str, self.left.shape))
            shown = f"{shape} numbers, the first {self.left.flat[0]:.8g}, {self.right.flat[0]:.8g}"
        return f"{self.what}: {shown}; largest difference {self.error:.1e}"

    __repr__ = __str__


@dataclass(frozen=True, eq=False, repr=False)
class Way:
    """One form of the model."""

    key: str  # "3c"
    title: str
    says: str
    equation: str  # LaTeX without dollar signs
    code: str  # runs after `Ways.setup`
    check: Check

    def __str__(self) -> str:
        parts = (f"{self.key}: {self.title}", self.says, self.equation, self.code, f"{self.check}")
        return "\n\n".join(parts)

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        return (
            f"#### {self.key}: {self.title}\n\n{self.says}\n\n$$\n{self.equation}\n$$\n\n"
            f"```python\n{self.code}\n```\n\n{self.check}"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Ways(Mapping[str, Way]):
    """The forms of one model by key, "1a" to "7".

    Attributes
    ----------
    formula
        Of the model.
    setup
        Code that makes the arrays and the values at which the forms are compared, from `model`.
        Every form's code runs after it.
    """

    formula: str
    setup: str
    forms: tuple[Way, ...]

    def __getitem__(self, key: str) -> Way:
        for way in self.forms:
            if way.key == key:
                return way
        raise KeyError(f"{key!r} is not among {', '.join(self)}")

    def __iter__(self) -> Iterator[str]:
        return (way.key for way in self.forms)

    def __len__(self) -> int:
        return len(self.forms)

    def table(self) -> pd.DataFrame:
        """One row per form: key, title, what was compared, and the largest relative difference."""
        rows = [(w.key, w.title, w.check.what, w.check.error) for w in self.forms]
        return pd.DataFrame(rows, columns=["key", "title", "check", "error"])

    def __repr__(self) -> str:
        lines = [f"{w.key:<3} {w.title}\n    {w.check}" for w in self.forms]
        return printable("\n".join([f"{self.formula}, in {len(self)} forms", *lines]))

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(w.key)}</td><td>{escape(w.title)}</td>"
            f"<td style='text-align:left'>{escape(str(w.check))}</td></tr>"
            for w in self.forms
        )
        return (
            f"<h4>{escape(self.formula)}</h4><table><thead><tr><th>form</th><th>title</th>"
            f"<th>check</th></tr></thead><tbody>{rows}</tbody></table>"
            "<p>ways[&quot;3c&quot;] shows one form with its equation and code; "
            "ways.setup makes the arrays.</p>"
        )

    def markdown(self) -> str:
        """All of it as one text: the setup, then every form with equation, code and check."""
        forms = "\n\n".join(way._repr_markdown_() for way in self.forms)
        return f"### {self.formula}\n\n```python\n{self.setup}\n```\n\n{forms}"
