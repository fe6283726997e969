"""Models as code for other packages."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from correlated import visits

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.errors import ModelError
from mixedbayes.formula import parse_expression
from mixedbayes.interop import brms_code
from mixedbayes.interop.code import Target
from mixedbayes.interop.r_formula import r_name, r_text
from mixedbayes.interop.targets import TARGETS, Package

SLEEP = "Reaction ~ Days + (Days | Subject)"


def model(formula=SLEEP, data="sleepstudy", **arguments):
    return mb.Model(formula, mb.load_data(data), **arguments)


def counts():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.normal(size=60), "g": np.repeat(list("abcdef"), 10)})
    data["kind"] = np.tile(["a", "b", "c"], 20)
    data = data.astype({"g": "category", "kind": "category"})
    data["n"] = 8
    data["y"] = rng.binomial(8, 0.4, 60)
    data["hit"] = (data["y"] > 3).astype(int)
    data["odd name"], data["t"], data["flag"] = rng.normal(5, 1, 60), np.arange(60) % 5, data.x > 0
    data["w"], data["m"] = rng.integers(1, 9, 60), 8 + rng.integers(0, 40, 60)
    return data


# ---- R's syntax ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("x", "x"),
        ("I(x**2)", "I(x ^ 2)"),
        ("center(x)", "scale(x, scale = FALSE)"),
        ("poly(x, 2)", "poly(x, 2)"),
        ("log(x + 1)", "log(x + 1)"),
        ("scale(`odd name`)", "scale(`odd name`)"),
        ("I(-x)", "I(-x)"),
    ],
)
def test_expressions_in_r(ours, theirs):
    assert r_text(parse_expression(ours)) == theirs


def test_names_that_r_cannot_have_are_quoted():
    assert [r_name(n) for n in ("a.b", "_a", "if", "1a", "a`b")] == [
        *("a.b", "`_a`", "`if`", "`1a`", r"`a\`b`")
    ]


@pytest.mark.parametrize("text", ["bs(x, df=4)", "np_only(x)", "I(x % 2)"])
def test_what_r_calls_otherwise_is_refused(text):
    with pytest.raises(ModelError, match="make it a column"):
        r_text(parse_expression(text))


# ---- targets ------------------------------------------------------------------------------------


def test_a_further_package_is_a_line_of_the_registry(monkeypatch):
    own = Package(lambda spec: f"theirs({spec.design.formula.text})", no_smooths="no curves there")
    monkeypatch.setitem(TARGETS, "theirs", own)
    assert model().code("theirs") == f"theirs({SLEEP})"
    with pytest.raises(ModelError, match=r"code\('theirs'\): no curves there"):
        model("Reaction ~ s(Days)").code("theirs")
    with pytest.raises(ModelError, match="'bambi', 'pymc', 'theirs'"):
        model().code("stan")
    with pytest.raises(ModelError, match=r"for several responses; code\('brms'\) has them"):
        mb.Model("mv(y, t) ~ x", counts()).code("theirs")


def test_what_types_tell_of_targets_is_the_registry():
    assert get_args(Target.__value__) == tuple(TARGETS)


# ---- lme4 ---------------------------------------------------------------------------------------


def test_lme4():
    assert model().code("lme4") == (
        "library(lme4)\nlmer(Reaction ~ 1 + Days + (1 + Days | Subject), data = data)"
    )
    nested = model("strength ~ 1 + (1 | batch/cask)", "pastes").code("lme4")
    assert "strength ~ 1 + (1 | batch) + (1 | batch:cask)" in nested
    herds = model("incidence | trials(size) ~ period + (1 | herd)", "cbpp", family="binomial").code(
        "lme4"
    )
    assert "glmer(cbind(incidence, size - incidence) ~ 1 + period + (1 | herd)" in herds
    assert 'family = binomial(link = "logit")' in herds
    weighted = mb.Model("y | weights(n) ~ x", counts()).code("lme4")
    assert weighted == "lm(y ~ 1 + x, data = data, weights = n)"


def coded():
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"y": rng.normal(size=60), "x": rng.normal(size=60)})
    data["g"] = np.repeat(list("abcdef"), 10)
    data["odd flag"] = data.x > 0.2
    data["dose"] = pd.Categorical(
        np.tile(["lo", "mid", "hi"], 20), ["lo", "mid", "hi"], ordered=True
    )
    data["year"] = pd.Categorical(np.tile([2012, 2013, 2014, 2013], 15))
    return data


def test_columns_that_r_would_code_otherwise():
    formula = "y ~ 0 + `odd flag` + dose + (0 + `odd flag` | g) + (1 | year)"
    lines = mb.Model(formula, coded()).code("lme4").splitlines()
    assert lines == [
        "library(lme4)",
        'data$dose <- factor(data$dose, levels = c("lo", "mid", "hi"), ordered = FALSE)',
        "data$`odd flag` <- as.numeric(as.logical(data$`odd flag`))",
        "lmer(y ~ 0 + `odd flag` + dose + (0 + `odd flag` | g) + (1 | year), data = data)",
    ]
    code = mb.Model("y ~ x + year + (0 + I(x > 0) | g)", coded()).code("brms")
    assert "data$year <- factor(data$year)\nbrm(" in code
    assert "(0 + I(1 * (x > 0)) | g)" in code
    assert "data$" not in mb.Model("y ~ x + (x | g)", coded()).code("lme4")


@pytest.mark.parametrize(
    ("levels", "same"),
    [
        (["a", "b", "c"], True), (["B", "a"], False), (["b", "a"], False), (["a-b", "a.b"], False),
        (["1", "2", "a"], True), (["10", "9"], True), (["e", "é"], False), (["a", "A"], False),
    ],
)  # fmt: skip
def test_levels_that_r_might_sort_otherwise_are_written(levels, same):
    """The first level is the reference, and R's order depends on its locale."""
    data = counts().assign(h=pd.Categorical(np.resize(levels, 60), levels))
    code = mb.Model("y ~ h", data).code("lme4")
    made = ", ".join(f'"{level}"' for level in levels)
    assert (f"data$h <- factor(data$h, levels = c({made}), ordered = FALSE)\n" in code) != same
    assert ("data$h" in code) != same


