import json
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hand_made import hand_made
from scipy import special, stats

import mixedbayes as mb
from mixedbayes.design import build_design
from mixedbayes.errors import DataError, ModelError
from mixedbayes.simulation.replicate import simulate_from_posterior

SLOPES = {
    "formula": "y ~ x + (x | g)",
    "groups": {"g": 40},
    "fixef": {"Intercept": 2, "x": 0.5},
    "sd": {"g": {"Intercept": 0.5, "x": 0.2}},
    "cor": {"g": 0.3},
}


def simulate(**changes):
    return mb.simulate(**{**SLOPES, "seed": 1, **changes})


def predictor(data, truth):
    """(n,) linear predictor of a frame at its true values, row by row."""
    design = build_design(truth.formula, data)
    X = np.column_stack([np.ones(design.n), design.mu.X])
    eta = X @ truth.fixef.to_numpy()
    for g in design.mu.groups:
        b = truth.ranef[g.name].loc[[str(level) for level in g.levels]].to_numpy()
        eta = eta + (g.Z * b[g.refs]).sum(axis=1)
    return eta


def test_the_response_is_the_predictor_and_noise():
    data = simulate(sigma=1e-9)
    np.testing.assert_allclose(data["y"], predictor(data, mb.truth(data)), atol=1e-7)


def test_residuals_have_the_standard_deviation_asked_for():
    data = simulate(per_group=500, sigma=1.7)
    residual = data["y"] - predictor(data, mb.truth(data))
    assert stats.kstest(residual, stats.norm(0, 1.7).cdf).pvalue > 1e-3


def test_group_effects_have_the_moments_asked_for():
    data = simulate(groups={"g": 20_000}, per_group=1)
    b = mb.truth(data).ranef["g"]
    np.testing.assert_allclose(b.std(), [0.5, 0.2], rtol=0.02)
    assert b.corr().iloc[0, 1] == pytest.approx(0.3, abs=0.02)


def test_exact_effects_have_their_moments_in_the_sample():
    """Intercepts and slopes of covariance .25, as in the exercise with 100 groups of 10."""
    data = mb.simulate(
        "y ~ x + (x | clus)",
        groups={"clus": 100},
        per_group=10,
        fixef={"Intercept": 3, "x": 0.75},
        sd={"clus": 1},
        cor={"clus": 0.25},
        exact=True,
        seed=1234,
    )
    b = mb.truth(data).ranef["clus"]
    np.testing.assert_allclose(b.mean(), 0, atol=1e-12)
    np.testing.assert_allclose(b.cov(), [[1, 0.25], [0.25, 1]], atol=1e-12)


def test_another_scale_leaves_all_else_as_it_was():
    narrow, wide = simulate(), simulate(sd={"g": {"Intercept": 1.0, "x": 0.2}}, sigma=3.0)
    pd.testing.assert_series_equal(narrow["x"], wide["x"])
    a, b = mb.truth(narrow).ranef["g"], mb.truth(wide).ranef["g"]
    np.testing.assert_allclose(2 * a["Intercept"], b["Intercept"])
    noise = [d["y"] - predictor(d, mb.truth(d)) for d in (narrow, wide)]
    np.testing.assert_allclose(3 * noise[0], noise[1])


def test_the_same_seed_gives_the_same_data():
    pd.testing.assert_frame_equal(simulate(), simulate())
    assert not np.allclose(simulate()["y"], simulate(seed=2)["y"])


def test_without_a_seed_one_is_drawn_and_kept():
    data = simulate(seed=None)
    again = simulate(seed=mb.truth(data).seed)
    pd.testing.assert_frame_equal(data, again)


def test_crossed_and_nested_factors_and_covariates_at_both_levels():
    data = mb.simulate(
        "score ~ time + arm + (time | school/class) + (1 | item)",
        groups={"school": 6, "school/class": range(2, 5), "item": 4},
        per_group=3,
        covariates={
            "time": range(3),
            "arm": {"school": ["control", "treated"]},
        },
        fixef={"time": 1.0, "arm[treated]": 5.0},
        sd={"school": {"Intercept": 2, "time": 0.1}, "school:class": 0.5, "item": 1},
        sigma=0.1,
        seed=3,
    )
    assert (
        data.groupby("school", observed=True)["arm"].unique().map(list).tolist()
        == [
            ["control"],
            ["treated"],
        ]
        * 3
    )
    cells = data.groupby(["school", "class", "item"], observed=True)["time"].agg(list)
    assert (cells.map(tuple) == (0, 1, 2)).all()
    truth = mb.truth(data)
    assert truth.fixef.to_dict() == {"Intercept": 0.0, "time": 1.0, "arm[treated]": 5.0}
    assert (
        len(truth.ranef["school:class"]) == data.groupby(["school", "class"], observed=True).ngroups
    )
    residual = data["score"] - predictor(data, truth)
    assert residual.std() == pytest.approx(0.1, rel=0.15)


