"""Words of R's, Bambi's and Patsy's formulas, and how the same is said here."""

_CATEGORY = "text and categories are factors as they are; C({x}) makes one of numbers"
_SPLINE = (
    "write s({x}) for a smooth curve whose wiggliness is estimated, bs({x}, df=4), or "
    "cr({x}, df=4) for a natural cubic spline"
)
_SMOOTH = 'write s({x}), with bs="cr", "cc" or "ps" for another basis than thin plates'
_TENSOR = "write t2({x}, z), whose penalties are separable"
_TREATMENT = 'write C({x}, contr.treatment("level"))'
_NUMBER = "make the column a number in the data"
COVARIANCE = (
    "write (x | g), or (x || g) without correlations; of the levels of a variable cs(visit | g), "
    "ar1(visit | g), ou(time | g), toep(visit | g); no other structure is offered"
)
_STRUCTURED = "its effects vary over a grouping factor: write {word}({x} | g)"
_STRUCTURES = ("us", "diag", "homcs", "ar1", "hetar1", "ou", "toep", "homtoep")
_SUCCESSES = (
    "write {x} | trials(n) ~ ..., where n counts successes and failures together; of several "
    "responses mv({x}, ...) ~ ..."
)
_RESPONSE = "the response's other additions are not offered"
_SERIES = (
    "correlations in space between residuals are not offered; effects of neighbouring areas are "
    "(1 | gr(area, precision=Q)), with mb.car or mb.icar"
)
_RESIDUAL = (
    "correlated residuals of a Gaussian response are said beside the formula: "
    'residual="{structure}"'
)
_ORDERED = "write mo({x}) for an effect that only rises or only falls over ordered levels"
_OF_ALL_ROWS = (
    "what is computed from all rows has to be the same for new ones: write center({x}) or "
    "scale({x}), or make a column of it in the data"
)
_CENSORED = "write y | cens(censored) ~ ..., where censored is 0, 1 (right) or -1 (left)"
_TRUNCATED = "write y | trunc(lower, upper) ~ ..."

_INDICATORS = (
    "text and categories get an indicator of each level but the first by themselves; "
    "0 + {x} has one for each"
)
_RANDOM = "write (1 | {x}) for effects that vary over the levels of {x}"
_SHRUNK = "penalties are priors here: priors={'fixef': mb.Normal(0, 0.5)} pulls effects to 0"
_CYCLIC = "write cc({x}, df=4) for a cyclic cubic spline"

SPECIFIC = "cs"  # category-specific effects of ordered responses, cs(x)
CATEGORIES = ("factor", "as.factor", "ordered", "as.ordered", "category", "categorical", "C")
GROUPS = ("interaction", "gr", "mm")  # on the right of a bar
CONTRASTS = ("Treatment", "Sum", "Helmert", "Poly", "Diff")  # of Patsy, also without parentheses

