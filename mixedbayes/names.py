"""Every variable, dimension and column name, once.

The names are part of the public contract: `fit.idata` and the tables carry them.
"""

import re
from collections.abc import Iterable

MU = "mu"  # the predictor of the mean
INTERCEPT = "Intercept"
FIXEF = "fixef"
TERM = "term"
SIGMA = "sigma"
OBS = "obs"
CATEGORY = "category"  # of ordered responses, in predictions
RESPONSE = "response"  # of several responses, in tables and predictions
ROW = "row"  # of the data frame, where it has several responses
CHAIN = "chain"
DRAW = "draw"
RANEF_SUMMARY = "ranef_summary"  # group of the DataTree, where draws of group effects are not kept
QUANTILE = "quantile"
POSITION = "position"  # of correlated residuals, and the second dimension of their matrix
POSITION_BIS = "position_bis"
LAG = "lag"
NUMBER = "number"
LOG_PRIOR = "log_prior"  # groups of the DataTree, by ArviZ's names
LOG_LIKELIHOOD = "log_likelihood"
DERIVED_FROM = "derived_from"  # attribute of draws that follow from those of named parameters

_DATA = frozenset({"X", "offset", "weights", "trials"})  # in a model, and among a fit's constants
_RESERVED = frozenset({INTERCEPT, FIXEF, TERM, SIGMA, OBS, CHAIN, DRAW, CATEGORY, QUANTILE}) | _DATA


def identifier(name: str) -> str:
    """A user's name as part of a variable's name: `a:b` becomes `a_b`.

    Blanks and every character with a meaning in file formats or formulas become `_`.
    """
    return re.sub(r"[^\w.]+", "_", name).strip("_") or "_"


def prefix(parameter: str) -> str:
    """Prefix of the names of a distributional parameter's own predictor; none for the mean."""
    return "" if parameter == MU else f"{identifier(parameter)}_"


def specific(threshold: str) -> str:
    """The parameter that has the category-specific effects, cs(x), on one threshold.

    `cs[low|middle]`: so are its variables, `cs_low_middle_fixef`; in tables its effects carry the
    threshold alone, `x[low|middle]`.
    """
    return f"cs[{threshold}]"


def threshold_of(parameter: str) -> str | None:
    """The threshold that a parameter has category-specific effects on; None of all others."""
    own = parameter.startswith("cs[") and parameter.endswith("]")
    return parameter[3:-1] if own else None


def owner(parameter: str) -> str:
    """The parameter that tables name: category-specific effects are the mean's."""
    return parameter if threshold_of(parameter) is None else MU


def said(parameters: Iterable[str]) -> list[str]:
    """Parameters as sentences name them, those of category-specific effects as one, `cs()`."""
    return list(dict.fromkeys("cs()" if threshold_of(p) else p for p in parameters))


def label(parameter: str, term: str) -> str:
    """A predictor's effect as tables name it: `x`, `sigma_x`, `x[low|middle]` of cs(x)."""
    threshold = threshold_of(parameter)
    if threshold is not None:
        return f"{term}[{threshold}]"
    return term if parameter == MU else f"{parameter}_{term}"


def intercept(parameter: str = "mu") -> str:
    return prefix(parameter) + INTERCEPT


def fixef(parameter: str = "mu") -> str:
    return prefix(parameter) + FIXEF


def average_step(effect: str, parameter: str = "mu") -> str:
    """The average step of a monotonic effect: `mo_income` of mo(income)."""
    return f"{prefix(parameter)}{identifier(effect)}"


def simplex(effect: str, parameter: str = "mu") -> str:
    """The shares of a monotonic effect's steps: `simo_income` of mo(income)."""
    return f"{prefix(parameter)}si{identifier(effect)}"


def step_dim(effect: str, parameter: str = "mu") -> str:
    """Dimension of a monotonic effect's steps: `mo_income_step`."""
    return f"{average_step(effect, parameter)}_step"


def term_dim(parameter: str = "mu") -> str:
    return prefix(parameter) + TERM


def vector_dim(parameter: str) -> str:
    """Dimension of a family's parameter that is a vector: `thresholds` -> `threshold`.

    Of one of several responses `thresholds_rating` -> `threshold_rating`.
    """
    head, bar, response = parameter.partition("_")
    return f"{head.removesuffix('s')}{bar}{response}"


def vector(parameter: str, response: str) -> str:
    """A parameter that is a vector, of one of several responses: `thresholds_rating`."""
    return f"{parameter}_{identifier(response)}"


def rows_dim(response: str) -> str:
    """Dimension of the rows of one of several responses of different families."""
    return f"{OBS}_{response}"


def of_response(dimension: str, response: str) -> str:
    """A further dimension of one of several responses: `category_choice`."""
    return f"{dimension}_{response}"


def group_dim(group: str) -> str:
    """Dimension of a grouping factor's levels, e.g. `Subject`."""
    name = identifier(group)
    return f"{name}_level" if name in _RESERVED else name


def group_term_dim(group: str, parameter: str = "mu") -> str:
    """Dimension of the effects that vary over a grouping factor, e.g. `Subject_term`."""
    return f"{prefix(parameter)}{identifier(group)}_term"


def group_sd_dim(group: str, parameter: str = "mu") -> str:
    """Dimension of the sds of a factor's effects where some effects share one: `Subject_sd`."""
    return f"{prefix(parameter)}{identifier(group)}_sd"


