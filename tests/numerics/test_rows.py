"""Passes over rows, and the one finder of nested levels."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.numerics import rows
from mixedbayes.numerics.rows import parent_levels, row_blocks


@pytest.mark.parametrize("n", [0, 1, 6, 7, 14])
def test_blocks_cover_every_row_once(n):
    found = [i for block in row_blocks(n, 7) for i in range(n)[block]]
    assert found == list(range(n))


@pytest.mark.parametrize("size", [1, 3, 100])
def test_parents_are_found_where_every_level_has_one(monkeypatch, size):
    monkeypatch.setattr(rows.row_blocks, "__defaults__", (size,))
    fine, coarse = np.array([0, 1, 2, 1, 3]), np.array([1, 0, 1, 0, 0])
    np.testing.assert_array_equal(parent_levels(fine, coarse, 4), [1, 0, 1, 0])
    assert parent_levels(coarse, fine, 2) is None


def test_a_level_without_rows_does_not_part_nested_factors():
    fine, coarse = np.array([0, 3, 3]), np.array([1, 2, 2])
    np.testing.assert_array_equal(parent_levels(fine, coarse, 4), [1, 0, 0, 2])
    assert parent_levels(coarse, fine, 3) is not None


def test_factors_of_a_design_know_what_they_are_nested_in():
    factors = {"a": list("uuuuvvvv"), "b": list("xxyyxxyy"), "c": list("mnmnmnmn")}
    data = pd.DataFrame(factors).assign(y=np.arange(8.0))
    a, ab, c = mb.Model("y ~ 1 + (1 | a/b) + (1 | c)", data).design.mu.groups
    np.testing.assert_array_equal(ab.parents(a), [0, 0, 1, 1])
    np.testing.assert_array_equal(a.parents(a), [0, 1])
    assert a.parents(ab) is None
    assert ab.parents(c) is None
