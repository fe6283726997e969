"""What the data have added: each parameter's prior against its posterior."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mixedbayes import names
from mixedbayes.errors import ModelError
from mixedbayes.plots.densities import Panel, PlotCollection, density_panels
from mixedbayes.plots.labels import Labels
from mixedbayes.priors.distributions import Prior
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
        Units of columns by name, for the axes: {"Reaction": "ms", "Days": "day"}.
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

    References
    ----------
    Lewandowski, Kurowicka & Joe (2009), doi:10.1016/j.jmva.2009.04.008, for the LKJ margins.
    """
    labels = Labels.of(post, units)
    chains = post.shape[0]
    panels = [
        _panel(title, axis, values.reshape(chains, -1), prior, str(said))
        for title, axis, values, prior, said in _quantities(post, labels)
    ]
    if not panels:
        raise ModelError("the model has no parameter with a prior to draw")
    return density_panels(panels, prob, backend, "posterior (filled) and prior (dashed)")


def _quantities(post: Posterior, labels: Labels) -> Iterator[tuple[str, str, Floats, Any, Prior]]:
    """Title, axis, draws (S,), the prior's SciPy distribution or None, and the prior as given."""
    mu = post.priors.mu
    if mu.intercept is not None:
        value, title = post.intercept(), names.INTERCEPT
        if mu.intercept_at_means and mu.terms:
            value = value + post.fixef() @ post.design.mu.means
            title = "Intercept, at the means"
        prior = mu.intercept.prior
        yield title, labels.predictor, value, _frozen(prior), prior
    beta = mu.fixef_placed(post.fixef())
    for k, (term, assigned) in enumerate(zip(mu.terms, mu.fixef, strict=True)):
        prior, title = assigned.prior, labels.term(term)
        title += ", at the means" if mu.population and mu.population.moves(k) else ""
        yield title, labels.coefficient(term), beta[:, k], _frozen(prior), prior
    for g in post.design.mu.groups:
        sd, cor = post.placed(g.name, mu)
        for k, (term, assigned) in enumerate(zip(g.terms, mu.sd[g.name], strict=True)):
            moved = g.name in mu.placed and mu.placed[g.name].moves(k)
            title, prior = f"{g.name} sd: {labels.term(term)}", assigned.prior
            title += ", at the means" if moved else ""
            axis = labels.coefficient(term)
            yield title, axis, sd[:, k], _frozen(prior), prior
        for block in g.blocks:
            for i, j in combinations(sorted(block), 2):
                lkj = mu.lkj(g.name)
                a = lkj.eta + len(block) / 2 - 1
                title = f"{g.name} cor: {labels.term(g.terms[i])}, {labels.term(g.terms[j])}"
                margin = stats.beta(a, a, loc=-1, scale=2)
                title += ", at the means" if g.name in mu.placed else ""
                yield title, "correlation", cor[:, i, j], margin, lkj
    for name, assigned in post.priors.parameters.items():
        title = post.family.dispersion_words if name == names.SIGMA else name
        axis = labels.predictor if name == names.SIGMA else name
        prior, value = assigned.prior, post.stacked(name)
        labels_of = post.family.labels(name, post.design)
        if labels_of is None:
            yield title, axis, value, _frozen(prior), prior
            continue
        where = ""
        if mu.terms and not assigned.given:
            value = value - (post.fixef() @ post.design.mu.means)[:, None]
            where = ", at the means"
        for k, label in enumerate(labels_of):
            yield f"{label}{where}", labels.predictor, value[:, k], _frozen(prior), prior


def _frozen(prior: Prior) -> Any:
    return prior.frozen() if prior.proper else None


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
