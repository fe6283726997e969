"""Families of the user's own: their densities, what is refused, files."""

import copy
import dataclasses
import functools
import math
import pickle
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import integrate, special, stats

import mixedbayes as mb
from mixedbayes.engines.joint import say_how_slow
from mixedbayes.families.limited import log_density
from mixedbayes.families.negative_binomial import SHAPE_PRIOR
from mixedbayes.families.own_checks import Trial
from mixedbayes.families.own_rows import Compiled
from mixedbayes.joint.density import JointDensity
from mixedbayes.joint.loop import loop_of
from mixedbayes.model.response import distribution_of
from mixedbayes.predict.quadrature import falling_mean

LINKS = {"mu": "identity", "sigma": "log"}
EULER = float(np.euler_gamma)


def gumbel_logp(y, mu, sigma):
    z = (y - mu) / sigma
    return -z - math.exp(-z) - math.log(sigma)


def gumbel_logcdf(y, mu, sigma):
    return -math.exp(-(y - mu) / sigma)


def gumbel_logsf(y, mu, sigma):
    return math.log(-math.expm1(-math.exp(-(y - mu) / sigma)))


def gumbel(**changed):
    given = {
        "logp": gumbel_logp,
        "links": LINKS,
        "location": "median",
        "simulate": lambda mu, sigma, rng: rng.gumbel(mu, sigma),
        "mean": lambda mu, sigma: mu + EULER * sigma,
        "variance": lambda mu, sigma: math.pi**2 / 6 * sigma**2,
        "cdf": lambda y, mu, sigma: np.exp(-np.exp(-(y - mu) / sigma)),
    }
    return mb.custom("gumbel", **given | changed)


class Scipy:
    """Raises after some calls."""

    calls, most = 0, np.inf

    def __call__(self, mu, sigma):
        self.calls += 1
        if self.calls > self.most and np.any(mu > 8):
            raise OverflowError("now")
        return stats.gumbel_r(mu, sigma)


def nb_logp(y, mu, shape):
    if mu >= 1e8:  # further than a start leads
        raise ValueError("too large")
    ways = math.lgamma(y + shape) - math.lgamma(shape) - math.lgamma(y + 1)
    return ways + shape * math.log(shape / (mu + shape)) + y * math.log(mu / (mu + shape))


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(4)
    g, x = np.repeat(np.arange(8), 6), rng.normal(size=48)
    b = rng.normal(size=8)[g]
    mean = np.exp(1 + 0.5 * x + 0.5 * b)
    return pd.DataFrame(
        {
            "y": rng.gumbel(10 + 2 * x + b, 1.5),
            "count": rng.negative_binomial(3, 3 / (3 + mean)),
            "x": x,
            "g": g,
            "w": rng.integers(1, 3, 48),
        }
    )


@pytest.fixture(scope="module")
def families():
    """One distribution in three ways."""
    made = Scipy()
    return SimpleNamespace(
        made=made,
        numbers=gumbel(logcdf=gumbel_logcdf, logsf=gumbel_logsf),
        scipy=mb.custom("gumbel", scipy=made, links=LINKS, location="median"),
        pytensor=mb.custom(
            "gumbel",
            pytensor=lambda y, mu, s: -(y - mu) / s - pt.exp(-(y - mu) / s) - pt.log(s),
            links={"mu": "identity", "s": "log"},
            priors={"s": mb.Exponential(1)},
            location="median",
        ),
    )


@pytest.fixture(scope="module")
def counts():
    return mb.custom(
        "my_counts",
        logp=nb_logp,
        links={"mu": "log", "shape": "log"},
        priors={"shape": SHAPE_PRIOR},
        discrete=True,
        mean="mu",
        variance=lambda mu, shape: mu + mu**2 / shape,
        cdf=lambda y, mu, shape: stats.nbinom.cdf(y, shape, shape / (shape + mu)),
    )


