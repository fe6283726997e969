import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedbayes as mb
from mixedbayes.errors import FormulaError, ModelError
from mixedbayes.results.text import Table


def by_kind(table, level, term):
    rows = table[(table["level"].astype(str) == level) & (table["term"] == term)]
    return rows.set_index("kind")


def test_one_row_for_each_level_term_and_kind(pooled):
    assert pooled.columns.tolist() == [
        *("group", "level", "term", "n", "kind", "mean", "sd", "lower", "upper", "note")
    ]
    assert len(pooled) == 20 * 2 * 3
    assert pooled["kind"].tolist() == ["complete", "none", "partial"] * 40
    assert pooled["level"].unique().tolist()[-2:] == ["374", "373"]
    assert pooled["n"].unique().tolist() == [10, 2, 1]


def test_no_pooling_is_a_regression_in_each_level(pooled, reference):
    lm = reference("lm_sleepstudy_no_pooling")
    for term in ("Intercept", "Days"):
        rows = pooled[(pooled["kind"] == "none") & (pooled["term"] == term)]
        rows = rows.set_index(rows["level"].astype(str)).loc[lm["levels"]]
        np.testing.assert_allclose(rows["mean"], lm[term], rtol=1e-9)


@pytest.mark.parametrize("subject", ["308", "330"])
def test_standard_errors_of_a_level_are_those_of_r(pooled, reference, subject):
    lm = reference(f"lm_sleepstudy_subject{subject}")
    for i, term in enumerate(("Intercept", "Days")):
        row = by_kind(pooled, subject, term).loc["none"]
        assert row["mean"] == pytest.approx(lm["fixed"]["estimate"][i], rel=1e-9)
        assert row["sd"] == pytest.approx(lm["fixed"]["se"][i], rel=1e-8)
        half = stats.t.ppf(0.975, 8) * lm["fixed"]["se"][i]
        assert row["upper"] - row["lower"] == pytest.approx(2 * half, rel=1e-8)


def test_complete_pooling_is_the_regression_of_r(pooled, reference):
    lm = reference("lm_sleepstudy_partial")
    for i, term in enumerate(("Intercept", "Days")):
        for subject in ("308", "373"):
            row = by_kind(pooled, subject, term).loc["complete"]
            assert row["mean"] == pytest.approx(lm["fixed"]["estimate"][i], rel=1e-9)
            assert row["sd"] == pytest.approx(lm["fixed"]["se"][i], rel=1e-8)


def test_partly_observed_subjects_are_pooled_to_the_numbers_of_reml(pooled):
    for subject, values in {"373": (248.98, 10.39), "374": (271.15, 11.08)}.items():
        for term, value in zip(("Intercept", "Days"), values, strict=True):
            row = by_kind(pooled, subject, term).loc["partial"]
            assert abs(row["mean"] - value) < 0.2 * row["sd"]


def test_a_level_without_a_line_of_its_own_says_why(pooled):
    lone = by_kind(pooled, "373", "Days").loc["none"]
    assert lone[["mean", "sd", "lower", "upper"]].isna().all()
    assert lone["note"] == "1 row for 2 effects (Intercept, Days)"
    assert by_kind(pooled, "373", "Intercept").loc["none", "mean"] == pytest.approx(245)
    two = by_kind(pooled, "374", "Days").loc["none"]
    assert two["mean"] == pytest.approx(2)
    assert np.isnan(two["sd"])
    assert two["note"] == "no residual: 2 rows fitted exactly"
    others = pooled[~pooled["level"].astype(str).isin(["373", "374"])]
    assert (others["note"] == "").all()
    assert others["sd"].notna().all()


def test_partial_pooling_is_the_fits_own(pooled):
    partial = pooled[pooled["kind"] == "partial"].reset_index(drop=True)
    columns = ["level", "term", "n", "mean", "sd", "lower", "upper"]
    pd.testing.assert_frame_equal(partial[columns], pooled.fit.coef()[columns])
    again = pooled.fit.pooling()
    pd.testing.assert_frame_equal(pd.DataFrame(pooled), pd.DataFrame(again))
    assert pooled.fit.model.formula.text == "Reaction ~ Days + (1 + Days | Subject)"


