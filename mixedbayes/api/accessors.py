"""What is asked of a posterior: the functions of the stages, as methods."""

from __future__ import annotations

from collections.abc import Mapping

from mixedbayes.api.method import lazily, method, table_or_draws
from mixedbayes.results.posterior import Posterior

with lazily(globals()):
    from mixedbayes.api.estimates import Estimates
    from mixedbayes.checks.by_batch import by_batch
    from mixedbayes.checks.check import check
    from mixedbayes.checks.evidence import log_evidence
    from mixedbayes.checks.leave_out import kfold
    from mixedbayes.checks.log_likelihood import log_likelihood
    from mixedbayes.checks.loo import loo
    from mixedbayes.checks.predictive import posterior_predictive, prior_predictive
    from mixedbayes.checks.sensitivity import prior_sensitivity
    from mixedbayes.estimands.grid import grid
    from mixedbayes.estimands.means import comparisons, means, slopes
    from mixedbayes.explore.page import explore
    from mixedbayes.plots.check import plot_check
    from mixedbayes.plots.estimands import plot_comparisons, plot_means, plot_slopes
    from mixedbayes.plots.fitted import plot_fitted
    from mixedbayes.plots.fixef import plot_fixef
    from mixedbayes.plots.icc import plot_icc
    from mixedbayes.plots.pooling import plot_pooling
    from mixedbayes.plots.pooling_factor import plot_pooling_factor
    from mixedbayes.plots.pp_check import pp_check
    from mixedbayes.plots.predictions import plot_predictions
    from mixedbayes.plots.priors import plot_priors
    from mixedbayes.plots.ranef import plot_ranef
    from mixedbayes.plots.residuals import plot_residuals
    from mixedbayes.plots.shrinkage import plot_shrinkage
    from mixedbayes.plots.simpson import plot_simpson
    from mixedbayes.plots.smooths import plot_smooths
    from mixedbayes.plots.varcorr import plot_varcorr
    from mixedbayes.predict.condition import condition_on
    from mixedbayes.predict.hypothesis import hypothesis
    from mixedbayes.predict.missing import imputed, missing
    from mixedbayes.predict.predict import predict
    from mixedbayes.publish.maketables import (
        coef_table,
        default_stat_keys,
        depvar,
        stat,
        stat_labels,
        vcov_info,
    )
    from mixedbayes.publish.methods import methods
    from mixedbayes.publish.table import table
    from mixedbayes.report.page import report
    from mixedbayes.results.draws import draws
    from mixedbayes.results.fitted import fitted, residuals
    from mixedbayes.results.fixef import fixef, parameters, vcov
    from mixedbayes.results.icc import icc
    from mixedbayes.results.pooling import pooling
    from mixedbayes.results.quantities import quantities
    from mixedbayes.results.r2 import explained, r2
    from mixedbayes.results.ranef import coef, ranef
    from mixedbayes.results.shrinkage import shrinkage
    from mixedbayes.results.smooths import edf, smooths
    from mixedbayes.results.summary import diagnostics, summary
    from mixedbayes.results.varcorr import varcorr
    from mixedbayes.results.variance import warn_of_infinite
    from mixedbayes.simulation.replicate import simulate_from_posterior
    from mixedbayes.teach.run import ways


