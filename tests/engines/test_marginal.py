"""Gaussian models whose effects leave hardly anything of the response."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb

RNG = np.random.default_rng(1)
G = np.repeat(np.arange(24), 10)
X = RNG.normal(size=G.size)
LEVEL, SLOPE = RNG.normal(size=24)[G], RNG.normal(size=24)[G]
NOISE = RNG.normal(size=G.size)
CLOSE = {
    "intercepts and x": ("y ~ x + (1 | g)", LEVEL + 2 * X),
    "lines": ("y ~ x + (x | g)", LEVEL + SLOPE * X),
    "x": ("y ~ x + (1 | g)", 3 * X + 1),
    "lines, 1e-7": ("y ~ x + (x | g)", LEVEL + SLOPE * X + 1e-7 * NOISE),
    "levels, 1e-9": ("y ~ 1 + (1 | g)", LEVEL + 1e-9 * NOISE),
    "nested, 1e-9": ("y ~ 1 + (1 | h/g)", LEVEL + 1e-9 * NOISE),
    "large, 1e-7": ("y ~ 1 + (1 | g)", 1e6 * (LEVEL + 1e-7 * NOISE)),
}


def fit(formula, y, **given):
    data = pd.DataFrame({"y": y, "x": X, "g": G, "h": G // 4})
    return mb.fit(formula, data, seed=1, progress=False, draws=300, chains=2, **given)


@pytest.mark.parametrize("case", CLOSE)
def test_a_response_that_the_effects_determine_is_an_error(case):
    said = r"hardly changes within|is given (exactly|nearly) by"
    with pytest.raises((mb.DataError, mb.SamplingError), match=said):
        fit(*CLOSE[case])


@pytest.mark.parametrize("case", CLOSE)
def test_the_sampler_says_so_where_the_data_were_not_asked(case):
    """With a prior of the user's own for sigma the response is not looked at beforehand."""
    with pytest.raises(mb.SamplingError, match="hardly changes within a level of") as error:
        fit(*CLOSE[case], priors={"sigma": mb.HalfNormal(1)})
    assert "Remedy" in str(error.value)


@pytest.mark.parametrize("noise", [1e-5, 1e-3])
def test_little_noise_is_found(noise):
    found = fit("y ~ x + (x | g)", LEVEL + SLOPE * X + noise * NOISE)
    assert found.diagnostics().divergences == 0
    sigma = float(found.idata.posterior["sigma"].mean())
    assert sigma == pytest.approx(noise, rel=0.15)
