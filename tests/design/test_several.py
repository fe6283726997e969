"""Several responses as one design, and new rows of them."""

import numpy as np
import pandas as pd
import pytest
from several_responses import SMOOTH, STRUCTURED, kin
from several_responses import frame as full_frame

from mixedbayes.design import build_design, replay, weighted_columns
from mixedbayes.design.several import labels
from mixedbayes.design.several_terms import called
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
        (
            "mv(weight, height) ~ cs(1 + age | child) + (0 + o | p | child)",
            "id p is on effects over child on weight",
        ),
        (
            [
                "mv(weight, height) ~ age",
                "height ~ (1 | mm(school, child, weights=(n, k)))",
                "weight ~ (1 | mm(school, child))",
            ],
            r"say different things of the levels of mm\(school, child\)",
        ),
        (
            ["mv(weight, height) ~ cs(1 + age | child)", "height ~ (1 | weight_child)"],
            "are two terms of weight and height and have one name",
        ),
        (["mv(weight, height) ~ 1", "weight ~ height", "height ~ weight"], "of each other"),
    ],
)
def test_what_is_not_offered_is_refused(formulas, said):
    d = frame(missing=False).assign(n=1.0, k=2.0)
    with pytest.raises(DataError, match=said):
        build_design(formulas, d.assign(weight_child=d["child"]))


@pytest.mark.parametrize("formulas", [SMOOTH, STRUCTURED])
def test_terms_of_every_kind_are_those_of_each_response(formulas):
    """What they add to the rows of a response is what they add in its own design."""
    d = full_frame()
    known = kin() if "cov=A" in formulas[0] else None
    design = build_design(formulas, d, known=known)
    every, mu, rng = design.several, design.mu, np.random.default_rng(2)
    beta = rng.normal(size=len(mu.terms))
    b = {g.name: rng.normal(size=(g.n_levels, len(g.terms))) for g in mu.groups}
    eta = mu.eta(0.0, beta, lambda g: b[g.name])
    for k, (name, part) in enumerate(zip(every.names, design.parts, strict=True)):
        own = [mu.terms.index(label) for label in labels(name, part.mu)]

        def of(g, name=name):
            whole = mu.group(called(name, g))
            same = [f"{name}_{t}" if whole.name == g.name else t for t in g.terms]
            return b[whole.name][:, [whole.terms.index(t) for t in same]]

        found = part.mu.eta(beta[own[0]], beta[own[1:]], of)
        np.testing.assert_allclose(eta[every.at(k)], found, rtol=1e-12)
    rows = np.array([4, 11, 0])
    at = (rows[:, None] * len(every.names) + np.arange(len(every.names))).ravel()
    whole = build_design(formulas, full_frame(missing=False), known=known)
    new = replay(whole, full_frame(missing=False).iloc[rows])
    np.testing.assert_allclose(new.X, whole.mu.X[at], rtol=1e-12)
    for g in whole.mu.groups:
        Z, refs, weights = g.by_row
        np.testing.assert_array_equal(new.groups[g.name].codes, refs[at])
        seen = new.groups[g.name]
        w, own = (1.0 if x is None else x for x in (weights, seen.weights))
        w = w if np.isscalar(w) else w[at]
        here = np.abs(seen.Z).sum(axis=1, keepdims=True) > 0  # of the response itself
        np.testing.assert_allclose(seen.Z, Z[at] * here, rtol=1e-12)
        np.testing.assert_allclose(own * here, w * here, rtol=1e-9, atol=1e-12)
        Z, weights = weighted_columns(whole, g.name, full_frame(missing=False).iloc[rows])
        if g.name != "height_child":  # ar1: rows of nothing in common have positions alone
            np.testing.assert_allclose(Z, seen.Z, rtol=1e-12)


def test_an_id_correlates_memberships_and_related_levels_across_responses():
    design = build_design(SMOOTH, full_frame(), known=kin())
    child, school, *smooths = design.mu.groups
    assert (child.name, child.blocks) == ("child[A]", ((0, 1, 2),))
    assert child.relation is not None
    assert school.terms == ("height_Intercept",)
    assert [g.name for g in smooths] == ["weight_s(age)", "height_s(o)"]
    members = build_design(STRUCTURED, full_frame()).mu.group("mm(school, school2)")
    assert members.blocks == ((0, 2), (1,))


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
