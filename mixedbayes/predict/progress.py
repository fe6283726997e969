"""Work on many blocks of rows: on several threads and with a progress display where it is large.

Blocks have random streams of their own, so that the order in which they are done plays no role.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from html import escape
from typing import Any, Final

from mixedbayes.numerics.threads import available_cores, one_blas_thread

Block = tuple[int, slice]  # number, rows

LARGE: Final = 10**8  # rows x draws from which a prediction takes more than a few seconds
MOST_THREADS: Final = 4  # NumPy lets go of the interpreter in what takes time here


def run(blocks: Sequence[Block], work: Callable[[Block], Any], draws: int, *, shown: bool) -> None:
    """Call `work` on every block; an error or an interruption stops the rest."""
    rows = blocks[-1][1].stop if blocks else 0
    if rows * draws < LARGE:
        for block in blocks:
            work(block)
        return
    pool = ThreadPoolExecutor(min(MOST_THREADS, available_cores()))
    try:
        with one_blas_thread(), display("Predicting", rows if shown else 0) as advance:
            for (_, at), _ in zip(blocks, pool.map(work, blocks), strict=True):
                advance(at.stop)
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def display(what: str, total: int, of: str = "rows") -> Iterator[Callable[[int], None]]:
    """A function that is told how many are done; silent for a total of 0, in files and logs."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if total and shell is not None and type(shell).__name__ in {"ZMQInteractiveShell", "Shell"}:
        yield _notebook(what, total, of)
    elif total and sys.stdout is not None and sys.stdout.isatty():
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        columns = (what, BarColumn(bar_width=30), MofNCompleteColumn(), of)
        with Progress(*columns, TimeRemainingColumn(elapsed_when_finished=True)) as bar:
            task = bar.add_task("", total=total)
            yield lambda done: bar.update(task, completed=done)
    else:
        yield lambda done: None


def _notebook(what: str, total: int, of: str) -> Callable[[int], None]:
    from IPython.display import HTML, display

    def html(done: int) -> HTML:
        bar = f'<progress value="{done}" max="{total}"></progress>'
        return HTML(escape(what) + f" {bar} {done:,}/{total:,} " + escape(of))

    handle = display(html(0), display_id=True)
    step = max(1, total // 100)
    shown = 0

    def advance(done: int) -> None:
        nonlocal shown
        if handle is not None and (done - shown >= step or done == total):
            handle.update(html(done))
            shown = done

    return advance
