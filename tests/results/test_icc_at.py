"""The ICC at values of covariates: mean, further parameters and residual are those at the point."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import special
from specs import spec_of

import mixedbayes as mb
from mixedbayes.design import build_design
from mixedbayes.errors import DataError, ModelError
from mixedbayes.families.student_t import StudentTFamily
from mixedbayes.formula import parse_all
from mixedbayes.results.icc import icc
from mixedbayes.results.posterior import Posterior

INTERCEPT, SLOPE, OTHER = 0.3, 0.5, -0.4
SD, COR = np.array([0.5, 0.6]), np.array([[1.0, 0.3], [0.3, 1.0]])
N = 200


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    columns = ("x", "z", "t", "mean", "sd", "rhat", "group", "kind", "draw", "point", "offset_")
    frame = pd.DataFrame({name: rng.normal(size=N) for name in columns})
    frame["arm"] = pd.Categorical(np.where(rng.random(N) < 0.5, "a", "b"))
    frame["g"], frame["h"] = np.arange(N) % 10, np.arange(N) % 8
    frame["y"] = rng.integers(1, 9, N).astype(float)
    frame["share"] = rng.uniform(0.1, 0.9, N)
    return frame


def constant(formula, data, family, **values):
    """A posterior of equal draws, two chains of two; names of dimensions mean nothing."""
    design = build_design(parse_all(formula), data)
    variables = {}
    for name, value in values.items():
        value = np.asarray(value, float)
        dims = [f"{name}_{k}" for k in range(value.ndim)]
        variables[name] = (("chain", "draw", *dims), np.broadcast_to(value, (2, 2, *value.shape)))
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(variables)})
    return Posterior(spec_of(design, family), tree)


def slopes(data, family, response="y", **own):
    return constant(
        f"{response} ~ x + z + (x | g)", data, family, Intercept=INTERCEPT, fixef=[SLOPE, OTHER],
        sd_g=SD, cor_g=COR, **own,
    )  # fmt: skip


def at(post, values):
    return icc(post, at=values)["mean"].to_numpy()


FAMILIES = {
    "poisson": (mb.Poisson(), {}, lambda m, e: np.log1p(1 / m)),
    "negative_binomial": (
        mb.NegativeBinomial(), {"shape": 2.0}, lambda m, e: np.log1p(1 / m + 0.5)
    ),
    "gaussian log": (mb.Gaussian(mb.Log()), {"sigma": 0.7}, lambda m, e: (0.7 / m) ** 2),
    "beta": (
        mb.Beta(), {"phi": 6.0},
        lambda m, e: special.polygamma(1, 6 * m) + special.polygamma(1, 6 * (1 - m)),
    ),
    "beta probit": (
        mb.Beta(mb.Probit()), {"phi": 6.0},
        lambda m, e: m * (1 - m) / 7 / np.exp(-(special.ndtri(m) ** 2)) * 2 * np.pi,
    ),
    "gamma": (mb.GammaFamily(), {"shape": 2.0}, lambda m, e: special.polygamma(1, 2.0)),
    "bernoulli": (mb.Bernoulli(), {}, lambda m, e: np.pi**2 / 3),
    "gaussian": (mb.Gaussian(), {"sigma": 0.7}, lambda m, e: 0.49),
}  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_slopes_are_brute_force_s_in_every_family(data, name):
    family, own, residual = FAMILIES[name]
    post = slopes(data, family, "share" if family.name == "beta" else "y", **own)
    found = at(post, {"x": [-2.0, 0.0, 2.0]})
    cov = COR * np.outer(SD, SD)
    rng = np.random.default_rng(7)
    z = rng.choice(data["z"], 400_000)
    b = rng.multivariate_normal([0, 0], cov, len(z))
    for x, value in zip((-2.0, 0.0, 2.0), found, strict=True):
        between = np.array([1, x]) @ cov @ np.array([1, x])
        eta = INTERCEPT + SLOPE * x + OTHER * z + b @ [1, x]
        mean = family.link.inverse(eta, np).mean()
        assert value == pytest.approx(between / (between + residual(mean, eta)), abs=4e-3)


def test_a_sigma_formula_is_taken_at_the_point(data):
    post = constant(
        ["y ~ 1 + (1 | g)", "sigma ~ t"], data, mb.Gaussian(), Intercept=0.0, sd_g=[1.0],
        sigma_Intercept=-0.7, sigma_fixef=[1.6],
    )  # fmt: skip
    t = np.array([-0.5, 0.0, 1.0])
    np.testing.assert_allclose(at(post, {"t": t}), 1 / (1 + np.exp(2 * (1.6 * t - 0.7))))


def test_group_effects_on_sigma_are_averaged_over_at_the_point(data):
    post = constant(
        ["y ~ 1 + (1 | g)", "sigma ~ z + (t | h)"], data, mb.Gaussian(), Intercept=0.0,
        sd_g=[1.0], sigma_Intercept=-0.7, sigma_fixef=[0.5], sd_sigma_h=[0.3, 0.4],
        cor_sigma_h=np.eye(2),
    )  # fmt: skip
    t, z = np.array([0.0, 2.0]), 0.5
    variance = 0.09 + 0.16 * t**2
    residual = np.exp(2 * (-0.7 + 0.5 * z) + 2 * variance)  # a lognormal's second moment
    found = at(post, {"t": t, "z": z})
    np.testing.assert_allclose(found, 1 / (1 + residual), rtol=1e-6)


def test_student_s_nu_is_taken_at_the_point(data):
    post = constant(
        ["y ~ 1 + (1 | g)", "nu ~ t"], data, StudentTFamily(), Intercept=0.0, sd_g=[1.0], sigma=0.8,
        nu_Intercept=1.5, nu_fixef=[0.5],
    )  # fmt: skip
    t = np.array([0.0, 2.0])
    nu = post.family.parameter_link("nu").inverse(1.5 + 0.5 * t, np)
    np.testing.assert_allclose(at(post, {"t": t}), 1 / (1 + 0.64 * nu / (nu - 2)))


def test_weights_that_divide_the_variance_are_taken_at_the_point(data):
    weighted = data.assign(w=np.linspace(0.5, 4, N))
    post = constant(
        "y | weights(w) ~ x + (1 | g)", weighted, mb.Gaussian(), Intercept=0.0, fixef=[1.0],
        sd_g=[1.0], sigma=2.0,
    )  # fmt: skip
    w = np.array([0.5, 4.0])
    np.testing.assert_allclose(at(post, {"w": w}), 1 / (1 + 4 / w))


@pytest.mark.parametrize("covariate", ["x", "arm", "offset_"])
def test_intercepts_of_counts_depend_on_the_mean(data, covariate):
    post = constant(
        "y ~ x + arm + offset(offset_) + (1 | g)", data, mb.Poisson(), Intercept=INTERCEPT,
        fixef=[SLOPE, OTHER], sd_g=[0.6],
    )  # fmt: skip
    x, arm, offset = (data[c] for c in ("x", "arm", "offset_"))
    place = "b" if covariate == "arm" else 1.5
    moved = {"x": x, "arm": (arm == "b") * 1.0, "offset_": offset}
    moved[covariate] = 1.0 if covariate == "arm" else 1.5
    fixed = SLOPE * moved["x"] + OTHER * moved["arm"] + np.zeros(N)
    mean = np.exp(INTERCEPT + np.mean(fixed + moved["offset_"]) + (fixed.var(ddof=1) + 0.36) / 2)
    found = at(post, {covariate: [place]})
    assert found == pytest.approx(0.36 / (0.36 + np.log1p(1 / mean)), rel=1e-9)


def test_a_point_is_the_icc_of_data_that_lie_there(data):
    one = data.assign(x=0.7)
    post = slopes(data, mb.Poisson())
    cov, z = COR * np.outer(SD, SD), np.array([1, 0.7])
    over = constant(
        "y ~ 1 + z + (1 | g)", one, mb.Poisson(), Intercept=INTERCEPT + SLOPE * 0.7,
        fixef=[OTHER], sd_g=[np.sqrt(z @ cov @ z)],
    )  # fmt: skip
    expected = icc(over).query("kind == 'adjusted'")["mean"]
    np.testing.assert_allclose(at(post, {"x": [0.7]}), expected)


RESPONSES = {  # family, its own parameters, mean and variance of the response given eta
    "bernoulli": (mb.Bernoulli(), {}, special.expit, lambda p, e: p * (1 - p)),
    "poisson": (mb.Poisson(), {}, np.exp, lambda m, e: m),
    "gamma": (mb.GammaFamily(), {"shape": 2.0}, np.exp, lambda m, e: m**2 / 2),
    "gaussian": (mb.Gaussian(), {"sigma": 0.8}, lambda e: e, lambda m, e: 0.64 + 0 * m),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_on_the_scale_of_the_response(data, name):
    """Var E[y | b] / Var y at the point, b the effects there, by a fine sum."""
    family, own, mean, variance = RESPONSES[name]
    post = slopes(data.assign(y=(data["y"] > 4) * 1.0), family, **own)
    u = np.linspace(-9, 9, 20001)
    w = np.exp(-(u**2) / 2) / np.exp(-(u**2) / 2).sum()
    cov, expected = COR * np.outer(SD, SD), []
    points = [-2.0, 0.0, 2.0]
    for x in points:
        z = np.array([1, x])
        eta = INTERCEPT + SLOPE * x + OTHER * data["z"].mean() + np.sqrt(z @ cov @ z) * u
        m = mean(eta)
        between = w @ m**2 - (w @ m) ** 2
        expected.append(between / (between + w @ variance(m, eta)))
    found = icc(post, at={"x": points}, scale="response")
    np.testing.assert_allclose(found["mean"], expected, rtol=1e-6)
    assert found["kind"].unique().tolist() == ["adjusted"]


def test_a_population_effect_moves_the_icc_of_the_response_alone(data):
    post = constant(
        "y ~ x + offset(offset_) + (1 | g)", data.assign(y=(data["y"] > 4) * 1.0), mb.Bernoulli(),
        Intercept=0.0, fixef=[1.0], sd_g=[1.0],
    )  # fmt: skip
    with pytest.raises(ModelError, match='on the scale of the response it does: scale="response"'):
        icc(post, at={"x": [1]})
    low, high = icc(post, at={"x": [0, 3]}, scale="response")["mean"]
    assert low > high + 0.02


@pytest.mark.parametrize("name", ["mean", "sd", "rhat", "group", "kind", "draw", "point"])
def test_covariates_named_as_our_columns_stand_beside_them(data, name):
    post = constant(
        f"y ~ {name} + ({name} | g)", data, mb.Gaussian(), Intercept=0.0, fixef=[1.0], sd_g=SD,
        cor_g=COR, sigma=1.0,
    )  # fmt: skip
    table = icc(post, at={name: [0.0, 2.0]})
    plain = icc(
        constant(
            "y ~ x + (x | g)", data, mb.Gaussian(), Intercept=0.0, fixef=[1.0], sd_g=SD,
            cor_g=COR, sigma=1.0,
        ),
        at={"x": [0.0, 2.0]},
    )  # fmt: skip
    ours = [c for c in plain if c != "x"]
    pd.testing.assert_frame_equal(table[ours], plain[ours])
    (own,) = set(table) - set(ours)
    assert own.startswith(name)
    assert table[own].tolist() == [0.0, 2.0]
    drawn = icc(post, at={name: [0.0, 2.0]}, draws=True)["adjusted"]
    assert drawn.dims == ("chain", "draw", "group", "point")
    assert drawn.coords["group"].to_numpy().tolist() == ["g"]
    kept = [c for c in drawn.coords if c.startswith(name) and drawn.coords[c].dims == ("point",)]
    assert [drawn[c].to_numpy().tolist() for c in kept if len(drawn[c]) == 2] == [[0.0, 2.0]]


@pytest.mark.parametrize(
    ("family", "own"),
    [(mb.Gaussian(), {"sigma": 1.0}), (mb.Bernoulli(), {}), (mb.GammaFamily(), {"shape": 2.0})],
)
def test_where_it_is_the_same_everywhere_it_says_so(data, family, own):
    post = constant("y ~ x + (1 | g)", data, family, Intercept=0.0, fixef=[1.0], sd_g=[1.0], **own)
    with pytest.raises(ModelError, match="residual variance is the same in all rows"):
        icc(post, at={"x": [1]})


def test_far_out_the_groups_are_all_there_is(data):
    post = slopes(data, mb.Gaussian(), sigma=1.0)
    np.testing.assert_array_equal(at(post, {"x": [1e80, 1e160]}), [1.0, 1.0])


def test_a_mistyped_covariate_and_a_strange_value_are_named(data):
    post = constant(
        "y ~ Xy + arm + (1 | g)", data.assign(Xy=data["x"]), mb.Poisson(), Intercept=0.0,
        fixef=[1.0, 0.5], sd_g=[1.0],
    )  # fmt: skip
    with pytest.raises(ModelError, match=r"'xy'\. Did you mean 'Xy'"):
        icc(post, at={"xy": [1]})
    with pytest.raises(DataError, match=r"with Xy = 1e\+160 the mean or the variances are"):
        icc(post, at={"Xy": [1.0, 1e160]})
    with pytest.raises(DataError, match="arm"):
        icc(post, at={"arm": ["c"]})
