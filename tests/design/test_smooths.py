"""Smooths in designs: columns of the population, terms, new rows, and what data do not carry."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from mixedbayes.design import build_design, replay
from mixedbayes.design.used import used_columns
from mixedbayes.errors import DataError

rng = np.random.default_rng(4)
N = 60
DATA = pd.DataFrame(
    {
        "x": rng.uniform(0, 1, N),
        "z": rng.normal(size=N),
        "odd name": rng.normal(size=N),
        "f": pd.Categorical(np.resize(["a", "b"], N), categories=["a", "b", "unused"]),
        "i": np.resize(np.arange(5), N),
        "c": 1.0,
        "y": rng.normal(size=N),
    }
)


def build(right, data=DATA, **more):
    return build_design(f"y ~ {right}", data, **more)


def functions(design):
    return {g.name: g.dense for g in design.mu.smooths}


def test_columns_and_terms():
    design = build("x + s(z, k=6) + t2(x, `odd name`, k=[4, 5])")
    assert design.mu.terms == (
        "x", "s(z)[linear]", "t2(x, `odd name`)[odd name]", "t2(x, `odd name`)[x:odd name]",
    )  # fmt: skip
    sizes = {name: Z.shape for name, Z in functions(design).items()}
    assert sizes == {
        "s(z)": (N, 4),
        "t2(x, `odd name`)[x]": (N, 4),
        "t2(x, `odd name`)[odd name]": (N, 6),
        "t2(x, `odd name`)[x, odd name]": (N, 6),
    }
    assert "t2(x, `odd name`)[x] is determined by x" in design.notes[0]
    assert design.mu.factors == ()
    for Z in functions(design).values():
        np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-12)
        assert np.mean(np.sum(Z**2, axis=1)) == pytest.approx(1)
    np.testing.assert_allclose(design.mu.X[:, 1], DATA["z"] - DATA["z"].mean())


def test_a_curve_for_every_level_that_occurs():
    design = build("f + s(x, by=f, k=5)")
    assert design.mu.terms == ("f[b]", "s(x):f[a][linear]", "s(x):f[b][linear]")
    own = functions(design)
    assert list(own) == ["s(x):f[a]", "s(x):f[b]"]
    both = own["s(x):f[a]"] + own["s(x):f[b]"]
    np.testing.assert_allclose(both, functions(build("s(x, k=5)"))["s(x)"])
    assert np.all(own["s(x):f[a]"][1::2] == 0)
    assert design.notes == ()
    assert "add f" in build("s(x, by=f, k=5)").notes[0]


def test_a_number_multiplies_a_curve():
    design = build("s(x, by=z, k=5)")
    assert design.mu.terms == ("s(x):z[level]", "s(x):z[linear]")
    x = DATA["x"] - DATA["x"].mean()
    np.testing.assert_allclose(design.mu.X, np.column_stack([DATA["z"], DATA["z"] * x]))
    assert build("z + s(x, by=z, k=5)").mu.terms == ("z", "s(x):z[linear]")


@pytest.mark.parametrize(
    "right",
    ["s(x)", 's(x, bs="cr", k=6) + s(z, bs="ps")', 's(x, bs="cc", knots=[0, 1])', "s(x, z)",
     "s(x, by=f)", "s(x, by=z)", "t2(x, z, k=4) + f", "s(log(x), k=4)", "s(`odd name`)"],
)  # fmt: skip
def test_new_rows_are_seen_as_the_rows_of_the_fit(right):
    design = build(right)
    some = DATA.iloc[[7, 3, 3, 59]].drop(columns="y")
    new = replay(design, some)
    np.testing.assert_allclose(new.X, design.mu.X[[7, 3, 3, 59]], atol=1e-12)
    for name, Z in functions(design).items():
        term = new.groups[name]
        np.testing.assert_allclose(term.weights, Z[[7, 3, 3, 59]], atol=1e-12)
        assert term.codes.shape == term.weights.shape


def test_new_rows_beyond_the_data_follow_straight_lines():
    design = build("s(x, k=6)")
    far = replay(design, pd.DataFrame({"x": [3.0, 4.0, 5.0]})).groups["s(x)"].weights
    np.testing.assert_allclose(far[2] - far[1], far[1] - far[0], atol=1e-9)


def test_a_level_that_no_curve_is_of():
    design = build("f + s(x, by=f)")
    new = pd.DataFrame({"x": [0.5], "f": ["c"]})
    with pytest.raises(DataError, match=r"f has 1 level.* that the fitted data do not have: 'c'"):
        replay(design, new)


def test_other_libraries_and_missing_values():
    holes = DATA.assign(x=DATA["x"].where(DATA.index != 4))
    design = build("s(x, k=5)", holes)
    assert design.dropped == {"x": 1}
    other = build("s(x, k=5)", pl.from_pandas(holes.drop(columns="f")))
    np.testing.assert_array_equal(functions(design)["s(x)"], functions(other)["s(x)"])


def test_integers_and_a_far_origin():
    near, far = (build("s(i, k=5)", DATA.assign(i=DATA["i"] + c)) for c in (0, 10**9))
    a, b = (functions(d)["s(i)"] for d in (near, far))
    np.testing.assert_allclose(a @ a.T, b @ b.T, atol=1e-6)


@pytest.mark.parametrize(
    ("right", "message"),
    [
        ("s(i)", r"5 distinct values in the 60 rows used, and k=10 \(the default\).* s\(i, k=5\)"),
        ("s(c)", r"c has the single value 1 in the 60 rows used.*leave the term out"),
        ("s(f)", r"in the smooth of f: f is a category"),
        ("s(x, k=2)", r"k is 3 or more"),
        ("s(x) + s(x, k=5)", r"s\(x\) stands twice"),
        ('s(x, bs="cc", knots=[0, 0.5])', r"values lie outside"),
        ("s(i, x, k=60) + s(i > 2)", r"has 2 distinct values.*write i > 2 itself"),
    ],
)
def test_what_the_data_do_not_carry(right, message):
    with pytest.raises(DataError, match=message):
        build(right)


def test_a_column_with_the_name_of_a_smooth():
    with pytest.raises(DataError, match="has the name of a smooth; rename it"):
        build("`s(x)` + s(x)", DATA.assign(**{"s(x)": DATA["z"]}))


def test_a_curve_of_a_further_parameter():
    design = build_design(["y ~ s(x, k=5)", "sigma ~ s(x, k=6) + z"], DATA)
    mu, sigma = design.predictors
    assert [p.smooths[0].n_levels for p in (mu, sigma)] == [3, 4]
    assert sigma.terms == ("z", "s(x)[linear]")
    new = replay(design, DATA.head(3), parameter="sigma")
    np.testing.assert_allclose(new.X, sigma.X[:3], atol=1e-12)


def test_curves_of_each_level():
    data = DATA.assign(g=np.resize([30, 10, 20], N))
    design = build('z + s(x, g, bs="fs", k=6)', data)
    bend, slope, level = design.mu.groups
    assert [g.name for g in design.mu.factors] == ["s(x, g)", "s(x, g)[linear]", "s(x, g)[level]"]
    assert (bend.n_levels, slope.terms, level.terms) == (12, ("linear",), ("Intercept",))
    assert list(bend.levels[:5]) == ["10, 1", "10, 2", "10, 3", "10, 4", "20, 1"]
    assert list(level.levels) == [10, 20, 30]
    Z = bend.operator().toarray()
    assert np.mean(np.sum(Z**2, axis=1)) == pytest.approx(1)
    np.testing.assert_allclose(slope.Z[:, 0] @ Z.reshape(N, 3, 4).sum(axis=1), 0, atol=1e-9)
    assert np.mean(slope.Z**2) == pytest.approx(1)
    np.testing.assert_array_equal(np.flatnonzero(Z[0]) // 4, 2)
    some = bend.take(np.array([3, 0]))
    np.testing.assert_allclose(some.operator().toarray(), Z[[3, 0]])


def test_new_rows_of_levels_seen_and_unseen():
    data = DATA.assign(g=np.resize(["a", "b", "c"], N))
    design = build('z + s(x, g, bs="fs", k=6)', data)
    used = used_columns(design.formula)
    assert (used.fixed, used.groups) == (("z", "x"), ("g",))
    new = replay(design, data.head(2).assign(g=["b", "new"]))
    bend = new.groups["s(x, g)"]
    np.testing.assert_array_equal(bend.codes, [[4, 5, 6, 7], [-1] * 4])
    assert list(bend.labels[4:]) == ["new, 1", "new, 2", "new, 3", "new, 4"]
    np.testing.assert_allclose(bend.weights[0], design.mu.groups[0].weights[0], atol=1e-12)
    np.testing.assert_array_equal(new.groups["s(x, g)[level]"].refs, [1, -1])
    np.testing.assert_allclose(new.groups["s(x, g)[linear]"].Z[:, 0], design.mu.groups[1].Z[:2, 0])
    both = build('g + s(x, g, bs="fs", k=6)', data)
    assert used_columns(both.formula).fixed == ("g", "x")


def test_a_category_in_a_smooth_leads_to_curves_of_each_level():
    with pytest.raises(DataError, match=r'write s\(x, by=f\), or, .* s\(x, f, bs="fs"\)'):
        build("s(x, f)")
    with pytest.raises(DataError, match=r"f is a category, where numbers are needed$"):
        build("s(f)")
