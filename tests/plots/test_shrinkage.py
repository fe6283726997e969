from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mixedbayes.errors import ModelError
from mixedbayes.families.lognormal import Lognormal
from mixedbayes.plots.shrinkage import plot_shrinkage, population, pulled


def test_arrows_lead_from_no_pooling_to_partial_pooling(sleep, by_gid, check_texts):
    figure = plot_shrinkage(sleep, units={"Reaction": "ms", "Days": "day"})
    (ax,) = figure.axes
    assert ax.get_title("left") == "Subject: 18 levels, 10 rows each"
    assert ax.get_xlabel() == "Intercept: Reaction (ms)"
    assert ax.get_ylabel() == "Days: Reaction per unit of Days (ms/day)"
    (moves,) = by_gid(ax, "moves")
    ends = np.array(moves.get_segments())  # (18, 2, 2)
    days, y = np.arange(10.0), sleep.design.y.reshape(18, 10)
    slope, intercept = np.polyfit(days, y.T, 1)
    np.testing.assert_allclose(ends[:, 0], np.column_stack([intercept, slope]), rtol=1e-8)
    fixed = np.column_stack([sleep.intercept(), sleep.fixef()])
    partial = (fixed[:, None, :] + sleep.ranef("Subject")).mean(axis=0)
    np.testing.assert_allclose(ends[:, 1], partial, rtol=1e-8)
    check_texts(figure)


def test_points_sit_at_the_ends_of_the_arrows(sleep, by_gid):
    (ax,) = plot_shrinkage(sleep).axes
    (moves,), (open_points,), (dots,) = (
        by_gid(ax, g) for g in ("moves", "no pooling", "partial pooling")
    )
    ends = np.array(moves.get_segments())
    np.testing.assert_allclose(open_points.get_offsets(), ends[:, 0])
    np.testing.assert_allclose(dots.get_offsets(), ends[:, 1])


def test_ellipses_hold_their_share_of_the_population(sleep, by_gid):
    (ax,) = plot_shrinkage(sleep).axes
    pop = population(sleep, "Subject", ("Intercept", "Days"))
    sample = stats.multivariate_normal(pop.mean, pop.cov).rvs(20000, random_state=1)
    for prob in (0.5, 0.95):
        ellipse = by_gid(ax, f"population {prob:g}")[0]
        unit = ellipse.get_patch_transform().inverted().transform(sample)
        inside = np.mean((unit**2).sum(axis=1) <= 1)
        assert inside == pytest.approx(prob, abs=0.015)


def test_every_level_is_named_where_there_are_few(sleep):
    texts = {t.get_text() for t in plot_shrinkage(sleep).axes[0].texts}
    assert set(map(str, sleep.group("Subject").levels)) <= texts


def test_one_term_has_a_row_per_level_sorted(penicillin, by_gid, check_texts):
    figure = plot_shrinkage(penicillin)
    plate, sample = figure.axes
    assert sample.get_title("left") == "sample: 6 levels, 24 rows each"
    assert plate.get_xlim() == sample.get_xlim()
    (dots,) = by_gid(plate, "partial pooling")
    at = np.asarray(dots.get_offsets())
    np.testing.assert_array_equal(at[:, 1], np.arange(24))
    assert np.all(np.diff(at[:, 0]) >= 0)
    check_texts(figure)


def test_many_levels_run_between_two_rails(many, by_gid, check_texts):
    figure = plot_shrinkage(many)
    (ax,) = figure.axes
    assert [t.get_text() for t in ax.get_yticklabels()] == ["partial\npooling", "no\npooling"]
    (moves,), (dots,) = by_gid(ax, "moves"), by_gid(ax, "partial pooling")
    ends = np.array(moves.get_segments())
    assert len(ends) == 300
    assert ends[:, 1, 0].std() < ends[:, 0, 0].std()
    n = np.bincount(many.group("student").refs)
    assert np.corrcoef(dots.get_sizes(), n)[0, 1] == pytest.approx(1)
    check_texts(figure)


def test_many_levels_in_the_plane_have_no_names(make, by_gid, check_texts):
    figure = plot_shrinkage(make.slopes(300, 4))
    (ax,) = figure.axes
    assert not [t for t in ax.texts if t.get_text()]
    assert len(by_gid(ax, "moves")[0].get_segments()) == 300
    check_texts(figure)


def test_a_level_without_an_estimate_of_its_own_has_no_open_point():
    table = pd.DataFrame(
        {
            "group": "g",
            "level": ["a", "b"],
            "term": "Intercept",
            "n": [1, 5],
            "no_pooling": [np.nan, 2.0],
            "partial_pooling": [1.5, 1.8],
            "complete_pooling": 1.6,
            "pooling": 0.5,
            "pooling_lower": 0.2,
            "pooling_upper": 0.8,
            "note": ["1 row for 2 effects", ""],
        }
    )
    part = pulled(table, "g", ["Intercept"])
    assert np.isnan(part.before[0, 0])
    assert part.complete.tolist() == [1.6]
    assert part.levels == ("a", "b")


def test_terms_can_be_chosen(sleep):
    (ax,) = plot_shrinkage(sleep, terms=("Days",)).axes
    assert ax.get_xlabel() == "Days: Reaction per unit of Days"
    with pytest.raises(ModelError, match=r"one or two of Subject's effects \(Intercept, Days\)"):
        plot_shrinkage(sleep, terms=("Nights",))


def test_a_lognormal_response_has_no_least_squares_of_its_own(sleep):
    post = replace(sleep, spec=replace(sleep.spec, family=Lognormal()))
    with pytest.raises(ModelError, match=r"fit log\(Reaction\) with the gaussian family"):
        plot_shrinkage(post)