def test_what_lme4_has_not_is_refused():
    data = counts().assign(p=lambda d: (d["y"] + 0.5) / 9)
    shares = mb.Model("p ~ x + (1 | g)", data, family="beta")
    with pytest.raises(ModelError, match="lme4 has no beta family"):
        shares.code("lme4")
    with pytest.raises(ModelError, match=r"lme4's \|\| correlates the columns"):
        model("score ~ Machine + (Machine || Worker)", "machines").code("lme4")


R = shutil.which("Rscript")


@pytest.mark.skipif(R is None, reason="needs R with lme4")
def test_lme4_runs_the_code_and_gives_the_reference(tmp_path, reference):
    has = subprocess.run([R, "-e", "library(lme4)"], capture_output=True, check=False)
    if has.returncode:
        pytest.skip("R has no lme4")
    data = mb.load_data("sleepstudy")
    data.to_csv(tmp_path / "data.csv", index=False)
    script = tmp_path / "fit.R"
    library, call = (
        model("Reaction ~ Days + I(Days**2) + (Days | Subject)").code("lme4").splitlines()
    )
    plain = model().code("lme4").splitlines()[1]
    script.write_text(
        f'{library}\ndata <- read.csv("{Path(tmp_path / "data.csv").as_posix()}")\n'
        f"m <- {plain}\nq <- {call}\n"
        'cat(sprintf("[%s]", paste(format(c(fixef(m), length(fixef(q))), digits = 12), '
        'collapse = ",")))\n'
    )
    out = subprocess.run([R, str(script)], capture_output=True, text=True, check=True)
    found = json.loads(out.stdout)
    expected = reference("lme4_sleepstudy_days_subject")["REML"]["fixed"]["estimate"]
    np.testing.assert_allclose(found[:2], expected, rtol=1e-4)
    assert found[2] == 3


# ---- brms ---------------------------------------------------------------------------------------


def test_brms_has_every_prior():
    text = model().code("brms")
    assert "data$Days_at_means <- with(data, Days - 4.5)\n" in text
    assert "Reaction ~ 1 + Days + (1 + Days_at_means | Subject)," in text
    assert 'family = gaussian(link = "identity")' in text
    for line in (
        'set_prior("normal(298.508, 140.822)", class = "Intercept")',
        'set_prior("normal(0, 48.8915)", class = "b")',
        'set_prior("exponential(0.0177529)", class = "sd", group = "Subject", coef = "Intercept")',
        'set_prior("exponential(0.0511336)", class = "sd", group = "Subject", '
        'coef = "Days_at_means")',
        'set_prior("lkj(2)", class = "cor", group = "Subject")',
        'set_prior("exponential(0.0177529)", class = "sigma")',
    ):
        assert line in text
    assert text.count("set_prior") == 6
    assert text.count("(") == text.count(")")


