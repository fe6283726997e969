import numpy as np
import pymc as pm
import pytest
from scipy import stats

import mixedbayes as mb
from mixedbayes.predict.prior import prior_predictive
from mixedbayes.terms.unstructured import UNSTRUCTURED

SLEEP = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture(scope="module")
def model():
    return mb.Model(SLEEP, mb.load_data("sleepstudy"))


@pytest.fixture(scope="module")
def tree(model):
    return model.prior_predictive(draws=4000, seed=1)


def test_groups_and_labels_are_those_of_a_fit(model, tree):
    assert set(tree.children) == {"prior", "prior_predictive", "observed_data"}
    assert tree["prior"]["ranef_Subject"].dims == ("chain", "draw", "Subject", "Subject_term")
    assert list(tree["prior"]["fixef"]["term"].values) == ["Days"]
    assert tree["prior_predictive"]["Reaction"].shape == (1, 4000, 180)
    np.testing.assert_array_equal(tree["observed_data"]["Reaction"], model.design.y)


def test_every_parameter_follows_its_prior(model, tree):
    prior, given = tree["prior"], model.spec.priors
    days = model.design.mu.X.mean()
    at_means = (prior["Intercept"] + days * prior["fixef"].sel(term="Days")).to_numpy().ravel()
    checks = [
        (at_means, given.mu.intercept.prior),
        (prior["fixef"].to_numpy().ravel(), given.mu.fixef[0].prior),
        (prior["sd_Subject_at_means"].to_numpy()[..., 0].ravel(), given.mu.sd["Subject"][0].prior),
        (prior["sd_Subject"].to_numpy()[..., 1].ravel(), given.mu.sd["Subject"][1].prior),
        (prior["sigma"].to_numpy().ravel(), given.parameters["sigma"].prior),
    ]
    for x, p in checks:
        assert stats.kstest(x, p.frozen().cdf).pvalue > 1e-3, p


def test_responses_are_the_predictor_and_noise(model, tree):
    prior, design = tree["prior"], model.design
    b = prior["ranef_Subject"].to_numpy()[0]
    g = design.mu.groups[0]
    eta = prior["Intercept"].to_numpy()[0][:, None] + prior["fixef"].to_numpy()[0] @ design.mu.X.T
    eta = eta + np.einsum("nq,snq->sn", g.Z, b[:, g.refs])
    y = tree["prior_predictive"]["Reaction"].to_numpy()[0]
    z = (y - eta) / prior["sigma"].to_numpy()[0][:, None]
    assert stats.kstest(z[:, 0], "norm").pvalue > 1e-3
    assert z.std() == pytest.approx(1, abs=0.01)


def test_pymc_draws_from_the_same_prior(model, tree):
    with model.build(mb.NonCentered()):
        theirs = pm.sample_prior_predictive(
            1000, random_seed=2, compile_kwargs={"mode": "FAST_COMPILE"}
        )
    for name in ("Intercept", "fixef", "sigma", "sd_Subject", "cor_Subject", "ranef_Subject"):
        ours = tree["prior"][name].to_numpy().reshape(4000, -1)[:, -1 if "cor" not in name else 1]
        other = theirs["prior"][name].to_numpy().reshape(1000, -1)
        other = other[:, -1 if "cor" not in name else 1]
        assert stats.ks_2samp(ours, other).pvalue > 1e-3, name
    row = stats.ks_2samp(
        tree["prior_predictive"]["Reaction"].to_numpy()[0, :, 9],
        theirs["prior_predictive"]["Reaction"].to_numpy()[0, :, 9],
    )
    assert row.pvalue > 1e-3


@pytest.mark.parametrize("eta", [1.0, 3.0])
def test_lkj_draws_have_the_marginal_beta_distribution(eta):
    q = 4
    C = UNSTRUCTURED.draw(q, mb.LKJ(eta), 5000, np.random.default_rng(1))
    R = C @ C.transpose(0, 2, 1)
    np.testing.assert_allclose(np.einsum("sii->si", R), 1)
    b = eta + (q - 2) / 2
    for i in range(q):
        for j in range(i):
            assert stats.kstest((R[:, i, j] + 1) / 2, stats.beta(b, b).cdf).pvalue > 1e-3


def test_the_seed_gives_the_draws_again(model):
    a, b = (prior_predictive(model.spec, 5, 7) for _ in range(2))
    assert a.identical(b)


def test_an_improper_prior_cannot_be_drawn_from():
    model = mb.Model(SLEEP, mb.load_data("sleepstudy"), priors={"fixef": mb.Flat()})
    with pytest.raises(mb.PriorError, match=r"fixef\[Days\] has the improper prior"):
        model.prior_predictive(10)


def test_at_least_one_draw(model):
    with pytest.raises(mb.PriorError, match=r"more than 1,000,000,000 numbers"):
        model.prior_predictive(10**400)
    with pytest.raises(mb.PriorError, match="at least one"):
        model.prior_predictive(0)
