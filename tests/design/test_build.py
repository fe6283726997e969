"""Design of whole formulas: groups, response, trials, weights, offset, missing values."""

import numpy as np
import pandas as pd
import pytest

from mixedbayes.data import load_data
from mixedbayes.design import build_design, check_effects, replay, used_columns
from mixedbayes.formula import parse


@pytest.fixture(scope="module")
def sleep() -> pd.DataFrame:
    return load_data("sleepstudy")


def test_sleepstudy(sleep):
    design = build_design("Reaction ~ Days + (Days | Subject)", sleep)
    check_effects(design)
    (group,) = design.mu.groups
    assert (design.n, design.response, design.mu.terms) == (180, "Reaction", ("Days",))
    np.testing.assert_array_equal(design.y, sleep.Reaction)
    np.testing.assert_array_equal(design.mu.X[:, 0], sleep.Days)
    assert (group.name, group.factors, group.n_levels) == ("Subject", ("Subject",), 18)
    assert group.levels.tolist() == sleep.Subject.cat.categories.tolist()
    assert group.refs.dtype == np.int32
    np.testing.assert_array_equal(group.levels[group.refs], sleep.Subject.astype(str))
    np.testing.assert_array_equal(group.Z, np.column_stack([np.ones(180), sleep.Days]))
    assert design.mu.offset is design.weights is design.trials is design.response_levels is None
    np.testing.assert_array_equal(design.rows, np.arange(180))
    assert (dict(design.dropped), design.notes) == ({}, ())
    assert design.index.equals(sleep.index)


def test_text_and_parsed_formula_are_the_same(sleep):
    text = "Reaction ~ Days + (1 | Subject)"
    one, two = build_design(text, sleep), build_design(parse(text), sleep)
    assert one.formula == two.formula
    np.testing.assert_array_equal(one.mu.X, two.mu.X)


def test_nesting_is_over_the_combinations_that_occur():
    pastes = load_data("pastes")
    batch, cask = build_design("strength ~ 1 + (1 | batch/cask)", pastes).mu.groups
    assert (batch.n_levels, cask.n_levels) == (10, 30)
    assert (cask.name, cask.factors) == ("batch:cask", ("batch", "cask"))
    assert cask.levels[:4].tolist() == ["A:a", "A:b", "A:c", "B:a"]
    assert list(cask.parts.columns) == ["batch", "cask"]
    assert cask.parts.astype(str).agg(":".join, axis=1).tolist() == cask.levels.tolist()
    np.testing.assert_array_equal(cask.levels[cask.refs], pastes["sample"].astype(str))


def test_three_deep_nesting_has_no_empty_combinations():
    data = pd.DataFrame(
        {"a": [2, 2, 1, 1, 1], "b": list("uvuuv"), "c": [0.5, 1.0, 1.0, 2.0, 1.0], "y": range(5)}
    )
    design = build_design("y ~ 1 + (1 | a/b/c)", data)
    levels = {group.name: group.levels.tolist() for group in design.mu.groups}
    assert levels == {
        "a": [1, 2],
        "a:b": ["1:u", "1:v", "2:u", "2:v"],
        "a:b:c": ["1:u:1", "1:u:2", "1:v:1", "2:u:0.5", "2:v:1"],
    }
    deepest = design.mu.groups[2]
    assert deepest.refs.tolist() == [3, 4, 0, 1, 2]
    assert deepest.parts.iloc[deepest.refs].reset_index(drop=True).equals(data[["a", "b", "c"]])


LABELS = {
    "integers": ([30, 4, 4, 30], [4, 30]),
    "floats": ([0.5, -1.0, 0.5, 2.0], [-1.0, 0.5, 2.0]),
    "text": (["b", "a", "b", "C"], ["C", "a", "b"]),
    "logical": ([True, False, True, True], [False, True]),
    "dates": (list(pd.to_datetime(["2020-02-01", "2020-01-01"] * 2)),
              list(pd.to_datetime(["2020-01-01", "2020-02-01"]))),
    "categories": (pd.Categorical(list("bcab"), categories=list("cbxa")), ["c", "b", "a"]),
    "ordered": (pd.Categorical([3, 1, 3, 2], categories=[3, 2, 1], ordered=True), [3, 2, 1]),
    "masked": (pd.array([7, 3, 3, 7], dtype="Int64"), [3, 7]),
    "nullable text": (pd.array(["b", "a", "b", "b"], dtype="string"), ["a", "b"]),
}  # fmt: skip


