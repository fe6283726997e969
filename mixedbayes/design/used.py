"""Which columns a formula names."""

from collections.abc import Iterator
from dataclasses import dataclass

from mixedbayes.formula import Formula, parse_expression, parse_terms
from mixedbayes.formula.nodes import (
    Call,
    Listing,
    Name,
    Node,
    Operation,
    Paren,
    Sign,
)


@dataclass(frozen=True)
class Used:
    """Names that a formula reads: of columns, or of constants that the caller passed."""

    response: tuple[str, ...]
    trials: tuple[str, ...]
    weights: tuple[str, ...]
    fixed: tuple[str, ...]  # with those of offsets
    effects: dict[str, tuple[str, ...]]  # of the bars' left sides, by grouping factor
    groups: tuple[str, ...]  # of the grouping factors
    others: tuple[str, ...] = ()  # of the formulas of further parameters

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them, each once, in the order of the formula."""
        effects = [name for names in self.effects.values() for name in names]
        left = (self.response, self.trials, self.weights)
        every = (*left, self.fixed, effects, self.groups, self.others)
        return tuple(dict.fromkeys(name for names in every for name in names))


def used_columns(formula: Formula) -> Used:
    """Names of the columns that each part of a formula reads."""
    effects: dict[str, list[str]] = {}
    for bar in formula.random:
        effects.setdefault(bar.group, []).extend(_of_terms(bar.effects))
    response = formula.response
    return Used(
        response=_of_expression(response.text),
        trials=_of_expression(response.trials),
        weights=_of_expression(response.weights),
        fixed=(
            *_of_terms(formula.fixed),
            *(name for text in formula.offsets for name in _of_expression(text)),
        ),
        effects={group: tuple(dict.fromkeys(names)) for group, names in effects.items()},
        groups=tuple(dict.fromkeys(name for bar in formula.random for name in bar.factors)),
        others=_of_others(formula),
    )


def used_functions(formula: Formula) -> tuple[str, ...]:
    """Names of the functions that a formula calls, in all its parts."""
    response = formula.response
    texts = (response.text, response.trials, response.weights, *formula.offsets)
    nodes = [parse_expression(text) for text in texts if text is not None]
    for text in (formula.fixed, *(bar.effects for bar in formula.random)):
        nodes += [factor for term in parse_terms(text).terms for factor in term.factors]
    found = [name for node in nodes for name in _functions(node)]
    found += [name for other in formula.others for name in used_functions(other)]
    return tuple(dict.fromkeys(found))


def _of_others(formula: Formula) -> tuple[str, ...]:
    """Columns of the further formulas' right sides."""
    used = (used_columns(other) for other in formula.others)
    names = (
        name for u in used for part in (u.fixed, *u.effects.values(), u.groups) for name in part
    )
    return tuple(dict.fromkeys(names))


def _of_expression(text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(dict.fromkeys(names_in(parse_expression(text))))


def _of_terms(text: str) -> tuple[str, ...]:
    factors = (factor for term in parse_terms(text).terms for factor in term.factors)
    return tuple(dict.fromkeys(name for factor in factors for name in names_in(factor)))


def names_in(node: Node) -> Iterator[str]:
    return (inner.name for inner in _walk(node) if isinstance(inner, Name))


def _functions(node: Node) -> Iterator[str]:
    return (inner.function for inner in _walk(node) if isinstance(inner, Call))


def _walk(node: Node) -> Iterator[Node]:
    """An expression and all its parts, in the order written."""
    yield node
    match node:
        case Call(arguments=arguments, keywords=keywords):
            children = (*arguments, *(value for _, value in keywords))
        case Listing(items=items):
            children = items
        case Operation(left=left, right=right):
            children = (left, right)
        case Paren(inner=inner) | Sign(operand=inner):
            children = (inner,)
        case _:
            children = ()
    for child in children:
        yield from _walk(child)
