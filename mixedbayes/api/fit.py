"""`Fit`: a sampled model. Its methods only call the stages; numbers happen in their functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mixedbayes.api.checks import Checks
from mixedbayes.api.pictures import Pictures
from mixedbayes.api.predictions import Predictions
from mixedbayes.api.report import Reports
from mixedbayes.api.teaching import Teaching
from mixedbayes.engines.base import Chosen
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.text import tabled
from mixedbayes.sample.settings import Settings
from mixedbayes.sample.tree import with_derived

if TYPE_CHECKING:
    import xarray as xr

    from mixedbayes.api.model import Model
    from mixedbayes.results.summary import Summary
    from mixedbayes.sample.convergence import ConvergenceReport


class Fit(Pictures, Predictions, Checks, Teaching, Reports):
    """The posterior of a `Model`: tables, pictures and files.

    Tables are tidy data frames with one row per quantity and columns mean, sd, lower, upper
    (equal-tailed interval of probability `prob`), and ess_bulk and rhat where a quantity was
    sampled; printed, they have four digits and hide no column. With ``draws=True`` they return the
    posterior draws instead, as labelled xarray objects with dimensions chain and draw.

    Attributes
    ----------
    model
        The model that was fitted.
    idata
        DataTree with groups posterior, sample_stats, observed_data and constant_data, and those
        that `posterior_predictive` and `prior_predictive` keep. What follows is computed when it is
        read.

        `log_likelihood` has that of every observation, given the group effects, unless it takes
        more than 1 GB. `log_prior` has that of every parameter with a prior; not that of the group
        effects, whose distribution belongs to the model, so that `az.psense` scales the priors
        alone, as `prior_sensitivity` does. The posterior has the free variables that models in PyMC
        have, whatever their formulation; tables leave them out, and ``with fit.model.pymc:`` what
        PyMC computes from `idata` is right: `pm.sample_posterior_predictive`,
        `pm.stats.compute_log_likelihood`, `pm.stats.compute_log_prior`.

        In tables and pictures of ArviZ leave out those, and correlation matrices, for whose
        constant diagonal it warns: ``az.summary(fit.idata, var_names=["~^(cor|u)_"],
        filter_vars="regex")``, and so with `az.rhat`, `az.psense_summary` and others; `varcorr` has
        the correlations, and `partial_cor_<group>` is (r + 1) / 2 of each partial correlation r.
    settings
        Sampling settings as used; ``settings.seed`` gives the same draws again.
    formulation
        How the group effects were written for the sampler.
    note
        What happened on the way, for example an interruption; empty if nothing did.
    """

    def __init__(
        self,
        model: Model,
        idata: xr.DataTree,
        settings: Settings,
        formulation: Chosen,
        note: str = "",
    ) -> None:
        from mixedbayes.checks.log_likelihood import with_log_likelihood

        self.model = model
        self.idata = with_log_likelihood(model.spec, with_derived(model.spec, idata))
        self.settings = settings
        self.formulation = formulation
        self.note = note
        self._posterior: Posterior | None = None

    @property
    def posterior(self) -> Posterior:
        """Draws as plain arrays, for computations of your own."""
        if self._posterior is None or self._posterior.idata is not self.idata:
            self._posterior = Posterior(self.model.spec, self.idata)
        return self._posterior

    # ---- summaries ----------------------------------------------------------------------------

    def summary(self, prob: float = 0.95, *, exponentiate: bool = False) -> Summary:
        """Random effects, fixed effects, residual, ICC, R2 and sampler health; text and HTML.

        ``exponentiate=True`` adds odds, rate or hazard ratios, or ratios of means.
        """
        from mixedbayes.results.summary import summary

        return summary(
            self.posterior,
            prob,
            formulation=self.formulation,
            note=self.note,
            exponentiate=exponentiate,
        )

    @tabled
    def fixef(self, prob: float = 0.95, *, draws: bool = False, exponentiate: bool = False) -> Any:
        """Population effects, link scale; `Intercept` is at predictor value zero.

        ``exponentiate=True`` gives the mean's effects as odds, rate or hazard ratios, or ratios of
        means, in a column of that name; ModelError where exp() of an effect is no ratio.
        """
        if exponentiate:
            from mixedbayes.results.ratios import fixef_ratios

            return fixef_ratios(self.posterior, prob, draws=draws)
        from mixedbayes.results.fixef import fixef

        return fixef(self.posterior, prob, draws=draws)

    @tabled
    def ranef(self, prob: float = 0.95, *, group: str | None = None, draws: bool = False) -> Any:
        """Group effects as deviations from the population, link scale: one row per level, term.

        `group` is one grouping factor; all by default.
        """
        from mixedbayes.results.ranef import ranef

        return ranef(self.posterior, prob, group=group, draws=draws)

    @tabled
    def coef(self, prob: float = 0.95, *, group: str | None = None, draws: bool = False) -> Any:
        """Population effect + deviation per level and term, link scale.

        `group` is one grouping factor; all by default. A factor without intercepts of its own has
        the population's at every level.
        """
        from mixedbayes.results.coef import coef

        return coef(self.posterior, prob, group=group, draws=draws)

    @tabled
    def varcorr(
        self, prob: float = 0.95, *, draws: bool = False, exponentiate: bool = False
    ) -> Any:
        """Standard deviations and correlations of group effects, residual, shares of variance.

        ``exponentiate=True`` gives the sds as median odds ratios (or rate, hazard ratios, ratios
        of means) between two levels drawn at random: Larsen & Merlo (2005),
        doi:10.1093/aje/kwi017.
        """
        if exponentiate:
            from mixedbayes.results.ratios import varcorr_ratios

            return varcorr_ratios(self.posterior, prob, draws=draws)
        from mixedbayes.results.varcorr import varcorr

        return varcorr(self.posterior, prob, draws=draws)

    @tabled
    def parameters(self, prob: float = 0.95, *, draws: bool = False) -> Any:
        """The family's own parameters: sigma, nu, shape, phi, or the thresholds, one per row.

        One that has a formula of its own is in `fixef` instead.
        """
        from mixedbayes.results.parameters import parameters

        return parameters(self.posterior, prob, draws=draws)

    @tabled
    def icc(
        self,
        prob: float = 0.95,
        *,
        at: Mapping[str, Sequence[Any]] | None = None,
        scale: Literal["link", "response"] = "link",
        draws: bool = False,
    ) -> Any:
        """Intraclass correlation per grouping factor and in all, adjusted and unadjusted.

        With random slopes, formulas for sigma, or counts the ICC depends on covariates:
        ``at={"Days": [0, 5, 9]}`` gives it there, what is not named varying as in the data;
        without `at` it is averaged over the rows. ``scale="response"`` is of the response
        itself rather than of the latent one that the link has. A warning tells where the residual
        has no finite variance (Student's t with nu <= 2).
        """
        from mixedbayes.results.icc import icc
        from mixedbayes.results.variance import warn_of_infinite

        warn_of_infinite(self.posterior)
        data = self.model.data
        return icc(self.posterior, prob, at=at, scale=scale, draws=draws, data=data)

    @tabled
    def r2(
        self,
        prob: float = 0.95,
        *,
        scale: Literal["link", "response"] = "link",
        draws: bool = False,
    ) -> Any:
        """Marginal R2 (population effects) and conditional R2 (group effects too)."""
        from mixedbayes.results.r2 import r2
        from mixedbayes.results.variance import warn_of_infinite

        warn_of_infinite(self.posterior)
        return r2(self.posterior, prob, scale=scale, draws=draws)

    @tabled
    def shrinkage(self, prob: float = 0.95, *, draws: bool = False) -> Any:
        """Per level and term: no, partial and complete pooling, and the pooling factor."""
        from mixedbayes.results.shrinkage import shrinkage

        return shrinkage(self.posterior, prob, draws=draws)

    @tabled
    def fitted(self, prob: float = 0.95, *, kind: str = "mean", draws: bool = False) -> Any:
        """Expected response of every row used, group effects included (response scale)."""
        from mixedbayes.results.fitted import fitted

        return fitted(self.posterior, prob, kind=kind, draws=draws)

    @tabled
    def residuals(self, prob: float = 0.95, *, kind: str = "response", draws: bool = False) -> Any:
        """Observed minus expected response of every row used."""
        from mixedbayes.results.fitted import residuals

        return residuals(self.posterior, prob, kind=kind, draws=draws)

    # ---- sampler health -----------------------------------------------------------------------

    def diagnostics(self) -> ConvergenceReport:
        """rhat, ess_bulk, ess_tail, divergences and treedepth; warnings in words with remedies."""
        from mixedbayes.results.diagnostics import diagnostics

        return diagnostics(self.posterior)

    @property
    def converged(self) -> bool:
        """Whether no convergence check failed."""
        return self.diagnostics().ok

    # ---- keep ---------------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write everything to one NetCDF file; `mixedbayes.load` reads it back."""
        from mixedbayes.api.keep import save

        return save(self, path)

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()
