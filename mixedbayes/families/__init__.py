"""The distributions of responses, by the field's names: ``mb.families.Gamma(link=mb.Log())``.

``family=`` of `fit` takes the name in quotes, or an object where a link or a setting is another
than the default. `mb.custom` makes one of your own.

Real responses:

- `Gaussian`, "gaussian": normal, the default;
- `StudentT`, "student_t": with heavy tails, so that outliers count less;
- `SkewNormal`, "skew_normal": with one longer tail;
- `Exgaussian`, "exgaussian": normal plus exponential, as response times;
- `AsymmetricLaplace`, "asymmetric_laplace": quantiles, ``quantile=0.9``.

Positive responses:

- `Lognormal`, "lognormal": the logarithm is normal;
- `ShiftedLognormal`, "shifted_lognormal": the same from another start than 0;
- `Gamma`, "gamma": of constant relative sd;
- `Weibull`, "weibull": times with a hazard that rises or falls;
- `Exponential`, "exponential": times of constant hazard;
- `InverseGaussian`, "inverse_gaussian": times to a first passage;
- `HurdleGamma`, "hurdle_gamma": with zeros;
- `HurdleLognormal`, "hurdle_lognormal": with zeros.

Angles:

- `VonMises`, "von_mises": directions in radians.

Shares:

- `Beta`, "beta": between 0 and 1;
- `ZeroOneInflatedBeta`, "zero_one_inflated_beta": with 0 and 1, each with a predictor;
- `OrderedBeta`, "ordered_beta": with 0 and 1, by one predictor.

Successes:

- `Bernoulli`, "bernoulli": yes or no;
- `Binomial`, "binomial": out of trials;
- `BetaBinomial`, "beta_binomial": out of trials that resemble each other;
- `ZeroInflatedBinomial`, "zero_inflated_binomial": with more zeros;
- `ZeroInflatedBetaBinomial`, "zero_inflated_beta_binomial": both.

Counts:

- `Poisson`, "poisson": variance equal to the mean;
- `NegativeBinomial`, "negative_binomial": variance quadratic in the mean;
- `NegativeBinomial1`, "negative_binomial1": variance in proportion to the mean;
- `Geometric`, "geometric": failures before a success;
- `ZeroInflatedPoisson`, "zero_inflated_poisson": with more zeros;
- `ZeroInflatedNegativeBinomial`, "zero_inflated_negative_binomial": with more zeros;
- `HurdlePoisson`, "hurdle_poisson": zeros apart;
- `HurdleNegativeBinomial`, "hurdle_negative_binomial": zeros apart.

Categories:

- `Categorical`, "categorical": without an order;
- `Multinomial`, "multinomial": counts of them;
- `Cumulative`, "cumulative": with an order, by cuts of a latent response;
- `Sratio`, "sratio": stages that are reached one after the other;
- `Cratio`, "cratio": the same in the other direction;
- `Acat`, "acat": each against its neighbour.

>>> import mixedbayes as mb
>>> mb.families.Gamma(mb.Inverse()).described
'gamma, inverse link'
"""

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
