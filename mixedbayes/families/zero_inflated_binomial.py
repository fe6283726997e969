"""Counts of successes among trials with more zeros than the binomial's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mixedbayes.design.types import Design
from mixedbayes.families.base import Elsewhere, Family
from mixedbayes.families.binomial import Binomial, Trials
from mixedbayes.families.links import Logit, ShareLink
from mixedbayes.families.zero_inflated import ZeroInflated


@dataclass(frozen=True)
class ZeroInflatedBinomial(ZeroInflated, Trials):
    """y is 0 with probability zi, and Binomial(n, mu) otherwise; `successes | trials(n)`."""

    name: ClassVar[str] = "zero_inflated_binomial"
    title: ClassVar[str] = "zero-inflated binomial"
    of: ClassVar[type[Family]] = Binomial
    sized: ClassVar[bool] = True
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        brms="zero_inflated_binomial",
        bambi="zero_inflated_binomial",
        bambi_parameters={"zi": "psi"},
        bambi_rest=("zi",),
        names=("zib", "zeroinflatedbinomial", "zi_binomial"),
    )
    wider: ClassVar[str | None] = "zero_inflated_beta_binomial"
    link: ShareLink = field(default_factory=Logit)

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        return "ZeroInflatedBinomial", {
            "psi": 1 - parameters["zi"],
            "n": design.trials,
            "p": self.inverse(eta, xp),
        }

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        return rf"{y} &\sim \mathrm{{ZIB}}({symbol('zi')},\, n_i,\, \mu_i)"
