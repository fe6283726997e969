"""Families of the user's own: what `mb.custom` makes a class of."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn, Self

import numpy as np

from mixedbayes.design.counted import quantile, sd
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.distributions import Exponential, Prior, Uniform
from mixedbayes.errors import ModelError
from mixedbayes.families import support
from mixedbayes.families.base import Bools, Family, Values, per_row, repeated, weights_of
from mixedbayes.families.gaussian import beyond_offset
from mixedbayes.families.links import Identity, Link, Log
from mixedbayes.families.own_failures import watch
from mixedbayes.families.poisson import count_variance
from mixedbayes.families.rows import RowDensity, Rows

type Function = Callable[..., Any]

_LOCATIONS = ("mean", "median")
_STEP = 1e-4  # of differences of derivatives, in units of the link
_FLOOR = 0.1  # least information of a row, as a share of the rows' average


@dataclass(frozen=True, eq=False)
class Given:
    """What a user gave, as a family of their own has it; None where nothing was given.

    All functions but the density are of arrays.
    """

    density: Any  # of `own_rows`, `python_rows` or `pytensor_rows`
    simulate: Function | None = None  # (mu, *parameters, rng)
    mean: Function | None = None  # (mu, *parameters)
    variance: Function | None = None
    cdf: Function | None = None  # (y, mu, *parameters)
    tails: tuple[Any, Any] | None = None  # log P(Y <= y) and log P(Y > y), as the density
    location: str | Function | None = None
    priors: Mapping[str, Prior] = field(default_factory=dict)
    lower: float = -math.inf
    upper: float = math.inf
    asked: Mapping[str, Any] = field(default_factory=dict)  # of `mb.custom`
    again: Function | None = None  # makes the family of its name and what was asked


@dataclass(frozen=True)
class Custom(Family):
    """A family of the user's own; `mb.custom` makes a class of it, and its object."""

    own: ClassVar[bool] = True
    residual: ClassVar[bool] = False
    dispersion_words: ClassVar[str] = "scale"
    given: ClassVar[Given]
    compiled: ClassVar[RowDensity]

    def _lacks(self, what: str, remedy: str) -> NoReturn:
        raise ModelError(f"{what} is not known of the {self.name} family: give {remedy}")

    def _arguments(self, mu: Floats, parameters: Values) -> list[Floats]:
        """mu and the parameters, all of one shape."""
        own = [per_row(parameters[name]) for name in self.parameters]
        return list(np.broadcast_arrays(np.asarray(mu, float), *own))

    def _called(self, what: str, *arguments: Any, **options: Any) -> Floats:
        """What a function of the user's gives, one number for each of the arguments."""
        shape = np.shape(arguments[0])
        try:
            with np.errstate(all="ignore"):
                found = np.asarray(getattr(self.given, what)(*arguments, **options), float)
                return np.broadcast_to(found, shape)
        except Exception as e:
            raise ModelError(
                f"{what}= of the {self.name} family failed for arrays of shape {shape}: "
                f"{type(e).__name__}: {e}"
            ) from e

    # ---- copies --------------------------------------------------------------------------------

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self  # compiled code has no copy, and nothing of it changes

    def __reduce__(self) -> tuple[Any, ...]:
        """Made again from what the user gave; ModelError where pickle cannot hold a function."""
        functions = {k: f for k, f in self.given.asked.items() if callable(f)}
        lost = [f"{what}=" for what, function in functions.items() if not _pickles(function)]
        if lost:
            raise ModelError(
                f"the family {self.name!r} cannot be pickled, nor what has it: pickle finds "
                f"functions by their names in a module, and so cannot find {', '.join(lost)}. "
                "Remedy: define what is given there by def in a module; or keep a fit in a file by "
                "fit.save(path), and read it by mb.load(path, family=...), with the family made "
                "again"
            )
        assert self.given.again is not None
        return self.given.again, (self.name, dict(self.given.asked), self.links)

    # ---- the data ------------------------------------------------------------------------------

    def check(self, design: Design) -> None:
        support.refuse_labels(design, self.name)
        self.require_support(design)
        if not self.discrete:
            support.refuse_constant(design)

    @property
    def limits_obstacle(self) -> str:
        if self.given.tails is not None:
            return ""
        return (
            "its tails are not known; give logp=, logcdf= and logsf= to mb.custom, functions of "
            f"numbers (y, {_signature(self)})"
        )

    def supports(self, y: Floats, trials: Ints | None = None) -> Bools:
        low, high = self.given.lower, self.given.upper
        if self.discrete:
            return np.isfinite(y) & (y == np.floor(y)) & (y >= low) & (y <= high)
        return np.isfinite(y) & (y > low) & (y < high)

    def bound(self, y: Floats, trials: Ints | None = None) -> Floats:
        low, high = self.given.lower, self.given.upper
        if self.discrete:
            y, low = np.floor(y), low - 1
        return np.where(y <= low, -np.inf, np.where(y >= high, np.inf, y))

    # ---- default priors ------------------------------------------------------------------------

    def location(self, design: Design) -> float:
        """The link of the response's mean, median, or what `location` makes of it."""
        how = self.given.location
        y, counts = beyond_offset(self.link, design), design.mu.counts
        if how is None:
            self._lacks("where mu lies in the data", self._location_remedy)
        if callable(how):
            at = self._located(how, y)
        elif how == "mean":
            at = float(design.mu.average(y))
        else:
            at = float(quantile(y, counts, 0.5))
        with np.errstate(all="ignore"):
            found = float(self.link.link(np.asarray(at), np))
        if not np.isfinite(found) and self.discrete and how in _LOCATIONS and at == 0:
            found = float(self.link.link(np.asarray(0.5), np))
        if not np.isfinite(found):
            raise ModelError(
                f"the {self.name} family: location={how!r} is {at:g} for these data, which the "
                f"{self.link.name} link of mu does not take; give location= a function of y"
            )
        return found if isinstance(self.link, Identity) else found - design.mu.mean_offset

    def _located(self, how: Function, y: Floats) -> float:
        try:
            return float(how(y))
        except Exception as e:
            raise ModelError(
                f"location= of the {self.name} family gave no number of the responses: "
                f"{type(e).__name__}: {e}"
            ) from e

    @property
    def _location_remedy(self) -> str:
        return (
            "location='mean', 'median' or a function of y, of which default priors and the start "
            "of the sampler are made, to mb.custom"
        )

    def scale(self, design: Design) -> float:
        """sd(y) with the identity link, else 1."""
        return self._spread(design) if isinstance(self.link, Identity) else 1.0

    def scale_origin(self, design: Design) -> str:
        if isinstance(self.link, Identity):
            return f"sd({design.response})"
        return f"unit of {self.link.name}(mu)"

    def _spread(self, design: Design) -> float:
        found = sd(beyond_offset(self.link, design), design.mu.counts)
        return max(found, 1.0) if self.discrete else found

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        if name in self.given.priors:
            return self.given.priors[name], f"of the {self.name} family"
        if isinstance(self.parameter(name).link, Log):  # sigma, in units of y
            spread = self._spread(design)
            return Exponential(1 / spread), f"mean sd({design.response}) = {spread:.4g}"
        return Uniform(0, 1), "any share"

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        """Median and spread of its prior on the scale of its link; of logarithms and log odds the
        spread is at most 1, as that of other families."""
        if name not in self.given.priors:
            log = isinstance(self.parameter(name).link, Log)
            return (float(np.log(self._spread(design))) if log else 0.0), 1.0
        at = self.given.priors[name].frozen().ppf([0.16, 0.5, 0.84])
        low, middle, high = self.parameter(name).link.link(np.asarray(at), np)
        most = np.inf if self.parameter(name).real else 1.0
        return float(middle), float(np.clip((high - low) / 2, 1e-3, most))

    # ---- the density ---------------------------------------------------------------------------

    @property
    def row_density(self) -> RowDensity:
        return self.compiled

    @property
    def slowness(self) -> str:
        return self.given.density.slowness

    def rows(self, design: Design) -> Rows:
        return Rows.of(design.y, weights_of(design), 0.0)

    def _flat(self, y: Floats, mu: Floats, parameters: Values) -> tuple[Any, tuple[int, ...]]:
        """y and mu (N,), parameters (N, m), and the shape that they come from."""
        y, *rest = np.broadcast_arrays(np.asarray(y, float), *self._arguments(mu, parameters))
        flat = [np.ascontiguousarray(x).ravel() for x in rest]
        own = np.stack(flat[1:], axis=1) if len(flat) > 1 else np.zeros((y.size, 0))
        return (np.ascontiguousarray(y).ravel(), flat[0], np.ascontiguousarray(own)), y.shape

    def log_density(
        self, y: Floats, mu: Floats, parameters: Values, *, weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        arguments, shape = self._flat(y, mu, parameters)
        return repeated(self.given.density.values(*arguments).reshape(shape), weights)

    def _curvature(
        self, which: int, y: Floats, eta: Floats, parameters: Values, unit: float
    ) -> Floats:
        """(S, n) minus the second derivative of log p by mu, 0, or a parameter, on its link.

        Where a row's is not clearly positive, it is a tenth of the rows' average.
        """
        link = self.link if which == 0 else self.declared[which - 1].link
        step, sides = _STEP * unit, []
        for sign in (1.0, -1.0):
            if which == 0:
                at, own = eta + sign * step, parameters
                x = mu = self.inverse(at, np)
            else:
                name, mu = self.parameters[which - 1], self.inverse(eta, np)
                at = link.link(per_row(parameters[name]), np) + sign * step
                x = link.inverse(at, np)
                own = {**parameters, name: x}
            arguments, shape = self._flat(y, mu, own)
            slopes = self.given.density.slopes(*arguments)[1 + which].reshape(shape)
            sides.append(slopes * link.slope(link.link(x, np), np))
        with np.errstate(all="ignore"):
            found = np.nan_to_num((sides[1] - sides[0]) / (2 * step), posinf=0.0, neginf=0.0)
            least = _FLOOR * np.abs(found).mean(axis=-1, keepdims=True)
            return 0.5 * (found + np.sqrt(found**2 + 4 * least**2))

    def information_in(self, design: Design, eta: Floats, parameters: Values) -> Floats:
        """The observed information of each row; what is expected is not known of any density."""
        unit = self.scale(design)
        return self._curvature(0, design.y, eta, parameters, unit)

    def parameter_information_in(self, name: str, design: Design, eta: Floats, own: Values) -> Any:
        which = 1 + self.parameters.index(name)
        unit = self.parameter_scale(name, design)[1]
        return self._curvature(which, design.y, eta, own, unit)

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        words = "".join(word.capitalize() for word in self.name.split("_"))
        own = {name: parameters[name] for name in self.parameters}
        return f"Own{words}", {"mu": self.inverse(eta, xp), **own}

    def pymc_logp(self, y: Any, arguments: Mapping[str, Any], xp: Any) -> Any:
        from mixedbayes.families.pytensor_rows import graph  # PyTensor: where it is needed

        return graph(self.given.density, y, list(arguments.values()))

    def pymc_logcdf(self, y: Any, arguments: Mapping[str, Any], xp: Any) -> Any:
        if self.given.tails is None:
            raise NotImplementedError
        from mixedbayes.families.pytensor_rows import graph

        return graph(self.given.tails[0], y, list(arguments.values()))

    def failure(self, design: Design) -> Callable[[], BaseException | None]:
        return watch((self.given.density, *(self.given.tails or ())), design)

    def fingerprint(self, design: Design) -> dict[str, Any]:
        """Links, and the log density of some rows, by which a file knows the family again."""
        y = design.y[:: max(1, design.n // 5)][:5]
        mu = self.inverse(np.full((1, len(y)), self.location(design)), np)
        own = {name: self.typical(name, design, None)[None] for name in self.parameters}
        return {"links": self.link_names, "log_density": self.log_density(y, mu, own)[0].tolist()}

    # ---- the distribution ----------------------------------------------------------------------

    def simulate(
        self, mu: Floats, parameters: Values, rng: np.random.Generator, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        if self.given.simulate is None:
            self._lacks(
                "how observations are drawn",
                f"simulate=, a function of arrays ({_signature(self)}, rng) that draws as many, "
                "to mb.custom",
            )
        return self._called("simulate", *self._arguments(mu, parameters), rng=rng)

    def cdf(
        self, y: Floats | float, mu: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        at, *arguments = np.broadcast_arrays(np.asarray(y, float), *self._arguments(mu, parameters))
        if self.given.cdf is not None:
            return np.clip(self._called("cdf", at, *arguments), 0.0, 1.0)
        if self.given.tails is None:
            self._lacks(
                "the distribution function",
                f"cdf=, a function of arrays (y, {_signature(self)}), to mb.custom; or use "
                'simulated observations, predict(kind="response", draws=True)',
            )
        flat, shape = self._flat(self.bound(at), mu, parameters)
        with np.errstate(all="ignore"):
            found = np.exp(self.given.tails[0].values(*flat)).reshape(shape)
        return np.where(
            self.bound(at) == -np.inf, 0.0, np.where(self.bound(at) == np.inf, 1.0, found)
        )

    def transition(
        self, y: Floats, parameters: Values, *, weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> tuple[Floats, Floats] | None:  # fmt: skip
        if self.given.variance is None:
            return None
        if self.mean_is_mu:
            return super().transition(y, parameters, weights=weights, trials=trials)
        if self.given.mean is None or not isinstance(self.link, Identity):
            return None
        # As if mu moved the distribution: its mean is y where mu is as far below it as this.
        place = 2 * y - self.expectation(y, parameters)
        width = np.sqrt(self.variance(place, parameters))
        known = np.isfinite(place).all() and np.isfinite(width).all() and (width > 0).all()
        return (place, width) if known else None

    def variance(
        self, mu: Floats, parameters: Values, *, weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        if self.given.variance is None:
            self._lacks(
                "the variance",
                f"variance=, a function of arrays ({_signature(self)}), to mb.custom",
            )
        return self._called("variance", *self._arguments(mu, parameters))

    def latent_variance(self, mean: Floats, parameters: Values) -> Floats:
        """Of y at this mu, on the link scale: log(1 + variance / mean^2) on the log link, else by
        the delta method."""
        if self.no_latent_variance:
            raise ModelError(f"no residual variance: {self.no_latent_variance}")
        variance = self.variance(mean[:, None], parameters)[:, 0]
        if isinstance(self.link, Log):
            return np.asarray(count_variance(self.link, mean, variance))
        return variance / self.link.slope(self.link.link(mean, np), np) ** 2

    def residual_variance(self, parameters: Values) -> Floats:
        """(S,) the variance of y, where it is the same for all mu and those on the link scale."""
        if self.given.variance is not None and self.mean_is_mu and isinstance(self.link, Identity):
            size = max(np.size(x) for x in parameters.values()) if parameters else 1
            found = self.variance(np.tile([0.0, 1.0, 100.0], (size, 1)), parameters)
            if np.allclose(found, found[:, :1], rtol=1e-12, atol=0):
                return found[:, 0]
        raise ModelError(
            f"the residual variance of the {self.name} family is not known to be the same for all "
            "means, or mu is not the mean"
        )

    def no_ratio(self, design: Design) -> str:
        if isinstance(self.link, Identity) or self.mean_is_mu:
            return ""
        return (
            "effects are on mu, which is not said to be the mean of the response; "
            "mb.custom(..., mean='mu') says so"
        )

    def predictor_words(self, response: str) -> str:
        return "" if self.mean_is_mu else f"mu of {response}"

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        law = r",\, ".join([r"\mu_i", *(symbol(name) for name in self.parameters)])
        words = r"\,".join(rf"\mathrm{{{word}}}" for word in self.name.split("_"))
        return rf"{y} &\sim {words}({law})"


class OfMu(Custom):
    """One of which mu is the mean, so that means need no more than mu."""

    mean_is_mu: ClassVar[bool] = True


class OfOther(Custom):
    """One whose mean is a function of mu and the parameters, or not known."""

    mean_is_mu: ClassVar[bool] = False

    def expectation(self, mu: Floats, parameters: Values) -> Floats:
        if self.given.mean is None:
            self._lacks(
                "the mean",
                f"mean=, a function of arrays ({_signature(self)}), or mean='mu' where mu is the "
                "mean, to mb.custom",
            )
        return self._called("mean", *self._arguments(mu, parameters))


def no_latent_variance(name: str, links: Mapping[str, Link], given: Given, of_mu: bool) -> str:
    """Why a family's variance on the scale of mu's link is not known; empty where it is."""
    mu = links["mu"]
    if not of_mu and not isinstance(mu, Identity):
        return (
            f"that of the response on the {mu.name} scale is known where mu is its mean, which "
            "mb.custom(..., mean='mu') says"
        )
    if given.variance is not None:
        return ""
    return (
        f"the {name} family's is known where variance= is given to mb.custom, a function of "
        f"arrays ({', '.join(links)})"
    )


def _pickles(function: Any) -> bool:
    try:
        pickle.dumps(function)
    except Exception:
        return False
    return True


def _signature(family: Family) -> str:
    return ", ".join(["mu", *family.parameters])
