"""Statistics and intervals of tables: ArviZ's numbers, and the same choice in every table."""

import arviz_stats as az
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mixedbayes.errors import ModelError
from mixedbayes.results import tables
from mixedbayes.results.fitted import fitted, residuals
from mixedbayes.results.fixef import fixef, parameters
from mixedbayes.results.icc import icc
from mixedbayes.results.pooling import pooling
from mixedbayes.results.r2 import r2
from mixedbayes.results.ranef import coef, ranef
from mixedbayes.results.shrinkage import shrinkage
from mixedbayes.results.summary import summary
from mixedbayes.results.tables import STATISTICS, Description, highest_density
from mixedbayes.results.varcorr import varcorr

CHAINS, DRAWS = 4, 250


@pytest.fixture(scope="module")
def draws():
    """(4, 250, 5): skewed, normal, of whole numbers, of one value, autocorrelated."""
    rng = np.random.default_rng(1)
    walk = np.cumsum(rng.normal(size=(CHAINS, DRAWS)), axis=1)
    return np.stack(
        [
            rng.gamma(2, 1, (CHAINS, DRAWS)),
            rng.normal(-0.3, 1, (CHAINS, DRAWS)),
            rng.poisson(3, (CHAINS, DRAWS)).astype(float),
            np.ones((CHAINS, DRAWS)),
            walk,
        ],
        axis=2,
    )


@pytest.mark.parametrize("prob", [0.5, 0.89, 0.95])
def test_every_statistic_is_that_of_arviz(draws, prob):
    found = Description.asked(prob, STATISTICS, "hdi").sampled(draws)
    assert list(found) == list(STATISTICS)
    for k in range(draws.shape[2]):
        x = draws[:, :, k]
        flat = x.ravel()
        hdi = az.hdi(flat, prob=prob)
        expected = {
            "mean": flat.mean(), "sd": flat.std(ddof=1), "median": np.median(flat),
            "mad": stats.median_abs_deviation(flat), "lower": hdi[0], "upper": hdi[1],
            "prob_positive": (flat > 0).mean(), "mcse": az.mcse(x, method="mean"),
            "ess_bulk": az.ess(x, method="bulk"),
            "ess_tail": az.ess(x, method="tail", prob=(0.05, 0.95)),
        }  # fmt: skip
        with np.errstate(invalid="ignore"):  # of one value
            expected["rhat"] = az.rhat(x)
        for name, value in expected.items():
            assert found[name][k] == pytest.approx(value, rel=1e-9, nan_ok=True), (name, k)


def test_equal_tails_are_quantiles(draws):
    found = Description(0.8).sampled(draws)
    assert list(found) == ["mean", "sd", "lower", "upper", "ess_bulk", "rhat"]
    flat = draws.reshape(-1, draws.shape[2])
    np.testing.assert_allclose([found["lower"], found["upper"]], np.quantile(flat, [0.1, 0.9], 0))


def test_the_shortest_interval_is_no_longer_than_any_other():
    x = np.random.default_rng(2).exponential(size=(1, 37))
    for prob in (0.1, 0.5, 0.9, 0.999):
        lower, upper = highest_density(x, prob)
        ordered, steps = np.sort(x[0]), min(int(prob * 37), 36)
        widths = [ordered[i + steps] - ordered[i] for i in range(37 - steps)]
        assert upper[0] - lower[0] == pytest.approx(min(widths))
    assert highest_density(np.array([[3.0]]), 0.5) == (3.0, 3.0)


def test_draws_that_are_not_numbers_give_none():
    x = np.array([[1.0, np.nan, 2.0, 3.0], [1.0, 2.0, 3.0, np.inf]])
    for interval in ("eti", "hdi"):
        found = Description.asked(0.5, ["median", "prob_positive"], interval).plain(x)
        assert np.isnan([v[0] for v in found.values()]).all()
        assert found["median"][1] == 2.5
        assert found["prob_positive"][1] == 1
    assert highest_density(x, 0.5)[1][1] == 3


