"""What a table of predictions says: expectations, levels that are new, and the scale."""

import arviz_stats as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats
from specs import spec_of

import mixedbayes as mb
from mixedbayes.design import build_design
from mixedbayes.errors import DataError, ModelError
from mixedbayes.families.links import Inverse
from mixedbayes.families.student_t import StudentTFamily
from mixedbayes.predict.condition import condition_on
from mixedbayes.predict.predict import predict
from mixedbayes.results.fitted import fitted
from mixedbayes.results.posterior import Posterior

S = 40
CUTS = np.array([-1.0, 0.4, 2.0])
OWN = {"sigma": 0.7, "nu": 6.0, "shape": 3.0, "phi": 8.0}
FAMILIES = {
    "gaussian": mb.Gaussian(), "gaussian log": mb.Gaussian(mb.Log()), "lognormal": mb.Lognormal(),
    "student_t": StudentTFamily(), "gamma": mb.GammaFamily(), "beta": mb.Beta(),
    "poisson": mb.Poisson(), "negative_binomial": mb.NegativeBinomial(),
    "bernoulli": mb.Bernoulli(), "binomial": mb.Binomial(), "cumulative": mb.Cumulative(),
}  # fmt: skip


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    n = 60
    frame = pd.DataFrame({"x": rng.normal(size=n), "g": np.arange(n) % 6})
    frame["y"], frame["n"], frame["w"] = np.arange(n) % 4, 4 + np.arange(n) % 3, 1 + np.arange(n)
    return frame


