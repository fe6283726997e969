"""Planned studies: what they are asked, what they say, and where their true values come from."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.errors import DataError, ModelError
from mixedbayes.lab.power import Power
from mixedbayes.lab.question import Answer, answered
from mixedbayes.lab.run import Outcome
from mixedbayes.plots.power import plot_power
from mixedbayes.sample.convergence import largest_rhat

SMALL = {"simulations": 4, "seed": 1, "progress": False, "draws": 100, "chains": 2}


def trial(**given):
    how = {
        "groups": {"g": 12}, "rows": 4, "effects": {"Intercept": 1.0, "arm": 0.6},
        "sd": {"g": 0.5}, "sigma": 1.0, "covariates": {"arm": {"g": [0, 1]}, "t": range(4)},
    }  # fmt: skip
    return mb.study("y ~ arm * t + (1 | g)", **(how | given))


@pytest.fixture(scope="module")
def pilot():
    return mb.fit(
        "Reaction ~ Days + (Days | Subject)", mb.load_data("sleepstudy"), seed=1, progress=False
    )


@pytest.fixture(scope="module")
def power():
    asked = ["arm > 0", "arm", lambda fit: fit.comparisons("arm", at={"t": 0})]
    return trial().power(*asked, n={"g": [8, 12], "arm": [0.6, 6.0]}, **SMALL)


@pytest.mark.parametrize(
    ("call", "given", "said"),
    [
        (trial, {"nsim": 100}, "there is no argument nsim=: simulations="),
        (trial, {"fixef": {"x": 1.0}}, "there is no argument fixef=: true effects are effects="),
        (trial().power, {"alpha": 0.05}, "there is no argument alpha=: an interval of probability"),
        (trial().power, {"along": "g"}, "there is no argument along=: what varies is n="),
        (trial().calibrate, {"nsim": 20}, "there is no argument nsim=: simulations="),
    ],
)  # fmt: skip
def test_words_of_simr_are_answered_with_ours(call, given, said):
    with pytest.raises(ModelError, match=said):
        call(**given)


# ---- what a study says -------------------------------------------------------------------------


def test_every_design_has_a_row_for_each_question(power):
    table = power.table
    assert list(table)[:3] == ["question", "g", "arm"]
    assert len(table) == 12
    assert (table["simulations"] == 4).all()
    assert len(power.studies) == 48
    assert "failed" not in table


def test_questions_agree_where_they_are_the_same(power):
    """Of a positive effect's sign; a comparison where t = 0 is the coefficient."""
    every = dict(list(power.studies.groupby("question", sort=False)))
    statement, expression, comparison = every.values()
    for column in ("estimate", "lower", "upper", "truth"):
        a, b, c = (q[column].to_numpy(float) for q in (statement, expression, comparison))
        np.testing.assert_allclose(a, b, rtol=1e-12)
        np.testing.assert_allclose(b, c, rtol=1e-8)
    shown = expression["shown"].to_numpy() & (expression["estimate"] > 0).to_numpy()
    assert list(statement["shown"]) == list(shown)


def test_the_truth_is_that_of_the_design(power):
    assert set(zip(power.studies["arm"], power.studies["truth"].round(9), strict=True)) == {
        (0.6, 0.6),
        (6.0, 6.0),
    }
    large = power.table.query("arm == 6.0")
    assert (large["power"] == 1.0).all()
    assert large["type_m"].between(0.8, 1.25).all()


def test_studies_are_their_own_whatever_else_is_asked(power):
    alone = trial().power("arm > 0", n={"arm": [6.0], "g": [8]}, **SMALL | {"simulations": 2})
    same = power.studies.query("question == 'arm > 0' and g == 8 and arm == 6.0 and study < 2")
    np.testing.assert_array_equal(alone.studies["estimate"], same["estimate"])
    assert same["estimate"].nunique() == 2


