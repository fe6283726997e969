"""Text to Formula: the response with its wrappers, the population part, and the bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NoReturn

from mixedbayes.errors import FormulaError
from mixedbayes.formula import groupers
from mixedbayes.formula.elsewhere import in_formula
from mixedbayes.formula.ids import check_ids
from mixedbayes.formula.nodes import (
    Bar,
    Call,
    Literal,
    Name,
    Node,
    Operation,
    Paren,
    Sum,
    column,
    has_column,
    unparse,
)
from mixedbayes.formula.structured import group_text, of_levels, structured
from mixedbayes.formula.syntax import Parser
from mixedbayes.formula.terms import Terms, as_column, expand
from mixedbayes.formula.tokens import fail
from mixedbayes.formula.types import Axes, Formula, RandomTerm, Response, Span
from mixedbayes.formula.words import CATEGORIES, GROUPS, our_way
from mixedbayes.formula.wrappers import censoring, imputation, truncation
from mixedbayes.terms.bars import BARS, LAW, Grouper, bar_text

_WRAPPERS = ("trials", "weights", "se", "rate", "cens", "trunc", "mi")
_LONGEST = 100_000


def parse(text: str) -> Formula:
    """Read a model formula, `y ~ x + (x | g)`, without looking at any data.

    Understood are lme4's and brms's forms: `(x | g)` for correlated, `(x || g)` for uncorrelated
    effects, `(x | id | g)` for effects that are correlated with those of the same id in other
    formulas, `cs(visit | g)`, `ar1(visit | g)`, `ou(time | g)` and `toep(visit | g)` for effects of
    the levels of a variable, `(1 | a/b)`, `(1 | a:b)`, several bars, `a*b`, `a:b`, `(a + b)**2`,
    `a/b`, `0 +`, `- 1`, `offset(log(t))`, `successes | trials(n)`, `y | weights(w)`, `y | se(s)`,
    `y | se(s, sigma=True)`, `count | rate(t)`, `y | cens(censored)`, `y | trunc(0, 100)`,
    `y | mi()`, calls such as `poly(x, 2)` and `mo(x)`, and column names in backticks or quotes.

    Smooths are `s(x)`, `s(x, k=20, bs="cr", by=f)` with the bases tp, cr, cc and ps, `s(a, b)`,
    `s(x, g, bs="fs")` for a curve of each level of g, and `t2(a, b)`, as in mgcv.

    With `||` every correlation of that bar is zero, also those between the indicator columns
    of a categorical predictor, as in brms (lme4 keeps the latter).

    Raises
    ------
    FormulaError
        With the formula, carets under the place, and the remedy.

    Examples
    --------
    >>> parse("Reaction ~ Days + (Days | Subject)").random[0].effects
    '1 + Days'
    """
    if not isinstance(text, str):
        raise FormulaError(
            f'a formula is a text such as "y ~ x + (1 | g)", not {type(text).__name__}'
        )
    if not text.strip():
        raise FormulaError('the formula is empty; write for example "y ~ x + (1 | g)"')
    if len(text) > _LONGEST:
        raise FormulaError(f"the formula has {len(text):,} characters; at most {_LONGEST:,}")
    if (foreign := in_formula(text)) is not None:
        start, end, way = foreign
        fact = f"`{text[start:end]}` is about residuals, which stand beside the formula"
        fail(text, Span(start, end), fact, way)
    parser = Parser(text)
    response = _response(parser)
    node = parser.sum()
    parser.end()
    terms = expand(node, text)
    exposures = () if response.rate is None else (f"log({response.rate})",)
    random = tuple(bar for paren in terms.bars for bar in _bars(paren, text))
    _check_disjoint(random, text)
    check_ids([(text, random)])
    return Formula(
        text=text,
        response=response,
        fixed=str(terms),
        offsets=(*map(unparse, terms.offsets), *exposures),
        random=random,
    )


@lru_cache(maxsize=256)
def parse_terms(text: str) -> Terms:
    """The terms of a population part or of a bar's left side, as `Formula` keeps them."""
    parser = Parser(text)
    node = parser.sum()
    parser.end()
    return expand(node, text)


def parse_expression(text: str) -> Node:
    """One value computed from columns: the response, an offset, trials or weights."""
    parser = Parser(text)
    node = parser.arithmetic()
    parser.end()
    return node


