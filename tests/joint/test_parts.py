"""Special functions, the sparse factor, and the approximation's mode."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, special

import mixedbayes as mb
from mixedbayes.checks.leave_out import take
from mixedbayes.joint.density import JointDensity
from mixedbayes.joint.laplace import approximate
from mixedbayes.joint.layout import JointLayout
from mixedbayes.numerics.special import digamma, log_ndtr
from mixedbayes.theta.whitening import factorise


@pytest.mark.parametrize("x", [1e-8, 0.03, 0.5, 1.0, 3.7, 9.99, 10.0, 250.0, 1e9])
def test_digamma(x):
    assert digamma(x) == pytest.approx(special.digamma(x), rel=1e-13, abs=1e-14)


@pytest.mark.parametrize("x", [-300.0, -37.0, -9.0, -6.001, -5.999, -1.0, 0.0, 2.0, 9.0])
def test_log_ndtr(x):
    value, hazard = log_ndtr(x)
    assert value == pytest.approx(special.log_ndtr(x), rel=1e-12)
    log_density = -0.5 * x**2 - 0.5 * np.log(2 * np.pi)
    assert hazard == pytest.approx(np.exp(log_density - special.log_ndtr(x)), rel=1e-10)


@pytest.mark.parametrize("q", [1, 2])
def test_factor_solves_and_has_the_determinant_of_the_whole(q):
    rng = np.random.default_rng(4)
    J, D = 4, 3
    n = J * q + D
    A = rng.normal(size=(3 * n, n))
    H = A.T @ A + np.eye(n)
    for g in range(J):
        own = slice(g * q, g * q + q)
        H[own, : g * q], H[own, g * q + q : J * q] = 0.0, 0.0
    H = np.tril(H) + np.tril(H, -1).T
    blocks = np.array([H[g * q : g * q + q, g * q : g * q + q] for g in range(J)])
    factor = factorise(blocks, sparse.csr_array(H[: J * q, J * q :]), H[J * q :, J * q :])
    x = rng.normal(size=n)
    np.testing.assert_allclose(factor.solve(x), np.linalg.solve(H, x), rtol=1e-9)
    assert 2 * factor.log_det == pytest.approx(np.linalg.slogdet(H)[1])
    spans = [slice(0, J * q), slice(J * q, n)]
    first, rest = factor.level_blocks(spans, [q, 1])
    np.testing.assert_allclose(first, blocks)
    given = np.linalg.inv(np.linalg.inv(H)[J * q :, J * q :])
    np.testing.assert_allclose(rest[:, 0, 0], np.diag(given), rtol=1e-9)


def test_an_sd_that_may_be_zero_is_bent_farther_than_others(joint):
    ticks = mb.Model(
        "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION)",
        mb.load_data("grouseticks"),
        family="negative_binomial",
    )
    near = approximate(joint.density_of(ticks))
    assert near.converged
    tails = near.coordinates.tails
    assert {1} <= {*tails.bent}  # BROOD, more effects, comes first
    longer = {}
    for i, m, s in tails.table[:, :3]:
        at = np.full(near.mode.size, m) + np.array([[-2.0], [0.0], [2.0]]) * s
        left, middle, right = tails.phi(at)[:, int(i)]
        longer[int(i)] = (middle - left) / (right - middle)
    assert longer[1] > 1.3 * longer.get(0, 1.0) > 1.0


def test_mode_is_where_the_reference_has_it(joint, reference):
    """Laplace's mode of the sd under a flat prior is glmmTMB's estimate."""
    expected = reference("glmmTMB_cbpp_binomial")
    flat = {"Intercept": mb.Normal(0, 1e4), "fixef": mb.Normal(0, 1e4), "sd": mb.Uniform(0, 50)}
    model = mb.Model(
        "incidence | trials(size) ~ period + (1 | herd)",
        mb.load_data("cbpp"),
        family="binomial",
        priors=flat,
    )
    density = joint.density_of(model)
    from mixedbayes.joint.scoring import Scoring

    scoring, sd = Scoring(density), expected["varcomp"][0]["sd"]
    logit = np.log(sd / 50 / (1 - sd / 50))
    at = scoring.conditional(np.array([logit]))
    fixed = at.effects[density.layout.n_effects :]
    intercept = fixed[0] - fixed[1:] @ density.layout.centre.means
    found = [intercept, *fixed[1:]]
    # glmmTMB maximises over the coefficients with the effects integrated, we over both
    np.testing.assert_allclose(found, expected["fixed"]["estimate"], atol=0.05)


def test_levels_that_have_lost_their_rows_stay_in_the_model():
    """Nested levels left out of the rows: the density is finite, and theirs is the population's."""
    data = pd.DataFrame({"y": [1, 4, 2, 0, 3, 5] * 4, "a": list("pqrstu") * 4})
    data["b"] = np.repeat(list("vwxy"), 6)
    spec = mb.Model("y ~ 1 + (1 | a/b)", data, family="poisson").spec
    design = take(spec.design, np.flatnonzero(~np.isin(data["a"], ["r", "u"])))
    layout = JointLayout(design, spec.family, spec.priors)
    for link in layout.links:
        assert ((link.above >= 0) & (link.above < 6)).all()
    density = JointDensity.of(design, spec.family, spec.priors)
    value, gradient = density.logp_grad(np.zeros(density.ndim))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
