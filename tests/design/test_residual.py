"""Rows in the structure of their residuals: places, groups, arms, what is wrong, and new rows."""

import numpy as np
import pandas as pd
import pytest

from mixedbayes.design import build_design, replay_residual
from mixedbayes.errors import DataError
from mixedbayes.formula import parse_all, with_residual


def frame():
    d = pd.DataFrame({"visit": np.tile([1, 2, 4], 5), "id": np.repeat(list("edcba"), 3)})
    d["arm"] = np.where(d.id < "c", "drug", "placebo")
    d["time"] = d.visit / 4
    d["week"] = pd.Categorical(d.visit.map({1: "w1", 2: "w2", 4: "w4"}),
                               ["w0", "w1", "w2", "w3", "w4"], ordered=True)  # fmt: skip
    d["text"] = d.visit.map({1: "first", 2: "second", 4: "third"})
    d["y"] = np.random.default_rng(1).normal(size=15)
    return d


def design(residual, d=None, formula="y ~ time"):
    return build_design(with_residual(parse_all(formula), residual), frame() if d is None else d)


def test_rows_have_places_in_groups_and_need_no_order():
    d = frame().sample(frac=1, random_state=1)
    own = design("ar1(visit | id)", d).residual
    assert own.positions == (1, 2, 4)
    assert own.structure.at == (1, 2, 4)
    assert own.structure.of == "visit"
    assert own.name == "id"
    assert own.n_arms == 1
    assert [own.positions[k] for k in own.places] == d.visit.tolist()
    assert own.levels[own.refs].tolist() == d.id.tolist()


@pytest.mark.parametrize(
    ("residual", "at", "positions"),
    [
        ("ar1(week | id)", (1, 2, 4), ("w1", "w2", "w4")),
        ("ou(time | id)", (0.25, 0.5, 1), (0.25, 0.5, 1)),
        ("unstr(visit | id)", (0, 1, 2), (1, 2, 4)),
        ("unstr(text | id)", (0, 1, 2), ("first", "second", "third")),
        ("toep(C(visit) | id)", (0, 1, 2), (1, 2, 4)),
        ("cosy(id)", (0, 1, 2), (1, 2, 3)),
        ("cs(week | id)", (0, 1, 2), ("w1", "w2", "w4")),
    ],
)
def test_positions(residual, at, positions):
    own = design(residual).residual
    assert own.structure.at == at
    assert own.positions == positions
    assert own.places.tolist() == [0, 1, 2] * 5


def test_groups_may_be_combinations_and_visits_may_be_missing():
    d = frame().drop(index=[1, 5, 6])
    own = design("ar1(visit | arm:id)", d).residual
    assert own.name == "arm:id"
    assert len(own.levels) == 5
    assert own.positions == (1, 2, 4)
    assert len(own.places) == 12


def test_a_missing_value_leaves_the_row_out():
    d = frame()
    d.loc[3, "visit"] = np.nan
    found = design("ar1(visit | id)", d)
    assert found.n == 14
    assert found.dropped == {"visit": 1}
    assert len(found.residual.places) == 14


def test_arms():
    own = design("unstr(visit | id, by=arm)").residual
    assert own.by == "arm"
    assert own.arm_levels == ("drug", "placebo")
    assert [own.arm_levels[k] for k in own.arms] == frame().arm.tolist()


@pytest.mark.parametrize(
    ("residual", "sigma"),
    [
        ("unstr(visit | id)", "sigma ~ 0 + C(visit)"),
        ("unstr(week | id)", "sigma ~ 0 + week"),
        ("toep(C(visit) | id)", "sigma ~ 0 + C(visit)"),
        ("hetar1(week | id, by=arm)", "sigma ~ 0 + week:arm"),
        ("ar1(visit | id, by=arm)", "sigma ~ 0 + arm"),
        ("ar1(visit | id)", None),
        ("cosy(id)", None),
    ],
)
def test_sds_by_position_and_arm_are_a_formula_of_sigma(residual, sigma):
    found = design(residual)
    assert found.further == (() if sigma is None else ("sigma",))
    assert found.formula.texts == ("y ~ time",)  # as written
    if sigma is not None:
        assert found.formula.others[0].text == sigma
        X = found.predictor("sigma").X
        assert ((X == 0) | (X == 1)).all()
        assert (X.sum(axis=1) == 1).all()


def test_a_formula_of_sigma_that_the_user_gives_stays():
    found = design("unstr(visit | id)", formula=["y ~ time", "sigma ~ arm"])
    assert [other.text for other in found.formula.others] == ["sigma ~ arm"]


