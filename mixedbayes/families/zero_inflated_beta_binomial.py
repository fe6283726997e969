"""Counts of successes among trials with more zeros than the beta-binomial's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mixedbayes.design.types import Design
from mixedbayes.families.base import Elsewhere, Family
from mixedbayes.families.beta_binomial import BetaBinomial
from mixedbayes.families.binomial import Trials
from mixedbayes.families.links import Logit, ShareLink
from mixedbayes.families.zero_inflated import ZeroInflated


@dataclass(frozen=True)
class ZeroInflatedBetaBinomial(ZeroInflated, Trials):
    """y is 0 with probability zi, and BetaBinomial(n, mu phi, (1 - mu) phi) otherwise.

    Parameters
    ----------
    link
        Of mu: `mb.Logit()` by default; or `mb.Probit()` or `mb.Cloglog()`.
    links
        Of formulas of further parameters, by name, such as ``{"phi": mb.Softplus()}``. phi:
        positive, `mb.Log()` or `mb.Softplus()`. zi: a share, `mb.Logit()`, `mb.Probit()` or
        `mb.Cloglog()`.

    See Also
    --------
    BetaBinomial : Without more zeros.
    ZeroInflatedBinomial : With independent trials.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("cbpp")
    >>> formula = "incidence | trials(size) ~ period + (1 | herd)"
    >>> model = mb.Model(formula, data, family="zero_inflated_beta_binomial")
    >>> model.priors[["parameter", "term", "prior"]]
       parameter                      term                   prior
    0  Intercept  at the predictors' means     Normal(-1.573, 2.5)
    1      fixef                 period[2]        Normal(0, 2.871)
    2      fixef                 period[3]         Normal(0, 2.86)
    3      fixef                 period[4]        Normal(0, 2.818)
    4    sd_herd                 Intercept          Exponential(1)
    5        phi                            InverseGamma(0.4, 0.3)
    6         zi                                     Uniform(0, 1)
    """

    name: ClassVar[str] = "zero_inflated_beta_binomial"
    title: ClassVar[str] = "zero-inflated beta-binomial"
    of: ClassVar[type[Family]] = BetaBinomial
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        brms="zero_inflated_beta_binomial",
        names=("zibb", "zero_inflated_betabinomial", "zi_beta_binomial"),
    )
    link: ShareLink = field(default_factory=Logit)

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        _, args = self.component.pymc(eta, parameters, design, xp)
        return "ZeroInflatedBetaBinomial", {"psi": 1 - parameters["zi"], **args}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        phi = symbol("phi")
        law = rf"{symbol('zi')},\, n_i,\, \mu_i {phi},\, (1 - \mu_i) {phi}"
        return rf"{y} &\sim \mathrm{{ZIBB}}({law})"
