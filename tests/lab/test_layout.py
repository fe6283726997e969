"""Rows of a study to come, made of those of a pilot; and rows that are lost."""

import numpy as np
import pandas as pd
import pytest

from mixedbayes.errors import DataError
from mixedbayes.lab.layout import resampled, with_dropout

RNG = np.random.default_rng


def rows(counts, **more):
    g = np.repeat([f"a{k}" for k in range(len(counts))], counts)
    t = np.concatenate([np.arange(c) for c in counts])
    return pd.DataFrame({"g": g, "t": t, **more})


def test_levels_are_taken_evenly_with_their_rows():
    pilot = rows([2, 3, 4])
    found = resampled(pilot, ["g"], {"g": 7}, None, RNG(1))
    sizes = found.groupby("g", observed=True)["t"].agg(list)
    assert len(sizes) == 7
    lengths = sorted(len(t) for t in sizes)
    assert all(t == list(range(len(t))) for t in sizes)
    # each of the three twice, and one of them once more
    assert [lengths.count(n) for n in (2, 3, 4)] in ([3, 2, 2], [2, 3, 2], [2, 2, 3])
    assert not set(found["g"]) & set(pilot["g"])


def test_fewer_levels_are_a_draw_of_those_there_are():
    taken = {len(resampled(rows([1, 2, 4]), ["g"], {"g": 1}, None, RNG(k))) for k in range(20)}
    assert taken == {1, 2, 4}


@pytest.mark.parametrize(("n", "of_each"), [(30, 15), (8, 4), (26, 13)])
def test_levels_that_are_taken_once_more_are_as_many_of_each_arm(n, of_each):
    pilot = rows([2] * 20, arm=np.repeat(["new", "old"] * 10, 2), age=np.repeat(range(20), 2))
    found = [
        resampled(pilot, ["g"], {"g": n}, None, RNG(k), ["arm", "age", "t"]) for k in range(100)
    ]
    arms = {tuple(one.drop_duplicates("g")["arm"].value_counts()[["new", "old"]]) for one in found}
    assert arms == {(of_each, of_each)}
    # every level with the same probability: 100 times n / 20
    taken = pd.concat([one.drop_duplicates("g")["age"] for one in found]).value_counts()
    assert np.abs(taken - 100 * n / 20).max() < 5 * np.sqrt(100 * 0.25)


def test_nested_levels_stay_within_theirs():
    frame = pd.DataFrame({"school": [1, 1, 2, 2], "class": list("abcd"), "x": range(4)})
    found = resampled(frame, ["school", "class"], {"school": 6}, None, RNG(1))
    assert found["school"].nunique() == 6
    assert found["class"].nunique() == 12
    assert (found.groupby("class", observed=True)["school"].nunique() == 1).all()


def test_crossed_levels_stay_crossed():
    frame = pd.DataFrame([(s, i) for s in range(4) for i in "xyz"], columns=["subject", "item"])
    found = resampled(frame, ["subject", "item"], {"subject": 9, "item": 5}, None, RNG(1))
    assert len(found) == 45
    assert len(found.drop_duplicates()) == 45


def test_levels_that_are_as_many_keep_their_labels():
    """Known relations and memberships in several go by them."""
    frame = pd.DataFrame({"s": [1, 1, 2, 2], "a": list("xyyz"), "b": list("yzzx")})
    found = resampled(frame, ["s", "a", "b"], {"s": 4}, None, RNG(1))
    assert found[["a", "b"]].to_numpy().tolist() == frame[["a", "b"]].to_numpy().tolist() * 2
    pd.testing.assert_frame_equal(resampled(frame, ["s", "a", "b"], {}, None, RNG(1)), frame)


def test_rows_of_each_level_are_taken_in_turn():
    found = resampled(rows([2, 5]), ["g"], {}, 4, RNG(1))
    assert found.groupby("g", observed=True)["t"].agg(list).tolist() == [[0, 1, 0, 1], [0, 1, 2, 3]]


def test_those_that_leave_keep_their_first_rows():
    frame = rows([5] * 4000)
    left = with_dropout(frame, {"g": 0.4}, RNG(1))
    kept = left.groupby("g")["t"].agg(list)
    assert all(t == list(range(len(t))) for t in kept)
    counts = np.bincount([len(t) for t in kept], minlength=6)
    assert counts[0] == 0
    assert counts[5] / 4000 == pytest.approx(0.6, abs=0.03)
    np.testing.assert_allclose(counts[1:5] / 4000, 0.1, atol=0.02)
    pd.testing.assert_frame_equal(with_dropout(frame, {"g": 0.0}, RNG(1)), frame)


def test_nobody_leaves_after_one_row():
    with pytest.raises(DataError, match="every level of g has one row"):
        with_dropout(rows([1, 1]), {"g": 0.5}, RNG(1))
