"""Bars whose effects are the levels of a variable: `ar1(visit | g)` in all its spellings."""

from __future__ import annotations

from dataclasses import replace

from mixedbayes.formula.nodes import (
    Bar,
    Call,
    Literal,
    Node,
    Paren,
    Sum,
    has_column,
    unparse,
)
from mixedbayes.formula.terms import Terms
from mixedbayes.formula.tokens import fail
from mixedbayes.formula.words import SPECIFIC


def structured(paren: Paren, bar: Bar, text: str) -> tuple[Paren, Bar]:
    """`(0 + cs(visit) | g)` as `cs(0 + visit | g)`; anything else as it is."""
    from mixedbayes.terms.registry import names_covariance

    items = _summands(bar.effects)
    called = [node for _, node in items if isinstance(node, Call)]
    called = [node for node in called if names_covariance(node.function)]
    if not called:
        return paren, bar
    call, g = called[0], group_text(bar.group)
    others = [(sign, node) for sign, node in items if node is not call]
    none = [sign == "+" for sign, node in others if getattr(node, "value", None) == 0]
    none += [sign == "-" for sign, node in others if getattr(node, "value", None) == 1]
    of = unparse(call.arguments[0]) if call.arguments and has_column(call) else "visit"
    if call.function == SPECIFIC and (bar.operator != "|" or not has_column(call)):
        return paren, bar  # category-specific effects, of which the family says more
    if len(call.arguments) != 1 or call.keywords or not has_column(call):
        fail(
            text, call.span,
            f"{call.function}() has one variable, whose levels have an effect each",
            f"write {call.function}({of} | {g})",
        )  # fmt: skip
    if paren.structure or bar.operator != "|" or bar.id:
        fail(
            text, paren.span,
            f"`{call.function}` says how the effects are correlated, and the bar says it otherwise",
            f"write {call.function}({of} | {g})",
        )  # fmt: skip
    if len(others) != 1 or none != [True]:
        fail(
            text, bar.effects.span,
            f"{call.function}({of}) has an effect for each level of {of}, and stands by itself: "
            "another intercept or term beside it has a bar of its own",
            f"write {call.function}({of} | {g}) for these effects alone, (1 | {g}) + "
            f"{call.function}({of} | {g}) with an intercept of each {g}",
        )  # fmt: skip
    return Paren(bar, paren.span, call.function), replace(
        bar, effects=Sum((*((s, n) for s, n in others), ("+", call.arguments[0])), bar.effects.span)
    )


def of_levels(structure: str, node: Node, effects: Terms, group: str, text: str) -> Terms:
    """`ar1(visit | g)` as `ar1(0 + visit | g)`: the effects of a variable's levels."""
    from mixedbayes.terms.registry import has_axis, is_structure

    if not is_structure(structure):
        return effects
    said = any(isinstance(item, Literal) for _, item in _summands(node))
    alone = len(effects.terms) == 1 and len(effects.terms[0].factors) == 1
    if alone and not said:
        return replace(effects, intercept=False)
    if has_axis(structure) and not (alone and not effects.intercept):
        name = str(effects.terms[0]) if effects.terms else "visit"
        fail(
            text, node.span,
            f"`{structure}` is about the levels of one variable, each with an effect",
            f"write {structure}({name} | {group}); other effects have bars of their own: "
            f"(1 | {group}) + {structure}({name} | {group})",
        )  # fmt: skip
    if effects.intercept and not said:
        fail(
            text, node.span,
            f"`{structure}({text[node.span.start : node.span.end]} | {group})` may have an "
            "intercept or not",
            f"write it: {structure}(1 + {text[node.span.start : node.span.end]} | {group}), or "
            f"{structure}(0 + {text[node.span.start : node.span.end]} | {group})",
        )  # fmt: skip
    return effects


def _summands(node: Node) -> list[tuple[str, Node]]:
    """Signed terms of a sum, with parentheses opened."""
    if isinstance(node, Paren) and not isinstance(node.inner, Bar):
        return _summands(node.inner)
    if not isinstance(node, Sum):
        return [("+", node)]
    return [
        (inner if sign == "+" else "-" if inner == "+" else "+", part)
        for sign, item in node.items
        for inner, part in _summands(item)
    ]


def group_text(node: Node) -> str:
    """A bar's right side, for a remedy."""
    try:
        return unparse(node)
    except TypeError:
        return "g"
