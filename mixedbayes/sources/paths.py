"""Paths, globs and folders: which files they mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from glob import glob, has_magic
from os import PathLike, fspath
from os.path import realpath
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mixedbayes.errors import DataError, listed

_MISSING = "__HIVE_DEFAULT_PARTITION__"  # of a folder whose key has no value
# Files of a folder that are a table only together with its log.
_LOGS = {
    "_delta_log": ("a Delta table", 'deltalake.DeltaTable("{}").to_pyarrow_dataset()'),
    "metadata/*.metadata.json": (
        "an Iceberg table",
        "(connection, \"select * from iceberg_scan('{}')\"), with DuckDB's extension iceberg",
    ),
}


def is_path(data: Any) -> bool:
    """A path, or several."""
    if isinstance(data, str | PathLike):
        return True
    return isinstance(data, list | tuple) and bool(data) and all(map(_one, data))


def _one(data: Any) -> bool:
    return isinstance(data, str | PathLike)


def names_several(text: str) -> bool:
    """Whether a path is a folder or a glob, and no file: a file may be called `a[1].csv`."""
    path = Path(text).expanduser()
    return path.is_dir() or (has_magic(text) and not path.exists())


def files(data: Any, endings: Sequence[str]) -> tuple[str, list[str]]:
    """What was given, for messages, and the path of every file.

    Files of a folder or glob are in the order of their names; those of a list in the list's.

    Raises
    ------
    DataError
        If there is no such file, or a folder is a table of another kind.
    """
    given = [fspath(p) for p in data] if isinstance(data, list | tuple) else [fspath(data)]
    found = [path for text in given for path in _of_one(text, endings)]
    of = Counter(map(realpath, found))
    if twice := list(dict.fromkeys(path for path in found if of[realpath(path)] > 1)):
        raise DataError(
            f"{listed(twice)} would be read more than once; name every file once, and no link to "
            "one of the files"
        )
    return given[0] if len(given) == 1 else f"a list of {len(given):,} paths", found


def _of_one(text: str, endings: Sequence[str]) -> list[str]:
    if "://" in text:
        raise DataError(
            f"{text} is not a path of this computer; open it with the library that reaches it, "
            f'and pass pyarrow.dataset.dataset("{text}"), or a relation of DuckDB'
        )
    if not text.strip():
        raise DataError(f"the path {text!r} is empty; the folder that this runs in is '.'")
    path = Path(text).expanduser()
    if path.is_dir():
        return _of_folder(path, endings)
    if names_several(text):
        return _of_glob(str(path), endings)
    if path.exists():
        return [str(path)]
    near = _some_names(path.parent) if path.parent.is_dir() else []
    there = f"; there are {listed(near, 6)}" if near else ""
    raise DataError(f"{text}: no such file or folder (in {Path.cwd()}){there}")


def _some_names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))


def _of_folder(folder: Path, endings: Sequence[str]) -> list[str]:
    for pattern, (what, remedy) in _LOGS.items():
        if any(folder.glob(pattern)):
            raise DataError(
                f"{folder} is {what}: its log says which of the files count. Pass "
                f"{remedy.format(folder)}"
            )
    found = sorted(p for p in folder.rglob("*") if _counts(p, folder))
    ours = [str(p) for p in found if ending(str(p), endings) is not None]
    if not ours:
        raise DataError(
            f"{folder}: none of the {len(found):,} files in this folder ends in "
            f"{', '.join(endings)}"
        )
    return ours


def _counts(path: Path, folder: Path) -> bool:
    """Whether a file is one of rows: names that begin with _ or . are for what writes them."""
    parts = path.relative_to(folder).parts
    return path.is_file() and not any(part.startswith(("_", ".")) for part in parts)


def _of_glob(pattern: str, endings: Sequence[str]) -> list[str]:
    matches = [Path(p) for p in sorted(glob(pattern, recursive=True))]
    found = [str(p) for p in matches if p.is_file()]
    if "**" not in pattern:
        found += [path for p in matches if p.is_dir() for path in _of_folder(p, endings)]
    if not found:
        raise DataError(
            f"{pattern}: no file matches (in {Path.cwd()}). * stands for a name or a part of it, "
            "** for folders of any depth"
        )
    return found


def ending(path: str, endings: Sequence[str]) -> str | None:
    """The one of these with which a path ends; None if there is none."""
    return next((e for e in endings if path.lower().endswith(e)), None)


def keys(path: str) -> dict[str, str | None]:
    """What the folders of a path say: year=2024/month=1."""
    pairs = (part.split("=", 1) for part in Path(path).parts[:-1] if "=" in part)
    return {name: None if value == _MISSING else unquote(value) for name, value in pairs}


def typed(all_keys: Sequence[Mapping[str, str | None]]) -> list[dict[str, Any]]:
    """Keys of every file, whole numbers as such where all values of a key are."""
    made: list[dict[str, Any]] = [dict(own) for own in all_keys]
    for name in {name for own in all_keys for name in own}:
        having = [own for own in made if name in own]
        if all(own[name] is None or _whole(own[name]) for own in having):
            for own in having:
                own[name] = None if own[name] is None else int(own[name])
    return made


def _whole(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isdecimal() and digits.isascii() and len(digits) < 19
