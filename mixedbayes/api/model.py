"""`Model`: a formula, data, a family and priors, ready to sample; and `Fit`, which it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mixedbayes.api.accessors import Accessors
from mixedbayes.api.again import with_data
from mixedbayes.api.arguments import told
from mixedbayes.api.batches import check_read, of_the_data, read, rows_of
from mixedbayes.api.fitting import as_sampled, sampled
from mixedbayes.api.keep import Asked, saved
from mixedbayes.api.method import lazily, method
from mixedbayes.api.response import response
from mixedbayes.checks.log_likelihood import with_log_likelihood
from mixedbayes.design import build_design, check_unobserved, dense_notes
from mixedbayes.engines.base import Chosen
from mixedbayes.engines.choose import Request, choose_engine
from mixedbayes.errors import MissingExtraError
from mixedbayes.families.base import Family
from mixedbayes.families.defaults import default_priors
from mixedbayes.families.responses import (
    check_formula,
    check_told,
    family_of,
    prepared,
    roles_of,
)
from mixedbayes.formula import parse_all, with_residual
from mixedbayes.model.coords import check_names
from mixedbayes.model.formulations import Formulation
from mixedbayes.model.spec import Spec
from mixedbayes.priors.resolve import resolve
from mixedbayes.results import store
from mixedbayes.results.frame import unkept
from mixedbayes.results.library import answer, check_library
from mixedbayes.results.posterior import Posterior
from mixedbayes.sample.settings import Keep, SamplerName, Settings
from mixedbayes.sample.tree import with_derived

with lazily(globals()):
    from mixedbayes.interop.bambi_code import to_bambi
    from mixedbayes.interop.code import code
    from mixedbayes.predict.prior import prior_predictive
    from mixedbayes.simulation.replicate import simulate_from_prior

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm
    import xarray as xr


class Model:
    """A hierarchical model from a formula and a data frame.

    Making it parses the formula, checks the data, builds the design and sets the priors; nothing
    is compiled.

    Parameters
    ----------
    formula
        For example ``"Reaction ~ Days + (Days | Subject)"``; or a list, with further formulas for
        parameters of the family: ``["Reaction ~ Days + (1 | Subject)", "sigma ~ Days"]``. These
        are on the parameter's own link scale, log for positive ones. Effects over one factor that
        have the same id in several of them, ``(1 | p | Subject)``, are correlated: ``cor_Subject``
        is then one matrix of all effects over that factor, "Intercept", "sigma_Intercept", ....
        ``ar1(visit | g)`` has an effect for each visit in each level of g, without an intercept,
        and a structure of their covariance, in the place of ``(0 + visit | g)`` without one:
        ``cs`` one correlation for all pairs; ``ar1`` rho^lag, of categories one step apart in their
        order, of whole numbers as far apart as they say; ``toep`` a correlation for each lag, of
        levels one step apart; ``ou(time | g)`` exp(-distance / range), of numbers at any distances.
        As in glmmTMB cs and toep have an sd for each visit, and ar1 and ou one; homcs and homtoep
        have one, hetar1 one for each. Dates are visits at steps of their shortest distance, or of
        months, and times in days. Beside an intercept of each level write ``(1 | g) + ar1(visit |
        g)``. Dense matrices of all visits are factored, so that some tens of them are fast.
        ``time | cens(kind) ~ ...``: 0 or "none", the response is known; 1, True or "right", it is
        above y; -1 or "left", at most y; ``cens(kind, upper)`` with 2 or "interval", above y and at
        most `upper`, as in brms, of counts too; where y is -inf, at most `upper`.
        ``y | trunc(lower, upper)``: what lies outside could not be observed; the bounds themselves
        could. Both may be columns, and combined with ``weights(w)``. ``y | se(s)``: s is the known
        standard error of each row, and
        ``se(s, sigma=True)`` adds a residual sd. ``count | rate(t)`` is ``offset(log(t))``: of a
        negative binomial the shape is that of a row, where brms's rate multiplies it by t.
        ``mo(x)``: a monotonic effect of an ordered category, or of whole numbers without gaps, as
        in brms: b D (zeta_1 + ... + zeta_k) at the k-th level above the lowest, D the number of
        steps, so that b, the coefficient, is the average step between neighbours, and zeta, which
        add up to 1, are the steps' shares in all of them, ``simo_x``; in a product, ``mo(x):z``,
        each column of z has a b and shares of its own. ``y | mi()``: rows that lack the response
        alone stay. They add nothing to the likelihood, and `Fit.missing` has their posterior
        predictive, `Fit.imputed` data sets in which they are drawn.
        ``cbind(a, b, c)``, or ``c(a, b, c)``: counts of categories, a column each, of multinomial
        responses.
        ``mv(weight, height) ~ age + (1 | p | child)``: several responses of each row, each with
        this right side, or its own, ``["mv(weight, height) ~ age + (1 | p | child)", "height ~ age
        + sex + (1 | p | child)"]``, with coefficients ``weight_age`` and a sigma of its own,
        ``sigma_weight`` on the log scale (``sigma ~ age`` is for all, ``sigma_height ~ age`` for
        one). Residuals of a row are correlated, ``rho``, unless it is ``mv(weight, height,
        rescor=False)``; effects over a factor where bars have the same id, ``(1 | p | gr(animal,
        cov=A))`` and ``mm()`` among them. Smooths, and effects with a structure, arms or a law of
        their own, are those of one response, ``weight_s(age)``. A row counts with the responses
        that it has, and for every curve; one without any, or with a missing predictor, is left out.
        `Fit.response` is one response by itself. Of a dictionary of families any of them stands
        beside others: thresholds are ``thresholds_rating``, a category's predictor has the
        coefficients ``mu_bus_choice_age`` and its formula ``mu_bus_choice ~ age``, counts in
        columns are the response ``cbind(a, b, c)``. What stands after a bar is said in the formula
        of its response, ``["mv(weight, count, rescor=False) ~ age", "count | trials(n) ~ age"]``.
    data
        A data frame: pandas, polars, pyarrow, or whatever offers Arrow's C stream; it is never
        changed, and tables come back in its library. Levels of a grouping factor are equal in new
        data where Python says so: 1, 1.0 and True are one level, and text is never a number. Or
        more rows than memory holds, files, a query, whatever `mixedbayes.source` takes: read twice
        in batches, of which sums are kept, or, if not normal, distinct rows with their numbers.
    family
        Name or object, for example ``"gaussian"``; of several responses that are not all normal a
        dictionary, ``family={"weight": "gaussian", "sick": "bernoulli"}``, with ``mv(weight, sick,
        rescor=False)``. Responses may be
        censored and truncated in gaussian, student_t, skew_normal, exgaussian, asymmetric_laplace,
        lognormal, shifted_lognormal, gamma, weibull, exponential, inverse_gaussian, hurdle_gamma,
        hurdle_lognormal, beta, zero_one_inflated_beta, ordered_beta, binomial, beta_binomial,
        zero_inflated_binomial, zero_inflated_beta_binomial, poisson, negative_binomial,
        negative_binomial1, geometric, zero_inflated_poisson, zero_inflated_negative_binomial,
        hurdle_poisson and hurdle_negative_binomial. They are not in bernoulli, of whose 0 and 1 a
        response known within limits is known or says nothing; in von_mises, as a circle has no
        tails; and in categorical, multinomial, cumulative, sratio, cratio and acat, whose responses
        are categories, not amounts.
    residual
        How the residuals of a Gaussian response are correlated within groups, for example
        ``"ar1(visit | patient)"``: the residual covariance of two rows of one group is
        sd_i sd_j R, with R by the positions of both, and the sds those of ``sigma``, a number or a
        formula; rows of different groups are independent. ``ar1`` rho^steps, ``arma11`` the same
        beyond the first step, ``ou(time | g)`` exp(-distance / range), ``cosy(g)`` one correlation,
        of rows in any order, ``toep`` one for each lag, ``unstr(visit | g)`` any, as in an MMRM.
        Visits are ordered categories, whole numbers or dates, one row of a group at each; missing
        visits are rows that are not there, or ``y | mi()``. ``unstr``, ``cs``, ``toep`` and
        ``hetar1`` have an sd for each visit: unless a formula of sigma is given it is ``sigma ~ 0 +
        visit``. ``by=arm`` has correlations, and sds, of its own for each level of a column. The
        draws are ``rho``, ``theta`` or ``range``.
    priors
        The user's priors by name: ``Intercept``, ``fixef``, ``sd``, ``cor``, ``sigma``; what is
        not given has a weakly informative default, see `priors`. Those of a parameter with a
        formula are a dictionary, ``{"sigma": {"sd": HalfNormal(1)}}``; that of correlations between
        several is ``{"cor": {"Subject": LKJ(2)}}``. Of cs and ar1 ``LKJ(eta)`` is Beta(eta, eta)
        over all correlations that are possible, or it is ``Uniform(lower, upper)``; of toep
        Beta(eta, eta) of each partial autocorrelation; of ou the prior is that of the range, a
        positive number in units of the times, such as ``InverseGamma(3, 20)``. Those of correlated
        residuals are ``rho``, ``theta`` and ``range``, in the same kinds. The sd that all
        visits share has the name of their variable: ``{"sd": {"g": {"visit": HalfNormal(1)}}}``.
        The average step of mo(x) is among `fixef`, ``{"fixef": {"mo(x)": Normal(0, 1)}}``, in the
        response's unit per step, by default with the prior that the slope of the levels' numbers
        0, 1, ..., D has; the shares have ``{"simo_x": Dirichlet(1)}``, one number for all steps or
        a list of one for each.
    formulation
        ``"auto"``, ``Marginal()``, ``Quadrature()``, ``PartiallyCentered()``, ``NonCentered()``,
        ``Centered()``, or one of the last two per grouping factor.
    functions
        Functions of your own that the formula may call, by name. They give each row its own value,
        whichever rows come with it, or one number, which is kept for new data.
    missing
        ``"drop"``: rows with a missing value in a used column are left out and counted.
        ``"error"``: they raise DataError.
    known
        Covariances between levels that the formula names, ``(1 | gr(species, cov=A))`` or
        ``(1 | gr(animal, precision=Q))``: ``{"A": A}``. A data frame with the levels' labels as
        index and columns, a pair (matrix, labels) with a dense or SciPy sparse matrix, or what
        `pedigree`, `phylogeny`, `car`, `icar` or `Relation` make. Levels of a covariance that the
        data do not have are integrated out; those of a precision all have effects. New levels that
        it has are predicted from those in the fit.

    Raises
    ------
    FormulaError, DataError, PriorError, ModelError
        Each says what is wrong, where, and what to do.

    See Also
    --------
    fit : Model and posterior in one call.
    formula_functions : All that a formula may say.
    simulate : Data with known truth.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> model = mb.Model("Reaction ~ Days + (Days | Subject)", sleep)
    >>> model
    formula   Reaction ~ Days + (Days | Subject)
    family    gaussian, identity link
    rows      180 used
    groups    Subject: 18 levels
    sampling  Marginal(): the response is Gaussian, so all effects integrate out exactly
    plan      Subject: 18 levels x 2 effects eliminated in blocks; 2 population columns dense;
    about 2e3
              flops per gradient
    <BLANKLINE>
    parameter                   prior                 95 % of it     from
    Intercept                   Normal(298.5, 140.8)  22.5 to 575    at the predictors' means:
    mean, and
                                                                     2.5 x sd(Reaction) = 56.33
    Days                        Normal(0, 48.89)      -95.8 to 95.8  2.5 x sd(Reaction) = 56.33 /
    Days:
                                                                     2.88
    sd over Subject, Intercept  Exponential(0.01775)  1.43 to 208    mean sd(Reaction) = 56.33; at
    the
                                                                     predictors' means
    sd over Subject, Days       Exponential(0.05113)  0.495 to 72.1  mean sd(Reaction) = 56.33 /
    Days:
                                                                     2.88
    correlations over Subject   LKJ(2)                -0.81 to 0.81  favours weak correlations a
    little;
                                                                     at the predictors' means
    sigma                       Exponential(0.01775)  1.43 to 208    mean sd(Reaction) = 56.33
    >>> model.priors[["parameter", "term", "prior"]]
         parameter                      term                 prior
    0    Intercept  at the predictors' means  Normal(298.5, 140.8)
    1        fixef                      Days      Normal(0, 48.89)
    2   sd_Subject                 Intercept  Exponential(0.01775)
    3   sd_Subject                      Days  Exponential(0.05113)
    4  cor_Subject                                          LKJ(2)
    5        sigma                            Exponential(0.01775)
    >>> fit = model.fit(seed=1)
    """

    @told
    def __init__(
        self,
        formula: str | Sequence[str],
        data: Any,
        *,
        family: str | Family | type[Family] | Mapping[str, Any] = "gaussian",
        residual: str | None = None,
        priors: Mapping[str, Any] | None = None,
        formulation: Request = "auto",
        functions: Mapping[str, Callable[..., Any]] | None = None,
        missing: Literal["drop", "error"] = "drop",
        known: Mapping[str, Any] | None = None,
    ) -> None:
        self.formula = with_residual(parse_all(formula), residual)
        kind = family_of(family, self.formula)
        check_formula(kind, self.formula)
        whole = read(data, self.formula, kind, functions, missing)
        with of_the_data(whole):
            design = build_design(
                self.formula, whole, functions=functions, missing=missing, known=known,
                expand=kind.expanded, roles=roles_of(kind, self.formula),
            )  # fmt: skip
            self.family = kind.of_design(design)
            check_unobserved(design)
            dense = () if self.family.closed_form else dense_notes(design)
            design = replace(design, notes=(*design.notes, *dense, *unkept(design.whole)))
            self.design = prepared(self.family, design)
            defaults = default_priors(self.design, self.family)
            structure = None if self.design.residual is None else self.design.residual.structure
            self.spec = Spec(self.design, self.family, resolve(defaults, priors, structure))
            check_names(self.spec)
            check_told(self.design, self.family, self.spec.priors.given)
            asked = dict(formulation) if isinstance(formulation, Mapping) else formulation
            self.asked = Asked(asked, missing)
            self.formulation: Chosen = choose_engine(asked, self.spec)
            check_read(self.design, self.formulation)
        self.functions = dict(functions) if functions is not None else {}
        self.known = dict(known) if known is not None else {}

    with_data = with_data

    data = property(rows_of)

    @property
    def priors(self) -> pd.DataFrame:
        """Every prior: parameter, term, prior, and what its scale was derived from."""
        return answer(self.spec.priors.table(), self.design.library)

    @property
    def user_priors(self) -> Mapping[str, Any]:
        """The priors that were given, as they were."""
        return self.spec.priors.given

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know about the data in this model: rows and columns left out, few levels, ..."""
        return self.design.notes

    @cached_property
    def pymc(self) -> pm.Model:
        """The model in PyMC, with its group effects; built when first used.

        Every free variable is in `Fit.idata`, by whatever sampler and formulation that was made:
        ``with model.pymc:`` `pm.sample_posterior_predictive`, `pm.stats.compute_log_likelihood`
        and `pm.stats.compute_log_prior` take it, and what `pm.do` and `pm.observe` make of the
        model does; `from_pymc` makes a Fit of a trace of `pm.sample`. What the rows hold is data
        for `pm.set_data`: `X`, `refs_<group>` (positions of levels), `Z_<group>`, `offset`,
        `weights`, `trials` and `<response>_data`, with ``coords={"obs": ...}`` for other rows.
        """
        return self.build(self.formulation)

    def __getstate__(self) -> dict[str, Any]:
        """For pickle: all but the model in PyMC, which is built again when it is asked for."""
        return {name: value for name, value in vars(self).items() if name != "pymc"}

    def build(self, formulation: Request | Chosen = "auto") -> pm.Model:
        """The model in PyMC in a formulation of your choice.

        Parameters
        ----------
        formulation
            ``NonCentered()``, ``Centered()``, or one per grouping factor; "auto" chooses for each
            factor. ``Marginal()`` gives the density that Gaussian fits sample, in which population
            and group effects are integrated out: its free variables are the sds, correlations,
            sigma, and what has no closed form. `pm.sample` and `pm.find_MAP` are quick on it and
            `from_pymc` draws the effects back. It has its limits: all rows are one observation, so
            that `pm.stats.compute_log_likelihood` gives one number per draw and `az.loo` has
            nothing to leave out; what is drawn from it has new groups, not those of the data; and
            it holds no data that `pm.set_data` could change.

        Returns
        -------
        The `pm.Model`.

        Raises
        ------
        ModelError
            The formulation is not possible for this model; the message says why.

        See Also
        --------
        pymc : The model in the formulation that a fit has.
        from_pymc : A Fit of what `pm.sample` makes of it.
        code : As text, without this package.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> model = mb.Model("Reaction ~ Days + (Days | Subject)", mb.load_data("sleepstudy"))
        >>> sorted(v.name for v in model.build(mb.NonCentered()).free_RVs)
        ['Intercept_at_means', 'fixef', 'partial_cor_Subject', 'sd_Subject_at_means', 'sigma',
        'u_ranef_Subject']
        >>> sorted(v.name for v in model.build(mb.Marginal()).free_RVs)
        ['partial_cor_Subject', 'sd_Subject_at_means', 'sigma']
        """
        chosen = self._chosen(formulation)
        asked = isinstance(formulation, Formulation)
        build = chosen.engine.model if asked else chosen.engine.with_effects
        return build(self.spec, chosen)

    def graph(self) -> Any:
        """Graphviz picture of `pymc`: plates are the data's dimensions.

        Returns
        -------
        The `graphviz.Digraph`, which a notebook shows.

        Raises
        ------
        MissingExtraError
            If graphviz is not installed.

        See Also
        --------
        pymc : What is drawn.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> model = mb.Model("Reaction ~ Days + (Days | Subject)", mb.load_data("sleepstudy"))
        >>> picture = model.graph()
        >>> "Subject" in picture.source
        True
        """
        from mixedbayes.model.build import graph

        try:
            import graphviz  # noqa: F401
        except ImportError as e:
            raise MissingExtraError("graph() needs graphviz: pip install mixedbayes[graph]") from e
        return graph(self.pymc)

    prior_predictive = method(prior_predictive, of="spec", several="all")
    simulate = method(simulate_from_prior, of="spec", table=False, several="all")
    code = method(code, of="spec", several="all")
    to_bambi = method(to_bambi, of="spec")

    def fit(
        self,
        draws: int = 1000,
        tune: int | None = None,
        chains: int = 4,
        *,
        cores: int | None = None,
        seed: int | None = None,
        formulation: Request | None = None,
        sampler: SamplerName = "nutpie",
        target_accept: float | None = None,
        max_treedepth: int = 10,
        progress: bool = True,
        effects: Keep = "auto",
        cache: str | Path | None = None,
    ) -> Fit:
        """Sample the posterior.

        Gaussian models with identity link are sampled with their normal effects integrated out,
        others as `formulation` says or as serves best; `Fit.formulation` says which, and why. What
        a family's density needs is compiled when one of its models is first fitted, and kept; a
        model of PyMC is compiled only where PyMC's formulations are asked for, or nothing else
        serves.

        Parameters
        ----------
        draws
            Draws kept per chain, after tuning.
        tune
            Tuning draws per chain, which are discarded. None: chosen by the kind of posterior.
        chains
            Independent chains; rhat needs two at least.
        cores
            Chains that run at the same time. None: as many as there are processors, at most
            `chains`. The draws do not depend on it.
        seed
            0 to 2**31 - 1; the same seed gives the same draws. None: one is drawn from the
            operating system's entropy. It is kept in the result, ``fit.settings.seed``.
        formulation
            Instead of the model's own, see `Model`.
        sampler
            "nutpie": its NUTS, or chains of Hamiltonian Monte Carlo without trees where these serve
            better, which `Fit.methods` names. "pymc" (PyMC's own NUTS), "numpyro" (an extra).
        target_accept
            Acceptance rate that the step size of NUTS is tuned to, between 0 and 1; higher values
            take smaller steps, against divergences. None: chosen by the kind of posterior. Given,
            NUTS samples.
        max_treedepth
            A trajectory of NUTS has at most 2**max_treedepth - 1 leapfrog steps. Other than 10,
            NUTS samples.
        progress
            Show one progress display in a terminal or a notebook; elsewhere nothing is ever
            printed.
        effects
            What is kept of the group effects: "draws", "summary" (mean, sd and quantiles; with
            ``Marginal()`` and ``Quadrature()``), or "auto": draws, unless these would take more
            than 2 GB there.
        cache
            A folder: the same formula, data, priors, settings, seed and versions are read from it
            instead of sampled again. Needs a seed.

        Returns
        -------
        Fit
            The posterior. `Fit.note` says what happened on the way, for example an interruption by
            Ctrl-C, which keeps the draws that were made.

        Raises
        ------
        SamplingError
            A setting is out of range, or the sampler found no start or was stopped before any draw.
        ModelError
            The formulation is not possible for this model.
        FileError
            The cache cannot be written.

        See Also
        --------
        fit : Of the package: model and fit in one call.
        diagnostics : Of the result: whether the sampler converged.
        summary : Of the result.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> model = mb.Model("Reaction ~ Days + (Days | Subject)", mb.load_data("sleepstudy"))
        >>> fit = model.fit(draws=500, seed=1)
        >>> fit.converged
        True
        >>> print(fit.formulation)
        Marginal()
        """
        settings = Settings(
            draws, tune, chains, cores, seed, sampler, target_accept, max_treedepth, progress,
            effects,
        )  # fmt: skip
        chosen = self.formulation if formulation is None else self._chosen(formulation)
        post = sampled(self.spec, self.asked, settings, chosen, cache)
        return Fit(self if formulation is not None else as_sampled(self, chosen, post), post)

    def _chosen(self, formulation: Request | Chosen) -> Chosen:
        if isinstance(formulation, Chosen):
            return formulation
        return choose_engine(formulation, self.spec)

    def _description(self) -> Any:
        from mixedbayes.results.described import describe_model

        return describe_model(self.spec, self.formulation)

    def __repr__(self) -> str:
        return str(self._description())

    def _repr_html_(self) -> str:
        return self._description()._repr_html_()


class Fit(Accessors):
    """The posterior of a `Model`: tables, pictures, predictions, checks and files.

    `fit` and `Model.fit` make it. It prints its summary. What to ask next:

    - tables: `fixef`, `ranef`, `coef`, `varcorr`, `parameters`, `icc`, `r2`, `describe`, `draws`;
    - pooling: `shrinkage`, `pooling`, `explained`;
    - answers on the response's scale: `predict`, `means`, `comparisons`, `slopes`, `grid`,
      `condition_on`, `missing`;
    - statements: `hypothesis`;
    - trust: `diagnostics`, `check`, `pp_check`, `loo`, `kfold`, `prior_sensitivity`,
      `log_evidence`;
    - pictures: `plot_fitted`, `plot_ranef`, `plot_shrinkage`, `plot_predictions`, ...;
    - reporting: `table`, `methods`, `report`, `explore`, `save`.

    Parameters
    ----------
    model
        The model that was fitted.
    posterior
        Its draws; users have fits from `fit`, `Model.fit`, `load`, `from_pymc` and `from_bambi`.

    Attributes
    ----------
    model
        The model that was fitted; its `formulation` is that of the draws where it was automatic.
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
    posterior
        The model and its draws as plain arrays, for computations of your own.
    settings
        Sampling settings as used; ``settings.seed`` gives the same draws again.
    formulation
        How the group effects were written for the sampler.
    note
        What happened on the way, for example an interruption; empty if nothing did.

    See Also
    --------
    fit : Makes it.
    Model : The model without draws.
    load : From a file.
    compare : Several fits.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.fixef()[["term", "mean", "lower", "upper"]]
            term  mean lower upper
    0  Intercept 251.4 235.7 267.3
    1       Days 10.42 7.235 13.60
    >>> fit.settings.seed, fit.converged, fit.library
    (1, True, 'pandas')
    """

    response = method(response, table=False, several="all")

    def __init__(self, model: Model, posterior: Posterior) -> None:
        self.model, self.posterior, self._whole = model, posterior, False

    @property
    def idata(self) -> xr.DataTree:
        """The draws as ArviZ has them: a DataTree, see the class."""
        if not self._whole:  # laying out what is computed when it is read takes as long as sampling
            spec = self.model.spec
            self.idata = with_log_likelihood(spec, with_derived(spec, self.posterior.idata))
        return self.posterior.idata

    @idata.setter
    def idata(self, tree: xr.DataTree) -> None:
        self.posterior, self._whole = replace(self.posterior, idata=tree), True

    @property
    def settings(self) -> Settings:
        """Settings of the sampler as they were used: `draws`, `tune`, `chains`, `seed`, ..."""
        return self.posterior.made.settings

    @property
    def formulation(self) -> Chosen:
        """How the effects were written for the sampler, and why; prints itself."""
        return self.posterior.made.formulation

    @property
    def note(self) -> str:
        """What happened on the way, for example an interruption; empty if nothing did."""
        return self.posterior.made.note

    @property
    def library(self) -> str:
        """In which tables are handed out: that of the data, "pandas", "polars" or "pyarrow", ...

        May be set. Predictions of new data are in the library of these.
        """
        return self.posterior.design.library

    @library.setter
    def library(self, name: str) -> None:
        design = replace(self.posterior.design, library=check_library(name))
        self.posterior = self.posterior.with_design(design)

    @property
    def converged(self) -> bool:
        """Whether no convergence check failed."""
        return self.diagnostics().ok

    def save(self, path: str | Path) -> Path:
        """Write everything to one NetCDF file; `mixedbayes.load` reads it back.

        Parameters
        ----------
        path
            Of the file; an older one is replaced when the new one is complete.

        Returns
        -------
        The path.

        Raises
        ------
        FileError
            If the folder does not exist or cannot be written, `path` is a folder, the disk is full,
            or a column of the data has a type that cannot be kept.

        See Also
        --------
        load : Reads it back.
        report : A page to be read by people.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> sleep = mb.load_data("sleepstudy")
        >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
        >>> path = fit.save("sleep.nc")
        >>> mb.load(path).fixef()["mean"].tolist() == fit.fixef()["mean"].tolist()
        True
        """
        return store.write(path, saved(self.posterior, self.model.asked))

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()
