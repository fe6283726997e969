"""xarray without Dask, which xarray loads to find out that an array is none of Dask's.

Loading takes most of a second where Dask is installed. Where nobody has loaded it there are no
arrays of its own.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any


class _Dask:
    """In the place of xarray's record of Dask: its class of arrays once these are loaded."""

    @property
    def type(self) -> tuple[type, ...]:
        kind = getattr(sys.modules.get("dask.array"), "Array", None)
        return () if kind is None else (kind,)

    def __getattr__(self, name: str) -> Any:
        from xarray.namedarray.pycompat import DuckArrayModule

        return getattr(DuckArrayModule("dask"), name)


def keep_dask_unloaded() -> None:
    """From now on xarray loads Dask only for what needs it.

    Nothing changes where it is loaded already, or where another xarray keeps its record elsewhere.
    """
    if "dask" in sys.modules:
        return
    with suppress(ImportError, AttributeError):
        _keep_dask_unloaded()


def _keep_dask_unloaded() -> None:
    from xarray.namedarray import pycompat, utils

    known: dict[Any, Any] = pycompat._cached_duck_array_modules
    plain = utils.is_dask_collection
    known.setdefault("dask", _Dask())

    def is_dask_collection(x: object) -> bool:
        return "dask" in sys.modules and plain(x)

    utils.is_dask_collection = is_dask_collection  # type: ignore[assignment]
