"""Draws of what a prediction is about, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from scipy import special

from mixedbayes.design.original import Original
from mixedbayes.design.types import Floats
from mixedbayes.errors import DataError, ModelError
from mixedbayes.families.base import Family, Values
from mixedbayes.families.links import Identity, Inverse, Link, Log
from mixedbayes.numerics.threads import available_cores, one_blas_thread
from mixedbayes.predict.forward import responses
from mixedbayes.predict.linear import Predictor
from mixedbayes.predict.question import Question
from mixedbayes.predict.rows import PredictionRows
from mixedbayes.predict.streams import ROWS, stream
from mixedbayes.progress import display
from mixedbayes.results.posterior import Posterior

# ---- blocks, on several threads ----------------------------------------------------------------
# Blocks have random streams of their own, so that the order in which they are done plays no role.


Block = tuple[int, slice]  # number, rows

LARGE: Final = 10**8  # rows x draws from which a prediction takes more than a few seconds
MOST_THREADS: Final = 4  # NumPy lets go of the interpreter in what takes time here


def run(blocks: Sequence[Block], work: Callable[[Block], Any], draws: int, *, shown: bool) -> None:
    """Call `work` on every block; an error or an interruption stops the rest."""
    rows = blocks[-1][1].stop if blocks else 0
    if rows * draws < LARGE:
        for block in blocks:
            work(block)
        return
    pool = ThreadPoolExecutor(min(MOST_THREADS, available_cores()))
    try:
        with one_blas_thread(), display("Predicting", rows, "rows", wanted=shown) as shown_rows:
            for (_, at), _ in zip(blocks, pool.map(work, blocks), strict=True):
                shown_rows.update(at.stop)
    finally:
        pool.shutdown(cancel_futures=True)


# ---- draws -------------------------------------------------------------------------------------


_STEP, _MOST = 16, 208  # nodes of a quadrature for each unit of sd, and at most


@dataclass(frozen=True, eq=False)
class Answer:
    """Draws of what is asked for at a block of rows.

    draws
        (r, S), of probabilities (r, K, S).
    mean
        Of simulated observations (r, S) the expectation that each is drawn around, computed when
        called; None where that is not known, or `draws` are no observations.
    """

    draws: Floats
    mean: Callable[[], Floats] | None = None


def evaluation(
    post: Posterior,
    rows: PredictionRows,
    question: Question,
    linear: Predictor,
    seed: int,
    others: Mapping[str, Predictor] | None = None,
    original: Original | None = None,
) -> Callable[[Block], Answer]:
    """Draws of what is asked for, as a function of the block of rows.

    `others` are the predictors of further parameters, where the answer depends on them; `original`
    is the way back to the response's column, where the answer is on the scale of that.

    Raises
    ------
    DataError, ModelError
        The rows do not say all that the answer depends on; see `predict`.
    """
    _check(post, rows, question, original)
    family, others, shared = post.family, others or {}, post.parameters()
    ordinal = family.categories(post.design) is not None and question.kind == "mean"
    average = question.treatment == "integrated"
    integrated = average and not without_average(post, question)

    def of_rows(at: slice, rng: np.random.Generator) -> Values:  # (S,), or (S, r)
        found = dict(shared)
        for name, own in others.items():
            h, variance = own.eta(at), own.variance(at)
            if variance is not None:
                h += np.sqrt(variance) * rng.standard_normal(h.shape)
            found[name] = family.parameter_link(name).inverse(h, np).T
        return found

    def evaluate(block: Block) -> Answer:
        number, at = block
        eta, variance = linear.eta(at), linear.variance(at)
        rng = stream(seed, ROWS, number)
        parameters = of_rows(at, rng)
        weights = None if rows.weights is None else rows.weights[at]
        trials = None if rows.trials is None else rows.trials[at]
        own = eta  # with effects of a level of each row's own, where it has one
        if variance is not None and not (average and question.kind != "response"):
            own = eta + np.sqrt(variance) * rng.standard_normal(eta.shape)
        if question.kind == "linear":
            return Answer(own)

        def expected(h: Floats) -> Floats:  # (S, r) or (S, r, K), as families have it
            mu = family.inverse(h, np)
            if ordinal:
                return family.probabilities(mu, parameters)
            if question.kind == "mean":
                return family.expectation(mu, family.weighted(parameters, weights))
            return family.observation_mean(mu, parameters, weights=weights, trials=trials)

        def over_groups() -> Floats:
            if original is not None:
                spread = family.variance(own.T, parameters, weights=weights).T
                if integrated and variance is not None:
                    return population_mean(original.back, eta, variance + spread)
                return population_mean(original.back, own, spread)
            if integrated and variance is not None:
                return _averaged(family, expected, eta, variance)
            return np.moveaxis(expected(own.T), 0, -1)

        if question.kind == "mean":
            return Answer(over_groups())
        values = family.reported(responses(family, rows, own.T, parameters, rng, at)).T
        if original is None:
            return Answer(values, over_groups)
        return Answer(original.back(values), over_groups if family.closed_form else None)

    return evaluate


def weight_note(post: Posterior, rows: PredictionRows, question: Question) -> str:
    """That a mean is of weight 1, where it depends on weights which the rows lack."""
    family, column = post.family, post.design.formula.response.weights
    weighted = type(family).weighted is not Family.weighted
    depends = weighted and question.kind == "mean" and depends_on_parameters(question, family)
    if not depends or column is None or rows.weights is not None:
        return ""
    return (
        f"Of rows of weight 1: the mean of the {family.name} family depends on weights({column}), "
        "and the new data lack its column(s)."
    )


def _averaged(
    family: Family, mean: Callable[[Floats], Floats], eta: Floats, variance: Floats
) -> Floats:
    """(r, S) or (r, K, S) E mean(h) for h ~ N(eta, variance), both (r, S)."""
    if _is_plain(family, Identity):
        return eta
    if _is_plain(family, Log):
        return np.exp(eta + variance / 2)
    return np.moveaxis(population_mean(mean, eta.T, variance.T), 0, -1)


def depends_on_parameters(question: Question, family: Family) -> bool:
    """Whether the answer depends on the family's parameters, besides the linear predictor."""
    mean = type(family).expectation is not Family.expectation
    return question.kind == "response" or (question.kind == "mean" and mean)


