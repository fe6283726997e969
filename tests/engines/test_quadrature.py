"""What the user sets of NUTS is obeyed where proposals would have been made."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.engines import quadrature
from mixedbayes.marginal.surrogate import ERROR
from mixedbayes.sample import transitions


def test_an_acceptance_rate_or_a_depth_of_trees_asks_for_nuts(monkeypatch):
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(110), 4)
    eta = 0.4 + 0.8 * rng.standard_normal(110)[g]
    data = pd.DataFrame({"y": rng.binomial(1, 1 / (1 + np.exp(-eta))), "g": g})
    given = {"family": "bernoulli", "seed": 1, "draws": 40, "tune": 40, "progress": False}
    for asked, method in (
        ({}, "HMC by a polynomial"),
        ({"target_accept": 0.95}, "NUTS"),
        ({"max_treedepth": 3}, "NUTS"),
    ):
        fit = mb.fit("y ~ 1 + (1 | g)", data, **given, **asked)
        assert str(fit.formulation) == "Quadrature()"
        assert fit.idata.posterior.attrs["inference_method"] == method
        said = fit.methods()
        assert ("polynomial" in said) == (method != "NUTS")
        assert ("tree depth" in said) == (method == "NUTS")
    monkeypatch.setattr(transitions, "sticks", lambda draws, rate: True)
    fit = mb.fit("y ~ 1 + (1 | g)", data, **given)
    assert fit.idata.posterior.attrs["inference_method"] == "NUTS"
    assert "polynomial" not in fit.methods()
    assert str(fit.formulation) == "Quadrature()"


def test_effects_on_further_parameters_are_integrated_however_many_there_are():
    """All of them together are too many for the joint engine, which says how many."""
    g = np.repeat(np.arange(2100), 2)
    data = pd.DataFrame({"y": np.random.default_rng(1).poisson(2, len(g)), "g": g})
    formulas = ["y ~ 1 + (1 | g)", "shape ~ 1 + (1 | g)"]
    model = mb.Model(formulas, data, family="negative_binomial")
    assert str(model.formulation) == "Quadrature()"
    said = "2,100 effects besides the largest factor's are too many .* formulas for shape"
    with pytest.raises(mb.ModelError, match=said):
        mb.Model(formulas, data, family="negative_binomial", formulation=mb.PartiallyCentered())


def test_proposals_are_tried_where_their_polynomial_would_be_no_gradient(monkeypatch):
    """Slopes that hardly vary: their log sd ends nowhere, and the correlation is not known."""
    rng = np.random.default_rng(1)
    g, x = np.repeat(np.arange(1000), 5), rng.normal(size=5000)
    eta = 0.3 + 0.4 * x + 0.6 * rng.normal(size=1000)[g]
    data = pd.DataFrame({"y": rng.poisson(np.exp(eta)), "x": x, "g": g})
    given = {"family": "poisson", "seed": 1, "chains": 2, "progress": False}
    fit = mb.fit("y ~ x + (x | g)", data, draws=300, **given)
    assert fit.idata.posterior.attrs["inference_method"] == "HMC by a polynomial"
    assert float(fit.idata.sample_stats["acceptance_rate"].mean()) > 0.7
    monkeypatch.setattr(quadrature, "FARTHEST", ERROR)
    fit = mb.fit("y ~ x + (x | g)", data, draws=20, tune=20, **given)
    assert fit.idata.posterior.attrs["inference_method"] == "NUTS"
