"""A family that is one file and one entry of the registry: every stage takes it."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.families.base import Family
from mixedbayes.families.registry import FAMILIES
from tests.support.logistic import Logistic


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(0)
    who, x = np.repeat(np.arange(30), 8), rng.normal(size=240)
    z = x > 0
    noise = np.sqrt(3) / np.pi * rng.logistic(size=240)  # of sd 1
    y = 1 + 0.3 * x + rng.normal(0, 0.5, 30)[who] + np.where(z, 1.0, 0.5) * noise
    data = pd.DataFrame({"y": y, "x": x, "z": z, "g": [f"p{k:02d}" for k in who]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES, Logistic.name, Logistic)
        formulas = ["y ~ x + (1 | g)", "sigma ~ z"]
        return mb.fit(formulas, data, family="logistic", draws=300, chains=2, seed=1,
                     progress=False)  # fmt: skip


def test_it_is_fitted_on_the_compiled_density(fit):
    assert fit.formulation.engine.name == "joint"
    assert fit.fixef().query("term == 'x'")["mean"].iloc[0] == pytest.approx(0.3, abs=0.15)
    assert np.exp(fit.posterior.intercept("sigma").mean()) == pytest.approx(0.5, abs=0.12)
    assert np.exp(fit.posterior.fixef("sigma").mean()) == pytest.approx(2.0, abs=0.6)


def test_tables_predictions_files_and_words_have_it(fit, tmp_path, monkeypatch):
    new = pd.DataFrame({"x": [0.0], "z": [False], "g": ["new"]})
    mean, linear = (
        fit.predict(new, kind=k, groups="typical", draws=True) for k in ("mean", "linear")
    )
    np.testing.assert_allclose(mean, linear)
    median = fit.predict(new, target="quantile(0.5)", groups="typical", draws=True)
    np.testing.assert_allclose(median, linear, atol=1e-6)
    assert np.isfinite(fit.r2()["mean"]).all()
    assert "logistic" in str(fit.summary())
    page = fit.report(tmp_path / "fit.html", checks=False).read_text()
    assert "Logistic" in page
    monkeypatch.setitem(FAMILIES, Logistic.name, Logistic)
    again = mb.load(fit.save(tmp_path / "fit.nc"))
    np.testing.assert_array_equal(again.fixef()["mean"], fit.fixef()["mean"])


def test_a_mean_that_is_more_than_mu_is_declared():
    with pytest.raises(TypeError, match=r"Doubled has an `expectation` of its own: .*mean_is_mu"):

        class Doubled(mb.Gaussian):
            def expectation(self, mu, parameters):
                return 2 * mu

    more = {name for name, kind in FAMILIES.items() if kind.expectation is not Family.expectation}
    assert more == {name for name, kind in FAMILIES.items() if not kind.mean_is_mu}