def test_an_intercept_at_zero_is_a_coefficient_in_brms(reference):
    """As in the reference posteriors, which have these priors."""
    given = {"Intercept": mb.Normal(300, 250), "fixef": mb.Normal(0, 50), "cor": mb.LKJ(2)}
    text = model(priors=given).code("brms")
    assert "Reaction ~ 0 + Intercept + Days + (1 + Days | Subject)" in text
    known = {
        (p["prior"], p["class"], p["coef"])
        for p in reference("brms_sleepstudy_days_subject")["priors"]
    }
    assert ("normal(300, 250)", "b", "Intercept") in known
    assert 'set_prior("normal(300, 250)", class = "b", coef = "Intercept")' in text


def test_coefficients_of_categories_in_brms():
    priors = {"fixef": {"Machine[B]": mb.Normal(0, 5)}}
    text = model("score ~ Machine + (1 | Worker)", "machines", priors=priors).code("brms")
    assert 'set_prior("normal(0, 5)", class = "b", coef = "MachineB")' in text


BRMS_COEFFICIENTS = {
    "age_c": "age_c",
    "Machine[B]": "MachineB",
    "I(x**2)": "IxE2",
    "poly(x, 2)[1]": "polyx21",
    "log(x):f[a-1 b]": "logx:faM1b",
    "f[1:2]:h[v]": "f1:2:hv",
    "center(x)": "scalexscaleEQFALSE",
}


@pytest.mark.parametrize(("ours", "theirs"), BRMS_COEFFICIENTS.items())
def test_coefficients_as_brms_names_them(ours, theirs):
    assert brms_code._coef(ours) == theirs


@pytest.mark.parametrize("name", ["age_c", "a.b", "x1", "Age"])
def test_any_plain_column_varies_in_brms(name):
    data = mb.load_data("sleepstudy").rename(columns={"Days": name})
    formula = f"Reaction ~ {name} + ({name} | Subject)"
    text = mb.Model(formula, data, priors={"cor": mb.LKJ(2)}).code("brms")
    assert f'class = "sd", group = "Subject", coef = "{name}")' in text
    text = mb.Model(formula, data).code("brms")
    assert f'class = "sd", group = "Subject", coef = "{name}_at_means")' in text


@pytest.mark.parametrize("name", ["my days", "_days", "2days"])
def test_a_column_with_an_odd_name_is_to_be_renamed_for_brms(name):
    data = mb.load_data("sleepstudy").rename(columns={"Days": name})
    with pytest.raises(ModelError, match=f"brms takes no column of the name '{name}': give"):
        mb.Model(f"Reaction ~ `{name}` + (1 | Subject)", data).code("brms")


def empty_cell():
    data = counts()
    return data[~((data.kind == "b") & (data.g == "c"))].assign(h=lambda d: np.arange(len(d)) % 5)


def test_columns_left_out_are_left_out_by_lme4_alone():
    given = mb.Model("y ~ kind*g + (1 | h)", empty_cell())
    assert given.design.mu.left_out == ("kind[b]:g[c]",)
    assert given.notes == given.design.notes
    assert "lmer(y ~ 1 + kind + g + kind:g + (1 | h), data = data)" in given.code("lme4")
    assert "mb.Model('y ~ kind*g + (1 | h)', data)" in given.code("pymc")
    with pytest.raises(ModelError, match=r"kind\[b\]:g\[c\] is left out here.*brms would"):
        given.code("brms")
    assert "kind_b_g_c" not in given.code("bambi")
    with pytest.raises(ModelError, match="lme4 would keep"):
        mb.Model("y ~ x + (x + I(2*x) | h)", empty_cell()).code("lme4")


