"""Categories without an order: density, formulas, mode, tables, averages over groups."""

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made
from scipy import optimize, special

import mixedbayes as mb
from mixedbayes.errors import DataError, ModelError
from mixedbayes.estimands.means import comparisons, means
from mixedbayes.families.categorical import Categorical
from mixedbayes.families.categorical_rows import loop
from mixedbayes.joint.density import JointDensity
from mixedbayes.joint.laplace import approximate
from mixedbayes.numerics.softmax_normal import softmax_mean
from mixedbayes.plots.check import plot_check
from mixedbayes.plots.fixef import plot_fixef
from mixedbayes.plots.labels import labels_of
from mixedbayes.plots.pp_check import pp_check
from mixedbayes.plots.ranef import plot_ranef
from mixedbayes.plots.replicates import replicates_panels
from mixedbayes.plots.residuals import plot_residuals
from mixedbayes.predict.predict import predict
from mixedbayes.results.fitted import fitted, residuals
from mixedbayes.results.fixef import fixef, parameters
from mixedbayes.results.icc import icc
from mixedbayes.results.r2 import explained
from mixedbayes.results.ratios import fixef_ratios
from mixedbayes.results.varcorr import varcorr

MODES = ("bike", "bus", "car")


def choices(n=240, J=8, seed=5):
    rng = np.random.default_rng(seed)
    g, x = np.arange(n) % J, rng.normal(size=n)
    u = rng.normal(size=(J, 2)) * [0.8, 0.5]
    h = np.stack([np.zeros(n), 0.4 + x + u[g, 0], -0.3 - 0.8 * x + u[g, 1]], axis=1)
    below = np.cumsum(special.softmax(h, axis=1), axis=1)
    code = (rng.uniform(size=(n, 1)) > below).sum(axis=1)
    return pd.DataFrame({"choice": np.array(MODES)[code], "x": x, "person": g, "w": 1 + g % 3})


# ---- the density ---------------------------------------------------------------------------------


def rows(h, counts):
    """Log density and slopes of the compiled loop, for predictors (K - 1, n) and counts (n, K)."""
    m = len(h) - 1
    slope, d = np.empty(h.shape[1]), np.empty((m, h.shape[1]))
    size = counts.sum(axis=1)
    none = np.zeros(0)
    total = loop(h[0], none, size, counts.ravel(), none, h[1:], slope, none, d)
    return total, np.concatenate([slope[None], d])


@pytest.mark.parametrize("K", [3, 5])
def test_rows_are_multinomial_and_their_slopes_differences(K):
    rng = np.random.default_rng(1)
    h, counts = rng.normal(0, 2, (K - 1, 6)), rng.integers(0, 4, (6, K)).astype(float)

    def direct(h):
        return np.sum(counts * special.log_softmax(np.vstack([np.zeros(6), h]), axis=0).T)

    total, slopes = rows(h, counts)
    assert total == pytest.approx(direct(h), rel=1e-13)
    for k, i in np.ndindex(h.shape):
        step = np.zeros_like(h)
        step[k, i] = 1e-5
        numeric = (direct(h + step) - direct(h - step)) / 2e-5
        assert slopes[k, i] == pytest.approx(numeric, abs=1e-7)


@pytest.mark.parametrize("far", [40.0, 700.0, 1e5])
def test_tails_keep_their_digits(far):
    """One category is nearly certain: log p = -(e^-far + ...), and its slope as small."""
    h = np.array([[far], [far - 36.0]])
    total, slopes = rows(h, np.array([[0.0, 1.0, 0.0]]))
    rest = np.exp(-36.0) + np.exp(-far)
    assert total == pytest.approx(-rest, rel=1e-12)
    np.testing.assert_allclose(slopes[:, 0], [rest, -np.exp(-36.0)], rtol=1e-12)
    total, slopes = rows(h, np.array([[1.0, 0.0, 0.0]]))
    assert total == pytest.approx(-far, rel=1e-15)
    assert slopes[0, 0] == pytest.approx(-1.0)


# ---- formulas and data ---------------------------------------------------------------------------


def test_one_formula_stands_for_all_categories_but_the_reference():
    model = mb.Model("choice ~ x + (x | person)", choices(), family="categorical")
    assert [p.parameter for p in model.design.predictors] == ["mu_bus", "mu_car"]
    assert model.design.across[0].terms == (
        "mu_bus_Intercept", "mu_bus_x", "mu_car_Intercept", "mu_car_x")  # fmt: skip
    assert model.design.across[0].blocks == ((0, 1, 2, 3),)
    assert model.design.formula.texts == ("choice ~ x + (x | person)",)
    first, second = model.design.predictors
    assert first.X is second.X  # the columns are there once
    apart = mb.Model("choice ~ x + (x || person)", choices(), family="categorical")
    assert apart.design.across == ()


