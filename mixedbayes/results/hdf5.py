"""An HDF5 file walked before it is read: it may hold arrays of its own, and nothing else.

HDF5 lets a file take its values from elsewhere: from other files (external storage, external links,
virtual data sets) or from code that it names (filters loaded as plugins). None of our files does
so, and a file that does would copy what the reader may see into what the reader writes.
"""

from __future__ import annotations

import math
from typing import Any

import h5py

from mixedbayes.errors import FileError

_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
_DEEPEST = 16  # groups within groups
# What the arrays may take in memory: draws do not compress much; a few constant ones may.
_MOST_TIMES, _MOST_MORE = 100, 2**26
_DIMENSION = b"This is a netCDF dimension but not a netCDF variable"


def check_contents(file: h5py.File, size: int) -> None:
    """Refuse a file that reaches outside itself, or claims more than it can hold.

    Parameters
    ----------
    file
        Open for reading.
    size
        Its length in bytes.

    Raises
    ------
    FileError
        For links other than plain ones, values kept elsewhere, filters and types that our files do
        not have, groups within themselves, and arrays much larger than the file.
    """
    total = _walk(file, "/", {_address(file)}, 0)
    if total > _MOST_TIMES * size + _MOST_MORE:
        raise FileError(
            f"its arrays would take {total / 1e9:,.1f} GB in memory, of a file of {size:,} bytes"
        )


def _walk(group: h5py.Group, place: str, seen: set[Any], depth: int) -> int:
    """Bytes of all arrays below a group."""
    if depth > _DEEPEST:
        raise FileError(f"its groups are more than {_DEEPEST} deep")
    total = 0
    for name in group:
        where = f"{place}{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise FileError(f"{where} is a link to another place, which could be another file")
        item = group[name]
        if _address(item) in seen:
            raise FileError(f"{where} stands in two places")
        seen.add(_address(item))
        if isinstance(item, h5py.Group):
            total += _walk(item, f"{where}/", seen, depth + 1)
        elif isinstance(item, h5py.Dataset):
            total += _array(item, where)
        else:
            raise FileError(f"{where} is neither a group nor an array")
    return total


def _array(array: h5py.Dataset, where: str) -> int:
    """Bytes of one array, 0 if it only names a dimension."""
    made = array.id.get_create_plist()
    if made.get_external_count() or array.is_virtual:
        raise FileError(f"{where} takes its values from another file")
    filters = {made.get_filter(i)[0] for i in range(made.get_nfilters())}
    if filters - _FILTERS:
        raise FileError(f"{where} is packed in a way that is not known (filters {filters})")
    text = h5py.check_string_dtype(array.dtype) is not None
    if not text and array.dtype.kind not in "biuf":
        raise FileError(f"{where} is neither numbers nor text, but {array.dtype}")
    if array.shape is None:
        raise FileError(f"{where} has no values")
    name = array.attrs.get("NAME")
    if isinstance(name, bytes) and name.startswith(_DIMENSION):
        return 0
    return math.prod(array.shape) * array.id.get_type().get_size()


def _address(item: Any) -> Any:
    info = h5py.h5o.get_info(item.id)
    return info.fileno, info.addr
