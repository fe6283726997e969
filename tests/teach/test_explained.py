import numpy as np
import pytest

import mixedbayes as mb
from mixedbayes.errors import ModelError
from mixedbayes.results.r2 import batch


def test_a_batch_by_hand():
    rng = np.random.default_rng(1)
    eps = rng.normal(size=(50, 8))
    theta = eps + 2 * np.arange(8)
    unexplained = np.mean([np.var(e, ddof=1) for e in eps])
    total = np.mean([np.var(t, ddof=1) for t in theta])
    r2, pooling = batch(theta, eps)
    assert r2 == pytest.approx(1 - unexplained / total)
    assert pooling == pytest.approx(1 - np.var(eps.mean(axis=0), ddof=1) / unexplained)


def test_effects_known_for_certain_are_not_pooled_and_unknown_ones_are():
    known = np.tile(np.arange(6.0), (40, 1))
    assert batch(known, known) == (0.0, 0.0)
    rng = np.random.default_rng(2)
    unknown = rng.normal(size=(4000, 30))
    assert batch(unknown, unknown)[1] == pytest.approx(1, abs=0.01)
    assert np.isnan(batch(0 * known, 0 * known)).all()


def test_every_term_of_every_factor_and_the_data(penicillin):
    table = penicillin.explained()
    assert table[["group", "n"]].values.tolist() == [
        ["plate", 24],
        ["sample", 6],
        ["Residual", 144],
    ]
    assert table["term"].isna().tolist() == [False, False, True]
    batches = table.set_index("group")
    np.testing.assert_allclose(batches["r2"].iloc[:2], 0, atol=1e-12)
    # 24 rows of each sample, of sd .55 against 1.9: hardly any pooling
    assert batches.loc["sample", "pooling"] < 0.02 < batches.loc["plate", "pooling"] < 0.2


def test_the_data_level_is_that_of_all_rows_and_draws(gpa):
    eta = gpa.fitted(draws=True).stack(s=("chain", "draw")).to_numpy()  # (n, S)
    eps = gpa.posterior.design.y[:, None] - eta
    unexplained = eps.var(axis=0, ddof=1).mean()
    row = gpa.explained().set_index("group").loc["Residual"]
    assert row["r2"] == pytest.approx(1 - unexplained / gpa.posterior.design.y.var(ddof=1))
    assert row["pooling"] == pytest.approx(1 - eps.mean(axis=1).var(ddof=1) / unexplained)


def test_covariates_of_the_levels_explain_their_intercepts():
    """Uranium in the soil explains most of what differs between the counties."""
    formula = "log_radon ~ floor + log_uranium + (1 | county)"
    fit = mb.fit(formula, mb.load_data("radon"), draws=300, seed=1, progress=False)
    table = fit.explained().set_index("group")
    post = fit.posterior
    soil = post.design.mu.X[:, post.design.mu.terms.index("log_uranium")]
    g = post.group("county")
    w = np.array([soil[g.refs == j][0] for j in range(g.n_levels)])
    eps = post.ranef("county")[:, :, 0]
    theta = eps + post.population("log_uranium")[:, None] * w
    expected = 1 - eps.var(axis=1, ddof=1).mean() / theta.var(axis=1, ddof=1).mean()
    assert table.loc["county", "r2"] == pytest.approx(expected)
    assert expected > 0.5


def test_a_level_that_does_not_show_the_covariate_explains_nothing(pooled):
    """Subject 373 was seen on day 0 alone: its column of days is zero, its slope not predicted."""
    table = pooled.fit.explained().set_index("term")
    assert table.loc["Days", "r2"] == pytest.approx(0, abs=1e-12)


def test_interactions_across_levels_predict_slopes():
    data = mb.simulate(
        "y ~ x * w + (x | g)",
        groups={"g": 30},
        covariates={"w": {"g": mb.Normal(0, 1)}},
        fixef={"x": 1, "x:w": 1},
        sd={"g": {"Intercept": 0.3, "x": 0.3}},
        seed=4,
    )
    fit = mb.fit("y ~ x * w + (x | g)", data, draws=300, seed=1, progress=False)
    table = fit.explained().set_index("term")
    assert table.loc["x", "r2"] > 0.7
    assert table.loc["Intercept", "r2"] < 0.6


# ---- the ledger ---------------------------------------------------------------------------------


def test_the_population_is_worth_as_many_rows_as_its_variance_says(gpa):
    """sigma^2 / tau^2 rows, the same for every level, where one intercept varies."""
    table = gpa.shrinkage()
    post = gpa.posterior
    tau2, sigma2 = post.sd("student")[:, 0] ** 2, post.stacked("sigma") ** 2
    factor = (sigma2 / (sigma2 + 6 * tau2)).mean()
    np.testing.assert_allclose(table["borrowed"], 6 * factor / (1 - factor))
    assert table["borrowed"].iloc[0] == pytest.approx((sigma2 / tau2).mean(), rel=0.05)


def test_few_rows_borrow_most(pooled):
    table = pooled.fit.shrinkage()
    slopes = table[table["term"] == "Days"].set_index("level")
    pooling, borrowed = slopes["pooling"], slopes["borrowed"]
    assert pooling["373"] > pooling["374"] > pooling.drop(["373", "374"]).max()
    assert min(borrowed["373"], borrowed["374"]) > 5 * borrowed.drop(["373", "374"]).max()


# ---- pictures -----------------------------------------------------------------------------------


def test_points_are_pooling_factors_against_rows(pooled):
    figure = pooled.fit.plot_pooling_factor()
    table = pooled.fit.shrinkage()
    assert [ax.get_title("left") for ax in figure.axes] == ["Subject: Intercept", "Subject: Days"]
    for ax, term in zip(figure.axes, ("Intercept", "Days"), strict=True):
        (dots,) = [c for c in ax.collections if c.get_gid() == "levels"]
        own = table[table["term"] == term]
        at = np.asarray(dots.get_offsets())
        np.testing.assert_allclose(at[:, 1], own["pooling"])
        np.testing.assert_allclose(at[:, 0], np.log10(own["n"]), atol=0.25)
        assert not ax.lines


def test_levels_of_one_size_do_not_cover_each_other(gpa):
    (ax,) = gpa.plot_pooling_factor().axes
    (dots,) = [c for c in ax.collections if c.get_gid() == "levels"]
    assert len(np.unique(np.asarray(dots.get_offsets())[:, 0])) == 200


def test_the_curve_goes_through_the_levels():
    radon = mb.load_data("radon")
    fit = mb.fit("log_radon ~ floor + (1 | county)", radon, draws=300, seed=1, progress=False)
    (ax,) = fit.plot_pooling_factor().axes
    (curve,) = ax.lines
    x, y = curve.get_data()
    table = fit.shrinkage()
    np.testing.assert_allclose(np.interp(np.log10(table["n"]), x, y), table["pooling"], atol=0.003)


def test_what_cannot_be_drawn_is_refused(gpa):
    with pytest.raises(ModelError, match="no grouping factor 'school'"):
        gpa.plot_pooling_factor("school")
    with pytest.raises(ModelError, match="matplotlib, plotly, bokeh; got 'gnuplot'"):
        gpa.plot_pooling_factor(backend="gnuplot")
