"""Several responses as one design, and new rows of them."""

import numpy as np
import pandas as pd
import pytest

from mixedbayes.design import build_design, replay, weighted_columns
from mixedbayes.errors import DataError

FORMULAS = [
    "mv(weight, height) ~ age + (1 | p | child) + (1 | school)",
    "height ~ age * sex + offset(o) + (age | p | child)",
    "sigma_height ~ age",
]


def frame(n=48, missing=True):
    rng = np.random.default_rng(3)
    d = pd.DataFrame(rng.normal(size=(n, 4)), columns=["weight", "height", "age", "o"])
    d = d.assign(sex=rng.choice(["f", "m"], n), child=np.arange(n) % 8, school=np.arange(n) % 5)
    if missing:
        d.loc[[2, 3], "weight"] = np.nan
        d.loc[[5], "height"] = np.nan
        d.loc[[7], ["weight", "height"]] = np.nan
        d.loc[[9], "age"] = np.nan
    return d


def alone(formula, d):
    """One response by itself."""
    return build_design(formula, d[~d["age"].isna()])


def test_every_response_is_the_design_that_it_is_by_itself():
    d = frame()
    design = build_design(FORMULAS, d)
    one = alone("weight ~ age + (1 | child) + (1 | school)", d)
    other = alone(["height ~ age * sex + offset(o) + (age | child)", "sigma ~ age"], d)
    for part, own in zip(design.parts, (one, other), strict=True):
        np.testing.assert_array_equal(part.y, own.y)
        np.testing.assert_array_equal(part.rows, np.flatnonzero(~d["age"].isna())[own.rows])
        for p, q in zip(part.predictors, own.predictors, strict=True):
            assert p.terms == q.terms
            np.testing.assert_array_equal(p.X, q.X)
            for g, h in zip(p.groups, q.groups, strict=True):
                assert g.terms == h.terms
                np.testing.assert_array_equal(g.Z, h.Z)
                np.testing.assert_array_equal(g.row_labels, h.row_labels)


def test_the_design_of_all_has_a_row_for_each_known_response():
    design = build_design(FORMULAS, frame())
    every, mu, sigma = design.several, *design.predictors
    assert mu.terms == (
        "weight_Intercept", "weight_age", "height_Intercept", "height_age", "height_sex[m]",
        "height_age:sex[m]",
    )  # fmt: skip
    assert not mu.intercept
    assert sigma.terms == ("weight", "height_Intercept", "height_age")
    child, school = mu.groups
    assert child.terms == ("weight_Intercept", "height_Intercept", "height_age")
    assert child.blocks == ((0, 1, 2),)
    assert (school.terms, school.blocks) == (("weight_Intercept",), ((0,),))
    rng = np.random.default_rng(1)
    beta, b = rng.normal(size=6), rng.normal(size=(8, 3))
    s = rng.normal(size=(5, 1))
    eta = mu.eta(0.0, beta, lambda g: b if g.name == "child" else s)
    weight, height = design.parts
    own = weight.mu.eta(beta[0], beta[1:2], lambda g: b[:, :1] if g.name == "child" else s)
    np.testing.assert_allclose(eta[every.at(0)], own, rtol=1e-14)
    own = height.mu.eta(beta[2], beta[3:], lambda g: b[:, 1:])
    np.testing.assert_allclose(eta[every.at(1)], own, rtol=1e-14)
    assert design.n == weight.n + height.n == 46 * 2 - 3
    assert list(design.labels[:5]) == [
        "0:weight", "0:height", "1:weight", "1:height", "2:height",
    ]  # fmt: skip
    np.testing.assert_array_equal(design.y[every.at(1)], height.y)


def test_effects_without_an_id_are_not_correlated_across_responses():
    (child,) = build_design("mv(weight, height) ~ age + (age | child)", frame()).mu.groups
    assert child.blocks == ((0, 1), (2, 3))
    assert build_design("mv(weight, height) ~ (1 || child)", frame()).mu.groups[0].blocks == (
        (0,), (1,),
    )  # fmt: skip


