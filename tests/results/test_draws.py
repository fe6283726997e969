"""Draws as data frames: the tables' numbers, under the names of the language of hypotheses."""

import sys

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made

import mixedbayes as mb
from mixedbayes.results import draws as module
from mixedbayes.results.draws import draws
from mixedbayes.results.fitted import fitted
from mixedbayes.results.fixef import fixef, parameters
from mixedbayes.results.named import Named
from mixedbayes.results.ranef import coef, ranef
from mixedbayes.results.statements import evaluated
from mixedbayes.results.varcorr import varcorr

S = 8


@pytest.fixture(scope="module")
def post():
    rng = np.random.default_rng(1)
    n = 24
    data = pd.DataFrame({"y": rng.normal(size=n), "x": rng.normal(size=n)})
    data = data.assign(batch=np.repeat(["p q", "r"], n // 2), cask=np.tile([1, 2, 3], n // 3))
    data["site"] = np.tile([10, 20, 30, 40], n // 4)
    formula = "y ~ x + (1 + x | batch/cask) + (0 + x | site)"
    return hand_made([formula, "sigma ~ x + (1 | batch)"], data, "gaussian", S, rng)


@pytest.fixture(scope="module")
def ordered():
    rng = np.random.default_rng(2)
    y = pd.Categorical(rng.choice(list("abc"), 30), ordered=True)
    data = pd.DataFrame({"y": y, "x": rng.normal(size=30), "g": np.arange(30) % 3})
    cuts = np.sort(rng.normal(size=(1, S, 2)), axis=-1)
    return hand_made("y ~ x + (1 | g)", data, "cumulative", S, rng, {"thresholds": cuts})


def means(table):
    found = table.groupby("quantity", observed=True, sort=False)["value"].mean()
    return found.to_numpy()


def test_long_draws_have_the_numbers_and_the_order_of_the_tables(post):
    found = draws(post)
    spread = varcorr(post)
    expected = [fixef(post)["mean"]]
    expected += [spread.loc[spread["kind"] == kind, "mean"] for kind in ("sd", "cor")]
    assert len(found) == S * sum(map(len, expected))
    for what, values in zip(("fixef", "sd", "cor"), expected, strict=True):
        np.testing.assert_allclose(means(found[found["what"] == what]), values)
    for what, table in (("coef", coef(post)), ("ranef", ranef(post))):
        one = draws(post, what)
        np.testing.assert_allclose(means(one), table["mean"])
        first = one[one["draw"] == 0].reset_index(drop=True)
        for column in ("parameter", "group", "term"):
            assert first[column].tolist() == table[column].tolist()
        assert first["level"].tolist() == table["level"].map(str).tolist()
    assert found.columns.tolist() == [
        *("chain", "draw", "what", "quantity", "parameter", "group", "term", "term2", "value")
    ]
    assert found["quantity"].cat.categories[:3].tolist() == ["Intercept", "x", "sigma_Intercept"]
    assert found.loc[found["what"] == "fixef", "group"].isna().all()


def test_wide_draws_have_columns_that_hypotheses_understand(post):
    found = draws(post, ["fixef", "sd", "ranef", "coef"], wide=True)
    assert len(found) == S
    long = draws(post, ["fixef", "sd", "ranef", "coef"])
    for name in found.columns[2:]:
        values = long.loc[long["quantity"] == name, "value"]
        np.testing.assert_array_equal(found[name], values)
    named = Named(post)
    for name in found.columns[2:]:
        (e,) = evaluated([name], named, 1)
        np.testing.assert_allclose(e.estimate, found[name], rtol=1e-12)


def test_single_quantities_and_expressions(post):
    texts = ["x", "sd_site[x] / sd_batch[x]", "coef[site=10, x]", "icc[site]", "sd_batch:cask[x]"]
    found = draws(post, texts, wide=True)
    names = ["x", texts[1], texts[2], texts[3], "sd_batch_cask[x]"]
    assert found.columns.tolist() == ["chain", "draw", *names]
    ratio = post.sd("site")[:, 0] / post.sd("batch")[:, 1]
    np.testing.assert_allclose(found[texts[1]], ratio)
    long = draws(post, texts)
    assert long["what"].unique().tolist() == ["fixef", "expression", "coef", "icc", "sd"]
    assert long.loc[long["what"] == "coef", "level"].unique().tolist() == ["10"]
    assert draws(post, ["fixef", "x"], wide=True).columns.tolist().count("x") == 1


def test_levels_of_one_factor_keep_their_type():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"y": rng.normal(size=12), "g": np.tile([3, 1, 2], 4)})
    found = draws(hand_made("y ~ 1 + (1 | g)", data, "gaussian", S, rng), "ranef")
    assert found["level"].dtype == np.int64
    assert found["level"].tolist() == np.repeat([1, 2, 3], S).tolist()
    assert "parameter" not in found


def test_rows_and_levels_that_are_times_keep_their_type():
    rng = np.random.default_rng(5)
    days = pd.date_range("2020-01-01", periods=12)
    data = pd.DataFrame({"y": rng.normal(size=12), "day": days[[0, 1, 2] * 4]}, index=days)
    post = hand_made("y ~ 1 + (1 | day)", data, "gaussian", S, rng)
    found = draws(post, ["predictions"])
    assert found["obs"].tolist()[::S] == list(days)
    assert found["quantity"].iloc[0] == "prediction[2020-01-01]"
    effects = draws(post, "ranef")
    assert effects["level"].tolist()[::S] == list(days[:3])
    assert draws(post, effects["quantity"].iloc[0], wide=True).shape == (S, 3)


def test_vectors_and_predictions_of_categories(ordered):
    found = draws(ordered, ["parameters", "predictions"])
    cuts = found[found["what"] == "parameters"]
    assert cuts["element"].unique().tolist() == ["a|b", "b|c"]
    np.testing.assert_allclose(means(cuts), parameters(ordered)["mean"])
    expected = fitted(ordered)
    p = found[found["what"] == "predictions"]
    np.testing.assert_allclose(means(p), expected["mean"])
    assert p["category"].tolist()[::S] == expected["category"].astype(str).tolist()
    wide = draws(ordered, "predictions", wide=True)
    assert wide.columns.tolist()[2:5] == [
        "prediction[0, a]",
        "prediction[0, b]",
        "prediction[0, c]",
    ]


@pytest.mark.parametrize("library", ["polars", "arrow"])
@pytest.mark.parametrize("wide", [False, True])
def test_other_libraries_have_the_same(post, library, wide):
    pytest.importorskip("polars" if library == "polars" else "pyarrow")
    found, expected = draws(post, wide=wide, library=library), draws(post, wide=wide)
    names = found.columns if library == "polars" else found.column_names
    assert names == expected.columns.tolist()
    for name in names:
        column = found[name].to_list() if library == "polars" else found[name].to_pylist()
        own = expected[name].astype(object).where(expected[name].notna(), None)
        assert column == own.tolist()
    kinds = {str(t) for t in (found.dtypes if library == "polars" else found.schema.types)}
    assert not kinds & {"Object", "null", "Null"}


@pytest.mark.parametrize(("library", "package"), [("polars", "polars"), ("arrow", "pyarrow")])
def test_a_library_that_is_absent_says_how_to_get_it(post, monkeypatch, library, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(mb.MissingExtraError, match=f"library='{library}' is not .*pip install"):
        draws(post, library=library)


@pytest.mark.parametrize(
    ("what", "error", "said"),
    [
        ("fixeff", mb.ModelError, "did you mean fixef"),
        (3, mb.ModelError, "name one or several of fixef, sd, cor"),
        ([], mb.ModelError, "name one or several of"),
        (["x", 3], mb.ModelError, "name one or several of"),
        ("x > 0", mb.ModelError, r"compares: hypothesis\('x > 0', draws=True\)"),
        ("parameters", mb.ModelError, "gaussian family has no parameters of its own"),
        ("x +", mb.FormulaError, "ends after"),
        ("coef[site=99, x]", mb.FormulaError, "no level of site called `99`"),
    ],
)
def test_what_cannot_be_given(post, what, error, said):
    with pytest.raises(error, match=said):
        draws(post, what)


def test_models_that_lack_a_kind():
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"y": rng.poisson(3, 12), "g": np.tile([3, 1, 2], 4)})
    plain = hand_made("y ~ 1", data, "poisson", S, rng)
    assert draws(plain)["quantity"].unique().tolist() == ["Intercept"]
    for what, said in [("sd", "group"), ("coef", "group"), ("cor", "correlated")]:
        with pytest.raises(mb.ModelError, match=f"no .*{said}|{said}"):
            draws(plain, what)
    only = hand_made("y ~ 0 + (1 | g)", data, "poisson", S, rng)
    assert draws(only)["quantity"].unique().tolist() == ["sd_g[Intercept]"]
    with pytest.raises(mb.ModelError, match="no population effects"):
        draws(only, "fixef")
    with pytest.raises(mb.ModelError, match="library='x': use \"pandas\""):
        draws(only, library="x")


def test_what_is_too_large_is_refused_before_it_is_made(post, monkeypatch):
    monkeypatch.setattr(module, "_MOST_BYTES", 8 * S * 20)
    monkeypatch.setattr(module, "coef_draws", None)
    with pytest.raises(mb.ModelError, match=r"quantities x 8 draws would take .* wide=True"):
        draws(post, "coef")
    with pytest.raises(mb.ModelError, match=r"single quantities by name, such as 'coef\[batch"):
        draws(post, "coef", wide=True)


def test_a_predictor_called_as_the_draws_are_keeps_apart():
    data = pd.DataFrame({"draw": [0.0, 1, 2, 3], "chain": [1.0, 0, 2, 5], "y": [1.0, 2, 3, 5]})
    post = hand_made("y ~ draw + chain", data, "gaussian", 6, np.random.default_rng(0))
    found = draws(post, "fixef", wide=True)
    assert list(found.columns) == ["chain", "draw", "Intercept", "fixef[draw]", "fixef[chain]"]
    assert list(found["draw"]) == list(range(6))
    np.testing.assert_array_equal(found[["fixef[draw]", "fixef[chain]"]], post.fixef())
