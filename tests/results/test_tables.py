"""The tables: rows, labels, numbers against plain NumPy, draws on request."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mixedbayes as mb
from mixedbayes.data import load_data
from mixedbayes.errors import ModelError
from mixedbayes.families.registry import FAMILIES
from mixedbayes.results.fixef import fixef, parameters
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.r2 import r2
from mixedbayes.results.ranef import coef, ranef
from mixedbayes.results.shrinkage import shrinkage
from mixedbayes.results.tables import check_prob, describe
from mixedbayes.results.text import Table
from mixedbayes.results.varcorr import varcorr

STATISTICS = ["mean", "sd", "lower", "upper", "ess_bulk", "rhat"]
OF_EFFECTS = ["mean", "sd", "lower", "upper", "prob_positive", "ess_bulk", "rhat"]


def assert_describes(row, draws, prob=0.95):
    """The row's statistics are those of draws (S,)."""
    assert row["mean"] == pytest.approx(draws.mean())
    assert row["sd"] == pytest.approx(draws.std(ddof=1))
    tail = (1 - prob) / 2
    assert row["lower"] == pytest.approx(np.quantile(draws, tail))
    assert row["upper"] == pytest.approx(np.quantile(draws, 1 - tail))


def test_describe_keeps_the_last_dimension_fastest():
    draws = np.random.default_rng(1).normal(size=(2, 100, 3, 2)) + np.arange(6).reshape(3, 2)
    columns = describe(draws, 0.8)
    assert list(columns) == STATISTICS
    flat = draws.reshape(200, 6)
    np.testing.assert_allclose(columns["mean"], flat.mean(axis=0))
    np.testing.assert_allclose(columns["upper"], np.quantile(flat, 0.9, axis=0))


def test_one_draw_has_no_sd():
    columns = describe(np.ones((1, 1, 2)))
    assert np.isnan(columns["sd"]).all()
    assert columns["lower"].tolist() == [1, 1]


@pytest.mark.parametrize("prob", [0, 1, 95, -0.1, "0.95", True, float("nan")])
def test_a_probability_is_between_0_and_1(prob):
    with pytest.raises(ModelError, match="is not a probability between 0 and 1"):
        check_prob(prob)


def test_fixef(sleep):
    table = fixef(sleep, 0.9)
    assert list(table.columns) == ["term", *OF_EFFECTS]
    assert table["term"].tolist() == ["Intercept", "Days"]
    assert table["prob_positive"].tolist() == [
        (x > 0).mean() for x in (sleep.intercept(), sleep.fixef()[:, 0])
    ]
    assert_describes(table.loc[0], sleep.intercept(), 0.9)
    assert_describes(table.loc[1], sleep.fixef()[:, 0], 0.9)


def test_fixef_draws_are_labelled(sleep):
    draws = fixef(sleep, draws=True)
    assert draws.dims == ("chain", "draw", "term")
    np.testing.assert_array_equal(draws.sel(term="Days"), sleep.draws["fixef"].sel(term="Days"))


def test_a_model_of_groups_alone_has_no_population_rows(make):
    data = load_data("dyestuff")
    group = make.group(data, "Batch", {"Intercept": 1.0})
    post = make.random(make.design(data, "Yield", {}, [group], intercept=False))
    assert len(fixef(post)) == 0
    assert fixef(post, draws=True).sizes["term"] == 0
    assert coef(post)["mean"].tolist() == pytest.approx(ranef(post)["mean"].tolist())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gaussian", ["sigma"]), ("student_t", ["sigma", "nu"]), ("negative_binomial", ["shape"]),
        ("beta", ["phi"]), ("gamma", ["shape"]), ("lognormal", ["sigma"]), ("poisson", []),
        ("bernoulli", []), ("binomial", []),
    ],
)  # fmt: skip
def test_the_familys_own_parameters_have_a_table(make, name, expected):
    family = FAMILIES[name]()
    rng = np.random.default_rng(3)
    design = make.design(load_data("sleepstudy"), "Reaction", {}, [])
    values = {p: rng.gamma(9, 0.2, (2, 60)) for p in expected}
    post = make.posterior(design, {"Intercept": rng.normal(size=(2, 60)), **values}, family)
    table = parameters(post, 0.8)
    assert list(table) == ["parameter", "element", *STATISTICS]
    assert sorted(table["parameter"]) == sorted(expected)
    for _, row in table.iterrows():
        assert_describes(row, values[row["parameter"]].ravel(), 0.8)
    assert set(parameters(post, draws=True).data_vars) == set(expected)


