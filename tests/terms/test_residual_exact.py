"""The posterior of a model with AR(1) residuals against quadrature."""

import arviz_stats as az
import pandas as pd
import pytest
from residual_models import residual_spec

import mixedbayes as mb
from mixedbayes.api.fitting import sampled
from mixedbayes.checks.evidence import log_evidence
from mixedbayes.engines.choose import choose_engine
from mixedbayes.sample.settings import Settings


@pytest.mark.slow
def test_the_posterior_is_that_of_quadrature(reference):
    own = reference("exact_sim_ar1")
    p, data = own["priors_numeric"], pd.DataFrame(own["data"])
    priors = {
        "Intercept": mb.Normal(p["Intercept"]["mean"], p["Intercept"]["sd"]),
        "fixef": mb.Normal(p["x"]["mean"], p["x"]["sd"]),
        "sd": mb.Exponential(p["every_sd"]["rate"]),
        "sigma": mb.Exponential(p["sigma"]["rate"]),
        "rho": mb.Uniform(-1, 1),
    }
    spec = residual_spec("y ~ x + (1 | id)", data, "ar1(time | id)", priors)
    chosen = choose_engine("auto", spec)
    assert chosen.engine.name == "marginal"
    settings = Settings(seed=3, draws=4000, progress=False)
    post = sampled(spec, None, settings, chosen, None)
    effects = post.chains("ranef_id")[..., 0]
    levels = [f"r_id[{level}]" for level in spec.design.mu.groups[0].levels]
    ours = {
        "b_Intercept": post.chains("Intercept"),
        "b_x": post.chains("fixef")[..., 0],
        "sd_id": post.chains("sd_id")[..., 0],
        "rho": post.chains("rho"),
        "sigma": post.chains("sigma"),
        **{name: effects[..., k] for k, name in enumerate(levels)},
    }
    for known in own["parameters"]:
        draws = ours[known["variable"]]
        allowed = 4 * float(az.mcse(draws)) + 0.01 * known["sd"]
        assert abs(draws.mean() - known["mean"]) < allowed, known["variable"]
        allowed = 4 * float(az.mcse(draws, method="sd")) + 0.01 * known["sd"]
        assert abs(draws.std() - known["sd"]) < allowed, known["variable"]
    evidence = log_evidence(post)
    assert float(evidence) == pytest.approx(
        own["log_marginal_likelihood"], abs=4 * evidence.error + 0.01
    )
