"""Continuous families beside numbers computed elsewhere: R's survreg, and the far tails."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import special

import mixedbayes as mb
from mixedbayes.design import build_design
from mixedbayes.errors import ModelError
from mixedbayes.estimands.ask import _target
from mixedbayes.families.registry import FAMILIES, family_from_names, written
from mixedbayes.predict.target_text import parse_target

# survreg(Surv(time, !censored) ~ age + sex + disease) of the kidney data (R 4.2.2, survival 3.5-3):
# intercept, age, female, GN; the scale; and log likelihoods of four rows that are not censored.
KIDNEY = np.array([[8, 28, 0, 0], [23, 48, 1, 1], [22, 32, 0, 0], [511, 55, 1, 1]], float)
SURVREG = {
    "weibull": (
        [3.714427322734527, -0.001907486348886403, 1.6079177715074349, -0.049330984204402434],
        0.9668404906321734,
        [-3.876331661296472, -5.338399864329224, -4.197938032764888, -8.11668120019159],
    ),
    "exponential": (
        [3.705537702030458, -0.0019109106746703162, 1.611782458433339, -0.05802443103104124],
        1.0,
        [-3.859539108408777, -5.298634932412588, -4.2194110612649505, -8.105283736647882],
    ),
}


@pytest.mark.parametrize("name", SURVREG)
def test_log_densities_of_times_are_survregs(name):
    """survreg's predictor is the logarithm of the scale; ours, that of the mean."""
    family = FAMILIES[name]()
    b, scale, expected = SURVREG[name]
    eta = b[0] + KIDNEY[:, 1:] @ b[1:] + special.gammaln(1 + scale)
    p = {"shape": np.array([1 / scale])} if family.parameters else {}
    found = family.log_density(KIDNEY[:, 0], family.inverse(eta[None], np), p)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def row_of(family, y, t, parameters):
    """log p of one response and its derivatives, by the functions that are compiled."""
    rows = family.rows(build_design("y ~ 1", pd.DataFrame({"y": [y]})))
    density, one = family.row_density, (rows.y[0], rows.size[0], rows.extra[0])
    with np.errstate(all="ignore"):
        shared = density.once.py_func(parameters)
        value, d_t, d = density.row.py_func(np.float64(t), *one, parameters, shared)
    return value + rows.constant, (d_t, *d)


