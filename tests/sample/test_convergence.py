"""The convergence report on hand-made chains: each defect has its message and its remedy."""

import numpy as np
import pytest
import xarray as xr

from mixedbayes.sample.convergence import MOST_PER_VARIABLE, check_convergence


def test_independent_draws_have_converged(healthy, statistics):
    report = check_convergence(healthy(), statistics())
    assert report.ok
    assert report.messages == ()
    assert str(report).startswith("Converged: 4 chains, 4,000 draws, 0 divergences, largest rhat 1")
    assert report.table["rhat"].max() < 1.01
    assert report.table["ess_bulk"].min() > 3000


def test_constants_and_the_lower_triangle_are_left_out(healthy, statistics):
    names = list(check_convergence(healthy(), statistics()).table.index)
    assert names == [
        "sigma",
        "sd_Subject[Intercept]",
        "sd_Subject[Days]",
        "cor_Subject[Intercept, Days]",
    ]


def test_a_stuck_chain_is_named(healthy, statistics):
    draws = healthy()
    draws["sd_Subject"][2, :, 1] = 30.0
    report = check_convergence(draws, statistics())
    assert not report.ok
    (text,) = [m for m in report.messages if m.startswith("rhat is 1.01 or more")]
    assert "1 of 4 quantities (worst: sd_Subject[Days]" in text
    assert "Remedy: tune=1000, target_accept=0.99; if it stays" in text


def test_chains_that_all_stand_still_disagree_as_much_as_can_be(healthy, statistics):
    draws = healthy()
    draws["sigma"][:] = np.arange(4.0)[:, None]
    report = check_convergence(draws, statistics())
    assert report.table.loc["sigma", "rhat"] == np.inf


def test_short_chains_have_too_small_an_effective_size(healthy, statistics):
    report = check_convergence(healthy(draws=60), statistics(draws=60))
    (text,) = [m for m in report.messages if m.startswith("The effective sample size")]
    assert "under 400 (100 per chain) for 4 of 4 quantities" in text
    assert "Remedy: draws=500." in text


def test_sticky_chains_need_another_formulation(healthy, statistics, rng):
    draws = healthy()
    draws["sigma"][:] = rng.normal(size=(4, 1000)).cumsum(axis=1)
    report = check_convergence(draws, statistics())
    (text,) = [m for m in report.messages if m.startswith("The effective sample size")]
    assert "sigma" in text
    assert "more draws alone would take too many" in text


def test_longer_tuning_than_there_was_is_advised(healthy, statistics):
    draws = healthy()
    draws["sigma"][0] += 100
    report = check_convergence(draws, statistics(), tune=1500)
    assert "Remedy: tune=3000" in report.messages[0]


def effects(rng, n, worst=0.0, count=0):
    """A parameter, and n group effects of which `count` have one chain moved by `worst` sds."""
    draws = rng.normal(size=(4, 1000, n))
    draws[0, :, :count] += worst
    one = (("chain", "draw"), rng.normal(size=(4, 1000)))
    return xr.Dataset({"sigma": one, "ranef_g": (("chain", "draw", "g"), draws)})


@pytest.mark.parametrize(
    ("n", "count", "worst", "ok"),
    [
        (250, 1, 0.4, True),  # rhat about 1.02
        (250, 2, 0.4, True),
        (250, 3, 0.4, False),  # more than one in a hundred
        (250, 1, 2.0, False),  # too far for chance
        (99, 1, 0.4, False),  # too few effects for one to be beyond
    ],
)
def test_many_group_effects_are_judged_as_many(rng, statistics, n, count, worst, ok):
    report = check_convergence(effects(rng, n, worst, count), statistics())
    assert report.table["rhat"].max() > 1.01
    assert report.ok == ok
    assert report.by_chance == (count if ok else 0)
    told = "beyond a limit, as one in a hundred may be by chance" in str(report)
    assert told == ok
    if not ok:
        assert f"{count} of {n + 1} quantities" in report.messages[0]


def test_parameters_are_judged_one_by_one(rng, statistics):
    draws = effects(rng, 200)
    draws["sigma"][0] += 0.4
    report = check_convergence(draws, statistics())
    assert not report.ok
    assert "1 of 201 quantities (worst: sigma" in report.messages[0]


def test_few_effective_draws_of_one_effect_in_many(rng, statistics):
    draws = effects(rng, 250)
    slow = np.zeros((4, 1000))
    for t in range(1, 1000):  # some 300 effective draws
        slow[:, t] = 0.86 * slow[:, t - 1] + rng.normal(size=4)
    draws["ranef_g"][:, :, 7] = slow
    report = check_convergence(draws, statistics())
    assert report.table["ess_bulk"].min() < 400
    assert report.ok
    alone = check_convergence(draws.rename(ranef_g="fixef"), statistics())
    assert any("effective sample size" in m for m in alone.messages)


