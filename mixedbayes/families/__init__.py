"""The distributions of responses, by the field's names: ``mb.families.Gamma(link=mb.Log())``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mixedbayes.interrupts import load as _load

# Module and class; three of these names are priors at the top of the package.
_HOME = {
    "Bernoulli": ("bernoulli", "Bernoulli"),
    "Beta": ("beta", "Beta"),
    "Binomial": ("binomial", "Binomial"),
    "Cumulative": ("cumulative", "Cumulative"),
    "Gamma": ("gamma", "GammaFamily"),
    "Gaussian": ("gaussian", "Gaussian"),
    "Lognormal": ("lognormal", "Lognormal"),
    "NegativeBinomial": ("negative_binomial", "NegativeBinomial"),
    "Poisson": ("poisson", "Poisson"),
    "StudentT": ("student_t", "StudentTFamily"),
}

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'mixedbayes.families' has no attribute {name!r}")
    module, kind = _HOME[name]
    return getattr(_load(f"mixedbayes.families.{module}"), kind)


def __dir__() -> list[str]:
    return __all__


if TYPE_CHECKING:
    from mixedbayes.families.bernoulli import Bernoulli as Bernoulli
    from mixedbayes.families.beta import Beta as Beta
    from mixedbayes.families.binomial import Binomial as Binomial
    from mixedbayes.families.cumulative import Cumulative as Cumulative
    from mixedbayes.families.gamma import GammaFamily
    from mixedbayes.families.gaussian import Gaussian as Gaussian
    from mixedbayes.families.lognormal import Lognormal as Lognormal
    from mixedbayes.families.negative_binomial import NegativeBinomial as NegativeBinomial
    from mixedbayes.families.poisson import Poisson as Poisson
    from mixedbayes.families.student_t import StudentTFamily

    Gamma, StudentT = GammaFamily, StudentTFamily
