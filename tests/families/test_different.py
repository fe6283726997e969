"""Responses of different families, one by one and together."""

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made

import mixedbayes as mb
from mixedbayes.checks.log_likelihood import by_observation
from mixedbayes.checks.rows_of_several import by_row
from mixedbayes.errors import MixedBayesError, ModelError
from mixedbayes.families.registry import written
from mixedbayes.joint.density import JointDensity
from mixedbayes.predict.predict import predict
from mixedbayes.results.several import each

FAMILIES = {"weight": "gaussian", "sick": "bernoulli", "visits": "negative_binomial"}
FORMULAS = [
    "mv(weight, sick, visits, rescor=False) ~ age + (1 | p | child)",
    "visits ~ age + sex + (age | p | child)",
    "shape ~ age",
]


def frame(n=60):
    rng = np.random.default_rng(3)
    d = pd.DataFrame({"child": np.arange(n) % 10, "age": rng.uniform(0, 3, n)})
    d["sex"] = np.where(np.arange(n) % 10 % 2, "m", "f")
    b = rng.normal(size=(10, 2))
    d["weight"] = 8 + 2 * d["age"] + b[d["child"], 0] + rng.normal(size=n)
    d["sick"] = np.where(rng.uniform(size=n) < 0.5, "no", "yes")
    d["visits"] = rng.poisson(np.exp(0.5 * d["age"] + 0.3 * b[d["child"], 1])).astype(float)
    d.loc[3, "weight"] = np.nan
    d.loc[[7, 8], "sick"] = None
    d.loc[[7, 10], "visits"] = np.nan
    return d


@pytest.fixture(scope="module")
def post():
    return hand_made(FORMULAS, frame(), FAMILIES, 12, np.random.default_rng(6))


@pytest.mark.parametrize(("link", "known"), [(mb.Identity(), True), (mb.Log(), False)])
def test_rows_are_concave_where_those_of_each_response_are(link, known):
    """Behind a link that is not the density's own it is not known."""
    families = {"weight": mb.families.Gaussian(link=link), "sick": "bernoulli"}
    formula = "mv(weight, sick, rescor=False) ~ age + (1 | p | child)"
    assert mb.Model(formula, frame(), family=families).family.row_density.concave == known


def test_the_density_of_a_row_is_the_sum_over_its_responses(post):
    every = post.design.several
    expected = np.zeros((post.n_draws, every.m))
    for k, own in enumerate(each(post).values()):
        expected[:, every.units[every.at(k)]] += by_observation(own)
    np.testing.assert_allclose(by_row(post), expected, rtol=1e-10)


def slopes_are_differences(spec):
    density = JointDensity.of(spec.design, spec.family, spec.priors)
    rng = np.random.default_rng(1)
    start = np.zeros(density.layout.ndim)
    start[len(start) - len(density.layout.start()) :] = density.layout.start()
    theta = start + 0.1 * rng.normal(size=len(start))
    value, slope = density.logp_grad(theta)
    assert np.isfinite(value)
    for k in range(0, len(theta), 5):
        h = np.zeros(len(theta))
        h[k] = 1e-5
        both = [density.logp_grad(theta + s * h)[0] for s in (1, -1)]
        assert (both[0] - both[1]) / 2e-5 == pytest.approx(slope[k], rel=1e-4, abs=1e-4)


def test_the_compiled_density_has_the_rows_of_every_family_and_its_slopes(post):
    slopes_are_differences(post.spec)


def test_predictions_are_those_of_each_response(post):
    new = frame().iloc[[0, 5]].drop(columns=list(FAMILIES))
    for kind in ("mean", "linear"):
        table = predict(post, new, kind=kind, groups="typical")
        for name, own in each(post).items():
            found = table[table["response"] == name]
            expected = predict(own, new, kind=kind, groups="typical")
            np.testing.assert_allclose(found["mean"], expected["mean"], rtol=1e-9)
    table = predict(post, new, kind="mean", groups="average")
    for name, own in each(post).items():
        expected = predict(own, new, kind="mean", groups="average")
        found = table[table["response"] == name]
        np.testing.assert_allclose(found["mean"], expected["mean"], rtol=1e-4)
    drawn = predict(post, new, draws=True, groups="new").sel(response="sick")
    assert set(np.unique(drawn)) <= {0.0, 1.0}


@pytest.mark.parametrize(
    ("formula", "family", "said"),
    [
        ("mv(weight, sick) ~ age", {"weight": "gaussian", "sick": "bernoulli"}, "rescor=False"),
        ("mv(weight, visits, rescor=False) ~ age", {"weight": "gaussian"}, "give each of them one"),
        ("weight ~ age", {"weight": "gaussian"}, "there is one, weight"),
        ("mv(weight, visits) ~ age", "poisson", "rescor=False"),
        ("mv(weight, visits) | trials(age) ~ 1", "gaussian", r"trials\(age\) is not offered where"),
        (
            ["mv(weight, visits) ~ 1", "visits | cens(sex) ~ 1"],
            "gaussian",
            r"cens\(sex\) is not offered where the residuals of weight, visits are correlated",
        ),
        (
            ["mv(weight, visits, rescor=False) ~ 1", "visits | trials(age) ~ 1"],
            {"weight": "gaussian", "visits": "poisson"},
            "poisson family",
        ),
    ],
)
def test_what_is_not_offered_says_so(formula, family, said):
    with pytest.raises(MixedBayesError, match=said):
        mb.Model(formula, frame(), family=family)


