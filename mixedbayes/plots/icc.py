"""Posterior densities of the intraclass correlations."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mixedbayes.errors import ModelError
from mixedbayes.plots.densities import Panel, PlotCollection, density_panels
from mixedbayes.plots.scene import Floats
from mixedbayes.results.icc import ALL, icc
from mixedbayes.results.posterior import Posterior


def plot_icc(
    post: Posterior,
    *,
    kind: Literal["adjusted", "unadjusted"] = "adjusted",
    prob: float = 0.95,
    backend: str = "matplotlib",
) -> PlotCollection:
    """Posterior of the share of variance that lies between groups.

    One panel per grouping factor, and one for all of them where there are several; every panel
    spans [0, 1].

    Parameters
    ----------
    post
        The posterior.
    kind
        "adjusted": group over group and residual variance; "unadjusted": the variance of the
        population part is in the denominator too.
    prob
        Probability of the equal-tailed interval.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    arviz_plots.PlotCollection. Shares of the variance on the link scale.

    Raises
    ------
    ModelError
        If the model has no group effects, or the kind or the backend is unknown.

    See Also
    --------
    icc : The numbers.
    plot_varcorr : The sds behind it.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> picture = fit.plot_icc(kind="unadjusted")
    >>> picture.savefig("icc.png")
    """
    found = icc(post, draws=True)
    if kind not in list(found):
        raise ModelError(f"kind={kind!r} is not known: use {' or '.join(map(repr, found))}")
    draws = found[kind]
    groups = [str(g) for g in draws["group"].to_numpy()]
    panels = [
        Panel(
            "all groups" if name == ALL else name,
            f"{kind} ICC, share of variance" + _infinite(draws.isel(group=k).to_numpy()),
            draws.isel(group=k).transpose("chain", "draw").to_numpy(),
            (0.0, 1.0),
        )
        for k, name in enumerate(groups)
    ]
    return density_panels(panels, prob, backend)


def _infinite(share: Floats) -> str:
    """What to say where the residual variance is infinite, as Student's is from nu = 2 down."""
    zero = float(np.mean(share == 0))
    return f"\n0 in {100 * zero:.2g} % of draws: residual variance infinite" if zero else ""
