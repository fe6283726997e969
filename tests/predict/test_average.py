"""The average over the population of groups, through links that are not the identity."""

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, special, stats

from mixedbayes import names
from mixedbayes.errors import DataError, ModelError
from mixedbayes.families.bernoulli import Bernoulli
from mixedbayes.families.binomial import Binomial
from mixedbayes.families.gamma import GammaFamily
from mixedbayes.families.links import Cloglog, Inverse, Log, Logit, Probit
from mixedbayes.families.lognormal import Lognormal
from mixedbayes.families.poisson import Poisson
from mixedbayes.predict.evaluate import population_mean
from mixedbayes.predict.predict import predict

SLOPES = "y ~ x + (x | g)"
SD, COR = np.array([1.5, 0.8]), np.array([[1, -0.4], [-0.4, 1]])
COV = COR * np.outer(SD, SD)


@pytest.fixture(scope="module")
def data():
    return pd.DataFrame(
        {
            "y": np.tile([0.0, 1, 1, 0], 10),
            "x": np.tile([0.0, 1, 2, 3], 10),
            "g": np.repeat(list("abcdefghij"), 4),
        }
    )


def degenerate(make, data, family, intercept=-0.5, slope=0.6, s=2):
    values = {
        names.INTERCEPT: np.full(s, intercept),
        names.FIXEF: [slope],
        names.sd("g"): SD,
        names.cor("g"): COR,
        names.ranef("g"): np.zeros((10, 2)),
    }
    return make.posterior(SLOPES, data, values, family)


@pytest.mark.parametrize("family", [Bernoulli(), Poisson()])
def test_the_average_is_brute_force_s(make, data, family):
    post = degenerate(make, data, family)
    new = pd.DataFrame({"x": [0.0, 1.0, 2.5]})
    found = predict(post, new, groups="average", kind="mean")["mean"]
    rng = np.random.default_rng(0)
    b = rng.multivariate_normal([0, 0], COV, 2_000_000)
    for x, mean in zip(new["x"], found, strict=True):
        values = family.inverse(-0.5 + b[:, 0] + (0.6 + b[:, 1]) * x, np)
        error = values.std() / np.sqrt(len(values))
        assert mean == pytest.approx(values.mean(), abs=min(4 * error, 5e-4 + 4e-3 * mean))
    typical = predict(post, new, groups="typical", kind="mean")["mean"]
    assert (np.abs(found - typical) > 0.005).all()


def test_the_average_through_the_log_has_a_closed_form(make, data):
    post = degenerate(make, data, Poisson())
    z = np.array([1, 2.0])
    found = predict(post, pd.DataFrame({"x": [2.0]}), groups="average", kind="mean")["mean"].item()
    assert found == pytest.approx(np.exp(-0.5 + 0.6 * 2 + z @ COV @ z / 2), rel=1e-10)


@pytest.mark.parametrize("groups", ["average", "new", "auto"])
def test_a_response_of_a_new_group_has_the_average_s_mean(make, data, groups):
    post = degenerate(make, data, Bernoulli(), s=40_000)
    new = pd.DataFrame({"x": [1.0], "g": ["stranger"]})
    average = predict(post, new, groups="average", kind="mean")["mean"].item()
    found = predict(post, new, groups=groups)["mean"].item()
    assert found == pytest.approx(average, abs=4 * 0.5 / 200)


def test_trials_are_counted_in_responses_only(make, data):
    formula = "y | trials(n) ~ 1 + (1 | g)"
    values = {
        names.INTERCEPT: np.zeros(4000),
        names.sd("g"): [0.0],
        names.ranef("g"): np.zeros((10, 1)),
    }
    post = make.posterior(formula, data.assign(n=4), values, Binomial())
    new = pd.DataFrame({"n": [1, 100], "g": "a"})
    np.testing.assert_allclose(predict(post, new)["mean"], [0.5, 50], rtol=0.05)
    np.testing.assert_allclose(predict(post, new, kind="mean")["mean"], 0.5)
    with pytest.raises(DataError, match=r"trials\(n\)"):
        predict(post, new[["g"]])


def test_the_average_of_a_lognormal_response_is_in_closed_form(make, data):
    values = {
        names.INTERCEPT: 0.3,
        names.SIGMA: 0.7,
        names.sd("g"): [0.9],
        names.ranef("g"): np.zeros((10, 1)),
    }
    post = make.posterior("y ~ 1 + (1 | g)", data.assign(y=1.0 + data.index), values, Lognormal())
    found = predict(post, data.head(1), groups="average", kind="mean")["mean"].item()
    assert found == pytest.approx(np.exp(0.3 + (0.81 + 0.49) / 2), rel=1e-10)


def test_the_average_of_an_inverse_is_refused(make, data):
    values = {names.INTERCEPT: 1.0, names.sd("g"): [0.1], "shape": np.full(2, 3.0)}
    post = make.posterior("y ~ 1 + (1 | g)", data, values, GammaFamily(Inverse()))
    with pytest.raises(ModelError, match="no mean where h is normal"):
        predict(post, data.head(1), groups="average", kind="mean")
    typical = predict(post, data.head(1), groups="typical", kind="mean")
    assert typical["mean"].item() == 1


@pytest.mark.parametrize("sd", [0.0, 0.3, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("link", [Logit(), Probit(), Cloglog(), Log()])
def test_quadrature_is_as_accurate_as_it_says(link, sd):
    eta, within = np.array([-4.0, -1.0, 0.0, 0.7, 3.0]), 1e-4 if link == Cloglog() else 1e-5
    found = population_mean(lambda h: link.inverse(h, np), eta, np.full(5, sd**2))
    if isinstance(link, Log):
        expected = np.exp(eta + sd**2 / 2)
    else:
        expected = link.inverse(eta, np) if sd == 0 else [_adaptive(link, e, sd) for e in eta]
    np.testing.assert_allclose(found, expected, rtol=within, atol=within * (sd > 0))


def _adaptive(link, eta, sd):
    def integrand(z):
        return float(link.inverse(eta + sd * z, np)) * stats.norm.pdf(z)

    return integrate.quad(integrand, -12, 12, points=[-eta / sd], epsabs=1e-12, limit=400)[0]


def test_quadrature_at_an_extreme_spread_stays_close():
    found = population_mean(special.expit, np.array([1.0]), np.array([100.0]))
    assert found.item() == pytest.approx(_adaptive(Logit(), 1.0, 10.0), abs=2e-4)
    assert special.expit(1.0) - found.item() > 0.1
