"""Several responses in brms: formulas, families and where each prior is, by brms's own grammar.

brms documents the arguments of `set_prior` for multivariate models: `resp` is the response's name
without `.` and `_`, `dpar` a distributional parameter with a formula; correlations over a group are
of no response, and those of residuals of class rescor. Bürkner (2017), doi:10.18637/jss.v080.i01.
"""

import re

import numpy as np
import pandas as pd
import pytest
from every_kind import RESPONSES, families
from every_kind import frame as every

import mixedbayes as mb
from mixedbayes.errors import ModelError


def frame(n=48):
    rng = np.random.default_rng(2)
    d = pd.DataFrame({"animal": np.arange(n) % 8, "nest": np.arange(n) % 5})
    d["sex"] = rng.choice(["f", "m"], n)
    d["hatched"] = rng.normal(size=n)
    d["tarsus_l"], d["back"] = rng.normal(size=(2, n))
    d["fed"], d["visits"] = rng.integers(0, 2, n), rng.poisson(1.5, n) * rng.integers(0, 2, n)
    return d


def kin():
    return {"A": pd.DataFrame(0.5 + 0.5 * np.eye(8), range(8), range(8))}


def priors(code):
    """(prior, place) of every set_prior() of a text."""
    found = re.findall(r'set_prior\("([^"]*)", ([^)]*)\)', code)
    return [(prior, dict(re.findall(r'(\w+) = "([^"]*)"', place))) for prior, place in found]


def places(code):
    own = ("class", "group", "resp", "dpar", "coef")
    return {tuple(place.get(key, "") for key in own) for _, place in priors(code)}


def test_an_animal_model_of_two_traits():
    """That of brms's vignette on multivariate models, with kin in the place of a pedigree."""
    formula = "mv(tarsus_l, back) ~ sex + hatched + (1 | p | nest) + (1 | q | gr(animal, cov=A))"
    code = mb.Model(formula, frame(), known=kin()).code("brms")
    right = "1 + sex + hatched + (1 | p | nest) + (1 | q | gr(animal, cov = A))"
    assert f"bf(mvbind(tarsus_l, back) ~ {right}) +\n    set_rescor(TRUE)," in code
    assert "data2 = list(A = A)," in code
    expected = {("cor", group, "", "", "") for group in ("nest", "animal")}
    expected |= {("rescor", "", "", "", "")}
    for resp in ("tarsusl", "back"):
        expected |= {("Intercept", "", resp, "", ""), ("sigma", "", resp, "", "")}
        expected |= {("b", "", resp, "", coef) for coef in ("sexm", "hatched")}
        expected |= {("sd", group, resp, "", "") for group in ("nest", "animal")}
    assert places(code) == expected


def test_different_families_have_their_own_formulas():
    families = {"tarsus_l": "gaussian", "fed": "bernoulli", "visits": "zero_inflated_poisson"}
    formulas = [
        "mv(tarsus_l, fed, visits, rescor=False) ~ hatched + (1 | p | nest)",
        "sigma_tarsus_l ~ sex + (1 | p | nest)",
    ]
    model = mb.Model(formulas, frame(), family=families)
    code = model.code("brms")
    lines = [line.strip() for line in code.splitlines()]
    right = "1 + hatched + (1 | p | nest)"
    assert lines[lines.index("brm(") + 1 : lines.index("data = data,")] == [
        f"bf(tarsus_l ~ {right}, sigma ~ 1 + sex + (1 | p | nest), "
        'family = gaussian(link = "identity")) +',
        f'bf(fed ~ {right}, family = bernoulli(link = "logit")) +',
        f'bf(visits ~ {right}, zi ~ 1, family = zero_inflated_poisson(link = "log")) +',
        "set_rescor(FALSE),",
    ]
    assert "\n  family" not in code
    expected = {("cor", "nest", "", "", "")}
    for resp in ("tarsusl", "fed", "visits"):
        expected |= {("Intercept", "", resp, "", ""), ("b", "", resp, "", "")}
        expected |= {("sd", "nest", resp, "", "")}
    expected |= {(kind, "", "tarsusl", "sigma", "") for kind in ("Intercept", "b")}
    expected |= {("sd", "nest", "tarsusl", "sigma", ""), ("Intercept", "", "visits", "zi", "")}
    assert places(code) == expected
    zi = next(prior for prior, place in priors(code) if place.get("dpar") == "zi")
    own = model.spec.priors.predictor("zi").fixef[0].prior
    assert zi == f"normal({own.mu:g}, {own.sigma:g})"


def test_what_brms_has_not_is_said():
    d = frame()
    families = {"tarsus_l": "gaussian", "visits": "negative_binomial1"}
    model = mb.Model("mv(tarsus_l, visits, rescor=False) ~ sex", d, family=families)
    with pytest.raises(ModelError, match="brms has no negative_binomial1 family"):
        model.code("brms")
    with pytest.raises(ModelError, match="the sds and slopes of its smooths"):
        mb.Model("mv(tarsus_l, back) ~ s(hatched, k=4)", d).code("brms")


def test_thresholds_categories_and_trials_have_brms_own_formulas():
    own = [name for name in RESPONSES if name in ("weight", "rating", "step", "mode", "hits")]
    counts = "cbind(a, b, c)"
    formulas = [
        f"mv({', '.join([*own, counts])}, rescor=False) ~ age + (1 | p | child)",
        "step ~ age + cs(sex)",
        "mu_bus_mode ~ sex + (1 | p | child)",
        "hits | trials(tried) ~ age",
        "disc_rating ~ sex",
        f"{counts} ~ age",
    ]
    kinds = {n: f for n, f in families().items() if n in own or n.startswith("cbind")}
    code = mb.Model(formulas, every(missing=False), family=kinds).code("brms")
    lines = [line.strip() for line in code.splitlines()]
    right, refcat = (
        "1 + age + (1 | p | child)",
        'family = categorical(link = "logit", refcat = "car")',
    )
    assert lines[lines.index("brm(") + 1 : lines.index("data = data,")] == [
        f'bf(weight ~ {right}, family = gaussian(link = "identity")) +',
        f'(bf(rating ~ {right}, family = cumulative(link = "probit")) + '
        "lf(disc ~ 0 + sex, cmc = FALSE)) +",
        'bf(step ~ 1 + age + cs(sex_m_at_means), family = sratio(link = "logit")) +',
        f"bf(mode ~ 1, mubus ~ 1 + sex + (1 | p | child), mufoot ~ {right}, {refcat}) +",
        "bf(hits | trials(tried) ~ 0 + Intercept + age_at_means, family = "
        'binomial(link = "logit")) +',
        "bf(cbind(a, b, c) | trials(a + b + c) ~ 1, mub ~ 1 + age, muc ~ 1 + age, family = "
        'multinomial(link = "logit", refcat = "a")) +',
        "set_rescor(FALSE),",
    ]
    assert {place[:4] for place in places(code)} >= {
        ("Intercept", "", "rating", ""), ("Intercept", "", "step", ""), ("b", "", "rating", "disc"),
        ("Intercept", "", "mode", "mubus"), ("b", "", "mode", "mufoot"),
        ("sd", "child", "mode", "mubus"), ("Intercept", "", "cbindabc", "mub"),
    }  # fmt: skip
