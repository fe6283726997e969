"""Values of a formula's expressions, by walking the tree: nothing is ever run as Python.

An expression reaches columns, numbers, the operators below and the functions in the registry. It
has no attributes, subscripts or names of its own, so there is no way from it to anything else.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.design import columns
from mixedbayes.design.functions import Stateful, check_rowwise
from mixedbayes.design.locate import unknown_column, unknown_function
from mixedbayes.design.memory import Memory
from mixedbayes.design.table import Table
from mixedbayes.design.types import Floats
from mixedbayes.design.values import (
    Categorical,
    Kind,
    Matrix,
    Steps,
    Value,
    check_finite,
    encode,
    in_order,
    is_logical,
    kind,
    listed,
    lookup,
    numbers,
)
from mixedbayes.errors import DataError, MixedBayesError, article
from mixedbayes.formula.nodes import (
    Call,
    Listing,
    Literal,
    Name,
    Node,
    Operation,
    Paren,
    Sign,
    unparse,
)

_OPERATORS: Mapping[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.true_divide,
    "//": np.floor_divide,
    "%": np.mod,
    "**": np.power,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


class UnseenLevels(DataError):
    """New data have levels that the fitted data have not."""


@dataclass
class Rows:
    """A table's rows, ready to answer what any expression is in them."""

    table: Table
    memory: Memory
    fitting: bool
    values: dict[str, Value] = field(default_factory=dict)

    def value(self, node: Node) -> Value:
        """The value of an expression: an array (n,), a Matrix, a Categorical, or a constant.

        Raises
        ------
        DataError
            If it cannot be computed, or is not finite in some row.
        """
        text = unparse(node)
        standing = self.table.standing
        if standing is not None and text in standing.computed:
            entries = standing.computed[text]
            fields = standing.fields.get(text)
            return entries[:, 0] if fields is None else Matrix(entries, fields)
        if text not in self.values:
            try:
                value = self._value(node)
            except MixedBayesError:
                raise
            except Exception as error:
                raise DataError(f"{text} cannot be computed: {error}") from error
            check_finite(value, text, self.table.index)
            self.values[text] = value
        return self.values[text]

    def array(self, node: Node) -> Floats:
        """The value of an expression that has to be one number in each row: (n,)."""
        value = self.value(node)
        if isinstance(value, Categorical):
            raise DataError(f"{unparse(node)} is a category, where numbers are needed")
        if isinstance(value, Matrix):
            raise DataError(f"{unparse(node)} has {len(value.fields)} columns, not one")
        if not isinstance(value, (np.ndarray, int, float)) or isinstance(value, bool):
            raise DataError(f"{unparse(node)} is not a number")
        return np.ascontiguousarray(np.broadcast_to(value, self.table.n), dtype=np.float64)

    def _value(self, node: Node) -> Value:
        match node:
            case Name(name=name):
                return self._name(name)
            case Literal(value=value):
                return value
            case Listing(items=items):
                return [self._constant(item) for item in items]
            case Paren(inner=inner):
                return self._value(inner)
            case Sign(operator=operator, operand=operand):
                value = self._operand(operand)
                return -value if operator == "-" else value
            case Operation():
                return self._operation(node)
            case Call():
                return self._call(node)
        raise TypeError(f"not an expression: {node!r}")

    # columns

    def _name(self, name: str) -> Value:
        column = self.table.columns.get(name)
        if column is None:
            constant = self.memory.functions.get(name)
            if constant is None or isinstance(constant, (Stateful, np.ufunc)):
                unknown_column(name, self.table.names, self.memory.formula)
            if name in columns.CONTRASTS:
                return constant()
            if callable(constant):
                unknown_column(name, self.table.names, self.memory.formula)
            return constant
        found = kind(column, name)
        if self.fitting:
            self._note_coding(column, name, found)
        known = self.memory.kinds.setdefault(name, found)
        if found == known == "number":
            return numbers(column)
        if known == "number":
            now = "a category" if isinstance(column.dtype, pd.CategoricalDtype) else "text"
            raise DataError(
                f"{name} was numbers in the fitted data and is {now} here; convert the column"
            )
        return self._factor(column, name)

    def _note_coding(self, column: pd.Series, name: str, found: Kind) -> None:
        coding = self.memory.coding
        if found == "number" and is_logical(column):
            coding.logical.add(name)
        elif isinstance(column.dtype, pd.CategoricalDtype):
            _, levels = encode(column, name)
            if column.cat.ordered:
                coding.ordered[name] = levels[0]
            elif pd.api.types.is_numeric_dtype(levels.dtype):
                coding.numeric.add(name)

    def _factor(self, column: pd.Series, text: str, contrast: Any = None) -> Categorical:
        if self.fitting:
            codes, levels = encode(column, text)
            self.memory.levels[text] = levels
            declared = column.cat.categories if hasattr(column, "cat") else None
            return Categorical(codes, levels, contrast, declared, in_order(column, levels))
        levels = self.memory.levels[text]
        codes = lookup(column, levels, text, others=False)
        if (codes < 0).any():
            unseen = column[codes < 0].unique().tolist()
            raise UnseenLevels(
                f"{text} has {len(unseen)} level(s) that the fitted data do not have: "
                f"{listed(unseen)}; known are {listed(levels.tolist())}"
            )
        return Categorical(codes, levels, contrast)

    # operators

    def _operand(self, node: Node) -> Any:
        value = self._value(node)
        if isinstance(value, bool) or not isinstance(value, (int, float, np.ndarray)):
            several = "several columns"
            what = {Categorical: "a category", Matrix: several, Steps: several, str: "a text"}
            raise DataError(
                f"{unparse(node)} is {what.get(type(value), 'no number')}: "
                "there is no arithmetic with it"
                + ("; put a column's odd name in backticks" if isinstance(node, Literal) else "")
            )
        return value

    def _operation(self, node: Operation) -> Value:
        if node.operator in ("==", "!="):
            left, right = self._value(node.left), self._value(node.right)
            if isinstance(left, Categorical):
                return self._compare(left, right, node.left, node)
            if isinstance(right, Categorical):
                return self._compare(right, left, node.right, node)
        if node.operator not in _OPERATORS:
            raise DataError(
                f"{unparse(node)}: `{node.operator}` joins terms, and here numbers are computed; "
                "write a*b for their product"
            )
        left, right = (
            np.asarray(self._operand(side), dtype=np.float64) for side in (node.left, node.right)
        )
        with np.errstate(all="ignore"):  # what is not finite is reported by value()
            result = np.asarray(_OPERATORS[node.operator](left, right), dtype=np.float64)
        return result if result.ndim else float(result)

    def _compare(self, factor: Categorical, label: Any, named: Node, node: Operation) -> Floats:
        if not isinstance(label, (str, int, float)):
            raise DataError(
                f"{unparse(node)}: {unparse(named)} is a category, which is compared with one of "
                f"its levels: {listed(factor.levels.tolist())}; for two columns make a column of "
                "True and False"
            )
        if label not in factor.levels:
            raise DataError(
                f"{unparse(node)}: {unparse(named)} has no level {label!r}; "
                f"it has {listed(factor.levels.tolist())}"
            )
        same = factor.codes == factor.levels.get_loc(label)
        return (same if node.operator == "==" else ~same).astype(np.float64)

    # calls

    def _call(self, node: Call) -> Value:
        if node.function not in self.memory.functions:
            unknown_function(node.function, self.memory.functions, self.memory.formula)
        text = unparse(node)
        if node.function == "C":
            return self._category(node, text)
        if self.memory.functions[node.function] is Steps:
            return self._monotonic(node, text)
        function = self.memory.functions[node.function]
        if not callable(function) and not isinstance(function, Stateful):
            unknown_function(node.function, self.memory.functions, self.memory.formula)
        if text in self.memory.numbers and not self.fitting:
            return self.memory.numbers[text]
        if isinstance(function, np.ufunc):
            # a ufunc's further arguments include places to write to
            if len(node.arguments) != function.nin or node.keywords:
                raise DataError(f"{text}: {node.function} takes {function.nin} column(s), only")
            arguments = [self._operand(argument) for argument in node.arguments]
            return self._result(self._run(function, arguments, {}, text), text)
        constant = isinstance(function, (Stateful, columns.Contrast))
        read = self._constant if constant else self._argument
        if isinstance(function, Stateful) and not node.arguments:
            raise DataError(f"{text}: give it a column first: {node.function}(x)")
        keywords = {key: read(value) for key, value in node.keywords}
        if isinstance(function, Stateful):
            x = np.asarray(self._operand(node.arguments[0]), dtype=np.float64)
            state = self.memory.states.setdefault(text, {})
            arguments = [state, np.broadcast_to(x, self.table.n), *map(read, node.arguments[1:])]
            function = function.call
            _check_arguments(function, arguments, keywords, node.function, text)
        else:
            arguments = [*map(read, node.arguments)]
        result = self._run(function, arguments, keywords, text)
        if self.fitting and node.function in self.memory.own:
            if np.ndim(result) == 0 and not isinstance(result, str):
                self.memory.numbers[text] = value = self._result(result, text)
                return value
            check_rowwise(function, arguments, keywords, result, text)
        return self._result(result, text)

    def _run(
        self, function: Callable[..., Any], arguments: list[Any], named: dict[str, Any], text: str
    ) -> Any:
        try:
            with np.errstate(all="ignore"):
                return function(*arguments, **named)
        except MixedBayesError as error:
            raise DataError(f"{text}: {error}") from error
        except Exception as error:
            raise DataError(f"{text} cannot be computed: {error}") from error

    def _result(self, result: Any, text: str) -> Value:
        """What a function gave, as a Value of as many rows as the table."""
        if columns.is_contrast(result) or isinstance(result, str):
            return result
        if isinstance(result, pd.DataFrame):
            return self._matrix(result.to_numpy(), text, tuple(map(str, result.columns)))
        if isinstance(result, (pd.Series, pd.Categorical)) or _holds_text(result):
            column = pd.Series(result)
            self._check_length(len(column), text)
            if kind(column, text) == "factor":
                return self._factor(column, text)
            result = numbers(column)
        try:
            array = np.asarray(result, dtype=np.float64)
        except (TypeError, ValueError):
            raise DataError(f"{text} is {article(type(result).__name__)}, not numbers") from None
        if array.ndim == 0:
            return float(array)
        if array.ndim == 2:
            return self._matrix(array, text)
        self._check_length(len(array), text)
        return array

    def _matrix(self, values: Any, text: str, fields: tuple[str, ...] | None = None) -> Matrix:
        array = np.asarray(values, dtype=np.float64)
        self._check_length(len(array), text)
        return Matrix(array, fields or tuple(str(j + 1) for j in range(array.shape[1])))

    def _category(self, node: Call, text: str) -> Categorical:
        """C(x), C(x, contr.sum), C(x, levels=["a", "b"]): a factor of any column."""
        named = dict(node.keywords)
        contrast = self._value(node.arguments[1]) if len(node.arguments) > 1 else None
        if "contrasts" in named:
            contrast = self._value(named.pop("contrasts"))
        levels = self._levels(named.pop("levels"), text) if "levels" in named else None
        known = contrast is None or columns.is_contrast(contrast)
        if named or len(node.arguments) not in (1, 2) or not known:
            raise DataError(
                f'{text}: write C(x), C(x, contr.sum), C(x, contr.treatment("b")) or '
                "C(x, levels=[...])"
            )
        argument = node.arguments[0]
        column = self.table.columns.get(argument.name) if isinstance(argument, Name) else None
        if column is None:
            column = pd.Series(_plain(self._value(argument)))
            self._check_length(len(column), text)
        if levels is not None:
            absent = [level for level in column.unique().tolist() if level not in levels]
            if absent and self.fitting:
                raise DataError(f"{text}: levels lacks {listed(absent)}, which the data have")
            column = (
                column.astype(pd.CategoricalDtype(levels, ordered=True)) if not absent else column
            )
        return self._factor(column, text, contrast)

    def _monotonic(self, node: Call, text: str) -> Steps:
        """mo(x): which steps between the ordered levels of x a row has passed."""
        if len(node.arguments) != 1 or node.keywords:
            raise DataError(f"{text}: mo() takes one column, mo(x)")
        inner = node.arguments[0]
        value = self._value(inner)
        if isinstance(value, np.ndarray):
            broken = value[value != np.round(value)]
            if len(broken) and self.fitting:
                raise DataError(
                    f"{text}: monotonic effects are those of an ordered category or of whole "
                    f"numbers, and {unparse(inner)} has {broken[0]:g}; write s({unparse(inner)}) "
                    "for a curve"
                )
            whole = value.astype(np.int64) if not len(broken) else value
            value = self._factor(pd.Series(whole), text)
            gaps = np.flatnonzero(np.diff(value.levels.to_numpy()) > 1)
            if len(gaps) and self.fitting:
                low, high = value.levels[gaps[0]], value.levels[gaps[0] + 1]
                raise DataError(
                    f"{text}: no row of the {self.table.n} used has a value between {low:g} and "
                    f"{high:g}, so that nothing is known of the steps there; make {unparse(inner)} "
                    f"an ordered category, whose levels are those that occur: {low:g} to {high:g} "
                    "is then one step"
                )
        if not isinstance(value, Categorical):
            raise DataError(f"{text}: mo() takes one column with ordered levels")
        if not value.ordered:
            raise DataError(
                f"{text}: the levels of {unparse(inner)} have no order; write "
                f"mo(C({unparse(inner)}, levels=[...])) with the lowest first, or make it an "
                "ordered category, pandas.Categorical(..., ordered=True)"
            )
        if len(value.levels) == 1:
            raise DataError(
                f"{text} has the single level {listed(list(value.levels))} in the "
                f"{self.table.n} rows used, so that there is no step; leave it out"
            )
        return Steps.of(value.codes, value.levels)

    def _levels(self, node: Node, text: str) -> list[Any]:
        """The list of C(x, levels=[...])."""
        levels = self._value(node)
        if not isinstance(levels, list) or any(level is None for level in levels):
            raise DataError(f'{text}: levels is a list of the levels, such as ["a", "b"] or [1, 2]')
        twice = [level for k, level in enumerate(levels) if level in levels[:k]]
        if twice:
            raise DataError(f"{text}: levels has {listed(twice)} more than once; name each once")
        return levels

    # checks

    def _argument(self, node: Node) -> Any:
        """A value as a function gets it: factors as an array of their labels."""
        return _plain(self._value(node))

    def _constant(self, node: Node) -> Any:
        value = self._value(node)
        if isinstance(value, (np.ndarray, Categorical, Matrix)):
            raise DataError(
                f"{unparse(node)} is a column: lists and settings hold numbers or texts only"
            )
        return value

    def _check_length(self, length: int, text: str) -> None:
        if length != self.table.n:
            raise DataError(f"{text} gave {length} values for {self.table.n} rows")


def _plain(value: Value) -> Any:
    """A value as a function gets it: factors as an array of their labels."""
    if isinstance(value, Categorical):
        return value.levels.to_numpy()[value.codes]
    return value.entries if isinstance(value, Matrix) else value


def _holds_text(result: Any) -> bool:
    return isinstance(result, np.ndarray) and result.ndim == 1 and result.dtype.kind in "OUST"


def _check_arguments(
    function: Callable[..., Any],
    arguments: list[Any],
    named: dict[str, Any],
    name: str,
    text: str,
) -> None:
    """DataError that says how a transform is called where it cannot be so."""
    signature = inspect.signature(function)
    try:
        signature.bind(*arguments, **named)
    except TypeError as error:
        own = list(signature.parameters.values())[1:]  # the state is not the user's
        takes = ["..." if p.kind == p.VAR_KEYWORD else p.name for p in own]
        raise DataError(f"{text}: it is called as {name}({', '.join(takes)})") from error
