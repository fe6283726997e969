"""Zeros by a process of their own, and counts above 0 as the negative binomial's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mixedbayes.design.types import Design
from mixedbayes.families.base import Elsewhere, Family
from mixedbayes.families.hurdle import Hurdle
from mixedbayes.families.links import Link, Log
from mixedbayes.families.negative_binomial import NegativeBinomial
from mixedbayes.families.poisson import Counts


@dataclass(frozen=True)
class HurdleNegativeBinomial(Hurdle, Counts):
    """y is 0 with probability hu, else NegativeBinomial(mean mu, shape) given that it is above 0.

    mu and shape are those before the truncation.

    Parameters
    ----------
    link
        Of mu: `mb.Log()` by default; or `mb.Identity()`.
    links
        Of formulas of further parameters, by name, such as ``{"shape": mb.Softplus()}``. shape:
        positive, `mb.Log()` or `mb.Softplus()`. hu: a share, `mb.Logit()`, `mb.Probit()` or
        `mb.Cloglog()`.

    See Also
    --------
    ZeroInflatedNegativeBinomial : Zeros of both kinds.
    NegativeBinomial : Without.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("grouseticks")
    >>> model = mb.Model("TICKS ~ YEAR + (1 | BROOD)", data, family="hurdle_negative_binomial")
    >>> model.priors[["parameter", "term", "prior"]]
       parameter                      term                   prior
    0  Intercept  at the predictors' means      Normal(2.226, 2.5)
    1      fixef                  YEAR[96]         Normal(0, 2.99)
    2      fixef                  YEAR[97]         Normal(0, 2.99)
    3   sd_BROOD                 Intercept          Exponential(1)
    4      shape                            InverseGamma(0.4, 0.3)
    5         hu                                     Uniform(0, 1)
    """

    name: ClassVar[str] = "hurdle_negative_binomial"
    title: ClassVar[str] = "negative binomial hurdle"
    of: ClassVar[type[Family]] = NegativeBinomial
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        brms="hurdle_negbinomial",
        bambi="hurdle_negativebinomial",
        bambi_parameters={"shape": "alpha", "hu": "psi"},
        bambi_rest=("hu",),
        names=("hnb", "hurdle_negbinomial", "hurdle_negativebinomial",
               "hurdlenegativebinomial", "hurdle_nbinom2"),
    )  # fmt: skip
    largest: ClassVar[float] = NegativeBinomial.largest
    link: Link = field(default_factory=Log)

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        return "HurdleNegativeBinomial", {
            "psi": 1 - parameters["hu"],
            "mu": self.inverse(eta, xp),
            "alpha": parameters["shape"],
        }

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        law = rf"{symbol('hu')},\, \text{{mean }}\mu_i,\, \text{{shape }}{symbol('shape')}"
        return rf"{y} &\sim \mathrm{{HurdleNegativeBinomial}}({law})"
