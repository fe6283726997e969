"""Every form of four models, run from its text, and against other computations."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedbayes as mb
from mixedbayes.errors import ModelError
from mixedbayes.teach import run
from mixedbayes.teach.run import Check

MODELS = {
    "random intercept": ("Reaction ~ Days + (1 | Subject)", "sleepstudy"),
    "correlated slopes": ("Reaction ~ Days + (Days | Subject)", "sleepstudy"),
    "nested": ("strength ~ 1 + (1 | batch/cask)", "pastes"),
    "crossed": ("diameter ~ 1 + (1 | plate) + (1 | sample)", "penicillin"),
}
KEYS = ["1a", "1b", "2", "3a", "3b", "3c", "4a", "4b", "5a", "5b", "6", "7"]


@pytest.fixture(scope="module", params=MODELS)
def case(request):
    formula, name = MODELS[request.param]
    model = mb.Model(formula, mb.load_data(name))
    return model, mb.ways(model)


def namespace(model, ways, *keys):
    """What the texts leave behind, run after the setup as a reader would."""
    space = {"model": model}
    exec(ways.setup, space)
    for key in keys:
        exec(ways[key].code, space)
    return space


def test_all_forms_in_order(case):
    _, ways = case
    assert list(ways) == KEYS
    assert len(ways) == 12
    assert ways.table()["key"].tolist() == KEYS


@pytest.mark.parametrize("key", KEYS)
def test_every_form_runs_and_agrees(case, key):
    model, ways = case
    space = namespace(model, ways, key)
    size = max(1.0, np.abs(space["right"]).max())
    np.testing.assert_allclose(space["left"], space["right"], rtol=0, atol=1e-8 * size)
    assert ways[key].check.error < 1e-8
    np.testing.assert_array_equal(ways[key].check.left, space["left"])


def test_the_mean_is_that_of_each_row(case):
    """Row by row, from the columns of the design."""
    model, ways = case
    space, mu = namespace(model, ways), model.design.mu
    for i in range(0, model.design.n, 7):
        expected = space["beta"][0] + mu.X[i] @ space["beta"][1:]
        for g in mu.groups:
            tag = g.name.replace(":", "_")
            expected += g.Z[i] @ space[f"gamma_{tag}"][g.refs[i]]
        assert space["mu"][i] == pytest.approx(expected, rel=1e-12)


def test_the_marginal_density_is_the_average_of_the_conditional_one():
    """By brute force: p(y) = E p(y | gamma) over draws of the effects, for a few rows."""
    data = mb.load_data("dyestuff").groupby("Batch", observed=True).head(2)
    model = mb.Model("Yield ~ 1 + (1 | Batch)", data)
    ways = mb.ways(model)
    space = namespace(model, ways, "5b")
    rng = np.random.default_rng(1)
    Psi, sigma, y = space["Psi_Batch"][0, 0], space["sigma"], space["y"]
    b = rng.normal(size=(400_000, 1)) * np.sqrt(Psi)
    total = 0.0
    for j in range(6):  # batches are independent
        e = y[space["j_Batch"] == j] - space["beta"][0]
        density = np.exp(-0.5 * ((e - b) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
        total += np.log(density.prod(axis=1).mean())
    assert ways["4b"].check.left == pytest.approx(total, abs=0.02)
    assert ways["5b"].check.left == pytest.approx(total, abs=0.02)


def test_marginal_densities_of_all_forms_are_one(case):
    _, ways = case
    np.testing.assert_allclose(ways["4b"].check.left, ways["5b"].check.right, rtol=1e-10)


def test_penalised_least_squares_has_the_posterior_means_of_a_fit():
    """At the estimates of the variances the effects are nearly those averaged over them."""
    fit = mb.fit(
        "Reaction ~ Days + (Days | Subject)", mb.load_data("sleepstudy"), seed=1, progress=False
    )
    ways = fit.ways()
    space = namespace(fit.model, ways, "6")
    np.testing.assert_allclose(space["beta"], fit.fixef()["mean"], rtol=1e-5)
    effects = space["left"][2:].reshape(18, 2)
    table = fit.ranef()
    off = np.abs(effects.ravel() - table["mean"]) / table["sd"]
    assert off.max() < 0.25


def test_icc_of_the_error_terms():
    model = mb.Model("gpa ~ occasion + (1 | student)", mb.load_data("gpa").head(300))
    space = namespace(model, mb.ways(model), "4a")
    tau2, sigma = space["Psi_student"][0, 0], space["sigma"]
    assert space["icc"] == {"student": pytest.approx(tau2 / (tau2 + sigma**2))}


# ---- texts --------------------------------------------------------------------------------------


def test_equations_carry_the_users_names(case):
    model, ways = case
    for key in ("1a", "1b", "4a"):
        assert rf"\mathrm{{{model.design.response}}}_i" in ways[key].equation
    for g in model.design.mu.groups:
        assert rf"\Psi_{{\mathrm{{{g.name}}}}}" in ways["4a"].equation


def test_braces_and_environments_are_closed(case):
    _, ways = case
    for way in ways.values():
        text = way.equation
        plain = text.replace(r"\{", "").replace(r"\}", "")
        depth = np.cumsum([(c == "{") - (c == "}") for c in plain])
        assert depth.min() >= 0
        assert depth[-1] == 0
        for name in ("aligned", "pmatrix"):
            assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}")
        assert text.count(r"\left") - text.count(r"\leftarrow") == text.count(r"\right")


def test_equations_are_drawn_by_a_tex_engine(case):
    """Line by line by Matplotlib, which knows no environments."""
    pytest.importorskip("matplotlib")
    from matplotlib.mathtext import MathTextParser

    _, ways = case
    parser = MathTextParser("path")
    unknown = ("pmatrix", r"\underbrace", r"\lVert", r"\arg", r"\text", r"\tfrac", r"\top")
    drawn = 0
    for way in ways.values():
        for line in way.equation.splitlines():
            if line.startswith(("\\begin", "\\end")) or any(word in line for word in unknown):
                continue
            parser.parse(f"${line.removesuffix(r' \\').replace('&', '')}$")
            drawn += 1
    assert drawn > 10


def test_names_of_all_kinds_stay_names():
    """Quotes, line breaks and TeX's signs in a user's names are nothing else in code or TeX."""
    data = mb.load_data("sleepstudy").rename(
        columns={"Subject": 'S"1\n', "Days": "days_of 50%", "Reaction": "ms"}
    )
    model = mb.Model('ms ~ `days_of 50%` + (`days_of 50%` | `S"1\n`)', data)
    ways = mb.ways(model)
    assert (ways.table()["error"] < 1e-8).all()
    assert r"days\_of 50\%" in ways["1a"].equation


def test_offsets_blocks_and_no_intercept():
    data = mb.load_data("sleepstudy").assign(base=lambda d: d["Reaction"].mean())
    bars = "(1 | Subject) + (0 + Days + I(Days**2) | Subject)"
    formula = f"Reaction ~ 0 + Days + offset(base) + {bars}"
    model = mb.Model(formula, data, priors={"sd": {"Subject": {"Days": mb.HalfNormal(10)}}})
    assert (mb.ways(model).table()["error"] < 1e-8).all()


def test_priors_of_the_users_own_are_in_the_bayesian_form():
    model = mb.Model(
        "Reaction ~ Days + (Days | Subject)",
        mb.load_data("sleepstudy"),
        priors={"Intercept": mb.StudentT(3, 250, 100), "sigma": mb.Flat(), "cor": mb.LKJ(4)},
    )
    text = mb.ways(model)["7"].code
    assert 'pm.StudentT("Intercept", nu=3.0, mu=250.0, sigma=100.0)' in text
    assert 'pm.HalfFlat("sigma")' in text
    assert "eta=4.0" in text


def test_what_is_shown(case):
    model, ways = case
    assert repr(ways).startswith(f"{model.formula.text}, in 12 forms")
    assert ways._repr_html_().count("<tr>") == 13
    assert ways.markdown().count("$$") == 24
    assert "```python" in ways["3c"]._repr_markdown_()
    assert str(ways["3c"]).startswith("3c: one matrix equation")
    assert repr(ways["3c"]) == str(ways["3c"])
    assert repr(ways["3c"].check).startswith("mean of every row: ")
    with pytest.raises(KeyError, match="'8' is not among 1a, 1b"):
        ways["8"]


# ---- refusals -----------------------------------------------------------------------------------


def test_a_form_that_disagrees_is_an_error(monkeypatch):
    wrong = tuple(
        replace(f, code=lambda c: "left, right = mu + 1e-3, mu") if f.key == "3a" else f
        for f in run.FORMS
    )
    monkeypatch.setattr(run, "FORMS", wrong)
    with pytest.raises(ModelError, match="form 3a disagrees with its other computation"):
        mb.ways(mb.Model("diameter ~ 1 + (1 | plate)", mb.load_data("penicillin")))


def test_errors_are_relative_to_large_numbers_only():
    small = Check("x", np.array([1e-3]), np.array([2e-3]))
    large = Check("x", np.array([1e6]), np.array([1e6 + 1]))
    assert small.error == pytest.approx(1e-3)
    assert large.error == pytest.approx(1e-6)


@pytest.mark.parametrize(
    ("formula", "family", "message"),
    [
        ("y ~ x + (1 | g)", "poisson", "the poisson family with log link has no marginal form"),
        ("y ~ x + (1 | g)", "student_t", "the student_t family with identity link has no marginal"),
        ("y | weights(w) ~ x + (1 | g)", "gaussian", "leave weights"),
        ("y ~ x", "poisson", "the poisson family with log link has no marginal form"),
    ],
)
def test_models_without_these_forms_are_refused(formula, family, message):
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.poisson(3, 40), "x": rng.normal(size=40), "w": 2.0})
    data["g"] = np.repeat(list("abcd"), 10)
    with pytest.raises(ModelError, match=message):
        mb.ways(mb.Model(formula, data, family=family))


PLAIN = ["x", "1", "0 + x", "g * x + offset(w)"]


@pytest.mark.parametrize("right", PLAIN)
def test_a_regression_has_five_forms(right):
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.normal(2000, 3, 40), "x": rng.normal(2000, 1, 40), "w": 2.0})
    data["g"] = np.repeat(list("abcd"), 10)
    found = mb.ways(mb.Model(f"y ~ {right}", data))
    assert list(found) == ["1", "3", "5", "6", "7"]
    assert found.table()["error"].max() < 1e-8
    assert "Z" not in found.setup
    assert r"\gamma" not in found.markdown()


def test_the_forms_of_a_regression_are_those_of_least_squares():
    data = pd.DataFrame({"y": [1.0, 3.0, 2.0, 5.0], "the x": [0.0, 1.0, 2.0, 3.0]})
    found = mb.ways(mb.Model("y ~ `the x`", data))
    slope, intercept = np.polyfit(data["the x"], data["y"], 1)
    np.testing.assert_allclose(found["6"].check.left, [intercept, slope])
    assert r"\beta_{\mathrm{the x}}" in found["1"].equation
    text = found["5"].check.left.item()
    rest = data["y"] - intercept - slope * data["the x"]
    sigma = np.std(rest, ddof=1)
    assert text == pytest.approx(stats.norm(0, sigma).logpdf(rest).sum(), rel=1e-4)


def test_many_rows_are_refused():
    model = mb.Model("y ~ 1 + (1 | d)", mb.load_data("insteval"))
    with pytest.raises(ModelError, match="for at most 1,500 rows, and the model has 73,421"):
        mb.ways(model)