def _is_plain(family: Family, link: type[Link]) -> bool:
    """Whether the expectation is the linear predictor through this link, and no more."""
    plain = type(family).expectation is Family.expectation
    return plain and type(family).inverse is Family.inverse and isinstance(family.link, link)


def _check(
    post: Posterior, rows: PredictionRows, question: Question, original: Original | None
) -> None:
    family, response = post.family, post.design.formula.response
    if original is not None and question.kind == "mean" and not family.closed_form:
        raise ModelError(
            f"the mean of {original.column} does not follow from that of {post.design.response} in "
            f'a {family.name} model; kind="response" has simulated observations of '
            f"{original.column}"
        )
    if question.kind == "response" or original is not None:
        if response.trials is not None and rows.trials is None:
            _lacking(f"trials({response.trials})")
        if response.weights is not None and rows.weights is None and not family.repeats_rows:
            _lacking(f"weights({response.weights})")
    if question.treatment == "integrated" and question.kind == "mean":
        reason = without_average(post, question)
        if reason:
            raise ModelError(reason)


def without_average(post: Posterior, question: Question) -> str:
    """Why the mean over the population of groups does not exist; empty where it does."""
    family = post.family
    if type(family).expectation is not Family.expectation:
        for predictor in post.design.predictors[1:]:
            name = predictor.parameter
            if any(g.name in question.factors for g in predictor.groups):
                return (
                    f'groups="average" has no answer here: the mean of the {family.name} family '
                    f"grows so fast with {name} that its average over normal group effects on "
                    f'{name} is infinite; use groups="typical"'
                )
    if isinstance(family.link, Inverse) and question.factors:
        return (
            'groups="average" has no answer with the inverse link: 1 / h has no mean where h is '
            'normal; use groups="typical", or fit with the log link'
        )
    return ""


def _lacking(what: str) -> None:
    raise DataError(
        f"a new observation depends on {what}, and the new data lack its column(s); add them, or "
        'ask for kind="mean"'
    )


def population_mean(mean: Callable[[Floats], Floats], eta: Floats, variance: Floats) -> Floats:
    """E[mean(h)] for h ~ N(eta, variance), elementwise, by Gauss-Hermite quadrature.

    `mean` may add dimensions, such as the probabilities of several categories.

    The number of nodes grows with the largest sd: 32 up to sd 1, 112 up to sd 6, at most 208. Up to
    sd 3 the error is below 1e-5 for means through the logit, probit and log (relative) links and
    below 1e-4 for the complementary log-log; up to sd 10, below 2e-4 for the logit.
    """
    sd = np.sqrt(variance)
    nodes, weights = _nodes(int(min(_STEP * (1 + np.ceil(sd.max(initial=0.0))), _MOST)))
    total = weights[0] * mean(eta + nodes[0] * sd)
    for node, weight in zip(nodes[1:], weights[1:], strict=True):
        total += weight * mean(eta + node * sd)
    return total


@lru_cache
def _nodes(count: int) -> tuple[Floats, Floats]:
    nodes, weights = special.roots_hermitenorm(count)
    kept = weights > 0  # the outermost underflow
    return nodes[kept], weights[kept] / weights.sum()
