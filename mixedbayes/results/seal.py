"""A checksum of a whole file, behind its content: whether it is still what was written.

It finds damage, of any bit, before anything else of the file is looked at. It is no signature:
who changes a file on purpose can seal it again, so what is read is checked all the same.
"""

from __future__ import annotations

from hashlib import sha256
from io import SEEK_END
from typing import Any, BinaryIO

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
