"""Pictures of population effects, means and comparisons on the page."""

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made

from mixedbayes.errors import ModelError
from mixedbayes.report.estimates import check_figures, estimate_figures, population_figures
from mixedbayes.report.source import Source

RNG = np.random.default_rng(4)
N = 120
DATA = pd.DataFrame(
    {
        "x": RNG.normal(size=N), "arm": RNG.choice(["a", "b"], N), "g": np.arange(N) % 6,
        "site": [f"site {k % 25}" for k in range(N)], "y": RNG.normal(size=N),
        "count": RNG.poisson(2, N), "yes": RNG.integers(0, 2, N), "alone": "one",
        "pain": pd.Categorical.from_codes(np.arange(N) % 3, ["no", "some", "much"], ordered=True),
    }
)  # fmt: skip


def source(formula, family="gaussian", **given):
    post = hand_made(formula, DATA, family, 20, np.random.default_rng(1), given)
    return Source(post, None, 0.9)


@pytest.mark.parametrize(
    ("left", "family", "third"),
    [("y", "gaussian", []), ("count", "poisson", ["arm: ratios"]),
     ("yes", "bernoulli", ["arm: odds ratios"])],
)  # fmt: skip
def test_every_predictor_has_its_pictures(left, family, third):
    found = estimate_figures(source(f"{left} ~ x + arm + (1 | g)", family))
    titles = ["x: means", "x: slope", "arm: means", "arm: differences", *third]
    assert [f.title for f in found] == titles
    assert "each arm against a" in found[3].says
    forests = population_figures(source(f"{left} ~ x + arm + (1 | g)", family))
    ratio = "logarithmic axis" in forests[-1].says
    assert ratio == bool(third)


def test_many_levels_and_ordered_categories_have_a_picture_each():
    few = {"thresholds": np.array([-0.5, 0.5])}
    found = estimate_figures(source("pain ~ site + (1 | g)", "cumulative", **few))
    kinds = [
        f"site: {what}, {k}"
        for what in ("means", "differences")
        for k in DATA["pain"].cat.categories
    ]
    assert [f.title for f in found] == kinds


def test_what_is_averaged_from_some_draws_is_said():
    post = hand_made("yes ~ arm + (1 | g)", DATA, "bernoulli", 900, np.random.default_rng(1))
    assert "From 400 of 900 draws." in estimate_figures(Source(post, None, 0.9))[0].says
    post = hand_made("y ~ arm + (1 | g)", DATA, "gaussian", 900, np.random.default_rng(1))
    assert "draws" not in estimate_figures(Source(post, None, 0.9))[0].says
    post = hand_made("count ~ x + (1 | g)", DATA, "poisson", 900, np.random.default_rng(1))
    replicates, residual, _ = check_figures(Source(post, None, 0.9))
    assert "Replicates of 400 of 900 draws." in replicates.says
    assert "From 400 of 900 draws." in residual.says


def test_without_predictors_there_is_a_reason():
    with pytest.raises(ModelError, match="no population predictor"):
        estimate_figures(source("y ~ 1 + (1 | g)"))


@pytest.mark.parametrize("left", ["y", "count", "yes", "pain"])
def test_replicates_and_residuals(left):
    family = {"y": "gaussian", "count": "poisson", "yes": "bernoulli"}.get(left, "cumulative")
    few = {"thresholds": np.array([-0.5, 0.5])} if left == "pain" else {}
    found = check_figures(source(f"{left} ~ x + (1 | g)", family, **few))
    assert len(found) == 3
    assert "Replicates of all 20 draws." in found[0].says
    if left == "pain":
        assert found[0].layout["xaxis"]["ticktext"] == ["no", "some", "much"]
