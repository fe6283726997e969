"""Counts with more zeros than Poisson's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mixedbayes.design.types import Design
from mixedbayes.families.base import Elsewhere, Family
from mixedbayes.families.links import Link, Log
from mixedbayes.families.poisson import Counts, Poisson
from mixedbayes.families.zero_inflated import ZeroInflated


@dataclass(frozen=True)
class ZeroInflatedPoisson(ZeroInflated, Counts):
    """y is 0 with probability zi, and Poisson(mu) otherwise."""

    name: ClassVar[str] = "zero_inflated_poisson"
    title: ClassVar[str] = "zero-inflated Poisson"
    of: ClassVar[type[Family]] = Poisson
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        brms="zero_inflated_poisson",
        bambi="zero_inflated_poisson",
        bambi_parameters={"zi": "psi"},
        bambi_rest=("zi",),
        nearest={"mgcv": "ziP(), whose share of zeros depends on the mean"},
        names=("zip", "ziplss", "zi_poisson", "zeroinflatedpoisson", "zeroinfl"),
    )
    wider: ClassVar[str | None] = "zero_inflated_negative_binomial"
    link: Link = field(default_factory=Log)

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        return "ZeroInflatedPoisson", {"psi": 1 - parameters["zi"], "mu": self.inverse(eta, xp)}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        return rf"{y} &\sim \mathrm{{ZIP}}({symbol('zi')},\, \mu_i)"