def test_priors_at_the_means_have_columns_at_the_means_in_brms():
    """Products of categories and numbers, and powers; two factors with other means."""
    data = counts().assign(z=lambda d: d["x"] ** 2 + 3)
    text = mb.Model("x ~ kind*z + I(z**2) + (kind + z | g)", data).code("brms")
    made = dict(re.findall(r"data\$(\w+) <- with\(data, (.*)\)\n", text))
    assert made["kind_b"] == '1 * (kind == "b")'
    assert made["kind_b_at_means"] == '(kind == "b") - 0.333333333333'
    assert made["I_z_2_at_means"].startswith("(z ^ 2) - ")
    assert made["kind_b_z_at_means"].startswith('(kind == "b") * z - ')
    left = "x ~ 1 + kind_b + kind_c + z + I_z_2_at_means + kind_b_z_at_means + kind_c_z_at_means"
    assert f"{left} + (1 + kind_b_at_means + kind_c_at_means + z_at_means | g)" in text
    coefs = re.findall(r'class = "b", coef = "(\w+)"', text)
    assert set(coefs) == set(left.removeprefix("x ~ 1 + ").split(" + "))


@pytest.mark.parametrize(
    ("response", "family", "count"),
    [("y | weights(w)", "poisson", "w"), ("y | trials(m)", "binomial", "m")],
)
def test_where_rows_count_otherwise_brms_has_the_means_in_its_columns(response, family, count):
    """brms's class Intercept is at means in which all rows are alike."""
    data = counts()
    text = mb.Model(f"{response} ~ x*t + (1 | g)", data, family=family).code("brms")
    made = dict(re.findall(r"data\$(\w+) <- with\(data, (.*)\)\n", text))
    weight = data[count] / data[count].sum()
    for name, value in made.items():
        column = data.eval(value)
        assert weight @ column == pytest.approx(0, abs=1e-9), name
    assert f"~ 0 + Intercept + {' + '.join(made)} + (1 | g)," in text
    assert 'class = "b", coef = "Intercept")' in text
    assert list(made) == ["x_at_means", "t_at_means", "x_t_at_means"]


def test_thresholds_stand_in_brms_where_their_prior_is():
    data = counts().assign(grade=lambda d: d["y"].clip(2, 5))
    arguments = {"family": "cumulative"}
    text = mb.Model("grade ~ x", data, **arguments).code("brms")
    assert "  grade ~ 1 + x,\n" in text
    at_zero = {"thresholds": mb.Normal(0, 3)}
    text = mb.Model("grade ~ x", data, priors=at_zero, **arguments).code("brms")
    assert "  bf(grade ~ 1 + x, center = FALSE),\n" in text
    text = mb.Model("grade | weights(w) ~ x", data, **arguments).code("brms")
    assert "  bf(grade | weights(w) ~ 1 + x_at_means, center = FALSE),\n" in text
    text = mb.Model("grade | weights(w) ~ x", data, priors=at_zero, **arguments).code("brms")
    assert "  bf(grade | weights(w) ~ 1 + x, center = FALSE),\n" in text


@pytest.mark.parametrize(
    ("grades", "family", "said"),
    [
        ([1, 2, 3, 4], "cumulative", ""),
        ([2, 3, 5, 6], "sratio", "factor(data$grade, levels = c(2, 3, 5, 6), ordered = TRUE)"),
        ([1.0, 2.0, 4.0, 2.0], "acat",
         "factor(data$grade, levels = c(1, 2, 4), ordered = TRUE)"),
        (pd.Categorical(list("bacb"), ["c", "unused", "b", "a"], ordered=True), "cumulative",
         'factor(data$grade, levels = c("c", "b", "a"), ordered = TRUE)'),
        (pd.Categorical(["yes", "no"] * 2, ["yes", "no"]), "bernoulli",
         'factor(data$grade, levels = c("yes", "no"))'),
        ([0, 1, 1, 0], "bernoulli", ""),
        ([True, False] * 2, "bernoulli", ""),
    ],
)  # fmt: skip
def test_categories_are_those_of_the_model_in_brms(grades, family, said):
    """brms counts whole numbers from 1, and has texts in the alphabet's order."""
    data = counts().iloc[:4].assign(grade=grades)
    data = pd.concat([data] * 5, ignore_index=True)
    text = mb.Model("grade ~ x", data, family=family).code("brms")
    line = [row.partition(" <- ")[2] for row in text.splitlines() if row.startswith("data$grade")]
    assert "".join(line) == said


