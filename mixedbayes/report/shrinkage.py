"""Interactive pictures of shrinkage: one point, or one arrow, for each level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mixedbayes.design.types import Floats, GroupDesign
from mixedbayes.plots import style
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.shrinkage import Population, Pulled, population, pulled
from mixedbayes.report.figure import Figure, Trace, axis, dots, layout, segments, words
from mixedbayes.report.source import Source
from mixedbayes.results.text import plural

NAMED_POINTS = 30  # levels up to which each point of the plane has its name beside it
NAMED = 60  # levels up to which each row of a picture has its name on the axis
ROW = 19  # pixels of a row
BEFORE, AFTER = "no pooling", "partial pooling"


def shrinkage_figures(source: Source) -> list[Figure]:
    """For each grouping factor: the plane of its first two effects, and every effect by itself.

    ModelError where nothing is pooled toward least squares, with the reason.
    """
    table = source.shrinkage
    return [f for g in source.post.design.mu.groups for f in _of_factor(source, g, table)]


def _of_factor(source: Source, g: GroupDesign, table: pd.DataFrame) -> Iterator[Figure]:
    labels = Labels.of(source.post, source.units)
    if len(g.terms) > 1:
        pair = g.terms[:2]
        part = pulled(table, g.name, pair)
        hover = hovers(table, g, pair)
        yield _plane(labels, g, part, population(source.post, g.name, pair), hover)
    for term in g.terms:
        yield _rows(labels, g, pulled(table, g.name, [term]), hovers(table, g, [term]), term)


def hovers(table: pd.DataFrame, g: GroupDesign, terms: Sequence[str]) -> list[str]:
    """(J,) a level's name, and its numbers for these terms."""
    own = table[table["group"] == g.name]
    by_term = [own[own["term"] == t].reset_index(drop=True) for t in terms]
    lines = [_numbers(t, rows) for t, rows in zip(terms, by_term, strict=True)]
    first = by_term[0]
    return [
        "<br>".join([f"<b>{words(f'{g.name} {level}')}</b>, {plural(int(n), 'row')}", *said])
        for level, n, *said in zip(first["level"], first["n"], *lines, strict=True)
    ]


def _numbers(term: str, rows: pd.DataFrame) -> list[str]:
    out = []
    for r in rows.itertuples():
        alone = f"{r.no_pooling:.4g}" if np.isfinite(r.no_pooling) else f"none: {words(r.note)}"
        out.append(
            f"{words(term)}: no pooling {alone}<br>  partial pooling {r.partial_pooling:.4g}, "
            f"complete {r.complete_pooling:.4g}<br>  pooling factor {r.pooling:.2f} "
            f"({r.pooling_lower:.2f} to {r.pooling_upper:.2f})"
        )
    return out


def sizes(n: Floats) -> Floats:
    """Diameters in pixels whose areas grow with the number of rows."""
    return np.clip(9.5 * np.sqrt(n / n.max()), 4.5, None)


def _plane(
    labels: Labels, g: GroupDesign, part: Pulled, pop: Population, hover: list[str]
) -> Figure:
    known = np.isfinite(part.before).all(axis=1)
    many = len(part.levels) > NAMED
    size = sizes(part.n) * (0.7 if many else 1)
    before = dots(
        part.before[known, 0],
        part.before[known, 1],
        [h for h, k in zip(hover, known, strict=True) if k],
        BEFORE,
        style.ORANGE,
        size[known] + (0 if many else 2),
        open=True,
    )
    if len(part.levels) <= NAMED_POINTS:
        _name(before, part, known)
    complete = dots(
        part.complete[:1],
        part.complete[1:],
        [f"<b>complete pooling</b><br>{part.complete[0]:.4g}, {part.complete[1]:.4g}"],
        "complete pooling",
        style.INK,
        13,
    )
    complete["marker"]["symbol"] = "x"
    data = [
        *(_ellipse(pop, p) for p in (0.95, 0.5)),
        segments(part.before[known], part.after[known], width=0.6 if many else 1),
        before,
        dots(part.after[:, 0], part.after[:, 1], hover, AFTER, style.BLUE, size),
        complete,
    ]
    one, two = g.terms[:2]
    return Figure(
        f"{g.name}: {labels.term(one)} and {labels.term(two)}",
        f"Each line leads from a level's own least-squares estimate (no pooling) to its estimate in"
        f" the model (partial pooling). The shaded ellipses hold 50 % and 95 % of the population of"
        f" {g.name} levels; the cross is one regression for all rows (complete pooling). Larger "
        "points have more rows." + _unidentified(known),
        data,
        layout(
            axis(f"{labels.term(one)}: {labels.coefficient(one)}"),
            axis(f"{labels.term(two)}: {labels.coefficient(two)}"),
            560,
        ),
    )


