"""What plain data from a file must look like, declared, and one check of it.

A kind is written as the data are:

- `str`, `int`, `float` (whole numbers too), `bool`, `None`;
- ``(int, None)``: one of these;
- ``[str]``: a list of any length;
- ``{"name": str, "unit?": str}``: an object with these names and no others, those with a question
  mark optional;
- ``Each(str)``: an object with any names;
- `ANY`: whatever JSON can say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mixedbayes.errors import FileError

ANY = object()
_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class Each:
    """An object with any names, each value of one kind."""

    of: Any


def check(value: Any, kind: Any, place: str) -> None:
    """FileError unless `value` is of this kind; `place` says where it stands."""
    if kind is ANY:
        return
    if isinstance(kind, tuple):
        _check_one_of(value, kind, place)
    elif isinstance(kind, list):
        _check_type(value, list, "a list", place)
        for i, item in enumerate(value):
            check(item, kind[0], f"{place}[{i}]")
    elif isinstance(kind, Each):
        _check_type(value, dict, "an object", place)
        for name, item in value.items():
            check(item, kind.of, f"{place}.{name}")
    elif isinstance(kind, dict):
        _check_object(value, kind, place)
    elif kind is None:
        _check_type(value, type(None), "null", place)
    else:
        types = (int, float) if kind is float else kind
        if isinstance(value, bool) and kind is not bool:
            types = ()
        _check_type(value, types, _NAMES[kind], place)


def _check_one_of(value: Any, kinds: tuple[Any, ...], place: str) -> None:
    for kind in kinds:
        try:
            return check(value, kind, place)
        except FileError as e:
            last = e
    raise last


def _check_object(value: Any, kind: dict[str, Any], place: str) -> None:
    _check_type(value, dict, "an object", place)
    known = {name.removesuffix("?"): of for name, of in kind.items()}
    absent = [name for name in kind if not name.endswith("?") and name not in value]
    if absent:
        raise FileError(f"{place} has no {', '.join(map(repr, absent))}")
    odd = [name for name in value if name not in known]
    if odd:
        raise FileError(f"{place} has {', '.join(map(repr, odd))[:200]}, which is not known")
    for name, item in value.items():
        check(item, known[name], f"{place}.{name}")


def _check_type(value: Any, types: Any, wanted: str, place: str) -> None:
    if not isinstance(value, types):
        raise FileError(f"{place} is {type(value).__name__} {value!r:.40}, not {wanted}")
