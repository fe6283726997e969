"""Standard deviations and correlations of the group effects, and the residual."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design import several_terms
from mixedbayes.design.types import Across, LinearPredictor
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.ratios import varcorr_ratios
from mixedbayes.results.several import each
from mixedbayes.results.tables import (
    Description,
    Interval,
    Statistics,
    chained,
)
from mixedbayes.results.variance import components, moments_of, ratio

Floats = NDArray[np.float64]

RESIDUAL = "Residual"


@dataclass(frozen=True, eq=False)
class Component:
    """One standard deviation or correlation, per draw (S,)."""

    group: str
    term: str | None
    term2: str | None
    kind: str  # "sd" or "cor"; "range" of correlations that fall with distance
    value: Floats
    variance: Floats | None  # of an sd its square; a correlation has none
    part: Floats | None  # what it adds by itself to the mean variance of the linear predictor
    parameter: str = "mu"  # of a correlation across parameters "mu, sigma"
    of_levels: bool = False  # of an sd: that of the effects of all levels of the variable `term`
    name: str = ""  # of a correlation of residuals, as `draws` has it: "rho[lag 1]"

    @property
    def across(self) -> bool:
        """Whether it is between effects on two parameters, which its terms have before them."""
        return "," in self.parameter


def component_list(post: Posterior) -> list[Component]:
    """Every sd, then every correlation, by grouping factor; the residual sd last."""
    return [_joined(each) for each in zip(*map(_components, post.data_sets), strict=True)]


def _joined(each: tuple[Component, ...]) -> Component:
    """The same component of several data sets, with the draws of all."""
    if len(each) == 1:
        return each[0]

    def together(name: str) -> Floats | None:
        parts = [getattr(c, name) for c in each]
        return None if parts[0] is None else np.concatenate(parts)

    value = np.concatenate([c.value for c in each])
    return replace(each[0], value=value, variance=together("variance"), part=together("part"))


def _components(post: Posterior) -> list[Component]:
    """Of one data set."""
    found = [c for p in post.predictors for c in _of_predictor(post, p)]
    found += [c for a in post.design.across for c in _across(post, a)]
    if post.design.several is not None:
        return [*found, *_residuals(post), *_of_residual(post)]
    sigma = post.parameters().get(names.SIGMA) if post.family.residual else None
    if sigma is not None:
        part = components(post).residual
        found.append(Component(RESIDUAL, None, None, "sd", sigma, sigma**2, part))
    found += _of_residual(post)
    return found


def _of_residual(post: Posterior) -> Iterator[Component]:
    """Correlations of residuals, of which positions or lags."""
    own = post.design.residual
    if own is None:
        return
    values, of = own.values(post.correlations()), own.structure.of or own.name
    kinds = {own.symbols[0]: "cor"} if own.structure.kind == "cor" and len(own.symbols) == 1 else {}
    for k, t in enumerate(own.told):
        what = t.labels[bool(own.arm_levels) :] or own.labels[t.number : t.number + 1]
        arm = f":{own.by}[{t.labels[0]}]" if own.arm_levels else ""
        kind = kinds.get(t.symbol, t.symbol)
        first, second = f"{of}{arm}", what[0] if kind == "cor" else None
        if post.design.several is not None:
            first, second = what
        elif len(what) == 2:
            first, second = f"{of}[{what[0]}]{arm}", f"{of}[{what[1]}]{arm}"
        yield Component(RESIDUAL, first, second, kind, values[:, k], None, None, name=t.name)


def _residuals(post: Posterior) -> Iterator[Component]:
    """The residual sd of each of several responses that has one, and their correlations."""
    for name, own in each(post).items():
        sigma = own.parameters().get(names.SIGMA) if own.family.residual else None
        if sigma is not None:
            yield Component(RESIDUAL, name, None, "sd", sigma, sigma**2, None)


def _of_predictor(post: Posterior, predictor: LinearPredictor) -> Iterator[Component]:
    p = predictor.parameter
    for g in predictor.factors:
        label = [names.label(p, term) for term in g.terms]
        sd = post.sd(g.name, p)
        scale = post.law(g.name, p).variance
        square, places = np.diag(moments_of(predictor).squares[g.name]), g.sd_places
        for k, term in enumerate(g.sd_terms):
            own = [i for i, place in enumerate(places) if place == k]
            value = sd[:, own[0]]
            variance = value**2 * scale
            part = variance * square[own].sum() if p == "mu" else None
            label_k, shared = names.label(p, term), len(own) > 1
            yield Component(g.name, label_k, None, "sd", value, variance, part, p, shared)
        if g.cor_terms and not post.design.joined(g.name):
            kind, told = g.covariance.kind, post.cor_numbers(g.name, p)
            for k, (term, what) in enumerate(g.cor_terms):
                own_label = names.label(p, term)
                second = what if kind == "cor" else None
                yield Component(g.name, own_label, second, kind, told[:, k], None, None, p)
            continue
        if post.design.joined(g.name) or not g.correlated:
            continue
        cor = post.cor(g.name, p)
        for block in g.blocks:
            for i, j in combinations(sorted(block), 2):
                yield Component(g.name, label[i], label[j], "cor", cor[:, i, j], None, None, p)


def _across(post: Posterior, a: Across) -> Iterator[Component]:
    """Correlations of effects on one parameter and on several."""
    cor = post.stacked(names.cor(a.name))
    owner = [p for p, g in a.members for _ in g.terms]
    for block in a.blocks:
        for i, j in combinations(sorted(block), 2):
            of = ", ".join(dict.fromkeys((owner[i], owner[j])))
            yield Component(a.name, a.terms[i], a.terms[j], "cor", cor[:, i, j], None, None, of)


def shares(post: Posterior, found: list[Component]) -> Floats:
    """(K,) posterior mean of each sd's part over group and residual variance; NaN of others."""
    if post.design.several is not None:
        known = _shares_by_response(post)
        of_sds = ((c.group, c.term) if c.kind == "sd" else None for c in found)
        return np.array([np.nan if key is None else known.get(key, np.nan) for key in of_sds])
    if not post.design.mu.factors:
        return np.array([1.0 if c.part is not None else np.nan for c in found])
    if post.family.no_latent_variance:
        return np.full(len(found), np.nan)
    whole = post.by_set(_whole)
    return np.array([np.nan if c.part is None else ratio(c.part, whole).mean() for c in found])