@pytest.mark.parametrize("said", ["mu_car", "mucar", "car"])
def test_a_category_may_have_its_own_formula(said):
    formulas = ["choice ~ x + (1 | person)", f"{said} ~ 1 + (1 | person)"]
    model = mb.Model(formulas, choices(), family="categorical")
    bus, car = model.design.predictors
    assert (bus.terms, car.terms) == (("x",), ())
    assert model.design.across[0].terms == ("mu_bus_Intercept", "mu_car_Intercept")
    assert model.design.formula.texts == tuple(formulas)


def test_the_first_category_may_have_its_own_formula():
    model = mb.Model(["choice ~ x", "bus ~ 1"], choices(), family="categorical")
    assert [p.terms for p in model.design.predictors] == [(), ("x",)]
    with pytest.raises(ModelError, match=r"'bike' has a formula.*mu_bus, mu_car"):
        mb.Model(["choice ~ x", "bike ~ 1"], choices(), family="categorical")
    with pytest.raises(ModelError, match=r"mu_bus has two formulas, 'mu_bus ~ x' and 'bus ~ 1'"):
        mb.Model(["choice ~ x", "mu_bus ~ x", "bus ~ 1"], choices(), family="categorical")


@pytest.mark.parametrize(
    ("make", "levels"),
    [
        (lambda c: pd.Categorical(c, ["car", "bus", "bike", "tram"]), ("car", "bus", "bike")),
        (lambda c: c.map({"bike": 3, "bus": 1, "car": 2}), (1, 2, 3)),
        (lambda c: c.map({"bike": "a b", "bus": "2.5", "car": "c:d"}), ("2.5", "a b", "c:d")),
    ],
)
def test_the_first_level_is_the_reference(make, levels):
    d = choices().assign(choice=lambda d: make(d.choice))
    model = mb.Model("choice ~ 1", d, family="categorical")
    assert model.design.response_levels == levels
    written = [str(v) for v in model.design.response_levels]
    assert [written[int(k)] for k in model.design.y] == [str(v) for v in d.choice]
    chosen = Categorical(reference=levels[2])
    assert mb.Model("choice ~ 1", d, family=chosen).design.response_levels[0] == levels[2]


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda d: d.assign(choice=d.choice == "bus"), DataError, "2 categories.*bernoulli"),
        (lambda d: d.assign(choice=d.x), DataError, "takes labels: text, categories or whole"),
        (lambda d: d.assign(choice=np.arange(len(d))), DataError, "240 different.*at most 32"),
        (lambda d: d.assign(choice=d.choice.map({"bike": "A", "bus": "a b", "car": "a:b"})),
         DataError, "both be called mu_a_b"),
    ],
)  # fmt: skip
def test_what_are_no_categories_is_refused(change, error, said):
    with pytest.raises(error, match=said):
        mb.Model("choice ~ 1", change(choices()), family="categorical")


def test_an_unknown_reference_is_refused():
    with pytest.raises(ModelError, match=r"'tram' is no category of choice.*bike"):
        mb.Model("choice ~ 1", choices(), family=Categorical(reference="tram"))


def test_priors_of_one_category_are_given_by_its_name():
    given = {"mu_bus": {"fixef": mb.Normal(0, 3)}, "Intercept": mb.Normal(1, 2)}
    model = mb.Model("choice ~ x", choices(), family="categorical", priors=given)
    bus, car = model.spec.priors.predictors
    assert bus.fixef[0].prior == mb.Normal(0, 3)
    assert not car.fixef[0].given
    assert bus.intercept.prior == car.intercept.prior == mb.Normal(1, 2)


# ---- the mode ------------------------------------------------------------------------------------


