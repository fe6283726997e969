"""Studies simulated and analysed, each by a seed of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixedbayes.api.parallel import each, processes
from mixedbayes.api.sampled import Sampled
from mixedbayes.errors import MixedBayesError, ModelError
from mixedbayes.lab.question import Answer, Question, answered
from mixedbayes.lab.source import Source
from mixedbayes.predict.streams import named_stream
from mixedbayes.results.posterior import Posterior
from mixedbayes.sample.convergence import FAR_RHAT, largest_rhat
from mixedbayes.sample.settings import Settings

MOST_DIVERGENT = 0.01  # share of the draws


@dataclass(frozen=True)
class Sampling:
    """How the simulated data are fitted."""

    draws: int = 500
    chains: int = 4
    tune: int | None = None


@dataclass(frozen=True, eq=False)
class Task:
    """One study: its design, its number among those of the design, and what it is asked."""

    source: Source
    design: Mapping[str, Any]
    number: int
    seed: int
    questions: Mapping[str, Question]
    prob: float
    sampling: Sampling
    cores: int | None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one study said; `error` is why it has no fit."""

    number: int
    answers: Mapping[str, Answer]
    converged: bool = True
    error: str = ""


def outcomes(
    source: Source,
    designs: Sequence[Mapping[str, Any]],
    numbers: Sequence[int],
    questions: Mapping[str, Question],
    *,
    seed: int,
    prob: float,
    sampling: Sampling,
    workers: int | None,
    progress: bool,
) -> list[list[Outcome]]:
    """Of every design the studies with these numbers.

    Every study has a seed of its own, which depends on its design and its number alone.
    """
    cores = 1 if processes(workers) > 1 else None
    tasks = [
        Task(source, design, k, study_seed(seed, k, design), questions, prob, sampling, cores)
        for design in designs
        for k in numbers
    ]
    every = list(each(_study, tasks, workers=workers, title="Studies", progress=progress))
    size = len(numbers)
    by_design = [every[i : i + size] for i in range(0, len(every), size)]
    for design, own in zip(designs, by_design, strict=True):
        if all(one.error for one in own):
            said = ", ".join(f"{key} = {value}" for key, value in design.items())
            of = f" with {said}" if said else ""
            raise ModelError(f"no study{of} could be made or fitted: {own[0].error}")
    return by_design


def study_seed(seed: int, number: int, design: Mapping[str, Any]) -> int:
    """The seed of one of the studies of a design."""
    said = ", ".join(f"{key}={value!r}" for key, value in sorted(design.items()))
    return int(named_stream(seed, f"study {number} of {said}").integers(2**31))


def _study(task: Task) -> Outcome:
    how = task.sampling
    try:
        made = task.source.simulate(task.design, task.seed)
        settings = Settings(
            how.draws, how.tune, how.chains, cores=task.cores, seed=task.seed, progress=False,
            effects="draws",
        )  # fmt: skip
        asked = Sampled.of(task.source.model(made.frame), settings)
        found = {
            name: answered(question, asked, made.truth, task.prob)
            for name, question in task.questions.items()
        }
    except MixedBayesError as error:
        return Outcome(task.number, {}, error=f"{type(error).__name__}: {error}")
    return Outcome(task.number, found, _sound(asked.posterior))


def _sound(post: Posterior) -> bool:
    """Whether a fit's chains agree well enough for an interval, with the few draws of a study."""
    diverging = post.sample_stats().get("diverging")
    divergences = 0 if diverging is None else int(diverging.sum())
    return largest_rhat(post.draws) < FAR_RHAT and divergences <= MOST_DIVERGENT * post.n_draws


def proportion(hits: int, of: int, prob: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share, doi:10.1080/01621459.1927.10502953."""
    from scipy.stats import norm

    if of == 0:
        return np.nan, np.nan
    z = float(norm.isf((1 - prob) / 2))
    p, size = hits / of, 1 + z * z / of
    middle = (p + z * z / (2 * of)) / size
    half = z / size * np.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)
