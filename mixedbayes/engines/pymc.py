"""NUTS on the pm.Model with its group effects, each factor written as asked; takes every model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

import xarray as xr

from mixedbayes import names
from mixedbayes.engines.base import Chosen, Engine
from mixedbayes.model.formulations import (
    Centered,
    EachFactor,
    Formulation,
    NonCentered,
    by_information,
)
from mixedbayes.model.spec import Spec
from mixedbayes.sample.result import SamplingResult
from mixedbayes.sample.settings import Settings

if TYPE_CHECKING:
    import pymc as pm


@dataclass(frozen=True)
class PyMCEngine(Engine):
    """What neither serves, and what is asked for: PyMC writes the density and compiles it."""

    name: ClassVar[str] = "pymc"
    formulations: ClassVar[tuple[type[Formulation], ...]] = (NonCentered, Centered)
    reason: ClassVar[str] = (
        "centred where a level's rows say more about its effects than the prior does"
    )

    def obstacle(self, spec: Spec) -> str | None:
        return None

    def groups(self, spec: Spec) -> Mapping[str, Formulation]:
        return by_information(spec)

    def sample(self, spec: Spec, settings: Settings, chosen: Chosen) -> SamplingResult:
        return self.sample_with_effects(spec, settings, chosen)

    def account(self, spec: Spec, settings: Settings, chosen: Chosen) -> str:
        forms: dict[str, list[str]] = {}
        for factor, formulation in chosen.groups.items():
            form = "centred" if isinstance(formulation, Centered) else "non-centred"
            forms.setdefault(form, []).append(factor)
        written = ", those ".join(f"of {' and '.join(of)} {form}" for form, of in forms.items())
        what = f", the group effects {written}" if written else ""
        return f"All parameters were sampled jointly{what}."

    def said(self, groups: Mapping[str, Formulation]) -> str:
        kinds = {str(f) for f in groups.values()}
        if len(kinds) == 1:
            return kinds.pop()
        return ", ".join(f"{g}: {f}" for g, f in groups.items()) or "no group effects"

    def code(self, groups: Mapping[str, Formulation]) -> str:
        written = ", ".join(f"{g!r}: mb.{f!r}" for g, f in groups.items())
        return f"{{{written}}}" if groups else ""

    def with_effects(self, spec: Spec, chosen: Chosen, *, reusable: bool = False) -> pm.Model:
        from mixedbayes.model.build import build

        groups = cast("Mapping[str, EachFactor]", chosen.groups)
        return build(spec, groups, reusable=reusable)

    def traced(self, spec: Spec, posterior: xr.Dataset, asked: Chosen) -> Chosen:
        groups: dict[str, Formulation] = {}
        for p in spec.design.predictors:
            for g in p.groups:
                loose = names.spherical(g.name, p.parameter) in posterior
                own = spec.design.formulated(p.parameter, g.name)
                groups[own] = NonCentered() if loose else Centered()
        return Chosen(self, groups, "as in the trace")
