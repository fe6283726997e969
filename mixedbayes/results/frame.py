"""A data frame as plain arrays and a schema, exactly: for files and for cache keys.

Every column becomes arrays of numbers and a JSON-able description; nothing is pickled. Exact types
come back: widths, nullable and string types, categories with their order, time zones, missing
values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from importlib.util import find_spec
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes.errors import FileError
from mixedbayes.results.files import ANY, Each

Array = NDArray[Any]
Schema = dict[str, Any]

_NA = {"missing": "NA"}  # stands for pandas.NA among JSON values
# Python's own types in object columns, each as {its name: text}.
_OBJECTS: dict[str, tuple[type, Callable[[Any], str], Callable[[str], Any]]] = {
    "decimal": (Decimal, str, Decimal),
    "time": (time, time.isoformat, time.fromisoformat),
    "bytes": (bytes, bytes.hex, bytes.fromhex),
    "uuid": (UUID, str, UUID),
}
_MASKED = (pd.arrays.IntegerArray, pd.arrays.FloatingArray, pd.arrays.BooleanArray)
# What a schema looks like, see `results.files`; a column's depends on its kind.
_NAME = (str, float, bool, None)
KIND = {
    "columns": [Each(ANY)],
    "names": str,
    "index": ({"names": [_NAME], "range": [int]},
              {"names": [_NAME], "levels": [Each(ANY)], "multi": bool}),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class EncodedFrame:
    """Arrays by name, each of one dimension, and how the frame is put together from them."""

    schema: Schema
    arrays: Mapping[str, Array]


def encode_frame(frame: pd.DataFrame) -> EncodedFrame:
    """Arrays and schema of a data frame.

    Raises
    ------
    FileError
        For a column of a type that has no encoding, such as arbitrary Python objects.
    """
    arrays: dict[str, Array] = {}
    columns = [
        {"name": name, **_encode(frame[name], f"c{i}", arrays, f"column {name!r}")}
        for i, name in enumerate(frame.columns)
    ]
    schema = {"columns": columns, "names": str(frame.columns.dtype)}
    return EncodedFrame(schema | {"index": _encode_index(frame.index, arrays)}, arrays)


def unkept(frame: pd.DataFrame) -> list[str]:
    """What to know of columns and row labels that no file or cache can keep, in words."""
    index = frame.index
    labels = [_series(index.get_level_values(k)) for k in range(index.nlevels)]
    places = [
        *((frame[n], f"column {n!r}") for n in frame.columns),
        *((v, "the index") for v in labels),
    ]
    notes = []
    for values, where in places:
        objects = values.dtype == object  # one value of each type tells
        values = values[~values.map(type).duplicated()] if objects else values.iloc[:1]
        try:
            _encode(values, "", {}, where)
        except FileError as error:
            notes.append(f"this fit can be neither saved nor cached: {error}")
    return notes


def decode_frame(encoded: EncodedFrame) -> pd.DataFrame:
    """Inverse of `encode_frame`.

    Raises
    ------
    FileError
        If the columns are not as long as the index, or of a kind that is not known.
    Exception
        Whatever pandas says of arrays and schema that do not come from `encode_frame`.
    """
    schema, arrays = encoded.schema, encoded.arrays
    index = _decode_index(schema["index"], arrays)
    columns: dict[str, pd.Series] = {}
    for c in schema["columns"]:
        values = _decode(c, arrays)
        if len(values) != len(index) or c["name"] in columns:
            raise FileError(
                f"column {c['name']!r} has {len(values):,} rows of {len(index):,}, or stands twice"
            )
        columns[c["name"]] = pd.Series(values, index=index, dtype=_as_is(c))
    frame = pd.DataFrame(columns, index=index)
    frame.columns = pd.Index(list(columns), dtype=schema["names"])
    return frame


def _encode_index(index: pd.Index, out: dict[str, Array]) -> Schema:
    names = list(index.names)
    if isinstance(index, pd.RangeIndex):
        return {"names": names, "range": [index.start, index.stop, index.step]}
    levels = [_series(index.get_level_values(i)) for i in range(index.nlevels)]
    found = [_encode(v, f"i{i}", out, "the index") for i, v in enumerate(levels)]
    return {"names": names, "levels": found, "multi": isinstance(index, pd.MultiIndex)}


def _decode_index(schema: Schema, arrays: Mapping[str, Array]) -> pd.Index:
    names = schema["names"]
    if len(names) != len(schema.get("levels", "r")):
        raise FileError(f"the index has {len(names)} names")
    if "range" in schema:
        return pd.RangeIndex(*schema["range"], name=names[0])
    levels = [pd.Index(_decode(v, arrays), dtype=_as_is(v)) for v in schema["levels"]]
    if schema["multi"]:
        return pd.MultiIndex.from_arrays(levels, names=names)
    return levels[0].rename(names[0])


def _encode(values: pd.Series, key: str, out: dict[str, Array], where: str) -> Schema:
    """Schema of a column; its arrays go to `out`, under names that start with `key`."""
    dtype, array = values.dtype, values.array
    schema: Schema = {"key": key, "dtype": str(dtype)}
    if isinstance(dtype, pd.CategoricalDtype):
        out[key] = np.asarray(array.codes)
        categories = _encode(_series(dtype.categories), f"{key}_categories", out, where)
        return schema | {"kind": "category", "of": categories, "ordered": bool(dtype.ordered)}
    if isinstance(dtype, pd.IntervalDtype):
        left = _encode(_series(array.left), f"{key}_left", out, where)
        right = _encode(_series(array.right), f"{key}_right", out, where)
        return schema | {"kind": "interval", "ends": [left, right], "closed": dtype.closed}
    if isinstance(dtype, pd.StringDtype):
        codes, unique = pd.factorize(array)
        out[key], out[f"{key}_text"] = codes, to_bytes(unique.tolist())
        na = "NA" if dtype.na_value is pd.NA else "nan"
        return schema | {"kind": "string", "storage": dtype.storage, "na": na}
    if isinstance(array, _MASKED):
        fill = False if isinstance(array, pd.arrays.BooleanArray) else 0
        out[key] = array.to_numpy(dtype.numpy_dtype, na_value=fill)
        out[f"{key}_mask"] = np.asarray(array.isna())
        return schema | {"kind": "masked"}
    if hasattr(array, "asi8"):  # times with or without zone, durations, periods
        out[key] = np.asarray(array.asi8)
        return schema | {"kind": "time"}
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf" and dtype.itemsize <= 8:
        out[key] = values.to_numpy()
        return schema | {"kind": "number"}
    if isinstance(dtype, pd.ArrowDtype) or dtype == np.dtype(object):
        out[key] = to_bytes([_plain(v, where) for v in values])
        return schema | {"kind": "object"}
    raise FileError(
        f"{where} has type {dtype}, which cannot be kept in a file; convert it to numbers, text "
        "or a categorical before fitting"
    )


def _decode(schema: Schema, arrays: Mapping[str, Array]) -> Any:
    """The extension or NumPy array of one column."""
    kind, dtype = schema["kind"], schema["dtype"]
    if kind == "interval":
        left, right = (_decode(end, arrays) for end in schema["ends"])
        return pd.arrays.IntervalArray.from_arrays(left, right, closed=schema["closed"])
    values = arrays[schema["key"]]
    if kind == "category":
        categories = pd.Index(_decode(schema["of"], arrays), dtype=_as_is(schema["of"]))
        of = pd.CategoricalDtype(categories, ordered=schema["ordered"])
        return pd.Categorical.from_codes(values, dtype=of)
    if kind == "string":
        na = pd.NA if schema["na"] == "NA" else np.nan
        texts = np.array([*_listed(arrays[f"{schema['key']}_text"]), None], dtype=object)
        if len(values) and not -1 <= values.min() <= values.max() < len(texts) - 1:
            raise FileError("a text has a code that stands for none")
        storage = schema["storage"] if find_spec("pyarrow") else "python"
        return pd.array(texts[values], dtype=pd.StringDtype(storage, na_value=na))
    if kind == "masked":
        of = pd.api.types.pandas_dtype(dtype)
        return of.construct_array_type()(values, arrays[f"{schema['key']}_mask"])
    if kind == "time":
        return _times(values, dtype)
    if kind == "object":
        found = np.empty(len(kept := _listed(values)), dtype=object)
        found[:] = [_object(value) for value in kept]
        return pd.Series(found, dtype=dtype).array
    of = np.dtype(dtype)
    if kind != "number" or of.kind not in "biuf" or of.itemsize > 8:
        raise FileError(f"a column is of a kind that is not known: {kind!r}, {dtype!r}")
    return np.asarray(values).astype(of, copy=False)


def _listed(values: Array) -> list[Any]:
    found = from_bytes(values)
    if not isinstance(found, list):
        raise FileError("the values of a column are not a list")
    return found


def _series(index: pd.Index) -> pd.Series:
    return pd.Series(index, dtype=index.dtype)


def _as_is(schema: Schema) -> Any:
    """object where that is the type, which pandas would else take for its string type."""
    return object if schema["dtype"] == "object" else None


def _times(values: Array, dtype: str) -> Any:
    of = pd.api.types.pandas_dtype(dtype)
    if isinstance(of, pd.PeriodDtype):
        return pd.PeriodIndex.from_ordinals(values, freq=of.freq).array
    if isinstance(of, pd.DatetimeTZDtype):
        utc = pd.array(values.view(f"datetime64[{of.unit}]"))
        return utc.tz_localize("UTC").tz_convert(of.tz)
    return pd.array(values.view(of))


def _plain(value: Any, where: str) -> Any:
    """A value of an object column as JSON has it; FileError if it is not plain."""
    if value is pd.NA:
        return _NA
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, tuple):
        return {"tuple": [_plain(item, where) for item in value]}
    for name, (kind, written, _) in _OBJECTS.items():
        if type(value) is kind:
            return {name: written(value)}
    raise FileError(
        f"{where} holds Python objects ({type(value).__name__}), which cannot be kept in a file; "
        "convert it to numbers, text or a categorical before fitting"
    )


def _object(value: Any) -> Any:
    """Inverse of `_plain`."""
    if not isinstance(value, dict):
        return value
    if value == _NA:
        return pd.NA
    ((name, kept),) = value.items()
    return tuple(map(_object, kept)) if name == "tuple" else _OBJECTS[name][2](kept)


def to_bytes(value: Any) -> Array:
    """JSON as an array of bytes."""
    return np.frombuffer(json.dumps(value).encode(), dtype=np.uint8)


def from_bytes(values: Array) -> Any:
    return json.loads(np.asarray(values, dtype=np.uint8).tobytes().decode())
