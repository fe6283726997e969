"""The curves of the smooths on the page."""

from __future__ import annotations

from mixedbayes.plots import style
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.smooths import curve_panel, together
from mixedbayes.report.pictures import Figure, figure
from mixedbayes.report.source import Source
from mixedbayes.results.smooths import curves

_HEIGHT = 3.6  # inches


def smooth_figures(source: Source) -> list[Figure]:
    """One picture for each curve; ModelError where one is of three variables or more."""
    percent, out = style.percent(source.prob), []
    for some in together(curves(source.post)):
        c = some[0]
        labels = Labels.of(source.post, source.units, c.parameter)
        panel, keys = curve_panel(source.post, some, source.prob, labels)
        says = (
            f"What {c.name} adds to the linear predictor, 0 on average over the rows: posterior "
            f"mean and {percent} interval at each point. Strokes are where the data lie."
        )
        if c.smooth.numeric:
            says = (
                f"What one unit adds, by {c.variables[0]}: posterior mean and {percent} interval."
            )
        if len(some) > 1:
            says = f"Curves of each level, {c.smooth.said.name}: posterior means."
        out.append(
            figure(c.name if len(some) == 1 else c.smooth.said.name, says, panel, _HEIGHT, keys)
        )
    return out
