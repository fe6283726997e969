"""What a function of the user's raised where a density called it, and at which values.

Compiled loops cannot pass an exception on: they go on with NaN, and who samples asks afterwards,
and now and then, by `Family.failure`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Self

import numpy as np

from mixedbayes.design.types import Design, Floats
from mixedbayes.design.values import row_name
from mixedbayes.errors import ModelError


def first_line(error: BaseException) -> str:
    """The line of an error that says most: numba's begin with where it was found."""
    lines = [line.strip() for line in str(error).splitlines()]
    lines = [line for line in lines if line and not line.startswith(("Failed in", "- Resolution"))]
    return lines[0][:300] if lines else ""


class FunctionError(ModelError):
    """A function of the user's raised an exception.

    Its message is `fact`, the row if it is known, `place` and `remedy`; `y` is the response there.
    """

    def __init__(
        self, fact: str, place: str, remedy: str, y: float | None = None, row: str = ""
    ) -> None:
        super().__init__(f"{fact}{row}{place}. Remedy: {remedy}")
        self.fact, self.place, self.remedy, self.y, self.row = fact, place, remedy, y, row

    def in_rows_of(self, design: Design) -> Self:
        """The same with the row of a design that has this response."""
        rows = np.flatnonzero(design.y == self.y) if self.y is not None else np.zeros(0, int)
        if not len(rows):
            return self
        also = f", or another of {len(rows)} with this y" if len(rows) > 1 else ""
        row = f" (row {row_name(design.index, int(rows[0]))}{also})"
        found = type(self)(self.fact, self.place, self.remedy, self.y, row)
        found.__cause__ = self.__cause__
        return found

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.fact, self.place, self.remedy, self.y, self.row)


class Watched:
    """A log density by a function of the user's, which knows what that function raised.

    Attributes
    ----------
    name
        The function, as `mb.custom` calls it.
    family, arguments
        Names by which errors call the family, and mu and its parameters.
    """

    name: str = "logp"
    slowness: str = ""  # as `Family.slowness`
    family: str = ""
    arguments: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._count = 0
        self._last: BaseException | None = None

    def called(self, family: str, arguments: Iterable[str]) -> Self:
        """This density, with names for errors."""
        self.family, self.arguments = family, tuple(arguments)
        return self

    @property
    def failures(self) -> int:
        """How often a loop met an exception, so far."""
        return self._count

    @property
    def last_failure(self) -> BaseException | None:
        return self._last

    def keep(self, error: BaseException) -> None:
        """Keep an exception that a compiled loop cannot pass on."""
        self._last = error
        self._count += 1

    def failed(
        self, error: BaseException | None, values: Sequence[float], near: str = ""
    ) -> FunctionError:
        """What is to be raised for an exception at y, mu and the parameters, empty if unknown."""
        of = f" of the {self.family} family" if self.family else ""
        said = "an exception"
        if error is not None:
            said = ": ".join(filter(None, [type(error).__name__, first_line(error)]))
        fact, place, y = f"{self.name}={of} raised {said}", "", None
        if len(values):
            y, *others = (float(x) for x in values)
            names = self.arguments or ("mu", *(f"parameter {k}" for k in range(1, len(others))))
            place = "".join(f", {n} = {x:.6g}" for n, x in zip(names, others, strict=True))
            fact += f" {near or 'at'} y = {y:.6g}"
        found = FunctionError(fact, place, self.remedy, y)
        found.__cause__ = error
        return found

    @property
    def remedy(self) -> str:
        return (
            "log p is asked for wherever the links lead, at very large and very small parameters "
            "too; return -math.inf where p(y) is 0, and raise nothing"
        )


def watch(densities: Sequence[Watched], design: Design) -> Callable[[], BaseException | None]:
    """Asks whether any of these met an exception from now on."""
    before = [density.failures for density in densities]

    def failure() -> BaseException | None:
        for density, count in zip(densities, before, strict=True):
            if density.failures > count:
                error = density.last_failure
                return error.in_rows_of(design) if isinstance(error, FunctionError) else error
        return None

    return failure


def place_of(
    function: Callable[..., object], y: Floats, arguments: Sequence[Floats]
) -> tuple[int | None, BaseException | None]:
    """The first row at which a function of arrays raises an exception, and which; by bisection.

    None where it takes each row alone.
    """
    rows, error = np.arange(len(y)), None
    while len(rows) > 1 or error is None:
        half = max(1, len(rows) // 2)
        for some in (rows[:half], rows[half:]):
            error = raised(function, y[some], *(a[some] for a in arguments)) if len(some) else None
            if error is not None:
                rows = some
                break
        else:
            return None, None
    return int(rows[0]), error


def raised(function: Callable[..., object], *given: Floats) -> BaseException | None:
    """The exception of a call, if there is one."""
    try:
        function(*given)
    except Exception as error:
        return error
    return None
