"""Mixtures of models: against mixtures by hand, and the order in which models take turns."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hand_made import hand_made
from hypothesis import given, settings
from hypothesis import strategies as st

from mixedbayes.errors import DataError, ModelError
from mixedbayes.estimands import means as of_one
from mixedbayes.estimands.mixture import Mixture, comparisons, means, slopes, turns
from mixedbayes.estimands.mixture_predict import predict
from mixedbayes.families.links import Identity
from mixedbayes.families.poisson import Poisson
from mixedbayes.predict import predict as of_rows

S = 40


def data():
    rng = np.random.default_rng(0)
    n = 60
    return pd.DataFrame(
        {
            "x": rng.normal(2, 1, n),
            "arm": pd.Categorical(rng.choice(["low", "mid", "high"], n), ["low", "mid", "high"]),
            "the ward": np.arange(n) % 12,
            "y": rng.normal(size=n),
            "hit": rng.integers(0, 2, n),
            "g": ["p", "q", "r"] * 20,
        }
    )


@pytest.fixture(scope="module")
def posts():
    rng = np.random.default_rng(1)
    formulas = {"full": "y ~ x * arm + (x | `the ward`)", "small": "y ~ x + (1 | g)"}
    return {name: hand_made(f, data(), "gaussian", S, rng) for name, f in formulas.items()}


@pytest.fixture(scope="module")
def mix(posts):
    return Mixture.of(posts, {"full": 0.7, "small": 0.3})


@settings(max_examples=25)
@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=6).filter(any),
    st.integers(1, 200),
)
def test_at_any_time_every_model_has_had_its_share_but_for_one_draw(weights, n):
    weights = np.array(weights) / sum(weights)
    turn = turns(weights, n)
    had = np.cumsum(turn[:, None] == np.arange(len(weights)), axis=0)
    owed = weights * np.arange(1, n + 1)[:, None]
    assert np.all(np.abs(had - owed) < 1 + 1e-6)
    assert not had[-1][weights == 0].any()


def by_hand(mix, found):
    """Draws of the mixture: at each position those of one model."""
    turn = turns(np.array([m.weight for m in mix.members]), S)
    return np.where(turn == 0, found["full"], found["small"])


@pytest.mark.parametrize("groups", [None, "typical", "average"])
def test_means_are_draws_of_each_model_in_proportion(posts, mix, groups):
    options = {"at": {"x": [1.0, 3.0]}, "groups": groups}
    found = means(mix, "arm", **options)
    # "small" has no arm: its mean is the same in all.
    small = np.tile(of_one.means(posts["small"], **options).sampled, (3, 1))
    full = of_one.means(posts["full"], "arm", **options)
    expected = by_hand(mix, {"full": full.sampled, "small": small})
    np.testing.assert_allclose(found.sampled, expected, rtol=1e-12)
    assert list(found["arm"]) == list(full["arm"])
    np.testing.assert_allclose(found["lower"], np.quantile(expected, 0.025, axis=1))
    assert found.question.startswith(
        "Average of full (weight 0.7) and small (weight 0.3): expected y by arm; "
    )


@pytest.mark.parametrize("how", ["difference", "lift", lambda b, a: np.exp(b - a)])
def test_comparisons_are_within_a_model(posts, mix, how):
    found = comparisons(mix, {"x": (1, 3)}, how=how)
    each = {k: of_one.comparisons(p, {"x": (1, 3)}, how=how).sampled for k, p in posts.items()}
    np.testing.assert_allclose(found.sampled, by_hand(mix, each), rtol=1e-12)


def test_a_column_that_a_model_does_not_read_makes_no_difference_in_it(mix):
    arms = comparisons(mix, {"arm": "pairwise"})
    own = turns(np.array([0.7, 0.3]), S) == 0
    assert np.all(arms.sampled[:, ~own] == 0)
    assert np.all(arms.sampled[:, own] != 0)
    again = arms.contrast()  # of contrasts, still within a model
    assert np.all(again.sampled[:, ~own] == 0)
    assert "In small, 30 % of the draws, some estimates are 0 in each" in arms.note
    assert (arms["prob_positive"] <= 0.7).all()
    assert not comparisons(mix, "x").note
    assert not means(mix, "arm").note


def test_what_makes_no_difference_is_one_as_a_ratio(posts):
    rng = np.random.default_rng(3)
    counts = {f: hand_made(f"hit ~ {f} + (1 | g)", data(), "poisson", S, rng) for f in ("x", "arm")}
    found = comparisons(Mixture.of(counts, {"x": 0.5, "arm": 0.5}), "arm", how="ratio")
    own = turns(np.array([0.5, 0.5]), S) == 0
    assert np.all(found.sampled[:, own] == 1)
    assert "In x, 50 % of the draws, some estimates are 1 in each" in found.note


def test_slopes_within_the_levels_of_a_factor_that_one_model_has(posts, mix):
    found = slopes(mix, "x", by="the ward", groups=["the ward", "g"])
    assert len(found) == 12
    assert list(found.table)[:3] == ["term", "the ward", "g"]
    own = slopes(mix, "x", by="the ward")
    each = of_one.slopes(posts["full"], "x", by="the ward").sampled
    first = turns(np.array([0.7, 0.3]), S) == 0
    np.testing.assert_allclose(own.sampled[:, first], each[:, first], rtol=1e-6)


def test_one_weight_of_1_is_that_models_own_answer(posts):
    mix = Mixture.of(posts, {"full": 1.0, "small": 0.0})
    new = data().head(4)
    pd.testing.assert_frame_equal(predict(mix, new), of_rows.predict(posts["full"], new))
    found, own = means(mix, "arm"), of_one.means(posts["full"], "arm")
    assert np.array_equal(found.sampled, own.sampled)
    assert "small (weight 0)" in found.question
    for draws in (True, False):
        a, b = (f(x, draws=draws) for f, x in ((predict, mix), (of_rows.predict, posts["full"])))
        assert np.array_equal(a, b)


def test_predicted_means_are_those_of_the_mixture(posts, mix):
    new = data().head(5).drop(columns="y")
    draws = {
        k: of_rows.predict(p, new, kind="mean", draws=True).to_numpy()[0].T
        for k, p in posts.items()
    }
    expected = by_hand(mix, draws)
    table = predict(mix, new, kind="mean")
    np.testing.assert_allclose(table["mean"], expected.mean(axis=1))
    np.testing.assert_allclose(table["upper"], np.quantile(expected, 0.975, axis=1))
    assert list(table["arm"]) == list(new["arm"])
    found = predict(mix, new, kind="mean", draws=True)
    np.testing.assert_allclose(found.to_numpy()[0].T, expected)


def test_an_observations_mean_is_its_expectation_and_new_levels_of_any_model_are_named(mix):
    new = data().head(3).assign(g=["p", "new", "q"])
    new["the ward"] = [0, 1, 99]
    table = predict(mix, new, statistics=["mean", "sd", "mcse"])
    exact = predict(mix, new.head(2), kind="mean", groups=["g"])
    assert list(table["new"]) == ["", "g", "the ward"]
    assert list(exact["new"]) == ["", "g"]
    simulated = predict(mix, new, draws=True).to_numpy()[0]
    np.testing.assert_allclose(table["sd"], simulated.std(axis=0, ddof=1))
    expected = predict(mix, new.head(1), kind="mean")  # all levels known: no draws of effects
    np.testing.assert_allclose(table["mean"].iloc[0], expected["mean"].iloc[0])


def test_rows_in_many_pieces_are_the_same(mix, monkeypatch):
    whole = predict(mix, data(), kind="mean", groups="average")
    plain = predict(mix, kind="mean", groups="average")
    monkeypatch.setattr("mixedbayes.estimands.mixture_predict._MOST", 7 * S)
    pd.testing.assert_frame_equal(whole, predict(mix, data(), kind="mean", groups="average"))
    pd.testing.assert_frame_equal(plain, predict(mix, kind="mean", groups="average"))
    np.testing.assert_allclose(whole["mean"], plain["mean"])


def test_other_libraries(mix):
    new = pl.from_pandas(data().head(3))
    found = predict(mix, new)
    assert isinstance(found, pl.DataFrame)
    assert found.columns[-5:] == ["mean", "sd", "lower", "upper", "new"]


def test_what_has_no_average_is_refused(posts):
    rng = np.random.default_rng(3)
    binary = {
        "logit": hand_made("hit ~ x + (1 | g)", data(), "bernoulli", S, rng),
        "counts": hand_made("hit ~ x + (1 | g)", data(), "poisson", S, rng),
    }
    mix = Mixture.of(binary, {"logit": 0.5, "counts": 0.5})
    with pytest.raises(ModelError, match="linear predictors through different links, log and"):
        means(mix, kind="linear")
    with pytest.raises(ModelError, match="linear predictors through different links"):
        predict(mix, data(), kind="linear")
    with pytest.raises(DataError, match="in the model 'full': 'arme' is no column that any"):
        means(Mixture.of(posts, {"full": 0.5, "small": 0.5}), "arme")
    with pytest.raises(DataError, match="'ward' is no column that any model reads"):
        means(Mixture.of(posts, {"full": 0.5, "small": 0.5}), groups=["ward"])
    other = data()
    other["x"] += 1
    moved = hand_made("y ~ x + (1 | g)", other, "gaussian", S, rng)
    with pytest.raises(ModelError, match="the column x differs between their data in 60 of 60"):
        Mixture.of({"a": posts["full"], "b": moved}, {"a": 0.5, "b": 0.5})


def test_parameters_of_different_families_have_no_average(posts):
    rng = np.random.default_rng(3)
    both = {"normal": posts["small"]}
    both["heavy"] = hand_made("y ~ x + (1 | g)", data(), "student_t", S, rng)
    mix = Mixture.of(both, {"normal": 0.5, "heavy": 0.5})
    with pytest.raises(ModelError, match="sigma is a parameter of the family"):
        means(mix, target="sigma")
    found = means(mix, target="P(y > 1)", groups="typical")
    assert found.sampled.shape == (1, S)


def test_longer_chains_give_as_many_draws_as_the_shortest(posts):
    long = hand_made("y ~ x", data(), "gaussian", 100, np.random.default_rng(5))
    mix = Mixture.of({"long": long, "full": posts["full"]}, {"long": 0.25, "full": 0.75})
    assert mix.shape == (1, S)
    assert [len(m.positions) for m in mix.members] == [10, 30]


def test_a_note_of_one_model_names_it():
    counts = {"log": hand_made("hit ~ x", data(), "poisson", S, np.random.default_rng(1))}
    given = {"Intercept": -1.0}
    family = Poisson(link=Identity())
    counts["identity"] = hand_made("hit ~ x", data(), family, S, np.random.default_rng(1), given)
    found = means(Mixture.of(counts, {"log": 0.5, "identity": 0.5}))
    assert found.note.startswith("identity: ")
    assert "identity: " in repr(found)
