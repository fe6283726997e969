"""What the data have added: each parameter's prior against its posterior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.errors import ModelError
from mixedbayes.plots.densities import Panel, PlotCollection, density_panels
from mixedbayes.plots.labels import Labels, labels_of
from mixedbayes.results.own_priors import Quantity, quantities
from mixedbayes.results.posterior import Posterior

Floats = NDArray[np.float64]

_WIDEST = 6.0  # panel reaches at most this many posterior ranges beyond the posterior
_POINTS = 400


def plot_priors(
    post: Posterior,
    *,
    prob: float = 0.95,
    units: Mapping[str, str] | None = None,
    backend: str = "matplotlib",
) -> PlotCollection:
    """Prior (dashed) and posterior (filled) of every population-level parameter.

    Panels for the intercept, the population effects, the standard deviations, the correlations
    (under LKJ(eta) each is Beta(eta + q/2 - 1, eta + q/2 - 1) stretched over [-1, 1], with q
    correlated effects) and the family's own parameters. The prior is its exact density; a flat
    one has none to show. A panel spans the posterior and the central 95 % of the prior, of a very
    wide prior only the part near the posterior.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the posterior's equal-tailed interval.
    units
        Units of columns by name, for the axes: ``{"Reaction": "ms"}``; by default the data frame's
        ``attrs["units"]``, if it has them.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    arviz_plots.PlotCollection, on the link scale. Where the intercept's prior is on the
    predictor's value at the covariates' means, that value is what the panel shows; likewise
    population effects, and sds and correlations of group effects, whose priors are there.

    Raises
    ------
    ModelError
        If there is no parameter with a prior, or the backend is unknown.

    See Also
    --------
    prior_sensitivity : How much the posterior depends on them.
    pp_check : With ``prior=True``, what the priors expect of the data.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> picture = fit.plot_priors()
    >>> picture.savefig("priors.png")

    References
    ----------
    Lewandowski, Kurowicka & Joe (2009), doi:10.1016/j.jmva.2009.04.008, for the LKJ margins.
    """
    labels = labels_of(post, units)
    chains = post.shape[0]
    panels = [
        _panel(
            *_title(post, q, labels[q.predictor]),
            q.placed.reshape(chains, -1),
            q.prior,
            str(q.assigned.prior),
        )
        for q in quantities(post)
    ]
    if not panels:
        raise ModelError("the model has no parameter with a prior to draw")
    return density_panels(panels, prob, backend, "posterior (filled) and prior (dashed)")


def _title(post: Posterior, q: Quantity, labels: Labels) -> tuple[str, str]:
    """A panel's title and its axis."""
    where = ", at the means" if q.moved else ""
    terms = [names.label(q.predictor, labels.term(term)) for term in q.terms]
    match q.kind:
        case "intercept":
            return f"{q.parameter}{where}", labels.predictor
        case "fixef":
            return f"{terms[0]}{where}", labels.coefficient(q.terms[0])
        case "average":
            return f"{terms[0]}: average step", labels.difference()
        case "share":
            return f"{q.parameter}: {q.terms[0]}", "share of the steps"
        case "sd" if q.told:
            return f"{q.group} sd: {terms[0]}", labels.difference(coded=False)
        case "cor" if q.told not in ("", "cor"):
            return f"{q.group} {q.told}: {terms[0]}", labels.column(q.terms[0])
        case "sd":
            return f"{q.group} sd: {terms[0]}{where}", labels.coefficient(q.terms[0])
        case "cor":
            return f"{q.group} cor: {', '.join(terms)}{where}", "correlation"
        case "residual":
            return f"residuals {q.label}", q.parameter
    if q.terms:
        return f"{q.term}{where}", labels.predictor
    if q.parameter == names.SIGMA:
        return post.family.dispersion_words, labels.predictor
    return q.parameter, q.parameter


def _panel(title: str, axis: str, draws: Floats, prior: Any, said: str) -> Panel:
    text = f"{axis}\nprior {said}"
    if prior is None:
        return Panel(title, text, draws)
    low, high = float(draws.min()), float(draws.max())
    reach = _WIDEST * (high - low)
    tail = prior.ppf([0.025, 0.975])
    start, stop = max(min(low, tail[0]), low - reach), min(max(high, tail[1]), high + reach)
    lowest, highest = (float(end) for end in prior.ppf([0.0, 1.0]))
    near = 0.2 * (stop - start)
    start = lowest if start - lowest < near else start  # show where a prior's support ends
    stop = highest if highest - stop < near else stop
    x = np.linspace(start, stop, _POINTS)
    density = np.exp(prior.logpdf(x))
    seen = np.isfinite(density)  # some densities have a pole at the edge of their support
    return Panel(title, text, draws, (start, stop), (x[seen], density[seen]))
