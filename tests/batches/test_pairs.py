"""Three and more crossed factors: sums of each two, and the model of all rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from tests.batches.test_equal import likelihood
from tests.support.batches import data, opened_batches

FORMULAS = [
    "y ~ x + (1 | a) + (1 | b) + (1 | c)",
    "y ~ x * arm + t + (x | a) + (1 | b) + (z | c)",
    "y | weights(w) ~ x + (x | a) + (1 | b) + (1 | c)",
    "log(y) ~ I(x**2) + I(x > 50) + (log(z) | a) + (I(x > 50) | b) + (1 | c) + (1 | d)",
    "y ~ 0 + arm + x:z + (x:z | a) + (1 | arm:b) + (1 | c/d) + (1 | e)",
    "y ~ x + (0 + arm | a) + (scale(x) || c) + (1 | d) + (1 | b:e)",
]


@pytest.fixture(scope="module")
def frame():
    frame = data(3, 900)
    rng = np.random.default_rng(8)
    n = len(frame)
    frame["c"], frame["d"] = rng.integers(0, 5, n), rng.integers(0, 7, n)
    frame["e"] = np.array(list("vwxyz"))[(frame.d.to_numpy() * 3) % 5]  # nested, by other names
    return frame


@pytest.mark.parametrize("formula", FORMULAS)
def test_density(frame, formula, monkeypatch):
    """Priors, plan, density and gradient are those of the rows in memory."""
    here = mb.Model(formula, frame)
    monkeypatch.setattr("mixedbayes.batches.second.WHOLE", 100)
    there = mb.Model(formula, mb.source(opened_batches(frame, 97), progress=False))
    assert there.design.standing.apart is not None
    assert there.design.used == here.design.n
    for ours, theirs in zip(here.design.mu.groups, there.design.mu.groups, strict=True):
        np.testing.assert_array_equal(theirs.rows_per_level, ours.rows_per_level)
    assert list(there.priors.prior) == list(here.priors.prior)
    assert there.notes == here.notes
    (one, first), (two, second) = likelihood(here), likelihood(there)
    assert (one.problem.n, one.problem.plan) == (two.problem.n, two.problem.plan)
    np.testing.assert_allclose(second, first, rtol=1e-8, atol=1e-7)
    for name in ("XX", "fronts"):
        ours, theirs = (s.problem.sections[name] for s in (one, two))
        np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-9 * np.abs(ours).max())


FITTED = "y ~ x + arm + (x | a) + (1 | b) + (1 | c)"
SHORT = {"draws": 300, "tune": 200, "chains": 2, "seed": 3, "progress": False}


@pytest.fixture(scope="module")
def here(frame):
    return mb.fit(FITTED, frame, **SHORT)


@pytest.fixture(scope="module")
def there(frame):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mixedbayes.batches.second.WHOLE", 100)
        fit = mb.fit(FITTED, opened_batches(frame, 97), **SHORT)
    assert fit.model.design.standing.apart is not None
    return fit


def test_draws(here, there):
    """The same seed gives the same draws."""
    ours, theirs = here.idata.posterior, there.idata.posterior
    for name in ours.data_vars:
        size = float(np.abs(ours[name]).max())
        np.testing.assert_allclose(theirs[name], ours[name], atol=1e-7 * size, err_msg=name)


ASKED = [
    lambda f: f.fixef(),
    lambda f: f.ranef(),
    lambda f: f.coef(),
    lambda f: f.varcorr(),
    lambda f: f.icc(),
    lambda f: f.r2(),
    lambda f: f.shrinkage(),
    lambda f: f.explained(),
    lambda f: f.parameters(),
    lambda f: f.describe(),
    lambda f: f.hypothesis("x > 0"),
    lambda f: f.predict(data(9, 20).dropna().assign(c=2), groups=["a"]),
    lambda f: f.means("arm"),
    lambda f: f.means("a", over="balanced"),
    lambda f: f.comparisons("arm"),
    lambda f: f.slopes("x", by="arm"),
    lambda f: f.condition_on(data(9, 20).dropna().assign(a=99, c=1)).predict(
        data(10, 20).dropna().assign(a=99, c=1)
    ),
    lambda f: f.model.priors,
    lambda f: f.means("a"),
    lambda f: f.means("arm", by="a"),
    lambda f: f.means("arm", groups=["b"]),
    lambda f: f.means("arm", by="b", groups="typical"),
    lambda f: f.slopes("x", by="c"),
]


@pytest.mark.parametrize("ask", ASKED)
def test_tables(here, there, ask):
    """Tables have the same numbers."""
    ours, theirs = ask(here), ask(there)
    ours, theirs = getattr(ours, "table", ours), getattr(theirs, "table", theirs)
    ours, theirs = (
        pd.DataFrame(t).drop(columns=["ess_bulk", "rhat"], errors="ignore") for t in (ours, theirs)
    )
    pd.testing.assert_frame_equal(theirs, ours, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "ask",
    [
        lambda f: f.pooling(),
        lambda f: f.means("arm", by=["a", "b"]),
        lambda f: f.means("arm", groups=["c", "b"]),
    ],
)
def test_refused(there, ask):
    """What needs rows of all factors at once says so, and what to do."""
    with pytest.raises(mb.ModelError, match=r"sums of the levels of each two factors are left; "):
        ask(there)


def test_file(there, tmp_path):
    """A file has the sums of each two factors."""
    again = mb.load(there.save(tmp_path / "fit.nc"))
    assert str(again.summary()) == str(there.summary())
    pd.testing.assert_frame_equal(again.shrinkage(), there.shrinkage())
    assert again.log_evidence().log == pytest.approx(there.log_evidence().log, abs=1e-6)
