"""Studies simulated and analysed, each by a seed of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.api.parallel import each, processes
from mixedbayes.api.sampled import Sampled
from mixedbayes.errors import MixedBayesError, ModelError
from mixedbayes.lab.question import Answer, Question, answered
from mixedbayes.lab.source import Source
from mixedbayes.predict.streams import named_stream
from mixedbayes.results.posterior import Posterior
from mixedbayes.sample.convergence import FAR_RHAT
from mixedbayes.sample.health import MIN_DRAWS, health, plain_rhat
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


def largest_rhat(draws: xr.Dataset) -> float:
    """The largest rhat of all numbers that vary; of group effects those of the values alone.

    Group effects are many, and drawn given the rest, so that chains that agree there disagree in
    their places at most, which takes no ranks to see. It is infinite where chains stand still, each
    at its own place; 1 where there are too few draws, or chains, to tell.
    """
    if draws.sizes[names.CHAIN] < 2 or draws.sizes[names.DRAW] < MIN_DRAWS:
        return 1.0
    found = [np.ones(1)]
    for name, x in draws.data_vars.items():
        dims = [d for d in x.dims if d not in (names.CHAIN, names.DRAW)]
        own = x.transpose(*dims, names.CHAIN, names.DRAW).to_numpy().astype(float, copy=False)
        own = own.reshape(-1, *own.shape[-2:])
        own = own[(own != own[:, :1, :1]).any(axis=(1, 2))]
        effects = names.is_ranef(str(name))
        found.append(plain_rhat(np.moveaxis(own, 0, -1)) if effects else health(own)[1])
    return float(np.nan_to_num(np.concatenate(found), nan=np.inf).max())


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
