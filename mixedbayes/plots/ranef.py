"""Pictures of the group effects: caterpillars and densities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from mixedbayes import names
from mixedbayes.design.types import Floats, GroupDesign
from mixedbayes.errors import ModelError
from mixedbayes.plots import style
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.scene import (
    Band,
    Dots,
    Drawing,
    Key,
    Line,
    Mark,
    MaxTicks,
    Panel,
    Rule,
    Segments,
    Sheet,
    Ticks,
    draw,
)
from mixedbayes.results import effect_summaries
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import check_prob, tails
from mixedbayes.results.text import plural

_ROW = 0.19  # inches per level while there is room
TALLEST = 8.5  # inches of one panel
_WIDTH = 3.6  # inches of one with its names
KINDS = ("caterpillar", "density")


@dataclass(frozen=True, eq=False)
class Caterpillar:
    """Intervals in rows from below: of one effect over a factor's levels, or of several effects."""

    order: NDArray[np.intp]  # (J,) what is at each row; of levels the lowest mean first
    mean: Floats  # (J,)
    outer: Floats  # (2, J)
    inner: Floats  # (2, J) the 50 % interval
    sd: Floats  # (J,)

    def at(self, chosen: NDArray[np.intp]) -> Caterpillar:
        """The same of some rows."""
        return Caterpillar(
            self.order[chosen], self.mean[chosen], self.outer[:, chosen], self.inner[:, chosen],
            self.sd[chosen],
        )  # fmt: skip

    @property
    def clear(self) -> NDArray[np.bool_]:
        """(J,) whether the outer interval excludes 0."""
        return (self.outer[0] > 0) | (self.outer[1] < 0)


def caterpillar(draws: Floats, prob: float) -> Caterpillar:
    """Sorted equal-tailed intervals of (S, J) draws."""
    mean = draws.mean(axis=0)
    order = np.argsort(mean, kind="stable")
    low, high = tails(prob)
    q = np.quantile(draws[:, order], [low, 0.25, 0.75, high], axis=0)
    sd = draws[:, order].std(axis=0, ddof=1)
    return Caterpillar(order, mean[order], q[[0, 3]], q[[1, 2]], sd)


def of_effects(
    post: Posterior, group: str, k: int, prob: float, parameter: str = "mu"
) -> Caterpillar:
    """Intervals of a factor's k-th effect, from its draws or from the summaries kept of them."""
    if post.has_ranef(group, parameter):
        return caterpillar(post.ranef(group, parameter)[:, :, k], prob)
    found = effect_summaries.read(post, names.ranef(group, parameter))
    mean = found.summary.mean[:, k]
    order = np.argsort(mean, kind="stable")
    low, high = tails(prob)
    q = np.stack(
        [effect_summaries.quantile_at(found, p)[order, k] for p in (low, 0.25, 0.75, high)]
    )
    return Caterpillar(order, mean[order], q[[0, 3]], q[[1, 2]], found.summary.sd[order, k])


