"""Chains whose proposals come from a polynomial leave the density itself as it is."""

import math
from dataclasses import dataclass, replace
from itertools import cycle, groupby
from types import SimpleNamespace
from typing import Any, ClassVar

import arviz_stats
import numpy as np
import pytest
import xarray as xr
from numba import njit

from mixedbayes import jit
from mixedbayes.sample import chains, transitions
from mixedbayes.sample.health import health
from mixedbayes.sample.settings import Settings
from mixedbayes.theta.transitions import VALUE_SIGNATURE, surrogate

SETTINGS = Settings(draws=2000, tune=50, seed=1, cores=2, progress=False)


@njit
def log_density(x, y):
    return -0.5 * x * x - 0.5 * (y - 0.4 * (x * x - 1.0)) ** 2 - 0.05 * x**4


@jit.njit(VALUE_SIGNATURE)
def bent(z, gradient, record):
    return log_density(z[0], z[1])


@dataclass(frozen=True)
class Bent:
    compiled: ClassVar[Any] = bent
    record: ClassVar[Any] = np.zeros(1, np.int64)
    ndim: ClassVar[int] = 2

    def logp(self, theta):
        return bent(theta, np.empty(0), self.record)


@jit.njit(VALUE_SIGNATURE)
def apart(z, gradient, record):
    return log_density(z[0], z[1]) if z[0] < 5.0 else 50.0


@dataclass(frozen=True)
class Apart(Bent):
    """With a region that has most of the mass, and is not left."""

    compiled: ClassVar[Any] = apart

    def logp(self, theta):
        return apart(theta, np.empty(0), self.record)


@jit.njit(VALUE_SIGNATURE)
def heavy(z, gradient, record):
    return -2.0 * math.log1p(z[0] ** 2 / 3.0) - 0.5 * z[1] ** 2


@dataclass(frozen=True)
class Heavy(Bent):
    """Student's t of 3 degrees of freedom in one coordinate, beside a normal polynomial."""

    compiled: ClassVar[Any] = heavy

    def logp(self, theta):
        return heavy(theta, np.empty(0), self.record)


@dataclass(frozen=True)
class Normal:
    """log of N(0, scale^2 I), as a polynomial."""

    scale: float = 1.0
    radius: float = 2.0
    terms: Any = ((0, 0, 2, 2), (1, 1, 2, 2))

    def __post_init__(self):
        object.__setattr__(self, "terms", np.array(self.terms, np.int64))

    @property
    def coefficients(self):
        return np.full(2, -0.5 / self.scale**2)


def moments(draws):
    x, y = draws[..., 0], draws[..., 1]
    return [f.mean() for f in (x, y, x * x, y * y, x * y, x * x * y)]


def by_brute_force():
    grid = np.linspace(-8, 8, 401)
    x, y = np.meshgrid(grid, grid, indexing="ij")
    p = np.exp(log_density.py_func(x, y))
    return [np.sum(p * f) / p.sum() for f in (x, y, x * x, y * y, x * y, x * x * y)]


def test_draws_are_those_of_the_density():
    result = transitions.sample_transitions(Bent(), Normal(1.1), SETTINGS)
    draws = result.posterior["theta"].transpose("chain", "draw", "theta_dim").to_numpy()
    ess, rhat = health(draws.transpose(2, 0, 1))
    assert (ess > 1000).all()
    assert (rhat < 1.01).all()
    np.testing.assert_allclose(moments(draws), by_brute_force(), atol=0.08)
    stats = result.sample_stats
    assert 0.6 < float(stats["acceptance_rate"].mean()) < 0.99
    np.testing.assert_allclose(stats["lp"][0, 7], Bent().logp(draws[0, 7]))
    momenta = (stats["energy"][:, 1:] + stats["lp"][:, :-1].to_numpy()).to_numpy()
    assert (momenta > 0).all()
    assert abs(momenta.mean() - 1.0) < 5 / np.sqrt(momenta.size)  # of two coordinates, chi^2 / 2
    assert (arviz_stats.bfmi(xr.DataTree.from_dict({"sample_stats": stats}))["energy"] > 1.5).all()
    assert result.sampler == "mixedbayes"


def test_draws_do_not_depend_on_the_number_of_threads():
    one, two = (
        transitions.sample_transitions(
            Bent(), Normal(), Settings(draws=30, seed=3, cores=k, progress=False)
        ).posterior
        for k in (1, 2)
    )
    assert one.equals(two)


def test_a_polynomial_far_from_the_density_is_not_used():
    assert transitions.sample_transitions(Bent(), Normal(0.1), SETTINGS) is None


def test_a_refusal_costs_no_draws():
    """Of one core, the first chain has no draws before the last is tuned."""
    run = transitions._Run(Bent(), Normal(3.0), replace(SETTINGS, cores=1), 6)
    found, interrupted = run.all()
    assert run.refused
    assert not interrupted
    assert run.done == [50] * 4
    assert [len(c.draws) for c in found] == [0] * 4


