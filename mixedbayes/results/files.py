"""Files that are at every moment the old one or the complete new one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mixedbayes.errors import FileError


def check_file(path: str | Path, example: str) -> Path:
    """The path; FileError where no file can be, `example` being a name for one."""
    path = Path(path)
    if path.is_dir():
        raise FileError(f"{path} is a folder; give the name of a file, such as {example}")
    if not path.parent.is_dir():
        raise FileError(f"the folder {path.parent} does not exist; create it first")
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name in the same folder, renamed to `path` at the end.

    FileError if it cannot be written; nothing is left behind then.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as e:
        raise FileError(f"{path} could not be written: {e}") from e
    finally:
        temporary.unlink(missing_ok=True)
