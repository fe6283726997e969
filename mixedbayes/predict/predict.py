"""Predictions by question: what of the response, for which groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import Floats
from mixedbayes.errors import DataError, ModelError
from mixedbayes.predict.linear import Known, Predictor, predictor
from mixedbayes.predict.progress import watched
from mixedbayes.predict.quadrature import population_mean
from mixedbayes.predict.question import Groups, Kind, Question, ask
from mixedbayes.predict.rows import PredictionRows, prediction_rows
from mixedbayes.predict.streams import ROWS, seed_of, stream
from mixedbayes.results.moments import row_blocks
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import check_prob, describe_plain, labelled

# Rows of a block. Random numbers belong to blocks, so another size gives other draws.
BLOCK_ROWS = 64
MOST_BYTES = 2 * 10**9  # of the draws that are handed out

Block = Callable[[int, slice], Floats]  # number, rows -> (r, S)


@overload
def predict(
    post: Posterior,
    new: Any = None,
    *,
    groups: Groups = "auto",
    kind: Kind = "response",
    prob: float = 0.95,
    draws: Literal[False] = False,
    seed: int | None = None,
    progress: bool = True,
) -> pd.DataFrame: ...
@overload
def predict(
    post: Posterior,
    new: Any = None,
    *,
    groups: Groups = "auto",
    kind: Kind = "response",
    prob: float = 0.95,
    draws: Literal[True],
    seed: int | None = None,
    progress: bool = True,
) -> xr.DataArray: ...
def predict(
    post: Posterior,
    new: Any = None,
    *,
    groups: Groups = "auto",
    kind: Kind = "response",
    prob: float = 0.95,
    draws: bool = False,
    seed: int | None = None,
    progress: bool = True,
) -> pd.DataFrame | xr.DataArray:
    """Predict the rows of new data, with the uncertainty of all parameters.

    With h = Intercept + X fixef + offset + sum_k Z_k b_k the linear predictor, the kinds are

    - "response": a new observation, y ~ family(g^-1(h)); on the response scale. With trials it is
      the number of successes; with weights w a gaussian observation has the variance sigma^2 / w.
    - "mean": its expectation g^-1(h), on the response scale; with trials, per trial.
    - "linear": h itself, on the link scale.

    Parameters
    ----------
    post
        The posterior.
    new
        Data frame with the columns that the question needs, the response never among them; by
        default the rows of the fit.
    groups
        "auto": row by row, a level of the fit has its own effects, and a level that the fit has not
        seen draws its effects from the estimated population, N(0, Sigma), in every posterior draw.
        A new level within a known one, such as a new cask of a known batch, uses the known effects
        and draws its own. Rows that share a new label share its draw.
        "typical": every group effect is zero, as re.form = NA in lme4.
        "average": integrated over the population of groups. The mean is E[g^-1(h)], which for
        another link than the identity is not the mean of a typical group; the linear predictor is
        that of a typical group; a response comes from a group drawn for each row by itself.
        "new": as if every row belonged to a group never seen. Rows that share a label share its
        draw; a factor whose columns `new` lacks has a new level in every row.
        A list of grouping factors: as "auto" for these; the effects of all others are zero, as with
        re.form in lme4 and re_formula in brms.
    kind
        "response", "mean" or "linear".
    prob
        Probability of the equal-tailed interval.
    draws
        Return the draws instead: a DataArray (chain, draw, obs).
    seed
        Of new levels and new observations; by default the fit's own, so that the same call gives
        the same answer. With one seed a new label has the same effects in every call.
    progress
        Show the progress of large predictions.

    Returns
    -------
    DataFrame with one row per row of new data, under its index: mean, sd, lower, upper. A mean of
    kind "response" has a Monte Carlo error of sd / sqrt(number of draws); use kind="mean" for the
    expectation itself.

    Raises
    ------
    DataError
        The new data lack a column, or one is of another type, has missing values or an unknown
        category; each is named.
    ModelError
        `groups`, `kind`, `prob` or `seed` is not understood; rows have levels of the fit of which
        only summaries were kept; draws would take more than 2 GB.
    """
    return predict_given(
        post, new, {}, groups=groups, kind=kind, prob=prob, draws=draws, seed=seed,
        progress=progress,
    )  # fmt: skip


def predict_given(
    post: Posterior,
    new: Any,
    known: Mapping[str, Known],
    *,
    groups: Groups,
    kind: Kind,
    prob: float,
    draws: bool,
    seed: int | None,
    progress: bool,
) -> pd.DataFrame | xr.DataArray:
    """`predict`, where the effects of some levels beyond the fit's are known by draws."""
    check_prob(prob)
    question = ask(post.design, groups, kind)
    number = seed_of(post, seed)
    rows = prediction_rows(post.design, new, question)
    if kind == "response":
        _check_response(post, rows)
    if draws:
        _check_size(rows.n, post.n_draws)
    linear = predictor(post, rows, number, known if question.treatment == "own" else {})
    block = _blocks(post, rows, question, linear, number)
    parts = watched(_slices(rows.n), rows.n, post.n_draws, wanted=progress)
    return _draws(post, rows, block, parts) if draws else _table(rows, block, parts, prob)


