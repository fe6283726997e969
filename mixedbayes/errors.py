"""Every error mixedbayes raises on purpose.

Each states the fact, the place, the counts and the remedy, so that the message alone is enough to
mend the input.
"""

from collections.abc import Sequence
from typing import Any

from mixedbayes.printable import printable

_LONGEST = 4000  # characters of a message
_END = 800  # of them kept from its end, where the remedy is


class MixedBayesError(Exception):
    """Base class of all errors raised by mixedbayes.

    A message that quotes very long input is cut in its middle, to about 4,000 characters.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(_cut(arg) if isinstance(arg, str) else arg for arg in args))

    def __str__(self) -> str:
        return printable(super().__str__())


def article(noun: str) -> str:
    """A noun after its article: "an int", "a list"."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def listed(items: Sequence[Any], most: int = 8) -> str:
    """Labels for a message, as Python writes them, cut after some."""
    shown = ", ".join(map(repr, items[:most]))
    return f"{shown}, ... ({len(items):,} in all)" if len(items) > most else shown


def _cut(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    left_out = f" ... [{len(text) - _LONGEST:,} characters left out] ... "
    return f"{text[: _LONGEST - _END]}{left_out}{text[-_END:]}"


class FormulaError(MixedBayesError, ValueError):
    """The formula's text is not understood; the message shows the place with a caret."""


class DataError(MixedBayesError, ValueError):
    """The data do not fit the formula or the family."""


class PriorError(MixedBayesError, ValueError):
    """A prior is not valid, or is given for a parameter that the model does not have."""


class ModelError(MixedBayesError, ValueError):
    """The model cannot be built as asked, for example a formulation that is not exact for it."""


class SamplingError(MixedBayesError, RuntimeError):
    """The sampler could not start or was stopped before any draw was kept."""


class FileError(MixedBayesError, OSError):
    """A file is not one of ours, is damaged, or comes from a newer version."""


class MissingExtraError(MixedBayesError, ImportError):
    """An optional dependency is absent; the message names the extra to install."""
