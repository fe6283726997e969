"""A folder of fits by what they were made from: the same question is not sampled twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.errors import FileError, ModelError
from mixedbayes.formula.types import Formula
from mixedbayes.results.files import as_path, check_writable, status
from mixedbayes.results.frame import encode_frame
from mixedbayes.results.known import encode
from mixedbayes.results.store import FORMAT, SavedFit, read, write
from mixedbayes.terms.relation import Relation


def key(
    formula: Formula | str,
    data: pd.DataFrame,
    *,
    family: str,
    priors: Mapping[str, Any],
    seed: int | None,
    settings: Mapping[str, Any],
    versions: Mapping[str, str],
    known: Mapping[str, Relation] | None = None,
) -> str:
    """SHA-256 of everything that the draws depend on, as 64 hexadecimal digits.

    Parameters
    ----------
    formula
        Parsed, then blanks do not matter; or its text.
    data
        The columns used: values, types, categories in their order, and index all count; the order
        of the columns does not.
    family
        Its name and link.
    priors, settings, versions
        JSON-able. Settings are those that change the draws: not the number of cores.
    seed
        Of the sampler.
    known
        Relations of levels by name; matrix and labels count.

    Raises
    ------
    ModelError
        If `seed` is None: two such fits are meant to differ, so none can stand for the other.
    """
    if seed is None:
        raise ModelError(
            "a cache needs a seed: fits without one are meant to differ, so none can be reused; "
            "give for example seed=1, or leave out cache="
        )
    said = {
        "formula": canonical(formula),
        "family": family,
        "priors": priors,
        "seed": int(seed),
        "settings": settings,
        "versions": versions,
        "format": FORMAT,
    }
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    _add_frame(digest, data[sorted(data.columns)])
    if known:
        said, arrays = encode(known)
        digest.update(json.dumps(said, sort_keys=True).encode())
        _add_arrays(digest, arrays)
    return digest.hexdigest()


def canonical(formula: Formula | str) -> Any:
    """What a formula says, without how it was written."""
    if isinstance(formula, str):
        return formula.strip()
    left, residual = formula.response, formula.residual
    said = {} if residual is None else {"residual": asdict(replace(residual, text=""))}
    return said | {
        "response": [left.text, *left.wrappers],
        "fixed": formula.fixed,
        "offsets": list(formula.offsets),
        "random": [
            [t.effects, list(t.factors), t.structure, asdict(t.grouper), t.id]
            for t in formula.random
        ],
        "others": [canonical(other) for other in formula.others],
    }


def of_rows(data: pd.DataFrame) -> str:
    """By what rows are known: values, types, categories and index, whatever the columns' order."""
    digest = hashlib.sha256()
    _add_frame(digest, data[sorted(data.columns)])
    return digest.hexdigest()


def _add_frame(digest: Any, data: pd.DataFrame) -> None:
    encoded = encode_frame(data)
    digest.update(json.dumps(encoded.schema, sort_keys=True).encode())
    _add_arrays(digest, encoded.arrays)


def _add_arrays(digest: Any, arrays: Mapping[str, Any]) -> None:
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
        digest.update(values.data)


def lookup(folder: str | Path, key: str) -> SavedFit | None:
    """The fit kept under a key, None if there is none.

    Raises
    ------
    FileError
        If the file is damaged; the message says to delete it.
    """
    path = as_path(folder, "fits") / f"{key}.nc"
    if status(path) is None:
        return None
    try:
        return read(path)
    except FileError as e:
        raise FileError(
            f"a fit in the cache cannot be read: {e}. Delete {path} to fit again"
        ) from e


def prepare(folder: str | Path) -> Path:
    """The folder, made if need be; FileError where no fit could be kept in it."""
    path = as_path(folder, "fits")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise FileError(f"the cache folder {path} cannot be made: {e}") from e
    check_writable(path)
    return path


def keep(folder: str | Path, key: str, saved: SavedFit) -> Path:
    """Write a fit under its key; the folder is made if need be."""
    return write(prepare(folder) / f"{key}.nc", saved)
