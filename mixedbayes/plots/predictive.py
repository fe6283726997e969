"""The data beside responses replicated from the model, through arviz_plots."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Literal

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.checks.predictive import check_statistic, statistic
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.errors import MissingExtraError, ModelError
from mixedbayes.families.base import Family
from mixedbayes.plots import style
from mixedbayes.plots.densities import BACKENDS, PlotCollection

Kind = Literal["density", "ecdf", "pit", "intervals", "stat"]
KINDS = ("density", "ecdf", "pit", "intervals", "stat")
MOST_DRAWS = 1000  # replicates in a picture
_CURVES = 50

type Facets = Mapping[str, Ints | slice]


def plot_predictive(
    replicated: xr.DataArray,
    design: Design,
    family: Family,
    *,
    kind: Kind = "density",
    by: str | None = None,
    stat: Any = "mean",
    max_levels: int = 24,
    backend: str = "matplotlib",
) -> PlotCollection:
    """Draw a predictive check.

    Parameters
    ----------
    replicated
        (chain, draw, obs) replicated responses of all rows.
    design, family
        Of the same model.
    kind
        "density": densities of the data and of 50 replicates; of counts a rootogram. "ecdf": the
        same as distribution functions. "pit": the ranks of the observations among their
        replicates, which are uniform where the model is right. "intervals": each observation with
        50 % and 95 % intervals of its replicates. "stat": a statistic of the data among those of
        the replicates, with p, the share of replicates above it.
    by
        Grouping factor: a panel for each level, of at most `max_levels` spread over all.
    stat
        "mean", "sd", "min", "max", "zeros" (the share of zeros), or a function of an array.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    arviz_plots.PlotCollection, on the response scale.

    Raises
    ------
    ModelError
        `kind`, `by`, `stat` or the backend is unknown; the picture does not suit responses of 0
        and 1.
    """
    if kind not in KINDS:
        raise ModelError(f"kind={kind!r} is not known: use one of {', '.join(map(repr, KINDS))}")
    _check_binary(design.y, kind)
    y, facets = family.reported(design.y), _facets(design, by, max_levels)
    thin = _thinned(replicated)
    if kind == "stat":
        tree = _statistics(replicated, y, facets, stat)
    else:
        whole = family.discrete and kind == "density"
        tree = _panels(thin, y, facets, np.int64 if whole else np.float64)
    draw = {
        "density": _rootogram if family.discrete else _density,
        "ecdf": _ecdf,
        "pit": _pit_of_counts if family.discrete else _pit,
        "intervals": _intervals,
        "stat": _stat,
    }[kind]
    plots = _backend(backend)
    with style.look():
        return draw(plots, tree, backend=backend, **_layout(len(facets), backend))


def _layout(panels: int, backend: str) -> dict[str, Any]:
    """At most four panels in a row; sizes in inches, or in pixels where these mean nothing."""
    columns = min(panels, 4)
    rows = -(-panels // columns)
    width, height = (5.2, 3.2) if panels == 1 else (2.4, 1.9)
    figure: dict[str, Any] = {"figsize": (100 * width * columns, 110 * height * rows)}
    figure["figsize_units"] = "dots"
    if backend == "matplotlib":
        figure = {"figsize": (width * columns, height * rows), "figsize_units": "inches"}
        figure["layout"] = "constrained"
    return {"col_wrap": columns, "figure_kwargs": figure}


def _check_binary(y: Floats, kind: str) -> None:
    if kind not in ("stat", "intervals") and np.isin(y, (0, 1)).all():
        raise ModelError(
            f'kind={kind!r} shows nothing of responses that are 0 or 1; use kind="stat", '
            'stat="mean", and by= a grouping factor'
        )


def _backend(backend: str) -> Any:
    if backend not in BACKENDS:
        raise ModelError(f"backend must be one of {', '.join(BACKENDS)}; got {backend!r}")
    try:
        import arviz_plots

        import_module(f"arviz_plots.backend.{backend}")
    except ImportError as error:
        raise MissingExtraError(
            f"backend={backend!r} needs packages that are not installed ({error.name}): "
            f"pip install mixedbayes[{backend}], or use backend='matplotlib'"
        ) from error
    return arviz_plots


def _facets(design: Design, by: str | None, most: int) -> Facets:
    """Rows of each panel, by its title."""
    if by is None:
        return {design.response: slice(None)}
    groups = {g.name: g for g in design.mu.groups}
    if by not in groups:
        raise ModelError(
            f"by={by!r} is not a grouping factor of this model ({', '.join(groups) or 'none'})"
        )
    g = groups[by]
    chosen = np.unique(np.linspace(0, g.n_levels - 1, min(most, g.n_levels)).round().astype(int))
    return {f"{by} {g.levels[j]}": np.flatnonzero(g.refs == j) for j in chosen}


def _thinned(replicated: xr.DataArray) -> xr.DataArray:
    chains, draws = replicated.sizes[names.CHAIN], replicated.sizes[names.DRAW]
    most = max(1, MOST_DRAWS // chains)
    if draws <= most:
        return replicated
    return replicated.isel({names.DRAW: np.linspace(0, draws - 1, most).round().astype(int)})


def _panels(replicated: xr.DataArray, y: Floats, facets: Facets, dtype: type) -> xr.DataTree:
    """A variable for each panel, with rows of its own."""
    values = replicated.transpose(names.CHAIN, names.DRAW, ...).to_numpy()
    shown: dict[str, Any] = {}
    observed: dict[str, Any] = {}
    for k, (title, rows) in enumerate(facets.items()):
        dim = f"{names.OBS}_{k}"
        shown[title] = ((names.CHAIN, names.DRAW, dim), values[..., rows].astype(dtype))
        observed[title] = ((dim,), y[rows].astype(dtype))
    return _tree(shown, observed)


def _statistics(replicated: xr.DataArray, y: Floats, facets: Facets, stat: Any) -> xr.DataTree:
    """A variable for each panel, with the statistic in the place of rows."""
    function = statistic(stat)
    values = replicated.transpose(names.CHAIN, names.DRAW, ...).to_numpy()
    shown: dict[str, Any] = {}
    observed: dict[str, Any] = {}
    for title, rows in facets.items():
        found = check_statistic(function, values, y, rows)
        text = f"{title}, {function.label}: p = {found.p:.2f}"
        shown[text] = ((names.CHAIN, names.DRAW, names.OBS), found.replicated[..., None])
        observed[text] = ((names.OBS,), np.array([found.observed]))
    return _tree(shown, observed)


def _tree(shown: Mapping[str, Any], observed: Mapping[str, Any]) -> xr.DataTree:
    groups = {"posterior_predictive": xr.Dataset(shown), "observed_data": xr.Dataset(observed)}
    return xr.DataTree.from_dict(groups)


_REPLICATES = {"color": style.BLUE, "alpha": 0.25, "width": 0.7}
_OBSERVED = {"color": style.ORANGE, "width": 1.8}


def _density(plots: Any, tree: xr.DataTree, kind: str = "kde", **layout: Any) -> PlotCollection:
    groups = tree["posterior_predictive"]
    return plots.plot_ppc_dist(
        tree,
        kind=kind,
        num_samples=min(_CURVES, groups.sizes[names.CHAIN] * groups.sizes[names.DRAW]),
        **layout,
        visuals={"predictive_dist": dict(_REPLICATES), "observed_dist": dict(_OBSERVED)},
    )


def _ecdf(plots: Any, tree: xr.DataTree, **layout: Any) -> PlotCollection:
    return _density(plots, tree, "ecdf", **layout)


def _rootogram(plots: Any, tree: xr.DataTree, **layout: Any) -> PlotCollection:
    return plots.plot_ppc_rootogram(
        tree,
        **layout,
        visuals={
            "predictive_markers": {"color": style.BLUE},
            "credible_interval": {"color": style.BLUE, "alpha": 0.3},
            "observed_markers": {"color": style.ORANGE},
            "grid": False,
        },
    )


def _pit(plots: Any, tree: xr.DataTree, **layout: Any) -> PlotCollection:
    return plots.plot_ppc_pit(tree, **layout)


def _pit_of_counts(plots: Any, tree: xr.DataTree, **layout: Any) -> PlotCollection:
    """By ranks, ties drawn: a Pareto tail fitted to a few distinct values is none."""
    return plots.plot_ppc_pit(tree, method="prit_c", **layout)


def _intervals(plots: Any, tree: xr.DataTree, **layout: Any) -> PlotCollection:
    return plots.plot_ppc_interval(
        tree,
        ci_kind="eti",
        ci_probs=(0.5, 0.95),
        **layout,
        visuals={
            "trunk": {"color": style.PALE_BLUE, "alpha": 1.0},
            "twig": {"color": style.BLUE},
            "prediction_markers": False,
            "observed_markers": {"color": style.ORANGE},
            "title": {},
        },
    )


def _stat(plots: Any, tree: xr.DataTree, **layout: Any) -> PlotCollection:
    return plots.plot_ppc_tstat(
        tree,
        t_stat="mean",  # over the one value of each replicate
        kind="hist",
        **layout,
        visuals={
            "dist": {"color": style.BLUE},
            "observed_tstat": {"color": style.ORANGE},
            "title": {},
        },
    )
