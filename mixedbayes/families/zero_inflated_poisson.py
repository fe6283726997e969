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
    """y is 0 with probability zi, and Poisson(mu) otherwise.

    Parameters
    ----------
    link
        Of mu: `mb.Log()` by default; or `mb.Identity()`.
    links
        Of formulas of further parameters, by name, such as ``{"zi": mb.Probit()}``. zi: a share,
        `mb.Logit()`, `mb.Probit()` or `mb.Cloglog()`.

    See Also
    --------
    HurdlePoisson : All zeros apart.
    Poisson : Without more zeros.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("grouseticks")
    >>> model = mb.Model("TICKS ~ YEAR + (1 | BROOD)", data, family="zero_inflated_poisson")
    >>> model.priors[["parameter", "term", "prior"]]
       parameter                      term               prior
    0  Intercept  at the predictors' means  Normal(2.226, 2.5)
    1      fixef                  YEAR[96]     Normal(0, 2.99)
    2      fixef                  YEAR[97]     Normal(0, 2.99)
    3   sd_BROOD                 Intercept      Exponential(1)
    4         zi                                 Uniform(0, 1)
    """

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