def _blocks(
    post: Posterior, rows: PredictionRows, question: Question, linear: Predictor, seed: int
) -> Block:
    """Draws of what is asked for, as a function of the rows."""
    family, parameters = post.family, post.parameters()
    averaged = question.treatment == "integrated"

    def block(number: int, at: slice) -> Floats:
        rng = stream(seed, ROWS, number)
        eta, variance = linear.eta(at), linear.variance(at)
        if averaged and variance is not None and question.kind == "mean":
            return population_mean(family.link, eta, variance)
        if variance is not None and not (averaged and question.kind == "linear"):
            eta += np.sqrt(variance) * rng.standard_normal(eta.shape)
        if question.kind == "linear":
            return eta
        mu = family.link.inverse(eta, np)
        if question.kind == "mean":
            return mu
        weights = None if rows.weights is None else rows.weights[at]
        trials = None if rows.trials is None else rows.trials[at]
        return family.simulate(mu.T, parameters, rng, weights=weights, trials=trials).T

    return block


def _slices(n: int) -> list[tuple[int, slice]]:
    return list(enumerate(row_blocks(n, BLOCK_ROWS)))


def _table(
    rows: PredictionRows, block: Block, parts: Iterator[tuple[int, slice]], prob: float
) -> pd.DataFrame:
    columns = {name: np.empty(rows.n) for name in ("mean", "sd", "lower", "upper")}
    for number, at in parts:
        values = block(number, at)
        for name, column in describe_plain(values, prob).items():
            columns[name][at] = column
    return pd.DataFrame(columns, index=rows.index)


def _draws(
    post: Posterior, rows: PredictionRows, block: Block, parts: Iterator[tuple[int, slice]]
) -> xr.DataArray:
    values = np.empty((post.n_draws, rows.n))
    for number, at in parts:
        values[:, at] = block(number, at).T
    usable = rows.index.is_unique and rows.index.nlevels == 1
    labels = rows.index.to_numpy() if usable else np.arange(rows.n)
    return labelled(values, post.shape[0], [names.OBS], {names.OBS: labels}, "prediction")


def _check_size(rows: int, draws: int) -> None:
    size = 8 * rows * draws
    if size > MOST_BYTES:
        raise ModelError(
            f"{rows:,} rows x {draws:,} draws would take {size / 1e9:,.1f} GB, more than "
            f"{MOST_BYTES / 1e9:.0f} GB; ask for fewer rows at a time, or for the table with "
            "draws=False, which is made in small blocks of rows"
        )


def _check_response(post: Posterior, rows: PredictionRows) -> None:
    """What the distribution of a new observation needs besides its mean."""
    response = post.design.formula.response
    for what, text, column in (
        ("trials", response.trials, rows.trials),
        ("weights", response.weights, rows.weights),
    ):
        if text is not None and column is None:
            raise DataError(
                f"a new observation depends on {what}({text}), and the new data lack its "
                'column(s); add them, or ask for kind="mean"'
            )
    if post.design.others:
        raise ModelError(
            f"a new observation depends on {', '.join(post.design.others)}, which has a formula of "
            'its own, and new rows are read for the mean alone; ask for kind="mean"'
        )
