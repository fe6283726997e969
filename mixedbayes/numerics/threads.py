"""Threads of this process, and of the linear algebra below the compiled functions."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController

from mixedbayes.beside import available_cores

__all__ = ["available_cores", "one_blas_thread"]


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let every call of BLAS and LAPACK run in the thread that makes it.

    Chains and draws already run in as many threads as there are processors. If BLAS starts its own
    threads in each of them, these wait for one another, and a gradient with a dense block of a
    thousand columns takes ten times as long.
    """
    with _libraries(len(sys.modules)).limit(limits=1, user_api="blas"):
        yield


@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    """Those of linear algebra that are loaded; they are looked for, in milliseconds, where modules
    have been loaded since.
    """
    return ThreadpoolController()
