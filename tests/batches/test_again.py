"""What is of single rows, where these are read again from their source."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.checks import read_again
from mixedbayes.checks.by_batch import statistics_by_batch
from mixedbayes.checks.loo import smoothed
from mixedbayes.checks.residual import spread
from tests.support.batches import data, opened_batches

SHORT = {"draws": 300, "tune": 200, "chains": 2, "seed": 3, "progress": False}
FORMULA = "y | weights(w) ~ x + arm + (x | a) + (1 | b)"


@pytest.fixture(scope="module")
def frame():
    return data(4, 400).assign(id=[f"n{k}" for k in range(400)])


@pytest.fixture(scope="module")
def here(frame):
    return mb.fit(FORMULA, frame, **SHORT)


@pytest.fixture(scope="module")
def there(frame):
    return mb.fit(FORMULA, opened_batches(frame, 61), **SHORT)


@pytest.mark.parametrize(
    ("what", "given"),
    [
        ("fitted", {}),
        ("fitted", {"kind": "linear", "statistics": ["median"]}),
        ("residuals", {"kind": "pearson", "prob": 0.5}),
        ("predict", {"kind": "mean"}),
    ],
)
def test_tables(here, there, frame, what, given):
    """Tables of the batches are those of the fit in memory, row by row."""
    tables = list(there.by_batch(what, columns="id", **given))
    assert len(tables) > 5
    assert tables[0].columns[0] == "id"
    found = pd.concat(tables)
    complete = frame.dropna(subset=["y", "x", "b"])
    ask = getattr(here, what)
    used = complete[["y", "w", "x", "arm", "a", "b"]]
    ours = pd.DataFrame(ask(used, **given) if what == "predict" else ask(**given))
    assert list(found.id) == list(complete.id)
    assert list(found.index) == list(complete.index)
    columns = [name for name in ours if name not in ("ess_bulk", "rhat")]
    theirs = found[columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        theirs, ours[columns].reset_index(drop=True), rtol=1e-6, atol=1e-6, check_names=False
    )


@pytest.mark.parametrize("size", [None, 10, 150])
def test_random_numbers(there, frame, size):
    """Each row has its own, the same whatever the batches, and those of all rows in memory."""
    found = pd.concat(there.by_batch("predict", size=size, seed=5))
    complete = frame.dropna(subset=["y", "x", "b"])
    assert list(found.index) == list(complete.index)
    whole = there.predict(complete[["w", "x", "arm", "a", "b"]], seed=5)
    for name in ("mean", "sd", "lower", "upper"):
        np.testing.assert_allclose(found[name], whole[name], rtol=1e-9)
    with pytest.raises(TypeError, match="before"):
        list(there.by_batch("predict", before=1))


def test_equal_rows(frame):
    """Rows of one level, in other batches, do not have the same random numbers."""
    fit = mb.fit("y ~ 1 + (1 | b)", opened_batches(frame, 61), **{**SHORT, "draws": 50})
    rows = pd.concat(fit.by_batch("predict", columns="id"))
    assert rows["sd"].nunique() == len(rows)


def test_leave_one_out(here, there):
    """The sum of scores is that of the rows in memory; their k names the same rows."""
    ours, theirs = smoothed(here.posterior, "observation"), there.loo(progress=False)
    assert (ours.how == "weighted").all()
    assert theirs.elpd == pytest.approx(ours.elpd, abs=1e-3)
    assert theirs.se == pytest.approx(ours.se, rel=1e-5)
    assert theirs.p == pytest.approx(ours.p, abs=1e-3)
    assert theirs.n == here.model.design.n
    each = pd.concat(there.by_batch("loo"))
    np.testing.assert_allclose(each.elpd, np.asarray(ours.elpd_i), rtol=1e-5)
    assert theirs.influence.index[0] == each.pareto_k.idxmax()
    assert f"{theirs.n:,} observations left out one at a time" in str(theirs)
    with pytest.raises(mb.ModelError, match="read in batches"):
        there.loo("a")


def test_file(there, frame, tmp_path):
    """A Parquet file has all rows; one that fails leaves none behind."""
    path = there.by_batch("residuals", tmp_path / "r.parquet", columns=["id", "a"])
    found = pd.read_parquet(path)
    assert list(found.columns) == ["row", "id", "a", "mean", "sd", "lower", "upper"]
    assert len(found) == there.model.design.used
    with pytest.raises(mb.DataError, match="these are other data"):
        there.by_batch("fitted", tmp_path / "f.parquet", data=opened_batches(frame[:300], 50))
    assert [p.name for p in tmp_path.iterdir()] == ["r.parquet"]


def test_source_is_not_at_hand(there, frame, tmp_path):
    """A file of the fit has no rows; with the data given they are read."""
    again = mb.load(there.save(tmp_path / "fit.nc"))
    with pytest.raises(mb.ModelError, match=r"not at hand.*data="):
        again.by_batch()
    found = pd.concat(again.by_batch("residuals", data=opened_batches(frame, 50)))
    pd.testing.assert_frame_equal(found, pd.concat(there.by_batch("residuals")), rtol=1e-9)
    named = frame.assign(of=1.0)  # as what mixedbayes.source() makes calls its source
    for own in (named, mb.source(named, progress=False)):
        tables = again.by_batch("residuals", data=own)
        pd.testing.assert_frame_equal(pd.concat(tables), found, rtol=1e-9)


@pytest.mark.parametrize("stat", ["mean", "sd", "min", "max", "zeros"])
def test_statistics(there, frame, stat):
    """A statistic of the data is exact, that of replicates from the model's distribution."""
    y = frame.dropna(subset=["y", "x", "b"]).y.to_numpy()
    by_hand = {"mean": y.mean(), "sd": y.std(ddof=1), "min": y.min(), "max": y.max(), "zeros": 0.0}
    data_, replicated = statistics_by_batch(there.posterior, stat, 1)
    assert data_ == pytest.approx(by_hand[stat], rel=1e-9)
    assert len(replicated) == 400
    if stat in ("mean", "sd"):
        assert 0.02 < np.mean(replicated > data_) < 0.98


