"""The checks of a `Fit`: its methods only call the stage that computes or draws them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mixedbayes.errors import ModelError
from mixedbayes.results.text import tabled

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from mixedbayes.api.fit import Fit
    from mixedbayes.api.model import Model
    from mixedbayes.checks.elpd import Elpd, KFold, Loo, Method
    from mixedbayes.checks.evidence import BayesFactor, Evidence
    from mixedbayes.checks.leave_out import Sampler
    from mixedbayes.checks.loo import Refit
    from mixedbayes.checks.predictive import Groups
    from mixedbayes.checks.report import CheckReport
    from mixedbayes.engines.base import Chosen
    from mixedbayes.plots.densities import PlotCollection
    from mixedbayes.plots.predictive import Kind
    from mixedbayes.plots.scene import Drawing
    from mixedbayes.results.posterior import Posterior
    from mixedbayes.sample.settings import Settings


class Checks:
    """How far a fit can be trusted, and how it compares with others."""

    model: Model
    idata: xr.DataTree
    settings: Settings
    formulation: Chosen

    if TYPE_CHECKING:

        @property
        def posterior(self) -> Posterior: ...

    # ---- cross-validation ---------------------------------------------------------------------

    def loo(
        self, target: str = "observation", *, refit: Refit = "auto", progress: bool = True
    ) -> Loo:
        """Leave-one-out cross-validation: expected log predictive density, higher is better.

        Parameters
        ----------
        target
            "observation": would the model predict another row of the same groups? "group", or the
            name of a grouping factor: would it predict a group never seen? Then all rows of a level
            are left out together, and its effects, with those of factors nested in it, are
            integrated out.
        refit
            Fit again without the units of which importance sampling cannot be trusted: "auto" does
            so where a fit takes about a second. Of influential observations the group effects are
            integrated out before, which is often enough, and so they are of all observations
            whose groups have few rows.
        progress
            Show how far it is where it takes more than some seconds. The scores are kept with the
            posterior: asking again, `check` and `report` take no time for them.

        Returns
        -------
        ArviZ's ELPDData; it prints who is influential, and `influence` has it as a table.

        A row that counts several times, by whole weights of a family where these repeat rows, is as
        many observations, each left out by itself, as if the rows were written out; ArviZ's own
        ``loo(fit.idata)`` would leave the row out with all of them. With other weights a row is
        left out with all its weight; of counts out of trials, with all its trials.
        """
        from mixedbayes.checks.loo import loo

        return loo(
            self.posterior,
            target,
            self._sampler(),
            refit=refit,
            quick=self.formulation.engine.quick,
            progress=progress,
        )

    def kfold(self, k: int = 10, by: str | None = None, *, seed: int | None = None) -> KFold:
        """K-fold cross-validation by fitting k times.

        Parameters
        ----------
        k
            Number of folds.
        by
            Grouping factor whose levels stay together, and are predicted as groups never seen;
            None for single observations.
        seed
            Of the division into folds; by default the fit's.

        A row that counts several times, by whole weights of a family where these repeat rows, is as
        many observations, divided among the folds; with other weights, and of counts out of trials,
        a row is in one fold.

        Returns
        -------
        ArviZ's ELPDData.
        """
        from mixedbayes.checks.kfold import kfold
        from mixedbayes.predict.streams import seed_of

        post = self.posterior
        return kfold(post, k, by, self._sampler(), seed=seed_of(post, seed))

    # ---- evidence -----------------------------------------------------------------------------

    def log_evidence(self, *, seed: int | None = None) -> Evidence:
        """log p(y), the log marginal likelihood, with its Monte Carlo error.

        For gaussian models with proper priors: effects are integrated out in closed form, the
        variance parameters by bridge sampling. The evidence depends on the priors, also on wide
        ones, however many the data.
        """
        from mixedbayes.checks.evidence import log_evidence

        return log_evidence(self.posterior, seed=seed)

    # ---- predictive checks --------------------------------------------------------------------

    def posterior_predictive(
        self, groups: Groups = "auto", *, seed: int | None = None
    ) -> xr.Dataset:
        """Replicated responses of the rows used: (chain, draw, obs).

        ``groups="auto"``: of the same groups; kept in ``idata["posterior_predictive"]``, where
        ArviZ looks for it. ``groups="new"``: of groups never seen, whose effects are drawn from
        the population; kept in ``idata["posterior_predictive_new"]``. What is kept is never
        replaced; another `seed` than that of what is kept gives new draws that are not kept.

        Each row has one replicate, as `observed_data` has one response of it: of a row that weights
        count several times, one of these observations, as in brms. ArviZ's pictures of them weigh
        all rows alike; `pp_check` and `check` write such rows out.
        """
        import xarray as xr

        from mixedbayes.checks.predictive import GROUPS, posterior_predictive

        kept = self.idata.children.get(GROUPS.get(groups, ""))
        if kept is not None and seed in (None, kept.attrs.get("seed")):
            return kept.to_dataset()
        out = posterior_predictive(self.posterior, groups, seed)
        if kept is None:
            self.idata[GROUPS[groups]] = xr.DataTree(out)
        return out

    def prior_predictive(self, *, seed: int | None = None) -> xr.Dataset:
        """Responses drawn from the priors alone: (chain, draw, obs); 1,000 draws.

        Kept, with the parameters they come from, in ``idata["prior_predictive"]`` and
        ``idata["prior"]``, as in `posterior_predictive`.
        """
        import xarray as xr

        from mixedbayes.checks.predictive import PRIOR_DRAWS
        from mixedbayes.predict.prior import prior_predictive
        from mixedbayes.predict.streams import seed_of

        kept = self.idata.children.get("prior_predictive")
        if kept is not None and seed in (None, kept.attrs.get("seed")):
            return kept.to_dataset()
        tree = prior_predictive(self.model.spec, PRIOR_DRAWS, seed_of(self.posterior, seed))
        for name in ("prior", "prior_predictive"):
            if name not in self.idata.children:
                self.idata[name] = xr.DataTree(tree[name].to_dataset())
        return tree["prior_predictive"].to_dataset()

    def pp_check(
        self,
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

        Parameters
        ----------
        kind
            "density" (of counts a rootogram), "ecdf", "pit", "intervals" or "stat".
        by
            Grouping factor: a panel for each level, of at most `max_levels`.
        stat
            For ``kind="stat"``: "mean", "sd", "min", "max", "zeros" (the share of zeros), or a
            function of an array of responses.
        groups
            "auto": would the same groups look like this? "new": would groups never seen?
        prior
            Replicates from the priors alone instead: is what they expect possible at all?
        seed
            Of the replicates; by default the fit's.
        backend
            "matplotlib", "plotly" or "bokeh".

        Returns
        -------
        arviz_plots' PlotCollection. The replicates are kept in `idata`; those of rows that count
        several times, by weights, are of the rows written out as often, and are not kept.
        """
        from mixedbayes.checks.predictive import written_out_predictive
        from mixedbayes.plots import plot_predictive

        post, drawn = written_out_predictive(self.posterior, groups, seed, prior=prior)
        if drawn is None and prior:
            drawn = self.prior_predictive(seed=seed)
        elif drawn is None:
            drawn = self.posterior_predictive(groups, seed=seed)
        (replicated,) = drawn.data_vars.values()
        return plot_predictive(
            post,
            replicated,
            kind=kind,
            by=by,
            stat=stat,
            max_levels=max_levels,
            backend=backend,
        )

    # ---- assumptions, influence, priors -------------------------------------------------------

    def check(self, *, order: Any = None, progress: bool = True) -> CheckReport:
        """Assumptions, influence and what the priors decide: one sentence each, with its numbers.

        Convergence; residuals against fitted values, their quantiles and their scale; zeros,
        dispersion and the largest of counts; residuals of rows that follow each other; quantiles
        of the group effects; slopes within and between groups; collinearity; levels per factor;
        what the data say about sds and correlations; sensitivity to the priors; influential
        observations and groups. The report prints itself, also in HTML; `tables` has the numbers;
        `plot_check` draws it. It is kept with the posterior: asking again takes no time.

        ``order`` says in which order rows follow each other, for the autocorrelation of their
        residuals: values of the rows, ``order=data["week"]``, or the name of a column that the
        model reads. By default it is that of a predictor that looks like time, else that of the
        rows; the sentence says which. ``progress=False`` shows no bars where it takes more than
        some seconds.
        """
        from mixedbayes.checks.check import check
        from mixedbayes.checks.order import given_order
        from mixedbayes.predict.streams import seed_of

        post = self.posterior
        given = None if order is None else given_order(post.design, self.model.data, order)
        return check(post, seed=seed_of(post, None), order=given, progress=progress)

    def plot_check(self, *, backend: str = "matplotlib") -> Drawing:
        """Residuals and group effects beside bands of what the model says they should be.

        Backends: "matplotlib", "plotly", "bokeh".
        """
        from mixedbayes.plots import plot_check
        from mixedbayes.predict.streams import seed_of

        post = self.posterior
        return plot_check(post, seed=seed_of(post, None), backend=backend)

    @tabled
    def prior_sensitivity(self) -> pd.DataFrame:
        """Which parameters the priors drive, by power-scaling prior and likelihood.

        Columns: parameter, term, prior and likelihood (sensitivities, from 0.05 on they matter),
        overlap of prior and posterior, and `says`, in words.
        """
        from mixedbayes.checks.sensitivity import prior_sensitivity

        return prior_sensitivity(self.posterior)

    def _sampler(self) -> Sampler:
        """Fits of changed models as this one was fitted; the number makes the seed."""
        from mixedbayes.api.fitting import draw

        settings = replace(self.settings, progress=False)
        first = settings.seed or 0

        def sample(spec: Any, number: int) -> xr.Dataset:
            seed = (first + 1 + number) % 2**31
            result = draw(spec, replace(settings, seed=seed), self.formulation, "draws")
            return result.posterior

        return sample


