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

    Every message says what is wrong, where, and what to do. One that quotes very long input is cut
    in its middle, to about 4,000 characters.

    See Also
    --------
    FormulaError : Of formulas.
    DataError : Of data.
    PriorError : Of priors.
    ModelError : Of what was asked.
    SamplingError : Of the sampler.
    FileError : Of files.
    MissingExtraError : Of optional packages.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> try:
    ...     mb.Model("Reaction ~ Day", sleep)
    ... except mb.MixedBayesError as error:
    ...     print(error)
    no column 'Day' in the data
        Reaction ~ Day
                   ^^^
    did you mean Days?
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
    """The formula's text is not understood; the message shows the place with a caret.

    Words of lme4, brms, mgcv, glmmTMB, Bambi and Patsy are known, and it is said how the same is
    written here.

    See Also
    --------
    formula_functions : All that a formula may say.
    DataError : The formula is understood, and the data do not suit it.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> try:
    ...     mb.Model("Reaction ~ Days + (Days | Subject", sleep)
    ... except mb.FormulaError as error:
    ...     print(error)
    `(` is never closed
        Reaction ~ Days + (Days | Subject
                          ^
    add a `)`
    """


class DataError(MixedBayesError, ValueError):
    """The data do not fit the formula or the family; columns, rows and counts are named.

    See Also
    --------
    FormulaError : The text of the formula.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> try:
    ...     mb.Model("Reaction ~ Day + (1 | Subject)", sleep)
    ... except mb.DataError as error:
    ...     print(error)
    no column 'Day' in the data
        Reaction ~ Day + (1 | Subject)
                   ^^^
    did you mean Days?
    """


class PriorError(MixedBayesError, ValueError):
    """A prior is not valid, or is given for a parameter that the model does not have.

    See Also
    --------
    priors : Of `Model`: what there is.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> try:
    ...     mb.Normal(0, -1)
    ... except mb.PriorError as error:
    ...     print(error)
    Normal: sigma must be greater than 0, got -1
    """


class ModelError(MixedBayesError, ValueError):
    """What is asked is not possible for this model; the message says what is.

    See Also
    --------
    MixedBayesError : Of all kinds.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> try:
    ...     mb.Model("Days ~ 1", sleep, family="poisson", formulation=mb.Marginal())
    ... except mb.ModelError as error:
    ...     print(error)
    Marginal() is not exact here: the poisson family has no closed form; use formulation='auto'
    """


class SamplingError(MixedBayesError, RuntimeError):
    """A setting of the sampler is out of range, or it found no start or was stopped at once.

    See Also
    --------
    ModelError : The formulation is not possible.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> try:
    ...     mb.fit("Reaction ~ Days + (1 | Subject)", sleep, chains=0)
    ... except mb.SamplingError as error:
    ...     print(error)
    chains=0: must be at least 1; use chains=4, or chains=1 without rhat.
    """


class FileError(MixedBayesError, OSError):
    """A file is not one of ours, is damaged, cannot be written, or comes from a newer version.

    See Also
    --------
    load : Reads files.
    save : Writes them.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> try:
    ...     mb.load("no-such-folder/sleep.nc")
    ... except mb.FileError as error:
    ...     print(error)
    there is no file no-such-folder/sleep.nc
    """


class MissingExtraError(MixedBayesError, ImportError):
    """An optional package is not installed; the message names the extra to install.

    See Also
    --------
    MixedBayesError : Of all kinds.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> issubclass(mb.MissingExtraError, mb.MixedBayesError)
    True
    """
