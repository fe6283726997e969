"""Bayesian hierarchical (mixed-effects) models from a formula.

>>> import mixedbayes as mb
>>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", mb.load_data("sleepstudy"), seed=1)
>>> fit.fixef()[["term", "mean", "lower", "upper"]]
        term  mean lower upper
0  Intercept 251.4 235.7 267.3
1       Days 10.42 7.235 13.60

``help(mb.Fit)`` says what to ask a fit, ``help(mb.fit)`` what a model is made of.

Models
------
- `fit`: model and posterior in one call; `Model`: the model, its priors, code and simulated data.
- `fit_many`: many data sets, or imputed ones; `pooling`: complete, no and partial pooling.
- `source`: files, queries and tables larger than memory.
- `load`, `from_pymc`, `from_bambi`: fits of files, and of draws by other packages.

Several fits
------------
- `compare`: by predictions left out; `average`: predictions of all; `bayes_factor`: by evidence.
- `table`: side by side, for a paper; `plot_funnel`: what a sampler meets.

Data
----
- `load_data`, `list_data`, `describe_data`: shipped data sets; `plot_data`: data as they are.
- `simulate`, `simulate_simpson`, `truth`: data whose truth is known.
- `study`: power, smallest numbers and calibration of studies that are planned.
- `pedigree`, `phylogeny`, `car`, `icar`, `Relation`: how levels are related.
- `ways`: one model in its textbook forms.

Parts of a model
----------------
- `formula_functions`: all that a formula may say, in a table.
- `families`, and `custom` for one of your own; links `Identity`, `Log`, `Logit`, `Probit`,
  `Cloglog`, `Inverse`, `Softplus`, `TanHalf`.
- `priors`: `Normal`, `StudentT`, `HalfNormal`, `Exponential`, `LKJ`, ...
- formulations: `Marginal`, `Quadrature`, `PartiallyCentered`, `NonCentered`, `Centered`.
- errors, all of them `MixedBayesError`.

Formulas
--------
Operators:

- ``a + b``: both terms;
- ``a:b``: the product of columns, or of indicators of levels;
- ``a*b``: a + b + a:b;
- ``a*b - b``: without one term;
- ``a/b``: a + a:b;
- ``(a + b)**2``: all terms and their products of two;
- ``0 + a``: without the intercept;
- ``a - 1``: without the intercept;
- ``(1 | g)``: an intercept of each level of g;
- ``(a | g)``: intercepts and slopes of a by level of g, correlated;
- ``(a || g)``: the same without correlations;
- ``(0 + a | g)``: slopes alone; of a category an effect of each of its levels;
- ``(1 | g) + (1 | h)``: of two factors, crossed or nested;
- ``(a | id | g)``: correlated with those of the same id in other formulas;
- ``(1 | g/h)``: of g, and of h within g;
- ``(1 | g:h)``: of every combination that occurs.

Beside the response, ``y | trials(n) ~ ...``:

- ``trials``: y successes out of so many trials;
- ``weights``: rows that count more: variance / w, or w equal rows;
- ``se``: known standard errors of rows, as in a meta-analysis; sigma=True adds a residual;
- ``rate``: counts in so much time or space: offset(log(t));
- ``cens``: known to be above ("right"), below ("left") or in an interval;
- ``trunc``: what lies outside bounds could not be observed;
- ``mi``: rows that lack the response stay, and are predicted;
- ``cbind``: counts of categories, a column each;
- ``c``: the same;
- ``mv``: several responses, with correlated residuals and effects.

Functions of columns:

- ``offset``: a term with coefficient 1;
- ``I``: arithmetic as it is: + - * / ** and comparisons;
- ``C``: a category, of numbers too; levels=, or a contrast, with the reference;
- ``contr.treatment``: each level against the reference, the default;
- ``contr.sum``: each level against the mean of all;
- ``contr.helmert``: each level against the mean of those before;
- ``contr.poly``: linear, quadratic, ... over ordered levels;
- ``contr.diff``: each level against the one before;
- ``contr.SAS``: each level against the last;
- ``center``: x minus its mean in the fitted data;
- ``scale``: (x - mean) / sd of the fitted data;
- ``poly``: polynomial, orthogonal unless raw=True;
- ``bs``: B-spline with unpenalised coefficients;
- ``cr``: natural cubic spline with unpenalised coefficients;
- ``cc``: cyclic cubic spline with unpenalised coefficients;
- ``mo``: monotonic effect of ordered levels, or of whole numbers;
- ``cs``: effects of their own at each threshold of an ordered response;
- ``round``: to whole numbers, or to so many digits;
- ``pi``: the number;
- ``log``: natural logarithm; log2, log10, log1p;
- ``exp``: exponential; exp2, expm1;
- ``sqrt``: square root; cbrt, square;
- ``abs``: absolute value; sign;
- ``sin``: sine of radians; cos, tan, arcsin, ..., sinh, ...;
- ``minimum``: the smaller of two values in each row; maximum;
- ``floor``: to the whole number below; ceil, trunc;
- ``hypot``: NumPy's other functions of rows, by their names.

Smooths:

- ``s``: penalised curve: k=, by=, bs="tp", "cr", "cc", "ps", "fs";
- ``t2``: penalised surface of variables in different units.

Of group effects, ``(1 | gr(g, by=arm))``, ``ar1(visit | g)``:

- ``gr``: levels that are related (cov=, precision=), by=arm, law="student";
- ``mm``: rows that belong to several levels, with weights=;
- ``us``: any correlation of each two visits;
- ``diag``: no correlations;
- ``cs(visit | g)``: one correlation of all pairs, an sd for each visit;
- ``homcs``: one correlation, one sd;
- ``ar1``: correlation rho^steps, one sd;
- ``hetar1``: correlation rho^steps, an sd for each visit;
- ``ou``: correlation exp(-distance / range) of times;
- ``toep``: a correlation for each lag, an sd for each visit;
- ``homtoep``: a correlation for each lag, one sd.

Of residuals, ``residual="ar1(visit | g)"`` of `fit`:

- ``ar1(visit | g)``: correlation rho^steps of rows of a group;
- ``hetar1(visit | g)``: the same with an sd for each visit;
- ``arma11(visit | g)``: rho^steps beyond the first step, which is free;
- ``ou(time | g)``: exp(-distance / range) of times;
- ``cosy(g)``: one correlation of all rows of a group; homcs(g);
- ``cs(visit | g)``: one correlation, an sd for each visit;
- ``toep(visit | g)``: a correlation for each lag, an sd for each visit;
- ``homtoep(visit | g)``: a correlation for each lag, one sd;
- ``unstr(visit | g)``: any correlation of each two visits, as in an MMRM; us.

The public names load when first used, so importing the package is quick.
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
    "formula_functions": "mixedbayes.design.vocabulary",
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

_FITTED = ("Model", "fit", "Marginal", "PartiallyCentered", "Quadrature")
_NAMESPACES = ("families", "priors")

__all__ = ["__version__", *_NAMESPACES, *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name in _NAMESPACES:
        return _load(f"mixedbayes.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'mixedbayes' has no attribute {name!r}")
    if name in _FITTED:
        _load("mixedbayes.engines.early").begin()
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
    from mixedbayes.design.vocabulary import formula_functions as formula_functions
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