def test_thresholds_have_a_row_each_and_formulas_none():
    data = pd.DataFrame({"y": np.tile([1, 2, 3], 6), "g": np.repeat(range(6), 3)})
    model = mb.Model("y ~ 1 + (1 | g)", data, family="cumulative")
    cuts = np.random.default_rng(1).normal(size=(2, 50, 2))
    tree = {"posterior": xr.Dataset({"thresholds": (("chain", "draw", "threshold"), cuts)})}
    post = Posterior(model.spec, xr.DataTree.from_dict(tree))
    table = parameters(post)
    assert table["parameter"].tolist() == ["thresholds"] * 2
    assert table["element"].tolist() == ["1|2", "2|3"]
    np.testing.assert_allclose(table["mean"], cuts.mean(axis=(0, 1)))
    model = mb.Model(["y ~ 1 + (1 | g)", "sigma ~ g"], data.astype(float))
    tree = {"posterior": xr.Dataset({"x": (("chain", "draw"), np.ones((2, 50)))})}
    assert len(parameters(Posterior(model.spec, xr.DataTree.from_dict(tree)))) == 0


def test_a_posterior_prints_in_a_line(sleep):
    text = repr(sleep)
    assert len(text) < 300
    for part in ("Reaction ~ Days", "gaussian", "2 x 50 draws", "sd_Subject"):
        assert part in text


def test_varcorr_rows(sleep):
    table = varcorr(sleep)
    keys = table[["group", "term", "term2", "kind"]].fillna("").to_numpy().tolist()
    assert keys == [
        ["Subject", "Intercept", "", "sd"],
        ["Subject", "Days", "", "sd"],
        ["Subject", "Intercept", "Days", "cor"],
        ["Residual", "", "", "sd"],
    ]
    assert_describes(table.loc[1], sleep.sd("Subject")[:, 1])
    assert_describes(table.loc[2], sleep.cor("Subject")[:, 0, 1])
    assert_describes(table.loc[3], sleep.stacked("sigma"))
    assert table.loc[1, "variance"] == pytest.approx(np.mean(sleep.sd("Subject")[:, 1] ** 2))
    assert table.loc[2, ["variance", "share"]].isna().all()


def test_varcorr_lists_correlations_within_blocks_alone(make):
    data = load_data("machines")
    x = {"Intercept": 1.0, "a": np.arange(54) % 2, "b": np.arange(54) % 5}
    group = make.group(data, "Worker", x, blocks=((0, 2), (1,)))
    table = varcorr(make.random(make.design(data, "score", {}, [group])))
    pairs = table.loc[table["kind"] == "cor", ["term", "term2"]].to_numpy().tolist()
    assert pairs == [["Intercept", "b"]]


def test_varcorr_draws_are_the_sampled_ones(sleep):
    draws = varcorr(sleep, draws=True)
    assert set(draws.data_vars) == {"sd_Subject", "cor_Subject", "sigma"}
    assert draws["cor_Subject"].identical(sleep.draws["cor_Subject"])


def test_weights_count_in_the_share_of_the_residual(make):
    data = load_data("dyestuff")
    group = make.group(data, "Batch", {"Intercept": 1.0})
    weights = np.where(np.arange(30) < 15, 1.0, 4.0)
    values = {"sigma": np.full((1, 1), 2.0), "Intercept": np.zeros((1, 1))}
    values["sd_Batch"] = np.full((1, 1, 1), 1.0)
    post = make.posterior(make.design(data, "Yield", {}, [group], weights=weights), values)
    share = varcorr(post).set_index("group")["share"]
    residual = 4 * (1 + 1 / 4) / 2
    assert share["Residual"] == pytest.approx(residual / (1 + residual))
    assert share["Batch"] == pytest.approx(1 / (1 + residual))


