"""Every error mixedbayes raises on purpose.

Each states the fact, the place, the counts and the remedy, so that the message alone is enough to
mend the input.
"""


class MixedBayesError(Exception):
    """Base class of all errors raised by mixedbayes."""


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