def test_processes_change_nothing(power):
    two = trial().power("arm > 0", n={"g": [8], "arm": [6.0]}, workers=2, **SMALL)
    same = power.studies.query("question == 'arm > 0' and g == 8 and arm == 6.0")
    np.testing.assert_array_equal(two.studies["estimate"], same["estimate"])


def outcome(number, estimate, shown, truth=0.5, half=0.4, **more):
    answer = Answer(estimate, estimate - half, estimate + half, np.nan, shown, truth)
    return Outcome(number, {"x": answer}, **more)


def test_errors_of_sign_and_magnitude():
    """By hand: of four that show it one has the wrong sign; their sizes are 1, 1, 0.8 and 0.6."""
    values = [(1.0, True), (1.0, True), (0.6, True), (-0.8, True), (0.2, False), (0.3, False)]
    found = [outcome(k, *v) for k, v in enumerate(values)]
    found += [Outcome(6, {}, error="DataError: no"), outcome(7, 0.5, False, converged=False)]
    table = Power.of([{"g": 5}], [found], ["x"], "").table.iloc[0]
    assert table["power"] == pytest.approx(4 / 7)
    assert table["type_s"] == pytest.approx(1 / 4)
    assert table["type_m"] == pytest.approx((1.0 + 1.0 + 0.6 + 0.8) / 4 / 0.5)
    assert table["coverage"] == pytest.approx(4 / 7)  # of 0.6, 0.2, 0.3 and 0.5
    assert table["width"] == pytest.approx(0.8)
    assert (table["failed"], table["not_converged"], table["simulations"]) == (1, 1, 8)


def test_what_counts_as_shown(pilot):
    """The interval's ends are the draws' quantiles."""
    low, high = pilot.fixef().set_index("term").loc["Days", ["lower", "upper"]]
    for text, shown in {
        f"Days > {low - 0.01}": True, f"Days > {low + 0.01}": False, f"Days < {high + 0.01}": True,
        f"Days - {low + 0.01}": False, f"Days - {low - 0.01}": True, "Days > 0 and Days < 1": False,
        "Days > 0 and Intercept > 0": True, f"Days = {low - 0.01}": True,
    }.items():  # fmt: skip
        assert answered(text, pilot, pilot, 0.95).shown is shown, text


def test_whether_chains_agree(pilot):
    """The largest rhat is that of `diagnostics`, of group effects roughly; none is overlooked."""
    draws = pilot.posterior.draws
    report = pilot.diagnostics().table["rhat"]
    assert largest_rhat(draws[["sigma"]]) == pytest.approx(max(1.0, report["sigma"]))
    assert largest_rhat(draws) < 1.05
    for name in ("sigma", "ranef_Subject", "cor_Subject"):
        moved = draws.assign({name: draws[name] + 10 * (draws["chain"] == 0)})
        assert largest_rhat(moved) > 1.05
    still = draws.assign(sigma=draws["sigma"] * 0 + draws["chain"])
    assert largest_rhat(still) == np.inf
    assert largest_rhat(still.isel(chain=[0])) == 1.0


# ---- where true values come from ---------------------------------------------------------------


def test_one_of_several_sds_may_vary():
    lab = mb.study("y ~ t + (t | g)", groups={"g": 5}, sd={"g": {"Intercept": 2.0, "t": 0.5}})
    sd = lab.source.simulate({"sd_g[t]": 1.5}, 1).truth.posterior.sd("g")
    assert sd.tolist() == [[2.0, 1.5]]
    with pytest.raises(DataError, match=r"'sd_g' is not known; .* sd_g\[Intercept\], sd_g\[t\]"):
        lab.data({"sd_g": 1.0}, seed=1)


def test_sigma_may_vary_though_it_is_not_given():
    lab = mb.study("y ~ 1 + (1 | g)", groups={"g": 40}, rows=50, sd={"g": 0.01})
    spread = [lab.data(n, seed=1)["y"].std() for n in ({}, {"sigma": 1}, {"sigma": 3.0})]
    assert spread[0] == spread[1] == pytest.approx(spread[2] / 3, rel=0.01)
    counts = mb.study("y ~ 1 + (1 | g)", groups={"g": 4}, sd={"g": 0.1}, family="poisson")
    with pytest.raises(DataError, match=r"'sigma' is not known; .* rows, dropout, sd_g$"):
        counts.data({"sigma": 2}, seed=1)