def density_of(model):
    return JointDensity.of(model.spec.design, model.spec.family, model.spec.priors)


# ---- dual numbers ----------------------------------------------------------------------------


def common(y, mu, s):
    out = math.exp(mu / 5) - math.log(s) + math.log1p(s) + math.lgamma(s) + s**mu + 2 * s**2
    out *= 1 + mu**2 + abs(-mu) + max(mu, s) - min(0, s) - math.erf(mu) / s
    for k in range(3):
        if mu > k and s != 7:
            out = out * s
    return out if y > 0 else -math.inf


def others(y, mu, s):
    out = math.expm1(s) + math.sqrt(s) + math.sin(mu) * math.cos(s) - math.tan(mu / 3)
    out += math.atan(mu) + math.tanh(mu) + np.exp(-s) + np.log(s) + np.sqrt(s) + np.square(mu)
    out /= 9 + math.erfc(s) + np.maximum(mu, 1)
    out -= math.gamma(s) + math.lgamma(-s) + math.atan2(mu, s) + math.pow(s, 2)
    out += math.log2(s) + math.log10(s) + math.sinh(mu) - math.cosh(s) + math.asinh(mu) + mu % 0.3
    out += math.asin(mu / 9) + math.acos(mu / 9) + math.atanh(mu / 9) + math.acosh(s + 1)
    out += math.hypot(mu, s) + (+s) * float(mu) + math.floor(s) + np.sign(mu) + 2 / s - 1 - (1 - s)
    return out if y > 0 else -math.inf


@pytest.mark.slow
@pytest.mark.parametrize("function", [common, others], ids=["common", "others"])
def test_derivatives_by_dual_numbers_are_those_of_differences(function):
    compiled = Compiled(function, 1)
    one, h = np.ones(1), 1e-3

    def slope(f):
        return (8 * (f(h) - f(-h)) - f(2 * h) + f(-2 * h)) / (12 * h)

    for mu, s in ((0.7, 1.3), (2.5, 0.35), (-1.1, 2.6)):
        value, by_mu, by_s = compiled.slopes(one, mu * one, np.array([[s]]))[:, 0]
        assert value == pytest.approx(function(1, mu, s), rel=1e-12)
        assert by_mu == pytest.approx(slope(lambda d: function(1, mu + d, s)), rel=1e-7)  # noqa: B023
        assert by_s == pytest.approx(slope(lambda d: function(1, mu, s + d)), rel=1e-7)  # noqa: B023
        assert compiled.values(-one, mu * one, np.array([[s]]))[0] == -np.inf


# ---- densities -------------------------------------------------------------------------------


def test_three_ways_have_one_density_and_its_derivatives(families, data):
    found = []
    for family in (families.numbers, families.scipy, families.pytensor):
        name = family.parameters[0]
        priors = {"fixef": mb.Normal(0, 1), "sd": mb.HalfNormal(1)}
        model = mb.Model(
            ["y ~ x + (1 | p | g)", f"{name} ~ x + (1 | p | g)"],
            data,
            family=family,
            priors={name: priors | {"Intercept": mb.Normal(0, 1)}},
        )
        density = density_of(model)
        theta = np.linspace(-0.5, 0.5, density.ndim)
        found.append(density.logp_grad(theta))
    for value, gradient in found[1:]:
        assert value == pytest.approx(found[0][0], rel=1e-12)
        np.testing.assert_allclose(gradient, found[0][1], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("weighted", [False, True])
def test_counts_are_the_negative_binomials(counts, data, weighted):
    formula = (
        "count | weights(w) ~ x + offset(x / 9) + (1 | g)" if weighted else "count ~ x + (1|g)"
    )
    own, built_in = (
        density_of(mb.Model(formula, data, family=family))
        for family in (counts, "negative_binomial")
    )
    theta = np.linspace(-0.5, 0.5, own.ndim)
    (value, gradient), (expected, slopes) = own.logp_grad(theta), built_in.logp_grad(theta)
    assert value == pytest.approx(expected, rel=1e-11)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-9, atol=1e-9)


