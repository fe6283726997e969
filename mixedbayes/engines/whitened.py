"""NUTS on a density of few parameters, in the units of its mode's curvature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.sample.result import THETA, SamplingResult
from mixedbayes.sample.settings import Settings

if TYPE_CHECKING:
    from mixedbayes.marginal.mode import Mode
    from mixedbayes.sample.defaults import Limits


def sample_whitened(
    white: Any, mode: Mode, non_normality: float, limits: Limits, settings: Settings
) -> tuple[SamplingResult, Floats]:
    """nutpie on a whitened density, started around its mode; and its draws eta (S, d).

    `limits` say up to which non-normality each trajectory is taken.
    """
    from mixedbayes.marginal.mode import initial_points
    from mixedbayes.sample.defaults import choose_trajectory
    from mixedbayes.sample.density import sample_density
    from mixedbayes.sample.nutpie import CDensity

    def start(rng: np.random.Generator) -> Floats:
        return mode.to_eta(initial_points(mode, 1, rng)[0])

    result = sample_density(
        CDensity.of(white),
        settings,
        ndim=white.ndim,
        initial_point=start,
        trajectory=choose_trajectory(non_normality, limits, settings.target_accept),
    )
    return result, result.posterior[THETA].to_numpy().reshape(-1, white.ndim)
