"""Zeros by a process of their own, and positive numbers that are lognormal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mixedbayes.design.types import Design
from mixedbayes.families.base import Elsewhere, Family
from mixedbayes.families.hurdle import PositiveHurdle
from mixedbayes.families.links import Identity, Link
from mixedbayes.families.lognormal import Lognormal


@dataclass(frozen=True)
class HurdleLognormal(PositiveHurdle):
    """y is 0 with probability hu, and otherwise log y ~ Normal(mu, sigma).

    E[y] = (1 - hu) exp(mu + sigma^2 / 2). A row of weight w counts w times.

    Parameters
    ----------
    link
        Of mu: `mb.Identity()`, the only one.
    links
        Of formulas of further parameters, by name, such as ``{"sigma": mb.Softplus()}``. sigma:
        positive, `mb.Log()` or `mb.Softplus()`. hu: a share, `mb.Logit()`, `mb.Probit()` or
        `mb.Cloglog()`.

    See Also
    --------
    Lognormal : Without zeros.
    HurdleGamma : With a lighter tail.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> formula = "y ~ x + (1 | g)"
    >>> plan = {"groups": {"g": 10}, "per_group": 20, "sd": {"g": 0.5}, "seed": 1}
    >>> data = mb.simulate(formula, **plan, family="hurdle_lognormal", sigma=0.5, hu=0.3)
    >>> model = mb.Model(formula, data, family="hurdle_lognormal")
    >>> model.priors[["parameter", "term", "prior"]]
       parameter                      term                  prior
    0  Intercept  at the predictors' means  Normal(0.1741, 1.601)
    1      fixef                         x       Normal(0, 1.602)
    2       sd_g                 Intercept     Exponential(1.561)
    3      sigma                               Exponential(1.561)
    4         hu                                    Uniform(0, 1)
    """

    name: ClassVar[str] = "hurdle_lognormal"
    of: ClassVar[type[Family]] = Lognormal
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        brms="hurdle_lognormal",
        bambi="hurdle_lognormal",
        bambi_parameters={"sigma": "sigma", "hu": "psi"},
        bambi_rest=("hu",),
        names=("hurdlelognormal",),
    )
    mean_links: ClassVar[tuple[type[Link], ...]] = (Identity,)
    link: Link = field(default_factory=Identity)

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        args = {"psi": 1 - parameters["hu"], "mu": eta, "sigma": parameters["sigma"]}
        return "HurdleLogNormal", args

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        law = rf"{symbol('hu')},\, \mu_i,\, {symbol('sigma')}^2"
        return rf"{y} &\sim \mathrm{{HurdleLogNormal}}({law})"
