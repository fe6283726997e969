"""The density at a point beside that of the distribution drawn from."""

import numpy as np
import pytest
from scipy import stats

from mixedbayes.numerics.density import density_at

CASES = [  # distribution, bounds, point, relative error
    (stats.norm(3, 0.1), (-np.inf, np.inf), 3.0, 0.03),
    (stats.norm(3, 0.1), (-np.inf, np.inf), 3.2, 0.08),
    (stats.t(3), (-np.inf, np.inf), 0.0, 0.03),
    (stats.cauchy(), (-np.inf, np.inf), 2.0, 0.08),
    (stats.halfnorm(scale=5), (0.0, np.inf), 0.0, 0.08),
    (stats.expon(), (0.0, np.inf), 0.0, 0.08),
    (stats.expon(), (0.0, np.inf), 0.1, 0.08),
    (stats.gamma(3), (0.0, np.inf), 0.5, 0.08),
    (stats.lognorm(1), (0.0, np.inf), 0.2, 0.08),
    (stats.uniform(-1, 2), (-1.0, 1.0), 1.0, 0.1),
    (stats.uniform(-1, 2), (-1.0, 1.0), 0.9, 0.2),
]


@pytest.mark.parametrize(("dist", "bounds", "point", "error"), CASES)
def test_the_density_is_that_of_the_distribution(dist, bounds, point, error):
    draws = dist.rvs(20_000, random_state=np.random.default_rng(1))
    found, near = density_at(draws, point, len(draws), bounds)
    assert found == pytest.approx(dist.pdf(point), rel=error)
    assert near > 100


def test_a_normal_density_is_exact_whatever_the_width_of_the_kernel():
    draws = stats.norm(1, 2).ppf((np.arange(20_000) + 0.5) / 20_000)
    for size in (10, 1000):
        found, _ = density_at(draws, 2.5, size)
        assert found == pytest.approx(stats.norm(1, 2).pdf(2.5), rel=2e-3)


def test_the_scale_and_the_direction_of_the_axis_do_not_matter():
    draws = np.random.default_rng(2).gamma(3, size=4000)
    found, near = density_at(draws, 0.4, 3000, (0, np.inf))
    for factor in (1e-6, 1e6):
        scaled = density_at(factor * draws, factor * 0.4, 3000, (0, np.inf))
        assert scaled == (pytest.approx(found / factor), pytest.approx(near))
    mirrored = density_at(-draws, -0.4, 3000, (-np.inf, 0))
    assert mirrored == (pytest.approx(found), pytest.approx(near))


def test_where_draws_tell_nothing_they_say_so():
    draws = np.random.default_rng(3).normal(size=4000)
    assert density_at(draws, 50.0, 4000) == (0.0, 0.0)
    assert density_at(draws, 4.5, 4000)[1] < 10
    assert density_at(np.abs(draws), -1.0, 4000, (0, np.inf)) == (0.0, 0.0)
    assert np.isnan(density_at(np.ones(4000), 1.0, 4000)[0])


def test_infinite_draws_are_far_away():
    draws = np.random.default_rng(4).normal(size=4000)
    draws[:3] = np.inf, -np.inf, 1e308
    assert density_at(draws, 0.5, 4000)[0] == pytest.approx(stats.norm.pdf(0.5), rel=0.1)
