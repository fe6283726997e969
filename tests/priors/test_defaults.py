import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixedbayes import names
from mixedbayes.design import build_design
from mixedbayes.distributions import LKJ, Exponential, Normal
from mixedbayes.families.defaults import default_priors, predictor_scale
from mixedbayes.families.gaussian import Gaussian

FORMULA = "y ~ x + f + (x | g)"


def frame(seed=1, n=60):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "y": rng.normal(5, 3, n),
            "x": rng.normal(0, 2, n),
            "f": rng.choice(["a", "b"], n),
            "g": np.repeat(np.arange(6), n // 6),
        }
    )


def priors(data, formula=FORMULA):
    return default_priors(build_design(formula, data), Gaussian())


def test_scales_are_those_of_the_response_over_the_predictor():
    data = frame()
    p = priors(data)
    sy, sx = data.y.std(), data.x.std()
    assert p.mu.intercept.prior.mu == pytest.approx(data.y.mean())
    assert p.mu.intercept.prior.sigma == pytest.approx(2.5 * sy)
    assert p.mu.intercept_at_means
    slopes = [a.prior for a in p.mu.fixef]
    assert all(isinstance(s, Normal) and s.mu == 0 for s in slopes)
    # f is a step from 0 to 1; of each column counts what the other does not say
    left = np.sqrt(1 - np.corrcoef(data.x, data.f == "b")[0, 1] ** 2)
    assert [s.sigma for s in slopes] == pytest.approx([2.5 * sy / sx / left, 2.5 * sy / left])
    sds = [*(a.prior for a in p.mu.sd["g"]), p.parameters["sigma"].prior]
    assert all(isinstance(s, Exponential) for s in sds)
    assert [1 / s.lam for s in sds] == pytest.approx([sy, sy / sx, sy])
    assert p.mu.cor["g"].prior == LKJ(2)


@settings(max_examples=25, deadline=None)
@given(st.floats(-3000, 3000))
def test_moving_a_predictors_origin_changes_no_default(origin):
    data = frame()
    moved = data.assign(x=data.x + origin)
    for a, b in zip(numbers(priors(data)), numbers(priors(moved)), strict=True):
        assert a == pytest.approx(b, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_defaults_follow_a_change_of_units(of_y, of_x):
    data = frame()
    scaled = data.assign(y=data.y * of_y, x=data.x * of_x)
    a, b = priors(data).mu, priors(scaled).mu
    assert b.intercept.prior.sigma == pytest.approx(a.intercept.prior.sigma * of_y)
    assert b.intercept.prior.mu == pytest.approx(a.intercept.prior.mu * of_y)
    assert b.fixef[0].prior.sigma == pytest.approx(a.fixef[0].prior.sigma * of_y / of_x)
    assert b.sd["g"][1].prior.lam == pytest.approx(a.sd["g"][1].prior.lam * of_x / of_y)
    assert b.sd["g"][0].prior.lam == pytest.approx(a.sd["g"][0].prior.lam / of_y)


def test_a_far_origin_leaves_group_sds_sane():
    data = frame().assign(x=lambda d: d.x + 2000)
    assert 1 / priors(data).mu.sd["g"][0].prior.lam == pytest.approx(data.y.std())


def test_without_an_intercept_effects_carry_the_location():
    """Those of the population, and of the groups."""
    data = frame().assign(y=lambda d: d.y + 1e4)
    p = priors(data, "y ~ 0 + x + (1 | g)").mu
    assert p.intercept is None
    assert all(a.prior.sigma > 1e4 / 4 for a in p.fixef)
    assert 1 / p.sd["g"][0].prior.lam == pytest.approx(1e4, rel=0.01)


@pytest.mark.parametrize("formula", ["y ~ 0 + f + (1 | g)", "y ~ 0 + f + x + (1 | g)"])
def test_all_indicators_of_a_factor_are_where_the_intercept_is(formula):
    data = frame().assign(y=lambda d: d.y + 1e4)
    sy = data.y.std()
    p = priors(data, formula).mu
    assert [a.prior.mu for a in p.fixef[:2]] == pytest.approx([data.y.mean()] * 2)
    assert 1 / p.sd["g"][0].prior.lam == pytest.approx(sy)
    assert all(2 * sy < a.prior.sigma < 4 * sy for a in p.fixef[:2])


# ---- whatever the origin ------------------------------------------------------------------------

ORIGINS = [
    "y ~ x*f + (1 | g)",
    "y ~ x*z + (1 | g)",
    "y ~ x + I(x**2) + I(x**3) + (1 | g)",
    "y ~ f*(x + I(x**2)) + (1 | g)",
    "y ~ 0 + f + x + (1 | g)",
    "y ~ 0 + f + f:x + (1 | g)",
    "y ~ x + (x | g)",
    "y ~ x + (x*z + I(x**2) | g)",
    "y ~ x + (I(x**2) + x | g)",
    "y ~ x + (f*x | g)",
    "y ~ x + (0 + f + x | g)",
    "y ~ x + (0 + f:x + f | g)",
]


@pytest.mark.parametrize("origin", [-1, 10, 2000])
@pytest.mark.parametrize("formula", ORIGINS)
def test_products_and_powers_lose_nothing_to_a_far_origin(formula, origin):
    """Priors, and the columns whose effects they are about, are the same."""
    data = frame().assign(z=lambda d: d.x**2 % 3)
    data["x"] -= data.x.mean()
    here, there = (
        build_design(formula, d) for d in (data, data.assign(x=data.x + origin, z=data.z + origin))
    )
    before, after = (default_priors(d, Gaussian()).mu for d in (here, there))
    for term, a, b in zip(before.terms, before.fixef, after.fixef, strict=True):
        assert b.prior.sigma == pytest.approx(a.prior.sigma, rel=1e-4), term
    assert [a.prior for a in before.cor.values()] == [a.prior for a in after.cor.values()]
    for a, b in zip(before.sd["g"], after.sd["g"], strict=True):
        assert b.prior.lam == pytest.approx(a.prior.lam, rel=1e-4)
    first, second = (p.moved(d.mu) for p, d in ((before, here), (after, there)))
    np.testing.assert_allclose(second.groups[0].Z, first.groups[0].Z, rtol=1e-4, atol=1e-4)
    for predictor in (first, second):
        if predictor.intercept:
            predictor.X[:] -= predictor.means
    np.testing.assert_allclose(second.X, first.X, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("x", "scale"),
    [
        ([0, 1, 0, 1], 1),
        ([0, 10, 10, 10], 10),
        ([3.0, 3.0], 3),
        ([0.0, 0.0], 1),
        ([1, 2, 3], 1),
    ],
)
def test_scale_of_a_column(x, scale):
    assert predictor_scale(np.array(x, float)) == pytest.approx(scale)


def test_the_table_shows_every_parameter_and_its_origin():
    table = priors(frame()).table()
    assert list(table.columns) == ["parameter", "term", "prior", "derived_from"]
    assert list(table.parameter) == [
        "Intercept", "fixef", "fixef", "sd_g", "sd_g", "cor_g", "sigma",
    ]  # fmt: skip
    assert table.prior.str.len().min() > 0
    assert "sd(y)" in table.derived_from[1]


def numbers(p):
    return [v for _, _, a in p.rows() for v in vars(a.prior).values()]


def test_every_default_is_proper():
    assert all(a.prior.proper for _, _, a in priors(frame()).rows())
    assert names.SIGMA in priors(frame()).parameters
