"""Responses replicated from the model beside the data, as marks of a scene."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.checks.predictive import replicated, written_out_predictive
from mixedbayes.checks.residual import thinned
from mixedbayes.design.types import Floats
from mixedbayes.design.values import label
from mixedbayes.plots import atoms, style
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.predictive import Steps
from mixedbayes.plots.ranef import smoothed
from mixedbayes.plots.scene import Band, Dots, Key, Line, Mark, Panel, Ticks
from mixedbayes.plots.survival import keys as survival_keys
from mixedbayes.plots.survival import survival_panel
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import tails

_CURVES = 30  # replicates whose density is drawn
_GRID = 160  # points of a density
_MOST_DRAWS = 400  # replicates of counts
_BEYOND = 0.002  # of the replicates, on each side, that may lie outside the picture


def replicates_panels(
    post: Posterior, labels: Labels, prob: float
) -> tuple[list[Panel], list[Key]]:
    """Densities of the data and of replicates; of counts and categories how often each occurs.

    Of counts of categories in several columns a panel for each. Where responses are censored, the
    shares above each value. Of zeros, or ones, beside a density their shares, and in a second panel
    the density of the rest.

    They are of at most 400 of the draws.

    Raises
    ------
    ModelError
        The replicates would take more than 2 GB, or only summaries of the effects were kept.
    """
    rows, found = written_out_predictive(thinned(post), "auto", None, prior=False)
    found = replicated(rows, "auto", None) if found is None else found
    (each,) = found.data_vars.values()
    draws = each.stack(sample=("chain", "draw")).transpose("sample", "obs", ...)
    if post.design.limits is not None and post.design.limits.censoring is not None:
        panel = survival_panel(rows.design, draws.to_numpy(), prob=prob)
        panel = replace(panel, xlabel=labels.observed, ylabel="share above")
        return [panel], survival_keys(rows.design, prob)
    most = _MOST_DRAWS if post.family.discrete or post.family.atoms else _CURVES
    chosen = np.unique(np.linspace(0, draws.sizes["sample"] - 1, most).round().astype(int))
    y, thin = rows.family.reported(rows.design.y), draws.isel(sample=chosen)
    if post.family.atoms:
        return _with_atoms(y, thin.to_numpy(), post.family.atoms, labels, prob)
    if not post.family.discrete:
        panel, keys = _densities(y, thin.to_numpy(), labels)
        return [panel], keys
    if post.family.columns:
        panels = _counts(post, y, thin, prob)
    else:
        steps = Steps.of(thin, y)
        panels = [_frequencies(post, steps, y, thin.to_numpy(), labels, prob)]
    keys = [
        Key("data", style.ORANGE, "dot"),
        Key(f"replicates, {style.percent(prob)} of them", style.PALE_BLUE, "patch"),
        Key("their mean", style.BLUE, width=1.4),
    ]
    return panels, keys


def how_many(post: Posterior) -> int:
    """Of how many of the draws the panel shows replicates."""
    most = _MOST_DRAWS if post.family.discrete or post.family.atoms else _CURVES
    return min(most, thinned(post).n_draws)


def _with_atoms(
    y: Floats, draws: Floats, at: tuple[float, ...], labels: Labels, prob: float
) -> tuple[list[Panel], list[Key]]:
    rest = atoms.rest_panel(y, draws, at, atoms.ends_of(y, draws, at), _CURVES)
    panels = [
        replace(atoms.shares_panel(y, draws, at, prob), xlabel=labels.observed),
        replace(rest, xlabel=f"{labels.observed}, {atoms.between(at)}"),
    ]
    return panels, atoms.keys(prob)


def _densities(y: Floats, draws: Floats, labels: Labels) -> tuple[Panel, list[Key]]:
    low, high = np.quantile(draws, [_BEYOND, 1 - _BEYOND])
    low, high = min(low, y.min()), max(high, y.max())
    reach = 0.05 * (high - low) or 1.0
    grid = np.linspace(low - reach, high + reach, _GRID)
    each, data = smoothed(draws.T, grid), smoothed(y[:, None], grid)[:, 0]
    pen = np.full((1, each.shape[1]), np.nan)
    x = np.tile(np.append(grid, np.nan), each.shape[1])
    marks: list[Mark] = [
        Line(x, np.vstack([each, pen]).T.ravel(), style.BLUE, 0.6, alpha=0.4, gid="replicates"),
        Line(grid, data, style.ORANGE, 2.2, gid="data", z=3.0),
    ]
    keys = [
        Key("data", style.ORANGE, width=2.2),
        Key(f"{each.shape[1]} replicates", style.BLUE, width=0.8),
    ]
    top = float(max(each.max(), data.max()))
    return Panel(marks, xlabel=labels.observed, ylabel="density", ylim=(0.0, 1.05 * top)), keys


def _counts(post: Posterior, y: Floats, draws: xr.DataArray, prob: float) -> list[Panel]:
    """Counts of each category, y (n, K) and draws (S, n, K), in a panel of their own."""
    panels = []
    for k, category in enumerate(post.family.categories(post.design) or ()):
        own = draws.isel({names.CATEGORY: k})
        steps = Steps.of(own, y[:, k])
        marks = _steps(steps, y[:, k], own.to_numpy(), prob)[1]
        words = steps.words(f"count of {label(category)}", float(own.max()))
        title = label(category)
        panels.append(Panel(marks, title=title, xlabel=words, ylabel="share of rows"))
    return panels


def _steps(steps: Steps, y: Floats, draws: Floats, prob: float) -> tuple[Floats, list[Mark]]:
    """Places of the steps, and the marks of how often each is in the data and in the draws."""
    own, theirs = steps.middle(y), steps.middle(draws)
    low, high = min(own.min(), theirs.min()), max(own.max(), theirs.max())
    places = np.arange(low, high + 1, steps.width)
    data = np.array([(own == v).mean() for v in places])
    shares = np.array([(theirs == v).mean(axis=1) for v in places])  # (m, S)
    lower, upper = np.quantile(shares, tails(prob), axis=1)
    marks: list[Mark] = [
        Band(places, lower, upper, style.PALE_BLUE, 0.8, gid="replicates"),
        Line(places, shares.mean(axis=1), style.BLUE, 1.4, gid="mean"),
        Dots(places, data, style.ORANGE, 30.0, gid="data"),
    ]
    return places, marks


def _frequencies(
    post: Posterior, steps: Steps, y: Floats, draws: Floats, labels: Labels, prob: float
) -> Panel:
    places, marks = _steps(steps, y, draws, prob)
    levels = post.family.categories(post.design) or post.design.response_levels
    ticks = None
    if levels is not None and len(levels) == len(places):
        ticks = Ticks(places, [label(v) for v in levels])
    observed = labels.column(post.design.response)
    what = observed if levels is not None else steps.words(observed, draws.max())
    return Panel(marks, xlabel=what, ylabel="share of rows", xticks=ticks)
