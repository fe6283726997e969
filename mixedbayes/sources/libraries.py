"""Libraries that read data, which load when they are first needed."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from mixedbayes.errors import MissingExtraError
from mixedbayes.interrupts import uninterrupted


def library(module: str, extra: str, what: str) -> ModuleType:
    """A module that an extra installs.

    Raises MissingExtraError where it is absent: "what" needs it, and with which command it comes.
    """
    try:
        with uninterrupted():
            return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f"{what} needs {package}, which is not installed: pip install mixedbayes[{extra}]"
        ) from error


def arrow(module: str = "pyarrow", what: str = "reading data in batches") -> Any:
    """pyarrow, or a module of it."""
    return library(module, "files", what)


def made_by(data: Any, package: str, *names: str) -> bool:
    """Whether an object is of a class of this package and of one of these names.

    Nothing is imported: of a package that is not loaded there are no objects.
    """
    if package not in sys.modules:
        return False
    return any(
        kind.__name__ in names and kind.__module__.partition(".")[0] in (package, f"_{package}")
        for kind in type(data).__mro__
    )