@pytest.fixture(scope="module")
def posterior(data):
    """Draws that differ a little, for a family and a left side."""

    def of(family, left="y", intercept=0.3):
        rng = np.random.default_rng(5)
        design = family.prepare(build_design(f"{left} ~ x + (1 | g)", data))
        ordinal = isinstance(family, mb.Cumulative)
        values = {"fixef": 0.4 + 0.1 * rng.normal(size=(S, 1))}
        if ordinal:
            values["thresholds"] = np.broadcast_to(CUTS, (S, 3))
        else:
            values["Intercept"] = intercept + 0.1 * rng.normal(size=S)
        values["sd_g"] = np.full((S, 1), 0.5)
        values["ranef_g"] = 0.5 * rng.normal(size=(S, 6, 1))
        values |= {p: np.full(S, OWN[p]) for p in family.parameters if not ordinal}
        variables = {
            name: (("chain", "draw", *[f"{name}_{k}" for k in range(v.ndim - 1)]),
                   v.reshape(2, S // 2, *v.shape[1:]))
            for name, v in values.items()
        }  # fmt: skip
        tree = xr.DataTree.from_dict({"posterior": xr.Dataset(variables, attrs={"seed": 1})})
        return Posterior(spec_of(design, family), tree)

    return of


def left_of(name):
    return {
        "binomial": "y | trials(n)", "beta": "I((y + 1) / 6)", "gamma": "I(y + 1)",
        "lognormal": "I(y + 1)", "bernoulli": "I(y > 1)", "gaussian log": "I(y + 1)",
    }.get(name, "y")  # fmt: skip


# ---- the mean is the expectation --------------------------------------------------------------


@pytest.mark.parametrize("groups", ["auto", "typical", "average", "new", ["g"]])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_mean_is_the_expectation_and_the_rest_are_observations(posterior, data, name, groups):
    post = posterior(FAMILIES[name], left_of(name))
    new = data.head(9).assign(g=[0, 1, 2, 3, 77, 77, 5, 0, 88])
    table = predict(post, new, groups=groups, prob=0.8)
    mean = predict(post, new, groups=groups, kind="mean")
    if name == "cumulative":
        expected = mean["mean"].to_numpy().reshape(9, 4) @ np.arange(1.0, 5)
    else:
        expected = mean["mean"].to_numpy() * (new["n"] if name == "binomial" else 1)
    np.testing.assert_allclose(table["mean"], expected, rtol=1e-10)
    drawn = predict(post, new, groups=groups, draws=True).to_numpy().reshape(-1, 9)
    np.testing.assert_allclose(table["sd"], drawn.std(axis=0, ddof=1))
    np.testing.assert_allclose(table[["lower", "upper"]].T, np.quantile(drawn, [0.1, 0.9], axis=0))


@pytest.mark.parametrize("kind", ["response", "mean", "linear"])
def test_statistics_are_of_the_draws_and_the_mean_stays_the_expectation(posterior, data, kind):
    post, new = posterior(mb.Poisson()), data.head(5)
    table = predict(post, new, kind=kind, statistics=["mean", "median", "mcse"], interval="hdi")
    assert list(table) == [*new, "mean", "median", "mcse", "lower", "upper", "new"]
    mean = predict(post, new, kind="mean" if kind == "response" else kind)
    np.testing.assert_allclose(table["mean"], mean["mean"])
    drawn = predict(post, new, kind=kind, draws=True)
    of = predict(post, new, kind="mean", draws=True) if kind == "response" else drawn
    np.testing.assert_allclose(table["mcse"], az.mcse(of, method="mean"))
    np.testing.assert_allclose(table["median"], np.median(drawn, axis=(0, 1)))
    hdi = az.hdi(drawn.astype(float), prob=0.95)
    np.testing.assert_allclose(table[["lower", "upper"]], hdi)


@pytest.mark.parametrize("name", ["gaussian", "lognormal", "student_t", "gamma"])
def test_a_weighted_observation_has_its_own_mean(posterior, data, name):
    post = posterior(FAMILIES[name], left_of(name) + " | weights(w)")
    new = data.iloc[np.repeat([0, 30], 4000)].reset_index(drop=True).assign(w=lambda d: 0.5)
    table = predict(post, new)
    drawn = predict(post, new, draws=True).to_numpy().reshape(-1, 8000).mean(axis=0)
    for part in (slice(0, 4000), slice(4000, 8000)):
        error = table["sd"][part].mean() / np.sqrt(4000 * S)
        assert table["mean"][part].mean() == pytest.approx(drawn[part].mean(), abs=5 * error)


def test_responses_without_an_average_keep_the_drawn_groups(posterior, data):
    post = posterior(mb.GammaFamily(Inverse()), "I(y + 1)", intercept=30.0)
    assert np.isfinite(predict(post, data.head(3), groups="average")["mean"]).all()
    linear = (predict(post, data.head(3), groups=g, kind="linear") for g in ("average", "typical"))
    pd.testing.assert_frame_equal(*linear)
    with pytest.raises(ModelError, match="no answer with the inverse link"):
        predict(post, data.head(3), groups="average", kind="mean")


@pytest.mark.parametrize("groups", ["auto", "typical", "average", "new"])
def test_a_mean_that_depends_on_weights_is_of_the_rows_own(posterior, data, groups):
    """exp(eta + sigma^2 / (2 w)); without weights of weight 1, which is said."""
    post = posterior(mb.Lognormal(), "I(y + 1) | weights(w)")
    if groups == "auto":
        expected = fitted(post)["mean"].to_numpy()
        np.testing.assert_allclose(predict(post, kind="mean")["mean"], expected)
        np.testing.assert_allclose(predict(post, data, kind="mean")["mean"], expected)
    ask = {"groups": groups, "kind": "mean"}
    own = predict(post, data, **ask)
    without = predict(post, data.drop(columns="w"), **ask)
    ratio = np.exp(OWN["sigma"] ** 2 / 2 * (1 / data["w"] - 1))
    np.testing.assert_allclose(own["mean"] / without["mean"], ratio)
    assert "weight 1" not in own.attrs["note"]
    assert "Of rows of weight 1" in without.attrs["note"]
    assert "weights(w)" in without.attrs["note"]
    drawn = predict(post, data.drop(columns="w"), draws=True, **ask)
    assert "Of rows of weight 1" in drawn.attrs["note"]
    plain = predict(posterior(mb.Gaussian(), "y | weights(w)"), data.drop(columns="w"), **ask)
    assert "weight 1" not in plain.attrs.get("note", "")


def test_weights_that_repeat_rows_change_no_mean(posterior, data):
    post = posterior(mb.families.AsymmetricLaplace(quantile=0.9), "y | weights(w)")
    found = predict(post, data.drop(columns="w"), kind="mean")
    assert "weight 1" not in found.attrs.get("note", "")


# ---- levels -----------------------------------------------------------------------------------


def test_new_levels_are_marked_factor_by_factor(make):
    data = pd.DataFrame({"y": np.arange(24.0), "a": list("pq") * 12, "b": np.repeat([1, 2, 3], 8)})
    post = make.random("y ~ 1 + (1 | a/b)", data)
    new = pd.DataFrame({"a": ["p", "p", "r", "q"], "b": [1, 9, 1, 3]}, index=list("wxyz"))
    table = predict(post, new)
    assert table["new"].to_dict() == {"w": "", "x": "a:b", "y": "a, a:b", "z": ""}
    assert predict(post, new, groups=["a"])["new"].tolist() == ["", "", "a", ""]
    for groups in ("typical", "average", "new"):
        assert "new" not in predict(post, new, groups=groups)
    assert "new" not in predict(post)


def test_probabilities_mark_every_category(posterior, data):
    table = predict(posterior(mb.Cumulative()), data.head(2).assign(g=[0, 9]), kind="mean")
    assert table["new"].tolist() == [""] * 4 + ["g"] * 4


def test_levels_of_a_further_parameter_are_marked_where_they_count(posterior, data):
    model = mb.Model(["y ~ 1 + (1 | g)", "sigma ~ 1 + (1 | w)"], data.assign(w=data["w"] % 5))
    fit = model.fit(20, 20, 2, progress=False, seed=1)
    new = pd.DataFrame({"g": [0, 1], "w": [3, 77]})
    assert fit.predict(new)["new"].tolist() == ["", "w"]
    assert fit.predict(new, kind="mean")["new"].tolist() == ["", ""]
    with pytest.raises(DataError, match=r"1 of 2 rows have 1 level.* of w"):
        fit.predict(new, new_levels="error")


@pytest.mark.parametrize("groups", ["auto", ["g"]])
def test_new_levels_can_be_refused(make, groups):
    data = pd.DataFrame({"y": np.arange(12.0), "g": ["Anna", "Bert", "Carl"] * 4})
    post = make.random("y ~ 1 + (1 | g)", data)
    good = pd.DataFrame({"g": ["Anna", "Carl"]})
    pd.testing.assert_frame_equal(
        predict(post, good, groups=groups, new_levels="error"), predict(post, good, groups=groups)
    )
    bad = pd.DataFrame({"g": ["Anna", "Brt", "Brt", "Zoe"]})
    fact = r"3 of 4 rows have 2 level\(s\) of g .*'Brt', 'Zoe' \(did you mean 'Bert'\?\)"
    with pytest.raises(DataError, match=fact):
        predict(post, bad, groups=groups, new_levels="error", draws=True)
    assert predict(post, bad, groups="new", new_levels="error")["mean"].notna().all()
    with pytest.raises(ModelError, match="new_levels='no'"):
        predict(post, bad, new_levels="no")


def test_conditioned_levels_are_not_new(make):
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"y": rng.normal(size=40), "g": np.arange(40) % 8})
    post = make.random("y ~ 1 + (1 | g)", data, s=600)
    known = condition_on(post, pd.DataFrame({"y": [0.1, 0.3], "g": [70, 70]}))
    new = pd.DataFrame({"g": [0, 70, 71]})
    assert known.predict(new)["new"].tolist() == ["", "", "g"]
    pd.testing.assert_frame_equal(
        known.predict(new.head(2), new_levels="error"), known.predict(new.head(2))
    )
    with pytest.raises(DataError, match=r"1 of 3 rows .* '71'"):
        known.predict(new, new_levels="error")