def test_normal_responses_by_name_are_those_of_one_family():
    d = frame()
    d["other"] = d["age"] ** 2 + np.random.default_rng(1).normal(size=len(d))
    model = mb.Model("mv(weight, other) ~ 1", d, family={"weight": "gaussian", "other": "gaussian"})
    assert model.family == mb.families.Gaussian()


def test_code_and_pymc_say_what_they_do_not_have(post):
    model = mb.Model(FORMULAS, frame(), family=FAMILIES)
    assert written(model.family).startswith("{'weight': mb.families.Gaussian(")
    with pytest.raises(ModelError, match="not offered for several responses"):
        model.code("bambi")


def test_pymc_has_a_variable_for_every_response():
    model = mb.Model(FORMULAS, frame(), family=FAMILIES)
    built = model.pymc
    assert [v.name for v in built.observed_RVs] == ["weight", "sick", "visits"]
    assert built.named_vars_to_dims["visits"] == ("obs_visits",)
    kinds = [v.owner.op.name for v in built.observed_RVs]
    assert kinds == ["normal", "bernoulli", "negative_binomial"]
    assert list(built.coords["obs_visits"][:9]) == [*range(7), 8, 9]
    np.testing.assert_array_equal(built["visits_data"].get_value(), model.design.parts[2].y)


@pytest.mark.slow
def test_pymc_has_every_response_with_the_distribution_of_its_family():
    """Its log density of the data is that of the rows, in the draws of a fit."""
    model = mb.Model(FORMULAS, frame(), family=FAMILIES)
    fit = model.fit(draws=20, tune=60, chains=1, seed=1, progress=False)
    built = model.pymc
    assert [v.name for v in built.observed_RVs] == ["weight", "sick", "visits"]
    free = {v.name for v in built.free_RVs}
    posterior = fit.idata["posterior"].to_dataset()
    assert free <= set(posterior.data_vars)
    logp = built.compile_logp(vars=built.observed_RVs, jacobian=False, mode="FAST_COMPILE")
    dim = {v.name: built.rvs_to_values[v].name for v in built.free_RVs}
    undo = {v.name: built.rvs_to_transforms[v] for v in built.free_RVs}
    row = {}
    for name in free:
        value = posterior[name].to_numpy()[0, 7]
        moved = undo[name]
        own = next(v for v in built.free_RVs if v.name == name)
        if moved is not None:
            value = moved.forward(value, *own.owner.inputs).eval(mode="FAST_COMPILE")
        row[dim[name]] = value
    expected = sum(by_observation(own)[7].sum() for own in each(fit.posterior).values())
    assert float(logp(row)) == pytest.approx(expected, rel=1e-8)
    observed = fit.idata["observed_data"]
    np.testing.assert_array_equal(observed["visits"], model.design.parts[2].y)
    again = mb.from_pymc(model, fit.idata)
    assert set(again.predict(frame().iloc[:2])["response"]) == set(FAMILIES)


def test_shares_of_zeros_stand_beside_other_families():
    d, families = frame(), {"weight": "gaussian", "visits": "zero_inflated_poisson"}
    formulas = ["mv(weight, visits, rescor=False) ~ age + (1 | p | child)", "zi ~ sex"]
    post = hand_made(formulas, d, families, 6, np.random.default_rng(2))
    expected = sum(by_observation(own).sum(axis=1) for own in each(post).values())
    np.testing.assert_allclose(by_row(post).sum(axis=1), expected, rtol=1e-10)
    slopes_are_differences(mb.Model(formulas, d, family=families).spec)


def test_sigma_of_each_normal_response_varies_over_groups_by_the_joint_engine():
    d = frame().assign(other=lambda d: d["weight"] ** 2)
    formulas = [
        "mv(weight, other, rescor=False) ~ age + (1 | p | child)",
        "sigma ~ (1 | p | child)",
    ]
    model = mb.Model(formulas, d)
    assert str(model.formulation) == "PartiallyCentered()"
    (whole,) = model.design.across
    assert whole.terms == (
        "weight_Intercept", "other_Intercept", "sigma_weight_Intercept", "sigma_other_Intercept",
    )  # fmt: skip
    assert whole.blocks == ((0, 1, 2, 3),)
    slopes_are_differences(model.spec)
    post = hand_made(formulas, d, "gaussian", 5, np.random.default_rng(3))
    expected = sum(by_observation(own).sum(axis=1) for own in each(post).values())
    np.testing.assert_allclose(by_row(post).sum(axis=1), expected, rtol=1e-10)


@pytest.mark.slow
def test_smooths_of_different_families_are_sampled_by_pymc():
    d, families = frame(), {"weight": "gaussian", "visits": "poisson"}
    formula = "mv(weight, visits, rescor=False) ~ age + (1 | p | child)"
    bent = [formula, "visits ~ s(age, k=4) + (1 | p | child)"]
    model = mb.Model(bent, d, family=families)
    fit = model.fit(draws=20, tune=20, chains=1, seed=1, progress=False)
    assert fit.response("visits").smooths()["smooth"].iloc[0] == "s(age)"


@pytest.mark.slow
def test_a_fit_is_kept_and_simulated_with_the_labels_of_its_data(tmp_path):
    d = frame().drop(columns="sex")
    model = mb.Model(FORMULAS[0], d, family=FAMILIES)
    fit = model.fit(draws=60, tune=60, chains=1, seed=1, progress=False)
    fit.save(tmp_path / "fit.nc")
    again = mb.load(tmp_path / "fit.nc")
    assert again.model.family == fit.model.family
    assert again.fixef().equals(fit.fixef())
    made = fit.simulate(seed=2)
    assert set(made["sick"].dropna()) == {"no", "yes"}
    assert made["visits"].isna().sum() == 2
    assert len(made) == 60
