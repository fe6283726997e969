"""Parameters without a posterior mean."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made
from scipy import stats

from mixedbayes.publish.table import table
from mixedbayes.results.fixef import parameters
from mixedbayes.results.quantities import quantities
from mixedbayes.results.summary import summary
from mixedbayes.results.tails import upper_tail, without_mean
from mixedbayes.simulation.truth import Truth

S = 1000
P = (np.arange(S) + 0.5) / S
ORDER = np.random.default_rng(1).permutation(S)
DATA = pd.DataFrame({"y": [1, 2, 4, 0], "x": [0.0, 1.0, 0.5, 0.2]})


def posterior(shape, family="negative_binomial"):
    given = {"shape": shape[ORDER]} if family == "negative_binomial" else {"phi": shape[ORDER]}
    return hand_made("y ~ x", DATA, family, S, np.random.default_rng(2), given)


@pytest.mark.parametrize("k", [0.3, 0.7, 1.2])
def test_the_tail_is_that_of_a_pareto_law(k):
    assert upper_tail(stats.genpareto(k).ppf(P)[ORDER] + 5) == pytest.approx(k, abs=0.15)


def test_few_or_equal_draws_have_no_tail():
    assert upper_tail(np.ones(S)) == -np.inf
    assert upper_tail(np.arange(1.0, 20.0)) == -np.inf


def test_a_shape_that_the_prior_alone_bounds_has_its_median():
    post = posterior(stats.invgamma(0.4, scale=0.3).ppf(P) + 20)
    median = np.median(post.parameters()["shape"])
    assert without_mean(post) == {"shape": median}
    found = parameters(post)
    assert list(found)[1:6] == ["element", "median", "mean", "sd", "lower"]
    assert found[["mean", "sd"]].isna().all(axis=None)
    assert found["median"].item() == median
    said = f"shape has no posterior mean or sd: the data do not bound it, .* median is {median:.3g}"
    assert found.attrs["note"].startswith("shape has no posterior mean")
    named = parameters(post, statistics=["mean", "mad"])
    assert np.isnan(named["mean"]).item()
    assert np.isfinite(named["mad"]).item()
    assert said.split(":")[0] in " ".join(str(summary(post)).split())
    row = quantities(post, ["mean", "median"]).set_index("quantity").loc["shape"]
    assert np.isnan(row["mean"])
    assert row["median"] == median
    truth = Truth("y ~ x", "", "", 1, pd.Series(dtype=float), {}, {}, {}, {"shape": median + 1})
    beside = truth.compare(SimpleNamespace(posterior=post))
    assert beside.loc[0, ["mean", "truth", "inside"]].tolist() == [median, median + 1, True]
    assert beside.attrs["note"] == "mean of shape: its median, as its posterior has no mean."
    shown = table(post)
    assert "no posterior mean" in str(shown)
    assert f"{median:.0f}" in str(shown)


def test_a_shape_that_the_data_bound_has_its_mean():
    post = posterior(stats.gamma(20).ppf(P))
    assert without_mean(post) == {}
    assert parameters(post)["mean"].item() == pytest.approx(20, rel=0.01)
    assert "note" not in parameters(post).attrs
