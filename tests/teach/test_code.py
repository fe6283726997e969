"""Models as code for other packages."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.errors import ModelError
from mixedbayes.formula import parse_expression
from mixedbayes.teach import brms_code
from mixedbayes.teach.r_formula import r_name, r_text

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
        "data$dose <- factor(data$dose, ordered = FALSE)",
        "data$`odd flag` <- as.numeric(data$`odd flag`)",
        "lmer(y ~ 0 + `odd flag` + dose + (0 + `odd flag` | g) + (1 | year), data = data)",
    ]
    code = mb.Model("y ~ x + year + (0 + I(x > 0) | g)", coded()).code("brms")
    assert "data$year <- factor(data$year)\nbrm(" in code
    assert "(0 + I(1 * (x > 0)) | g)" in code
    assert "data$" not in mb.Model("y ~ x + (x | g)", coded()).code("lme4")


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


def test_a_column_with_an_odd_name_can_be_renamed_for_brms():
    data = mb.load_data("sleepstudy").rename(columns={"Days": "my days"})
    with pytest.raises(ModelError, match=r"'my days' is not known.*whose name has letters"):
        mb.Model(
            "Reaction ~ `my days` + (`my days` | Subject)", data, priors={"cor": mb.LKJ(2)}
        ).code("brms")
    text = mb.Model("Reaction ~ `my days` + (`my days` | Subject)", data).code("brms")
    assert "data$my_days_at_means <- with(data, `my days` - 4.5)\n" in text


def empty_cell():
    data = counts()
    return data[~((data.kind == "b") & (data.g == "c"))].assign(h=lambda d: np.arange(len(d)) % 5)


def test_columns_left_out_are_left_out_by_lme4_alone():
    given = mb.Model("y ~ kind*g + (1 | h)", empty_cell())
    assert given.design.mu.left_out == ("kind[b]:g[c]",)
    assert given.notes == given.design.notes
    assert "lmer(y ~ 1 + kind + g + kind:g + (1 | h), data = data)" in given.code("lme4")
    assert "mb.Model('y ~ kind*g + (1 | h)', data)" in given.code("pymc")
    for target, name in (("brms", "brms"), ("bambi", "Bambi")):
        with pytest.raises(ModelError, match=rf"kind\[b\]:g\[c\] is left out here.*{name} would"):
            given.code(target)
    with pytest.raises(ModelError, match="Bambi would keep it"):
        given.to_bambi()
    with pytest.raises(ModelError, match="lme4 would keep"):
        mb.Model("y ~ x + (x + I(2*x) | h)", empty_cell()).code("lme4")


def test_priors_at_the_means_have_columns_at_the_means_in_brms():
    """Products of categories and numbers, and powers; two factors with other means."""
    data = counts().assign(z=lambda d: d["x"] ** 2 + 3)
    text = mb.Model("x ~ kind*z + I(z**2) + (kind + z | g)", data).code("brms")
    made = dict(re.findall(r"data\$(\w+) <- with\(data, (.*)\)\n", text))
    assert made["kind_b"] == '(kind == "b")'
    assert made["kind_b_at_means"] == '(kind == "b") - 0.333333333333'
    assert made["I_z_2_at_means"].startswith("(z ^ 2) - ")
    assert made["kind_b_z_at_means"].startswith('(kind == "b") * z - ')
    left = "x ~ 1 + kind_b + kind_c + z + I_z_2_at_means + kind_b_z_at_means + kind_c_z_at_means"
    assert f"{left} + (1 + kind_b_at_means + kind_c_at_means + z_at_means | g)" in text
    coefs = re.findall(r'class = "b", coef = "(\w+)"', text)
    assert set(coefs) == set(left.removeprefix("x ~ 1 + ").split(" + "))


def test_families_and_responses_in_brms():
    text = mb.Model("y | trials(n) ~ x + (1 | g)", counts(), family="binomial").code("brms")
    assert "y | trials(n) ~ 1 + x + (1 | g)," in text
    assert 'binomial(link = "logit")' in text
    text = mb.Model("y ~ x + (1 | g)", counts(), family="negative_binomial").code("brms")
    assert 'set_prior("inv_gamma(0.4, 0.3)", class = "shape")' in text
    with pytest.raises(ModelError, match="brms's count a row several times"):
        mb.Model("y | weights(n) ~ x + (1 | g)", counts()).code("brms")


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
        "gaussian",
        {"Intercept": mb.Normal(250, 100), "sd": mb.HalfStudentT(3, 20)},
    ),
    "categories": ("y ~ x + kind + (1 | g)", "poisson", None),
    "dispersed": ("y ~ x + (1 | g)", "negative_binomial", None),
    "trials": ("y | trials(n) ~ x + kind + (0 + x | g)", "binomial", None),
    "outcomes": ("hit ~ x + (1 | g)", "bernoulli", None),
    "heavy tails": ("Reaction ~ Days + (1 | Subject)", "student_t", None),
}


@pytest.mark.parametrize("case", CASES)
def test_bambis_model_has_the_same_log_density(case):
    pytest.importorskip("bambi", minversion="0.21", reason="needs the extra: bambi")
    formula, family, priors = CASES[case]
    data = mb.load_data("sleepstudy") if formula.startswith("Reaction") else counts()
    ours = mb.Model(formula, data, family=family, priors=priors)
    theirs = ours.to_bambi()
    theirs.build()
    made, own = theirs.backend.model, ours.build(mb.NonCentered())
    point = _shaken(own.initial_point(random_seed=1))
    there = _as_bambi(ours, point)
    assert set(there) == set(made.initial_point())
    assert float(made.compile_logp(mode="FAST_COMPILE")(there)) == pytest.approx(
        float(own.compile_logp(mode="FAST_COMPILE")(point)), rel=1e-8
    )


def _shaken(point):
    rng = np.random.default_rng(3)
    return {name: np.asarray(v + 0.1 * rng.normal(size=np.shape(v))) for name, v in point.items()}


def _as_bambi(ours, point):
    """The same point under Bambi's names."""
    mu, out = ours.design.mu, {}
    at_means = ours.spec.priors.mu.intercept_at_means
    slopes = dict(zip(mu.terms, point["fixef"], strict=True))
    centre = point["Intercept_at_means"]
    # An intercept with a prior at zero is sampled there by Bambi.
    out["Intercept"] = centre if at_means else centre - mu.X.mean(axis=0) @ point["fixef"]
    for term, value in slopes.items():
        base = term.split("[")[0]
        out[base] = np.append(out.get(base, []), value) if "[" in term else value
    for g in mu.groups:
        sd = next(k for k in point if k.startswith(f"sd_{g.name}"))
        for k, term in enumerate(g.terms):
            name = f"{'1' if term == 'Intercept' else term}|{g.name}"
            out[f"{name}_sigma_log__"] = point[sd][k]
            out[f"{name}_offset"] = point[f"u_ranef_{g.name}"][:, k]
    renamed = {"shape_log__": "alpha_log__", "sigma_log__": "sigma_log__", "nu_log__": "nu_log__"}
    out |= {theirs: point[own] for own, theirs in renamed.items() if own in point}
    return out


