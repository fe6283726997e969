"""Each family's log density against SciPy's, PyMC's and its own sums; its draws' moments."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from family_values import needs_trials
from scipy import integrate, special, stats

from mixedbayes.families.registry import FAMILIES, family_from_names
from mixedbayes.model.response import distribution_of

CASES = [
    (name, link.name)
    for name, kind in FAMILIES.items()
    for link in kind.mean_links
    if not kind.columns
]


def scipy_log_density(name, y, mu, p, trials, link):
    """The same density in SciPy's parametrisation, for one draw."""
    match name:
        case "gaussian":
            return stats.norm(mu, p["sigma"]).logpdf(y)
        case "student_t":
            return stats.t(p["nu"], mu, p["sigma"]).logpdf(y)
        case "skew_normal":
            delta = p["alpha"] / np.sqrt(1 + p["alpha"] ** 2)
            omega = p["sigma"] / np.sqrt(1 - 2 * delta**2 / np.pi)
            xi = mu - omega * delta * np.sqrt(2 / np.pi)
            return stats.skewnorm(p["alpha"], xi, omega).logpdf(y)
        case "exgaussian":
            k = p["beta"] / p["sigma"]
            return stats.exponnorm(k, mu - p["beta"], p["sigma"]).logpdf(y)
        case "asymmetric_laplace":
            q = p["quantile"]
            scale = p["sigma"] / np.sqrt(q * (1 - q))
            return stats.laplace_asymmetric(np.sqrt(q / (1 - q)), mu, scale).logpdf(y)
        case "shifted_lognormal":
            return stats.lognorm(p["sigma"], p["ndt"], np.exp(mu)).logpdf(y)
        case "lognormal":
            return stats.lognorm(p["sigma"], scale=np.exp(mu)).logpdf(y)
        case "gamma":
            return stats.gamma(p["shape"], scale=mu / p["shape"]).logpdf(y)
        case "weibull":
            scale = mu / special.gamma(1 + 1 / p["shape"])
            return stats.weibull_min(p["shape"], scale=scale).logpdf(y)
        case "exponential":
            return stats.expon(scale=mu).logpdf(y)
        case "inverse_gaussian":
            return stats.invgauss(mu / p["shape"], scale=p["shape"]).logpdf(y)
        case "von_mises":
            return stats.vonmises(p["kappa"], mu).logpdf(y)
        case "beta":
            return stats.beta(mu * p["phi"], (1 - mu) * p["phi"]).logpdf(y)
        case "bernoulli":
            return stats.bernoulli(mu).logpmf(y)
        case "binomial":
            return stats.binom(trials, mu).logpmf(y)
        case "poisson":
            return stats.poisson(mu).logpmf(y)
        case "negative_binomial":
            return stats.nbinom(p["shape"], p["shape"] / (p["shape"] + mu)).logpmf(y)
        case "negative_binomial1":
            return stats.nbinom(mu / p["phi"], 1 / (1 + p["phi"])).logpmf(y)
        case "geometric":
            return stats.geom(1 / (1 + mu), loc=-1).logpmf(y)
        case "beta_binomial":
            return stats.betabinom(trials, mu * p["phi"], (1 - mu) * p["phi"]).logpmf(y)
        case _ if name.startswith("zero_inflated_"):
            own = scipy_log_density(name.removeprefix("zero_inflated_"), y, mu, p, trials, link)
            return np.log(np.where(y == 0, p["zi"], 0.0) + (1 - p["zi"]) * np.exp(own))
        case "hurdle_poisson" | "hurdle_negative_binomial":
            name = name.removeprefix("hurdle_")
            own, at_zero = (
                scipy_log_density(name, k, mu, p, trials, link) for k in (y, np.zeros_like(y))
            )
            above = np.log1p(-p["hu"]) + own - np.log1p(-np.exp(at_zero))
            return np.where(y == 0, np.log(p["hu"]), above)
        case "cumulative" | "sratio" | "cratio" | "acat":
            return np.log(ordinal_probabilities(name, mu, p, link)[np.arange(len(y)), y])
        case _:
            pytest.skip("compared with PyMC's density alone")


def ordinal_probabilities(name, mu, p, link):
    """(n, K) products of SciPy's distribution functions, as brms's manual has them."""
    F = {"logit": stats.logistic, "probit": stats.norm, "cloglog": stats.gumbel_l}[link]
    h = p["disc"] * (p["thresholds"] - mu[:, None])
    one, none = np.ones((len(mu), 1)), np.zeros((len(mu), 1))
    if name == "cumulative":
        left = np.diff(np.hstack([none, F.cdf(h), one]), axis=1)
        right = -np.diff(np.hstack([one, F.sf(h), none]), axis=1)
        return np.where(np.hstack([h, h[:, -1:]]) < 0, left, right)  # from the lighter tail
    stays, goes = (F.cdf(h), F.sf(h)) if name == "sratio" else (F.sf(-h), F.cdf(-h))
    reached = np.cumprod(np.hstack([one, goes]), axis=1)
    if name != "acat":
        return reached * np.hstack([stays, one])
    back = np.cumprod(np.hstack([one, stays[:, ::-1]]), axis=1)[:, ::-1]
    return reached * back / (reached * back).sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("name", "link"), CASES)
