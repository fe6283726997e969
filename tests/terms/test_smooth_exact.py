"""Posteriors of models with a smooth against quadrature, on the bases that it was done on."""

from dataclasses import replace

import arviz_stats as az
import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.api.fitting import sampled
from mixedbayes.engines.choose import choose_engine
from mixedbayes.sample.settings import Settings

CASES = {
    "mcycle": ("accel ~ s(times, k=20)", "times", "s(times)", {"sd_times": "sd_s_times"}),
    "sleepstudy": (
        "Reaction ~ s(Days, k=6) + (1 | Subject)", "Days", "s(Days)",
        {"sd_Days": "sd_s_Days", "sd_Subject": "sd_Subject"},
    ),
}  # fmt: skip


def priors(own, smooth):
    """Those of the reference, by our names."""
    numbers = {name: p for name, p in own.items() if name.startswith("sd_")}
    sds = {name.removeprefix("sd_"): mb.Exponential(p["rate"]) for name, p in numbers.items()}
    sds[smooth] = sds.pop(smooth[2:-1])
    return {
        "Intercept": mb.Normal(own["Intercept"]["mean"], own["Intercept"]["sd"]),
        "fixef": mb.Normal(own["null_space"]["mean"], own["null_space"]["sd"]),
        "sd": sds,
        "sigma": mb.Exponential(own["sigma"]["rate"]),
    }


@pytest.mark.slow
@pytest.mark.parametrize("formulation", [mb.Marginal(), mb.PartiallyCentered()], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_the_posterior_is_that_of_quadrature(name, formulation, reference):
    formula, x, smooth, called = CASES[name]
    own = reference("quadrature_smooths")[name]
    if name == "mcycle":
        known = reference("mgcv_smooths")["mcycle"]
        data = pd.DataFrame({"times": known["times"], "accel": known["accel"]})
    else:
        data = mb.load_data("sleepstudy")
    spec = mb.Model(formula, data, priors=priors(own["priors"], smooth)).spec
    at = np.searchsorted(own["x"], data[x].to_numpy(float))
    Xf, Zr = np.array(own["Xf"]), np.array(own["Zr"])

    def theirs(predictor):
        groups = tuple(g if g.grouping else replace(g, functions=Zr[at]) for g in predictor.groups)
        return replace(predictor, X=Xf[at], groups=groups)

    spec = replace(spec, design=spec.design.each(theirs))
    chosen = choose_engine(formulation, spec)
    post = sampled(spec, None, Settings(seed=3, progress=False), chosen, None)
    ours = {"b_Intercept": post.chains("Intercept"), "sigma": post.chains("sigma")}
    ours |= {theirs_: post.chains(name_)[..., 0] for theirs_, name_ in called.items()}
    curve = post.chains("Intercept")[..., None] + post.chains("fixef") @ Xf.T
    curve = curve + post.chains(f"ranef_{mb.names.identifier(smooth)}")[..., 0] @ Zr.T
    for text in (text for text in own["posterior"] if text.startswith("f[")):
        ours[text] = curve[..., np.searchsorted(own["x"], float(text[2:-1]))]
    for text, expected in own["posterior"].items():
        draws = ours[text]
        allowed = 4 * float(az.mcse(draws)) + 0.01 * expected["sd"]
        assert abs(draws.mean() - expected["mean"]) < allowed, text
        allowed = 4 * float(az.mcse(draws, method="sd")) + 0.01 * expected["sd"]
        assert abs(draws.std() - expected["sd"]) < allowed, text
