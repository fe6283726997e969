"""Threads of this process, and of the linear algebra below the compiled functions."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


def available_cores() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let every call of BLAS and LAPACK run in the thread that makes it.

    Chains and draws already run in as many threads as there are processors. If BLAS starts its own
    threads in each of them, these wait for one another, and a gradient with a dense block of a
    thousand columns takes ten times as long.
    """
    with threadpool_limits(1, user_api="blas"):
        yield
