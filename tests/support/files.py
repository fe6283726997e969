"""Files of fits changed on purpose, and sealed again as who attacks a reader would."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import xarray as xr

from mixedbayes.results.frame import from_bytes, to_bytes
from mixedbayes.results.store import GROUP, seal

Change = Callable[[Any], Any]


def nothing(_: Any) -> None:
    return None


def sealed(content: bytes) -> bytes:
    return content + seal(content)


def changed(path: Path, meta: Change = nothing, tree: Change = nothing) -> Path:
    """Change a file as `edited` does, in place; its checksum is right again."""
    with xr.open_datatree(path, engine="h5netcdf") as opened:
        found = edited(opened.load(), meta, tree)
    content = BytesIO()
    found.to_netcdf(content, engine="h5netcdf")
    path.write_bytes(sealed(content.getvalue()))
    return path


def edited(content: xr.DataTree, meta: Change = nothing, tree: Change = nothing) -> xr.DataTree:
    """The tree of a file with its description, or its arrays, changed.

    `meta` changes the dictionary it is given, or returns what is to stand there instead; `tree`
    changes the tree.
    """
    out = content.copy(deep=True)
    said = from_bytes(out[GROUP]["meta"].to_numpy())
    other = meta(said)
    own = out[GROUP].to_dataset().drop_vars("meta")
    own["meta"] = ("meta_dim", to_bytes(said if other is None else other))
    out[GROUP] = xr.DataTree(own)
    tree(out)
    return out