def test_true_values_may_be_drawn():
    lab = trial(effects={"arm": mb.Normal(0.5, 0.2)}, sigma=mb.HalfNormal(1))
    found = lab.power("arm > 0", "sigma", **SMALL).studies
    true = found.query("question == 'arm > 0'")["truth"]
    assert true.nunique() == 4
    assert true.between(-0.5, 1.5).all()
    assert (found.query("question == 'sigma'")["truth"] > 0).all()


def test_a_pilots_draws_are_the_truth(pilot):
    found = mb.study(fit=pilot).power("Days > 0", "sigma", n={"Subject": [6]}, **SMALL).studies
    draws = pilot.posterior.fixef()[:, 0]
    true = found.query("question == 'Days > 0'")["truth"]
    assert all(np.isclose(draws, t).any() for t in true)
    assert true.nunique() == 4


def test_data_of_a_pilots_design(pilot):
    frame = mb.study(fit=pilot).data({"Subject": 40}, seed=1)
    assert frame["Subject"].nunique() == 40
    assert len(frame) == 400
    means = frame.groupby("Subject", observed=True)["Reaction"].mean()
    own = pilot.model.data.groupby("Subject", observed=True)["Reaction"].mean()
    assert means.mean() == pytest.approx(own.mean(), abs=30)
    assert 0.5 < means.std() / own.std() < 2


def test_groups_of_correlated_residuals_may_vary():
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"p": np.repeat(list("abcdef"), 4), "y": rng.normal(size=24)})
    lab = mb.study(mb.Model("y ~ 1", d, residual="cosy(p)"))
    assert lab.data({"p": 15}, seed=1)["p"].nunique() == 15
    assert len(lab.data({"rows": 2}, seed=1)) == 12


def test_related_and_shared_levels_are_those_of_the_model():
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"a": list("ABCD") * 3, "b": list("BCDA") * 3, "y": rng.normal(size=12)})
    A = pd.DataFrame(0.5 + 0.5 * np.eye(4), index=list("ABCD"), columns=list("ABCD"))
    for model in (
        mb.Model("y ~ 1 + (1 | gr(a, cov=A))", d, known={"A": A}),
        mb.Model("y ~ 1 + (1 | mm(a, b))", d),
    ):
        lab, own = mb.study(model), model.design.formula.random[0].factors
        assert lab.data(seed=1)[[*own]].equals(d[[*own]])
        with pytest.raises(DataError, match="levels of 'a' stand beside others"):
            lab.data({"a": 9}, seed=1)


def test_rows_that_are_given_may_be_more_or_fewer():
    d = pd.DataFrame({"g": np.repeat(list("abcdef"), 3), "x": np.tile(range(3), 6)})
    lab = mb.study("y ~ x + (1 | g)", data=d, effects={"x": 1}, sd={"g": 1}, dropout=0.5)
    assert "g" in repr(lab)
    more = lab.data({"g": 12, "rows": 2, "dropout": 0}, seed=1)
    assert more.groupby("g", observed=True)["x"].agg(list).tolist() == [[0, 1]] * 12
    left = lab.data({"g": 200}, seed=1).groupby("g", observed=True).size()
    assert 0.35 < (left < 3).mean() < 0.65


def test_a_models_priors_are_the_truth():
    model = mb.Model(
        "Reaction ~ Days + (1 | Subject)", mb.load_data("sleepstudy"),
        priors={"fixef": {"Days": mb.Normal(100, 0.1)}},
    )  # fmt: skip
    found = mb.study(model).power("Days > 0", **SMALL)
    assert (found.studies["truth"] - 100).abs().max() < 1
    assert found.table["power"].item() == 1.0


