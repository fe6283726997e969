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
    r"""Every quantity of the summary in one table, by statistics of your choice.

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
         table                      quantity    mean  median     mad   lower  upper ess_bulk  \
    0  varcorr         sd_Subject[Intercept]   31.00   30.08   4.617   19.60  42.07     3539
    1  varcorr              sd_Subject[Days]   6.112   5.954  0.8426   4.087  8.075     3866
    2  varcorr  cor_Subject[Intercept, Days] -0.1133 -0.1210  0.1934 -0.5637 0.3285     3646
    3  varcorr                         sigma   25.74   25.66   1.029   23.48  28.28     4034
    4    fixef                     Intercept   251.4   251.4   5.409   238.3  264.5     3822
    5    fixef                          Days   10.42   10.44   1.046   7.749  12.84     4125
    6      icc        icc[Subject, adjusted]  0.7220  0.7240 0.04575  0.6188 0.8285     3737
    7      icc      icc[Subject, unadjusted]  0.5285  0.5261 0.06070  0.3865 0.6725     3837
    8       r2                  r2[marginal]  0.2715  0.2710 0.05038  0.1543 0.3894     3947
    9       r2               r2[conditional]  0.8000  0.8011 0.02828  0.7356 0.8667     3637
    <BLANKLINE>
        rhat
    0 0.9996
    1  1.001
    2 0.9998
    3  1.000
    4  1.001
    5  1.000
    6  1.001
    7  1.000
    8  1.000
    9 0.9998
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