def plot_ranef(
    post: Posterior,
    group: str | None = None,
    *,
    kind: Literal["caterpillar", "density"] = "caterpillar",
    parameter: str = "mu",
    prob: float = 0.95,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> Drawing:
    """The group effects, each level's with its uncertainty.

    One panel per grouping factor (rows) and term (columns); panels of the same term share their
    axis.

    "caterpillar": the effects sorted by their posterior mean. The thick line is the 50 % interval,
    the thin one the `prob` interval, both equal-tailed; levels whose `prob` interval excludes 0 are
    drawn in colour. With many levels only some are named, evenly spaced in rank.

    "density": the distribution that the levels come from, Normal(0, sd), as the posterior median of
    its density with its `prob` band; the ticks and the dashed density are the posterior means of
    the levels' effects; thin curves are each level's posterior, at a height of their own. The means
    are spread less than the distribution, the more so the less the data say of each level: each is
    pulled towards 0.

    Parameters
    ----------
    post
        The posterior.
    group
        Name of one grouping factor; all by default.
    kind
        "caterpillar" or "density".
    parameter
        Whose effects: those on the mean, or on a further parameter with a formula, "sigma". Of
        categories without an order those on all of them by default, or on one, "mu_bus".
    prob
        Probability of the outer interval, or of the band.
    units
        Units of columns by name, for the axes: ``{"Reaction": "ms"}``; by default the data frame's
        ``attrs["units"]``, if it has them.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout. Effects are deviations from the population, on
    the link scale.

    Raises
    ------
    ModelError
        If the model has no such group, or no group effects on the parameter, `kind` or the backend
        is unknown, `prob` is not a probability, or densities are asked for and only summaries of
        the effects were kept.

    See Also
    --------
    ranef : The numbers.
    plot_shrinkage : Beside each level's own estimate.
    plot_varcorr : The distribution's sds.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> figure = fit.plot_ranef("Subject", kind="density")
    >>> figure.savefig("ranef.png")
    """
    if kind not in KINDS:
        raise ModelError(f"kind={kind!r}: plot_ranef has {' and '.join(map(repr, KINDS))}")
    check_prob(prob)
    several = parameter == names.MU != post.design.mu.parameter
    each = [p.parameter for p in post.predictors if p.factors] if several else []
    drawn = [
        (post.group(name, p), p, Labels.of(post, units, p))
        for p in each or [parameter]
        for name in chosen_groups(post, group, p)
    ]
    factors = [g for g, _, _ in drawn]
    columns = list(dict.fromkeys(term for g in factors for term in g.terms))
    make = caterpillar_panel if kind == "caterpillar" else density_panel
    heights = [panel_height(g.n_levels) if kind == "caterpillar" else 1.9 for g in factors]
    rows = [
        [
            make(post, g, term, labels, prob, height, p) if term in g.terms else None
            for term in columns
        ]
        for (g, p, labels), height in zip(drawn, heights, strict=True)
    ]
    keys = interval_keys(prob, rows) if kind == "caterpillar" else density_keys(prob, rows)
    beside = _room_of_names(factors) if kind == "caterpillar" else 0.0
    sheet = Sheet(
        rows,
        width=max(4.8, (_WIDTH + beside) * len(columns)),
        height=sum(heights) + 0.75 * len(factors) + (0.35 if kind == "caterpillar" else 0.7),
        heights=heights,
        share_x="aligned",
        keys=keys,
        key_columns=3 if kind == "caterpillar" else min(len(columns), 2),
    )
    return draw(sheet, backend)


def chosen_groups(post: Posterior, group: str | None, parameter: str = "mu") -> list[str]:
    """Names of the grouping factors to draw; ModelError if there is none such."""
    of = {p.parameter: [g.name for g in p.factors] for p in post.predictors}
    parameter = post.design.mu.parameter if parameter == names.MU else parameter
    if parameter not in of:
        raise ModelError(
            f"parameter={parameter!r} has no formula of its own; there are {', '.join(of)}"
        )
    known, others = of[parameter], [p for p, groups in of.items() if groups]
    if not known:
        where = f" on {parameter}, only on {', '.join(others)}" if others else ""
        raise ModelError(
            f"the model has no group effects to draw{where}: no (... | group) in its formula"
        )
    if group is None:
        return known
    if group not in known:
        raise ModelError(f"no grouping factor {group!r} in the model; it has {', '.join(known)}")
    return [group]


def panel_height(n_levels: int) -> float:
    """Inches of a caterpillar."""
    return float(np.clip(_ROW * n_levels, 0.8, TALLEST))


def _room_of_names(factors: Sequence[GroupDesign]) -> float:
    """Inches by which the names of levels are longer than usual."""
    longest = max(len(str(level)) for g in factors for level in g.levels)
    return max(0.0, longest * style.LETTER / 72 - 0.5)


def caterpillar_panel(
    post: Posterior,
    g: GroupDesign,
    term: str,
    labels: Labels,
    prob: float,
    height: float,
    parameter: str = "mu",
    *,
    most: int | None = None,
) -> Panel:
    """A row for each level, or for `most`, evenly spaced in the rank of their mean."""
    k = g.terms.index(term)
    cat = of_effects(post, g.name, k, prob, parameter)
    cat = cat.at(np.flatnonzero(np.isin(cat.order, _having(g, k))))
    if most is not None and len(cat.order) > most:
        cat = cat.at(np.unique(np.linspace(0, len(cat.order) - 1, most).round().astype(int)))
    level_names = [str(g.levels[i]) for i in cat.order]
    counts = g.rows_per_level[cat.order]
    says = [
        (plural(int(n), "row"), f"{term}: {mean:.3g} ({low:.3g} to {high:.3g}), sd {sd:.2g}")
        for n, mean, low, high, sd in zip(counts, cat.mean, *cat.outer, cat.sd, strict=True)
    ]
    n = len(level_names)
    margin = 0.6 if n < 60 else 0.01 * n
    ticks = named_rows(level_names, height)
    few = len(ticks.at) < n
    return Panel(
        interval_marks(cat, [f"{g.name} {level}" for level in level_names], height, says),
        title=f"{g.name}: {names.prefix(parameter)}{labels.term(term)}",
        xlabel=style.in_lines(f"deviation, {labels.coefficient(term)}", PANEL_WIDTH),
        ylabel=f"{len(ticks.at)} of {n} levels named" if few else "",
        faint_ylabel=True,
        ylim=(-margin - 0.2, n - 0.8 + margin),
        yticks=ticks,
        y_line=False,
    )


def _having(g: GroupDesign, k: int) -> NDArray[np.intp]:
    """The levels that have the factor's k-th effect: all, or those of its arm."""
    return np.arange(g.n_levels) if g.there is None else np.flatnonzero(g.there[:, k])


def interval_marks(
    cat: Caterpillar,
    row_names: Sequence[str],
    height: float,
    says: Sequence[Sequence[str]] = (),
) -> list[Mark]:
    """Inner and outer intervals with their means, over a line at 0; those without 0 in colour."""
    rows = np.arange(len(cat.mean), dtype=float)
    pitch = 72 * height / len(rows)  # points per level
    thick, thin = np.clip(0.28 * pitch, 0.9, 3.6), np.clip(0.09 * pitch, 0.5, 1.1)
    size = float(np.clip(0.42 * pitch, 1.2, 5.0) ** 2)
    marks: list[Mark] = [Rule(0.0, True, style.MUTED)]
    for chosen, dark in ((~cat.clear, False), (cat.clear, True)):
        at, color = rows[chosen], style.BLUE if dark else style.MUTED
        clear = " clear" if dark else ""
        for ends, width, gid in ((cat.outer, thin, "outer"), (cat.inner, thick, "inner")):
            start, end = (np.column_stack([side[chosen], at]) for side in ends)
            faint = gid == "outer" and not dark
            marks.append(
                Segments(start, end, color, float(width), 0.7 if faint else 1.0, gid=gid + clear)
            )
        own = np.flatnonzero(chosen).tolist()
        marks.append(
            Dots(
                cat.mean[chosen], at, "white", size, edge=color, edge_width=float(thin),
                names=[row_names[i] for i in own], says=[says[i] for i in own] if says else (),
                gid="mean",
            )
        )  # fmt: skip
    return marks


def named_rows(level_names: list[str], height: float) -> Ticks:
    """A name for every level, or for as many, evenly spaced in rank, as there is room for."""
    n = len(level_names)
    room = max(2, int(72 * height / (style.SMALL * 1.45)))
    rows = np.arange(n) if n <= room else np.unique(np.linspace(0, n - 1, room).round().astype(int))
    return Ticks(rows.astype(float), [level_names[i] for i in rows], marks=len(rows) < n)


def interval_keys(
    prob: float, rows: Sequence[Sequence[Panel | None]], excludes: str = "0"
) -> list[Key]:
    """The legend of `interval_marks`."""
    keys = [
        Key("50 % interval", style.MUTED, width=3.2),
        Key(f"{style.percent(prob)} interval", style.MUTED, width=1.0),
    ]
    marks = [m for row in rows for panel in row if panel is not None for m in panel.marks]
    if any(isinstance(m, Segments) and m.gid == "outer clear" and len(m.start) for m in marks):
        clear = f"{style.percent(prob)} interval excludes {excludes}"
        keys.append(Key(clear, style.BLUE, width=3.2))
    return keys


# ---- the distribution that the levels come from ------------------------------------------------


_GRID = 400  # points of a density
_CURVE = 60  # points of a level's curve
_LEVELS_REACH = 0.42  # of the panel's height, that of the highest level's posterior
_TALLEST = 1.8  # the panel's height at most, in that of the highest curve
_MOST_DRAWS = 1000  # of the sd, for the band
PANEL_WIDTH = 2.8  # inches of its axis, of densities and caterpillars
FEWEST_MEANS = 8  # from which on they have a density


def smoothed(values: Floats, grid: Floats, mode: str = "constant") -> Floats:
    """(k, m) densities of the columns of (S, m) values at k equally spaced points.

    Gaussian kernel with Silverman's bandwidth, 0.9 min(sd, IQR / 1.34) S^(-1/5), on binned values.
    The mode "reflect" keeps what would be beyond the grid within it.
    """
    step = grid[1] - grid[0]
    edges = np.concatenate([grid - step / 2, [grid[-1] + step / 2]])
    quartiles = np.quantile(values, [0.25, 0.75], axis=0)
    spread = np.minimum(values.std(axis=0), (quartiles[1] - quartiles[0]) / 1.34)
    bandwidth = 0.9 * spread * len(values) ** -0.2
    out = np.empty((len(grid), values.shape[1]))
    for k, column in enumerate(values.T):
        counts = np.histogram(column, edges)[0] / (len(values) * step)
        out[:, k] = ndimage.gaussian_filter1d(
            counts, max(bandwidth[k] / step, 0.5), mode=mode, truncate=5
        )
    return out


def density_panel(
    post: Posterior,
    g: GroupDesign,
    term: str,
    labels: Labels,
    prob: float,
    height: float,
    parameter: str = "mu",
) -> Panel:
    """One term of one factor; `height` is that of the panel in inches."""
    k = g.terms.index(term)
    if g.unusual_law:
        raise ModelError(
            f'kind="density" draws the normal distribution of effects: {g.unusual_law}; '
            'kind="caterpillar" draws each by itself'
        )
    own = _having(g, k)
    effects = post.ranef(g.name, parameter)[:, own, k]
    typical = 1.0 if g.related_to is None else float(np.sqrt(np.mean(g.related_to.diagonal)))
    sd = post.sd(g.name, parameter)[:, k] * typical
    grid = _grid(effects, sd)
    band, curve = _population(grid, sd, prob)
    top = float(curve.y.max())
    means = effects.mean(axis=0)
    level_names = [str(level) for level in g.levels[own]]
    marks: list[Mark] = [band, curve]
    if len(own) >= FEWEST_MEANS:
        of_means = smoothed(means[:, None], grid)[:, 0]
        top = max(top, float(of_means.max()))
        marks.append(Line(grid, of_means, style.ORANGE, 1.4, dash=True, gid="density of means"))
    # where sd may be near 0, the band reaches for a spike
    top = max(top, min(float(band.upper.max()), _TALLEST * top))
    marks.insert(0, _levels(effects, grid, top))
    rug = Dots(
        means, np.full_like(means, -0.045 * top), style.ORANGE, 30.0, alpha=0.8, marker="|",
        names=level_names, gid="posterior mean",
    )  # fmt: skip
    marks += [rug, Rule(0.0, True, style.FAINT)]
    return Panel(
        marks,
        title=f"{g.name}: {names.prefix(parameter)}{labels.term(term)}, {len(own)} levels",
        xlabel=style.in_lines(f"deviation, {labels.coefficient(term)}", PANEL_WIDTH),
        ylabel="density",
        xlim=(float(grid[0]), float(grid[-1])),
        ylim=(-0.09 * top, 1.05 * top),
        yticks=MaxTicks(3),
    )


def _grid(effects: Floats, sd: Floats) -> Floats:
    """Points over the levels' posteriors and the bulk of the population."""
    low, high = np.quantile(effects, [0.001, 0.999])
    reach = max(-float(low), float(high), 3.0 * float(np.median(sd)))
    return np.linspace(-1.05 * reach, 1.05 * reach, _GRID)


def _population(grid: Floats, sd: Floats, prob: float) -> tuple[Band, Line]:
    """Normal(0, sd): the posterior median of its density, with a band over draws of sd."""
    keep = np.unique(np.linspace(0, len(sd) - 1, _MOST_DRAWS).round().astype(int))
    scale = np.maximum(sd[keep, None], 1e-3 * np.median(sd))  # an sd near 0 has no finite density
    density = stats.norm.pdf(grid, scale=scale)
    low, high = np.quantile(density, tails(prob), axis=0)
    band = Band(grid, low, high, style.PALE_BLUE, 0.6, gid="population band")
    return band, Line(grid, np.median(density, axis=0), style.BLUE, 1.8, gid="population")


def _levels(effects: Floats, grid: Floats, top: float) -> Line:
    """Every level's posterior as one line that is lifted in between."""
    density = smoothed(effects, grid)
    density *= _LEVELS_REACH * top / density.max()
    x: list[Floats] = []
    y: list[Floats] = []
    pen = np.array([np.nan])  # lifted between levels
    for curve in density.T:
        seen = np.flatnonzero(curve > 2e-3 * top)
        seen = np.unique(np.linspace(seen[0], seen[-1], _CURVE).round().astype(int))
        x += [grid[seen], pen]
        y += [curve[seen], pen]
    width, alpha = (0.5, 0.25) if density.shape[1] > 60 else (0.7, 0.55)
    joined = np.concatenate(x), np.concatenate(y)
    return Line(joined[0], joined[1], style.MUTED, width, alpha=alpha, gid="levels")


def density_keys(prob: float, rows: list[list[Panel | None]]) -> list[Key]:
    marks = [m for row in rows for panel in row if panel is not None for m in panel.marks]
    dense = any(isinstance(m, Line) and m.gid == "density of means" for m in marks)
    means = "posterior means of the levels, and their density" if dense else "posterior means"
    return [
        Key(f"Normal(0, sd), {style.percent(prob)} band", style.BLUE, width=1.8),
        Key(means, style.ORANGE, "dash" if dense else "line"),
        Key("each level's posterior (height not to scale)", style.MUTED, width=0.9),
    ]
