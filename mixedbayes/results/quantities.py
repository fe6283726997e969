"""Every quantity of the summary in one table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from mixedbayes import names
from mixedbayes.results.fixef import OF_MOMENTS, family_parameters, fixef
from mixedbayes.results.icc import icc
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.r2 import r2
from mixedbayes.results.tables import Asked, Description, Interval, Statistics, noted
from mixedbayes.results.tails import mean_note, without_mean
from mixedbayes.results.varcorr import RESIDUAL, Component, component_list, varcorr
from mixedbayes.results.variance import has_shares, shares_note


def quantities(
    post: Posterior,
    statistics: Statistics = None,
    interval: Interval = "eti",
    prob: float = 0.95,
) -> pd.DataFrame:
    """Every quantity of the summary in one table, by statistics of your choice.

    Parameters
    ----------
    post
        The posterior.
    statistics
        Columns by name: "mean", "sd", "median", "mad", "lower", "upper", "prob_positive", "mcse",
        "ess_bulk", "ess_tail", "rhat"; mean and sd by default. The interval comes after them,
        unless its ends are among them. See `mixedbayes.results.tables.Description`.
    interval
        "eti": equal tails; "hdi": highest density, the shortest.
    prob
        Probability of the interval.

    Returns
    -------
    DataFrame
        One row per quantity, on the link scale:

        - table: the method that has more about the quantity, "varcorr", "fixef", "parameters",
          "icc" or "r2";
        - quantity: its name, as `draws` and `hypothesis` have it: `sd_Subject[Days]`,
          `cor_Subject[Intercept, Days]`, `sigma`, of effects on another parameter
          `sd_sigma_Subject[Intercept]`; `Intercept`; `nu`, `thresholds[1|2]`; `icc[Subject,
          adjusted]`; `r2[marginal]`;
        - mean, sd: posterior mean and standard deviation, or the statistics that were asked for;
        - lower, upper: ends of the interval of probability `prob`;
        - ess_bulk: effective number of draws in the bulk of the distribution; 400 and more are
          enough for the mean;
        - rhat: 1.00 where the chains agree; above 1.01 they do not yet.

        The effects of each level are in `ranef` and `coef`, which take the same statistics.
        `attrs["note"]` says what a reader of icc and r2 has to know, as that they are of a
        truncated response before truncation, and which parameters have no mean, see `parameters`.

    Raises
    ------
    ModelError
        If a statistic, the interval or `prob` is not known.

    See Also
    --------
    summary : The same to read.
    draws : Their draws.
    hypothesis : Statements about them, by the same names.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.describe(["mean", "median", "mad"], interval="hdi", prob=0.89)
         table                      quantity    mean  median     mad   lower  upper ess_bulk  rhat
    0  varcorr         sd_Subject[Intercept]   31.03   30.09   4.960   19.12  41.92     3581 1.001
    1  varcorr              sd_Subject[Days]   6.145   5.984  0.8313   4.073  8.065     3862 1.001
    2  varcorr  cor_Subject[Intercept, Days] -0.1142 -0.1254  0.1946 -0.5715 0.3227     4031 1.004
    3  varcorr                         sigma   25.81   25.74   1.002   23.33  28.06     5031 1.001
    4    fixef                     Intercept   251.4   251.4   5.405   238.3  263.9     4024 1.001
    5    fixef                          Days   10.42   10.44   1.053   7.983  13.03     4059 1.000
    6      icc        icc[Subject, adjusted]  0.7219  0.7241 0.04327  0.6138 0.8270     3635 1.002
    7      icc      icc[Subject, unadjusted]  0.5291  0.5260 0.05949  0.3930 0.6754     3661 1.001
    8       r2                  r2[marginal]  0.2707  0.2703 0.05195  0.1544 0.3887     3918 1.001
    9       r2               r2[conditional]  0.7998  0.8016 0.02735  0.7343 0.8633     3657 1.001
    """
    how = Description.asked(prob, statistics, interval)
    columns = list(how.columns)
    tables = list(_named(post, how))
    health = [c for c in tables[0] if c in ("ess_bulk", "rhat") and c not in columns]
    shown = ["table", "quantity", *columns, *health]
    found = pd.concat([table[shown] for table in tables], ignore_index=True)
    heavy = without_mean(post) if how.needs(*OF_MOMENTS) else {}
    notes = (mean_note(heavy, list(heavy)), shares_note(post))
    return noted(found, " ".join(filter(None, notes)))


def _named(post: Posterior, how: Description) -> Iterator[pd.DataFrame]:
    asked: Asked = {"prob": how.prob, "statistics": how.columns, "interval": how.interval}
    spread = varcorr(post, **asked)
    yield _with_names(spread, "varcorr", [_variable(post, c) for c in component_list(post)])
    effects = fixef(post, **asked)
    yield _with_names(effects, "fixef", effects["term"])
    own = family_parameters(post, **asked)
    elements = own["element"].map(lambda e: "" if pd.isna(e) else f"[{e}]").astype("str")
    yield _with_names(own, "parameters", own["parameter"] + elements)
    if not has_shares(post):
        return
    if post.design.mu.factors:
        between = icc(post, **asked)
        yield _with_names(between, "icc", "icc[" + between["group"] + ", " + between["kind"] + "]")
    explained = r2(post, **asked)
    if not post.design.mu.factors:
        explained = explained[explained["kind"] == "marginal"]
    yield _with_names(explained, "r2", "r2[" + explained["kind"] + "]")


def _with_names(table: pd.DataFrame, name: str, labels: Iterable[str]) -> pd.DataFrame:
    of = pd.Series([name] * len(table), index=table.index, dtype="str")
    texts = pd.Series(list(labels), index=table.index, dtype="str")
    return table.assign(table=of, quantity=texts)


def _variable(post: Posterior, c: Component) -> str:
    """An sd or a correlation as `draws` names it; of a range `hypothesis` knows this name."""
    if c.name:
        return c.name
    if c.group == RESIDUAL and c.term is None:
        return names.SIGMA
    joined = c.kind == "cor" and post.design.joined(c.group)  # correlations across parameters
    p = names.MU if joined else c.parameter
    terms = [term.removeprefix(names.label(p, "")) for term in (c.term, c.term2) if term]
    return f"{c.kind}_{names.prefix(p)}{names.identifier(c.group)}[{', '.join(terms)}]"