def test_covariates_are_drawn_by_row_or_by_level():
    data = simulate(
        formula="y ~ x + w + (1 | g)",
        sd={"g": 1},
        cor=None,
        covariates={"x": mb.Uniform(2, 3), "w": {"g": mb.Normal(10, 1)}},
    )
    assert data["x"].between(2, 3).all()
    assert data["x"].nunique() == len(data)
    assert (data.groupby("g", observed=True)["w"].nunique() == 1).all()
    assert data["w"].nunique() == 40


def test_rows_of_the_users_own():
    rows = mb.load_data("sleepstudy")
    data = mb.simulate(
        "Reaction ~ Days + (Days | Subject)",
        data=rows,
        fixef={"Intercept": 250, "Days": 10},
        sd={"Subject": {"Intercept": 25, "Days": 6}},
        sigma=25,
        seed=1,
    )
    pd.testing.assert_frame_equal(
        data.drop(columns="Reaction"), rows.drop(columns="Reaction"), check_flags=False
    )
    assert not np.allclose(data["Reaction"], rows["Reaction"])
    assert "truth" not in rows.attrs


def test_a_model_without_groups():
    data = mb.simulate("y ~ x", per_group=50, fixef={"x": 3}, sigma=1e-6, seed=1)
    np.testing.assert_allclose(data["y"], 3 * data["x"], atol=1e-5)


