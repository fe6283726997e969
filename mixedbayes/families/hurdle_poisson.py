"""Zeros by a process of their own, and counts above 0 as Poisson's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mixedbayes.design.types import Design
from mixedbayes.families.base import Elsewhere, Family
from mixedbayes.families.hurdle import Hurdle
from mixedbayes.families.links import Link, Log
from mixedbayes.families.poisson import Counts, Poisson


@dataclass(frozen=True)
class HurdlePoisson(Hurdle, Counts):
    """y is 0 with probability hu, and otherwise Poisson(mu) given that it is above 0.

    Parameters
    ----------
    link
        Of mu: `mb.Log()` by default; or `mb.Identity()`.
    links
        Of formulas of further parameters, by name, such as ``{"hu": mb.Probit()}``. hu: a share,
        `mb.Logit()`, `mb.Probit()` or `mb.Cloglog()`.

    See Also
    --------
    ZeroInflatedPoisson : Zeros of both kinds.
    Poisson : Without.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("grouseticks")
    >>> model = mb.Model("TICKS ~ YEAR + (1 | BROOD)", data, family="hurdle_poisson")
    >>> model.priors[["parameter", "term", "prior"]]
       parameter                      term               prior
    0  Intercept  at the predictors' means  Normal(2.226, 2.5)
    1      fixef                  YEAR[96]     Normal(0, 2.99)
    2      fixef                  YEAR[97]     Normal(0, 2.99)
    3   sd_BROOD                 Intercept      Exponential(1)
    4         hu                                 Uniform(0, 1)
    """

    name: ClassVar[str] = "hurdle_poisson"
    title: ClassVar[str] = "Poisson hurdle"
    of: ClassVar[type[Family]] = Poisson
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        brms="hurdle_poisson",
        bambi="hurdle_poisson",
        bambi_parameters={"hu": "psi"},
        bambi_rest=("hu",),
        nearest={"mgcv": "ziplss(), a hurdle whose share of counts has the cloglog link"},
        names=("hurdlepoisson", "poisson_hurdle", "zap"),
    )
    wider: ClassVar[str | None] = "hurdle_negative_binomial"
    link: Link = field(default_factory=Log)

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        return "HurdlePoisson", {"psi": 1 - parameters["hu"], "mu": self.inverse(eta, xp)}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        return rf"{y} &\sim \mathrm{{HurdlePoisson}}({symbol('hu')},\, \mu_i)"
