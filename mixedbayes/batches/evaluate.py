"""What a formula's expressions are in the rows of a batch, by the evaluation of rows in memory."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.batches.columns import Mask, numbers
from mixedbayes.batches.reading import Reading
from mixedbayes.design.evaluate import Rows
from mixedbayes.design.functions import State, Stateful
from mixedbayes.design.memory import Memory
from mixedbayes.design.table import Table, table
from mixedbayes.design.used import names_in, walk
from mixedbayes.design.values import Categorical, Matrix
from mixedbayes.errors import DataError
from mixedbayes.formula.nodes import Call, Name
from mixedbayes.numerics.double import Floats
from mixedbayes.sources.libraries import arrow


@dataclass(eq=False)
class Evaluation:
    """Reads batches as the model's rows.

    Attributes
    ----------
    levels
        Of the columns that say a row's cell, as a data frame has them.
    states
        What functions learned of all rows.
    """

    read: Reading
    levels: Mapping[str, pd.Series]
    states: Mapping[str, State]

    def __post_init__(self) -> None:
        self.memory = self._memory()

    def _memory(self) -> Memory:
        """As if the model had been fitted to every level."""
        read = self.read
        memory = Memory(
            read.functions, read.formula.text, frozenset(read.columns), read.own,
            states={text: dict(state) for text, state in self.states.items()},
        )  # fmt: skip
        inner = (node for e in read.expressions.values() for node in walk(e))
        for node in inner:
            names = set(names_in(node)) & set(read.columns)
            if isinstance(node, Name | Call) and len(names) == 1 and names <= self.levels.keys():
                (name,) = names
                own = Table({name: self.levels[name]}, self.levels[name].index, (name,))
                Rows(own, memory, fitting=True).value(node)
        return memory

    def rows(self, batch: Any, kept: Mask | None, names: Iterable[str]) -> Rows:
        """The kept rows of a batch, with these columns."""
        columns = {}
        for name in names:
            if name in self.levels:
                column = batch.column(name)
                column = column if kept is None else column.filter(arrow().array(kept))
                columns[name] = table(arrow().table({name: column}), [name]).columns[name]
            else:
                columns[name] = pd.Series(numbers(batch.column(name), kept))
        n = batch.num_rows if kept is None else int(kept.sum())
        found = Table(columns, pd.RangeIndex(n), tuple(columns))
        return Rows(found, self.memory, fitting=False)

    def check_rowwise(self, batch: Any, kept: Mask | None, names: Iterable[str]) -> None:
        """The user's own functions give each row its value, whichever rows come with it.

        Raises
        ------
        DataError
            One gives a number for all rows, or values that depend on others.
        """
        if not self.read.own:
            return
        rows = self.rows(batch, kept, names)
        memory = replace(self.memory, numbers={})
        fitting = Rows(rows.table, memory, fitting=True)
        for node in self.read.expressions.values():
            fitting.value(node)
        if memory.numbers:
            text = next(iter(memory.numbers))
            raise DataError(
                f"{text} is one number of all rows, and the data are read in batches; compute it "
                "first, and give it by name in functions={...}"
            )


def state_of(read: Reading, call: Call, x: Floats) -> State:
    """What a function learns of these values in memory, in plain types.

    Raises
    ------
    DataError
        Its settings cannot be.
    """
    memory = _called(read, call, x)
    (state,) = memory.states.values()
    return {key: _plain(value) for key, value in state.items() if _counts(value)}


def settings_of(read: Reading, call: Call) -> dict[str, Any]:
    """The settings of a call of a function with a state, by their names."""
    function, found = read.functions[call.function].call, {}
    signature = inspect.signature(function)

    @wraps(function)
    def noted(state: State, x: Floats, *rest: Any, **named: Any) -> Floats:
        bound = signature.bind(state, x, *rest, **named)
        bound.apply_defaults()
        found.update(bound.arguments)
        return x

    _called(read, call, np.zeros(1), {call.function: Stateful(noted)})
    further = found.pop("settings", {})
    return {name: found[name] for name in list(signature.parameters)[2:] if name in found} | further


def _called(
    read: Reading, call: Call, x: Floats, functions: Mapping[str, Any] | None = None
) -> Memory:
    """What is known after the call with a column of these values."""
    name = "x"
    own = Table({name: pd.Series(x)}, pd.RangeIndex(len(x)), (name,))
    every = {**read.functions, **(functions or {})}
    memory = Memory(every, read.formula.text, frozenset([name]), read.own)
    Rows(own, memory, fitting=True).value(
        replace(call, arguments=(Name(name, call.span), *call.arguments[1:]))
    )
    return memory


def _counts(value: Any) -> bool:
    """Whether something in a state says more than the call itself."""
    return value is not None and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    """Numbers and lists of them."""
    if isinstance(value, np.ndarray | list):
        return np.asarray(value, np.float64).tolist()
    if isinstance(value, Mapping):
        return [float(value[key]) for key in sorted(value)]
    return float(value)


def columns_of(value: Any, n: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """(n, k) columns of the value of an expression, and what they are called where there are more.

    Raises DataError for a category.
    """
    if isinstance(value, Categorical):
        raise DataError(
            "a category that is computed from numbers cannot be read in batches; make it a column"
        )
    if isinstance(value, Matrix):
        return np.asarray(value.entries), value.fields
    return np.broadcast_to(np.asarray(value, np.float64), n)[:, None], ()