FAMILIES = {
    "bernoulli": ({}, lambda eta, t: special.expit(eta)),
    "poisson": ({}, lambda eta, t: np.exp(eta)),
    "negative_binomial": ({"shape": 2.0}, lambda eta, t: np.exp(eta)),
    "gamma": ({"shape": 3.0}, lambda eta, t: np.exp(eta)),
    "beta": ({"phi": 5.0}, lambda eta, t: special.expit(eta)),
    "student_t": ({"nu": 5.0}, lambda eta, t: eta),
    "lognormal": ({"sigma": 0.3}, lambda eta, t: np.exp(eta + 0.045)),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_its_mean(family):
    own, mean = FAMILIES[family]
    data = simulate(groups={"g": 200}, per_group=100, family=family, **own)
    truth = mb.truth(data)
    expected = mean(predictor(data, truth), truth)
    error = (data["y"] - expected).mean() / ((data["y"] - expected).std() / np.sqrt(len(data)))
    assert abs(error) < 4
    assert np.corrcoef(expected, data["y"])[0, 1] > 0.05
    for name, value in own.items():
        assert truth.parameters[name] == value


def test_counts_out_of_trials():
    data = simulate(
        formula="hits | trials(n) ~ x + (x | g)",
        family="binomial",
        per_group=200,
        covariates={"n": [5, 10, 20]},
    )
    assert data["hits"].dtype == np.int64
    assert data["hits"].between(0, data["n"]).all()
    eta = predictor(data, mb.truth(data))
    share = (data["hits"] - data["n"] * special.expit(eta)).sum() / data["n"].sum()
    assert abs(share) < 0.01


def test_ordered_categories_are_numbered_from_one():
    data = simulate(
        family="cumulative", fixef={"x": 0.5}, thresholds=[-1, 0.5, 2], groups={"g": 400}
    )
    assert set(data["y"]) == {1, 2, 3, 4}
    truth = mb.truth(data)
    assert truth.parameters["thresholds"] == {"1|2": -1.0, "2|3": 0.5, "3|4": 2.0}
    fixef = pd.concat([pd.Series({"Intercept": 0.0}), truth.fixef])
    eta = predictor(data, replace(truth, fixef=fixef))
    expected = special.expit(-1 - eta).mean()
    assert (data["y"] == 1).mean() == pytest.approx(expected, abs=0.02)


def test_the_truth_is_plain_json():
    data = simulate()
    back = json.loads(json.dumps(data.attrs["truth"]))
    truth = mb.truth(data)
    assert back == data.attrs["truth"]
    assert truth.sd["g"].to_dict() == {"Intercept": 0.5, "x": 0.2}
    assert truth.cor["g"].loc["Intercept", "x"] == 0.3
    assert truth.ranef["g"].shape == (40, 2)
    assert truth.parameters == {"sigma": 1.0}


def test_data_of_other_origin_have_no_truth():
    with pytest.raises(DataError, match="carries no truth"):
        mb.truth(mb.load_data("sleepstudy"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fixef": {"z": 1}}, r"fixef: 'z' is not among Intercept, x"),
        ({"sd": {}}, r"sd: 'g' is not given; it has the effects Intercept, x"),
        ({"sd": {"h": 1}}, r"sd: 'h' is not among g"),
        ({"sd": {"g": {"Intercept": 1}}}, r"sd\['g'\]: x not given; 0 for no variation"),
        ({"sd": {"g": 10**400}}, r"must be a finite number from 0, got 1000"),
        ({"sd": {"g": -1}}, r"must be a finite number from 0, got -1"),
        ({"cor": {"g": 1.0}}, r"cor\['g'\] is no correlation matrix of 2 effects"),
        ({"cor": {"g": [[1, 0.2], [0.3, 1]]}}, r"symmetric 2 x 2 matrix"),
        ({"formula": "y ~ x + (x || g)"}, r"not correlated in the formula"),
        ({"shape": 2}, r"the gaussian family: 'shape' is not among sigma"),
        ({"sigma": 0}, r"sigma must be greater than 0"),
        ({"family": "gamma"}, r"needs a value of shape: shape=..."),
        ({"family": "poisson", "sigma": 2}, r"the poisson family: 'sigma' is not among none"),
        ({"family": "cumulative", "thresholds": [1, 0], "fixef": {}}, r"increasing numbers"),
        (
            {"family": "cumulative", "thresholds": [0, 1]},
            r"'Intercept' is not among x \(the thresholds take the intercept's place\)",
        ),
        ({"groups": {"g": 2}, "exact": True}, r"need more levels than the 2 effects"),
        ({"seed": -1}, r"seed=-1 is not a whole number"),
    ],
)
def test_values_that_the_model_does_not_have_are_refused(changes, message):
    with pytest.raises(ModelError, match=message):
        simulate(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": {"h": 3}}, r"groups by 'g', whose number of levels is not given"),
        ({"formula": "log(y) ~ x + (x | g)"}, r"'log\(y\)' is an expression"),
        ({"covariates": {"X": range(3)}}, r"'X' is not in the formula, which reads x"),
        ({"covariates": {"x": {"h": range(3)}}}, r"'h', which is no grouping factor; there are g"),
        ({"covariates": {"x": "abc"}}, r"must be a distribution such as Normal\(0, 1\), or a list"),
        ({"covariates": {"x": mb.Flat()}}, r"must be a distribution"),
        ({"formula": "y ~ x + offset(log(t)) + (x | g)"}, r"'t' counts, weighs or offsets rows"),
        ({"data": pd.DataFrame({"x": [1.0], "g": ["a"]})}, r"data are the rows themselves"),
        ({"family": "poisson", "fixef": {"Intercept": 800}}, r"cannot be simulated at means"),
    ],
)
def test_rows_that_cannot_be_made_are_refused(changes, message):
    with pytest.raises(DataError, match=message):
        simulate(**changes)


# ---- formulas for further parameters ------------------------------------------------------------

ACROSS = np.array([[1, 0.2, 0.5], [0.2, 1, -0.3], [0.5, -0.3, 1]])


def test_further_formulas_have_their_own_values():
    data = mb.simulate(
        ["y ~ x + (x | p | g)", "sigma ~ z + (1 | p | g)"],
        groups={"g": 4000},
        per_group=3,
        fixef={"Intercept": 2, "x": 0.5},
        sd={"g": {"Intercept": 0.5, "x": 0.4}},
        cor={"g": ACROSS},
        sigma={"fixef": {"Intercept": -1, "z": 0.2}, "sd": {"g": 0.3}},
        seed=1,
    )
    truth = mb.truth(data)
    assert truth.fixef.to_dict() == {
        "Intercept": 2,
        "x": 0.5,
        "sigma_Intercept": -1,
        "sigma_z": 0.2,
    }
    assert truth.sd["g"].to_dict() == {"Intercept": 0.5, "x": 0.4, "sigma_Intercept": 0.3}
    np.testing.assert_array_equal(truth.cor["g"], ACROSS)
    assert truth.parameters == {}
    assert truth.further == ("sigma ~ z + (1 | p | g)",)
    b = truth.ranef["g"].loc[data["g"].astype(str)].to_numpy()
    np.testing.assert_allclose(truth.ranef["g"].corr(), ACROSS, atol=0.06)
    mu = 2 + b[:, 0] + data["x"] * (0.5 + b[:, 1])
    z = (data["y"] - mu) / np.exp(-1 + 0.2 * data["z"] + b[:, 2])
    assert stats.kstest(z, "norm").pvalue > 1e-3
    assert json.loads(json.dumps(data.attrs["truth"])) == data.attrs["truth"]