class Accessors:
    """Tables, pictures, predictions, checks and a report of a posterior.

    Tables are tidy data frames of the library that the data came in (pandas, polars, pyarrow, ...;
    see `Fit.library`), with one row per quantity and columns mean, sd, lower, upper (interval of
    probability `prob`, with equal tails), of effects prob_positive, and ess_bulk and rhat where a
    quantity was sampled. `statistics` names other columns and ``interval="hdi"`` asks for the
    interval of highest density. In pandas they print with four digits and hide no column. With
    ``draws=True`` they return the posterior draws instead, as labelled xarray objects with
    dimensions chain and draw.

    Pictures know the backends "matplotlib", "plotly" and "bokeh". plot_varcorr, plot_icc,
    plot_priors and pp_check return arviz_plots' PlotCollection; the others a Matplotlib figure, a
    Plotly figure or a Bokeh layout.
    """

    posterior: Posterior

    @property
    def units(self) -> Mapping[str, str]:
        """Units of columns by name, from ``data.attrs["units"]``."""
        return self.posterior.design.units

    summary = method(summary, several="all", rows=False)
    describe = method(quantities, several="all", rows=False)
    fixef = table_or_draws(fixef, several="all", rows=False)
    vcov = method(vcov, several="all", rows=False)
    ranef = table_or_draws(ranef, several="all", rows=False)
    coef = table_or_draws(coef, several="all", rows=False)
    varcorr = table_or_draws(varcorr, several="all", rows=False)
    parameters = table_or_draws(parameters, several="each", rows=False)
    icc = table_or_draws(icc, before=warn_of_infinite, several="each", rows=False)
    r2 = table_or_draws(r2, before=warn_of_infinite, several="each", rows=False)
    shrinkage = table_or_draws(shrinkage, several="each", rows=False)
    pooling = method(pooling, several="each", rows=False)
    explained = method(explained, several="each", rows=False)
    smooths = table_or_draws(smooths, rows=False)
    edf = table_or_draws(edf, rows=False)
    fitted = table_or_draws(fitted, several="each")
    residuals = table_or_draws(residuals, several="each")
    draws = method(draws, table=False, several="all", rows=False)
    diagnostics = method(diagnostics, several="all", rows=False)

    hypothesis = table_or_draws(hypothesis, several="all", whole=True, rows=False)

    predict = table_or_draws(predict, like="new", several="all", rows="new")
    missing = table_or_draws(missing, several="all", rows=False)
    imputed = method(imputed, table=False, rows=False)
    grid = method(grid, rows=False)
    means = method(means, into=Estimates, rows=False)
    comparisons = method(comparisons, into=Estimates, rows=False)
    slopes = method(slopes, into=Estimates, rows=False)
    condition_on = method(condition_on, several="all", rows=False)
    posterior_predictive = method(posterior_predictive, several="all")
    prior_predictive = method(prior_predictive, several="all", whole=True)
    simulate = method(simulate_from_posterior, table=False, several="all")

    loo = method(loo, several="all", whole=True, rows=False)
    kfold = method(kfold, several="all", whole=True)
    log_likelihood = method(log_likelihood, several="all", whole=True)
    log_evidence = method(log_evidence, several="all", whole=True, rows=False)
    check = method(check, several="all", whole=True, rows=False)
    pp_check = method(pp_check, rows=False)
    by_batch = method(by_batch, table=False, rows=False)
    prior_sensitivity = method(prior_sensitivity, several="all", whole=True, rows=False)

    plot_ranef = method(plot_ranef, several="all", rows=False)
    plot_fixef = method(plot_fixef, several="all", rows=False)
    plot_shrinkage = method(plot_shrinkage)
    plot_pooling = method(plot_pooling)
    plot_pooling_factor = method(plot_pooling_factor, rows=False)
    plot_fitted = method(plot_fitted)
    plot_predictions = method(plot_predictions)
    plot_means = method(plot_means, rows=False)
    plot_comparisons = method(plot_comparisons, rows=False)
    plot_slopes = method(plot_slopes, rows=False)
    plot_simpson = method(plot_simpson)
    plot_smooths = method(plot_smooths, rows=False)
    plot_varcorr = method(plot_varcorr, rows=False)
    plot_icc = method(plot_icc, rows=False)
    plot_residuals = method(plot_residuals)
    plot_priors = method(plot_priors, several="all", whole=True, rows=False)
    plot_check = method(plot_check, rows=False)

    ways = method(ways, whole=True)
    explore = method(explore, whole=True)
    report = method(report, several="all", whole=True, rows=False)
    table = method(table, several="all", whole=True, rows=False)
    methods = method(methods, several="all", whole=True, rows=False)

    # What the package maketables asks for.
    __maketables_coef_table__ = property(lambda self: coef_table(self.posterior))
    __maketables_depvar__ = property(lambda self: depvar(self.posterior))
    __maketables_vcov_info__ = property(lambda self: vcov_info(self.posterior))
    __maketables_stat_labels__ = property(lambda self: stat_labels(self.posterior))
    __maketables_default_stat_keys__ = property(lambda self: default_stat_keys(self.posterior))
    __maketables_stat__ = method(stat, table=False)
