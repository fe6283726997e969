import numpy as np
import pytest

from mixedbayes.errors import DataError
from mixedbayes.simulation.simulate import layout, within


def rows(groups, per_group, seed=1):
    return layout(groups, per_group, np.random.default_rng(seed))


def test_crossed_factors_meet_in_every_combination():
    frame = rows({"subject": 4, "item": 3}, 2)
    assert (frame.groupby(["subject", "item"], observed=True).size() == 2).all()
    assert len(frame) == 4 * 3 * 2


def test_levels_keep_the_order_of_numbers():
    assert list(rows({"g": 12}, 1)["g"].cat.categories) == [str(k) for k in range(1, 13)]


def test_nested_levels_are_labelled_anew_in_each_outer_level():
    frame = rows({"school": 3, "school/class": [2, 1, 4], "school/class/pupil": 5}, 1)
    per_school = frame.groupby("school", observed=True)["class"].unique().map(list)
    assert per_school.tolist() == [["1", "2"], ["1"], ["1", "2", "3", "4"]]
    assert (frame.groupby(["school", "class"], observed=True).size() == 5).all()


def test_nesting_within_a_crossing():
    """Each item meets the same classes of a school."""
    frame = rows({"school": 2, "item": 3, "school/class": range(1, 6)}, 1)
    per_cell = frame.groupby(["school", "item"], observed=True)["class"].nunique().unstack()
    assert (per_cell.nunique(axis=1) == 1).all()


def test_unbalanced_groups_as_listed_or_drawn():
    assert rows({"g": 3}, [4, 0, 2])["g"].tolist() == ["1"] * 4 + ["3"] * 2
    sizes = rows({"g": 400}, range(2, 6)).groupby("g", observed=True).size()
    assert set(sizes) == {2, 3, 4, 5}


def test_no_factors_make_plain_rows():
    assert rows({}, 7).shape == (7, 0)


def test_rows_within_combinations():
    frame = rows({"a": 2, "b": 2}, 3)
    code, running = within(frame, ["a"])
    assert code.tolist() == [0] * 6 + [1] * 6
    assert running.tolist() == [*range(6), *range(6)]


@pytest.mark.parametrize(
    ("groups", "per_group", "message"),
    [
        ({"g": 0}, 1, r"groups\['g'\] must be a number of levels from 1, got 0"),
        ({"g": True}, 1, r"must be a number of levels"),
        ({"a/b": 3}, 1, r"'a/b' is nested in 'a', which must be given before it"),
        ({"a": 2, "a/a": 3}, 1, r"'a' is given twice"),
        ({"a": 2, "": 3}, 1, r"'' is not a name"),
        ({"a": 2, "a/b": [1, 2, 3]}, 1, r"a list of 2 such numbers"),
        ({"a": 2, "a/b": 0}, 1, r"a whole number from 1"),
        ({"g": 3}, [1, 2], r"per_group must be a whole number from 0, a list of 3"),
        ({"g": 3}, 2.5, r"got 2.5"),
        ({"g": 3}, range(4, 4), r"got range\(4, 4\)"),
        ({"g": 3}, 0, r"leaves no rows in any of 3 cells"),
    ],
)
def test_what_is_no_layout_is_refused(groups, per_group, message):
    with pytest.raises(DataError, match=message):
        rows(groups, per_group)
