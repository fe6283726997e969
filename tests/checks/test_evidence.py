import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from oracles import ORACLES

import mixedbayes as mb


@pytest.mark.parametrize("name", ORACLES)
def test_evidence_agrees_with_quadrature(fit_of, reference, name):
    found = fit_of(name).log_evidence()
    assert found.log == pytest.approx(
        reference(f"exact_{name}")["log_marginal_likelihood"], abs=0.02
    )
    assert found.error < 0.02
    assert float(found) == found.log
    assert f"log evidence {found.log:.2f}" in repr(found)


def test_asking_twice_gives_the_same(fit_of):
    fit = fit_of("dyestuff")
    assert fit.log_evidence().log == fit.log_evidence().log
    assert fit.log_evidence(seed=77).log != fit.log_evidence().log


def test_bayes_factor_of_slopes(fit_of, reference):
    a, b = "sleepstudy_days_subject", "sleepstudy_intercept"
    expected = np.subtract(*(reference(f"exact_{n}")["log_marginal_likelihood"] for n in (a, b)))
    found = mb.bayes_factor(fit_of(a), fit_of(b))
    assert found.log == pytest.approx(expected, abs=0.03)
    assert float(found) == pytest.approx(np.exp(found.log))
    assert "under the first model" in found.verdict
    assert "sd_Subject[Days] ~ Exponential(0.02)" in repr(found)
    assert "under the second model as under the first" not in found.verdict
    assert mb.bayes_factor(fit_of(b), fit_of(a)).log == pytest.approx(-found.log)


def test_other_data_are_refused(fit_of):
    with pytest.raises(mb.ModelError, match="responses differ: Yield and Reaction"):
        mb.bayes_factor(fit_of("dyestuff"), fit_of("sleepstudy_intercept"))


@pytest.fixture(scope="module")
def small():
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(6), 5)
    x = rng.normal(3, 1, 30)
    return pd.DataFrame({"y": 1 + x + rng.normal(size=6)[g] + rng.normal(size=30), "x": x, "g": g})


def fit(formula, data, **priors):
    return mb.fit(formula, data, priors=priors, seed=1, progress=False)


def test_improper_priors_are_refused_by_name(small):
    with pytest.raises(mb.PriorError, match=r"improper priors, and fixef\[x\] has one"):
        fit("y ~ x + (1 | g)", small, fixef=mb.Flat()).log_evidence()


def test_coefficients_that_stay_in_the_sampler_are_part_of_the_integral(small):
    """A Student prior with very many degrees of freedom is a normal one, and not integrated."""
    common = {"sd": mb.Exponential(1), "sigma": mb.Exponential(1)}
    normal = fit(
        "y ~ x + (1 | g)", small, Intercept=mb.Normal(0, 5), fixef=mb.Normal(0, 2), **common
    ).log_evidence()
    student = fit(
        "y ~ x + (1 | g)",
        small,
        Intercept=mb.StudentT(1e6, 0, 5),
        fixef=mb.StudentT(1e6, 0, 2),
        **common,
    ).log_evidence()
    assert (normal.parameters, student.parameters) == (2, 4)
    assert student.log == pytest.approx(normal.log, abs=4 * np.hypot(normal.error, student.error))


def test_the_intercept_at_the_means_goes_with_its_slopes(small):
    """The default prior of the intercept is at the predictors' means."""
    at_means = mb.Model("y ~ x + (1 | g)", small)
    found = at_means.fit(seed=1, progress=False).log_evidence()
    prior = at_means.priors.set_index("parameter")["prior"]
    moved = small.assign(x=small["x"] - small["x"].mean())
    centred = mb.Model(
        "y ~ x + (1 | g)",
        moved,
        priors={"fixef": at_means.spec.priors.mu.fixef[0].prior},
    )
    assert prior["Intercept"] == centred.priors.set_index("parameter")["prior"]["Intercept"]
    again = centred.fit(seed=1, progress=False).log_evidence()
    assert found.log == pytest.approx(again.log, abs=0.03)


def test_other_families_are_told_what_to_do(small):
    counts = small.assign(y=small["y"].round().clip(lower=0).astype(int))
    counts["h"] = np.arange(len(counts)) % 4
    model = mb.Model("y ~ x + (1 | g) + (1 | h)", counts, family="poisson")
    from mixedbayes.checks.evidence import log_evidence
    from mixedbayes.results.posterior import Posterior

    with pytest.raises(
        mb.ModelError, match=r"poisson family has no closed form, .* 2 grouping.* compare .* loo"
    ):
        log_evidence(Posterior(model.spec, xr.DataTree()))


def test_too_few_draws_are_refused(small):
    short = mb.fit("y ~ x + (x | g)", small, draws=30, chains=2, seed=1, progress=False)
    with pytest.raises(mb.ModelError, match="fit with at least 320 draws"):
        short.log_evidence()


def test_references_are_complete():
    folder = Path(__file__).parents[1] / "reference"
    for path in folder.glob("exact_*.json"):
        assert "log_marginal_likelihood" in json.loads(path.read_text(encoding="utf-8"))
        elsewhere = {"interval_lognormal", "sim_ar1"}  # among tests of families, of residuals
        assert path.stem.removeprefix("exact_") in {*ORACLES, *elsewhere}
