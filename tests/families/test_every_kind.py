"""Responses with thresholds, categories, trials, limits and densities of one's own, together."""

import numpy as np
import pytest
from every_kind import FORMULAS, RESPONSES, THRESHOLDS, families, frame
from hand_made import hand_made

import mixedbayes as mb
from mixedbayes.checks.check import check
from mixedbayes.checks.log_likelihood import by_observation
from mixedbayes.checks.rows_of_several import by_row
from mixedbayes.errors import MixedBayesError
from mixedbayes.joint.density import JointDensity
from mixedbayes.model.log_prior import log_priors
from mixedbayes.predict.predict import predict
from mixedbayes.results.several import each
from mixedbayes.results.summary import summary
from mixedbayes.simulation.replicate import simulate_from_posterior

PLAIN = "mv(weight, rating, rescor=False) ~ age + (1 | p | child)"
TWO = {"weight": "gaussian", "rating": "cumulative"}


@pytest.fixture(scope="module")
def post():
    rng = np.random.default_rng(6)
    return hand_made(FORMULAS, frame(), families(), 7, rng, given=THRESHOLDS)


def test_the_density_of_a_row_is_the_sum_over_its_responses(post):
    every = post.design.several
    expected = np.zeros((post.n_draws, every.m))
    for k, own in enumerate(each(post).values()):
        expected[:, every.units[every.at(k)]] += by_observation(own)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(by_row(post), expected, rtol=1e-10)


def test_the_compiled_density_has_the_slopes_of_every_response(post):
    spec = post.spec
    density = JointDensity.of(spec.design, spec.family, spec.priors)
    rng = np.random.default_rng(1)
    theta = np.zeros(density.layout.ndim)
    start = density.layout.start()
    theta[len(theta) - len(start) :] = start
    theta += 0.1 * rng.normal(size=len(theta))
    _, slope = density.logp_grad(theta)
    for k in range(0, len(theta), 4):
        h = np.zeros(len(theta))
        h[k] = 1e-5
        both = [density.logp_grad(theta + s * h)[0] for s in (1, -1)]
        assert (both[0] - both[1]) / 2e-5 == pytest.approx(slope[k], rel=1e-4, abs=1e-4)


def test_it_is_the_sum_of_rows_and_priors_at_all_coefficients_and_thresholds(post):
    """But for a constant: variances are held, whose coordinates have Jacobians of their own."""
    spec, rng = post.spec, np.random.default_rng(2)
    density = JointDensity.of(spec.design, spec.family, spec.priors)
    layout = density.layout
    theta = np.zeros((5, layout.ndim))
    start = layout.start()
    theta[:, layout.ndim - len(start) :] = start
    moved = np.arange(layout.n_hyper - layout.n_parameters, layout.ndim)
    effects = slice(layout.n_hyper, layout.coefficient_start)
    theta[:, moved] += 0.2 * rng.normal(size=(5, len(moved)))
    theta[:, effects] = theta[0, effects]
    values = layout.named(theta, density.coordinates)
    found = hand_made(FORMULAS, frame(), families(), 5, rng, given=values)
    expected = by_row(found).sum(axis=1)
    for name, prior in log_priors(spec).items():
        if name.startswith(("thresholds", "fixef")) or "_fixef" in name:
            lp = prior.function(*(found.stacked(own) for own in prior.of))
            expected += lp.reshape(5, -1).sum(axis=1)
    ordered = theta[:, layout.n_hyper - layout.n_thresholds + 1]  # the log of a gap
    expected += ordered
    total = np.array([density.logp_grad(row)[0] for row in theta])
    np.testing.assert_allclose(np.diff(total), np.diff(expected), rtol=1e-8, atol=1e-8)


