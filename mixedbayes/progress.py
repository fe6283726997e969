"""One progress display, in a terminal or a notebook; silence everywhere else.

It is updated from the main thread only: notebooks drop output of other threads.
"""

from __future__ import annotations

import sys
import threading
import time
from html import escape
from typing import Any, Self

_REFRESH = 0.1  # seconds between updates


class Display:
    """How many of a total are done, or how many where it is not known; this one shows nothing."""

    silent = True

    def __init__(self, title: str, total: int | None, of: str) -> None:
        self.title, self.total, self.of = title, total, of
        self.start = self.shown = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def update(self, done: int, note: str = "", title: str | None = None) -> None:
        """Show the number done, with a note behind it, now and then and at the end."""
        now = time.perf_counter()
        ended = self.total is not None and done >= self.total
        if not self.silent and (ended or now - self.shown >= _REFRESH):
            self.title, self.shown = title or self.title, now
            self._show(done, f"{self._counted(done)} {self.of}{note}")

    def finish(self, done: int) -> None:
        """All of them are done, however many there are."""
        self.total = done
        self.update(done)

    def _counted(self, done: int) -> str:
        return f"{done:,}" if self.total is None else f"{done:,}/{self.total:,}"

    def _show(self, done: int, text: str) -> None:
        raise NotImplementedError


class _Terminal(Display):
    silent = False

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[text]}", markup=False),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=Console(),
        )
        self._task = self._bars.add_task(self.title, total=self.total, text="")
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    def _show(self, done: int, text: str) -> None:
        self._bars.update(
            self._task, completed=done, total=self.total, description=self.title, text=text
        )


class _Notebook(Display):
    silent = False

    def __enter__(self) -> Self:
        from IPython.display import display

        text = f"{self._counted(0)} {self.of}"
        self._handle: Any = display(self._html(0, text), display_id=True)
        return self

    def _show(self, done: int, text: str) -> None:
        if self._handle is not None:
            self._handle.update(self._html(done, text))

    def _html(self, done: int, text: str) -> Any:
        from IPython.display import HTML

        seconds = self.shown - self.start
        if self.total is None:
            return HTML(f"{escape(self.title)} {escape(text)}, {seconds:.0f} s")
        left = (self.total - done) * seconds / done if done else 0.0
        last = f"{seconds:.1f} s" if done >= self.total else f"{left:.0f} s left"
        bar = f'<progress value="{done}" max="{self.total}"></progress>'
        return HTML(f"{escape(self.title)} {bar} {escape(text)}, {last}")


def display(title: str, total: int | None, of: str, *, wanted: bool = True) -> Display:
    """The display for where this process runs; a total of None is one that is not known."""
    kind = Display
    if wanted and total != 0:
        kind = _Notebook if _in_notebook() else _Terminal if _in_terminal() else Display
    return kind(title, total, of)


COMPILING = "Compiling functions, once for this installation"


class Compiling:
    """The display of compilation: that it happens once, how many functions, and for how long.

    Called with the name of each function when its compilation begins. Nothing is shown where none
    is compiled, and of what other threads than the main one compile. It makes way for the display
    of draws, and comes back after it.
    """

    _now: Compiling | None = None  # the one that is shown

    def __init__(self, *, wanted: bool) -> None:
        self.count, self._wanted, self._start = 0, wanted, time.perf_counter()
        self._shown: Any = None

    def __call__(self, name: str) -> None:
        self.count += 1
        if self._wanted and threading.current_thread() is threading.main_thread():
            self._show(f"{COMPILING}: number {self.count}, {name}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Leave the number of functions and the seconds, if any were compiled."""
        if self._shown is not None:
            seconds = time.perf_counter() - self._start
            self._show(f"{COMPILING}: {self.count}, {seconds:.1f} s")
            if hasattr(self._shown, "stop"):
                self._shown.stop()
            self._shown = Compiling._now = None

    @staticmethod
    def make_way() -> None:
        if Compiling._now is not None:
            Compiling._now.stop()

    def _show(self, text: str) -> None:
        if _in_notebook():
            from IPython.display import HTML, display

            if self._shown is None:
                self._shown = display(HTML(escape(text)), display_id=True)
            elif hasattr(self._shown, "update"):
                self._shown.update(HTML(escape(text)))
        elif _in_terminal():
            from rich.console import Console
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            if self._shown is None:
                self._shown = Progress(
                    SpinnerColumn(), TextColumn("{task.description}", markup=False),
                    TimeElapsedColumn(), console=Console(),
                )  # fmt: skip
                self._shown.add_task(text, total=None)
                self._shown.start()
            self._shown.update(self._shown.task_ids[0], description=text)
        if self._shown is not None:
            Compiling._now = self


class Draws:
    """The display of sampling: draws of all chains together, divergences, speed."""

    def __init__(self, chains: int, total: int, *, wanted: bool) -> None:
        self._chains = f"{chains} {'chain' if chains == 1 else 'chains'}"
        self._total = total
        self._display = display(f"Tuning {self._chains}", total, "draws", wanted=wanted)
        self.silent = self._display.silent

    def __enter__(self) -> Self:
        Compiling.make_way()
        self._display.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._display.__exit__(*exception)

    def update(self, done: int, divergences: int, *, tuning: bool) -> None:
        shown = self._display
        seconds = time.perf_counter() - shown.start
        speed = done / seconds if seconds > 0 else 0.0
        what = "Tuning" if tuning and done < self._total else "Sampling"
        note = f", {divergences:,} divergences, {speed:,.0f} draws/s"
        shown.update(done, note, f"{what} {self._chains}")


def _in_notebook() -> bool:
    """A kernel that displays HTML, such as Jupyter's; never imports IPython itself."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and type(shell).__name__ in {"ZMQInteractiveShell", "Shell"}


def _in_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()
