"""Owl nestlings and herds: exact likelihoods of glmmTMB's models, and posteriors by quadrature."""

import arviz as az
import numpy as np
import pytest

import mixedbayes as mb
from mixedbayes.families.registry import as_family

OWLS = "SiblingNegotiation ~ FoodTreatment * SexParent + offset(log(BroodSize)) + (1 | Nest)"
CBPP = "incidence | trials(size) ~ period"
LIKELIHOODS = {  # family, and formulas of the parameters
    "owls_zip": ("zero_inflated_poisson", {"zi": "1"}),
    "owls_zip_food": ("zero_inflated_poisson", {"zi": "FoodTreatment"}),
    "owls_zinb2": ("zero_inflated_negative_binomial", {"zi": "1", "shape": "1"}),
    "owls_zinb2_food": ("zero_inflated_negative_binomial", {"zi": "FoodTreatment", "shape": "1"}),
    "owls_hurdle_poisson": ("hurdle_poisson", {"hu": "FoodTreatment"}),
    "owls_hurdle_nbinom2": ("hurdle_negative_binomial", {"hu": "FoodTreatment", "shape": "1"}),
    "owls_nbinom1": ("negative_binomial1", {"phi": "1"}),
    "owls_nbinom2_disp": ("negative_binomial", {"shape": "FoodTreatment"}),
    "cbpp_betabinomial_noherd": ("beta_binomial", {"phi": "1"}),
}
NODES = np.linspace(-9, 9, 401)  # of a group effect in sds; the trapezoidal rule is exact here


def log_likelihood(design, family, formulas, theta):
    """The effects of one factor integrated; theta: coefficients, those of parameters, log sd."""
    mu, own, at = design.mu, {}, len(design.mu.terms) + 1
    for name in formulas:
        predictor = design.predictor(name)
        p = len(predictor.terms) + 1
        eta = theta[at] + predictor.X @ theta[at + 1 : at + p]
        own[name], at = family.parameter_link(name).inverse(eta[None], np), at + p
    eta = theta[0] + mu.X @ theta[1 : len(mu.terms) + 1]
    eta = eta if mu.offset is None else eta + mu.offset
    if not mu.groups:
        return family.log_density(
            design.y, family.inverse(eta[None], np), own, trials=design.trials
        ).sum()
    rows = eta + np.exp(theta[at]) * NODES[:, None]
    each = family.log_density(design.y, family.inverse(rows, np), own, trials=design.trials)
    g = mu.groups[0]
    groups = np.stack([np.bincount(g.refs, e, g.n_levels) for e in each])
    weights = -0.5 * NODES**2 - 0.5 * np.log(2 * np.pi) + np.log(NODES[1] - NODES[0])
    return float(np.logaddexp.reduce(groups + weights[:, None], axis=0).sum())


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_likelihood_is_glmmtmbs_and_its_top_where_that_is(name, reference):
    expected = reference("glmmTMB_zeros")[name]
    family, formulas = LIKELIHOODS[name]
    owls = name.startswith("owls")
    more = [f"{p} ~ {terms}" for p, terms in formulas.items()]
    data = mb.load_data("owls" if owls else "cbpp")
    design = mb.Model([OWLS if owls else CBPP, *more], data, family=family).design
    theta, kind = np.array(expected["estimate"]), as_family(family)
    found = log_likelihood(design, kind, formulas, theta)
    assert found == pytest.approx(expected["logLik"], abs=1e-6)
    for step in 1e-4 * np.eye(len(theta)):
        low, high = (log_likelihood(design, kind, formulas, theta + s) for s in (-step, step))
        assert (high - low) / 2e-4 == pytest.approx(0, abs=1e-3)
        assert max(low, high) < found


N = mb.Normal(0, 2.5)
POSTERIORS = {
    "owls_zip_food": ("zero_inflated_poisson", {"zi": "FoodTreatment"}),
    "owls_zinb2_food": ("zero_inflated_negative_binomial", {"zi": "FoodTreatment", "shape": "1"}),
    "owls_hurdle_nbinom2": ("hurdle_negative_binomial", {"hu": "FoodTreatment", "shape": "1"}),
    "owls_nbinom2_disp": ("negative_binomial", {"shape": "FoodTreatment"}),
    "cbpp_betabinomial": ("beta_binomial", {"phi": "1"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", POSTERIORS)
def test_posteriors_are_those_of_quadrature(name, reference):
    """Means within 4 of their Monte Carlo errors and 0.01 sd; the priors are those of the file."""
    family, formulas = POSTERIORS[name]
    owls = name.startswith("owls")
    more = [f"{p} ~ {terms}" for p, terms in formulas.items()]
    data = mb.load_data("owls" if owls else "cbpp")
    priors = {"Intercept": N, "fixef": N, "sd": mb.Exponential(1)}
    priors |= {
        p: {"Intercept": N} | ({"fixef": N} if terms != "1" else {})
        for p, terms in formulas.items()
    }
    first = OWLS if owls else f"{CBPP} + (1 | herd)"
    fit = mb.fit([first, *more], data, family=family, priors=priors, seed=1, draws=2500,
                 progress=False)  # fmt: skip
    post = fit.posterior
    group = post.design.mu.groups[0].name
    found = {f"sd_{group}": np.sqrt(post.cov(group)[:, 0, 0])}
    theirs = {"hu": "b_zi_", "zi": "b_zi_", "mu": "b_"}
    for p in ("mu", *formulas):
        single = len(post.predictor(p).terms) == 0
        prefix = theirs.get(p, f"b_log_{p}" + ("" if single else "_"))
        found[prefix + ("" if single else "Intercept")] = post.intercept(p)
        for k, term in enumerate(post.predictor(p).terms):
            found[prefix + term.replace("[", "").replace("]", "")] = post.fixef(p)[:, k]
    expected = reference(f"qmc_{name}")["parameters"]
    assert {e["variable"] for e in expected} == set(found)
    for e in expected:
        x = np.asarray(found[e["variable"]]).reshape(4, -1)
        error = x.std() / np.sqrt(float(az.ess(x)))
        assert x.mean() == pytest.approx(e["mean"], abs=4 * error + 0.01 * e["sd"]), e["variable"]
        of_sd = float(az.mcse(x, method="sd"))  # large where a tail is long, as that of log phi
        assert x.std() == pytest.approx(e["sd"], abs=max(0.08 * e["sd"], 4 * of_sd)), e["variable"]
