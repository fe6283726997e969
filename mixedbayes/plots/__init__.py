"""Pictures of a posterior, one per file, in one look.

All know the backends "matplotlib", "plotly" and "bokeh". `plot_varcorr`, `plot_icc`, `plot_priors`
and `pp_check` are made by arviz_plots and return its PlotCollection. The others are scenes
(`scene.py`: marks in panels), which `draw.py` hands to `with_matplotlib.py`, `with_plotly.py` or
`with_bokeh.py`; they return a Matplotlib or Plotly figure or a Bokeh layout.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "plot_check": "check",
    "plot_fitted": "fitted",
    "plot_fixef": "fixef",
    "plot_funnel": "funnel",
    "plot_icc": "icc",
    "plot_pooling": "pooling",
    "plot_pooling_factor": "pooling_factor",
    "plot_predictions": "predictions",
    "plot_priors": "priors",
    "plot_ranef": "ranef",
    "plot_residuals": "residuals",
    "plot_shrinkage": "shrinkage",
    "plot_simpson": "simpson",
    "plot_varcorr": "varcorr",
    "pp_check": "predictive",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
