"""Fits of data that are read in batches: the same draws, and what can be asked of them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.design.standing import in_memory
from tests.support.batches import data, opened_batches

FORMULA = "y ~ x + arm + t + (x | a) + (1 | b)"
SHORT = {"draws": 500, "tune": 200, "chains": 2, "seed": 3, "progress": False}


@pytest.fixture(scope="module")
def frame():
    return data(4, 500)


@pytest.fixture(scope="module")
def here(frame):
    return mb.fit(FORMULA, frame, **SHORT)


@pytest.fixture(scope="module")
def there(frame):
    return mb.fit(FORMULA, opened_batches(frame, 61), **SHORT)


def test_draws(here, there):
    """The same seed gives the same draws, to rounding errors of cross-products."""
    ours, theirs = here.idata.posterior, there.idata.posterior
    for name in ours.data_vars:
        size = float(np.abs(ours[name]).max())
        np.testing.assert_allclose(theirs[name], ours[name], atol=1e-7 * size, err_msg=name)


@pytest.mark.parametrize(
    "ask",
    [
        lambda f: f.fixef(),
        lambda f: f.ranef(),
        lambda f: f.coef(),
        lambda f: f.varcorr(),
        lambda f: f.icc(),
        lambda f: f.r2(),
        lambda f: f.shrinkage(),
        lambda f: f.pooling(),
        lambda f: f.explained(),
        lambda f: f.parameters(),
        lambda f: f.describe(),
        lambda f: f.hypothesis("x > 0"),
        lambda f: f.predict(data(9, 20).dropna(), groups=["a"]),
        lambda f: f.means("arm"),
        lambda f: f.means("a", over="balanced"),
        lambda f: f.comparisons("arm"),
        lambda f: f.comparisons("t"),
        lambda f: f.comparisons({"x": "sd"}),
        lambda f: f.comparisons({"x": "minmax"}),
        lambda f: f.slopes("x", by="arm"),
        lambda f: f.slopes("x", how="dyex"),
        lambda f: f.slopes("x", how="eyex", over=data(9, 20).dropna()),
        lambda f: f.grid(arm="all", x=[45, 55]),
        lambda f: f.condition_on(data(9, 20).dropna().assign(a=99)).predict(
            data(10, 20).dropna().assign(a=99)
        ),
        lambda f: f.model.priors,
        lambda f: f.prior_sensitivity(),
    ],
)
def test_tables(here, there, ask):
    """Tables have the same numbers."""
    ours, theirs = ask(here), ask(there)
    ours = getattr(ours, "table", ours)
    theirs = getattr(theirs, "table", theirs)
    ours, theirs = (
        pd.DataFrame(t).drop(columns=["ess_bulk", "rhat"], errors="ignore") for t in (ours, theirs)
    )
    pd.testing.assert_frame_equal(theirs, ours, rtol=1e-6, atol=1e-7)


def test_evidence(here, there):
    """log p(y) has the number of rows, and their weights."""
    assert there.log_evidence().log == pytest.approx(here.log_evidence().log, abs=1e-5)


def test_said(here, there):
    """The summary says the same, and how many rows there were."""
    for ours, theirs in ((here.summary(), there.summary()), (here.model, there.model)):
        said = [line for line in str(theirs).splitlines() if not line.startswith("source")]
        assert said == str(ours).splitlines()
    assert "3 tables, of which sums of these are in memory" in str(there.summary())
    assert repr(there.model.design) == repr(here.model.design)


@pytest.mark.parametrize(
    "ask",
    [
        lambda f: f.residuals(),
        lambda f: f.fitted(),
        lambda f: f.predict(),
        lambda f: f.loo("a"),
        lambda f: f.loo(refit=True),
        lambda f: f.pp_check("ecdf"),
        lambda f: f.posterior_predictive(),
        lambda f: f.model.code("lme4"),
        lambda f: f.model.data,
        lambda f: mb.fit_many(f.model, np.zeros((500, 2))),
        lambda f: f.model.build(mb.NonCentered()),
        lambda f: f.model.simulate(),
        lambda f: mb.compare({"a": f, "b": f}),
        lambda f: mb.ways(f),
        lambda f: mb.study(fit=f).power("x > 0", n={"a": [6]}, simulations=2),
        lambda f: f.plot_residuals(),
        lambda f: f.means("arm", target="P(y > 3)"),
        lambda f: f.means("x"),
        lambda f: f.means("arm", by="x"),
        lambda f: f.means("arm", weights="x"),
        lambda f: f.comparisons({"x": "iqr"}),
        lambda f: f.slopes("x", how="eyex"),
        lambda f: f.slopes("x", how="eydx"),
        lambda f: f.grid("arm", grid="observed"),
        lambda f: f.draws("predictions"),
    ],
)
def test_refused(there, ask):
    """What reads single rows says that they are not there, and what to do."""
    with pytest.raises(mb.MixedBayesError, match=r"read in batches"):
        ask(there)


def test_paper(here, there):
    """The methods section and the tables are those of the fit in memory, but for elpd."""
    said = " The rows were read in batches, from 3 tables, and their sums in each cell were used."
    assert said in there.methods("markdown").replace("\n", " ")
    theirs = " ".join(there.methods("markdown").split()).replace(said, "")
    assert theirs == " ".join(here.methods("markdown").split())
    asked = ("rows", "levels", "icc", "r2")
    assert str(there.table(fit_statistics=asked)) == str(here.table(fit_statistics=asked))
    assert "Left out: elpd (the log likelihood of rows reads rows" in str(there.table())


@pytest.mark.parametrize("ask", ["smooths", "edf", "plot_smooths", "missing", "imputed"])
def test_not_in_the_model(here, there, ask):
    """What the model does not have is refused as it is of data in memory."""
    with pytest.raises(mb.ModelError) as ours:
        getattr(here, ask)()
    with pytest.raises(mb.ModelError) as theirs:
        getattr(there, ask)()
    assert str(theirs.value) == str(ours.value)


def test_size_of_memory(there):
    """What the columns would take is said in a unit that fits."""
    with pytest.raises(mb.ModelError, match=r" in \d{2} kB of memory$"):
        there.fitted()
    sizes = {0: "0 bytes", 7: "7 bytes", 999: "999 bytes", 7200: "7.2 kB", 4.8e10: "48 GB"}
    sizes |= {999_700: "1 MB", 1.2e14: "120 TB", 2.4e15: "2,400 TB"}
    assert {size: in_memory(size) for size in sizes} == sizes


def test_file(there, tmp_path):
    """A file has the sums, and gives the same fit."""
    again = mb.load(there.save(tmp_path / "fit.nc"))
    assert str(again.summary()) == str(there.summary())
    assert again.model.design.used == there.model.design.used
    pd.testing.assert_frame_equal(again.model.priors, there.model.priors)
    new = data(9, 20).dropna()
    pd.testing.assert_frame_equal(again.predict(new), there.predict(new))
    with pytest.raises(mb.ModelError, match="read in batches"):
        again.residuals()


def test_file_of_expressions(frame, tmp_path):
    """What formulas compute is in the file; new rows are read as the fitted ones were."""
    formula = (
        "y | weights(w) ~ scale(x) * z + I(x * (arm == 'low')) + bs(z, knots=[1, 2]) + "
        "(scale(x) | a)"
    )
    few = {**SHORT, "draws": 50}
    fit = mb.fit(formula, opened_batches(frame, 61), **few)
    again = mb.load(fit.save(tmp_path / "fit.nc"))
    new = data(9, 20).dropna()
    pd.testing.assert_frame_equal(again.predict(new), fit.predict(new))
    assert str(again.summary()) == str(fit.summary())
    # the two draws beside a median are as far from it but for rounding, which rhat by ranks shows
    plain, own = (
        re.sub(r"largest rhat 1\.\d+", "", str(f.summary())).splitlines()
        for f in (mb.fit(formula, frame, **few), fit)
    )
    assert plain[4:] == own[5:]


def test_cache(there, tmp_path):
    """A cache of a source is refused: it would have to read all rows to know them."""
    with pytest.raises(mb.SamplingError, match="save"):
        there.model.fit(seed=1, cache=tmp_path)
