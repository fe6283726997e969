"""What `mb.custom` is given, read one by one, and the class that is made of it."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from types import FunctionType
from typing import Any

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.distributions import LKJ, Prior
from mixedbayes.families import python_rows
from mixedbayes.families.base import Family, Parameter
from mixedbayes.families.links import Identity, Link, Log, Logit
from mixedbayes.families.own import Custom, Given, OfMu, OfOther, no_latent_variance
from mixedbayes.families.own_checks import (
    Trial,
    called,
    check_signature,
    prints,
    refuse,
    support_words,
)
from mixedbayes.families.own_failures import first_line
from mixedbayes.families.own_rows import INVERSES, Compiled, row_density
from mixedbayes.families.registry import FAMILIES

type Links = Mapping[str, Link]

_SUPPORTS = {
    "real": (-math.inf, math.inf),
    "positive": (0.0, math.inf),
    "unit": (0.0, 1.0),
    "counts": (0.0, math.inf),
}
_LINKS: dict[str, type[Link]] = {kind.name: kind for kind in INVERSES}
_OF_PARAMETERS = (Identity, Log, Logit)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_GREEK = {
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "kappa", "lambda", "nu",
    "xi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega",
}  # fmt: skip
_RESERVED = {
    "y",
    "rng",
    "name",
    "observed",
    "dims",
    "size",
    "Intercept",
    "fixef",
    "ranef",
    "coef",
    "sd",
    "cor",
    "weights",
    "trials",
}
_COMPILED = ("logp", "gradient", "logcdf", "logsf")
_MOVED = 0.4  # on the scale of links, of the second trial


def checked_name(name: Any) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        refuse(name, "a name has small letters, digits and _, and begins with a letter")
    if name in FAMILIES or name == "custom":
        refuse(name, "this is the name of a family that is here; choose another")
    return name


def links_of(name: str, links: Any) -> dict[str, Link]:
    """Links by parameter, mu first."""
    if not isinstance(links, Mapping) or not links:
        refuse(name, "links= is a dictionary by parameter, {'mu': 'identity', 'sigma': 'log'}")
    if next(iter(links)) != "mu":
        refuse(
            name,
            f"links= begins with {next(iter(links))!r}: the first parameter is 'mu', of which the "
            "model's formula is",
        )
    return {p: _link(name, p, link) for p, link in links.items()}


def _link(name: str, parameter: Any, link: Any) -> Link:
    named = isinstance(parameter, str) and parameter.isidentifier()
    if not named or keyword.iskeyword(parameter) or parameter in _RESERVED:
        refuse(name, f"{parameter!r} cannot be the name of a parameter; choose another")
    allowed = tuple(INVERSES) if parameter == "mu" else _OF_PARAMETERS
    if isinstance(link, type) and issubclass(link, Link):
        link = link()
    made = _LINKS[link]() if isinstance(link, str) and link in _LINKS else link
    if type(made) not in allowed:
        shown = ", ".join(repr(kind.name) for kind in allowed)
        refuse(name, f"the link of {parameter} is {link!r}; use one of {shown}")
    return made


def check_given(name: str, wanted: list[str], **given: Any) -> None:
    """ModelError unless what was given goes together, and can be called as it will be."""
    if given["logp"] is not None and given["pytensor"] is not None:
        refuse(name, "give the density once, as logp= or as pytensor=")
    if all(given[way] is None for way in ("logp", "pytensor", "scipy")):
        refuse(
            name,
            f"it needs a log density: logp=, a function of numbers (y, {', '.join(wanted)}), "
            "pytensor=, one of tensors, or scipy=, which gives a frozen SciPy distribution",
        )
    for what in ("gradient", "logcdf", "logsf"):
        if given[what] is not None and given["logp"] is None:
            refuse(name, f"{what}= goes with logp=, a function of numbers; leave it out")
    if (given["logcdf"] is None) != (given["logsf"] is None):
        refuse(name, "logcdf= and logsf= go together: each tail is needed to all its digits")
    mean, location = given["mean"], given.pop("location")
    if isinstance(mean, str):
        if mean != "mu":
            refuse(name, f"mean={mean!r} is not known: give 'mu', or a function of arrays")
        given["mean"] = None
    if not (location is None or callable(location) or location in ("mean", "median")):
        refuse(name, f"location={location!r}: give 'mean', 'median' or a function of y")
    for what, function in given.items():
        if function is not None:
            if what in _COMPILED and callable(function):
                _check_compilable(name, what, function)
            arguments = wanted if what in ("scipy", "simulate", "mean", "variance") else None
            check_signature(
                name, what, function, arguments or ["y", *wanted], rng=what == "simulate"
            )


def _dictionary(name: str, what: str, example: str, given: Any) -> dict[Any, Any]:
    if given is not None and not isinstance(given, Mapping):
        refuse(name, f"{what}={given!r}: give a dictionary by parameter, {example}")
    return dict(given or {})


def _check_compilable(name: str, what: str, function: Any) -> None:
    """ModelError for what can be called, but is no function: partial(), methods, objects."""
    if not isinstance(getattr(function, "py_func", function), FunctionType):
        refuse(
            name,
            f"{what}= is a {type(function).__name__}, which does not compile: give a function "
            "made by def or lambda, with fixed values inside it",
        )
    if prints(function):
        refuse(
            name,
            f"{what}= calls print(), for every row and every step of the sampler: take it out; "
            "family.log_density(y, mu, {...}) says log p at any values",
        )


def priors_of(name: str, links: Links, priors: Any) -> dict[str, Prior]:
    """Default priors of parameters, where they are given."""
    given = _dictionary(name, "priors", "{'sigma': mb.Exponential(1)}", priors)
    for key, prior in given.items():
        if key == "mu" or key not in links:
            also = ", ".join(p for p in links if p != "mu") or "none"
            refuse(
                name,
                f"priors= has {key!r}, which is not a parameter besides mu (there are: {also}); "
                "priors of a model's coefficients are given to it, mb.fit(..., priors=...)",
            )
        if not isinstance(prior, Prior) or isinstance(prior, LKJ) or not prior.proper:
            refuse(name, f"the prior of {key} is {prior!r}; give a proper one, as mb.Normal(0, 1)")
        _check_range(name, key, links[key], prior)
    for key, link in links.items():
        own = isinstance(link, Logit) or (
            key == "sigma" and isinstance(link, Log) and isinstance(links["mu"], Identity)
        )
        if key != "mu" and key not in given and not own:
            shown = "Normal(0, 1)" if isinstance(link, Identity) else "Gamma(2, 1)"
            refuse(
                name,
                f"{key} has no default prior, for nothing says of which size it is: give one, "
                f"priors={{{key!r}: mb.{shown}}}, for example",
            )
    return given


def _check_range(name: str, key: str, link: Link, prior: Prior) -> None:
    low, high = (float(x) for x in prior.frozen().ppf([0.0, 1.0]))
    if isinstance(link, Identity):
        if prior.support != "real":
            refuse(
                name,
                f"{key} has the identity link, and {prior} is not on the whole real line: give "
                "it a link, 'log' of a positive number, or a prior such as mb.Normal(0, 1)",
            )
    elif low < 0 or (isinstance(link, Logit) and high > 1):
        what = "positive" if isinstance(link, Log) else "between 0 and 1"
        other = "mb.Gamma(2, 1)" if isinstance(link, Log) else "mb.Uniform(0, 1)"
        refuse(name, f"{key} is {what} by its {link.name} link, {prior} is not; use {other}")


def typical_of(
    name: str, links: Links, priors: Mapping[str, Prior], given: Any
) -> dict[str, float]:
    """Values at which functions are tried, mu first."""
    found = {}
    for key, link in links.items():
        found[key] = float(link.inverse(np.asarray(0.0), np))
        if key in priors:
            found[key] = float(priors[key].frozen().ppf(0.5))
    for key, value in _dictionary(name, "typical", "{'mu': 0.5}", given).items():
        if key not in links:
            refuse(name, f"typical= has {key!r}, which is none of {', '.join(links)}")
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            refuse(name, f"typical= has {key} = {value!r}, which is no number")
        with np.errstate(all="ignore"):
            if not np.isfinite(links[key].link(np.asarray(float(value)), np)):
                refuse(name, f"typical= has {key} = {value!r}, which its link does not take")
        found[key] = float(value)
    return found


@dataclass(frozen=True)
class OfSciPy:
    """What a frozen distribution says beside its density."""

    discrete: bool
    simulate: Callable[..., Any]
    cdf: Callable[..., Any]
    mean: Callable[..., Any] | None  # None where SciPy knows none, as of Cauchy's
    variance: Callable[..., Any] | None
    support: tuple[float, float]

    @property
    def words(self) -> str:
        return "discrete" if self.discrete else "continuous"


def of_scipy(
    name: str, factory: Callable[..., Any], links: Links, values: Mapping[str, float]
) -> OfSciPy:
    """The functions of what `factory` makes of mu and the parameters.

    An end of the support that moves with them is no bound of the responses.
    """
    made = called(name, "scipy", factory, *(np.full(2, x) for x in values.values()))
    discrete, continuous = hasattr(made, "logpmf"), hasattr(made, "logpdf")
    lacking = [each for each in ("rvs", "cdf", "mean", "var", "support") if not hasattr(made, each)]
    if discrete == continuous or lacking:
        refuse(
            name,
            f"scipy= gives {type(made).__name__}, which is no frozen distribution of scipy.stats; "
            "give lambda mu, sigma: stats.gumbel_r(mu, sigma), for example",
        )
    ends = np.asarray(called(name, "scipy", made.support), float).reshape(2, -1)

    if np.isnan(ends).any():
        place = ", ".join(f"{k} = {v:.4g}" for k, v in values.items())
        refuse(
            name,
            f"scipy= gives a distribution without values at {place}: it does not take these "
            f"parameters{_in_another_order(name, factory, values)}; SciPy's own take their shapes "
            "first, then loc and scale. If other values are meant, name such: "
            "typical={'mu': ..., ...}",
        )

    other = called(name, "scipy", factory, *(np.full(2, x) for x in moved(links, values).values()))
    there = np.asarray(called(name, "scipy", other.support), float).reshape(2, -1)
    lower, upper = np.where(ends[:, 0] == there[:, 0], ends[:, 0], [-math.inf, math.inf])

    def simulate(*arguments: Floats, rng: np.random.Generator) -> Any:
        *own, shape = *arguments, np.shape(arguments[0])
        return factory(*own).rvs(size=shape, random_state=rng)

    moments = [called(name, "scipy", each) for each in (made.mean, made.var)]
    known = [not np.isnan(np.asarray(found, float)).any() for found in moments]
    return OfSciPy(
        discrete,
        simulate,
        lambda y, *own: factory(*own).cdf(y),
        (lambda *own: factory(*own).mean()) if known[0] else None,
        (lambda *own: factory(*own).var()) if known[1] else None,
        (float(lower), float(upper)),
    )


def _in_another_order(name: str, factory: Callable[..., Any], values: Mapping[str, float]) -> str:
    """Which order of the parameters it would take; empty where none is found."""
    names = tuple(values)
    for order in permutations(names):
        made = called(name, "scipy", factory, *(values[p] for p in order))
        ends = np.asarray(called(name, "scipy", made.support), float)
        if order != names and not np.isnan(ends).any():
            return f", but would take ({', '.join(order)}) in the place of ({', '.join(names)})"
    return ""


def support_of(name: str, given: Any, discrete: bool) -> tuple[float, float]:
    """Both ends."""
    if given is None:
        given = "counts" if discrete else "real"
    if isinstance(given, str):
        if given not in _SUPPORTS or ((given == "counts") != discrete and given != "real"):
            kinds = "'counts', 'real'" if discrete else "'real', 'positive', 'unit'"
            refuse(name, f"support={given!r}: use {kinds} or the two ends, (0, math.inf)")
        return _SUPPORTS[given]
    try:
        low, high = (float(x) for x in given)
    except (TypeError, ValueError):
        refuse(name, f"support={given!r}: give its two ends, such as (0, math.inf)")
    if not low < high:
        refuse(name, f"support={given!r}: the first end is below the second, (0, math.inf)")
    if discrete and any(math.isfinite(end) and end != math.floor(end) for end in (low, high)):
        refuse(name, f"support={given!r}: a discrete response is between whole numbers")
    return low, high


def density_of(
    name: str,
    links: Links,
    logp: Any,
    gradient: Any,
    pytensor: Any,
    scipy: Any,
    *,
    discrete: bool,
) -> Any:
    m = len(links) - 1
    if logp is not None:
        return Compiled(logp, m, gradient).called("", links)
    if pytensor is not None:
        from mixedbayes.families.pytensor_rows import InPyTensor  # PyTensor: where it is needed

        return InPyTensor(pytensor, m).called("", links)

    def values(y: Floats, *arguments: Floats) -> Any:
        made = scipy(*arguments)
        return made.logpmf(y) if discrete else made.logpdf(y)

    slopes = python_rows.by_differences(values, list(links.values()))
    return python_rows.Evaluated(values, slopes).called("", links)


def compile_all(name: str, densities: Sequence[Any], trial: Trial) -> None:
    """ModelError, with what numba or PyTensor says first, where a function does not compile."""
    y = np.array([trial.nodes()[0][0]])
    for density in densities:
        if isinstance(density, Compiled):
            _compile(name, density)
            continue
        called(name, density.name, density.prepare)
        called(name, density.name, density.slopes, *trial.arguments(y))


def _compile(name: str, density: Compiled) -> None:
    what, other = density.name, "write the density in PyTensor, pytensor="
    try:
        returned = density.returned()
    except Exception as e:
        said = f"{what}= does not compile: {first_line(e)}"
        if "Untyped global name" in said and "<class 'function'>" in said:
            refuse(name, f"{said}. It calls a function of Python: decorate that with @numba.njit")
        refuse(
            name,
            f"{said}. numba has math's functions and numpy's of numbers; else {other}",
        )
    if returned is not None:
        refuse(name, f"{what}= gives {returned} from numbers: it must give one number, log p(y)")
    try:
        slopes = density.slopes_given()
    except Exception as e:
        if density.gradient is not None:
            refuse(name, f"gradient= does not compile: {first_line(e)}")
        refuse(
            name,
            f"{what}= compiles, but not for dual numbers, which give its derivatives: "
            f"{first_line(e)}. Give gradient=, the tuple of the derivatives by mu and each "
            f"parameter; or {other}",
        )
    if slopes != 1 + density.m:
        refuse(
            name,
            f"gradient= gives {slopes or 'no tuple of'} numbers: it must give the tuple of the "
            f"derivatives by mu and each parameter, {1 + density.m} numbers",
        )


def trials_of(
    name: str, links: Links, values: Mapping[str, float], discrete: bool,
    ends: tuple[float, float],
) -> list[Trial]:  # fmt: skip
    """At the typical values, and a little from them."""
    return [Trial(name, discrete, *ends, each) for each in (dict(values), moved(links, values))]


def moved(links: Links, values: Mapping[str, float]) -> dict[str, float]:
    """Values a little from these, on the scale of links."""
    found = {}
    for key, link in links.items():
        eta = link.link(np.asarray(values[key]), np) + _MOVED
        found[key] = float(link.inverse(eta, np))
    return found


def family_of(name: str, links: Links, given: Given, *, discrete: bool, of_mu: bool) -> Family:
    """An object of a class of its own."""
    mu, *others = links.items()
    link = mu[1]
    m, density = len(others), given.density
    for each in (density, *(given.tails or ())):
        each.called(name, links)
    if isinstance(density, Compiled):
        compiled = row_density(density, link, given.tails)
    else:
        compiled = python_rows.row_density(density, link, m)
    base: type[Custom] = OfMu if of_mu else OfOther
    words = support_words(discrete, given.lower, given.upper)
    made = type(
        "".join(word.capitalize() for word in name.split("_")),
        (base,),
        {
            "__doc__": f"The user's family {name!r}.",
            "__module__": base.__module__,
            "name": name,
            "declared": tuple(Parameter(p, _symbol(p), own) for p, own in others),
            "mean_links": (type(link),),
            "discrete": discrete,
            "counting": discrete and given.lower == 0 and given.upper == math.inf,
            "positive": of_mu and given.lower >= 0,
            "takes": words,
            "no_variance": given.variance is None,
            "no_latent_variance": no_latent_variance(name, links, given, of_mu),
            "extremes": True,
            "given": given,
            "compiled": compiled,
        },
    )
    return made(link)


def _symbol(parameter: str) -> str:
    """In LaTeX."""
    if parameter in _GREEK:
        return rf"\{parameter}"
    return parameter if len(parameter) == 1 else rf"\mathrm{{{parameter}}}".replace("_", r"\_")
