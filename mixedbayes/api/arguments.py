"""Arguments that other packages have for what is said otherwise here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps

from mixedbayes.errors import ModelError

_RESIDUAL = 'correlated residuals are residual="ar1(visit | patient)", beside the formula'
_DRAWS = "draws= and tune= are numbers of draws and of warmup, each of one chain"
_PRIORS = 'priors are priors={"sd": mb.HalfNormal(1)}, by name'
# By the argument's name, of brms, lme4, nlme, glmmTMB, rstanarm, mgcv, Bambi and PyMC.
INSTEAD = {
    **dict.fromkeys(("autocor", "correlation", "cor", "R", "repeated"), _RESIDUAL),
    **dict.fromkeys(("iter", "warmup", "n_samples", "samples", "n_draws"), _DRAWS),
    **dict.fromkeys(("prior", "prior_intercept", "prior_covariance"), _PRIORS),
    "random": "effects of groups stand in the formula: y ~ x + (1 | g)",
    "groups": "effects of groups stand in the formula: y ~ x + (1 | g)",
    "re_formula": "effects of groups stand in the formula: y ~ x + (1 | g)",
    "data2": 'known covariances of levels are known={"A": A}',
    "weights": "weights stand in the formula: y | weights(w) ~ x",
    "offset": "an offset stands in the formula: y ~ x + offset(log(t))",
    "ziformula": 'write ["y ~ x", "zi ~ x"], with a zero_inflated family',
    "dispformula": 'write ["y ~ x", "sigma ~ x"]',
    "sigma": 'a formula of sigma goes into a list: ["y ~ x", "sigma ~ x"]',
    "subset": "give the rows that are to be fitted as data",
    **dict.fromkeys(("na_action", "dropna"), 'missing= is "drop" or "error"'),
    **dict.fromkeys(("control", "adapt_delta"), "target_accept= and max_treedepth= are arguments"),
    **dict.fromkeys(("backend", "algorithm", "inference_method", "nuts_sampler"),
                    'sampler= is "nutpie", "pymc" or "numpyro"'),
    **dict.fromkeys(("REML", "method"), "there is a posterior, and no estimate by REML or ML"),
    **dict.fromkeys(("random_seed", "rng"), "seed= makes draws the same again"),
    "link": 'families are made with their link: family=mb.families.Poisson(mb.Identity())',
    "contrasts": "write C(x, contr.sum) in the formula",
}  # fmt: skip


# Of a study, by the names of simr's arguments and of others like them.
_SIMULATIONS = "simulations= of power() and calibrate() is the number of simulated studies"
_VARIED = 'what varies is n= of power(): n={"g": [20, 40, 80], "rows": [5, 10]}'
OF_STUDIES = {
    **dict.fromkeys(("nsim", "n_sims", "nsims", "sims", "reps"), _SIMULATIONS),
    **dict.fromkeys(("within", "along", "breaks"), _VARIED),
    **dict.fromkeys(("fixef", "fixed"), 'true effects are effects={"x": 0.5}, by term'),
    **dict.fromkeys(("VarCorr", "ranef"),
                    'true sds and correlations are sd={"g": {"Intercept": 1, "x": 0.5}} and cor='),
    "pilot": "a pilot's fit is fit=",
    "test": 'what a study is to show is the first argument of power(): power("x > 0")',
    "ncores": "workers= of power() is the number of processes",
}  # fmt: skip
OF_POWER = {
    **OF_STUDIES,
    **dict.fromkeys(("alpha", "sig_level"),
                    "an interval of probability prob=0.95 goes with a level of 5 %"),
    **dict.fromkeys(("level", "conf_level", "ci"), "the interval's probability is prob="),
    **dict.fromkeys(("groups", "per_group"), _VARIED),
    "rows": _VARIED,
    "random_seed": INSTEAD["random_seed"],
}  # fmt: skip


def told[**P, T](call: Callable[P, T], words: Mapping[str, str] = INSTEAD) -> Callable[P, T]:
    """The same function, which says how what another package's argument means is said here.

    Raises
    ------
    ModelError
        An argument is one of `words`, and none of the function's own.
    """
    own = inspect.signature(call).parameters

    @wraps(call)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        for name in kwargs:
            if name not in own and name in words:
                raise ModelError(f"there is no argument {name}=: {words[name]}")
        return call(*args, **kwargs)

    return wrapper
