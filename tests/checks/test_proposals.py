"""Families that are proposed take the response as it is."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.checks.proposals import accepted, ends, written

RNG = np.random.default_rng(3)
N = 100
X, Z = RNG.normal(size=(2, N))


def post(y, formula="y ~ x", family="gaussian", **columns):
    data = pd.DataFrame({"y": y, "x": X, **columns})
    spec = mb.Model(formula, data, family=family).spec
    return SimpleNamespace(design=spec.design, family=spec.family, spec=spec)


def at_an_end(y, **model):
    return ends(SimpleNamespace(replicated=np.zeros((50, N))), post(y, **model))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"y": np.exp(Z)}, ["gamma", "skew_normal", "student_t"]),
        ({"y": Z}, ["skew_normal", "student_t"]),
        ({"y": Z, "formula": "y | se(s) ~ x", "s": np.ones(N)}, ["student_t"]),
        ({"y": np.exp(Z), "formula": ["y ~ x", "sigma ~ x"]}, ["skew_normal", "student_t"]),
    ],
)
def test_what_the_response_or_the_formula_forbids_is_not_proposed(model, expected):
    found = accepted(post(**model), ["gamma", None, "skew_normal", "student_t", "poisson"])
    assert found == expected
    for name in found:
        given = {k: v for k, v in model.items() if k not in ("y", "formula")}
        formula = model.get("formula", "y ~ x")
        mb.Model(formula, pd.DataFrame({"y": model["y"], "x": X, **given}), family=name)


def test_families_are_written_as_arguments():
    assert written(["a"]) == 'family="a"'
    assert written(["a", "b", "c"]) == 'family="a", "b" or "c"'


@pytest.mark.parametrize(
    ("y", "shown", "proposed"),
    [
        (
            np.where(np.arange(N) < 10, 0.0, np.exp(Z)),
            "10 % of the responses are exactly 0,",
            "gamma",
        ),
        (
            np.where(np.arange(N) < 10, 1.0, 1 / (1 + np.exp(Z))),
            "are exactly 1,",
            "one_inflated_beta",
        ),
        (
            np.maximum(Z, -1.0),
            "are exactly -1, the smallest, to which the gaussian family",
            "cens()",
        ),
    ],
)
def test_a_share_at_an_end_has_a_family_or_a_limit(y, shown, proposed):
    found = at_an_end(y)
    assert found.look
    assert shown in found.said
    assert proposed in found.said


@pytest.mark.parametrize("y", [Z, np.round(Z), np.round(Z, 1), np.repeat([1.0, 2.0, 3.0, 4.0], 25)])
def test_rounded_responses_have_no_share_at_an_end(y):
    assert at_an_end(y) is None


def test_counts_and_censored_responses_are_not_asked_for_ends():
    y = np.where(np.arange(N) < 30, 0, 1 + np.arange(N))
    assert at_an_end(y, family="poisson") is None
    low = np.maximum(Z, -1.0)
    censored = np.where(low > -1.0, "none", "left")
    assert at_an_end(low, formula="y | cens(c) ~ x", c=censored) is None
