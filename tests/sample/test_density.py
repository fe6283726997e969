"""NUTS on plain densities with known answers."""

import math

import arviz as az
import numba
import numpy as np
import pytest
from scipy import stats

from mixedbayes.errors import SamplingError
from mixedbayes.jit import LOGP_SIGNATURE
from mixedbayes.sample import health
from mixedbayes.sample.density import sample_density
from mixedbayes.sample.nutpie import CDensity
from mixedbayes.sample.result import THETA
from mixedbayes.sample.settings import Settings

MEAN = np.array([1.0, -2.0, 0.5])
COV = np.array([[2.0, 1.1, 0.0], [1.1, 1.0, -0.3], [0.0, -0.3, 0.5]])
PRECISION = np.linalg.inv(COV)
SHAPE = 30.0  # of log gamma variables, as of a log variance with some 60 degrees of freedom
LOG_SHAPE = math.sqrt(SHAPE) * math.log(SHAPE)


def normal(theta):
    gradient = -PRECISION @ (theta - MEAN)
    return 0.5 * float(gradient @ (theta - MEAN)), gradient


@numba.cfunc(LOGP_SIGNATURE)
def c_normal(n, theta, gradient, value, data):
    precision = numba.carray(data, (n, n), np.float64)
    value[0] = 0.0
    for i in range(n):
        gradient[i] = 0.0
        for j in range(n):
            gradient[i] -= precision[i, j] * theta[j]
        value[0] += 0.5 * gradient[i] * theta[i]
    return 0


def centred(theta):
    return normal(theta + MEAN)


def start(rng):
    return rng.normal(size=3)


def draw(density=normal, **settings):
    given = {"draws": 500, "seed": 1, "progress": False} | settings
    return sample_density(density, Settings(**given), ndim=3, initial_point=start)


@pytest.fixture(scope="module")
def result():
    return draw(draws=2000)


def test_mean_and_covariance_within_monte_carlo_error(result):
    theta = result.posterior[THETA].to_numpy()
    error = health.mcse_mean(np.moveaxis(theta, -1, 0))
    flat = theta.reshape(-1, 3)
    assert np.all(np.abs(flat.mean(axis=0) - MEAN) < 4 * error)
    products = (theta - MEAN)[..., :, None] * (theta - MEAN)[..., None, :]
    per_entry = np.moveaxis(products.reshape(*theta.shape[:2], 9), -1, 0)
    error = health.mcse_mean(per_entry).reshape(3, 3)
    assert np.all(np.abs(products.mean(axis=(0, 1)) - COV) < 4 * error)


def test_the_result_says_how_it_was_made(result):
    assert result.sampler == "nutpie"
    assert result.seed == 1
    assert result.settings.tune == 400
    assert not result.interrupted
    assert result.posterior[THETA].shape == (4, 2000, 3)
    assert result.timings.tune > 0
    assert result.timings.sample > result.timings.tune


def test_statistics_carry_arviz_names_and_agree_with_the_draws(result):
    stats = result.sample_stats
    values = [normal(t)[0] for t in result.posterior[THETA].to_numpy()[1, :20]]
    np.testing.assert_allclose(stats["lp"][1, :20], values, atol=1e-9)
    assert stats["diverging"].dtype == bool
    assert stats["n_steps"].dtype == np.int64
    assert np.all(stats["n_steps"] < 2 ** (stats["tree_depth"] + 1))
    assert np.abs(stats["acceptance_rate"].mean() - 0.9) < 0.07


@pytest.mark.parametrize("cores", [1, 2, 4])
def test_the_seed_alone_fixes_the_draws(cores):
    np.testing.assert_array_equal(draw(cores=cores).posterior[THETA], draw().posterior[THETA])


def test_another_seed_gives_other_draws():
    assert not np.array_equal(draw(seed=2).posterior[THETA], draw().posterior[THETA])


def test_a_seed_not_given_is_recorded_and_repeats_the_draws():
    first = draw(seed=None)
    again = draw(seed=first.seed)
    np.testing.assert_array_equal(first.posterior[THETA], again.posterior[THETA])


def test_a_c_function_gives_the_draws_of_the_same_density_in_python():
    data = np.ascontiguousarray(PRECISION)
    density = CDensity(c_normal.address, data.ctypes.data, (c_normal, data), centred)
    by_c, by_python = draw(density, cores=2), draw(centred)
    np.testing.assert_allclose(by_c.posterior[THETA][:, :5], by_python.posterior[THETA][:, :5])
    flat = by_c.posterior[THETA].to_numpy().reshape(-1, 3)
    np.testing.assert_allclose(np.cov(flat.T), COV, atol=0.3)


@numba.cfunc(LOGP_SIGNATURE)
def c_skewed(n, theta, gradient, value, data):
    """Independent log gamma coordinates; the gradient is wrong, by the factor in data."""
    factor = numba.carray(data, (1,), np.float64)[0]
    value[0] = 0.0
    for i in range(n):
        x = theta[i] / math.sqrt(SHAPE)
        value[0] += SHAPE * (x - math.exp(x))
        gradient[i] = factor * math.sqrt(SHAPE) * (1 - math.exp(x))
    return 0