def _name(points: Trace, part: Pulled, known: NDArray[np.bool_]) -> None:
    """Names beside the open points, on the side that points away from the filled ones."""
    outer = part.before[known]
    span = np.ptp(outer, axis=0)
    away = (outer - part.after[known]) / np.where(span > 0, span, 1)
    sides = np.where(away[:, 0] < 0, "middle left", "middle right")
    steep = np.abs(away[:, 1]) > np.abs(away[:, 0])
    sides = np.where(steep, np.where(away[:, 1] < 0, "bottom center", "top center"), sides)
    points |= {
        "mode": "markers+text",
        "text": [short(name) for name, k in zip(part.levels, known, strict=True) if k],
        "textposition": sides.tolist(),
        "textfont": {"size": 11, "color": style.MUTED},
    }


def _unidentified(known: NDArray[np.bool_]) -> str:
    lacking = int((~known).sum())
    if not lacking:
        return ""
    verb = "has" if lacking == 1 else "have"
    return f" {plural(lacking, 'level')} {verb} no estimate of their own; the hover says why."


def _ellipse(pop: Population, prob: float) -> Trace:
    """The ellipse that holds `prob` of a bivariate normal."""
    value, vector = np.linalg.eigh(pop.cov)
    angle = np.linspace(0, 2 * np.pi, 73)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    radius = np.sqrt(np.clip(value, 0, None) * stats.chi2.ppf(prob, 2))
    x, y = pop.mean[:, None] + vector @ (radius[:, None] * circle)
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "fill": "toself",
        "fillcolor": "rgba(0,114,178,0.08)",
        "line": {"color": "rgba(0,114,178,0.5)", "width": 1},
        "hoverinfo": "skip",
        "name": f"{style.percent(prob)} of the population",
        "showlegend": False,
    }


def _rows(labels: Labels, g: GroupDesign, part: Pulled, hover: list[str], term: str) -> Figure:
    order = np.argsort(part.after[:, 0], kind="stable")
    row = np.arange(len(order), dtype=float)
    before, after, size = part.before[order, 0], part.after[order, 0], sizes(part.n)[order]
    told = [hover[k] for k in order]
    known = np.isfinite(before)
    at = np.flatnonzero(known)
    data = [
        segments(np.column_stack([before, row])[known], np.column_stack([after, row])[known]),
        dots(
            before[at], row[at], [told[k] for k in at], BEFORE, style.ORANGE, size[at] + 2,
            open=True,
        ),
        dots(after, row, told, AFTER, style.BLUE, size),
    ]  # fmt: skip
    return Figure(
        f"{g.name}: {labels.term(term)}",
        f"Each row is a level of {g.name}, in order of its estimate in the model: from its own "
        "least-squares estimate (no pooling) to partial pooling. The dashed line is complete "
        "pooling. Larger points have more rows." + _unidentified(known),
        data,
        layout(
            axis(f"{labels.term(term)}: {labels.coefficient(term)}"),
            level_axis(g, order),
            level_height(g),
            shapes=[upright(float(part.complete[0]))],
        ),
    )


def upright(x: float) -> Trace:
    """A dashed line across the whole height."""
    return {
        "type": "line",
        "x0": x,
        "x1": x,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "line": {"color": style.INK, "width": 1, "dash": "dash"},
        "layer": "below",
    }


def level_axis(g: GroupDesign, order: NDArray[np.intp]) -> dict[str, object]:
    """Levels from below in this order, by name where there is room for all of them."""
    reach = {"range": [-0.8, len(order) - 0.2]}
    if len(order) > NAMED:
        return axis(f"{g.name}, in order", showticklabels=False, ticks="", **reach)
    texts = [short(str(g.levels[k])) for k in order]
    return axis(g.name, tickvals=list(range(len(order))), ticktext=texts, **reach)


def short(name: str, most: int = 22) -> str:
    return words(name if len(name) <= most else name[: most - 1] + "…")


def level_height(g: GroupDesign) -> int:
    return 560 if g.n_levels > NAMED else max(240, 130 + ROW * g.n_levels)
