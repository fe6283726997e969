"""Which columns of a bar contain which, and least squares among columns."""

import numpy as np
import pandas as pd
import pytest

from mixedbayes.design import build_design
from mixedbayes.design.projection import constant, left_over, regression, triangle


def margins(bar):
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(60, 3)), columns=["y", "x", "z"])
    data["f"] = rng.choice(["a", "b", "c"], 60)
    data["g"] = np.arange(60) % 6
    g = build_design(f"y ~ 1 + {bar}", data).mu.groups[0]
    return {
        term: {g.terms[k] for k in inside} for term, inside in zip(g.terms, g.margins, strict=True)
    }


@pytest.mark.parametrize(
    ("bar", "term", "contains"),
    [
        ("(x | g)", "x", {"Intercept"}),
        ("(x | g)", "Intercept", set()),
        ("(0 + x | g)", "x", set()),
        ("(x || g)", "x", set()),
        ("(1 | g) + (0 + x | g)", "x", set()),
        ("(x*z | g)", "z", {"Intercept"}),
        ("(x*z | g)", "x:z", {"Intercept", "x", "z"}),
        ("(x + I(x**2) + I(x**3) | g)", "I(x**3)", {"Intercept", "x", "I(x**2)"}),
        ("(I(x**2) + x | g)", "x", {"Intercept"}),
        ("(I(x**2) + x | g)", "I(x**2)", {"Intercept", "x"}),
        ("(f | g)", "f[b]", {"Intercept"}),
        ("(f*x | g)", "f[b]:x", {"Intercept", "f[b]", "f[c]", "x"}),
        ("(0 + f + x | g)", "x", {"f[a]", "f[b]", "f[c]"}),
        ("(0 + f + x | g)", "f[a]", set()),
        ("(0 + f + f:x | g)", "f[a]:x", {"f[a]", "f[b]", "f[c]"}),
    ],
)
def test_margins(bar, term, contains):
    assert margins(bar)[term] == contains


def test_what_others_leave_of_a_column_is_what_least_squares_leaves():
    rng = np.random.default_rng(2)
    x = rng.normal(2015, 3, 500)
    X = np.column_stack([np.ones(500), x, x**2, rng.normal(size=500)])
    R = triangle(X)
    for k, share in enumerate(left_over(R)):
        others = np.delete(X, k, axis=1)
        q, _ = np.linalg.qr(others - np.outer(np.ones(500), others.mean(axis=0) * 0))
        rest = X[:, k] - q @ (q.T @ X[:, k])
        assert share == pytest.approx(np.linalg.norm(rest) / np.linalg.norm(X[:, k]), rel=1e-4)
    assert regression(R, [1], [0])[:, 0] == pytest.approx([x.mean()])


def test_rows_count_as_often_as_they_are_written_out():
    rng = np.random.default_rng(3)
    X, counts = rng.normal(size=(40, 3)), rng.integers(1, 5, 40)
    written = triangle(np.repeat(X, counts, axis=0))
    weighted = triangle(X, counts.astype(float))
    np.testing.assert_allclose(weighted.T @ weighted, written.T @ written)


def test_a_dependent_column_has_nothing_left():
    x = np.arange(10.0)
    assert left_over(triangle(np.column_stack([x, 2 * x, np.zeros(10)]))) == pytest.approx([0] * 3)
    assert left_over(triangle(np.column_stack([x, x**2])[:1])) == pytest.approx([0, 0], abs=1e-9)


def test_columns_that_add_up_to_one():
    f = np.eye(3)[np.arange(12) % 3]
    assert constant(np.column_stack([f, np.arange(12.0)])) == pytest.approx([1, 1, 1, 0])
    assert constant(f[:, :2]) is None
    assert constant(np.zeros((5, 0))) is None
