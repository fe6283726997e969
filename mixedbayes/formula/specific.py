"""Category-specific effects, `cs(x)`: those that differ between the thresholds of an ordered
response."""

from __future__ import annotations

from dataclasses import replace

from mixedbayes.errors import FormulaError
from mixedbayes.formula.nodes import Call, Node, column, unparse
from mixedbayes.formula.parser import parse_terms
from mixedbayes.formula.terms import Term, Terms
from mixedbayes.formula.tokens import fail
from mixedbayes.formula.types import Formula, Span
from mixedbayes.formula.words import SPECIFIC


def is_specific(formula: Formula) -> bool:
    """Whether a formula has cs(), in its population part or to the left of a bar."""
    texts = (formula.fixed, *(bar.effects for bar in formula.random))
    return any(_called(factor) for text in texts for factor in _factors(text))


def apart(formula: Formula) -> tuple[Formula, Formula | None]:
    """The formula without its cs(), and that of the effects in them; None where there are none.

    Each threshold has effects of its own by the second one, to which its intercept does not belong.

    Raises
    ------
    FormulaError
        Where cs() stands in a product, holds no terms, or is to the left of a bar or in the formula
        of a further parameter.
    """
    for other in formula.others:
        if is_specific(other):
            raise FormulaError(
                f"cs() in the formula of {other.of}, {other.text}: category-specific effects are "
                "those of the response's own formula; write its terms without cs()"
            )
    for bar in formula.random:
        if any(map(_called, _factors(bar.effects))):
            fail(
                bar.text, Span(0, len(bar.text)),
                "group effects that differ between thresholds are not offered",
                "write (1 | g) or (x | g), whose effects all thresholds share; cs() stands among "
                "the population effects",
            )  # fmt: skip
    fixed = parse_terms(formula.fixed)
    common = Terms(fixed.intercept, _common(fixed, formula.fixed))
    if len(common.terms) == len(fixed.terms):
        return formula, None
    own = parse_terms(" + ".join(["1", *_inside(fixed, formula.fixed)]))
    if not own.terms:
        fail(
            formula.fixed, _spans(fixed)[0],
            "what would vary between thresholds are the thresholds themselves",
            "leave it out; cs(x) has an effect of x on each threshold",
        )  # fmt: skip
    specific = replace(formula, fixed=str(own), offsets=(), random=(), others=())
    return replace(formula, fixed=str(common)), specific


def check_bars(formula: Formula) -> None:
    """FormulaError where cs() to the left of a bar may be category-specific or a covariance."""
    for bar in formula.random:
        if bar.structure == SPECIFIC and not bar.text.startswith(SPECIFIC):
            fail(
                bar.text, Span(0, len(bar.text)),
                "with an ordered response cs() may mean effects that differ between thresholds, "
                "which are not offered for groups, or effects with one correlation",
                f"for these write {SPECIFIC}({bar.effects} | {':'.join(map(column, bar.factors))})",
            )  # fmt: skip


def _factors(text: str) -> list[Node]:
    return [factor for term in parse_terms(text).terms for factor in term.factors]


def _called(node: Node) -> bool:
    return isinstance(node, Call) and node.function == SPECIFIC


def _common(terms: Terms, text: str) -> tuple[Term, ...]:
    """Terms without cs(), none of which has it among its factors."""
    for term in terms.terms:
        calls = [factor for factor in term.factors if _called(factor)]
        if calls and len(term.factors) > 1:
            others = "*".join(unparse(f) for f in term.factors if f is not calls[0])
            fail(
                text, calls[0].span,
                "cs() can only be added to other terms",
                f"products go inside: cs({others}*...)",
            )  # fmt: skip
    return tuple(term for term in terms.terms if not _called(term.factors[0]))


def _inside(terms: Terms, text: str) -> list[str]:
    """What each cs() holds, as a text of terms."""
    return [unparse(_argument(t.factors[0], text)) for t in terms.terms if _called(t.factors[0])]


def _argument(node: Node, text: str) -> Node:
    assert isinstance(node, Call)
    if len(node.arguments) != 1 or node.keywords:
        fail(
            text, node.span,
            "cs() takes one argument, terms whose effects are category-specific",
            "write cs(a + b), or cs(a) + cs(b)",
        )  # fmt: skip
    return node.arguments[0]


def _spans(terms: Terms) -> list[Span]:
    return [t.factors[0].span for t in terms.terms if _called(t.factors[0])]
