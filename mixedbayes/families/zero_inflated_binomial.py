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
    """y is 0 with probability zi, and Binomial(n, mu) otherwise; `successes | trials(n)`.

    Parameters
    ----------
    link
        Of mu: `mb.Logit()` by default; or `mb.Probit()` or `mb.Cloglog()`.
    links
        Of formulas of further parameters, by name, such as ``{"zi": mb.Probit()}``. zi: a share,
        `mb.Logit()`, `mb.Probit()` or `mb.Cloglog()`.

    See Also
    --------
    Binomial : Without more zeros.
    ZeroInflatedBetaBinomial : With trials that resemble each other.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("cbpp")
    >>> formula = "incidence | trials(size) ~ period + (1 | herd)"
    >>> model = mb.Model(formula, data, family="zero_inflated_binomial")
    >>> model.priors[["parameter", "term", "prior"]]
       parameter                      term                prior
    0  Intercept  at the predictors' means  Normal(-1.573, 2.5)
    1      fixef                 period[2]     Normal(0, 2.871)
    2      fixef                 period[3]      Normal(0, 2.86)
    3      fixef                 period[4]     Normal(0, 2.818)
    4    sd_herd                 Intercept       Exponential(1)
    5         zi                                  Uniform(0, 1)
    """

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