def _whole(post: Posterior) -> Floats:
    """(S,) group and residual variance."""
    parts = components(post)
    return parts.random + parts.residual


def _shares_by_response(post: Posterior) -> dict[tuple[str, str | None], float]:
    """The share of each sd in the variance of its response, by grouping factor and label."""
    known: dict[tuple[str, str | None], float] = {}
    for name, own in each(post).items():
        found, groups = component_list(own), {g.name: g for g in own.design.mu.groups}
        for c, share in zip(found, shares(own, found), strict=True):
            label = name if c.term is None else names.label(name, c.term)
            group = c.group
            if (g := groups.get(group)) is not None and not several_terms.shared(g):
                group, label = several_terms.called(name, g), c.term or name
            if c.kind == "sd":
                known[group, label] = float(share)
    return known


@overload
def varcorr(
    post: Any, prob: float = 0.95, *, draws: Literal[False] = False, exponentiate: bool = False,
    statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame: ...  # fmt: skip


@overload
def varcorr(
    post: Any, prob: float = 0.95, *, draws: Literal[True], exponentiate: Literal[False] = False,
    statistics: Statistics = None, interval: Interval = "eti",
) -> xr.Dataset: ...  # fmt: skip


@overload
def varcorr(
    post: Any, prob: float = 0.95, *, draws: Literal[True], exponentiate: Literal[True],
    statistics: Statistics = None, interval: Interval = "eti",
) -> xr.DataArray: ...  # fmt: skip


@overload
def varcorr(
    post: Any, prob: float = 0.95, *, draws: bool, exponentiate: bool = False,
    statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame | xr.Dataset | xr.DataArray: ...  # fmt: skip


def varcorr(
    post: Posterior,
    prob: float = 0.95,
    *,
    draws: bool = False,
    exponentiate: bool = False,
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.Dataset | xr.DataArray:
    r"""Standard deviations and correlations of the group effects, and the residual sd.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the interval.
    draws
        Return the draws instead: a Dataset with `sd_<group>`, `cor_<group>` and `sigma`.
    exponentiate
        The sds as median odds ratios instead (or rate, hazard ratios, ratios of means) between two
        levels drawn at random, see `mixedbayes.results.ratios.varcorr_ratios`.
    statistics
        Columns in the place of mean, sd, lower and upper, by name: "mean", "sd", "median", "mad",
        "prob_positive", "mcse", "ess_tail"; see `mixedbayes.results.tables.Description`.
    interval
        "eti": equal tails; "hdi": highest density, the shortest.

    Returns
    -------
    DataFrame
        One row per quantity, all on the link scale:

        - parameter: whose effects these are; only where further parameters of the family have
          formulas. Of effects that an id correlates across parameters ("mu, sigma") the
          correlations stand after the sds of all;
        - group: the grouping factor, or "Residual";
        - term: the effect;
        - term2: the other one of a correlation, else missing;
        - kind: "sd", "cor", or "range";
        - mean, sd: posterior mean and standard deviation;
        - lower, upper: ends of the interval of probability `prob`;
        - ess_bulk, rhat: effective number of draws, and agreement of the chains, 1.00 where they
          agree;
        - variance: posterior mean of the sd's square;
        - share: posterior mean of the part of the group and residual variance together that an
          effect has by itself, averaged over the rows of the data: sd_t^2 mean(z_t^2). A
          correlation has neither variance nor share, NaN: what two effects have in common, 2 cov_st
          mean(z_s z_t), is no part of one of them, and may be negative. Without correlations the
          shares add up to 1, less the residual part of a family that has no sigma.

        Where a structure says how the effects of the levels of a variable are correlated, what it
        has stands in the place of all pairs: the variable is `term`, and `term2` is "all pairs" of
        cs(), "lag 1" of ar1(), "lag 1", "lag 2", ... of toep(), in units of the variable; of ou()
        the row's kind is "range", the distance of times whose effects have the correlation exp(-1).
        Where all effects have one sd it has one row. All correlations, as a matrix, are in
        ``fit.posterior.cor(group)``. Correlations of residuals are rows of the group "Residual", in
        the same words: "visit" and "lag 1", or "visit[1]" and "visit[2]".

    Raises
    ------
    ModelError
        Where exp() of an effect is no ratio, or there are no group effects to give as ratios; or
        `prob`, a statistic or the interval is not known.

    See Also
    --------
    icc : Shares of variance between groups.
    ranef : The effects of each level.
    plot_varcorr : The picture.
    plot_priors : Beside their priors.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.varcorr()
          group       term term2 kind    mean     sd   lower  upper ess_bulk   rhat variance  \
    0   Subject  Intercept   NaN   sd   31.00  7.491   19.08  48.62     3539 0.9996     1017
    1   Subject       Days   NaN   sd   6.112  1.312   3.971  9.038     3866  1.001    39.08
    2   Subject  Intercept  Days  cor -0.1133 0.2783 -0.6205 0.4418     3646 0.9998      NaN
    3  Residual        NaN   NaN   sd   25.74  1.525   22.97  28.90     4034  1.000    665.0
    <BLANKLINE>
       share
    0 0.4009
    1 0.4454
    2    NaN
    3 0.2780

    Subjects differ by an sd of 31 ms on day 0, and by one of 6 ms a day in their slopes. Median
    odds ratios between two herds drawn at random:

    >>> import mixedbayes as mb
    >>> herds = mb.load_data("cbpp")
    >>> formula = "incidence | trials(size) ~ period + (1 | herd)"
    >>> fit = mb.fit(formula, herds, family="binomial", seed=1)
    >>> fit.varcorr(exponentiate=True)
      group       term median odds ratio lower upper ess_bulk  rhat
    0  herd  Intercept             1.955 1.421 3.141     7054 1.002
    """
    how = Description.asked(prob, statistics, interval)
    if exponentiate:
        return varcorr_ratios(post, prob, draws=draws, statistics=statistics, interval=interval)
    if draws:
        return post.draws[_variables(post)]
    found = component_list(post)
    columns = {
        "group": pd.Series([c.group for c in found], dtype="str"),
        "term": pd.Series([c.term for c in found], dtype="str"),
        "term2": pd.Series([c.term2 for c in found], dtype="str"),
        "kind": pd.Series([c.kind for c in found], dtype="str"),
    }
    values = np.stack([c.value for c in found], axis=1) if found else np.zeros((post.n_draws, 0))
    table = pd.DataFrame({**columns, **how.sampled(chained(values, post.shape[0]))})
    table["variance"] = [np.nan if c.variance is None else c.variance.mean() for c in found]
    table["share"] = shares(post, found)
    if post.design.further:
        owners = [names.owner(c.parameter) for c in found]
        table.insert(0, "parameter", pd.Series(owners, dtype="str"))
    return table


def _variables(post: Posterior) -> list[str]:
    found = []
    for predictor in post.predictors:
        for g in predictor.factors:
            found.append(names.sd(g.name, predictor.parameter))
            found += [names.law(n, g.name, predictor.parameter) for n in g.law.estimated]
            if g.correlated and not post.design.joined(g.name):
                found.append(names.cor(g.name, predictor.parameter))
    found += [names.cor(a.name) for a in post.design.across]
    own = [names.SIGMA] if post.family.residual else []
    found += [name for name in post.parameters() if name in own]
    return found + ([] if post.design.residual is None else [*post.design.residual.symbols])
