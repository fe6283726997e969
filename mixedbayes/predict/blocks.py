"""Work on many blocks of rows: on several threads and with a progress display where it is large.

Blocks have random streams of their own, so that the order in which they are done plays no role.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from mixedbayes.numerics.threads import available_cores, one_blas_thread
from mixedbayes.progress import display

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
        with one_blas_thread(), display("Predicting", rows, "rows", wanted=shown) as shown_rows:
            for (_, at), _ in zip(blocks, pool.map(work, blocks), strict=True):
                shown_rows.update(at.stop)
    finally:
        pool.shutdown(cancel_futures=True)
