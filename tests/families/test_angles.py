"""Angles: differences and summaries go around the circle."""

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made

import mixedbayes as mb
from mixedbayes.checks.residual import residuals_of
from mixedbayes.families.registry import FAMILIES
from mixedbayes.predict.predict import predict
from mixedbayes.results.fitted import fitted, residuals

DRAWS = 200


@pytest.fixture(scope="module")
def across():
    """Mean directions on both sides of pi: 2.95 and -2.95 + 2 pi = 3.33 by turns."""
    d = pd.DataFrame({"y": [-2.78, 3.0, 2.9, -3.1], "x": [0.0, 1.0, 0.5, 0.2]})
    means = np.where(np.arange(DRAWS) % 2, -2.95, 2.95)
    given = {"Intercept": np.tan(means / 2), "kappa": np.full(DRAWS, 50.0)}
    post = hand_made("y ~ 1", d, "von_mises", DRAWS, np.random.default_rng(1), given)
    return post, means


def test_a_residual_is_the_angle_from_the_mean(across):
    post, means = across
    y = post.design.y
    expected = np.angle(np.exp(1j * (y - means[:, None])))  # (S, n)
    assert expected[0, 0] == pytest.approx(2 * np.pi - 2.78 - 2.95)
    drawn = residuals(post, draws=True).to_numpy()[0]
    np.testing.assert_allclose(drawn, expected, atol=1e-12)
    np.testing.assert_allclose(residuals(post)["mean"], expected.mean(axis=0), atol=1e-12)
    sd = np.sqrt(post.family.variance(np.zeros((1, 1)), {"kappa": np.array([50.0])}))
    found = residuals_of(post, 1)
    np.testing.assert_allclose(found.data, expected / sd, atol=1e-9)
    assert np.abs(found.replicated).max() < 6
    assert residuals(post, kind="pearson")["mean"][1] == pytest.approx(
        expected[:, 1].mean() / sd[0, 0]
    )


def assert_at_pi(table, width):
    centre = np.where(table["mean"] < 0, table["mean"] + 2 * np.pi, table["mean"])
    np.testing.assert_allclose(centre, np.pi, atol=0.05)
    assert ((table.lower < table["mean"]) & (table["mean"] < table.upper)).all()
    np.testing.assert_allclose(table.upper - table.lower, width, rtol=0.2)


def test_directions_on_both_sides_of_pi_are_described_as_near_one_another(across):
    post, _ = across
    between = 2 * (np.pi - 2.95)
    assert_at_pi(fitted(post), between)
    assert_at_pi(predict(post, kind="mean"), between)
    wide = 2 * 1.96 * np.hypot(np.pi - 2.95, 1 / np.sqrt(50))
    assert_at_pi(predict(post, kind="response"), wide)
    for draws in (fitted(post, draws=True), predict(post, kind="response", draws=True)):
        assert float(np.abs(draws).max()) <= np.pi
    linear = predict(post, kind="linear")
    np.testing.assert_allclose(linear["mean"], 0.0, atol=1e-9)


def test_angles_away_from_the_ends_are_as_numbers_are():
    family, rng = FAMILIES["von_mises"](), np.random.default_rng(3)
    draws = rng.normal(-2.0, 0.1, (3, 50))
    assert np.array_equal(family.unwound(draws), draws)
    y, mean = rng.normal(0, 0.5, (2, 20))
    assert np.array_equal(family.deviation(y, mean), y - mean)
    turned = family.unwound(np.array([[3.1, -3.1]]), about=np.array([[-3.1, -3.0]]))
    np.testing.assert_allclose(turned, [[3.1 - 2 * np.pi, -3.1]])
    plain = mb.Gaussian()
    assert plain.deviation(3.0, -3.0) == 6.0
    assert plain.unwound(draws) is draws
