"""Means, comparisons and slopes of a posterior as pictures, in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mixedbayes.estimands.ask import Kind, Over, names_of
from mixedbayes.estimands.contrasts import How
from mixedbayes.estimands.grid import Columns
from mixedbayes.estimands.means import SlopeHow, comparisons, means, slopes
from mixedbayes.plots.along import n_places
from mixedbayes.plots.estimates import plot_estimates, sheet
from mixedbayes.plots.estimates_layout import layout
from mixedbayes.plots.multiples import observed
from mixedbayes.plots.scene import Drawing, check_backend, draw
from mixedbayes.predict.question import Groups
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import Interval


def plot_means(
    post: Posterior,
    focal: str | Sequence[str] | Mapping[str, Any] | None = None,
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    over: Over = "observed",
    weights: str | None = None,
    groups: Groups | None = None,
    kind: Kind = "mean",
    target: str | None = None,
    prob: float = 0.95,
    interval: Interval = "eti",
    data: bool = True,
    seed: int | None = None,
    progress: bool = True,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> Drawing:
    """The marginal means of `means`: a line along a number, dots with intervals at levels.

    The first focal column runs along the axis, the next one and those of `by` and `at` have colours
    and panels. Below stands the question: what is averaged over, what is assumed about groups, and
    what is held.

    Parameters
    ----------
    post
        The posterior.
    focal
        As in `means`; the first, if it is numeric and has no values, at 40 places between its least
        and largest value, where it is in a smooth at 120.
    by, at, over, weights, groups, kind, target, prob, interval, seed, progress
        As in `means`.
    data
        Draw the responses behind the means of one focal column, where they are on the same scale.
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
    DataError, ModelError
        As `means` does; or the backend is unknown.

    See Also
    --------
    means : The numbers.
    plot_predictions : Lines of single levels beside the typical one's.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> machines = mb.load_data("machines")
    >>> fit = mb.fit("score ~ Machine + (1 | Worker)", machines, seed=1)
    >>> figure = fit.plot_means("Machine")
    >>> figure.savefig("means.png")
    """
    check_backend(backend)
    found = means(
        post, _along(post, focal), by=by, at=at, over=over, weights=weights, groups=groups,
        kind=kind, target=target, prob=prob, interval=interval, seed=seed, progress=progress,
    )  # fmt: skip
    plan = layout(found)
    own = (*plan.along, *filter(None, (plan.color,)), *plan.panels)
    data = data and not post.design.without_rows
    raw = data and len(found.focal) == 1 and plan.along == found.focal and not found.by[1:]
    if raw and _comparable(post, kind, target, plan.kind) and set(own) <= {*post.design.frame}:
        return draw(sheet(found, units, post.design.frame, observed(post)), backend)
    return plot_estimates(found, units=units, backend=backend)


def _along(post: Posterior, focal: Any) -> Any:
    """The focal columns, the first with many places if it is a number without values."""
    if isinstance(focal, Mapping) or focal is None:
        return focal
    names, columns = names_of(focal, "focal"), Columns(post.design)
    for name in names:
        columns.check(name)
    if not names or columns.is_category(names[0]):
        return focal
    ends = columns.quantile(names[0], 0), columns.quantile(names[0], 1)
    places = np.linspace(*ends, n_places(post.design, names[0]))
    first: dict[str, Any] = {names[0]: places.tolist()}
    return first | {name: columns.places(name) for name in names[1:]}


def _comparable(post: Posterior, kind: Kind, target: str | None, drawn: str) -> bool:
    """Whether responses can stand behind the means."""
    if kind != "mean" or target not in (None, "mean") or drawn == "rows":
        return False
    if post.family.categories(post.design) is not None:
        return False
    # Zeros and ones say nothing at the levels of a category.
    return drawn == "line" or not post.family.probability or post.design.trials is not None


def plot_comparisons(
    post: Posterior,
    focal: str | Sequence[str] | Mapping[str, Any],
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    over: Over = "observed",
    weights: str | None = None,
    how: How = "difference",
    groups: Groups | None = None,
    kind: Kind = "mean",
    target: str | None = None,
    prob: float = 0.95,
    interval: Interval = "eti",
    seed: int | None = None,
    progress: bool = True,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> Drawing:
    """The comparisons of `comparisons` as a forest, with a line where there is no difference.

    Parameters
    ----------
    post
        The posterior.
    focal, by, at, over, weights, how, groups, kind, target, prob, interval, seed, progress
        As in `comparisons`. Five values or more of a number in `at` or `by` give a line.
    units, backend
        As in `plot_means`: "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout. Ratios are on a logarithmic axis.

    Raises
    ------
    DataError, ModelError
        As `comparisons` does; or the backend is unknown.

    See Also
    --------
    comparisons : The numbers.
    plot_fixef : Effects on the link scale.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> machines = mb.load_data("machines")
    >>> fit = mb.fit("score ~ Machine + (1 | Worker)", machines, seed=1)
    >>> figure = fit.plot_comparisons({"Machine": "pairwise"})
    >>> figure.savefig("comparisons.png")
    """
    check_backend(backend)
    found = comparisons(
        post, focal, by=by, at=at, over=over, weights=weights, how=how, groups=groups, kind=kind,
        target=target, prob=prob, interval=interval, seed=seed, progress=progress,
    )  # fmt: skip
    return plot_estimates(found, units=units, backend=backend)


def plot_slopes(
    post: Posterior,
    focal: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    over: Over = "observed",
    weights: str | None = None,
    how: SlopeHow = "dydx",
    groups: Groups | None = None,
    kind: Kind = "mean",
    target: str | None = None,
    prob: float = 0.95,
    interval: Interval = "eti",
    seed: int | None = None,
    progress: bool = True,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> Drawing:
    """The slopes of `slopes` as a forest with a line at 0, or along a number.

    Parameters
    ----------
    post
        The posterior.
    focal, by, at, over, weights, how, groups, kind, target, prob, interval, seed, progress
        As in `slopes`. Five values or more of a number in `at` or `by` give a line.
    units, backend
        As in `plot_means`: "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout.

    Raises
    ------
    DataError, ModelError
        As `slopes` does; or the backend is unknown.

    See Also
    --------
    slopes : The numbers.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> figure = fit.plot_slopes("Days", by="Subject")
    >>> figure.savefig("slopes.png")
    """
    check_backend(backend)
    found = slopes(
        post, focal, by=by, at=at, over=over, weights=weights, how=how, groups=groups, kind=kind,
        target=target, prob=prob, interval=interval, seed=seed, progress=progress,
    )  # fmt: skip
    return plot_estimates(found, units=units, backend=backend)
