"""Parameters of a grouping factor from its design and priors; names of the coordinates."""

import numpy as np
import pandas as pd
import pytest

from mixedbayes.design.types import GroupDesign
from mixedbayes.distributions import LKJ, Exponential, HalfNormal, StudentT
from mixedbayes.marginal.parameters import Layout
from mixedbayes.priors.factor import FactorParameters
from mixedbayes.priors.types import Assigned, PredictorPriors

SDS = (HalfNormal(2), Exponential(1), Exponential(3))


@pytest.fixture
def parts():
    terms = ("Intercept", "x", "z")
    levels = pd.Index(["a", "b"])
    group = GroupDesign(
        "g:h", ("g", "h"), levels, pd.DataFrame({"g": levels, "h": levels}),
        np.array([0, 1, 1]), terms, np.ones((3, 3)), ((0, 2), (1,)),
    )  # fmt: skip
    priors = PredictorPriors(
        "mu", None, False, (), (), {"g:h": terms},
        {"g:h": tuple(Assigned(p, "given") for p in SDS)}, {"g:h": Assigned(LKJ(3), "given")},
    )  # fmt: skip
    return group, priors


def test_factor_takes_terms_blocks_and_priors_of_its_design(parts):
    factor = FactorParameters.of(*parts)
    assert (factor.name, factor.terms, factor.blocks) == ("g:h", parts[0].terms, parts[0].blocks)
    assert factor.sd == SDS
    assert factor.cor == LKJ(3)
    assert factor.n_levels == 0
    assert FactorParameters.of(*parts, sampled=True).n_levels == 2


def test_coordinates_are_named_after_their_parameters(parts):
    layout = Layout(
        (FactorParameters.of(*parts, sampled=True),), Exponential(1), (("w", StudentT(3)),)
    )
    assert layout.names[:6] == (
        "sd_g_h[Intercept]",
        "sd_g_h[x]",
        "sd_g_h[z]",
        "cor_g_h[z, Intercept]",
        "sigma",
        "w",
    )
    assert layout.names[6] == "spherical_g_h[0, Intercept]"
    assert (layout.ndim, layout.n_parameters) == (12, 6)


def test_effects_of_different_blocks_are_uncorrelated(parts):
    layout = Layout((FactorParameters.of(*parts),), Exponential(1))
    theta = np.random.default_rng(0).normal(size=(50, layout.ndim))
    cor = layout.constrained(theta).cor["g:h"]
    np.testing.assert_array_equal(cor[:, 1], np.broadcast_to([0.0, 1.0, 0.0], (50, 3)))
    np.testing.assert_allclose(cor[:, 2, 0], np.tanh(theta[:, 3]), rtol=1e-12)
