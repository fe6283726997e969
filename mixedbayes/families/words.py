"""Families of other packages that are not here: what comes nearest."""

_OVERDISPERSED = "negative_binomial has more spread than poisson, and may have more zeros"
_BINOMIAL = "binomial with an effect in each row, (1 | row), lets shares vary more"
_ORDERED = "of ordered responses there is cumulative"
_POSITIVE = "for positive numbers there are gamma and lognormal"
_PIECES = "for the positive values by themselves there are gamma and lognormal"
_NORMAL = "gaussian, or student_t where there are outliers"
NEAREST: dict[str, str] = {
    **dict.fromkeys(
        ("zip", "zinb", "zero_inflated_poisson", "zero_inflated_negative_binomial", "ziplss",
         "zero_inflated_negbinomial", "zi_poisson", "zi_negative_binomial", "hurdle_poisson",
         "hurdle_negbinomial", "hurdle_negative_binomial", "hurdle_negativebinomial",
         "zeroinflatedpoisson", "zeroinflatednegativebinomial", "nbinom1", "nb1", "genpois",
         "compois", "com_poisson", "com_binomial", "quasipoisson", "geometric", "bell",
         "truncated_poisson", "truncated_nbinom2", "truncated_nbinom1", "skellam",
         "discrete_weibull", "poisson_lognormal"),
        _OVERDISPERSED,
    ),
    **dict.fromkeys(
        ("beta_binomial", "betabinomial", "quasibinomial", "zero_inflated_binomial",
         "zeroinflatedbinomial", "zero_inflated_beta_binomial", "zib"),
        _BINOMIAL,
    ),
    **dict.fromkeys(
        ("zero_inflated_beta", "zero_one_inflated_beta", "zoib", "ordbeta", "ordered_beta",
         "simplex"),
        "beta takes shares between 0 and 1 without these; counts of trials are binomial",
    ),
    **dict.fromkeys(
        ("sratio", "cratio", "acat", "stopping_ratio", "continuation_ratio", "adjacent_category",
         "sequential", "hurdle_cumulative"),
        _ORDERED,
    ),
    **dict.fromkeys(
        ("categorical", "multinomial", "multinom", "softmax", "dirichlet", "dirichlet_multinomial"),
        f"for two categories there is bernoulli; {_ORDERED}",
    ),
    **dict.fromkeys(
        ("hurdle_gamma", "hurdle_lognormal", "zigamma", "tweedie", "zero_inflated_gamma"), _PIECES
    ),
    **dict.fromkeys(
        ("frechet", "gen_extreme_value", "generalized_gamma", "gengamma", "halfnormal",
         "half_normal", "pareto", "cox", "survival", "wiener",
         "loglogistic"),
        _POSITIVE,
    ),
    **dict.fromkeys(
        ("laplace", "cauchy", "huber", "quasi", "mixture", "uniform", "vonmises", "von_mises",
         "logistic_distribution", "multivariate_normal", "multi_normal", "mvgaussian"),
        _NORMAL,
    ),
    **dict.fromkeys(
        ("probit", "cloglog"), "it is a link: family=mb.Bernoulli(link=mb.Probit()), for example"
    ),
}  # fmt: skip
