"""`mixedbayes.fit`: a model and its fit in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from mixedbayes.api.arguments import told
from mixedbayes.api.batches import quiet
from mixedbayes.api.model import Fit, Model
from mixedbayes.engines.choose import Request
from mixedbayes.families.base import Family
from mixedbayes.sample.settings import Keep, SamplerName


@told
def fit(
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
    draws: int = 1000,
    tune: int | None = None,
    chains: int = 4,
    cores: int | None = None,
    seed: int | None = None,
    sampler: SamplerName = "nutpie",
    target_accept: float | None = None,
    max_treedepth: int = 10,
    progress: bool = True,
    effects: Keep = "auto",
    cache: str | Path | None = None,
) -> Fit:
    """Fit a Bayesian mixed model: a formula, data, a family, and the posterior comes back.

    With linear predictor eta = X beta + sum_k Z_k b_k, group effects b_k ~ Normal(0, Sigma_k) over
    the levels of each grouping factor, and a response y ~ family(g^-1(eta)), the posterior of all
    parameters given the data is sampled by Hamiltonian Monte Carlo; of Gaussian models the effects
    are integrated out in closed form and drawn back. Trajectories are those of NUTS; where few
    parameters are left, they follow a polynomial close to the posterior, whose exact value accepts
    or refuses their ends; with many effects they may be quarter turns. It makes a `Model`
    and fits it: ``Model(formula, data, ...)`` and `Model.fit` are the two steps.

    Parameters
    ----------
    formula
        ``"Reaction ~ Days + (Days | Subject)"`` as in lme4 and brms, or a list with further
        formulas for parameters of the family, ``["y ~ x + (1 | g)", "sigma ~ x"]``.
        `formula_functions` lists all that a formula may say; `Model` explains it.
    data
        A data frame of pandas, polars or pyarrow, never changed, in whose library tables come back;
        or files, a query, a table in a database, see `source`.
    family
        Name or object: "gaussian", "student_t", "bernoulli", "binomial", "poisson",
        "negative_binomial", "gamma", "cumulative", ...; ``help(mb.families)`` lists them. Of
        several responses a dictionary by response.
    residual
        How residuals of a Gaussian response are correlated within groups, ``"ar1(visit |
        patient)"``.
    priors
        Priors by name, ``{"fixef": mb.Normal(0, 10), "sd": {"Subject": mb.HalfNormal(50)}}``; what
        is not given has a weakly informative default in the data's units, see `Model.priors`.
    formulation
        "auto", or how effects are written for the sampler: ``mb.Marginal()``, ``mb.Quadrature()``,
        ``mb.PartiallyCentered()``, ``mb.NonCentered()``, ``mb.Centered()``.
    functions
        Functions of your own that the formula may call, by name.
    missing
        "drop": rows with a missing value in a used column are left out and counted in
        `Model.notes`. "error": they raise DataError.
    known
        Covariances between levels that the formula names, ``(1 | gr(species, cov=A))``: ``{"A":
        A}``.
    draws, tune, chains
        Draws kept per chain, draws for tuning (None: as many as such a posterior needs), and
        chains.
    cores
        Chains that run at the same time; None: as many as there are processors.
    seed
        0 to 2**31 - 1; the same seed gives the same draws. None: a random one, which is kept.
    sampler, target_accept, max_treedepth, progress, effects, cache
        As in `Model.fit`.

    Returns
    -------
    Fit
        The posterior, which prints its summary. `Fit.fixef`, `ranef`, `coef`, `varcorr` are the
        field's tables, on the link scale; `predict`, `means`, `comparisons` answer on the
        response's; `check` says whether to trust it.

    Raises
    ------
    FormulaError
        The formula is not understood; a caret shows the place, and where another package's word is
        meant, how it is said here.
    DataError
        A column is missing, or does not suit the formula or the family; with counts and rows.
    PriorError
        A prior is of nothing that the model has, or not possible there; what it has is listed.
    ModelError
        The model cannot be fitted as asked; the message says what can.
    SamplingError
        A setting is out of range, or the sampler found no start.

    See Also
    --------
    Model : The model without sampling: its priors, code, and simulated data.
    load : A fit from a file.
    fit_many : Many data sets, or imputed ones.
    pooling : Complete, no and partial pooling in one table.
    simulate : Data with known truth.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit
    formula  Reaction ~ Days + (Days | Subject)
    family   gaussian, identity link
    rows     180 used
    groups   Subject: 18 levels
    draws    4 chains of 1,000, mixedbayes, seed 1, Marginal()
    <BLANKLINE>
    Group effects             mean     sd  lower  upper  P(>0)  ess_bulk  rhat
      Subject (18 levels)
        sd  Intercept        31.0    7.5   19.1   48.6             3,539  1.00
        sd  Days              6.1    1.3    4.0    9.0             3,866  1.00
        cor Intercept, Days  -0.11   0.28  -0.62   0.44            3,646  1.00
    <BLANKLINE>
    Population effects
      Intercept              251.4    8.3  234.8  267.9  1.000     3,822  1.00
      Days                    10.4    1.6    7.1   13.5  1.000     4,125  1.00
    <BLANKLINE>
    Residual
      sd  sigma               25.7    1.5   23.0   28.9            4,034  1.00
    <BLANKLINE>
    Shares of variance
      ICC adjusted           0.722  0.066  0.585  0.845            3,737  1.00
      ICC unadjusted         0.528  0.089  0.362  0.716            3,837  1.00
      R2  marginal           0.272  0.074  0.128  0.417            3,947  1.00
      R2  conditional        0.800  0.042  0.711  0.876            3,637  1.00
    <BLANKLINE>
    Converged: 4 chains, 4,000 draws, 0 divergences, largest rhat 1.002, smallest ess_bulk 3,446,
    smallest ess_tail 3,377; 45 quantities.
    <BLANKLINE>
    mean, sd: of the posterior. lower, upper: 95 % equal-tailed interval. P(>0): probability of
    being
    positive. ess_bulk: effective number of draws. rhat: 1.00 where the chains agree.
    Effects of each level: ranef() (deviations), coef() (with the population).

    References
    ----------
    Bates, Mächler, Bolker & Walker (2015), doi:10.18637/jss.v067.i01, for formulas and terms;
    Bürkner (2017), doi:10.18637/jss.v080.i01, for families.
    """
    model = Model(
        formula,
        data if progress else quiet(data),
        family=family,
        residual=residual,
        priors=priors,
        formulation=formulation,
        functions=functions,
        missing=missing,
        known=known,
    )
    return model.fit(
        draws,
        tune,
        chains,
        cores=cores,
        seed=seed,
        sampler=sampler,
        target_accept=target_accept,
        max_treedepth=max_treedepth,
        progress=progress,
        effects=effects,
        cache=cache,
    )
