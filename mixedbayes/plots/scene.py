"""What a picture shows, apart from what draws it: marks in panels, panels on a sheet.

Every picture is made of these frozen parts; `draw.draw` hands a sheet to one backend. Lengths are
inches, text and line widths are points, areas of dots are points squared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields, replace
from importlib import import_module
from typing import Any, Literal

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.errors import MissingExtraError, ModelError
from mixedbayes.plots.labels import in_picture

Side = Literal["left", "center", "right"]
Height = Literal["top", "center", "bottom"]
Share = Literal["all", "aligned", "none"]

# Fields that are texts, and how many letters of a line there is room for.
_TEXTS = {
    "text": 90,
    "texts": 60,
    "title": 90,
    "xlabel": 130,
    "ylabel": 90,
    "names": 130,
    "says": 130,
    "note": 160,
}
_MARGIN = 0.05  # of the span of the marks, beyond them


@dataclass(frozen=True, eq=False)
class Dots:
    """Points; `names` are shown where a backend knows what the pointer is over.

    Plotly shows in place of the coordinates what `says` has of each point, in lines.
    """

    x: Floats  # (m,)
    y: Floats  # (m,)
    color: str | Sequence[str]
    area: float | Floats = 16.0
    edge: str | None = None
    edge_width: float = 0.0
    alpha: float = 1.0
    marker: Literal["o", "X", "_", "|"] = "o"
    names: Sequence[str] = ()
    says: Sequence[Sequence[str]] = ()
    gid: str = ""
    z: float = 3.0


@dataclass(frozen=True, eq=False)
class Line:
    """A line through points; NaN lifts the pen."""

    x: Floats  # (m,)
    y: Floats  # (m,)
    color: str
    width: float = 1.4
    dash: bool = False
    alpha: float = 1.0
    names: Sequence[str] = ()
    gid: str = ""
    z: float = 2.0


@dataclass(frozen=True, eq=False)
class Segments:
    """Straight lines from start to end, with arrow heads on those long enough for one."""

    start: Floats  # (m, 2)
    end: Floats  # (m, 2)
    color: str
    width: float = 1.0
    alpha: float = 1.0
    heads: bool = False
    gid: str = ""
    z: float = 2.0


@dataclass(frozen=True, eq=False)
class Band:
    """The area between two curves over x."""

    x: Floats  # (m,)
    lower: Floats  # (m,)
    upper: Floats  # (m,)
    color: str
    alpha: float = 0.75
    gid: str = ""
    z: float = 1.0


@dataclass(frozen=True, eq=False)
class Oval:
    """An ellipse around a centre, its first axis turned by `angle` degrees from x."""

    center: tuple[float, float]
    width: float
    height: float
    angle: float
    fill: str | None = None
    edge: str | None = None
    edge_width: float = 0.8
    alpha: float = 1.0
    gid: str = ""
    z: float = 0.0

    def outline(self, points: int = 121) -> tuple[Floats, Floats]:
        """x and y of a closed line around it."""
        t, a = np.linspace(0, 2 * np.pi, points), np.radians(self.angle)
        u, v = self.width / 2 * np.cos(t), self.height / 2 * np.sin(t)
        x = self.center[0] + u * np.cos(a) - v * np.sin(a)
        return x, self.center[1] + u * np.sin(a) + v * np.cos(a)


@dataclass(frozen=True)
class Rule:
    """A straight line across the whole panel, behind the data."""

    at: float
    upright: bool
    color: str
    width: float = 0.8
    dash: bool = False
    z: float = 0.0


@dataclass(frozen=True)
class Text:
    """A text beside a point; with `inside`, x and y are shares of the panel's width and height."""

    x: float
    y: float
    text: str
    color: str
    shift: tuple[float, float] = (0.0, 0.0)  # points
    across: Side = "left"
    along: Height = "center"
    inside: bool = False


Mark = Dots | Line | Segments | Band | Oval | Rule | Text


@dataclass(frozen=True, eq=False)
class Ticks:
    """Ticks at these places with these texts."""

    at: Floats
    texts: Sequence[str]
    turned: bool = False
    marks: bool = True  # whether there is a tick mark, or the text alone


@dataclass(frozen=True)
class MaxTicks:
    """At most so many intervals between ticks, at round numbers."""

    most: int
    whole: bool = False


@dataclass(frozen=True, eq=False)
class Panel:
    """One pair of axes."""

    marks: Sequence[Mark]
    title: str = ""
    xlabel: str = ""
    ylabel: str = ""
    xlim: tuple[float, float] | None = None
    ylim: tuple[float, float] | None = None
    xticks: Ticks | MaxTicks | None = None
    yticks: Ticks | MaxTicks | None = None
    small: bool = False  # one of many: a light title
    y_line: bool = True  # whether the vertical axis has a line
    faint_ylabel: bool = False


@dataclass(frozen=True)
class Key:
    """An entry of the legend."""

    text: str
    color: str
    kind: Literal["line", "dash", "dot", "ring", "cross", "patch"] = "line"
    width: float = 1.4  # of a line; a patch is as high as wide lines
    edge: str | None = None
    gids: Sequence[str] = ()  # of the marks that a click on it hides, where a backend can


