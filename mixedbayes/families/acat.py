"""Ordered categories by the odds of adjacent ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.families.base import Elsewhere
from mixedbayes.families.links import Logit
from mixedbayes.families.ordinal import Ordinal, law
from mixedbayes.families.ordinal_each import adjacent_logit, densities
from mixedbayes.families.ordinal_rows import TAILS, adjacent
from mixedbayes.families.rows import RowDensity

_CATEGORY = {link: adjacent(tails) for link, tails in TAILS.items()}
_DENSITIES = densities(_CATEGORY, {Logit: adjacent_logit}, concave=False)


@dataclass(frozen=True)
class Acat(Ordinal):
    """P(y = k + 1 | y is k or k + 1) = F(disc (eta - threshold_k)).

    The adjacent category model: with the logit link effects multiply the odds of a category
    against that below it (the partial credit model of tests), and two categories are a Bernoulli
    response. F is the distribution function that belongs to the link. Thresholds need not
    increase. Masters (1982), doi:10.1007/BF02296272; Agresti (2010), Analysis of Ordinal
    Categorical Data, section 4.1.

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
    Cumulative : A latent response with cuts.
    Sratio : Categories reached one after the other.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> data = mb.load_data("wine")
    >>> model = mb.Model("rating ~ temp + (1 | judge)", data, family="acat")
    >>> model.priors[["parameter", "term", "prior"]]
        parameter        term           prior
    0       fixef  temp[warm]  Normal(0, 2.5)
    1    sd_judge   Intercept  Exponential(1)
    2  thresholds              Normal(0, 2.5)
    """

    name: ClassVar[str] = "acat"
    apart: ClassVar[bool] = True
    goes_up: ClassVar[bool] = True
    at_threshold: ClassVar[str] = (
        "the probability of the higher of two adjacent categories, against the lower,"
    )
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "acat",
        names=("adjacent", "adjacent_category", "adjacent_categories", "partial_credit"),
    )

    @property
    def row_density(self) -> RowDensity:
        return _DENSITIES[type(self.link)]

    def thresholds_of(self, shares: Floats) -> Floats:
        return -np.asarray(self.link.link(shares[1:] / (shares[1:] + shares[:-1]), np))

    def log_probabilities(self, edges: Any, xp: Any = np) -> Any:
        steps = self.link.log_odds(-edges, xp)
        none = xp.zeros_like(steps[..., :1])
        level = xp.concatenate([none, xp.cumsum(steps, axis=-1)], axis=-1)
        level = level - xp.max(level, axis=-1, keepdims=True)
        return level - xp.log(xp.sum(xp.exp(level), axis=-1, keepdims=True))

    def about(self, edges: Floats, along: Floats) -> Floats:
        """The variance over categories of the derivative of log p, less what all have in common."""
        h, p = -edges, np.exp(self.log_probabilities(edges))
        odds = self.link.log_slope(h, np) - self.link.log_inverse(h, np) - self.link.log_rest(h, np)
        moved = np.cumsum(np.exp(odds) * along, axis=-1)
        moved = np.concatenate([np.zeros_like(moved[..., :1]), moved], axis=-1)
        mean = np.sum(p * moved, axis=-1, keepdims=True)
        return np.sum(p * (moved - mean) ** 2, axis=-1)

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        name, two = self.link.name, rf"{y} \in \{{k, k + 1\}}"
        left = rf"\mathrm{{{name}}}(\Pr({y} = k + 1 \mid {two}))"
        return law(left, symbol("disc"), flipped=True, apart=bool(self.specific))
