"""The pictures of the page: scenes of plots/ as Plotly draws them, as data for its script."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes import names
from mixedbayes.design.types import Floats, GroupDesign, NewRows
from mixedbayes.design.used import used_columns
from mixedbayes.errors import ModelError
from mixedbayes.plots import pooling, style
from mixedbayes.plots import ranef as effects
from mixedbayes.plots import shrinkage as shrunk
from mixedbayes.plots.along import curve_parts
from mixedbayes.plots.labels import Labels, in_picture
from mixedbayes.plots.multiples import (
    called,
    covariate,
    response_axis,
    shown_levels,
    straight,
    ticks,
)
from mixedbayes.plots.scene import (
    Dots,
    Key,
    Line,
    Panel,
    Sheet,
    Text,
    Ticks,
    check_backend,
    with_texts,
)
from mixedbayes.report.source import Source
from mixedbayes.results.fitted import observed
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.shrinkage import mean_coef
from mixedbayes.results.tables import tails
from mixedbayes.results.text import plural

DIGITS = 5  # significant, of every coordinate
_LETTERS = 22  # of a level's name beside an axis or a point, since a page may be narrow
_PIXELS = 96  # of an inch
_MARGIN = {"l": 60, "r": 16, "t": 46, "b": 54}
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_LOOK: dict[str, Any] = {
    "autosize": True,
    "font": {"family": _FONT, "size": 13, "color": style.INK},
    "margin": _MARGIN,
    "paper_bgcolor": "white",
    "plot_bgcolor": "white",
    "hovermode": "closest",
    "hoverlabel": {"bgcolor": "white", "bordercolor": style.MUTED, "align": "left"},
    "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "xanchor": "left"},
    "dragmode": False,
}


@dataclass(frozen=True, eq=False)
class Figure:
    """One interactive picture.

    says
        What it shows, for the reader.
    data, layout
        As plotly.js takes them.
    script
        Name of the function in the page that completes it; empty for a picture that is complete.
    extra
        Data for that function.
    """

    title: str
    says: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    script: str = ""
    extra: Any = None

    def json(self) -> str:
        """As JSON that can stand inside a script element."""
        content = {"data": self.data, "layout": self.layout, "script": self.script}
        return embedded(content | ({"extra": self.extra} if self.script else {}))


def figure(
    title: str,
    says: str,
    panel: Panel,
    height: float,
    keys: Sequence[Key],
    script: str = "",
    extra: Any = None,
) -> Figure:
    """A panel of so many inches in the look of the page, as wide as that is."""
    check_backend("plotly")
    from mixedbayes.plots.with_plotly import draw

    sheet = Sheet([[_without_long_names(panel)]], 8.0, max(height, 1.5) + 1.0, keys=keys)
    drawn = draw(with_texts(sheet, in_picture))
    traces = [trace.to_plotly_json() for trace in drawn.data]
    traces.sort(key=lambda trace: trace.get("showlegend") is False)  # the legend's come first
    own = drawn.layout.to_plotly_json()
    parts = {k: own[k] for k in ("xaxis", "yaxis", "annotations", "shapes") if k in own}
    for axis in (parts["xaxis"], parts["yaxis"]):
        axis |= {"automargin": True, "zeroline": False, "nticks": 0}
    look = _LOOK | {"height": _PIXELS * max(height, 1.5) + _MARGIN["t"] + _MARGIN["b"]}
    return Figure(title, says, traces, parts | look, script, extra)


def _without_long_names(panel: Panel) -> Panel:
    """Without its title, which the page has, and with the names of levels shortened."""

    def short(part: Any) -> Any:
        if isinstance(part, Text):
            return replace(part, text=in_picture(part.text, _LETTERS))
        if isinstance(part, Ticks):
            return replace(part, texts=[in_picture(t, _LETTERS) for t in part.texts])
        return part

    marks = [short(mark) for mark in panel.marks]
    ticks = {"xticks": short(panel.xticks), "yticks": short(panel.yticks)}
    return replace(panel, title="", marks=marks, **ticks)


def embedded(content: Any) -> str:
    """JSON for a script element, with as many digits as a picture needs."""
    return in_script(_plain(content))


def in_script(content: Any) -> str:
    """JSON in which no character can end a script element or a line of one."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _plain(value: Any) -> Any:
    """Lists, strings and numbers of `DIGITS` digits; what is not finite becomes null."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        if not np.isfinite(value):
            return None
        short = float(f"{value:.{DIGITS}g}")
        return int(short) if short.is_integer() and abs(short) < 1e15 else short
    return value


MOST_EFFECTS = 3000  # levels in one picture of effects
MOST_LINES = 300  # levels of one factor, evenly spaced in the rank of their effect
MOST_POINTS = 200  # of one level's data, evenly spaced in its rows
MOST_NAMES = 60  # categories with names on an axis


# ---- shrinkage ---------------------------------------------------------------------------------


def shrinkage_figures(source: Source) -> list[Figure]:
    """For each grouping factor: the plane of its first two effects, and every effect by itself.

    ModelError where nothing is pooled toward least squares, with the reason.
    """
    table = source.shrinkage
    return [
        _shrinkage(source, shrunk.pulled(table, g.name, terms), terms)
        for g in source.post.design.mu.factors
        for terms in [*([g.terms[:2]] if len(g.terms) > 1 else []), *((t,) for t in g.terms)]
    ]


def _shrinkage(source: Source, part: shrunk.Pulled, terms: tuple[str, ...]) -> Figure:
    labels, rows, two = Labels.of(source.post, source.units), len(part.levels), len(terms) == 2
    if two:
        says = (
            "Each line leads from a level's own least-squares estimate (no pooling) to its "
            "estimate in the model (partial pooling). The shaded ellipses hold 50 % and 95 % of "
            f"the population of {part.group} levels; the cross is one regression for all rows "
            "(complete pooling). Larger points have more rows."
        )
    else:
        says = (
            f"Each row is a level of {part.group}, in order of its estimate in the model: from its "
            "own least-squares estimate (no pooling) to partial pooling. The dashed line is "
            "complete pooling. Larger points have more rows."
        )
    lacking = int((~np.isfinite(part.before).all(axis=1)).sum())
    if lacking:
        verb = "has" if lacking == 1 else "have"
        says += f" {plural(lacking, 'level')} {verb} no estimate of their own; the hover says why."
    return figure(
        f"{part.group}: {' and '.join(map(labels.term, terms))}",
        says,
        shrunk.panel(source.post, part, terms, labels, most_rows=rows),
        shrunk.height(part, most_rows=rows),
        shrunk.keys(two),
    )


# ---- effects -----------------------------------------------------------------------------------


def effect_figures(source: Source) -> list[Figure]:
    """One picture for each grouping factor and term, those on further parameters after the mean's.

    ModelError where the model has no group effects.
    """
    found = [(p.parameter, g) for p in source.post.predictors for g in p.factors]
    if not found:
        raise ModelError("the model has no group effects")
    return [_effect(source, p, g, term) for p, g in found for term in g.terms]


def _effect(source: Source, parameter: str, g: GroupDesign, term: str) -> Figure:
    labels = Labels.of(source.post, source.units, parameter)
    percent, called = style.percent(source.prob), names.prefix(parameter) + labels.term(term)
    height = effects.panel_height(g.n_levels)
    panel = effects.caterpillar_panel(
        source.post, g, term, labels, source.prob, height, parameter, most=MOST_EFFECTS
    )
    texts = {style.MUTED: "interval holds 0", style.BLUE: "interval excludes 0"}
    marks = [
        replace(m, gid=texts[m.edge]) if isinstance(m, Dots) and m.edge else m for m in panel.marks
    ]
    keys = [Key(text, color, "dot", gids=[text]) for color, text in texts.items()]
    said = f" {MOST_EFFECTS:,} of {g.n_levels:,} levels are shown, evenly spaced in this order."
    return figure(
        f"{g.name}: {called}",
        f"Deviation of each level of {g.name} from the population: posterior mean, 50 % and "
        f"{percent} interval, in order of the mean.{said if g.n_levels > MOST_EFFECTS else ''}",
        replace(panel, marks=marks, xlabel=f"deviation of {called}: {labels.coefficient(term)}"),
        height,
        keys,
    )


# ---- pooling -----------------------------------------------------------------------------------


def pooling_figures(source: Source) -> list[Figure]:
    """For each grouping factor the lines of all levels, and everything about one of them.

    ModelError where the model has no group effects, or its lines cannot be drawn.
    """
    post = source.post
    if not post.design.mu.factors:
        raise ModelError("the model has no group effects, so nothing is pooled")
    if not post.design.mu.of_one_level:
        raise ModelError(f"{post.design.mu.factors[0].entangled}, and no level has rows of its own")
    if post.family.unordered:
        raise ModelError(f"{post.family.unordered}, of which levels would have a line")
    if post.design.further and not post.family.mean_is_mu:
        raise ModelError(
            f"the mean of {post.design.response} depends on {', '.join(post.design.further)}, "
            "which has a formula of its own"
        )
    one = post.design.mu.of_one_level
    drawn = {g.within or g.name: g for g in reversed(one)}  # of parts of one curve the first
    return [_pooling(source, g) for g in one if drawn[g.within or g.name] is g]


def _pooling(source: Source, g: GroupDesign) -> Figure:
    post, frame = source.post, _predictors(source)
    along = covariate(post, g, None)
    shown, note = shown_levels(post, g, None, MOST_LINES, with_rows=True)
    why = _no_least_squares(post)
    least = None if why else pooling.both_ends(post, g)
    y, coefs, levels, every = observed(post), mean_coef(post, g), [], []
    for j in shown:
        rows = np.flatnonzero(g.refs == j)
        places, new = pooling.level_rows(post, g, along, frame, rows)
        curve = along.categories is None or pooling.flat(new, g)
        lines = (
            expected(post, g, j, new, source.prob)
            if least is None
            else pooling.kinds(post, g, least, j, new, source.prob)
        )
        levels.append(_level(g, j, along.x[rows], y[rows], lines, coefs[j]))
        every.append(lines)
    first, many = every[0], len(shown) > 60
    width, alpha = (0.5, 0.5) if many else (0.9, 1.0)
    others = Line(
        places, first["partial"].mean, style.PALE_BLUE, width, alpha=alpha, gid="others", z=0.5
    )
    marks = pooling.level_marks(along.x[:1], y[:1], places, first, as_lines=curve)
    labels = Labels.of(post, source.units)
    xticks, xlim = ticks(along, 7.0, MOST_NAMES)
    panel = Panel(
        [others, *(m for m in marks if not isinstance(m, Text))],
        xlabel=labels.column(along.name),
        ylabel=_response(post, labels),
        xticks=xticks,
        xlim=xlim,
        ylim=_range(y, every),
    )
    data = next(m for m in marks if isinstance(m, Dots) and m.gid == "data")
    return figure(
        f"{called(g)}, along {along.name}",
        _says(g, style.percent(source.prob), why) + (f" {note}." if note else ""),
        panel,
        4.2,
        pooling.keys(source.prob, first),
        script="pooling",
        extra={
            "x": places,
            "levels": levels,
            "curve": curve,
            "aside": along.x[0] - data.x[0],  # of the data, from their places
        },
    )


def _predictors(source: Source) -> pd.DataFrame:
    """The columns of the right side, in the rows used: trials and weights have no typical value."""
    post = source.post
    frame = post.design.frame
    used = used_columns(post.design.formula)
    right = {*used.fixed, *used.groups, *(c for names in used.effects.values() for c in names)}
    frame = frame[[c for c in frame.columns if c in right]]
    frame.attrs = {}  # which pandas copies with every column that is taken
    return frame


def expected(
    post: Posterior, g: GroupDesign, j: int, new: NewRows, prob: float
) -> dict[str, pooling.Line]:
    """Expected response of one level at new rows, and with all its effects 0."""
    offset = np.zeros(len(new.X)) if new.offset is None else new.offset
    base = post.intercept()[:, None] + post.fixef() @ new.X.T + offset
    for s in post.design.mu.smooths:
        base = base + _adds(post, new, s.name)
    own = base + post.ranef(g.name)[:, j] @ new.groups[g.name].Z.T
    for part in curve_parts(post, g):
        own = own + (_adds(post, new, part) if part != g.name else 0.0)
    return {"typical": _summary(post, base, prob), "partial": _summary(post, own, prob)}


def _adds(post: Posterior, new: NewRows, name: str) -> Floats:
    """(S, m) what a term of one effect adds to new rows, all of whose levels are the fit's."""
    term, b = new.groups[name], post.ranef(name)[:, :, 0]
    weights = np.ones(term.codes.shape) if term.weights is None else term.weights
    each = (b[:, term.codes[:, k]] * weights[:, k] for k in range(term.codes.shape[1]))
    return np.asarray(sum(each) * term.Z[:, 0])


