"""Means, differences and slopes against R's emmeans on the same models."""

import numpy as np
import pytest

from mixedbayes.estimands.means import comparisons, means, slopes


def compare(found, expected, tolerance, sign=1, se="se"):
    """Means within a share of the standard error, and sds within 8 %, plus Monte Carlo error."""
    error = np.array(expected[se])
    mcse = found["mcse"].to_numpy() / error
    away = (found["mean"].to_numpy() - sign * np.array(expected["estimate"])) / error
    assert np.all(np.abs(away) <= tolerance + 4 * mcse), away
    np.testing.assert_allclose(found["sd"] / error, 1, atol=0.08 + 4 * mcse.max())


CAKE = {
    "emm_recipe": lambda p: means(p, "recipe"),
    "contrast_trt": lambda p: comparisons(p, "recipe"),
    "contrast_eff": lambda p: comparisons(p, {"recipe": "mean"}),
    "emm_temperature": lambda p: means(p, {"temp": [175, 200, 225]}, over="balanced"),
    "trends": lambda p: slopes(p, "temp", by="recipe"),
}
CAKE_PAIRS = {  # emmeans has a - b where this package has b - a
    "pairs_recipe": lambda p: comparisons(p, {"recipe": "pairwise"}),
    "pairs_recipe_by_temperature": lambda p: comparisons(
        p, {"recipe": "pairwise"}, at={"temp": [175, 200, 225]}
    ).table.sort_values("temp", kind="stable"),
    "pairs_trends": lambda p: slopes(p, "temp", by="recipe").contrast("pairwise"),
}


@pytest.mark.parametrize("name", [*CAKE, *CAKE_PAIRS])
def test_a_gaussian_model_with_an_interaction(cake, reference, name):
    expected = reference("emmeans_cake")["results"][name]
    ask = CAKE.get(name) or CAKE_PAIRS[name]
    compare(ask(cake), expected, 0.05, sign=1 if name in CAKE else -1)


def test_differences_of_differences(cake, reference):
    """Crossed comparisons, contrasts of comparisons, and slopes times a range are one number."""
    expected = reference("emmeans_cake")["results"]["interaction_contrasts"]
    by = comparisons(cake, {"temp": (175, 225)}, by="recipe")
    found = by.contrast("pairwise")
    compare(found, expected, 0.05)  # (b - a) of (225 - 175) is (a - b) of (175 - 225)
    slope = slopes(cake, "temp", by="recipe").contrast("pairwise")
    np.testing.assert_allclose(found.sampled, 50 * slope.sampled, rtol=1e-6, atol=1e-6)


def test_odds_of_a_typical_group(cbpp, reference):
    results = reference("emmeans_cbpp")["results"]
    compare(means(cbpp, "period", kind="linear"), results["emm"], 0.3)
    compare(means(cbpp, "period", groups="typical"), results["emm"]["response"], 0.3, se="se_delta")
    log_odds = comparisons(cbpp, {"period": "pairwise"}, how="log_odds_ratio", groups="typical")
    compare(log_odds, results["odds_ratios"], 0.3, sign=-1)
    ratio = comparisons(cbpp, {"period": "pairwise"}, how="odds_ratio", groups="typical")
    np.testing.assert_allclose(np.log(ratio.sampled), log_odds.sampled, atol=1e-9)
    consec = comparisons(cbpp, {"period": "sequential"}, kind="linear")
    compare(consec, results["consec"], 0.3)
