"""The rule for trajectories and tuning, at and between its limits."""

import numpy as np
import pytest

from mixedbayes.sample.defaults import (
    JOINT,
    MARGINAL,
    choose_trajectory,
    density_tuning,
    measured_non_normality,
    quarter_turns_serve,
)


@pytest.mark.parametrize(
    ("limits", "non_normality", "target_accept", "expected"),
    [
        (MARGINAL, 0.1, None, "quarter_turn"),
        (MARGINAL, 0.1, 0.8, "turns"),  # the user's rate needs a step size to tune
        (MARGINAL, 0.35, None, "turns"),
        (MARGINAL, 0.9, None, "leapfrog"),
        (JOINT, 0.0, None, "turns"),
        (JOINT, 1.5, 0.8, "turns"),
        (JOINT, 18.0, None, "leapfrog"),
        *[(limits, x, None, "leapfrog") for limits in (MARGINAL, JOINT) for x in (np.inf, np.nan)],
    ],
)
def test_the_trajectory_follows_non_normality(limits, non_normality, target_accept, expected):
    assert choose_trajectory(non_normality, limits, target_accept) == expected


@pytest.mark.parametrize("excess", [0.0, 0.5])
def test_non_normality_of_normal_densities(excess):
    """Of N(0, 1 / (1 + excess)) gradients differ by excess times the point, whose square is 1."""
    scale = np.array([0.0, excess, 0.0])
    found = measured_non_normality(lambda x: (0.0, -(1 + scale) * x), 3)
    assert found == pytest.approx(excess, rel=0.3)


def test_a_density_that_is_zero_somewhere_is_as_far_from_normal_as_can_be():
    found = measured_non_normality(lambda x: (-np.inf if x[0] > 1 else 0.0, -x), 2)
    assert choose_trajectory(found, JOINT, None) == "leapfrog"


@pytest.mark.parametrize(
    ("trajectory", "ndim", "expected"),
    [
        ("leapfrog", 20, (400, 0.93, "low_rank")),
        ("leapfrog", 21, (500, 0.93, "diag")),
        ("turns", 5, (400, 0.9, "diag")),
        ("turns", 300, (500, 0.9, "diag")),
        ("quarter_turn", 5, (100, 0.8, "diag")),
    ],
)
@pytest.mark.parametrize("fewest", [10, np.inf])
def test_tuning_follows_the_trajectory_and_the_size(trajectory, ndim, fewest, expected):
    found = density_tuning(trajectory, ndim, fewest)
    assert (found.tune, found.target_accept, found.adaptation) == expected


@pytest.mark.parametrize(
    ("trajectory", "accept"), [("leapfrog", 0.93), ("turns", 0.98), ("quarter_turn", 0.8)]
)
def test_turns_are_shorter_where_a_factor_has_few_levels(trajectory, accept):
    assert density_tuning(trajectory, 16, 9).target_accept == accept


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((0.7, 348, 24), True),  # verbagg
        ((0.7, 249, 24), False),
        ((1.0, 591, 63), False),
        ((float("inf"), 591, 63), False),
        ((0.8, 310, 6), False),
    ],
)
def test_quarter_turns_without_trees_are_for_many_nearly_normal_coordinates(given, expected):
    assert quarter_turns_serve(*given) == expected