def test_bambis_code_makes_what_to_bambi_does():
    pytest.importorskip("bambi", minversion="0.21", reason="needs the extra: bambi")
    ours = model("Reaction ~ Days + (Days || Subject)")
    space = {"data": mb.load_data("sleepstudy")}
    exec(ours.code("bambi"), space)
    assert str(space["model"]) == str(ours.to_bambi())


@pytest.mark.parametrize(
    ("formula", "data", "family", "message"),
    [
        (SLEEP, "sleepstudy", "gaussian", "Bambi has no correlations between group effects"),
        ("Reaction ~ log(Days + 1)", "sleepstudy", "gaussian", "what Bambi calls the columns of"),
        ("score ~ 1 + (0 + Machine || Worker)", "machines", "gaussian", "varies over Worker; for"),
        ("Reaction ~ Days", "sleepstudy", "lognormal", "the lognormal family is not written"),
        ("log(Reaction) ~ Days", "sleepstudy", "gaussian", "must be a column of its own"),
        ("Reaction ~ Days + offset(Days)", "sleepstudy", "gaussian", "offset"),
    ],
)
def test_what_bambi_cannot_express_is_refused(formula, data, family, message):
    with pytest.raises(ModelError, match=message):
        model(formula, data, family=family).code("bambi")


def test_other_targets_are_refused():
    with pytest.raises(ModelError, match="use one of 'lme4', 'brms', 'bambi', 'pymc'"):
        model().code("stan")
