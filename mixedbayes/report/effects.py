"""Interactive picture of the group effects: every level's deviation with its interval."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.errors import ModelError
from mixedbayes.plots import style
from mixedbayes.plots.labels import Labels
from mixedbayes.report.figure import Figure, axis, dots, layout, segments, words
from mixedbayes.report.shrinkage import level_axis, level_height, upright
from mixedbayes.report.source import Source
from mixedbayes.results.text import plural

MOST_LEVELS = 3000  # in one picture


def effect_figures(source: Source) -> list[Figure]:
    """One picture for each grouping factor and term, of the mean's predictor.

    ModelError where the model has no group effects, or too many to be drawn.
    """
    if not source.post.design.mu.groups:
        raise ModelError("the model has no group effects")
    table = source.ranef  # terms of further parameters carry their names
    return [f for g in source.post.design.mu.groups for f in _of_factor(source, g, table)]


def _of_factor(source: Source, g: GroupDesign, table: pd.DataFrame) -> Iterator[Figure]:
    labels = Labels.of(source.post, source.units)
    for term in g.terms:
        own = table[(table["group"] == g.name) & (table["term"] == term)].reset_index(drop=True)
        yield _figure(labels, g, own, term, style.percent(source.prob))


def _figure(labels: Labels, g: GroupDesign, own: pd.DataFrame, term: str, percent: str) -> Figure:
    order = np.argsort(own["mean"].to_numpy(), kind="stable")
    said = ""
    if len(order) > MOST_LEVELS:
        at = np.unique(np.linspace(0, len(order) - 1, MOST_LEVELS).round().astype(int))
        said = f" {len(at):,} of {len(order):,} levels are shown, evenly spaced in this order."
        order = order[at]
    sorted_ = own.iloc[order]
    row = np.arange(len(order), dtype=float)
    low, high = sorted_["lower"].to_numpy(), sorted_["upper"].to_numpy()
    apart = (low > 0) | (high < 0)
    hover = [
        f"<b>{words(f'{g.name} {r.level}')}</b>, {plural(int(r.n), 'row')}<br>{words(term)}: "
        f"{r.mean:.3g} ({r.lower:.3g} to {r.upper:.3g}), sd {r.sd:.2g}"
        for r in sorted_.itertuples()
    ]
    data = []
    for which, name, color in (
        (~apart, "interval holds 0", style.MUTED),
        (apart, "interval excludes 0", style.BLUE),
    ):
        at = np.flatnonzero(which)
        if not len(at):
            continue
        starts = np.column_stack([low[at], row[at]])
        ends = np.column_stack([high[at], row[at]])
        data.append(segments(starts, ends, color=color, width=1.4 if len(order) < 200 else 0.7))
        means = sorted_["mean"].to_numpy()[at]
        data.append(dots(means, row[at], [hover[k] for k in at], name, color, 7))
    title = f"{g.name}: {labels.term(term)}"
    unit = labels.predictor if term == names.INTERCEPT else labels.coefficient(term)
    return Figure(
        title,
        f"Deviation of each level of {g.name} from the population: posterior mean and {percent} "
        f"interval, in order of the mean.{said}",
        data,
        layout(
            axis(f"deviation of {labels.term(term)}: {unit}"),
            level_axis(g, order),
            level_height(g),
            shapes=[upright(0.0)],
        ),
    )