def test_counts_of_a_pilot_are_counts():
    pilot = mb.fit(
        "TICKS ~ YEAR + (1 | BROOD)", mb.load_data("grouseticks").head(200), family="poisson",
        draws=200, chains=2, seed=1, progress=False,
    )  # fmt: skip
    frame = mb.study(fit=pilot).data({"BROOD": 10}, seed=1)
    assert (frame["TICKS"] >= 0).all()
    assert (frame["TICKS"] % 1 == 0).all()


def test_dropout_leaves_first_rows():
    frame = trial(dropout=0.5).data({"g": 200}, seed=1)
    last = frame.groupby("g", observed=True)["t"].max()
    assert 0.4 < (last < 3).mean() < 0.6
    assert len(trial(dropout=0.5).data({"dropout": 0.0}, seed=1)) == 48


# ---- calibration -------------------------------------------------------------------------------


def test_calibration_of_a_right_model():
    found = trial(rows=3).calibrate(40, seed=2, progress=False)
    assert found.calibrated
    assert set(found.table) == {"quantity", "p_value", "adjusted", "bias", "spread"}
    assert {"fixef[arm]", "sd_g[Intercept]", "sigma", "log_lik"} <= set(found.ranks)
    assert found.ranks.to_numpy().min() >= 0
    assert "uniform" in found.sentence


def test_wrong_ranks_are_described():
    rng = np.random.default_rng(1)
    ranks = pd.DataFrame(
        {
            "right": rng.integers(0, 100, 300),
            "low": rng.integers(50, 100, 300),
            "narrow": np.where(rng.random(300) < 0.5, 0, 99),
        }
    )
    from mixedbayes.lab.calibration import Calibration

    said = Calibration(ranks, 3, "y ~ 1").sentence
    assert "low (too low" in said
    assert "narrow (too narrow)" in said
    assert "right" not in said
    assert "3 divergences" in said


# ---- pictures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["matplotlib", "plotly", "bokeh"])
def test_pictures(power, backend):
    assert power.plot(backend=backend) is not None
    assert Power.of([{"g": 5}], [[outcome(0, 1.0, True)]], ["x"], "").plot(backend=backend)


def test_intervals_of_one_number_lie_beside_each_other():
    table = pd.DataFrame({"g": [5, 5, 25, 25], "rows": [2, 4, 2, 4], "power": [0.2, 0.3, 0.5, 0.5]})
    figure = plot_power(table.assign(lower=0.1, upper=0.7), ["g", "rows"], "x > 0")
    (axes,) = figure.axes
    bars = [c.get_segments() for c in axes.collections if hasattr(c, "get_segments")]
    x = np.sort([segment[0][0] for own in bars for segment in own])
    assert len(x) == 4
    assert np.diff(x).min() > 0.1
    np.testing.assert_allclose(x, [5, 5, 25, 25], atol=0.3)


def test_nothing_to_draw_where_nothing_varies():
    one = Power.of([{}], [[outcome(0, 1.0, True)]], ["x"], "")
    with pytest.raises(ModelError, match="there is one design"):
        one.plot()