def test_the_mode_under_flat_priors_is_maximum_likelihood():
    """Rows that are equal are added up, and weights repeat them."""
    d = choices().assign(x=lambda d: d.x.round())
    flat = {"Intercept": mb.Flat(), "fixef": mb.Flat()}
    model = mb.Model("choice | weights(w) ~ x", d, family="categorical", priors=flat)
    density = JointDensity.of(model.design, model.family, model.spec.priors)
    assert len(density.data.rows) == 2 * d.x.nunique()
    found = density.layout.named(approximate(density).mode[None], density.coordinates)
    X = np.column_stack([np.ones(len(d)), d.x])
    code = d.choice.map({v: k for k, v in enumerate(MODES)}).to_numpy()

    def loss(b):
        h = np.column_stack([np.zeros(len(d)), X @ b.reshape(2, 2).T])
        return -np.sum(d.w * special.log_softmax(h, axis=1)[np.arange(len(d)), code])

    best = optimize.minimize(loss, np.zeros(4), method="BFGS", tol=1e-10).x.reshape(2, 2)
    for p, (level, slope) in zip(("mu_bus", "mu_car"), best, strict=True):
        assert found[f"{p}_Intercept"][0] == pytest.approx(level, abs=1e-3)
        assert found[f"{p}_fixef"][0, 0] == pytest.approx(slope, abs=1e-3)


def test_the_curvature_at_the_mode_is_that_of_differences():
    model = mb.Model("choice ~ x + (1 | person)", choices(), family="categorical")
    density = JointDensity.of(model.design, model.family, model.spec.priors)
    found = approximate(density)
    whitened = density.whitened(found, found.coordinates)
    z, h = np.zeros(density.ndim), density.layout.n_hyper
    at = slice(h, None)
    hessian = []
    for e in 1e-4 * np.eye(density.ndim)[h:]:
        up, down = (whitened.logp_grad(z + s * e)[1][at] for s in (1, -1))
        hessian.append((down - up) / 2e-4)
    np.testing.assert_allclose(hessian, np.eye(density.ndim - h), atol=2e-3)


# ---- averages over groups ------------------------------------------------------------------------


@pytest.mark.parametrize(("d", "sd", "error"), [(2, 0.8, 2e-4), (2, 3.0, 1e-3), (4, 0.9, 1e-3)])
def test_the_mean_of_the_softmax_is_that_of_simulation(d, sd, error):
    rng = np.random.default_rng(2)
    L = np.tril(rng.normal(size=(d, d)))
    L *= sd / np.sqrt((L**2).sum(axis=1, keepdims=True))
    eta, z = rng.normal(size=d), rng.standard_normal((200_000, d))
    drawn = special.softmax(np.column_stack([np.zeros(len(z)), eta + z @ L.T]), axis=1)
    mean, mcse = drawn.mean(axis=0), drawn.std(axis=0) / np.sqrt(len(z))
    found = softmax_mean(eta[:, None], L[:, :, None])[:, 0]
    assert np.all(np.abs(found - mean) < error + 4 * mcse)
    assert found.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("sd", [0.3, 1.0, 2.0])
def test_effects_that_move_together_are_one_dimension(sd):
    v = sd * np.array([1.0, -0.6, 0.8])
    L = v[:, None] * np.array([0.6, 0.0, -0.8])  # three columns, of rank one
    etas = np.random.default_rng(1).normal(size=(3, 20))
    x, w = special.roots_hermitenorm(120)
    h = etas[:, :, None] + v[:, None, None] * x
    expected = special.softmax(np.concatenate([np.zeros((1, 20, 120)), h]), axis=0) @ (w / w.sum())
    found = softmax_mean(etas, L[:, :, None])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    one_by_one = [softmax_mean(eta[:, None], L[:, :, None])[:, 0] for eta in etas.T]
    np.testing.assert_allclose(found.T, one_by_one, rtol=1e-12)


# ---- downstream ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def post():
    cor = np.array([[1.0, 0.6], [0.6, 1.0]])
    given = {
        "mu_bus_Intercept": 0.4, "mu_bus_fixef": [0.9], "mu_car_Intercept": -0.3,
        "mu_car_fixef": [-0.7], "sd_mu_bus_person": [0.9], "sd_mu_car_person": [0.5],
        "cor_person": cor,
    }  # fmt: skip
    given = {k: np.asarray(v, float) for k, v in given.items()}
    rng = np.random.default_rng(4)
    return hand_made("choice ~ x + (1 | person)", choices(), "categorical", 3, rng, given=given)


NEW = pd.DataFrame({"x": [0.5, -1.0]})


def by_hand(x, L):
    z = np.random.default_rng(3).standard_normal((400_000, 2)) @ L.T
    h = np.array([0.4 + 0.9 * x, -0.3 - 0.7 * x]) + z
    return special.softmax(np.column_stack([np.zeros(len(z)), h]), axis=1).mean(axis=0)


