"""Kinds of sources, and the public edge where the user's data become one."""

from __future__ import annotations

from typing import Any

from mixedbayes.errors import DataError, article
from mixedbayes.sources.base import Source
from mixedbayes.sources.kinds.files import Files
from mixedbayes.sources.kinds.memory import Memory

IN_MEMORY: tuple[type[Source], ...] = (Memory,)
KINDS: tuple[type[Source], ...] = (*IN_MEMORY, Files)


def open(data: Any) -> Source:
    """The source of what the user handed over; a source is returned as it is.

    Raises
    ------
    DataError
        If it is of no kind that can be read in batches; the message says what can.
    """
    if isinstance(data, Source):
        return data
    for kind in KINDS:
        if kind.takes(data):
            return kind.opened(data)
    raise DataError(f"the data are {article(type(data).__name__)}, which cannot be read in batches")


def is_source(data: Any) -> bool:
    """Whether these data are read in batches rather than as one data frame in memory."""
    if isinstance(data, Source):
        return True
    return any(kind.takes(data) for kind in KINDS if kind not in IN_MEMORY)
