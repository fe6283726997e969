"""What sampling hands on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from mixedbayes.errors import SamplingError
from mixedbayes.marginal.summaries import EffectsSummary
from mixedbayes.sample.settings import Settings

THETA = "theta"  # the one variable of a density without names

# How draws were made, as the attribute `inference_method` has it.
NUTS = "NUTS"
QUARTER_TURNS = "HMC by quarter turns"
PROPOSALS = "HMC by a polynomial"


@dataclass(frozen=True)
class Timings:
    """Wall-clock seconds; `tune` and `sample` divide the run by its gradient evaluations."""

    compile: float
    tune: float
    sample: float

    @property
    def total(self) -> float:
        return self.compile + self.tune + self.sample


@dataclass(frozen=True, eq=False)
class SamplingResult:
    """Draws after tuning, with all that is needed to make them again.

    Attributes
    ----------
    posterior
        Variables with dimensions (chain, draw, ...).
    sample_stats
        (chain, draw) statistics under ArviZ's names: diverging, energy, lp, tree_depth, n_steps,
        step_size, acceptance_rate, reached_max_treedepth.
    settings
        As used, nothing left open; `settings.seed` reproduces the draws.
    version
        Version of the sampler.
    interrupted
        The user stopped it; `note` then says what was kept.
    effects
        Summaries by grouping factor where draws of its effects were not kept: of the deviations,
        and of population + deviation.
    library
        What drew, where that is not `settings.sampler`.
    """

    posterior: xr.Dataset
    sample_stats: xr.Dataset
    settings: Settings
    version: str
    timings: Timings
    interrupted: bool = False
    note: str = ""
    effects: Mapping[str, tuple[EffectsSummary, EffectsSummary]] = field(default_factory=dict)
    library: str = ""
    method: str = NUTS

    @property
    def seed(self) -> int:
        if self.settings.seed is None:
            raise SamplingError("the settings of a result must name the seed that was used")
        return self.settings.seed

    @property
    def sampler(self) -> str:
        return self.library or self.settings.sampler


def largest_rectangle(lengths: Sequence[int]) -> tuple[list[int], int]:
    """Chains to keep, and draws of each, so that chains are of equal length and most draws stay.

    Of chains with 1000, 1000 and 7 draws, the first two are kept; of 600, 598 and 590, all three
    with 590 draws. A chain without draws is never kept.
    """
    longest_first = np.argsort(-np.asarray(lengths), kind="stable")
    totals = [(k + 1) * lengths[i] for k, i in enumerate(longest_first)]
    if not totals or max(totals) == 0:
        raise SamplingError(
            "Sampling was stopped before the first draw after tuning; there is nothing to keep. "
            "Let it run longer, or shorten tuning with tune=."
        )
    best = int(np.argmax(totals))
    return sorted(int(i) for i in longest_first[: best + 1]), int(lengths[longest_first[best]])


def interruption_note(chains: int, draws: int, settings: Settings) -> str:
    return (
        f"Sampling was interrupted: {chains} of {settings.chains} chains with {draws:,} of "
        f"{settings.draws:,} draws each were kept. Check convergence before relying on them."
    )


def not_finite(fact: str) -> SamplingError:
    """The error for a density that cannot be evaluated where the sampler is."""
    return SamplingError(
        f"{fact} Remedy: check that the model's log density is finite for typical parameter "
        "values; an infinite value in the data, or a prior that excludes the data, makes it "
        "infinite."
    )
