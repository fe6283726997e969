"""The data beside responses replicated from the model, through arviz_plots."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.checks.predictive import check_statistic, statistic
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.design.values import label
from mixedbayes.errors import MissingExtraError, ModelError
from mixedbayes.plots import style
from mixedbayes.plots.atoms import plot_atoms
from mixedbayes.plots.densities import BACKENDS, PlotCollection, plain_text
from mixedbayes.plots.labels import in_picture
from mixedbayes.results.posterior import Posterior

Kind = Literal["density", "ecdf", "pit", "intervals", "stat"]
KINDS = ("density", "ecdf", "pit", "intervals", "stat")
MOST_DRAWS = 1000  # replicates in a picture
MOST_STEPS = 40  # of a rootogram, and of a histogram
_CURVES = 50
_LETTERS = 24  # of a category's name
_ACROSS = 60  # letters below an axis
_NOT_SO = (  # what ArviZ takes a statistic of 0 and 1, and a single different count, for
    r"(?s).* look binary",
    "Found chain dimension to be longer",
)

type Facets = Mapping[str, Ints | slice]


def plot_predictive(
    post: Posterior,
    replicated: xr.DataArray,
    *,
    kind: Kind = "density",
    by: str | None = None,
    stat: Any = "mean",
    max_levels: int = 24,
    backend: str = "matplotlib",
) -> Any:
    """`pp_check` of these replicates (chain, draw, obs)."""
    if kind not in KINDS:
        raise ModelError(f"kind={kind!r} is not known: use one of {', '.join(map(repr, KINDS))}")
    design, family = post.design, post.family
    y, facets = family.reported(design.y), facets_of(design, by, max_levels)
    categories, across = family.categories(design), 4
    if family.columns:  # a panel for each category, of numbers
        across = y.shape[1] if y.shape[1] <= 5 else 4  # those of a level in one row
        y, replicated, facets = by_category(y, replicated, facets, categories or (), max_levels)
        categories = None
    elif family.unordered:
        _check_unordered(design, kind, stat)
    else:
        _check_binary(design, kind)
    thin = thinned(replicated)
    if kind == "density" and family.atoms:
        return plot_atoms(post, thin, facets, backend)
    layout = _layout(len(facets), backend, across)
    tree: xr.DataTree
    if kind == "stat":
        tree = _statistics(replicated, y, facets, stat)
    elif kind == "density" and family.discrete:
        steps = Steps.of(thin, y)
        tree = _panels(steps.middle(thin), steps.middle(y), facets, np.int64)
        what = "counts" if categories is None else "category"
        layout["xlabel"] = steps.words(what, float(thin.max()))
        if categories is not None and layout["xlabel"] == what:
            layout["xlabel"], layout["categories"] = design.response, categories
    else:
        tree = _panels(thin, y, facets, np.float64)
    if kind == "intervals":
        layout["response"] = "count" if family.columns else design.response
    draw = {
        "density": _rootogram if family.discrete else _density,
        "ecdf": _ecdf,
        "pit": _pit_of_counts if family.discrete or family.atoms else _pit,
        "intervals": _intervals,
        "stat": _stat,
    }[kind]
    plots = _backend(backend)
    with style.look(), warnings.catch_warnings():
        for message in _NOT_SO:
            warnings.filterwarnings("ignore", message=message, category=UserWarning)
        drawn = draw(plots, tree, backend=backend, **layout)
        entries = (LEGENDS_OF_COUNTS if family.discrete else LEGENDS).get(kind)
        if entries is not None:
            _legend(drawn, entries, backend)
        return drawn


def by_category(
    y: Floats, replicated: xr.DataArray, facets: Facets, categories: Sequence[Any], most: int
) -> tuple[Floats, xr.DataArray, Facets]:
    """Counts (n, K) of categories, one after the other in each row, and panels of each category."""
    n, K = y.shape
    values = replicated.transpose(names.CHAIN, names.DRAW, names.OBS, names.CATEGORY).to_numpy()
    flat = xr.DataArray(
        values.reshape(*values.shape[:2], n * K), dims=(names.CHAIN, names.DRAW, names.OBS)
    )
    own: dict[str, Ints | slice] = {}
    for title in list(facets)[: max(1, most // K)]:
        rows = np.arange(n)[facets[title]]
        for k, c in enumerate(categories):
            own[label(c) if len(facets) == 1 else f"{title}: {label(c)}"] = rows * K + k
    return y.ravel(), flat, own


def _legend(drawn: PlotCollection, entries: Mapping[str, str], backend: str) -> None:
    """Names of the colours, below the panels or, where a backend has no such place, beside one."""
    places: dict[str, dict[str, Any]] = {
        "matplotlib": {"loc": "outside lower center", "ncols": len(entries), "frameon": False},
        "plotly": {"legend_orientation": "h", "legend_y": -0.2},
        "bokeh": {"side": "below", "orientation": "horizontal"},
    }
    import_module(f"arviz_plots.backend.{backend}").legend(
        drawn,
        [{"color": color, "width": 3} for color in entries.values()],
        list(entries),
        update_visuals=False,
        **places[backend],
    )


@dataclass(frozen=True)
class Steps:
    """Steps of a rootogram: 1, 2, 5, 10, ... wide, so that there are at most about 40 of them.

    Outliers of replicates that would make twice as many go to the last step.
    """

    width: int
    last: float

    @classmethod
    def of(cls, replicated: xr.DataArray, y: Floats) -> Steps:
        low, high = (float(q) for q in replicated.quantile([0.005, 0.995]))
        low, high = min(low, y.min()), max(high, y.max())
        wide = (high - low + 1) / MOST_STEPS
        width = next(s for d in range(300) for s in (10**d, 2 * 10**d, 5 * 10**d) if s >= wide)
        most = float(replicated.max())
        return cls(width, high if most - low > 2 * MOST_STEPS * width else max(most, high))

    def middle(self, x: Any) -> Any:
        """The middle of each count's step; of a step of 1 the count."""
        return np.minimum(x, self.last) // self.width * self.width + (self.width - 1) // 2

    def words(self, what: str, most: float) -> str:
        steps = f", in steps of {self.width:,}" if self.width > 1 else ""
        beyond = f"; {self.last:,.0f} and more together" if most > self.last else ""
        return what + steps + beyond