def test_rows_without_any_response_or_with_a_missing_predictor_are_left_out_and_counted():
    design = build_design(FORMULAS, frame())
    assert dict(design.dropped) == {"age": 1, "weight and height": 1}
    assert "2 of 48 rows left out: missing age in 1, weight and height in 1" in design.notes
    assert (
        "weight in 2, height in 1 of 46 rows missing: these rows have their other responses"
        in design.notes
    )
    with pytest.raises(DataError, match="missing values: weight in 3"):
        build_design(FORMULAS, frame(), missing="error")


def test_new_rows_are_read_as_those_of_the_fit():
    d = frame(missing=False)
    design = build_design(FORMULAS, d)
    new = d.drop(columns=["weight", "height"]).iloc[[4, 11, 0]]
    at = np.ravel([[2 * i, 2 * i + 1] for i in (4, 11, 0)])
    for parameter in ("mu", "sigma"):
        own, rows = replay(design, new, parameter=parameter), design.predictor(parameter)
        np.testing.assert_array_equal(own.X, rows.X[at])
        for g in rows.groups:
            np.testing.assert_array_equal(own.groups[g.name].Z, g.Z[at])
            np.testing.assert_array_equal(own.groups[g.name].refs, g.refs[at])
            np.testing.assert_array_equal(weighted_columns(design, g.name, new)[0], g.Z[at])
        if rows.offset is not None:
            np.testing.assert_array_equal(own.offset, rows.offset[at])
    some = d.iloc[[4, 11]].assign(weight=[np.nan, 1.5])
    known = replay(design, some, response=True)
    np.testing.assert_array_equal(known.y, [d["height"][4], 1.5, d["height"][11]])
    np.testing.assert_array_equal(known.X, design.mu.X[[9, 22, 23]])
    with pytest.raises(DataError, match="1 of 2 rows have none of the responses"):
        replay(design, some.assign(height=[np.nan, 1.0]), response=True)


@pytest.mark.parametrize(
    ("formulas", "said"),
    [
        ("mv(weight, height) ~ s(age)", r"s\(age\) in the formula of weight"),
        ("mv(weight, height) ~ cs(sex | child)", "child in the formula of weight"),
        (["mv(weight, height) ~ age", "sigma ~ (1 | child)"], "child varies sigma of weight"),
        (["mv(weight, height) ~ 1", "weight ~ height", "height ~ weight"], "of each other"),
    ],
)
def test_what_is_not_offered_is_refused(formulas, said):
    with pytest.raises(DataError, match=said):
        build_design(formulas, frame(missing=False))


def test_a_coefficient_that_the_known_rows_of_a_response_do_not_tell_is_refused():
    d = frame(missing=False)
    d.loc[d["sex"] == "m", "weight"] = np.nan
    with pytest.raises(DataError, match=r"sex\[m\] in the formula of weight"):
        build_design("mv(weight, height) ~ sex", d)


def test_a_response_may_be_among_the_predictors_of_another_where_it_is_known():
    d = frame()
    design = build_design(["mv(weight, height) ~ age", "height ~ weight"], d)
    assert dict(design.dropped) == {"weight": 3, "age": 1}
    np.testing.assert_array_equal(
        design.parts[1].mu.X[:, 0], d["weight"].dropna().drop(9)[design.parts[1].index]
    )


@pytest.mark.parametrize("also", [0.0, 1.5])
def test_a_response_that_others_make_is_refused(also):
    d = frame().assign(double=lambda d: 2 * d["weight"] + also * d["age"])
    with pytest.raises(DataError, match="double is a combination of weight and the predictors"):
        build_design("mv(weight, height, double) ~ age", d)
    build_design("mv(weight, height) ~ age", d)
    build_design(["mv(weight, double) ~ age + (1 | child)"], d.assign(double=lambda d: d["o"]))
