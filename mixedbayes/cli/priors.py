"""Priors given as text, `sd[Subject,Days]=HalfNormal(10)`; read as data, never evaluated."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable
from typing import Any

from mixedbayes import distributions
from mixedbayes.distributions import Prior
from mixedbayes.errors import PriorError

_TARGET = re.compile(r"^\s*(?P<name>[^\[\]=]+?)\s*(?:\[(?P<inner>.+)\])?\s*$")
_KINDS = [name for name in distributions.__all__ if name != "Prior"]


def parse_priors(texts: Iterable[str]) -> dict[str, Any]:
    """The dictionary that `mixedbayes.Model` takes, from texts such as these.

    `sigma=Exponential(0.02)`, `fixef=Normal(0, 50)`, `fixef[Days]=Normal(10, 5)`,
    `sd[Subject]=HalfNormal(30)`, `sd[Subject,Days]=HalfNormal(10)`, `cor=LKJ(2)`. Raises
    PriorError, with the text, where one is not understood or a parameter is given twice.
    """
    priors: dict[str, Any] = {}
    for text in texts:
        path, prior = parse_prior(text)
        _put(priors, path, prior, text)
    return priors


def parse_prior(text: str) -> tuple[tuple[str, ...], Prior]:
    """("sd", "Subject", "Days") and the prior, from one text."""
    target, value = _split(text)
    match = _TARGET.match(target)
    if match is None:
        raise PriorError(f"prior {text!r}: no parameter named before '='; for example cor=LKJ(2)")
    inner = [part.strip() for part in match["inner"].split(",")] if match["inner"] else []
    if not all(inner) or len(inner) > 2:
        raise PriorError(
            f"prior {text!r}: give [term], [group] or [group,term] after {match['name']}"
        )
    return (match["name"], *inner), _distribution(value.strip(), text)


def _split(text: str) -> tuple[str, str]:
    """At the first '=' outside brackets, as term names may hold one."""
    depth = 0
    for i, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if character == "=" and depth == 0:
            return text[:i], text[i + 1 :]
    raise PriorError(
        f"prior {text!r}: write parameter=Distribution(...), e.g. sigma=HalfNormal(30)"
    )


def _distribution(value: str, text: str) -> Prior:
    try:
        call = ast.parse(value, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise PriorError(f"prior {text!r}: {value!r} is not of the form Normal(0, 5)") from error
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise PriorError(f"prior {text!r}: {value!r} is not of the form Normal(0, 5)")
    name = call.func.id
    if name not in _KINDS:
        near = difflib.get_close_matches(name, _KINDS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise PriorError(f"prior {text!r}: no distribution {name!r}{hint} Known: {_known()}")
    positional = [_number(node, text) for node in call.args]
    if any(keyword.arg is None for keyword in call.keywords):
        raise PriorError(f"prior {text!r}: ** is not understood; name each argument")
    named = {str(keyword.arg): _number(keyword.value, text) for keyword in call.keywords}
    try:
        return getattr(distributions, name)(*positional, **named)
    except TypeError as error:
        reason = str(error).replace("__init__()", "").replace(f"{name}.", "").strip()
        raise PriorError(f"prior {text!r}: {name} {reason}") from error
    except PriorError as error:
        raise PriorError(f"prior {text!r}: {error}") from error


def _known() -> str:
    return ", ".join(_KINDS)


def _number(node: ast.expr, text: str) -> float:
    sign = 1.0
    while isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        sign = -sign if isinstance(node.op, ast.USub) else sign
        node = node.operand
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return sign * float(value)
    raise PriorError(f"prior {text!r}: {ast.unparse(node)!r} is not a number")


def _put(priors: dict[str, Any], path: tuple[str, ...], prior: Prior, text: str) -> None:
    at = priors
    for key in path[:-1]:
        at = at.setdefault(key, {})
        if not isinstance(at, dict):
            raise PriorError(f"prior {text!r}: {key} already has one prior for all its terms")
    if path[-1] in at:
        raise PriorError(f"prior {text!r}: {', '.join(path)} already has a prior")
    at[path[-1]] = prior
