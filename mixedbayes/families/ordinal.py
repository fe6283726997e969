"""What families of ordered categories share: thresholds, discrimination, and what follows from the
categories' probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from mixedbayes import names
from mixedbayes.design.independent import dependent
from mixedbayes.design.response import Response
from mixedbayes.design.types import Design, Floats, Ints, LinearPredictor
from mixedbayes.design.values import listed
from mixedbayes.distributions import Normal, Prior
from mixedbayes.errors import DataError
from mixedbayes.families import support
from mixedbayes.families.base import (
    Bools,
    Parameter,
    Values,
    per_row,
    repeated,
    weights_of,
)
from mixedbayes.families.categories import Categories
from mixedbayes.families.links import Cloglog, Identity, Link, Logit, Probit, ShareLink
from mixedbayes.families.rows import Rows
from mixedbayes.formula import Formula
from mixedbayes.formula import Response as Left
from mixedbayes.formula.nodes import column
from mixedbayes.formula.specific import check_bars
from mixedbayes.priors.types import Assigned

THRESHOLDS, DISC = "thresholds", "disc"
DISCRIMINATION = Parameter(DISC, r"\alpha", optional=True)
WIDTH = 2.5
_DISC_SCALE = 0.4  # of log(disc): its effects have prior sds of 1, a factor of e
_UNSEEN = 0.5  # rows of a category that occurs in none
_NAMED = 6  # columns in a message
MOST_APART = 31  # categories with cs(): the compiled loop has two bits for each further predictor


@dataclass(frozen=True)
class Ordinal(Categories):
    """Ordered categories 1, ..., K, whose probabilities depend on disc (threshold_k - eta).

    Larger eta means higher categories. The thresholds take the intercept's place. The response is
    an ordered category (of pandas, of `pandas.cut`, or C(y, levels=[...])), or whole numbers; text
    has no order. Predictions and fitted values of its mean are `probabilities` of the categories;
    where one number is needed (observed and simulated responses, residuals, variance of the
    response) it is the code 1, 2, ..., K, whose mean is `expectation`; so in the pm.Model. A design
    counts from 0.

    The discrimination disc is 1 unless it has a formula, log(disc) = its predictor. A constant in
    it could not be told from the unit of thresholds and effects, so that this formula has no
    intercept: disc is 1 where its columns and effects are 0, whether the formula says `0 +` or not.
    Bürkner & Vuorre (2019), doi:10.1177/2515245918823199.

    Where thresholds need not increase, effects may be category-specific: cs(x) gives each threshold
    a coefficient of x of its own, on the scale of eta, `x[low|middle]`. Each threshold then has a
    predictor, a parameter of the family for all that predicts: its column moves that threshold
    alone. A term is either common to all thresholds or category-specific.
    """

    declared: ClassVar[tuple[Parameter, ...]] = (
        Parameter(THRESHOLDS, r"\theta", formula=False, level=True),
        DISCRIMINATION,
    )
    takes: ClassVar[str] = "ordered categories or whole numbers"
    mean_is_mu: ClassVar[bool] = False
    mean_links: ClassVar[tuple[type[Link], ...]] = (Logit, Probit, Cloglog)
    link: ShareLink = field(default_factory=Logit)
    specific: tuple[str, ...] = ()  # predictors of single thresholds, from a design with cs()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.specific:
            own = map(_of_threshold, self.specific)
            object.__setattr__(self, "declared", (*type(self).declared, *own))
            object.__setattr__(self, "parameters", tuple(p.name for p in self.declared))

    # ---- before anything runs -----------------------------------------------------------------

    def expanded(self, formula: Formula, response: Response) -> Formula:
        """With cs(), a further formula for each threshold."""
        self.check_columns(response)
        check_bars(formula)
        if formula.specific is None or not self.apart:
            return formula
        levels, codes = response.levels, np.unique(response.y)
        found = [int(v) if levels is None else levels[int(v)] for v in codes]
        if len(found) > MOST_APART:
            raise DataError(
                f"{formula.response.text} has {len(found)} categories: with cs() there are effects "
                f"on each threshold, of at most {MOST_APART} categories; put some together"
            )
        thresholds = [f"{a}|{b}" for a, b in pairwise(found)]
        if len({names.identifier(t) for t in thresholds}) < len(thresholds):
            thresholds = [str(k) for k in range(1, len(found))]
        right = formula.specific.fixed
        own = (
            replace(
                formula.specific,
                text=f"{name} ~ {right}",
                response=Left(column(name), formula.response.span),
            )
            for name in map(names.specific, thresholds)
        )
        return replace(formula, others=(*formula.others, *own))

    def of_design(self, design: Design) -> Ordinal:
        own = tuple(p.parameter for p in design.moving[1:])
        return replace(self, specific=own)

    def rows(self, design: Design) -> Rows:
        return Rows.of(design.y, weights_of(design), 0.0)

    def check(self, design: Design) -> None:
        if design.response_levels is None:
            self.require_support(design)
        found = len(np.unique(design.y))
        if found < 3:
            raise DataError(
                f"the response {design.response!r} has {found} different values in {design.n} "
                f"rows: the {self.name} family takes three or more ordered categories; "
                f"{support.suggestion(design)} fits"
            )
        if not design.response_ordered:
            support.refuse_unordered(design)
        _refuse_constant(design.mu, f"the thresholds of the {self.name} family hold it already")
        for predictor in design.predictors[1:]:
            if predictor.parameter == DISC:
                _check_disc(predictor)
        if len(design.moving) > 1:
            own = design.moving[1]
            _refuse_constant(own, "the thresholds hold it already: what is in cs() has none")
            _check_specific(design.mu, own)

    def supports(self, y: Floats, trials: Ints | None = None) -> Bools:
        return np.isfinite(y) & (y == np.floor(y))

    def prepare(self, design: Design) -> Design:
        """Codes 0, 1, ..., K - 1 of the categories that occur, and no intercepts."""
        design = super().prepare(design)
        values, codes = np.unique(design.y, return_inverse=True)
        labels = design.response_levels
        levels = tuple(int(v) if labels is None else labels[int(v)] for v in values)
        note = (
            f"{design.response}: ordered {' < '.join(map(str, levels))}; the thresholds between "
            "them take the intercept's place"
        )
        if DISC in design.further:
            note += "; disc is 1 where the columns and effects of its formula are 0"
        return replace(
            design,
            y=codes.astype(float),
            response_levels=levels,
            predictors=tuple(replace(p, intercept=False) for p in design.predictors),
            notes=(*design.notes, note),
        )

    # ---- default priors -----------------------------------------------------------------------

    def location(self, design: Design) -> float:
        return 0.0

    def scale(self, design: Design) -> float:
        """One unit of the logit link, on this link."""
        return float(np.sqrt(self.link.variance / Logit.variance))

    def scale_origin(self, design: Design) -> str:
        return f"unit of {self.link.name}"

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        scale = self.scale(design)
        each = "each, in order" if self.ordered else "each"
        return Normal(0.0, WIDTH * scale), (
            f"{each}; {WIDTH} units of {self.link.name}; at the predictors' means"
        )

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        return 0.0, _DISC_SCALE

    def typical(self, name: str, design: Design, assigned: Assigned | None) -> Floats:
        """The thresholds that give the categories' overall shares.

        Simulated responses may lack a category: it counts as half a row.
        """
        if name != THRESHOLDS:
            return super().typical(name, design, assigned)
        many = len(self.categories(design))
        counts = np.bincount(design.y.astype(int), design.mu.counts, many)
        counts = np.where(counts > 0, counts, _UNSEEN)
        return self.thresholds_of(counts / counts.sum())

    def thresholds_of(self, shares: Floats) -> Floats:
        """(K - 1,) thresholds at which categories have these shares (K,) where eta is 0."""
        raise NotImplementedError

    def labels(self, name: str, design: Design) -> tuple[str, ...] | None:
        """Labels of the thresholds: "low|middle", "middle|high"."""
        if name != THRESHOLDS:
            return None
        return tuple(f"{a}|{b}" for a, b in pairwise(self.categories(design)))

    # ---- the distribution ---------------------------------------------------------------------

    def log_probabilities(self, edges: Any, xp: Any = np) -> Any:
        """(..., K) log probabilities of the categories; edges (..., K - 1) are disc (cut - eta)."""
        raise NotImplementedError

    def about(self, edges: Floats, along: Floats) -> Floats:
        """(S, n) sum over categories of p (d log p / d h)^2, where h moves edges by `along`."""
        raise NotImplementedError

    def inverse(self, eta: Any, xp: Any) -> Any:
        """The latent location itself: there is no single mean."""
        return eta

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        edges = parameters[THRESHOLDS] - eta[:, None]  # (n, K - 1)
        if self.specific:
            edges = edges - xp.stack([parameters[name] for name in self.specific], axis=-1)
        if DISC in parameters:
            edges = xp.reshape(parameters[DISC], (-1, 1)) * edges
        return "Categorical", {"logit_p": self.log_probabilities(edges, xp)}

    def edges(self, mu: Floats, parameters: Values) -> Floats:
        """(S, n, K - 1) thresholds seen from the latent location, in units of its noise."""
        found = parameters[THRESHOLDS][:, None, :] - mu[..., None]
        if self.specific:
            found = found - np.stack(
                np.broadcast_arrays(*(per_row(parameters[name]) for name in self.specific)), axis=-1
            )
        return np.asarray(disc_of(parameters)[..., None] * found)

    def probabilities(self, mu: Floats, parameters: Values) -> Floats:
        """(S, n, K) probability of each category."""
        return np.exp(self.log_probabilities(self.edges(mu, parameters)))

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        """y are codes 0, 1, ..., K - 1."""
        every = self.log_probabilities(self.edges(mu, parameters))
        found = np.take_along_axis(every, np.asarray(y, int)[None, :, None], axis=-1)[..., 0]
        return repeated(found, weights)

    def expectation(self, mu: Floats, parameters: Values) -> Floats:
        """(S, n) mean of the codes 1, ..., K."""
        p = self.probabilities(mu, parameters)
        return p @ np.arange(1.0, p.shape[-1] + 1)

    def variance(
        self,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        p = self.probabilities(mu, parameters)
        codes = np.arange(1.0, p.shape[-1] + 1)
        return p @ codes**2 - (p @ codes) ** 2

    def information(self, eta: Floats, parameters: Values) -> Floats:
        edges = self.edges(eta, parameters)
        along = np.broadcast_to(disc_of(parameters)[..., None], edges.shape)
        return self.about(edges, along)

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        """About log(disc), which moves each edge in proportion to itself; or one threshold's."""
        edges = self.edges(eta, parameters)
        if name == DISC:
            return self.about(edges, edges)
        along = np.zeros_like(edges)
        along[..., self.specific.index(name)] = disc_of(parameters)
        return self.about(edges, along)

    def no_ratio(self, design: Design) -> str:
        if DISC in design.further:
            return (
                "effects count times disc, which differs between rows; comparisons() has odds "
                "ratios of each category"
            )
        if isinstance(self.link, Cloglog) and not self.goes_up:
            return (
                "larger effects mean higher categories, so that the hazard of ending at a lower "
                "one is multiplied by exp(-effect)"
            )
        return ""

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        return np.broadcast_to(self.residual_variance(parameters), np.shape(mean))

    def residual_variance(self, parameters: Values) -> Floats:
        """Variance of the latent noise: the link's (pi^2 / 3, 1, pi^2 / 6), over disc^2.

        Of families that go from category to category it is that of the noise in each step.
        """
        return np.asarray(self.link.variance / np.square(parameters.get(DISC, 1.0)))


