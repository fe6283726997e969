"""Effects correlated across parameters in tables, names, hypotheses, draws and equations."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.checks.sensitivity import log_prior
from mixedbayes.model.free import free_variables
from mixedbayes.model.log_prior import log_priors
from mixedbayes.predict.hypothesis import hypothesis
from mixedbayes.predict.prior_quantities import NamedPrior
from mixedbayes.publish.words import priors_of
from mixedbayes.report.equations import model_equations
from mixedbayes.report.mathml import mathml
from mixedbayes.results.draws import draws
from mixedbayes.results.named import Named
from mixedbayes.results.own_priors import quantities
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.varcorr import component_list, varcorr

G = "unit no. 1"
FORMULAS = [f"y ~ x + (x | p | `{G}`) + (1 | h)", f"sigma ~ 1 + (1 | p | `{G}`)"]
COR = np.array([[1, 0.2, -0.5], [0.2, 1, 0.4], [-0.5, 0.4, 1]])
PAIRS = [("Intercept", "x"), ("Intercept", "sigma_Intercept"), ("x", "sigma_Intercept")]


@pytest.fixture(scope="module")
def drawn():
    """Draws of the prior, as if they were a posterior."""
    rng, n = np.random.default_rng(1), 48
    data = pd.DataFrame({"y": rng.normal(size=n), "x": rng.normal(size=n), "h": np.arange(n) % 4})
    data[G] = np.arange(n) % 2 == 0
    model = mb.Model(FORMULAS, data)
    prior = model.prior_predictive(draws=20, seed=1)["prior"].to_dataset()
    return Posterior(model.spec, xr.DataTree.from_dict({"posterior": prior}))


@pytest.fixture(scope="module")
def post(drawn):
    """The same with correlations of one value."""
    values = drawn.draws
    values[names.cor(G)] = values[names.cor(G)] * 0 + COR
    return Posterior(drawn.spec, xr.DataTree.from_dict({"posterior": values}))


def test_correlations_stand_after_all_sds_and_say_between_which_parameters(post):
    table = varcorr(post).query(f"group == '{G}'")
    assert list(table["kind"]) == ["sd"] * 3 + ["cor"] * 3
    cors = table.query("kind == 'cor'")
    assert list(zip(cors["term"], cors["term2"], strict=True)) == PAIRS
    assert list(cors["parameter"]) == ["mu", "mu, sigma", "mu, sigma"]
    np.testing.assert_allclose(cors["mean"], [0.2, -0.5, 0.4])
    found = [c.across for c in component_list(post) if c.kind == "cor"]
    assert found == [False, True, True]
    raw = varcorr(post, draws=True)
    assert list(raw) == ["sd_unit_no._1", "sd_h", "sd_sigma_unit_no._1", "cor_unit_no._1"]
    np.testing.assert_allclose(post.cor(G)[0], COR[:2, :2])
    np.testing.assert_allclose(post.cor(G, "sigma")[0], [[1.0]])


def test_every_correlation_has_its_name(post):
    named = Named(post)
    for first, second in PAIRS:
        for name in (f"cor_{G}[{first}, {second}]", f"cor_unit_no._1[{first}, {second}]"):
            found = named.find(name)
            assert found == f"cor_unit_no._1[{first}, {second}]"
        i, j = (("Intercept", "x", "sigma_Intercept").index(t) for t in (first, second))
        np.testing.assert_allclose(named.draws(found), COR[i, j])
    tidy = draws(post, "cor")
    assert set(tidy["parameter"]) == {"mu", "mu, sigma"}
    assert set(zip(tidy["term"], tidy["term2"], strict=True)) == set(PAIRS)


def test_what_the_prior_says_of_them(post):
    """Of each the margin of LKJ(2) of three effects, and of effects on two parameters as well."""
    text = "`cor_unit_no._1[Intercept, sigma_Intercept]` < 0"
    row = hypothesis(post, text).iloc[0]
    assert row["probability"] == 1
    assert row["prior_probability"] == pytest.approx(0.5, abs=0.02)
    prior = NamedPrior(post, Named(post))
    found = prior.draws("cor_unit_no._1[x, sigma_Intercept]")
    law = stats.beta(2.5, 2.5, loc=-1, scale=2)
    half = found[: len(found) // 2]
    assert stats.kstest(half[:2000], law.cdf).pvalue > 0.001
    own, other = (
        prior.draws(prior.named.find(f"ranef[{G}=True, {t}]"))
        for t in ("sigma_Intercept", "Intercept")
    )
    # drawn together: E b_1 b_2 = E rho sd_1 sd_2 = 0, and both are as their sds
    assert abs(np.mean(own * other)) < 0.1
    assert np.mean(np.abs(own)) == pytest.approx(np.sqrt(2 / np.pi), rel=0.15)


def test_log_prior_is_the_sum_of_the_variables(drawn):
    """Of PyMC's free variables, and the Jacobian of LKJ's matrix beside the partial numbers."""
    post = drawn
    free = free_variables(post.spec)

    def value(name):
        return post.chains(name)

    parts = {
        name: d.function(*(value(of) for of in d.of)) for name, d in log_priors(post.spec).items()
    }
    assert "partial_cor_unit_no._1" in parts
    total = sum(p.reshape(p.shape[1], -1).sum(axis=1) for p in parts.values())
    unit = free["partial_cor_unit_no._1"]
    assert unit.of == ("cor_unit_no._1_at_means",)
    difference = log_prior(post) - total
    z = 2 * unit.function(post.chains("cor_unit_no._1_at_means"))[0] - 1
    # dR / dz = (1 - z_31^2)^(1/2) (1 - z_21^2)^(1/2), dz = 2 d unit
    jacobian = 3 * np.log(2) + 0.5 * np.log1p(-(z[:, :2] ** 2)).sum(axis=1)
    np.testing.assert_allclose(difference, -jacobian, rtol=1e-6)


def test_priors_and_equations_in_words(post):
    told = {t.what: t for t in priors_of(post.spec)}
    assert f"correlations over {G} across mu and sigma" in told
    kinds = [(q.kind, q.across) for q in quantities(post) if q.kind == "cor"]
    assert kinds == [("cor", ("mu",)), ("cor", ("mu", "sigma")), ("cor", ("mu", "sigma"))]
    equations = model_equations(post.spec)
    law = next(line for line in equations.split("\\\\") if "R_{" in line and "sim" in line)
    assert (law.count(r"\gamma"), law.count(r"(\sigma)")) == (3, 1)
    assert equations.count(r"\text{: correlations}") == 1
    assert mathml(equations).startswith("<math")
