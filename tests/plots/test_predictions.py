import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.errors import DataError, ModelError
from mixedbayes.plots.predictions import plot_predictions
from mixedbayes.plots.simpson import plot_simpson
from mixedbayes.predict.predict import predict


@pytest.fixture(scope="module")
def fit():
    data = mb.load_data("sleepstudy")
    return mb.fit("Reaction ~ Days + (Days | Subject)", data, draws=200, seed=1, progress=False)


@pytest.fixture(scope="module")
def binary():
    data = mb.simulate(
        "y ~ x + (1 | g)", groups={"g": 20}, per_group=15, fixef={"Intercept": 1, "x": 1},
        sd={"g": {"Intercept": 2.0}}, family="bernoulli", seed=2,
    )  # fmt: skip
    data["g"] = data["g"].astype(int)
    return mb.fit("y ~ x + (1 | g)", data, family="bernoulli", draws=200, seed=1, progress=False)


def lines(figure):
    return {line.get_gid(): line.get_data() for line in figure.axes[0].lines}


def band(figure, gid):
    return next(c for c in figure.axes[0].collections if c.get_gid() == gid)


def test_lines_are_the_predictions(fit, check_texts):
    figure = fit.plot_predictions(levels=["308", "335"])
    x, y = lines(figure)["conditional"]
    for k, subject in enumerate(("308", "335")):
        part = slice(41 * k, 41 * k + 40)
        new = pd.DataFrame({"Subject": subject, "Days": x[part]})
        np.testing.assert_allclose(y[part], fit.predict(new, kind="mean")["mean"])
    x, y = lines(figure)["unconditional"]
    new = pd.DataFrame({"Days": x})
    typical = fit.predict(new, kind="mean", groups="typical")
    np.testing.assert_allclose(y, typical["mean"])
    corners = band(figure, "unconditional band").get_paths()[0].vertices[:, 1]
    assert corners.min() == pytest.approx(typical["lower"].min())
    check_texts(figure)


def test_a_level_not_seen_has_the_population_around_it(fit):
    figure = fit.plot_predictions(prob=0.9)
    at_end = band(figure, "new level").get_paths()[0].vertices
    at_end = at_end[at_end[:, 0] == 9, 1]
    new = pd.DataFrame({"Subject": ["somebody"], "Days": [9]})
    found = fit.predict(new, kind="mean", groups="new", prob=0.9)
    width = at_end.max() - at_end.min()
    assert width == pytest.approx((found["upper"] - found["lower"]).iloc[0], rel=0.15)
    assert "average" not in lines(figure)


def test_through_a_link_the_mean_of_all_is_another_line(binary, check_texts):
    figure = binary.plot_predictions()
    drawn = lines(figure)
    typical, average = drawn["unconditional"][1], drawn["average"][1]
    assert 0 < average.min() < average.max() < 1
    assert (np.abs(average - 0.5) <= np.abs(typical - 0.5) + 1e-9).mean() > 0.9
    assert figure.axes[0].get_ylabel() == "probability of y"
    check_texts(figure)


def test_of_many_levels_some_are_drawn_and_that_is_said(binary):
    figure = binary.plot_predictions(max_levels=5)
    assert np.isnan(lines(figure)["conditional"][1]).sum() == 5
    assert "5 of 20 levels, evenly spaced" in figure.axes[0].get_xlabel()


def test_other_covariates_are_typical():
    data = mb.load_data("gpa")
    formula = "gpa ~ occasion + sex + (1 | student)"
    fit = mb.fit(formula, data, draws=50, chains=2, seed=1, progress=False)
    x, y = lines(fit.plot_predictions(max_levels=3))["unconditional"]
    new = pd.DataFrame({"occasion": x, "sex": data["sex"].mode().iloc[0]})
    np.testing.assert_allclose(y, fit.predict(new, groups="typical", kind="mean")["mean"])


def test_categories_are_named_along_the_axis():
    data = mb.load_data("cbpp")
    fit = mb.fit(
        "incidence | trials(size) ~ period + (1 | herd)", data, family="binomial", draws=50,
        chains=2, seed=1, progress=False,
    )  # fmt: skip
    (ax,) = fit.plot_predictions().axes
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "2", "3", "4"]
    assert ax.get_ylabel() == "incidence, proportion of trials"


