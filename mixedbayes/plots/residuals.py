"""Residuals against fitted values, and their normal quantile plot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mixedbayes.checks.residual import written_out
from mixedbayes.design.limits import limits_of
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.design.used import used_columns
from mixedbayes.errors import ModelError
from mixedbayes.plots import style
from mixedbayes.plots.categories import key_columns
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.multiples import response_axis
from mixedbayes.plots.scene import Band, Dots, Drawing, Key, Line, Mark, Panel, Rule, Sheet, draw
from mixedbayes.predict.forward import responses
from mixedbayes.results.fitted import (
    is_truncated,
    linear_predictor,
    need_residuals,
    observable,
    row_parameters,
)
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import check_prob

_MOST_ROWS = 10**6  # that rows which count several times are written out to
_BLOCK = 2**21  # numbers held at a time
_WIDTH = 7.6  # inches
_MOST_NUMBERS = 24  # different ones of a column that may be groups
REPLICATES = 400  # simulated responses per row for quantile residuals


@dataclass(frozen=True, eq=False)
class Residuals:
    """Residuals whose distribution is Normal(0, scale) where the model is right."""

    fitted: Floats  # (n,) posterior mean of the expected response, between bounds of truncation
    value: Floats  # (n,)
    scale: float
    what: str
    design: Design  # of these rows


def residuals(post: Posterior, seed: int = 0) -> Residuals:
    """Response residuals of a Gaussian model; randomised quantile residuals of any other.

    Gaussian: y - E[mu], multiplied by sqrt(w) where the rows are weighted; scale is their own
    standard deviation, which is below sigma as the effects were fitted to the same rows.
    Others: Phi^-1(P(y_rep < y) + u P(y_rep = y)) with u uniform and y_rep simulated from the
    posterior, standard normal where the model is right; `seed` fixes u and y_rep. Rows that count
    several times are written out. Censored and truncated responses have quantile residuals in any
    family, a censored one at a place drawn from P(a < y_rep <= b), where it is known to be.
    Dunn & Smyth (1996), doi:10.1080/10618600.1996.10474708.
    """
    gaussian = post.family.normal and post.design.limits is None
    post = post.with_design(written_out(post.design, post.family, _MOST_ROWS))
    n = post.design.n
    rng = np.random.default_rng(seed)
    keep = np.unique(np.linspace(0, post.n_draws - 1, REPLICATES).round().astype(int))
    fitted, value = np.empty(n), np.empty(n)
    step = max(1, _BLOCK // post.n_draws)
    for start in range(0, n, step):
        rows = np.arange(start, min(start + step, n))
        eta, own = linear_predictor(post, rows).T, row_parameters(post, rows)  # eta (S, m)
        fitted[rows] = observable(post, rows).mean(axis=1)
        if not gaussian:
            kept = {name: values[keep] for name, values in own.items()}
            value[rows] = _quantile_residuals(post, eta[keep], kept, rows, rng)
    if not gaussian:
        return Residuals(fitted, value, 1.0, "quantile residual", post.design)
    weights = post.design.weights
    value = post.design.y - fitted
    if weights is not None:
        value = value * np.sqrt(weights)
    what = "residual" if weights is None else "weighted residual"
    return Residuals(fitted, value, float(value.std(ddof=1)), what, post.design)


def _quantile_residuals(
    post: Posterior,
    eta: Floats,
    own: Mapping[str, Floats],
    rows: NDArray[np.intp],
    rng: np.random.Generator,
) -> Floats:
    d = post.design
    replicated = responses(post.family, d, eta, own, rng, rows)
    y, count = d.y[rows], len(eta)
    below, equal = (replicated < y).sum(axis=0), (replicated == y).sum(axis=0)
    limits = limits_of(d, rows)
    if limits is not None and limits.censoring is not None:  # it is somewhere in its range
        (a, b), censored = limits.range(y), limits.censored(len(y))
        inside = ((replicated > a) & (replicated <= b)).sum(axis=0)
        below = np.where(censored, (replicated <= a).sum(axis=0), below)
        equal = np.where(censored, inside, equal)
    # (below + u (equal + 1)) / (count + 1): the observation itself is one of the ranks
    p = (below + rng.uniform(size=len(rows)) * (equal + 1)) / (count + 1)
    return stats.norm.ppf(np.clip(p, 1e-9, 1 - 1e-9))


@dataclass(frozen=True, eq=False)
class Colors:
    """Rows told apart by the group that they belong to."""

    by: str
    labels: tuple[str, ...]
    codes: Ints  # (n,)

    @property
    def shades(self) -> list[str]:
        """(n,)"""
        each = style.colors(len(self.labels))
        return [each[code] for code in self.codes]

    @property
    def names(self) -> list[str]:
        """(n,)"""
        return [f"{self.by} {self.labels[code]}" for code in self.codes]


def colors(design: Design, by: str) -> Colors:
    """Groups by a grouping factor, or by a column of categories or few numbers.

    Raises
    ------
    ModelError
        If there is no such factor or column, or its values are too many numbers to be groups.
    """
    for g in (g for p in design.predictors for g in p.of_one_level):
        if g.name == by:
            return Colors(by, tuple(map(str, g.levels)), g.refs)
    known = [g.name for p in design.predictors for g in p.of_one_level]
    columns = [] if design.data is None else list(map(str, design.frame.columns))
    columns = [c for c in columns if c not in used_columns(design.formula).response]
    if by not in columns:
        choices = ", ".join(dict.fromkeys([*known, *columns]))
        there = f"choose from {choices}" if choices else "and the formula reads no other column"
        shared = next(
            (g.entangled for p in design.predictors for g in p.factors if g.name == by), ""
        )
        what = shared or "it is neither a grouping factor nor a predictor"
        raise ModelError(f"by={by!r}: {what}; {there}")
    coded = design.frame[by].astype("category")
    labels = coded.cat.categories
    if pd.api.types.is_numeric_dtype(labels.dtype) and len(labels) > _MOST_NUMBERS:
        raise ModelError(
            f"by={by!r} has {len(labels)} different numbers, which are no groups: name a grouping "
            "factor or a column of categories"
        )
    return Colors(by, tuple(map(str, labels)), coded.cat.codes.to_numpy())


def plot_residuals(
    post: Posterior,
    *,
    by: str | None = None,
    prob: float = 0.95,
    seed: int = 0,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> Drawing:
    """Residuals against fitted values, and their normal quantile plot.

    Left: a band around 0 of constant width and without a trend is what the model assumes; the
    line joins the means of equally many residuals each. Right: ordered residuals against normal
    quantiles with the pointwise `prob` envelope of an independent normal sample.

    Residuals are given the group effects: y minus its expectation for a Gaussian model
    (multiplied by sqrt(w) for weighted rows), randomised quantile residuals otherwise. Those of
    truncated responses are of the distribution between the bounds, and fitted values the mean
    there.

    Parameters
    ----------
    post
        The posterior.
    by
        Colours by a grouping factor, or by a column of categories that the formula uses. Where
        there are more groups than the legend has room for, they are named where a backend knows
        what the pointer is over.
    prob
        Probability of the envelope.
    seed
        Of the randomisation that residuals of discrete responses need.
    units
        Units of columns by name, for the axes.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout, with two panels, on the response scale.

    Raises
    ------
    ModelError
        If `prob` is not a probability, the backend is unknown, or there is no such factor or column
        as `by`.

    See Also
    --------
    residuals : The numbers.
    plot_check : Beside bands of replicates.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> figure = fit.plot_residuals(by="Subject")
    >>> figure.savefig("residuals.png")

    References
    ----------
    Dunn & Smyth (1996), doi:10.1080/10618600.1996.10474708.
    """
    check_prob(prob)
    panels, keys = panels_of(post, by, prob, seed, Labels.of(post, units))
    columns = key_columns(keys, _WIDTH)
    height = 3.6 + 0.2 * -(-len(keys) // columns)
    sheet = Sheet([panels], _WIDTH, height, keys=keys, key_columns=columns)
    return draw(sheet, backend)


def panels_of(
    post: Posterior, by: str | None, prob: float, seed: int, labels: Labels
) -> tuple[list[Panel], list[Key]]:
    """Both panels, and their legend."""
    need_residuals(post)
    found = residuals(post, seed)
    groups = None if by is None else colors(found.design, by)
    in_response = found.what == "residual"
    unit = labels.units.get(post.design.response)
    axis = f"{found.what} ({unit})" if in_response and unit else found.what
    bounded = ", between the bounds" if is_truncated(post) else ""
    left = Panel(
        _against_fitted(found, groups),
        title="Residuals against fitted",
        xlabel=f"fitted {response_axis(post, labels)}" + bounded,
        ylabel=axis,
    )
    right = Panel(
        _normal_quantiles(found, prob, groups),
        title="Normal quantiles",
        xlabel="standard normal quantile",
        ylabel=axis,
    )
    return [left, right], _keys(prob, groups)


def _keys(prob: float, groups: Colors | None) -> list[Key]:
    keys = [
        Key("means of equally many rows", _trend(groups)),
        Key("what a normal sample has", style.MUTED, width=0.8),
        Key(f"its {style.percent(prob)} band", style.FAINT, "patch"),
    ]
    if groups is None:
        return [Key("one row", style.BLUE, "dot"), *keys]
    if len(groups.labels) > len(style.PALETTE):
        return [Key(f"one row, coloured by {groups.by}", style.MUTED, "dot"), *keys]
    named = zip(groups.labels, style.colors(len(groups.labels)), strict=True)
    return [*(Key(f"{groups.by} {label}", color, "dot") for label, color in named), *keys]


def _trend(groups: Colors | None) -> str:
    return style.ORANGE if groups is None else style.INK


def _dots(x: Floats, y: Floats, groups: Colors | None, order: Ints | None = None) -> Dots:
    n = len(x)
    size, alpha = (12.0, 0.65) if n < 500 else (6.0, 0.45) if n < 5000 else (2.0, 0.25)
    if groups is None:
        return Dots(x, y, style.BLUE, size, alpha=alpha, gid="residuals")
    own = groups if order is None else replace(groups, codes=groups.codes[order])
    return Dots(x, y, own.shades, size, alpha=alpha, names=own.names, gid="residuals")


def _against_fitted(found: Residuals, groups: Colors | None) -> list[Mark]:
    n = len(found.fitted)
    bins = np.array_split(np.argsort(found.fitted, kind="stable"), int(np.clip(n // 15, 2, 20)))
    middle, mean = (np.array([a[b].mean() for b in bins]) for a in (found.fitted, found.value))
    return [
        Rule(0.0, False, style.MUTED),
        _dots(found.fitted, found.value, groups),
        Line(middle, mean, _trend(groups), gid="trend", z=4.0),
    ]


def _normal_quantiles(found: Residuals, prob: float, groups: Colors | None) -> list[Mark]:
    n = len(found.value)
    rank = np.arange(1, n + 1)
    z = stats.norm.ppf((rank - 0.375) / (n + 0.25))
    tail = (1 - prob) / 2
    # the k-th of n uniform order statistics is Beta(k, n + 1 - k)
    low, high = (stats.norm.ppf(stats.beta.ppf(p, rank, n + 1 - rank)) for p in (tail, 1 - tail))
    ends, order = z[[0, -1]], np.argsort(found.value, kind="stable")
    return [
        Band(z, found.scale * low, found.scale * high, style.FAINT, 0.7, gid="envelope"),
        Line(ends, found.scale * ends, style.MUTED, 0.9, gid="expected"),
        _dots(z, found.value[order], groups, order),
    ]
