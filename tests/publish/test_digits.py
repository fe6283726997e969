"""Digits: Monte Carlo errors are ArviZ's, and no digit is shown that they do not bear."""

import arviz_stats
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixedbayes.publish.digits import (
    Asked,
    Numbers,
    mcse_at,
    number,
    numbers,
    of_row,
    places,
    shown,
)


def chains(seed=0, k=3, n=500):
    """(K, C, D) draws with some autocorrelation, of different scales."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(k, 4, n))
    for d in range(1, n):
        x[:, :, d] = 0.5 * x[:, :, d - 1] + x[:, :, d]
    return np.exp(x / 2) * np.array([1.0, 100.0, 1e-4])[:, None, None]


@pytest.mark.parametrize("p", [0.025, 0.5, 0.975])
def test_errors_of_quantiles_are_arvizs(p):
    draws = chains()
    theirs = [arviz_stats.mcse(x, method="quantile", prob=p) for x in draws]
    assert mcse_at(draws, np.quantile(draws, p, axis=(1, 2))) == pytest.approx(
        np.array(theirs), rel=1e-6
    )


def test_numbers_are_mean_interval_and_errors_of_the_draws():
    draws = chains()
    for x, n in zip(draws, numbers(np.moveaxis(draws, 0, 2), Asked(0.9)), strict=True):
        assert (n.estimate, n.sd) == pytest.approx((x.mean(), x.std(ddof=1)))
        assert (n.lower, n.upper) == pytest.approx(tuple(np.quantile(x, [0.05, 0.95])))
        assert n.errors[0] == pytest.approx(arviz_stats.mcse(x, method="mean"), rel=1e-6)


def test_ratios_are_exp_of_median_and_ends():
    draws = chains()[:1]
    (n,) = numbers(np.moveaxis(draws, 0, 2), Asked(0.9), ratio=True)
    assert n.estimate == pytest.approx(np.exp(np.median(draws)))
    assert n.upper == pytest.approx(np.exp(np.quantile(draws, 0.95)))
    assert n.ratio


def test_the_median_and_the_shortest_interval_where_they_are_asked_for():
    draws = chains()
    found = numbers(np.moveaxis(draws, 0, 2), Asked(0.9, "hdi", "median"))
    for x, n in zip(draws, found, strict=True):
        assert n.estimate == np.median(x)
        assert (n.lower, n.upper) == pytest.approx(tuple(arviz_stats.hdi(x.ravel(), prob=0.9)))
        error = arviz_stats.mcse(x, method="quantile", prob=0.5)
        assert n.errors[0] == pytest.approx(error, rel=1e-6)
    (ratio,) = numbers(np.log(draws[:1]).transpose(1, 2, 0), Asked(0.9, "hdi"), ratio=True)
    assert (ratio.lower, ratio.upper) == pytest.approx((found[0].lower, found[0].upper))


def test_too_few_draws_have_no_known_error():
    assert np.isnan(mcse_at(np.ones((2, 1, 3)), np.ones(2))).all()
    (n,) = numbers(np.array([[[1.0], [2.0], [4.0]]]), Asked(0.9))
    assert shown(n, *of_row([n], [0])) == ("2", "1", "4")


@pytest.mark.parametrize(
    ("sd", "error", "digits", "expected"),
    [
        (8.4, 0.01, 2, 1),  # 8.4: tenths
        (8.4, 0.13, 2, 0),  # the error is larger than a tenth
        (8.4, 0.1, 2, 1),
        (8.4, 1.4, 2, 0),  # at most 1.5 units: the sd's first digit is shown
        (8.4, 1.6, 2, -1),
        (1.6, 1.4, 2, 0),
        (0.073, 0.0001, 2, 3),
        (0.073, 0.0001, 3, 4),
        (840.0, 13.0, 2, -2),
        (840.0, 9.0, 2, -1),
        (8.4, np.nan, 2, 0),  # not known
        (0.0, 0.0, 2, None),
        (np.inf, 1.0, 2, None),
    ],
)
def test_decimals(sd, error, digits, expected):
    assert places(sd, error, digits) == expected


@given(st.floats(1e-6, 1e6), st.floats(1e-3, 1.0), st.integers(1, 6), st.floats(-1e6, 1e6))
def test_the_last_digit_stands_for_no_less_than_the_error(sd, share, digits, value):
    error = share * sd
    p = places(sd, error, digits)
    first = 10.0 ** np.floor(np.log10(sd))
    assert 10.0**-p >= error * (1 - 1e-9) or (
        10.0**-p >= first * (1 - 1e-9) and 10.0**-p >= error / 1.5
    )
    assert 10.0**-p >= sd * 10.0**-digits
    if p <= 6:
        assert abs(float(number(value, p)) - value) <= 0.5 * 10.0**-p * (1 + 1e-6)


def cell(sd, error=0.0, estimate=1.0, ratio=False):
    return Numbers(estimate, sd, estimate - sd, estimate + sd, (error,) * 3, ratio)


def test_an_interval_is_not_shown_as_one_number():
    few = Numbers(10.3, 1.6, 7.4, 13.2, (0.4, 1.6, 1.7))
    assert shown(few, *of_row([few], [0])) == ("10", "7", "13")
    same = Numbers(0.4, 6e-17, 0.4, 0.4, (1e-17,) * 3)
    assert shown(same, *of_row([same], [0])) == ("0.4", "0.4", "0.4")


def test_cells_of_one_scale_share_decimals_while_each_keeps_a_digit_of_its_sd():
    assert of_row([cell(9.9), cell(10.1)], ["a", "a"]) == [0, 0]
    assert of_row([cell(9.9), cell(10.1)], ["a", "b"]) == [1, 0]
    assert of_row([cell(0.05), cell(50.0)], ["a", "a"]) == [2, 0]  # 0.05 keeps its 5
    assert of_row([cell(1.2, 0.5), cell(1.3)], ["a", "a"]) == [0, 1]  # one has too few draws
    assert of_row([cell(0.2, ratio=True), cell(50.0)], ["a", "a"]) == [None, 0]
    assert of_row([], []) == []


def test_a_ratio_and_its_interval_share_decimals_unless_they_differ_by_more_than_one():
    def ratio(estimate, lower, upper, sd):
        return shown(Numbers(estimate, sd, lower, upper, (0.0,) * 3, True), None)

    assert ratio(0.2432, 0.1411, 0.3922, 0.27) == ("0.24", "0.14", "0.39")
    assert ratio(12.3, 1.23, 123.0, 1.2) == ("12", "1.2", "120")


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (-0.04, 1, "0.0"),
        (2514.0, -1, "2510"),
        (-7.0, -1, "-10"),
        (1.5, None, "1.5"),
        (np.nan, 2, ""),
        (-np.inf, 2, "-inf"),
        (1.234567e-8, 10, "1.23e-08"),
        (3.2e12, -10, "3.20e+12"),
        (0.0, 9, "0e+00"),
    ],
)
def test_numbers_as_text(value, decimals, expected):
    assert number(value, decimals) == expected


@pytest.mark.parametrize("ratio", [False, True])
def test_no_number_but_zero_is_shown_as_zero_nor_an_estimate_outside_its_interval(ratio):
    wide = Numbers(40.0, 3e4, 6.8, 40244.0, (3e3, 5.0, 2e3), ratio)
    estimate, lower, upper = map(float, shown(wide, -4))
    assert 0 < lower <= estimate <= upper
    few = Numbers(-0.32, 0.7, -1.9, 1.1, (0.6, 0.7, 0.8))
    assert shown(few, 0)[0] == "-0.3"
    odds = Numbers(0.0207, 1.4, 0.0007, 0.406, (0.5, 0.6, 0.6), ratio)
    estimate, lower, upper = map(float, shown(odds, 0))
    assert 0 < lower <= estimate <= upper
