"""Population effects, and the family's own parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import Floats, Residual
from mixedbayes.errors import ModelError
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.ratios import fixef_ratios
from mixedbayes.results.tables import (
    EFFECT,
    Description,
    Interval,
    Statistics,
    chained,
    labelled,
    noted,
)
from mixedbayes.results.tails import mean_note, without_mean

OF_MOMENTS = ("mean", "sd", "mcse")


def fixef_draws(post: Posterior) -> tuple[list[str], Floats]:
    """Names (K,) and draws (S, K) of all population effects, each predictor's intercept first."""
    terms: list[str] = []
    columns = [np.zeros((post.n_draws, 0))]
    for predictor in post.predictors:
        p = predictor.parameter
        if predictor.intercept:
            terms.append(names.intercept(p))
            columns.append(post.intercept(p)[:, None])
        terms += [names.label(p, term) for term in predictor.effects]
        columns.append(post.population_effects(p))
    return terms, np.concatenate(columns, axis=1)


@overload
def fixef(
    post: Any, prob: float = 0.95, *, draws: Literal[False] = False, exponentiate: bool = False,
    statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame: ...  # fmt: skip


@overload
def fixef(
    post: Any, prob: float = 0.95, *, draws: Literal[True], exponentiate: bool = False,
    statistics: Statistics = None, interval: Interval = "eti",
) -> xr.DataArray: ...  # fmt: skip


@overload
def fixef(
    post: Any, prob: float = 0.95, *, draws: bool, exponentiate: bool = False,
    statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame | xr.DataArray: ...  # fmt: skip


def fixef(
    post: Posterior,
    prob: float = 0.95,
    *,
    draws: bool = False,
    exponentiate: bool = False,
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.DataArray:
    """Population effects, on the link scale or as ratios.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the interval.
    draws
        Return the draws instead: a DataArray with dimensions (chain, draw, term).
    exponentiate
        The mean's effects as ratios instead, see `mixedbayes.results.ratios.fixef_ratios`: a column
        "odds ratio", "rate ratio", "hazard ratio" or "ratio of means" in the place of mean and sd.
    statistics
        Columns in the place of those below, by name: "mean", "sd", "median", "mad",
        "prob_positive", "mcse", "ess_tail"; see `mixedbayes.results.tables.Description`.
    interval
        "eti": equal tails; "hdi": highest density, the shortest.

    Returns
    -------
    DataFrame
        One row per effect:

        - parameter: "mu", "sigma", ..., of which parameter of the family the effect is; only where
          a further parameter has a formula, whose effects carry its name, `sigma_Intercept`;
        - term: the column's name; `Intercept` is the value where every predictor is zero,
          `recipe[B]` the level B against the first, `x[low|middle]` a category-specific effect,
          cs(x), at that threshold, `mo(x)` the average step between neighbouring levels
          (`parameters` has the steps' shares);
        - mean, sd: posterior mean and standard deviation;
        - lower, upper: ends of the interval of probability `prob`;
        - prob_positive: posterior probability that the effect is above 0;
        - ess_bulk: effective number of draws in the bulk of the distribution; 400 and more are
          enough for the mean;
        - rhat: 1.00 where the chains agree; above 1.01 they do not yet.

    Raises
    ------
    ModelError
        Where exp() of an effect is no ratio: the identity, probit and inverse links; or `prob`, a
        statistic or the interval is not known.

    See Also
    --------
    vcov : Their posterior covariance.
    coef : The same for every level of a grouping factor.
    parameters : The family's own parameters, such as sigma.
    plot_fixef : The picture.
    comparisons : Differences and ratios on the response scale, averaged over rows.
    hypothesis : Probabilities of statements about them.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.fixef()
            term  mean    sd lower upper prob_positive ess_bulk  rhat
    0  Intercept 251.4 8.234 235.7 267.3             1     4024 1.001
    1       Days 10.42 1.624 7.235 13.60             1     4059 1.000

    Reaction rises by 10.4 ms a day, by 7.2 to 13.6 with a probability of 95 %. Other columns:

    >>> fit.fixef(0.9, statistics=["median", "mad"], interval="hdi")
            term median   mad lower upper ess_bulk  rhat
    0  Intercept  251.4 5.405 238.3 264.8     4024 1.001
    1       Days  10.44 1.053 7.811 13.03     4059 1.000

    Odds ratios of a model with the logit link:

    >>> import mixedbayes as mb
    >>> herds = mb.load_data("cbpp")
    >>> formula = "incidence | trials(size) ~ period + (1 | herd)"
    >>> fit = mb.fit(formula, herds, family="binomial", seed=1)
    >>> fit.fixef(exponentiate=True)
                            term odds ratio   lower  upper prob_positive ess_bulk  rhat
    0  Intercept (baseline odds)     0.2433  0.1486 0.3796        0.0000     5522 1.001
    1                  period[2]     0.3778  0.2058 0.6662        0.0000     7173 1.001
    2                  period[3]     0.3286  0.1705 0.6015        0.0005     7004 1.001
    3                  period[4]     0.2091 0.08275 0.4524        0.0000     5578 1.003
    """
    how = Description.asked(prob, statistics, interval, default=EFFECT)
    if exponentiate:
        return fixef_ratios(post, prob, draws=draws, statistics=statistics, interval=interval)
    terms, values = fixef_draws(post)
    chains = post.shape[0]
    if draws:
        return labelled(values, chains, [names.TERM], {names.TERM: terms}, names.FIXEF)
    table = how.sampled(chained(values, chains))
    found = pd.DataFrame({names.TERM: pd.Series(terms, dtype="str"), **table})
    if post.design.further:
        found.insert(0, "parameter", pd.Series(_parameters(post), dtype="str"))
    return found


def vcov(post: Posterior, *, correlation: bool = False) -> pd.DataFrame:
    """Posterior covariance of the population effects, or their correlation.

    Parameters
    ----------
    post
        The posterior.
    correlation
        Correlations instead of covariances.

    Returns
    -------
    DataFrame
        A row and a column for each effect of `fixef`, in its order, on the link scale:
        sum_s (b_s - mean b)(b_s - mean b)' / (S - 1) over the S draws. The variance of a sum c'b of
        effects is c' V c. In other libraries than pandas a column `term` has the rows' names.
        Correlations with an effect that does not vary are NaN.

    Raises
    ------
    ModelError
        If the model has no population effects.

    See Also
    --------
    fixef : The effects themselves.
    draws : Their draws, of which anything else can be computed.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.vcov().index.tolist()
    ['Intercept', 'Days']
    >>> variance = fit.vcov().loc["Days", "Days"]
    >>> print(f"{variance:.1f}")
    2.6
    """
    terms, values = fixef_draws(post)
    if not terms:
        raise ModelError("the model has no population effects, so no covariances of them")
    centred = values - values.mean(axis=0)
    freedom = len(values) - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        found = centred.T @ centred / freedom
        if correlation:
            sd = np.sqrt(np.diag(found))
            found = np.clip(found / np.outer(sd, sd), -1.0, 1.0)
    return pd.DataFrame(found, index=pd.Index(terms, dtype="str", name=names.TERM), columns=terms)


def _parameters(post: Posterior) -> list[str]:
    """(K,) the parameter that each population effect belongs to."""
    return [
        names.owner(p.parameter)
        for p in post.predictors
        for _ in range(p.intercept + len(p.effects))
    ]


# ---- the family's own parameters ---------------------------------------------------------------


@overload
def parameters(
    post: Any, prob: float = 0.95, *, draws: Literal[False] = False, statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame: ...  # fmt: skip


@overload
def parameters(
    post: Any, prob: float = 0.95, *, draws: Literal[True], statistics: Statistics = None,
    interval: Interval = "eti",
) -> xr.Dataset: ...  # fmt: skip


@overload
def parameters(
    post: Any, prob: float = 0.95, *, draws: bool, statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.Dataset: ...  # fmt: skip


def parameters(
    post: Posterior,
    prob: float = 0.95,
    *,
    draws: bool = False,
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.Dataset:
    """The family's own parameters: sigma, nu, shape, phi, or the thresholds; shares of mo(x).

    And those of the correlations of residuals, rho, theta or range, where there are such.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the interval.
    draws
        Return the draws instead: a Dataset of these variables.
    statistics
        Columns in the place of those below, by name: "mean", "sd", "median", "mad",
        "prob_positive", "mcse", "ess_tail"; see `mixedbayes.results.tables.Description`.
    interval
        "eti": equal tails; "hdi": highest density, the shortest.

    Returns
    -------
    DataFrame
        One row per parameter, or per element of a vector:

        - parameter: its name, "sigma", "nu", "shape", "phi", "thresholds", "rho", "simo_x", ...;
        - element: which of a vector: a threshold "low|middle", a step "low to middle" of mo(x), a
          lag; missing where there is one number;
        - mean, sd: posterior mean and standard deviation;
        - lower, upper: ends of the interval of probability `prob`;
        - ess_bulk: effective number of draws in the bulk of the distribution; 400 and more are
          enough for the mean;
        - rhat: 1.00 where the chains agree; above 1.01 they do not yet.

        Each is on its own scale, not that of a link: sigma is in the response's unit. Empty for
        families without any, such as poisson and bernoulli, which `attrs["note"]` says. A parameter
        that has a formula of its own is not among them: its effects are in `fixef` and `ranef`. A
        shape that the data do not bound, as that of counts like Poisson's, has no posterior mean:
        mean and sd are then missing, there is a column median too, and `attrs["note"]` says so.

    Raises
    ------
    ModelError
        If `prob` is no probability, or a statistic or the interval is not known.

    See Also
    --------
    fixef : Population effects, also on parameters with formulas.
    varcorr : sigma beside the sds of the group effects.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.parameters()
      parameter element  mean    sd lower upper ess_bulk  rhat
    0     sigma     NaN 25.81 1.494 23.08 28.91     5031 1.001
    """
    found, how = _own_and_shares(post), Description.asked(prob, statistics, interval)
    own = post.design.residual
    if draws:
        symbols = () if own is None else own.symbols
        return _dataset(post).assign({name: post.draws[name] for name in symbols})
    table = _table(post, found, how, statistics is None)
    if own is not None:
        return pd.concat([table, _of_residual(post, own, how)], ignore_index=True)
    return table if found else noted(table, _none_of_its_own(post))


def _of_residual(post: Posterior, own: Residual, how: Description) -> pd.DataFrame:
    """Correlations of residuals, as rows of `parameters`."""
    labels = [", ".join(t.labels) or None for t in own.told]
    rows = [(t.symbol, label) for t, label in zip(own.told, labels, strict=True)]
    table = pd.DataFrame(rows, columns=["parameter", "element"], dtype="str")
    values = chained(own.values(post.correlations()), post.shape[0])
    return table.assign(**how.sampled(values))


def _none_of_its_own(post: Posterior) -> str:
    """Why there are no parameters, and where what the model has is found."""
    of = [p.parameter for p in post.predictors if p.parameter != names.MU]
    others = f", {', '.join(of)} among them," if of else ""
    return (
        f"The {post.family.name} family has none here besides its linear predictors{others} whose "
        "effects are in fixef() and ranef(), their sds in varcorr()."
    )


def family_parameters(
    post: Posterior,
    prob: float = 0.95,
    *,
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame:
    """`parameters` without the sigma that `varcorr` has as the residual."""
    own = {names.SIGMA} if post.family.residual else set()
    found = {k: v for k, v in _own_and_shares(post).items() if k not in own}
    how = Description.asked(prob, statistics, interval)
    return _table(post, found, how, statistics is None)


def _own_and_shares(post: Posterior) -> dict[str, Floats]:
    """Draws of the family's parameters, then of the shares of monotonic effects' steps."""
    found = dict(post.parameters())
    for p in post.predictors:
        found |= post.shares(p.parameter)
    return found


def _elements(post: Posterior) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Dimension and labels of the shares by their name."""
    return {
        names.simplex(m.name, p.parameter): (names.step_dim(m.name, p.parameter), m.steps)
        for p in post.predictors
        for m in p.monotonic
    }


def _dataset(post: Posterior) -> Any:
    found = post.draws[list(post.parameters())]
    for p in post.predictors:
        for name, values in post.shares(p.parameter).items():
            dim, steps = _elements(post)[name]
            own = labelled(values, post.shape[0], [dim], {dim: list(steps)}, name)
            found = found.assign({name: own})
    return found


def _table(
    post: Posterior, found: Mapping[str, Floats], how: Description, default: bool
) -> pd.DataFrame:
    """`default`: whether no statistics were named, so that the median may stand beside a mean."""
    heavy = without_mean(post) if how.needs(*OF_MOMENTS) else {}
    heavy = {name: median for name, median in heavy.items() if name in found}
    if heavy and default:
        how = replace(how, columns=("median", *how.columns))
    rows: list[tuple[str, str | None]] = []
    columns = [np.zeros((post.n_draws, 0))]
    of_steps = _elements(post)
    for name, values in found.items():
        own = name in of_steps
        labels = of_steps[name][1] if own else post.family.labels(name, post.design)
        rows += [(name, None)] if labels is None else [(name, label) for label in labels]
        columns.append(values.reshape(post.n_draws, -1))
    table = pd.DataFrame(rows, columns=["parameter", "element"], dtype="str")
    described = how.sampled(chained(np.concatenate(columns, axis=1), post.shape[0]))
    without = table["parameter"].isin(list(heavy)).to_numpy()
    for column in set(described) & set(OF_MOMENTS):
        described[column] = np.where(without, np.nan, described[column])
    return noted(table.assign(**described), mean_note(heavy, list(found)))
