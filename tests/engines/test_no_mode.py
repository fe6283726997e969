"""A posterior without a mode that can be found is sampled all the same, and it is said."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.engines import joint
from mixedbayes.errors import SamplingError


@pytest.fixture
def no_mode(monkeypatch):
    def fails(density):
        raise np.linalg.LinAlgError("no mode")

    monkeypatch.setattr("mixedbayes.joint.laplace.approximate", fails)


DATA = pd.DataFrame({"y": np.arange(40) % 5, "g": np.arange(40) % 4})


def test_pymc_takes_it(no_mode, monkeypatch):
    class Asked(Exception):
        pass

    def asked(*_):
        raise Asked

    monkeypatch.setattr(joint.JointEngine, "sample_with_effects", asked)
    with pytest.warns(UserWarning, match="sampled by PyMC instead"), pytest.raises(Asked):
        mb.fit("y ~ 1 + (1 | g)", DATA, family="poisson", seed=1, progress=False)


def test_improper_priors_are_named(no_mode):
    with pytest.raises(SamplingError, match="use proper priors"):
        mb.fit("y ~ 1 + (1 | g)", DATA, family="poisson", priors={"Intercept": mb.Flat()}, seed=1,
               progress=False)  # fmt: skip
