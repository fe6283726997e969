"""A forest of the population effects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator

from mixedbayes import names
from mixedbayes.errors import ModelError
from mixedbayes.plots import style
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.ranef import Caterpillar, interval_keys, interval_marks, named_rows
from mixedbayes.plots.scene import Drawing, Floats, MaxTicks, Panel, Sheet, Ticks, draw
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.ratios import level_terms, ratio_of
from mixedbayes.results.tables import check_prob, tails

_ROW = 0.27  # inches per effect
_TALLEST = 8.5  # inches of one panel
_MARGIN = 0.04  # of the axis, beyond the intervals
_STEPS = ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))  # of ticks of ratios, in each decade
_TICKS = range(4, 8)  # how many there may be


@dataclass(frozen=True, eq=False)
class Part:
    """Effects that share an axis."""

    xlabel: str
    effects: list[str]  # (k,) as the rows name them, first on top
    draws: Floats  # (S, k) on the link scale
    title: str = ""

    @property
    def height(self) -> float:
        """Inches of its panel."""
        return float(np.clip(_ROW * len(self.effects), 0.3, _TALLEST))


def plot_fixef(
    post: Posterior,
    *,
    exponentiate: bool = False,
    intercept: bool = False,
    prob: float = 0.95,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> Drawing:
    """The population effects, one below the other, with their intervals.

    The thick line is the 50 % interval, the thin one the `prob` interval, both equal-tailed, and
    the dot the posterior mean; effects whose `prob` interval excludes 0 are drawn in colour.

    Effects are on the link scale, and the axis says so. With the identity link they have units,
    and effects in different units stand in panels of their own. With `exponentiate` they are the
    ratios of `fixef(exponentiate=True)`: dots are medians, the axis is logarithmic, and the line is
    at 1.

    Parameters
    ----------
    post
        The posterior.
    exponentiate
        Draw odds, rate or hazard ratios, or ratios of means, of effects on the mean.
    intercept
        Draw the intercept too, the value where every predictor is zero; exponentiated the odds,
        rate, hazard or mean itself. It is always drawn where there is no other effect.
    prob
        Probability of the outer interval.
    units
        Units of columns by name, for the axes: ``{"Reaction": "ms"}``; by default the data frame's
        ``attrs["units"]``, if it has them.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout.

    Raises
    ------
    ModelError
        If the model has no population effect, its effects have no ratio (the identity, probit and
        inverse links), or the backend is unknown.

    See Also
    --------
    fixef : The numbers.
    plot_comparisons : Effects on the response scale.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> machines = mb.load_data("machines")
    >>> fit = mb.fit("score ~ Machine + (1 | Worker)", machines, seed=1)
    >>> figure = fit.plot_fixef(intercept=True)
    >>> figure.savefig("fixef.png")
    """
    check_prob(prob)
    labels = Labels.of(post, units)
    parts = parts_of(post, labels, exponentiate=exponentiate, intercept=intercept)
    heights = [part.height for part in parts]
    rows = [[panel(part, prob, exponentiate)] for part in parts]
    longest = max(len(name) for part in parts for name in part.effects)
    titled = sum(bool(part.title) for part in parts)
    sheet = Sheet(
        rows,
        width=4.6 + longest * style.LETTER / 72,
        height=sum(heights) + 0.55 * len(parts) + 0.25 * titled + 0.4,
        heights=heights,
        keys=interval_keys(prob, rows, "1" if exponentiate else "0"),
        key_columns=3,
    )
    return draw(sheet, backend)


def parts_of(post: Posterior, labels: Labels, *, exponentiate: bool, intercept: bool) -> list[Part]:
    """The panels of a forest; ModelError where there is nothing to draw."""
    if exponentiate:
        parts = [_ratios(post, labels, intercept)]
    else:
        parts = _on_link_scale(post, labels, intercept)
    parts = [part for part in parts if part.effects]
    if not parts:
        raise ModelError("the model has no population effects to draw")
    return parts


def _ratios(post: Posterior, labels: Labels, intercept: bool) -> Part:
    """Effects on the mean, with what exp() of them is."""
    ratio = ratio_of(post.family, post.design)
    part = _effects(post, labels, "mu", intercept, f"Intercept ({ratio.level})")
    mu = post.design.mu
    levels = {labels.term(term) for term in level_terms(mu)}
    effects = [f"{e} ({ratio.level})" if e in levels else e for e in part.effects]
    what = ratio.name if set(mu.terms) - level_terms(mu) else ratio.level
    return Part(f"{what}, logarithmic axis", effects, part.draws)


def _on_link_scale(post: Posterior, labels: Labels, intercept: bool) -> list[Part]:
    """Effects on the mean, by unit where they have one, and those on further parameters."""
    mu = _effects(post, labels, "mu", intercept, names.INTERCEPT)
    if labels.link == "identity":
        parts = _by_unit(post, labels, mu)
    else:
        first = post.design.mu.parameter
        title = "" if first == names.MU else first
        parts = [Part(f"effect on {labels.predictor}", mu.effects, mu.draws, title=title)]
    for name in post.design.further:
        if names.owner(name) != name:  # among the mean's
            continue
        own = _effects(post, labels, name, intercept, names.INTERCEPT)
        link = post.family.predictor_scale(name)
        parts.append(Part(f"effect on {name} ({link} scale)", own.effects, own.draws, title=name))
    return parts


def _effects(post: Posterior, labels: Labels, parameter: str, intercept: bool, first: str) -> Part:
    """Effects on one parameter; the intercept is asked for, or all that there is."""
    predictor = post.predictor(parameter)
    shown = [labels.term(t) for t in predictor.effects]
    draws = post.population_effects(parameter)
    if parameter == "mu":
        for p in post.design.moving[1:]:
            shown += [f"{labels.term(t)}, {p.threshold}" for t in p.effects]
        own = [post.population_effects(p.parameter) for p in post.design.moving]
        draws = np.concatenate(own, axis=1)
    if predictor.intercept and (intercept or not shown):
        shown = [first, *shown]
        draws = np.column_stack([post.intercept(parameter), draws])
    return Part("", shown, draws)


def _by_unit(post: Posterior, labels: Labels, mu: Part) -> list[Part]:
    predictor = post.design.mu
    axes = [
        labels.coefficient(term)
        if labels.measured(term)
        else labels.difference(coded=predictor.intercept)
        for term in predictor.effects
    ]
    # Differences between levels have the intercept's unit, but not its size.
    axes = [labels.predictor] * (len(mu.effects) - len(axes)) + axes
    parts = []
    for xlabel in dict.fromkeys(axes):
        own = [k for k, axis in enumerate(axes) if axis == xlabel]
        parts.append(Part(xlabel, [mu.effects[k] for k in own], mu.draws[:, own]))
    return parts


def panel(part: Part, prob: float, ratio: bool) -> Panel:
    """The rows of one part."""
    height = part.height
    shown = part.effects[::-1]  # rows are counted from below
    forest = _forest(part.draws[:, ::-1], prob, np.median if ratio else np.mean)
    low, high = min(0.0, forest.outer[0].min()), max(0.0, forest.outer[1].max())
    beyond = _MARGIN * (high - low)
    return Panel(
        interval_marks(forest, shown, height),
        title=part.title,
        xlabel=part.xlabel,
        xlim=(low - beyond, high + beyond),
        xticks=ratio_ticks(low, high) if ratio else MaxTicks(6),
        ylim=(-0.6, len(shown) - 0.4),
        yticks=named_rows(shown, height),
        y_line=False,
    )


def _forest(draws: Floats, prob: float, middle: Callable[..., Floats]) -> Caterpillar:
    low, high = tails(prob)
    q = np.quantile(draws, [low, 0.25, 0.75, high], axis=0)
    order = np.arange(draws.shape[1])
    return Caterpillar(
        order, middle(draws, axis=0), q[[0, 3]], q[[1, 2]], draws.std(axis=0, ddof=1)
    )


def ratio_ticks(low: float, high: float) -> Ticks:
    """Ticks at round ratios between exp(low) and exp(high), placed at their logarithms."""
    decades = range(int(np.floor(low / np.log(10))), int(np.ceil(high / np.log(10))) + 1)
    values: Floats = np.array([])
    for steps in _STEPS:
        found = np.unique([s * 10.0**d for d in decades for s in steps])
        values = found[(np.log(found) >= low) & (np.log(found) <= high)]
        if len(values) in _TICKS:
            break
    if len(values) > _TICKS[-1]:
        values = values[:: -(-len(values) // _TICKS[-1])]
    if len(values) < _TICKS[0]:
        found = MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(np.exp(low), np.exp(high))
        values = found[(found >= np.exp(low)) & (found <= np.exp(high))]
    return Ticks(np.log(values), [f"{v:g}" for v in values])