def disc_of(parameters: Values) -> Floats:
    """(S, 1) or (S, n) the discrimination; 1 where it has no formula."""
    return per_row(parameters[DISC]) if DISC in parameters else np.ones((1, 1))


def _of_threshold(name: str) -> Parameter:
    """The predictor of a threshold; results that average hold it at its mean."""
    symbol = r"\mu^{(k)}"
    return Parameter(name, symbol, Identity(), formula=False, optional=True, averages=False)


def _check_specific(common: LinearPredictor, specific: LinearPredictor) -> None:
    """DataError where what cs() has is, or adds up to, an effect that all thresholds share."""
    both = np.concatenate([common.X, specific.X], axis=1)
    labels, p = (*common.terms, *specific.terms), len(common.terms)
    for j, others in dependent(both, centre=True).items():
        own = sorted((*others, j))
        shared = [labels[k] for k in own if k < p]
        apart = [labels[k] for k in own if k >= p]
        if shared and apart:
            raise DataError(
                f"cs() has {listed(apart)}, and {listed(shared)} outside it "
                f"{'is' if len(shared) == 1 else 'are'} the same: effects on each threshold hold "
                "an effect on all of them, so that the two could not be told apart; keep one, "
                "cs(x) where the effect may differ between thresholds, x where it is the same"
            )