# ---- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "match", "ask"),
    [
        (ModelError, "asked something", lambda lab: lab.power()),
        (ModelError, "no question", lambda lab: lab.power(3)),
        (mb.FormulaError, "arn", lambda lab: lab.power("arn > 0", **SMALL)),
        (DataError, "'h' is not known; what may vary are g, rows, dropout, Intercept, arm, sd_g",
         lambda lab: lab.power("arm", n={"h": 3})),
        (DataError, "whole number from 1, got 2.5", lambda lab: lab.power("arm", n={"g": 2.5})),
        (ModelError, "does not say of what", lambda lab: lab.power("arm", n=20)),
        (ModelError, "is empty", lambda lab: lab.power("arm", n={"g": []})),
        (ModelError, "simulations=0", lambda lab: lab.power("arm", simulations=0)),
        (ModelError, "prob", lambda lab: lab.power("arm", prob=95)),
        (ModelError, "workers=0", lambda lab: lab.power("arm", workers=0, **SMALL)),
        (ModelError, "least and the largest", lambda lab: lab.smallest("arm", {"g": 20})),
        (ModelError, "is not below", lambda lab: lab.smallest("arm", {"g": (20, 10)})),
        (ModelError, "one of g, rows", lambda lab: lab.smallest("arm", {"arm": (0, 1)})),
        (ModelError, "power=80", lambda lab: lab.smallest("arm", {"g": (5, 9)}, power=80)),
        (ModelError, "do not tell", lambda lab: lab.calibrate(5)),
        (ModelError, "returns 2",
         lambda lab: lab.power(lambda f: f.means("arm"), **SMALL)),
        (ModelError, "neither one row", lambda lab: lab.power(lambda f: 3.0, **SMALL)),
    ],
)  # fmt: skip
def test_mistakes_of_questions(error, match, ask):
    with pytest.raises(error, match=match):
        ask(trial())


@pytest.mark.parametrize(
    ("match", "given"),
    [
        ("needs a formula", {}),
        ("'x'", {"model": "y ~ 1 + (1 | g)", "groups": {"g": 5}, "effects": {"x": 1},
                 "sd": {"g": 1}}),
        ("whose number of levels is not given", {"model": "y ~ 1 + (1 | g)"}),
        ("dropout of g is a share", {"model": "y ~ 1 + (1 | g)", "groups": {"g": 5},
                                     "sd": {"g": 1}, "dropout": 3}),
        ("does not say which levels leave", {"model": "y ~ 1 + (1 | g) + (1 | h)",
                                             "groups": {"g": 5, "h": 3}, "dropout": 0.3,
                                             "sd": {"g": 1, "h": 1}}),
        ("improper", {"model": "y ~ 1 + (1 | g)", "groups": {"g": 5},
                      "effects": {"Intercept": mb.Flat()}}),
        ("a Fit of a pilot", {"fit": 3}),
        ("groups, rows cannot be given beside them",
         {"model": "y ~ 1 + (1 | g)", "data": pd.DataFrame({"g": [1, 1, 2, 2]}),
          "groups": {"g": 5}, "rows": 3}),
    ],
)  # fmt: skip
def test_mistakes_of_plans(match, given):
    with pytest.raises(mb.MixedBayesError, match=match):
        mb.study(**given)


def test_nothing_is_given_twice(pilot):
    with pytest.raises(ModelError, match="effects, groups cannot be given beside it"):
        mb.study(fit=pilot, groups={"Subject": 3}, effects={"Days": 1})
    with pytest.raises(ModelError, match=r"study\(fit=pilot\)"):
        mb.study(pilot)
    with pytest.raises(ModelError, match="rows, family, formulation cannot be given beside it"):
        mb.study(fit=pilot, rows=3, family="poisson", formulation="joint")


def test_what_a_pilot_cannot_say(pilot):
    d = pilot.model.data.assign(c=0)
    for formula, match in {
        "Reaction | cens(c) ~ Days + (1 | Subject)": "responses are censored",
        "log(Reaction) ~ Days + (1 | Subject)": "is an expression",
    }.items():
        with pytest.raises(mb.MixedBayesError, match=match):
            mb.study(mb.Model(formula, d))


def test_a_design_without_any_fit_says_why():
    with pytest.raises(ModelError, match=r"no study with rows = 1, g = 3 could be .*: DataError"):
        mb.study(
            "y ~ x + (x | g)", groups={"g": 5}, rows=9, effects={"x": 1}, sd={"g": 1},
        ).power("x > 0", n={"rows": [9, 1], "g": 3}, **SMALL)  # fmt: skip


