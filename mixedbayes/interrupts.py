"""Ctrl-C waits while libraries load and code is compiled, and threads load one after another.

An interrupt in the middle of an import can be swallowed, since importlib and LLVM call back from
places where an exception is only printed; or it leaves a library half loaded, which for one with
compiled parts cannot be mended in that process. Both last seconds, so the interrupt waits for
their end and is raised then.

Threads that enter the modules' imports at different places wait for each other; Python ends such a
deadlock by handing one of them a module that is half loaded.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import FrameType, ModuleType
from typing import Any

_PACKAGE = __name__.partition(".")[0]
_ONE_AT_A_TIME = threading.RLock()


class _Waiting:
    """A handler that only remembers."""

    asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C in this block is raised at its end.

    Elsewhere than in the main thread, and where the caller has taken SIGINT out of Python's hands,
    it does nothing; blocks may stand within each other.
    """
    handler = signal.getsignal(signal.SIGINT)
    alone = threading.current_thread() is not threading.main_thread()
    if alone or not callable(handler) or isinstance(handler, _Waiting):
        yield
        return
    waiting = _Waiting()
    signal.signal(signal.SIGINT, waiting)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is waiting:
            signal.signal(signal.SIGINT, handler)
        if waiting.asked:
            handler(signal.SIGINT, None)


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        with uninterrupted():
            super().exec_module(module)


class _Finder:
    """Finds this package's modules where they are anyhow; they load uninterrupted.

    What is heavy is loaded by the first of our modules that needs it, so all of it is covered.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not name.startswith(f"{_PACKAGE}."):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def load_uninterrupted() -> None:
    """From now on the package's modules, and all that they load, are loaded uninterrupted."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def load(module: str) -> ModuleType:
    """A module by its dotted name, of which one thread at a time loads any."""
    with _ONE_AT_A_TIME:
        return import_module(module)


class _Later(ModuleType):
    """Stands for a module until something of it is read."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:  # within the block
            del sys.modules[self.__name__]
        return getattr(load(self.__name__), name)


def later(module: str) -> Any:
    """This module, imported when something of it is first read.

    Of a large library of which few functions are called, and those seldom.

    >>> stats = later("scipy.stats")
    >>> float(stats.norm.cdf(0.0))
    0.5
    """
    return _Later(module)


@contextmanager
def put_off(module: str) -> Iterator[None]:
    """What is imported in this block imports this module only when it reads something of it.

    Of libraries that need a large one for some of their functions, which are not called here.
    """
    if module in sys.modules:
        yield
        return
    stand_in = sys.modules[module] = _Later(module)
    try:
        yield
    finally:
        if sys.modules.get(module) is stand_in:
            del sys.modules[module]
