"""One call for every sampler of a pm.Model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pymc as pm

from mixedbayes.errors import SamplingError
from mixedbayes.sample.defaults import MODEL_TARGET_ACCEPT, MODEL_TUNE
from mixedbayes.sample.result import SamplingResult
from mixedbayes.sample.settings import Settings


def sample_model(
    model: pm.Model,
    settings: Settings,
    *,
    keep: Sequence[str],
    initial_points: Mapping[str, Any] | None = None,
    failure: Callable[[], BaseException | None] = lambda: None,
) -> SamplingResult:
    """Sample a pm.Model by NUTS.

    Parameters
    ----------
    model
        Any pm.Model whose free variables are continuous.
    settings
        Left open, `tune` is 500 for nutpie and 1000 for the others, `target_accept` 0.9.
    keep
        Names of the free and deterministic variables to keep draws of.
    initial_points
        Values by variable's name to start from, on the natural scale; a jitter is added to each.
    failure
        What happened in the density that the sampler cannot raise: it ends nutpie's run at once.

    Returns
    -------
    SamplingResult

    Raises
    ------
    SamplingError
        A name in `keep` or `initial_points` is not in the model; no valid starting point; stopped
        before the first draw after tuning.
    """
    _check_names(model, "keep", keep)
    _check_names(model, "initial_points", initial_points or ())
    filled = settings.filled(tune=MODEL_TUNE[settings.sampler], target_accept=MODEL_TARGET_ACCEPT)
    if settings.sampler == "nutpie":
        from mixedbayes.sample.compiled import sample_nutpie

        return sample_nutpie(
            model, filled, keep=keep, initial_points=initial_points, failure=failure
        )
    if settings.sampler == "pymc":
        from mixedbayes.sample.with_pymc import sample_pymc as sample
    else:
        from mixedbayes.sample.with_numpyro import sample_numpyro as sample
    result = sample(model, filled, keep=keep, initial_points=initial_points)
    error = failure()
    if error is not None:
        raise error
    return result


def _check_names(model: pm.Model, argument: str, given: Sequence[str] | Mapping[str, Any]) -> None:
    valid = [v.name for v in (*model.free_RVs, *model.deterministics)]
    unknown = [name for name in given if name not in valid]
    if unknown:
        raise SamplingError(
            f"{argument}: no free or deterministic variable {', '.join(unknown)} in the model; "
            f"it has {', '.join(valid)}."
        )