# log p and its derivatives (by mu or log mu, then by the parameters) by mpmath, 60 digits.
TAILS = {
    ("von_mises", 3.1, -3.1, (1e-06,)): (
        -1.8378760698674985,
        -8.308940281749639e-08,
        0.9965415970232175,
    ),
    ("von_mises", 3.0, 0.1, (29.9,)): (-58.155911514937195, 7.153554943498071, -1.9540909984153962),
    ("von_mises", 3.0, 0.1, (30.1,)): (-58.5467410463632, 7.201404809340868, -1.9542040623033015),
    ("von_mises", 0.5, 0.5001, (100000000.0,)): (
        7.791401837938287,
        -9999.999983332233,
        1.6667768131516373e-17,
    ),
    ("zero_one_inflated_beta", 0.0, 1.0, (5.0, -40.0, 3.0)): (
        -43.048587351573744,
        0.0,
        0.0,
        1.0,
        -0.9525741268224333,
    ),
    ("zero_one_inflated_beta", 1.0, 1.0, (5.0, 2.0, -300.0)): (
        -300.126928011043,
        0.0,
        0.0,
        0.11920292202211756,
        1.0,
    ),
    ("zero_one_inflated_beta", 1e-12, -4.0, (1000.0, 38.0, 1.0)): (
        -416.7394034270816,
        -416.9012227855002,
        -0.4063779462174959,
        -1.0,
        0.0,
    ),
    ("ordered_beta", 0.0, 45.0, (5.0, -1.0, 3.0)): (-46.0, -1.0, 0.0, 1.0, 0.0),
    ("ordered_beta", 1.0, -300.0, (5.0, -1.0, 3.0)): (-302.0, 1.0, 0.0, -1.0, -1.0),
    ("ordered_beta", 0.3, 40.0, (2.0, -1.0, 1e-06)): (
        -94.96966073779149,
        -2.0,
        -0.703972804325936,
        1.0,
        1000000.5000000834,
    ),
    ("ordered_beta", 0.3, 0.5, (2.0, -1.0, 40.0)): (
        -0.5096277809696811,
        -0.610362248846822,
        0.08918523168999958,
        -0.18242552380635632,
        2.3288157088156112e-17,
    ),
    ("weibull", 1e-12, 2.0, (0.3,)): (18.205201514874535, -0.2999193628269337, -28.551812784584193),
    ("weibull", 1000.0, 2.0, (1.7,)): (-3459.385240839642, 5882.267702660703, -16350.6079218356),
    ("weibull", 1000000000000.0, 27.0, (1e-06,)): (
        -367911.1836167303,
        0.3678815526040721,
        367879625107.4879,
    ),
    ("exponential", 700.0, 0.0, ()): (-700.0, 699.0),
    ("exponential", 1e-300, 5.0, ()): (-5.0, -1.0),
    ("inverse_gaussian", 0.0001, 1.0, (0.1,)): (
        -488.2179332542967,
        -0.036786590764311865,
        -4994.632127325593,
    ),
    ("inverse_gaussian", 1000000000000.0, 27.6, (100000000.0,)): (
        -33.15512988475676,
        3.249999389186469e-06,
        4.999999503645499e-09,
    ),
    ("inverse_gaussian", 3.0, 1.0986, (100000000.0,)): (
        6.640966518775154,
        409.629820962711,
        4.974831130058089e-09,
    ),
    ("skew_normal", -30.0, 1.0, (1.5, 4.0)): (
        -1294.0061818130102,
        -88.36310337215221,
        1825.5041363578123,
        -543.8375397680027,
    ),
    ("skew_normal", 40.0, 1.0, (1.5, -10000.0)): (
        -11063553187.43509,
        597794210.7148645,
        15542649477.919811,
        2212710.5706351222,
    ),
    ("skew_normal", 2.0, 1.0, (1.5, 1e-06)): (
        -1.5466258635350594,
        0.4444444444444444,
        -0.37037037037037035,
        -1.8571529078354988e-13,
    ),
    ("skew_normal", 35.0, 1.0, (1.0, 8.0)): (
        -233.1708769281621,
        13.171576720626186,
        446.8336085012903,
        1.4105405579686483,
    ),
    ("exgaussian", -30.0, 1.0, (0.7, 2.0)): (
        -863.5083066829186,
        -59.217828279836105,
        2453.2980745524105,
        58.72201224411603,
    ),
    ("exgaussian", 60.0, 1.0, (0.001, 2.0)): (-31.193147055559944, 0.5, 0.00025, 14.249999875),
    ("exgaussian", 1.5, 1.0, (0.7, 1e-06)): (
        -0.8173656300827666,
        1.0204081632632238,
        -0.6997084548105551,
        -9.995886917858413e-07,
    ),
    ("exgaussian", -40.0, 1.0, (1.0, 1e-06)): (
        -841.4189385323647,
        -40.999999999959,
        1679.9999999966392,
        0.001679931204812202,
    ),
    ("exgaussian", 1000000.0, 3.0, (2.0, 0.5)): (-1999986.3068528194, 2.0, 8.0, 3999954.0),
    ("shifted_lognormal", 1.0000001, 0.0, (0.5, 1.0)): (
        -503.69371049151,
        -64.47238260149781,
        2076.344059156959,
        -634723825.6443837,
    ),
    ("shifted_lognormal", 1000000000000.0, 2.0, (0.01, 0.3)): (
        -3284770.1620152616,
        256310.21115928248,
        656949143.4451597,
        2.5631121115935935e-07,
    ),
    ("asymmetric_laplace", 1000000.0, 1.0, (0.5, 1e-06)): (
        -15.122362377404828,
        2e-06,
        1.9999959999999999,
        -999999.000001,
    ),
    ("asymmetric_laplace", -3.0, 1.0, (0.001, 0.999)): (
        -4.0010005003335865,
        -1.0000000000000009,
        3000.000000000003,
        3001.001001001002,
    ),
}


@pytest.mark.parametrize(("name", "y", "t", "parameters"), TAILS)
def test_rows_keep_their_digits_in_the_tails(name, y, t, parameters):
    value, slopes = row_of(FAMILIES[name](), y, t, parameters)
    expected, *expected_slopes = TAILS[name, y, t, parameters]
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(slopes, expected_slopes, rtol=1e-9, atol=1e-9)


# ---- a parameter that is fixed


@pytest.fixture(scope="module")
def delays():
    rng = np.random.default_rng(5)
    return pd.DataFrame({"y": rng.gamma(2.0, 3.0, 60), "x": rng.normal(size=60)})


