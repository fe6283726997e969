"""Sampler health of a posterior."""

from __future__ import annotations

from dataclasses import replace

import xarray as xr

from mixedbayes.results.posterior import Posterior
from mixedbayes.sample.convergence import ConvergenceReport, check_convergence


def diagnostics(post: Posterior) -> ConvergenceReport:
    """rhat, bulk and tail effective sample size, divergences, tree depth and energy.

    Returns
    -------
    ConvergenceReport: `table` has one row per quantity, `messages` say in words what is wrong and
    what to do, `ok` whether nothing is.

    Examples
    --------
    >>> fit.diagnostics().ok  # doctest: +SKIP
    """
    kept = post.once("diagnostics", lambda: _diagnostics(post))
    return replace(kept, table=kept.table.copy())


def _diagnostics(post: Posterior) -> ConvergenceReport:
    stats = post.sample_stats() if "sample_stats" in post.idata.children else xr.Dataset()
    depth = int(stats.attrs.get("max_treedepth", 10))
    tune = int(stats.attrs.get("tuning_steps", 0))
    return check_convergence(post.draws, stats, max_treedepth=depth, tune=tune)
