"""Log densities of censored and truncated rows, with derivatives, and draws within limits."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from family_values import values_of
from scipy import integrate, special, stats

import mixedbayes as mb
from mixedbayes.families.limited import draw_within, log_density, log_mass
from mixedbayes.families.registry import FAMILIES
from mixedbayes.joint.density import JointDensity

NORMAL = FAMILIES["gaussian"]()
SIGMA = {"sigma": np.array([1.0])}
MODELS = {
    "gaussian": ["y | cens(kind, y2) ~ x + (1 | g)"],
    "gamma": ["y | cens(kind, y2) + trunc(0.2, cap) + weights(w) ~ x + (1 | g)", "shape ~ x"],
    "poisson": ["y | cens(kind, y2) + trunc(1, cap) + weights(w) ~ x + (1 | g)"],
}
TAILS = [n for n, kind in FAMILIES.items() if getattr(kind().row_density, "tails", None)]


@pytest.mark.parametrize("name", TAILS)
def test_tails_are_exact_far_out(name, reference):
    """log P(a < Y <= b) by mpmath, with 150 digits."""
    cases = [case for case in reference("tails") if case["family"] == name]
    for case in cases:
        a, b = (np.array([e if e is not None else inf]) for e, inf in _ends(case))
        own = {key: np.array([value]) for key, value in case["parameters"].items()}
        found = log_mass(FAMILIES[name](), a, b, np.array([[case["mu"]]]), own, None)[0, 0]
        tiny = case["parameters"].get("shape", 1) < 1e-5  # P is 1 to eleven digits, and Q = 1 - P
        assert found == pytest.approx(case["value"], rel=1e-9 if tiny else 1e-12, abs=1e-12), case


@pytest.mark.parametrize("name", TAILS)
def test_tails_are_those_of_the_distribution_function(name):
    family = FAMILIES[name]()
    own = {key: values[:1] for key, values in values_of(family).items()}
    mu, weights = np.full((1, 5), 0.4), np.array([1.0, 2.0, 1.0, 1.0, 3.0])
    y = np.array([0.1, 0.3, 0.5, 0.7, 0.9]) * (10 if family.counting else 1)
    divides = {} if family.repeats_rows else {"weights": weights}
    below = family.cdf(y, mu, own, **divides)
    nothing = np.full(5, np.inf)
    logs = [
        log_mass(family, a, b, mu, own, divides.get("weights"))
        for a, b in ((-nothing, y), (y, nothing))
    ]
    np.testing.assert_allclose(np.exp(logs[0]), below, rtol=1e-12)
    np.testing.assert_allclose(np.exp(logs[1]), 1 - below, rtol=1e-9, atol=1e-15)


def _ends(case):
    return (case["a"], -np.inf), (case["b"], np.inf)


def data(family):
    """Rows of every kind of censoring."""
    rng = np.random.default_rng(2)
    n = 24
    y = np.exp(rng.normal(0.5, 0.4, n))
    y = np.ceil(3 * y) if FAMILIES[family].discrete else y
    return pd.DataFrame(
        {
            "y": y, "kind": np.arange(n) % 4 - 1, "y2": y + np.ceil(rng.uniform(size=n)),
            "cap": np.ceil(y) + 3, "x": rng.normal(size=n), "g": np.arange(n) % 3,
            "w": rng.integers(1, 4, n).astype(float),
        }
    )  # fmt: skip


@pytest.fixture(params=MODELS, scope="module")
def model(request):
    return mb.Model(MODELS[request.param], data(request.param), family=request.param)


def test_the_joint_density_has_the_rows_of_arrays_and_their_derivatives(model):
    spec, design = model.spec, model.design
    density = JointDensity.of(design, spec.family, spec.priors)
    rng = np.random.default_rng(1)
    theta = rng.normal(0, 0.3, (2, density.ndim))
    named = density.layout.named(theta, density.coordinates)
    totals, rows = [], []
    for k in range(2):
        value, gradient = density.logp_grad(theta[k])
        steps = 1e-6 * np.eye(density.ndim)
        change = [
            density.logp_grad(theta[k] + e)[0] - density.logp_grad(theta[k] - e)[0] for e in steps
        ]
        np.testing.assert_allclose(gradient, np.array(change) / 2e-6, rtol=2e-6, atol=2e-5)
        totals.append(value)
        rows.append(_rows(model, {name: v[k : k + 1] for name, v in named.items()}))
    # what is not in the rows, by the same model of known responses
    plain = _known(model)
    other = JointDensity.of(plain.design, plain.family, model.spec.priors)
    rest = [
        other.logp_grad(t)[0] - _rows(plain, {name: v[k : k + 1] for name, v in named.items()})
        for k, t in enumerate(theta)
    ]
    np.testing.assert_allclose(np.subtract(totals, rows), rest, rtol=1e-9)


def _known(model):
    left, right = model.design.formula.text.split("~")
    weighted = " | weights(w)" if "weights" in left else ""
    texts = [f"y{weighted} ~ {right}", *model.design.formula.texts[1:]]
    return mb.Model(texts, data(model.family.name), family=model.family.name)


def _rows(model, named):
    design, family = model.design, model.family
    eta, own = {}, {}
    for p in design.predictors:
        prefix = "" if p.parameter == "mu" else f"{p.parameter}_"
        eta[p.parameter] = p.eta(
            named[f"{prefix}Intercept"], named[f"{prefix}fixef"],
            lambda g: named[f"ranef_{g.name}"],
        ).T  # fmt: skip
    for name in family.parameters:
        link = family.parameter_link(name)
        own[name] = link.inverse(eta[name], np) if name in eta else named[name]
    mu = family.inverse(eta["mu"], np)
    return log_density(
        family, design.y, mu, own, weights=design.weights, limits=design.limits
    ).sum()  # fmt: skip


def test_draws_within_limits_are_of_the_truncated_distribution():
    rng = np.random.default_rng(3)
    low, high = np.array([1.0, 6.0, -np.inf, -40.0]), np.array([2.0, np.inf, 0.5, -38.0])
    mu = np.zeros((4000, 4))
    y = draw_within(NORMAL, low, high, mu, {"sigma": np.ones(4000)}, rng, None)
    assert ((y > low) & (y <= high)).all()
    for k in range(4):
        law = stats.truncnorm(low[k], high[k])
        se = y[:, k].std() / np.sqrt(len(y))
        assert abs(y[:, k].mean() - law.mean()) < 4 * se


def test_mass_between_bounds_is_one():
    """The density of a truncated row integrates to 1 over the bounds."""
    limits = mb.Model("y | trunc(0.3, 4) ~ 1", pd.DataFrame({"y": [1.0, 2.0]})).design.limits

    def density(y):
        mu = np.full((1, 1), 0.7)
        found = log_density(NORMAL, np.array([y]), mu, SIGMA, limits=limits.take([0]))
        return float(np.exp(found[0, 0]))

    assert integrate.quad(density, 0.3, 4)[0] == pytest.approx(1, rel=1e-10)


SURVREG = {  # name -> file, family, formula; R's survival::survreg, at its estimates
    "interval lognormal": ("interval", "lognormal", "y | cens(cens, y2) ~ x + trt"),
    "Tobit": ("tobin", "gaussian", "durable | cens(left) ~ age + quant"),
}


@pytest.mark.parametrize("name", SURVREG)
def test_rows_are_those_of_survreg(name, reference):
    file, family, formula = SURVREG[name]
    expected = reference(f"survreg_{file}")[family]
    folder = Path(__file__).parents[1] / "reference"
    frame = pd.read_csv(folder / ("tobin.csv" if file == "tobin" else "sim_interval.csv"))
    frame["left"] = -1 * (frame.iloc[:, 0] == 0)
    design = mb.Model(formula, frame, family=family).design
    beta = np.array(expected["estimate"][:-1])
    sigma = {"sigma": np.exp(expected["estimate"][-1:])}
    eta = beta[0] + design.mu.X @ beta[1:]
    rows = log_density(
        FAMILIES[family](), design.y, eta[None], sigma, limits=design.limits
    )[0]  # fmt: skip
    known = expected["first_10_row_log_likelihoods"]
    np.testing.assert_allclose(rows[:10], known, rtol=1e-11)
    assert rows.sum() == pytest.approx(expected["logLik"], rel=1e-12)


@pytest.mark.parametrize("name", ["interval_lognormal", "interval_weibull", "kidney_weibull"])
def test_the_marginal_likelihood_is_that_of_the_exact_frailty_model(name, reference):
    """At the estimates of exact maximum likelihood, by 61 nodes of Gauss and Hermite."""
    found = reference(f"frailty_{name}")
    data, family = name.split("_")
    if data == "kidney":
        frame, formula = mb.load_data("kidney"), "time | cens(censored) ~ age + sex + disease"
        group = frame["patient"]
    else:
        frame = pd.read_csv(Path(__file__).parents[1] / "reference" / "sim_interval.csv")
        formula, group = "y | cens(cens, y2) ~ x + trt", frame["clinic"]
    design = mb.Model(formula, frame, family=family).design
    *beta, log_scale, log_sd = found["estimate"]
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    eta = beta[0] + design.mu.X @ beta[1:] + np.exp(log_sd) * nodes[:, None]
    if family == "weibull":  # their location is the logarithm of the scale
        own = {"shape": np.full(61, np.exp(-log_scale))}
        mu = np.exp(eta) * special.gamma(1 + np.exp(log_scale))
    else:
        own, mu = {"sigma": np.full(61, np.exp(log_scale))}, eta
    rows = log_density(FAMILIES[family](), design.y, mu, own, limits=design.limits)
    by_group = pd.DataFrame(rows.T).groupby(group.to_numpy(), observed=True).sum().to_numpy()
    total = special.logsumexp(by_group, b=weights / np.sqrt(2 * np.pi), axis=1).sum()
    assert total == pytest.approx(found["logLik"], abs=1e-6)


def test_what_is_known_to_be_above_a_time_says_nothing_of_the_shortest():
    """The prior of ndt goes up to the least that a response is at most."""
    y = [0.9, 0.8, 0.1, 0.05, 0.85]
    d = pd.DataFrame({"y": y, "kind": ["none", "left", "right", "interval", "none"]})
    d["y2"] = [np.nan, np.nan, np.nan, 0.7, np.nan]

    def priors(rows):
        model = mb.Model("y | cens(kind, y2) ~ 1", rows, family="shifted_lognormal")
        return model.spec.priors.parameters["ndt"].prior, model.spec.priors.mu.intercept.prior

    ndt, intercept = priors(d)
    assert ndt.upper == 0.7
    assert intercept.mu == pytest.approx(np.log(np.maximum(y, 0.7) - 0.35).mean())
    assert priors(d[d.kind != "interval"])[0].upper == 0.8
    assert priors(d[d.kind.isin(["none", "right"])])[0].upper == 0.85
    _, intercept = priors(d.iloc[:3].assign(kind=["none", "right", "right"]))
    assert (intercept.mu, intercept.sigma) == pytest.approx((np.log(0.45), 2.5))