ZEROS = {
    "formula": ["y ~ x + (1 | g)", "zi ~ x + (1 | g) + (1 | h)"],
    "groups": {"g": 30, "h": 4},
    "fixef": {"Intercept": 1},
    "sd": {"g": 0.5},
    "cor": {},
    "zi": {"fixef": {"Intercept": -1}, "sd": {"g": 0.3, "h": 0.2}},
    "family": "zero_inflated_poisson",
}


def test_effects_on_each_parameter_are_drawn_by_themselves():
    data = simulate(**ZEROS)
    truth = mb.truth(data)
    assert truth.ranef["g"].columns.tolist() == ["Intercept", "zi_Intercept"]
    assert abs(truth.ranef["g"].corr().iloc[0, 1]) < 0.5
    assert truth.cor["g"].loc["Intercept", "zi_Intercept"] == 0
    assert truth.ranef["h"].columns.tolist() == ["zi_Intercept"]
    other = simulate(**ZEROS | {"zi": {"sd": {"g": 0.6, "h": 0.2}}})
    again = mb.truth(other).ranef["g"]
    np.testing.assert_allclose(again, truth.ranef["g"] * [1, 2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"zi": 0.3}, r"zi has a formula of its own.*keys among fixef, sd, cor.*got 0.3"),
        ({"zi": {"sd": {"g": 1}}}, r"zi: sd: 'h' is not given.*: zi=\{'sd': \{'h': \{'Intercept'"),
        ({"zi": {**ZEROS["zi"], "fixef": {"z": 2}}}, r"zi: fixef: 'z' is not among Intercept, x"),
        (
            {"zi": {**ZEROS["zi"], "cor": {"k": 2}}},
            r"zi: cor: 'k' is not among g, h; .*'s cor",
        ),
        (
            {"zi": {**ZEROS["zi"], "fixef": {"Intercept": -9}}, "fixef": {"Intercept": 800}},
            r"cannot be simulated at means between .* and zi between",
        ),
        ({"formula": "y ~ x + (1 | g)", "zi": 1.5}, r"zi is a share, and must be less than 1, got"),
        ({"zi": {"Intercept": 1}}, r"zi: 'Intercept' is not among fixef, sd, cor"),
        ({"family": "poisson"}, r"'zi' has a formula, but the poisson family's.*: none"),
        ({"groups": {"g": 30}}, r"'zi ~ .* groups by 'h', whose number of levels is not given"),
    ],
)
def test_values_that_a_further_formula_does_not_have_are_refused(changes, message):
    with pytest.raises((ModelError, DataError), match=message):
        simulate(**ZEROS | changes)


@pytest.mark.parametrize("id_", ["", "p | "])
def test_models_and_posteriors_with_further_formulas_simulate_their_rows(id_):
    data = simulate(**ZEROS)
    formulas = [f"y ~ x + (1 | {id_}g)", f"zi ~ x + (1 | {id_}g)"]
    model = mb.Model(formulas, data, family="zero_inflated_poisson")
    drawn = mb.truth(model.simulate(seed=2))
    assert drawn.fixef.index.tolist() == ["Intercept", "x", "zi_Intercept", "zi_x"]
    assert (drawn.cor["g"].iloc[0, 1] != 0) == bool(id_)
    cor = np.array([[1.0, -0.9], [-0.9, 1.0]])
    given = {"sd_g": 0.5, "sd_zi_g": 2.0, "cor_g": cor, "ranef_zi_g": 0.25, "zi_Intercept": -8.0}
    post = hand_made(formulas, data, model.family, 4, np.random.default_rng(1), given)
    own = mb.truth(simulate_from_posterior(post, groups="own", seed=1)).ranef["g"]
    assert (own["zi_Intercept"] == 0.25).all()
    b = mb.truth(simulate_from_posterior(post, seed=1)).ranef["g"]
    np.testing.assert_allclose(b.std(), [0.5, 2.0], rtol=0.35)
    assert (b.corr().iloc[0, 1] < -0.7) == bool(id_)


