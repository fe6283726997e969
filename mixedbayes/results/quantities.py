"""Every quantity of the summary in one table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from mixedbayes.results.fixef import OF_MOMENTS, family_parameters, fixef
from mixedbayes.results.icc import icc
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.r2 import r2
from mixedbayes.results.tables import Asked, Description, Interval, Statistics, noted
from mixedbayes.results.tails import mean_note, without_mean
from mixedbayes.results.varcorr import RESIDUAL, varcorr
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
    (`sd_Subject[Days]`, `cor_Subject[Intercept, Days]`, `sigma`), "fixef" (`Intercept`, `Days`),
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
    yield _with_names(spread, "varcorr", [_of_varcorr(row) for _, row in spread.iterrows()])
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


def _of_varcorr(row: pd.Series) -> str:
    if row["group"] == RESIDUAL and pd.isna(row["term"]):
        return "sigma"
    terms = row["term"] if pd.isna(row["term2"]) else f"{row['term']}, {row['term2']}"
    return f"{row['kind']}_{row['group']}[{terms}]"
