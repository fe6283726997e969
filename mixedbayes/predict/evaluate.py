"""Draws of what a prediction is about, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mixedbayes.design.original import Original
from mixedbayes.design.types import Design, Floats, NewRows
from mixedbayes.errors import DataError, ModelError
from mixedbayes.families.base import Family, per_row
from mixedbayes.formula.types import Response
from mixedbayes.names import SIGMA
from mixedbayes.numerics.threads import available_cores, one_blas_thread
from mixedbayes.predict.forward import responses
from mixedbayes.predict.linear import Predictor, predictor_roots
from mixedbayes.predict.quadrature import Rowwise, Spread, population_mean, together
from mixedbayes.predict.question import Question
from mixedbayes.predict.rows import PredictionRows
from mixedbayes.predict.streams import ROWS, stream
from mixedbayes.predict.target import MU, Mean, Target, require
from mixedbayes.progress import display
from mixedbayes.results.posterior import Posterior
from mixedbayes.terms.given_rows import Given

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


@dataclass(frozen=True, eq=False)
class Answer:
    """Draws of what is asked for at a block of rows.

    draws
        (r, S), of probabilities, and of counts of categories, (r, K, S).
    mean
        Of simulated observations the expectation that each is drawn around, computed when
        called; None where that is not known, or `draws` are no observations.
    """

    draws: Floats
    mean: Callable[[], Floats] | None = None


def target_values(
    post: Posterior,
    rows: PredictionRows,
    question: Question,
    target: Target,
    predictors: Mapping[str, Predictor],
    seed: int,
    given: Given | None = None,
) -> Callable[[Block], Floats]:
    """Draws (r, S), or (r, K, S) of K categories, of a target, as a function of the block of rows.

    `predictors` are those of the parameters that the target reads and that have one. Effects that
    have no level are integrated over, or drawn for each row by itself, as the question says.
    `given` has what is known of the residuals of the rows.

    Raises
    ------
    DataError, ModelError
        The target depends on weights or trials that the rows lack, or has no average over groups.
    """
    family, shared = post.family, post.parameters()
    reads = target.reads(family)
    predictors = {name: own for name, own in predictors.items() if name in reads}
    integrated = question.treatment == "integrated"
    require(target, family, rows.weights, rows.trials, post.design.formula.response, rows.limits)
    if integrated:
        varying = [name for name, own in predictors.items() if own.integrates]
        if reason := target.obstacle(family, varying):
            raise ModelError(reason)

    mixing = family.mixing if integrated and target.affine else ()

    def evaluate(block: Block) -> Floats:
        number, at = block
        rng = stream(seed, ROWS, number)
        linear: dict[str, Floats] = {}  # (S, r)
        spread: list[Spread] = []
        order = sorted(predictors, key=lambda name: (name in mixing, name == MU))
        drawn: list[Floats] = []
        for name, roots in zip(
            order, predictor_roots([predictors[name] for name in order], at), strict=True
        ):
            h = predictors[name].eta(at)
            if roots[-1] is not None and integrated:
                before = [
                    (o, L.T) for o, L in zip(order, roots[:-1], strict=False) if L is not None
                ]
                spread.append(Spread(name, roots[-1].T, dict(before)))
            elif not integrated:
                h = h + moved(roots, drawn, h.shape, rng)
            linear[name] = h.T
        if spread and family.jointly and linear.keys() >= {MU, *family.parameters}:
            found = target.joint(family, *together((MU, *family.parameters), linear, spread))
            if found is not None:
                return np.moveaxis(found, 0, -1)
        eta = linear.pop(MU, None)
        if eta is None:
            eta = np.zeros((post.n_draws, at.stop - at.start))
        if [own.name for own in spread] == [MU]:
            found = target.closed(family, eta, spread[0].sd ** 2)
            if found is not None:
                return np.moveaxis(found, 0, -1)
        own = {name: family.parameter_link(name).inverse(h, np) for name, h in linear.items()}
        if given is not None:
            weights = None if rows.weights is None else rows.weights[at]
            mean, sd = given.single(np.arange(at.start, at.stop))
            spread_of = np.sqrt(family.variance(eta, {**shared, **own}, weights=weights))
            eta = eta + spread_of * mean
            own[SIGMA] = per_row(own[SIGMA] if SIGMA in own else shared[SIGMA]) * sd
        over = Rowwise(
            family, eta, linear, {**shared, **own},
            None if rows.weights is None else rows.weights[at],
            None if rows.trials is None else rows.trials[at],
            None if rows.limits is None else rows.limits.take(at),
            spread, mixing,
        )  # fmt: skip
        return np.moveaxis(target.over(over.mean), 0, -1)

    return evaluate


def moved(
    roots: Sequence[Floats | None],
    drawn: list[Floats],
    shape: tuple[int, ...],
    rng: np.random.Generator,
) -> Floats | float:
    """What effects without a level add to a predictor, drawn beside those on predictors before it.

    `roots` is the predictor's row of `predictor_roots`; `drawn` has the standard normal numbers of
    the predictors before it, and gets its own.
    """
    sd = roots[-1]
    drawn.append(rng.standard_normal(shape) if sd is not None else np.zeros((1, 1)))
    parts = [L * z for L, z in zip(roots, drawn, strict=True) if L is not None]
    return sum(parts[1:], parts[0]) if parts else 0.0


def evaluation(
    post: Posterior,
    rows: PredictionRows,
    question: Question,
    linear: Predictor,
    seed: int,
    others: Mapping[str, Predictor] | None = None,
    original: Original | None = None,
    noise: Floats | None = None,
    given: Given | None = None,
) -> Callable[[Block], Answer]:
    """Draws of new observations, or of what is on their column's scale, by the block of rows.

    `others` are the predictors of further parameters; `original` is the way back to the response's
    column, where the answer is on the scale of that. `noise` (S, m) has the residuals of all rows
    in units of their sds, where they are drawn together; otherwise `given` has what is known of
    each.

    Raises
    ------
    DataError, ModelError
        The rows do not say all that the answer depends on; see `predict`.
    """
    _check(post, rows, question, original)
    family, others, shared = post.family, others or {}, post.parameters()
    average = question.treatment == "integrated"
    mean_of = Mean(categories=False)
    effects = [name for name, p in {MU: linear, **others}.items() if p.integrates]
    exists = average and not mean_of.obstacle(family, effects)
    depends = original is not None or not family.mean_is_mu

    def evaluate(block: Block) -> Answer:
        number, at = block
        eta, variance = linear.eta(at), linear.variance(at)
        rng = stream(seed, ROWS, number)
        *before, last = predictor_roots([*others.values(), linear], at)
        parameters, drawn = dict(shared), list[Floats]()  # (S,), or (S, r)
        for (name, predictor), roots in zip(others.items(), before, strict=True):
            h = predictor.eta(at)
            h = h + moved(roots, drawn, h.shape, rng)
            parameters[name] = family.parameter_link(name).inverse(h, np).T
        if depends and any(L is not None for L in last[:-1]):
            # What is left of the mean's effects where those on other parameters are as drawn.
            eta = eta + sum(L * z for L, z in zip(last, drawn, strict=False) if L is not None)
            last = [*[None] * len(drawn), last[-1]]
            variance = None if last[-1] is None else np.square(last[-1])
        weights = None if rows.weights is None else rows.weights[at]
        trials = None if rows.trials is None else rows.trials[at]
        own = eta  # with effects of a level of each row's own, where it has one
        if variance is not None and not (average and question.kind == "mean"):
            own = eta + moved(last, drawn, eta.shape, rng)
        residuals = None if noise is None else noise[:, at]
        left = np.ones((1, 1))  # of the residuals' sds
        if noise is None and given is not None:
            mean, left = given.single(np.arange(at.start, at.stop))
            sd = np.sqrt(family.variance(own.T, parameters, weights=weights))
            eta, own = eta + (sd * mean).T, own + (sd * mean).T
            residuals = left * rng.standard_normal(left.shape)

        def expected(h: Floats) -> Floats:  # (S, r)
            mu = family.inverse(h, np)
            return family.observation_mean(mu, parameters, weights=weights, trials=trials)

        def over_groups() -> Floats:
            if original is not None:
                spread = (family.variance(own.T, parameters, weights=weights) * left**2).T
                if exists and variance is not None:
                    return population_mean(original.back, eta, variance + spread)
                return population_mean(original.back, own, spread)
            if exists and variance is not None:
                closed = mean_of.closed(family, eta.T, variance.T)
                if closed is None:
                    return population_mean(expected, eta.T, variance.T).T
                return (closed if trials is None else closed * trials).T
            return expected(own.T).T

        if question.kind == "mean":
            return Answer(over_groups())
        drawn_y = responses(family, rows, own.T, parameters, rng, at, noise=residuals)
        simulated = family.reported(drawn_y)
        values = np.moveaxis(simulated, 0, -1)
        if values.ndim > 2:  # counts of categories
            return Answer(values, lambda: np.moveaxis(expected(own.T), 0, -1))
        if rows.limits is not None:  # the mean between bounds has no formula
            return Answer(values if original is None else original.back(values))
        if original is None:
            return Answer(values, over_groups)
        return Answer(original.back(values), over_groups if family.closed_form else None)

    return evaluate


def weight_note(post: Posterior, rows: PredictionRows, question: Question) -> str:
    """That a mean is of weight 1, where it depends on weights which the rows lack."""
    family, said = post.family, post.design.formula.response.weighing
    divides = family.divided and not family.repeats_rows
    depends = divides and question.kind == "mean" and not family.mean_is_mu
    if not depends or said is None or rows.weights is not None:
        return ""
    return (
        f"Of rows of weight 1: the mean of the {family.name} family depends on {said}, "
        "and the new data lack its column(s)."
    )


def exposure_note(design: Design) -> str:
    """At which exposure counts are, where the formula has `rate(...)`."""
    exposure = design.formula.response.rate
    return "" if exposure is None else f"Counts at the rows' exposure {exposure}, not per unit."


def _check(
    post: Posterior, rows: PredictionRows, question: Question, original: Original | None
) -> None:
    family = post.family
    if original is not None and question.kind == "mean" and not family.closed_form:
        raise ModelError(
            f"the mean of {original.column} does not follow from that of {post.design.response} in "
            f'a {family.name} model; kind="response" has simulated observations of '
            f"{original.column}"
        )
    if question.kind == "response" or original is not None:
        for own, said, there in _each(post, rows):
            if said.trunc != (None, None) and there.limits is None and question.kind == "response":
                _lacking(said.limits[-1])
            if said.trials is not None and there.trials is None:
                _lacking(f"trials({said.trials})")
            if said.weighing and there.weights is None and not own.repeats_rows:
                _lacking(said.weighing)


def _each(
    post: Posterior, rows: PredictionRows
) -> list[tuple[Family, Response, PredictionRows | NewRows]]:
    """The family of each response, what its left side says, and its rows."""
    if not rows.each:
        return [(post.family, post.design.formula.response, rows)]
    every = enumerate(zip(post.design.parts, rows.each, strict=True))
    return [
        (post.family.of_response(k), part.formula.response, own)
        for k, (part, own) in every
        if own is not None
    ]


def _lacking(what: str) -> None:
    raise DataError(
        f"a new observation depends on {what}, and the new data lack its column(s); add them, or "
        'ask for kind="mean"'
    )