def test_a_fixed_quantile_is_no_parameter_and_is_said(delays):
    family = mb.families.AsymmetricLaplace(quantile=0.9)
    model = mb.Model("y ~ x", delays, family=family)
    assert model.family.parameters == ("sigma",)
    assert list(model.spec.priors.parameters) == ["sigma"]
    assert "asymmetric_laplace, identity link, quantile = 0.9" in str(model)
    assert "bf(y ~ 1 + x, quantile = 0.9)" in model.code("brms")
    assert written(family) == "mb.families.AsymmetricLaplace(link=mb.Identity(), quantile=0.9)"
    again = family_from_names("asymmetric_laplace", "identity", dict(family.fixed))
    assert again == family != mb.families.AsymmetricLaplace()
    with pytest.raises(ModelError, match=r"parameters that may have one are: sigma"):
        mb.Model(["y ~ x", "quantile ~ x"], delays, family=family)


@pytest.mark.parametrize("quantile", [0, 1.0, -0.1, "0.9", True, np.nan])
def test_what_is_no_order_of_a_quantile_is_refused(quantile):
    with pytest.raises(ModelError, match="is no number between 0 and 1"):
        mb.families.AsymmetricLaplace(quantile=quantile)


def test_a_file_cannot_fix_what_the_family_has_not():
    with pytest.raises(ModelError, match="has no shape to fix"):
        family_from_names("gamma", "log", {"shape": 2.0})


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9])
def test_a_fixed_quantile_is_that_of_the_density(q, delays):
    """Everything is as with an estimated one of that value; P(Y <= mu) is the order."""
    fixed, free = mb.families.AsymmetricLaplace(quantile=q), mb.families.AsymmetricLaplace()
    y, mu = delays.y.to_numpy(), np.full((1, 60), 5.0)
    sigma, order = {"sigma": np.array([1.3])}, {"quantile": np.array([q])}
    np.testing.assert_array_equal(fixed.expectation(mu, sigma), mu)
    for name in ("observation_mean", "variance"):
        mine, theirs = (getattr(f, name)(mu, p) for f, p in ((fixed, sigma), (free, sigma | order)))
        np.testing.assert_allclose(mine, theirs)
    mine = fixed.log_density(y, mu, sigma)
    np.testing.assert_allclose(mine, free.log_density(y, mu, sigma | order))
    np.testing.assert_allclose(fixed.cdf(mu[0], mu, sigma), q)
    a, b = row_of(fixed, 4.0, 5.0, (1.3,)), row_of(free, 4.0, 5.0, (1.3, q))
    assert a[0] == pytest.approx(b[0])
    np.testing.assert_allclose(a[1], b[1][:2])


# ---- tails, for responses that are censored or truncated


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("shifted_lognormal", (0.4, 0.2))],
)
@pytest.mark.parametrize("upper", [True, False])
def test_tails_are_the_distribution_function_with_its_derivatives(name, parameters, upper):
    family, t = FAMILIES[name](), 0.4
    own = {k: np.array([v]) for k, v in zip(family.parameters, parameters, strict=True)}
    density = family.row_density
    tails, once = density.tails.py_func, density.once.py_func

    def log_tail(bound, *at):
        return tails(at[0], bound, upper, 1.0, at[1:], once(at[1:]))

    mu = np.array([[np.exp(t) if density.scale is mb.Log else t]])
    for y in (0.21, 0.9, 2.5, 6.0):
        value, *slopes = log_tail(bound := family.bound(np.array([y]))[0], t, *parameters)
        below = family.cdf(y, mu, own)[0, 0]
        assert np.exp(value) == pytest.approx(1 - below if upper else below, rel=1e-9, abs=1e-14)
        at, h = np.array([t, *parameters]), 1e-6
        for e, slope in zip(h * np.eye(at.size), [slopes[0], *slopes[1]], strict=True):
            rise = (log_tail(bound, *(at + e))[0] - log_tail(bound, *(at - e))[0]) / (2 * h)
            assert slope == pytest.approx(rise, rel=1e-5, abs=1e-7)


# ---- directions, and shares with ends


def test_directions_have_no_average():
    family = mb.families.VonMises()
    made = family.prepare(build_design("y ~ 1", pd.DataFrame({"y": [0.3, -0.1, 0.2]})))
    target = parse_target("mean", made, family)
    assert target.words("y") == "mean direction of y"
    assert target.obstacle(family, []) == ""
    assert 'use groups="typical"' in target.obstacle(family, ["mu"])
    with pytest.raises(ModelError, match=r"means over rows have no meaning.*target=\"linear\""):
        _target(SimpleNamespace(design=made, family=family), "mean", None)


