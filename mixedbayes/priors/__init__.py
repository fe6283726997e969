"""The distributions of parameters, by the field's names: ``mb.priors.Gamma(2, 0.1)``.

``priors=`` of `fit` takes them by name of the parameter, ``{"fixef": mb.Normal(0, 10), "sd":
{"Subject": mb.HalfNormal(50)}}``; `Model.priors` lists those that a model has.

Of any number:

- `Normal`: Normal prior with mean mu and standard deviation sigma;
- `StudentT`: Student's t prior with nu degrees of freedom, location mu and scale sigma;
- `Cauchy`: Cauchy prior with location alpha and scale beta; it has no mean;
- `Uniform`: Uniform prior between two bounds, beyond which the parameter cannot be;
- `Flat`: Improper uniform prior over the parameter's whole range: density 1 everywhere.

Of what is positive, sds, sigma, shapes:

- `Exponential`: Exponential prior with rate lam: mean 1 / lam; the default of sds and of sigma;
- `HalfNormal`: Normal(0, sigma) restricted to positive values;
- `HalfStudentT`: Student's t about 0 restricted to positive values; the default of sds in brms;
- `HalfCauchy`: Cauchy(0, beta) restricted to positive values; it has no mean;
- `Gamma`: Gamma prior with shape alpha and rate beta: mean alpha / beta;
- `InverseGamma`: Inverse gamma prior with shape alpha and scale beta.

Of several numbers:

- `LKJ`: LKJ prior on a correlation matrix R of the effects over a grouping factor;
- `Dirichlet`: Dirichlet prior on shares that add up to 1, as those of the steps of mo(x).

>>> import mixedbayes as mb
>>> mb.priors.HalfNormal(50)
HalfNormal(sigma=50.0)
"""

from mixedbayes.distributions import (
    LKJ,
    Cauchy,
    Dirichlet,
    Exponential,
    Flat,
    Gamma,
    HalfCauchy,
    HalfNormal,
    HalfStudentT,
    InverseGamma,
    Normal,
    StudentT,
    Uniform,
)

__all__ = [
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
]
