"""What a family is: the distribution of the response given the linear predictor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import Prior
from mixedbayes.errors import ModelError
from mixedbayes.families import chosen, support
from mixedbayes.families.arrays import per_row as per_row
from mixedbayes.families.arrays import repeated as repeated
from mixedbayes.families.arrays import weights_of as weights_of
from mixedbayes.families.arrays import whole as whole
from mixedbayes.families.bounded import Bounded
from mixedbayes.families.elsewhere import Elsewhere as Elsewhere
from mixedbayes.families.links import Identity, Link, Log
from mixedbayes.families.parameter import Parameter as Parameter
from mixedbayes.families.rows import Rows
from mixedbayes.families.several import Several
from mixedbayes.formula import Formula
from mixedbayes.priors.types import Assigned

type Values = Mapping[str, Floats]
type Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Family(Several, Bounded, chosen.Linked):
    """The distribution of y given mu = g^-1(eta) and the family's own parameters.

    Subclasses are frozen dataclasses whose `link` field has a default. In arrays S counts draws and
    n rows; a parameter of the family is (S,), or (S, n) where it has a formula of its own.

    Weights w of rows mean one of two things. Where the family has a scale of its own (gaussian,
    student_t, skew_normal, lognormal, shifted_lognormal, gamma, inverse_gaussian) a row's variance,
    or that of its logarithm, is divided by w, as in R. Elsewhere (`repeats_rows`) a row counts w
    times: its log density is multiplied by w.

    `link` is that of mu. A parameter with a formula has the link that is `declared` of it, or one
    chosen by ``links={"sigma": mb.Softplus()}``, an object, class or name: what is positive takes
    `mb.Log()` or `mb.Softplus()`, a share `mb.Logit()`, `mb.Probit()` or `mb.Cloglog()`. Its
    coefficients and their priors are on that scale. Links say nothing of one without a formula.

    >>> import mixedbayes as mb
    >>> mb.Gaussian(links={"sigma": mb.Softplus()}).described
    'gaussian, identity link, softplus link of sigma'
    """

    name: ClassVar[str] = ""
    declared: ClassVar[tuple[Parameter, ...]] = ()  # besides the mean
    parameters: ClassVar[tuple[str, ...]] = ()  # their names, set from `declared`
    mean_links: ClassVar[tuple[type[Link], ...]] = ()  # the links the family can have
    repeats_rows: ClassVar[bool] = True
    divided: ClassVar[bool] = True  # whether weights that do not repeat rows divide the variance
    discrete: ClassVar[bool] = False
    extremes: ClassVar[bool] = True  # whether responses beyond all usual scales overflow
    title: ClassVar[str] = ""  # in prose, where the words of its name are not enough
    takes: ClassVar[str] = "finite numbers"  # the responses it supports, in words
    first_code: ClassVar[int] = 0  # reported for a design's 0
    elsewhere: ClassVar[Elsewhere] = Elsewhere()
    dispersion: ClassVar[str | None] = None  # the parameter that says how far y is from its mean
    dispersion_words: ClassVar[str] = "residual sd"
    residual: ClassVar[bool] = True  # whether a parameter named sigma is that of the residual
    wider: ClassVar[str | None] = None  # a family, by name, that has more spread or heavier tails
    skewed: ClassVar[tuple[str, ...]] = ()  # families, by name, with one tail that is longer
    inflated: ClassVar[str | None] = None  # a family, by name, that is this one with more zeros
    hurdle: ClassVar[str | None] = None  # one that is this one above 0, with any share of zeros
    at_threshold: ClassVar[str] = "the probability of a category up to each threshold"
    goes_up: ClassVar[bool] = False  # whether probabilities at thresholds grow with the predictor
    normal: ClassVar[bool] = False  # whether y is normal given its mean
    mean_is_mu: ClassVar[bool] = True  # whether E[y] = mu = g^-1(eta), whatever the parameters
    positive: ClassVar[bool] = False  # whether the mean cannot be below 0
    counting: ClassVar[bool] = False  # whether y counts 0, 1, 2, ...
    trials: ClassVar[bool] = False  # whether y counts successes among trials
    probability: ClassVar[bool] = False  # whether the mean is the probability of a success
    atoms: ClassVar[tuple[float, ...]] = ()  # values of a continuous y that have a probability
    infinite_over: ClassVar[tuple[str, ...]] = ()  # over normal effects on these E[y] is infinite
    variant_of: ClassVar[type[Family] | None] = None  # the family that a formula made this one of
    own: ClassVar[bool] = False  # whether it is a user's, made by `mb.custom`
    no_latent_variance: ClassVar[str] = ""  # why `latent_variance` is not known
    no_variance: ClassVar[bool] = False  # whether `variance` is not known
    no_average: ClassVar[str] = ""  # why means of y over rows or groups have no meaning
    apart: ClassVar[bool] = False  # whether cs(x) may move each threshold by itself
    beyond: ClassVar[str] = ""  # what effects do not multiply, " beyond ndt", where they are ratios
    link: Link = field(default_factory=Link)
    links: Any = field(default=(), kw_only=True)  # `chosen.Links`, of a dictionary

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.parameters = tuple(p.name for p in cls.declared)
        if cls.mean_is_mu and cls.expectation is not Family.expectation:
            raise TypeError(
                f"{cls.__name__} has an `expectation` of its own: its mean is more than mu, which "
                "`mean_is_mu: ClassVar[bool] = False` beside it says"
            )

    def __post_init__(self) -> None:
        link: Any = self.link
        if isinstance(link, str):
            link = next((kind for kind in self.mean_links if kind.name == link), link)
        if isinstance(link, type) and issubclass(link, Link):
            link = link()
        object.__setattr__(self, "link", link)
        if not isinstance(self.link, self.mean_links):
            shown = ", ".join(f"mb.{kind.__name__}()" for kind in self.mean_links)
            raise ModelError(f"the {self.name} family has the links {shown}; got {self.link!r}")
        object.__setattr__(self, "links", chosen.checked(self.name, self.declared, self.links))

    @property
    def fixed(self) -> dict[str, Any]:
        """Fields that the user fixed: at a number, parameters but not among `parameters` then."""
        return {}

    @property
    def mixing(self) -> tuple[str, ...]:
        """Parameters in which P(Y <= y) and E[y] are affine, the others given: shares of parts."""
        return ()

    @property
    def described(self) -> str:
        """Name, link and fixed parameters, in words."""
        fixed = "".join(f", {name} = {value:g}" for name, value in self.fixed.items())
        return f"{self.name}, {self.link.name} link{chosen.words(self.links)}{fixed}"

    # ---- before anything runs -----------------------------------------------------------------

    def check(self, design: Design) -> None:
        """Raise DataError if the response is outside the family's support."""
        raise NotImplementedError

    def supports(self, y: Floats, trials: Ints | None = None) -> Bools:
        """(n,) which responses, coded as those of a design, are possible; `takes` says it."""
        return np.isfinite(y)

    def require_support(self, design: Design) -> None:
        """Raise DataError, with the first row, unless every response is possible."""
        valid = self.supports(design.y, design.trials)
        support.require(design, valid, self.name, self.takes)

    def check_formula(self, formula: Formula) -> None:
        """Raise ModelError unless each further formula is of a parameter that can have one, and
        DataError if there are trials that the family does not know."""
        for other in (f.response.text for f in formula.others):
            if other not in self.distributional:
                support.refuse_parameter(other, formula, self.name, self.distributional)
        self._check_trials(formula)
        support.check_residual(formula, self.name, self.link.name, possible=self.correlates)
        self._check_rate(formula)

    def _check_trials(self, formula: Formula) -> None:
        if formula.response.trials is not None and not self.trials:
            support.refuse_trials(formula.response, self.name)

    def _check_rate(self, formula: Formula) -> None:
        rate = formula.response.rate
        if rate is not None and not (self.counting and isinstance(self.link, Log)):
            support.refuse_rate(rate, self.name, self.link.name)

    @property
    def distributional(self) -> tuple[str, ...]:
        """Parameters that may have a formula of their own."""
        return tuple(p.name for p in self.declared if p.formula)

    @property
    def thresholds(self) -> str | None:
        """The parameter that takes the intercept's place."""
        return next((p.name for p in self.declared if p.level), None)

    @property
    def ordered(self) -> bool:
        """Whether the thresholds increase."""
        return any(p.level and p.ordered for p in self.declared)

    def estimated(self, design: Design) -> tuple[str, ...]:
        """Parameters that a model has as numbers of its own: without a formula, not optional."""
        return tuple(
            p.name for p in self.declared if p.name not in design.further and not p.optional
        )

    @property
    def closed_form(self) -> bool:
        """Whether y is normal and linear in effects: they integrate out in closed form."""
        return self.normal and isinstance(self.link, Identity)

    @property
    def mean_link(self) -> str:
        """Name of the link of the response's own scale, in the axes of pictures."""
        return self.link.name

    def prepare(self, design: Design) -> Design:
        """The design as this family reads it, after `check`."""
        self._check_trials(design.formula)
        if design.formula.specific is not None and not self.apart:
            support.refuse_specific(design.formula, self.name, ordered=self.ordered)
        self.check(design)
        support.refuse_extremes(design, logged=not self.extremes)
        if self.link.name != "identity":
            support.refuse_wide_offset(design, self.link.name)
        return self.counted(design)

    def on_link_scale(self, design: Design) -> Floats:
        """(n,) the response where the linear predictor is, less the offset; NaN where it is not."""
        with np.errstate(all="ignore"):
            y = np.asarray(self.link.link(design.y, np), float)
        return y if design.mu.offset is None else y - design.mu.offset

    def counted(self, design: Design) -> Design:
        """The design with predictors that know how often each row counts; see `counts`."""
        counts = self.counts(design)
        return design.each(lambda p: replace(p, counts=counts))

    def counts(self, design: Design) -> Floats | None:
        """(n,) how often each row counts: weights that repeat rows, times trials; None for once.

        Means and sds of columns, in default priors and in results, are over rows that count so
        often: they are the same for rows that are weighted, written out, or added up as trials.
        """
        weights = design.weights if self.repeats_rows else None
        if design.standing is not None and design.standing.moments:
            return design.standing.counts
        if design.trials is None:
            return weights
        trials = np.asarray(design.trials, np.float64)
        return trials if weights is None else trials * weights

    def typical_weight(self, design: Design) -> float:
        """Geometric mean of weights that divide the variance, whose prior a scale's is; or 1."""
        if self.repeats_rows or design.weights is None:
            return 1.0
        if design.standing is not None:
            return float(np.exp(design.standing.log_weights / design.standing.used))
        return float(np.exp(np.mean(np.log(design.weights))))

    # ---- default priors -----------------------------------------------------------------------

    def location(self, design: Design) -> float:
        """Centre of the response on the link scale, from which default priors are made."""
        raise NotImplementedError

    def scale(self, design: Design) -> float:
        """Spread of the response on the link scale, from which default priors are made."""
        raise NotImplementedError

    def scale_origin(self, design: Design) -> str:
        """What `scale` is, in words, for the table of priors."""
        return f"sd({design.response})"

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        """Default prior of one of the family's parameters, and where its scale comes from."""
        raise NotImplementedError

    def typical(self, name: str, design: Design, assigned: Assigned | None) -> Floats:
        """A value of a parameter that fits the data roughly: its prior's median."""
        if assigned is None:
            link = self.parameter(name).link
            return np.asarray(link.inverse(self.parameter_scale(name, design)[0], np))
        if not assigned.prior.proper:
            return np.asarray(self.parameter_prior(name, design)[0].frozen().ppf(0.5))
        return np.asarray(assigned.prior.frozen().ppf(0.5))

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        """Centre and spread of a parameter's own predictor, on the scale of its declared link."""
        raise NotImplementedError

    def labels(self, name: str, design: Design) -> tuple[str, ...] | None:
        """Labels of the elements of a parameter that is a vector; None where it is one number."""
        return None

    def fingerprint(self, design: Design) -> dict[str, Any]:
        """What a file keeps of a family that it cannot hold, to know it again; else nothing."""
        return {}

    # ---- the compiled engine -------------------------------------------------------------------

    @property
    def slowness(self) -> str:
        """Why sampling is slow and what would be faster, in words; empty where nothing would."""
        return ""

    def failure(self, design: Design) -> Callable[[], BaseException | None]:
        """A function that says which exception there was in the density from now on, if any.

        Asked while a model is sampled; compiled code cannot pass on what a user's function raises.
        """
        return lambda: None

    def rows(self, design: Design) -> Rows:
        """The response as `row_density` takes it."""
        raise NotImplementedError

    def merged(self, rows: Rows) -> Rows:
        """The rows, once equal ones have been added up as `row_density` says."""
        return rows

    # ---- the distribution ---------------------------------------------------------------------

    @property
    def ends_at_zero(self) -> bool:
        """Whether a count of 0 draws the mean to the end of the link's range: the identity link."""
        return self.discrete and isinstance(self.link, Identity)

    def inverse(self, eta: Any, xp: Any) -> Any:
        """mu at the linear predictor eta: what `simulate` and `log_density` take."""
        return self.link.inverse(eta, xp)

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        """Name and arguments of the PyMC distribution of y, for the linear predictor eta (n,).

        Weights that repeat rows are not in it. Where PyMC has no distribution of this name, there
        is one of `pymc_logp` and `simulate`: its arguments are "mu" and the family's parameters.
        """
        raise NotImplementedError

    def pymc_logp(self, y: Any, arguments: Mapping[str, Any], xp: Any) -> Any:
        """log p of y given `pymc`'s arguments, where PyMC has no such distribution."""
        raise NotImplementedError

    def pymc_logcdf(self, y: Any, arguments: Mapping[str, Any], xp: Any) -> Any:
        """log P(Y <= y), of families with `RowDensity.tails`, where PyMC has no such one."""
        raise NotImplementedError

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        """Responses (S, n) for means (S, n) and parameters (S,); weights and trials (n,)."""
        raise NotImplementedError

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        """(S, n) log p(y_i | mu, parameters) of y (n,), for means (S, n) and parameters (S,)."""
        raise NotImplementedError

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        """(S, n) P(Y <= y) of one row with mean (S, n), for y a number or (S, n).

        y and trials are those of `log_density`; weights that divide the variance count, weights
        that repeat rows do not.
        """
        raise ModelError(
            f"the distribution function of the {self.name} family is not known here; use simulated "
            'observations, predict(kind="response", draws=True)'
        )

    def transition(
        self, y: Floats, parameters: Values, *, weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> tuple[Floats, Floats] | None:  # fmt: skip
        """(S, n) where in the linear predictor P(Y <= y) falls from 1 to 0, and over how much.

        None where the fall is as wide as the link's own. So an average of it over normal effects
        knows where to look, however narrow it is beside them.
        """
        if self.thresholds is not None or (self.probability and trials is None):
            return None
        least = 0.5 if self.discrete else np.finfo(float).tiny
        mu = np.maximum(y, least) if self.positive else y
        if trials is not None:
            mu = (np.clip(y, 0, trials) + 0.5) / (trials + 1)
        elif not self.positive and not isinstance(self.link, Identity):
            mu = np.clip(mu, 1e-6, 1 - 1e-6)
        with np.errstate(all="ignore"):
            variance = self.variance(mu, parameters, weights=weights, trials=trials)
            place = self.link.link(mu, np)
            return place, np.sqrt(variance) / np.abs(self.link.slope(place, np))

    def reported(self, y: Floats) -> NDArray[Any]:
        """Responses of a design, or simulated, as draws and tables have them."""
        y = np.asarray(y) + self.first_code
        return whole(y) if self.discrete else y

    def weighted(self, parameters: Values, weights: Any) -> Values:
        """The parameters of rows of these weights, where weights divide the variance.

        `weights` is a number, or (n,) of rows: what they change is then (S, n).
        """
        return parameters

    def predictor_words(self, response: str) -> str:
        """What mu is, where it is not the mean that `mean_words` or y itself have; else empty."""
        return ""

    def mean_words(self, response: str) -> str:
        """What `expectation` is, where it is not the mean of y; empty elsewhere."""
        return ""

    def expectation(self, mu: Floats, parameters: Values) -> Floats:
        """(S, n) E[y] on the response scale; of binomial counts the share of successes.

        Of rows with weights the parameters are the `weighted` ones. A family that has another one
        than this says so by `mean_is_mu`.
        """
        return mu

    def observation_mean(
        self, mu: Floats, parameters: Values, *, weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        """(S, n) mean of what `simulate` draws, as `reported`: of counts out of trials a count."""
        mean = self.expectation(mu, parameters)
        return mean if trials is None else mean * trials

    def variance(
        self, mu: Floats, parameters: Values, *, weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        """(S, n) Var[y] given mu, on the scale of `expectation`."""
        raise NotImplementedError

    def information(self, eta: Floats, parameters: Values) -> Floats:
        """(S, n) Fisher information about eta in a row of weight 1, and one trial."""
        mu = self.inverse(eta, np)
        return self.link.slope(eta, np) ** 2 / self.variance(mu, parameters)

    def parameter_information(self, name: str, eta: Floats, parameters: Values) -> Floats:
        """(S, n) Fisher information about a parameter on the scale of its declared link.

        In a row of weight 1, and one trial.
        """
        raise NotImplementedError

    def row_information(self, eta: Floats, parameters: Values, trials: Ints | None) -> Floats:
        """(S, n) that about eta in rows of size 1, as `rows` has sizes.

        Where these are weights alone it is that of all trials (n,) of the row.
        """
        return self.information(eta, parameters)

    def information_in(self, design: Design, eta: Floats, parameters: Values) -> Floats:
        """(S, n) `row_information` of the rows of a design."""
        return self.row_information(eta, parameters, design.trials)

    def parameter_information_in(self, name: str, design: Design, eta: Floats, own: Values) -> Any:
        """(S, n) `row_parameter_information` of the rows of a design."""
        return self.row_parameter_information(name, eta, own, design.trials)

    def row_parameter_information(
        self, name: str, eta: Floats, parameters: Values, trials: Ints | None
    ) -> Floats:
        """(S, n) that about a parameter on its declared link's scale, in rows of size 1."""
        return self.parameter_information(name, eta, parameters)

    def design_information(self, eta: Floats, parameters: Values, design: Design) -> Floats:
        """(S, n) that about eta in a design's rows, with their weights and all of their trials."""
        weights = weights_of(design)
        if self.row_density is None:
            trials = 1.0 if design.trials is None else design.trials
            return self.information(eta, parameters) * weights * trials
        size = weights if design.limits is not None else self.rows(design).size
        return self.information_in(design, eta, parameters) * size

    def no_ratio(self, design: Design) -> str:
        """Why exp() of an effect is no ratio, where the link alone does not say so; else empty."""
        return ""

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        """The law of one row in LaTeX, with an alignment mark; `symbol` writes a parameter."""
        raise NotImplementedError

    def deviation(self, y: Floats, mean: Floats) -> Floats:
        """y less a mean, both as `expectation` has them; around the circle where y is an angle."""
        return y - mean

    def unwound(self, draws: Floats, about: Floats | None = None) -> Floats:
        """(..., S) draws of y; angles within pi of the mean direction of `about`, or their own."""
        return draws

    # ---- variance on the link scale -----------------------------------------------------------

    def residual_variance(self, parameters: Values) -> Floats:
        """Observation-level variance on the link scale, per posterior draw: (S,).

        ModelError where it depends on the mean; see `latent_variance`.
        """
        raise ModelError(
            f"the residual variance of the {self.name} family on the link scale depends on the mean"
        )

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        """(S,) observation-level variance on the link scale, for a response with mean (S,).

        Nakagawa, Johnson & Schielzeth (2017), doi:10.1098/rsif.2017.0213.
        """
        return self.residual_variance(parameters)
