"""Families by name, for the public edge where a string is accepted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from types import ModuleType
from typing import Any, NoReturn

from mixedbayes.distributions import Prior
from mixedbayes.errors import DataError, ModelError
from mixedbayes.families import words
from mixedbayes.families.acat import Acat
from mixedbayes.families.asymmetric_laplace import AsymmetricLaplace
from mixedbayes.families.base import Family
from mixedbayes.families.bernoulli import Bernoulli
from mixedbayes.families.beta import Beta
from mixedbayes.families.beta_binomial import BetaBinomial
from mixedbayes.families.binomial import Binomial
from mixedbayes.families.categorical import Categorical
from mixedbayes.families.cratio import Cratio
from mixedbayes.families.cumulative import Cumulative
from mixedbayes.families.exgaussian import Exgaussian
from mixedbayes.families.exponential import ExponentialFamily
from mixedbayes.families.gamma import GammaFamily
from mixedbayes.families.gaussian import Gaussian
from mixedbayes.families.geometric import Geometric
from mixedbayes.families.hurdle_gamma import HurdleGamma
from mixedbayes.families.hurdle_lognormal import HurdleLognormal
from mixedbayes.families.hurdle_negative_binomial import HurdleNegativeBinomial
from mixedbayes.families.hurdle_poisson import HurdlePoisson
from mixedbayes.families.inverse_gaussian import InverseGaussian
from mixedbayes.families.lognormal import Lognormal
from mixedbayes.families.multinomial import Multinomial
from mixedbayes.families.negative_binomial import NegativeBinomial
from mixedbayes.families.negative_binomial1 import NegativeBinomial1
from mixedbayes.families.ordered_beta import OrderedBeta
from mixedbayes.families.poisson import Poisson
from mixedbayes.families.shifted_lognormal import ShiftedLognormal
from mixedbayes.families.skew_normal import SkewNormal
from mixedbayes.families.sratio import Sratio
from mixedbayes.families.student_t import StudentTFamily
from mixedbayes.families.von_mises import VonMises
from mixedbayes.families.weibull import Weibull
from mixedbayes.families.zero_inflated_beta_binomial import ZeroInflatedBetaBinomial
from mixedbayes.families.zero_inflated_binomial import ZeroInflatedBinomial
from mixedbayes.families.zero_inflated_negative_binomial import ZeroInflatedNegativeBinomial
from mixedbayes.families.zero_inflated_poisson import ZeroInflatedPoisson
from mixedbayes.families.zero_one_inflated_beta import ZeroOneInflatedBeta
from mixedbayes.formula import Formula

FAMILIES: dict[str, type[Family]] = {
    kind.name: kind
    for kind in (
        Gaussian,
        StudentTFamily,
        SkewNormal,
        Exgaussian,
        AsymmetricLaplace,
        Lognormal,
        ShiftedLognormal,
        GammaFamily,
        Weibull,
        ExponentialFamily,
        InverseGaussian,
        HurdleGamma,
        HurdleLognormal,
        VonMises,
        Beta,
        ZeroOneInflatedBeta,
        OrderedBeta,
        Bernoulli,
        Binomial,
        BetaBinomial,
        ZeroInflatedBinomial,
        ZeroInflatedBetaBinomial,
        Poisson,
        NegativeBinomial,
        NegativeBinomial1,
        Geometric,
        ZeroInflatedPoisson,
        ZeroInflatedNegativeBinomial,
        HurdlePoisson,
        HurdleNegativeBinomial,
        Categorical,
        Multinomial,
        Cumulative,
        Sratio,
        Cratio,
        Acat,
    )
}


def as_family(family: str | Family | type[Family]) -> Family:
    """A family object from its name, its class or itself.

    Raises
    ------
    ModelError
        If it is none of ours; the message says which of ours a name of another package is, or
        comes nearest to it.
    """
    if isinstance(family, str) and family.lower() in FAMILIES:
        return FAMILIES[family.lower()]()
    kind = family if isinstance(family, type) else type(family)
    if issubclass(kind, Family):
        _check_ours(kind)
        made = family if isinstance(family, Family) else kind()
        _check_link(made)
        return made
    if isinstance(family, ModuleType):
        _refuse_module(family)
    word = _spelling(family)
    names = {name: each.elsewhere.names for name, each in FAMILIES.items()}
    hint = words.hint(word, names, {name: public(name) for name in FAMILIES})
    if issubclass(kind, Prior):
        hint = f" That is a prior.{hint}"
    raise ModelError(
        f"family={_shown(family)} is not known: use one of {', '.join(FAMILIES)}.{hint}"
    )


def with_limits() -> tuple[str, ...]:
    """Names of the families whose responses may be censored or truncated."""
    return tuple(name for name, kind in FAMILIES.items() if not kind().limits_obstacle)


def check_limits(family: Family, formula: Formula) -> None:
    """Raise DataError if responses are censored or truncated in a family where they cannot be."""
    reason, limits = family.limits_obstacle, formula.response.limits
    if limits and reason:
        raise DataError(
            f"{' and '.join(limits)} is not offered for the {family.name} family: {reason}. Leave "
            f"it out, or use one of the families that take it: {', '.join(with_limits())}"
        )


def public(name: str) -> str:
    """A family's name in `mb.families`: "NegativeBinomial" of "negative_binomial"."""
    return "".join(word.capitalize() for word in name.split("_"))