@pytest.mark.parametrize("lacking", [["g"], ["g", "x"]])
def test_missing_columns_of_groups_name_the_other_questions(posterior, data, lacking):
    post, new = posterior(mb.Gaussian()), data.drop(columns=lacking)
    with pytest.raises(DataError, match=r"lack .*g; .*typical.*average.*new") as caught:
        predict(post, new)
    assert all(name in str(caught.value).split(";")[0] for name in lacking)
    if lacking == ["g"]:
        for groups in ("typical", "average", "new"):
            assert predict(post, new, groups=groups)["mean"].notna().all()


# ---- the scale --------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", ["auto", "typical", "average", "new"])
def test_log_models_go_back_to_the_lognormal(posterior, data, groups):
    """log(y) is normal: on the original scale it is the lognormal family's own answer."""
    log, plain = posterior(mb.Gaussian(), "log(I(y + 1))"), posterior(mb.Lognormal(), "I(y + 1)")
    new = data.head(6).assign(g=[0, 1, 2, 3, 77, 77])
    for kind in ("response", "mean"):
        found = predict(log, new, groups=groups, kind=kind, scale="original")
        expected = predict(plain, new, groups=groups, kind=kind)
        for column, shift in {"mean": 1, "sd": 0, "lower": 1, "upper": 1}.items():
            np.testing.assert_allclose(found[column] + shift, expected[column], rtol=2e-4)


def test_the_scale_is_said(posterior, data):
    post = posterior(mb.Gaussian(), "log(w)")
    for kind in ("response", "mean"):
        table = predict(post, data.head(3), kind=kind)
        assert "of log(w)" in table.attrs["note"]
        assert 'scale="original" gives w' in table.attrs["note"]
        drawn = predict(post, data.head(3), kind=kind, draws=True)
        assert drawn.attrs["note"] == table.attrs["note"]
        back = predict(post, data.head(3), kind=kind, scale="original")
        assert "of w" in back.attrs["note"]
    assert fitted(post).attrs["note"] == "On the model's scale: of log(w)."
    assert fitted(post, draws=True).attrs["note"] == fitted(post).attrs["note"]
    assert "note" not in fitted(post, kind="linear").attrs
    assert "note" not in fitted(posterior(mb.Gaussian())).attrs
    assert "note" not in predict(post, data.head(3), kind="linear").attrs
    assert "note" not in predict(posterior(mb.Gaussian()), data.head(3)).attrs


