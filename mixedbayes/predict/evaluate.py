"""Draws of what a prediction is about, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.errors import DataError, ModelError
from mixedbayes.families.base import Family, Values
from mixedbayes.families.links import Identity, Inverse, Link, Log
from mixedbayes.predict.linear import Predictor
from mixedbayes.predict.progress import Block
from mixedbayes.predict.quadrature import population_mean
from mixedbayes.predict.question import Question
from mixedbayes.predict.rows import PredictionRows
from mixedbayes.predict.streams import ROWS, stream
from mixedbayes.results.posterior import Posterior


def evaluation(
    post: Posterior,
    rows: PredictionRows,
    question: Question,
    linear: Predictor,
    seed: int,
    others: Mapping[str, Predictor] | None = None,
) -> Callable[[Block], Floats]:
    """Draws (r, S) of what is asked for, as a function of the block of rows.

    Of the mean of ordered categories (r, K, S): their probabilities. `others` are the predictors
    of further parameters, where the answer depends on them.

    Raises
    ------
    DataError, ModelError
        The rows do not say all that the answer depends on; see `predict`.
    """
    _check(post, rows, question)
    family, others, shared = post.family, others or {}, post.parameters()
    ordinal = family.categories(post.design) is not None
    mean = family.probabilities if ordinal else family.expectation

    def of_rows(at: slice, rng: np.random.Generator) -> Values:  # (S,), or (S, r)
        found = dict(shared)
        for name, own in others.items():
            h, variance = own.eta(at), own.variance(at)
            if variance is not None:
                h += np.sqrt(variance) * rng.standard_normal(h.shape)
            found[name] = family.parameter_link(name).inverse(h, np).T
        return found

    def response(eta: Floats, block: Block, parameters: Values, rng: np.random.Generator) -> Floats:
        weights = None if rows.weights is None else rows.weights[block[1]]
        trials = None if rows.trials is None else rows.trials[block[1]]
        mu = family.inverse(eta, np)
        drawn = family.simulate(mu, parameters, rng, weights=weights, trials=trials)
        return family.reported(drawn)

    def evaluate(block: Block) -> Floats:
        number, at = block
        eta, variance = linear.eta(at), linear.variance(at)
        rng = stream(seed, ROWS, number)
        parameters = of_rows(at, rng)

        def expected(eta: Floats) -> Floats:  # (S, r) or (S, r, K), as families have it
            return mean(family.inverse(eta, np), parameters)

        if variance is not None:
            if question.treatment != "integrated" or question.kind == "response":
                eta += np.sqrt(variance) * rng.standard_normal(eta.shape)
            elif question.kind == "mean" and _is_plain(family, Log):
                return np.exp(eta + variance / 2)
            elif question.kind == "mean" and not _is_plain(family, Identity):
                return np.moveaxis(population_mean(expected, eta.T, variance.T), 0, -1)
        if question.kind == "linear":
            return eta
        if question.kind == "mean":
            return np.moveaxis(expected(eta.T), 0, -1)
        return response(eta.T, block, parameters, rng).T

    return evaluate


def depends_on_parameters(question: Question, family: Family) -> bool:
    """Whether the answer depends on the family's parameters, besides the linear predictor."""
    mean = type(family).expectation is not Family.expectation
    return question.kind == "response" or (question.kind == "mean" and mean)


def _is_plain(family: Family, link: type[Link]) -> bool:
    """Whether the expectation is the linear predictor through this link, and no more."""
    plain = type(family).expectation is Family.expectation
    return plain and type(family).inverse is Family.inverse and isinstance(family.link, link)


def _check(post: Posterior, rows: PredictionRows, question: Question) -> None:
    family, response = post.family, post.design.formula.response
    if question.kind == "response":
        if response.trials is not None and rows.trials is None:
            _lacking(f"trials({response.trials})")
        if response.weights is not None and rows.weights is None and not family.repeats_rows:
            _lacking(f"weights({response.weights})")
    averaged = question.treatment == "integrated" and question.kind == "mean" and question.factors
    if averaged and depends_on_parameters(question, family):
        for name, predictor in post.design.others.items():
            if any(g.name in question.factors for g in predictor.groups):
                raise ModelError(
                    f'groups="average" has no answer here: the mean of the {family.name} family '
                    f"grows so fast with {name} that its average over normal group effects on "
                    f'{name} is infinite; use groups="typical"'
                )
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
