"""Predictors of a factor's levels stand in the equations of the levels' coefficients."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.teach import code, equations, run
from mixedbayes.teach.context import Coefficient, Predictor, coefficients, context

GPA = mb.load_data("gpa").head(180)
FORMS = {form.key: form for form in run.FORMS if form.key in ("1a", "1b", "2")}


def written(formula, data=GPA):
    """Model, context, and equation and code of the forms about one factor."""
    model = mb.Model(formula, data)
    c = context(model.spec)
    symbols = equations.Symbols(c)
    forms = {key: (form.equation(symbols), form.code(c)) for key, form in FORMS.items()}
    return model, c, forms


def summary(c):
    """Of each coefficient: its predictors, and whether it varies."""
    return {k.term: ([p.name for p in k.predictors], k.varies) for k in c.coefficients}


CASES = {
    "gpa ~ occasion + (1 | student)": {"Intercept": ([], True)},
    "gpa ~ occasion + sex + (1 | student)": {"Intercept": (["sex[female]"], True)},
    "gpa ~ occasion*sex + (1 | student)": {
        "Intercept": (["sex[female]"], True),
        "occasion": (["sex[female]"], False),
    },
    "gpa ~ occasion*sex + (occasion | student)": {
        "Intercept": (["sex[female]"], True),
        "occasion": (["sex[female]"], True),
    },
    "gpa ~ sex:occasion + highgpa + (occasion || student)": {
        "Intercept": (["highgpa"], True),
        "occasion": (["sex[male]", "sex[female]"], True),
    },
    "gpa ~ occasion*sex + (0 + occasion | student)": {
        "occasion": (["sex[female]"], True),
        "Intercept": (["sex[female]"], False),
    },
    "gpa ~ 0 + sex + occasion + (occasion | student)": {
        "Intercept": (["sex[male]", "sex[female]"], True),
        "occasion": ([], True),
    },
    "gpa ~ occasion*sex*highgpa + (occasion | student)": {
        "Intercept": (["sex[female]", "highgpa", "sex[female]:highgpa"], True),
        "occasion": (["sex[female]", "highgpa", "sex[female]:highgpa"], True),
    },
    "gpa ~ occasion + I(occasion*highgpa) + (occasion | student)": {
        "Intercept": ([], True),
        "occasion": (["I(occasion*highgpa) / occasion"], True),
    },
    "gpa ~ occasion*job + sex + offset(highgpa) + (occasion | student) + (1 | occas)": {
        "Intercept": (["sex[female]"], True),
        "occasion": ([], True),
    },
}


@pytest.mark.parametrize(("formula", "expected"), CASES.items())
def test_what_belongs_to_the_levels(formula, expected):
    model, c, forms = written(formula)
    assert summary(c) == expected
    start = code.setup(c)
    for equation, text in forms.values():
        left, right = run.execute(start, text, model)
        size = max(1.0, np.abs(right).max())
        np.testing.assert_allclose(left, right, rtol=0, atol=1e-9 * size)
        assert equation.count("{") == equation.count("}")
        assert equation.count(r"\left") - equation.count(r"\leftarrow") == equation.count(r"\right")


def test_the_lines_of_intercepts_and_slopes_as_outcomes():
    _, _, forms = written("gpa ~ occasion*sex + (occasion | student)")
    first, intercept, slope, *_ = forms["1b"][0].splitlines()[1:]
    assert "sex" not in first
    assert first.count(r"\alpha") == 2
    name = r"\,\mathrm{sex[female]}_j"
    assert rf"\beta_{{\mathrm{{Intercept}}}} + \beta_{{\mathrm{{sex[female]}}}}{name}" in intercept
    cross = rf"\beta_{{\mathrm{{occasion}}}} + \beta_{{\mathrm{{occasion:sex[female]}}}}{name}"
    assert cross in slope
    for key in ("1a", "2"):
        assert cross in forms[key][0]
    assert "# occasion by sex[female]" in forms["1a"][1]


def test_a_slope_that_does_not_vary_is_an_outcome_without_error():
    _, _, forms = written("gpa ~ occasion*sex + (1 | student)")
    lines = forms["1b"][0].splitlines()[1:]
    slope = next(line for line in lines if line.startswith(r"\alpha_{\mathrm{occasion}"))
    assert r"\mathrm{sex[female]}_j" in slope
    assert r"\gamma" not in slope
    # in form 2 the mean of the one coefficient that varies is a sum in parentheses
    assert r"^{-1} \left(\beta_{\mathrm{Intercept}} + " in forms["2"][0]


def test_coefficients_of_levels_by_hand():
    """alpha_j = beta + beta_sex sex_j + gamma_j, read from the data themselves."""
    model, c, forms = written("gpa ~ occasion*sex + (occasion | student)")
    space = {"model": model}
    exec(code.setup(c), space)
    exec(forms["1a"][1], space)
    female = (GPA.drop_duplicates("student")["sex"] == "female").to_numpy(float)
    beta, gamma = space["beta"], space["gamma_student"]
    np.testing.assert_allclose(space["alpha"][:, 0], beta[0] + beta[2] * female + gamma[:, 0])
    np.testing.assert_allclose(space["alpha"][:, 1], beta[1] + beta[3] * female + gamma[:, 1])


def test_levels_where_a_covariate_is_zero_and_levels_of_one_row():
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"g": np.repeat(np.arange(12), 5), "x": rng.normal(size=60)}).iloc[:57]
    d["x"] = d.x.where(d.g != 3, 0.0)
    d["w"] = rng.normal(size=12)[d.g]
    d["y"] = rng.normal(size=57)
    model, c, forms = written("y ~ x*w + (x | g)", d)
    assert summary(c) == {"Intercept": (["w"], True), "x": (["w"], True)}
    for _, text in forms.values():
        left, right = run.execute(code.setup(c), text, model)
        np.testing.assert_allclose(left, right, atol=1e-9)


def test_level_one_covariates_stay_with_the_rows():
    rng = np.random.default_rng(2)
    d = pd.DataFrame({"g": np.repeat(np.arange(12), 5), "x": rng.normal(size=60)})
    d["w"], d["y"] = rng.normal(size=12)[d.g], rng.normal(size=60)
    d["almost"] = d.w + 1e-3 * rng.normal(size=60)
    g = mb.Model("y ~ w + almost + x + w:x + almost:x + (1 | g)", d).design.mu
    X = np.column_stack([np.ones(60), g.X])
    found = coefficients(g.groups[0], ("Intercept", *g.terms), X)
    assert found == (
        Coefficient("Intercept", 0, True, (Predictor("w", 1),)),
        Coefficient("x", 3, False, (Predictor("w", 4),)),
    )


def test_a_covariate_seen_once_in_each_level_is_not_the_levels():
    """One row of each condition: x at that row is a number of the row."""
    rng = np.random.default_rng(3)
    d = pd.DataFrame({"g": np.repeat(np.arange(20), 2), "f": ["a", "b"] * 20})
    d = d.assign(x=rng.normal(size=40), w=rng.normal(size=20)[d.g], y=rng.normal(size=40))
    _, c, _ = written("y ~ f*x + f*w + (f || g)", pd.concat([d, d.assign(y=d.y + 1, x=-d.x)]))
    assert summary(c) == {"Intercept": (["w"], True), "f[b]": (["w"], True)}
    found = coefficients(*_parts_of(mb.Model("y ~ f*x + f*w + (1 | g)", d)))
    assert {k.term: [p.name for p in k.predictors] for k in found} == {
        "Intercept": ["w"],
        "f[b]": ["w"],
    }


def _parts_of(model):
    mu = model.design.mu
    X = np.column_stack([np.ones(model.design.n), mu.X])
    return mu.groups[0], ("Intercept", *mu.terms), X
