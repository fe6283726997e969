"""The distributions of responses, by the field's names: ``mb.families.Gamma(link=mb.Log())``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mixedbayes.interrupts import load as _load


def _by_name() -> dict[str, Any]:
    """The families that are registered; three of these names are priors at the top."""
    registry = _load("mixedbayes.families.registry")
    return {registry.public(name): kind for name, kind in registry.FAMILIES.items()}


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return [*_by_name()]
    found = _by_name() if name[:1].isupper() else {}  # modules are loaded without the registry
    if name not in found:
        raise AttributeError(f"module 'mixedbayes.families' has no attribute {name!r}")
    return found[name]


def __dir__() -> list[str]:
    return [*_by_name()]


if TYPE_CHECKING:
    from mixedbayes.families.acat import Acat as Acat
    from mixedbayes.families.asymmetric_laplace import AsymmetricLaplace as AsymmetricLaplace
    from mixedbayes.families.bernoulli import Bernoulli as Bernoulli
    from mixedbayes.families.beta import Beta as Beta
    from mixedbayes.families.binomial import Binomial as Binomial
    from mixedbayes.families.cratio import Cratio as Cratio
    from mixedbayes.families.cumulative import Cumulative as Cumulative
    from mixedbayes.families.exgaussian import Exgaussian as Exgaussian
    from mixedbayes.families.exponential import ExponentialFamily
    from mixedbayes.families.gamma import GammaFamily
    from mixedbayes.families.gaussian import Gaussian as Gaussian
    from mixedbayes.families.hurdle_gamma import HurdleGamma as HurdleGamma
    from mixedbayes.families.hurdle_lognormal import HurdleLognormal as HurdleLognormal
    from mixedbayes.families.inverse_gaussian import InverseGaussian as InverseGaussian
    from mixedbayes.families.lognormal import Lognormal as Lognormal
    from mixedbayes.families.negative_binomial import NegativeBinomial as NegativeBinomial
    from mixedbayes.families.ordered_beta import OrderedBeta as OrderedBeta
    from mixedbayes.families.poisson import Poisson as Poisson
    from mixedbayes.families.shifted_lognormal import ShiftedLognormal as ShiftedLognormal
    from mixedbayes.families.skew_normal import SkewNormal as SkewNormal
    from mixedbayes.families.sratio import Sratio as Sratio
    from mixedbayes.families.student_t import StudentTFamily
    from mixedbayes.families.von_mises import VonMises as VonMises
    from mixedbayes.families.weibull import Weibull as Weibull
    from mixedbayes.families.zero_one_inflated_beta import (
        ZeroOneInflatedBeta as ZeroOneInflatedBeta,
    )

    Exponential, Gamma, StudentT = ExponentialFamily, GammaFamily, StudentTFamily