def test_predictions_are_probabilities_of_each_category(post):
    typical = predict(post, NEW, kind="mean", groups="typical")
    assert list(typical["category"]) == [*MODES, *MODES]
    np.testing.assert_allclose(typical["mean"][:3], by_hand(0.5, np.zeros((2, 2))), rtol=1e-10)
    average = predict(post, NEW, kind="mean", groups="average")
    L = np.linalg.cholesky([[0.81, 0.27], [0.27, 0.25]])
    np.testing.assert_allclose(average["mean"][3:], by_hand(-1.0, L), atol=2e-3)
    bus = predict(post, NEW, target="P(choice = 'bus')", groups="average")
    np.testing.assert_allclose(bus["mean"], average["mean"][1::3], rtol=1e-12)
    np.testing.assert_allclose(
        predict(post, NEW, target="mu_car", groups="typical")["mean"], -0.3 - 0.7 * NEW["x"]
    )


def test_means_and_comparisons_are_of_each_category(post):
    at = {"x": [-1.0, 0.5]}
    found = means(post, at, groups="typical").table
    found = found.set_index(["x", "category"])["mean"]
    expected = by_hand(0.5, np.zeros((2, 2)))
    np.testing.assert_allclose(found[0.5], expected, rtol=1e-10)
    ratio = comparisons(post, {"x": (-1.0, 0.5)}, groups="typical", how="ratio").table
    low = by_hand(-1.0, np.zeros((2, 2)))
    np.testing.assert_allclose(ratio["mean"], expected / low, rtol=1e-10)


def test_any_two_categories_are_compared_draw_by_draw(post):
    """Ratios and odds ratios of two probabilities at each x, in every draw, by hand."""
    at, given = {"x": [-1.0, 0.5]}, draws_of_effects(post)
    found = means(given, at, groups="typical")
    p = [every_probability(given, x) for x in at["x"]]
    for how, value in {
        "difference": lambda a, b: b - a,
        "ratio": lambda a, b: b / a,
        "lift": lambda a, b: b / a - 1,
        "odds_ratio": lambda a, b: b / (1 - b) / (a / (1 - a)),
        "log_ratio": lambda a, b: np.log(b / a),
    }.items():
        table = found.contrast("pairwise", of="category", how=how).table
        expected = [value(q[:, a], q[:, b]).mean() for q in p for a, b in ((0, 1), (0, 2), (1, 2))]
        np.testing.assert_allclose(table["mean"], expected, rtol=1e-9)
    odds = found.contrast("pairwise", of="category", how="ratio").table  # exp(eta_k - eta_j)
    eta = given.intercept("mu_car") - given.intercept() + 0.5 * np.diff(slopes_of(given))[:, 0]
    assert odds["mean"].iloc[-1] == pytest.approx(np.exp(eta).mean())
    change = comparisons(given, {"x": (-1.0, 0.5)}, groups="typical", how="odds_ratio").table
    low, high = (q / (1 - q) for q in p)
    np.testing.assert_allclose(change["mean"], (high / low).mean(axis=0), rtol=1e-9)
    apart = comparisons(given, {"x": (-1.0, 0.5)}, groups="typical").contrast(
        "pairwise", "category"
    )
    rise = p[1] - p[0]
    expected = [(rise[:, b] - rise[:, a]).mean() for a, b in ((0, 1), (0, 2), (1, 2))]
    np.testing.assert_allclose(apart.table["mean"], expected, rtol=1e-9, atol=1e-12)


def draws_of_effects(post):
    """The same posterior with draws that differ."""
    rng, values = np.random.default_rng(7), {}
    for p in ("mu_bus", "mu_car"):
        values |= {f"{p}_Intercept": rng.normal(0, 0.5, (1, 40))}
        values |= {f"{p}_fixef": rng.normal(0, 0.5, (1, 40, 1))}
    return hand_made("choice ~ x + (1 | person)", choices(), "categorical", 40, rng, given=values)


def slopes_of(post):
    return np.concatenate([post.fixef("mu_bus"), post.fixef("mu_car")], axis=1)


def every_probability(post, x):
    """(S, K) of a typical group, by hand."""
    h = np.stack([post.intercept(p) + post.fixef(p)[:, 0] * x for p in ("mu_bus", "mu_car")], 1)
    return special.softmax(np.column_stack([np.zeros(len(h)), h]), axis=1)


def test_variation_is_explained_on_every_category(post):
    """Each batch by hand: no covariate of a person, so that nothing is explained."""
    given = draws_of_effects(post)
    table = explained(given)
    assert list(table["term"]) == ["mu_bus_Intercept", "mu_car_Intercept"]
    for p, pooling in zip(("mu_bus", "mu_car"), table["pooling"], strict=True):
        eps = given.ranef("person", p)[:, :, 0]
        expected = 1 - eps.mean(axis=0).var(ddof=1) / eps.var(axis=1, ddof=1).mean()
        assert pooling == pytest.approx(expected)
    assert list(table["r2"]) == [0.0, 0.0]


