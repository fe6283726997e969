"""Columns that depend on others are left out, said, and left out of new data too."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixedbayes.design import build_design, random_columns, replay

_rng = np.random.default_rng(1)
FULL = pd.DataFrame(
    {
        "y": _rng.normal(size=120),
        "x": _rng.normal(size=120),
        "a": _rng.choice(list("pqr"), 120),
        "c": _rng.choice(list("uvw"), 120),
        "g": np.repeat(np.arange(12), 10),
    }
)
EMPTY = FULL[~((FULL.a == "q") & (FULL.c == "v"))]  # a cell of a:c without rows

# formula, columns left out, what the note says of them; those further right, as R's lm leaves out
LEFT_OUT = [
    ("y ~ a*c", ["a[q]:c[v]"], "a[q]:c[v] is 0 in every row"),
    ("y ~ 0 + a:c", ["a[q]:c[v]"], "a[q]:c[v] is 0 in every row"),
    ("y ~ x*a*c", ["a[q]:c[v]", "x:a[q]:c[v]"], "2 of 17 columns depend"),
    ("y ~ x + I(2*x)", ["I(2*x)"], "I(2*x) is determined by x"),
    ("y ~ I(2*x) + x", ["x"], "x is determined by I(2*x)"),
    ("y ~ poly(x, 2) + x", ["x"], "x is determined by poly(x, 2)[1]"),
    ("y ~ x + I(3 - x)", ["I(3 - x)"], "I(3 - x) is determined by x"),
    ("y ~ x + I(0*x + 3)", ["I(0*x + 3)"], "I(0*x + 3) is 3 in every row"),
    ("y ~ 0 + x + I(0*x)", ["I(0*x)"], "I(0*x) is 0 in every row"),
    ("y ~ a + C(a, contr.sum)", ["C(a, contr.sum)[p]", "C(a, contr.sum)[q]"], "a[q] and a[r]"),
    ("y ~ a + I(a == 'q') + c", ['I(a == "q")'], "determined by a[q]"),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "names", "fact"), LEFT_OUT, ids=[f for f, *_ in LEFT_OUT])
def test_dependent_columns_are_left_out_and_said(formula, names, fact):
    design = build_design(formula, EMPTY)
    assert list(design.mu.left_out) == names
    assert not set(names) & set(design.mu.terms)
    assert len(design.mu.terms) == design.mu.X.shape[1]
    assert design.mu.X.flags.c_contiguous
    assert len(design.notes) == 1
    assert fact in design.notes[0]
    assert "left out, in predictions as well" in design.notes[0]


def test_nothing_is_left_out_of_independent_columns():
    design = build_design("y ~ x*a*c + (a*c | g)", FULL)
    assert design.mu.left_out == design.mu.groups[0].left_out == ()
    assert not any("left out" in note for note in design.notes)


@st.composite
def frames(draw):
    """Factors with empty cells, one nested in the other or equal to it, and repeated columns."""
    n = draw(st.integers(60, 90))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    a, c = rng.integers(0, 3, n), rng.integers(0, 3, n)
    kind = draw(st.sampled_from(["empty", "nested", "equal", "diagonal"]))
    c = {"empty": np.where(a == c, 0, c), "nested": 3 * a + c % 2, "equal": a,
         "diagonal": (a + c % 2) % 3}[kind]  # fmt: skip
    x = rng.normal(size=n) * 10.0 ** draw(st.integers(-3, 3)) + draw(st.integers(-5, 5))
    z = {0: x, 1: 3 - 2 * x, 2: (a == 1) * x, 3: np.full(n, 7.0)}[draw(st.integers(0, 3))]
    return pd.DataFrame(
        {"y": rng.normal(size=n), "x": x, "z": z, "a": a.astype(str), "c": c.astype(str)}
    ).assign(g=rng.integers(0, 4, n))


@settings(max_examples=60)
@given(
    frames(),
    st.sampled_from(["x + z", "a*c", "0 + a*c", "a/c + z", "x*a + z", "0 + a:c + z:a", "z*c*a"]),
)
def test_what_is_left_is_independent(data, terms):
    design = build_design(f"y ~ {terms} + (1 | g)", data)
    mu, ones = design.mu, np.ones((len(data), int(design.mu.intercept)))
    X = np.hstack([ones, mu.X / np.abs(mu.X).max(axis=0)])
    X -= X.mean(axis=0) * (mu.intercept and X.shape[1] > 1) * (np.arange(X.shape[1]) > 0)
    assert np.linalg.matrix_rank(X / np.linalg.norm(X, axis=0)) == X.shape[1]
    np.testing.assert_array_equal(replay(design, data).X, mu.X)
    np.testing.assert_array_equal(replay(design, data.iloc[::-2]).X, mu.X[::-2])


def test_the_same_fitted_values_as_with_all_columns():
    design = build_design("y ~ x*a*c", EMPTY)
    indicators = [pd.get_dummies(EMPTY[k], dtype=float).to_numpy() for k in ("a", "c")]
    cells = np.einsum("ij,ik->ijk", *indicators).reshape(len(EMPTY), -1)
    every = np.hstack([cells, cells * EMPTY.x.to_numpy()[:, None]])
    X = np.column_stack([np.ones(len(EMPTY)), design.mu.X])
    for columns in (every, X):
        fitted = columns @ np.linalg.lstsq(columns, EMPTY.y)[0]
        np.testing.assert_allclose(fitted, X @ np.linalg.lstsq(X, EMPTY.y)[0], atol=1e-10)


GRID = pd.DataFrame([(a, c, 0.3, 1) for a in "pqr" for c in "uvw"], columns=["a", "c", "x", "g"])


@pytest.mark.parametrize("formula", ["y ~ a*c", "y ~ 0 + a:c", "y ~ x*a*c"])
def test_new_rows_of_an_empty_cell_are_named(formula):
    design = build_design(formula, EMPTY)
    with pytest.warns(UserWarning, match=r"1 of 9 rows, the first of them 4, .*a\[q\]:c\[v\]"):
        new = replay(design, GRID)
    assert new.X.shape == (9, len(design.mu.terms))
    assert replay(design, GRID.drop(index=4)).X.shape[0] == 8  # no warning


@pytest.mark.parametrize("formula", ["y ~ x + I(2*x) + I(3 - x)", "y ~ poly(x, 2) + x"])
def test_what_follows_from_other_columns_is_known_in_all_new_rows(formula):
    design = build_design(formula, EMPTY)
    replay(design, EMPTY.assign(x=1e3 * EMPTY.x + 5))  # no warning


def test_effects_that_vary_are_left_out_too():
    design = build_design("y ~ a + (a*c | g)", EMPTY)
    (g,) = design.mu.groups
    assert g.left_out == ("a[q]:c[v]",)
    assert len(g.terms) == g.Z.shape[1] == 8
    assert g.blocks == (tuple(range(8)),)
    assert "(a*c | g): 1 of 8 columns depends on others" in " ".join(design.notes)
    assert random_columns(design, "g", GRID).shape == (9, 8)
    np.testing.assert_array_equal(random_columns(design, "g", EMPTY), g.Z)


@pytest.mark.parametrize(
    ("bar", "terms"),
    [
        ("(x + I(2*x) | g)", ("Intercept", "x")),
        ("(I(0*x + 3) | g)", ("Intercept",)),
        ("(a*c || g)", None),
        ("(x | g) + (0 + a:c || g)", None),
    ],
)
def test_bars(bar, terms):
    design = build_design(f"y ~ x + {bar}", EMPTY)
    (g,) = design.mu.groups
    assert g.left_out
    assert g.Z.all(axis=0).any() or g.Z.any(axis=0).all()
    if terms is not None:
        assert g.terms == terms


def test_other_formulas_leave_out_their_own():
    design = build_design(["y ~ x", "sigma ~ a*c + (a*c | g)"], EMPTY)
    assert design.predictor("sigma").left_out == ("a[q]:c[v]",)
    assert "population part of sigma: 1 of 8" in " ".join(design.notes)