def _summary(post: Posterior, eta: Floats, prob: float) -> pooling.Line:
    mean = post.family.expectation(post.family.inverse(eta, np), post.parameters())
    lower, upper = np.quantile(mean, tails(prob), axis=0)
    return pooling.Line(mean.mean(axis=0), lower, upper)


def _level(
    g: GroupDesign, j: int, x: Floats, y: Floats, lines: Mapping[str, pooling.Line], coef: Floats
) -> dict[str, Any]:
    """What the page's script draws and says when this level is chosen."""
    from mixedbayes.plots.with_plotly import hover_text

    name = str(g.levels[j])
    own = range(len(g.terms)) if g.there is None else np.flatnonzero(g.there[j])
    said = [plural(len(x), "row"), *(f"{g.terms[k]} {coef[k]:.4g}" for k in own)]
    at = np.unique(np.linspace(0, len(x) - 1, min(len(x), MOST_POINTS)).round().astype(int))
    notes = [] if len(at) == len(x) else [f"{len(at)} of {len(x):,} rows shown"]
    if "none" in lines and np.isnan(lines["none"].mean).all():
        notes.append("no line of its own")
    return {
        "name": name,
        "hover": hover_text(in_picture(f"{called(g)} {name}", 130), list(map(in_picture, said))),
        "note": "; ".join(notes),
        "data": [x[at], y[at]],
        "lines": {
            kind: [line.mean]
            if kind in ("complete", "typical")
            else [line.mean, line.lower, line.upper]
            for kind, line in lines.items()
        },
    }


