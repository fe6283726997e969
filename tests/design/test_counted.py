"""Means and sds over rows that count several times are those of the rows written out."""

import numpy as np
import pytest

from mixedbayes.design import counted


def test_whole_counts_are_rows_written_out():
    rng = np.random.default_rng(1)
    x, counts = rng.normal(50, 2, (30, 2)), rng.integers(1, 9, 30).astype(float)
    written = np.repeat(x, counts.astype(int), axis=0)
    np.testing.assert_allclose(counted.mean(x, counts), written.mean(axis=0), rtol=1e-13)
    assert counted.sd(x[:, 0], counts) == pytest.approx(written[:, 0].std(ddof=1), rel=1e-12)


def test_without_counts():
    x = np.array([1.0, 2.0, 4.0])
    assert counted.mean(x, None) == pytest.approx(7 / 3)
    assert counted.sd(x, None) == pytest.approx(x.std(ddof=1))


@pytest.mark.parametrize("scale", [1e-6, 1 / 3, 1.0])
def test_counts_below_one_on_average_are_as_many_rows(scale):
    x = np.array([1.0, 2.0, 4.0])
    assert counted.sd(x, np.full(3, scale)) == pytest.approx(x.std(ddof=1))