def test_zeros_are_drawn_at_their_rate():
    zi = {"fixef": {"Intercept": 0.4, "x": 1.0}}
    formulas = ["y ~ 1", "zi ~ x"]
    data = mb.simulate(
        formulas, per_group=20_000, fixef={"Intercept": 3}, zi=zi, seed=1,
        family="zero_inflated_poisson",
    )  # fmt: skip
    share = special.expit(0.4 + data["x"])
    assert ((data["y"] == 0) - share).mean() == pytest.approx(0, abs=0.015)


# ---- Simpson's paradox --------------------------------------------------------------------------


def test_simpsons_groups_have_exact_moments():
    data = mb.simulate_simpson(r=0.95, groups=5, seed=7)
    assert len(data) == 500
    for k, (_, rows) in enumerate(data.groupby("Group", observed=True), start=1):
        np.testing.assert_allclose(rows[["V1", "V2"]].mean(), [k, -k], atol=1e-12)
        np.testing.assert_allclose(rows[["V1", "V2"]].cov(), [[1, 0.95], [0.95, 1]], atol=1e-12)


def test_simpsons_moments_are_those_of_the_shipped_data():
    ours, shipped = mb.simulate_simpson(r=0.95, groups=5, seed=1), mb.load_data("simpson")
    for frame in (ours, shipped):
        frame["Group"] = frame["Group"].astype(str)
    pd.testing.assert_frame_equal(
        ours.groupby("Group").agg(["mean", "var", "size"]),
        shipped.groupby("Group").agg(["mean", "var", "size"]),
        atol=1e-9,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"r": 1.0}, "r=1.0"), ({"n": 2}, "n=2 is not a whole number from 3"), ({"groups": 0}, "gro")],
)
def test_simpsons_arguments_are_checked(arguments, message):
    with pytest.raises(ModelError, match=message):
        mb.simulate_simpson(**arguments)


def test_counts_beyond_whole_numbers_are_given_as_they_are():
    data = mb.simulate("y ~ 1", fixef={"Intercept": 60.0}, per_group=5, family="poisson", seed=1)
    assert data["y"].dtype == float
    assert np.log(data["y"]).mean() == pytest.approx(60)
    priors = {"Intercept": mb.Normal(60, 0.1)}
    model = mb.Model("y ~ 1", pd.DataFrame({"y": [1, 3, 2, 4]}), family="poisson", priors=priors)
    assert np.log(model.simulate(seed=1)["y"]).mean() == pytest.approx(60, abs=0.5)
    assert np.isfinite(model.prior_predictive(5, seed=1)["prior_predictive"]["y"]).all()


def test_limits_are_of_families_that_have_them():
    with pytest.raises(DataError, match=r"trunc\(lower=3\) is not offered for the von_mises"):
        mb.simulate("y | trunc(3) ~ 1", family="von_mises", kappa=9.0)


def test_category_specific_effects_are_named_with_their_thresholds():
    rows = pd.DataFrame({"x": np.repeat([0.0, 1.0], 20_000)})
    data = mb.simulate(
        "y ~ cs(x)", data=rows, family="sratio", thresholds=[-1, 0.5],
        fixef={"x[1|2]": 2, "x[2|3]": -1}, seed=1,
    )  # fmt: skip
    assert mb.truth(data).fixef.to_dict() == {"x[1|2]": 2, "x[2|3]": -1}
    stop = special.expit([[-1, 0.5], [-3, 1.5]])
    expected = np.column_stack([stop[:, 0], (1 - stop[:, 0]) * stop[:, 1]])
    shares = pd.crosstab(data["x"], data["y"], normalize="index").to_numpy()
    np.testing.assert_allclose(shares[:, :2], expected, atol=0.015)
    with pytest.raises(ModelError, match=r"'x' is not among x\[1\|2\], x\[2\|3\]"):
        mb.simulate(
            "y ~ cs(x)", data=rows, family="acat", thresholds=[-1, 0.5], fixef={"x": 1}, seed=1
        )
    with pytest.raises(ModelError, match="the thresholds of the cumulative family increase"):
        mb.simulate("y ~ cs(x)", data=rows, family="cumulative", thresholds=[-1, 0.5])


def test_rows_are_a_data_frame_of_any_library_by_name():
    rows = pl.DataFrame({"x": [0.5, 1.5], "name of g": ["a", "b"]})
    data = mb.simulate("y ~ x", data=rows, fixef={"x": 2}, sigma=1e-9, seed=1)
    np.testing.assert_allclose(data["y"], [1, 3], atol=1e-7)
    with pytest.raises(DataError, match=r"groups is a DataFrame, .* is given by name, as data="):
        mb.simulate("y ~ x", rows)
    with pytest.raises(DataError, match="the data are a str, not a data frame"):
        mb.simulate("y ~ x", data="rows")
