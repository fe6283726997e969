"""What first fits of every model compile, begun in another process while libraries load here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mixedbayes import beside

_WHITENING, _PRIORS = "mixedbayes.theta.whitening", "mixedbayes.theta.logpriors"
NEEDED = (f"{_WHITENING}.to_theta", f"{_WHITENING}.to_z", f"{_PRIORS}.log_prior")


def begin() -> None:
    """Begin it where nothing is kept on disk yet, which takes no time to find out.

    Not in a process of a pool, of which there are as many as processors.
    """
    if beside.possible() and not _of_a_pool() and _nothing_kept():
        beside.share([beside.Named(symbol) for symbol in NEEDED], more=True)


def _of_a_pool() -> bool:
    module = sys.modules.get("multiprocessing")
    return module is not None and module.parent_process() is not None


def _nothing_kept() -> bool:
    """False also where code is kept neither beside its sources nor in a folder that is named."""
    of = Path(__file__).parents[1] / "theta"
    name = f"whitening.{NEEDED[0].rpartition('.')[2]}_*.nbi"
    if folder := os.environ.get("NUMBA_CACHE_DIR"):
        return next(Path(folder).glob(f"{of.name}_*/{name}"), None) is None
    return os.access(of, os.W_OK) and next((of / "__pycache__").glob(name), None) is None
