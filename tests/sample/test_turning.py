"""Chains of quarter turns: draws of the density, as many steps as needed, refusals."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from mixedbayes import jit
from mixedbayes.errors import SamplingError
from mixedbayes.sample import turning
from mixedbayes.sample.health import health, tail_size
from mixedbayes.sample.nutpie import nothing_happened
from mixedbayes.sample.settings import Settings
from mixedbayes.theta.transitions import VALUE_SIGNATURE

SETTINGS = Settings(draws=10_000, tune=100, seed=1, cores=2, progress=False)


@jit.njit(VALUE_SIGNATURE)
def bent(z, gradient, record):
    """y and what follows are N(0.4 (x^2 - 1), 1) given x ~ N(0, 1)."""
    total, gradient[0] = -0.5 * z[0] * z[0], -z[0]
    for i in range(1, z.size):
        off = z[i] - 0.4 * (z[0] * z[0] - 1.0)
        total -= 0.5 * off * off
        gradient[i] = -off
        gradient[0] += 0.8 * off * z[0]
    return total


@dataclass(frozen=True)
class Bent:
    compiled: ClassVar[Any] = bent

    @property
    def record(self):
        return np.zeros(1, np.int64)

    @property
    def ndim(self):
        return 3

    def logp_grad(self, z):
        gradient = np.empty(z.size)
        return type(self).compiled(z, gradient, self.record), gradient


@jit.njit(VALUE_SIGNATURE)
def independent(z, gradient, record):
    total, sds = 0.0, record.view(np.float64)
    for i in range(z.size):
        sd = sds[0] if i == 0 else sds[1]
        gradient[i] = -z[i] / (sd * sd)
        total += 0.5 * z[i] * gradient[i]
    return total


@dataclass(frozen=True)
class Independent(Bent):
    """Independent normals, the first of an sd of its own."""

    compiled: ClassVar[Any] = independent
    first: float = 1.0
    sd: float = 1.0

    @property
    def record(self):
        return np.array([self.first, self.sd]).view(np.int64)


NARROW = Independent(0.05, 0.05)  # for a few steps of a quarter turn
BROAD = Independent(10.0, 10.0)  # turns about the mode do not reach around


@jit.njit(VALUE_SIGNATURE)
def cliff(z, gradient, record):
    total = 0.0
    for i in range(z.size):
        total -= 0.5 * z[i] * z[i]
        gradient[i] = -z[i] if z[i] < 2.5 else np.nan
    return total


@dataclass(frozen=True)
class Cliff(Bent):
    """N(0, I) whose gradient is unknown from 2.5 on."""

    compiled: ClassVar[Any] = cliff


def start(rng):
    return rng.standard_normal(3)


def sampled(density=Bent(), settings=SETTINGS, start=start, failure=nothing_happened):
    return turning.sample_turning(density, settings, start, failure)


@pytest.fixture(scope="module")
def found():
    return sampled()


def test_draws_are_those_of_the_density(found):
    z = found.posterior["theta"].transpose("chain", "draw", "theta_dim").to_numpy()
    ess, rhat = health(z.transpose(2, 0, 1))
    assert (ess > 1000).all()
    assert (rhat < 1.01).all()
    x, y = z[..., 0], z[..., 1]
    means = [f.mean() for f in (x, y, x * x, y * y, x * y, x * x * y)]
    np.testing.assert_allclose(means, [0, 0, 1, 1.32, 0, 0.8], atol=0.12)


def test_statistics(found):
    stats, z = found.sample_stats, found.posterior["theta"]
    for c, k in ((0, 3), (2, 40)):
        np.testing.assert_allclose(stats["lp"][c, k], Bent().logp_grad(z[c, k].to_numpy())[0])
    assert 0.8 < float(stats["acceptance_rate"].mean()) < 1
    np.testing.assert_allclose(
        np.minimum(1, np.exp(-stats["energy_error"])), stats["acceptance_rate"]
    )
    assert (stats["diverging"] == (stats["energy_error"] >= 1000)).all()
    assert found.sampler == "mixedbayes"


def test_draws_do_not_depend_on_the_number_of_threads():
    one, two = (
        sampled(settings=Settings(draws=25, seed=3, cores=k, progress=False)).posterior
        for k in (1, 2)
    )
    assert one.sizes["draw"] == 25
    assert one.equals(two)


@pytest.mark.parametrize("density", [NARROW, BROAD], ids=["narrow", "broad"])
def test_a_density_far_from_normal_is_left_to_others(density):
    assert sampled(density, start=lambda rng: density.sd * start(rng)) is None


@pytest.mark.parametrize("density", [NARROW, BROAD], ids=["narrow", "broad"])
def test_a_refusal_costs_no_draws(density, monkeypatch):
    """All chains are tuned before one is drawn from, and refused once the default tuning is over
    where steps are too many."""
    done = run_of(monkeypatch)
    settings = replace(SETTINGS, cores=1, tune=400)
    assert sampled(density, settings, start=lambda rng: density.sd * start(rng)) is None
    most = turning.TUNE if density == NARROW else 400
    assert 0 < max(done()) <= most


def run_of(monkeypatch):
    """What each chain of the next run has done when it is over."""
    seen = []

    class Seen(turning._Run):
        def __init__(self, *given):
            super().__init__(*given)
            seen.append(self)

    monkeypatch.setattr(turning, "_Run", Seen)
    return lambda: seen[0].done


@pytest.mark.parametrize("sd", [1.3, 1.7])
def test_the_tails_of_a_wide_coordinate_are_reached(sd):
    found = sampled(Independent(first=sd), replace(SETTINGS, draws=1000))
    x = found.posterior["theta"].transpose("theta_dim", "chain", "draw").to_numpy()
    assert tail_size(x).min() > 600
    assert x[0].std() == pytest.approx(sd, rel=0.15)


def test_a_gradient_that_is_not_finite_is_a_divergence():
    """As where a row's density has a value at the edge of its range, and no slope."""
    found = sampled(Cliff(), replace(SETTINGS, draws=2000))
    z = found.posterior["theta"].to_numpy()
    assert np.isfinite(z).all()
    assert (z < 2.5).all()
    assert found.sample_stats["diverging"].any()


def test_the_settings_that_are_kept_give_the_same_draws_again(found):
    """An acceptance rate is one of NUTS; see `Settings.of_nuts`."""
    kept = found.settings
    assert (kept.tune, kept.target_accept, kept.of_nuts) == (100, None, False)
    assert sampled(settings=kept).posterior.equals(found.posterior)
    assert found.method == "HMC by quarter turns"


def test_the_number_of_steps_follows_the_acceptance_rate():
    """The energy's error falls with the square of the steps: 0.62 at 3 steps, sd 1.0, are 5."""
    steps = turning._Steps(0.85)
    steps.saw(0.617)
    assert steps.now == 5
    steps.saw(0.85)
    assert steps.now == 5
    for _ in range(3):
        steps.saw(0.999)
    assert steps.now == 3  # fewer do not come back from the tails


def test_what_happens_inside_the_density_is_raised():
    error = SamplingError("a user's function failed")
    with pytest.raises(SamplingError, match="user's function"):
        sampled(failure=lambda: error)


def test_no_starting_point():
    @dataclass(frozen=True)
    class Nowhere(Bent):
        def logp_grad(self, z):
            return -np.inf, np.zeros(z.size)

    with pytest.raises(SamplingError, match="not finite at 100 starting points"):
        sampled(Nowhere())
