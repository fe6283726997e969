"""Residuals and group effects beside what the model says they should be."""

from __future__ import annotations

import pandas as pd
from scipy import stats

from mixedbayes.checks.read_again import at_hand
from mixedbayes.checks.residual import Beside, Bins, effects, residuals
from mixedbayes.design.types import Floats
from mixedbayes.plots import style
from mixedbayes.plots.scene import Band, Dots, Drawing, Key, Line, Panel, Rule, Sheet, draw, in_rows
from mixedbayes.predict.streams import seed_of
from mixedbayes.results.fitted import need_residuals
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import check_prob

_PANEL = (3.1, 2.6)  # inches


def plot_check(
    post: Posterior, *, prob: float = 0.95, seed: int | None = None, backend: str = "matplotlib"
) -> Drawing:
    """Panels of what `check` looks at: residuals and group effects beside bands of replicates.

    Pearson residuals (y - E[y]) / sd[y]: their mean along what the predictors alone say (where that
    takes few values, along the fitted values), their spread over the fitted values, and their
    quantiles against those of replicates; then the ordered standardised effects of every term
    of every grouping factor. Dots are means over posterior draws, bands the `prob` interval of
    replicates in the same draws; dots outside stand out. Categories without an order have no
    residuals: of them the effects alone. Of data that were read in batches 5,000 rows, evenly
    spread, are read again.

    Parameters
    ----------
    post
        The posterior, with draws of the group effects.
    prob
        Probability of the bands.
    seed
        Of the replicates; by default the fit's.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout.

    Raises
    ------
    ModelError
        If only summaries of the group effects were kept, there is nothing to draw, or the
        backend is unknown.

    See Also
    --------
    check : The same in words, with numbers.
    pp_check : Replicates beside the data.
    plot_residuals : Larger, by a factor or a column.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> figure = fit.plot_check(prob=0.9)
    >>> figure.savefig("check.png")
    """
    check_prob(prob)
    number, post = seed_of(post, seed), at_hand(post)
    predictors = post.predictors if post.family.unordered else (post.design.mu,)
    groups = [
        e for p in predictors for g in p.factors for e in effects(post, g, number, p.parameter)
    ]
    if not groups:
        need_residuals(post)
    panels = [] if post.family.unordered else _residuals(post, number, bool(groups), prob)
    for e in groups:
        beside = e.quantiles()
        at = beside.replicated.mean(axis=0)
        panels.append(
            _ordered(f"{e.group.name}: {e.term}", "standardised effect", at, beside, prob)
        )
    rows = in_rows(panels, min(len(panels), 3))
    keys = [
        Key("data", style.BLUE, "dot"),
        Key("data outside the band", style.ORANGE, "dot"),
        Key(f"replicates, {style.percent(prob)} band", style.FAINT, "patch"),
        Key("their mean", style.MUTED, width=0.8),
    ]
    width, height = _PANEL[0] * len(rows[0]), _PANEL[1] * len(rows) + 0.3
    return draw(Sheet(rows, width, height, keys=keys, key_columns=4), backend)


def _residuals(post: Posterior, seed: int, grouped: bool, prob: float) -> list[Panel]:
    found = residuals(post, seed)
    z = stats.norm.ppf(found.probabilities)
    along = "fitted, group effects 0" if found.by_predictors and grouped else "fitted"
    return [
        _fitted("Residuals against fitted", "mean", *found.location(), along, prob),
        _fitted("Scale against fitted", "rms", *found.scale(), "fitted", prob),
        _ordered("Quantiles of residuals", "Pearson residual", z, found.quantiles(), prob),
    ]


def _fitted(title: str, what: str, beside: Beside, bins: Bins, along: str, prob: float) -> Panel:
    middle = Rule(float(beside.replicated.mean()), False, style.MUTED, z=1.5)
    return Panel(
        [*_band(bins.at, beside.table(prob)), middle],
        title=title,
        xlabel=along,
        ylabel=f"{what} Pearson residual" if what == "mean" else f"{what} of Pearson residuals",
    )


def _ordered(title: str, what: str, at: Floats, beside: Beside, prob: float) -> Panel:
    expected = Line(at, beside.replicated.mean(axis=0), style.MUTED, 0.8, gid="expected")
    marks = [*_band(at, beside.table(prob)), expected]
    return Panel(marks, title=title, xlabel="expected", ylabel=what)


def _band(at: Floats, table: pd.DataFrame) -> list[Band | Dots]:
    lower, upper, data = (table[c].to_numpy(float) for c in ("lower", "upper", "data"))
    colors = [style.ORANGE if out else style.BLUE for out in table["outside"]]
    return [
        Band(at, lower, upper, style.FAINT, 1.0, gid="band"),
        Dots(at, data, colors, 14.0, gid="data"),
    ]
