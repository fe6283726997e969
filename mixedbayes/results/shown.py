"""Tables that show all their columns, with as many digits as one reads."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any

import numpy as np
import pandas as pd


class Table(pd.DataFrame):
    """A data frame in every way but one: printed, it has four digits and hides no column.

    In a terminal of 80 columns pandas leaves out the columns in the middle of a table of estimates,
    the estimate itself among them. Here numbers are short, and what is still too wide goes on
    below. A format of your own (`pd.options.display.float_format`) has precedence. The numbers in
    the table have all their digits.
    """

    @property
    def _constructor(self) -> Callable[..., Table]:
        return Table

    def __repr__(self) -> str:
        with _look():
            return super().__repr__()

    def _repr_html_(self) -> str | None:
        with _look():
            return super()._repr_html_()


def as_table(found: Any) -> Any:
    """A data frame as a Table; anything else, such as draws, as it is."""
    return Table(found) if isinstance(found, pd.DataFrame) else found


def tabled[**P, R](method: Callable[P, R]) -> Callable[P, R]:
    """A method whose data frames are Tables."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return as_table(method(*args, **kwargs))

    return call


def short(x: float) -> str:
    """A number in four digits, or all those before the point."""
    if not np.isfinite(x) or abs(x) < 1000:
        return f"{x:#.4g}".removesuffix(".")
    return f"{x:.0f}" if abs(x) < 1e15 else f"{x:.4g}"


def _look() -> AbstractContextManager[None]:
    own = pd.get_option("display.float_format")
    return pd.option_context(
        "display.float_format", own or short, "display.max_columns", None,
        "display.expand_frame_repr", True,
    )  # fmt: skip
