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
    """y is 0 with probability zi, and NegativeBinomial(mean mu, shape) otherwise.

    Parameters
    ----------
    link
        Of mu: `mb.Log()` by default; or `mb.Identity()`.
    links
        Of formulas of further parameters, by name, such as ``{"shape": mb.Softplus()}``. shape:
        positive, `mb.Log()` or `mb.Softplus()`. zi: a share, `mb.Logit()`, `mb.Probit()` or
        `mb.Cloglog()`.

    See Also
    --------
    HurdleNegativeBinomial : All zeros apart.
    NegativeBinomial : Without more zeros.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("grouseticks")
    >>> formula = "TICKS ~ YEAR + (1 | BROOD)"
    >>> model = mb.Model(formula, data, family="zero_inflated_negative_binomial")
    >>> model.priors[["parameter", "term", "prior"]]
       parameter                      term                   prior
    0  Intercept  at the predictors' means      Normal(2.226, 2.5)
    1      fixef                  YEAR[96]         Normal(0, 2.99)
    2      fixef                  YEAR[97]         Normal(0, 2.99)
    3   sd_BROOD                 Intercept          Exponential(1)
    4      shape                            InverseGamma(0.4, 0.3)
    5         zi                                     Uniform(0, 1)
    """

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
