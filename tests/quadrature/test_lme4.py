"""The likelihood with effects integrated out, against lme4's with 25 nodes and with Laplace's."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize

import mixedbayes as mb
from mixedbayes.quadrature.density import QuadratureDensity
from mixedbayes.quadrature.rule import Rule

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "lme4_cbpp_binomial.json").read_text()
)


@pytest.mark.parametrize(("nodes", "name"), [(1, "Laplace"), (25, "nAGQ25")])
def test_maximum_likelihood_of_cbpp(nodes, name):
    formula = "incidence | trials(size) ~ period + (1 | herd)"
    spec = mb.Model(formula, mb.load_data("cbpp"), family="binomial").spec
    density = QuadratureDensity.of(spec.design, spec.family, spec.priors, Rule.product(nodes, 1))
    start = np.array([-0.4, -2.2, -1.0, -1.1, -1.6])
    found = optimize.minimize(
        lambda theta: -density.groups(theta)[0].sum(), start, method="BFGS", jac="3-point",
        tol=1e-9, options={"finite_diff_rel_step": 1e-4},
    )  # fmt: skip
    layout = density.layout.joint
    (sd,), _, _ = layout.hyper(found.x[None, :1])
    slopes = found.x[2:]
    level = layout.centre.intercept_at_zero(found.x[1:2], slopes[None])
    expected = REFERENCE[name]
    np.testing.assert_allclose(sd.ravel(), expected["theta"], rtol=1e-5)
    np.testing.assert_allclose([*level, *slopes], expected["fixed"]["estimate"], rtol=1e-5)