def test_names_are_those_of_further_parameters(post):
    design = post.design
    assert design.several.names == RESPONSES
    assert design.several.vectors == ("", "thresholds_rating", "thresholds_step", *[""] * 6)
    assert list(post.idata["posterior"]["threshold_rating"]) == ["low|mid", "mid|high"]
    assert post.spec.family.labels("thresholds_step", design) == ("1|2", "2|3", "3|4")
    assert design.predictor("mu_bus").terms == ("mode_Intercept", "mode_sex[m]")
    assert design.predictor("mu_foot").terms == ("mode_Intercept", "mode_age")
    assert design.predictor("mu_b").terms == ("cbind(a, b, c)_Intercept", "cbind(a, b, c)_age")
    assert design.predictor("disc").terms == ("rating_sex[m]",)
    assert design.predictor("spread").terms == ("own_Intercept", "own_sex[m]")
    assert design.predictor("cs[2|3]").terms == ("step_sex[m]",)
    assert design.mu.terms[:3] == ("weight_Intercept", "weight_age", "rating_age")
    (across,) = (a for a in design.across if a.name == "child")
    assert across.terms == (
        "weight_Intercept", "rating_Intercept", "angle_Intercept", "mu_bus_mode_Intercept",
        "mu_foot_mode_Intercept",
    )  # fmt: skip
    assert across.blocks == ((0, 1, 2, 3, 4),)


def test_predictions_are_those_of_each_response(post):
    new = frame(missing=False).iloc[[0, 5]]
    table = predict(post, new, kind="mean", groups="typical", seed=1)
    assert list(table["response"].drop_duplicates()) == list(RESPONSES)
    assert len(table) == 2 * (1 + 3 + 4 + 3 + 1 + 1 + 3 + 1 + 1)
    for name, own in each(post).items():
        found = table[table["response"] == name]
        expected = predict(own, new, kind="mean", groups="typical", seed=1)
        np.testing.assert_allclose(found["mean"], expected["mean"], rtol=1e-9)
        if "category" in expected:
            assert found["category"].tolist() == expected["category"].tolist()
    with pytest.raises(MixedBayesError, match="a probability for each category"):
        predict(post, new, kind="mean", draws=True)


def test_new_responses_have_the_codes_of_each_family():
    kinds = [name for name in RESPONSES if "(" not in name]
    formulas = [f"mv({', '.join(kinds)}, rescor=False) ~ age", *FORMULAS[4:6]]
    own = {name: family for name, family in families().items() if name in kinds}
    post = hand_made(formulas, frame(), own, 40, np.random.default_rng(3), given=THRESHOLDS)
    drawn = predict(post, frame().iloc[[0, 5]].assign(tried=3), kind="response", draws=True, seed=1)
    seen = {name: set(np.unique(drawn.sel(response=name))) for name in kinds}
    assert seen["rating"] == {1, 2, 3}
    assert seen["step"] <= {1, 2, 3, 4}
    assert seen["mode"] == {1, 2, 3}
    assert seen["hits"] <= {0, 1, 2, 3}
    made = simulate_from_posterior(post, seed=1)
    assert set(made["rating"].dropna()) <= {"low", "mid", "high"}
    assert set(made["mode"].dropna()) <= {"car", "bus", "foot"}
    assert made["mode"].isna().tolist() == frame()["mode"].isna().tolist()
    with pytest.raises(MixedBayesError, match="mode is a category"):
        predict(post, frame().iloc[[0, 5]].assign(tried=3), kind="response")


def test_counts_in_columns_beside_others_are_simulated_by_themselves():
    formula, d = "mv(weight, cbind(a, b, c), rescor=False) ~ age", frame(missing=False)
    own = {name: families()[name] for name in ("weight", "cbind(a,b,c)")}
    post = hand_made([formula], d, own, 40, np.random.default_rng(3), given={})
    with pytest.raises(
        MixedBayesError, match=r"counts in several columns: .*fit\.response\('cbind"
    ):
        simulate_from_posterior(post, seed=1)
    made = simulate_from_posterior(each(post)["cbind(a, b, c)"], seed=1)
    assert (made[["a", "b", "c"]].sum(axis=1) == d[["a", "b", "c"]].sum(axis=1)).all()


def test_default_priors_of_thresholds_do_not_depend_on_where_a_covariate_is_zero():
    d = frame()
    spans = []
    for shift in (0.0, 100.0):
        spec = mb.Model(PLAIN, d.assign(age=d["age"] + shift), family=TWO).spec
        density = JointDensity.of(spec.design, spec.family, spec.priors)
        layout = density.layout
        theta = np.zeros((1, layout.ndim))
        theta[0, len(theta[0]) - len(layout.start()) :] = layout.start()
        theta[0, layout.coefficient_start + layout.design.mu.terms.index("mu rating_age")] = 0.7
        theta[0, layout.n_hyper - 2 : layout.n_hyper] = 0.3, -0.2
        named = layout.named(theta, density.coordinates)
        spans.append((density.logp_grad(theta[0])[0], named["thresholds_rating"][0]))
    (a, near), (b, far) = spans
    assert a == pytest.approx(b, rel=1e-9)
    slope = np.diff(far) - np.diff(near)
    np.testing.assert_allclose(slope, 0, atol=1e-9)
    np.testing.assert_allclose(far - near, 70.0, rtol=1e-9)


