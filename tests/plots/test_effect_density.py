import numpy as np
import pytest
from scipy import stats

from mixedbayes.errors import ModelError
from mixedbayes.plots.ranef import plot_ranef, smoothed


def drawn(ax, gid):
    return next(line for line in ax.lines if line.get_gid() == gid).get_data()


def test_smoothed_draws_are_their_density():
    rng = np.random.default_rng(1)
    values = rng.normal([0.0, 2.0], [1.0, 0.5], (20_000, 2))
    grid = np.linspace(-6, 6, 400)
    for column, (mean, sd) in zip(smoothed(values, grid).T, [(0, 1), (2, 0.5)], strict=True):
        assert np.trapezoid(column, grid) == pytest.approx(1, abs=1e-3)
        np.testing.assert_allclose(column, stats.norm(mean, sd).pdf(grid), atol=0.04)


def test_the_population_is_normal_with_the_estimated_sd(sleep, check_texts):
    figure = plot_ranef(sleep, kind="density")
    titles = [ax.get_title("left") for ax in figure.axes]
    assert titles == ["Subject: Intercept, 18 levels", "Subject: Days, 18 levels"]
    for k, ax in enumerate(figure.axes):
        x, y = drawn(ax, "population")
        expected = np.median(stats.norm.pdf(x, scale=sleep.sd("Subject")[:, k, None]), axis=0)
        np.testing.assert_allclose(y, expected, rtol=1e-6)
    check_texts(figure)


def test_the_ticks_are_the_posterior_means(sleep, by_gid):
    ax = plot_ranef(sleep, kind="density").axes[0]
    (rug,) = by_gid(ax, "posterior mean")
    means = sleep.ranef("Subject")[:, :, 0].mean(axis=0)
    np.testing.assert_allclose(rug.get_offsets()[:, 0], means)


def test_every_level_has_its_curve(many, check_texts):
    figure = plot_ranef(many, kind="density")
    x, y = drawn(figure.axes[0], "levels")
    assert np.isnan(y).sum() == 300
    peaks = [x[part][np.argmax(y[part])] for part in np.ma.clump_unmasked(np.ma.masked_invalid(y))]
    means = many.ranef("student")[:, :, 0].mean(axis=0)
    assert np.corrcoef(peaks, means)[0, 1] > 0.95
    check_texts(figure)


def test_three_levels_have_no_density_of_means(few, check_texts):
    figure = plot_ranef(few, kind="density")
    assert "density of means" not in {line.get_gid() for line in figure.axes[0].lines}
    assert [t.get_text() for t in figure.legends[0].get_texts()][1] == "posterior means"
    check_texts(figure)


def test_an_unknown_kind_lists_the_known(sleep):
    with pytest.raises(ModelError, match="'caterpillar' and 'density'"):
        plot_ranef(sleep, kind="violin")


def test_long_texts_of_an_axis_are_broken(sleep, check_texts):
    for kind in ("density", "caterpillar"):
        units = {"Reaction": "milliseconds", "Days": "day of deprivation"}
        figure = plot_ranef(sleep, kind=kind, units=units)
        assert figure.axes[1].get_xlabel().count("\n") == 1
        check_texts(figure)
