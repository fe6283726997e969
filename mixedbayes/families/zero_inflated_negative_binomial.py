"""Counts with more zeros than the negative binomial's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mixedbayes.design.types import Design
from mixedbayes.families.base import Elsewhere, Family
from mixedbayes.families.links import Link, Log
from mixedbayes.families.negative_binomial import NegativeBinomial
from mixedbayes.families.poisson import Counts
from mixedbayes.families.zero_inflated import ZeroInflated


@dataclass(frozen=True)
class ZeroInflatedNegativeBinomial(ZeroInflated, Counts):
    """y is 0 with probability zi, and NegativeBinomial(mean mu, shape) otherwise."""

    name: ClassVar[str] = "zero_inflated_negative_binomial"
    title: ClassVar[str] = "zero-inflated negative binomial"
    of: ClassVar[type[Family]] = NegativeBinomial
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        brms="zero_inflated_negbinomial",
        bambi="zero_inflated_negativebinomial",
        bambi_parameters={"shape": "alpha", "zi": "psi"},
        bambi_rest=("zi",),
        names=("zinb", "zinb2", "zero_inflated_negbinomial", "zi_negative_binomial",
               "zeroinflatednegativebinomial", "zi_negbinomial"),
    )  # fmt: skip
    largest: ClassVar[float] = NegativeBinomial.largest
    link: Link = field(default_factory=Log)

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        return "ZeroInflatedNegativeBinomial", {
            "psi": 1 - parameters["zi"],
            "mu": self.inverse(eta, xp),
            "alpha": parameters["shape"],
        }

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        law = rf"{symbol('zi')},\, \text{{mean }}\mu_i,\, \text{{shape }}{symbol('shape')}"
        return rf"{y} &\sim \mathrm{{ZINB}}({law})"
