"""Linear dependence among columns."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixedbayes.design import build_design
from mixedbayes.design.independent import dependent


def columns(n: int, p: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, p))


@given(
    st.integers(5, 60), st.integers(1, 4), st.integers(0, 2), st.booleans(), st.integers(0, 2**32)
)
def test_rank_is_that_of_the_dense_matrix(n, p, extra, centre, seed):
    rng = np.random.default_rng(seed)
    free = columns(n, p, seed)
    X = np.hstack([free, free @ rng.normal(size=(p, extra)) + (rng.normal() if centre else 0)])
    X = (X * 10.0 ** rng.integers(-6, 7, size=X.shape[1]))[:, rng.permutation(X.shape[1])]
    full = np.hstack([np.ones((n, 1)), X / np.abs(X).max(axis=0)]) if centre else X
    rank = np.linalg.matrix_rank(full / np.linalg.norm(full, axis=0))
    assert X.shape[1] - len(dependent(X, centre=centre)) == rank - centre


def test_names_the_columns_involved():
    X = columns(30, 4, 0)
    X[:, 3] = 2 * X[:, 0] - X[:, 2]
    assert dependent(X, centre=False) == {3: (0, 2)}


def test_constant_and_zero_columns():
    X = columns(30, 3, 0)
    X[:, 1] = 7.3
    assert dependent(X, centre=True) == {1: ()}
    assert dependent(X, centre=False) == {}
    X[:, 1] = 0
    assert dependent(X, centre=False) == dependent(X, centre=True) == {1: ()}


@pytest.mark.parametrize("gap", [1e-5, 1e-6])
def test_nearly_dependent_is_not_dependent(gap):
    X = columns(200, 3, 1)
    X[:, 2] = X[:, 0] + X[:, 1] + gap * X[:, 2]
    assert dependent(X, centre=True) == {}


@pytest.mark.parametrize("gap", [0, 1e-9])
def test_dependent_up_to_rounding(gap):
    X = columns(200, 3, 1)
    X[:, 2] = X[:, 0] + X[:, 1] + gap * X[:, 2]
    assert dependent(X, centre=True) == {2: (0, 1)}


def test_far_from_zero_and_badly_scaled():
    year = 2000.0 + np.arange(40) % 20
    X = np.column_stack([year, year**2, 1e-9 * columns(40, 1, 0)[:, 0], 1e9 + year])
    assert dependent(X, centre=True) == {3: (0,)}


def test_more_rows_than_a_chunk():
    X = columns(200_000, 2, 2)
    assert dependent(np.column_stack([X, X.sum(axis=1)]), centre=True) == {2: (0, 1)}


def test_no_columns():
    assert dependent(np.empty((5, 0)), centre=True) == {}


@pytest.mark.parametrize("factor", [1.0, 1e6])
def test_products_of_many_dependent_columns_are_left_out(factor):
    rng = np.random.default_rng(1)
    g, t = np.repeat(np.arange(24), 10), np.tile(np.arange(10) - 4.5, 24)
    columns = {"g": g, "t": t, "year": t + 2014.5, "z": factor * t, "x": rng.normal(size=240)}
    data = pd.DataFrame({"y": rng.normal(size=240), "c": rng.choice(list("uvw"), 240), **columns})
    design = build_design("y ~ c*x*t*g*year*z", data)
    assert np.isfinite(design.mu.X).all()
    assert {"x", "t", "g"} <= set(design.mu.terms)
    assert not {"year", "z"} & set(design.mu.terms)
