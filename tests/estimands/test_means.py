"""What averages, comparisons and slopes are of, and properties that they must have."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hand_made import hand_made
from scipy import special

import mixedbayes as mb
from mixedbayes.errors import DataError, ModelError
from mixedbayes.estimands.grid import grid
from mixedbayes.estimands.means import comparisons, means, slopes
from mixedbayes.predict.predict import predict


def frame(n=60, seed=0):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "x": rng.normal(2, 1, n),
            "arm": pd.Categorical(
                rng.choice(["low", "mid", "high"], n), categories=["low", "mid", "high"]
            ),
            "sex": rng.choice(["f", "m"], n),
            "ward": np.arange(n) % 12,
            "on": rng.random(n) < 0.5,
        }
    )
    data["clinic"] = data["ward"] // 3
    return data


MODEL = "y ~ x * arm + sex + on + (x | clinic) + (1 | ward)"


@pytest.fixture(scope="module")
def gaussian():
    data = frame()
    data["y"] = np.random.default_rng(1).normal(size=len(data))
    return hand_made(MODEL, data, "gaussian", 40, np.random.default_rng(2))


@pytest.fixture(scope="module")
def logistic():
    data = frame()
    data["y"] = np.random.default_rng(1).integers(0, 2, len(data))
    return hand_made(MODEL, data, "bernoulli", 40, np.random.default_rng(2))


@pytest.fixture(params=["gaussian", "logistic"])
def post(request):
    return request.getfixturevalue(request.param)


def mean_of(post, data=None, **options):
    """Posterior draws (S,) of the mean prediction of rows."""
    found = predict(post, data, kind="mean", draws=True, **options)
    return found.to_numpy().reshape(post.n_draws, -1).mean(axis=1)


@pytest.mark.parametrize("groups", ["average", "typical", "auto"])
def test_an_average_over_the_observed_rows_is_the_mean_of_their_predictions(post, groups):
    found = means(post, groups=groups)
    np.testing.assert_allclose(found.sampled[0], mean_of(post, groups=groups), rtol=1e-9)
    by = means(post, by="sex", groups=groups)
    data = post.design.frame
    for row, sex in enumerate(by["sex"]):
        part = mean_of(post, data[data["sex"] == sex], groups=groups)
        np.testing.assert_allclose(by.sampled[row], part, rtol=1e-9)


def test_a_mean_is_over_rows_in_which_only_the_focal_column_changes(post):
    data = post.design.frame
    found = means(post, ["arm", "sex"], at={"x": [1.0, 3.0]}, groups="typical")
    assert list(found["arm"].cat.categories) == ["low", "mid", "high"]
    assert list(found["arm"].unique()) == ["low", "mid", "high"]
    assert len(found) == 3 * 2 * 2
    for k, row in found.table.iterrows():
        changed = data.assign(arm=row["arm"], sex=row["sex"], x=row["x"])
        np.testing.assert_allclose(
            found.sampled[k], mean_of(post, changed, groups="typical"), rtol=1e-9
        )


def test_comparisons_sum_to_zero_around_a_cycle(post):
    pairs = comparisons(post, {"arm": "pairwise"}, by="sex")
    low_mid, low_high, mid_high = pairs.sampled.reshape(3, 2, -1)
    np.testing.assert_allclose(low_mid + mid_high, low_high, atol=1e-12)
    ratios = comparisons(post, {"arm": "pairwise"}, how="ratio").sampled
    np.testing.assert_allclose(ratios[0] * ratios[2], ratios[1])
    lift = comparisons(post, {"arm": "pairwise"}, how="lift").sampled
    np.testing.assert_allclose(lift, ratios - 1)
    own = comparisons(post, {"arm": "pairwise"}, how=lambda b, a: b - a).sampled
    np.testing.assert_array_equal(own, comparisons(post, {"arm": "pairwise"}).sampled)
    back = comparisons(post, {"arm": ("high", "low")})
    assert list(back["arm"]) == ["low - high"]
    np.testing.assert_allclose(back.sampled, -comparisons(post, {"arm": ("low", "high")}).sampled)


def test_the_mean_of_all_levels_is_the_centre_of_their_comparisons(post):
    found = comparisons(post, {"arm": "mean"})
    np.testing.assert_allclose(found.sampled.sum(axis=0), 0, atol=1e-12)
    each = means(post, "arm").contrast("mean")
    np.testing.assert_allclose(found.sampled, each.sampled, atol=1e-12)


def test_a_numeric_comparison_is_a_step_forward(post):
    data, typical = post.design.frame, {"groups": "typical"}
    for step, ask in {1.0: "x", 2.5: {"x": 2.5}, data["x"].std(): {"x": "sd"}}.items():
        expected = mean_of(post, data.assign(x=data["x"] + step), **typical)
        expected -= mean_of(post, data, **typical)
        found = comparisons(post, ask, **typical)
        np.testing.assert_allclose(found.sampled[0], expected, atol=1e-10)
    between = mean_of(post, data.assign(x=4.0), **typical)
    between -= mean_of(post, data.assign(x=1.0), **typical)
    found = comparisons(post, {"x": (1, 4)}, **typical)
    np.testing.assert_allclose(found.sampled[0], between, atol=1e-10)
    assert list(found["x"]) == ["4 - 1"]


def test_crossed_comparisons_change_both_at_once(post):
    data = post.design.frame
    found = comparisons(post, {"arm": "reference", "on": None}, groups="typical")
    assert list(zip(found["arm"], found["on"], strict=True)) == [
        ("mid - low", "True - False"), ("high - low", "True - False"),
    ]  # fmt: skip
    ends = [
        mean_of(post, data.assign(arm=arm, on=on), groups="typical")
        for arm, on in [("high", True), ("low", False)]
    ]
    np.testing.assert_allclose(found.sampled[1], ends[0] - ends[1], atol=1e-12)


def test_slopes_are_differences_in_linear_models_and_derivatives_elsewhere(gaussian, logistic):
    for by in (None, "arm", "clinic"):
        slope = slopes(gaussian, "x", by=by).sampled
        step = comparisons(gaussian, "x", by=by).sampled
        np.testing.assert_allclose(slope, step, rtol=1e-6, atol=1e-8)
    at = {"x": [1.0], "arm": ["mid"], "sex": ["f"], "on": [True]}
    for groups in ("typical", "average"):
        p = means(logistic, at=at, groups=groups).sampled[0]
        options = {"at": at, "groups": groups}
        found = {
            how: slopes(logistic, "x", how=how, **options).sampled[0]
            for how in ("dydx", "eyex", "dyex", "eydx")
        }
        if groups == "typical":
            eta = means(logistic, at=at, groups=groups, kind="linear")
            link = slopes(logistic, "x", at=at, groups=groups, kind="linear")
            np.testing.assert_allclose(p, special.expit(eta.sampled[0]))
            np.testing.assert_allclose(found["dydx"], link.sampled[0] * p * (1 - p), rtol=1e-6)
        np.testing.assert_allclose(found["dyex"], found["dydx"] * 1.0, rtol=1e-6)
        np.testing.assert_allclose(found["eydx"], found["dydx"] / p, rtol=1e-6)
        np.testing.assert_allclose(found["eyex"], found["dydx"] / p, rtol=1e-6)


def test_groups_have_their_own_effects_where_the_question_names_them(post):
    found = means(post, by="clinic")
    data = post.design.frame
    expected = []
    for clinic in found["clinic"]:
        rows = data[data["clinic"] == clinic]
        # Over the population of wards, with the clinic's own effects: many wards' mean.
        many = pd.concat([rows.assign(ward=f"new {k}") for k in range(400)])
        if post.family.name == "gaussian":
            many = rows.assign(ward="typical")
            own = predict(post, many, groups=["clinic"], kind="mean", draws=True)
            expected.append(own.to_numpy().reshape(post.n_draws, -1).mean(axis=1))
        else:
            draws = predict(post, many, kind="mean", draws=True, progress=False)
            expected.append(draws.to_numpy().reshape(post.n_draws, -1).mean(axis=1))
    tolerance = 1e-9 if post.family.name == "gaussian" else 0.05
    np.testing.assert_allclose(found.sampled, expected, atol=tolerance)
    assert "clinic with its own effects" in found.question
    assert "ward averaged over" in found.question
    listed = means(post, groups=["clinic"])
    assert list(listed["clinic"]) == list(found["clinic"])
    own = mean_of(post, data[data["clinic"] == 2], groups=["clinic"])
    np.testing.assert_allclose(listed.sampled[2], own, rtol=1e-9)


def test_new_groups_are_the_same_on_both_sides_of_a_comparison(gaussian):
    """The effects of a new group cancel where the column that changes has none."""
    found = comparisons(gaussian, {"arm": ("low", "high")}, groups="new")
    other = comparisons(gaussian, {"arm": ("low", "high")}, groups="typical")
    np.testing.assert_allclose(found.sampled, other.sampled, atol=1e-9)
    slope = comparisons(gaussian, "x", groups="new", at={"arm": ["low"]})
    assert slope.sampled.std() > comparisons(gaussian, "x", at={"arm": ["low"]}).sampled.std()


def test_poststratification_weights_rows_of_a_table(post):
    table = pd.DataFrame({"sex": ["f", "m", "m"], "on": [True, False, True], "N": [10, 30, 0.0]})
    at = {"x": [1.0], "arm": ["low"]}
    found = means(post, at=at, over=table, weights="N", groups="typical").sampled[0]
    rows = table.assign(x=1.0, arm="low")
    each = predict(post, rows, kind="mean", groups="typical", draws=True).to_numpy()
    np.testing.assert_allclose(found, each.reshape(-1, 3) @ [0.25, 0.75, 0.0], rtol=1e-9)
    again = means(post, at=at, over=pl.from_pandas(table), weights="N", groups="typical")
    np.testing.assert_array_equal(again.sampled[0], found)
    # Strata that are levels of a factor have their own effects.
    strata = pd.DataFrame({"clinic": [0, 1], "N": [1.0, 3.0]})
    options = {"at": at | {"sex": ["f"], "on": [True]}, "over": strata, "weights": "N"}
    found = means(post, **options).sampled[0]
    own = means(post, by="clinic", **options).sampled
    np.testing.assert_allclose(found, own.T @ [0.25, 0.75], rtol=1e-9)


def test_balanced_rows_are_every_combination_once(post):
    found = means(post, "arm", over="balanced", groups="typical")
    x = post.design.frame["x"].mean()
    for k, arm in enumerate(found["arm"]):
        rows = pd.DataFrame(
            [{"arm": arm, "sex": s, "on": o, "x": x} for s in "fm" for o in (True, False)]
        )
        np.testing.assert_allclose(found.sampled[k], mean_of(post, rows, groups="typical"))
    assert "balanced over sex, on" in found.question
    assert f"x = {x:.4g}" in found.question


def test_rows_that_count_several_times_do_so():
    data = frame(24)
    data["y"] = np.random.default_rng(1).poisson(2, len(data))
    data["w"] = np.arange(24) % 3 + 1
    once = hand_made("y | weights(w) ~ x + sex", data, "poisson", 20, np.random.default_rng(3))
    written = data.loc[data.index.repeat(data["w"])].drop(columns="w")
    long = hand_made("y ~ x + sex", written, "poisson", 20, np.random.default_rng(3))
    for ask in (
        lambda p: means(p, "sex"),
        lambda p: slopes(p, "x", by="sex"),
        lambda p: means(p, "x"),
        lambda p: comparisons(p, {"x": "sd"}),
        lambda p: comparisons(p, {"x": "iqr"}),
    ):
        np.testing.assert_allclose(ask(once).sampled, ask(long).sampled, rtol=1e-9)


def test_places_of_a_number_are_different_and_trials_are_whole():
    data = frame(24)
    data["dose"] = np.where(np.arange(24) % 2, 0.0, np.arange(24))
    data["n"] = np.arange(24) // 2 + 3
    data["y"] = np.arange(24) % 3
    post = hand_made("y | trials(n) ~ dose", data, "binomial", 5, np.random.default_rng(3))
    found = means(post, "dose")["dose"].tolist()
    assert found == sorted(set(found))
    assert found[0] == 0
    assert means(post, "n", target="P(y > 3)")["n"].tolist() == [3, 6, 8, 11, 14]


def test_the_commonest_combination_counts_rows_as_often_as_they_do():
    data = pd.DataFrame({"h": ["u", "u", "u", "v", "v", "w"], "g": ["a", "a", "b", "c", "d", "e"]})
    data = pd.concat([data] * 2, ignore_index=True).assign(x=np.arange(12.0))
    data["y"], data["w"] = np.arange(12) % 4, np.where(data["g"] == "e", 5, 1)
    once = hand_made("y | weights(w) ~ x + (1 | h/g)", data, "poisson", 5, np.random.default_rng(3))
    written = data.loc[data.index.repeat(data["w"])].drop(columns="w")
    long = hand_made("y ~ x + (1 | h/g)", written, "poisson", 5, np.random.default_rng(3))
    for post in (once, long):
        found = grid(post, x=0)
        assert (found["h"][0], found["g"][0]) == ("w", "e")


def test_results_can_be_asked_again(post):
    found = means(post, "arm", by="sex")
    table = found.table
    assert list(table.columns) == [
        "arm", "sex", "mean", "sd", "lower", "upper", "prob_positive", "mcse",
    ]  # fmt: skip
    assert found["mean"].equals(table["mean"])
    assert len(found) == 6
    assert found.draws.dims == ("chain", "draw", "row")
    assert list(found.draws["sex"].to_numpy()) == list(table["sex"])
    contrast = found.contrast("pairwise")
    assert list(contrast["contrast"]) == ["mid - low", "high - low", "high - mid"] * 2
    np.testing.assert_allclose(
        contrast.sampled[:3], comparisons(post, {"arm": "pairwise"}, by="sex").sampled[::2]
    )
    weights = found.contrast({"low": -0.5, "mid": -0.5, "high": 1.0})
    by_hand = found.sampled[4] - (found.sampled[0] + found.sampled[2]) / 2
    np.testing.assert_allclose(weights.sampled[0], by_hand)
    rank = found.rank()
    np.testing.assert_allclose(rank.groupby("sex")["prob_best"].sum(), 1)
    np.testing.assert_allclose(rank.groupby("sex")["mean_rank"].sum(), 6)
    best = (found.sampled[::2].argmax(axis=0) == 2).mean()
    assert rank["prob_best"][4] == pytest.approx(best)
    said = found.hypothesis("b1 > b3")
    assert said["probability"][0] == pytest.approx((found.sampled[0] > found.sampled[2]).mean())
    hdi = means(post, "arm", statistics=["median"], interval="hdi", prob=0.5)
    assert list(hdi.columns) == ["arm", "median", "lower", "upper"]
    assert "by arm" in repr(found)
    assert "<table" in found._repr_html_()


def test_names_that_clash_with_ours_are_kept_apart():
    data = pd.DataFrame({"mean": [1.0, 2, 3, 4], "row": list("abab"), "y": [1.0, 2, 2, 4]})
    post = hand_made("y ~ mean + row", data, "gaussian", 10, np.random.default_rng(0))
    found = means(post, "row", at={"mean": [1.0, 2.0]})
    assert list(found.columns)[:3] == ["row", "mean_value", "mean"]
    assert "row_value" in found.draws.coords
    named = grid(post, "row", at={"mean": 2.0})
    assert list(named["mean"]) == [2.0, 2.0]


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda p: means(p, "arms"), "did you mean 'arm'"),
        (lambda p: means(p, "y"), "is the response"),
        (lambda p: means(p, {"arm": ["none"]}), "no level 'none'"),
        (lambda p: means(p, {"x": ["a"]}), "not a finite number"),
        (lambda p: means(p, by="arm", over="all"), "over='all'"),
        (lambda p: means(p, "arm", by="arm"), "in by= as well"),
        (lambda p: means(p, "arm", at={"arm": ["low"]}), "in at= as well"),
        (lambda p: comparisons(p, "x", at={"x": [1]}), "in at= as well"),
        (lambda p: means(p, "arm", weights="N"), "names no column"),
        (lambda p: means(p, "arm", kind="response"), "target="),
        (lambda p: means(p, "arm", kind="linear", target="mean"), "not both"),
        (lambda p: means(p, target="P(z > 1)"), "on the left"),
        (lambda p: means(p, target="sigmas"), "not understood"),
        (lambda p: means(p, target="quantile(2)"), "between 0 and 1"),
        (lambda p: comparisons(p, {"arm": "best"}), "'pairwise'"),
        (lambda p: comparisons(p, {"x": "best"}), '"sd"'),
        (lambda p: comparisons(p, {"x": 0}), "not a step"),
        (lambda p: comparisons(p, "arm", how="odds"), "not one of"),
        (lambda p: comparisons(p, "arm", how=lambda b, a: 1.0), "shape"),
        (lambda p: comparisons(p, []), "name a column"),
        (lambda p: slopes(p, "arm"), "comparisons"),
        (lambda p: slopes(p, "x", how="dxdy"), "not one of"),
        (lambda p: means(p, over=pd.DataFrame({"x": [1.0]})), "lack"),
        (lambda p: means(p, "arm").contrast("all"), "weights by level"),
        (lambda p: means(p, "arm").contrast(of="sex"), "no column"),
        (lambda p: means(p, "arm").contrast({"none": 1}), "none of the levels"),
        (lambda p: means(p, "arm").rank(best="most"), "highest"),
        (lambda p: grid(p, "nothing"), "no column that the model reads"),
        (lambda p: grid(p, grid="all"), "reference"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(gaussian, ask, said):
    with pytest.raises((ModelError, DataError), match=said.replace("(", r"\(")):
        ask(gaussian)


def test_estimates_are_no_array(gaussian):
    """pandas would make a frame of it whose columns have no names."""
    for make in (np.asarray, pd.DataFrame):
        with pytest.raises(ModelError, match=r"estimates are no array.*\.table"):
            make(means(gaussian, "arm"))


@pytest.mark.parametrize("over", [5, None, True, np.float64(2)])
def test_rows_are_words_or_a_frame(gaussian, over):
    with pytest.raises(ModelError, match=r'over=.*: averages are over the "observed" rows'):
        means(gaussian, "arm", over=over)


def test_odds_are_of_probabilities_alone(gaussian):
    with pytest.raises(ModelError, match="probabilities"):
        comparisons(gaussian, "arm", how="odds_ratio", at={"x": [50.0]})


def test_means_below_zero_where_there_are_none_are_noted():
    data = frame().assign(y=1)
    identity = mb.Poisson(mb.Identity())
    post = hand_made("y ~ x", data, identity, 40, np.random.default_rng(0))
    found = means(post, {"x": [-9.0, 9.0]})
    assert "the mean is below 0" in found.attrs["note"]
    for how, said in {"ratio": True, "lift": True, "difference": False}.items():
        compared = comparisons(post, {"x": (-9.0, 9.0)}, how=how)
        assert ("the mean is below 0" in compared.note) is said
    assert found.attrs["note"][:30] in repr(found)
    assert "note" not in means(post, {"x": [9.0]}).attrs


def test_columns_that_results_have_themselves_are_kept_apart():
    rng = np.random.default_rng(0)
    data = pd.DataFrame(
        {
            "x": rng.normal(size=40), "term": rng.normal(size=40), "y": rng.normal(size=40),
            "category": rng.choice(["A", "B"], 40), "contrast": rng.choice(["r", "s"], 40),
        }
    )  # fmt: skip
    post = hand_made("y ~ x * term + contrast * category", data, "gaussian", 10, rng)
    slope = slopes(post, "x", at={"term": [0.0, 1.0]})
    assert list(slope.columns)[:2] == ["term", "term_value"]
    assert list(slope["term"]) == ["x", "x"]
    assert list(slope["term_value"]) == [0.0, 1.0]
    by = means(post, "category", by="contrast").contrast()
    assert list(by.columns)[:2] == ["contrast_2", "contrast"]
    assert list(by["contrast_2"]) == ["B - A"] * 2
    again = by.contrast(of="contrast")
    assert list(again["contrast_2"]) == ["s - r"] or list(again["contrast"]) == ["s - r"]
    ordered = data.assign(o=pd.cut(data["y"], [-9, -0.5, 0.5, 9], labels=["l", "m", "h"]))
    cuts = {"thresholds": np.array([-0.6, 0.9])}
    post = hand_made("o ~ x + category", ordered, "cumulative", 10, rng, given=cuts)
    found = means(post, "category")
    assert list(found["category_value"]) == ["A"] * 3 + ["B"] * 3
    assert list(found["category"]) == ["l", "m", "h"] * 2
    assert list(found.contrast()["contrast"]) == ["B - A"] * 3


def test_a_level_says_in_which_level_of_its_outer_factor_it_is():
    data = frame()
    data["y"] = np.random.default_rng(1).normal(size=len(data))
    nested = hand_made("y ~ x + (1 | clinic/ward)", data, "gaussian", 20, np.random.default_rng(2))
    found = means(nested, "ward", groups=None)
    assert "each clinic and clinic:ward" in found.question
    sd = found["mean"].std()
    assert sd > 0.01
    b = nested.ranef("clinic:ward")[..., 0] + nested.ranef("clinic")[:, nested.design.mu.group(
        "clinic:ward").parts["clinic"].to_numpy(), 0]  # fmt: skip
    order = nested.design.mu.group("clinic:ward").parts["ward"].argsort()
    np.testing.assert_allclose(
        found.sampled - found.sampled[0], (b.T - b.T[order.iloc[0]])[order], atol=1e-9
    )


def test_what_is_equal_by_construction_is_equal(gaussian):
    slope = slopes(gaussian, "x", by="sex", at={"arm": ["low"]})
    contrast = slope.contrast()
    np.testing.assert_array_equal(contrast.sampled, 0)
    assert contrast["prob_positive"][0] == 0
    np.testing.assert_allclose(slope.rank()["prob_best"], 0.5)
    step = comparisons(gaussian, "x", by="sex", at={"arm": ["low"]})
    np.testing.assert_array_equal(step.contrast().sampled, 0)
    np.testing.assert_allclose(step.rank()["mean_rank"], 1.5)


def test_rows_without_a_group_and_groups_without_weight(gaussian):
    rows = pd.DataFrame({"x": [0.0, 1, 2], "arm": "low", "sex": "f", "on": True,
                         "reg": ["a", None, "b"], "N": [1.0, 2.0, 0.0]})  # fmt: skip
    for by in (rows, rows.assign(reg=pd.Categorical(rows["reg"]))):
        with pytest.raises(DataError, match="1 of 3 rows have no value of reg"):
            means(gaussian, over=by, by="reg")
    found = means(gaussian, over=rows.dropna(), by="reg", weights="N")
    assert list(found["reg"]) == ["a"]
    assert np.isfinite(found["mean"]).all()


def test_values_may_be_arrays_and_weights_must_be_numbers(gaussian):
    pair = comparisons(gaussian, {"x": np.array([0.0, 1.0])})
    np.testing.assert_array_equal(pair.sampled, comparisons(gaussian, {"x": (0, 1)}).sampled)
    names = comparisons(gaussian, {"arm": pd.Series(["low", "high"])})
    assert list(names["arm"]) == ["high - low"]
    assert list(means(gaussian, {"arm": None})["arm"]) == ["low", "mid", "high"]
    found = means(gaussian, "arm")
    with pytest.raises(ModelError, match="not a finite number"):
        found.contrast({"low": "a", "mid": -1})
    with pytest.raises(ModelError, match="neither the name"):
        found.contrast(of=3)
    with pytest.raises(ModelError, match="nothing to rank"):
        comparisons(gaussian, {"arm": ("low", "high")}).rank()
    with pytest.raises(ModelError, match="there is one row: nothing to rank"):
        means(gaussian).rank()