def test_check(there):
    """A picture of a statistic; other kinds need rows at once."""
    assert there.pp_check(stat="sd") is not None
    plt.close("all")
    with pytest.raises(mb.ModelError, match="read in batches"):
        there.pp_check("density")
    with pytest.raises(mb.ModelError, match="takes all responses at once"):
        there.pp_check(stat=np.median)


def test_checks(here, there):
    """What check() says of rows that are read again is what it says of these rows in memory."""
    ours, theirs = (
        {f.title: f for f in fit.check(progress=False).findings} for fit in (here, there)
    )
    left_out = {"Within and between groups", "Influential levels of a", "Influential levels of b"}
    assert ours.keys() - theirs.keys() <= left_out
    assert theirs.keys() - ours.keys() == {"Not checked"}
    for title in ours.keys() & theirs.keys() - {"Influential observations"}:
        assert theirs[title].said == ours[title].said, title
        assert theirs[title].look == ours[title].look
    one, two = (found["Influential observations"].table for found in (ours, theirs))
    assert two.pareto_k.max() == pytest.approx(one.pareto_k.max(), rel=1e-4)
    along = {f.title: f for f in there.check(order="x", progress=False).findings}["Autocorrelation"]
    assert "along x" in along.said
    with pytest.raises(mb.ModelError, match="give the name of one of them"):
        there.check(order=np.arange(400))
    assert there.plot_check() is not None
    plt.close("all")


def test_few_rows_of_many(frame, monkeypatch):
    """Rows beyond those that are looked at are passed over, whole levels with their rows."""
    monkeypatch.setattr("mixedbayes.checks.read_again.MOST_ROWS", 120)
    fit = mb.fit("y ~ x + (1 | a) + (1 | b)", opened_batches(frame, 61), **{**SHORT, "draws": 50})
    some = read_again.Some.of(fit.posterior)
    assert some.spread.design.n == 120
    complete = frame.dropna(subset=["y", "x", "b"])
    assert some.spread.design.y == pytest.approx(
        complete.y.to_numpy()[spread(np.ones(len(complete)), 120)]
    )
    counts = some.levels.design.frame.b.value_counts()
    assert (counts == complete.b.value_counts()[counts.index]).all()
    assert 60 < some.levels.design.n <= 120


def test_check_without_rows(there, tmp_path):
    """Of a file without its rows the rest is checked, and it says why they are not."""
    again = mb.load(there.save(tmp_path / "fit.nc")).check(progress=False)
    said = [f.said for f in again.findings if f.title == "Not checked"]
    assert ["not at hand" in text for text in said] == [True, True, False]
    assert [text.split(" ")[0] for text in said] == ["Residuals", "Influential", "Slopes"]
    assert "Sds and correlations" in again.tables


def test_report(there, tmp_path):
    """A page has what sums tell, the checks of some rows, and reasons for pictures of levels."""
    page = there.report(tmp_path / "page.html").read_text(encoding="utf-8")
    body = page[page.index("<main>") : page.rindex("</main>")]
    assert f"{there.model.design.used} rows" in page
    assert body.count('type="application/json"') > 10
    assert "Residuals given the group effects" in body
    assert "arm: means" in body
    assert "x: slope" in body
    assert "No picture: a picture of levels reads rows of the data" in body


def test_refused(here, there):
    """What by_batch does not have."""
    with pytest.raises(mb.ModelError, match="not read in batches"):
        here.by_batch()
    with pytest.raises(mb.ModelError, match="'fitted', 'residuals', 'predict', 'loo'"):
        there.by_batch("report")
    with pytest.raises(mb.ModelError, match="would not fit into memory"):
        there.by_batch(draws=True)
    with pytest.raises(mb.DataError, match="no column 'nothing'"):
        there.by_batch(columns="nothing")


def test_distinct_rows(frame):
    """Of rows that became one, by_batch has each."""
    own = frame.assign(n=np.round(np.abs(frame.z)).fillna(0).astype(int))
    fit = mb.fit(
        "n ~ arm + k + (1 | a)", opened_batches(own, 61), family="poisson",
        **{**SHORT, "draws": 100},
    )  # fmt: skip
    found = pd.concat(fit.by_batch("residuals"))
    assert len(found) == len(own)
    first = fit.residuals()
    assert len(first) == fit.model.design.n < len(own)
    note = f"Of the {len(first)} distinct rows, which stand for the {len(own)} rows of 3 tables; "
    for table in (first, fit.fitted(), fit.predict(seed=1), fit.predict(kind="mean")):
        assert table.attrs["note"].startswith(note)
    asked = {"weights": "k", "groups": "typical"}
    ours, theirs = (fit.means("arm", over=rows, **asked) for rows in ("observed", own))
    np.testing.assert_allclose(ours.sampled, theirs.sampled, rtol=1e-9)
    together = found["mean"].round(9).drop_duplicates()
    assert set(together) == set(first["mean"].round(9))