def test_blocks_and_chains_change_nothing(draws, monkeypatch):
    flat = draws.reshape(-1, draws.shape[2]).T
    how = Description.asked(0.9, STATISTICS, "hdi")
    whole, sampled = how.plain(flat, CHAINS), how.sampled(draws)
    monkeypatch.setattr(tables, "_BLOCK", 2 * flat.shape[1])
    for name, values in how.plain(flat, CHAINS).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-12)
        np.testing.assert_allclose(values, sampled[name], rtol=1e-12)


def test_zero_is_not_positive_and_ratios_are_about_one():
    x = np.array([[-1.0, 0.0, 0.0, 2.0]])
    how = Description(columns=("prob_positive",))
    assert how.plain(x)["prob_positive"] == 0.25
    assert how.plain(np.exp(x), above=1.0)["prob_positive"] == 0.25


@pytest.mark.parametrize(
    ("asked", "columns"),
    [
        (None, ("mean", "sd", "lower", "upper")),
        (["median"], ("median", "lower", "upper")),
        ("median", ("median", "lower", "upper")),
        (("upper", "mcse"), ("upper", "mcse")),
        (["rhat", "mean"], ("rhat", "mean", "lower", "upper")),
    ],
)
def test_the_interval_comes_last_unless_it_is_named(asked, columns):
    assert Description.asked(statistics=asked).columns == columns


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"statistics": ["medain"]}, "'medain' is not one of mean, sd.*did you mean 'median'"),
        ({"statistics": ["mode"]}, "'mode' is not one of"),
        ({"statistics": []}, "there is none"),
        ({"statistics": ["sd", "sd"]}, "'sd' stands there twice"),
        ({"statistics": 3}, "give a list of names"),
        ({"statistics": [1, None]}, "1 is not one of"),
        ({"interval": "HDI"}, 'use "eti".*or "hdi"'),
        ({"prob": 89}, "is not a probability"),
    ],
)
def test_what_is_not_understood_is_refused(arguments, said, sleep):
    with pytest.raises(ModelError, match=said):
        Description.asked(**arguments)
    with pytest.raises(ModelError, match=said):
        coef(sleep, **arguments)


TABLES = (fixef, ranef, coef, varcorr, parameters, icc, r2, fitted, residuals)


@pytest.mark.parametrize("table", TABLES, ids=lambda f: f.__name__)
def test_every_table_takes_them(table, sleep):
    plain = table(sleep, 0.8)
    labels = [c for c in plain if c not in (*STATISTICS, "variance", "share")]
    asked = table(sleep, 0.8, statistics=["median", "mad"], interval="hdi")
    health = [] if table in (fitted, residuals) else ["ess_bulk", "rhat"]
    more = ["variance", "share"] if table is varcorr else []
    assert list(asked) == [*labels, "median", "mad", "lower", "upper", *health, *more]
    assert asked[labels].equals(plain[labels])
    assert ((asked["upper"] - asked["lower"]) < 1.2 * (plain["upper"] - plain["lower"])).all()
    assert not asked["lower"].equals(plain["lower"])
    both = table(sleep, 0.8, statistics=["mean", "sd"])
    for name in ("mean", "sd", "lower", "upper"):
        np.testing.assert_array_equal(both[name], plain[name])


def test_the_numbers_are_of_the_rows_own_draws(sleep):
    found = ranef(sleep, statistics=["median", "prob_positive"], interval="hdi")
    b = sleep.ranef("Subject").reshape(sleep.n_draws, -1)
    np.testing.assert_allclose(found["median"], np.median(b, axis=0))
    np.testing.assert_allclose(found["prob_positive"], (b > 0).mean(axis=0))
    ends = np.array([az.hdi(b[:, k], prob=0.95) for k in range(b.shape[1])])
    np.testing.assert_allclose(found[["lower", "upper"]], ends)


