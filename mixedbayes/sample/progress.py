"""One progress display, in a terminal or a notebook; silence everywhere else.

It is updated from the main thread only: notebooks drop output of other threads.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Protocol, Self


class Display(Protocol):
    """Shows draws done of all chains together."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def update(self, done: int, divergences: int, *, tuning: bool) -> None: ...


def open_display(chains: int, total: int, *, wanted: bool) -> Display:
    """The display for where this process runs; `total` counts the draws of all chains."""
    if wanted and _in_notebook():
        return _Notebook(chains, total)
    if wanted and _in_terminal():
        return _Terminal(chains, total)
    return Silent()


class Silent:
    """No display: not wanted, or the output is a file or a log."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def update(self, done: int, divergences: int, *, tuning: bool) -> None:
        return None


class _Terminal:
    def __init__(self, chains: int, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._state = _State(chains, total)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=Console(),
        )
        self._task = self._bars.add_task(self._state.title, total=total, text="")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    def update(self, done: int, divergences: int, *, tuning: bool) -> None:
        self._state.update(done, divergences, tuning=tuning)
        self._bars.update(
            self._task,
            completed=done,
            description=self._state.title,
            text=self._state.text,
        )


class _Notebook:
    def __init__(self, chains: int, total: int) -> None:
        self._state = _State(chains, total)
        self._handle: Any = None

    def __enter__(self) -> Self:
        from IPython.display import HTML, display

        self._handle = display(HTML(self._state.html()), display_id=True)
        return self

    def __exit__(self, *exception: object) -> None:
        self._show()

    def update(self, done: int, divergences: int, *, tuning: bool) -> None:
        self._state.update(done, divergences, tuning=tuning)
        self._show()

    def _show(self) -> None:
        from IPython.display import HTML

        if self._handle is not None:
            self._handle.update(HTML(self._state.html()))


class _State:
    """Numbers of the display in words."""

    def __init__(self, chains: int, total: int) -> None:
        self.chains, self.total = chains, total
        self.done, self.divergences, self.tuning = 0, 0, True
        self.start = time.perf_counter()
        self.elapsed = 0.0

    def update(self, done: int, divergences: int, *, tuning: bool) -> None:
        self.done, self.divergences, self.tuning = done, divergences, tuning
        self.elapsed = time.perf_counter() - self.start

    @property
    def title(self) -> str:
        what = "Tuning" if self.tuning and self.done < self.total else "Sampling"
        return f"{what} {self.chains} {'chain' if self.chains == 1 else 'chains'}"

    @property
    def text(self) -> str:
        speed = self.done / self.elapsed if self.elapsed > 0 else 0.0
        return (
            f"{self.done:,}/{self.total:,} draws, {self.divergences:,} divergences, "
            f"{speed:,.0f} draws/s"
        )

    def html(self) -> str:
        left = (self.total - self.done) * self.elapsed / self.done if self.done else 0.0
        last = f"{self.elapsed:.1f} s" if self.done >= self.total else f"{left:.0f} s left"
        return (
            f'{self.title} <progress value="{self.done}" max="{self.total}"></progress> '
            f"{self.text}, {last}"
        )


def _in_notebook() -> bool:
    """A kernel that displays HTML, such as Jupyter's; never imports IPython itself."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and type(shell).__name__ in {"ZMQInteractiveShell", "Shell"}


def _in_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()