def test_columns_of_polynomials_in_brms():
    """A product with one, whose prior is at the means, is a column that R makes."""
    text = mb.Model("y ~ poly(x, 2)*t + (1 | g)", counts()).code("brms")
    made = dict(re.findall(r"data\$(\w+) <- with\(data, (.*)\)\n", text))
    assert made["poly_x_2_1"] == "poly(x, 2)[, 1]"
    assert made["poly_x_2_2_t_at_means"].startswith("poly(x, 2)[, 2] * t ")
    assert "[1]" not in text


def test_a_flat_intercept_is_not_given_the_slopes_prior_in_brms():
    text = model(priors={"Intercept": mb.Flat(), "fixef": mb.Normal(0, 9)}).code("brms")
    assert 'set_prior("normal(0, 9)", class = "b", coef = "Days")' in text
    assert '"Intercept"' not in text.replace('group = "Subject", coef = "Intercept"', "")


def test_levels_are_texts_in_r():
    data = counts().assign(kind=lambda d: d["kind"].map({"a": "a", "b": 'b"\\', "c": "c:d"}))
    text = mb.Model("y ~ x*kind", data).code("brms")
    assert 'data$kind_c_d <- with(data, 1 * (kind == "c:d"))' in text
    assert r'with(data, 1 * (kind == "b\"\\"))' in text


def test_families_and_responses_in_brms():
    text = mb.Model("y | trials(n) ~ x + (1 | g)", counts(), family="binomial").code("brms")
    assert "y | trials(n) ~ 1 + x + (1 | g)," in text
    assert 'binomial(link = "logit")' in text
    text = mb.Model("y ~ x + (1 | g)", counts(), family="negative_binomial").code("brms")
    assert 'set_prior("inv_gamma(0.4, 0.3)", class = "shape")' in text
    with pytest.raises(ModelError, match="brms's count a row several times"):
        mb.Model("y | weights(n) ~ x + (1 | g)", counts()).code("brms")


def test_further_formulas_in_brms():
    """Checked with brms's own `validate_prior` and `make_stancode`."""
    data = counts().assign(z=lambda d: d["x"] ** 2 + 3)
    formulas = ["y ~ x + (x | p | g)", "zi ~ kind + z + offset(x) + (z | p | g) + (1 | t)"]
    text = mb.Model(formulas, data, family="zero_inflated_poisson").code("brms")
    assert (
        "  bf(\n"
        "    y ~ 1 + x + (1 + x_at_means | p | g),\n"
        "    zi ~ 1 + kind + z + offset(x) + (1 | t) + (1 + z_at_means | p | g)\n"
        "  ),\n"
    ) in text
    for line in (
        'set_prior("normal(0, 2.5)", class = "Intercept", dpar = "zi")',
        'class = "b", dpar = "zi", coef = "kindb")',
        'set_prior("exponential(1)", class = "sd", group = "t", dpar = "zi")',
        'class = "sd", group = "g", dpar = "zi", coef = "z_at_means")',
        'set_prior("lkj(2)", class = "cor", group = "g")',
    ):
        assert line in text
    assert text.count("lkj") == 1
    assert text.count("data$z_at_means <- with(data, z - ") == 1
    at_zero = {"zi": {"Intercept": mb.Normal(0, 1), "fixef": mb.Normal(0, 2)}}
    other = mb.Model(["y ~ 1", "zi ~ x"], data, family="zero_inflated_poisson", priors=at_zero)
    text = other.code("brms")
    assert "    zi ~ 0 + Intercept + x\n" in text
    assert 'set_prior("normal(0, 1)", class = "b", coef = "Intercept", dpar = "zi")' in text


def test_columns_at_other_means_of_a_further_formula_have_their_own_names_in_brms():
    formulas = ["y ~ x*kind + (1 | g)", "shape ~ kind*t + kind:x + x"]
    text = mb.Model(formulas, counts(), family="negative_binomial").code("brms")
    made = dict(re.findall(r"data\$(\w+) <- with\(data, (.*)\)\n", text))
    assert {"x_kind_b_at_means", "kind_b_x_at_means", "kind_b"} <= made.keys()
    first, second = (line for line in text.splitlines() if " ~ " in line)
    assert all(name in text for name in made)
    assert "x_kind_b_at_means" in first
    assert "kind_b_x_at_means" in second


