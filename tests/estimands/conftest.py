"""Small fits that the tests of estimands share."""

import pytest

import mixedbayes as mb


@pytest.fixture(scope="session")
def cake():
    formula = "angle ~ recipe * temp + (1 | recipe:replicate)"
    return mb.fit(formula, mb.load_data("cake"), seed=1, progress=False).posterior


@pytest.fixture(scope="session")
def cbpp():
    formula = "incidence | trials(size) ~ period + (1 | herd)"
    data = mb.load_data("cbpp")
    return mb.fit(formula, data, family="binomial", seed=1, progress=False).posterior