# The place of a column in a remedy is {x}.
WORDS: dict[str, str] = {
    **dict.fromkeys(CATEGORIES, _CATEGORY),
    **dict.fromkeys(("relevel", "fct_relevel", "Treatment"), _TREATMENT),
    **dict.fromkeys(
        ("dummies", "get_dummies", "onehot", "one_hot", "i", "indicator", "OneHot"), _INDICATORS
    ),
    **dict.fromkeys(
        ("re", "random", "ranef", "frailty", "cluster", "strata", "rand", "Random", "ranint"),
        _RANDOM,
    ),
    **dict.fromkeys(
        ("ridge", "lasso", "horseshoe", "R2D2", "pen", "bols", "ridgey", "regularize"), _SHRUNK
    ),
    "treatment": _TREATMENT,
    **dict.fromkeys(("sum_to_zero", "effects", "Effect", "deviation"), "write C({x}, contr.sum)"),
    "helmert": "write C({x}, contr.helmert)",
    **dict.fromkeys(
        ("contr.equalprior", "contr.bayes", "contr.orthonorm", "contr.equalprior_pairs"),
        "write C({x}, contr.sum)",
    ),
    "exposure": "write offset(log({x})) on the right",
    "mmc": "columns that differ by the level that a row belongs to are not offered",
    "mono": _ORDERED,
    "equalto": COVARIANCE,
    "acat": "choose the distribution by family=, as in family=\"cumulative\"",
    "reorder": "write C({x}, levels=[...]), the reference level first",
    "Sum": "write C({x}, contr.sum)",
    "Helmert": "write C({x}, contr.helmert)",
    "Poly": "write C({x}, contr.poly)",
    "Diff": "write C({x}, contr.diff)",
    "contr.sdif": "write C({x}, contr.diff)",
    "levels": "write C({x}, levels=[...])",
    "interaction": "join columns by `:`: a:b, also as grouping factor, (1 | a:b)",
    "monotonic": _ORDERED,
    **dict.fromkeys(
        ("ns", "rcs", "nsp", "nsk", "natural_spline", "naturalSpline", "rcspline", "rcspline.eval"),
        "write cr({x}, df=4)",
    ),
    **dict.fromkeys(
        ("bSpline", "b_spline", "bspline", "basis_spline", "spline", "splines", "mSpline", "mSp",
         "iSpline", "lspline", "elspline", "qlspline", "lsp", "linspline", "spline_basis"),
        _SPLINE,
    ),
    **dict.fromkeys(("cyclic_cubic_spline", "cSpline", "cyclic", "periodic"), _CYCLIC),
    **dict.fromkeys(
        ("lo", "gam", "lf", "smooth", "loess", "lowess", "ksmooth", "tp",
         "ts", "ps", "pb", "pspline", "pbs", "ad", "sz", "fs", "fp", "mfp", "bbs", "tensor",
         "tprs"),
        _SMOOTH,
    ),
    **dict.fromkeys(("te", "ti"), _TENSOR),
    **dict.fromkeys(
        ("gp", "hsgp", "matern", "spde", "HSGP", "GP"),
        "Gaussian processes are not offered; write s({x}) for a smooth curve",
    ),
    **dict.fromkeys(("mrf", "so", "sos", "ds"), "smooths over regions or a sphere are not offered"),
    **dict.fromkeys(
        ("fourier", "harmonic", "sincos", "trig", "sin2pi", "cosinor"),
        "write sin(2*pi*{x}/12) + cos(2*pi*{x}/12), 12 being the period",
    ),
    "polym": "write poly({x}, 2) for each column",
    **dict.fromkeys(("poly2", "pol", "polynomial", "orthpoly"), "write poly({x}, 2)"),
    **dict.fromkeys(("cbind", "p", "prop", "proportion"), _SUCCESSES),
    **dict.fromkeys(("weighted", "wts"), "write y | weights(w) ~ ..."),
    "binary": 'write I({x} == "level"), or make a column of True and False',
    **dict.fromkeys(("standardize", "standardise", "zscore", "rescale", "std"), "write scale({x})"),
    **dict.fromkeys(("mean", "average", "median", "sd", "var", "sum", "nanmean"), _OF_ALL_ROWS),
    **dict.fromkeys(("demean", "mean_center", "centre"), "write center({x})"),
    "Q": "put a column's odd name in backticks: `odd name`",
    **dict.fromkeys(("ln", "loge"), "write log({x})"),
    **dict.fromkeys(("log_1p", "log1"), "write log1p({x})"),
    **dict.fromkeys(("sq", "sqr"), "write I({x}**2)"),
    **dict.fromkeys(("cube", "cubic"), "write I({x}**3)"),
    "inv": "write I(1/{x})",
    **dict.fromkeys(("identity", "asis", "AsIs"), "write {x} as it is, or I(...) for arithmetic"),
    **dict.fromkeys(("clip", "clamp", "squish"), "write minimum(maximum({x}, 0), 1)"),
    "log_odds": "write log({x}/(1 - {x}))",
    "log_2": "write log2({x})",
    "pow": "write I({x}**2)",
    "logit": "write log({x}/(1 - {x}))",
    "qlogis": "write log({x}/(1 - {x}))",
    **dict.fromkeys(("plogis", "inv_logit", "expit", "inv.logit"), "write I(1/(1 + exp(-{x})))"),
    "pmin": "write minimum({x}, 3)",
    "pmax": "write maximum({x}, 3)",
    **dict.fromkeys(("min", "max"), "for each row write minimum({x}, 3) or maximum({x}, 3)"),
    "ceiling": "write ceil({x})",
    "int": "write trunc({x})",
    "asin": "write arcsin({x})",
    "acos": "write arccos({x})",
    "atan": "write arctan({x})",
    **dict.fromkeys(
        ("as.numeric", "as.integer", "as.double", "as.logical", "as.character"), _NUMBER
    ),
    **dict.fromkeys(
        ("boxcox", "bc", "BoxCox", "yeojohnson", "winsorize", "qnorm", "pnorm", "probit", "erf",
         "where", "discretize", "bin", "hashed", "year", "month", "week", "weekday", "day", "hour",
         "date", "time", "bcPower", "softplus", "cut", "cut2", "ifelse",
         "if_else", "case_when", "qcut", "ntile", "is.na", "nchar",
         "substr", "paste", "paste0", "lag", "lead", "diff", "cumsum", "rank", "ave", "rowSums",
         "rowMeans", "rev", "rep", "seq", "seq_along", "months", "weekdays", "as.Date"),
        "make a column of it in the data",
    ),
    "c": "write a list in brackets: [1, 2, 3]",
    "list": "write a list in brackets: [1, 2, 3]",
    "gr": "it stands to the right of a bar, (1 | gr({x}, cov=A)), and says how levels are related",
    "mm": "it stands to the right of a bar, (1 | mm(a, b)), for rows that are in several levels",
    **dict.fromkeys(
        ("rr", "propto", "dummy"),
        COVARIANCE,
    ),
    **{word: _STRUCTURED.replace("{word}", word) for word in _STRUCTURES},
    "homdiag": "write (1 | g:{x}) for independent effects with one sd",
    "cs": (
        "cs({x}) has category-specific effects, in the formula of an ordered response whose "
        "family is sratio, cratio or acat: add it to the other population effects; effects of "
        "visits with one correlation are cs({x} | g)"
    ),
    **dict.fromkeys(("car", "sar", "fcor", "mat", "gau"), _SERIES),
    **{
        word: _RESIDUAL.replace("{structure}", structure)
        for word, structure in {
            "ar": "ar1({x} | g)", "corAR1": "ar1({x} | g)", "ma": "arma11({x} | g)",
            "arma": "arma11({x} | g)", "arma11": "arma11({x} | g)", "cosy": "cosy(g)",
            "unstr": "unstr({x} | g)",
        }.items()
    },
    "me": "measurement errors of predictors are not offered",
    "mi": (
        "missing responses are y | mi() ~ ...; missing predictors are not imputed here: "
        "mb.fit_many() takes data sets in which they were"
    ),
    **dict.fromkeys(("cens", "censored", "Surv"), _CENSORED),
    **dict.fromkeys(("truncated", "constrained"), _TRUNCATED),
    **dict.fromkeys(
        ("subset", "thres", "cat", "dec", "vint", "vreal", "bhaz", "index"), _RESPONSE
    ),
    "mvbind": "several responses are mv(a, b) ~ ...",
    **dict.fromkeys(
        ("bf", "brmsformula", "mvbrmsformula"),
        "several responses are mv(a, b) ~ ..., with further formulas in a list",
    ),
    "nl": "non-linear formulas are not offered",
}  # fmt: skip


def our_way(word: str, column: str = "x") -> str | None:
    """How a word of another package is said here; None where it is not known."""
    remedy = WORDS.get(word)
    return None if remedy is None else remedy.replace("{x}", column)
