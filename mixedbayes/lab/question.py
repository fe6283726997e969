"""What a study is asked, and what one of its fits answers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from mixedbayes.api.model import Fit
from mixedbayes.api.sampled import Sampled
from mixedbayes.design.types import Floats
from mixedbayes.errors import ModelError
from mixedbayes.estimands.result import Estimates
from mixedbayes.results.named import Named
from mixedbayes.results.statements import evaluated

type Question = str | Callable[[Fit], Any]


@dataclass(frozen=True)
class Answer:
    """What one fit says: NaN where a question has no estimate, as "a > 0 and b > 0"."""

    estimate: float  # posterior mean of the difference from what is compared with
    lower: float
    upper: float
    probability: float  # of a statement
    shown: bool
    truth: float  # of the estimate


def named(questions: tuple[Question, ...]) -> dict[str, Question]:
    """By what tables call them."""
    if not questions:
        raise ModelError(
            'a study is asked something: lab.power("arm:time > 0"), "arm:time", or a function of a '
            "fit, lambda fit: fit.comparisons('arm')"
        )
    found: dict[str, Question] = {}
    for k, question in enumerate(questions, 1):
        if not (isinstance(question, str) or callable(question)):
            raise ModelError(
                f'{question!r} is no question: write a statement, "arm:time > 0", or give a '
                "function of a fit"
            )
        text = question if isinstance(question, str) else getattr(question, "__name__", "")
        found[f"question {k}" if text in ("", "<lambda>") else text] = question
    if len(found) < len(questions):
        raise ModelError("two questions have one name, and tables could not tell them apart")
    return found


def answered(question: Question, asked: Sampled, truth: Sampled, prob: float) -> Answer:
    """What a fit says, and the true value.

    Something is shown where the interval of probability `prob`, with equal tails, is all on the
    side that is asked about; of an expression or comparison, where it excludes no difference. Of a
    statement without an estimate of its own, where it has this probability.
    """
    draws, holds = values_of(question, asked)
    true, _ = values_of(question, truth)
    probability = np.nan if holds is None else float(holds.mean())
    if draws is None:
        assert holds is not None
        none = np.nan
        return Answer(none, none, none, probability, probability >= prob, none)
    tails = [(1 - prob) / 2, (1 + prob) / 2]
    lower, upper = (float(x) for x in np.quantile(draws, tails))
    shown = lower > 0 or upper < 0 if holds is None else probability >= tails[1]
    value = np.nan if true is None else float(true[0])
    return Answer(float(draws.mean()), lower, upper, probability, bool(shown), value)


def values_of(question: Question, asked: Sampled) -> tuple[Floats | None, Floats | None]:
    """Draws (S,) of what is estimated, as differences from none, and whether a statement holds.

    None where there is no estimate, or no statement.
    """
    if isinstance(question, str):
        post = asked.posterior
        (said,) = evaluated((question,), Named(post), post.shape[0])
        return said.estimate, None if said.holds is None else said.holds.astype(float)
    with warnings.catch_warnings():  # a truth is one draw, of which tables cannot say an sd
        if asked.posterior.n_draws == 1:
            warnings.simplefilter("ignore")
        found = question(asked.fit)
    if isinstance(found, Estimates):
        values, null = found.sampled, found.null
        if len(values) != 1:
            raise ModelError(
                f"a question has one number, and the function returns {len(values)}: "
                f"{found.question}; choose one of them, r.contrast(...) or at="
            )
        # Ratios are compared with 1 on the scale on which they are symmetric.
        return (np.log(values[0]) if null == 1.0 else values[0] - null), None
    draws = found.to_numpy() if isinstance(found, xr.DataArray) else np.asarray(found)
    if draws.dtype.kind not in "fiub" or draws.size != asked.posterior.n_draws:
        raise ModelError(
            "the function returns neither one row of means(), comparisons() or slopes() nor a draw "
            f"of one number for each of the fit's {asked.posterior.n_draws} draws, but "
            f"{type(found).__name__} of shape {draws.shape}"
        )
    values = draws.ravel()
    return (None, values.astype(float)) if draws.dtype.kind == "b" else (values.astype(float), None)
