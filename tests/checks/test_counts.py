import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made

from mixedbayes.checks.assumptions import counts
from mixedbayes.checks.residual import residuals

N, J = 400, 20
X = np.random.default_rng(1).uniform(0, 2, N)


def found(y, family="poisson", formula="y ~ x + (1 | g)", **given):
    """The checks under the true slope of 1, with effects of nearly no size."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"y": y, "x": X, "g": np.arange(N) % J, "row": np.arange(N), "t": 12})
    known = {"Intercept": 0.0, "fixef": [1.0], "ranef_g": 0.0, "ranef_row": 0.0} | given
    post = hand_made(formula, data, family, 400, rng, known)
    return {f.title: f for f in counts(residuals(post, 1), post)}


def poisson(seed, times=1.0):
    return np.random.default_rng(seed).poisson(times * np.exp(X))


def test_counts_of_the_right_model_raise_no_doubt():
    said = found(poisson(3))
    assert list(said) == ["Zeros", "Dispersion", "Largest count"]
    assert not any(f.look for f in said.values())
    zeros = said["Zeros"].table.iloc[0]
    assert zeros["lower"] < zeros["data"] < zeros["upper"]
    assert said["Dispersion"].table["data"][0] == pytest.approx(1, abs=0.2)


def test_more_zeros_than_replicated():
    y = poisson(3) * (np.random.default_rng(4).uniform(size=N) > 0.2)
    said = found(y)["Zeros"]
    assert said.look
    assert f"{100 * np.mean(y == 0):.3g} % of the counts are 0" in said.said
    assert "p < 0.005, limit 0.02" in said.said
    assert 'family="negative_binomial" or an effect of each row, (1 | row)' in said.said


def test_fewer_zeros_than_replicated():
    y = poisson(3)
    said = found(np.where(y == 0, 1, y))["Zeros"]
    assert said.look
    assert "fewer than the poisson family has" in said.said


def test_truncation_above_zero_leaves_no_zeros_to_check():
    formula = "y | trunc(lower={}) ~ x + (1 | g)"
    y = np.maximum(poisson(3), 1)
    assert list(found(y, formula=formula.format(1))) == ["Dispersion", "Largest count"]
    assert next(iter(found(y, formula=formula.format(0)))) == "Zeros"


def test_counts_that_vary_more_or_less():
    rng = np.random.default_rng(5)
    wide = found(poisson(3, rng.gamma(2, 0.5, N)))
    assert wide["Dispersion"].look
    assert "intervals are too narrow" in wide["Dispersion"].said
    narrow = found(np.round(np.exp(X)))
    assert narrow["Dispersion"].look
    assert "intervals are too wide" in narrow["Dispersion"].said


def test_a_count_too_large_is_named_by_its_row():
    y = poisson(3)
    y[7] = 80
    said = found(y)["Largest count"]
    assert said.look
    assert said.said.startswith("The largest count is 80 (row 7), of replicates")


def test_what_is_advised_is_not_there_already():
    rng = np.random.default_rng(5)
    y = poisson(3, rng.gamma(1, 1, N))
    rows = found(y, formula="y ~ x + (1 | row)")["Dispersion"].said
    assert 'family="negative_binomial" or a further predictor allows it' in rows
    wide = found(y, "negative_binomial", shape=50.0)["Dispersion"].said
    assert "A formula for shape or a further predictor allows it" in wide
    own = found(y, "negative_binomial", ["y ~ x + (1 | g)", "shape ~ 1"], shape_Intercept=4.0)
    assert "A further predictor allows it" in own["Dispersion"].said


def test_counts_of_trials_have_zeros_and_dispersion():
    rng = np.random.default_rng(5)
    share = 1 / (1 + np.exp(-X - rng.normal(size=N) * 1.5))
    said = found(rng.binomial(12, share), "binomial", "y | trials(t) ~ x + (1 | g)")
    assert list(said) == ["Zeros", "Dispersion"]
    assert said["Dispersion"].look
    assert 'family="beta_binomial" or an effect of each row, (1 | row)' in said["Dispersion"].said


@pytest.mark.parametrize("family", ["gaussian", "bernoulli", "gamma"])
def test_other_responses_have_no_such_checks(family):
    rng = np.random.default_rng(3)
    y = (X > 1).astype(float) if family == "bernoulli" else X + rng.uniform(0.1, 1, X.size)
    assert not found(y, family)
