"""Fits that several tests read."""

import pytest
from oracles import oracle_model


@pytest.fixture(scope="session")
def oracle_fit():
    """Fits of the reference models by name, sampled once in a session."""
    fits = {}

    def fit(name):
        if name not in fits:
            fits[name] = oracle_model(name).fit(draws=2000, seed=11, progress=False)
        return fits[name]

    return fit
