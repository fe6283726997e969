"""A predictive check: replicates from the model, drawn beside the data."""

from __future__ import annotations

from typing import Any

from mixedbayes.checks.predictive import (
    Groups,
    posterior_predictive,
    prior_predictive,
    written_out_predictive,
)
from mixedbayes.plots.densities import PlotCollection
from mixedbayes.plots.predictive import Kind, plot_predictive
from mixedbayes.results.posterior import Posterior


def pp_check(
    post: Posterior,
    kind: Kind = "density",
    by: str | None = None,
    *,
    stat: Any = "mean",
    groups: Groups = "auto",
    prior: bool = False,
    max_levels: int = 24,
    seed: int | None = None,
    backend: str = "matplotlib",
) -> PlotCollection:
    """Do responses replicated from the model look like the data?

    The replicates are those of `posterior_predictive` or `prior_predictive`, and kept as there;
    of rows that count several times, by weights, they are of the rows written out as often, and not
    kept.

    Parameters
    ----------
    post
        The posterior.
    kind
        "density": densities of the data and of 50 replicates; of counts a rootogram, in steps
        where there are more than 40 different counts. "ecdf": the
        same as distribution functions. "pit": the ranks of the observations among their
        replicates, which are uniform where the model is right. "intervals": each observation with
        50 % and 95 % intervals of its replicates. "stat": a statistic of the data among those of
        the replicates, with p, the share of replicates above it.
    by
        Grouping factor: a panel for each level, of at most `max_levels` spread over all.
    stat
        For ``kind="stat"``: "mean", "sd", "min", "max", "zeros" (the share of zeros), or a function
        of an array of responses.
    groups
        "auto": would the same groups look like this? "new": would groups never seen?
    prior
        Replicates from the priors alone instead: is what they expect possible at all?
    max_levels
        Most panels.
    seed
        Of the replicates; by default the fit's.
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

    Examples
    --------
    >>> fit.pp_check("stat", stat="sd")  # doctest: +SKIP
    """
    post, found = written_out_predictive(post, groups, seed, prior=prior)
    if found is None and prior:
        found = prior_predictive(post, seed=seed)
    elif found is None:
        found = posterior_predictive(post, groups, seed=seed)
    (replicated,) = found.data_vars.values()
    return plot_predictive(
        post, replicated, kind=kind, by=by, stat=stat, max_levels=max_levels, backend=backend
    )