@pytest.mark.parametrize(
    ("residual", "said"),
    [
        ("ar1(when | id)", "when"),
        ("ar1(text | id)", "whose order as visits is not known"),
        ("ar1(time | id)", r"fractions|holds 0.25; for times"),
        ("toep(visit | id)", "not equally far apart"),
        ("ou(text | id)", "times are numbers"),
        ("ar1(visit | arm)", r"arm 'drug' has 2 rows at visit 1 .*2 of the 2 groups"),
        ("ar1(row | row)", "has one row, so that nothing"),
        ("ar1(one | row)", "one is 1 in every row"),
        (
            "ar1(visit | id, by=week)",
            r"5 level\(s\) of id are in several levels of week, such as 'e' .*"
            r"correct these rows, or write id:week in the place of id",
        ),
        ("ar1(visit | number)", "number 0 has 5 rows at visit 1"),
        ("ar1(visit | id:number, by=week)", "such as 'e:0' "),
        ("ar1(visit | row2, by=week)", "such as 0 "),
    ],
)
def test_what_is_wrong_is_said(residual, said):
    d = frame().assign(row=np.arange(15), one=1, number=0, row2=lambda d: d.index // 3)
    with pytest.raises(DataError, match=said):
        design(residual, d)


def test_the_order_of_plain_categories_is_said():
    d = frame().assign(week=lambda d: pd.Categorical(d.text, ["third", "second", "first"]))
    notes = design("ar1(week | id)", d).notes
    assert any("in the order of its categories, 'third', 'second', 'first'" in n for n in notes)


# ---- new rows ------------------------------------------------------------------------------------


def test_new_rows_have_places_and_groups_of_their_own():
    fitted = design("ar1(visit | id)")
    new = pd.DataFrame({"visit": [4, 1, 2, 2], "id": ["b", "b", "new", "b"]})
    own = replay_residual(fitted, new)
    assert own.levels[own.refs].tolist() == new.id.tolist()
    assert [own.positions[k] for k in own.places] == new.visit.tolist()


def test_new_times_where_the_structure_says_what_holds_there():
    new = pd.DataFrame({"time": [0.3, 0.5, 7.0], "visit": [1, 3, 6], "id": "b"})
    own = replay_residual(design("ou(time | id)"), new)
    assert own.positions == (0.25, 0.3, 0.5, 1.0, 7.0) == own.structure.at
    R = own.correlations({"range": np.array(2.0)})[0]
    np.testing.assert_allclose(R[1, 4], np.exp(-6.7 / 2))
    ar1 = replay_residual(design("ar1(visit | id)"), new)
    np.testing.assert_allclose(ar1.correlations({"rho": 0.5})[0][0, -1], 0.5**5)
    with pytest.raises(DataError, match=r"visit has 2 value\(s\).*an sd of its own"):
        replay_residual(design("hetar1(visit | id)"), new)
    d = frame().assign(visit=lambda d: d.visit.map({1: 1, 2: 5, 4: 9}))
    with pytest.raises(DataError, match=r"4 apart in the fitted data, and 6 lies between"):
        replay_residual(design("ar1(visit | id)", d), new[2:])


def test_what_is_wrong_in_new_rows_is_said():
    fitted = design("unstr(visit | id, by=arm)")
    new = frame()[["visit", "id", "arm"]]
    replay_residual(fitted, new)
    with pytest.raises(DataError, match=r"new data lack 1 column.*: arm"):
        replay_residual(fitted, new.drop(columns="arm"))
    said = r"visit has 1 value\(s\) that the fitted data do not have: 3\. "
    with pytest.raises(DataError, match=said):
        replay_residual(fitted, new.assign(visit=[3, *new.visit[1:]]))
    with pytest.raises(DataError, match="has 2 rows at visit 1"):
        replay_residual(fitted, pd.concat([new, new[:1]], ignore_index=True))
    with pytest.raises(DataError, match="arm is 'other' in 15 of 15 rows"):
        replay_residual(fitted, new.assign(arm="other"))
    with pytest.raises(DataError, match=r"1 level\(s\) of id are in several levels of arm"):
        replay_residual(fitted, new.assign(arm=["drug", *new.arm[1:]]))


def test_exchangeable_rows_may_be_more_than_in_the_fit():
    own = replay_residual(design("cosy(id)"), pd.DataFrame({"id": ["x"] * 5}))
    assert own.n_positions == 5
    assert own.places.tolist() == [0, 1, 2, 3, 4]


def test_more_correlations_than_pairs_of_rows_are_refused():
    one = pd.DataFrame({"visit": range(12), "id": "a", "y": np.arange(12.0), "time": 0.1})
    with pytest.raises(DataError, match=r"has 66 correlations, of 12 positions, .* 66 pairs"):
        design("unstr(visit | id)", one, "y ~ 1")
    assert design("toep(visit | id)", one, "y ~ 1").residual.n_positions == 12
    assert design("unstr(visit | id)").residual.n_positions == 3


def test_equal_correlations_need_no_pairs_of_rows():
    d = pd.DataFrame({"id": np.repeat(["a", "b"], 6000), "y": np.arange(12000.0), "time": 0.1})
    assert design("cosy(id)", d, "y ~ 1").residual.n_positions == 6000
