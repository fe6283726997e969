"""What an engine is, and a model's choice of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import xarray as xr

from mixedbayes.design.types import Floats
from mixedbayes.errors import MixedBayesError, SamplingError
from mixedbayes.model.coords import dims_of
from mixedbayes.model.formulations import Formulation, by_information
from mixedbayes.model.spec import Spec
from mixedbayes.sample.result import SamplingResult
from mixedbayes.sample.settings import Settings

if TYPE_CHECKING:
    import pymc as pm

# What a trace must have, as name -> dimensions, and how every named parameter follows from draws
# (S, ...) of it and a seed.
Reading = tuple[
    Mapping[str, tuple[str, ...]], Callable[[Mapping[str, Floats], int], Mapping[str, Floats]]
]


class Unsuitable(SamplingError):
    """Raised by `Engine.sample` where only what the data say shows that another engine is needed.

    Its words are the reason. An engine that was chosen automatically is then left for the next.
    """


@dataclass(frozen=True)
class Engine(ABC):
    """A way to sample a model; one file, and one line of the registry.

    Attributes
    ----------
    name
        In files.
    formulations
        Objects that ask for it; that of the first kind without arguments where none is given.
    reason
        Why it serves, in words, where it is the first that can.
    qualities
        Words of a refusal: "Marginal() is not exact here: ...".
    summaries
        Whether group effects can be kept as summaries alone.
    quick
        Whether a fit takes about a second, so that checks may fit again without being asked.
    sums
        Whether sums over rows are all that it reads, so that rows may stand for others.
    """

    name: ClassVar[str]
    formulations: ClassVar[tuple[type[Formulation], ...]]
    reason: ClassVar[str]
    qualities: ClassVar[str] = "possible"
    summaries: ClassVar[bool] = False
    quick: ClassVar[bool] = False
    sums: ClassVar[bool] = False

    @abstractmethod
    def obstacle(self, spec: Spec) -> str | None:
        """Why it cannot take the model, in words; None where it can."""

    def burden(self, spec: Spec) -> str | None:
        """Why it is not chosen unless it is asked for, though it could; None where it is."""
        return None

    @abstractmethod
    def sample(self, spec: Spec, settings: Settings, chosen: Chosen) -> SamplingResult:
        """Draws of every named parameter.

        Parameters
        ----------
        spec, settings
            The model and how to sample it.
        chosen
            Its choice of this engine.
        """

    def groups(self, spec: Spec) -> Mapping[str, Formulation]:
        """The formulation of every grouping factor where none is asked for."""
        return dict.fromkeys(factors(spec), self.formulations[0]())

    def plan(self, spec: Spec, chosen: Chosen) -> str:
        """How it goes about the model, in words; empty where there is nothing to say."""
        return ""

    def said(self, groups: Mapping[str, Formulation]) -> str:
        """The choice in words."""
        return str(self.formulations[0]())

    def account(self, spec: Spec, settings: Settings, chosen: Chosen) -> str:
        """What was sampled, and in which form, in sentences for a methods section; may be empty."""
        return ""

    def code(self, groups: Mapping[str, Formulation]) -> str:
        """The choice as Python code, for `formulation=`; empty where it cannot differ."""
        return next((f"mb.{f!r}" for f in groups.values()), "")

    def with_effects(self, spec: Spec, chosen: Chosen, *, reusable: bool = False) -> pm.Model:
        """The pm.Model that has its group effects; see `mixedbayes.model.build.build`."""
        from mixedbayes.model.build import build

        return build(spec, by_information(spec), reusable=reusable)

    def sample_with_effects(self, spec: Spec, settings: Settings, chosen: Chosen) -> SamplingResult:
        """Draws of that pm.Model, by any sampler."""
        from mixedbayes.sample.run import sample_model

        failure = spec.family.failure(spec.design)
        try:
            model = self.with_effects(spec, chosen, reusable=settings.sampler == "nutpie")
            return sample_model(model, settings, keep=list(dims_of(spec)), failure=failure)
        except Exception as error:
            found = failure() or _own(error)
            if found is None or found is error:
                raise
            raise found from error

    def model(self, spec: Spec, chosen: Chosen) -> pm.Model:
        """The pm.Model of what it samples, or the one with its group effects."""
        return self.with_effects(spec, chosen)

    def traced(self, spec: Spec, posterior: xr.Dataset, asked: Chosen) -> Chosen:
        """The choice behind a trace of its `model`; `asked` is that of the user's model."""
        own = asked.groups if asked.engine == self else self.groups(spec)
        return Chosen(self, own, "as in the trace")

    def reading(self, spec: Spec, chosen: Chosen) -> Reading:
        """How a trace of its `model` is read."""
        return dims_of(spec), lambda draws, seed: draws


@dataclass(frozen=True)
class Chosen:
    """An engine, a formulation for every grouping factor, and the reason in words.

    One that was `asked` for is not left for another engine; it is the same choice otherwise.
    """

    engine: Engine
    groups: Mapping[str, Formulation]
    reason: str
    asked: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return self.engine.said(self.groups)


def factors(spec: Spec) -> list[str]:
    """Names of the grouping factors of every predictor, as a choice has them."""
    every = ((p.parameter, g.name) for p in spec.design.predictors for g in p.groups)
    return list(dict.fromkeys(spec.design.formulated(p, name) for p, name in every))


def _own(error: BaseException) -> MixedBayesError | None:
    """The error of ours behind one of a sampler's, whose chains may be other processes."""
    while not isinstance(error, MixedBayesError):
        if error.__cause__ is None:
            return None
        error = error.__cause__
    return error