def test_a_fit_of_counts_is_the_negative_binomials(counts, data):
    options = {"seed": 2, "draws": 1000, "tune": 500, "chains": 2}
    own, built_in = (
        mb.fit("count ~ x + (1 | g)", data, family=family, **options)
        for family in (counts, "negative_binomial")
    )
    a, b = own.fixef(), built_in.fixef()
    np.testing.assert_allclose(a["mean"], b["mean"], atol=0.15 * b["sd"].max())
    np.testing.assert_allclose(a["sd"], b["sd"], rtol=0.15)
    icc, expected = own.icc()["mean"], built_in.icc()["mean"]
    np.testing.assert_allclose(icc, expected, atol=0.05)
    assert "rate ratio" in own.fixef(exponentiate=True)
    with pytest.raises(mb.ModelError, match=r"how observations are drawn .* give simulate="):
        own.predict(data[:2], kind="response")


def test_the_log_density_in_pymc_is_the_compiled_one(families, counts, data):
    for family, y in ((families.numbers, "y"), (families.pytensor, "y"), (counts, "count")):
        eta, value = np.linspace(0.5, 2.0, 48), data[y].to_numpy()
        own = {family.parameters[0]: np.float64(1.7)}
        kind, args = family.pymc(pt.as_tensor(eta), own, None, pt)
        law = distribution_of(family, kind).dist(**args, size=48)
        logp = mb_logp(law, value)
        mu, p = family.inverse(eta[None], np), {k: np.array([v]) for k, v in own.items()}
        np.testing.assert_allclose(logp, family.log_density(value, mu, p)[0], rtol=1e-10)


def mb_logp(law, value):
    import pymc as pm

    return pytensor.function([], pm.logp(law, value), mode="FAST_COMPILE")()


def test_a_gradient_in_pymc_is_the_compiled_one(families):
    x = pt.dvector("x")
    y = np.array([-1.0, 0.5, 3.0])
    family = families.numbers
    logp = family.pymc_logp(pt.as_tensor(y), {"mu": x, "sigma": pt.exp(x)}, pt)
    slope = pytensor.function([x], pytensor.grad(logp.sum(), x), mode="FAST_COMPILE")
    at = np.array([0.3, 0.2, -0.4])

    def total(x):
        return stats.gumbel_r.logpdf(y, x, np.exp(x)).sum()

    h = 1e-5 * np.eye(3)
    expected = [(total(at + e) - total(at - e)) / 2e-5 for e in h]
    np.testing.assert_allclose(slope(at), expected, rtol=1e-6)


def test_censored_and_truncated_rows(families, data):
    limited = data.assign(y=np.minimum(data["y"], 12.0), c=data["y"] > 12)
    model = mb.Model("y | cens(c) + trunc(lower=3) ~ x", limited, family=families.numbers)
    density = density_of(model)
    theta = np.linspace(-0.2, 0.4, density.ndim)
    step = 1e-5 * np.eye(density.ndim)
    slopes = [
        (density.logp_grad(theta + e)[0] - density.logp_grad(theta - e)[0]) / 2e-5 for e in step
    ]
    np.testing.assert_allclose(density.logp_grad(theta)[1], slopes, rtol=1e-6, atol=1e-6)
    with pytest.raises(mb.DataError, match=r"cens\(c\) is not offered .* logcdf= and logsf="):
        mb.Model("y | cens(c) ~ x", limited, family=families.scipy)


