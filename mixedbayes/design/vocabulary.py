"""All that a formula may say: operators, additions of the response, functions, structures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from mixedbayes.errors import ModelError

type Part = Literal["operator", "response", "predictor", "smooth", "group", "residual"]


@dataclass(frozen=True)
class Word:
    """One word of the formula language."""

    function: str
    part: str
    says: str
    example: str  # a formula; of residuals what `residual=` is
    arguments: str = ""  # others that the example needs, as they are written


_BAR, _VISITS = "y ~ x + (x | g)", "y ~ 1 + {}(C(visit) | g)"
_COUNTS, _CATEGORIES = 'family="poisson"', 'family="multinomial"'
WORDS = (
    Word("a + b", "operator", "both terms", "y ~ x + z"),
    Word("a:b", "operator", "the product of columns, or of indicators of levels", "y ~ x + x:z"),
    Word("a*b", "operator", "a + b + a:b", "y ~ x*arm"),
    Word("a*b - b", "operator", "without one term", "y ~ x*arm - arm"),
    Word("a/b", "operator", "a + a:b", "y ~ arm/x"),
    Word("(a + b)**2", "operator", "all terms and their products of two", "y ~ (x + z)**2"),
    Word("0 + a", "operator", "without the intercept", "y ~ 0 + arm"),
    Word("a - 1", "operator", "without the intercept", "y ~ arm - 1"),
    Word("(1 | g)", "operator", "an intercept of each level of g", "y ~ x + (1 | g)"),
    Word("(a | g)", "operator", "intercepts and slopes of a by level of g, correlated", _BAR),
    Word("(a || g)", "operator", "the same without correlations", "y ~ x + (x || g)"),
    Word("(0 + a | g)", "operator", "slopes alone; of a category an effect of each of its levels",
         "y ~ x + (0 + x | g)"),
    Word("(1 | g) + (1 | h)", "operator", "of two factors, crossed or nested",
         "y ~ x + (1 | g) + (1 | h)"),
    Word("(a | id | g)", "operator", "correlated with those of the same id in other formulas",
         "y ~ x + (1 | p | g)"),
    Word("(1 | g/h)", "operator", "of g, and of h within g", "y ~ 1 + (1 | g/h)"),
    Word("(1 | g:h)", "operator", "of every combination that occurs", "y ~ 1 + (1 | g:h)"),
    Word("trials", "response", "y successes out of so many trials", "count | trials(n) ~ x",
         'family="binomial"'),
    Word("weights", "response", "rows that count more: variance / w, or w equal rows",
         "y | weights(w) ~ x"),
    Word("se", "response", "known standard errors of rows, as in a meta-analysis",
         "y | se(s) ~ 1 + (1 | g)"),
    Word("se(s, sigma=True)", "response", "and a residual beside them",
         "y | se(s, sigma=True) ~ x + (1 | g)"),
    Word("rate", "response", "counts in so much time or space: offset(log(t))",
         "count | rate(t) ~ x", _COUNTS),
    Word("cens", "response", 'known to be above ("right"), below ("left") or in an interval',
         "t | cens(kind) ~ x"),
    Word("cens(kind, upper)", "response", "in an interval, from the response up to `upper`",
         "t | cens(side, upper) ~ x"),
    Word("trunc", "response", "what lies outside bounds could not be observed",
         "y | trunc(-100, 100) ~ x"),
    Word("mi", "response", "rows that lack the response stay, and are predicted",
         "y | mi() ~ x + (1 | g)"),
    Word("cbind", "response", "counts of categories, a column each", "cbind(c1, c2, c3) ~ x",
         _CATEGORIES),
    Word("c", "response", "the same", "c(c1, c2, c3) ~ x", _CATEGORIES),
    Word("mv", "response", "several responses, with correlated residuals and effects",
         "mv(y, s) ~ x + (1 | p | g)"),
    Word("offset", "predictor", "a term with coefficient 1", "count ~ x + offset(log(t))", _COUNTS),
    Word("I", "predictor", "arithmetic as it is: + - * / ** and comparisons", "y ~ x + I(x**2)"),
    Word("C", "predictor", "a category, of numbers too; levels=, or a contrast, with the reference",
         "y ~ C(visit)"),
    Word("C(f, levels=[...])", "predictor", "its levels in this order, the reference first",
         'y ~ C(arm, levels=["c", "a", "b"])'),
    Word("contr.treatment", "predictor", "each level against the reference, the default",
         'y ~ C(arm, contr.treatment("b"))'),
    Word("contr.sum", "predictor", "each level against the mean of all", "y ~ C(arm, contr.sum)"),
    Word("contr.helmert", "predictor", "each level against the mean of those before",
         "y ~ C(arm, contr.helmert)"),
    Word("contr.poly", "predictor", "linear, quadratic, ... over ordered levels",
         "y ~ C(rating, contr.poly)"),
    Word("contr.diff", "predictor", "each level against the one before",
         "y ~ C(rating, contr.diff)"),
    Word("contr.SAS", "predictor", "each level against the last", "y ~ C(arm, contr.SAS)"),
    Word("center", "predictor", "x minus its mean in the fitted data", "y ~ center(x)"),
    Word("scale", "predictor", "(x - mean) / sd of the fitted data", "y ~ scale(x)"),
    Word("poly", "predictor", "polynomial, orthogonal unless raw=True", "y ~ poly(x, 2)"),
    Word("bs", "predictor", "B-spline with unpenalised coefficients", "y ~ bs(x, df=4)"),
    Word("cr", "predictor", "natural cubic spline with unpenalised coefficients",
         "y ~ cr(x, df=4)"),
    Word("cc", "predictor", "cyclic cubic spline with unpenalised coefficients",
         "y ~ cc(x, df=4)"),
    Word("mo", "predictor", "monotonic effect of ordered levels, or of whole numbers",
         "y ~ mo(rating) + (1 | g)"),
    Word("cs", "predictor", "effects of their own at each threshold of an ordered response",
         "rating ~ cs(x)", 'family="acat"'),
    Word("round", "predictor", "to whole numbers, or to so many digits", "y ~ round(x, 1)"),
    Word("pi", "predictor", "the number", "y ~ sin(2*pi*x/12)"),
    *(Word(name, "predictor", says, f"y ~ {example}") for name, says, example in (
        ("log", "natural logarithm; log2, log10, log1p", "log(t)"),
        ("exp", "exponential; exp2, expm1", "exp(x)"),
        ("sqrt", "square root; cbrt, square", "sqrt(t)"),
        ("abs", "absolute value; sign", "abs(x)"),
        ("sin", "sine of radians; cos, tan, arcsin, ..., sinh, ...", "sin(2*pi*t/12)"),
        ("minimum", "the smaller of two values in each row; maximum", "minimum(x, 1)"),
        ("floor", "to the whole number below; ceil, trunc", "floor(t)"),
        ("hypot", "NumPy's other functions of rows, by their names", "hypot(x, z)"),
    )),
    Word("s", "smooth", 'penalised curve: k=, by=, bs="tp", "cr", "cc", "ps", "fs"',
         "y ~ s(x, k=6)"),
    *(Word(f"s(x, bs={kind})", "smooth", says, f"y ~ s(x, k=6, bs={kind})") for kind, says in (
        ('"tp"', "by thin plates, the default"), ('"cr"', "cubic regression spline"),
        ('"cc"', "cyclic: both ends meet"), ('"ps"', "P-spline"),
    )),
    Word("s(x, by=f)", "smooth", "a curve of each level; of a number, which multiplies the curve",
         "y ~ arm + s(x, k=6, by=arm)"),
    Word('s(x, g, bs="fs")', "smooth", "a curve of each group, shrunk together",
         'y ~ s(x, g2, bs="fs", k=4)'),
    Word("s(x, z)", "smooth", "a surface of variables in the same units", "y ~ s(x, z, k=10)"),
    Word("t2", "smooth", "penalised surface of variables in different units",
         "y ~ t2(x, z, k=4)"),
    Word("gr", "group", 'levels that are related (cov=, precision=), by=arm, law="student"',
         "y ~ x + (1 | gr(g, by=arm))"),
    Word("gr(g, cov=A)", "group", "levels related by a matrix of covariances",
         "y ~ x + (1 | gr(g, cov=A))", 'known={"A": A}'),
    Word("gr(g, precision=Q)", "group", "the same by its inverse; mb.pedigree, mb.car, mb.icar",
         "y ~ x + (1 | gr(g, precision=Q))", 'known={"Q": Q}'),
    Word("gr(g, by=f)", "group", "sds and correlations of their own in each level of f",
         "y ~ x + (x | gr(g, by=arm))"),
    Word('gr(g, law="student")', "group", "effects with heavier tails, sampled by PyMC",
         'y ~ x + (1 | gr(g, law="student"))'),
    Word("mm", "group", "rows that belong to several levels, with weights=",
         "y ~ 1 + (1 | mm(g, g2))"),
    Word("mm(a, b, weights=(u, v))", "group", "with weights of columns",
         "y ~ 1 + (1 | mm(g, g2, weights=(u, v)))"),
    Word("us", "group", "any correlation of each two visits", _VISITS.format("us")),
    Word("diag", "group", "no correlations", _VISITS.format("diag")),
    Word("cs(visit | g)", "group", "one correlation of all pairs, an sd for each visit",
         _VISITS.format("cs")),
    Word("homcs", "group", "one correlation, one sd", _VISITS.format("homcs")),
    Word("ar1", "group", "correlation rho^steps, one sd", "y ~ 1 + ar1(visit | g)"),
    Word("hetar1", "group", "correlation rho^steps, an sd for each visit",
         "y ~ 1 + hetar1(visit | g)"),
    Word("ou", "group", "correlation exp(-distance / range) of times", "y ~ 1 + ou(t | g)"),
    Word("toep", "group", "a correlation for each lag, an sd for each visit",
         "y ~ 1 + toep(visit | g)"),
    Word("homtoep", "group", "a correlation for each lag, one sd", "y ~ 1 + homtoep(visit | g)"),
    Word("ar1(visit | g)", "residual", "correlation rho^steps of rows of a group",
         "ar1(visit | g)"),
    Word("hetar1(visit | g)", "residual", "the same with an sd for each visit",
         "hetar1(visit | g)"),
    Word("arma11(visit | g)", "residual", "rho^steps beyond the first step, which is free",
         "arma11(visit | g)"),
    Word("ou(time | g)", "residual", "exp(-distance / range) of times", "ou(t | g)"),
    Word("cosy(g)", "residual", "one correlation of all rows of a group; homcs(g)", "cosy(g)"),
    Word("cs(visit | g)", "residual", "one correlation, an sd for each visit", "cs(visit | g)"),
    Word("toep(visit | g)", "residual", "a correlation for each lag, an sd for each visit",
         "toep(visit | g)"),
    Word("homtoep(visit | g)", "residual", "a correlation for each lag, one sd",
         "homtoep(visit | g)"),
    Word("unstr(visit | g)", "residual", "any correlation of each two visits, as in an MMRM; us",
         "unstr(visit | g)"),
    Word("unstr(visit | g, by=arm)", "residual", "of their own in each arm; so have the others",
         "unstr(visit | g, by=arm)"),
)  # fmt: skip
PARTS = tuple(dict.fromkeys(word.part for word in WORDS))


def formula_functions(part: Part | None = None) -> pd.DataFrame:
    """All that a formula may say: operators, additions of the response, functions and structures.

    Columns stand by their names, odd ones in backticks; numbers, text in quotes, lists in brackets.
    What is not here is a function of your own, ``functions={"f": f}`` of `fit`, or a column of the
    data. Words of other packages are answered by the error with how the same is said here.

    Parameters
    ----------
    part
        "operator"; "response", what stands after the bar of a left side; "predictor", functions of
        columns; "smooth"; "group", what stands around or behind the bar of a right side; or
        "residual", what ``residual=`` of `fit` may be. All by default.

    Returns
    -------
    DataFrame
        One row per word:

        - function: how it is written;
        - part: where it stands;
        - says: what it means;
        - example: a formula with it; of residuals what ``residual=`` is;
        - arguments: what else `fit` has to be told for the example; "" for nothing.

    Raises
    ------
    ModelError
        There is no such part.

    See Also
    --------
    Model : Explains them, with their parameters and priors.
    fit : Takes formulas.
    FormulaError : Says how words of other packages are written.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> words = mb.formula_functions("response")
    >>> print(words[["function", "says"]].head(4).to_string(index=False))
             function                                                 says
               trials                    y successes out of so many trials
              weights  rows that count more: variance / w, or w equal rows
                   se known standard errors of rows, as in a meta-analysis
    se(s, sigma=True)                           and a residual beside them
    >>> mb.formula_functions().query("function == 'mo'")["example"].item()
    'y ~ mo(rating) + (1 | g)'
    """
    if part is not None and part not in PARTS:
        raise ModelError(f"part={part!r} is not one of {', '.join(PARTS)}")
    rows = [word for word in WORDS if part in (None, word.part)]
    columns = ["function", "part", "says", "example", "arguments"]
    return pd.DataFrame([[getattr(r, c) for c in columns] for r in rows], columns=columns)
