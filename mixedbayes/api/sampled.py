"""A model and its posterior, of which a `Fit` is made when one is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mixedbayes.api.fitting import as_sampled, sampled
from mixedbayes.api.model import Fit, Model
from mixedbayes.results.posterior import Posterior
from mixedbayes.sample.settings import Settings


@dataclass(frozen=True, eq=False)
class Sampled:
    """What is asked by itself, many times.

    A `Fit` holds much that is computed when it is read, which takes longer to lay out than a short
    question to answer, and more bytes on the way from another process.
    """

    model: Model
    posterior: Posterior

    @classmethod
    def of(cls, model: Model, settings: Settings, cache: str | Path | None = None) -> Sampled:
        """Sample, as `Model.fit` does, or read from the cache."""
        chosen = model.formulation
        post = sampled(model.spec, model.asked, settings, chosen, cache)
        return cls(as_sampled(model, chosen, post), post)

    @cached_property
    def fit(self) -> Fit:
        """The same as users have it."""
        return Fit(self.model, self.posterior)
