"""The same function of many things, one after the other or in several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pickle import PicklingError
from typing import Any

from mixedbayes.errors import ModelError, SamplingError
from mixedbayes.progress import display


def check_workers(workers: int | None) -> None:
    """A whole number from 1, -1 for all cores, or None."""
    whole = isinstance(workers, int) and not isinstance(workers, bool)
    if workers is not None and not (whole and (workers >= 1 or workers == -1)):
        raise ModelError(
            f"workers={workers!r} is not understood: give a number of processes from 1, -1 for as "
            "many as there are cores, or None"
        )


def processes(workers: int | None) -> int:
    """How many processes work: those of an active `joblib.parallel_config`, or as asked."""
    from joblib import effective_n_jobs

    check_workers(workers)
    return int(effective_n_jobs(workers))


def each[T, R](
    function: Callable[[T], R],
    things: Sequence[T],
    *,
    workers: int | None = None,
    title: str = "",
    of: str = "fits",
    progress: bool = True,
    remedy: str = "",
) -> Iterator[R]:
    """`function` of every thing, in their order.

    Parameters
    ----------
    function, things
        Both travel to other processes where there are any.
    workers
        None: this process, unless a `joblib.parallel_config` says otherwise; a number of processes;
        -1: as many as there are cores.
    title, of, progress
        Of the progress display, which counts what is done.
    remedy
        What more can be done where a process ends before its work is done.

    Raises
    ------
    SamplingError
        A process ended before its work was done, as where the system kills it.
    ModelError
        Something of the function or the things does not travel to other processes.
    """
    at_once, done = processes(workers), 0
    with display(title, len(things), of, wanted=progress) as bar:
        try:
            for found in _results(function, things, workers, at_once):
                done += 1
                bar.update(done)
                yield found
        except BrokenProcessPool as error:
            raise SamplingError(
                f"one of {at_once} processes ended before its work was done, as where memory runs "
                f"out and the system kills it, after {done:,} of {len(things):,} {of}: take "
                f"fewer of them by workers={remedy}"
            ) from error
        except PicklingError as error:
            lines = str(error.__cause__ or error).splitlines()  # joblib's traceback, in quotes
            why = [line for line in lines if line.strip('" ')][-1]
            raise ModelError(
                f"something does not travel to other processes: {why}. Use workers=1, or define "
                "functions and families in a module rather than inside of other functions"
            ) from error


def _results(
    function: Callable[[Any], Any], things: Sequence[Any], workers: int | None, at_once: int
) -> Iterator[Any]:
    if at_once == 1:
        yield from map(function, things)
        return
    from joblib import Parallel, delayed
    from joblib.parallel import get_active_backend

    backend, _ = get_active_backend()
    how = "generator" if backend.supports_return_generator else "list"
    yield from Parallel(n_jobs=workers, return_as=how)(delayed(function)(one) for one in things)
