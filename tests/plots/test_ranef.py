import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from mixedbayes.errors import ModelError
from mixedbayes.marginal.summaries import QUANTILES
from mixedbayes.plots import style
from mixedbayes.plots.ranef import caterpillar, plot_ranef
from mixedbayes.results import effect_summaries
from mixedbayes.results.posterior import Posterior

UNITS = {"Reaction": "ms", "Days": "day"}


def test_one_panel_per_term_with_the_users_names(sleep, check_texts):
    figure = plot_ranef(sleep, units=UNITS)
    assert [ax.get_title("left") for ax in figure.axes] == ["Subject: Intercept", "Subject: Days"]
    assert [ax.get_xlabel() for ax in figure.axes] == [
        "deviation, Reaction (ms)",
        "deviation, Reaction per unit of Days\n(ms/day)",
    ]
    check_texts(figure)


def test_each_panel_is_sorted_by_its_own_means(sleep):
    figure = plot_ranef(sleep)
    mean = sleep.ranef("Subject").mean(axis=0)
    levels = sleep.group("Subject").levels
    for k, ax in enumerate(figure.axes):
        named = [t.get_text() for t in ax.get_yticklabels()]
        assert named == [str(levels[j]) for j in np.argsort(mean[:, k])]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] != named


def test_intervals_and_highlighting_are_the_posteriors(sleep, by_gid):
    figure = plot_ranef(sleep, prob=0.9)
    draws = sleep.ranef("Subject")[:, :, 0]
    order = np.argsort(draws.mean(axis=0))
    low, high = np.quantile(draws[:, order], [0.05, 0.95], axis=0)
    clear = (low > 0) | (high < 0)
    assert 0 < clear.sum() < len(clear)
    for gid, chosen, color in (
        ("outer clear", clear, style.BLUE),
        ("outer", ~clear, style.MUTED),
    ):
        (lines,) = by_gid(figure.axes[0], gid)
        ends = np.array(lines.get_segments())
        np.testing.assert_allclose(ends[:, 0, 1], np.flatnonzero(chosen))
        np.testing.assert_allclose(ends[:, 0, 0], low[chosen])
        np.testing.assert_allclose(ends[:, 1, 0], high[chosen])
        assert to_hex(lines.get_color()[0]) == color


def test_the_inner_interval_holds_half(sleep, by_gid):
    (inner,) = by_gid(plot_ranef(sleep).axes[0], "inner clear")
    (outer,) = by_gid(plot_ranef(sleep).axes[0], "outer clear")
    draws = sleep.ranef("Subject")[:, :, 0]
    order = np.argsort(draws.mean(axis=0))
    for segment in inner.get_segments():
        (a, row), (b, _) = segment
        x = draws[:, order[int(row)]]
        assert np.mean((x >= a) & (x <= b)) == pytest.approx(0.5, abs=0.02)
    assert inner.get_linewidth()[0] > outer.get_linewidth()[0]


def test_crossed_factors_are_rows_that_share_their_axis(penicillin, check_texts):
    figure = plot_ranef(penicillin)
    plate, sample = figure.axes
    assert [plate.get_title("left"), sample.get_title("left")] == [
        "plate: Intercept",
        "sample: Intercept",
    ]
    assert plate.get_xlim() == sample.get_xlim()
    assert len(plate.get_yticklabels()) == 24
    assert len(sample.get_yticklabels()) == 6
    check_texts(figure)
    heights = [ax.get_position().height for ax in (plate, sample)]
    assert heights[0] > 2 * heights[1]


def test_three_hundred_levels_are_drawn_and_some_named(many, check_texts, by_gid):
    figure = plot_ranef(many)
    (ax,) = figure.axes
    drawn = sum(len(c.get_segments()) for g in ("outer", "outer clear") for c in by_gid(ax, g))
    assert drawn == 300
    rows = ax.get_yticks()
    assert rows[0] == 0
    assert rows[-1] == 299
    assert 10 < len(rows) < 100
    assert ax.get_ylabel() == f"{len(rows)} of 300 levels named"
    assert figure.get_size_inches()[1] < 11
    check_texts(figure)


def test_three_levels_make_a_small_picture(few, check_texts):
    figure = plot_ranef(few)
    assert figure.get_size_inches()[1] < 2.5
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] != []
    check_texts(figure)


def test_the_legend_speaks_of_highlighting_only_where_there_is_some(sleep, few):
    def texts(post):
        return [t.get_text() for t in plot_ranef(post).legends[0].get_texts()]

    assert texts(sleep)[-1] == "95 % interval excludes 0"
    assert not caterpillar(few.ranef("student")[:, :, 0], 0.95).clear.any()
    assert texts(few) == ["50 % interval", "95 % interval"]


def test_one_factor_can_be_chosen(penicillin):
    (ax,) = plot_ranef(penicillin, "sample").axes
    assert ax.get_title("left") == "sample: Intercept"
    with pytest.raises(ModelError, match="no grouping factor 'batch' in the model; it has plate"):
        plot_ranef(penicillin, "batch")


def test_without_groups_there_is_nothing_to_draw(make):
    plain = make.posterior(make.design("y", [1.0, 2.0, 4.0], {}, []), {}, 1.0)
    with pytest.raises(ModelError, match="no group effects"):
        plot_ranef(plain)


def test_kept_summaries_give_the_same_picture_as_draws(sleep, by_gid):
    effects = sleep.ranef("Subject")
    g = sleep.group("Subject")
    quantiles = np.quantile(effects, QUANTILES, axis=0)
    summary = effect_summaries.EffectsSummary(effects.mean(axis=0), effects.std(axis=0), quantiles)
    dataset = effect_summaries.to_dataset({"Subject": (g, summary, summary)})
    posterior = sleep.draws.drop_vars("ranef_Subject")
    tree = xr.DataTree.from_dict({"posterior": posterior, "ranef_summary": dataset})
    slim = plot_ranef(Posterior(sleep.spec, tree))
    for full_ax, slim_ax in zip(plot_ranef(sleep).axes, slim.axes, strict=True):
        for gid in ("outer", "inner", "outer clear", "inner clear"):
            (a,), (b,) = by_gid(full_ax, gid), by_gid(slim_ax, gid)
            np.testing.assert_allclose(a.get_segments(), b.get_segments())


@pytest.mark.parametrize("prob", [0, 1, 95, -0.1])
def test_prob_is_a_probability(sleep, prob):
    with pytest.raises(ModelError, match="prob"):
        plot_ranef(sleep, prob=prob)
