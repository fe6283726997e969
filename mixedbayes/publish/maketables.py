"""What the package maketables asks of a model, for `maketables.ETable([fit1, fit2])`.

Its coefficients are the population effects, b the posterior mean, se the posterior sd, ci95l and
ci95u an equal-tailed interval; there are no p-values, so no stars. The statistics below them are
the group effects' standard deviations and correlations, further parameters, counts, ICC, R2 and
elpd, each as mean and, in parentheses, sd. Protocol: PLUGIN_EXTRACTOR_FORMAT.md of maketables.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.publish import digits as rounding
from mixedbayes.publish.digits import Asked
from mixedbayes.publish.entries import (
    FURTHER,
    GROUPS,
    MOST_CELLS,
    POPULATION,
    Entry,
    column,
)
from mixedbayes.publish.layout import Labels, label_of
from mixedbayes.results.fixef import fixef
from mixedbayes.results.posterior import Posterior

ELPD = "elpd (leave-one-out)"
_COMMON = {"N": "Rows", "r2_marginal": "R², marginal", "r2_conditional": "R², conditional"}


def coef_table(post: Posterior) -> pd.DataFrame:
    """Population effects by name: b, se, t and p (missing), the 95 % interval, P(> 0), health."""
    found = fixef(post, statistics=["mean", "sd", "lower", "upper", "median", "prob_positive"])
    table = found.set_index("term").rename(
        columns={"mean": "b", "sd": "se", "lower": "ci95l", "upper": "ci95u"}
    )
    table.index.name = "Coefficient"
    table = table.drop(columns="parameter", errors="ignore")
    table.insert(2, "t", np.nan)
    table.insert(3, "p", np.nan)
    return table


def depvar(post: Posterior) -> str:
    """The response as the formula has it."""
    return post.design.response


def vcov_info(post: Posterior) -> dict[str, Any]:
    """What stands behind se."""
    return {"vcov_type": "posterior sd", "clustervar": None}


def default_stat_keys(post: Posterior) -> list[str]:
    """Which statistics a table shows where none are named; elpd where it does not take long."""
    quick = post.design.n * post.n_draws <= MOST_CELLS
    return [*_known(post), *([ELPD] if quick and _elpd(post) else [])]


def stat_labels(post: Posterior) -> dict[str, str]:
    """Texts of the statistics whose keys are short; the other keys are texts."""
    return dict(_COMMON)


def stat(post: Posterior, key: str) -> Any:
    """A statistic as text, counts as numbers; None where the model does not have it.

    Parameters
    ----------
    post
        The posterior.
    key
        One of `default_stat_keys`; "r2", which is conditional where there are group effects; or
        "elpd".
    """
    known = _known(post)
    if key == "r2":
        return known.get("r2_conditional", known.get("r2_marginal"))
    if key in (ELPD, "elpd"):
        return _elpd(post)
    return known.get(key)


def _known(post: Posterior) -> dict[str, Any]:
    return post.once("maketables", lambda: _statistics(post))


def _elpd(post: Posterior) -> Any:
    own = _column(post, ("elpd",))
    return next((_text(e) for e in own.entries if e.score is not None), None)


def _column(post: Posterior, statistics: tuple[str, ...]) -> Any:
    return column(
        "", post, Asked(), ratios=False, statistics=statistics, named=True, progress=False
    )


def _statistics(post: Posterior) -> dict[str, Any]:
    own = _column(post, ("rows", "levels", "icc", "r2"))
    labels = Labels({})
    found = {}
    for e in own.entries:
        if e.key.section in (POPULATION, FURTHER) or (e.key.kind == "icc" and e.key.terms):
            continue
        if e.key.kind == "rows":
            key = "N"
        elif e.key.kind == "r2" and e.key.parameter == "mu":
            key = f"r2_{e.key.heading}"
        elif e.key.kind == "parameter":  # in the same words, whatever the family
            key = " ".join(e.key.terms)
        else:
            label = label_of(e.key, [own], labels, True)
            key = f"{e.key.heading}: {label}" if e.key.section == GROUPS else label
        found[key] = _text(e)
    return found


def _text(entry: Entry) -> Any:
    if entry.count is not None:
        return entry.count
    if entry.score is not None:
        value, spread, places = *entry.score, rounding.places(entry.score[1], 0.0)
    elif entry.numbers is not None:
        value, spread = entry.numbers.estimate, entry.numbers.sd
        places = rounding.places(spread, entry.numbers.errors[0])
    return f"{rounding.number(value, places)} ({rounding.number(spread, places)})"
