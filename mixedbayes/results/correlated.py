"""Rows of a fit whose residuals are correlated: in units of their sds, white, given one another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mixedbayes.design.types import Ints, Residual
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.predictors import linear_predictor, response_sd
from mixedbayes.terms import correlated_rows

Floats = NDArray[np.float64]
_LOG_2_PI = float(np.log(2 * np.pi))


def structure(post: Posterior) -> Residual:
    """The structure of the residuals of a fit that has one."""
    assert post.design.residual is not None
    return post.design.residual


def row_sds(post: Posterior, rows: Ints) -> Floats:
    """(S, m) residual sd of some rows."""
    return response_sd(post, rows).T


def standardised(post: Posterior, rows: Ints) -> tuple[Floats, Floats]:
    """Residuals (S, m) of some rows in units of their sds, and these."""
    sd = row_sds(post, rows)
    return (post.design.y[rows] - linear_predictor(post, rows).T) / sd, sd


def whitened(post: Posterior, rows: Ints) -> tuple[Floats, Floats]:
    """Residuals (S, m) of some rows given those before them in their group, in units of their sd.

    And log densities (S, m) of the rows given these; the sum over a group's rows is that of its
    rows together. `rows` are those of whole groups.
    """
    e, sd = standardised(post, rows)
    own = structure(post).take(rows)
    white, logs = correlated_rows.whitened(own, post.correlations(), e)
    return white, -0.5 * (white**2 + _LOG_2_PI) - logs - np.log(sd)


def given_others(post: Posterior, rows: Ints) -> tuple[Floats, Floats]:
    """Mean and sd (S, m) of some rows given all other rows of their groups and the effects."""
    every = structure(post).of_groups(rows)
    e, sd = standardised(post, every)
    own = structure(post).take(every)
    mean, left = correlated_rows.conditional(own, post.correlations(), e)
    at = np.searchsorted(every, rows)
    eta = linear_predictor(post, rows).T
    return eta + sd[:, at] * mean[:, at], sd[:, at] * left[:, at]


def log_density(y: Floats, mean: Floats, sd: Floats) -> Floats:
    """Normal log density."""
    return -0.5 * (((y - mean) / sd) ** 2 + _LOG_2_PI) - np.log(sd)


def given_kept(post: Posterior, rows: Ints, kept: NDArray[np.bool_]) -> Floats:
    """(S, m) log density of some rows, each given those rows of its group that are kept (n,)."""
    own, out = structure(post), np.empty((post.n_draws, len(rows)))
    order = np.argsort(own.refs, kind="stable")
    starts = np.searchsorted(own.refs[order], np.arange(own.refs.max() + 2))
    for k, row in enumerate(rows):
        group = order[starts[own.refs[row]] : starts[own.refs[row] + 1]]
        some = np.sort(np.append(group[kept[group] & (group != row)], row))
        e, sd = standardised(post, some)
        mean, left = correlated_rows.conditional(own.take(some), post.correlations(), e)
        at = int(np.searchsorted(some, row))
        scale = sd[:, at] * left[:, at]
        out[:, k] = log_density(e[:, at] * sd[:, at], mean[:, at] * sd[:, at], scale)
    return out


def white(post: Posterior, rows: Ints, r: Floats, A: Floats) -> tuple[Floats, Floats, Floats]:
    """r (S, m) and A (S, m, D) times the inverse of a root of the residuals' covariance.

    And the log determinant (S,) of that root. `rows` are those of whole groups.
    """
    own = post.design.residual
    if own is None:
        return whitened_columns(None, {}, row_sds(post, rows), r, A)
    return whitened_columns(own.take(rows), post.correlations(), row_sds(post, rows), r, A)


def whitened_columns(
    own: Residual | None, draws: Mapping[str, Floats], sd: Floats, r: Floats, A: Floats
) -> tuple[Floats, Floats, Floats]:
    """The same for sds (S, m), and correlations or none."""
    both = np.concatenate([r[:, :, None], A], axis=2) / sd[:, :, None]
    log_root = np.log(sd).sum(axis=1)
    if own is not None:
        both, logs = correlated_rows.whitened(own, draws, both)
        log_root = log_root + logs.sum(axis=1)
    return both[:, :, 0], both[:, :, 1:], log_root