def test_there_are_no_parameters_besides_the_predictors(post):
    found = parameters(post)
    assert found.empty
    assert "mu_bus, mu_car among them" in found.attrs["note"]


def test_ratios_are_relative_risks_of_every_category(post):
    table = fixef_ratios(post).set_index("term")["relative-risk ratio"]
    assert table["mu_bus_x"] == pytest.approx(np.exp(0.9))
    assert table["mu_car_Intercept (baseline relative risk)"] == pytest.approx(np.exp(-0.3))
    assert list(fixef(post)["parameter"]) == ["mu_bus"] * 2 + ["mu_car"] * 2


def test_group_effects_say_the_category(post):
    table = varcorr(post)
    assert list(table["term"]) == ["mu_bus_Intercept", "mu_car_Intercept", "mu_bus_Intercept"]
    assert table["mean"].iloc[2] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (icc, "shares of variance"),
        (residuals, "no residuals.*pp_check"),
        (lambda post: predict(post, NEW, groups="typical"), 'kind="mean".*draws=True'),
        (
            lambda post: predict(post, NEW, target="linear", groups="typical"),
            'target="mu_bus", or "mu_car"',
        ),
        (
            lambda post: predict(post, NEW, target="P(choice > bus)", groups="typical"),
            "without an order",
        ),
        (lambda post: predict(post, NEW, target="median", groups="typical"), r"P\(choice = bike\)"),
        (lambda post: fitted(post, kind="linear"), 'predict\\(target="mu_bus"\\)'),
        (lambda post: mb.simulate("y ~ x", family="categorical"), "does not know the categories"),
    ],
)
def test_what_has_no_meaning_is_refused(ask, said, post):
    with pytest.raises(ModelError, match=said):
        ask(post)


def test_replicates_are_drawn_at_the_names_of_the_categories(post):
    drawn = pp_check(post).viz["plot"]["choice"].item()
    assert [t.get_text() for t in drawn.get_xticklabels()] == list(MODES)
    assert list(drawn.get_xticks()) == [1, 2, 3]
    pp_check(post, "stat", stat=lambda y: np.mean(y == 2))
    for ask in ({"kind": "ecdf"}, {"kind": "stat", "stat": "mean"}):
        with pytest.raises(ModelError, match=r"without one.*frequency of each"):
            pp_check(post, **ask)


def test_the_reports_replicates_are_of_the_response(post):
    (panel,), _ = replicates_panels(post, labels_of(post)["mu"], 0.95)
    assert panel.xlabel == "choice"
    assert list(panel.xticks.texts) == list(MODES)
    (dots,) = (m for m in panel.marks if getattr(m, "gid", "") == "data")
    np.testing.assert_allclose(dots.y, [(choices().choice == v).mean() for v in MODES])


def titles(figure):
    return [ax.get_title(loc="left") or ax.get_title() for ax in figure.axes]


def test_pictures_have_the_effects_on_every_category(post):
    effects = ["person: mu_bus_Intercept", "person: mu_car_Intercept"]
    assert titles(plot_ranef(post)) == effects
    assert titles(plot_ranef(post, parameter="mu_car")) == effects[1:]
    assert titles(plot_check(post)) == effects
    assert "mu_bus" in titles(plot_fixef(post))
    assert labels_of(post)["mu"] == labels_of(post)["mu_bus"]
    with pytest.raises(ModelError, match="no residuals"):
        plot_residuals(post)


def test_a_fit_is_itself_when_loaded(tmp_path):
    family = Categorical(reference="car")
    fit = mb.fit(
        "choice ~ x + (1 | person)", choices(), family=family, draws=60, tune=100, chains=2,
        seed=1, progress=False,
    )  # fmt: skip
    fit.save(tmp_path / "fit.nc")
    again = mb.load(tmp_path / "fit.nc")
    assert again.model.family == fit.model.family
    assert again.model.design.response_levels == ("car", "bike", "bus")
    pd.testing.assert_frame_equal(again.fixef(), fit.fixef())
    assert set(fit.simulate(seed=1)["choice"]) == set(MODES)
    assert 'refcat = "car"' in fit.model.code("brms")
    assert "mubike ~ 1 + x + (1 | c_person | person)" in fit.model.code("brms")