def test_one_chain_that_does_not_move_is_not_left_out(monkeypatch):
    starts = cycle([[6.0, 0.0], *[[0.1, 0.1]] * 7])

    def start(run, rng):
        z = np.array(next(starts))
        return z, np.array([run.white.logp(z)])

    monkeypatch.setattr(transitions._Run, "_start", start)
    settings = Settings(draws=100, tune=50, chains=8, seed=1, cores=1, progress=False)
    run = transitions._Run(Apart(), Normal(), settings, 6)
    tuned = [c.tuned for c in run.all()[0]]
    assert min(tuned) < transitions.LEAST / 2 < transitions.LEAST < np.mean(tuned)
    assert transitions.sample_transitions(Apart(), Normal(), settings) is None


def test_chains_that_stay_in_a_tail_are_not_used(monkeypatch):
    """They accept often enough in the tuning, and stay where the polynomial proposes too little."""
    wide = Normal(1.1, radius=50.0)
    assert transitions.sample_transitions(Heavy(), wide, SETTINGS) is None
    monkeypatch.setattr(transitions, "sticks", lambda draws, rate: False)
    used = transitions.sample_transitions(Heavy(), wide, SETTINGS)
    same = (np.diff(used.posterior["theta"][..., 0], axis=1) == 0).T
    longest = max(len(list(run)) for chain in same.T for still, run in groupby(chain) if still)
    assert longest > 100
    assert float(used.sample_stats["acceptance_rate"].mean()) > transitions.LEAST


def test_a_tail_that_the_polynomial_hardly_reaches_is_seen_before_a_draw():
    assert transitions.falls_slowly(Heavy(), Normal(1.1))
    assert not transitions.falls_slowly(Bent(), Normal(1.1))


def test_what_is_seen_of_a_tail_is_where_the_polynomial_goes_on_as_a_straight_line():
    """As theta.transitions has it, along each axis and on both sides."""
    rng = np.random.default_rng(1)
    terms = [(0, 0, 2, 2), (1, 1, 2, 2), (0, 1, 2, 2), (0, 2, 2, 2), (1, 1, 1, 2), (0, 0, 1, 1)]
    near = SimpleNamespace(
        terms=np.array(terms), coefficients=rng.normal(0, 0.1, len(terms)) - 0.2, radius=2.0
    )
    at = np.array([1.0, 2.0, 3.0, 9.0])
    for i in range(2):
        for sign in (-1.0, 1.0):
            z = np.zeros((4, 2))
            z[:, i] = sign * at
            expected = [
                surrogate(x, near.terms.ravel(), near.coefficients, 2.0, np.empty(2)) for x in z
            ]
            found = transitions.along_axis(near, 2, i, sign * at)
            np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(("chains", "n"), [(4, 1000), (4, 250), (4, 100), (1, 1000)])
def test_chains_that_reject_by_chance_are_used(chains, n):
    """Of 20 runs of chains that accept 0.6 of all proposals, none is held to stay."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        new = rng.standard_normal((chains, n, 4))
        moves = rng.random((chains, n)) < 0.6
        moves[:, 0] = True
        last = np.maximum.accumulate(np.where(moves, np.arange(n), 0), axis=1)
        draws = np.take_along_axis(new, last[..., None], axis=1)
        assert not transitions.sticks(draws, 0.6)


def test_ctrl_c_keeps_the_draws_so_far(monkeypatch):
    real, looks = chains.wait, []

    def wait(futures, timeout):
        looks.append(timeout)
        if len(looks) == 1:
            return real(futures, None)  # the tuning
        if len(looks) == 2:
            while any(n < 60 for n in run.done):
                pass
            raise KeyboardInterrupt
        return real(futures, timeout)

    class Seen(transitions._Run):
        def __init__(self, *given):
            nonlocal run
            super().__init__(*given)
            run = self

    run = None
    monkeypatch.setattr(chains, "wait", wait)
    monkeypatch.setattr(transitions, "_Run", Seen)
    settings = Settings(draws=10**6, tune=50, seed=1, cores=4, progress=False)
    result = transitions.sample_transitions(Bent(), Normal(1.1), settings)
    assert result.interrupted
    assert 10 <= result.posterior.sizes["draw"] < 10**6
    assert "interrupted" in result.note


def test_a_chain_that_raises_ends_the_others():
    class Second(transitions._Run):
        def one(self, c):
            found = super().one(c)
            yield next(found)
            if c == 1:
                raise ZeroDivisionError
            yield next(found)

    settings = Settings(draws=10**6, tune=50, chains=3, seed=1, cores=3, progress=False)
    run = Second(Bent(), Normal(1.1), settings, 6)
    with pytest.raises(ZeroDivisionError):
        run.all()
    assert max(run.done) < 10**6


@pytest.mark.parametrize("length", [1.0, 3.0])
def test_slopes_of_the_polynomial(length):
    z = length * np.array([0.6, 0.8])
    terms, coefficients, gradient = Normal().terms.ravel(), np.array([-0.4, -0.7]), np.empty(2)
    value = surrogate(z, terms, coefficients, 2.0, gradient)
    if length < 2:
        assert value == pytest.approx(-0.4 * 0.36 - 0.7 * 0.64)
        np.testing.assert_allclose(gradient, [-0.8 * 0.6, -1.4 * 0.8])
    else:  # a straight line from 0
        inner = surrogate(2 * z / 3, terms, coefficients, 2.0, gradient)
        assert value < inner - 1.0
