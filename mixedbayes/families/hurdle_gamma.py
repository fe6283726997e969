"""Zeros by a process of their own, and positive numbers that are gamma."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mixedbayes.design.types import Design
from mixedbayes.families.base import Elsewhere, Family
from mixedbayes.families.gamma import GammaFamily
from mixedbayes.families.hurdle import PositiveHurdle
from mixedbayes.families.links import Link, Log


@dataclass(frozen=True)
class HurdleGamma(PositiveHurdle):
    """y is 0 with probability hu, and otherwise Gamma(mean mu, shape): E[y] = (1 - hu) mu.

    A row of weight w counts w times.

    Parameters
    ----------
    link
        Of mu: `mb.Log()`, the only one.
    links
        Of formulas of further parameters, by name, such as ``{"shape": mb.Softplus()}``. shape:
        positive, `mb.Log()` or `mb.Softplus()`. hu: a share, `mb.Logit()`, `mb.Probit()` or
        `mb.Cloglog()`.

    See Also
    --------
    Gamma : Without zeros.
    HurdleLognormal : With a heavier tail.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> formula = "y ~ x + (1 | g)"
    >>> plan = {"groups": {"g": 10}, "per_group": 20, "sd": {"g": 0.5}, "seed": 1}
    >>> data = mb.simulate(formula, **plan, family="hurdle_gamma", shape=2, hu=0.3)
    >>> model = mb.Model(formula, data, family="hurdle_gamma")
    >>> model.priors[["parameter", "term", "prior"]]
       parameter                      term                   prior
    0  Intercept  at the predictors' means   Normal(0.2419, 2.057)
    1      fixef                         x        Normal(0, 2.058)
    2       sd_g                 Intercept      Exponential(1.215)
    3      shape                            InverseGamma(0.4, 0.3)
    4         hu                                     Uniform(0, 1)
    """

    name: ClassVar[str] = "hurdle_gamma"
    of: ClassVar[type[Family]] = GammaFamily
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        brms="hurdle_gamma",
        bambi="hurdle_gamma",
        bambi_parameters={"shape": "alpha", "hu": "psi"},
        bambi_rest=("hu",),
        names=("zigamma", "zero_inflated_gamma", "hurdlegamma"),
    )
    mean_links: ClassVar[tuple[type[Link], ...]] = (Log,)
    link: Link = field(default_factory=Log)

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        shape, mu = parameters["shape"], self.inverse(eta, xp)
        args = {"psi": 1 - parameters["hu"], "alpha": shape, "beta": shape / mu}
        return "HurdleGamma", args

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        law = rf"{symbol('hu')},\, \text{{mean }}\mu_i,\, \text{{shape }}{symbol('shape')}"
        return rf"{y} &\sim \mathrm{{HurdleGamma}}({law})"
