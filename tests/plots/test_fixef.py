"""The forest of population effects."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from specs import spec_of

import mixedbayes as mb
from mixedbayes.errors import ModelError
from mixedbayes.families.registry import family_from_names
from mixedbayes.plots.fixef import plot_fixef, ratio_ticks
from mixedbayes.results.fixef import fixef
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.ratios import fixef_ratios

LINK_SCALE = {
    ("gaussian", "identity"): ["y per unit of x", "difference in y"],
    ("gaussian", "log"): ["effect on y (log scale)"],
    ("student_t", "identity"): ["y per unit of x", "difference in y"],
    ("lognormal", "identity"): ["effect on y (log scale)"],
    ("gamma", "log"): ["effect on y (log scale)"],
    ("beta", "logit"): ["effect on y (logit scale)"],
    ("bernoulli", "probit"): ["effect on y (probit scale)"],
    ("binomial", "cloglog"): ["effect on y (cloglog scale)"],
    ("poisson", "log"): ["effect on y (log scale)"],
    ("negative_binomial", "log"): ["effect on y (log scale)"],
    ("cumulative", "logit"): ["effect on y (logit scale)"],
}
RATIOS = {
    ("bernoulli", "logit"): "odds ratio",
    ("binomial", "cloglog"): "hazard ratio",
    ("poisson", "log"): "rate ratio",
    ("negative_binomial", "log"): "rate ratio",
    ("gamma", "log"): "ratio of means",
    ("lognormal", "identity"): "ratio of means",
    ("cumulative", "logit"): "odds ratio",
}


@pytest.fixture(scope="module")
def post():
    """y ~ x * arm with draws made up; the drug's effect alone is clearly not 0."""
    data = pd.DataFrame({"y": np.arange(12.0), "x": np.tile([0.0, 1.0, 2.0], 4)})
    data["arm"] = np.repeat(["control", "drug"], 6)
    design = mb.Model("y ~ x * arm", data).design
    centre = dict(zip(design.mu.terms, (0.05, -0.8, 0.1), strict=True))
    rng = np.random.default_rng(3)
    draws = rng.normal(list(centre.values()), 0.1, (2, 200, 3))
    tree = xr.Dataset(
        {
            "Intercept": (("chain", "draw"), rng.normal(2, 0.1, (2, 200))),
            "fixef": (("chain", "draw", "term"), draws),
        },
        {"term": list(design.mu.terms)},
    )
    return Posterior(spec_of(design, mb.Gaussian()), xr.DataTree.from_dict({"posterior": tree}))


def of(post, family):
    return Posterior(spec_of(post.design, family_from_names(*family)), post.idata)


def rows(figure):
    """Name -> (middle, outer interval), over all panels."""
    found = {}
    for ax in figure.axes:
        named = dict(zip(ax.get_yticks(), ax.get_yticklabels(), strict=True))
        dots = [c for c in ax.collections if c.get_gid() == "mean"]
        outer = [c for c in ax.collections if c.get_gid() in ("outer", "outer clear")]
        lines = {s[0, 1]: s[:, 0] for c in outer for s in c.get_segments()}
        for x, y in np.concatenate([d.get_offsets() for d in dots]):
            found[named[y].get_text()] = (x, *lines[y])
    return found


def test_means_and_intervals_are_those_of_the_table(post, check_texts):
    figure = plot_fixef(post, prob=0.8, intercept=True)
    table = fixef(post, 0.8).set_index("term")
    drawn = rows(figure)
    assert set(drawn) == {"Intercept", "x", "x : arm drug", "arm drug"}
    by_name = dict(zip(("Intercept", "x", "arm drug", "x : arm drug"), table.index, strict=True))
    for name, (middle, low, high) in drawn.items():
        expected = table.loc[by_name[name], ["mean", "lower", "upper"]]
        np.testing.assert_allclose([middle, low, high], expected.to_numpy(float))
    check_texts(figure)


