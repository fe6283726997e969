"""A family that is one file and one entry of the registry: every stage takes it."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedbayes as mb
from mixedbayes.families.registry import FAMILIES
from tests.support.zero_inflated_poisson import ZeroInflatedPoisson


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(0)
    who, x = np.repeat(np.arange(30), 8), rng.normal(size=240)
    mean = np.exp(1 + 0.3 * x + rng.normal(0, 0.5, 30)[who])
    y = rng.poisson(mean) * (rng.uniform(size=240) > 0.3)
    data = pd.DataFrame({"y": y, "x": x, "z": x > 0, "g": [f"p{k:02d}" for k in who]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES, ZeroInflatedPoisson.name, ZeroInflatedPoisson)
        formulas = ["y ~ x + (1 | g)", "zi ~ z"]
        return mb.fit(formulas, data, family="zero_inflated_poisson", draws=300, chains=2, seed=1,
                     progress=False)  # fmt: skip


def test_it_is_fitted_on_the_compiled_density(fit):
    assert fit.formulation.engine.name == "joint"
    assert fit.fixef().query("term == 'x'")["mean"].iloc[0] == pytest.approx(0.3, abs=0.15)
    share = stats.logistic.cdf(fit.posterior.intercept("zi").mean())
    assert share == pytest.approx(0.3, abs=0.15)


def test_tables_predictions_files_and_words_have_it(fit, tmp_path, monkeypatch):
    new = pd.DataFrame({"x": [0.0], "z": [False], "g": ["new"]})
    mean, linear = (
        fit.predict(new, kind=k, groups="typical", draws=True) for k in ("mean", "linear")
    )
    zi = stats.logistic.cdf(fit.posterior.intercept("zi"))
    expected = (1 - zi) * np.exp(linear.to_numpy().reshape(-1))
    np.testing.assert_allclose(mean.to_numpy().reshape(-1), expected)
    assert np.isfinite(fit.icc()["mean"]).all()
    assert "zero_inflated_poisson" in str(fit.summary())
    page = fit.report(tmp_path / "fit.html", checks=False).read_text()
    assert "ZIP" in page
    monkeypatch.setitem(FAMILIES, ZeroInflatedPoisson.name, ZeroInflatedPoisson)
    again = mb.load(fit.save(tmp_path / "fit.nc"))
    np.testing.assert_array_equal(again.fixef()["mean"], fit.fixef()["mean"])