def test_discrimination_in_brms_has_no_intercept():
    data = counts().assign(grade=lambda d: d["y"].clip(2, 5))
    text = mb.Model(["grade ~ x", "disc ~ kind"], data, family="cumulative").code("brms")
    assert "  bf(\n    grade ~ 1 + x\n  ) + lf(disc ~ 0 + kind, cmc = FALSE),\n" in text
    assert 'class = "b", dpar = "disc")' in text
    text = mb.Model(["grade ~ x", "disc ~ 0 + x"], data, family="cumulative").code("brms")
    assert "    disc ~ 0 + x\n" in text


def test_what_brms_and_lme4_have_not_of_further_formulas_is_refused():
    data = counts()
    with pytest.raises(ModelError, match="brms's links of nu are logm1 and identity"):
        mb.Model(["x ~ 1", "nu ~ t"], data, family="student_t").code("brms")
    several = {"cor": mb.LKJ(1), "sigma": {"cor": mb.LKJ(4)}}
    given = mb.Model(["x ~ t + (t | g)", "sigma ~ t + (t | g)"], data, priors=several)
    with pytest.raises(ModelError, match=r"one prior for all correlations over g.*LKJ.*LKJ"):
        given.code("brms")
    with pytest.raises(ModelError, match="lme4 has formulas of the mean alone, and sigma has one"):
        given.code("lme4")
    with pytest.raises(ModelError, match="`pymc` is the PyMC model of any other"):
        given.code("pymc")


# ---- PyMC ---------------------------------------------------------------------------------------


def test_pymc_code_makes_the_model():
    given = model("Reaction ~ Days + (Days || Subject)")
    space = {"data": mb.load_data("sleepstudy")}
    exec(given.code("pymc"), space)
    made = space["pymc_model"]
    assert {v.name for v in made.free_RVs} == {
        *("fixef", "Intercept_at_means", "sd_Subject", "u_Subject", "sigma")
    }
    own = given.build(mb.NonCentered())
    point = own.initial_point(random_seed=1)
    theirs = {**point, "u_Subject": point["u_ranef_Subject"]}
    del theirs["u_ranef_Subject"]
    assert float(made.compile_logp(mode="FAST_COMPILE")(theirs)) == pytest.approx(
        float(own.compile_logp(mode="FAST_COMPILE")(point)), rel=1e-10
    )


def test_pymc_code_of_other_families_is_the_model_itself():
    with pytest.raises(ModelError, match="`pymc` is the PyMC model of any other"):
        mb.Model("y ~ x + (1 | g)", counts(), family="poisson").code("pymc")


# ---- Bambi --------------------------------------------------------------------------------------

