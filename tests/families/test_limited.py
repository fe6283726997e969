"""Log densities of censored and truncated rows, with derivatives, and draws within limits."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from family_values import values_of
from scipy import integrate, special, stats

import mixedbayes as mb
from mixedbayes.errors import DataError
from mixedbayes.families.limited import draw_within, log_density, log_mass
from mixedbayes.families.registry import FAMILIES, with_limits
from mixedbayes.joint.data import row_data
from mixedbayes.joint.density import JointDensity

NORMAL = FAMILIES["gaussian"]()
SIGMA = {"sigma": np.array([1.0])}
MODELS = {
    "hurdle_lognormal": ["y | cens(kind, y2) ~ x + (1 | g)", "hu ~ x"],
    "gamma": ["y | cens(kind, y2) + trunc(0.2, cap) + weights(w) ~ x + (1 | g)", "shape ~ x"],
    "poisson": ["y | cens(kind, y2) + trunc(1, cap) + weights(w) ~ x + (1 | g)"],
}
LIMITED = with_limits()
PROGRAM = Path(__file__).parents[1] / "support" / "plain_masses.py"


def plain_masses(cases):
    """log P(a < Y <= b) of cases with derivatives, without compiling 28 families."""
    run = subprocess.run(
        [sys.executable, str(PROGRAM)], input=json.dumps(cases), capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(mb.__file__).parents[1])},
    )  # fmt: skip
    assert not run.returncode, run.stderr
    return json.loads(run.stdout)


def middle(name):
    """Ranges of every kind at usual values of a family's parameters."""
    family = FAMILIES[name]()
    own = {key: float(values[0]) for key, values in values_of(family).items()}
    places = (0, 2, 4) if family.discrete else (0.0, 0.3, 0.7) if family.atoms else (0.1, 0.3, 0.7)
    low, middle, high = map(float, places)
    trials = {"trials": 9} if family.trials else {}
    ranges = [(None, low), (None, middle), (middle, None), (low, high), (middle, high), (low, None)]
    return [
        {"family": name, "mu": 0.4, "parameters": own, **trials, "a": a, "b": b, "differences": 1}
        for a, b in ranges
    ]


@pytest.fixture(scope="module")
def masses(reference):
    """Cases by mpmath with 150 digits, others within the distribution, and what is found of all."""
    cases = reference("tails") + [case for name in LIMITED for case in middle(name)]
    return list(zip(cases, plain_masses(cases), strict=True))


@pytest.mark.parametrize("name", LIMITED)
def test_masses_are_exact_far_out(name, masses):
    cases = [pair for pair in masses if pair[0]["family"] == name and "value" in pair[0]]
    assert len(cases) > 1
    for case, found in cases:
        tiny = case["parameters"].get("shape", 1) < 1e-5  # P is 1 to eleven digits, and Q = 1 - P
        near = pytest.approx(case["value"], rel=1e-9 if tiny else 1e-12, abs=1e-12)
        assert found["value"] == near, case


@pytest.mark.parametrize("name", LIMITED)
def test_masses_are_those_of_the_distribution_function_and_have_its_derivatives(name, masses):
    family = FAMILIES[name]()
    for case, found in (
        pair for pair in masses if pair[0]["family"] == name and "value" not in pair[0]
    ):
        own = {key: np.array([value]) for key, value in case["parameters"].items()}
        trials = np.array([case["trials"]]) if "trials" in case else None
        mu = np.full((1, 1), 0.4)
        ends = [
            outside if y is None
            else float(family.cdf(np.full((1, 1), y), mu, own, trials=trials)[0, 0])
            for y, outside in ((case["a"], 0.0), (case["b"], 1.0))
        ]  # fmt: skip
        assert np.exp(found["value"]) == pytest.approx(ends[1] - ends[0], abs=1e-13), case
        if found["value"] > -np.inf:
            np.testing.assert_allclose(found["slopes"], found["differences"], rtol=1e-7, atol=1e-8)


def test_families_take_limits_or_say_why_not():
    assert all(FAMILIES[name].no_limits for name in set(FAMILIES) - set(LIMITED))
    d = pd.DataFrame({"y": [0.0, 1.0, 0.0], "c": [0, 1, -1]})
    with pytest.raises(DataError) as caught:
        mb.Model("y | cens(c) ~ 1", d, family="bernoulli")
    text = str(caught.value)
    assert "cens(c) is not offered for the bernoulli family: of 0 and 1" in text
    assert text.endswith(", ".join(LIMITED))
    pattern = r"truncated in\s+(.*?)\. They are not in (.*?)\n\s*residual\n"
    takes, others = re.search(pattern, mb.Model.__doc__, re.DOTALL).groups()
    assert set(re.findall(r"\w+", takes)) & set(FAMILIES) == set(LIMITED)
    assert set(re.findall(r"\w+", others)) & set(FAMILIES) == set(FAMILIES) - set(LIMITED)
    assert "no angle is beyond another" in FAMILIES["von_mises"]().limits_obstacle


def test_weights_that_divide_the_variance_are_in_the_masses():
    mu, weights = np.full((1, 3), 0.4), np.array([1.0, 2.0, 3.0])
    y = np.array([0.1, 0.5, 0.9])
    found = log_mass(NORMAL, np.full(3, -np.inf), y, mu, SIGMA, weights)
    np.testing.assert_allclose(np.exp(found), NORMAL.cdf(y, mu, SIGMA, weights=weights), rtol=1e-13)


def data(family):
    """Rows of every kind of censoring."""
    rng = np.random.default_rng(2)
    n = 24
    y = np.exp(rng.normal(0.5, 0.4, n))
    y = np.ceil(3 * y) if FAMILIES[family].discrete else y
    if 0.0 in FAMILIES[family].atoms:
        y[:8] = 0.0
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


def test_rows_of_trials_know_them_and_how_often_they_count():
    d = pd.DataFrame({"y": [3.0, 4, 9, 2], "n": [9, 9, 9, 8], "kind": [0, 1, -1, 0]})
    d["w"] = [1.0, 2, 1, 3]
    formula = "y | trials(n) + cens(kind) + trunc(1, 8) + weights(w) ~ 1"
    with pytest.raises(DataError, match="outside"):
        mb.Model(formula.replace("1, 8", "5, 8"), d, family="binomial")
    design = mb.Model(formula, d, family="binomial").design
    found = row_data(design, FAMILIES["binomial"]())
    extra = found.extra.reshape(4, -1)
    np.testing.assert_array_equal(extra[:, 1], [0, 1, 1, 0])  # a range
    np.testing.assert_array_equal(found.y, [3, 4, 0, 6])  # w y, or its lower end
    np.testing.assert_array_equal(found.size[[0, 3]], [9, 24])
    np.testing.assert_array_equal(extra[1:3, 2], [8, 8])
    np.testing.assert_array_equal(extra[:, 3:5], [[0, 8]] * 3 + [[0, np.inf]])
    np.testing.assert_array_equal(extra[:, 5:], [[1, 9], [2, 9], [1, 9], [3, 8]])


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
    above = np.maximum(y, 0.7) - 0.7
    assert intercept.mu == pytest.approx(np.log(above + np.quantile(above, 0.75)).mean())
    assert priors(d[d.kind != "interval"])[0].upper == 0.8
    assert priors(d[d.kind.isin(["none", "right"])])[0].upper == 0.85
    _, intercept = priors(d.iloc[:3].assign(kind=["none", "right", "right"]))
    assert (intercept.mu, intercept.sigma) == pytest.approx((np.log(0.45), 2.5))
