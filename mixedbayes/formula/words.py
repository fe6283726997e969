"""Words of R's, Bambi's and Patsy's formulas, and how the same is said here."""

_CATEGORY = "text and categories are factors as they are; C({x}) makes one of numbers"
_SPLINE = "write bs({x}, df=4), or cr({x}, df=4) for a natural cubic spline"
_SMOOTH = f"smooth terms are not offered; {_SPLINE}"
_TREATMENT = 'write C({x}, contr.treatment("level"))'
_NUMBER = "make the column a number in the data"
_COVARIANCE = "write (x | g), or (x || g) without correlations; no other structure is offered"
_SUCCESSES = "write {x} | trials(n) ~ ..., where n counts successes and failures together"
_RESPONSE = "of the response's additions, trials(...) and weights(...) are offered"
_SERIES = "correlated errors in time or space are not offered"
_ORDERED = "monotonic effects are not offered; write C({x}, contr.diff) for steps between levels"
_OF_ALL_ROWS = (
    "what is computed from all rows has to be the same for new ones: write center({x}) or "
    "scale({x}), or make a column of it in the data"
)
_CENSORED = "censored and truncated responses are not offered"

CATEGORIES = ("factor", "as.factor", "ordered", "as.ordered", "category", "categorical", "C")
GROUPS = ("interaction", "gr", "mm")  # on the right of a bar
CONTRASTS = ("Treatment", "Sum", "Helmert", "Poly", "Diff")  # of Patsy, also without parentheses

# The place of a column in a remedy is {x}.
WORDS: dict[str, str] = {
    **dict.fromkeys(CATEGORIES, _CATEGORY),
    **dict.fromkeys(("relevel", "fct_relevel", "Treatment"), _TREATMENT),
    "reorder": "write C({x}, levels=[...]), the reference level first",
    "Sum": "write C({x}, contr.sum)",
    "Helmert": "write C({x}, contr.helmert)",
    "Poly": "write C({x}, contr.poly)",
    "Diff": "write C({x}, contr.diff)",
    "contr.sdif": "write C({x}, contr.diff)",
    "levels": "write C({x}, levels=[...])",
    "interaction": "join columns by `:`: a:b, also as grouping factor, (1 | a:b)",
    **dict.fromkeys(("mo", "monotonic"), _ORDERED),
    **dict.fromkeys(("ns", "rcs", "nsp", "nsk"), "write cr({x}, df=4)"),
    **dict.fromkeys(("s", "te", "ti", "t2", "lo", "gam", "lf"), _SMOOTH),
    **dict.fromkeys(("gp", "hsgp"), f"Gaussian processes are not offered; {_SPLINE}"),
    "polym": "write poly({x}, 2) for each column",
    **dict.fromkeys(("cbind", "p", "prop", "proportion"), _SUCCESSES),
    **dict.fromkeys(("weighted", "wts"), "write y | weights(w) ~ ..."),
    "binary": 'write I({x} == "level"), or make a column of True and False',
    **dict.fromkeys(("standardize", "standardise", "zscore", "rescale", "std"), "write scale({x})"),
    **dict.fromkeys(("mean", "average", "median", "sd", "var", "sum", "nanmean"), _OF_ALL_ROWS),
    **dict.fromkeys(("demean", "mean_center", "centre"), "write center({x})"),
    "Q": "put a column's odd name in backticks: `odd name`",
    "ln": "write log({x})",
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
        ("cut", "cut2", "ifelse", "if_else", "case_when", "qcut", "ntile", "is.na", "nchar",
         "substr", "paste", "paste0", "lag", "lead", "diff", "cumsum", "rank", "ave", "rowSums",
         "rowMeans", "rev", "rep", "seq", "seq_along", "months", "weekdays", "as.Date"),
        "make a column of it in the data",
    ),
    "c": "write a list in brackets: [1, 2, 3]",
    "list": "write a list in brackets: [1, 2, 3]",
    "gr": "write (1 | g); one distribution of the effects for each level of by= is not offered",
    "mm": "rows that belong to several levels of one factor are not offered",
    **dict.fromkeys(
        ("us", "diag", "cs", "homdiag", "rr", "propto", "toep", "dummy"),
        _COVARIANCE,
    ),
    **dict.fromkeys(
        ("ar", "arma", "ma", "ar1", "ou", "car", "sar", "cosy", "unstr", "fcor", "corAR1", "mat",
         "gau"),
        _SERIES,
    ),
    **dict.fromkeys(("me", "mi"), "measurement error and imputation are not offered"),
    **dict.fromkeys(("cens", "censored", "truncated", "Surv", "constrained"), _CENSORED),
    **dict.fromkeys(
        ("se", "subset", "rate", "thres", "cat", "dec", "vint", "vreal", "bhaz", "index"), _RESPONSE
    ),
    **dict.fromkeys(("mvbind", "bf", "brmsformula", "mvbrmsformula"), "write one model for each"),
    "nl": "non-linear formulas are not offered",
}  # fmt: skip


def our_way(word: str, column: str = "x") -> str | None:
    """How a word of another package is said here; None where it is not known."""
    remedy = WORDS.get(word)
    return None if remedy is None else remedy.replace("{x}", column)