def test_frames_made_from_the_table_are_tables_without_a_fit(pooled):
    for part in (pooled.head(), pooled[pooled["n"] > 2]):
        assert type(part) is Table
        assert not hasattr(part, "fit")


def test_what_varies_can_be_chosen():
    table = mb.pooling(
        "gpa ~ occasion",
        "student",
        mb.load_data("gpa"),
        varying="1",
        draws=200,
        seed=1,
        progress=False,
    )
    assert table["term"].unique().tolist() == ["Intercept"]
    assert table.fit.model.design.mu.groups[0].terms == ("Intercept",)
    slope = table.fit.posterior.fixef().mean()
    data = mb.load_data("gpa")
    rest = data["gpa"] - slope * data["occasion"]
    means = rest.groupby(data["student"], observed=True).agg(["mean", "sem"])
    none = table[table["kind"] == "none"]
    np.testing.assert_allclose(none["mean"], means["mean"], rtol=1e-9)
    np.testing.assert_allclose(none["sd"], means["sem"], rtol=1e-8)


def test_weights_count_as_in_weighted_regression():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": np.tile(np.arange(6.0), 4), "g": np.repeat(list("abcd"), 6)})
    data["w"] = rng.integers(1, 5, len(data)).astype(float)
    data["y"] = 1 + data["x"] + rng.normal(size=len(data)) / np.sqrt(data["w"])
    table = mb.pooling("y | weights(w) ~ x", "g", data, draws=50, seed=1, progress=False)
    for level, rows in data.groupby("g"):
        W, X = np.diag(rows["w"]), np.column_stack([np.ones(6), rows["x"]])
        inverse = np.linalg.inv(X.T @ W @ X)
        beta = inverse @ X.T @ W @ rows["y"]
        s2 = rows["w"] @ (rows["y"] - X @ beta) ** 2 / 4
        for k, term in enumerate(("Intercept", "x")):
            row = by_kind(table, level, term).loc["none"]
            assert row["mean"] == pytest.approx(beta[k])
            assert row["sd"] == pytest.approx(np.sqrt(s2 * inverse[k, k]))


def test_a_predictor_far_from_zero_costs_no_digits():
    rng = np.random.default_rng(2)
    x = np.tile(np.arange(8.0), 5)
    data = pd.DataFrame({"x": x, "year": 2000 + x, "g": np.repeat(list("abcde"), 8)})
    data["y"] = x + rng.normal(size=len(x))
    near = mb.fit("y ~ x + (x | g)", data, draws=50, seed=1, progress=False).pooling()
    far = mb.fit("y ~ year + (year | g)", data, draws=50, seed=1, progress=False).pooling()
    for kind in ("complete", "none"):
        a = near[(near["kind"] == kind) & (near["term"] == "x")]
        b = far[(far["kind"] == kind) & (far["term"] == "year")]
        np.testing.assert_allclose(a[["mean", "sd"]], b[["mean", "sd"]], rtol=1e-7)


def test_a_term_without_a_population_effect_is_zero_under_complete_pooling():
    fit = mb.fit(
        "Reaction ~ 1 + (Days | Subject)",
        mb.load_data("sleepstudy"),
        draws=50,
        seed=1,
        progress=False,
    )
    row = by_kind(fit.pooling(), "308", "Days").loc["complete"]
    assert (row["mean"], row["sd"]) == (0, 0)
    assert row["note"] == "no population effect: 0 under complete pooling"


def test_every_factor_or_one_of_them(penicillin):
    assert penicillin.pooling()["group"].unique().tolist() == ["plate", "sample"]
    assert penicillin.pooling("sample")["group"].unique().tolist() == ["sample"]
    with pytest.raises(ModelError, match="'cask' is not a grouping factor"):
        penicillin.pooling("cask")


def test_a_formula_with_group_effects_is_refused():
    with pytest.raises(FormulaError, match=r"has \(1 \| Subject\): leave it out"):
        mb.pooling("Reaction ~ Days + (1 | Subject)", "Subject", mb.load_data("sleepstudy"))


