"""Several responses on the left side, `mv(weight, height)`: a formula for each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mixedbayes.formula.nodes import Call, Literal, Name, column
from mixedbayes.formula.parser import parse_expression
from mixedbayes.formula.tokens import fail
from mixedbayes.formula.types import Formula

RESPONSES = "mv"
_WRITE = "write mv(weight, height) ~ age + (1 | p | child), with a column for each response"
_ADDITIONS = ("trials", "se", "rate")


def responses(formula: Formula) -> tuple[str, ...]:
    """Names of the columns that `mv(...)` joins, in its order; none where there is one response.

    Raises
    ------
    FormulaError
        With the formula, carets under the place, and the remedy.
    """
    node = parse_expression(formula.response.text)
    if not isinstance(node, Call) or node.function != RESPONSES:
        return ()
    found = tuple(a.name for a in node.arguments if isinstance(a, Name))
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
    _check_additions(formula)
    return found


def _is_bool(node: object) -> bool:
    return isinstance(node, Literal) and isinstance(node.value, bool)


def _check_additions(formula: Formula) -> None:
    """After the bar there may be weights alone."""
    response = formula.response
    if response.mi:
        fail(
            formula.text, response.span,
            "mi() beside several responses, of which a row may lack some as it is",
            "leave mi() out: predict() has the responses that a row lacks",
        )  # fmt: skip
    said = [name for name in _ADDITIONS if getattr(response, name) is not None]
    said += [text.partition("(")[0] for text in response.limits]
    if said:
        fail(
            formula.text, response.span,
            f"{said[0]}() is not offered with several responses, whose residuals are normal",
            "weights(w) is; else fit the response that needs it by itself",
        )  # fmt: skip


def correlated(formula: Formula) -> bool:
    """Whether the residuals of several responses are correlated: unless `rescor=False`."""
    node = parse_expression(formula.response.text)
    said = dict(node.keywords) if isinstance(node, Call) else {}
    return bool(getattr(said.get("rescor"), "value", True))


def each(
    formula: Formula, parameters: Mapping[str, Sequence[str]] | None = None
) -> tuple[Formula, ...]:
    """A formula for each response: the first one's right side, unless it has a formula of its own.

    Further formulas are of a response, `height ~ age + sex`, which takes the place of the first
    one's right side; of a parameter of all responses that have it, `sigma ~ age`, whose
    coefficients differ by response; or of that of one, `sigma_height ~ age`. `parameters` has those
    of each response, by default sigma.

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
        if f.of in names:
            own[f.of] = f
        elif f.of in every:
            for name in names:
                if f.of in owned[name]:
                    further[name][f.of] = f
        elif f.of in of_one:
            parameter, name = of_one[f.of]
            further[name][parameter] = f
        else:
            known = ", ".join([*names, *every, *of_one])
            fail(
                f.text, f.response.span,
                f"`{f.of}` is neither a response of {formula.response.text} nor a parameter",
                f"formulas beside the first may be of {known}",
            )  # fmt: skip
    return tuple(_alone(formula, name, own.get(name), further[name]) for name in names)


def _alone(first: Formula, name: str, own: Formula | None, further: dict[str, Formula]) -> Formula:
    """The formula of one response by itself."""
    right = first if own is None else own
    text = f"{column(name)} ~ {right.text.partition('~')[2].strip()}"
    others = tuple(
        replace(f, response=replace(f.response, text=p), others=()) for p, f in further.items()
    )
    response = replace(first.response, text=column(name))
    return replace(right, text=text, response=response, others=others)