def test_limits_in_pymc_are_the_compiled_ones(families, data):
    limited = data.assign(y=np.minimum(data["y"], 12.0), c=data["y"] > 12)
    model = mb.Model("y | cens(c) + trunc(lower=3) ~ 1", limited, family=families.numbers)
    rows = model.pymc.logp(vars=model.pymc.observed_RVs, sum=False)[0]
    given = {"Intercept": 10.0, "sigma_log__": np.log(1.3)}
    values = {v: np.array(given[v.name]) for v in model.pymc.value_vars}
    found = rows.eval(values, mode="FAST_COMPILE")
    design, own = model.design, {"sigma": np.array([1.3])}
    eta = np.full((1, design.n), 10.0)
    expected = log_density(families.numbers, design.y, eta, own, limits=design.limits)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_code_of_a_user_is_not_kept_on_disk(counts, data):
    paths = []
    for family in (counts, "negative_binomial"):
        row_data = density_of(mb.Model("count ~ x + (1 | g)", data, family=family)).data
        paths.append(loop_of(row_data.density, row_data.front, 1).stats.cache_path)
    assert paths[0] is None
    assert paths[1] is not None


# ---- functions that raise --------------------------------------------------------------------


def test_what_a_compiled_function_raises_ends_the_fit(counts, data):
    said = (
        r"^logp= of the my_counts family raised ValueError: too large at y = 2, mu = 1e\+08, "
        r"shape = 3. Remedy: .*return -math.inf"
    )
    with pytest.raises(mb.ModelError, match=said):
        counts.log_density(np.array([2.0]), np.full((1, 1), 1e8), {"shape": np.array([3.0])})
    large = data.assign(count=200_000_000).set_index(np.arange(48) + 100)
    said = r"too large at y = 2e\+08 \(row 102, or another of 46 with this y\), mu = "
    with pytest.raises(mb.ModelError, match=said):
        mb.fit("count ~ x + (1 | g)", large[2:], family=counts, seed=1)


@pytest.mark.filterwarnings("ignore:sampling will take")
def test_what_a_function_of_arrays_raises_ends_the_fit(families, data, monkeypatch):
    made, calls = families.made, families.made.calls
    monkeypatch.setattr(made, "most", calls + 1200)  # the search for the mode takes 1,000
    with pytest.raises(
        mb.ModelError,
        match=r"scipy= of the gumbel family raised OverflowError: now (at|near) y = [0-9.]+ "
        r"\(row [0-9]\), mu = [0-9.]+, sigma = .*-np.inf",
    ):
        mb.fit("y ~ 1", data[:6], family=families.scipy, seed=1, chains=2, progress=False)
    assert made.calls < calls + 5000  # sampling stops
    mu, own = np.array([[7.0, 7, 7, 7], [7, 7, 11, 7]]), {"sigma": np.ones(2)}
    with pytest.raises(mb.ModelError, match="raised OverflowError: now at y = 3, mu = 11, sigma"):
        families.scipy.log_density(np.full(4, 3.0), mu, own)


# ---- copies ----------------------------------------------------------------------------------


def test_families_are_copied_and_pickled():
    family = by_scipy(location=np.median)
    assert copy.deepcopy(family) is family
    again = pickle.loads(pickle.dumps(family))
    at = np.array([0.5]), np.ones((1, 1)), {"sigma": np.array([2.0])}
    assert again.log_density(*at) == family.log_density(*at)
    assert again.location is not None
    assert (again.name, again.described) == (family.name, family.described)
    chosen = dataclasses.replace(family, links={"sigma": "softplus"})
    assert pickle.loads(pickle.dumps(chosen)).described == chosen.described != family.described
    with pytest.raises(mb.ModelError, match=r"cannot find location=. Remedy: .*mb.load\(path, fam"):
        pickle.dumps(by_scipy(location=lambda y: y.min()))


