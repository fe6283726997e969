"""Bayesian hierarchical (mixed-effects) models from a formula.

`Model` compiles a formula and a data frame into a PyMC model; `Model.fit` samples it and returns
a `Fit` with the field's tables: fixef, ranef, coef, varcorr, icc, r2. The public names load when
first used, so importing the package is quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mixedbayes.interrupts import load as _load
from mixedbayes.interrupts import load_uninterrupted

__version__ = "0.1.0"

load_uninterrupted()

_HOME = {
    "Model": "mixedbayes.api.model",
    "fit": "mixedbayes.api.fit",
    "fit_many": "mixedbayes.api.many",
    "Fit": "mixedbayes.api.model",
    "average": "mixedbayes.api.average",
    "bayes_factor": "mixedbayes.api.several",
    "compare": "mixedbayes.api.several",
    "custom": "mixedbayes.families.custom",
    "load": "mixedbayes.api.load",
    "load_data": "mixedbayes.data",
    "list_data": "mixedbayes.data",
    "describe_data": "mixedbayes.data",
    "plot_data": "mixedbayes.plots.data",
    "plot_funnel": "mixedbayes.api.several",
    "pooling": "mixedbayes.api.pooling",
    "ways": "mixedbayes.api.several",
    "from_bambi": "mixedbayes.api.bambi",
    "from_pymc": "mixedbayes.api.pymc",
    "source": "mixedbayes.api.batches",
    "study": "mixedbayes.lab.study",
    "table": "mixedbayes.api.several",
    "Relation": "mixedbayes.terms.relation",
    **dict.fromkeys(("pedigree", "phylogeny", "car", "icar"), "mixedbayes.design.kin"),
    "simulate": "mixedbayes.simulation.simulate",
    "simulate_simpson": "mixedbayes.simulation.simpson",
    "truth": "mixedbayes.simulation.truth",
    "Gaussian": "mixedbayes.families.gaussian",
    "StudentTFamily": "mixedbayes.families.student_t",
    "Lognormal": "mixedbayes.families.lognormal",
    "GammaFamily": "mixedbayes.families.gamma",
    "Beta": "mixedbayes.families.beta",
    "Bernoulli": "mixedbayes.families.bernoulli",
    "Binomial": "mixedbayes.families.binomial",
    "Poisson": "mixedbayes.families.poisson",
    "NegativeBinomial": "mixedbayes.families.negative_binomial",
    "Cumulative": "mixedbayes.families.cumulative",
    **dict.fromkeys(
        ("Identity", "Log", "Logit", "Probit", "Cloglog", "Inverse", "TanHalf", "Softplus"),
        "mixedbayes.families.links",
    ),
    "Marginal": "mixedbayes.engines.marginal",
    "PartiallyCentered": "mixedbayes.engines.joint",
    "Quadrature": "mixedbayes.engines.quadrature",
    **dict.fromkeys(("NonCentered", "Centered"), "mixedbayes.model.formulations"),
    **dict.fromkeys(
        (
            "LKJ",
            "Cauchy",
            "Dirichlet",
            "Exponential",
            "Flat",
            "Gamma",
            "HalfCauchy",
            "HalfNormal",
            "HalfStudentT",
            "InverseGamma",
            "Normal",
            "StudentT",
            "Uniform",
        ),
        "mixedbayes.distributions",
    ),
    **dict.fromkeys(
        (
            "MixedBayesError",
            "FormulaError",
            "DataError",
            "PriorError",
            "ModelError",
            "SamplingError",
            "FileError",
            "MissingExtraError",
        ),
        "mixedbayes.errors",
    ),
}

_NAMESPACES = ("families", "priors")

__all__ = ["__version__", *_NAMESPACES, *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name in _NAMESPACES:
        return _load(f"mixedbayes.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'mixedbayes' has no attribute {name!r}")
    value = getattr(_load(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


if TYPE_CHECKING:
    from mixedbayes.api.average import average as average
    from mixedbayes.api.bambi import from_bambi as from_bambi
    from mixedbayes.api.batches import source as source
    from mixedbayes.api.fit import fit as fit
    from mixedbayes.api.load import load as load
    from mixedbayes.api.many import fit_many as fit_many
    from mixedbayes.api.model import Fit as Fit
    from mixedbayes.api.model import Model as Model
    from mixedbayes.api.pooling import pooling as pooling
    from mixedbayes.api.pymc import from_pymc as from_pymc
    from mixedbayes.api.several import bayes_factor as bayes_factor
    from mixedbayes.api.several import compare as compare
    from mixedbayes.api.several import plot_funnel as plot_funnel
    from mixedbayes.api.several import table as table
    from mixedbayes.api.several import ways as ways
    from mixedbayes.data import describe_data as describe_data
    from mixedbayes.data import list_data as list_data
    from mixedbayes.data import load_data as load_data
    from mixedbayes.design.kin import car as car
    from mixedbayes.design.kin import icar as icar
    from mixedbayes.design.kin import pedigree as pedigree
    from mixedbayes.design.kin import phylogeny as phylogeny
    from mixedbayes.distributions import LKJ as LKJ
    from mixedbayes.distributions import Cauchy as Cauchy
    from mixedbayes.distributions import Dirichlet as Dirichlet
    from mixedbayes.distributions import Exponential as Exponential
    from mixedbayes.distributions import Flat as Flat
    from mixedbayes.distributions import Gamma as Gamma
    from mixedbayes.distributions import HalfCauchy as HalfCauchy
    from mixedbayes.distributions import HalfNormal as HalfNormal
    from mixedbayes.distributions import HalfStudentT as HalfStudentT
    from mixedbayes.distributions import InverseGamma as InverseGamma
    from mixedbayes.distributions import Normal as Normal
    from mixedbayes.distributions import StudentT as StudentT
    from mixedbayes.distributions import Uniform as Uniform
    from mixedbayes.engines.joint import PartiallyCentered as PartiallyCentered
    from mixedbayes.engines.marginal import Marginal as Marginal
    from mixedbayes.engines.quadrature import Quadrature as Quadrature
    from mixedbayes.errors import DataError as DataError
    from mixedbayes.errors import FileError as FileError
    from mixedbayes.errors import FormulaError as FormulaError
    from mixedbayes.errors import MissingExtraError as MissingExtraError
    from mixedbayes.errors import MixedBayesError as MixedBayesError
    from mixedbayes.errors import ModelError as ModelError
    from mixedbayes.errors import PriorError as PriorError
    from mixedbayes.errors import SamplingError as SamplingError
    from mixedbayes.families.bernoulli import Bernoulli as Bernoulli
    from mixedbayes.families.beta import Beta as Beta
    from mixedbayes.families.binomial import Binomial as Binomial
    from mixedbayes.families.cumulative import Cumulative as Cumulative
    from mixedbayes.families.custom import custom as custom
    from mixedbayes.families.gamma import GammaFamily as GammaFamily
    from mixedbayes.families.gaussian import Gaussian as Gaussian
    from mixedbayes.families.links import Cloglog as Cloglog
    from mixedbayes.families.links import Identity as Identity
    from mixedbayes.families.links import Inverse as Inverse
    from mixedbayes.families.links import Log as Log
    from mixedbayes.families.links import Logit as Logit
    from mixedbayes.families.links import Probit as Probit
    from mixedbayes.families.links import Softplus as Softplus
    from mixedbayes.families.links import TanHalf as TanHalf
    from mixedbayes.families.lognormal import Lognormal as Lognormal
    from mixedbayes.families.negative_binomial import NegativeBinomial as NegativeBinomial
    from mixedbayes.families.poisson import Poisson as Poisson
    from mixedbayes.families.student_t import StudentTFamily as StudentTFamily
    from mixedbayes.lab.study import study as study
    from mixedbayes.model.formulations import Centered as Centered
    from mixedbayes.model.formulations import NonCentered as NonCentered
    from mixedbayes.plots.data import plot_data as plot_data
    from mixedbayes.simulation.simpson import simulate_simpson as simulate_simpson
    from mixedbayes.simulation.simulate import simulate as simulate
    from mixedbayes.simulation.truth import truth as truth
    from mixedbayes.terms.relation import Relation as Relation
