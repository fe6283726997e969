"""Models of the reference posteriors, with the priors that each file states."""

from dataclasses import dataclass

import numpy as np

import mixedbayes as mb
from mixedbayes import names

SLEEP = {
    "Intercept": mb.Normal(300, 250),
    "fixef": mb.Normal(0, 50),
    "sd": mb.Exponential(0.02),
    "sigma": mb.Exponential(0.02),
}
CORRELATED = SLEEP | {"cor": mb.LKJ(2)}
ORACLES = {
    "dyestuff": (
        "dyestuff",
        "Yield ~ 1 + (1 | Batch)",
        {
            "Intercept": mb.Normal(1500, 250),
            "sd": mb.Exponential(0.02),
            "sigma": mb.Exponential(0.02),
        },
    ),
    "eight_schools": (
        "eight_schools",
        "y | se(sigma) ~ 1 + (1 | school)",
        {"Intercept": mb.Normal(0, 5), "sd": mb.HalfCauchy(5)},
    ),
    "ex33_slope": (
        "ex33",
        "PCV ~ time + (0 + time | animal_id)",
        {
            "Intercept": mb.Normal(30, 20),
            "fixef": mb.Normal(0, 5),
            "sd": mb.Exponential(1),
            "sigma": mb.Exponential(0.2),
        },
    ),
    "gpa_intercept": (
        "gpa",
        "gpa ~ occasion + (1 | student)",
        {
            "Intercept": mb.Normal(2.5, 2.5),
            "fixef": mb.Normal(0, 1),
            "sd": mb.Exponential(1),
            "sigma": mb.Exponential(1),
        },
    ),
    "penicillin_crossed": (
        "penicillin",
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        {"Intercept": mb.Normal(23, 10), "sd": mb.Exponential(0.5), "sigma": mb.Exponential(0.5)},
    ),
    "simpson_intercept": (
        "simpson",
        "V2 ~ V1 + (1 | Group)",
        {
            "Intercept": mb.Normal(0, 10),
            "fixef": mb.Normal(0, 5),
            "sd": mb.Exponential(0.2),
            "sigma": mb.Exponential(1),
        },
    ),
    "sleepstudy_days_subject": ("sleepstudy", "Reaction ~ Days + (Days | Subject)", CORRELATED),
    "sleepstudy_days_subject_uncor": ("sleepstudy", "Reaction ~ Days + (Days || Subject)", SLEEP),
    "sleepstudy_intercept": ("sleepstudy", "Reaction ~ Days + (1 | Subject)", SLEEP),
    "sleepstudy_partial": ("sleepstudy_partial", "Reaction ~ Days + (Days | Subject)", CORRELATED),
    "sleepstudy_slope": ("sleepstudy", "Reaction ~ Days + (0 + Days | Subject)", SLEEP),
}


def oracle_model(name, **changes):
    """The model of one reference posterior."""
    data, formula, priors = ORACLES[name]
    return mb.Model(formula, mb.load_data(data), priors=priors, **changes)


@dataclass(frozen=True)
class Quantity:
    """Draws of one quantity that the reference has too."""

    label: str
    draws: np.ndarray  # (chain, draw)
    reference: dict


def quantities(fit, reference):
    """Every parameter and group effect of a fit beside its row of a reference file.

    Their names are brms's: b_Days, sd_Subject__Days, cor_Subject__Intercept__Days, sigma,
    r_Subject[308,Days]; brms writes a dot for a blank in a label.
    """
    rows = {r["variable"].replace(".", " "): r for r in reference["parameters"]}
    return [
        Quantity(label, array.to_numpy(), rows[label])
        for label, array in _named(fit)
        if label in rows
    ]


def _named(fit):
    post = fit.idata["posterior"]
    yield "b_Intercept", post["Intercept"]
    for term in fit.model.design.mu.terms:
        yield f"b_{term}", post["fixef"].sel(term=term)
    if "sigma" in post:
        yield "sigma", post["sigma"]
    for g in fit.model.design.mu.groups:
        sd, effects = post[names.sd(g.name)], post[names.ranef(g.name)]
        for i, term in enumerate(g.terms):
            yield f"sd_{g.name}__{term}", sd[..., i]
            for j, level in enumerate(g.levels):
                yield f"r_{g.name}[{level},{term}]", effects[..., j, i]
            for k in range(i if g.correlated else 0):
                yield f"cor_{g.name}__{g.terms[k]}__{term}", post[names.cor(g.name)][..., k, i]