@pytest.mark.parametrize(("values", "levels"), LABELS.values(), ids=LABELS)
def test_levels_keep_labels_and_order(values, levels):
    data = pd.DataFrame({"g": values, "y": [1.0, 2.0, 3.0, 5.0]})
    (group,) = build_design("y ~ 1 + (1 | g)", data).mu.groups
    assert group.levels.tolist() == levels
    assert group.levels[group.refs].tolist() == data.g.tolist()
    assert group.parts["g"].tolist() == levels
    assert (
        not pd.api.types.is_extension_array_dtype(group.levels.dtype) or group.levels.dtype == "str"
    )


def test_odd_names_everywhere():
    data = pd.DataFrame({"the y": [1.0, 2, 3, 5], "x-1": [0.0, 1, 3, 2], "g|h": list("aabb")})
    design = build_design("`the y` ~ `x-1` + ('x-1' | `g|h`)", data)
    assert (design.response, design.mu.terms) == ("the y", ("x-1",))
    assert (design.mu.groups[0].name, design.mu.groups[0].terms) == ("g|h", ("Intercept", "x-1"))


def test_successes_of_trials():
    cbpp = load_data("cbpp")
    design = build_design("incidence | trials(size) ~ period + (1 | herd)", cbpp)
    np.testing.assert_array_equal(design.trials, cbpp["size"])
    assert np.issubdtype(design.trials.dtype, np.integer)
    assert design.mu.terms == ("period[2]", "period[3]", "period[4]")


def test_trials_can_be_a_number():
    data = pd.DataFrame({"s": [0, 3, 10], "g": [1, 1, 2]})
    assert build_design("s | trials(10) ~ 1 + (1 | g)", data).trials.tolist() == [10, 10, 10]


def test_weights_and_offset():
    schools = load_data("eight_schools")
    formula = "y | weights(1/sigma**2) ~ offset(log(sigma)) + offset(2*sigma) + (1 | school)"
    design = build_design(formula, schools)
    np.testing.assert_allclose(design.weights, 1 / schools.sigma**2)
    np.testing.assert_allclose(design.mu.offset, np.log(schools.sigma) + 2 * schools.sigma)


RESPONSES = {
    "logical": ([True, False, True, True], [1, 0, 1, 1], (False, True)),
    "text": (["no", "yes", "no", "no"], [0, 1, 0, 0], ("no", "yes")),
    "categories": (
        pd.Categorical(["no", "yes", "no", "no"], categories=["yes", "maybe", "no"]),
        [1, 0, 1, 1],
        ("yes", "no"),
    ),
    "integers": ([3, 4, 3, 5], [3, 4, 3, 5], None),
    "masked": (pd.array([3, 4, 3, 5], dtype="Int64"), [3, 4, 3, 5], None),
    "objects": (np.array([3, 4, 3.5, 5], dtype=object), [3, 4, 3.5, 5], None),
}


@pytest.mark.parametrize(("values", "y", "levels"), RESPONSES.values(), ids=RESPONSES)
def test_response(values, y, levels):
    data = pd.DataFrame({"y": values, "g": [1, 1, 2, 2]})
    design = build_design("y ~ 1 + (1 | g)", data)
    assert design.y.tolist() == y
    assert design.y.dtype == np.float64
    assert design.response_levels == levels


def test_response_of_a_transform(sleep):
    design = build_design("log(Reaction) ~ Days + (1 | Subject)", sleep)
    assert design.response == "log(Reaction)"
    np.testing.assert_allclose(design.y, np.log(sleep.Reaction))


def test_no_fixed_and_no_random_part(sleep):
    none = build_design("Reaction ~ 0 + (1 | Subject)", sleep).mu
    assert (none.intercept, none.terms, none.X.shape) == (False, (), (180, 0))
    assert build_design("Reaction ~ Days", sleep).mu.groups == ()


# missing values


def holes() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "y": [1.0, np.nan, 3, 4, 5, 7],
            "x": [1.0, np.nan, 2, np.nan, 4, 5],
            "g": ["a", "a", "b", "b", None, "b"],
            "unused": [np.nan] * 6,
        },
        index=list("pqrstu"),
    )


def test_rows_with_missing_values_are_left_out():
    design = build_design("y ~ x + (1 | g)", holes())
    assert design.rows.tolist() == [0, 2, 5]
    assert design.index.tolist() == ["p", "r", "u"]
    assert dict(design.dropped) == {"y": 1, "x": 2, "g": 1}
    assert "3 of 6 rows left out: missing y in 1, x in 2, g in 1" in design.notes
    assert design.y.tolist() == [1, 3, 7]
    assert design.mu.groups[0].levels.tolist() == ["a", "b"]


