"""One NetCDF file that holds a whole fit: formula, data, priors, draws, settings and versions.

The file's groups are those of the DataTree, readable by any NetCDF or HDF5 tool, and one of our
own, `mixedbayes`, with the data frame and what says how the draws were made. Nothing is pickled.
Behind all that stands a checksum of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes.errors import FileError
from mixedbayes.interrupts import later
from mixedbayes.results import frame, known
from mixedbayes.results.files import (
    ANY,
    Each,
    as_path,
    check,
    check_file,
    check_regular,
    status,
    write_file,
)
from mixedbayes.results.frame import (
    Array,
    EncodedFrame,
    decode_frame,
    encode_frame,
    from_bytes,
    to_bytes,
)
from mixedbayes.terms.relation import Relation

if TYPE_CHECKING:
    import h5py
else:
    h5py = later("h5py")

# ---- a checksum behind the content -------------------------------------------------------------
# It finds damage, of any bit, before anything else of the file is looked at. It is no signature:
# who changes a file on purpose can seal it again, so what is read is checked all the same.


_MARK = b"\nmixedbayes sha256 "
_LENGTH = len(_MARK) + 64 + 1
_CHUNK = 2**20


def seal(content: Any) -> bytes:
    """What is to stand behind this content; readers of NetCDF and HDF5 pass over it."""
    return _line(sha256(content).hexdigest())


def sealed(file: BinaryIO) -> bool | None:
    """Whether a file's content is what was sealed; None if it has no seal."""
    left = file.seek(0, SEEK_END) - _LENGTH
    if left < 0:
        return None
    file.seek(left)
    found = file.read(_LENGTH)
    if not found.startswith(_MARK):
        return None
    file.seek(0)
    digest = sha256()
    while left > 0 and (chunk := file.read(min(_CHUNK, left))):
        digest.update(chunk)
        left -= len(chunk)
    return found == _line(digest.hexdigest())


def _line(digest: str) -> bytes:
    return _MARK + digest.encode() + b"\n"


# ---- what an HDF5 file may hold: arrays of its own ---------------------------------------------
# HDF5 lets a file take its values from elsewhere: from other files (external storage, external
# links, virtual data sets) or from code that it names (filters loaded as plugins). None of our
# files does so, and a file that does would copy what the reader may see into what the reader
# writes.


_FILTERS = ("FILTER_DEFLATE", "FILTER_SHUFFLE", "FILTER_FLETCHER32")  # of h5py.h5z
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
    if filters - {getattr(h5py.h5z, name) for name in _FILTERS}:
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


# ---- a fit as a file, and back -----------------------------------------------------------------


# Raised when a file of the new kind cannot be read by the old code, or the old kind's default
# priors are not what the new code makes of the same model.
FORMAT = 3
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
    known
        Known relations between levels, by name.
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
    known: Mapping[str, Relation] = field(default_factory=dict)


_PLAIN = ("formula", "family", "link", "priors", "settings", "versions", "extra")
# What the description in the file looks like; see `schema`. Who fills `settings` and `extra` says
# what these hold.
META = {
    "formula": str,
    "family": str,
    "link": str,
    "priors": Each((None, Each(ANY))),
    "settings": Each((str, bool, float, None)),
    "versions": Each(str),
    "extra": Each(ANY),
    "frame": frame.KIND,
    "known?": known.KIND,
}


def write(path: str | Path, saved: SavedFit) -> Path:
    """Write a fit to one NetCDF file, compressed and with checksums.

    The file is made in memory, then written under a temporary name in the same folder and renamed,
    so that `path` is at every moment the old file or the complete new one.

    Raises
    ------
    FileError
        If the folder does not exist or cannot be written, `path` is a folder, the disk is full, a
        column of the data has a type that cannot be kept, or the fit is not one that `read` takes.
    """
    path = check_file(path, "fit.nc")
    content = _content(saved)
    write_file(path, content.getbuffer())
    return path


def _content(saved: SavedFit) -> BytesIO:
    """The whole file. HDF5 itself never meets the disk: a full one would end the process."""
    tree, content = to_tree(saved), BytesIO()
    try:
        tree.to_netcdf(content, engine="h5netcdf", encoding=_encoding(tree))
    except (OSError, RuntimeError, ValueError, TypeError, MemoryError) as e:
        raise FileError(f"the fit could not be made into a file: {e}") from e
    line = seal(content.getbuffer())
    content.seek(0, SEEK_END)
    content.write(line)
    return content


def to_tree(saved: SavedFit) -> xr.DataTree:
    """The DataTree of the file: the draws' own groups and ours."""
    data = encode_frame(saved.data)
    said, relations = known.encode(saved.known)
    arrays = {_META: _described(saved, data.schema, said), **data.arrays, **relations}
    _check_draws(saved.idata)
    own = xr.Dataset(
        {name: (f"{name}_dim", values) for name, values in arrays.items()},
        attrs={"format": FORMAT},
    )
    nodes = {node.path: _writable(node.to_dataset(inherit=False)) for node in saved.idata.subtree}
    return xr.DataTree.from_dict({**nodes, f"/{GROUP}": own})


