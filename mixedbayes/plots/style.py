"""The one look of all pictures: palette, sizes, and figures that keep it wherever they are drawn.

Nothing here changes Matplotlib's global settings: the look is entered by a context manager, when
a picture is made and again whenever it is drawn.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from colorsys import hls_to_rgb
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

# Blue and orange differ in hue and in lightness, so that they stay apart in the common kinds of
# colour blindness and in grey print (Okabe & Ito's palette).
INK = "#22262b"
MUTED = "#7b828c"
FAINT = "#d4d8de"
BLUE = "#0072b2"
ORANGE = "#d55e00"
PALE_BLUE = "#b9d6ea"
# of groups that are told apart by colour; yellow is too light on white
PALETTE = (BLUE, ORANGE, "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7b828c")

SMALL = 8.0  # points, the smallest text of any picture
TEXT = 9.5  # points, of axes
LETTER = 0.62 * SMALL  # points, the width of a letter of the smallest text, more or less

_LOOK: dict[str, Any] = {
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "white",
    "axes.grid": False,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "legend.fontsize": SMALL + 0.5,
    "figure.facecolor": "white",
    "lines.solid_capstyle": "butt",
    # texts are the user's names and labels: a dollar sign in them is a dollar sign
    "text.parse_math": False,
    "text.usetex": False,
}


def colors(count: int) -> list[str]:
    """So many colours: the palette's; of more groups than it has, around the circle of hues."""
    if count <= len(PALETTE):
        return list(PALETTE[:count])
    hues = (hls_to_rgb(k / count, (0.36, 0.56)[k % 2], 0.62) for k in range(count))
    return [to_hex(hue) for hue in hues]


@contextmanager
def look() -> Iterator[None]:
    """Context in which Matplotlib draws in the package's look."""
    with mpl.rc_context(_LOOK):
        try:
            yield
        finally:
            interactive = mpl.is_interactive()
    # a notebook's first figure turns this on, which leaving the context must not undo
    mpl.interactive(interactive)


class Picture(Figure):
    """A Matplotlib figure that pyplot does not know of.

    It is never shown twice or kept alive by pyplot, needs no display, and shows itself as the last
    expression of a notebook cell. `savefig` and all else of a Figure work as usual. `alt` says in
    words what is drawn, and goes with the image into a notebook.
    """

    alt: str = ""

    def draw(self, renderer: Any) -> None:
        with look():  # ticks are created when drawn
            super().draw(renderer)

    def _repr_png_(self) -> tuple[bytes, dict[str, float | str]]:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=144)
        width, height = self.get_size_inches()
        known = self._described()
        return buffer.getvalue(), {"width": 96 * width, "height": 96 * height, **known}

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        # Where pyplot has made notebooks draw every figure its own way, the words go with that.
        known = self._described()
        return {}, {"image/png": known} if known else {}

    def _described(self) -> dict[str, str]:
        return {"alt": self.alt} if self.alt else {}


def picture(width: float, height: float) -> Picture:
    """An empty picture of width x height inches whose parts keep clear of each other."""
    figure = Picture(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def percent(prob: float) -> str:
    """0.95 as "95 %"."""
    return f"{100 * prob:.4g} %"


def in_lines(text: str, width: float) -> str:
    """An axis text in as many lines as a panel of so many inches needs."""
    return "\n".join(textwrap.wrap(text, max(12, int(72 * width / (0.55 * TEXT)))))
