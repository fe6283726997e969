"""Fits that several tests read."""

import pytest
from oracles import oracle_model


@pytest.fixture(scope="session")
def fit_of():
    """Fits of the reference models by name, sampled once in a session."""
    fits = {}

    def fit(name):
        if name not in fits:
            fits[name] = oracle_model(name).fit(draws=1000, seed=5, progress=False)
        return fits[name]

    return fit
