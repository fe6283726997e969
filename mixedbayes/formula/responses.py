"""Several responses on the left side, `mv(weight, height)`: a formula for each of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from mixedbayes.formula.counts import count_columns
from mixedbayes.formula.nodes import Call, Literal, Name, Node, column, unparse
from mixedbayes.formula.parser import parse_expression
from mixedbayes.formula.tokens import fail
from mixedbayes.formula.types import Formula, Response

RESPONSES = "mv"
_WRITE = "write mv(weight, height) ~ age + (1 | p | child), with a column for each response"


def responses(formula: Formula) -> tuple[str, ...]:
    """Names of the responses that `mv(...)` joins, in its order; none where there is one.

    Each is a column, or counts of categories in several columns, `cbind(a, b, c)`.

    Raises
    ------
    FormulaError
        With the formula, carets under the place, and the remedy.
    """
    node = parse_expression(formula.response.text)
    if not isinstance(node, Call) or node.function != RESPONSES:
        return ()
    found = tuple(name for a in node.arguments if (name := _name(a)))
    text, span = formula.text, formula.response.span
    if len(found) < len(node.arguments):
        fail(
            text, span, "the responses that mv() joins are columns by name",
            "make a column of what is computed, and name that",
        )  # fmt: skip
    if twice := sorted({name for name in found if found.count(name) > 1}):
        fail(text, span, f"`{twice[0]}` is joined twice", "name each response once")
    if len(found) < 2:
        fail(text, span, "mv() joins several responses", f"{_WRITE}; of one write it alone")
    keywords = dict(node.keywords)
    value = keywords.pop("rescor", None)
    if keywords or (value is not None and not _is_bool(value)):
        fail(
            text, span,
            "besides its columns mv() takes rescor=False, for residuals that are not correlated",
            "write mv(weight, height, rescor=False) ~ ...",
        )  # fmt: skip
    for f in (formula, *formula.others):
        if f.response.mi:
            fail(
                f.text, f.response.span,
                "mi() beside several responses, of which a row may lack some as it is",
                "leave mi() out: rows keep the responses that they have; missing() has the others",
            )  # fmt: skip
    return found


def _name(node: Node) -> str:
    """What a response is called: its column, or `cbind(a, b, c)`; empty of all others."""
    if isinstance(node, Name):
        return node.name
    return unparse(node) if count_columns(unparse(node)) else ""


def _is_bool(node: object) -> bool:
    return isinstance(node, Literal) and isinstance(node.value, bool)


def left_sides(formula: Formula) -> dict[str, Response]:
    """The left side of each response by itself.

    What stands after the bar is said in its own formula, `count | trials(n) ~ age`, else in that of
    all.
    """
    node = parse_expression(formula.response.text)
    assert isinstance(node, Call)
    texts = {_name(a): unparse(a) for a in node.arguments}
    own = {_called(f): f.response for f in formula.others}
    found = {}
    for name, text in texts.items():
        left = own.get(name)
        said = left if left is not None and (left.wrappers or left.rate) else formula.response
        found[name] = replace(said, text=text, span=formula.response.span)
    return found


def additions(formula: Formula) -> tuple[str, ...]:
    """What is said after the bar of any response, but for weights of all: `trials(n)`."""
    every = (formula.response, *(f.response for f in formula.others))
    said = [text for r in every for text in (*r.wrappers, *([f"rate({r.rate})"] if r.rate else []))]
    return tuple(dict.fromkeys(t for t in said if t != formula.response.weighing))


def _called(f: Formula) -> str:
    """The name of what a further formula is of."""
    return _name(parse_expression(f.response.text)) or f.of


def correlated(formula: Formula) -> bool:
    """Whether the residuals of several responses are correlated: unless `rescor=False`."""
    node = parse_expression(formula.response.text)
    said = dict(node.keywords) if isinstance(node, Call) else {}
    return bool(getattr(said.get("rescor"), "value", True))


def each(
    formula: Formula,
    parameters: Mapping[str, Sequence[str]] | None = None,
    unknown: Collection[str] = (),
) -> tuple[Formula, ...]:
    """A formula for each response: the first one's right side, unless it has a formula of its own.

    Further formulas are of a response, `height ~ age + sex`, which takes the place of the first
    one's right side; of a parameter of all responses that have it, `sigma ~ age`, whose
    coefficients differ by response; or of that of one, `sigma_height ~ age`. `parameters` has those
    of each response, by default sigma. Responses that are `unknown` have others, which follow from
    the data: what no other response has is theirs.

    Raises
    ------
    FormulaError
        For the formula of something else, with the names that there are.
    """
    names = responses(formula)
    own: dict[str, Formula] = {}
    further: dict[str, dict[str, Formula]] = {name: {} for name in names}
    owned = {name: ("sigma",) if parameters is None else parameters[name] for name in names}
    every = list(dict.fromkeys(p for own in owned.values() for p in own))
    of_one = {f"{p}_{name}": (p, name) for p in every for name in names if p in owned[name]}
    for f in sorted(formula.others, key=lambda f: f.of in of_one):
        called = _called(f)
        if called in names:
            own[called] = f
            continue
        _check_bare(f)
        if f.of in every:
            for name in names:
                if f.of in owned[name]:
                    further[name][f.of] = f
        elif f.of in of_one:
            parameter, name = of_one[f.of]
            further[name][parameter] = f
        elif unknown:
            for name in unknown:
                further[name][f.of.removesuffix(f"_{name}")] = f
        else:
            known = ", ".join([*names, *every, *of_one])
            fail(
                f.text, f.response.span,
                f"`{f.of}` is neither a response of {formula.response.text} nor a parameter",
                f"formulas beside the first may be of {known}",
            )  # fmt: skip
    lefts = left_sides(formula) if names else {}
    return tuple(_alone(formula, lefts[name], own.get(name), further[name]) for name in names)


def _check_bare(f: Formula) -> None:
    """Nothing stands after the bar of a parameter."""
    response = f.response
    if response.wrappers or response.rate or not isinstance(parse_expression(response.text), Name):
        fail(
            f.text, response.span,
            "the left side of a further formula is the name of a response or a parameter",
            "what stands after the bar, such as trials(n), belongs to a response: "
            "count | trials(n) ~ age",
        )  # fmt: skip


def _alone(
    first: Formula, left: Response, own: Formula | None, further: dict[str, Formula]
) -> Formula:
    """The formula of one response by itself."""
    right = first if own is None else own
    own_said = [text for text in left.wrappers if text != first.response.weighing]
    more = f" | {' + '.join(own_said)}" if own_said else ""
    text = f"{left.text}{more} ~ {right.text.partition('~')[2].strip()}"
    others = tuple(
        replace(f, response=replace(f.response, text=column(p)), others=())
        for p, f in further.items()
    )
    return replace(right, text=text, response=left, others=others)
