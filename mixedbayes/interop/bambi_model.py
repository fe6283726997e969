"""What a model is to Bambi: formulas, priors, and columns that the data have not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.design.types import Floats

type Value = float | list[float] | Described


class Vector(list[float]):
    """Numbers that Bambi needs as an array."""

    def __repr__(self) -> str:
        return f"np.array({super().__repr__()})"


@dataclass(frozen=True)
class Described:
    """A prior as Bambi has it: name and arguments, which may be priors themselves."""

    name: str
    arguments: dict[str, Value]

    def text(self) -> str:
        shown = [
            f"{k}={v.text() if isinstance(v, Described) else repr(v)}"
            for k, v in self.arguments.items()
        ]
        return f"bmb.Prior({', '.join([repr(self.name), *shown])})"

    def build(self, bambi: Any) -> Any:
        made = {
            k: v.build(bambi) if isinstance(v, Described) else np.asarray(v)
            for k, v in self.arguments.items()
        }
        return bambi.Prior(self.name, **made)


@dataclass(frozen=True, eq=False)
class Made:
    """A column that the data have not: as code, and its values (n,)."""

    text: str
    values: Floats


@dataclass(frozen=True)
class Ordered:
    """A column of labels as categories in an order, the reference first."""

    name: str
    levels: tuple[Any, ...]

    @property
    def text(self) -> str:
        return f"pd.Categorical(data[{self.name!r}], {list(self.levels)!r}, ordered=True)"

    def values(self, data: pd.DataFrame) -> Any:
        return pd.Categorical(data[self.name], list(self.levels), ordered=True)


@dataclass(frozen=True, eq=False)
class BambiModel:
    """The arguments of bambi.Model besides the data, and columns that it needs in them."""

    formulas: tuple[str, ...]  # of the mean, and of further parameters
    family: str
    link: str | dict[str, str]  # of the mean, or by parameter
    priors: dict[str, Described | dict[str, Described]]  # of a further formula's under its name
    center: bool
    columns: dict[str, Made]
    complete: tuple[str, ...]  # columns whose missing values leave rows out
    notes: tuple[str, ...] = ()  # what a reader of the code should know
    response: Ordered | None = None  # a column of categories in the order of ours

    def text(self) -> str:
        priors = list(_prior_lines(self.priors, "        "))
        called = ", ".join(map(repr, self.formulas))
        formula = called if len(self.formulas) == 1 else f"bmb.Formula({called})"
        columns = [f"        {name!r}: {made.text}," for name, made in self.columns.items()]
        about = ["# numeric columns of the effects that the priors are about"]
        rows = f"data = data.dropna(subset={list(self.complete)!r})"
        imports = ["import numpy as np"] if any("np." in c for c in (*columns, *priors)) else []
        imports += ["import pandas as pd"] if self.response is not None else []
        ordered = []
        if self.response is not None:
            ordered = [
                "# the first category is the one that the others are compared with",
                f"data = data.assign(**{{{self.response.name!r}: {self.response.text}}})",
            ]
        return "\n".join(
            [
                "import bambi as bmb",
                *imports,
                "",
                *([rows] if self.complete else []),
                *ordered,
                *(
                    [*about, "data = data.assign(", "    **{", *columns, "    }", ")"]
                    * bool(columns)
                ),
                *(f"# {note}" for note in self.notes),
                "model = bmb.Model(",
                f"    {formula},",
                "    data,",
                f"    family={self.family!r},",
                f"    link={self.link!r},",
                f"    center_predictors={self.center},",
                "    priors={",
                *priors,
                "    },",
                ")",
            ]
        )


def _prior_lines(
    priors: Mapping[str, Described | Mapping[str, Described]], indent: str
) -> Iterator[str]:
    for name, prior in priors.items():
        if isinstance(prior, Described):
            yield f"{indent}{name!r}: {prior.text()},"
        else:
            yield from (
                f"{indent}{name!r}: {{",
                *_prior_lines(prior, indent + "    "),
                f"{indent}}},",
            )
