"""The distribution of group effects: what is estimated of it, and the levels within it."""

from __future__ import annotations

import numpy as np
from scipy import ndimage, stats

from mixedbayes.plots import style
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.scene import Band, Dots, Few, Floats, Key, Line, Mark, Panel, Rule
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import tails

_GRID = 400  # points of a density
_CURVE = 60  # points of a level's curve
_LEVELS_REACH = 0.42  # of the panel's height, that of the highest level's posterior
_TALLEST = 1.8  # the panel's height at most, in that of the highest curve
_MOST_DRAWS = 1000  # of the sd, for the band
PANEL_WIDTH = 2.8  # inches of its axis, of densities and caterpillars
FEWEST_MEANS = 8  # from which on they have a density


def smoothed(values: Floats, grid: Floats) -> Floats:
    """(k, m) densities of the columns of (S, m) values at k equally spaced points.

    Gaussian kernel with Silverman's bandwidth, 0.9 min(sd, IQR / 1.34) S^(-1/5), on binned values.
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
            counts, max(bandwidth[k] / step, 0.5), mode="constant", truncate=5
        )
    return out


def density_panel(
    post: Posterior, name: str, term: str, labels: Labels, prob: float, height: float
) -> Panel:
    """One term of one factor; `height` is that of the panel in inches."""
    g = post.group(name)
    k = g.terms.index(term)
    effects, sd = post.ranef(name)[:, :, k], post.sd(name)[:, k]
    grid = _grid(effects, sd)
    band, curve = _population(grid, sd, prob)
    top = float(curve.y.max())
    means = effects.mean(axis=0)
    level_names = [str(level) for level in g.levels]
    marks: list[Mark] = [band, curve]
    if g.n_levels >= FEWEST_MEANS:
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
        title=f"{name}: {labels.term(term)}, {g.n_levels} levels",
        xlabel=style.in_lines(f"deviation, {labels.coefficient(term)}", PANEL_WIDTH),
        ylabel="density",
        xlim=(float(grid[0]), float(grid[-1])),
        ylim=(-0.09 * top, 1.05 * top),
        yticks=Few(3),
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