@pytest.mark.parametrize("sigma", [0.1, 1.5])
def test_averages_of_probabilities_know_where_these_fall(sigma):
    family, own = by_scipy(), {"sigma": np.array([sigma])}
    eta, sd, y = np.full((1, 1), 101.0), np.full((1, 1), 12.0), np.full((1, 1), 105.0)
    place, width = family.transition(y, own)
    assert width == pytest.approx(math.pi / math.sqrt(6) * sigma)
    found = falling_mean(lambda h: family.cdf(y, h, own), eta, sd, place, width)
    expected = integrate.quad(
        lambda z: stats.norm.pdf(z) * family.cdf(y, eta + 12 * z, own).item(),
        -9, 9, points=[1 / 3], limit=500,
    )[0]  # fmt: skip
    assert found.item() == pytest.approx(expected, abs=1e-6)
    heavy = mb.custom("heavy", scipy=stats.cauchy, links=LINKS, location="median")
    assert heavy.transition(y, own) is None


def test_a_long_wait_is_announced():
    slow = SimpleNamespace(ndim=2, logp_grad=lambda z: time.sleep(0.001))
    settings = SimpleNamespace(tune=None, draws=20_000, chains=4)
    with pytest.warns(UserWarning, match=r"about [0-9]+ minutes, .* ms for each .*: so it is"):
        say_how_slow("so it is", slow, settings, "turns")
    assert "logp=" in by_scipy().slowness


# ---- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"links": {"sigma": "log", "mu": "log"}}, "the first parameter is 'mu'"),
        ({"links": {"mu": "inverse"}}, "link of mu is 'inverse'; use one of 'identity', 'log'"),
        ({"links": {"mu": "log", "sigma": "probit"}}, "link of sigma is 'probit'"),
        ({"logp": None}, "it needs a log density"),
        ({"pytensor": gumbel_logp}, "the density once"),
        ({"logp": lambda y, mu: 0.0}, r"called with \(y, mu, sigma\), but takes \(y, mu\)"),
        ({"logp": lambda y, sigma, mu: 0.0}, "in this order"),
        ({"logp": lambda y, mu, sigma: np.zeros(2)}, "gives array from numbers"),
        ({"logp": lambda y, mu, sigma: stats.norm.logpdf(y)}, r"does not compile.*pytensor="),
        ({"logcdf": gumbel_logcdf}, "go together"),
        ({"priors": {"sigma": mb.Normal(0, 1)}}, "sigma is positive by its log link"),
        ({"priors": {"nu": mb.Normal(0, 1)}}, "'nu', which is not a parameter besides mu"),
        ({"location": "mode"}, "give 'mean', 'median'"),
        ({"mean": "median"}, "give 'mu'"),
        ({"simulate": lambda mu, sigma: mu}, "simulate= is called with"),
        ({"typical": {"sigma": -1.0}}, "its link does not take"),
        ({"typical": {"sigma": None}}, "sigma = None, which is no number"),
        ({"typical": [0, 1]}, "a dictionary by parameter"),
        ({"priors": [mb.Gamma(2, 1)]}, "a dictionary by parameter"),
        ({"discrete": "no"}, "give True or False"),
        ({"discrete": True, "support": (0.5, 3)}, "between whole numbers"),
        ({"logp": functools.partial(gumbel_logp, 0.0)}, "is a partial, which does not compile"),
        ({"logp": lambda y, mu, sigma: helper(y)}, "function of Python: decorate .* @numba.njit"),
        ({"logp": lambda y, mu, sigma: print(y)}, r"calls print\(\), for every row"),
        ({"logp": lambda y, sigma, s: 0.0}, r"takes \(y, sigma, s\) in this order"),
    ],
)
def test_what_does_not_go_together_is_refused(changed, said):
    with pytest.raises(mb.ModelError, match=rf"(?s)^mb.custom\('gumbel'\): .*{said}"):
        gumbel(**changed)


def helper(y):
    return -y


def poisson(y, mu, parameters):
    return y * np.log(mu) - mu - special.gammaln(y + 1)


def normal(y, mu, parameters):
    return stats.norm.logpdf(y, mu, parameters[:, 0])


def gamma(y, mu, parameters):
    return np.where(y > 0, -np.log(mu) - y / mu, np.nan)


