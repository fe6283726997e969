"""Bambi, with the same priors and uncorrelated effects, has the same posterior."""

import arviz as az
import numpy as np
import pytest
import xarray as xr

import mixedbayes as mb

bmb = pytest.importorskip("bambi", minversion="0.21", reason="needs the extra: bambi")

# tests/interop/test_from_bambi.py samples the same model, which `to_bambi` made.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def theirs():
    """Bambi's draws. Its `(Days | Subject)` has no correlation, and `center_predictors=False` puts
    the prior of the intercept at zero days, where ours is."""

    def group():
        return bmb.Prior("Normal", mu=0, sigma=bmb.Prior("Exponential", lam=0.02))

    model = bmb.Model(
        "Reaction ~ Days + (Days | Subject)",
        mb.load_data("sleepstudy"),
        center_predictors=False,
        priors={
            "Intercept": bmb.Prior("Normal", mu=300, sigma=250),
            "Days": bmb.Prior("Normal", mu=0, sigma=50),
            "1|Subject": group(),
            "Days|Subject": group(),
            "sigma": bmb.Prior("Exponential", lam=0.02),
        },
    )
    model.build()
    idata = model.fit(
        draws=1500, tune=1000, chains=2, random_seed=1, target_accept=0.9, progressbar=False
    )
    return idata["posterior"]


def pairs(ours: xr.Dataset, theirs: xr.Dataset) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Draws (chain, draw) of every quantity, ours and theirs."""
    found = {
        "Intercept": (ours["Intercept"], theirs["Intercept"]),
        "Days": (ours["fixef"].sel(term="Days"), theirs["Days"]),
        "sigma": (ours["sigma"], theirs["sigma"]),
    }
    subjects = [str(s) for s in ours["Subject"].values]
    assert subjects == [str(s) for s in theirs["Subject__factor_dim"].values]
    for term, name in (("Intercept", "1|Subject"), ("Days", "Days|Subject")):
        mine = ours.sel(Subject_term=term)
        found[f"sd {term}"] = (mine["sd_Subject"], theirs[f"{name}_sigma"])
        for j, subject in enumerate(subjects):
            found[f"{subject} {term}"] = (mine["ranef_Subject"][..., j], theirs[name][..., j])
    return {label: (a.to_numpy(), b.to_numpy()) for label, (a, b) in found.items()}


def test_the_posteriors_agree(oracle_fit, theirs):
    fit = oracle_fit("sleepstudy_days_subject_uncor")
    found = pairs(fit.idata["posterior"], theirs)
    assert len(found) == 3 + 2 + 2 * 18
    for statistic, of in {"mean": np.mean, "sd": np.std}.items():
        for label, (a, b) in found.items():
            error = np.hypot(az.mcse(a, method=statistic), az.mcse(b, method=statistic))
            assert error < 0.1 * a.std(), f"{label}: too few effective draws to tell"
            assert abs(of(a) - of(b)) < 4 * error, f"{statistic} of {label}"
