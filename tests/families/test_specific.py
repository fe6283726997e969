"""Category-specific effects, cs(x), from the law of a row to tables, priors and code."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.families.registry import family_from_names
from mixedbayes.joint.density import JointDensity
from mixedbayes.model.formulations import _row_information
from mixedbayes.model.free import free_variables
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.priors import _title
from mixedbayes.report.equations import model_equations
from mixedbayes.results.own_priors import quantities

RNG = np.random.default_rng(3)
LABELS = ["0|1", "1|2", "2|3", "3|4"]
OWN = tuple(map(names.specific, LABELS))
CUTS, ETA = RNG.normal(0, 1.5, (3, 4)), RNG.normal(0, 1.5, (3, 25))
APART = {name: RNG.normal(size=(3, 25)) for name in OWN}
Y = np.arange(25) % 5


def family(name, link="logit"):
    return type(family_from_names(name, link))(family_from_names(name, link).link, OWN)


@pytest.mark.parametrize("name", ["sratio", "cratio"])
def test_steps_are_binary_regressions_each_with_its_own_effects(name):
    """A row for each category that was reached, whose predictor is that of its threshold."""
    reached = np.minimum(Y, 3) + 1
    row, step = np.repeat(np.arange(25), reached), np.concatenate([np.arange(k) for k in reached])
    stopped = (step == Y[row]).astype(float)
    own = np.stack([APART[p] for p in OWN])[step, :, row].T
    p = special.expit(CUTS[:, step] - ETA[:, row] - own)
    each = mb.Bernoulli().log_density(stopped, p, {})
    expected = np.stack([np.bincount(row, e) for e in each])
    found = family(name).log_density(Y, ETA, {"thresholds": CUTS, **APART})
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_adjacent_odds_have_their_own_effects():
    p = family("acat").probabilities(ETA, {"thresholds": CUTS, **APART})
    own = np.stack([APART[name] for name in OWN], axis=-1)
    odds = ETA[..., None] + own - CUTS[:, None]
    np.testing.assert_allclose(np.log(p[..., 1:] / p[..., :-1]), odds, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["sratio", "cratio", "acat"])
@pytest.mark.parametrize("link", ["probit", "cloglog"])
def test_information_is_that_of_the_scores(name, link):
    kind, h = family(name, link), 1e-5
    own = {"thresholds": CUTS, "disc": np.array([0.6, 1.0, 1.7]), **APART}

    def log_p(step):
        moved = {**own, OWN[2]: own[OWN[2]] + step}
        return kind.log_probabilities(kind.edges(ETA / 2, moved))

    score = (log_p(h) - log_p(-h)) / (2 * h)
    expected = (np.exp(log_p(0.0)) * score**2).sum(axis=-1)
    found = kind.parameter_information(OWN[2], ETA / 2, own)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-8)


# ---- models ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rated():
    """Ratings, each row twice, with a column far from zero and names that need backticks."""
    rng, n = np.random.default_rng(2), 90
    d = pd.DataFrame({"my year": 2000 + rng.integers(0, 3, n), "z": rng.integers(0, 2, n) * 1.0})
    d["arm"] = np.array(["a", "b", "c"])[np.arange(n) % 3]
    d["a judge"] = np.arange(n) // 15
    latent = 0.8 * (d["my year"] - 2001) + (d.arm == "b") + rng.logistic(size=n)
    d["y"] = pd.cut(latent, [-99, -1, 0, 1.5, 99], labels=["no", "so so", "well", "yes!"])
    return pd.concat([d, d], ignore_index=True)


MODELS = {
    "acat": ("y ~ z + cs(`my year` + arm)", None),
    "sratio": (["y ~ arm + cs(`my year`*z)", "disc ~ z"], None),
    "cratio": ("y ~ cs(arm) + cs(z)", {"thresholds": mb.Normal(1, 2)}),
}


@pytest.mark.parametrize("name", ["acat", "sratio", "cratio"])
def test_rows_say_how_effects_are_written_in_pymc(name, rated):
    """Where nothing is known of the effects on thresholds, they are 0."""
    model = mb.Model("y ~ arm + cs(z) + (1 | `a judge`)", rated, family=name)
    without = mb.Model("y ~ arm + z + (1 | `a judge`)", rated, family=name)
    np.testing.assert_allclose(_row_information(model.spec), _row_information(without.spec))


def test_the_compiled_density_is_pymcs(rated):
    """Its gradient that of differences; equal rows are added up."""
    for name, (formula, priors) in MODELS.items():
        model = mb.Model(formula, rated, family=name, priors=priors)
        density = JointDensity.of(model.design, model.family, model.spec.priors)
        assert density.data.n_mean <= len(rated) / 2
        layout, free = density.layout, free_variables(model.spec)
        logp = model.build(mb.Centered()).compile_logp(jacobian=False, mode="FAST_COMPILE")
        rng = np.random.default_rng(1)
        for _ in range(2):
            theta = 0.4 * rng.normal(size=layout.ndim)
            named = layout.named(theta[None], density.coordinates)
            values = {}
            for v in model.build(mb.Centered()).value_vars:
                made = free.get(v.name)
                found = made.function(*(named[of] for of in made.of)) if made else named[v.name]
                values[v.name] = found[0]
            value, slope = density.logp_grad(theta)
            assert value == pytest.approx(float(logp(values)), rel=1e-9)
        steps = 1e-6 * np.eye(len(theta))
        both = [(density.logp_grad(theta + e)[0], density.logp_grad(theta - e)[0]) for e in steps]
        by_steps = np.diff(np.array(both)[:, ::-1], axis=1)[:, 0] / 2e-6
        np.testing.assert_allclose(slope, by_steps, rtol=2e-5, atol=2e-5)


def test_the_origin_of_a_column_changes_nothing(rated):
    """Thresholds' default prior is at the means of the columns in cs() too."""
    near = rated.assign(**{"my year": rated["my year"] - 2000})
    value = []
    for data in (rated, near):
        model = mb.Model("y ~ z + cs(`my year`)", data, family="acat")
        density = JointDensity.of(model.design, model.family, model.spec.priors)
        value.append(density.logp_grad(np.linspace(-0.5, 0.5, density.ndim))[0])
    assert value[0] == pytest.approx(value[1], rel=1e-10)