@dataclass(frozen=True, eq=False)
class Sheet:
    """A whole picture: rows of panels, None where a place stays empty."""

    rows: Sequence[Sequence[Panel | None]]
    width: float
    height: float
    heights: Sequence[float] = ()  # of the rows, in proportion
    widths: Sequence[float] = ()  # of the columns, in proportion
    share_x: Share = "none"
    share_y: Share = "none"
    xlabel: str = ""
    ylabel: str = ""
    keys: Sequence[Key] = ()
    key_columns: int = 3
    keys_above: bool = False
    note: str = ""  # in small letters below everything; the legend is then above

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), len(self.rows[0])

    @property
    def panels(self) -> list[Panel]:
        return [panel for row in self.rows for panel in row if panel is not None]

    def named_below(self, i: int, j: int) -> bool:
        """Whether a panel's horizontal axis has texts: not where the next below has the same."""
        panel = self.rows[i][j]
        last = i + 1 == len(self.rows) or self.rows[i + 1][j] is None
        return self.share_x != "all" or last or (panel is not None and bool(panel.xlabel))

    def limits(self, i: int, j: int, axis: Literal["x", "y"]) -> tuple[float, float] | None:
        """Ends of a panel's axis: as given, else around all marks of the panels that share it."""
        share = self.share_x if axis == "x" else self.share_y
        mates = [
            panel
            for k, row in enumerate(self.rows)
            for m, panel in enumerate(row)
            if panel is not None
            and (share == "all" or (m == j if axis == "x" else k == i))
            and (share != "none" or (k, m) == (i, j))
        ]
        given = [lim for p in mates if (lim := p.xlim if axis == "x" else p.ylim) is not None]
        if given:
            return min(low for low, _ in given), max(high for _, high in given)
        ends = [end for p in mates for mark in p.marks for end in extent(mark, axis)]
        if not ends:
            return None
        low, high = min(ends), max(ends)
        margin = _MARGIN * (high - low) or 0.05 * max(abs(low), 1.0)
        return low - margin, high + margin


def with_texts[T](part: T, shown: Callable[[str, int], str], without: Collection[str] = ()) -> T:
    """A sheet, or a part of one, with every text as `shown` makes it of so many letters a line.

    Fields whose names are among `without` are left empty.
    """

    def changed(name: str, value: Any) -> Any:
        if name in without:
            return ()
        if isinstance(value, str):
            return shown(value, _TEXTS[name]) if name in _TEXTS else value
        if isinstance(value, list | tuple):
            return [changed(name, each) for each in value]
        return with_texts(value, shown, without) if type(value).__module__ == __name__ else value

    made: Any = part
    return replace(made, **{f.name: changed(f.name, getattr(part, f.name)) for f in fields(made)})


def extent(mark: Mark, axis: Literal["x", "y"]) -> list[float]:
    """Lowest and highest place of a mark along one axis; nothing of rules and texts."""
    k = 0 if axis == "x" else 1
    match mark:
        case Segments(start=start, end=end):
            parts = [start[:, k], end[:, k]]
        case Oval():
            parts = [mark.outline()[k]]
        case Band(x=x, lower=lower, upper=upper):
            parts = [x] if axis == "x" else [lower, upper]
        case Dots(x=x, y=y) | Line(x=x, y=y):
            parts = [x if axis == "x" else y]
        case _:
            return []
    values = np.concatenate([np.asarray(p, float) for p in parts])
    values = values[np.isfinite(values)]
    return [float(values.min()), float(values.max())] if len(values) else []


def in_rows(panels: Sequence[Panel], columns: int) -> list[list[Panel | None]]:
    """Panels in rows of so many, the last filled up with None."""
    count = -(-len(panels) // columns)
    padded = [*panels, *([None] * (count * columns - len(panels)))]
    return [padded[i * columns : (i + 1) * columns] for i in range(count)]


# ---- a sheet handed to one backend -------------------------------------------------------------


# A Matplotlib figure, a Plotly figure or a Bokeh layout, by the backend asked for
type Drawing = Any

BACKENDS = ("matplotlib", "plotly", "bokeh")


def check_backend(backend: str) -> None:
    """Raise ModelError where there is no such backend, MissingExtraError where it is absent."""
    if backend not in BACKENDS:
        raise ModelError(f"backend must be one of {', '.join(BACKENDS)}; got {backend!r}")
    try:
        import_module(backend)
    except ImportError as error:
        raise missing(backend, error) from error


def missing(backend: str, error: ImportError) -> MissingExtraError:
    """What to say where a backend's packages are not installed."""
    return MissingExtraError(
        f"backend={backend!r} needs packages that are not installed ({error.name}): "
        f"pip install mixedbayes[{backend}], or use backend='matplotlib'"
    )


def draw(sheet: Sheet, backend: str) -> Drawing:
    """The sheet as a picture of the backend, its texts as `in_picture`."""
    check_backend(backend)
    sheet = with_texts(sheet, in_picture, without=() if backend == "plotly" else ("says",))
    return import_module(f"mixedbayes.plots.with_{backend}").draw(sheet)
