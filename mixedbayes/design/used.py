"""Which columns a formula names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mixedbayes.formula import Formula, ResidualTerm, parse_expression, parse_terms
from mixedbayes.formula.nodes import (
    Call,
    Listing,
    Name,
    Node,
    Operation,
    Paren,
    Sign,
    unparse,
)
from mixedbayes.formula.smooths import SmoothTerm, of_levels
from mixedbayes.terms.bars import BARS
from mixedbayes.terms.smooth import LEVEL, LINEAR


@dataclass(frozen=True)
class Used:
    """Names that a formula reads: of columns, or of constants that the caller passed."""

    response: tuple[str, ...]
    trials: tuple[str, ...]
    weights: tuple[str, ...]  # or standard errors
    fixed: tuple[str, ...]  # with those of offsets
    # Of the bars' left sides, weights of levels and by=, by grouping factor.
    effects: dict[str, tuple[str, ...]]
    groups: tuple[str, ...]  # of the grouping factors
    others: tuple[str, ...] = ()  # of the formulas of further parameters
    cens: tuple[str, ...] = ()  # how responses are censored, and their upper ends
    trunc: tuple[str, ...] = ()  # bounds of the responses
    residual: tuple[str, ...] = ()  # how residuals are correlated: positions, groups, arms

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them, each once, in the order of the formula."""
        effects = [name for names in self.effects.values() for name in names]
        left = (self.response, self.trials, self.weights, self.cens, self.trunc)
        every = (*left, self.fixed, effects, self.groups, self.others, self.residual)
        return tuple(dict.fromkeys(name for names in every for name in names))


def used_columns(formula: Formula) -> Used:
    """Names of the columns that each part of a formula reads."""
    effects: dict[str, list[str]] = {}
    for bar in formula.random:
        own = effects.setdefault(bar.group, [])
        own += columns_of(bar.effects)
        own += [name for text in bar.grouper.weights for name in _of_expression(text)]
        own += [bar.grouper.by] if bar.grouper.by else []
    curves = of_levels(formula.fixed)
    for s in curves:
        for name in (s.name, *(f"{s.name}[{of}]" for of in (LINEAR, LEVEL))):
            effects[name] = [n for node in s.variables for n in names_in(node)]
    response = formula.response
    return Used(
        response=_of_expression(response.text),
        trials=_of_expression(response.trials),
        weights=(*_of_expression(response.weights), *_of_expression(response.se)),
        fixed=(
            *_without(columns_of(formula.fixed), formula.fixed, curves),
            *(name for text in formula.offsets for name in _of_expression(text)),
        ),
        effects={group: tuple(dict.fromkeys(names)) for group, names in effects.items()},
        groups=tuple(
            dict.fromkeys(
                [
                    *(name for bar in formula.random for name in bar.factors),
                    *(s.level.name for s in curves if s.level is not None),
                ]
            )
        ),
        others=_of_others(formula),
        cens=tuple(name for text in response.cens for name in _of_expression(text)),
        trunc=tuple(name for text in response.trunc for name in _of_expression(text)),
        residual=_of_residual(formula.residual),
    )


def _of_residual(said: ResidualTerm | None) -> tuple[str, ...]:
    if said is None:
        return ()
    by = (said.by,) if said.by else ()
    return tuple(dict.fromkeys((*_of_expression(said.of or None), *said.factors, *by)))


def _without(columns: tuple[str, ...], text: str, curves: Sequence[SmoothTerm]) -> tuple[str, ...]:
    """Columns of a population part but for factors, of whose levels there are curves alone."""
    factors = {s.level.name for s in curves if s.level is not None}
    if not factors:
        return columns
    inside = {s.text for s in curves}
    others = [f for t in parse_terms(text).terms for f in t.factors if unparse(f) not in inside]
    there = {name for f in others for name in names_in(f)}
    there |= {name for s in curves for v in s.variables for name in names_in(v)}
    return tuple(name for name in columns if name not in factors or name in there)