def _described(saved: SavedFit, schema: Mapping[str, Any], said: Mapping[str, Any]) -> Array:
    meta = {name: getattr(saved, name) for name in _PLAIN} | {"frame": schema}
    meta |= {"known": said} if said else {}
    try:
        text = to_bytes(meta)
    except (TypeError, ValueError, RecursionError) as e:
        raise FileError(f"the fit's description cannot be kept in a file: {e}") from e
    check(from_bytes(text), META, _META)
    return text


def _check_draws(idata: xr.DataTree) -> None:
    """FileError where a draw is not a finite number."""
    posterior = idata["posterior"].to_dataset() if "posterior" in idata.children else xr.Dataset()
    for name, draws in posterior.data_vars.items():
        if draws.dtype.kind == "f":
            odd = draws.size - int(np.isfinite(draws.to_numpy()).sum())
            if odd:
                raise FileError(f"{odd:,} of the {draws.size:,} draws of {name} are not finite")


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

    Nothing in the file is believed: it may not reach outside itself, its checksum has to be right,
    and what it holds has to be of the kinds in `META`.

    Raises
    ------
    FileError
        If there is no such file, it is a folder, not one of ours, damaged, or of another format.
    """
    path = as_path(path, "fit.nc")
    _check_there(path)
    with _as_damage(path):
        tree, whole = _load(path)
    if GROUP not in tree.children or "format" not in tree[GROUP].attrs:
        raise FileError(
            f"{path} is a NetCDF file, but not one written by a fit's save(); "
            "open it with xarray.open_datatree"
        )
    with _as_damage(path):
        version = int(tree[GROUP].attrs["format"])
        own = tree[GROUP].to_dataset()
        arrays: dict[str, Array] = {str(name): v.to_numpy() for name, v in own.data_vars.items()}
        meta = from_bytes(arrays.pop(_META))
    _check_format(path, version, meta)
    with _as_damage(path):
        if not whole:
            raise FileError("it was changed after it was written")
        return _checked(meta, arrays, tree)


def _load(path: Path) -> tuple[xr.DataTree, bool]:
    """Everything in the file, and whether it has a checksum, which then is right."""
    with path.open("rb") as file:
        whole = sealed(file)
        if whole is False:
            raise FileError("its checksum is wrong")
        with h5py.File(file, "r") as tree:
            check_contents(tree, path.stat().st_size)
        with xr.open_datatree(file, engine="h5netcdf") as opened:
            return opened.load(), bool(whole)


def _checked(meta: Any, arrays: Mapping[str, Array], tree: xr.DataTree) -> SavedFit:
    check(meta, META, _META)
    data = decode_frame(EncodedFrame(meta.pop("frame"), arrays))
    relations = known.decode(meta.pop("known", {}), arrays)
    _check_draws(tree)
    idata = xr.DataTree.from_dict(
        {
            node.path: node.to_dataset(inherit=False).drop_encoding()
            for node in tree.subtree
            if node.path != f"/{GROUP}"
        }
    )
    return SavedFit(**meta, data=data, idata=idata, known=relations)


@contextmanager
def _as_damage(path: Path) -> Iterator[None]:
    """Whatever a library says of a file that cannot be read, as FileError."""
    try:
        yield
    except Exception as e:
        said = str(e) if isinstance(e, FileError) else f"{type(e).__name__}: {e}"
        raise FileError(
            f"{path} is damaged or was not written to the end ({said[:300]}); restore a copy or "
            "fit again"
        ) from e


def _check_there(path: Path) -> None:
    found = status(path)
    if found is None:
        near = sorted(p.name for p in path.parent.glob("*.nc")) if path.parent.is_dir() else []
        has = f"; its folder has {', '.join(near[:5])}" if near else ""
        raise FileError(f"there is no file {path}{has}")
    check_regular(path, found, "give the name of the file in it")
    try:
        with path.open("rb") as f:
            start = f.read(len(_MAGIC))
    except OSError as e:
        raise FileError(f"{path} cannot be read: {e}") from e
    if start != _MAGIC:
        what = "is empty" if not start else "is not a NetCDF file"
        raise FileError(f"{path} {what}; load() reads files written by a fit's save()")


def _check_format(path: Path, version: int, meta: Any) -> None:
    if version == FORMAT:
        return
    versions = meta.get("versions") if isinstance(meta, dict) else None
    by = versions.get("mixedbayes", "") if isinstance(versions, dict) else ""
    said = f"{path} has format {version}, written by mixedbayes {str(by)[:40] or 'unknown'}"
    if version > FORMAT:
        raise FileError(f"{said}, a newer one; this one reads format {FORMAT}: upgrade mixedbayes")
    raise FileError(
        f"{said}; this one reads format {FORMAT}: what files say, or default priors, have changed "
        "since; load it with that version, or fit again. xarray.open_datatree reads its draws"
    )
