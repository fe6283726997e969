"""Posterior densities of standard deviations and correlations."""

from __future__ import annotations

from collections.abc import Mapping

from mixedbayes import names
from mixedbayes.errors import ModelError
from mixedbayes.names import MU
from mixedbayes.plots.densities import Panel, PlotCollection, density_panels
from mixedbayes.plots.labels import Labels, labels_of
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.varcorr import RESIDUAL, Component, component_list

_SIGNED = ("cor", "rho", "theta")  # kinds that are between -1 and 1


def plot_varcorr(
    post: Posterior,
    *,
    prob: float = 0.95,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> PlotCollection:
    """Posterior of every standard deviation, correlation and of the residual.

    One panel each: density, mean (dot) and equal-tailed `prob` interval (line). Standard
    deviations start at 0 and those in the same unit share their limits; correlations span
    [-1, 1].

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the interval.
    units
        Units of columns by name, for the axes: ``{"Reaction": "ms"}``; by default the data frame's
        ``attrs["units"]``, if it has them.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    arviz_plots.PlotCollection. Quantities are on the link scale.

    Raises
    ------
    ModelError
        If the model has no such parameter, or the backend is unknown.

    See Also
    --------
    varcorr : The numbers.
    plot_icc : Shares of variance.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> picture = fit.plot_varcorr(units={"Reaction": "ms"})
    >>> picture.savefig("varcorr.png")
    """
    labels = labels_of(post, units)
    parts = sorted(component_list(post), key=lambda part: part.kind != "sd")
    if not parts:
        raise ModelError("the model has no standard deviation to draw")
    highest: dict[str, float] = {}
    for part in parts:
        unit = _axis(labels, part)
        highest[unit] = max(highest.get(unit, 0.0), float(part.value.max()))
    chains = post.shape[0]
    panels = [
        Panel(
            _title(post, labels, part),
            _axis(labels, part),
            part.value.reshape(chains, -1),
            (-1.0, 1.0) if part.kind in _SIGNED else (0.0, 1.02 * highest[_axis(labels, part)]),
        )
        for part in parts
    ]
    return density_panels(panels, prob, backend)


def _title(post: Posterior, labels: Mapping[str, Labels], part: Component) -> str:
    if part.group == RESIDUAL:
        return part.name or post.family.dispersion_words
    assert part.term is not None
    own = labels[MU]
    if part.term2 is None:
        return f"{part.group} {part.kind}: {own.term(part.term)}"
    return f"{part.group} cor: {own.term(part.term)}, {own.term(part.term2)}"


def _axis(labels: Mapping[str, Labels], part: Component) -> str:
    if part.kind == "cor":
        return "correlation"
    if part.group == RESIDUAL and part.kind == "sd":
        return labels[MU].predictor
    if part.kind in _SIGNED[1:]:
        return part.kind
    assert part.term is not None
    if part.kind != "sd":
        return labels[part.parameter].column(part.term)
    if part.of_levels:
        return labels[part.parameter].difference(coded=False)
    term = part.term.removeprefix(names.prefix(part.parameter))
    return labels[part.parameter].coefficient(term)
