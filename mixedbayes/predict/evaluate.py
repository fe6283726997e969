"""Draws of what a prediction is about, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.errors import DataError, ModelError
from mixedbayes.families.base import Family
from mixedbayes.families.links import Identity, Inverse
from mixedbayes.predict.linear import Predictor
from mixedbayes.predict.progress import Block
from mixedbayes.predict.quadrature import population_mean
from mixedbayes.predict.question import Question
from mixedbayes.predict.rows import PredictionRows
from mixedbayes.predict.streams import ROWS, stream
from mixedbayes.results.posterior import Posterior


def evaluation(
    post: Posterior, rows: PredictionRows, question: Question, linear: Predictor, seed: int
) -> Callable[[Block], Floats]:
    """Draws (r, S) of what is asked for, as a function of the block of rows.

    Raises
    ------
    DataError, ModelError
        The rows do not say all that the answer depends on; see `predict`.
    """
    _check(post, rows, question)
    family, parameters = post.family, post.parameters()

    def expected(eta: Floats) -> Floats:  # (S, r), as families have it
        return family.expectation(family.inverse(eta, np), parameters)

    def response(eta: Floats, block: Block, rng: np.random.Generator) -> Floats:
        weights = None if rows.weights is None else rows.weights[block[1]]
        trials = None if rows.trials is None else rows.trials[block[1]]
        mu = family.inverse(eta, np)
        return family.simulate(mu, parameters, rng, weights=weights, trials=trials)

    def evaluate(block: Block) -> Floats:
        number, at = block
        eta, variance = linear.eta(at), linear.variance(at)
        rng = stream(seed, ROWS, number)
        if variance is not None:
            if question.treatment != "integrated" or question.kind == "response":
                eta += np.sqrt(variance) * rng.standard_normal(eta.shape)
            elif question.kind == "mean" and not _is_linear(family):
                return population_mean(expected, eta.T, variance.T).T
        if question.kind == "linear":
            return eta
        return (expected(eta.T) if question.kind == "mean" else response(eta.T, block, rng)).T

    return evaluate


def _is_linear(family: Family) -> bool:
    """Whether the expectation is the linear predictor itself."""
    plain = type(family).expectation is Family.expectation
    return plain and type(family).inverse is Family.inverse and isinstance(family.link, Identity)


def _check(post: Posterior, rows: PredictionRows, question: Question) -> None:
    family, response = post.family, post.design.formula.response
    if question.kind == "response":
        if response.trials is not None and rows.trials is None:
            _lacking(f"trials({response.trials})")
        if response.weights is not None and rows.weights is None and not family.repeats_rows:
            _lacking(f"weights({response.weights})")
    if question.kind != "linear" and post.design.others:
        raise ModelError(
            f"the response depends on {', '.join(post.design.others)}, which has a formula of its "
            'own, and new rows are read for the mean\'s formula alone; ask for kind="linear"'
        )
    averaged = question.treatment == "integrated" and question.kind == "mean" and question.factors
    if averaged and isinstance(family.link, Inverse):
        raise ModelError(
            'groups="average" has no answer with the inverse link: 1 / h has no mean where h is '
            'normal; use groups="typical", or fit with the log link'
        )


def _lacking(what: str) -> None:
    raise DataError(
        f"a new observation depends on {what}, and the new data lack its column(s); add them, or "
        'ask for kind="mean"'
    )
