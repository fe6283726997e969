from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from specs import spec_of

from mixedbayes.errors import ModelError
from mixedbayes.families.poisson import Poisson
from mixedbayes.plots.along import curve
from mixedbayes.plots.fitted import plot_fitted
from mixedbayes.plots.multiples import covariate, spanning
from mixedbayes.results.fitted import expected
from mixedbayes.results.posterior import Posterior


def titles(figure):
    return [ax.get_title("left") for ax in figure.axes]


def test_one_panel_per_level_with_the_users_names(sleep, check_texts):
    figure = plot_fitted(sleep, units={"Days": "day", "Reaction": "ms"})
    assert titles(figure) == [f"Subject {300 + i}" for i in range(18)]
    assert figure.get_supxlabel() == "Days (day)"
    assert figure.get_supylabel() == "Reaction (ms)"
    check_texts(figure)


def test_line_band_and_data_are_the_levels_own(sleep, by_gid):
    ax = plot_fitted(sleep, prob=0.8).axes[4]
    rows = np.flatnonzero(sleep.group("Subject").refs == 4)
    slope = sleep.fixef()[:, 0] + sleep.ranef("Subject")[:, 4, 1]
    intercept = sleep.intercept() + sleep.ranef("Subject")[:, 4, 0]
    draws = intercept[:, None] + slope[:, None] * np.arange(10.0)
    (line,), (band,), (data,) = (by_gid(ax, g) for g in ("fit", "band", "data"))
    np.testing.assert_allclose(line.get_ydata(), draws.mean(axis=0))
    low, high = np.quantile(draws, [0.1, 0.9], axis=0)
    corners = band.get_paths()[0].vertices
    assert corners[:, 1].min() == pytest.approx(low.min())
    assert corners[:, 1].max() == pytest.approx(high.max())
    np.testing.assert_allclose(data.get_offsets()[:, 1], sleep.design.y[rows])


def test_the_population_line_is_the_same_in_every_panel(sleep, by_gid):
    lines = [by_gid(ax, "population")[0].get_ydata() for ax in plot_fitted(sleep).axes]
    expected = sleep.intercept().mean() + sleep.fixef().mean() * np.arange(10.0)
    for y in lines:
        np.testing.assert_allclose(y, expected)


def test_of_many_levels_a_sample_spans_the_effects(many, check_texts):
    figure = plot_fitted(many, max_levels=12)
    effect = many.ranef("student")[:, :, 0].mean(axis=0)
    levels = many.group("student").levels
    assert len(figure.axes) == 12
    assert titles(figure)[0] == f"student {levels[effect.argmin()]}"
    assert titles(figure)[-1] == f"student {levels[effect.argmax()]}"
    assert "12 of 300 levels, evenly spaced in rank" in figure.get_supxlabel()
    check_texts(figure)


def test_spanning_is_even_in_rank():
    effect = np.array([3.0, 1.0, 2.0, 5.0, 4.0])
    np.testing.assert_array_equal(spanning(effect, 3), [1, 0, 3])


def test_levels_can_be_chosen_as_labels_or_text(many):
    assert titles(plot_fitted(many, levels=[7, "3"])) == ["student 7", "student 3"]
    with pytest.raises(ModelError, match="levels: 999 is not among the 300 of student"):
        plot_fitted(many, levels=[1, 999])
    with pytest.raises(ModelError, match="levels: nothing is not among"):
        plot_fitted(many, levels=[])


def test_three_levels(few, check_texts):
    figure = plot_fitted(few)
    assert titles(figure) == ["student 1", "student 2", "student 3"]
    check_texts(figure)


def test_crossed_factors_stand_along_each_others_axis(penicillin, by_gid, check_texts):
    figure = plot_fitted(penicillin)
    assert len(figure.axes) == 24
    assert figure.get_supxlabel() == "sample"
    ax = figure.axes[-1]
    assert [t.get_text() for t in ax.get_xticklabels()] == list("ABCDEF")
    assert not by_gid(ax, "population")  # single points, no line
    (fit,) = by_gid(ax, "fit")
    plate, sample = penicillin.ranef("plate")[:, 23], penicillin.ranef("sample")[:, :, 0]
    expected = (penicillin.intercept()[:, None] + plate + sample).mean(axis=0)
    np.testing.assert_allclose(fit.get_offsets()[:, 1], expected)
    check_texts(figure)


