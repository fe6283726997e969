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
    DataFrame with one row per quantity, on the link scale: table, quantity, the statistics, lower,
    upper, ess_bulk, rhat. `table` is the method that has more about the quantity: "varcorr"
    (`sd_Subject[Days]`, `cor_Subject[Intercept, Days]`, `sigma`; of effects on another parameter
    `sd_sigma_Subject[Intercept]`, as `draws` and `hypothesis` have it), "fixef" (`Intercept`),
    "parameters" (`nu`, `thresholds[1|2]`), "icc" (`icc[Subject, adjusted]`) or "r2"
    (`r2[marginal]`). The effects of each level are in `ranef` and `coef`, which take the same
    statistics. `attrs["note"]` says what a reader of icc and r2 has to know, as that they are of a
    truncated response before truncation, and which parameters have no mean, see `parameters`.

    Raises
    ------
    ModelError
        If a statistic, the interval or `prob` is not known.

    Examples
    --------
    >>> fit.describe(["mean", "median", "mad"], interval="hdi", prob=0.89)  # doctest: +SKIP
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
