"""Lines of one picture in colours and panels: at which values of which columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from mixedbayes.errors import ModelError
from mixedbayes.estimands.ask import names_of
from mixedbayes.estimands.grid import Columns, shown
from mixedbayes.plots import style
from mixedbayes.plots.scene import Key

MOST_PANELS = 12
_MOST_COLORS = 12


@dataclass(frozen=True, eq=False)
class Series:
    """What columns are set to.

    fixed
        The same everywhere, by name.
    colors
        Settings that have a colour each; none where there is one line.
    panels
        Settings that have a panel each; at least one, which may be empty.
    """

    columns: Columns
    fixed: Mapping[str, Any]
    colors: Sequence[Mapping[str, Any]]
    panels: Sequence[Mapping[str, Any]]

    @property
    def color_names(self) -> list[str]:
        return [name for setting in self.colors[:1] for name in setting]

    def colored(self) -> list[tuple[str | None, Mapping[str, Any]]]:
        """Each setting with its colour; one without, where there are no colours."""
        if len(self.colors) < 2:
            return [(None, setting) for setting in self.colors] or [(None, {})]
        return list(zip(style.colors(len(self.colors)), self.colors, strict=True))

    def among(self, setting: Mapping[str, Any]) -> bool:
        """Whether rows of the data lie between the values of a setting, which are numbers."""
        return any(not self._matched(name) for name in setting)

    def rows(self, setting: Mapping[str, Any]) -> Any:
        """(n,) rows of the data that belong to a setting; numbers only where all rows have one."""
        frame = self.columns.frame
        kept = np.ones(len(frame), bool)
        for name, value in setting.items():
            if self._matched(name):
                kept &= (frame[name] == value).to_numpy(bool)
        return kept

    def _matched(self, name: str) -> bool:
        if self.columns.is_category(name):
            return True
        values = {s[name] for s in (*self.colors, *self.panels) if name in s}
        return bool(self.columns.frame[name].isin(values).all())

    def title(self, setting: Mapping[str, Any]) -> str:
        return ", ".join(self._said(name, value) for name, value in setting.items())

    def _said(self, name: str, value: Any) -> str:
        sign = " " if self.columns.is_category(name) else " = "
        return f"{name}{sign}{shown(value)}"

    def keys(self) -> list[Key]:
        """Names of the colours."""
        return [
            Key(self.title(setting), color or style.BLUE, width=2.2)
            for color, setting in self.colored()
        ]


def series_of(
    columns: Columns,
    along: str,
    by: str | Sequence[str] | Mapping[str, Any] | None,
    at: Mapping[str, Any] | None,
    *,
    colored: bool = True,
) -> Series:
    """Read `by` and `at`; the first column of `by` has colours if `colored`, others panels.

    Raises
    ------
    DataError
        A column is not in the model, or a level not in the data.
    ModelError
        A column has two parts, is a grouping factor, or there are too many of them.
    """
    if at is not None and not isinstance(at, Mapping):
        raise ModelError(f'at={at!r} is no mapping of columns to values, such as {{"age": 20}}')
    given = dict(by) if isinstance(by, Mapping) else dict.fromkeys(names_of(by, "by"))
    values = {
        name: columns.values(name, v) if v is not None else columns.places(columns.check(name))
        for name, v in given.items()
    }
    set_to = {name: columns.values(name, v) for name, v in (at or {}).items()}
    for name in (*values, *set_to):
        if name == along:
            raise ModelError(f"{name} runs along the axis: leave it out of by= and at=")
        if name in values and name in set_to:
            raise ModelError(f"{name} is in by= and in at=: give it once")
        if name in columns.grouping:
            raise ModelError(
                f"{name} is a grouping factor, whose levels have lines of their own: choose them "
                f'with levels=, or ask plot_means({along!r}, by="{name}")'
            )
    first = next(iter(values), None) if colored else None
    colors = [] if first is None else [{first: v} for v in values[first]]
    if len(colors) > _MOST_COLORS:
        raise ModelError(
            f"{len(colors)} values of {first} are too many colours (at most {_MOST_COLORS}); name "
            f"some: by={{{first!r}: [...]}}"
        )
    fixed = {name: v[0] for name, v in set_to.items() if len(v) == 1}
    rest = {n: v for n, v in (values | set_to).items() if n != first and n not in fixed}
    panels = [dict(zip(rest, row, strict=True)) for row in product(*rest.values())]
    if len(panels) > MOST_PANELS:
        raise ModelError(
            f"{len(panels)} combinations of {', '.join(rest)} are too many panels (at most "
            f"{MOST_PANELS}); name fewer values"
        )
    return Series(columns, fixed, colors, panels)