def test_ranef_rows_follow_the_levels_then_the_terms(sleep):
    table = ranef(sleep)
    assert list(table.columns) == ["group", "level", "term", "n", *OF_EFFECTS]
    assert table["level"].tolist()[:3] == ["308", "308", "309"]
    assert table["term"].tolist()[:3] == ["Intercept", "Days", "Intercept"]
    assert set(table["n"]) == {10}
    assert_describes(table.loc[3], sleep.ranef("Subject")[:, 1, 1])


def test_coef_adds_the_population_draw_by_draw(sleep):
    table = coef(sleep)
    expected = sleep.ranef("Subject")[:, 4, 1] + sleep.fixef()[:, 0]
    assert_describes(table.loc[9], expected)
    draws = coef(sleep, draws=True)["coef_Subject"]
    assert draws.dims == ("chain", "draw", "Subject", "Subject_term")
    found = draws.sel(Subject="331", Subject_term="Days").to_numpy().ravel()
    np.testing.assert_allclose(found, expected)


def test_a_term_without_population_effect_is_its_deviation(make):
    data = load_data("sleepstudy")
    columns = {"Intercept": 1.0, "Days": data["Days"]}
    post = make.random(make.design(data, "Reaction", {}, [make.group(data, "Subject", columns)]))
    both = coef(post).merge(ranef(post), on=["level", "term"])
    days = both[both["term"] == "Days"]
    np.testing.assert_allclose(days["mean_x"], days["mean_y"])
    intercepts = both[both["term"] == "Intercept"]
    shift = post.intercept().mean()
    np.testing.assert_allclose(intercepts["mean_x"], intercepts["mean_y"] + shift)


def test_nested_levels_carry_their_parts(nested):
    table = ranef(nested)
    inner = table[table["group"] == "batch:cask"]
    assert inner["level"].tolist()[:2] == ["A:a", "A:b"]
    parts = zip(inner["batch"], inner["cask"], strict=True)
    assert [f"{batch}:{cask}" for batch, cask in parts] == inner["level"].tolist()
    assert table.loc[table["group"] == "batch", "cask"].isna().all()
    assert ranef(nested, group="batch")["level"].tolist() == list("ABCDEFGHIJ")


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        ([3, 1, 2], "int64"),
        (pd.to_datetime(["2020-01-02", "2020-01-01", "2020-02-01"]), None),
        (pd.Categorical(["b", "a", "c"], categories=["c", "b", "a"]), None),
    ],
)
def test_levels_keep_their_type(make, labels, dtype):
    data = pd.DataFrame({"y": np.arange(6.0), "g": pd.Series(labels).repeat(2).to_numpy()})
    if isinstance(labels, pd.Categorical):
        data["g"] = labels.repeat(2)
    group = make.group(data, "g", {"Intercept": 1.0})
    table = ranef(make.random(make.design(data, "y", {}, [group])))
    assert table["level"].dtype == (dtype or data["g"].dtype)
    assert set(table["level"]) == set(labels)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool"])
