"""All that a user reaches by name: functions and classes, and the methods of what they return.

What functions return is found by their annotations, so that a new kind of result is found with the
function that returns it.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

import mixedbayes as mb
from mixedbayes.api.method import Later

# Results that annotations do not name, by the module that has them.
FURTHER = {
    "Accessors": "mixedbayes.api.accessors",
    "Calibration": "mixedbayes.lab.calibration",
    "Power": "mixedbayes.lab.power",
    "Smallest": "mixedbayes.lab.search",
    "Way": "mixedbayes.teach.run",
}


# Nouns that are extended, not asked: ARCHITECTURE.md has them; users meet their kinds.
NOUNS = ("Family", "Link", "Prior")
# Of results, what the package itself calls.
INTERNAL = {
    "CheckReport": (),
    "Conditioned": ("known", "posterior"),
    "Estimates": ("of",),
    "FitMany": ("averaged", "of_rows", "refused"),
    "Loo": ("copy", "kind", "replace"),
    "KFold": ("kind",),
    "Power": ("of",),
    "Summary": ("footnotes", "heads", "prob", "sections"),
    "Truth": ("to_attrs",),
}


def own(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).startswith("mixedbayes")


def members(owner: type) -> Iterator[tuple[str, Any]]:
    """(name, function or property) of the public members that the package itself defines."""
    for name in dir(owner):
        found = inspect.getattr_static(owner, name)
        if name.startswith("_") or name in INTERNAL.get(owner.__name__, ()):
            continue
        value = getattr(owner, name)
        if inspect.isfunction(value) and own(value):
            yield name, value
        elif own(getattr(found, "fget", None) or getattr(found, "func", None)):
            yield name, found


def returned(function: Any) -> Iterator[type]:
    """The package's own classes in what a function says it returns."""
    function = inspect.unwrap(function)
    text = str(inspect.signature(function).return_annotation)
    for word in re.findall(r"\w+", text):
        module = sys.modules[function.__module__]
        found = getattr(module, word, None) or _imported(module, word)
        found = found.load() if isinstance(found, Later) else found
        if inspect.isclass(found) and own(found) and found.__name__ not in NOUNS:
            yield found


def _imported(module: Any, word: str) -> Any:
    """A name that a module imports for type checkers alone."""
    source = inspect.getsource(module)
    for home, names in re.findall(r"from (mixedbayes[\w.]*) import ([\w, ]+)", source):
        if word in re.split(r"\W+", names):
            return getattr(import_module(home), word, None)
    return None


@cache
def functions() -> dict[str, Any]:
    """Public functions by name: of the package."""
    each = {name: getattr(mb, name) for name in mb.__all__ if name != "__version__"}
    return {name: f for name, f in each.items() if inspect.isfunction(f)}


@cache
def classes() -> dict[str, type]:
    """Public classes by name: of the package, of its namespaces, and results."""
    found = {name: getattr(mb, name) for name in mb.__all__}
    found = {name: c for name, c in found.items() if inspect.isclass(c)}
    for space in (mb.families, mb.priors):
        prefix = space.__name__.removeprefix("mixedbayes.")
        found |= {f"{prefix}.{name}": getattr(space, name) for name in space.__all__}
    return found


@cache
def results() -> dict[str, type]:
    """What functions and methods return, and what these return, by name."""
    found: dict[str, type] = {}
    waiting = [mb.Fit, mb.Model, *(c for f in functions().values() for c in returned(f))]
    waiting += [getattr(import_module(home), name) for name, home in FURTHER.items()]
    while waiting:
        kind = waiting.pop(0)
        if kind.__name__ in found:
            continue
        found[kind.__name__] = kind
        waiting += [c for _, f in members(kind) if inspect.isfunction(f) for c in returned(f)]
    return found


@cache
def methods() -> dict[str, Any]:
    """Functions and properties of what users are handed, by name; inherited ones where they are."""
    found: dict[str, Any] = {}
    seen = set()
    for name, kind in results().items():
        for member, value in members(kind):
            if id(inspect.unwrap(value)) not in seen:
                seen.add(id(inspect.unwrap(value)))
                found[f"{name}.{member}"] = value
    return found


def sections(doc: str | None) -> dict[str, str]:
    """A docstring's sections by their titles; what stands above them has the title ""."""
    parts = re.split(r"(?m)^([A-Z]\w+(?: [A-Z]\w+)?)\n-+\n", inspect.cleandoc(doc or ""))
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def names(section: str) -> list[str]:
    """The names that a section describes, one or several before each indented text."""
    lines = re.findall(r"(?m)^(\S.*)$", section)
    return [each.strip() for line in lines for each in line.split(",")]