def test_effects_in_other_units_have_other_panels(post, check_texts):
    figure = plot_fixef(post, units={"y": "ms", "x": "day"})
    labels = [ax.get_xlabel() for ax in figure.axes]
    assert labels == ["y per unit of x (ms/day)", "difference in y (ms)"]
    assert [[t.get_text() for t in ax.get_yticklabels()] for ax in figure.axes] == [
        ["x : arm drug", "x"],
        ["arm drug"],
    ]
    check_texts(figure)


@pytest.mark.parametrize("family", LINK_SCALE, ids=" ".join)
def test_the_axis_says_its_scale_in_every_family(post, family, check_texts):
    figure = plot_fixef(of(post, family))
    assert [ax.get_xlabel() for ax in figure.axes] == LINK_SCALE[family]
    check_texts(figure)


@pytest.mark.parametrize("family", RATIOS, ids=" ".join)
def test_ratios_are_those_of_the_table(post, family, check_texts):
    figure = plot_fixef(of(post, family), exponentiate=True)
    (ax,) = figure.axes
    assert ax.get_xlabel() == f"{RATIOS[family]}, logarithmic axis"
    table = fixef_ratios(of(post, family)).iloc[1:]
    drawn = rows(figure)
    names = ("x", "arm drug", "x : arm drug")
    for name, (_, row) in zip(names, table.iterrows(), strict=True):
        expected = row[[RATIOS[family], "lower", "upper"]].to_numpy(float)
        np.testing.assert_allclose(np.exp(drawn[name]), expected)
    texts = [t.get_text() for t in ax.get_xticklabels()]
    np.testing.assert_allclose(np.exp(ax.get_xticks()), [float(t) for t in texts], rtol=1e-5)
    assert "1" in texts
    (rule,) = [line for line in ax.lines if len(set(line.get_xdata())) == 1]
    assert rule.get_xdata()[0] == 0  # log 1
    legend = [t.get_text() for t in figure.legends[0].get_texts()]
    assert legend[-1] == "95 % interval excludes 1"
    check_texts(figure)


def test_the_intercept_of_ratios_is_named_by_what_it_is(post):
    figure = plot_fixef(of(post, ("poisson", "log")), exponentiate=True, intercept=True)
    assert set(rows(figure)) == {"Intercept (baseline mean)", "x", "arm drug", "x : arm drug"}


def test_no_ratio_of_differences(post):
    with pytest.raises(ModelError, match="effects are differences"):
        plot_fixef(post, exponentiate=True)


def test_an_intercept_alone_is_drawn(penicillin):
    assert list(rows(plot_fixef(penicillin))) == ["Intercept"]


def test_thresholds_alone_are_no_effect():
    data = pd.DataFrame({"y": np.tile([1, 2, 3], 6), "g": np.repeat(range(6), 3)})
    model = mb.Model("y ~ 1 + (1 | g)", data, family="cumulative")
    empty = xr.DataTree.from_dict({"posterior": xr.Dataset({"sd_g": (("chain", "draw"), [[1.0]])})})
    with pytest.raises(ModelError, match="no population effects"):
        plot_fixef(Posterior(model.spec, empty))


def test_a_parameter_with_a_formula_has_a_panel_on_its_own_scale():
    fit = mb.fit(
        ["Reaction ~ Days + (1 | Subject)", "sigma ~ Days"], mb.load_data("sleepstudy"),
        draws=50, chains=2, seed=1, progress=False,
    )  # fmt: skip
    figure = fit.plot_fixef()
    assert [ax.get_title("left") for ax in figure.axes] == ["", "sigma"]
    assert figure.axes[1].get_xlabel() == "effect on sigma (log scale)"


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.1, 10, ["0.1", "0.2", "0.5", "1", "2", "5", "10"]),
        (0.85, 1.3, ["0.9", "1", "1.1", "1.2", "1.3"]),
        (0.001, 1000, ["0.001", "0.01", "0.1", "1", "10", "100", "1000"]),
        (0.3, 1.1, ["0.3", "0.5", "0.7", "1"]),
    ],
)
def test_ticks_of_ratios_are_round_numbers(low, high, texts):
    ticks = ratio_ticks(np.log(low) - 1e-9, np.log(high) + 1e-9)
    assert list(ticks.texts) == texts