def test_levels_of_left_out_rows_are_gone():
    data = pd.DataFrame({"y": [1, 2, 3, np.nan], "g": list("abbc"), "f": list("uvvw")})
    design = build_design("y ~ f + (1 | g)", data)
    assert design.mu.terms == ("f[v]",)
    assert design.mu.groups[0].levels.tolist() == ["a", "b"]


def test_transforms_learn_from_the_rows_used():
    data = pd.DataFrame({"y": [1, 2, 3, np.nan], "x": [1.0, 2.0, 3.0, 1000.0]})
    np.testing.assert_allclose(build_design("y ~ center(x)", data).mu.X[:, 0], [-1, 0, 1])


def test_users_frame_is_never_changed():
    data = holes()
    before = data.copy(deep=True)

    def greedy(x):
        x[:] = 0
        return x

    build_design("y ~ scale(x) + (1 | g)", data)
    with pytest.raises(ValueError, match="read-only"):
        build_design("y ~ greedy(x)", data, functions={"greedy": greedy})
    pd.testing.assert_frame_equal(data, before)


def test_design_does_not_follow_later_changes():
    data = pd.DataFrame({"y": [1.0, 2, 3], "x": [1.0, 2, 4]})
    design = build_design("y | weights(x) ~ x", data)
    data.loc[:, ["y", "x"]] = 0.0
    data["y"].to_numpy()
    assert design.y.tolist() == [1, 2, 3]
    assert design.weights.tolist() == design.mu.X[:, 0].tolist() == [1, 2, 4]


# new data


def test_unseen_levels_have_no_code():
    pastes = load_data("pastes")
    design = build_design("strength ~ 1 + (1 | batch/cask)", pastes)
    new = pd.DataFrame({"batch": ["A", "A", "Z", "B"], "cask": ["b", "q", "a", "a"]})
    rows = replay(design, new)
    assert rows.groups["batch"].refs.tolist() == [0, 0, -1, 1]
    cask = rows.groups["batch:cask"]
    assert cask.refs.tolist() == [1, -1, -1, 3]
    assert cask.labels.tolist() == ["A:b", "A:q", "Z:a", "B:a"]
    pd.testing.assert_frame_equal(cask.parts, new, check_dtype=False)
    assert cask.Z.tolist() == [[1]] * 4


def test_new_label_of_another_type_is_a_new_level():
    data = pd.DataFrame({"y": [1.0, 2, 3, 5], "g": [308, 308, 309, 309]})
    design = build_design("y ~ 1 + (1 | g)", data)
    assert replay(design, pd.DataFrame({"g": ["someone"]})).groups["g"].refs.tolist() == [-1]
    assert replay(design, pd.DataFrame({"g": [309.0]})).groups["g"].refs.tolist() == [1]


def test_only_the_wanted_groups_are_needed():
    pastes = load_data("pastes")
    design = build_design("strength ~ 1 + (1 | batch/cask)", pastes)
    assert replay(design, pd.DataFrame(index=range(3)), groups=()).X.shape == (3, 0)
    rows = replay(design, pastes[["batch"]], groups=["batch"])
    assert list(rows.groups) == ["batch"]


def test_response_trials_and_weights_of_new_rows():
    cbpp = load_data("cbpp")
    design = build_design("incidence | trials(size) ~ period + (1 | herd)", cbpp)
    full = replay(design, cbpp.iloc[5:8], response=True)
    np.testing.assert_array_equal(full.y, cbpp.incidence[5:8])
    np.testing.assert_array_equal(full.trials, cbpp["size"][5:8])
    assert full.index.tolist() == [5, 6, 7]
    bare = replay(design, cbpp[["period", "herd"]])
    assert bare.y is bare.trials is None


def test_categorical_response_of_new_rows_keeps_its_codes():
    data = pd.DataFrame({"y": ["no", "yes", "yes", "no"], "x": [1.0, 2, 4, 3]})
    design = build_design("y ~ x", data)
    assert replay(design, data.iloc[[1]], response=True).y.tolist() == [1]


def test_used_columns():
    text = "s | trials(n) + weights(w) ~ log(x)*f + offset(t) + (x:u || `g 1`/h)"
    used = used_columns(parse(text))
    assert used.columns == ("s", "n", "w", "x", "f", "t", "u", "g 1", "h")
    assert used.fixed == ("x", "f", "t")
    assert used.effects == {"g 1": ("x", "u"), "g 1:h": ("x", "u")}
    assert used.groups == ("g 1", "h")
