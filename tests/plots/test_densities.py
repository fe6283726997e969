"""plot_varcorr, plot_icc and plot_priors: PlotCollections of posterior densities."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hand_made import hand_made
from scipy import stats
from specs import spec_of

from mixedbayes.distributions import LKJ, Exponential, Flat, Normal
from mixedbayes.errors import ModelError
from mixedbayes.families.cumulative import Cumulative
from mixedbayes.families.student_t import StudentTFamily
from mixedbayes.model.spec import Spec
from mixedbayes.plots.densities import Panel, density_panels
from mixedbayes.plots.icc import plot_icc
from mixedbayes.plots.priors import plot_priors
from mixedbayes.plots.ranef import plot_ranef
from mixedbayes.plots.varcorr import plot_varcorr
from mixedbayes.priors.types import Assigned, PredictorPriors, Priors
from mixedbayes.results.icc import icc
from mixedbayes.results.posterior import Posterior

UNITS = {"Reaction": "ms", "Days": "day"}


def panels(collection, n):
    return [collection.get_viz("plot", f"panel_{k}") for k in range(n)]


def titles(axes):
    return [ax.get_title() or ax.get_title("left") for ax in axes]


def test_varcorr_has_a_panel_per_parameter_in_its_unit(sleep, check_texts):
    collection = plot_varcorr(sleep, units=UNITS)
    axes = panels(collection, 4)
    assert titles(axes) == [
        "Subject sd: Intercept",
        "Subject sd: Days",
        "residual sd",
        "Subject cor: Intercept, Days",
    ]
    assert [ax.get_xlabel() for ax in axes] == [
        "Reaction (ms)",
        "Reaction per unit of Days (ms/day)",
        "Reaction (ms)",
        "correlation",
    ]
    check_texts(collection.get_viz("figure"))


def test_long_texts_of_panels_stand_in_lines(check_texts):
    draws = np.random.default_rng(1).normal(size=(2, 100))
    title = "Subject cor: Intercept, Days, at the means"
    axis = "score per unit of occasion (grade points/semester)\nprior Normal(0, 0.5751)"
    collection = density_panels([Panel(title, axis, draws)] * 6, 0.95, "matplotlib")
    check_texts(collection.get_viz("figure"))
    assert {shown.replace("\n", " ") for shown in titles(panels(collection, 6))} == {title}


def test_varcorr_axes_show_what_the_parameters_can_be(sleep):
    intercept, days, residual, cor = panels(plot_varcorr(sleep), 4)
    assert cor.get_xlim() == (-1, 1)
    assert intercept.get_xlim()[0] == days.get_xlim()[0] == residual.get_xlim()[0] == 0
    assert intercept.get_xlim() == residual.get_xlim() != days.get_xlim()
    assert intercept.get_xlim()[1] > sleep.sd("Subject")[:, 0].max()


def interval(ax):
    """The one horizontal line at height 0."""
    (line,) = [line for line in ax.lines if np.all(np.asarray(line.get_ydata()) == 0)]
    return np.asarray(line.get_xdata())


def test_the_interval_is_equal_tailed(sleep):
    ax = panels(plot_varcorr(sleep, prob=0.8), 1)[0]
    low, high = np.quantile(sleep.sd("Subject")[:, 0], [0.1, 0.9])
    np.testing.assert_allclose(interval(ax), [low, high], rtol=1e-2)


def test_icc_spans_the_unit_interval(penicillin, check_texts):
    collection = plot_icc(penicillin)
    axes = panels(collection, 3)
    assert titles(axes) == ["plate", "sample", "all groups"]
    assert {ax.get_xlim() for ax in axes} == {(0.0, 1.0)}
    table = icc(penicillin).query("kind == 'adjusted'")
    for ax, lower, upper in zip(axes, table["lower"], table["upper"], strict=True):
        np.testing.assert_allclose(interval(ax), [lower, upper], rtol=1e-2)
    check_texts(collection.get_viz("figure"))


def test_icc_of_one_factor_is_one_panel_of_the_kind_asked_for(sleep):
    (ax,) = panels(plot_icc(sleep, kind="unadjusted"), 1)
    assert titles([ax]) == ["Subject"]
    assert ax.get_xlabel() == "unadjusted ICC, share of variance"
    assert len(plot_icc(sleep).get_viz("figure").axes) == 1
    for kind in ("q", "draw", ["adjusted"]):
        with pytest.raises(ModelError, match="is not known: use 'adjusted' or 'unadjusted'"):
            plot_icc(sleep, kind=kind)


def with_priors(post, intercept=None, sd=None, at_means=True):
    mu = post.design.mu
    exponential = Assigned(sd or Exponential(0.02), "given")
    predictor = PredictorPriors(
        "mu",
        Assigned(intercept or Normal(300, 100), "given"),
        at_means,
        mu.terms,
        tuple(Assigned(Normal(0, 50), "given") for _ in mu.terms),
        {g.name: g.terms for g in mu.groups},
        {g.name: tuple(exponential for _ in g.terms) for g in mu.groups},
        {g.name: Assigned(LKJ(2), "given") for g in mu.groups if g.correlated},
    )
    priors = Priors((predictor,), {"sigma": exponential})
    return replace(post, spec=replace(post.spec, priors=priors))


def prior_line(ax):
    (line,) = [line for line in ax.lines if line.get_linestyle() == "--"]
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


@pytest.fixture(scope="module")
def further():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.normal(size=12), "x": np.arange(12.0), "g": list("abc") * 4})
    return hand_made(["y ~ 1 + (1 | g)", "sigma ~ x + (x || g)"], data, "gaussian", 60, rng)


def test_priors_have_a_panel_per_parameter(sleep, check_texts):
    collection = plot_priors(with_priors(sleep), units=UNITS)
    axes = panels(collection, 6)
    assert titles(axes) == [
        "Intercept, at the means",
        "Days",
        "Subject sd: Intercept",
        "Subject sd: Days",
        "Subject cor: Intercept, Days",
        "residual sd",
    ]
    assert axes[1].get_xlabel() == "Reaction per unit of Days (ms/day)\nprior Normal(0, 50)"
    check_texts(collection.get_viz("figure"))


def test_prior_curves_are_the_exact_densities(sleep):
    axes = panels(plot_priors(with_priors(sleep)), 6)
    assert axes[2].get_xlim()[0] == 0
    assert axes[4].get_xlim() == (-1, 1)
    for ax, law in (
        (axes[1], stats.norm(0, 50)),
        (axes[2], stats.expon(scale=50)),
        (axes[4], stats.beta(2, 2, loc=-1, scale=2)),  # LKJ(2) of a 2 x 2 matrix
    ):
        x, density = prior_line(ax)
        np.testing.assert_allclose(density, law.pdf(x))


def test_the_intercepts_panel_is_where_its_prior_is(sleep):
    at_means = panels(plot_priors(with_priors(sleep)), 1)[0]
    at_zero = panels(plot_priors(with_priors(sleep, at_means=False)), 1)[0]
    moved = sleep.intercept() + sleep.fixef()[:, 0] * 4.5
    np.testing.assert_allclose(interval(at_means), np.quantile(moved, [0.025, 0.975]), rtol=1e-2)
    np.testing.assert_allclose(
        interval(at_zero), np.quantile(sleep.intercept(), [0.025, 0.975]), rtol=1e-2
    )
    assert titles([at_zero]) == ["Intercept"]


def test_a_very_wide_prior_does_not_hide_the_posterior(sleep):
    ax = panels(plot_priors(with_priors(sleep, intercept=Normal(0, 1e6))), 1)[0]
    low, high = interval(ax)
    assert np.ptp(ax.get_xlim()) < 40 * (high - low)


def test_a_flat_prior_has_no_curve(sleep):
    ax = panels(plot_priors(with_priors(sleep, intercept=Flat())), 1)[0]
    assert not [line for line in ax.lines if line.get_linestyle() == "--"]
    assert "prior Flat()" in ax.get_xlabel()


@pytest.mark.parametrize("plot", [plot_varcorr, plot_icc])
def test_plotly_has_the_same_panels(sleep, plot):
    collection = plot(sleep, backend="plotly")
    assert type(collection.get_viz("figure")).__module__.startswith("plotly")
    assert "panel_0" in collection.viz["plot"]


def test_an_unknown_backend_lists_the_known(sleep):
    with pytest.raises(ModelError, match="one of matplotlib, plotly, bokeh; got 'gnuplot'"):
        plot_varcorr(sleep, backend="gnuplot")


def test_a_model_without_groups_has_no_icc(make):
    plain = make.posterior(make.design("y", [1.0, 2.0, 4.0], {}, []), {}, 1.0)
    with pytest.raises(ModelError, match="no group effects"):
        plot_icc(plain)


@pytest.mark.parametrize("given", [False, True])
def test_thresholds_have_a_panel_each_where_their_prior_is(sleep, given):
    mu = replace(sleep.design.mu, intercept=False)
    design = replace(sleep.design, predictors=(mu,), response_levels=("low", "middle", "high"))
    cuts = np.random.default_rng(1).normal([-1, 1], 0.1, (*sleep.shape, 2))
    drawn = sleep.draws.assign(thresholds=(("chain", "draw", "threshold"), cuts))
    own = Assigned(Normal(0, 2.5), "given" if given else "unit of logit")
    priors = replace(with_priors(sleep).priors, parameters={"thresholds": own})
    spec = Spec(
        design, Cumulative(), replace(priors, predictors=(replace(priors.mu, intercept=None),))
    )
    post = Posterior(spec, xr.DataTree.from_dict({"posterior": drawn}))
    axes = panels(plot_priors(post), 6)
    where = "" if given else ", at the means"
    assert titles(axes)[-2:] == [f"low|middle{where}", f"middle|high{where}"]
    shift = 0.0 if given else 4.5 * sleep.fixef()[:, 0]
    found = cuts.reshape(-1, 2)[:, 1] - shift
    np.testing.assert_allclose(interval(axes[-1]), np.quantile(found, [0.025, 0.975]), rtol=2e-2)


def test_the_scale_of_student_t_is_no_sd_and_an_infinite_variance_is_told(sleep):
    nu = np.full(sleep.shape, 5.0)
    nu[0, :30] = 1.5
    draws = sleep.draws.assign(nu=(("chain", "draw"), nu))
    post = Posterior(
        spec_of(sleep.design, StudentTFamily()), xr.DataTree.from_dict({"posterior": draws})
    )
    shown = titles(panels(plot_varcorr(post), 4))
    assert "residual scale" in shown
    assert "residual sd" not in shown
    (ax,) = panels(plot_icc(post), 1)
    assert "0 in 10 % of draws: residual variance infinite" in ax.get_xlabel()
    (ax,) = panels(plot_icc(sleep), 1)
    assert ax.get_xlabel() == "adjusted ICC, share of variance"


def test_sds_and_priors_of_further_parameters_are_on_their_own_scale(further):
    axes = panels(plot_varcorr(further), 3)
    assert titles(axes) == ["g sd: Intercept", "g sd: sigma_Intercept", "g sd: sigma_x"]
    assert [ax.get_xlabel() for ax in axes] == [
        "y", "sigma (log scale)", "sigma per unit of x (log scale)",
    ]  # fmt: skip
    axes = panels(plot_priors(further), 6)
    assert titles(axes) == [
        "Intercept", "g sd: Intercept", "sigma_Intercept, at the means", "sigma_x",
        "g sd: sigma_Intercept", "g sd: sigma_x",
    ]  # fmt: skip
    assert axes[3].get_xlabel().startswith("sigma per unit of x (log scale)\nprior Normal(0, ")


def test_effects_on_further_parameters_have_a_picture(further):
    (only,) = plot_ranef(further).axes
    assert only.get_title("left") == "g: Intercept"
    first, second = plot_ranef(further, parameter="sigma").axes
    assert first.get_title("left") == "g: sigma_Intercept"
    assert second.get_xlabel() == "deviation, sigma per unit of x (log\nscale)"
    first, _ = plot_ranef(further, kind="density", parameter="sigma").axes
    assert first.get_title("left") == "g: sigma_Intercept, 3 levels"
    with pytest.raises(ModelError, match="parameter='zi' has no formula of its own; there are mu,"):
        plot_ranef(further, parameter="zi")


def test_a_model_with_effects_on_sigma_alone_says_where_they_are():
    data = pd.DataFrame({"y": [1.0, 2, 4, 5, 3, 6], "g": list("aabbcc")})
    rng = np.random.default_rng(1)
    post = hand_made(["y ~ 1", "sigma ~ 1 + (1 | g)"], data, "gaussian", 40, rng)
    with pytest.raises(ModelError, match=r"no group effects to draw on mu, only on sigma: "):
        plot_ranef(post)


def test_more_panels_than_arviz_draws_by_itself():
    draws = np.random.default_rng(1).normal(size=(1, 30))
    many = [Panel(f"b{k}", "b", draws, None) for k in range(45)]
    assert len(panels(density_panels(many, 0.9, "matplotlib"), 45)) == 45