@pytest.mark.parametrize(
    ("formula", "why"),
    [
        ("y ~ z + cs(z)", r"cs\(\) has 'z', and 'z' outside it is the same.*keep one"),
        ("y ~ arm + cs(C(arm))", r"has 'C\(arm\)\[b\]', and 'arm\[b\]' outside it is the same"),
        ("y ~ cs(0 + arm)", r"a constant is among the columns arm\[a\], arm\[b\], arm\[c\]"),
        ("y ~ cs(1)", "the thresholds themselves"),
        ("y ~ z:cs(arm)", r"can only be added to other terms\n.*\n.*\nproducts go inside: cs\(z\*"),
        ("y ~ cs(arm, z)", r"takes one argument"),
        ("y ~ cs(arm, df=3)", r"takes one argument"),
        ("y ~ cs()", r"cs\(\) has no argument"),
        ("y ~ cs(z > 0)", r"wrap arithmetic and comparisons in I"),
        ("y ~ cs(`my year`/2)", "a number is not a term"),
        ("y ~ z + (cs(1) | `a judge`)", "group effects that differ between thresholds are not off"),
        ("y ~ z + (0 + cs(z) || `a judge`)", r"write \(1 \| g\) or \(x \| g\)"),
        (["y ~ z", "disc ~ cs(arm)"], r"cs\(\) in the formula of disc"),
        ("y ~ log(cs(z))", r"unknown function 'cs'"),
        ("y ~ cs(Arm)", r"no column 'Arm'(?s:.*)did you mean arm"),
    ],
)
def test_what_cs_cannot_be_is_refused(formula, why, rated):
    with pytest.raises(mb.MixedBayesError, match=why):
        mb.Model(formula, rated, family="sratio")


