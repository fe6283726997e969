"""The funnel of an effect and its standard deviation, as samplers meet it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mixedbayes.design.types import Floats, GroupDesign
from mixedbayes.errors import ModelError
from mixedbayes.plots import style
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.multiples import varying_group
from mixedbayes.plots.scene import Dots, Drawing, Key, Line, Mark, Panel, Rule, Sheet, draw
from mixedbayes.results.posterior import Posterior

type Flags = NDArray[np.bool_]

_DRAWS = 2000  # shown of each fit; divergent ones all
_CURVE = 80  # points of a curve


def plot_funnel(
    fits: Mapping[str, Posterior],
    group: str | None = None,
    *,
    term: str | None = None,
    level: object = None,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> Drawing:
    """Draws of one level's effect against the log of its standard deviation, fit beside fit.

    Above the effect b itself, below b / sd. Written centred, the sampler moves in the coordinates
    above, where the two depend on each other as a funnel: the smaller sd, the closer b is to 0, and
    no step size suits both the wide end and the neck. Written non-centred it moves in those below.
    The dashed curves are at 2 sd. Transitions that diverged are orange; where they gather, the
    draws are not to be trusted, and beyond them the posterior may go on unseen.

    Parameters
    ----------
    fits
        Posteriors of one model by name, such as {"centred": ..., "non-centred": ...}.
    group
        Grouping factor; by default the first with a random slope, else the first.
    term
        One of its terms; the first by default.
    level
        One of its levels; by default the one with the fewest rows, of which the data say least.
    units
        Units of columns by name, for the axes: ``{"Reaction": "ms"}``; by default the data frame's
        ``attrs["units"]``, if it has them.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout, on the link scale.

    Raises
    ------
    ModelError
        If there is no fit, a fit has no such group, term or level, or the backend is unknown.
    """
    if not fits:
        raise ModelError("plot_funnel() needs at least one fit")
    first = next(iter(fits.values()))
    g = varying_group(first, group)
    k, j = _term(g, term), _level(g, level)
    labels = Labels.of(first, units)
    drawn = {name: _draws(post, g, k, j) for name, post in fits.items()}
    effect = f"effect of {g.name} {g.levels[j]}, {labels.coefficient(g.terms[k])}"
    sd = f"log sd of {g.name}: {labels.term(g.terms[k])}"
    every = np.concatenate([values[1] for values in drawn.values()])
    reach = max(float(np.abs(values[0]).max()) for values in drawn.values())
    ylim = _around(every)
    above = [
        _panel(*values, _curves(ylim, reach), title=_title(name, values[2]), xlabel=effect,
               ylabel=sd, xlim=(-1.05 * reach, 1.05 * reach), ylim=ylim)
        for name, values in drawn.items()
    ]  # fmt: skip
    below = [
        _panel(b / np.exp(log_sd), log_sd, diverging, _rules(), xlabel="effect / sd", ylabel=sd,
               xlim=(-4.5, 4.5), ylim=ylim)
        for b, log_sd, diverging in drawn.values()
    ]  # fmt: skip
    keys = [
        Key("draw", style.BLUE, "dot"),
        Key("transition that diverged", style.ORANGE, "dot"),
        Key("2 sd", style.MUTED, "dash", 0.9),
    ]
    sheet = Sheet(
        [above, below], max(4.8, 3.3 * len(fits)), 6.0, share_x="none", share_y="all", keys=keys
    )
    return draw(sheet, backend)


def _term(g: GroupDesign, term: str | None) -> int:
    if term is None:
        return 0
    if term not in g.terms:
        raise ModelError(f"term={term!r} is none of {g.name}'s effects ({', '.join(g.terms)})")
    return g.terms.index(term)


def _level(g: GroupDesign, level: object) -> int:
    if level is None:
        return int(g.rows_per_level.argmin())
    texts = [str(known) for known in g.levels]
    if str(level) not in texts:
        raise ModelError(f"level={level!r} is not among the {g.n_levels} of {g.name}")
    return texts.index(str(level))


def _draws(post: Posterior, g: GroupDesign, k: int, j: int) -> tuple[Floats, Floats, Flags]:
    """(S,) effect, log sd and whether the transition diverged."""
    stats = post.sample_stats()
    diverging = (
        stats["diverging"].to_numpy().ravel().astype(bool)
        if "diverging" in stats
        else np.zeros(post.n_draws, bool)
    )
    return post.ranef(g.name)[:, j, k], np.log(post.sd(g.name)[:, k]), diverging


def _title(name: str, diverging: Flags) -> str:
    count = int(diverging.sum())
    return f"{name}: {count:,} of {len(diverging):,} diverged"


def _around(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low)
    return low - margin, high + margin


def _curves(ylim: tuple[float, float], reach: float) -> list[Mark]:
    """Where the effect is 2 sd from 0."""
    y = np.linspace(*ylim, _CURVE)
    x = 2 * np.exp(y)
    shown = x <= 1.05 * reach
    return [
        Line(side * x[shown], y[shown], style.MUTED, 0.9, dash=True, gid="2 sd", z=3.5)
        for side in (-1, 1)
    ]


def _rules() -> list[Mark]:
    return [Rule(at, True, style.MUTED, 0.9, dash=True) for at in (-2.0, 2.0)]


def _panel(x: Floats, y: Floats, diverging: Flags, more: list[Mark], **texts: object) -> Panel:
    fine = np.flatnonzero(~diverging)
    fine = fine[np.unique(np.linspace(0, len(fine) - 1, _DRAWS).round().astype(int))]
    marks: list[Mark] = [
        Dots(x[fine], y[fine], style.BLUE, 5.0, alpha=0.3, gid="draws", z=2.0),
        Dots(x[diverging], y[diverging], style.ORANGE, 9.0, alpha=0.9, gid="diverging", z=3.0),
        *more,
    ]
    return Panel(marks, **texts)  # type: ignore[arg-type]
