"""Categories without an order: a linear predictor for each of them but the first."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from scipy import special

from mixedbayes import names
from mixedbayes.design.response import Response
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.design.values import label, listed
from mixedbayes.errors import DataError, ModelError
from mixedbayes.families import categorical_rows as rows_of
from mixedbayes.families.base import (
    Bools,
    Elsewhere,
    Parameter,
    Values,
    per_row,
    repeated,
    weights_of,
)
from mixedbayes.families.categories import Categories
from mixedbayes.families.links import Identity, Link, Logit
from mixedbayes.families.rows import RowDensity, Rows
from mixedbayes.formula import Formula
from mixedbayes.formula.types import RandomTerm
from mixedbayes.numerics.softmax_normal import softmax_mean
from mixedbayes.terms.bars import BARS

_MOST = 32  # categories: the compiled loop has two bits for each of the further predictors
_UNSEEN = (1, 2, 3)
_HALF = 0.5  # row added to each category, so that shares have odds


@dataclass(frozen=True)
class Categorical(Categories):
    """P(y = k) = exp(eta_k) / sum_j exp(eta_j), with eta = 0 of the reference category.

    Multinomial logistic regression. One formula stands for all categories but the reference, each
    of which has its own intercept, effects and group effects; exp() of an effect is a relative-risk
    ratio, what P(y = k) / P(y = reference) is multiplied by. Group effects over one factor are
    correlated across categories, unless the bar is `(x || g)`. McFadden (1974), in Zarembka (ed.),
    Frontiers in Econometrics, 105-142; Agresti (2013), Categorical Data Analysis, chapter 8.

    The response is text, a category, or whole numbers that are labels, of three or more levels that
    occur. The predictor of the category "bus" is called mu_bus: so are its parameters, such as
    `mu_bus_Intercept` and `sd_mu_bus_person`, its priors, `{"mu_bus": {...}}`, and a formula that
    it alone has, "mu_bus ~ income" (or "bus ~ income").

    Parameters
    ----------
    link
        Of the categories' predictors: `mb.Logit()`, the only one.
    links
        None: there are no further parameters.
    reference
        The category that the others are compared with; by default the first, which is that of
        pandas' categories, and else the first in the order of the alphabet or of numbers.
    found
        Set by the package, not by hand.

    See Also
    --------
    Multinomial : Counts of categories.
    Cumulative : Categories with an order.

    Examples
    --------
    Two categories, neither the reference, are compared by their effects, or by their probabilities:

    >>> fit.hypothesis("mu_car_price < mu_bike_price")  # doctest: +SKIP
    >>> fit.means(groups="typical").contrast({"bus": 1, "car": -1})  # doctest: +SKIP
    >>> fit.fixef(exponentiate=True)  # relative-risk ratios  # doctest: +SKIP

    >>> import mixedbayes as mb
    >>> mb.families.Categorical(reference="bus").described
    "categorical, logit link, reference 'bus'"
    """

    name: ClassVar[str] = "categorical"
    takes: ClassVar[str] = "labels: text, categories or whole numbers"
    mean_links: ClassVar[tuple[type[Link], ...]] = (Logit,)
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "categorical",
        bambi="categorical",
        bambi_link="softmax",
        nearest={"mgcv": "multinom(K = 2), of a response 0, 1, 2, with a list of formulas"},
        names=("multinom", "multinomial_logit", "multinomial_logistic", "softmax", "mlogit",
               "nominal"),
    )  # fmt: skip
    mean_is_mu: ClassVar[bool] = False
    jointly: ClassVar[bool] = True
    unknown: ClassVar[bool] = True
    unordered: ClassVar[str] = "categories without an order have no mean and no variance"
    no_latent_variance: ClassVar[str] = unordered
    link: Logit = field(default_factory=Logit)
    reference: Any = None
    found: tuple[Any, ...] = ()  # the categories of a design, the reference first; from the data

    def __post_init__(self) -> None:
        super().__post_init__()
        own = tuple(self.parameter(name) for name in self.predictors[1:])
        object.__setattr__(self, "declared", own)
        object.__setattr__(self, "parameters", self.predictors[1:])

    @property
    def levels(self) -> tuple[Any, ...]:
        """The categories, the reference first; three of them where no data have been seen."""
        return self.found or _UNSEEN

    @property
    def predictors(self) -> tuple[str, ...]:
        """(K - 1,) names of the linear predictors."""
        return tuple(_named(level) for level in self.levels[1:])

    def predictor_scale(self, name: str) -> str:
        return self.link.name

    def parameter(self, name: str) -> Parameter:
        """The predictor of a category, that of the first as well."""
        k = self.predictors.index(name)
        return Parameter(name, rf"{{\mu_{{\text{{{label(self.levels[k + 1])}}}}}}}", Identity())

    @property
    def fixed(self) -> dict[str, Any]:
        return {} if self.reference is None else {"reference": label(self.reference)}

    @property
    def described(self) -> str:
        said = f"{self.name}, {self.link.name} link"
        return said if self.reference is None else f"{said}, reference {self.reference!r}"

    # ---- before anything runs -----------------------------------------------------------------

    def check_formula(self, formula: Formula) -> None:
        """What further formulas are of is known once the categories are; see `expanded`."""
        self._check_trials(formula)
        self._check_rate(formula)

    def expanded(self, formula: Formula, response: Response) -> Formula:
        """A formula for each category but the reference: the first one's, unless it has its own."""
        self.check_columns(response)
        name = formula.response.text
        family = self._of(name, response.y, response.levels)
        predictors = family.predictors
        own: dict[str, Formula] = {}
        for f in formula.others:
            own_of = family._meaning(f.response.text, name)
            if own_of in own:
                raise ModelError(
                    f"{own_of} has two formulas, {own[own_of].text!r} and {f.text!r}; leave one out"
                )
            own[own_of] = f
        each = [own.get(p, formula) for p in predictors]
        ids = _shared(each)
        first, *others = (replace(f, random=_with_ids(f.random, ids)) for f in each)
        right = formula.text.partition("~")[2].strip()
        return replace(
            first,
            text=formula.text,
            response=formula.response,
            parameter=predictors[0],
            others=tuple(
                replace(
                    f,
                    text=own[p].text if p in own else f"{p} ~ {right}",
                    response=replace(f.response, text=p),
                    others=(),
                )
                for p, f in zip(predictors[1:], others, strict=True)
            ),
            source=formula,
        )

    def knows(self, name: str, formula: Formula, response: Response) -> bool:
        text = formula.response.text
        try:
            self._of(text, response.y, response.levels)._meaning(name, text)
        except (DataError, ModelError):
            return False
        return True

    def of_design(self, design: Design) -> Self:
        return self._of(design.response, design.y, design.response_levels)

    def _of(self, name: str, y: Floats, levels: Sequence[Any] | None) -> Self:
        """The family of these responses, which knows its categories."""
        if levels is None and not np.all(self.supports(y)):
            return replace(self, found=())  # `check` says so, with the row
        there = self._there(name, y, levels)
        if len(there) < 3:
            raise DataError(
                f"the response {name!r} has {len(there)} categor{'y' if len(there) == 1 else 'ies'}"
                f" ({listed([label(v) for v in there])}): the {self.name} family takes three or "
                "more; of two, family='bernoulli' is the same model"
            )
        if len(there) > _MOST:
            raise DataError(
                f"the response {name!r} has {len(there)} different values: the {self.name} family "
                f"takes at most {_MOST} categories, each with effects of its own; put rare ones "
                "together"
            )
        first = 0 if self.reference is None else self._place(name, there)
        made = replace(self, found=(there[first], *there[:first], *there[first + 1 :]))
        twice = sorted({p for p in made.predictors if made.predictors.count(p) > 1})
        if twice:
            raise DataError(
                f"two categories of {name!r} would both be called {twice[0]} in the results; "
                "rename one"
            )
        return made

    def _there(self, name: str, y: Floats, levels: Sequence[Any] | None) -> Sequence[Any]:
        """The categories of these responses, in their own order."""
        return [int(c) if levels is None else levels[int(c)] for c in np.unique(y)]

    def _place(self, name: str, there: Sequence[Any]) -> int:
        texts = [label(v) for v in there]
        if label(self.reference) not in texts:
            raise ModelError(
                f"reference={self.reference!r} is no category of {name}, which has {listed(texts)}"
            )
        return texts.index(label(self.reference))

    def _meaning(self, said: str, name: str) -> str:
        """The predictor that a further formula is of: "mu_bus", "mubus" or "bus"."""
        plain = dict(zip(map(label, self.levels[1:]), self.predictors, strict=True))
        plain |= {p.removeprefix("mu_"): p for p in self.predictors}
        plain |= {self.brms_parameter(p): p for p in self.predictors}
        plain |= {p: p for p in self.predictors}
        if said.strip("`") in plain:
            return plain[said.strip("`")]
        known = ", ".join(self.predictors)
        raise ModelError(
            f"{said!r} has a formula, but the categories of {name!r} that may have one, besides "
            f"the reference, are: {known}"
        )

    def supports(self, y: Floats, trials: Ints | None = None) -> Bools:
        return np.isfinite(y) & (y == np.floor(y))

    def check(self, design: Design) -> None:
        if design.response_levels is None:
            self.require_support(design)

    def prepare(self, design: Design) -> Design:
        """Codes 0, 1, ..., K - 1 of the categories that occur, that of the reference 0."""
        design = super().prepare(design)
        labels = design.response_levels
        values = [int(v) for v in np.unique(design.y)]
        there = [v if labels is None else labels[v] for v in values]
        code = {v: self.levels.index(own) for v, own in zip(values, there, strict=True)}
        texts = [label(v) for v in self.levels]
        note = (
            f"{design.response}: categories without an order; {', '.join(texts[1:])} are compared "
            f"with {texts[0]}"
        )
        if labels is not None and design.response_ordered:
            note += "; they have an order, which family='cumulative' would use"
        return replace(
            design,
            y=np.array([code[int(v)] for v in design.y], float),
            response_levels=self.levels,
            response_ordered=False,
            notes=(*design.notes, note),
        )

    # ---- default priors -----------------------------------------------------------------------

    def shares(self, design: Design) -> Floats:
        """(K,) how often each category is in the rows."""
        counts = np.bincount(design.y.astype(int), design.mu.counts, len(self.levels))
        return np.asarray(counts, float)

    def _level(self, design: Design, k: int) -> float:
        """Log of the share of category k over that of the reference, offsets aside."""
        counts = self.shares(design) + _HALF
        return float(np.log(counts[k] / counts[0])) - design.predictors[k - 1].mean_offset

    def location(self, design: Design) -> float:
        return self._level(design, 1)

    def scale(self, design: Design) -> float:
        return 1.0

    def scale_origin(self, design: Design) -> str:
        return f"unit of {self.link.name}"

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        return self._level(design, self.predictors.index(name) + 1), 1.0

    def parameter_origin(self, name: str) -> str:
        return f"unit of {self.link.name}"

    # ---- the distribution ---------------------------------------------------------------------

    @property
    def row_density(self) -> RowDensity:
        return RowDensity(
            loop=rows_of.loop,
            loop_of_numbers=rows_of.loop,
            each_of_numbers=rows_of.each,
            scale=Logit,
            merges="extra",
        )

    def rows(self, design: Design) -> Rows:
        """Each row's responses by category: its weight in the place of its own."""
        weights, places = weights_of(design), np.arange(design.n)
        counts = np.zeros((design.n, len(self.levels)))
        counts[places, design.y.astype(int)] = weights
        return Rows.of(design.y, weights, 0.0, counts.ravel())

    def etas(self, mu: Floats, parameters: Values) -> Floats:
        """(S, n, K) linear predictors, 0 of the reference."""
        further = [np.broadcast_to(per_row(parameters[p]), mu.shape) for p in self.parameters]
        return np.stack([np.zeros_like(mu), mu, *further], axis=-1)

    def log_probabilities(self, mu: Floats, parameters: Values) -> Floats:
        """(S, n, K) log probabilities of the categories."""
        etas = self.etas(mu, parameters)
        top = np.argmax(etas, axis=-1)[..., None]
        etas = etas - np.take_along_axis(etas, top, axis=-1)
        others = np.exp(etas)
        np.put_along_axis(others, top, 0.0, axis=-1)
        return np.asarray(etas - np.log1p(others.sum(axis=-1, keepdims=True)))

    def probabilities(self, mu: Floats, parameters: Values) -> Floats:
        return special.softmax(self.etas(mu, parameters), axis=-1)

    def normal_probabilities(self, predictors: Floats, roots: Floats) -> Floats:
        return np.moveaxis(softmax_mean(predictors, roots), 0, -1)

    def transition(
        self, y: Floats, parameters: Values, *, weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> tuple[Floats, Floats] | None:  # fmt: skip
        """Nothing falls: the codes have no order."""
        return None

    def inverse(self, eta: Any, xp: Any) -> Any:
        """The linear predictor itself: there is no mean."""
        return eta

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        etas = [xp.zeros_like(eta), eta, *(parameters[p] for p in self.parameters)]
        stacked = xp.stack([xp.broadcast_to(e, eta.shape) for e in etas], axis=-1)
        return "Categorical", {"logit_p": xp.special.log_softmax(stacked, axis=-1)}

    def log_density(
        self, y: Floats, mu: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        """y are codes 0, 1, ..., K - 1."""
        every = self.log_probabilities(mu, parameters)
        found = np.take_along_axis(every, np.asarray(y, int)[None, :, None], axis=-1)[..., 0]
        return repeated(found, weights)

    def expectation(self, mu: Floats, parameters: Values) -> Floats:
        raise self._no_number("mean")

    def variance(
        self, mu: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        raise self._no_number("variance")

    def residual_variance(self, parameters: Values) -> Floats:
        raise self._no_number("residual variance")

    def _no_number(self, what: str) -> ModelError:
        return ModelError(
            f"there is no {what} of the response: {self.unordered}; ask for the probability of a "
            "category, predict() or means(), target=\"P(y = '...')\""
        )

    def information(self, eta: Floats, parameters: Values) -> Floats:
        p = self.probabilities(eta, parameters)[..., 1]
        return p * (1 - p)

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        p = self.probabilities(eta, parameters)[..., self.parameters.index(name) + 2]
        return p * (1 - p)

    def linked_information(self, predictors: Floats) -> Floats:
        zero = np.zeros((1, predictors.shape[1]))
        return special.softmax(np.concatenate([zero, predictors]), axis=0)[1:]

    def brms_arguments(self) -> str:
        return f', refcat = "{label(self.levels[0])}"'

    def brms_parameter(self, name: str) -> str:
        level = label(self.levels[self.predictors.index(name) + 1])
        return "mu" + re.sub(r"[^A-Za-z0-9]", "", level)

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        etas = ", ".join(["0", *(symbol(p) for p in self.predictors)])
        return rf"{y} &\sim \mathrm{{Categorical}}(\mathrm{{softmax}}({etas}))"


def _named(level: Any) -> str:
    return f"mu_{names.identifier(label(level))}"


def _places(bars: Sequence[RandomTerm]) -> list[tuple[str, int]]:
    """Each bar's factor, and which of the bars over that it is."""
    seen: dict[str, int] = {}
    places = []
    for bar in bars:
        seen[bar.group] = seen.get(bar.group, -1) + 1
        places.append((bar.group, seen[bar.group]))
    return places


def _free(bar: RandomTerm) -> bool:
    """Whether a bar's effects are correlated across categories though no id says so."""
    return not bar.id and bar.structure == BARS["|"] and bar.grouper.plain


def _shared(formulas: Sequence[Formula]) -> dict[tuple[str, int], str]:
    """An id for the bars that stand in several formulas without one, by factor and place."""
    found: dict[tuple[str, int], int] = {}
    for f in formulas:
        for place, bar in zip(_places(f.random), f.random, strict=True):
            found[place] = found.get(place, 0) + _free(bar)
    return {
        (group, k): f"c_{names.identifier(group)}{k or ''}"
        for (group, k), count in found.items()
        if count > 1
    }


def _with_ids(
    bars: Sequence[RandomTerm], ids: Mapping[tuple[str, int], str]
) -> tuple[RandomTerm, ...]:
    return tuple(
        replace(bar, id=ids[place]) if _free(bar) and place in ids else bar
        for place, bar in zip(_places(bars), bars, strict=True)
    )