@pytest.mark.parametrize(
    ("name", "why"),
    [("cumulative", "let them cross"), ("poisson", "poisson family has no steps")],
)
def test_other_families_say_which_have_it(name, why, rated):
    data = rated.assign(y=rated.y.cat.codes)
    with pytest.raises(mb.ModelError, match=rf"{why}.*'acat', 'sratio' or 'cratio'"):
        mb.Model("y ~ cs(z)", data, family=name)


def test_too_many_thresholds_are_refused(rated):
    data = rated.assign(y=np.arange(len(rated)) % 40)
    with pytest.raises(mb.DataError, match=r"has 40 categories.*at most 31"):
        mb.Model("y ~ cs(z)", data, family="acat")


def test_a_column_or_a_function_of_the_users_may_be_called_cs(rated):
    data = rated.assign(cs=rated.z)
    model = mb.Model("y ~ cs + arm", data, family="acat")
    assert model.design.mu.terms == ("cs", "arm[b]", "arm[c]")
    both = mb.Model("y ~ arm + cs(cs)", data, family="acat")
    assert [p.terms for p in both.design.predictors[1:]] == [("cs",)] * 3
    own = mb.Model("y ~ cs(`my year`)", data, family="acat", functions={"cs": lambda x: x - 2000})
    assert own.design.mu.terms == ("cs(`my year`)",)
    assert not own.design.further


def test_labels_that_make_one_name_are_numbered(rated):
    levels = dict(zip(rated.y.cat.categories, ["-", "+", "++", "+++"], strict=True))
    model = mb.Model("y ~ cs(z)", rated.assign(y=rated.y.cat.rename_categories(levels)),
                     family="acat")  # fmt: skip
    assert model.design.further == ("cs[1]", "cs[2]", "cs[3]")


def test_priors_by_label_by_term_and_for_all(rated):
    formula = "y ~ z + cs(arm)"

    def table(fixef):
        model = mb.Model(formula, rated, family="acat", priors={"fixef": fixef})
        return [
            str(a.prior).replace(" ", "") for p in model.spec.priors.predictors for a in p.fixef
        ]

    assert table(mb.Normal(0, 1)) == ["Normal(0,1)"] * 7
    found = table({"arm[b]": mb.Normal(0, 3), "arm[b][so so|well]": mb.Normal(0, 9)})
    assert [found[k] for k in (1, 3, 5)] == ["Normal(0,3)", "Normal(0,9)", "Normal(0,3)"]
    assert "Normal(0,3)" not in [found[k] for k in (0, 2, 4, 6)]
    with pytest.raises(mb.PriorError, match=r"'arm\[d\]' is not a parameter here.*arm\[b\]\[no"):
        table({"arm[d]": mb.Normal(0, 1)})


def test_default_priors_and_their_draws(rated):
    model = mb.Model("y ~ z + cs(`my year`)", rated, family="acat")
    same = mb.Model("y ~ `my year`", rated, family="acat")
    common = same.spec.priors.mu.fixef[0].prior
    assert {p.fixef[0].prior for p in model.spec.priors.predictors[1:]} == {common}
    assert "my year[no|so so]" in str(model)
    drawn = model.prior_predictive(draws=2000, seed=1)["prior"].to_dataset()
    mean = model.design.moving[1].means[0]
    for k, p in enumerate(model.design.moving[1:]):
        own = drawn[names.fixef(p.parameter)].to_numpy()[0, :, 0] * mean
        shared = drawn["fixef"].to_numpy()[0, :, 0] * model.design.mu.means[0]
        there = drawn["thresholds"].to_numpy()[0, :, k] - own - shared
        assert there.std() == pytest.approx(2.5, rel=0.1)