def test_other_links_have_no_least_squares():
    data = mb.load_data("grouseticks").head(60)
    fit = mb.fit(
        "TICKS ~ 1 + (1 | BROOD)",
        data,
        family="poisson",
        draws=20,
        tune=100,
        chains=1,
        seed=1,
        progress=False,
    )
    with pytest.raises(ModelError, match=r"pooling\(\) compares with least squares"):
        fit.pooling()


# ---- pictures -----------------------------------------------------------------------------------


def lines(ax):
    return {line.get_gid(): line for line in ax.get_lines() if line.get_gid()}


def panel(figure, title):
    return next(ax for ax in figure.axes if ax.get_title("left") == title)


def test_lines_are_those_of_the_table(pooled):
    figure = pooled.fit.plot_pooling()
    assert len(figure.axes) == 20
    for subject in ("308", "374"):
        drawn = lines(panel(figure, f"Subject {subject}"))
        for kind in ("complete", "none", "partial"):
            x, y = drawn[kind].get_data()
            intercept = by_kind(pooled, subject, "Intercept").loc[kind, "mean"]
            slope = by_kind(pooled, subject, "Days").loc[kind, "mean"]
            assert (x[0], x[-1]) == (0, 9)
            np.testing.assert_allclose(y, intercept + slope * x, rtol=1e-8)


def test_a_panel_without_a_line_of_its_own_says_so(pooled):
    ax = panel(pooled.fit.plot_pooling(), "Subject 373")
    assert np.isnan(lines(ax)["none"].get_ydata()).all()
    assert [t.get_text() for t in ax.texts] == ["no line of its own"]
    assert not panel(pooled.fit.plot_pooling(), "Subject 374").texts


def test_bands_are_the_intervals_of_the_table(pooled):
    ax = panel(pooled.fit.plot_pooling(levels=["335"]), "Subject 335")
    for kind in ("none", "partial"):
        (band,) = [c for c in ax.collections if c.get_gid() == f"{kind} band"]
        at_zero = band.get_paths()[0].vertices
        at_zero = at_zero[at_zero[:, 0] == 0, 1]
        row = by_kind(pooled, "335", "Intercept").loc[kind]
        np.testing.assert_allclose([at_zero.min(), at_zero.max()], [row["lower"], row["upper"]])


def test_categories_are_points(machines):
    figure = machines.plot_pooling()
    ax = panel(figure, "Worker 6")
    (points,) = [c for c in ax.collections if c.get_gid() == "none"]
    data = mb.load_data("machines")
    own = data[data["Worker"].astype(str) == "6"].groupby("Machine", observed=True)["score"].mean()
    np.testing.assert_allclose(np.asarray(points.get_offsets())[:, 1], own)


def test_levels_of_another_factor_along_the_axis_are_lines(penicillin):
    ax = panel(penicillin.plot_pooling("sample"), "sample A")
    for line in lines(ax).values():
        y = line.get_ydata()
        np.testing.assert_allclose(y, y[0])


def test_covariates_of_the_level_are_its_own():
    """With a covariate of the group the complete line differs between the groups."""
    data = mb.load_data("gpa")
    fit = mb.fit("gpa ~ occasion + sex + (1 | student)", data, draws=50, seed=1, progress=False)
    chosen = data.drop_duplicates("sex")[["student", "sex"]]
    figure = fit.plot_pooling(levels=chosen["student"].tolist())
    heights = [lines(ax)["complete"].get_ydata()[0] for ax in figure.axes]
    X = np.column_stack([np.ones(len(data)), data["occasion"], data["sex"] == "male"])
    beta = np.linalg.lstsq(X, data["gpa"])[0]
    expected = [beta[0] + beta[2] * (sex == "male") for sex in chosen["sex"]]
    np.testing.assert_allclose(heights, expected, rtol=1e-8)


def test_many_levels_are_sampled_by_rank(gpa):
    figure = gpa.plot_pooling(max_levels=8)
    assert len(figure.axes) == 8
    assert "8 of 200 levels" in figure.get_supxlabel()


def test_unknown_backends_are_refused(gpa):
    with pytest.raises(ModelError, match="matplotlib, plotly, bokeh; got 'gnuplot'"):
        gpa.plot_pooling(backend="gnuplot")
