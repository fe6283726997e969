"""The choice of an engine: the first that can take the model, or the one that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mixedbayes.engines import registry
from mixedbayes.engines.base import Chosen, Unsuitable, factors
from mixedbayes.errors import ModelError, SamplingError
from mixedbayes.model.formulations import Formulation
from mixedbayes.model.spec import Spec
from mixedbayes.sample.result import SamplingResult
from mixedbayes.sample.settings import Keep, Settings

Request = Formulation | str | Mapping[str, Formulation]


def choose_engine(request: Request, spec: Spec) -> Chosen:
    """Turn the user's request ("auto", an object, or one per grouping factor) into a choice."""
    if isinstance(request, Mapping):
        return _per_group(request, spec)
    if isinstance(request, str) and request == "auto":
        return _automatic(spec)
    for engine in registry.ENGINES:
        if isinstance(request, engine.formulations):
            obstacle = engine.obstacle(spec)
            if obstacle:
                raise ModelError(
                    f"{request} is not {engine.qualities} here: {obstacle}; use formulation='auto'"
                )
            return Chosen(engine, dict.fromkeys(factors(spec), request), "as asked", asked=True)
    known = [f"mb.{kind()}" for kind in (*_kinds(whole=True), *_kinds(whole=False))]
    raise ModelError(
        f"formulation={request!r}: use 'auto', {', '.join(known)}, "
        "or a dictionary such as {'Subject': mb.Centered()}"
    )


def _automatic(spec: Spec) -> Chosen:
    obstacles: dict[str, None] = {}  # each once, in their order
    for engine in registry.ENGINES:
        obstacle = engine.obstacle(spec) or engine.burden(spec)
        if obstacle is None:
            return Chosen(engine, engine.groups(spec), "; ".join([*obstacles, engine.reason]))
        obstacles[obstacle] = None
    raise ModelError(f"nothing here can sample this model: {'; '.join(obstacles)}")


def sample(spec: Spec, settings: Settings, chosen: Chosen) -> tuple[SamplingResult, Chosen]:
    """Draws, and the choice by which they were made.

    That is another one where an engine that was not asked for finds that it does not serve.
    """
    try:
        return chosen.engine.sample(spec, settings, chosen), chosen
    except Unsuitable as error:
        if chosen.asked:
            raise Unsuitable(f"{error}; use formulation='auto'") from None
        place = registry.ENGINES.index(chosen.engine)
        rest = [e for e in registry.ENGINES[place + 1 :] if e.obstacle(spec) is None]
        if not rest:
            raise
        other = Chosen(rest[0], rest[0].groups(spec), f"{error}; {rest[0].reason}")
        result, made = sample(spec, settings, other)
        if settings.effects == "summary" and made is other and not made.engine.summaries:
            said = (
                'effects="summary" was asked for, and the draws of all group effects are kept: '
                f"{made} samples them, since {error}."
            )
            result = replace(result, note=f"{result.note} {said}".strip())
        return result, made


def _per_group(request: Mapping[str, Formulation], spec: Spec) -> Chosen:
    groups = factors(spec)
    unknown = [g for g in request if g not in groups]
    if unknown:
        raise ModelError(
            f"formulation: {unknown[0]!r} is not a grouping factor of this model "
            f"({', '.join(groups) or 'it has none'})"
        )
    kinds = _kinds(whole=False)
    for group, formulation in request.items():
        if not isinstance(formulation, tuple(kinds)):
            raise ModelError(
                f"formulation of {group}: use {' or '.join(f'mb.{kind()}' for kind in kinds)}; "
                f"{formulation} deals with all grouping factors together, so it is given for the "
                "whole model"
            )
    rest = kinds[0]()
    chosen = choose_engine(rest, spec)
    reason = f"as asked; {rest} where nothing was said"
    return replace(chosen, groups={**chosen.groups, **request}, reason=reason)


def _kinds(*, whole: bool) -> list[type[Formulation]]:
    """Formulations of the whole model, or of one grouping factor."""
    every = (kind for engine in registry.ENGINES for kind in engine.formulations)
    return [kind for kind in every if kind.whole == whole]


def check_keep(keep: Keep, chosen: Chosen) -> None:
    """SamplingError unless what is to be kept of the effects is possible with this engine."""
    if keep == "summary" and not chosen.engine.summaries:
        able = [str(e.formulations[0]()) for e in registry.ENGINES if e.summaries]
        raise SamplingError(
            f'effects="summary" needs formulation={" or ".join(able)}: elsewhere the group effects '
            'are sampled, and kept as draws; use effects="auto".'
        )
