"""Families by names that are not known: which of ours is meant, or comes nearest."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

_OVERDISPERSED = "negative_binomial and negative_binomial1 have more spread than poisson"
_BINOMIAL = (
    "beta_binomial, or binomial with an effect in each row, (1 | row), lets shares vary more"
)
_ORDERED = "of ordered categories there are cumulative, sratio, cratio and acat"
_POSITIVE = "for positive numbers there are gamma, lognormal, weibull and inverse_gaussian"
_DURATIONS = f"{_POSITIVE}, with y | cens(censored) where some are censored"
_PIECES = "for zeros and positive numbers there are hurdle_gamma and hurdle_lognormal"
_SHARES = "for shares there are beta, and with zeros and ones ordered_beta"
_NORMAL = "gaussian, or student_t where there are outliers"
_TIMES = "for response times there are shifted_lognormal and exgaussian"
_ABOVE = "hurdle_poisson and hurdle_negative_binomial have these above 0, and zeros beside them"
NEAREST: dict[str, str] = {
    **dict.fromkeys(
        ("genpois", "compois", "com_poisson", "com_binomial", "cmp", "conway_maxwell_poisson",
         "quasipoisson", "bell", "skellam", "discrete_weibull", "poisson_lognormal"),
        _OVERDISPERSED,
    ),
    **dict.fromkeys(
        ("truncated_poisson", "truncated_nbinom2", "truncated_nbinom1", "zero_truncated_poisson",
         "zero_truncated_negative_binomial", "ztp", "ztnb", "positive_poisson", "pospoisson",
         "posnegbinomial"),
        _ABOVE,
    ),
    "quasibinomial": _BINOMIAL,
    **dict.fromkeys(
        ("zero_inflated_beta", "hurdle_beta", "one_inflated_beta", "beinf"),
        "zero_one_inflated_beta has zeros, and ones where there are any",
    ),
    **dict.fromkeys(
        ("simplex", "kumaraswamy", "logit_normal", "logitnormal", "proportion", "proportions",
         "percent", "percentage", "fractional", "fraction", "share", "shares", "unit"),
        _SHARES,
    ),
    **dict.fromkeys(
        ("hurdle_cumulative", "ordered_categorical", "likert"),
        _ORDERED,
    ),
    **dict.fromkeys(
        ("dirichlet", "dirichlet_multinomial"),
        "multinomial, of counts, cbind(a, b, c) ~ ...; an effect in each row lets shares vary more",
    ),
    **dict.fromkeys(
        ("tweedie", "two_part", "delta_gamma", "delta_lognormal", "compound_poisson",
         "hurdle_normal", "hurdle_gaussian"),
        _PIECES,
    ),
    **dict.fromkeys(
        ("frechet", "gen_extreme_value", "generalized_gamma", "gengamma", "halfnormal",
         "half_normal", "pareto", "loglogistic", "llogis", "invgamma", "inverse_gamma", "rayleigh",
         "chi2", "chisq", "chisquared", "chi_squared", "lomax", "dagum", "burr", "betaprime",
         "beta_prime", "gompertz"),
        _POSITIVE,
    ),
    **dict.fromkeys(
        ("cox", "coxph", "survival", "duration", "durations", "time_to_event", "aft"), _DURATIONS
    ),
    **dict.fromkeys(
        ("wiener", "ddm", "drift_diffusion", "rt", "response_times", "reaction_times"), _TIMES
    ),
    **dict.fromkeys(
        ("gumbel", "gev", "extreme_value", "extremevalue"),
        "skew_normal and exgaussian are skewed, and of positive numbers weibull",
    ),
    **dict.fromkeys(
        ("skewt", "skew_t", "skew_student", "sinh_arcsinh", "shash"),
        "skew_normal is skewed, and student_t has heavy tails",
    ),
    **dict.fromkeys(
        ("cauchy", "huber", "quasi", "mixture", "uniform", "robust", "continuous",
         "logistic_distribution", "multivariate_normal", "multi_normal", "mvgaussian"),
        _NORMAL,
    ),
    **dict.fromkeys(
        ("glm", "glmm", "glmer", "generalized_linear_model"),
        "a generalised linear model has its response's family, such as bernoulli, poisson or gamma",
    ),
    "laplace": "asymmetric_laplace: family=mb.families.AsymmetricLaplace(quantile=0.5)",
    **dict.fromkeys(
        ("wrapped_normal", "wrapped_cauchy", "projected_normal"), "for angles there is von_mises"
    ),
}  # fmt: skip
_LINKS = {
    "log": ("Log", "Poisson"), "identity": ("Identity", "Gaussian"),
    "inverse": ("Inverse", "Gamma"),
    "logit": ("Logit", "Bernoulli"), "probit": ("Probit", "Bernoulli"),
    "cloglog": ("Cloglog", "Bernoulli"),
}  # fmt: skip
_PARTS = {
    "zero_inflated_": r"(?:zi|zero_?inflated|zero_?inflation)_?",
    "hurdle_": r"(?:hurdle|hu)_?",
}
_LIMITED = {"truncated": "trunc(lower=0)", "censored": "cens(censored)"}
_SHORTEST = 5  # letters of another package's name that may be misspelt
_CLOSE = 0.78  # of difflib's ratio, from which on a word is one misspelt


def hint(word: str, known: Mapping[str, tuple[str, ...]], public: Mapping[str, str]) -> str:
    """What is meant by a family's name elsewhere, or by one misspelt, in small letters.

    `known` has our names with those of other packages, `public` the classes of `mb.families`.
    """
    if word in ("custom", "custom_family", "customdist", "likelihood"):
        return " A family of your own is made by mb.custom(...), of its log density."
    ours = _same(word, known)
    if ours:
        return f" It is called {ours!r} here."
    joined = word.replace("_", "")
    same = [name for name in known if name.replace("_", "") == joined]
    if same:
        return f" Did you mean {same[0]!r}?"
    if word in NEAREST:
        return f" It is not offered; the nearest: {NEAREST[word]}."
    if word in ("tobit", *_LIMITED):
        return _limited(word, "gaussian")
    if word in _LINKS:
        link, family = _LINKS[word]
        return f" It is a link: family=mb.families.{family}(link=mb.{link}()), for example."
    if word == "rate":
        return " It is said in the formula: count | rate(t) ~ x, with family='poisson'."
    return _in_parts(word, known, public) or _near(word, known)


def _same(word: str, known: Mapping[str, tuple[str, ...]]) -> str | None:
    """Ours by a name of another package, with underscores or without."""
    joined = word.replace("_", "")
    for name, others in known.items():
        if word in others or any(joined == other.replace("_", "") for other in others):
            return name
    return None


def _either(word: str, known: Mapping[str, tuple[str, ...]]) -> str | None:
    """Ours by its own name or by one of another package."""
    own = [name for name in known if name.replace("_", "") == word.replace("_", "")]
    return own[0] if own else _same(word, known)


def _limited(word: str, family: str) -> str:
    kind = "truncated" if word.startswith("trunc") else "censored"
    return (
        f" It is said in the formula: y | {_LIMITED[kind]} ~ x, with family={family!r}, for "
        "example."
    )


def _in_parts(word: str, known: Mapping[str, tuple[str, ...]], public: Mapping[str, str]) -> str:
    """Of a name made of a component and what is done with it, or of a family and its link."""
    for prefix, pattern in _PARTS.items():
        found = re.fullmatch(f"{pattern}(.*)", word)
        if found is None:
            continue
        offered = [name for name in known if name.startswith(prefix)]
        component = _either(found[1], known) if found[1] else None
        both = [name for name in (f"{prefix}{component}", f"hurdle_{component}") if name in known]
        if both:
            return f" It is called {both[0]!r} here."
        if component or not found[1]:
            return f" It is not offered by that name; there are {', '.join(offered)}."
    found = re.fullmatch(r"(trunc(?:ated)?|cens(?:ored)?)_?(.+)", word)
    family = _either(found[2], known) if found else None
    if found and family:
        return _limited(found[1], family)
    front, _, last = word.rpartition("_")
    family = _either(front, known) if last in ("regression", "model", "family") else None
    if family:
        return f" It is called {family!r} here."
    family = _either(front, known) if last in _LINKS else None
    if family:
        made = f"mb.families.{public[family]}(link=mb.{_LINKS[last][0]}())"
        return f" A link is given to the family: family={made}, where the family has it."
    return ""


def _near(word: str, known: Mapping[str, tuple[str, ...]]) -> str:
    """Ours by a name that is written nearly like this one."""
    of = {name: name for name in known}
    of |= {o: name for name, others in known.items() for o in others if len(o) >= _SHORTEST}
    if word == "family":
        return ""
    near = difflib.get_close_matches(word, of, n=1, cutoff=_CLOSE)
    return f" Did you mean {of[near[0]]!r}?" if near else ""