@pytest.mark.parametrize("kappa", [1e-3, 1.0, 30.0, 99.0, 101.0, 1e6])
def test_the_squared_angle_from_the_mean_direction_is_that_of_quadrature(kappa):
    angle = np.linspace(0, min(np.pi, 12 / np.sqrt(kappa)), 200_001)
    density = np.exp(-2 * kappa * np.sin(angle / 2) ** 2)
    expected = np.trapezoid(angle**2 * density, angle) / np.trapezoid(density, angle)
    found = mb.families.VonMises().variance(np.zeros((1, 1)), {"kappa": np.array([kappa])})
    assert found[0, 0] == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("zero_one_inflated_beta", {"phi": 5.0, "zoi": 0.3, "coi": 0.6}),
     ("ordered_beta", {"phi": 5.0, "cutzero": -1.0, "gap": 2.5})],
)  # fmt: skip
def test_shares_with_ends_are_a_distribution_whose_mean_it_is(name, parameters):
    family, mu = FAMILIES[name](), np.array([[0.6]])
    own = {k: np.array([v]) for k, v in parameters.items()}
    zero, between, one = (float(p[0, 0]) for p in family.parts(mu, own))
    assert zero + between + one == pytest.approx(1)
    y = np.linspace(0, 1, 20_001)[1:-1]
    density = np.exp(family.log_density(y, np.repeat(mu, y.size, 1), own)[0])
    assert np.trapezoid(density, y) == pytest.approx(between, abs=1e-5)
    mean = one + np.trapezoid(density * y, y)
    assert family.expectation(mu, own)[0, 0] == pytest.approx(mean, abs=1e-5)
    for at, expected in ((-0.1, 0.0), (0.0, zero), (1.0, 1.0), (1 - 1e-12, zero + between)):
        assert family.cdf(at, mu, own)[0, 0] == pytest.approx(expected)
    at_ends = family.log_density(np.array([0.0, 1.0]), np.repeat(mu, 2, 1), own)[0]
    np.testing.assert_allclose(np.exp(at_ends), [zero, one])


@pytest.mark.parametrize("link", [mb.Logit(), mb.Probit()])
@pytest.mark.parametrize("coi", [0.0, 0.6, 1.0])
def test_a_share_of_ends_that_rounds_to_one_has_a_variance_on_the_link_scale(coi, link):
    family, mean, h = FAMILIES["zero_one_inflated_beta"](link=link), np.array([0.3]), 1e-6
    own = {"phi": np.array([5.0]), "zoi": np.array([0.4]), "coi": np.array([coi])}
    eta = link.link(mean, np)[:, None]
    low, high = (family.expectation(family.inverse(eta + s, np), own) for s in (-h, h))
    expected = family.variance(mean[:, None], own) / ((high - low) / (2 * h)) ** 2
    np.testing.assert_allclose(family.latent_variance(mean, own), expected[:, 0], rtol=1e-8)
    far = [family.latent_variance(mean, own | {"zoi": np.array([z])})[0] for z in (1 - 1e-9, 1.0)]
    assert far[0] * (1e13 if 0 < coi < 1 else 1e6) < far[1] < np.inf


@pytest.mark.parametrize("origin", [1e6, 1e9])
def test_priors_of_shifted_lognormal_responses_follow_their_origin(origin):
    """Where responses are far from 0, their spread counts."""
    beyond = np.exp(np.random.default_rng(5).normal(0, 0.5, 100))

    def priors(y):
        model = mb.Model("y ~ 1", pd.DataFrame({"y": y}), family="shifted_lognormal")
        found = model.spec.priors
        ndt = found.parameters["ndt"]
        return found.mu.intercept.prior, found.parameters["sigma"].prior, ndt.prior, str(ndt.prior)

    near, far = priors(1e4 + beyond), priors(origin + beyond)
    assert near[0].mu == pytest.approx(far[0].mu, rel=1e-5)
    assert near[0].sigma == pytest.approx(far[0].sigma, rel=1e-5)
    assert near[1].lam == pytest.approx(far[1].lam, rel=1e-5)
    assert far[2].upper == origin + beyond.min()
    assert far[2].lower - origin == pytest.approx(near[2].lower - 1e4, abs=1e-5)
    ends = far[3].removeprefix("Uniform(").removesuffix(")").split(", ")
    assert float(ends[0]) < float(ends[1])
    times = priors(300 + 200 * beyond)
    assert times[2] == mb.Uniform(0, 300 + 200 * beyond.min())


def test_an_inverse_gaussian_response_is_never_near_0():
    """Where medians are looked for: shape / y is beyond all numbers there."""
    family = mb.families.InverseGaussian()
    for y in (0.0, 1e-308, 1e-150):
        assert family.cdf(y, np.array([[3.0]]), {"shape": np.array([6.0])})[0, 0] == 0.0
