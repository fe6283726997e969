"""One NetCDF file that holds a whole fit: formula, data, priors, draws, settings and versions.

The file's groups are those of the DataTree, readable by any NetCDF or HDF5 tool, and one of our
own, `mixedbayes`, with the data frame and what says how the draws were made. Nothing is pickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes.errors import FileError
from mixedbayes.results.files import check_file, replacing
from mixedbayes.results.frame import (
    Array,
    EncodedFrame,
    decode_frame,
    encode_frame,
    from_bytes,
    to_bytes,
)

FORMAT = 1  # raised when a file of the new kind cannot be read by the old code
GROUP = "mixedbayes"
_META = "meta"
_MAGIC = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True, eq=False)
class SavedFit:
    """Everything that a fit is made of, in plain types.

    Attributes
    ----------
    formula
        Text of the formula.
    family, link
        Their names.
    priors
        The user's own priors as JSON-able data.
    data
        The columns that the formula uses.
    idata
        The draws.
    settings
        Sampling settings as used, seed among them; JSON-able.
    versions
        Package to version.
    extra
        Anything else that is JSON-able, such as the formulation and its reason.
    """

    formula: str
    family: str
    link: str
    priors: Mapping[str, Any]
    data: pd.DataFrame
    idata: xr.DataTree
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    extra: Mapping[str, Any] = field(default_factory=dict)


_PLAIN = ("formula", "family", "link", "priors", "settings", "versions", "extra")


def write(path: str | Path, saved: SavedFit) -> Path:
    """Write a fit to one NetCDF file, compressed and with checksums.

    The file is written under a temporary name in the same folder and then renamed, so that `path`
    is at every moment the old file or the complete new one.

    Raises
    ------
    FileError
        If the folder does not exist or cannot be written, `path` is a folder, or a column of the
        data has a type that cannot be kept.
    """
    path = check_file(path, str(Path(path) / "fit.nc"))
    tree = to_tree(saved)
    with replacing(path) as temporary:
        tree.to_netcdf(temporary, engine="h5netcdf", encoding=_encoding(tree))
    return path


def to_tree(saved: SavedFit) -> xr.DataTree:
    """The DataTree of the file: the draws' own groups and ours."""
    frame = encode_frame(saved.data)
    meta = {name: getattr(saved, name) for name in _PLAIN} | {"frame": frame.schema}
    arrays = {_META: to_bytes(meta), **frame.arrays}
    own = xr.Dataset(
        {name: (f"{name}_dim", values) for name, values in arrays.items()},
        attrs={"format": FORMAT},
    )
    nodes = {node.path: _writable(node.to_dataset(inherit=False)) for node in saved.idata.subtree}
    return xr.DataTree.from_dict({**nodes, f"/{GROUP}": own})


def _writable(dataset: xr.Dataset) -> xr.Dataset:
    """Without the encoding of a file it came from; labels of mixed types as text."""
    dataset = dataset.drop_encoding()
    for name, variable in dataset.variables.items():
        if variable.dtype == object:
            labels = [str(label) for label in variable.to_numpy().flat]
            text = np.array(labels, dtype=object).reshape(variable.shape)
            dataset[name] = (variable.dims, text, variable.attrs)
    return dataset


def _encoding(tree: xr.DataTree) -> dict[str, dict[str, dict[str, Any]]]:
    packed = {"zlib": True, "complevel": 4, "shuffle": True, "fletcher32": True}
    return {
        node.path: {
            str(name): packed
            for name, v in node.to_dataset(inherit=False).variables.items()
            if v.dtype.kind in "biuf" and v.ndim
        }
        for node in tree.subtree
    }


def read(path: str | Path) -> SavedFit:
    """Read a fit from a file of `write`.

    Raises
    ------
    FileError
        If there is no such file, it is a folder, not one of ours, damaged, or from a newer version.
    """
    path = Path(path)
    _check_file(path)
    try:
        with xr.open_datatree(path, engine="h5netcdf") as opened:
            tree = opened.load()
    except (OSError, ValueError, KeyError, RuntimeError) as e:
        raise FileError(
            f"{path} is damaged or was not written to the end ({e}); restore a copy or fit again"
        ) from e
    _check_format(path, tree)
    own = tree[GROUP].to_dataset()
    arrays: dict[str, Array] = {str(name): v.to_numpy() for name, v in own.data_vars.items()}
    meta = from_bytes(arrays.pop(_META))
    data = decode_frame(EncodedFrame(meta.pop("frame"), arrays))
    idata = xr.DataTree.from_dict(
        {
            node.path: node.to_dataset(inherit=False).drop_encoding()
            for node in tree.subtree
            if node.path != f"/{GROUP}"
        }
    )
    return SavedFit(**meta, data=data, idata=idata)


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise FileError(f"{path} is a folder; give the name of the file in it")
    if not path.exists():
        near = sorted(p.name for p in path.parent.glob("*.nc")) if path.parent.is_dir() else []
        has = f"; its folder has {', '.join(near[:5])}" if near else ""
        raise FileError(f"there is no file {path}{has}")
    try:
        with path.open("rb") as f:
            start = f.read(len(_MAGIC))
    except OSError as e:
        raise FileError(f"{path} cannot be read: {e}") from e
    if start != _MAGIC:
        what = "is empty" if not start else "is not a NetCDF file"
        raise FileError(f"{path} {what}; load() reads files written by a fit's save()")


def _check_format(path: Path, tree: xr.DataTree) -> None:
    if GROUP not in tree.children or "format" not in tree[GROUP].attrs:
        raise FileError(
            f"{path} is a NetCDF file, but not one written by a fit's save(); "
            "open it with xarray.open_datatree"
        )
    version = int(tree[GROUP].attrs["format"])
    if version > FORMAT:
        raise FileError(
            f"{path} has format {version}, written by a newer mixedbayes; this one reads up to "
            f"format {FORMAT}: upgrade mixedbayes"
        )
