"""`mixedbayes.fit`: a model and its fit in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from mixedbayes.api.arguments import told
from mixedbayes.api.batches import quiet
from mixedbayes.api.model import Fit, Model
from mixedbayes.engines.choose import Request
from mixedbayes.families.base import Family
from mixedbayes.sample.settings import Keep, SamplerName


@told
def fit(
    formula: str | Sequence[str],
    data: Any,
    *,
    family: str | Family | type[Family] | Mapping[str, Any] = "gaussian",
    residual: str | None = None,
    priors: Mapping[str, Any] | None = None,
    formulation: Request = "auto",
    functions: Mapping[str, Callable[..., Any]] | None = None,
    missing: Literal["drop", "error"] = "drop",
    known: Mapping[str, Any] | None = None,
    draws: int = 1000,
    tune: int | None = None,
    chains: int = 4,
    cores: int | None = None,
    seed: int | None = None,
    sampler: SamplerName = "nutpie",
    target_accept: float | None = None,
    max_treedepth: int = 10,
    progress: bool = True,
    effects: Keep = "auto",
    cache: str | Path | None = None,
) -> Fit:
    """Make a `Model` and fit it: the arguments of `Model` and `Model.fit` by name.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)  # doctest: +SKIP
    """
    model = Model(
        formula,
        data if progress else quiet(data),
        family=family,
        residual=residual,
        priors=priors,
        formulation=formulation,
        functions=functions,
        missing=missing,
        known=known,
    )
    return model.fit(
        draws,
        tune,
        chains,
        cores=cores,
        seed=seed,
        sampler=sampler,
        target_accept=target_accept,
        max_treedepth=max_treedepth,
        progress=progress,
        effects=effects,
        cache=cache,
    )