def group_cor_dim(group: str, parameter: str = "mu") -> str:
    """Dimension of the numbers behind structured correlations: `Subject_cor`."""
    return f"{prefix(parameter)}{identifier(group)}_cor"


def group_term_bis_dim(group: str, parameter: str = "mu") -> str:
    """Second dimension of the correlation matrix."""
    return f"{group_term_dim(group, parameter)}_bis"


def effect_dim(group: str) -> str:
    """Dimension of all effects of a factor that are correlated across parameters by an id.

    `Subject_effect`, with the labels "Intercept", "Days", "sigma_Intercept": those of a further
    parameter have its name in front.
    """
    return f"{identifier(group)}_effect"


def effect_bis_dim(group: str) -> str:
    """Second dimension of their correlation matrix."""
    return f"{effect_dim(group)}_bis"


def sd(group: str, parameter: str = "mu") -> str:
    return f"sd_{prefix(parameter)}{identifier(group)}"


def cor(group: str, parameter: str = "mu") -> str:
    """The correlations of a factor's effects on one parameter: `cor_Subject`, `cor_sigma_Subject`.

    Where effects are correlated across parameters by an id, `cor_Subject` are the correlations of
    all effects of the factor, on every parameter, and has the dimensions `effect_dim` and
    `effect_bis_dim`; there is then no `cor_sigma_Subject`.
    """
    return f"cor_{prefix(parameter)}{identifier(group)}"


def law(number: str, group: str, parameter: str = "mu") -> str:
    """A number of the law of a factor's effects: `nu_Subject`, `nu_sigma_Subject`."""
    return f"{number}_{prefix(parameter)}{identifier(group)}"


def ranef(group: str, parameter: str = "mu") -> str:
    return f"ranef_{prefix(parameter)}{identifier(group)}"


def at_means(name: str) -> str:
    """A parameter where the covariates are at their means, as default priors are placed."""
    return f"{name}_at_means"


def is_ranef(variable: str) -> bool:
    """Whether a variable holds group effects."""
    return variable.startswith("ranef_")


def coef(group: str, parameter: str = "mu") -> str:
    """Population effect + deviation, per level."""
    return f"coef_{prefix(parameter)}{identifier(group)}"


def response(text: str, taken: frozenset[str] = frozenset()) -> str:
    """Name of the observed variable: the response as written, kept apart from what is `taken`."""
    name = text if re.fullmatch(r"\w+", text) else identifier(text)
    while name in _RESERVED | taken:
        name = f"{name}_response"
    return name


# ---- variables of a pm.Model that are not in the contract, see `mixedbayes.model.free` ----------


def part(name: str, label: str) -> str:
    """One element of a vector whose priors are of several kinds: `fixef_Days`."""
    return f"{name}_{identifier(label)}"


def spherical(group: str, parameter: str = "mu") -> str:
    """Non-centred effects u, with b = L u: `u_ranef_Subject`."""
    return f"u_{ranef(group, parameter)}"


def across(group: str) -> str:
    """All effects of a factor, centred, correlated across parameters: `ranef_Subject_across`."""
    return f"{ranef(group)}_across"


def partial_cor(group: str, parameter: str = "mu", block: int = 0) -> str:
    """Partial correlations of one block of effects, (r + 1) / 2: `partial_cor_Subject`."""
    return f"partial_{cor(group, parameter)}" + (f"_{block}" if block else "")


def partial_residual(symbol: str) -> str:
    """Numbers on (0, 1) behind the correlations of residuals, arm by arm: `partial_rho`."""
    return f"partial_{symbol}"


def unnamed(variable: str) -> str:
    """Dimension of a vector that has no labels, as PyMC and ArviZ call it."""
    return f"{variable}_dim_0"


# ---- all of them, for two not to be the same ----------------------------------------------------


def of_predictor(parameter: str = "mu") -> tuple[str, ...]:
    """Every name of a predictor's population part, in whatever formulation."""
    ones = intercept(parameter)
    data = tuple(f"{prefix(parameter)}{name}" for name in sorted(_DATA))
    return fixef(parameter), ones, at_means(ones), term_dim(parameter), *data


def of_group(group: str, parameter: str = "mu", blocks: int = 1) -> tuple[str, ...]:
    """Every name of a grouping factor's effects on a parameter, its levels' dimension apart."""
    tag = f"{prefix(parameter)}{identifier(group)}"
    sds, cors, effects = sd(group, parameter), cor(group, parameter), ranef(group, parameter)
    return (
        *(effects, sds, cors, coef(group, parameter), at_means(sds), at_means(cors)),
        *(group_term_dim(group, parameter), group_term_bis_dim(group, parameter)),
        *(group_sd_dim(group, parameter), group_cor_dim(group, parameter)),
        *(f"refs_{tag}", f"Z_{tag}", spherical(group, parameter)),
        *(partial_cor(group, parameter, k) for k in range(blocks)),
    )


def of_across(group: str, blocks: int) -> tuple[str, ...]:
    """Names of a factor's effects that are correlated across parameters, beside `of_group`'s."""
    cors = cor(group)
    return (
        *(cors, at_means(cors), across(group), effect_dim(group), effect_bis_dim(group)),
        *(partial_cor(group, block=k) for k in range(blocks)),
    )
