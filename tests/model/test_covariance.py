import numpy as np
import pymc as pm
import pytest

import mixedbayes as mb
from mixedbayes.model.covariance import correlation_factor
from mixedbayes.terms.unstructured import UNSTRUCTURED


@pytest.mark.parametrize("q", [2, 3, 4])
@pytest.mark.parametrize("eta", [1.0, 2.5])
def test_partial_correlations_give_the_lkj_density(q, eta):
    m = q * (q - 1) // 2
    with pm.Model() as model:
        C, _ = correlation_factor("x", UNSTRUCTURED, q, mb.LKJ(eta))
        pm.Deterministic("C", C)
    logp = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    (x,) = model.free_RVs
    factor = pm.pytensorf.compile([x], C, mode="FAST_COMPILE")
    below = np.tril_indices(q, -1)

    def correlations(at):
        return (factor(at) @ factor(at).T)[below]

    rng = np.random.default_rng(q)
    for _ in range(3):
        at = rng.uniform(0.2, 0.8, m)
        R = factor(at) @ factor(at).T
        np.testing.assert_allclose(np.diag(R), 1)
        assert np.allclose(factor(at), np.tril(factor(at)))
        step = 1e-6 * np.eye(m)
        jacobian = [(correlations(at + h) - correlations(at - h)) / 2e-6 for h in step]
        expected = mb.LKJ(eta).logpdf(R) + np.linalg.slogdet(np.array(jacobian))[1]
        odds = np.log(at) - np.log1p(-at)
        assert logp({"x_logodds__": odds}) == pytest.approx(float(expected), abs=1e-6)