def test_draws_on_the_original_scale_are_the_draws_taken_back(posterior, data):
    post = posterior(mb.Gaussian(), "sqrt(w)")
    drawn = predict(post, data.head(5), draws=True)
    back = predict(post, data.head(5), draws=True, scale="original")
    np.testing.assert_allclose(back, np.maximum(drawn, 0) ** 2)
    table = predict(post, data.head(5), scale="original")
    eta = predict(post, data.head(5), kind="linear", draws=True)
    z = eta.to_numpy() / 0.7
    expected = 0.49 * ((z**2 + 1) * stats.norm.cdf(z) + z * stats.norm.pdf(z))  # E max(h, 0)^2
    np.testing.assert_allclose(table["mean"], expected.mean(axis=(0, 1)), rtol=1e-3)


def test_weights_count_on_the_original_scale(posterior, data):
    post = posterior(mb.Gaussian(), "log(I(y + 1)) | weights(w)")
    new = data.head(4)
    eta = predict(post, new, kind="linear", draws=True).to_numpy().reshape(-1, 4)
    expected = np.exp(eta + 0.49 / 2 / new["w"].to_numpy()).mean(axis=0) - 1
    for kind in ("response", "mean"):
        found = predict(post, new, kind=kind, scale="original")["mean"]
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_other_families_have_simulated_means_alone(posterior, data):
    post = posterior(StudentTFamily(), "log(w)")
    table = predict(post, data.head(3), scale="original")
    drawn = predict(post, data.head(3), scale="original", draws=True)
    np.testing.assert_allclose(table["mean"], drawn.mean(("chain", "draw")))
    with pytest.raises(ModelError, match='kind="response" has simulated observations of w'):
        predict(post, data.head(3), kind="mean", scale="original")


def test_what_has_no_way_back_is_refused(posterior, data):
    with pytest.raises(ModelError, match="w/n in log"):
        predict(posterior(mb.Gaussian(), "log(w / n)"), data.head(2), scale="original")
    post = posterior(mb.Gaussian(), "log(w)")
    with pytest.raises(ModelError, match='kind="linear" is the linear predictor'):
        predict(post, data.head(2), kind="linear", scale="original")
    with pytest.raises(ModelError, match="scale='response'"):
        predict(post, data.head(2), scale="response")
    for family in (mb.Gaussian(), mb.Poisson()):
        for kind in ("response", "mean"):
            plain = posterior(family)
            pd.testing.assert_frame_equal(
                predict(plain, data.head(2), kind=kind, scale="original"),
                predict(plain, data.head(2), kind=kind),
            )


def test_a_sigma_formula_counts_on_the_original_scale():
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"y": np.exp(rng.normal(size=80)), "g": np.arange(80) % 8})
    data["t"] = np.arange(80) // 40
    model = mb.Model(["log(y) ~ 1 + (1 | g)", "sigma ~ t"], data)
    fit = model.fit(50, 50, 2, progress=False, seed=1)
    new = pd.DataFrame({"g": [0, 0], "t": [0, 1]})
    eta = fit.predict(new, kind="linear", draws=True)
    sigma = np.exp(fit.idata.posterior["sigma_Intercept"] + xr.concat(
        [0 * fit.idata.posterior["sigma_fixef"], fit.idata.posterior["sigma_fixef"]], "obs"
    ).squeeze())  # fmt: skip
    expected = np.exp(eta.to_numpy() + sigma.transpose(..., "obs").to_numpy() ** 2 / 2)
    for kind in ("mean", "response"):
        found = fit.predict(new, kind=kind, scale="original")["mean"]
        np.testing.assert_allclose(found, expected.mean(axis=(0, 1)), rtol=1e-4)


# ---- tables of conditioned levels -------------------------------------------------------------


def test_conditioned_coefficients_have_the_constant_intercept(make):
    rng = np.random.default_rng(6)
    data = pd.DataFrame({"y": rng.normal(size=60), "x": rng.normal(size=60)})
    data["g"] = np.arange(60) % 6
    post = make.random("y ~ x + (0 + x | g)", data, s=800)
    rows = pd.DataFrame({"y": [4.0, 2.0, 3.0], "x": [1.0, -1.0, 0.2], "g": [70, 70, 71]})
    known = condition_on(post, rows)
    table = known.coef()
    assert table["term"].tolist() == ["Intercept", "x"] * 2
    drawn = known.coef(draws=True)["coef_g"]
    assert drawn["g_term"].to_numpy().tolist() == ["Intercept", "x"]
    weights = known.importance.weights
    constant = table[table["term"] == "Intercept"]
    assert constant["mean"].tolist() == pytest.approx([weights @ post.intercept()] * 2)
    error = 6 * table["sd"].to_numpy() / np.sqrt(known.importance.ess)
    assert (np.abs(drawn.mean(("chain", "draw")).to_numpy().ravel() - table["mean"]) < error).all()
    assert known.ranef()["term"].tolist() == ["x", "x"]
