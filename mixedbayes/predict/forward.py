"""From parameters to responses: the steps that every simulation takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedbayes.design.limits import limits_of
from mixedbayes.design.types import Design, Floats, Ints, Residual
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family
from mixedbayes.families.limited import simulate
from mixedbayes.predict.rows import PredictionRows
from mixedbayes.terms.correlated_rows import coloured


def effects(u: Floats, sd: Floats, root: Floats) -> Floats:
    """(..., J, q) effects from standard normal u (..., J, q).

    Their covariance is D R D with D the sds (..., q) and R = root root', root (..., q, q).
    """
    return u @ np.swapaxes(root, -1, -2) * sd[..., None, :]


def responses(
    family: Family,
    data: Design | PredictionRows,
    eta: Floats,
    parameters: Mapping[str, Floats],
    rng: np.random.Generator,
    rows: slice | Ints = slice(None),
    remedy: str = 'kind="mean" has the means, and says in how many draws they are below 0',
    noise: Floats | None = None,
) -> Any:
    """(S, m) responses of some rows of the data, for linear predictors (S, m) of the mean.

    Of counts of K categories in several columns (S, m, K). `parameters` are the family's own,
    (S, ...) or (S, m). On the scale that `Family.simulate` has.
    None is censored; where the data are truncated, all are between the bounds. Of residuals that
    are correlated, `noise` (S, m) has them in units of each row's sd.

    Raises
    ------
    ModelError
        Under a link that does not keep it above 0, a mean is below; with a remedy besides another
        link.
    """
    totals = family.totals(data) if isinstance(data, Design) else data.trials
    with np.errstate(over="ignore"):  # a mean beyond all numbers is infinite
        mu = family.inverse(eta, np)
    if family.positive and (below := mu < 0).any():
        raise ModelError(
            f"{_below(family, below.any(axis=1), below.any(axis=0))}. Fit with the log link, which "
            f"does; {remedy}"
        )
    weights = None if data.weights is None else data.weights[rows]
    if noise is not None:
        return mu + np.sqrt(family.variance(mu, parameters, weights=weights)) * noise
    if isinstance(data, Design) and data.residual is not None:
        raise NotImplementedError("residuals are correlated, and responses() has no noise")
    return simulate(
        family,
        mu,
        parameters,
        rng,
        limits=limits_of(data, rows),
        weights=weights,
        trials=None if totals is None else totals[rows],
    )


def correlated_noise(
    own: Residual | None, draws: Mapping[str, Floats], size: int, rng: np.random.Generator
) -> Floats | None:
    """(S, n) residuals of rows in units of their sds, drawn together; None of independent ones.

    `draws` are those of the parameters of the correlations, (S, ...) by name, S = `size`.
    """
    if own is None:
        return None
    return coloured(own, draws, rng.standard_normal((size, len(own.refs))))


def impossible(family: Family, draws: NDArray[Any], rows: NDArray[Any]) -> str:
    """That some means are below 0 where the family has none; empty where there are none.

    draws
        (S,) whether any mean of a draw is.
    rows
        (m,) whether any draw of a row's mean is.
    """
    if not rows.any():
        return ""
    return f"I{_below(family, draws, rows)[1:]}."


def _below(family: Family, draws: NDArray[Any], rows: NDArray[Any]) -> str:
    return (
        f"in {np.count_nonzero(draws):,} of {len(draws):,} draws and {np.count_nonzero(rows):,} of "
        f"{len(rows):,} rows the mean is below 0, where the {family.name} family has none: the "
        f"{family.link.name} link does not keep it above"
    )
