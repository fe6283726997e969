from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import mixedbayes as mb
from mixedbayes.plots.funnel import plot_funnel


@pytest.fixture(scope="module")
def diverged(sleep):
    """A posterior of which every tenth transition diverged."""
    flags = (np.arange(sleep.n_draws) % 10 == 0).reshape(sleep.shape)
    stats = xr.Dataset({"diverging": (("chain", "draw"), flags)})
    tree = xr.DataTree.from_dict({"posterior": sleep.draws, "sample_stats": stats})
    return replace(sleep, idata=tree)


def dots(ax, gid):
    return np.asarray(next(c for c in ax.collections if c.get_gid() == gid).get_offsets())


def test_draws_of_the_effect_against_the_log_of_its_sd(diverged, check_texts):
    figure = plot_funnel({"own": diverged}, term="Days", level="304")
    above, below = figure.axes
    assert above.get_title("left") == "own: 30 of 300 diverged"
    flags = np.arange(300) % 10 == 0
    effect, sd = diverged.ranef("Subject")[:, 4, 1], diverged.sd("Subject")[:, 1]
    for gid, chosen in (("draws", ~flags), ("diverging", flags)):
        expected = np.c_[effect, np.log(sd)][chosen]
        np.testing.assert_allclose(dots(above, gid), expected)
        np.testing.assert_allclose(dots(below, gid)[:, 0], (effect / sd)[chosen])
    check_texts(figure)


def test_the_curves_are_at_two_sds(diverged):
    above = plot_funnel({"own": diverged}).axes[0]
    for line in above.lines:
        x, y = line.get_data()
        np.testing.assert_allclose(np.abs(x), 2 * np.exp(y))


def test_fits_stand_side_by_side_on_the_same_axes(diverged):
    axes = plot_funnel({"a": diverged, "b": diverged}).axes
    assert len(axes) == 4
    assert axes[0].get_xlim() == axes[1].get_xlim()
    assert len({ax.get_ylim() for ax in axes}) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"term": "Nights"}, r"term='Nights' is none of Subject's effects \(Intercept, Days\)"),
        ({"level": "999"}, "level='999' is not among the 18 of Subject"),
        ({"group": "Item"}, "no grouping factor 'Item'"),
    ],
)
def test_what_is_not_known_is_refused(diverged, arguments, message):
    with pytest.raises(mb.ModelError, match=message):
        plot_funnel({"own": diverged}, **arguments)


def test_without_fits_there_is_nothing_to_draw():
    with pytest.raises(mb.ModelError, match="at least one fit"):
        plot_funnel({})
    with pytest.raises(mb.ModelError, match="takes a model, or fits by name"):
        mb.plot_funnel(3)
