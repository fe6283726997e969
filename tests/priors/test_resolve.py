import numpy as np
import pandas as pd
import pytest

from mixedbayes.design import build_design
from mixedbayes.distributions import (
    LKJ,
    Cauchy,
    Exponential,
    Flat,
    HalfNormal,
    Normal,
    Uniform,
)
from mixedbayes.errors import PriorError
from mixedbayes.families.defaults import default_priors
from mixedbayes.families.gaussian import Gaussian
from mixedbayes.priors.resolve import resolve


def defaults(formula="y ~ x + z + (x | g) + (1 | h)"):
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(60, 3)), columns=["y", "x", "z"])
    data["g"] = np.repeat(list("abcdef"), 10)
    data["h"] = np.tile(list("uvwxy"), 12)
    return default_priors(build_design(formula, data), Gaussian())


def test_one_prior_for_all_slopes():
    p = resolve(defaults(), {"fixef": Normal(0, 50)})
    assert [a.prior for a in p.mu.fixef] == [Normal(0, 50)] * 2


def test_one_slope_keeps_the_others_default():
    before = defaults()
    p = resolve(before, {"fixef": {"z": Cauchy(0, 2)}})
    assert p.mu.fixef[0] == before.mu.fixef[0]
    assert p.mu.fixef[1].prior == Cauchy(0, 2)
    assert p.mu.fixef[1].origin == "given"


def test_a_given_intercept_is_at_zero():
    p = resolve(defaults(), {"Intercept": Normal(250, 250)})
    assert p.mu.intercept.prior == Normal(250, 250)
    assert not p.mu.intercept_at_means


def test_group_sds_at_three_levels_of_detail():
    every = resolve(defaults(), {"sd": Exponential(0.02)}).mu.sd
    assert [a.prior for sds in every.values() for a in sds] == [Exponential(0.02)] * 3
    by_group = resolve(defaults(), {"sd": {"h": HalfNormal(3)}}).mu.sd
    assert by_group["h"][0].prior == HalfNormal(3)
    assert by_group["g"] == defaults().mu.sd["g"]
    by_term = resolve(defaults(), {"sd": {"g": {"x": HalfNormal(10)}}}).mu.sd
    assert by_term["g"][1].prior == HalfNormal(10)
    assert by_term["g"][0] == defaults().mu.sd["g"][0]


def test_correlations_and_residual():
    p = resolve(defaults(), {"cor": LKJ(4), "sigma": Uniform(0, 10)})
    assert p.mu.cor["g"].prior == LKJ(4)
    assert p.parameters["sigma"].prior == Uniform(0, 10)
    assert resolve(defaults(), {"cor": {"g": LKJ(3)}}).mu.cor["g"].prior == LKJ(3)


def test_flat_priors_are_allowed_for_positive_parameters():
    assert resolve(defaults(), {"sd": Flat()}).mu.sd["h"][0].prior == Flat()


def test_no_priors_are_the_defaults():
    before = defaults()
    assert resolve(before, None) is before


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ({"beta": Normal(0, 1)}, "'beta' is not a parameter here: valid names: Intercept, fixef,"),
        ({"Sigma": HalfNormal(1)}, "Did you mean 'sigma'"),
        ({"fixef": {"xx": Normal(0, 1)}}, "fixef: 'xx' is not a parameter here: valid names: x, z"),
        ({"fixef": {"Intercept": Normal(0, 1)}}, "intercept's prior is not among fixef"),
        ({"sd": {"k": HalfNormal(1)}}, "sd: 'k' is not a parameter here: valid names: g, h"),
        ({"sd": {"g": {"z": HalfNormal(1)}}}, r"sd\[g\]: 'z' is not .* Intercept, x"),
        ({"cor": {"h": LKJ(1)}}, "cor: 'h' is not a parameter here: valid names: g"),
        ({"sd": Normal(0, 1)}, r"sd_g\[Intercept\] is positive, but Normal\(0, 1\) has mass below"),
        ({"sigma": Uniform(-1, 1)}, "sigma is positive"),
        ({"cor": Normal(0, 1)}, "prior is LKJ"),
        ({"fixef": LKJ(2)}, "LKJ is for correlations"),
        ({"fixef": 3}, "a prior is an object such as"),
        ({"sigma": "HalfNormal"}, "a prior is an object such as"),
        ([Normal(0, 1)], "priors must be a dictionary"),
    ],
)
def test_a_wrong_prior_is_answered_with_what_is_right(user, message):
    with pytest.raises(PriorError, match=message):
        resolve(defaults(), user)


@pytest.mark.parametrize(
    ("formula", "user", "message"),
    [
        ("y ~ 0 + x + (1 | g)", {"Intercept": Normal(0, 1)}, "the formula has no intercept"),
        ("y ~ 1 + (1 | g)", {"fixef": Normal(0, 1)}, "no population effect besides"),
        ("y ~ x", {"sd": HalfNormal(1)}, "the formula has no group effects"),
        ("y ~ x + (x || g)", {"cor": LKJ(2)}, r"\(x \| g\) correlates them"),
    ],
)
def test_a_prior_for_what_the_formula_lacks_says_so(formula, user, message):
    with pytest.raises(PriorError, match=message):
        resolve(defaults(formula), user)
