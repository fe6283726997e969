"""One map between partial correlations and roots of correlation matrices, in three carriers."""

import numpy as np
import pymc as pm
import pytest

from mixedbayes.model.covariance import correlation_factor
from mixedbayes.numerics import correlation

BLOCKS = {
    "one": [(0,)],
    "apart": [(0,), (1,)],
    "joined": [(0, 1, 2, 3)],
    "interleaved": [(3, 0), (1, 4, 2)],
    "one apart": [(1, 2), (0,)],
}


@pytest.fixture(params=BLOCKS)
def rows(request):
    blocks = BLOCKS[request.param]
    return correlation.rows_of(blocks, sum(map(len, blocks)))


@pytest.fixture
def z(rows):
    return np.random.default_rng(1).uniform(-0.95, 0.95, (3, correlation.n_partial(rows)))


def compiled(rows, z, scale=1.0):
    """W (q, q) with rows of this length, and the place of each element, as compiled code has it."""
    work = np.array([z, 1 - z**2, np.zeros(len(z))])
    W, at = np.zeros((len(rows), len(rows))), 0
    for i, before in enumerate(rows):
        places = np.array([*before, i])
        last = correlation.fill_row(work, at, len(before), scale, W[i], places, 0)
        W[i, i] = last
        at += len(before)
    return W


def test_correlated_terms_are_those_of_a_block():
    assert correlation.rows_of(BLOCKS["interleaved"], 5) == [(), (), (1,), (0,), (1, 2)]


def test_rows_have_length_one_and_blocks_are_apart(rows, z):
    W = correlation.factor(rows, z)
    cor = correlation.matrix(W)
    np.testing.assert_allclose((W**2).sum(axis=-1), 1)
    assert np.array_equal(W, np.tril(W))
    for i, before in enumerate(rows):
        others = set(range(i)) - set(before)
        assert not cor[:, i, list(others)].any()


def test_partial_correlations_are_found_again(rows, z):
    cor = correlation.matrix(correlation.factor(rows, z))
    np.testing.assert_allclose(correlation.partial(rows, cor), z, rtol=1e-9)


def test_a_partial_correlation_is_that_given_the_terms_before():
    z = np.array([0.3, -0.2, 0.6])
    rows = correlation.rows_of([(0, 1, 2)], 3)
    inverse = np.linalg.inv(correlation.matrix(correlation.factor(rows, z)))
    given_first = -inverse[2, 1] / np.sqrt(inverse[1, 1] * inverse[2, 2])
    assert given_first == pytest.approx(0.6)


def test_singular_correlations_have_a_root():
    rows, cor = correlation.rows_of([(0, 1, 2)], 3), np.ones((2, 3, 3))
    W = correlation.root(rows, cor)
    np.testing.assert_allclose(correlation.matrix(W), cor, atol=1e-6)


def test_compiled_rows_are_those_of_arrays(rows, z):
    for one in z:
        W = correlation.factor(rows, one)
        np.testing.assert_allclose(compiled(rows, one), W)
        np.testing.assert_allclose(compiled(rows, one, 2.5), 2.5 * W)


def test_the_graph_of_pytensor_is_that_of_arrays():
    q, z = 4, np.random.default_rng(2).uniform(-0.9, 0.9, 6)
    with pm.Model() as model:
        W = correlation_factor("x", q, 2.0)
    f = pm.pytensorf.compile(model.free_RVs, W, mode="FAST_COMPILE")
    rows = correlation.rows_of([range(q)], q)
    np.testing.assert_allclose(f((z + 1) / 2), correlation.factor(rows, z))


def test_compiled_slopes_are_differences(rows, z):
    weights = np.random.default_rng(3).normal(size=(len(rows), len(rows)))
    t, scale, at = np.arctanh(z[0]), 1.7, 0

    def value(t, scale=scale):
        return np.sum(weights * compiled(rows, np.tanh(t), scale))

    work = np.array([z[0], 1 - z[0] ** 2, np.full(len(t), 5.0)])
    d_scale = 0.0
    for i, before in enumerate(rows):
        d_row, places = weights[i], np.array([*before, i])
        d_scale += correlation.row_slopes(work, at, len(before), scale, d_row, d_row[i], places, 0)
        at += len(before)
    step = 1e-6 * np.eye(len(t))
    expected = [(value(t + h) - value(t - h)) / 2e-6 for h in step]
    np.testing.assert_allclose(work[2] - 5, expected, rtol=1e-6, atol=1e-8)
    assert d_scale == pytest.approx((value(t, 1.7 + 1e-6) - value(t, 1.7 - 1e-6)) / 2e-6)


@pytest.mark.parametrize("eta", [0.5, 1.0, 3.0])
def test_shapes_are_the_same_one_by_one_and_together(eta):
    shapes = [correlation.lkj_shape(eta, 4, given) for given in (0, 0, 1, 0, 1, 2)]
    np.testing.assert_array_equal(correlation.lkj_shapes(eta, 4), shapes)
    assert correlation.lkj_shape(eta, 2, 0) == eta  # one correlation: (1 + r) / 2 ~ Beta(eta, eta)
