"""Known relations between levels as arrays of a file, and back: nothing in them is believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from mixedbayes.errors import FileError
from mixedbayes.results import frame
from mixedbayes.results.files import Each, check
from mixedbayes.results.frame import Array, EncodedFrame, decode_frame, encode_frame
from mixedbayes.terms.relation import Relation

# What is said of them, by name; the arrays are those of two frames of each.
KIND = Each(
    {
        "precision": bool,
        "rank": (int, None),
        "sparse": bool,
        "levels": frame.KIND,
        "entries": frame.KIND,
    }
)
_FRAMES = ("levels", "entries")


def encode(known: Mapping[str, Relation]) -> tuple[dict[str, Any], dict[str, Array]]:
    """What is said of each relation, and arrays by names of their own."""
    said: dict[str, Any] = {}
    arrays: dict[str, Array] = {}
    for k, (name, relation) in enumerate(known.items()):
        own: dict[str, Any] = {
            "precision": relation.precision,
            "rank": relation.rank,
            "sparse": sparse.issparse(relation.matrix),
        }
        for what, table in zip(_FRAMES, _frames(relation), strict=True):
            encoded = encode_frame(table)
            own[what] = encoded.schema
            arrays |= {f"{_prefix(k, what)}{key}": a for key, a in encoded.arrays.items()}
        said[name] = own
    return said, arrays


def decode(said: Any, arrays: Mapping[str, Array]) -> dict[str, Relation]:
    """Inverse of `encode`; FileError, or what the relation itself says, of what is none."""
    check(said, KIND, "known")
    out = {}
    for k, (name, own) in enumerate(said.items()):
        levels, entries = (
            decode_frame(EncodedFrame(own[what], _of(arrays, _prefix(k, what)))) for what in _FRAMES
        )
        out[name] = _relation(levels, entries, own)
    return out


def _relation(levels: pd.DataFrame, entries: pd.DataFrame, said: Mapping[str, Any]) -> Relation:
    size = len(levels)
    i, j = (entries[name].to_numpy() for name in ("row", "column"))
    if len(entries) and not (0 <= min(i.min(), j.min()) <= max(i.max(), j.max()) < size):
        raise FileError("a known matrix has entries of levels that it has not")
    lower = sparse.csc_array((entries["value"].to_numpy(float), (i, j)), shape=(size, size))
    whole = lower + sparse.tril(lower, -1).T
    diagonal = levels["diagonal"].to_numpy(float) if "diagonal" in levels else None
    return Relation(
        sparse.csc_array(whole) if said["sparse"] else whole.toarray(),
        pd.Index(levels["level"], name=None, dtype=levels["level"].dtype),
        said["precision"],
        said["rank"],
        diagonal,
    )


def _frames(relation: Relation) -> Iterator[pd.DataFrame]:
    labels = pd.DataFrame({"level": relation.levels})
    if relation.diagonal is not None:
        labels["diagonal"] = np.asarray(relation.diagonal, float)
    yield labels
    lower = sparse.coo_array(sparse.tril(sparse.csc_array(relation.matrix)))
    row, column = lower.coords
    yield pd.DataFrame({"row": row, "column": column, "value": lower.data})


def _prefix(k: int, what: str) -> str:
    return f"known{k}_{what}_"


def _of(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
