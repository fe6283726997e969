"""Ordered categories by stopping ratios."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.families.base import Elsewhere
from mixedbayes.families.links import Cloglog, Logit, Probit
from mixedbayes.families.ordinal import law
from mixedbayes.families.ordinal_each import densities, stop_cloglog, stop_logit, stop_probit
from mixedbayes.families.ordinal_rows import TAILS, stopping
from mixedbayes.families.rows import RowDensity
from mixedbayes.families.sequential import Sequential

_CATEGORY = {link: stopping(tails) for link, tails in TAILS.items()}
_DENSITIES = densities(_CATEGORY, {Logit: stop_logit, Probit: stop_probit, Cloglog: stop_cloglog})


@dataclass(frozen=True)
class Sratio(Sequential):
    """P(y = k | y >= k) = F(disc (threshold_k - eta)): a response stops at k, once it is there.

    The stopping ratio model, for categories that are reached one after the other, such as stages
    and grades: in each the response stays with a probability of its own. F is the distribution
    function that belongs to the link. With the logit link it is a binomial model of the rows
    written out, one for each category that was reached. Tutz (1990),
    doi:10.1111/j.2044-8317.1990.tb00925.x.

    Parameters
    ----------
    link
        Of mu: `mb.Logit()` by default; or `mb.Probit()` or `mb.Cloglog()`.
    specific
        Columns with category-specific effects; set by ``cs(x)`` in the formula, not by hand.
    links
        Of formulas of further parameters, by name. disc: positive, `mb.Log()` alone.

    See Also
    --------
    Cratio : The other direction.
    Cumulative : A latent response with cuts.
    Acat : Neighbouring categories compared.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("wine")
    >>> model = mb.Model("rating ~ temp + (1 | judge)", data, family="sratio")
    >>> model.priors[["parameter", "term", "prior"]]
        parameter        term           prior
    0       fixef  temp[warm]  Normal(0, 2.5)
    1    sd_judge   Intercept  Exponential(1)
    2  thresholds              Normal(0, 2.5)
    """

    name: ClassVar[str] = "sratio"
    apart: ClassVar[bool] = True
    at_threshold: ClassVar[str] = "the probability of ending at a category, once it is reached,"
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "sratio",
        names=("stopping", "stopping_ratio", "stoppingratio", "sequential", "sequential_logit"),
    )

    @property
    def row_density(self) -> RowDensity:
        return _DENSITIES[type(self.link)]

    def thresholds_of(self, shares: Floats) -> Floats:
        reached = np.cumsum(shares[::-1])[::-1]
        return np.asarray(self.link.link(shares[:-1] / reached[:-1], np))

    def steps(self, edges: Any, xp: Any) -> tuple[Any, Any]:
        return self.link.log_inverse(edges, xp), self.link.log_rest(edges, xp)

    def log_slopes(self, edges: Floats) -> Floats:
        return np.asarray(self.link.log_slope(edges, np))

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        left = rf"\mathrm{{{self.link.name}}}(\Pr({y} = k \mid {y} \ge k))"
        return law(left, symbol("disc"), apart=bool(self.specific))