def used_functions(formula: Formula) -> tuple[str, ...]:
    """Names of the functions that a formula calls, in all its parts."""
    response = formula.response
    limits = (*response.cens, *response.trunc)
    left = (response.text, response.trials, response.weights, response.se, *limits)
    positions = None if formula.residual is None else formula.residual.of or None
    texts = (*left, *formula.offsets, positions)
    nodes = [parse_expression(text) for text in texts if text is not None]
    for text in (formula.fixed, *(bar.effects for bar in formula.random)):
        nodes += [factor for term in parse_terms(text).terms for factor in term.factors]
    found = [name for node in nodes for name in _functions(node)]
    found += [name for other in formula.others for name in used_functions(other)]
    return tuple(dict.fromkeys(found))


def category_columns(formula: Formula) -> tuple[str, ...]:
    """Columns that the formula has as categories whatever they hold: in C(...) and mo(...).

    Not those that are compared there, C(x > 3): what they are compared with makes the categories.
    """
    formulas = (formula, *formula.others)
    texts = (text for f in formulas for text in (f.fixed, *(bar.effects for bar in f.random)))
    factors = (factor for t in texts for term in parse_terms(t).terms for factor in term.factors)
    calls = (node for factor in factors for node in walk(factor) if _is_c(node))
    return tuple(dict.fromkeys(name for call in calls for name in _uncompared(call)))


def level_columns(formula: Formula) -> tuple[str, ...]:
    """`category_columns`, and those whose levels have effects with a structure: ar1(visit | g).

    Not those that stand in the population part, where they are numbers, too.
    """
    formulas = (formula, *formula.others)
    bars = (bar for f in formulas for bar in f.random if bar.structure not in BARS.values())
    terms = (parse_terms(bar.effects) for bar in bars)
    alone = (t.terms[0].factors for t in terms if not t.intercept and len(t.terms) == 1)
    visits = (f[0].name for f in alone if len(f) == 1 and isinstance(f[0], Name))
    fixed = {name for f in formulas for name in columns_of(f.fixed)}
    return (*category_columns(formula), *dict.fromkeys(v for v in visits if v not in fixed))


_COMPARING = frozenset({"<", "<=", ">", ">=", "==", "!="})


def _is_c(node: Node) -> bool:
    return isinstance(node, Call) and node.function in ("C", "mo")


def _uncompared(node: Node) -> Iterator[str]:
    if isinstance(node, Name):
        yield node.name
    if not (isinstance(node, Operation) and node.operator in _COMPARING):
        for child in _children(node):
            yield from _uncompared(child)


def _of_others(formula: Formula) -> tuple[str, ...]:
    """Columns of the further formulas' right sides, and of what stands after their bars."""
    used = (used_columns(other) for other in formula.others)
    names = (
        name
        for u in used
        for part in (u.fixed, *u.effects.values(), u.groups, u.trials, u.weights, u.cens, u.trunc)
        for name in part
    )
    return tuple(dict.fromkeys(names))


def _of_expression(text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(dict.fromkeys(names_in(parse_expression(text))))


def columns_of(text: str) -> tuple[str, ...]:
    """Names in a sum of terms."""
    factors = (factor for term in parse_terms(text).terms for factor in term.factors)
    return tuple(dict.fromkeys(name for factor in factors for name in names_in(factor)))


def names_in(node: Node) -> Iterator[str]:
    return (inner.name for inner in walk(node) if isinstance(inner, Name))


def _functions(node: Node) -> Iterator[str]:
    return (inner.function for inner in walk(node) if isinstance(inner, Call))


def walk(node: Node) -> Iterator[Node]:
    """An expression and all its parts, in the order written."""
    yield node
    for child in _children(node):
        yield from walk(child)


def _children(node: Node) -> tuple[Node, ...]:
    match node:
        case Call(arguments=arguments, keywords=keywords):
            return (*arguments, *(value for _, value in keywords))
        case Listing(items=items):
            return tuple(items)
        case Operation(left=left, right=right):
            return (left, right)
        case Paren(inner=inner) | Sign(operand=inner):
            return (inner,)
    return ()