def _layout(panels: int, backend: str, across: int) -> dict[str, Any]:
    """At most `across` panels in a row; sizes in inches, or pixels where these mean nothing."""
    columns = min(panels, across)
    rows = -(-panels // columns)
    width, height = (5.2, 3.2) if panels == 1 else (2.4, 1.9)
    figure: dict[str, Any] = {"figsize": (100 * width * columns, 110 * height * rows)}
    figure["figsize_units"] = "dots"
    if backend == "matplotlib":
        figure = {"figsize": (width * columns, height * rows), "figsize_units": "inches"}
        figure["layout"] = "constrained"
    return {"col_wrap": columns, "figure_kwargs": figure}


def _check_binary(design: Design, kind: str) -> None:
    if kind not in ("stat", "intervals") and np.isin(design.y, (0, 1)).all():
        other = (
            'kind="stat", stat="mean", and by= a grouping factor'
            if design.mu.factors
            else 'kind="stat", stat="mean", or plot_residuals()'
        )
        raise ModelError(f"kind={kind!r} shows nothing of responses that are 0 or 1; use {other}")


def _check_unordered(design: Design, kind: str, stat: Any) -> None:
    if kind == "density" or (kind == "stat" and callable(stat)):
        return
    what = f"stat={stat!r}" if kind == "stat" else f"kind={kind!r}"
    raise ModelError(
        f"{what} is of numbers or an order, and {design.response} has categories without one; "
        'kind="density" has the frequency of each, and kind="stat" takes a function of their codes '
        "1, 2, ..., as stat=lambda y: (y == 1).mean()"
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


def facets_of(design: Design, by: str | None, most: int) -> Facets:
    """Rows of each panel, by its title."""
    if by is None:
        return {design.response: slice(None)}
    groups = {g.name: g for g in design.mu.of_one_level}
    if by not in groups:
        shared = next((g.entangled for g in design.mu.factors if g.name == by), "")
        has = ", ".join(groups) or "none"
        if shared:
            raise ModelError(f"by={by!r}: {shared}; factors whose levels have their own: {has}")
        raise ModelError(f"by={by!r} is not a grouping factor of this model ({has})")
    g = groups[by]
    chosen = np.unique(np.linspace(0, g.n_levels - 1, min(most, g.n_levels)).round().astype(int))
    return {f"{by} {g.levels[j]}": np.flatnonzero(g.refs == j) for j in chosen}


def thinned(replicated: xr.DataArray) -> xr.DataArray:
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
    """A variable for each panel, with the statistic in the place of rows, and its histogram."""
    function = statistic(stat)
    values = replicated.transpose(names.CHAIN, names.DRAW, ...).to_numpy()
    shown: dict[str, Any] = {}
    observed: dict[str, Any] = {}
    bins: dict[str, Any] = {}
    for title, rows in facets.items():
        found = check_statistic(function, values, y, rows)
        text = f"{title}, {function.label}: p = {found.p:.2f}"
        shown[text] = ((names.CHAIN, names.DRAW, names.OBS), found.replicated[..., None])
        observed[text] = ((names.OBS,), np.array([found.observed]))
        height, edges = histogram(found.replicated.ravel())
        dims = "plot_axis", f"hist_dim_{text}"
        bins[text] = (dims, [height, edges[:-1], edges[1:]], {"kind": "hist"})
    tree = _tree(shown, observed)
    axis = {"plot_axis": ["histogram", "left_edges", "right_edges"]}
    tree["histogram"] = xr.DataTree(xr.Dataset(bins, axis))
    return tree


def histogram(x: Floats) -> tuple[Floats, Floats]:
    """Density and edges: a bin for each whole number where x are few of these, else equal bins.

    Of values that are all the same one bin about them.
    """
    low, high = float(x.min()), float(x.max())
    if np.all(x == np.floor(x)) and high - low < MOST_STEPS:
        edges = np.arange(low, high + 2) - 0.5
    elif low == high:
        edges = low + np.array([-0.5, 0.5]) * (abs(low) or 1.0)
    else:
        wide = (
            2 * np.subtract(*np.quantile(x, [0.75, 0.25])) / len(x) ** (1 / 3)
        )  # Freedman, Diaconis
        count = (high - low) / wide if wide > 0 else MOST_STEPS
        edges = np.linspace(low, high, int(np.clip(np.ceil(count), 1, MOST_STEPS)) + 1)
    return np.histogram(x, edges, density=True)


def _tree(shown: Mapping[str, Any], observed: Mapping[str, Any]) -> xr.DataTree:
    groups = {"posterior_predictive": xr.Dataset(shown), "observed_data": xr.Dataset(observed)}
    return xr.DataTree.from_dict(groups)


_REPLICATES = {"color": style.BLUE, "alpha": 0.25, "width": 0.7}
_OBSERVED = {"color": style.ORANGE, "width": 1.8}
_DATA = {"data": style.ORANGE}
_CURVES_OF = {**_DATA, "replicates": style.BLUE}
LEGENDS = {
    "density": _CURVES_OF,
    "ecdf": _CURVES_OF,
    "stat": _CURVES_OF,
    "intervals": {**_DATA, "50 % of replicates": style.BLUE, "95 % of replicates": style.PALE_BLUE},
}
LEGENDS_OF_COUNTS = {
    **LEGENDS,
    "density": {**_DATA, "mean of replicates": style.BLUE, "95 % of replicates": style.PALE_BLUE},
}


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


def _rootogram(
    plots: Any, tree: xr.DataTree, *, xlabel: str, backend: str,
    categories: Sequence[Any] | None = None, **layout: Any,
) -> PlotCollection:  # fmt: skip
    drawn = plots.plot_ppc_rootogram(
        tree,
        ci_prob=0.95,
        backend=backend,
        yscale="linear" if backend == "plotly" else "sqrt",
        **layout,
        visuals={
            "xlabel": {"text": xlabel},
            "predictive_markers": {"color": style.BLUE},
            "credible_interval": {"color": style.BLUE, "alpha": 0.3},
            "observed_markers": {"color": style.ORANGE},
            "grid": False,
        },
    )
    if categories is not None:
        shown = [plain_text(in_picture(label(c), _LETTERS), backend) for c in categories]
        room = _ACROSS if len(tree["observed_data"].data_vars) == 1 else _ACROSS // 3
        ticks: dict[str, Any] = {"ticks": np.arange(1, len(shown) + 1), "labels": shown}
        if sum(len(label(c)) + 2 for c in categories) > room:
            ticks["rotation"] = 30.0
        core = import_module(f"arviz_plots.backend.{backend}")
        drawn.map(_named_ticks, store_artist=False, ignore_aes="all", core=core, ticks=ticks)
    if backend == "plotly":
        drawn.map(_roots_in_plotly, store_artist=False, ignore_aes="all", plots=plots)
    return drawn


def _named_ticks(da: xr.DataArray, target: Any, *, core: Any, ticks: Any) -> None:
    core.xticks(target=target, **ticks)


def _roots_in_plotly(da: xr.DataArray, target: Any, *, plots: Any) -> None:
    """ArviZ's scale of square roots, which fails where a panel's frequencies are all the same."""
    traces = target.figure.select_traces(row=target.row, col=target.col)
    drawn = np.concatenate([np.asarray(trace.y, float) for trace in traces])
    if np.nanmin(drawn) < np.nanmax(drawn):
        plots.visuals.set_yscale(da, target, scale="sqrt")


def _pit(plots: Any, tree: xr.DataTree, **layout: Any) -> PlotCollection:
    return plots.plot_ppc_pit(tree, **layout)


def _pit_of_counts(plots: Any, tree: xr.DataTree, **layout: Any) -> PlotCollection:
    """By ranks, ties drawn: a Pareto tail fitted to a few distinct values is none."""
    return plots.plot_ppc_pit(tree, method="prit_c", **layout)


def _intervals(plots: Any, tree: xr.DataTree, *, response: str, **layout: Any) -> PlotCollection:
    drawn = plots.plot_ppc_interval(
        tree,
        ci_kind="eti",
        ci_probs=(0.5, 0.95),
        **layout,
        visuals={
            "trunk": {"color": style.PALE_BLUE, "alpha": 1.0},
            "twig": {"color": style.BLUE},
            "prediction_markers": False,
            "observed_markers": {"color": style.ORANGE},
            "xlabel": {"text": "row"},
            "ylabel": False,
            "title": {},
        },
    )
    shown = plain_text(response, layout["backend"])
    drawn.map(plots.visuals.labelled_y, "ylabel", ignore_aes="all", text=shown)
    return drawn


def _stat(plots: Any, tree: xr.DataTree, **layout: Any) -> PlotCollection:
    return plots.plot_ppc_tstat(
        tree,
        t_stat="mean",  # over the one value of each replicate
        kind="hist",
        stats={"dist": tree["histogram"].to_dataset()},
        **layout,
        visuals={
            "dist": {"color": style.BLUE},
            "observed_tstat": {"color": style.ORANGE},
            "title": {},
        },
    )
