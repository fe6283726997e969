"""Links that do not keep a mean above 0, where counts and positive numbers have it."""

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made

import mixedbayes as mb
from mixedbayes.predict.condition import condition_on
from mixedbayes.predict.predict import predict
from mixedbayes.predict.prior import prior_predictive
from mixedbayes.simulation.replicate import simulate_from_posterior, simulate_from_prior

DATA = pd.DataFrame({"y": [1.0, 2, 3, 4, 2, 5], "g": list("aabbcc")})
NEW = pd.DataFrame({"g": ["a", "new", "new"]})
FAMILIES = [
    mb.Poisson(link=mb.Identity()),
    mb.NegativeBinomial(link=mb.Identity()),
    mb.families.Gamma(link=mb.Identity()),
    mb.families.Gamma(link=mb.Inverse()),
]


def posterior(family):
    """Every second draw has a population so wide that new groups fall below 0."""
    given = {"Intercept": 1.0, "sd_g": np.tile([[1e-6], [5.0]], (10, 1)), "ranef_g": 0.1}
    return hand_made("y ~ 1 + (1 | g)", DATA, family, 20, np.random.default_rng(1), given)


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_a_new_observation_of_an_impossible_mean_is_refused_with_the_counts(family):
    post = posterior(family)
    eta = predict(post, NEW, kind="linear", draws=True).to_numpy()[0]  # the same new group
    told = f"in {(eta < 0).any(axis=1).sum()} of 20 draws and 2 of 3 rows the mean is below 0"
    with pytest.raises(mb.ModelError, match=f"{told}.*Fit with the log link"):
        predict(post, NEW)
    assert np.isfinite(predict(post, NEW.head(1))["lower"]).all()


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_an_impossible_mean_is_noted(family):
    post = posterior(family)
    means = predict(post, NEW, kind="mean", draws=True)
    table = predict(post, NEW, kind="mean")
    count = int((means.to_numpy()[0] < 0).any(axis=1).sum())
    assert count > 0
    for found in (means, table):
        assert found.attrs["note"].startswith(f"In {count} of 20 draws and 2 of 3 rows the mean")
    assert "note" not in predict(post, NEW.head(1), kind="mean").attrs
    assert "note" not in predict(post, NEW, kind="linear").attrs


def test_an_impossible_mean_is_noted_across_blocks_of_rows():
    post = posterior(FAMILIES[0])
    many = pd.DataFrame({"g": ["a"] * 100 + ["new"] + ["b"] * 100 + ["other"]})
    eta = predict(post, many, kind="linear", draws=True).to_numpy()[0]
    note = predict(post, many, kind="mean").attrs["note"]
    assert note.startswith(f"In {(eta < 0).any(axis=1).sum()} of 20 draws and 2 of 202 rows")


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_impossible_means_of_priors_and_of_simulations_are_refused(family):
    wide = {"Intercept": mb.Normal(0, 10)}
    spec = mb.Model("y ~ 1 + (1 | g)", DATA, family=family, priors=wide).spec
    with pytest.raises(mb.ModelError, match=r"of 50 draws and 6 of 6 rows.*give priors that"):
        prior_predictive(spec, 50, seed=1)
    with pytest.raises(mb.MixedBayesError, match=r"below 0|cannot be simulated at means between"):
        _many(lambda seed: simulate_from_prior(spec, seed=seed))
    with pytest.raises(mb.DataError, match="cannot be simulated at means between -"):
        _many(lambda seed: simulate_from_posterior(posterior(family), seed=seed))


def _many(simulate):
    """Some of these draws have groups below 0."""
    for seed in range(30):
        simulate(seed)


@pytest.mark.filterwarnings("ignore:20 draws are worth")
def test_predictions_beside_a_conditioned_level_say_it_too():
    known = condition_on(posterior(FAMILIES[0]), pd.DataFrame({"y": [2.0, 1], "g": ["z", "z"]}))
    with pytest.raises(mb.ModelError, match="rows the mean is below 0"):
        known.predict(NEW)