@pytest.fixture(scope="module")
def held_out(numbers_from):
    rng = np.random.default_rng(8)
    n = 60
    data = pd.DataFrame(
        {"g": np.arange(n) % 4, "x": rng.normal(size=n), "dose": rng.normal(size=n)}
    )
    data["t"], data["unused"] = rng.uniform(1, 5, n), rng.normal(size=n)
    data["arm"] = rng.choice(["low", "high"], n, p=[0.8, 0.2])
    data["y"] = rng.poisson(2.0, n)
    post = numbers_from("y ~ x*arm + dose + offset(log(t)) + (x | g)", data, "poisson")
    return post, data


@pytest.mark.parametrize("x", ["x", "arm", "dose", "t"])
@pytest.mark.parametrize("picture", [plot_predictions, plot_simpson])
def test_what_is_held_is_named_with_its_value(held_out, x, picture, check_texts):
    post, data = held_out
    if picture is plot_simpson and x == "arm":
        pytest.skip("its axis has numbers")
    figure = picture(post, x=x)
    said = figure.axes[0].get_xlabel()
    values = {"arm": "low"} | {c: f"{data[c].mean():.4g}" for c in ("x", "dose", "t")}
    for name, value in values.items():
        assert (f"{name} = {value}" in said) == (name != x)
    assert "unused" not in said
    check_texts(figure)


def test_nothing_is_named_where_nothing_is_held(held_out, numbers_from):
    data = held_out[1]
    post = numbers_from("y ~ x + (x | g)", data, "poisson")
    assert plot_predictions(post).axes[0].get_xlabel() == "x"


def test_many_held_values_stand_in_lines(numbers_from, held_out, check_texts):
    columns = {f"covariate_{k}": np.arange(60) * 1.5 + k for k in range(9)}
    data = held_out[1].assign(
        **{c: np.random.default_rng(k).permutation(v) for k, (c, v) in enumerate(columns.items())}
    )
    post = numbers_from(f"y ~ x + {' + '.join(columns)} + (1 | g)", data, "gaussian")
    figure = plot_predictions(post, x="x")
    assert all(f"{c} = " in figure.axes[0].get_xlabel() for c in columns)
    check_texts(figure)


def test_a_mean_that_depends_on_sigma_names_its_columns_too(numbers_from, held_out):
    data = held_out[1].assign(y=lambda d: d["y"] + 1.0)
    lines = ["y ~ x + (1 | g)", "sigma ~ dose"]
    assert (
        "dose = "
        in plot_predictions(numbers_from(lines, data, "lognormal"), x="x").axes[0].get_xlabel()
    )
    assert (
        "dose"
        not in plot_predictions(numbers_from(lines, data, "gaussian"), x="x").axes[0].get_xlabel()
    )


@pytest.mark.parametrize("picture", [plot_predictions, plot_simpson])
def test_the_response_is_no_axis(held_out, picture):
    post, _ = held_out
    with pytest.raises(ModelError, match="x='y' is the response"):
        picture(post, x="y")


def test_a_term_runs_along_its_column(numbers_from, held_out):
    data = held_out[1]
    post = numbers_from("y ~ log(t) + (1 | g)", data, "gaussian")
    figure = plot_predictions(post, x="log(t)")
    assert figure.axes[0].get_xlabel() == "t"
    assert np.ptp(lines(figure)["unconditional"][1]) > 0


# ---- by= and at= -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trial(numbers_from):
    """Patients in two arms, a covariate that varies within them, and a number of few values."""
    rng = np.random.default_rng(5)
    n = 80
    data = pd.DataFrame({"patient id": np.arange(n) % 8, "x": rng.normal(size=n)})
    data["arm"] = np.array(["control", "drug"])[data["patient id"] % 2]
    data["sex"] = rng.choice(["f", "m"], n)
    data["dose"] = rng.choice([2.0, 4.0, 8.0], n)
    data["y"], data["count"] = rng.normal(size=n), rng.poisson(2.0, n)
    right = "x * arm + sex + dose + (x | `patient id`)"
    return numbers_from(f"y ~ {right}", data), data


def drawn(figure, gid, k=0):
    return [line for line in figure.axes[k].lines if line.get_gid() == gid]


def mean_at(post, groups="typical", **columns):
    return predict(post, pd.DataFrame(columns), groups=groups, kind="mean", progress=False)["mean"]