def canonical(formula: Formula | str) -> str:
    """One text for all spellings of a formula: `y~x*z` is "y ~ 1 + x + z + x:z"."""
    if isinstance(formula, str):
        formula = parse(formula)
    response = formula.response
    left = " | ".join(filter(None, (response.text, " + ".join(response.wrappers))))
    offsets = [f"offset({text})" for text in formula.offsets]
    bars = [
        bar_text(bar.structure, bar.effects, bar.grouper.text(bar.factors, column), bar.id)
        for bar in formula.random
    ]
    return f"{left} ~ {' + '.join([formula.fixed, *offsets, *bars])}"


# the left side


def _response(parser: Parser) -> Response:
    if parser.operator() == "~":
        parser.fail("nothing to the left of `~`", "name the response: y ~ x + (1 | g)")
    node = as_column(parser.arithmetic())
    wrappers = _wrappers(parser) if parser.operator() == "|" else {}
    if parser.token.kind == "end":
        parser.fail("no `~` in the formula", "write response ~ terms: y ~ x + (1 | g)")
    if parser.operator() != "~":
        parser.unexpected()
    parser.take()
    if not has_column(node):
        parser.fail("the response has no column", "name the response: y ~ x", node.span)
    return Response(unparse(node), node.span, **wrappers)


def _wrappers(parser: Parser) -> dict[str, Any]:
    """`| trials(n) + weights(w)`."""
    found: dict[str, Any] = {}
    while parser.operator() in ("|", "+"):
        parser.take()
        node = parser.operand(_NOTHING)
        known = ", ".join(f"{name}(...)" for name in _WRAPPERS)
        way = our_way(node.function) if isinstance(node, Call) else None
        way = f"{way}; " if way else ""
        if not isinstance(node, Call) or node.function not in _WRAPPERS:
            parser.fail(
                f"`{parser.text[node.span.start : node.span.end]}` is no property of the response",
                f"{way}after the response's `|` come {known}; "
                "a grouping bar goes on the right: (1 | g)",
                node.span,
            )
        if node.function in found:
            parser.fail(f"{node.function}() is given twice", "keep one of them", node.span)
        if node.function in _OBSERVED:
            found[node.function] = _OBSERVED[node.function](parser, node)
            continue
        if node.function == "se":
            found["se_adds"] = _adds(parser, node)
        elif len(node.arguments) != 1 or node.keywords:
            parser.fail(
                f"{node.function}() takes one argument",
                f"name a column: y | {node.function}(n) ~ ...",
                node.span,
            )
        found[node.function] = unparse(as_column(node.arguments[0]))
    if {"se", "weights"} <= found.keys():
        parser.fail(
            "se() and weights() both say how precise a row is",
            "keep one of them: se(s / sqrt(w)) has the variance s^2 / w",
        )
    if {"mi", "cens"} <= found.keys():
        parser.fail(
            "mi() and cens() both say what is known of a response",
            "of a row of which nothing is known leave cens() out; of the others keep it: a row "
            "without a response is left out then, and predict() has it",
        )
    return found


_OBSERVED: dict[str, Callable[[Parser, Call], Any]] = {
    "cens": censoring, "trunc": truncation, "mi": imputation,
}  # fmt: skip


def _adds(parser: Parser, node: Call) -> bool:
    """Whether the residual sd is estimated beside known standard errors: `se(s, sigma=True)`."""
    said = dict(node.keywords)
    value = getattr(said.pop("sigma", None), "value", False) if said else False
    if len(node.arguments) != 1 or said or not isinstance(value, bool):
        parser.fail(
            "se() takes the column of standard errors, and whether there is a residual sd beside",
            "write y | se(s) ~ ..., or y | se(s, sigma=True) ~ ...",
            node.span,
        )
    return value


_NOTHING: dict[str, tuple[int, int]] = {}  # a table without operators


# the bars


