"""The right side of a bar: columns, and what `gr(...)` and `mm(...)` say of their levels."""

from __future__ import annotations

from typing import NoReturn

from mixedbayes.formula.nodes import Call, Listing, Literal, Name, Node, listed, unparse
from mixedbayes.formula.tokens import fail
from mixedbayes.terms.bars import LAW, PLAIN, Grouper

_GR = 'write gr(g, cov=A), gr(g, precision=Q), gr(g, by=arm) or gr(g, law="student")'
_MM = "write mm(a, b, c), or mm(a, b, c, weights=(wa, wb, wc))"
# brms' other words inside gr() and mm(), and how the same is said here.
_ELSEWHERE = {
    "dist": 'the law of the effects is law="student"',
    "id": "an id stands between two bars: (x | id | g)",
    "cor": "write (x || g) for effects without correlations",
    "pw": "weights of levels are not offered; write y | weights(w) ~ ... for rows",
}


def read(node: Node, text: str) -> tuple[Node, Grouper]:
    """The columns of a bar's right side, for `mm` as a list of them, and what is said beside."""
    match node:
        case Call("gr", arguments, keywords):
            return _gr(node, arguments, dict(keywords), text)
        case Call("mm", arguments, keywords):
            return _mm(node, arguments, dict(keywords), text)
    return node, PLAIN


def members(node: Node) -> tuple[str, ...] | None:
    """Columns of a membership, as `read` gives them; None of any other right side."""
    if not isinstance(node, Listing):
        return None
    return tuple(item.name for item in node.items if isinstance(item, Name))


def _gr(
    node: Call, arguments: tuple[Node, ...], said: dict[str, Node], text: str
) -> tuple[Node, Grouper]:
    if len(arguments) != 1:
        fail(text, node.span, "gr() has one grouping factor", _GR)
    if not said:
        fail(text, node.span, "gr() says nothing of the levels", f"write (... | g); or {_GR[6:]}")
    found = _shared(node, said, text)
    for key in said:
        _unknown(text, said[key], key, "gr", ("cov", "precision", "by", "law", "nu"), _GR)
    return arguments[0], found


def _mm(
    node: Call, arguments: tuple[Node, ...], said: dict[str, Node], text: str
) -> tuple[Node, Grouper]:
    names = [item.name for item in arguments if isinstance(item, Name)]
    if not arguments or len(names) < len(arguments):
        odd = next((item for item in arguments if not isinstance(item, Name)), node)
        fail(text, odd.span, "mm() has columns, one for each place that a row may be in", _MM)
    if twice := [name for name in names if names.count(name) > 1]:
        fail(text, node.span, f"`{twice[0]}` stands twice in mm()", "name each column once")
    weights, scale = said.pop("weights", None), said.pop("scale", None)
    texts: tuple[str, ...] = ()
    if weights is not None:
        items = listed(weights)
        if len(items) != len(names):
            fail(
                text, weights.span,
                f"mm() has {len(names)} column(s), and weights= has {len(items)}",
                "give one weight for each column: "
                f"weights=({', '.join(f'w_{name}' for name in names)})",
            )  # fmt: skip
        texts = tuple(map(unparse, items))
    if scale is not None and not (_is_flag(scale) and texts):
        fail(
            text, scale.span,
            "scale= says whether weights= are divided by their sum: True or False",
            "write weights=(wa, wb), scale=False to keep them as they are",
        )  # fmt: skip
    found = _shared(node, said, text)
    if found.by:
        fail(
            text, node.span,
            "rows lie in several levels of mm(), which may be in several groups of by=",
            "leave out by=",
        )  # fmt: skip
    for key in said:
        _unknown(
            text, said[key], key, "mm", ("weights", "scale", "cov", "precision", "law", "nu"), _MM
        )
    both = Listing(arguments, node.span)
    keep = scale is None or bool(getattr(scale, "value", True))
    return both, Grouper(
        found.law, found.numbers, found.relation, found.precision, "", True, texts, keep
    )


def _shared(node: Call, said: dict[str, Node], text: str) -> Grouper:
    """What `gr` and `mm` have in common, taken out of what is said."""
    cov, precision = said.pop("cov", None), said.pop("precision", None)
    if cov is not None and precision is not None:
        fail(
            text, node.span,
            "cov= and precision= both say how the levels are related", "keep one of them",
        )  # fmt: skip
    relation = cov if precision is None else precision
    by, law, nu = said.pop("by", None), said.pop("law", None), said.pop("nu", None)
    return Grouper(
        law=LAW if law is None else _law(law, text),
        numbers=() if nu is None else (("nu", _number(nu, law, text)),),
        relation="" if relation is None else _name(
            relation, text, "the name of a matrix in known=", 'gr(g, cov=A), with known={"A": ...}'
        ),
        precision=precision is not None,
        by="" if by is None else _name(by, text, "a column", "gr(g, by=arm)"),
    )  # fmt: skip


def _name(node: Node, text: str, what: str, way: str) -> str:
    if not isinstance(node, Name):
        fail(text, node.span, f"this is {what}", f"write {way}")
    return node.name


def _law(node: Node, text: str) -> str:
    # What laws are made of takes long to import, and most formulas name none.
    from mixedbayes.terms.registry import LAWS, names_law

    named = node.value if isinstance(node, Literal) else getattr(node, "name", None)
    if isinstance(named, str) and (names_law(named) or named == LAW):
        return named
    known = " or ".join(f'law="{name}"' for name in LAWS)
    return fail(text, node.span, "a law of the effects that is not known", f"write {known}")


def _number(node: Node, law: Node | None, text: str) -> float:
    value = node.value if isinstance(node, Literal) else None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 < value < float("inf")
    ):
        fail(
            text, node.span,
            "nu= is a number above 0, the degrees of freedom of the effects",
            'write nu=4, or leave it out: it is then estimated',
        )  # fmt: skip
    if law is None:
        fail(text, node.span, "nu= is of Student-t effects", f'write law="student", nu={value:g}')
    return float(value)


def _is_flag(node: Node) -> bool:
    return isinstance(node, Literal) and isinstance(node.value, bool)


def _unknown(
    text: str, node: Node, key: str, function: str, known: tuple[str, ...], way: str
) -> NoReturn:
    remedy = _ELSEWHERE.get(key, f"known are {', '.join(f'{name}=' for name in known)}; {way}")
    fail(text, node.span, f"{function}() has no {key}=", remedy)
