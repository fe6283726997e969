"""Reading ahead: a thread reads while the rows before are used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any

_DEPTH = 4  # batches that wait


def ahead(batches: Generator[Any]) -> Iterator[Any]:
    """The same batches, the next few of which are read by a thread of their own.

    What that thread raises is raised here in its place. It ends with this iterator: at its end, or
    where it is closed, as it is by an error or Ctrl-C in who uses it.
    """
    waiting: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(_DEPTH)
    enough = threading.Event()
    end = object()

    def put(item: Any, error: BaseException | None = None) -> None:
        placed = False
        while not placed and not enough.is_set():
            try:
                waiting.put((item, error), timeout=0.05)
                placed = True
            except queue.Full:
                pass

    def read() -> None:
        try:
            with closing(batches):
                for batch in batches:
                    put(batch)
                    if enough.is_set():
                        return
            put(end)
        except BaseException as error:  # all of them are for who uses the rows
            put(end, error)

    reader = threading.Thread(target=read, name="mixedbayes-read", daemon=True)
    reader.start()
    try:
        while True:
            batch, error = waiting.get()
            if error is not None:
                raise error
            if batch is end:
                return
            yield batch
    finally:
        enough.set()
        reader.join()
