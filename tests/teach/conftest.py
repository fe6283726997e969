"""Fits that several tests read."""

import pytest

import mixedbayes as mb


@pytest.fixture(scope="session")
def pooled():
    """Complete, no and partial pooling of the sleep study with two partly observed subjects."""
    return mb.pooling(
        "Reaction ~ Days",
        group="Subject",
        data=mb.load_data("sleepstudy_partial"),
        draws=2000,
        seed=1,
        progress=False,
    )


@pytest.fixture(scope="session")
def machines():
    data = mb.load_data("machines")
    return mb.fit("score ~ Machine + (Machine | Worker)", data, draws=300, seed=1, progress=False)


@pytest.fixture(scope="session")
def penicillin():
    formula = "diameter ~ 1 + (1 | plate) + (1 | sample)"
    return mb.fit(formula, mb.load_data("penicillin"), draws=300, seed=1, progress=False)


@pytest.fixture(scope="session")
def gpa():
    data = mb.load_data("gpa")
    return mb.fit("gpa ~ occasion + (1 | student)", data, draws=300, seed=1, progress=False)
