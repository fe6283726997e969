"""Smooths in a formula: `s(x)`, `s(x, k=20, bs="cr", by=f)`, `s(x, g, bs="fs")`, `t2(a, b)`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NoReturn

from mixedbayes.formula.nodes import Call, Literal, Name, Node, Sign, listed, unparse
from mixedbayes.formula.parser import parse_terms
from mixedbayes.formula.terms import Term, Terms
from mixedbayes.formula.tokens import fail
from mixedbayes.formula.types import Span
from mixedbayes.smooths.registry import BASES

ONE, PRODUCT = "s", "t2"  # one penalty; products of one variable each, with separable penalties
SMOOTHS = (ONE, PRODUCT)
LEVELS = "fs"  # a curve of each level of a factor
_SETTINGS = ("k", "bs", "by", "knots")


@dataclass(frozen=True)
class SmoothTerm:
    """One smooth, as text alone."""

    text: str  # as written
    function: str  # "s", "t2"
    variables: tuple[Node, ...]
    k: tuple[int, ...] = ()  # one for all variables of t2() or one for each; none: the default
    bs: tuple[str, ...] = ()  # likewise
    by: Node | None = None  # a factor: a curve of each level; numbers: they multiply the curve
    level: Name | None = None  # of bs="fs": the factor
    knots: tuple[float, ...] = ()
    default: ClassVar[dict[str, str]] = {ONE: "tp", PRODUCT: "cr"}

    @property
    def name(self) -> str:
        """ "s(x)", without its settings; "s(x, g)" of a curve of each level."""
        inside = (*self.variables, *(() if self.level is None else (self.level,)))
        return f"{self.function}({', '.join(map(unparse, inside))})"

    @property
    def bases(self) -> tuple[str, ...]:
        """A basis for each variable of t2(), one for s()."""
        count = len(self.variables) if self.function == PRODUCT else 1
        given = self.bs or (self.default[self.function],)
        return given * count if len(given) == 1 else given


def is_smooth(node: Node, own: Collection[str] = ()) -> bool:
    """Whether a factor of a term is a smooth; `own` are functions that the caller passed."""
    return isinstance(node, Call) and node.function in SMOOTHS and node.function not in own


def apart(terms: Terms, text: str, own: Collection[str] = ()) -> tuple[Terms, list[SmoothTerm]]:
    """The terms of a population part without its smooths, and these.

    Raises
    ------
    FormulaError
        Where a smooth stands in a product, or what is in its parentheses is not understood.
    """
    smooths: list[SmoothTerm] = []
    rest: list[Term] = []
    for term in terms.terms:
        calls = [f for f in term.factors if is_smooth(f, own)]
        if not calls:
            rest.append(term)
            continue
        if len(term.factors) > 1:
            other = next(f for f in term.factors if f is not calls[0])
            inside = unparse(calls[0]).removesuffix(")")
            fail(
                text, calls[0].span,
                "a smooth can only be added to other terms",
                f"write {inside}, by={unparse(other)}) for a curve of each level of a factor, or "
                "for one that a number multiplies",
            )  # fmt: skip
        assert isinstance(calls[0], Call)
        smooths.append(read(calls[0], text))
    return replace(terms, terms=tuple(rest)), smooths


def refuse_inside(terms: Terms, text: str, own: Collection[str] = ()) -> None:
    """FormulaError where a smooth stands to the left of a bar."""
    for node in (f for term in terms.terms for f in term.factors if is_smooth(f, own)):
        inside = unparse(node).removesuffix(")")
        fail(
            text, Span(0, len(text)),
            "a curve that varies over groups is no effect of a bar",
            f'write {inside}, g, bs="fs") in the place of the bar: a curve of each level of g',
        )  # fmt: skip


def of_levels(text: str) -> list[SmoothTerm]:
    """The curves of each level of a factor in a population part."""
    calls = (f for term in parse_terms(text).terms for f in term.factors if is_smooth(f))
    own = (c for c in calls if isinstance(c, Call) and _value(dict(c.keywords).get("bs")) == LEVELS)
    return [read(call, text) for call in own]


def read(call: Call, text: str) -> SmoothTerm:
    """What a call says; spans are places in `text`."""
    said = dict(call.keywords)
    for name, node in said.items():
        if name not in _SETTINGS:
            fail(
                text, node.span,
                f"{call.function}() has no {name}=",
                f"it takes variables, {', '.join(f'{s}=' for s in _SETTINGS)}",
            )  # fmt: skip
    bs = _each(said.get("bs"), text, str, 'a basis is a text: bs="cr"')
    k = _each(said.get("k"), text, int, "k= is a whole number, or a list of them for t2()")
    knots = _each(said.get("knots"), text, (int, float), "knots= is a list of numbers")
    found = SmoothTerm(
        text=unparse(call),
        function=call.function,
        variables=call.arguments,
        k=k,
        bs=bs,
        by=said.get("by"),
        knots=tuple(map(float, knots)),
    )
    if call.function == ONE and bs == (LEVELS,):
        found = _of_levels(found, call, text)
    else:
        _check_bases(found, said.get("bs", call), text)
    _check(found, call, text)
    return found


def _each(node: Node | None, text: str, kind: Any, fact: str) -> tuple[Any, ...]:
    """The values of a setting: one, or those of a list."""
    if node is None:
        return ()
    values = [_value(item) for item in listed(node)]
    if not values or any(not isinstance(v, kind) or isinstance(v, bool) for v in values):
        remedy = 'write for example s(x, k=20, bs="cr"), t2(a, b, k=[5, 8]) or knots=[0, 12]'
        fail(text, node.span, fact, remedy)
    return tuple(values)


def _value(node: Node | None) -> Any:
    if isinstance(node, Sign) and isinstance(node.operand, Literal):
        number = node.operand.value
        if isinstance(number, int | float):
            return -number if node.operator == "-" else number
    return node.value if isinstance(node, Literal) else None


def _of_levels(found: SmoothTerm, call: Call, text: str) -> SmoothTerm:
    several = len(found.variables) != 2 or found.by is not None or found.knots
    if several or not isinstance(found.variables[1], Name):
        fail(
            text, call.span,
            'bs="fs" is a curve along one variable for each level of a factor, which is a column',
            'write s(x, g, bs="fs"), the factor last, without by= and knots=',
        )  # fmt: skip
    variable, level = found.variables
    assert isinstance(level, Name)
    return replace(found, variables=(variable,), level=level, bs=())


def _check_bases(found: SmoothTerm, at: Node, text: str) -> None:
    known = [*BASES, LEVELS] if found.function == ONE else list(BASES)
    for name in found.bs:
        if name == "re":
            fail(
                text, at.span,
                'bs="re" are random effects',
                "write (1 | g), or (0 + x | g) for slopes",
            )  # fmt: skip
        if name not in known:
            fail(
                text, at.span,
                f"bs={name!r} is not offered",
                f"{found.function}() takes bs= {', '.join(map(repr, known))}",
            )  # fmt: skip
    if found.function == ONE and len(found.variables) > 1 and found.bs not in ((), ("tp",)):
        fail(
            text, at.span,
            f"bs={found.bs[0]!r} is of one variable",
            f"write {found.name} for a thin plate, the same in all directions, or "
            f"{PRODUCT}({', '.join(map(unparse, found.variables))}) for variables of different "
            "units",
        )  # fmt: skip


def _check(found: SmoothTerm, call: Call, text: str) -> None:
    written = [unparse(v) for v in found.variables]
    if len(set(written)) < len(written):
        _fail(call, text, "a variable stands twice in one smooth", "name each once")
    several = found.function == PRODUCT
    if several and len(written) < 2:
        _fail(call, text, "t2() is of two variables or more", f"write s({written[0]})")
    for setting, values in (("k", found.k), ("bs", found.bs)):
        most = len(written) if several else 1
        if len(values) not in (0, 1, most):
            _fail(
                call, text,
                f"{setting}= has {len(values)} values for {most} variable(s)",
                "give one for all" + (", or one for each" if several else ""),
            )  # fmt: skip
    if found.knots and (several or not BASES[found.bases[0]].placed):
        takers = [f'bs="{name}" ({b.placed})' for name, b in BASES.items() if b.placed]
        _fail(call, text, "there are no knots to place", f"s() takes them with {', '.join(takers)}")


def _fail(call: Call, text: str, fact: str, remedy: str) -> NoReturn:
    fail(text, call.span, fact, remedy)