@pytest.mark.parametrize(
    ("values", "at", "said"),
    [
        (poisson, {"mu": 1.0}, "whole numbers from 0 on it sums to 1: say discrete=True"),
        (lambda *a: np.exp(normal(*a)), {"mu": 0.5, "sigma": 2.0}, r"give log p\(y\), not p\(y\)"),
        (normal, {"sigma": 1.0, "mu": 0.0}, r"as \(y, mu, sigma\) .* links=, \(y, sigma, mu\)"),
        (gamma, {"mu": 1.0}, r"NaN at y = -.* say support='positive', or give -math.inf"),
    ],
)
def test_what_was_meant_is_recognised(values, at, said):
    trial = Trial("own", False, -np.inf, np.inf, at)
    with np.errstate(all="ignore"), pytest.raises(mb.ModelError, match=said):
        trial.distribution(SimpleNamespace(name="logp", values=values))


def test_an_end_of_the_support_that_moves_is_no_bound():
    family = mb.custom("late", scipy=stats.expon, links=LINKS, location=np.min)
    assert family.supports(np.array([-7.0, 3.0])).all()
    family = mb.custom(
        "early", scipy=lambda mu: stats.uniform(0, mu), links={"mu": "log"}, location=np.max
    )
    assert (family.given.lower, family.given.upper) == (0, np.inf)


def by_scipy(**changed):
    """Wrong functions beside a density that need not be compiled."""
    given = {"scipy": stats.gumbel_r, "links": LINKS, "location": "median"}
    return mb.custom("gumbel", **given | changed)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"simulate": lambda mu, sigma, rng: rng.normal(mu, sigma)}, "and the density disagree"),
        ({"simulate": lambda mu, sigma, rng: 3.0}, r"gave np.float64\(3.0\)"),
        ({"simulate": lambda mu, sigma, rng: 1 / 0}, "ZeroDivisionError: division by zero"),
        ({"mean": "mu"}, r"mean= is 0 at mu = 0, sigma = 1, where the density's is 0.577"),
        ({"mean": lambda mu, sigma: "a"}, "mean= gave .* one number for each"),
        ({"variance": lambda mu, sigma: sigma**2}, "variance= is 1 at"),
        ({"cdf": lambda y, mu, sigma: np.zeros(3)}, "cdf= gave an array of shape"),
        ({"cdf": lambda y, mu, sigma: stats.norm.cdf(y, mu, sigma)}, r"cdf= says P\(Y <="),
        ({"support": "positive"}, "integrates to 0.632.* over positive numbers, not to 1"),
        ({"discrete": True}, "a continuous distribution"),
        ({"scipy": lambda mu, sigma: 3}, "is no frozen distribution"),
        ({"scipy": lambda mu, sigma: stats.norm(sigma, mu)}, r"would take \(sigma, mu\) in the"),
        ({"mean": lambda mu, sigma: math.exp(mu)}, "called with arrays: use functions of numpy"),
        (
            {"scipy": lambda mu, sigma: stats.norm(mu, -sigma)},
            "without values at mu = 0",
        ),
    ],
)
def test_what_contradicts_the_density_is_refused(changed, said):
    with pytest.raises(mb.ModelError, match=rf"(?s)^mb.custom\('gumbel'\): .*{said}"):
        by_scipy(**changed)


def test_a_wrong_gradient_is_refused():
    with pytest.raises(mb.ModelError, match=r"d log p / d mu = 1 at y = .*differences give"):
        gumbel(gradient=lambda y, mu, sigma: (1 / sigma, 0.0))


def test_parameters_without_a_prior_and_data_without_a_location_are_refused(data):
    with pytest.raises(mb.ModelError, match=r"k has no default prior.*priors=\{'k': mb.Gamma"):
        mb.custom("own", scipy=stats.gamma, links={"mu": "log", "k": "log"})
    family = mb.custom("own", scipy=stats.gumbel_r, links=LINKS)
    with pytest.raises(mb.ModelError, match=r"where mu lies in the data .* give location="):
        mb.Model("y ~ x", data, family=family)
    with pytest.raises(mb.DataError, match="takes counts 0, 1, 2"):
        mb.Model("y ~ x", data, family=mb.custom("own", scipy=stats.poisson, links={"mu": "log"}))


