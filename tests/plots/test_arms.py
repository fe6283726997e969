"""Pictures of effects whose covariance differs by arm, and of effects that are not normal."""

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made

from mixedbayes.errors import ModelError
from mixedbayes.plots.fitted import plot_fitted
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.ranef import plot_ranef

RNG = np.random.default_rng(3)
DATA = pd.DataFrame({"g": np.repeat(list("abcdef"), 10), "x": np.tile(np.arange(10.0), 6)})
DATA["arm"] = np.where(DATA["g"].isin(["a", "b"]), "new", "old")
DATA["y"] = RNG.normal(size=60)
DATA.attrs["units"] = {"y": "mm", "x": "day"}


@pytest.fixture(scope="module")
def post():
    rng = np.random.default_rng(0)
    return hand_made("y ~ x + (x | gr(g, by=arm))", DATA, "gaussian", 40, rng)


@pytest.mark.parametrize("kind", ["caterpillar", "density"])
def test_an_effect_is_drawn_of_the_levels_that_have_it(post, kind):
    axes = plot_ranef(post, kind=kind).axes
    titles = [ax.get_title("left").split(",")[0] for ax in axes]
    assert titles == [f"g: {t} : arm{a}" for a in ("new", "old") for t in ("Intercept", "x")]
    for ax, levels in zip(axes, (2, 2, 4, 4), strict=True):
        points = [len(c.get_offsets()) for c in ax.collections if len(c.get_offsets()) > 1]
        assert sum(points) == levels or max(points) == levels
    assert axes[0].get_xlabel() == "deviation, y (mm)"
    assert axes[3].get_xlabel().replace("\n", " ") == "deviation, y per unit of x (mm/day)"


def test_arms_are_no_units():
    labels = Labels("y", units={"y": "mm", "x": "day"}, arms=(":armnew", ":armold"))
    assert labels.coefficient("Intercept:armnew") == "y (mm)"
    assert labels.coefficient("x:armold") == "y per unit of x (mm/day)"


def test_arms_are_no_axis(post):
    assert plot_fitted(post).axes[0].get_figure().get_supxlabel() == "x (day)"
    with pytest.raises(ModelError, match=r"x='w' is none of x, arm, g$"):
        plot_fitted(post, x="w")


def test_levels_are_ranked_by_the_effect_of_their_arm(post):
    b = post.ranef("g").mean(axis=0)
    own = np.where(np.arange(6) < 2, b[:, 1], b[:, 3])
    titles = [ax.get_title("left") for ax in plot_fitted(post, max_levels=2).axes]
    assert titles[:2] == [f"g {'abcdef'[own.argmin()]}", f"g {'abcdef'[own.argmax()]}"]


def test_the_normal_density_is_of_normal_effects():
    rng = np.random.default_rng(0)
    post = hand_made('y ~ x + (1 | gr(g, law="student", nu=4))', DATA, "gaussian", 40, rng)
    plot_ranef(post)
    with pytest.raises(ModelError, match="the effects over g are student, not normal; kind="):
        plot_ranef(post, kind="density")