def _bars(paren: Paren, text: str) -> list[RandomTerm]:
    bar = paren.inner
    assert isinstance(bar, Bar)
    paren, bar = structured(paren, bar, text)
    effects = expand(bar.effects, text)
    for inner in (*effects.offsets, *effects.bars):
        fail(
            text, inner.span,
            "a bar or an offset inside a bar",
            "effects that vary are terms: (1 + x | g); add bars and offsets outside",
        )  # fmt: skip
    if not effects.intercept and not effects.terms:
        fail(
            text, bar.effects.span,
            "nothing varies over the groups: the intercept is taken away and no term is left",
            "write (1 | g), or (0 + x | g)",
        )  # fmt: skip
    written = " ".join(text[paren.span.start : paren.span.end].split())
    group, grouper = groupers.read(bar.group, text)
    structure = paren.structure or BARS[bar.operator]
    effects = of_levels(structure, bar.effects, effects, group_text(bar.group), text)
    spelled = str(effects)
    if bar.id and (grouper.by or grouper.law != LAW):
        said = text[bar.group.span.start : bar.group.span.end]
        fail(
            text, bar.group.span,
            "effects with an id are normal and have one covariance at all levels, and "
            f"`{said}` says that these have not",
            f"write one of the two: (x | {bar.id} | g), or (x | {said})",
        )  # fmt: skip
    places = groupers.members(group)
    nesting = factors_of(group, text) if places is None else [places]
    if len(nesting) > 1 or len(nesting[0]) > 1:
        _check_single(grouper, bar.group.span, text)
    return [
        RandomTerm(written, spelled, factors, structure, paren.span, grouper, bar.id)
        for factors in nesting
    ]


def _check_single(grouper: Grouper, span: Span, text: str) -> None:
    """A known relation is one of the levels of a column, or of those that mm() joins."""
    if grouper.relation and not grouper.members:
        fail(
            text, span,
            f"{grouper.relation} says how the levels of one column are related",
            "make a column of the combinations first and name that column",
        )  # fmt: skip


def factors_of(node: Node, text: str) -> list[tuple[str, ...]]:
    """Grouping factors of a bar's right side: `a/b` gives (a,) and (a, b)."""
    match node:
        case Name(name=name):
            return [(name,)]
        case Paren(inner=inner):
            return factors_of(inner, text)
        case Operation(operator="/", left=left, right=right):
            outer = factors_of(left, text)
            return [
                *outer,
                *(_join(outer[-1], f, node.span, text) for f in factors_of(right, text)),
            ]
        case Operation(operator=":", left=left, right=right):
            parts = factors_of(left, text), factors_of(right, text)
            if max(map(len, parts)) == 1:
                return [_join(parts[0][0], parts[1][0], node.span, text)]
    return _not_a_factor(node, text)


def _join(outer: tuple[str, ...], inner: tuple[str, ...], span: Span, text: str) -> tuple[str, ...]:
    for name in inner:
        if name in outer:
            fail(text, span, f"`{name}` stands twice in one grouping factor", "name it once")
    return (*outer, *inner)


def _not_a_factor(node: Node, text: str) -> NoReturn:
    fact = "a grouping factor is a column, or columns joined by `:` or `/`"
    if isinstance(node, Operation) and node.operator == "*":
        remedy = "write the bars out: (1 | a) + (1 | b) + (1 | a:b)"
    elif isinstance(node, Sum):
        remedy = "write one bar for each factor: (1 | a) + (1 | b)"
    elif isinstance(node, Literal):
        remedy = "name a column; for one effect in each row give the data a column of row numbers"
    elif isinstance(node, Call) and node.arguments and node.function in CATEGORIES:
        remedy = f"it is a category as it is: (1 | {unparse(node.arguments[0])})"
    elif isinstance(node, Call) and node.function in GROUPS:
        first = next((a.name for a in node.arguments if isinstance(a, Name)), "g")
        remedy = our_way(node.function, first) or ""
    else:
        remedy = "make a column of it first and name that column"
    fail(text, node.span, fact, remedy)


def _check_disjoint(random: tuple[RandomTerm, ...], text: str) -> None:
    """Each effect varies once over a factor; twice, its two variances could not be told apart."""
    seen: dict[object, dict[frozenset[str], RandomTerm]] = {}
    spelled: dict[object, RandomTerm] = {}
    for bar in random:
        factors = frozenset(bar.factors), bar.grouper.members, bar.grouper.relation
        other = spelled.setdefault(factors, bar)
        if other.group != bar.group:
            fail(
                text, bar.span,
                f"`{bar.group}` is the same factor as `{other.group}` in {other.text}",
                f"write {other.group} in both",
            )  # fmt: skip
        effects, over = parse_terms(bar.effects), seen.setdefault(factors, {})
        keys = [term.key for term in effects.terms]
        for key in ([frozenset({"1"})] if effects.intercept else []) + keys:
            if over.setdefault(key, bar) is bar:
                continue
            name = "Intercept" if key == {"1"} else ":".join(sorted(key))
            fail(
                text, bar.span,
                f"`{name}` varies over `{bar.group}` twice: in {over[key].text} and in {bar.text}",
                "keep it in one of them; for uncorrelated effects write (0 + x | g), or (x || g)",
            )  # fmt: skip


