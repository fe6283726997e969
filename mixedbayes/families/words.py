"""Families of other packages that are not here: what comes nearest."""

_OVERDISPERSED = "negative_binomial and negative_binomial1 have more spread than poisson"
_BINOMIAL = (
    "beta_binomial, or binomial with an effect in each row, (1 | row), lets shares vary more"
)
_ORDERED = "of ordered categories there are cumulative, sratio, cratio and acat"
_POSITIVE = "for positive numbers there are gamma, lognormal, weibull and inverse_gaussian"
_PIECES = "for zeros and positive numbers there are hurdle_gamma and hurdle_lognormal"
_NORMAL = "gaussian, or student_t where there are outliers"
NEAREST: dict[str, str] = {
    **dict.fromkeys(
        ("genpois", "compois", "com_poisson", "com_binomial", "quasipoisson", "bell", "skellam",
         "discrete_weibull", "poisson_lognormal"),
        _OVERDISPERSED,
    ),
    **dict.fromkeys(
        ("truncated_poisson", "truncated_nbinom2", "truncated_nbinom1"),
        "hurdle_poisson and hurdle_negative_binomial have these above 0, and zeros beside them",
    ),
    "quasibinomial": _BINOMIAL,
    "zero_inflated_beta": "zero_one_inflated_beta has zeros, and ones where there are any",
    "simplex": "for shares there are beta, and with zeros and ones ordered_beta",
    **dict.fromkeys(
        ("hurdle_cumulative",),
        _ORDERED,
    ),
    **dict.fromkeys(
        ("multinomial", "dirichlet", "dirichlet_multinomial"),
        "categorical, of counts with a row for each category: choice | weights(count) ~ ...",
    ),
    "tweedie": _PIECES,
    **dict.fromkeys(
        ("frechet", "gen_extreme_value", "generalized_gamma", "gengamma", "halfnormal",
         "half_normal", "pareto", "cox", "survival", "wiener", "loglogistic"),
        _POSITIVE,
    ),
    **dict.fromkeys(
        ("cauchy", "huber", "quasi", "mixture", "uniform",
         "logistic_distribution", "multivariate_normal", "multi_normal", "mvgaussian"),
        _NORMAL,
    ),
    "laplace": "asymmetric_laplace: family=mb.families.AsymmetricLaplace(quantile=0.5)",
    "tobit": "gaussian, with the limit in the formula: y | cens(kind) ~ ...",
    **dict.fromkeys(
        ("probit", "cloglog"), "it is a link: family=mb.Bernoulli(link=mb.Probit()), for example"
    ),
}  # fmt: skip
