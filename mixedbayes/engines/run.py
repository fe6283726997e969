"""How draws were made, and how some of another model are made likewise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import xarray as xr

from mixedbayes.engines.base import Chosen
from mixedbayes.engines.choose import sample
from mixedbayes.model.spec import Spec
from mixedbayes.sample.settings import Settings


@dataclass(frozen=True)
class Run:
    """How draws were made.

    Attributes
    ----------
    settings
        As used; ``settings.seed`` gives the same draws again.
    formulation
        How the group effects were written for the sampler.
    note
        What happened on the way, for example an interruption; empty if nothing did.
    """

    settings: Settings
    formulation: Chosen
    note: str = ""

    @property
    def quick(self) -> bool:
        """Whether a fit of such a model takes about a second."""
        return self.formulation.engine.quick

    def again(self, spec: Spec, number: int) -> xr.Dataset:
        """Draws of a changed model, made as these were; the number makes the seed."""
        seed = ((self.settings.seed or 0) + 1 + number) % 2**31
        settings = replace(self.settings, seed=seed, progress=False, effects="draws")
        return sample(spec, settings, self.formulation)[0].posterior
