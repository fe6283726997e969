"""Functions that a first fit needs compiled, shared among this process and others.

Compilation holds a lock, so that threads would not help. Functions are handed out one after another
to processes that start Python on nothing but their modules. Who needs one here that none of them
has begun compiles it here, and while one is waited for another is compiled here.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Literal, Protocol

_MOST_SECONDS = 120.0  # that another process is waited for
_MOST = 3  # other processes
_LINGER = 20.0  # seconds in which they wait to be asked, where they were started before a fit
# A thread reads what is asked for, so that the process ends as soon as nobody is left to ask.
_CHILD = """
import os, sys
sys.path[:] = {path!r}
from importlib import import_module
from queue import SimpleQueue
from threading import Thread
asked = SimpleQueue()
def read():
    for line in sys.stdin:
        asked.put(line)
    os._exit(0)
Thread(target=read, daemon=True).start()
import_module({first!r})
while True:
    print(flush=True)
    module, _, name = asked.get().strip().rpartition(".")
    getattr(import_module(module), name).ready()
"""


class Compiled(Protocol):
    """A function that is compiled when it is first used."""

    symbol: str  # its module and name

    @property
    def needs(self) -> Sequence[str]:
        """Symbols of functions that are compiled before it."""

    def ready(self) -> None:
        """Compile it, or find it on disk."""


class Shared:
    """Functions by symbol, and who compiles them.

    `where` has those that are not made: "left" are those that nobody has begun, "here" and "there"
    those that this process or another one is at.
    """

    def __init__(self) -> None:
        self.owner = os.getpid()  # which a fork of it is not
        self.functions: dict[str, Compiled] = {}
        self.where: dict[str, Literal["left", "here", "there"]] = {}
        self.children: list[subprocess.Popen[bytes]] = []
        self.waited = 0.0  # seconds in which nothing was compiled here
        self._until = 0.0  # up to when processes wait for more
        self._changed = threading.Condition()

    def add(self, functions: Sequence[Compiled], more: bool = False) -> None:
        """Functions that nobody has begun, and processes that compile them, and `more` to come."""
        with self._changed:
            self._until = time.monotonic() + _LINGER if more else 0.0
            for f in functions:
                self.functions[f.symbol], self.where[f.symbol] = f, "left"
            self._changed.notify_all()
            wanted = min(_MOST, available_cores() - 1, list(self.where.values()).count("left"))
            for _ in range(wanted - len(self.children)):
                self._start(functions[0].symbol.rpartition(".")[0])

    def _start(self, module: str) -> None:
        code = _CHILD.format(path=sys.path, first=module)
        child = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        thread = threading.Thread(target=self._serve, args=(child,), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # there can be no more, or Python ends
            with child:
                child.kill()
        else:
            self.children.append(child)

    def _serve(self, child: subprocess.Popen[bytes]) -> None:
        """Hand it a function whenever it asks for one, until there are no more."""
        symbol = None
        assert child.stdin is not None
        assert child.stdout is not None
        with suppress(OSError), child.stdin, child.stdout:
            while child.stdout.readline():
                if symbol is not None:
                    self.done(symbol)
                if (symbol := self._next()) is None:
                    break
                child.stdin.write(f"{symbol}\n".encode())
                child.stdin.flush()
        if symbol is not None:  # it failed
            self.done(symbol)
        child.wait()
        with self._changed:
            self.children.remove(child)

    def _next(self) -> str | None:
        with self._changed:
            while True:
                if (symbol := self._take("there")) is not None:
                    return symbol
                more = self._until - time.monotonic()
                if "left" in self.where.values():
                    self._changed.wait()
                elif not (more > 0.0 and self._changed.wait(more)):
                    return None

    def _take(self, to: Literal["here", "there"]) -> str | None:
        """One that is left and lacks nothing: here the last, since others take the first."""
        left = [symbol for symbol, where in self.where.items() if where == "left"]
        for symbol in left if to == "there" else reversed(left):
            if not any(need in self.where for need in self.functions[symbol].needs):
                self.where[symbol] = to
                return symbol
        return None

    def wait_for(self, symbol: str) -> bool:
        """Until it is to be compiled here, or has been made elsewhere; whether it has."""
        waited, until = False, time.monotonic() + _MOST_SECONDS
        while True:
            with self._changed:
                where = self.where.get(symbol)
                if where is None:
                    return waited
                if where != "there":
                    self.where[symbol] = "here"
                    return False
                waited, other = True, self._take("here")
                if other is None:
                    began = time.monotonic()
                    changed = self._changed.wait(until - began)
                    self.waited += time.monotonic() - began
                    if not changed:
                        self.end()
                        return False
            if other is not None:
                self.functions[other].ready()

    def done(self, symbol: str) -> None:
        """It is made, or whoever was at it has failed."""
        with self._changed:
            self.where.pop(symbol, None)
            self._changed.notify_all()

    def wait(self) -> None:
        """Until all other processes have ended."""
        for child in [*self.children]:
            child.wait()

    def end(self) -> None:
        """No other process compiles anything from now on."""
        if self.owner != os.getpid():
            return
        with self._changed:
            self.where.clear()
            self._until = 0.0
            self._changed.notify_all()
        for child in [*self.children]:
            child.kill()  # nothing happens to one that has ended
            child.wait()


_SHARED: Shared | None = None


class Named:
    """A function whose module is not loaded here."""

    needs: Sequence[str] = ()

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol

    def ready(self) -> None:
        module, _, name = self.symbol.rpartition(".")
        getattr(import_module(module), name).ready()


def share(functions: Sequence[Compiled], *, more: bool = False) -> None:
    """Compile these in other processes, one after another, while this goes on.

    The processes end by themselves, for a while not if there are `more` to come, and are ended with
    this one. Where there is one core, or Python cannot be started, nothing happens.
    """
    global _SHARED
    if not possible():
        return
    if (shared := _own()) is None:
        shared = _SHARED = Shared()
        atexit.register(shared.end)
    new = [f for f in functions if f.symbol not in shared.functions]
    with suppress(OSError):
        if new:
            shared.add(new, more)


def shared(symbol: str) -> bool:
    """Whether a function has been shared before."""
    own = _own()
    return own is not None and symbol in own.functions


@contextmanager
def turn(symbol: str) -> Iterator[bool]:
    """In this block a function is compiled here; whether another process has made it."""
    if (own := _own()) is None or symbol not in own.where:
        yield False
        return
    try:
        yield own.wait_for(symbol)
    finally:
        own.done(symbol)


def possible() -> bool:
    """Whether other processes can compile."""
    frozen = getattr(sys, "frozen", False)
    return (
        available_cores() > 1
        and not frozen
        and Path(sys.executable or "").stem.startswith("python")
    )


def available_cores() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _own() -> Shared | None:
    return _SHARED if _SHARED is not None and _SHARED.owner == os.getpid() else None
