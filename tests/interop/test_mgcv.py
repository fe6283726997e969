"""Models as calls of mgcv's gam(): smooths with their bases, effects as bs = "re", families.

The calls were run by R 4.2 and mgcv 1.8-41 when they were written: fitted values of the Gaussian
ones are those of REML with this package's columns, to 1e-5 of a response whose sd is 0.8.
"""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.errors import ModelError

GAUSSIAN = 'family = gaussian(link = "identity")'
G = "data$g <- factor(data$g, ordered = FALSE)"


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(1)
    n = 120
    d = pd.DataFrame({"x": np.linspace(0, 10, n), "z": rng.normal(size=n)})
    d["g"], d["h"] = np.repeat(list("abcdef"), 20), np.tile(list("pqrs"), 30)
    d["arm"] = np.repeat(["ctl", "trt"], 60)
    d["y"], d["w"], d["n"] = np.sin(d.x) + rng.normal(0, 0.3, n), rng.integers(1, 4, n), 8
    d["count"], d["k"] = rng.poisson(3, n), rng.binomial(8, 0.5, n)
    d["share"], d["flag"] = rng.beta(4, 4, n), d.x > 4
    d["hit"] = np.where(d.y > 0, "yes", "no")
    d["rate"] = pd.Categorical(np.array(["low", "mid", "top"])[d.k // 3], ordered=True)
    return d


def call(formula, frame, family="gaussian", **arguments):
    return mb.Model(formula, frame, family=family, **arguments).code("mgcv").split("\n")


def test_the_whole_text(frame):
    assert call("y ~ s(x) + (1 | g)", frame) == [
        "library(mgcv)",
        G,
        f'gam(y ~ 1 + s(x, k = 10) + s(g, bs = "re"), data = data, {GAUSSIAN}, method = "REML")',
    ]


@pytest.mark.parametrize(
    ("formula", "right"),
    [
        ("y ~ z + (1 | g)", '1 + z + s(g, bs = "re")'),
        ("y ~ (z || g)", '1 + s(g, bs = "re") + s(g, z, bs = "re")'),
        ("y ~ s(x, z)", "1 + s(x, z, k = 30)"),
        ("y ~ h + s(x, k=12, bs='cr')", '1 + h + s(x, k = 12, bs = "cr")'),
        ("y ~ 0 + h + s(x, bs='ps')", '0 + h + s(x, k = 10, bs = "ps")'),
        ("y ~ arm + s(x, by=arm)", "1 + arm + s(x, k = 10, by = arm)"),
        ("y ~ s(x, by=z)", "1 + s(x, k = 10, by = z)"),
        ("y ~ s(log(x + 1))", "1 + s(log(x + 1), k = 10)"),
        ("y ~ t2(x, z, bs=['cr', 'ps'])", '1 + t2(x, z, k = 5, bs = c("cr", "ps"))'),
        ("y ~ s(x) + s(x, g, bs='fs', k=5)", '1 + s(x, k = 10) + s(x, g, k = 5, bs = "fs")'),
        ("y ~ (1 | gr(g, by=arm))", '1 + s(g, by = arm, bs = "re")'),
        ("y ~ s(x) + offset(z)", "1 + offset(z) + s(x, k = 10)"),
    ],
)
def test_terms(formula, right, frame):
    assert call(formula, frame)[-1].startswith(f"gam(y ~ {right}, data = data, ")


def test_columns_that_r_has_to_make(frame):
    lines = call("y ~ (0 + h || g) + (1 | arm:h)", frame)
    made = [line for line in lines if "with(data" in line]
    assert made == [
        *(f'data$h_{level} <- with(data, 1 * (h == "{level}"))' for level in "pqrs"),
        "data$arm_h <- with(data, interaction(arm, h, drop = TRUE))",
    ]
    assert 's(g, h_p, bs = "re") + s(g, h_q, bs = "re")' in lines[-1]
    assert 's(arm_h, bs = "re")' in lines[-1]


def test_a_made_column_leaves_one_of_its_name_alone(frame):
    d = frame.assign(arm_h=frame.z)
    lines = call("y ~ arm_h + (1 | arm:h)", d)
    assert lines[-2] == "data$arm_h_ <- with(data, interaction(arm, h, drop = TRUE))"
    assert '1 + arm_h + s(arm_h_, bs = "re")' in lines[-1]


def test_names_that_mgcv_cannot_read_are_copied_first(frame):
    """mgcv 1.8 pastes names into a formula without their backticks."""
    d = frame.rename(columns={"x": "my x", "g": "the group", "y": "y (mm)"}).assign(my_x=frame.z)
    lines = call(
        "`y (mm)` ~ s(`my x`, k=5, bs='cr', knots=[0, 2, 5, 8, 10]) + my_x + (1 | `the group`)", d
    )
    assert lines[1:4] == [
        "data$my_x_ <- data$`my x`",
        "data$the_group <- data$`the group`",
        "data$y_mm <- data$`y (mm)`",
    ]
    assert lines[4] == "data$the_group <- factor(data$the_group, ordered = FALSE)"
    assert lines[5] == (
        'gam(y_mm ~ 1 + my_x + s(my_x_, k = 5, bs = "cr") + s(the_group, bs = "re"), data = data, '
        + GAUSSIAN
        + ', knots = list(my_x_ = c(0, 2, 5, 8, 10)), method = "REML")'
    )


def test_words_of_r_and_of_other_alphabets_are_names_after_copies(frame):
    d = frame.rename(columns={"x": "if", "z": "größe", "h": "_u", "w": "2.5"}).assign(TRUE=frame.w)
    lines = call("y ~ `if` + `größe` + `TRUE` + (1 | `_u`) + (1 | `2.5`:g)", d)
    assert lines[1:6] == [
        "data$x2.5 <- data$`2.5`",
        "data$TRUE_ <- data$`TRUE`",
        "data$u <- data$`_u`",
        "data$gr_e <- data$`größe`",
        "data$if_ <- data$`if`",
    ]
    assert lines[-2] == "data$x2.5_g <- with(data, interaction(x2.5, g, drop = TRUE))"
    assert "1 + if_ + gr_e + TRUE_ + s(u, " in lines[-1]


def test_a_backtick_in_a_level_is_left_alone(frame):
    d = frame.assign(h=frame.h.map({"p": "p`1`", "q": "q", "r": "r", "s": 's"`x`'}))
    lines = call("y ~ (0 + h || g)", d)
    assert 'data$h_p_1 <- with(data, 1 * (h == "p`1`"))' in lines


@pytest.mark.parametrize("effects", ["diag(C(w) | g)", "(C(w) || g)", "(poly(z, 2) || g)"])
def test_columns_of_effects_that_are_not_written_in_r_are_refused(effects, frame):
    with pytest.raises(ModelError, match=r"is not written in R here: make it a column"):
        call(f"y ~ {effects}", frame)


def test_knots_are_an_argument_of_the_call(frame):
    last = call("y ~ s(x, bs='cc', knots=[0, 10]) + s(log(x + 1), k=4, bs='cr', "
                "knots=[0, 1, 2, 2.4])", frame)[-1]  # fmt: skip
    assert "knots = list(x = c(0, 10), `log(x + 1)` = c(0, 1, 2, 2.4))" in last
    with pytest.raises(ModelError, match="one list of knots for a variable"):
        call("y ~ s(x, bs='cc', knots=[0, 10]) + s(x, by=z, bs='cc', knots=[-1, 11])", frame)


def test_other_axes_are_said(frame):
    lines = call("y ~ t2(x, z) + s(x, g, bs='fs')", frame)
    said = [line for line in lines if line.startswith("# mgcv's penalties")]
    assert [line.rpartition(": ")[2] for line in said] == ["t2(x, z)", "s(x, g)"]


@pytest.mark.parametrize(
    ("formula", "family", "left", "theirs"),
    [
        ("count ~ s(x)", "poisson", "count", 'poisson(link = "log")'),
        ("count ~ s(x)", "negative_binomial", "count", 'nb(link = "log")'),
        ("k | trials(n) ~ s(x)", "binomial", "cbind(k, n - k)", 'binomial(link = "logit")'),
        ("flag ~ z", "bernoulli", "flag", 'binomial(link = "logit")'),
        ("hit ~ z", "bernoulli", 'factor(hit, levels = c("no", "yes"))',
         'binomial(link = "logit")'),
        ("share ~ s(x)", "beta", "share", 'betar(link = "logit")'),
        ("share ~ s(x)", "gamma", "share", 'Gamma(link = "log")'),
        ("share ~ s(x)", "inverse_gaussian", "share", 'inverse.gaussian(link = "log")'),
        ("share ~ s(x)", "lognormal", "log(share)", "gaussian()"),
        ("y ~ s(x)", "student_t", "y", 'scat(link = "identity", min.df = 1)'),
        ("rate ~ s(x)", "cumulative",
         'as.integer(factor(rate, levels = c("low", "mid", "top")))', "ocat(R = 3)"),
    ],
)  # fmt: skip
def test_families(formula, family, left, theirs, frame):
    last = call(formula, frame, family)[-1]
    assert last.startswith(f"gam({left} ~ ")
    assert f"family = {theirs}, " in last


def test_a_formula_of_sigma(frame):
    last = call(["y ~ s(x) + (1 | g)", "sigma ~ arm + s(x, k=5)"], frame)[-1]
    assert last == (
        'gam(list(y ~ 1 + s(x, k = 10) + s(g, bs = "re"), ~ 1 + arm + s(x, k = 5)), data = data, '
        'family = gaulss(link = list("identity", "logb"), b = 0), method = "REML")'
    )


def test_weights(frame):
    assert "weights = w, " in call("y | weights(w) ~ s(x)", frame)[-1]
    assert "weights = w, " in call("count | weights(w) ~ s(x)", frame, "poisson")[-1]
    with pytest.raises(ModelError, match="counts a row several times"):
        call(["y | weights(w) ~ s(x)", "sigma ~ x"], frame)


@pytest.mark.parametrize(
    ("formula", "family", "said"),
    [
        ("y ~ (z | g)", "gaussian", r"nearest to it is \(1 \+ z \|\| g\)"),
        ("y ~ mo(k) + s(x)", "gaussian", "scam"),
        ("y ~ x + s(x)", "gaussian", r"s\(x\)\[linear\] is left out here.*other constraints"),
        ("y ~ s(x) + s(x, by=arm) + arm", "gaussian", "differences between the curves"),
        ("y ~ (1 | mm(g, h))", "gaussian", "paraPen"),
        ("y ~ (1 | gr(g, law='student'))", "gaussian", "not normal; nearest to it is paraPen"),
        ("y | cens(flag) ~ s(x)", "gaussian", r"no cens.*code\('brms'\) has"),
        ("y | se(w) ~ s(x)", "gaussian", "no known standard errors"),
        (["count ~ s(x)", "shape ~ x"], "negative_binomial", "formulas of the mean alone"),
        ("count ~ s(x)", "zero_inflated_poisson", r"nearest to it in mgcv is ziP\(\)"),
        ("rate ~ s(x)", "categorical", r"nearest to it in mgcv is multinom\(K = 2\)"),
        ("y ~ s(x) + ou(x | g)", "gaussian", r"x\[.*, \.\.\. \(\d+ in all\) over g are;"),
        ("y ~ s(x) + cs(h | g)", "gaussian", r"correlated with each other.*\|\| g\)"),
        ("y ~ s(x) + homcs(h | arm)", "gaussian", r"\(1 \| arm\) \+ \(1 \| arm:h\)"),
        ("mv(y, z) ~ s(x)", "gaussian", "several responses"),
    ],
)
def test_what_it_has_not(formula, family, said, frame):
    with pytest.raises(ModelError, match=said):
        call(formula, frame, family)


def test_correlated_residuals_are_refused(frame):
    d = frame.assign(visit=np.tile(np.arange(20), 6))
    with pytest.raises(ModelError, match=r"gamm\(\) has them"):
        call("y ~ s(x)", d, residual="ar1(visit | g)")


def test_a_probit_of_levels_is_refused(frame):
    with pytest.raises(ModelError, match="no cumulative family with the probit link"):
        call("rate ~ s(x)", frame, mb.Cumulative(link=mb.Probit()))


def test_many_points_of_a_thin_plate_are_said(frame):
    d = pd.DataFrame({"x": np.arange(2100.0), "y": np.sin(np.arange(2100.0))})
    assert any("2,000 of the distinct points of s(x)" in line for line in call("y ~ s(x)", d))