# ---- against exact power -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("design", ["between", "within", "within_random_slopes"])
def test_power_is_that_of_t_tests(reference, design):
    """Noncentral t, in balanced designs, within the Monte Carlo interval of 500 studies.

    Priors weakly informative at the scale of the data; 99 % intervals of three sizes each.
    """
    known = reference("power_balanced")[design]
    p = known["parameters"]
    between = design == "between"
    effect = "arm" if between else "cond"
    sds = {"Intercept": p["sd_group"]}
    if "sd_cond" in p:
        sds["cond"] = p["sd_cond"]
    bar = "cond" if "sd_cond" in p else "1"
    lab = mb.study(
        f"y ~ {effect} + ({bar} | group)", groups={"group": 16}, rows=p["rows_per_group"],
        effects={effect: known["effect"]}, sd={"group": sds}, sigma=p["sigma"],
        covariates={effect: {"group": [0, 1]} if between else [0, 1]},
    )  # fmt: skip
    exact = dict(zip(known["grid_n"], known["power_t"], strict=True))
    sizes = [8, 16, 30]
    per = 2 if between else 1
    found = lab.power(effect, n={"group": [per * n for n in sizes]}, simulations=500, seed=1,
                      workers=-1, progress=False)  # fmt: skip
    for n, power in zip(sizes, found.table["power"], strict=True):
        assert abs(power - exact[n]) < 2.58 * np.sqrt(exact[n] * (1 - exact[n]) / 500), (n, power)
    assert (found.table["coverage"] > 0.92).all()


@pytest.mark.slow
def test_errors_of_significant_results_are_those_of_a_normal_test(reference):
    """Gelman & Carlin's retrodesign for the simplest design, effect and standard error known."""
    from scipy.stats import norm

    known = reference("power_balanced")["within"]
    p, effect = known["parameters"], 0.2
    n = 16
    lab = mb.study(
        "y ~ cond + (1 | group)", groups={"group": n}, rows=p["rows_per_group"],
        effects={"cond": effect}, sd={"group": p["sd_group"]}, sigma=p["sigma"],
        covariates={"cond": [0, 1]},
    )  # fmt: skip
    row = lab.power("cond", simulations=1500, seed=2, workers=-1, progress=False).table.iloc[0]
    se = known["se"][known["grid_n"].index(n)]
    z, lam = norm.isf(0.025), effect / se
    high, low = norm.sf(z - lam), norm.cdf(-z - lam)
    rng = np.random.default_rng(1)
    est = effect + se * rng.normal(size=1_000_000)
    exaggeration = np.abs(est[np.abs(est) > z * se]).mean() / effect
    assert row["power"] == pytest.approx(high + low, abs=0.025)
    assert row["type_s"] == pytest.approx(low / (high + low), abs=0.03)
    assert row["type_m"] == pytest.approx(exaggeration, rel=0.08)


# ---- names and numbers that are the user's -----------------------------------------------------


@pytest.mark.parametrize("factor", ["study", "error", "power"])
def test_what_varies_may_have_the_name_of_a_column(factor):
    lab = mb.study(
        f"y ~ x + (1 | {factor})", {factor: 8}, rows=3, effects={"x": 0.5}, sd={factor: 0.5}
    )
    found = lab.power("x > 0", n={factor: [5, 7]}, **SMALL)
    assert found.table[f"{factor}_n"].tolist() == [5, 7]
    assert (found.table["simulations"] == 4).all()
    assert found.studies["study"].tolist() == [*range(4)] * 2
    assert found.varies == (f"{factor}_n",)


@pytest.mark.parametrize(
    ("n", "said"),
    [
        ({"g": [5, 5]}, "has 5 2 times"),
        ({"dropout": [{"g": 0.1}]}, "a number or a list of them, got {'g': 0.1}"),
        ({"arm": [None]}, "a number or a list of them, got None"),
        ({"arm": ["large"]}, "a number or a list of them, got 'large'"),
        ({"arm": {0.1, 0.2}}, "a number or a list of them"),
    ],
)
def test_what_varies_is_numbers_each_once(n, said):
    with pytest.raises(ModelError, match=said):
        trial().power("arm > 0", n=n, **SMALL)


