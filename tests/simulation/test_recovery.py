"""Fits of simulated data find what the data were made from."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.errors import DataError, ModelError


def students(seed=1, groups=100, per_group=3, tau=0.5, sigma=0.25):
    """The exercise of 100 groups of 3: effects 2 and .5, ICC .8."""
    data = mb.simulate(
        "y ~ x + (1 | groups)",
        groups={"groups": groups},
        per_group=per_group,
        fixef={"Intercept": 2, "x": 0.5},
        sd={"groups": tau},
        sigma=sigma,
        seed=seed,
    )
    fit = mb.fit("y ~ x + (1 | groups)", data, seed=seed, progress=False)
    return mb.truth(data), fit


@pytest.fixture(scope="module")
def base():
    return students()


def test_the_truth_comes_back(base):
    truth, fit = base
    table = truth.compare(fit, prob=0.999)
    assert table["quantity"].tolist() == ["fixef", "fixef", "sd", "sigma"]
    assert table["truth"].tolist() == [2, 0.5, 0.5, 0.25]
    assert table["inside"].all()


def test_intervals_of_the_levels_hold_the_truth_as_often_as_they_say(base):
    truth, fit = base
    table = truth.compare(fit, prob=0.8, levels=True)
    inside = table.loc[table["quantity"] == "ranef", "inside"]
    assert len(inside) == 100
    assert 0.65 < inside.mean() < 0.95


def test_icc_follows_the_variances(base):
    for truth, fit in (base, students(tau=0.25, sigma=0.5)):
        tau, sigma = truth.sd["groups"].iloc[0], truth.parameters["sigma"]
        icc = fit.icc(prob=0.999).query("group == 'groups' and kind == 'adjusted'").iloc[0]
        assert icc["lower"] < tau**2 / (tau**2 + sigma**2) < icc["upper"]


def test_fewer_groups_widen_the_intervals_and_larger_groups_narrow_them(base):
    def widths(fit):
        table = fit.varcorr()
        return (table["upper"] - table["lower"]).to_numpy()

    half, large = students(groups=50)[1], students(per_group=10)[1]
    assert widths(half)[0] > widths(base[1])[0]
    assert widths(large)[1] < widths(base[1])[1]


def test_intercepts_and_slopes_of_the_exercise():
    """100 clusters of 10, unit variances with correlation .25, exact in the sample."""
    formula = "y ~ x + (x | clus)"
    data = mb.simulate(
        formula,
        groups={"clus": 100},
        per_group=10,
        fixef={"Intercept": 3, "x": 0.75},
        sd={"clus": 1},
        cor={"clus": 0.25},
        exact=True,
        seed=1234,
    )
    truth, fit = mb.truth(data), mb.fit(formula, data, seed=1, progress=False)
    table = truth.compare(fit, prob=0.999)
    assert table["quantity"].tolist() == ["fixef", "fixef", "sd", "sd", "cor", "sigma"]
    assert table["inside"].all()


def test_simpsons_estimates_do_not_depend_on_the_seed(reference):
    """The mean of the effects is the estimate printed for other random numbers."""
    text = reference("seed_targets")["fits"]["simpson"]
    data = mb.simulate_simpson(r=0.95, groups=5, seed=99)
    fit = mb.fit("V2 ~ V1 + (1 | Group)", data, draws=2000, seed=1, progress=False)
    fixef, ranef = fit.fixef(), fit.ranef()
    assert (np.abs(fixef["mean"] - [-5.84879, 0.94960]) < 0.1 * fixef["sd"]).all()
    assert (np.abs(ranef["mean"] - text["ranef"]) < 0.15 * ranef["sd"]).all()
    sds = fit.varcorr()
    assert sds["lower"].iloc[0] < 3.0825 < sds["upper"].iloc[0]
    assert sds["mean"].iloc[1] == pytest.approx(0.3126, abs=0.001)


# ---- from a fit and from a model ------------------------------------------------------------


def test_a_fit_simulates_its_own_rows(base):
    _, fit = base
    data = fit.simulate(seed=5)
    assert data["y"].std() == pytest.approx(fit.model.data["y"].std(), rel=0.3)
    pd.testing.assert_frame_equal(
        data[["x", "groups"]], fit.model.data[["x", "groups"]], check_flags=False
    )
    truth = mb.truth(data)
    assert truth.sd["groups"].iloc[0] in fit.posterior.sd("groups")
    own = mb.truth(fit.simulate(groups="own", seed=5))
    assert own.fixef.equals(truth.fixef)
    draw = np.flatnonzero(fit.posterior.intercept() == own.fixef["Intercept"])[0]
    np.testing.assert_array_equal(own.ranef["groups"], fit.posterior.ranef("groups")[draw])
    assert not np.allclose(own.ranef["groups"], truth.ranef["groups"])
    pd.testing.assert_frame_equal(data, fit.simulate(seed=5))


def test_a_fit_simulates_one_of_its_two_kinds_of_groups(base):
    with pytest.raises(ModelError, match='"new" or "own", got \'all\''):
        base[1].simulate(groups="all")


def test_a_model_simulates_from_its_priors():
    sleep = mb.load_data("sleepstudy")
    model = mb.Model("Reaction ~ Days + (Days | Subject)", sleep)
    data = model.simulate(seed=2)
    assert not np.allclose(data["Reaction"], sleep["Reaction"])
    truth = mb.truth(data)
    assert truth.ranef["Subject"].shape == (18, 2)
    fixed = truth.fixef["Intercept"] + truth.fixef["Days"] * data["Days"]
    b = truth.ranef["Subject"].loc[data["Subject"].astype(str)].to_numpy()
    residual = data["Reaction"] - fixed - b[:, 0] - b[:, 1] * data["Days"]
    assert residual.std() == pytest.approx(truth.parameters["sigma"], rel=0.25)
    assert data.attrs["units"] == sleep.attrs["units"]


def test_labels_of_the_response_come_back():
    data = pd.DataFrame(
        {"y": pd.Categorical(["no", "yes"] * 30, categories=["no", "yes"]), "g": list("abc") * 20}
    )
    model = mb.Model("y ~ 1 + (1 | g)", data, family="bernoulli")
    assert set(model.simulate(seed=1)["y"]) <= {"no", "yes"}
    ordered = data.assign(y=pd.Categorical(list("lmh") * 20, categories=list("lmh"), ordered=True))
    model = mb.Model("y ~ 1 + (1 | g)", ordered, family="cumulative")
    again = model.simulate(seed=1)["y"]
    assert again.cat.categories.tolist() == list("lmh")
    assert again.cat.ordered


def test_rows_left_out_stay_out():
    data = pd.DataFrame({"y": [1.0, np.nan, 3, 4, 5, 7], "g": list("aabbcc")})
    out = mb.Model("y ~ 1 + (1 | g)", data).simulate(seed=1)
    assert out.index.tolist() == [0, 2, 3, 4, 5]


def test_an_expression_cannot_be_simulated():
    model = mb.Model("log(Reaction) ~ Days + (1 | Subject)", mb.load_data("sleepstudy"))
    with pytest.raises(DataError, match=r"'log\(Reaction\)' is an expression"):
        model.simulate(seed=1)