def test_long_category_names_are_turned(make, check_texts):
    n = 12
    where = np.tile(["north-western highlands", "southern lowlands", "islands"], n // 3)
    who = np.repeat(["a", "b", "c", "d", "e", "f"], 2)
    one = {"Intercept": np.ones(n)}
    groups = [make.group("who", who, one), make.group("where", where, one)]
    cov = {"who": np.eye(1), "where": np.eye(1)}
    post = make.posterior(make.design("y", np.arange(float(n)), {}, groups), cov, 1.0)
    figure = plot_fitted(post)
    assert {t.get_rotation() for t in figure.axes[-1].get_xticklabels()} == {90.0}
    check_texts(figure)


def test_a_wiggling_prediction_is_drawn_as_points(make, by_gid):
    """Two rows at the same x with different further covariates have two predictions."""
    k = np.repeat(np.arange(5), 4)
    x, z = np.tile([0.0, 0.0, 1.0, 1.0], 5), np.tile([0.0, 1.0, 0.0, 1.0], 5)
    g = make.group("g", k, {"Intercept": np.ones(20)})
    y = 3.0 * z + x + np.sin(np.arange(20))
    post = make.posterior(make.design("y", y, {"x": x, "z": z}, [g]), {"g": np.eye(1)}, 1.0)
    ax = plot_fitted(post).axes[0]
    assert not by_gid(ax, "population")
    assert len(by_gid(ax, "fit")[0].get_offsets()) == 4


def test_a_line_bends_as_its_link_does(sleep):
    scaled = sleep.draws / 100
    post = Posterior(spec_of(sleep.design, Poisson()), xr.DataTree.from_dict({"posterior": scaled}))
    rows = np.array([10, 19])  # one subject's first and last day
    fit = curve(post, rows, covariate(post, post.group("Subject"), None), 0.5)
    slope = post.fixef()[:, 0] + post.ranef("Subject")[:, 1, 1]
    intercept = post.intercept() + post.ranef("Subject")[:, 1, 0]
    exact = np.exp(intercept[:, None] + slope[:, None] * fit.x)
    assert len(fit.x) > 20
    np.testing.assert_allclose(fit.mean, exact.mean(axis=0))
    np.testing.assert_allclose(fit.band, np.quantile(exact, [0.25, 0.75], axis=0))


class TestCovariate:
    def axis(self, post, x=None, data=None):
        post = post.with_design(replace(post.design, data=data))
        return covariate(post, post.design.mu.groups[0], x)

    def test_the_random_slope_comes_first(self, sleep):
        assert self.axis(sleep).name == "Days"

    def test_else_the_first_numeric_term(self, many):
        assert self.axis(many).name == "occasion"

    def test_a_term_leads_to_the_column_it_is_made_of(self, make):
        k = np.repeat(np.arange(3), 4)
        days = np.tile([1.0, 2.0, 3.0, 4.0], 3)
        g = make.group("g", k, {"Intercept": np.ones(12)})
        d = make.design("y", days, {"log(Days)": np.log(days)}, [g])
        post = make.posterior(d, {"g": np.eye(1)}, 1.0)
        data = pd.DataFrame({"Day": 0.0, "Days": days})
        found = self.axis(post, data=data)
        assert found.name == "Days"
        np.testing.assert_array_equal(found.x, days)
        assert self.axis(post).name == "log(Days)"

    def test_a_coded_term_leads_to_categories_after_numbers(self, make):
        machine = np.tile(["A", "B", "C"], 4)
        dose = np.arange(12.0)
        g = make.group("g", np.repeat([0, 1], 6), {"Intercept": np.ones(12)})
        coded = (machine == "B").astype(float)
        data = pd.DataFrame({"Machine": machine, "dose": dose})

        def post(columns):
            return make.posterior(make.design("y", dose, columns, [g]), {"g": np.eye(1)}, 1.0)

        both = post({"Machine[T.B]": coded, "dose": dose})
        assert self.axis(both, data=data).name == "dose"
        alone = self.axis(post({"Machine[T.B]": coded}), data=data)
        assert alone.categories == ("A", "B", "C")
        np.testing.assert_array_equal(alone.x, np.tile([0.0, 1.0, 2.0], 4))

    def test_only_the_rows_used_count(self, sleep):
        rows = np.arange(180) + 1
        post = sleep.with_design(replace(sleep.design, rows=rows))
        data = pd.DataFrame({"Days": np.arange(181.0), "other": np.arange(181.0)})
        np.testing.assert_array_equal(self.axis(post, "other", data).x, rows)
        alone = sleep.with_design(replace(sleep.design, rows=np.arange(180)))
        np.testing.assert_array_equal(self.axis(alone, "other", data.iloc[rows]).x, rows)

    def test_without_any_covariate_the_rows_are_numbered(self, make):
        g = make.group("g", ["b", "a", "b", "a"], {"Intercept": np.ones(4)})
        post = make.posterior(make.design("y", [1.0, 2, 3, 5], {}, [g]), {"g": np.eye(1)}, 1.0)
        found = self.axis(post)
        assert found.name == "row within g"
        np.testing.assert_array_equal(found.x, [1, 1, 2, 2])

    def test_an_unknown_name_lists_the_known(self, sleep):
        with pytest.raises(ModelError, match="x='Nights' is none of Days, Subject"):
            self.axis(sleep, "Nights")


def test_counts_out_of_trials_are_shown_as_proportions(sleep, by_gid):
    trials = np.full(180, 500)
    post = sleep.with_design(replace(sleep.design, trials=trials))
    figure = plot_fitted(post)
    assert figure.get_supylabel() == "Reaction, proportion of trials"
    data = by_gid(figure.axes[0], "data")[0].get_offsets()[:, 1]
    np.testing.assert_allclose(data, sleep.design.y[:10] / 500)


@pytest.fixture(scope="module")
def model(numbers_from):
    rng = np.random.default_rng(8)
    n = 60
    data = pd.DataFrame({"g": np.arange(n) % 4, "x": rng.normal(size=n)})
    data["t"], data["z"] = rng.choice([0.1, 1.0, 20.0], n), rng.normal(size=n)
    data["arm"], data["h"] = rng.choice(["a", "b"], n), np.arange(n) % 7
    data["own"] = data["g"] * 2.0
    data["y"] = rng.poisson(2.0, n)
    return lambda formula, family=None: (numbers_from(formula, data, family), data)


@pytest.mark.parametrize(
    ("right", "line"),
    [
        ("x + (1 | g)", True),
        ("x + I(x**2) + (x | g)", True),
        ("x + own + (1 | g)", True),
        ("x + offset(log(t)) + (1 | g)", False),
        ("x + z + (1 | g)", False),
        ("x*arm + (1 | g)", False),
        ("x + (1 | g) + (1 | h)", False),
        ("x + (x + z | g)", False),
    ],
)
@pytest.mark.parametrize("family", ["poisson", "gaussian"])
def test_a_line_is_drawn_only_where_x_says_all(model, by_gid, right, line, family):
    post, _ = model(f"y ~ {right}", family)
    figure = plot_fitted(post, "g", x="x")
    for ax in figure.axes:
        assert bool(by_gid(ax, "population")) == line
    labels = [t.get_text() for t in figure.legends[0].get_texts()]
    assert ("fitted" in labels) != line


def test_the_points_are_the_fitted_values(model, by_gid):
    post, data = model("y ~ x + offset(log(t)) + (1 | g)", "poisson")
    ax = plot_fitted(post, "g", x="x").axes[2]
    found = by_gid(ax, "fit")[0].get_offsets()
    rows = np.flatnonzero(data["g"] == 2)
    rows = rows[np.argsort(data["x"].to_numpy()[rows])]
    np.testing.assert_allclose(found[:, 0], data["x"].to_numpy()[rows])
    np.testing.assert_allclose(found[:, 1], expected(post, rows).mean(axis=1))


def test_what_the_mean_does_not_depend_on_leaves_the_line(model, by_gid):
    post, _ = model(["y ~ x + (1 | g)", "sigma ~ z"], "gaussian")
    ax = plot_fitted(post, "g", x="x").axes[0]
    assert by_gid(ax, "fit")[0] in ax.lines


@pytest.mark.parametrize("response", ["y", "log(y + 1)"])
def test_the_response_is_no_axis(model, response):
    post, _ = model(f"{response} ~ x + (1 | g)", "gaussian")
    with pytest.raises(ModelError, match=r"x='y' is the response.* choose from .*x") as caught:
        plot_fitted(post, x="y")
    assert ", y" not in str(caught.value)
