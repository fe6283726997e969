"""The syntax tree of a formula, and its text in canonical form."""

from dataclasses import dataclass

from mixedbayes.formula.tokens import is_plain
from mixedbayes.formula.types import Span


@dataclass(frozen=True)
class Name:
    """A column, or in a call a constant of `functions`."""

    name: str
    span: Span
    quoted: bool = False


@dataclass(frozen=True)
class Literal:
    """A number, a text, True, False or None."""

    value: float | int | str | bool | None
    text: str
    span: Span


@dataclass(frozen=True)
class Listing:
    """`[1, 2, 3]`."""

    items: tuple["Node", ...]
    span: Span


@dataclass(frozen=True)
class Call:
    """`function(arguments, keyword=value)`; the function is a plain name."""

    function: str
    arguments: tuple["Node", ...]
    keywords: tuple[tuple[str, "Node"], ...]
    span: Span


@dataclass(frozen=True)
class Sign:
    """`-x` or `+x` in arithmetic."""

    operator: str
    operand: "Node"
    span: Span


@dataclass(frozen=True)
class Operation:
    """`left operator right`; in a formula `* / : **`, in a call arithmetic and comparisons."""

    operator: str
    left: "Node"
    right: "Node"
    span: Span


@dataclass(frozen=True)
class Sum:
    """`+ a - b + c` in a formula, as signed terms in the order written."""

    items: tuple[tuple[str, "Node"], ...]
    span: Span


@dataclass(frozen=True)
class Paren:
    """`(inner)`; a bar may have the name of a covariance's structure in front, `cs(x | g)`."""

    inner: "Node"
    span: Span
    structure: str = ""


@dataclass(frozen=True)
class Bar:
    """`effects | group`, `effects || group` or `effects | id | group`, inside a parenthesis."""

    effects: "Node"
    group: "Node"
    operator: str
    span: Span
    id: str = ""


Node = Name | Literal | Listing | Call | Sign | Operation | Sum | Paren | Bar

_SPACED = frozenset({"+", "-", "<", "<=", ">", ">=", "==", "!="})


def column(name: str) -> str:
    """A column's name as a formula has it: in backticks where it must be."""
    return name if is_plain(name) else f"`{name}`"


def _spaced(operator: str) -> str:
    return f" {operator} " if operator in _SPACED else operator


def unparse(node: Node) -> str:
    """A factor of a term as canonical text, "poly(x, 2)", "I(x**2)", "`odd name`".

    Equal texts mean equal values, and parsing the text gives the same tree again.
    """
    match node:
        case Name(name=name):
            return column(name)
        case Literal(value=str() as value):
            quote = "'" if '"' in value else '"'
            return f"{quote}{value}{quote}"
        case Literal(text=text):
            return text
        case Listing(items=items):
            return f"[{', '.join(map(unparse, items))}]"
        case Call(function=function, arguments=arguments, keywords=keywords):
            named = [f"{key}={unparse(value)}" for key, value in keywords]
            return f"{function}({', '.join([*map(unparse, arguments), *named])})"
        case Sign(operator=operator, operand=operand):
            return f"{operator}{unparse(operand)}"
        case Operation(operator=operator, left=left, right=right):
            return f"{unparse(left)}{_spaced(operator)}{unparse(right)}"
        case Paren(inner=inner):
            return f"({unparse(inner)})"
        case Sum() | Bar():
            raise TypeError("a sum of terms is not a factor")


def listed(node: Node) -> tuple[Node, ...]:
    """The items of `(a, b)`, `[a, b]` or R's `c(a, b)` and `cbind(a, b)`; or the node alone."""
    match node:
        case Listing(items=items):
            return tuple(items)
        case Call("cbind" | "c", arguments, ()):
            return arguments
    return (node,)


def has_column(node: Node) -> bool:
    """Whether an expression reads a column."""
    match node:
        case Name():
            return True
        case Call(arguments=arguments, keywords=keywords):
            return any(map(has_column, (*arguments, *(value for _, value in keywords))))
        case Operation(left=left, right=right):
            return has_column(left) or has_column(right)
        case Paren(inner=inner):
            return has_column(inner)
        case _:
            return hasattr(node, "operand") and has_column(node.operand)
