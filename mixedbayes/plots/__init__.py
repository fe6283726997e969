"""Pictures of a posterior, one per file, in one look.

`plot_varcorr`, `plot_icc`, `plot_priors` and `plot_predictive` return arviz_plots' PlotCollection
and know the backends "matplotlib", "plotly" and "bokeh"; the others are Matplotlib figures.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "plot_check": "check",
    "plot_fitted": "fitted",
    "plot_icc": "icc",
    "plot_predictive": "predictive",
    "plot_pooling": "pooling",
    "plot_pooling_factor": "pooling_factor",
    "plot_priors": "priors",
    "plot_ranef": "ranef",
    "plot_residuals": "residuals",
    "plot_shrinkage": "shrinkage",
    "plot_varcorr": "varcorr",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