def skewed(theta):
    x = theta / math.sqrt(SHAPE)
    return SHAPE * float(np.sum(x - np.exp(x))), math.sqrt(SHAPE) * (1 - np.exp(x))


def draw_skewed(trajectory, factor, draws):
    data = np.array([factor])
    density = CDensity(c_skewed.address, data.ctypes.data, (c_skewed, data), skewed)
    return sample_density(
        density,
        Settings(draws=draws, seed=4, progress=False),
        ndim=3,
        initial_point=start,
        trajectory=trajectory,
    )


@pytest.mark.parametrize("factor", [1.0, 0.7, 1.3])
@pytest.mark.parametrize("trajectory", ["leapfrog", "turns", "quarter_turn"])
def test_every_trajectory_is_exact_whatever_the_gradient(trajectory, factor):
    # Short steps along long trajectories, where the gradient is too small, are dear.
    result = draw_skewed(trajectory, factor, draws=2000 if factor == 0.7 else 6000)
    draws = result.posterior[THETA].to_numpy()  # (chain, draw, 3)
    uniform = stats.loggamma(SHAPE, scale=math.sqrt(SHAPE), loc=-LOG_SHAPE).cdf(draws)
    for i in range(3):
        for power in (1, 2):
            error = 4.5 * az.mcse(uniform[:, :, i] ** power)
            assert np.mean(uniform[:, :, i] ** power) == pytest.approx(1 / (1 + power), abs=error)
    run = result.sample_stats
    if trajectory == "quarter_turn":
        assert (run["n_steps"] == 1).all()
        assert not run["reached_max_treedepth"].any()
        assert run["step_size_bar"].max() < 1.6
    if trajectory == "turns":
        assert run["step_size_bar"].max() < 1.1
    assert result.settings.tune == {"leapfrog": 400, "turns": 400, "quarter_turn": 100}[trajectory]


def test_turns_need_fewer_steps_where_the_density_is_nearly_normal():
    steps = {}
    for trajectory in ("leapfrog", "turns", "quarter_turn"):
        run = draw_skewed(trajectory, 1.0, draws=500)
        ess = min(az.ess(run.posterior[THETA].to_numpy()[:, :, i]) for i in range(3))
        steps[trajectory] = float(run.sample_stats["n_steps"].sum()) / ess
    assert steps["quarter_turn"] < steps["turns"] < 0.7 * steps["leapfrog"]


def test_a_density_of_many_coordinates_has_longer_tuning():
    given = Settings(draws=50, chains=1, seed=1, progress=False)
    result = sample_density(
        lambda t: (-0.5 * float(t @ t), -t),
        given,
        ndim=40,
        initial_point=lambda r: r.normal(size=40),
    )
    assert result.settings.tune == 500


def failing(theta):
    raise ZeroDivisionError("no such density")


class FailingLater:
    def __init__(self):
        self.calls = 0

    def __call__(self, theta):
        self.calls += 1
        return failing(theta) if self.calls > 1000 else normal(theta)


@pytest.mark.parametrize("density", [failing, FailingLater()])
def test_an_error_inside_the_density_is_raised_as_it_is(density):
    with pytest.raises(ZeroDivisionError, match="no such density"):
        draw(density)


@pytest.mark.parametrize(
    "density",
    [
        lambda theta: (np.nan, -theta),
        lambda theta: (-1.0, np.zeros(3)),
        lambda theta: (-1.0, np.full(3, np.inf)),
    ],
    ids=["no value", "flat", "no gradient"],
)
def test_no_starting_point(density):
    with pytest.raises(SamplingError, match="No starting point in 100 tries"):
        draw(density)


def test_a_gradient_of_the_wrong_shape_is_told_apart():
    with pytest.raises(SamplingError, match=r"gradient has shape \(2,\) for 3 coordinates"):
        draw(lambda theta: (0.0, theta[:2]))


def test_a_start_of_the_wrong_shape_is_told_apart():
    with pytest.raises(SamplingError, match=r"starting point has shape \(4,\) for 3 coordinates"):
        sample_density(
            normal, Settings(progress=False), ndim=3, initial_point=lambda rng: rng.normal(size=4)
        )


def test_other_samplers_need_a_model():
    with pytest.raises(SamplingError, match='sampler="pymc" cannot sample a plain density'):
        draw(sampler="pymc")


def test_a_panic_of_the_sampler_is_an_error():
    """The density turns infinite after the checks of the starting points: nutpie panics."""
    calls = []

    @numba.cfunc(LOGP_SIGNATURE)
    def nowhere(n, theta, gradient, value, data):
        for i in range(n):
            gradient[i] = np.nan
        value[0] = np.nan
        return 0

    def fine(theta):
        calls.append(theta)
        return 0.0, np.ones_like(theta)

    density = CDensity(nowhere.address, 0, nowhere, fine)
    with pytest.raises(SamplingError, match="The sampler"):
        draw(density)
    assert calls