def _range(y: Floats, every: list[dict[str, pooling.Line]]) -> tuple[float, float]:
    """Holds all data and the lines of complete and partial pooling, so that no choice moves it."""
    means = [line.mean for lines in every for kind, line in lines.items() if kind != "none"]
    low, high = min(y.min(), np.min(means)), max(y.max(), np.max(means))
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _response(post: Posterior, labels: Labels) -> str:
    if post.family.categories(post.design) is not None:
        return f"{post.design.response}, mean of the codes 1, 2, …"
    return response_axis(post, labels)


def _no_least_squares(post: Posterior) -> str:
    """Why no and complete pooling are not drawn, in words; empty where they are."""
    if post.design.further:
        why = f"for a formula for {', '.join(post.design.further)}"
    elif not straight(post.family):
        why = f"for the {post.family.name} family with {post.family.link.name} link"
    elif odd := next((g.peculiarity for g in post.design.mu.groups if g.peculiarity), ""):
        why = f"where {odd}"
    elif arms := next((g for g in post.design.mu.groups if g.arms is not None), None):
        why = f"where the effects over {arms.name} differ by {arms.arms.by}"  # type: ignore[union-attr]
    elif post.design.limits is not None:
        why = f"for responses with {' and '.join(post.design.formula.response.limits)}"
    elif not post.family.divided:
        why = "for rows whose variances are in no known proportions"
    else:
        return ""
    return f"No and complete pooling are least squares, which do not exist {why}."


def _says(g: GroupDesign, percent: str, why: str) -> str:
    start = (
        f"The pale lines are all levels of {called(g)}, as the model has them; choose one in the "
        "list or with a click. "
    )
    rest = (
        " Other covariates are at the level's own mean or most frequent category; other grouping "
        "factors' effects are 0."
    )
    if not why:
        return (
            f"{start}Orange: least squares within the level (no pooling). Blue: the level in the "
            "model (partial pooling). Dashed: least squares over all rows (complete pooling). "
            f"Bands: {percent} intervals.{rest}"
        )
    return (
        f"{start}The blue line is its expected response, with the {percent} interval; the dashed "
        f"line has all group effects 0. {why}{rest}"
    )