def test_parts_of_nested_levels_stay_whole(make, dtype):
    ids = (np.arange(12) % 2).astype(dtype)
    data = pd.DataFrame({"y": np.arange(12.0), "a": np.arange(12) // 4 + 1, "b": ids})
    groups = [make.group(data, f, {"Intercept": 1.0}) for f in ("a", ("a", "b"))]
    post = make.random(make.design(data, "y", {}, groups))
    for table in (ranef(post), coef(post), shrinkage(post)):
        own = table[table["group"] == "a:b"]
        assert [int(v) for v in own["b"]] == [0, 1] * 3
        assert own["a"].tolist() == [1, 1, 2, 2, 3, 3]
        assert table["a"].isna().sum() == 3
        assert "1.0" not in [str(v) for v in (*own["a"], *own["b"])]
        printed = repr(Table(table[["level", "a", "b"]]))
        assert "1.0" not in printed


@pytest.mark.parametrize("name", ["parameter", "kind", "note", "pooling", "mean", "group"])
def test_no_factor_takes_the_place_of_a_column(make, name):
    data = pd.DataFrame({"y": np.arange(8.0), name: list("aabb") * 2, "k": list("xyxy") * 2})
    group = make.group(data, (name, "k"), {"Intercept": 1.0})
    post = make.random(make.design(data, "y", {}, [group]))
    for table in (ranef(post), shrinkage(post)):
        assert table[f"{name}_level"].tolist() == list("aabb")


def test_a_factor_named_like_a_column_does_not_take_its_place(make):
    data = pd.DataFrame({"y": np.arange(4.0), "n": list("aabb"), "term": list("xyxy")})
    group = make.group(data, ("n", "term"), {"Intercept": 1.0})
    table = ranef(make.random(make.design(data, "y", {}, [group])))
    assert table["n"].tolist() == [1, 1, 1, 1]
    assert table["n_level"].tolist() == list("aabb")
    assert table["term_level"].tolist() == list("xyxy")


@pytest.fixture(scope="module")
def slopes_alone(make):
    """A slope over the levels of one factor, intercepts over another."""
    data = load_data("sleepstudy").assign(k=np.arange(180) % 6)
    days = data["Days"]
    groups = [
        make.group(data, "Subject", {"Days": days}),
        make.group(data, "k", {"Intercept": 1.0}),
    ]
    return make.random(make.design(data, "Reaction", {"Days": days}, groups))


def test_coef_has_the_constant_intercept_at_every_level(slopes_alone):
    table = coef(slopes_alone)
    own = table[table["group"] == "Subject"]
    assert own["term"].tolist() == ["Intercept", "Days"] * 18
    assert own["level"].tolist() == ranef(slopes_alone, group="Subject")["level"].repeat(2).tolist()
    constant = own[own["term"] == "Intercept"]
    population = fixef(slopes_alone).set_index("term").loc["Intercept"]
    for column in STATISTICS:
        assert constant[column].tolist() == pytest.approx([population[column]] * 18)
    slopes = own[own["term"] == "Days"]
    expected = slopes_alone.fixef()[:, 0, None] + slopes_alone.ranef("Subject")[:, :, 0]
    np.testing.assert_allclose(slopes["mean"], expected.mean(axis=0))
    assert table[table["group"] == "k"]["term"].tolist() == ["Intercept"] * 6
    drawn = coef(slopes_alone, draws=True)
    assert drawn["coef_Subject"].dims == ("chain", "draw", "Subject", "Subject_term")
    assert drawn["Subject_term"].to_numpy().tolist() == ["Intercept", "Days"]
    means = drawn["coef_Subject"].mean(("chain", "draw")).to_numpy().ravel()
    np.testing.assert_allclose(means, own["mean"])


def test_without_a_population_intercept_there_is_no_constant(make):
    data = load_data("sleepstudy")
    group = make.group(data, "Subject", {"Days": data["Days"]})
    post = make.random(
        make.design(data, "Reaction", {"Days": data["Days"]}, [group], intercept=False)
    )
    assert coef(post)["term"].tolist() == ["Days"] * 18


def test_an_unknown_group_is_answered_with_the_known_ones(nested):
    with pytest.raises(ModelError, match=r"'cask' is not a grouping factor .* batch, batch:cask"):
        ranef(nested, group="cask")


def test_no_groups_give_empty_tables(make):
    data = load_data("sleepstudy")
    post = make.random(make.design(data, "Reaction", {"Days": data["Days"]}, []))
    assert list(ranef(post).columns) == ["group", "level", "term", "n", *OF_EFFECTS]
    assert len(coef(post)) == 0
    assert varcorr(post)["share"].tolist() == [1.0]
    assert r2(post)["mean"].nunique() == 1
