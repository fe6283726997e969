"""Progress of a large prediction, in a terminal; silence everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final

Part = tuple[int, slice]

LARGE: Final = 2 * 10**8  # rows x draws from which a prediction takes more than some seconds


def watched(parts: Sequence[Part], rows: int, draws: int, *, wanted: bool) -> Iterator[Part]:
    """The parts one after the other, with a display of the rows that are done."""
    if wanted and rows * draws >= LARGE and sys.stdout is not None and sys.stdout.isatty():
        return _shown(parts, rows)
    return iter(parts)


def _shown(parts: Sequence[Part], rows: int) -> Iterator[Part]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("Predicting", BarColumn(bar_width=30), MofNCompleteColumn(), "rows")
    with Progress(*columns, TimeRemainingColumn(elapsed_when_finished=True)) as bar:
        task = bar.add_task("", total=rows)
        for part in parts:
            yield part
            bar.update(task, advance=part[1].stop - part[1].start)
