"""Dates, times and periods as visits and times: numbers, labels, what is irregular, new data."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mixedbayes as mb
from mixedbayes.design import build_design, replay, replay_residual
from mixedbayes.errors import DataError
from mixedbayes.formula import parse_all, with_residual

GROUPS = 6


def frame(dates, **other):
    dates = pd.Series(dates)
    d = pd.DataFrame({"when": pd.concat([dates] * GROUPS, ignore_index=True)})
    d["g"] = np.repeat([f"g{k}" for k in range(GROUPS)], len(dates))
    return d.assign(y=np.random.default_rng(1).normal(size=len(d)), **other)


def design(dates, residual=None, formula="y ~ 1"):
    return build_design(with_residual(parse_all(formula), residual), frame(dates))


DAYS = pd.to_datetime(["2024-02-27", "2024-02-28", "2024-03-01", "2024-03-04"])
CASES = {
    "days": (DAYS, [0, 1, 3, 6], "steps of 1 day", "2024-03-01"),
    "weeks": (pd.date_range("2024-01-03", periods=4, freq="7D"), [0, 1, 2, 3], "7 days", "01-17"),
    "months": (pd.date_range("2024-01-01", periods=4, freq="MS"), [0, 1, 2, 3], "months", "03-01"),
    "month ends": (pd.date_range("2023-12-31", periods=4, freq="ME"), [0, 1, 2, 3], "months", "29"),
    "quarters": (pd.date_range("2024-01-01", periods=4, freq="QS"), [0, 3, 6, 9], "months", "7-01"),
    "years": (pd.date_range("2019-06-15", periods=4, freq="365D").map(
        lambda v: v.replace(month=6, day=15)), [0, 12, 24, 36], "months", "2021-06-15"),
    "hours": (pd.date_range("2024-01-01 06:00", periods=4, freq="2h"), [0, 1, 2, 3], "2 hours",
              "2024-01-01 10:00:00"),
    "a zone's days": (pd.date_range("2024-03-30", periods=4, freq="D", tz="Europe/Berlin"),
                      [0, 1, 2, 3], "steps of 1 day", "2024-04-01"),
    "periods": (pd.period_range("2024-01", periods=4, freq="M"), [0, 1, 2, 3], "1 M", "2024-03"),
    "durations": (pd.to_timedelta([0, 2, 4, 8], "D"), [0, 1, 2, 4], "2 days", "4 days"),
    "python's dates": ([v.date() for v in DAYS], [0, 1, 3, 6], "1 day", "2024-03-01"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_visits_are_steps(case):
    dates, at, said, label = CASES[case]
    found = design(dates, "ar1(when | g)")
    own = found.residual
    start = own.structure.at[0]
    np.testing.assert_allclose(np.subtract(own.structure.at, start), at)
    assert own.places.tolist() == [0, 1, 2, 3] * GROUPS
    assert str(own.positions[2]).endswith(label)
    assert any(said in note for note in found.notes)
    effects = design(dates, formula="y ~ ar1(when | g)")
    (g,) = effects.mu.groups
    np.testing.assert_allclose(np.subtract(g.covariance.at, g.covariance.at[0]), at)
    assert g.terms[2] == f"when[{own.positions[2]}]"
    assert any(said in note for note in effects.notes)


def test_times_are_days():
    dates = pd.to_datetime(["2024-01-01 12:00", "2024-01-02 00:00", "2024-02-01 00:00"])
    own = design(dates, "ou(when | g)").residual
    np.testing.assert_allclose(own.structure.at, [0, 0.5, 30.5])
    assert any("when is in days" in note for note in design(dates, "ou(when | g)").notes)
    summer = pd.date_range("2024-03-30", periods=3, freq="D", tz="Europe/Berlin")
    np.testing.assert_allclose(design(summer, "ou(when | g)").residual.structure.at,
                               [0, 1, 1 + 23 / 24])  # fmt: skip
    (g,) = design(dates, formula="y ~ ou(when | g)").mu.groups
    np.testing.assert_allclose(g.covariance.at, [0, 0.5, 30.5])


@pytest.mark.parametrize("structure", ["unstr", "cosy", "us", "cs"])
def test_structures_without_an_order_have_dates_as_levels(structure):
    own = design(DAYS, f"{structure}(when | g)").residual
    assert own.positions == ("2024-02-27", "2024-02-28", "2024-03-01", "2024-03-04")
    new = frame(DAYS[[1, 3]])
    assert replay_residual(design(DAYS, f"{structure}(when | g)"), new).places.tolist()[:2] == [
        1,
        3,
    ]


def test_dates_at_other_distances_are_refused_with_the_way():
    dates = pd.to_datetime(["2024-01-01", "2024-01-03", "2024-01-06"])
    for how in ({"residual": "ar1(when | g)"}, {"formula": "y ~ ar1(when | g)"}):
        with pytest.raises(DataError, match=r"shortest distance is 2 days, another 3 days; write "
                           r"ou\(when \| g\), which"):  # fmt: skip
            design(dates, **how)
    with pytest.raises(DataError, match="not equally far apart"):
        design(DAYS, "toep(when | g)")
    with pytest.raises(DataError, match="2024-02-27 in every row"):
        design(DAYS[:1], "ar1(when | g)")


def test_new_rows_are_read_alike():
    weeks = CASES["weeks"][0]
    for fitted in (design(weeks, "ar1(when | g)"), design(weeks, "ou(when | g)")):
        later = pd.DataFrame(
            {"when": weeks[[1]].append(weeks[[3]] + pd.Timedelta("14D")), "g": "g1"}
        )
        own = replay_residual(fitted, later)
        assert own.positions[-1] == "2024-02-07"
        assert np.diff(np.array(own.structure.at)[own.places]) in (4, 28)
    with pytest.raises(
        DataError, match=r"steps of 7 days in the fitted data, and 2024-01-04.*row 0"
    ):
        replay_residual(
            design(weeks, "ar1(when | g)"),
            pd.DataFrame({"when": pd.to_datetime(["2024-01-04"]), "g": "g1"}),
        )
    with pytest.raises(DataError, match="in months in the fitted data, and 2024-05-02"):
        replay_residual(
            design(CASES["months"][0], "ar1(when | g)"),
            pd.DataFrame({"when": pd.to_datetime(["2024-05-02"]), "g": "g1"}),
        )
    with pytest.raises(DataError, match="when was times in the fitted data and is int64"):
        replay_residual(design(weeks, "ar1(when | g)"), pd.DataFrame({"when": [1], "g": "g1"}))
    with pytest.raises(DataError, match=r"has 1 value\(s\).*: 4.0, in steps of 7 days from the"):
        replay_residual(
            design(weeks, "homtoep(when | g)"),
            pd.DataFrame({"when": pd.to_datetime(["2024-01-31"]), "g": "g1"}),
        )


def test_effects_at_new_dates():
    weeks = CASES["weeks"][0]
    fitted = design(weeks, formula="y ~ ar1(when | g)")
    new = pd.DataFrame({"when": pd.to_datetime(["2024-01-10", "2024-02-07"]), "g": "g1"})
    rows = replay(fitted, new, beyond=True)
    assert rows.groups["g"].beyond == (5.0,)
    np.testing.assert_array_equal(rows.groups["g"].Z, [[0, 1, 0, 0, 0], [0, 0, 0, 0, 1]])


def test_a_fit_of_dates_predicts_saves_and_forecasts(tmp_path):
    d = frame(CASES["weeks"][0])
    fit = mb.fit("y ~ 1 + (1 | g)", pl.from_pandas(d), residual="ar1(when | g)", chains=1, draws=60,
                 seed=1, progress=False)  # fmt: skip
    new = pl.DataFrame({"when": [pd.Timestamp("2024-01-31")], "g": ["g2"]})
    found = fit.predict(new)
    again = mb.load(fit.save(tmp_path / "dates.nc"))
    assert again.predict(new)["mean"].to_list() == found["mean"].to_list()
    assert "when is in steps of 7 days" in str(fit.model.notes)


def test_questions_hold_dates_at_the_commonest_and_take_others():
    d = frame(CASES["weeks"][0], x=np.arange(24.0))
    fit = mb.fit("y ~ x + ar1(when | g)", d, chains=1, draws=50, seed=1, progress=False)
    assert fit.grid(x=[1, 2])["when"].tolist() == [pd.Timestamp("2024-01-03")] * 2
    asked = fit.grid(when=["2024-01-10", "2024-02-07"], g="g1")
    assert asked["when"].tolist() == [pd.Timestamp("2024-01-10"), pd.Timestamp("2024-02-07")]
    assert len(fit.predict(asked, kind="mean")) == 2
    with pytest.raises(DataError, match="when holds times, and not 'soon'"):
        fit.grid(when="soon")
    fit.plot_predictions("x")


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_times_of_new_data_have_a_zone_where_those_of_the_fit_have_one(zone):
    own = pd.Series(pd.date_range("2024-01-03", periods=4, freq="7D"))
    fitted = design(own.dt.tz_localize(zone), "ou(when | g)")
    other = own.dt.tz_localize(None if zone else "UTC")
    was, now = ("times with a zone", "times") if zone else ("times", "times with a zone")
    with pytest.raises(DataError, match=f"when was {was} in the fitted data and is {now} here"):
        replay_residual(fitted, frame(other))
    if zone:
        replay_residual(fitted, frame(own.dt.tz_localize(zone).dt.tz_convert("UTC")))
