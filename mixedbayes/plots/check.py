"""Residuals and group effects beside what the model says they should be."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from scipy import stats

from mixedbayes.checks.residual import Beside, effects, residuals
from mixedbayes.design.types import Floats
from mixedbayes.plots import style
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import check_prob

_PANEL = (3.1, 2.6)  # inches


def plot_check(
    post: Posterior, *, prob: float = 0.95, seed: int = 0, backend: str = "matplotlib"
) -> style.Picture:
    """Panels of what `Fit.check` looks at, each with the band of replicates.

    Pearson residuals (y - E[y]) / sd[y]: their mean and their spread over the fitted values, and
    their quantiles against those of replicates; then the ordered standardised effects of every term
    of every grouping factor. Dots are means over posterior draws, bands the `prob` interval of
    replicates in the same draws; dots outside stand out.

    Parameters
    ----------
    post
        The posterior, with draws of the group effects.
    prob
        Probability of the bands.
    seed
        Of the replicates.
    backend
        "matplotlib"; this picture has no other.

    Returns
    -------
    matplotlib Figure.

    Raises
    ------
    ModelError
        If only summaries of the group effects were kept, or the backend is another.
    """
    style.only_matplotlib(backend, "plot_check")
    check_prob(prob)
    found = residuals(post, seed)
    groups = [e for g in post.design.mu.groups for e in effects(post, g, seed)]
    panels = 3 + len(groups)
    columns = min(panels, 3)
    rows = -(-panels // columns)
    with style.look():
        fig = style.picture(_PANEL[0] * columns, _PANEL[1] * rows)
        axes = list(fig.subplots(rows, columns, squeeze=False).flat)
        _fitted(axes[0], "Residuals against fitted", found.positions, found.location(), prob)
        axes[0].set_ylabel("mean Pearson residual")
        _fitted(axes[1], "Scale against fitted", found.positions, found.scale(), prob)
        axes[1].set_ylabel("rms of Pearson residuals")
        z = stats.norm.ppf(found.probabilities)
        _ordered(axes[2], "Quantiles of residuals", z, found.quantiles(), prob)
        for ax, e in zip(axes[3:], groups, strict=False):
            beside = e.quantiles()
            _ordered(ax, f"{e.group.name}: {e.term}", beside.replicated.mean(axis=0), beside, prob)
            ax.set_ylabel("standardised effect")
        for ax in axes[panels:]:
            ax.set_visible(False)
    return fig


def _fitted(ax: Axes, title: str, at: Floats, beside: Beside, prob: float) -> None:
    _band(ax, at, beside.table(prob))
    ax.axhline(float(beside.replicated.mean()), color=style.MUTED, lw=0.8)
    ax.set_title(title)
    ax.set_xlabel("fitted")


def _ordered(ax: Axes, title: str, at: Floats, beside: Beside, prob: float) -> None:
    _band(ax, at, beside.table(prob))
    ax.plot(at, beside.replicated.mean(axis=0), color=style.MUTED, lw=0.8)
    ax.set_title(title)
    ax.set_xlabel("expected")
    ax.set_ylabel("Pearson residual")


def _band(ax: Axes, at: Floats, table: pd.DataFrame) -> None:
    ax.fill_between(at, table["lower"], table["upper"], color=style.FAINT, lw=0, gid="band")
    colors = [style.ORANGE if out else style.BLUE for out in table["outside"]]
    ax.scatter(at, table["data"], s=14, c=colors, lw=0, zorder=3, gid="data")