CASES = {
    "slopes": ("Reaction ~ Days + (Days || Subject)", "gaussian", None),
    "at zero": (
        "Reaction ~ Days + (1 | Subject)",
        "student_t",
        {"Intercept": mb.Normal(250, 100), "sd": mb.HalfStudentT(3, 20)},
    ),
    "categories": ("y ~ x + kind + (1 | g)", "negative_binomial", None),
    "trials": ("y | trials(m) ~ x + kind + (0 + x | g)", "binomial", None),
    "products": ("hit ~ x*kind + I(x**2) + flag + scale(t)", "bernoulli", None),
    "one prior given": ("y ~ x*kind", "poisson", {"fixef": {"x:kind[b]": mb.Normal(1, 2)}}),
    "at zero, by columns": ("y ~ x*kind", "poisson", {"Intercept": mb.Normal(0, 2)}),
    "kinds of priors": ("y ~ kind", "poisson", {"fixef": {"kind[b]": mb.StudentT(3, 0, 1)}}),
    "all levels": ("y ~ 0 + kind + center(`odd name`) + x:flag + (0 + flag | g)", "poisson", None),
    "functions": ("y ~ log1p(t) + I(t % 3 > 1) + I(-x / 2) + (0 + sqrt(t) | g)", "poisson", None),
    "categories vary": ("y ~ C(t) + I(x + x) + (kind || g) + (x || g:kind)", "poisson", None),
    "a column left out": ("y ~ x + I(2*x) + offset(log(t + 1)) + offset(x / 2)", "poisson", None),
    "weights": ("y | weights(w) ~ x*kind + (1 | g)", "poisson", None),
    "weights, at zero": ("y | weights(w) ~ x", "poisson", {"Intercept": mb.Normal(0, 2)}),
    "sigma": (["x ~ t + (1 | g)", "sigma ~ kind + (t || g)"], "gaussian", None),
    "zi, at zero": (
        ["y | trials(n) ~ x", "zi ~ x + offset(x) + (1 | g)"],
        "zero_inflated_binomial",
        {"zi": {"Intercept": mb.Normal(-1, 2), "fixef": {"x": mb.StudentT(4, 1, 2)}}},
    ),
    "a hurdle": ("y ~ x", "hurdle_gamma", {"hu": mb.Uniform(0.1, 0.8)}),
    "zi by probit": (
        ["y | trials(n) ~ x", "zi ~ x"],
        mb.families.ZeroInflatedBinomial(links={"zi": "probit"}),
        None,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bambis_model_has_the_same_log_density(case):
    bambi = pytest.importorskip("bambi", minversion="0.21", reason="needs the extra: bambi")
    formula, family, priors = CASES[case]
    data = mb.load_data("sleepstudy") if "Reaction" in formula else counts()
    data = data.assign(age=np.arange(len(data)) % 7.0)
    ours = mb.Model(formula, data, family=family, priors=priors)
    space = {"data": data}
    exec(ours.code("bambi"), space)
    own = ours.build(mb.NonCentered())
    point = _shaken(own.initial_point(random_seed=1))
    expected = float(own.compile_logp(mode="FAST_COMPILE")(point))
    theirs = space["model"]
    theirs.build()
    there = _as_bambi(ours, theirs, point)
    made = theirs.backend.model
    assert set(there) == set(made.initial_point())
    assert float(made.compile_logp(mode="FAST_COMPILE")(there)) == pytest.approx(expected, rel=1e-8)
    same = ours.to_bambi()
    assert isinstance(same, bambi.Model)
    assert str(same) == str(theirs)
    made = [c for c in theirs.data if c not in data]
    assert set(made) <= set(same.data)
    for column in made:
        np.testing.assert_allclose(same.data[column], theirs.data[column], rtol=1e-12, atol=1e-12)


def _shaken(point):
    rng = np.random.default_rng(3)
    return {name: np.asarray(v + 0.1 * rng.normal(size=np.shape(v))) for name, v in point.items()}


def _as_bambi(ours, theirs, point):
    """The same point under Bambi's names."""
    out, elsewhere = {}, ours.family.elsewhere
    for predictor in ours.design.predictors:
        p = predictor.parameter
        their = theirs.family.likelihood.parent if p == "mu" else elsewhere.bambi_parameters[p]
        sign = -1.0 if p in elsewhere.bambi_rest else 1.0
        out |= _predictor_as_bambi(ours, theirs, point, p, theirs.parameters[their], sign)
    renamed = {"shape_log__": "alpha_log__", "sigma_log__": "sigma_log__", "nu_log__": "nu_log__"}
    out |= {theirs: point[own] for own, theirs in renamed.items() if own in point}
    if "hu_interval__" in point:
        out["psi_interval__"] = -point["hu_interval__"]
    return out


def _predictor_as_bambi(ours, theirs, point, p, component, sign):
    mu, priors, out = ours.design.predictor(p), ours.spec.priors.predictor(p), {}
    prefix, theirs_prefix = names.prefix(p), "" if p == "mu" else f"{component.name}_"
    slopes = sign * np.hstack([point[k] for k in point if k.startswith(f"{prefix}fixef")] or [[]])
    if mu.intercept:
        centre = sign * next(v for k, v in point.items() if k.startswith(f"{prefix}Intercept"))
        # Bambi's Intercept is where its prior is: at the means, at zero, or at columns of means.
        at_means = priors.intercept_at_means or f"{prefix}Intercept" in point
        T = np.eye(len(slopes)) if priors.population is None else priors.population.T
        out[f"{theirs_prefix}Intercept"] = centre if at_means else centre - mu.means @ T @ slopes
    shapes, at = theirs.backend.model.initial_point(), 0
    for name in component.common_terms:
        size = shapes[theirs_prefix + name].size
        value = slopes[at : at + size]
        out[theirs_prefix + name] = np.reshape(value, shapes[theirs_prefix + name].shape)
        at += size
    groups = iter(component.group_specific_terms)
    for g in mu.groups:
        own = prefix + g.name.replace(":", "_")
        sd = next(k for k in point if k.startswith(f"sd_{own}"))
        for k in range(len(g.terms)):
            name = theirs_prefix + next(groups)
            out[f"{name}_sigma_log__"] = point[sd][k]
            out[f"{name}_offset"] = sign * point[f"u_ranef_{own}"][:, k]
    return out


@pytest.mark.parametrize(
    ("formula", "data", "family", "message"),
    [
        (SLEEP, "sleepstudy", "gaussian", "Bambi has no correlations between group effects"),
        ("Reaction ~ poly(Days, 2)", "sleepstudy", "gaussian", "'poly.*' are not written with Num"),
        (
            "Reaction ~ I(round(Days))",
            "sleepstudy",
            "gaussian",
            r"round\(\) is not written with Num",
        ),
        ("Reaction ~ Days", "sleepstudy", "lognormal", "the lognormal family is not written"),
        ("log(Reaction) ~ Days", "sleepstudy", "gaussian", "must be a column of its own"),
        ("Reaction | weights(Days + 1) ~ 1", "sleepstudy", "gaussian", "has weights that count"),
        (
            ["Reaction ~ 1 + (1 | p | Subject)", "sigma ~ 1 + (1 | p | Subject)"],
            "sleepstudy",
            "gaussian",
            r"no correlations between effects on several.*\(Intercept, sigma_Intercept\)",
        ),
        (
            ["Reaction ~ 1", "sigma ~ Days + (Days | Subject)"],
            "sleepstudy",
            "gaussian",
            "Bambi has no correlations between group effects",
        ),
    ],
)
def test_what_bambi_cannot_express_is_refused(formula, data, family, message):
    with pytest.raises(ModelError, match=message):
        model(formula, data, family=family).code("bambi")


@pytest.mark.parametrize("target", ["lme4", "glmmTMB", "brms", "bambi", "pymc"])
def test_functions_of_ones_own_are_not_taken_for_those_of_the_same_name(target):
    given = mb.Model("y ~ log(t)", counts(), functions={"log": np.log1p})
    with pytest.raises(ModelError, match=r"own function log\(\): make its result a column"):
        given.code(target)


@pytest.mark.parametrize(
    "kind", [pd.Categorical, lambda v: pd.Categorical(v, ["yes", "no"], ordered=True)]
)
def test_bambi_has_the_probability_of_the_same_category(kind):
    """Bambi's own choice is the first in the alphabet."""
    data = counts().iloc[:6].assign(won=kind(["yes", "no", "yes", "yes", "no", "no"]))
    model = mb.Model("won ~ x", data, family="bernoulli")
    theirs = model.to_bambi()
    last = model.spec.design.response_levels[-1]
    found = theirs.data[f"won_{last}"]
    np.testing.assert_array_equal(found, model.spec.design.y)
    assert f"'won_{last}': 1.0 * (data['won'].astype(str) == '{last}')," in model.code("bambi")
    assert f"won_{last}" in theirs.formula.main.partition("~")[0]


def test_other_targets_are_refused():
    with pytest.raises(
        ModelError, match="use one of 'lme4', 'glmmTMB', 'mgcv', 'brms', 'bambi', 'pymc'"
    ):
        model().code("stan")


@pytest.mark.parametrize("response", ["y | trunc(lower=0.1)", "y | cens(c)"])
def test_bambi_is_not_made_of_limited_responses(response):
    data = pd.DataFrame({"y": [1.0, 2.5, 0.4], "x": [0.0, 1.0, 0.5], "c": [0, 1, 0]})
    with pytest.raises(ModelError, match=r"to_bambi\(\) has no (trunc|cens).*code\('brms'\) has"):
        mb.Model(f"{response} ~ x", data).to_bambi()


@pytest.mark.parametrize(
    ("bar", "said"),
    [
        ("ar1(visit | id)", r'nearest to it is residual="ar1\(visit \| g\)"'),
        ("ou(time | id)", r'nearest to it is gp\(time, by = g, cov = "exponential"'),
    ],
)
def test_what_brms_has_in_the_place_of_effects_in_chains(bar, said):
    with pytest.raises(ModelError, match=said):
        mb.Model(f"y ~ x + {bar}", visits(groups=12, drop=0)).code("brms")
