"""Two outcomes in each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from scipy import special

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.errors import DataError
from mixedbayes.families import support
from mixedbayes.families.base import Bools, Elsewhere, Values, repeated
from mixedbayes.families.binomial import Shares
from mixedbayes.families.elsewhere import InMgcv


@dataclass(frozen=True)
class Bernoulli(Shares):
    """y ~ Bernoulli(mu): 0 or 1, False or True, or a category with two levels.

    Of two levels the second is the success, as in R; the design's notes say which.

    Parameters
    ----------
    link
        Of mu: `mb.Logit()` by default; or `mb.Probit()` or `mb.Cloglog()`.
    links
        None: there are no further parameters with formulas.

    See Also
    --------
    Binomial : Of several trials in a row.
    Categorical : Of more than two categories.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("verbagg")
    >>> model = mb.Model("r2 ~ Anger + (1 | id)", data, family="bernoulli")
    >>> model.priors[["parameter", "term", "prior"]]
       parameter                      term                  prior
    0  Intercept  at the predictors' means  Normal(-0.09552, 2.5)
    1      fixef                     Anger      Normal(0, 0.5164)
    2      sd_id                 Intercept         Exponential(1)
    """

    name: ClassVar[str] = "bernoulli"
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "bernoulli", "binomial", "bernoulli",
        mgcv=InMgcv('binomial(link = "{link}")'),
        names=("binary", "logistic", "logit", "bernoulli_logit"),
    )  # fmt: skip
    takes: ClassVar[str] = "0 or 1, False or True, or two levels"

    no_limits: ClassVar[str] = "of 0 and 1, a response known within limits is known or says nothing"

    def check(self, design: Design) -> None:
        levels = design.response_levels
        if levels is not None and len(levels) == 1:
            raise DataError(
                f"the response {design.response!r} has the single level {levels[0]!r} in all "
                f"{design.n} rows; name both outcomes: pandas.Categorical(data[...], [failure, "
                "success])"
            )
        if levels is not None and len(levels) != 2:
            raise DataError(
                f"the response {design.response!r} has {len(levels)} levels "
                f"({', '.join(map(repr, levels[:4]))}{', ...' if len(levels) > 4 else ''}): the "
                f"bernoulli family takes two outcomes; {support.suggestion(design)} fits, or "
                "compare with one level to make a True/False column"
            )
        self.require_support(design)

    def supports(self, y: Floats, trials: Ints | None = None) -> Bools:
        return np.isin(y, (0.0, 1.0))

    def prepare(self, design: Design) -> Design:
        """The design, with a note which level is the success."""
        design = super().prepare(design)
        if design.response_levels is None or design.response_levels == (False, True):
            return design
        failure, success = design.response_levels
        note = f"{design.response}: the probability is that of {success!r}, against {failure!r}"
        return replace(design, notes=(*design.notes, note))

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        return "Bernoulli", {"logit_p": self.link.log_odds(eta, xp)}

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        return rf"{y} &\sim \mathrm{{Bernoulli}}(\mu_i)"

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return (rng.uniform(size=np.shape(mu)) < mu).astype(float)

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        y = np.asarray(y)
        return np.where(y < 0, 0.0, np.where(y < 1, 1 - mu, 1.0))

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return repeated(special.xlogy(y, mu) + special.xlog1py(1 - y, -mu), weights)

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        return mu * (1 - mu)
