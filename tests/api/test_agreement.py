"""Effects integrated out or sampled: one posterior."""

import arviz as az
import numpy as np
import pytest
from scipy import stats

import mixedbayes as mb

MODELS = {
    "sleepstudy": "Reaction ~ Days + (Days | Subject)",
    "gpa": "gpa ~ occasion + (1 | student)",
    "penicillin": "diameter ~ 1 + (1 | plate) + (1 | sample)",
    "pastes": "strength ~ 1 + (1 | batch/cask)",
    "machines": "score ~ Machine + (Machine | Worker)",
    "dyestuff2": "Yield ~ 1 + (1 | Batch)",
    "cake": "angle ~ recipe * temp + (1 | recipe:replicate)",
}


@pytest.mark.slow
@pytest.mark.parametrize("data", MODELS)
def test_marginal_and_non_centred_posteriors_agree(data):
    model = mb.Model(MODELS[data], mb.load_data(data))
    marginal = model.fit(draws=2000, seed=1, progress=False)
    sampled = model.fit(
        draws=2000, seed=2, progress=False, formulation=mb.NonCentered(), target_accept=0.95
    )
    assert marginal.converged
    z = {}
    for name in marginal.idata["posterior"].data_vars:
        a, b = (f.idata["posterior"][name] for f in (marginal, sampled))
        for what in ("mean", "sd"):
            with np.errstate(invalid="ignore", divide="ignore"):
                error = np.hypot(az.mcse(a, method=what), az.mcse(b, method=what))
                value = [
                    getattr(x, {"sd": "std"}.get(what, what))(("chain", "draw")) for x in (a, b)
                ]
                z[name, what] = np.asarray((value[0] - value[1]) / error).ravel()
    values = np.concatenate(list(z.values()))
    values = values[np.isfinite(values)]  # correlations of an effect with itself have no error
    # The largest of so many z-scores, at one chance in 10,000 for the whole model.
    limit = stats.norm.isf(1e-4 / 2 / len(values))
    worst = max(z, key=lambda k: np.nanmax(np.abs(np.where(np.isfinite(z[k]), z[k], 0))))
    assert np.abs(values).max() < limit, worst