def test_colours_are_the_values_of_a_column_and_the_rest_is_named(trial, check_texts):
    post, _ = trial
    figure = plot_predictions(post, "x", by="sex", at={"dose": 8})
    for line, sex in zip(drawn(figure, "unconditional"), ["f", "m"], strict=True):
        x = line.get_xdata()
        np.testing.assert_allclose(
            line.get_ydata(), mean_at(post, x=x, sex=sex, dose=8.0, arm="control")
        )
    said = figure.axes[0].get_xlabel()
    assert "at arm = control, dose = 8" in said
    assert "sex" not in said
    assert [t.get_text() for t in figure.legends[0].get_texts()][:2] == ["sex f", "sex m"]
    check_texts(figure)


def test_a_level_is_at_its_own_value_of_what_does_not_vary_within_levels(trial, check_texts):
    post, _ = trial
    figure = plot_predictions(post, "x", at={"sex": "f", "dose": 4})
    (line,) = drawn(figure, "conditional")
    for k in range(8):
        x, y = (v[41 * k : 41 * k + 40] for v in (line.get_xdata(), line.get_ydata()))
        columns = {"x": x, "sex": "f", "dose": 4.0, "arm": ["control", "drug"][k % 2]}
        own = mean_at(post, ["patient id"], **columns, **{"patient id": k})
        np.testing.assert_allclose(y, own)
    said = figure.axes[0].get_xlabel().replace("\n", " ")
    assert "the line of a patient id at its own arm" in said
    check_texts(figure)
    everybody = plot_predictions(post, "x", at={"arm": "drug"})
    assert "its own" not in everybody.axes[0].get_xlabel()


def test_colours_of_a_column_between_levels_have_their_own_levels(trial):
    post, _ = trial
    lines = drawn(plot_predictions(post, "x", by="arm"), "conditional")
    assert [int(np.isnan(line.get_ydata()).sum()) for line in lines] == [4, 4]


def test_further_columns_have_panels(trial, check_texts):
    post, _ = trial
    figure = plot_predictions(post, "x", by=["arm", "sex"], at={"dose": [2, 8]})
    titles = [ax.get_title("left") for ax in figure.axes]
    assert titles == [f"sex {sex}, dose = {dose}" for sex in "fm" for dose in (2, 8)]
    check_texts(figure)


def test_data_are_drawn_once_and_in_the_colour_of_their_level(trial, by_gid):
    post, data = trial
    by_sex = plot_predictions(post, "x", by="sex").axes[0]
    sizes = [len(dots.get_offsets()) for dots in by_gid(by_sex, "data")]
    assert sizes == data["sex"].value_counts().reindex(["f", "m"]).tolist()
    between = plot_predictions(post, "x", by={"dose": [3, 5]}).axes[0]
    assert [len(dots.get_offsets()) for dots in by_gid(between, "data")] == [len(data)]


@pytest.mark.parametrize("backend", ["plotly", "bokeh"])
def test_colours_and_panels_in_every_backend(trial, backend):
    pytest.importorskip(backend)
    for x in ("x", "arm"):
        plot_predictions(trial[0], x, by=["sex", "dose"], backend=backend)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"by": "x"}, "x runs along the axis"),
        ({"by": "sex", "at": {"sex": "f"}}, "sex is in by= and in at="),
        ({"by": "patient id"}, "patient id is a grouping factor"),
        ({"at": ["dose"]}, "is no mapping of columns to values"),
        ({"by": {"dose": list(range(13))}}, "13 values of dose are too many colours"),
        ({"at": {"dose": list(range(13))}}, "13 combinations of dose are too many panels"),
    ],
)
def test_what_has_no_place_is_refused(trial, options, said):
    with pytest.raises(ModelError, match=said):
        plot_predictions(trial[0], "x", **options)


@pytest.mark.parametrize("options", [{"by": "sexx"}, {"at": {"sex": "g"}}, {"at": {"y": 1}}])
def test_what_the_model_does_not_have_is_refused(trial, options):
    with pytest.raises(DataError):
        plot_predictions(trial[0], "x", **options)


def test_the_factor_of_the_lines_is_no_axis(trial):
    with pytest.raises(ModelError, match="give it as group='patient id'"):
        plot_predictions(trial[0], "patient id")
