"""What the sentences of a methods section are made of, in no format yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """A formula, or another text that stands as the user typed it."""

    text: str


@dataclass(frozen=True)
class Cite:
    """References, by their keys."""

    keys: tuple[str, ...]


type Piece = str | Code | Cite
type Sentences = list[Piece]  # what stands in a paragraph, one after the other


def listed(parts: Sequence[Sentences]) -> Iterator[Piece]:
    for k, part in enumerate(parts):
        yield "" if k == 0 else " and " if k == len(parts) - 1 else ", "
        yield from part
