"""Files that are at every moment the old one or the complete new one."""

from __future__ import annotations

import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mixedbayes.errors import FileError

try:
    import fcntl
except ImportError:  # Windows has no locks of this kind
    fcntl = None  # type: ignore[assignment]

_LONGEST = 180  # bytes of the target's name in a temporary one; file systems take 255 in all
_OLD = 86_400.0  # seconds; for what was left over where there are no locks


def as_path(path: object, example: str) -> Path:
    """A path from the outside, `~` expanded; FileError where it is no name of a file.

    `example` is a name that would do.
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise FileError(f"{path!r} is not the name of a file; give one, such as {example!r}")
    if "\0" in os.fspath(path):
        raise FileError(f"{os.fspath(path)!r} holds a null byte, which no name of a file may")
    try:
        return Path(path).expanduser()
    except RuntimeError as e:
        raise FileError(f"{path}: {e}; write the folder out") from e


def status(path: Path) -> os.stat_result | None:
    """What the system says about a path, links followed; None if there is nothing there.

    FileError where it cannot be asked: a folder without access, a name that is too long, links
    that go round in a circle.
    """
    try:
        return path.stat()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as e:
        raise FileError(f"{_short(path)} cannot be reached: {_reason(e)}") from e


def check_regular(path: Path, found: os.stat_result, remedy: str) -> None:
    """FileError if what is there is no plain file."""
    if stat.S_ISDIR(found.st_mode):
        raise FileError(f"{path} is a folder; {remedy}")
    if not stat.S_ISREG(found.st_mode):
        raise FileError(f"{path} is a device, a pipe or a socket; give the name of a plain file")


def check_file(path: object, example: str) -> Path:
    """The path to write to; FileError where no file can be, `example` being a name for one."""
    path = as_path(path, example)
    found = status(path)
    if found is not None:
        check_regular(path, found, f"give the name of a file, such as {path / example}")
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise FileError(f"the folder {folder} does not exist; create it first")
    return path


def check_writable(folder: Path) -> None:
    """FileError if no file can be made in a folder."""
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FileError(f"the folder {folder} cannot be written to; choose another")


def write_file(path: Path, content: Any) -> None:
    """Write bytes to a file, which is then complete, or as it was before.

    They are written under another name in the same folder, which then takes the file's place. A
    link is followed, the permissions of a file that is replaced are kept, and what writers of the
    same file left behind when they were killed is removed.

    Parameters
    ----------
    path
        Checked by `check_file`.
    content
        Bytes, or anything that holds them.

    Raises
    ------
    FileError
        If it cannot be written, for example on a full disk; nothing is left behind then.
    """
    target = Path(os.path.realpath(path))
    try:
        found = status(target)
        _remove_left_over(target)
        with _temporary(target) as (file, temporary):
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if fcntl is None:  # Windows renames no open file
                file.close()
            if found is not None:
                os.chmod(temporary, stat.S_IMODE(found.st_mode))
            os.replace(temporary, target)
    except FileError:
        raise
    except OSError as e:
        raise FileError(f"{path} could not be written: {_reason(e)}") from e


@contextmanager
def _temporary(target: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file beside the target, locked while its writer lives, gone at the end."""
    while True:
        temporary = target.with_name(f"{_start(target)}.{secrets.token_hex(6)}.tmp")
        file = temporary.open("xb")
        # Before the lock another writer may have taken the file for one that was left over.
        if _lock(file) is not False and temporary.exists():
            break
        file.close()
    try:
        yield file, temporary
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        with suppress(OSError):  # bytes that the disk has no room for
            file.close()


def _remove_left_over(target: Path) -> None:
    """Remove the temporary files of this target whose writers are gone."""
    ours = re.compile(re.escape(_start(target)) + r"\.[0-9a-f]{12}\.tmp")
    with os.scandir(target.parent) as entries:
        found = [e for e in entries if ours.fullmatch(e.name) and e.is_file(follow_symlinks=False)]
    for entry in found:
        with suppress(OSError), open(entry.path, "r+b") as file:  # another's, or gone by now
            free = _lock(file)
            if free is None:
                free = time.time() - entry.stat().st_mtime > _OLD
            if free:
                os.unlink(entry.path)


def _lock(file: BinaryIO) -> bool | None:
    """Whether a lock was taken, which the system gives back when its process ends.

    None where there are no locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _start(target: Path) -> str:
    """How the target's temporary names begin, short enough for every file system."""
    return "." + target.name.encode(errors="surrogateescape")[:_LONGEST].decode(errors="ignore")


def _short(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


# ---- what plain data from a file must look like ------------------------------------------------
# A kind is written as the data are:
#
# - `str`, `int`, `float` (whole numbers too), `bool`, `None`;
# - ``(int, None)``: one of these;
# - ``[str]``: a list of any length;
# - ``{"name": str, "unit?": str}``: an object with these names and no others, those with a question
#   mark optional;
# - ``Each(str)``: an object with any names;
# - `ANY`: whatever JSON can say.


ANY = object()
_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class Each:
    """An object with any names, each value of one kind."""

    of: Any


def check(value: Any, kind: Any, place: str) -> None:
    """FileError unless `value` is of this kind; `place` says where it stands."""
    if kind is ANY:
        return
    if isinstance(kind, tuple):
        _check_one_of(value, kind, place)
    elif isinstance(kind, list):
        _check_type(value, list, "a list", place)
        for i, item in enumerate(value):
            check(item, kind[0], f"{place}[{i}]")
    elif isinstance(kind, Each):
        _check_type(value, dict, "an object", place)
        for name, item in value.items():
            check(item, kind.of, f"{place}.{name}")
    elif isinstance(kind, dict):
        _check_object(value, kind, place)
    elif kind is None:
        _check_type(value, type(None), "null", place)
    else:
        types = (int, float) if kind is float else kind
        if isinstance(value, bool) and kind is not bool:
            types = ()
        _check_type(value, types, _NAMES[kind], place)


def _check_one_of(value: Any, kinds: tuple[Any, ...], place: str) -> None:
    for kind in kinds:
        try:
            return check(value, kind, place)
        except FileError as e:
            last = e
    raise last


def _check_object(value: Any, kind: dict[str, Any], place: str) -> None:
    _check_type(value, dict, "an object", place)
    known = {name.removesuffix("?"): of for name, of in kind.items()}
    absent = [name for name in kind if not name.endswith("?") and name not in value]
    if absent:
        raise FileError(f"{place} has no {', '.join(map(repr, absent))}")
    odd = [name for name in value if name not in known]
    if odd:
        raise FileError(f"{place} has {', '.join(map(repr, odd))[:200]}, which is not known")
    for name, item in value.items():
        check(item, known[name], f"{place}.{name}")


def _check_type(value: Any, types: Any, wanted: str, place: str) -> None:
    if not isinstance(value, types):
        raise FileError(f"{place} is {type(value).__name__} {value!r:.40}, not {wanted}")
