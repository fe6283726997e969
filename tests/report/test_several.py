"""Reports, checks in words and methods sections of several responses."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.errors import ModelError
from mixedbayes.report.equations import model_equations
from mixedbayes.report.mathml import mathml

FORMULAS = [
    "mv(weight, height) ~ age + arm + (1 | p | child) + (1 | school)",
    "height ~ age + (1 | p | child)",
]


def frame(n=72):
    rng = np.random.default_rng(8)
    d = pd.DataFrame({"child": np.arange(n) % 12, "age": rng.uniform(2, 9, n).round(2)})
    d["arm"], d["school"] = np.where(d["child"] % 2, "a", "b"), np.arange(n) % 7
    b, e = rng.normal(size=(12, 2)), rng.normal(size=(n, 2))
    d["weight"] = 3 + 2 * d["age"] + b[d["child"], 0] + e[:, 0]
    d["height"] = 60 + 6 * d["age"] + 3 * b[d["child"]].sum(1) + 2 * (e[:, 0] + e[:, 1])
    d["sick"] = np.where(rng.uniform(size=n) < 0.4, "yes", "no")
    d.loc[[3, 8], "weight"] = np.nan
    return d


@pytest.fixture(scope="module")
def fit():
    return mb.fit(FORMULAS, frame(), draws=100, tune=100, chains=2, seed=1, progress=False)


def test_equations_have_every_response_and_what_they_share():
    latex = model_equations(mb.Model(FORMULAS, frame()).spec)
    mathml(latex)
    lines = latex.split("\\\\\n")
    assert r"\mathrm{weight}_i &\sim \mathcal{N}(\mu_{\mathrm{weight},\,i}" in lines[0]
    assert sum(r"\beta^{\mathrm{height}}_{\mathrm{age}}" in line for line in lines) == 1
    together = [line for line in lines if r"D_{\mathrm{child}} R_{\mathrm{child}}" in line]
    assert len(together) == 1
    for name in ("weight", "height"):
        effect = rf"\gamma^{{\mathrm{{{name}}}\,\mathrm{{child}}}}_{{\mathrm{{Intercept}},\,j}}"
        assert effect in together[0]
    assert sum(r"\left(0,\, D R D\right)" in line for line in lines) == 1
    mixed = {"weight": "gaussian", "sick": "bernoulli"}
    formula = "mv(weight, sick, rescor=False) ~ age + (1 | p | child)"
    latex = model_equations(mb.Model(formula, frame(), family=mixed).spec)
    assert r"\mathrm{logit}(\mu_{\mathrm{sick},\,i})" in latex
    assert r"\mathrm{Bernoulli}(\mu_{\mathrm{sick},\,i})" in latex
    own = "sigma ~ age + (1 | p | child)"
    latex = model_equations(mb.Model([formula, own], frame(), family=mixed).spec)
    (together,) = (line for line in latex.split("\\\\\n") if r"_{\mathrm{child}} R_" in line)
    assert together.count(r"\gamma") == 3
    assert together.count(r"\gamma^{(\sigma)\,\mathrm{weight}\,\mathrm{child}}") == 1


def test_a_methods_section_describes_every_response(fit):
    text = fit.methods()
    assert "weight and height were modelled together by a Bayesian linear mixed model" in text
    assert "The mean of weight is the sum of an intercept, the population effects" in text
    assert "The mean of height is the sum of an intercept, the population effect of age" in text
    assert "The effects over child on weight and height are correlated with each other" in text
    assert "The residuals of weight and height in one row are correlated" in text
    assert "fitted to 72 rows of data with 142 responses, in which 2 responses are missing" in text
    assert text.count("Categories are coded") == 1
    assert r"\mathcal{N}" in fit.methods("latex")


def test_checks_are_of_every_response_and_of_all(fit):
    found = fit.check(order=frame()["age"])
    titles = [f.title for f in found.findings]
    for name in ("weight", "height"):
        assert f"{name}: Residuals against fitted" in titles
        assert f"{name}: Collinearity" in titles
    assert "along age" in found.findings[titles.index("weight: Autocorrelation")].said
    assert titles.count("Prior sensitivity") == 1
    assert len(set(titles)) == len(titles)
    levels = found.tables["Levels"].set_index("group")
    assert list(levels.loc["child", ["fewest", "most"]]) == [6, 6]
    influential = found.tables["Influential observations"]
    assert len(influential) == 72
    with pytest.raises(ModelError, match=r"fit\.response\('weight'\)\.plot_check"):
        fit.plot_check()
    assert fit.response("height").plot_check() is not None


def test_a_report_has_pictures_of_every_response(fit, tmp_path):
    text = fit.report(tmp_path / "fit.html").read_text(encoding="utf-8")
    for name in ("weight", "height"):
        for title in ("age: means", "Residuals against fitted", "child: Intercept"):
            assert f">{name}: {title}</option>" in text
    assert "72 rows with 142 responses" in text
    assert text.count("<math ") >= 1
    assert "Bernoulli" not in text


def test_a_table_for_a_paper_has_the_shares_of_each_response(fit):
    text = str(fit.table(fit_statistics=["rows", "icc", "r2"]))
    for row in ("Rows", "Responses", "ICC, child, weight", "R², marginal, height"):
        assert f"  {row} " in text
    assert "Left out" not in text


def test_simulated_responses_keep_the_curves_of_the_fit():
    """New groups have new effects; a smooth is of the population, and stays."""
    rng = np.random.default_rng(1)
    d = frame(120).assign(age=rng.uniform(0, 6, 120))
    d["weight"] = 5 * np.sin(d["age"]) + rng.normal(size=120) * 0.2
    for formula in ("weight ~ s(age)", "mv(weight, height) ~ s(age)"):
        fit = mb.fit(formula, d, draws=100, tune=100, chains=1, seed=1, progress=False)
        for seed in (1, 2, 3):
            made = fit.simulate(seed=seed)
            assert np.corrcoef(made["weight"], np.sin(made["age"]))[0, 1] > 0.98


def test_tables_of_each_response_name_the_one_that_has_none():
    formulas = ["mv(weight, height) ~ age + (1 | child)", "height ~ age"]
    fit = mb.fit(formulas, frame(), draws=100, tune=100, chains=1, seed=1, progress=False)
    said = r"height: .*fit\.response\('weight'\)\.icc"
    with pytest.raises(ModelError, match=said):
        fit.icc()
    assert set(fit.r2()["response"]) == {"weight", "height"}
    own = fit.response("weight").shrinkage()
    assert len(own) == 12