def test_a_prior_of_thresholds_is_that_of_the_response_by_itself():
    given = {"thresholds_rating": mb.Normal(0, 3)}
    spec = mb.Model(PLAIN, frame(), family=TWO, priors=given).spec
    assert str(spec.priors.parameters["thresholds_rating"].prior) == "Normal(0, 3)"
    density = JointDensity.of(spec.design, spec.family, spec.priors)
    rng = np.random.default_rng(5)
    theta = 0.1 * rng.normal(size=density.layout.ndim)
    _, slope = density.logp_grad(theta)
    for k in range(density.layout.n_hyper - 2, density.layout.ndim, 3):
        h = np.zeros(len(theta))
        h[k] = 1e-5
        both = [density.logp_grad(theta + s * h)[0] for s in (1, -1)]
        assert (both[0] - both[1]) / 2e-5 == pytest.approx(slope[k], rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        (["mv(weight, mode, rescor=False) ~ age", "mu_car_mode ~ 1"], "mu_bus, mu_foot"),
        (["mv(weight, mode, rescor=False) ~ age", "tram ~ 1"], "mu_bus, mu_foot"),
        (["mv(weight, mode, rescor=False) ~ age", "mode | trials(tried) ~ 1"], "categorical"),
        (["mv(weight, o) ~ age", "weight | trunc(0, 20) ~ 1"], "are correlated"),
    ],
)
def test_what_is_not_offered_says_so(formula, said):
    kinds = {"weight": "gaussian", "mode": families()["mode"]}
    kinds = kinds if "mode" in formula[0] else "gaussian"
    with pytest.raises(MixedBayesError, match=said):
        mb.Model(formula, frame(), family=kinds)


@pytest.mark.slow
def test_pymc_has_the_density_of_every_response_and_a_file_the_fit(tmp_path):
    own = families()["own"]
    kinds = {n: f for n, f in families(own).items() if n in ("weight", "rating", "own")}
    formulas = ["mv(weight, rating, own, rescor=False) ~ age + (1 | p | child)",
                "weight | trunc(lower=5) ~ age + (1 | p | child)", *FORMULAS[-3:]]  # fmt: skip
    model = mb.Model(formulas, frame(), family=kinds)
    fit = model.fit(draws=20, tune=60, chains=1, seed=1, progress=False)
    built, posterior = model.pymc, fit.idata["posterior"].to_dataset()
    logp = built.compile_logp(vars=built.observed_RVs, jacobian=False, mode="FAST_COMPILE")
    row = {}
    for v in built.free_RVs:
        value, moved = posterior[v.name].to_numpy()[0, 7], built.rvs_to_transforms[v]
        if moved is not None:
            value = moved.forward(value, *v.owner.inputs).eval(mode="FAST_COMPILE")
        row[built.rvs_to_values[v].name] = value
    assert float(logp(row)) == pytest.approx(by_row(fit.posterior)[7].sum(), rel=1e-8)
    fit.save(tmp_path / "fit.nc")
    again = mb.load(tmp_path / "fit.nc", family={"own": own})
    assert again.fixef().equals(fit.fixef())
    assert again.parameters().equals(fit.parameters())


def test_a_density_without_a_variance_stands_beside_others_in_a_summary_and_a_check():
    d, kinds = frame(), {"weight": "gaussian", "own": families()["own"]}
    formulas = ["mv(weight, own, rescor=False) ~ age + (1 | child)"]
    post = hand_made(formulas, d, kinds, 40, np.random.default_rng(3))
    found = summary(post)
    assert set(found.icc["response"]) == set(found.r2["response"]) == {"weight"}
    assert "No shares of variance of own: the laplace family's is known where" in str(found)
    assert "own" in str(check(post))
    alone = [*formulas, "weight ~ age"]
    assert summary(hand_made(alone, d, kinds, 40, np.random.default_rng(3))).icc.empty