def test_divergences_come_first(healthy, statistics):
    draws = healthy()
    draws["sigma"][0] += 100
    report = check_convergence(draws, statistics(diverging=3))
    assert report.divergences == 3
    assert report.messages[0].startswith("3 of 4,000 draws diverged: the sampler met a region")
    assert "target_accept=0.99" in report.messages[0]
    assert "NonCentered()" in report.messages[0]


@pytest.mark.parametrize(("count", "told"), [(40, False), (41, True)])
def test_a_few_long_trajectories_are_no_problem(healthy, statistics, count, told):
    report = check_convergence(healthy(), statistics(reached_max_treedepth=count), max_treedepth=8)
    assert report.saturated == count
    assert any("max_treedepth=8" in m and "max_treedepth=10" in m for m in report.messages) == told


def test_slow_energy_is_told_by_chain(healthy, statistics, rng):
    stats = statistics()
    stats["energy"][1] = rng.normal(size=1000).cumsum()
    report = check_convergence(healthy(), stats)
    assert report.bfmi.shape == (4,)
    assert np.flatnonzero(report.bfmi < 0.3).tolist() == [1]
    assert "E-BFMI is under 0.3 in 1 of 4 chains" in report.messages[0]
    assert "in chain 1" in report.messages[0]


def test_one_chain_cannot_be_compared(healthy, statistics):
    report = check_convergence(healthy(chains=1), statistics(chains=1))
    assert report.messages == (
        "There is only one chain: rhat compares chains and needs several, so a chain that is "
        "stuck in one place would go unnoticed. Remedy: chains=4.",
    )
    assert str(report).startswith("Not converged: 1 chain, 1,000 draws, 0 divergences, smallest")


def test_very_few_draws(healthy, statistics):
    report = check_convergence(healthy(draws=3), statistics(draws=3))
    assert report.messages == (
        "3 draws per chain are too few to check convergence. Remedy: draws=1000.",
    )


def test_draws_that_are_not_finite_are_named(healthy, statistics):
    draws = healthy()
    draws["sigma"][0, 5] = np.nan
    report = check_convergence(draws, statistics())
    assert report.messages[0].startswith("1 of 4 quantities took values that are not finite")
    assert "sigma" in report.messages[0]


def test_a_large_variable_is_checked_on_a_subset(statistics, rng):
    draws = xr.Dataset({"ranef_g": (("chain", "draw", "g"), rng.normal(size=(4, 200, 2500)))})
    report = check_convergence(draws, statistics(draws=200))
    assert len(report.table) == MOST_PER_VARIABLE
    assert report.not_checked == 2500 - MOST_PER_VARIABLE
    assert report.table.index[0] == "ranef_g[0]"
    assert report.table.index[-1] == "ranef_g[2499]"
    assert "(2,250 more not checked)" in str(report)


@pytest.mark.parametrize(
    ("moved", "said"), [(2.0, "rhat is 1.01 or more for 1 of 252"), (np.nan, "not finite")]
)
def test_one_effect_that_stands_apart_is_found_among_thousands(rng, statistics, moved, said):
    draws = effects(rng, 2000)
    draws["ranef_g"][:, :, 7] = 0.0  # constant
    draws["ranef_g"][0, :, 1234] += moved
    report = check_convergence(draws, statistics())
    assert "ranef_g[1234]" in report.table.index
    assert said in report.messages[0]
    assert "ranef_g[1234]" in report.messages[0]


def test_an_effect_whose_chains_all_stand_still_is_found_among_thousands(rng, statistics):
    draws = effects(rng, 2000)
    draws["ranef_g"][:, :, 1234] = np.arange(4.0)[:, None]
    report = check_convergence(draws, statistics())
    assert report.table.loc["ranef_g[1234]", "rhat"] == np.inf
    assert not report.ok


def test_of_thousands_that_stand_apart_some_are_told(rng, statistics):
    report = check_convergence(effects(rng, 2000, worst=2.0, count=1500), statistics())
    assert len(report.table) <= 1 + 2 * MOST_PER_VARIABLE
    assert report.not_checked == 2001 - len(report.table)
    assert not report.ok


def test_without_variables_only_the_sampler_is_checked(statistics):
    nothing = xr.Dataset(coords={"chain": np.arange(4), "draw": np.arange(1000)})
    report = check_convergence(nothing, statistics(diverging=1))
    assert len(report.table) == 0
    assert report.messages[0].startswith("1 of 4,000 draws diverged")


def test_html_escapes_names(healthy, statistics):
    draws = healthy().rename(sigma="<b>")
    draws["<b>"][0] += 100
    html = check_convergence(draws, statistics())._repr_html_()
    assert "<ul><li>" in html
    assert "&lt;b&gt;" in html
