"""Residuals against fitted values, and their normal quantile plot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy import stats

from mixedbayes.families.gaussian import Gaussian
from mixedbayes.plots import style
from mixedbayes.plots.fitted import response_axis
from mixedbayes.plots.labels import Labels
from mixedbayes.results.fitted import linear_predictor
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import check_prob

Floats = NDArray[np.float64]

_BLOCK = 2**21  # numbers held at a time
_REPLICATES = 400  # simulated responses per row for quantile residuals


@dataclass(frozen=True, eq=False)
class Residuals:
    """Residuals whose distribution is Normal(0, scale) where the model is right."""

    fitted: Floats  # (n,) posterior mean of the expected response
    value: Floats  # (n,)
    scale: float
    what: str


def residuals(post: Posterior, seed: int = 0) -> Residuals:
    """Response residuals of a Gaussian model; randomised quantile residuals of any other.

    Gaussian: y - E[mu], multiplied by sqrt(w) where the rows are weighted; scale is their own
    standard deviation, which is below sigma as the effects were fitted to the same rows.
    Others: Phi^-1(P(y_rep < y) + u P(y_rep = y)) with u uniform and y_rep simulated from the
    posterior, standard normal where the model is right; `seed` fixes u and y_rep.
    Dunn & Smyth (1996), doi:10.1080/10618600.1996.10474708.
    """
    n = post.design.n
    gaussian = type(post.family) is Gaussian
    rng = np.random.default_rng(seed)
    keep = np.unique(np.linspace(0, post.n_draws - 1, _REPLICATES).round().astype(int))
    fitted, value = np.empty(n), np.empty(n)
    step = max(1, _BLOCK // post.n_draws)
    for start in range(0, n, step):
        rows = np.arange(start, min(start + step, n))
        mean = post.family.inverse(linear_predictor(post, rows).T, np)  # (S, m)
        fitted[rows] = mean.mean(axis=0)
        if not gaussian:
            value[rows] = _quantile_residuals(post, mean[keep], keep, rows, rng)
    if not gaussian:
        return Residuals(fitted, value, 1.0, "quantile residual")
    weights = post.design.weights
    value = post.design.y - fitted
    if weights is not None:
        value = value * np.sqrt(weights)
    what = "residual" if weights is None else "weighted residual"
    return Residuals(fitted, value, float(value.std(ddof=1)), what)


def _quantile_residuals(
    post: Posterior,
    mean: Floats,
    keep: NDArray[np.intp],
    rows: NDArray[np.intp],
    rng: np.random.Generator,
) -> Floats:
    d = post.design
    replicated = post.family.simulate(
        mean,
        {name: value[keep] for name, value in post.parameters().items()},
        rng,
        weights=None if d.weights is None else d.weights[rows],
        trials=None if d.trials is None else d.trials[rows],
    )
    y, count = d.y[rows], len(keep)
    below, equal = (replicated < y).sum(axis=0), (replicated == y).sum(axis=0)
    # (below + u (equal + 1)) / (count + 1): the observation itself is one of the ranks
    p = (below + rng.uniform(size=len(rows)) * (equal + 1)) / (count + 1)
    return stats.norm.ppf(np.clip(p, 1e-9, 1 - 1e-9))


def plot_residuals(
    post: Posterior,
    *,
    prob: float = 0.95,
    seed: int = 0,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> style.Picture:
    """Residuals against fitted values, and their normal quantile plot.

    Left: a band around 0 of constant width and without a trend is what the model assumes; the
    line joins the means of equally many residuals each. Right: ordered residuals against normal
    quantiles with the pointwise `prob` envelope of an independent normal sample.

    Residuals are given the group effects: y minus its expectation for a Gaussian model
    (multiplied by sqrt(w) for weighted rows), randomised quantile residuals otherwise.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the envelope.
    seed
        Of the randomisation that residuals of discrete responses need.
    units
        Units of columns by name, for the axes.
    backend
        "matplotlib"; this picture has no other.

    Returns
    -------
    matplotlib Figure with two panels, on the response scale.

    Raises
    ------
    ModelError
        If `prob` is not a probability or the backend is another.

    References
    ----------
    Dunn & Smyth (1996), doi:10.1080/10618600.1996.10474708.
    """
    style.only_matplotlib(backend, "plot_residuals")
    check_prob(prob)
    found = residuals(post, seed)
    labels = Labels.of(post, units)
    in_response = found.what == "residual"
    with style.look():
        fig = style.picture(7.6, 3.5)
        left, right = fig.subplots(1, 2)
        _against_fitted(left, found)
        left.set_title("Residuals against fitted")
        left.set_xlabel(f"fitted {response_axis(post, labels)}")
        unit = labels.units.get(post.design.response)
        axis = f"{found.what} ({unit})" if in_response and unit else found.what
        left.set_ylabel(axis)
        _normal_quantiles(right, found, prob)
        right.set_title("Normal quantiles")
        right.set_xlabel("standard normal quantile")
        right.set_ylabel(axis)
    return fig


def _dots(ax: Axes, x: Floats, y: Floats) -> None:
    n = len(x)
    size, alpha = (12.0, 0.65) if n < 500 else (6.0, 0.45) if n < 5000 else (2.0, 0.25)
    dots = ax.scatter(x, y, s=size, color=style.BLUE, alpha=alpha, lw=0, rasterized=n > 5000)
    dots.set_gid("residuals")


def _against_fitted(ax: Axes, found: Residuals) -> None:
    ax.axhline(0, color=style.MUTED, lw=0.8, zorder=0)
    _dots(ax, found.fitted, found.value)
    n = len(found.fitted)
    bins = np.array_split(np.argsort(found.fitted, kind="stable"), int(np.clip(n // 15, 2, 20)))
    middle = [found.fitted[b].mean() for b in bins]
    ax.plot(middle, [found.value[b].mean() for b in bins], color=style.ORANGE, lw=1.4, gid="trend")


def _normal_quantiles(ax: Axes, found: Residuals, prob: float) -> None:
    n = len(found.value)
    rank = np.arange(1, n + 1)
    z = stats.norm.ppf((rank - 0.375) / (n + 0.25))
    tail = (1 - prob) / 2
    # the k-th of n uniform order statistics is Beta(k, n + 1 - k)
    low, high = (stats.norm.ppf(stats.beta.ppf(p, rank, n + 1 - rank)) for p in (tail, 1 - tail))
    ax.fill_between(
        z, found.scale * low, found.scale * high, color=style.FAINT, lw=0, alpha=0.7, gid="envelope"
    )
    ends = z[[0, -1]]
    ax.plot(ends, found.scale * ends, color=style.MUTED, lw=0.9)
    _dots(ax, z, np.sort(found.value))