@tabled
def compare(
    fits: Mapping[str, Fit | Elpd],
    *,
    target: str = "observation",
    method: Method = "stacking",
    progress: bool = True,
) -> pd.DataFrame:
    """Rank models of the same data by their expected log predictive density.

    Parameters
    ----------
    fits
        Fits, or results of their `loo` or `kfold`, by name: ``{"slopes": fit2, "lines": fit1}``.
    target
        What is left out of the fits: "observation", "group" or a grouping factor; see `Fit.loo`.
    method
        Of the weights: "stacking", "BB-pseudo-BMA" or "pseudo-BMA".
    progress
        Whether scores that take long show a bar.

    Returns
    -------
    DataFrame, the best model first: elpd, se, the difference from the best and its standard error
    (dse), p, weight.

    Raises
    ------
    ModelError
        The models have different responses, rows or targets; the message says which.
    """
    from mixedbayes.checks.elpd import compare_elpd

    if not isinstance(fits, Mapping):
        raise ModelError('compare() takes fits by name, such as {"slopes": fit2, "lines": fit1}')
    scores = {
        name: fit.loo(target, progress=progress) if isinstance(fit, Checks) else fit
        for name, fit in fits.items()
    }
    return compare_elpd(scores, method)


def bayes_factor(a: Fit, b: Fit) -> BayesFactor:
    """How much more probable the data are under the first model: p(y | a) / p(y | b).

    With its Monte Carlo error, from `Fit.log_evidence` of both; ModelError where they are models
    of different data. It prints itself, with the priors that only one of the models has.
    """
    from mixedbayes.checks.evidence import bayes_factor

    return bayes_factor(a.log_evidence(), b.log_evidence())
