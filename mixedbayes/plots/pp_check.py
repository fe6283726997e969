"""A predictive check: replicates from the model, drawn beside the data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.checks.by_batch import statistics_by_batch
from mixedbayes.checks.predictive import (
    Groups,
    posterior_predictive,
    prior_predictive,
    written_out_predictive,
)
from mixedbayes.errors import ModelError
from mixedbayes.plots.predictive import KINDS, Kind, facets_of, plot_predictive, thinned
from mixedbayes.plots.survival import plot_survival
from mixedbayes.predict.streams import seed_of
from mixedbayes.results.posterior import Posterior


def pp_check(
    post: Posterior,
    kind: Kind | Literal["survival"] | None = None,
    by: str | None = None,
    *,
    stat: Any = "mean",
    groups: Groups = "auto",
    prior: bool = False,
    max_levels: int = 24,
    seed: int | None = None,
    backend: str = "matplotlib",
) -> Any:
    """Do responses replicated from the model look like the data?

    The replicates are those of `posterior_predictive` or `prior_predictive`, and kept as there;
    of rows that count several times, by weights, they are of the rows written out as often, and not
    kept. Of sums of rows that were read in batches the rows are read again, for `kind="stat"` and a
    statistic by its name, of 400 replicates.

    Parameters
    ----------
    post
        The posterior.
    kind
        By default "density", and "survival" where responses are censored: no other suits these.
        "density": densities of the data and of 50 replicates; of counts a rootogram, in steps
        where there are more than 40 different counts; of categories the frequency of each; of
        families with zeros, or ones, beside a density the shares of these with 95 % intervals of
        the replicates', and the density of the rest. "ecdf": the same as distribution functions.
        "pit": the ranks of the observations among their replicates, which are uniform where the
        model is right. "intervals": each observation with 50 % and 95 % intervals of its
        replicates. "stat": a statistic of the data among those of the replicates, with p, the share
        of replicates above it. "survival": the share of responses above each value, of censored
        data by Kaplan and Meier's product limit, with left- or interval-censored ones by Turnbull's
        estimate, beside a 95 % band and the mean of replicates, none of which is censored. Where
        many responses are censored the data's curve varies more than theirs, most at its end. Of
        counts of categories in several columns every kind has a panel for each of them.
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
    arviz_plots.PlotCollection, on the response scale; of survival curves, and of shares beside
    densities, a Matplotlib figure, a Plotly figure or a Bokeh layout.

    Raises
    ------
    ModelError
        `kind`, `by`, `stat` or the backend is unknown; the picture does not suit responses of 0
        and 1, or censored ones.

    See Also
    --------
    check : Checks in words.
    posterior_predictive : The replicates.
    plot_check : Residuals and group effects.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> picture = fit.pp_check()
    >>> picture.savefig("density.png")
    >>> picture = fit.pp_check("stat", stat="sd")
    """
    if post.design.without_rows:
        return _again(post, kind, by, stat, groups, prior, seed, backend)
    kind = _kind(post, kind)
    post, found = written_out_predictive(post, groups, seed, prior=prior)
    if found is None and prior:
        found = prior_predictive(post, seed=seed)
    elif found is None:
        found = posterior_predictive(post, groups, seed=seed)
    (replicated,) = found.data_vars.values()
    if kind == "survival":
        facets = facets_of(post.design, by, max_levels)
        return plot_survival(post, thinned(replicated), facets, backend)
    return plot_predictive(
        post, replicated, kind=kind, by=by, stat=stat, max_levels=max_levels, backend=backend
    )


def _again(
    post: Posterior, kind: Any, by: str | None, stat: Any, groups: Groups, prior: bool,
    seed: int | None, backend: str,
) -> Any:  # fmt: skip
    """A statistic of rows that are read again."""
    if kind not in (None, "stat") or by is not None or prior or groups != "auto":
        post.design.need_rows('pp_check(), but for kind="stat" with stat=, without by=,')
    data, replicated = statistics_by_batch(post, stat, seed_of(post, seed))

    def one(y: Any) -> float:
        return float(y[0])

    one.__name__ = "share of zeros" if stat == "zeros" else stat
    design = replace(post.design, y=np.array([data]), standing=None)
    drawn = xr.DataArray(replicated[None, :, None], dims=(names.CHAIN, names.DRAW, names.OBS))
    return plot_predictive(post.with_design(design), drawn, kind="stat", stat=one, backend=backend)


def _kind(post: Posterior, kind: Any) -> Any:
    """The kind asked for, or that which suits the data."""
    limits, known = post.design.limits, (*KINDS, "survival")
    censored = limits is not None and limits.censoring is not None
    if kind is None:
        kind = "survival" if censored else "density"
    if kind not in known:
        raise ModelError(f"kind={kind!r} is not known: use one of {', '.join(map(repr, known))}")
    if kind != "survival" and censored and limits is not None:
        count = int(limits.censored(post.design.n).sum())
        raise ModelError(
            f"kind={kind!r} compares responses, and {count} of {post.design.n} are censored: "
            'kind="survival" compares what is known of them, and plot_residuals() draws each '
            "from where it is known to be"
        )
    if kind == "survival" and post.family.categories(post.design) is not None:
        raise ModelError('kind="survival" is for numbers, and the response is categories')
    return kind
