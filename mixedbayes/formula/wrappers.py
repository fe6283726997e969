"""What stands after the response's `|` and says how it was observed: `cens(...)`, `trunc(...)`."""

from __future__ import annotations

from mixedbayes.formula.nodes import Call, Literal, Name, Node, Sign, unparse
from mixedbayes.formula.syntax import Parser
from mixedbayes.formula.terms import as_column

_BOUNDS = ("lower", "upper")


def censoring(parser: Parser, node: Call) -> tuple[str, ...]:
    """`cens(kind)` or `cens(kind, upper)`: expressions of each row's censoring and upper end."""
    fact = "cens() takes how each row is censored and, for intervals, their upper ends"
    remedy = "write y | cens(censored) ~ ..., or y | cens(kind, upper) ~ ..."
    given = list(node.arguments)
    for name, value in node.keywords:
        if name not in ("upper", "y2") or len(given) != 1:
            parser.fail(fact, remedy, node.span)
        given.append(value)
    if not 1 <= len(given) <= 2 or any(isinstance(as_column(g), Literal) for g in given):
        parser.fail(fact, remedy, node.span)
    if len(given) == 2 and not isinstance(as_column(given[0]), Name):
        parser.fail(
            "beside upper ends, how each row is censored is a column of the data",
            f"make a column of {unparse(as_column(given[0]))}, and write y | cens(kind, upper)",
            node.span,
        )
    return tuple(unparse(as_column(g)) for g in given)


def truncation(parser: Parser, node: Call) -> tuple[str | None, str | None]:
    """`trunc(lower, upper)`, either of them by name alone: expressions of the bounds."""
    found: dict[str, str | None] = dict(zip(_BOUNDS, (None, None), strict=True))
    fact = "trunc() takes the bounds between which responses can be observed"
    remedy = "write y | trunc(0, 100) ~ ..., trunc(lower=0) or trunc(upper=cap)"
    if len(node.arguments) > 2 or not (node.arguments or node.keywords):
        parser.fail(fact, remedy, node.span)
    given = [*zip(_BOUNDS, node.arguments, strict=False), *node.keywords]
    for name, value in given:
        if name in ("lb", "ub"):
            own = _BOUNDS[name == "ub"]
            parser.fail(f"brms's {name}= is {own}= here", f"write trunc({own}=...)", node.span)
        if name not in _BOUNDS or found[name] is not None:
            parser.fail(fact, remedy, node.span)
        value = as_column(value)
        if isinstance(value, Literal) and not _is_number(value):
            parser.fail(fact, remedy, node.span)
        found[name] = unparse(value)
    return found["lower"], found["upper"]


def imputation(parser: Parser, node: Call) -> bool:
    """`mi()`: rows without a response stay, and are predicted."""
    if node.arguments or node.keywords:
        parser.fail(
            "mi() takes no argument: it says that rows without a response stay",
            "write y | mi() ~ ...; of responses with known standard errors y | se(s, sigma=True)",
            node.span,
        )
    return True


def _is_number(node: Node) -> bool:
    if isinstance(node, Sign):
        return _is_number(node.operand)
    value = getattr(node, "value", None)
    return isinstance(value, int | float) and not isinstance(value, bool)
