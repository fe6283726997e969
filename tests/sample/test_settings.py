"""Settings are checked before anything is compiled."""

from importlib.util import find_spec

import pytest

from mixedbayes.errors import MissingExtraError, SamplingError
from mixedbayes.numerics.threads import available_cores
from mixedbayes.sample.settings import Settings


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"draws": 0}, "draws=0: must be at least 1"),
        ({"draws": 10.5}, "draws=10.5: must be an integer"),
        ({"draws": True}, "draws=True: must be an integer"),
        ({"draws": 10**400}, "draws: more than 1,000,000,000 cannot be had"),
        ({"tune": 3}, "tune=3: must be at least 20; use tune=None"),
        ({"chains": 0}, "chains=0: must be at least 1; use chains=4"),
        ({"cores": -1}, "cores=-1: must be at least 1; use cores=None"),
        ({"seed": -1}, "seed=-1: must be at least 0"),
        ({"seed": 2**31}, "seed=2147483648: too large"),
        ({"max_treedepth": 0}, "max_treedepth=0"),
        ({"target_accept": 1.0}, "target_accept=1.0: must lie between 0 and 1"),
        ({"target_accept": "high"}, "target_accept='high'"),
        ({"sampler": "stan"}, 'valid samplers are "nutpie", "pymc", "numpyro"'),
    ],
)
def test_what_is_out_of_range_is_named_with_its_remedy(given, message):
    with pytest.raises(SamplingError) as caught:
        Settings(**given)
    assert message in str(caught.value)


@pytest.mark.skipif(find_spec("numpyro") is not None, reason="numpyro is installed")
def test_a_sampler_that_is_not_installed_names_its_extra():
    with pytest.raises(
        MissingExtraError, match=r'needs the extra "numpyro".*mixedbayes\[numpyro\]'
    ):
        Settings(sampler="numpyro")


def test_filling_keeps_what_was_given():
    given = Settings(tune=50, seed=3, cores=1, target_accept=0.99)
    assert given.filled(tune=500, target_accept=0.8) == given


def test_filling_leaves_nothing_open():
    filled = Settings(chains=2).filled(tune=500, target_accept=0.8)
    assert (filled.tune, filled.target_accept) == (500, 0.8)
    assert filled.cores == min(2, available_cores())
    assert filled.seed is not None


def test_a_seed_is_drawn_anew_each_time():
    seeds = {Settings().filled(tune=20, target_accept=0.8).seed for _ in range(5)}
    assert len(seeds) == 5


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, False),
        ({"tune": 50, "draws": 20, "chains": 2, "seed": 1}, False),
        ({"max_treedepth": 10}, False),
        ({"max_treedepth": 12}, True),
        ({"target_accept": 0.95}, True),
    ],
)
def test_what_nuts_alone_has(given, expected):
    assert Settings(**given).of_nuts == expected