# ---- a fit -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fit(families, data):
    options = {"seed": 1, "draws": 300, "tune": 300, "chains": 2}
    return mb.fit("y ~ x + (1 | g)", data, family=families.numbers, **options)


def test_simulated_data_need_draws_and_r_has_no_family_of_ones_own(data):
    family = gumbel(simulate=None)
    with pytest.raises(mb.ModelError, match=r"how observations are drawn is not known .*simulate="):
        mb.simulate(
            "y ~ x + (1 | g)", groups={"g": 5}, sd={"g": 1.0}, sigma=1.0, family=family, seed=1
        )
    written = mb.Model(["y ~ x + (1 | g)", "sigma ~ x"], data, family=family)
    with pytest.raises(mb.ModelError, match=r"lme4 has no gumbel family$"):
        written.code("lme4")


def test_tables_and_predictions(fit, data):
    assert "sigma" in fit.summary().parameters["parameter"].to_list()
    assert "Residual" not in fit.varcorr()["group"].to_list()
    sigma = fit.parameters(draws=True)["sigma"]
    within = np.pi**2 / 6 * float((sigma**2).mean())
    between = float(fit.varcorr()["variance"].iloc[0])
    share = between / (between + within)
    assert fit.icc()["mean"].iloc[0] == pytest.approx(share, abs=0.08)
    new = pd.DataFrame({"x": [0.0], "g": [99]})
    mean = fit.predict(new, kind="mean", groups="typical")["mean"].iloc[0]
    intercept = fit.fixef()["mean"].iloc[0]
    assert mean == pytest.approx(intercept + EULER * float(sigma.mean()), abs=1e-6)
    below = fit.predict(new, target="P(y < 11)", groups="typical")["mean"].iloc[0]
    above = fit.predict(new, target="P(y > 11)", groups="typical")["mean"].iloc[0]
    assert below + above == pytest.approx(1, abs=1e-9)
    with pytest.raises(mb.ModelError, match="custom_family"):
        fit.model.code("brms")
    with pytest.raises(mb.ModelError, match="mu is not the mean"):
        fit.shrinkage()


def test_quantities_without_a_variance_have_no_shares(fit, monkeypatch):
    monkeypatch.setattr(type(fit.model.family), "no_latent_variance", "variance= is not given")
    assert set(fit.describe()["table"]) == {"varcorr", "fixef", "parameters"}
    with pytest.raises(mb.ModelError, match="variance= is not given"):
        fit.icc()


def test_a_file_knows_its_family_again(fit, families, tmp_path):
    path = fit.save(tmp_path / "fit.nc")
    with pytest.raises(mb.FileError, match=r"'gumbel' \(mu: identity, sigma: log\).*holds no code"):
        mb.load(path)
    with pytest.raises(mb.FileError, match=r"'gumbel' \(mu: identity, s: log\) is given"):
        mb.load(path, family=families.pytensor)
    other = mb.custom("gumbel", scipy=stats.logistic, links=LINKS, location="median")
    with pytest.raises(mb.FileError, match="another density of 'gumbel'"):
        mb.load(path, family=other)
    moved = dataclasses.replace(families.numbers, links={"sigma": mb.Softplus()})
    with pytest.raises(mb.FileError, match=r"'gumbel' \(mu: identity, sigma: softplus\) is given"):
        mb.load(path, family=moved)
    for same in (families.numbers, families.scipy):
        pd.testing.assert_frame_equal(mb.load(path, family=same).fixef(), fit.fixef())
    with pytest.raises(mb.SamplingError, match="your own family 'gumbel'"):
        fit.model.fit(seed=1, cache=tmp_path)