def test_log_density_is_scipys(name, link, make):
    family, design, eta = make.simulated(name, link, make.rng)
    mu, p = family.inverse(eta, np), make.parameters(name)
    if "disc" in p:
        p["disc"] = p["disc"] / 3  # SciPy's products do not underflow
    found = family.log_density(design.y, mu, p, trials=design.trials)
    y = design.y.astype(int) if family.discrete else design.y
    expected = [
        scipy_log_density(name, y, mu[s], {k: v[s] for k, v in p.items()}, design.trials, link)
        for s in range(len(mu))
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("name", "link"), CASES)
@pytest.mark.parametrize("weighted", [False, True])
def test_log_density_is_pymcs(name, link, weighted, make):
    family, design, eta = make.simulated(name, link, make.rng, weighted)
    p = {k: v[0] for k, v in make.parameters(name).items()}
    kind, args = family.pymc(pt.as_tensor(eta[0]), p, design, pt)
    y = design.y.astype(np.int64) if family.discrete else design.y
    logp = pm.logp(distribution_of(family, kind).dist(**args, shape=len(y)), y)
    found = pytensor.function([], logp, mode="FAST_COMPILE")()
    if weighted and family.repeats_rows:
        found = found * design.weights
    expected = family.log_density(
        design.y,
        family.inverse(eta[:1], np),
        {k: v[:1] for k, v in make.parameters(name).items()},
        weights=design.weights,
        trials=design.trials,
    )[0]
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(("name", "link"), [c for c in CASES if not FAMILIES[c[0]].unordered])
def test_draws_have_the_mean_and_variance(name, link, make):
    family = family_from_names(name, link)
    size = 40_000
    mu = np.repeat(family.inverse(make.predictors(link, make.rng, (1, 3)), np), size, axis=0)
    p = {k: np.repeat(v[1:2], size, axis=0) for k, v in make.parameters(name).items()}
    trials = np.array([1, 4, 30])
    y = family.simulate(mu, p, make.rng, trials=trials)
    if family.no_average:  # angles, as differences from their direction
        y = mu + np.angle(np.exp(1j * (y - mu)))
    y = y / trials if needs_trials(family) else y + family.first_code
    mean = family.expectation(mu, p)[0]
    variance = np.broadcast_to(family.variance(mu, p, trials=trials), mu.shape)[0]
    np.testing.assert_allclose(y.mean(axis=0), mean, atol=5 * np.sqrt(variance.max() / size))
    np.testing.assert_allclose(y.var(axis=0), variance, rtol=0.2 if name == "student_t" else 0.06)


@pytest.mark.parametrize("name", [n for n, k in FAMILIES.items() if not k.repeats_rows])
def test_a_weight_divides_the_variance(name, make):
    family, design, eta = make.simulated(name, FAMILIES[name]().link.name, make.rng)
    mu, p = family.inverse(eta, np), make.parameters(name)
    if family.mean_link == "log" != family.link.name:  # it is log y whose variance is divided
        alone = family.residual_variance(p)
        drawn = family.simulate(np.zeros((3, 9000)), p, make.rng, weights=np.full(9000, 4.0))
        logs = np.log(drawn - np.reshape(p.get("ndt", 0.0), (-1, 1)))
        np.testing.assert_allclose(logs.var(axis=1), alone / 4, rtol=0.1)
        return
    whole = np.broadcast_to(family.variance(mu, p), mu.shape)
    quarter = family.variance(mu, p, weights=np.full(design.n, 4.0))
    np.testing.assert_allclose(quarter, whole / 4)


@pytest.mark.parametrize(
    "name", [n for n, k in FAMILIES.items() if k.repeats_rows and not k.columns]
)
def test_a_row_of_weight_two_counts_twice(name, make):
    family, design, eta = make.simulated(name, FAMILIES[name]().link.name, make.rng)
    mu, p = family.inverse(eta, np), make.parameters(name)
    once = family.log_density(design.y, mu, p, trials=design.trials)
    twice = family.log_density(
        design.y, mu, p, trials=design.trials, weights=np.full(design.n, 2.0)
    )
    np.testing.assert_allclose(twice, 2 * once)


@pytest.mark.parametrize("name", ["lognormal", "gamma", "weibull", "inverse_gaussian", "beta"])
def test_densities_integrate_to_one(name, make):
    family = FAMILIES[name]()
    p = {k: v[1:2] for k, v in make.parameters(name).items()}
    mu = family.inverse(np.array([[0.4]]), np)
    top = 1.0 if name == "beta" else np.inf
    total, _ = integrate.quad(
        lambda y: float(np.exp(family.log_density(np.array([y]), mu, p)[0, 0])), 0, top
    )
    assert total == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_probabilities_of_categories_far_out_keep_their_digits(link, make):
    family = family_from_names("cumulative", link)
    p = {"thresholds": np.array([[20.0, 21.0]])}  # no disc: it is 1
    mu = np.array([[0.0, 0.0, 0.0]])
    found = family.log_density(np.array([0.0, 1.0, 2.0]), mu, p)[0]
    if link == "logit":
        log_tail = -np.log1p(np.exp([20.0, 21.0])) * 1.0
    else:
        log_tail = special.log_ndtr([-20.0, -21.0])
    middle = log_tail[0] + np.log1p(-np.exp(log_tail[1] - log_tail[0]))
    np.testing.assert_allclose(found[1:], [middle, log_tail[1]], rtol=1e-12)
    assert found[0] == pytest.approx(0, abs=1e-8)