# ---- formulas for several parameters -----------------------------------------------------------


def parse_all(formula: str | Sequence[str]) -> Formula:
    """Read one formula, or several: the response's first, then one for each further parameter.

    >>> parse_all(["y ~ x + (1 | g)", "sigma ~ x"]).others[0].response.text
    'sigma'
    """
    if isinstance(formula, str):
        return parse(formula)
    one = isinstance(formula, bytes | bytearray) or not isinstance(formula, Sequence)
    texts: list[Any] = [formula] if one else list(formula)
    if not texts:
        raise FormulaError('no formula; write for example ["y ~ x + (1 | g)", "sigma ~ x"]')
    first, *others = (parse(text) for text in texts)
    seen: set[str] = set()
    joined = _joins(first)
    for other in others:
        _check_parameter(other, seen, joined=joined)
    check_ids([(f.text, f.random) for f in (first, *others)])
    return replace(first, others=tuple(others))


def _joins(formula: Formula) -> bool:
    """Whether there are several responses, which further formulas may be of; see `responses`."""
    node = parse_expression(formula.response.text)
    return isinstance(node, Call) and node.function == "mv"


def _check_parameter(other: Formula, seen: set[str], *, joined: bool) -> None:
    """The left side of a further formula is the name of a parameter, given once."""
    response, span = other.response, other.response.span
    if not joined and (
        response.wrappers
        or response.rate is not None
        or not isinstance(parse_expression(response.text), Name)
    ):
        fail(
            other.text,
            span,
            "the left side of a further formula is the name of a parameter",
            'write for example ["y ~ x + (1 | g)", "sigma ~ x"], the response\'s formula first',
        )
    if response.text in seen:
        fail(
            other.text,
            span,
            f"{response.text} has two formulas",
            "write one formula with all its terms",
        )
    seen.add(response.text)


# ---- a picture of data --------------------------------------------------------------------------


def parse_axes(text: str) -> Axes:
    """Read what is to be drawn: `y ~ x | group`, `y ~ x`, `y ~ 1 | a:b`.

    Raises
    ------
    FormulaError
        With the formula, carets under the place, and the remedy.

    Examples
    --------
    >>> parse_axes("log(Reaction) ~ Days | Subject").factors
    ('Subject',)
    """
    if not isinstance(text, str) or not text.strip():
        said = "an empty text" if isinstance(text, str) else type(text).__name__
        raise FormulaError(f'what to draw is a text such as "y ~ x | group", not {said}')
    parser, way = Parser(text), "write y ~ x | group"
    y = as_column(parser.arithmetic())
    if parser.operator() != "~":
        parser.fail("a picture has something upwards and something along", way)
    parser.take()
    _check_bars(parser, way)
    x = as_column(parser.arithmetic())
    if isinstance(x, Operation):
        parser.fail(
            "one thing is along a picture's axis, and this is several",
            f"{way}; of a sum or product I({text[x.span.start : x.span.end]})",
            x.span,
        )
    if not has_column(x) and not (isinstance(x, Literal) and x.value == 1):
        parser.fail("nothing to draw along", f"{way}, or y ~ 1 | group", x.span)
    factors: tuple[str, ...] = ()
    if parser.operator() == "|":
        parser.take()
        node = parser.sum()
        if not isinstance(node, Name) and getattr(node, "operator", "") not in (":", "/"):
            parser.fail(
                "a group is a column, or columns joined by `:`",
                f"{way}; of several factors | a:b",
                node.span,
            )
        factors = factors_of(node, text)[-1]
    parser.end()
    if not has_column(y):
        parser.fail("nothing to draw upwards: there is no column", way, y.span)
    return Axes(text, unparse(y), unparse(x) if has_column(x) else None, factors)


def _check_bars(parser: Parser, way: str) -> None:
    """One bar at most, and none in parentheses, which belong to models."""
    depth, bars = 0, 0
    for token in parser.tokens[parser.at :]:
        value = token.value if token.kind == "op" else ""
        depth += (value == "(") - (value == ")")
        if value not in ("|", "||"):
            continue
        bars += 1
        if depth or value == "||":
            fact = "a picture shows data, and effects in parentheses belong to models"
            parser.fail(fact, f"{way}, without parentheses", token.span)
        if bars > 1:
            parser.fail("a picture has one bar", f"{way}; of several factors | a:b", token.span)
