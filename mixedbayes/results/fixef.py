"""Population effects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import chained, describe, labelled

Floats = NDArray[np.float64]


def fixef_draws(post: Posterior) -> tuple[list[str], Floats]:
    """Names (K,) and draws (S, K) of all population effects, each predictor's intercept first."""
    terms: list[str] = []
    columns = [np.zeros((post.n_draws, 0))]
    for predictor in post.predictors:
        p = predictor.parameter
        if predictor.intercept:
            terms.append(names.intercept(p))
            columns.append(post.intercept(p)[:, None])
        terms += [names.prefix(p) + term for term in predictor.terms]
        columns.append(post.fixef(p))
    return terms, np.concatenate(columns, axis=1)


def fixef(post: Posterior, prob: float = 0.95, *, draws: bool = False) -> Any:
    """Population effects, on the link scale.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the equal-tailed interval.
    draws
        Return the draws instead: a DataArray with dimensions (chain, draw, term).

    Returns
    -------
    DataFrame with one row per effect: term, mean, sd, lower, upper, ess_bulk, rhat. `Intercept` is
    the value where every predictor is zero. Effects on a further parameter of the family carry its
    name, `sigma_Intercept`, and the table then has a column `parameter`: "mu", "sigma".
    """
    terms, values = fixef_draws(post)
    chains = post.shape[0]
    if draws:
        return labelled(values, chains, [names.TERM], {names.TERM: terms}, names.FIXEF)
    table = describe(chained(values, chains), prob)
    found = pd.DataFrame({names.TERM: pd.Series(terms, dtype="str"), **table})
    if post.design.further:
        found.insert(0, "parameter", pd.Series(_parameters(post), dtype="str"))
    return found


def _parameters(post: Posterior) -> list[str]:
    """(K,) the parameter that each population effect belongs to."""
    return [p.parameter for p in post.predictors for _ in range(p.intercept + len(p.terms))]
