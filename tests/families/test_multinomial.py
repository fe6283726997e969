"""Counts of categories in several columns: as the same responses with a row each."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytensor
import pytest
import xarray as xr
from hand_made import hand_made
from scipy import special, stats

import mixedbayes as mb
from mixedbayes.checks.assumptions import dispersion_of_categories
from mixedbayes.checks.log_likelihood import log_likelihood
from mixedbayes.checks.residual import chi_squared
from mixedbayes.errors import DataError, FormulaError, ModelError
from mixedbayes.families.multinomial import Multinomial
from mixedbayes.joint.density import JointDensity
from mixedbayes.plots.categories import _shares
from mixedbayes.plots.categories import fitted as fitted_marks
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.pp_check import pp_check
from mixedbayes.plots.predictive import by_category
from mixedbayes.plots.replicates import replicates_panels
from mixedbayes.plots.residuals import plot_residuals
from mixedbayes.predict.condition import condition_on
from mixedbayes.predict.predict import predict
from mixedbayes.results.fitted import residuals

NAMES = ["walk", "by bus", "car.2"]
FORMULA = "cbind(walk, `by bus`, car.2) ~ x + (1 | g)"


def trips(n=24, J=6, seed=3):
    rng = np.random.default_rng(seed)
    p = special.softmax(rng.normal(size=(n, 3)), axis=1)
    counts = rng.multinomial(rng.integers(1, 9, n), p)
    d = pd.DataFrame(counts, columns=NAMES)
    return d.assign(x=rng.normal(size=n).round(1), g=np.arange(n) % J, w=1 + np.arange(n) % 3)


def written_out(d):
    long = d.melt(["x", "g", "w"], NAMES, "mode", "n").query("n > 0")
    return long.assign(mode=pd.Categorical(long["mode"], NAMES), n=long["n"] * long["w"])


@pytest.mark.parametrize("left", ["cbind", "c"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reference", [None, "car.2"])
def test_the_posterior_is_that_of_a_row_for_each_response(left, weighted, reference):
    """Priors, and log densities but for the multinomial coefficients; equal rows are added up."""
    d = trips().assign(x=lambda d: d.x.round())
    formula = FORMULA.replace("cbind", left).replace(" ~", " | weights(w) ~" if weighted else " ~")
    ours = mb.Model(formula, d, family=Multinomial(reference=reference))
    long = written_out(d if weighted else d.assign(w=1))
    same = mb.Model(
        "mode | weights(n) ~ x + (1 | g)", long, family=mb.families.Categorical(reference=reference)
    )
    pd.testing.assert_frame_equal(ours.priors, same.priors, rtol=1e-10)
    densities = [JointDensity.of(m.design, m.family, m.spec.priors) for m in (ours, same)]
    z = np.random.default_rng(1).normal(0, 0.5, (3, densities[0].ndim))
    found, expected = (np.array([d.logp_grad(v)[0] for v in z]) for d in densities)
    weights = d.w if weighted else 1.0
    counts = d[NAMES].to_numpy()
    ways = special.gammaln(counts.sum(axis=1) + 1) - special.gammaln(counts + 1).sum(axis=1)
    np.testing.assert_allclose(found - expected, np.sum(weights * ways), rtol=1e-9)
    np.testing.assert_allclose(
        densities[0].logp_grad(z[0])[1], densities[1].logp_grad(z[0])[1], rtol=1e-8, atol=1e-9
    )


GIVEN = {
    "mu_by_bus_Intercept": 0.4, "mu_by_bus_fixef": [0.9], "mu_car.2_Intercept": -0.3,
    "mu_car.2_fixef": [-0.7], "sd_mu_by_bus_g": [0.9], "sd_mu_car.2_g": [0.5],
    "cor_g": np.array([[1.0, 0.6], [0.6, 1.0]]),
}  # fmt: skip
GIVEN = {k: np.asarray(v, float) for k, v in GIVEN.items()}


@pytest.fixture(scope="module")
def post():
    rng = np.random.default_rng(4)
    return hand_made(FORMULA, trips(), "multinomial", 3, rng, given=GIVEN)


def probabilities(post, d):
    """(S, n, K), by hand."""
    x, g = d.x.to_numpy(), d.g.to_numpy()
    u = [post.ranef("g", p)[:, g, 0] for p in ("mu_by_bus", "mu_car.2")]
    h = [0 * u[0], 0.4 + 0.9 * x + u[0], -0.3 - 0.7 * x + u[1]]
    return special.softmax(np.stack(h, axis=-1), axis=-1)


def test_the_density_is_scipys(post):
    d = trips()
    counts = d[NAMES].to_numpy()
    expected = stats.multinomial.logpmf(counts, counts.sum(axis=1), probabilities(post, d))
    (found,) = log_likelihood(post).data_vars.values()
    np.testing.assert_allclose(found.to_numpy()[0], expected, rtol=1e-9)


@pytest.mark.parametrize("weights", ["", " | weights(w)"])
def test_pymcs_model_has_the_same_rows(weights):
    d = trips()
    model = mb.Model(f"c(walk, `by bus`, car.2){weights} ~ x", d, family="multinomial")
    made = model.pymc
    at, predictors = made.initial_point(), model.family.predictors
    at |= {f"{p}_fixef": np.array([0.4 - k]) for k, p in enumerate(predictors)}
    (terms,) = made.logp(vars=made.observed_RVs, sum=False)
    f = pytensor.function(made.value_vars, terms, mode="FAST_COMPILE", on_unused_input="ignore")
    rows = f(*(at[v.name] for v in made.value_vars))
    counts = d[NAMES].to_numpy()
    x = d.x - np.average(d.x, weights=counts.sum(axis=1) * (d.w if weights else 1))
    h = [np.zeros(len(d))]
    h += [at[f"{p}_Intercept_at_means"] + at[f"{p}_fixef"][0] * x for p in predictors]
    p = special.softmax(np.column_stack(h), axis=1)
    expected = stats.multinomial.logpmf(counts, counts.sum(axis=1), p) * (d.w if weights else 1)
    np.testing.assert_allclose(rows, expected, rtol=1e-6)


def test_means_are_probabilities_in_a_row_for_each_category(post):
    d = trips().head(2)
    table = predict(post, d, kind="mean")
    assert list(table["category"]) == NAMES * 2
    np.testing.assert_allclose(
        table["mean"], probabilities(post, d).mean(axis=0).ravel(), rtol=1e-9
    )
    alone = predict(post, d[["x", "g"]], target="P(y = 'by bus')")
    np.testing.assert_allclose(alone["mean"], table["mean"][1::3], rtol=1e-9)


def test_new_rows_are_read_with_counts_of_their_own(post):
    new = pd.DataFrame(
        {"walk": [0, 41], "by bus": [60, 0], "car.2": [0, 2], "x": [0.0, 0.1], "g": ["p", "q"]}
    )
    with pytest.warns(UserWarning, match="3 draws are too few"):
        known = condition_on(post, new)
    known = known.predict(pd.DataFrame({"x": [0.0], "g": ["p"]}), kind="mean")
    assert known["mean"].iloc[1] > 0.8


@pytest.mark.parametrize(
    ("formula", "change", "error", "said"),
    [
        (FORMULA, {"walk": 0.5}, DataError, r"walk in cbind.*24 of 24 values are not whole.*row 0"),
        (FORMULA, {"by bus": -1}, DataError, r"by bus in cbind.*not whole numbers from 0.*-1"),
        (FORMULA, {"walk": "a"}, DataError, "walk is a category, where numbers are needed"),
        (FORMULA, dict.fromkeys(NAMES, 0), DataError, r"the total of cbind.*leave rows"),
        (FORMULA.replace("walk", "wlk"), {}, DataError, r"(?s)no column 'wlk'.*walk"),
        ("cbind(walk, walk, x) ~ 1", {}, DataError, "has the column walk twice"),
        ("cbind(walk, car.2 + x, x) ~ 1", {}, DataError, "counts are columns by name"),
        ("cbind(walk, car.2) ~ x", {}, FormulaError, r"walk \| trials\(n\)"),
        ("c(walk, car.2) ~ x", {}, DataError, r"of two write successes \| trials\(n\)"),
        ("walk ~ x", {}, DataError, r"is one column.*cbind\(a, b, c\).*categorical"),
        (FORMULA.replace(" ~", " | trials(w) ~"), {}, DataError, "leave trials\\(\\) out"),
    ],
)  # fmt: skip
def test_what_are_no_counts_is_refused(formula, change, error, said):
    with pytest.raises(error, match=said):
        mb.Model(formula, trips().assign(**change), family="multinomial")


@pytest.mark.parametrize("family", ["poisson", "gaussian", "categorical", "cumulative", "binomial"])
def test_other_families_take_one_column(family):
    with pytest.raises(DataError, match=r"columns walk, by bus, car\.2.*family='multinomial'"):
        mb.Model(FORMULA, trips(), family=family)


def test_rows_with_missing_counts_are_left_out():
    d = trips().astype({"walk": float})
    d.loc[[3, 5], "walk"] = np.nan
    model = mb.Model(FORMULA, d, family="multinomial")
    assert model.design.n == len(d) - 2
    assert any("walk" in note and "2" in note for note in model.notes)
    d.loc[4, "walk"] = 1.5
    with pytest.raises(DataError, match=r"1 of 22 values.*row 4: 1\.5"):
        mb.Model(FORMULA, d, family="multinomial")


def test_replicates_are_multinomial_with_the_totals_of_the_rows(post):
    """Frequencies over many draws of the same parameters, against the probabilities by hand."""
    d = trips()
    drawn = predict(post, draws=True, seed=1)
    assert drawn.dims == ("chain", "draw", "obs", "category")
    assert list(drawn["category"].to_numpy()) == NAMES
    assert drawn.dtype == np.int64
    np.testing.assert_array_equal(drawn.sum("category")[0, 0], d[NAMES].sum(axis=1))
    rows = pd.concat([d.head(2)] * 4000, ignore_index=True)
    counts = predict(post, rows, draws=True, seed=2).to_numpy()[0]  # (S, n, K)
    p, n = probabilities(post, rows), rows[NAMES].sum(axis=1).to_numpy()
    for row in (0, 1):
        each, at = n[row], p[:, row]
        found = counts[:, row::2]
        se = np.sqrt(each * at * (1 - at) / found.shape[1])
        np.testing.assert_array_less(np.abs(found.mean(axis=1) - each * at), 4.5 * se)
        cov = np.cov(found[0].T)
        expected = each * (np.diag(at[0]) - np.outer(at[0], at[0]))
        np.testing.assert_allclose(cov, expected, atol=0.1 * each)


def test_tables_of_new_counts_have_the_expected_ones(post):
    d = trips().head(3)
    table = predict(post, d)
    expected = probabilities(post, d) * d[NAMES].sum(axis=1).to_numpy()[:, None]
    np.testing.assert_allclose(table["mean"], expected.mean(axis=0).ravel(), rtol=1e-12)
    assert list(table["category"]) == NAMES * 3
    assert (table["lower"] >= 0).all()
    assert "note" not in table.attrs  # counts are on the scale of their columns
    total = d.assign(**{"walk": 30, "by bus": 0, "car.2": 0})  # any counts of that sum
    many = predict(post, total)["mean"].to_numpy().reshape(3, 3)
    np.testing.assert_allclose(many.sum(axis=1), 30.0)
    with pytest.raises(DataError, match=r"row's total.*lack by bus, car\.2.*kind=\"mean\""):
        predict(post, d[["x", "g", "walk"]])
    with pytest.raises(DataError, match=r"total of .* not positive"):
        predict(post, d.assign(**dict.fromkeys(NAMES, 0)))


def test_residuals_are_those_of_each_category(post):
    d = trips()
    p = probabilities(post, d)
    n = d[NAMES].sum(axis=1).to_numpy()[:, None]
    expected = d[NAMES].to_numpy() - n * p
    found = residuals(post, draws=True)
    assert found.dims == ("chain", "draw", "obs", "category")
    np.testing.assert_allclose(found.to_numpy()[0], expected, rtol=1e-9, atol=1e-12)
    pearson = residuals(post, kind="pearson")
    expected = (expected / np.sqrt(n * p * (1 - p))).mean(axis=0)
    np.testing.assert_allclose(pearson["mean"], expected.ravel(), rtol=1e-9)
    with pytest.raises(ModelError, match=r"no one residual in a row.*residuals\(\) has those"):
        plot_residuals(post)


def test_chi_squared_is_that_of_replicates_where_the_model_is_right(post):
    """Counts drawn at one of the draws; then all counts of a row in one category, as in clusters.

    The mean of a multinomial's chi-squared is its degrees of freedom.
    """
    d = trips(n=200, J=6)
    same = hand_made(FORMULA, d, "multinomial", 3, np.random.default_rng(4), given=GIVEN)
    new = predict(same, draws=True, seed=5).to_numpy()[0, 0]
    right = hand_made(
        FORMULA, d.assign(**dict(zip(NAMES, new.T, strict=True))), "multinomial", 3,
        np.random.default_rng(4), given=GIVEN,
    )  # fmt: skip
    beside = chi_squared(right, 1)
    assert np.all(np.abs(beside.replicated - 1) < 0.3)
    assert np.all(np.abs(beside.data[:1] - 1) < 0.3)
    total, code = d[NAMES].sum(axis=1), np.arange(len(d)) % 3
    clumped = d.assign(**{c: np.where(code == k, 5 * total, 0) for k, c in enumerate(NAMES)})
    wrong = hand_made(
        FORMULA, clumped, "multinomial", 3, np.random.default_rng(4), given=GIVEN
    )  # fmt: skip
    finding = dispersion_of_categories(chi_squared(wrong, 1), wrong)
    assert finding.look
    assert "vary more" in finding.said
    assert "(1 | row)" in finding.said


def test_pictures_of_replicates_have_a_panel_for_each_category(post):
    drawn = pp_check(post).viz["figure"].item()
    assert [ax.get_title(loc="left") or ax.get_title() for ax in drawn.axes] == NAMES
    for kind in ("ecdf", "intervals", "stat"):
        pp_check(post, kind)
    by = pp_check(post, by="g", max_levels=6)
    assert len(by.viz["plot"].data_vars) == 6  # two levels, three categories
    y, replicated = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(1, 2, 2, 3)
    replicated = xr.DataArray(replicated, dims=("chain", "draw", "obs", "category"))
    flat, drawn, facets = by_category(y, replicated, {"y": slice(None)}, NAMES, 24)
    np.testing.assert_array_equal(flat[facets["car.2"]], [2.0, 5.0])
    np.testing.assert_array_equal(drawn.to_numpy()[0, :, facets["by bus"]].T, [[1, 4], [7, 10]])
    panels, _ = replicates_panels(post, Labels.of(post, {}), 0.95)
    assert [p.title for p in panels] == NAMES
    (dots,) = (m for m in panels[0].marks if getattr(m, "gid", "") == "data")
    walk = trips()["walk"]
    np.testing.assert_allclose(dots.y, [(walk == v).mean() for v in dots.x])


def test_simulated_data_have_the_columns_of_counts():
    model = mb.Model("c(walk, `by bus`, car.2) ~ x", trips(), family=Multinomial(reference="car.2"))
    made = model.simulate(seed=1)
    assert list(made.columns) == list(model.design.frame.columns)
    np.testing.assert_array_equal(made[NAMES].sum(axis=1), trips()[NAMES].sum(axis=1))
    assert "mu_walk_x" in mb.truth(made).fixef
    prior = model.prior_predictive(50, seed=1)
    (drawn,) = prior["prior_predictive"].to_dataset().data_vars.values()
    assert list(drawn["category"].to_numpy()) == ["car.2", "walk", "by bus"]
    np.testing.assert_array_equal(drawn.sum("category")[0, 0], trips()[NAMES].sum(axis=1))
    (seen,) = prior["observed_data"].to_dataset().data_vars.values()
    np.testing.assert_array_equal(seen, trips()[["car.2", "walk", "by bus"]])
    with pytest.raises(ModelError, match=r"how many responses a row has.*model\.simulate\(\)"):
        mb.simulate(FORMULA, family="multinomial")


def test_brms_has_the_total_as_trials():
    d = trips().rename(columns={"by bus": "bus", "car.2": "car"})
    code = mb.Model("c(walk, bus, car) ~ x", d, family=Multinomial(reference="bus")).code("brms")
    assert "cbind(walk, bus, car) | trials(walk + bus + car) ~ 1" in code
    assert 'family = multinomial(link = "logit", refcat = "bus")' in code
    assert "mucar ~ 0 + Intercept + x_at_means" in code or "mucar ~ 1 + x_at_means" in code


def test_a_fit_is_itself_when_loaded(tmp_path):
    fit = mb.fit(
        "cbind(walk, `by bus`, car.2) ~ x", trips(), family=Multinomial(reference="car.2"),
        draws=60, tune=100, chains=2, seed=1, progress=False,
    )  # fmt: skip
    fit.save(tmp_path / "fit.nc")
    again = mb.load(tmp_path / "fit.nc")
    assert again.model.family == fit.model.family
    pd.testing.assert_frame_equal(again.fixef(), fit.fixef())
    observed = fit.idata["observed_data"].to_dataset()
    (kept,) = observed.data_vars.values()
    assert list(kept["category"].to_numpy()) == ["car.2", "walk", "by bus"]
    np.testing.assert_array_equal(kept, trips()[["car.2", "walk", "by bus"]])


def test_pictures_show_shares_of_all_responses(post):
    """Of a row's 3 of 4 responses in a category, and of both of the categories that it has."""
    family = post.family
    counts = trips()[NAMES].to_numpy()
    np.testing.assert_array_equal(family.category_counts(post.design.y, 3), counts)
    axis = SimpleNamespace(x=np.array([0.0, 0.0, 1.0]), categories=None)
    own = np.array([[3.0, 1.0, 0.0], [0.0, 0.0, 4.0], [0.0, 5.0, 0.0]])
    found = _shares(axis, slice(None), own, 0, np.zeros(1), "red")
    np.testing.assert_allclose(found.y, [3 / 8, 0.0])
    curve = SimpleNamespace(
        line=True, x=axis.x, mean=axis.x, band=(axis.x, axis.x)
    )  # of each category
    *_, dots = fitted_marks([curve] * 3, axis.x, own, own / 10, axis)
    np.testing.assert_allclose(dots.y, [0.3, 0.1, 0.4, 0.5])
    np.testing.assert_allclose(dots.x, [0.0, 0.0, 0.0, 1.0])
