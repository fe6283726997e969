from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made

import mixedbayes as mb
from mixedbayes.plots.simpson import plot_simpson, slopes


@pytest.fixture(scope="module")
def fit():
    data = mb.simulate_simpson(n=60, r=0.5, groups=5, difference=2, seed=3)
    return mb.fit("V2 ~ V1 + (1 | Group)", data, draws=300, seed=1, progress=False)


def test_least_squares_over_all_rows_mixes_within_and_between():
    rng = np.random.default_rng(4)
    refs = np.repeat(np.arange(6), [3, 5, 8, 4, 9, 2])
    x = rng.normal(size=31) + refs
    y = 0.7 * x - 2 * refs + rng.normal(size=31)
    found = slopes(x, y, refs, 6)
    np.testing.assert_allclose(found.together[::-1], np.polyfit(x, y, 1))
    mixed = found.share * found.between[1] + (1 - found.share) * found.within
    assert found.together[1] == pytest.approx(mixed)
    n = np.bincount(refs)
    line = np.polyfit(found.x, found.y, 1, w=np.sqrt(n))
    np.testing.assert_allclose(found.between[::-1], line)


def test_groups_with_the_same_mean_have_no_line_between_them():
    refs = np.repeat(np.arange(3), 4)
    found = slopes(np.tile(np.arange(4.0) / 3, 3), refs + 0.1 * np.arange(12), refs, 3)
    assert np.isnan(found.between[1])
    assert found.together[1] == pytest.approx(found.within)


@pytest.mark.parametrize(
    ("formula", "family", "why"),
    [
        ("y | se(x) ~ 1 + (1 | row)", "gaussian", "row within row is 1 in all rows.*plot_fitted"),
        ("y ~ x + (1 | g)", "von_mises", "directions have no average.*plot_fitted"),
    ],
)
def test_where_there_is_no_slope_to_compare(formula, family, why):
    data = pd.DataFrame({"y": [0.1, 0.4, -1, 2], "x": [1, 2, 3, 5], "g": [1, 1, 2, 2]})
    post = hand_made(formula, data.assign(row=range(4)), family, 5, np.random.default_rng(1))
    with pytest.raises(mb.ModelError, match=why):
        plot_simpson(post)


def test_the_legend_has_the_slopes_of_the_paradox(fit, check_texts):
    figure = fit.plot_simpson()
    texts = [t.get_text() for t in figure.legends[0].get_texts()]
    slope = fit.fixef().set_index("term").loc["V1", "mean"]
    assert slope == pytest.approx(0.5, abs=0.05)
    assert texts[:2] == [
        f"within each Group: mean slope {slope:.3g}",
        "between Group means: slope -1",
    ]
    assert texts[3:] == [f"Group G_{k}" for k in range(1, 6)]
    check_texts(figure)


def test_lines_within_are_the_models(fit):
    lines = [line for line in fit.plot_simpson().axes[0].lines if line.get_gid() == "within"]
    coef = fit.coef().pivot(index="level", columns="term", values="mean")
    slope = fit.fixef().set_index("term").loc["V1", "mean"]
    data = fit.model.data
    for line, (level, rows) in zip(lines, data.groupby("Group", observed=True), strict=True):
        x, y = line.get_data()
        assert (x[0], x[-1]) == (rows["V1"].min(), rows["V1"].max())
        np.testing.assert_allclose(y, coef.loc[level, "Intercept"] + slope * x, rtol=1e-8)


def test_where_nothing_is_between_the_groups_the_legend_is_silent():
    data = mb.load_data("sleepstudy")
    fit = mb.fit("Reaction ~ Days + (1 | Subject)", data, draws=50, seed=1, progress=False)
    texts = [t.get_text() for t in fit.plot_simpson().legends[0].get_texts()]
    assert [text.split(":")[0] for text in texts] == ["within each Subject", "all rows together"]


def test_categories_have_no_slope(penicillin):
    data = {g.name: g.levels.to_numpy()[g.refs] for g in penicillin.design.mu.groups}
    frame = pd.DataFrame({**data, "diameter": penicillin.design.y})
    post = penicillin.with_design(replace(penicillin.design, data=frame))
    with pytest.raises(mb.ModelError, match="sample has categories"):
        plot_simpson(post, "plate")