def law(left: str, disc: str, *, flipped: bool = False, apart: bool = False) -> str:
    """LaTeX of a link's argument: a threshold's distance, times disc where it has a formula.

    `apart`: a threshold has effects of its own.
    """
    inside = r"\mu_i - \theta_k" if flipped else r"\theta_k - \mu_i"
    if apart:
        inside = r"\mu_i + \mu^{(k)}_i - \theta_k" if flipped else rf"{inside} - \mu^{{(k)}}_i"
    return rf"{left} &= " + (rf"{disc} ({inside})" if disc.endswith("_i") else inside)


def _refuse_constant(predictor: LinearPredictor, why: str) -> None:
    """DataError where columns of a formula without an intercept add up to a constant."""
    constant = {} if predictor.intercept else dependent(predictor.X, centre=True)
    for j, others in constant.items():
        names = [predictor.terms[k] for k in sorted((*others, j))]
        named = ", ".join([*names[:_NAMED], *(["..."] if len(names) > _NAMED else [])])
        raise DataError(
            f"without an intercept a constant is among the columns {named} ({len(names)} of "
            f"{len(predictor.terms)}) or their sums, and {why}: leave `0 +` or `- 1` out of the "
            "formula"
        )


def _check_disc(predictor: LinearPredictor) -> None:
    _refuse_constant(
        predictor,
        "a disc that all rows share could not be told from the unit of thresholds and effects "
        "(without `0 +` the formula of disc has no intercept either, and its first level has "
        "disc = 1)",
    )
    if not (predictor.terms or predictor.groups or predictor.offset is not None):
        raise DataError(
            "the formula of disc has an intercept alone: a disc that all rows share could not be "
            "told from the unit of thresholds and effects, and is 1; leave the formula out, or "
            "let disc depend on a predictor, such as disc ~ x + (1 | g)"
        )