def test_a_model_from_data_to_answers(rated, tmp_path):
    fit = mb.fit("y ~ z + cs(arm)", rated, family="acat", draws=60, chains=2, seed=1,
                 progress=False)  # fmt: skip
    table = fit.fixef()
    thresholds = ["no|so so", "so so|well", "well|yes!"]
    labels = [f"arm[{a}][{t}]" for t in thresholds for a in "bc"]
    assert list(table["term"]) == ["z", *labels]
    assert set(table["parameter"]) == {"mu"}
    sensitive = fit.prior_sensitivity()
    assert list(sensitive["term"][sensitive["parameter"] == "fixef"]) == ["z", *labels]
    titles = [_title(fit.posterior, q, Labels("y", "logit"))[0] for q in quantities(fit.posterior)]
    assert [t for t in titles if t.startswith("arm b[no|so so]")], titles
    drawn = fit.fixef(draws=True)
    beta = {t: drawn.sel(term=t).to_numpy().ravel() for t in ["z", *labels]}
    cuts = fit.idata["posterior"]["thresholds"].to_numpy().reshape(-1, 3)
    new = pd.DataFrame({"z": [1.0], "arm": ["b"]})
    odds = [beta["z"] + beta[labels[2 * k]] - cuts[:, k] for k in range(3)]
    level = np.cumsum([np.zeros(120), *odds], axis=0)
    expected = special.softmax(level, axis=0).mean(axis=1)
    found = fit.predict(new, kind="mean")["mean"]
    np.testing.assert_allclose(found.to_numpy(float), expected, rtol=1e-10)
    held = fit.hypothesis(f"{labels[0]} > {labels[2]}")
    assert float(held["probability"].iloc[0]) == np.mean(beta[labels[0]] > beta[labels[2]])
    ratios = fit.fixef(exponentiate=True).set_index("term")["odds ratio"]
    assert ratios[labels[0]] == pytest.approx(np.exp(np.median(beta[labels[0]])), rel=1e-6)
    assert len(fit.comparisons("arm")) == 8
    text = str(fit.summary())
    assert "Population effects on" not in text
    assert "arm[c][well|yes!]" in text
    X = fit.model.design.moving[1].X
    whole = np.cov(np.column_stack([fit.model.design.mu.X, X]).T)
    each = [np.stack([beta["z"], *(beta[label] for label in labels[2 * k : 2 * k + 2])])
            for k in range(3)]  # fmt: skip
    fixed = np.mean([np.einsum("is,ij,js->s", b, whole, b) for b in each], axis=0)
    marginal = fit.r2(draws=True)["marginal"].to_numpy().ravel()
    np.testing.assert_allclose(marginal, fixed / (fixed + np.pi**2 / 3), rtol=1e-10)
    with pytest.raises(mb.ModelError, match="one predictor that moves all thresholds alike"):
        fit.r2(scale="response")
    simulated = mb.truth(fit.simulate(seed=1))
    assert (simulated.formula, simulated.further) == ("y ~ z + cs(arm)", ())
    compared = simulated.compare(fit)
    assert list(compared["term"][compared["quantity"] == "fixef"]) == ["z", *labels]
    fit.save(tmp_path / "fit.nc")
    again = mb.load(tmp_path / "fit.nc")
    pd.testing.assert_frame_equal(again.fixef(), table)
    np.testing.assert_allclose(again.predict(new, kind="mean")["mean"].to_numpy(float), expected)


def test_code_and_equation(rated):
    model = mb.Model("y ~ z + cs(arm)", rated, family="sratio")
    code = model.code("brms")
    assert "y ~ 1 + z + cs(arm_b_at_means + arm_c_at_means)" in code
    assert '(arm == "b") - 0.333333333333' in code
    given = mb.Model("y ~ cs(arm)", rated, family="sratio", priors={"thresholds": mb.Normal(0, 5)})
    assert "y ~ 1 + cs(arm)," in given.code("brms")
    odd = mb.Model("y ~ cs(arm)", rated, family="acat",
                   priors={"fixef": {"arm[b][no|so so]": mb.Normal(0, 1)}})  # fmt: skip
    with pytest.raises(mb.ModelError, match="on all thresholds, and here they differ"):
        odd.code("brms")
    equations = model_equations(model.spec)
    assert r"\theta_k - \mu_i - \mu^{(k)}_i" in equations
    assert equations.count(r"\mu^{(k)}_i &=") == 1