def test_shrinkage_has_the_shortest_interval(sleep):
    found, plain = shrinkage(sleep, interval="hdi"), shrinkage(sleep)
    assert list(found) == list(plain)
    assert not found["pooling_lower"].equals(plain["pooling_lower"])
    with pytest.raises(ModelError, match="interval='shortest'"):
        shrinkage(sleep, interval="shortest")


def test_pooling_has_the_shortest_interval_where_it_is_another(sleep):
    found, plain = pooling(sleep, interval="hdi"), pooling(sleep)
    partial = found["kind"] == "partial"
    ends = ["lower", "upper"]
    pd.testing.assert_frame_equal(found.loc[~partial, ends], plain.loc[~partial, ends])
    expected = coef(sleep, interval="hdi")[ends]
    np.testing.assert_array_equal(found.loc[partial, ends], expected)
    with pytest.raises(ModelError, match="interval='t'"):
        pooling(sleep, interval="t")


def test_shrinkage_says_of_the_pooling_factor_what_is_asked(sleep):
    plain = shrinkage(sleep, 0.8)
    found = shrinkage(sleep, 0.8, statistics=["median", "rhat", "mean"])
    said = ["pooling_median", "pooling_rhat", "pooling", "pooling_lower", "pooling_upper"]
    labels = [c for c in plain if not c.startswith("pooling")]
    assert list(found) == [*labels[:-2], *said, "borrowed", "note"]
    pd.testing.assert_frame_equal(found[list(plain)], plain)
    draws = shrinkage(sleep, draws=True)["pooling_Subject"]
    one = draws.isel(dict.fromkeys(draws.dims[2:], 0)).to_numpy()
    assert found["pooling_median"][0] == pytest.approx(np.median(one))
    assert found["pooling_rhat"][0] == pytest.approx(az.rhat(one))
    alone = shrinkage(sleep, statistics="sd")
    assert [c for c in alone if c.startswith("pooling")] == [
        "pooling_sd", "pooling_lower", "pooling_upper",
    ]  # fmt: skip
    pd.testing.assert_series_equal(alone["borrowed"], plain["borrowed"])
    with pytest.raises(ModelError, match="'modus' is not one of"):
        shrinkage(sleep, statistics="modus")


def test_pooling_says_what_is_asked_of_students_t_and_of_draws(sleep):
    asked = ["median", "mad", "prob_positive", "rhat", "sd"]
    found, plain = pooling(sleep, prob=0.8, statistics=asked), pooling(sleep, prob=0.8)
    assert list(found) == [*list(plain)[:-5], *asked, "lower", "upper", "note"]
    pd.testing.assert_frame_equal(found[["lower", "upper"]], plain[["lower", "upper"]])
    partial = found["kind"] == "partial"
    pd.testing.assert_frame_equal(
        found.loc[partial, asked].reset_index(drop=True), coef(sleep, statistics=asked)[asked]
    )
    own = found[found["kind"] == "none"].merge(plain[plain["kind"] == "none"])
    law = stats.t(own["n"] - 2, own["mean"], own["sd"])
    np.testing.assert_allclose(own["median"], own["mean"])
    np.testing.assert_allclose(own["mad"], law.ppf(0.75) - own["mean"])
    np.testing.assert_allclose(own["prob_positive"], law.sf(0))
    assert own["rhat"].isna().all()


def test_the_summary_says_what_its_columns_are(sleep):
    text = str(summary(sleep, 0.89, statistics=["median", "mcse"], interval="hdi"))
    head = next(line for line in text.splitlines() if line.startswith("Group effects"))
    assert head.split()[2:] == ["median", "mcse", "lower", "upper", "ess_bulk", "rhat"]
    assert "89 % highest-density interval" in text
    assert "median: of the posterior." in text
    assert "P(>0)" not in text
    one = str(summary(sleep, statistics=["mean", "upper"]))
    assert "\nmean: of the posterior. upper: 95 % equal-tailed interval." in one
    own = summary(sleep, statistics=["prob_positive"])
    assert own.heads == ("P(>0)", "lower", "upper", "ess_bulk", "rhat")
    assert own.varcorr["prob_positive"].notna().all()