def test_numbers_may_be_those_of_numpy():
    lab = trial()
    pd.testing.assert_frame_equal(lab.data({"g": np.int64(5)}, seed=1), lab.data({"g": 5}, seed=1))
    assert lab._bounds({"g": np.array([5, 10])}) == ("g", (5, 10))
    short = SMALL | {"simulations": np.int64(1)}
    found = lab.power("arm > 0", n={"g": pd.Series([5, 6])}, **short)
    assert found.table["g"].tolist() == [5, 6]


@pytest.mark.parametrize("simulations", [2.5, "many"])
def test_calibration_takes_a_whole_number(simulations):
    with pytest.raises(ModelError, match="not a whole number"):
        trial().calibrate(simulations)


# ---- categories --------------------------------------------------------------------------------


def of_categories(values, family):
    rng = np.random.default_rng(2)
    rows = pd.DataFrame({"x": rng.normal(size=120), "g": np.repeat(np.arange(12), 10)})
    rows["y"] = pd.Categorical(np.asarray(values)[np.arange(120) % 3], values, ordered=True)
    if not isinstance(values[0], str):
        rows["y"] = rows["y"].astype(int)
    return mb.Model("y ~ x + (1 | g)", rows, family=family)


@pytest.mark.parametrize("family", ["cumulative", "categorical"])
@pytest.mark.parametrize("values", [[1, 2, 3], ["low", "mid", "high"]])
def test_categories_of_a_pilot_are_those_of_its_studies(family, values):
    """As often as in the pilot, where each is a third of the rows."""
    fit = of_categories(values, family).fit(200, chains=1, seed=1, progress=False)
    frame = mb.study(fit=fit).data({"g": 200}, seed=1)
    share = frame["y"].value_counts(normalize=True)
    assert set(share.index) == set(values)
    assert share.between(0.15, 0.55).all()


@pytest.mark.slow
def test_ordered_categories_are_calibrated():
    found = mb.study(of_categories([1, 2, 3], "cumulative")).calibrate(20, seed=1, progress=False)
    assert found.calibrated


# ---- factors that are predictors too -----------------------------------------------------------


def test_a_factor_that_is_a_predictor_keeps_its_values():
    rng = np.random.default_rng(3)
    rows = pd.DataFrame({"arm": np.repeat(["a", "b"], 60), "g": np.repeat(np.arange(24), 5)})
    rows["year"] = np.tile(np.arange(5), 24)
    rows["y"] = rng.normal(size=24)[rows["g"]] + rng.normal(size=120)
    fit = mb.fit(
        "y ~ arm + year + (1 | arm:g) + (1 | year)", rows, draws=100, chains=2, seed=1,
        progress=False,
    )  # fmt: skip
    lab = mb.study(fit=fit)
    frame = lab.data({"g": 40}, seed=1)
    assert set(frame["arm"]) == {"a", "b"}
    assert set(frame["year"]) == set(range(5))
    assert frame["g"].nunique() == 40
    found = lab.power("arm[b] > 0", n={"g": [10]}, **SMALL)
    assert found.table["simulations"].item() == 4
    with pytest.raises(DataError, match="year is a predictor as well as a grouping factor"):
        lab.data({"year": 8}, seed=1)


def test_responses_of_different_families_have_studies():
    rng = np.random.default_rng(4)
    rows = pd.DataFrame({"x": rng.normal(size=60), "g": np.repeat(np.arange(12), 5)})
    rows["y"], rows["b"] = rng.normal(size=60), np.tile(["no", "yes"], 30)
    model = mb.Model(
        "mv(y, b, rescor=False) ~ x + (1 | g)", rows, family={"y": "gaussian", "b": "bernoulli"}
    )
    lab = mb.study(fit=model.fit(100, chains=1, seed=1, progress=False))
    assert set(lab.data(seed=1)["b"]) == {"no", "yes"}
    assert lab.power("b_x > 0", n={"g": [8]}, **SMALL).table["simulations"].item() == 4
    again = model.with_data(rows.assign(y=rows["y"] * 2))
    assert again.family == model.family