def _refuse_module(module: ModuleType) -> NoReturn:
    own = [name for name, kind in FAMILIES.items() if kind.__module__ == module.__name__]
    said = "a family is one of its classes"
    if own:
        said = f"the family is mb.families.{public(own[0])}"
    raise ModelError(f"family={module.__name__} is a module; {said}")


def _check_ours(kind: type[Family]) -> None:
    if kind.own or kind in FAMILIES.values() or kind.variant_of in FAMILIES.values():
        return
    raise ModelError(
        f"{kind.__name__} is a class of your own, and these are not taken: likelihoods are "
        "compiled, and tables, checks, files and code for other packages know each family by "
        "its name. Make the family by mb.custom(...), of its log density; use one of "
        f"{', '.join(FAMILIES)}; or see 'Add a family' in the source's ARCHITECTURE.md, which has "
        "all that the package needs to have it"
    )


def _check_link(family: Family) -> None:
    if type(family.link) not in family.mean_links:
        raise ModelError(
            f"{type(family.link).__name__} is a link of your own, and these are not taken: "
            "likelihoods are compiled for the links that are known. The "
            f"{family.name} family has {', '.join(f'mb.{k.__name__}()' for k in family.mean_links)}"
        )


def written(family: Family) -> str:
    """The family as code: `mb.families.Gamma(link=mb.Log())`; a dictionary by response."""
    if family.by_response:
        pairs = (f"{name!r}: {written(f)}" for name, f in family.by_response.items())
        return f"{{{', '.join(pairs)}}}"
    kind = family.variant_of or type(family)
    fixed = "".join(f", {name}={value!r}" for name, value in family.fixed.items())
    if family.links:
        own = ", ".join(f"{name!r}: mb.{type(own).__name__}()" for name, own in family.links)
        fixed = f", links={{{own}}}{fixed}"
    return f"mb.families.{public(kind.name)}(link=mb.{type(family.link).__name__}(){fixed})"


def family_from_names(
    name: str,
    link: str,
    fixed: Mapping[str, Any] | None = None,
    chosen: Mapping[str, str] | None = None,
) -> Family:
    """A family object from its name, its link's, fixed parameters and the names of chosen links of
    further parameters, as files keep them."""
    family = as_family(name)
    if unknown := set(fixed or {}) - {f.name for f in fields(family)} - {"link", "links"}:
        raise ModelError(f"the {name} family has no {', '.join(sorted(unknown))} to fix")
    links = {kind.name: kind for kind in family.mean_links}
    if link not in links:
        raise ModelError(f"link={link!r}: the {name} family has the links {', '.join(links)}")
    return replace(family, link=links[link](), links=chosen or {}, **(fixed or {}))


def _spelling(family: Any) -> str:
    """The name in small letters; a class's own name for classes and objects."""
    if isinstance(family, str):
        text = family.lower().strip()
        called = re.fullmatch(r"(?:[\w.]*\.)?(\w+)\(.*\)", text) if "=" in text else None
        return re.sub(r"[^a-z0-9]+", "_", called[1] if called else text).strip("_")
    named = getattr(getattr(family, "dist", family), "name", None)  # of SciPy and Bambi
    if isinstance(named, str):
        return _spelling(named)
    return (family if isinstance(family, type) else type(family)).__name__.lower()


def _shown(family: Any) -> str:
    """What was given, in one line: of an object that does not say so itself, its class."""
    text = repr(family)
    if isinstance(family, type) or not ("\n" in text or text.startswith("<")):
        return text
    kind = type(family)
    return f"<{kind.__module__}.{kind.__qualname__}>"
