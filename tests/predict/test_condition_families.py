"""Conditioning on a few rows where there is no closed form: against grids, and against refits."""

import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hand_made import hand_made
from scipy import special, stats

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.design import replay
from mixedbayes.predict.condition import condition_on, responses
from mixedbayes.predict.updating import NewData, Unseen, exact, weighted, weighted_quantile
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import Description

S = 4000
DATA = pd.DataFrame(
    {
        "count": [0, 3, 1, 2, 5, 0],
        "yes": ["no", "yes", "no", "no", "yes", "yes"],
        "of": 8,
        "x": np.linspace(-1, 1, 6),
        "a": list("aabbcc"),
        "c": list("pqpqpq"),
        "mood": pd.Categorical(
            ["bad", "good", "fair", "fair", "bad", "good"],
            ["awful", "bad", "fair", "good"],
            ordered=True,
        ),
    }
)


def known(make, formula, family, **values):
    """A posterior without uncertainty, except where values differ between draws."""
    given = {names.INTERCEPT: np.full(S, 0.4), names.sd("a"): [0.8]} | values
    return make.posterior(formula, DATA, given, family=family)


def on_a_grid(log_density, sd):
    """Mean and sd of b ~ N(0, sd^2) given rows, and the rows' log density."""
    b = np.linspace(-9 * sd, 9 * sd, 4001)
    log_joint = np.array([log_density(v) for v in b]) + stats.norm.logpdf(b, 0, sd)
    weights = special.softmax(log_joint)
    mean = weights @ b
    return (
        mean,
        np.sqrt(weights @ (b - mean) ** 2),
        special.logsumexp(log_joint) + np.log(b[1] - b[0]),
    )


def close_to(table, mean, sd):
    np.testing.assert_allclose(table["mean"], mean, atol=5 * sd / np.sqrt(S))
    np.testing.assert_allclose(table["sd"], sd, rtol=0.03)


def test_counts_against_a_grid(make):
    post = known(make, "count ~ 1 + (1 | a)", mb.Poisson())
    rows = pd.DataFrame({"count": [9, 4], "a": "new"})
    mean, sd, _ = on_a_grid(lambda b: stats.poisson.logpmf([9, 4], np.exp(0.4 + b)).sum(), 0.8)
    result = condition_on(post, rows)
    close_to(result.ranef().iloc[0], mean, sd)
    close_to(result.coef().iloc[0], 0.4 + mean, sd)
    predicted = result.predict(rows[["a"]], kind="linear")
    close_to(predicted.iloc[0], 0.4 + mean, sd)
    assert result.importance.reliable
    assert result.importance.ess > 0.98 * S  # the draws are alike


def test_shares_that_are_all_zero_or_one_against_a_grid(make):
    """The likelihood is flat to one side: proposals need tails as wide as the population's."""
    post = known(make, "count | trials(of) ~ 1 + (1 | a)", mb.Binomial(), sd_a=[2.0])
    for y in (0, 8):
        rows = pd.DataFrame({"count": [y], "of": [8], "a": "new"})
        density = lambda b, y=y: stats.binom.logpmf(y, 8, special.expit(0.4 + b))  # noqa: E731
        mean, sd, _ = on_a_grid(density, 2.0)
        result = condition_on(post, rows)
        close_to(result.ranef().iloc[0], mean, sd)
        assert result.importance.pareto_k < 0.3


def test_draws_are_weighted_by_the_rows_density_with_effects_integrated_out(make):
    rng = np.random.default_rng(0)
    intercept, sd = rng.normal(0.4, 0.2, 40), rng.uniform(0.7, 1.1, (40, 1))
    values = {names.INTERCEPT: np.repeat(intercept, 100), names.sd("a"): np.repeat(sd, 100, axis=0)}
    post = known(make, "count ~ 1 + (1 | a)", mb.Poisson(), **values)
    found = condition_on(post, pd.DataFrame({"count": [9, 4], "a": "new"}))
    weights = found.importance.weights.reshape(40, 100).sum(axis=1)
    log_density = [
        on_a_grid(lambda b, m=m: stats.poisson.logpmf([9, 4], np.exp(m + b)).sum(), v[0])[2]
        for m, v in zip(intercept, sd, strict=True)
    ]
    np.testing.assert_allclose(weights, special.softmax(log_density), rtol=0.05, atol=2e-4)


def test_proposals_agree_with_the_closed_form():
    rng = np.random.default_rng(2)
    m, s = 5, 8000
    root = np.broadcast_to(np.array([[1.2, 0.0], [0.3, 0.5]])[:, :, None], (2, 2, s)).copy()
    Z = np.column_stack([np.ones(m), np.arange(m) / 2])
    levels = (
        Unseen(Z, np.array([[0, 0, 0, 1, 1]]).T, 2, root),
        Unseen(np.ones((m, 1)), np.array([[0, 1, -1, -1, 0]]).T, 2, np.full((1, 1, s), 0.7)),
    )
    data = NewData(
        mb.Gaussian(),
        rng.normal([1, 2, 1, -2, 0]),
        rng.normal(0, 0.1, (m, s)),
        {"sigma": rng.uniform(0.4, 0.6, s)},
        np.array([1.0, 2.0, 1.0, 0.5, 1.0]),
        None,
        levels,
    )
    closed, sampled = exact(data), weighted(data, seed=1)
    every = slice(None)
    how = Description(0.9, columns=("mean", "sd", "lower", "upper", "median", "prob_positive"))
    a, b = closed.describe(every, 0.0, how), sampled.describe(every, 0.0, how)
    np.testing.assert_allclose(b["prob_positive"], a["prob_positive"], atol=0.02)
    for column in ("mean", "median", "lower", "upper"):
        np.testing.assert_allclose(b[column], a[column], atol=0.06 * a["sd"].max())
    np.testing.assert_allclose(b["sd"], a["sd"], rtol=0.05)
    correlation = np.corrcoef(closed.importance.weights, sampled.importance.weights)[0, 1]
    assert correlation > 0.98
    index, effects = sampled.drawn(seed=1)
    assert effects.shape == (s, data.size)
    np.testing.assert_allclose(effects.mean(axis=0), a["mean"], atol=0.06 * a["sd"].max())
    assert np.all(np.diff(index) >= 0)


def test_ordered_categories_keep_their_codes(make):
    """The rows have two of the categories."""
    model = mb.Model("mood ~ x + (1 | a)", DATA, family="cumulative")
    assert model.design.response_levels == ("bad", "fair", "good")
    cut = np.array([-0.5, 1.0])
    rows = pd.DataFrame({"mood": ["good", "fair"], "x": [0.5, -0.5], "a": "new"})
    draws = xr.Dataset(
        {
            "thresholds": (("chain", "draw", "k"), np.broadcast_to(cut, (2, S // 2, 2))),
            "fixef": (("chain", "draw", "term"), np.full((2, S // 2, 1), 0.6)),
            "sd_a": (("chain", "draw", "a_term"), np.full((2, S // 2, 1), 0.9)),
        }
    )
    tree = xr.DataTree.from_dict({"posterior": draws})
    post = Posterior(model.spec, tree)

    def density(b):
        eta = 0.6 * rows["x"].to_numpy() + b
        return np.log(special.expit(eta[0] - 1.0)) + np.log(
            special.expit(1.0 - eta[1]) - special.expit(-0.5 - eta[1])
        )

    mean, sd, _ = on_a_grid(density, 0.9)
    close_to(condition_on(post, rows).ranef().iloc[0], mean, sd)
    with pytest.raises(mb.DataError, match=r"1 level.*do not have: 'awful'"):
        condition_on(post, rows.assign(mood=["awful", "good"]))


def test_numbered_categories_keep_their_codes():
    """2, 3 and 5 are the codes 0, 1 and 2."""
    data = DATA.assign(grade=[2, 5, 3, 3, 2, 5])
    model = mb.Model("grade ~ x + (1 | a)", data, family="cumulative")
    design, family = model.design, model.family
    rows = pd.DataFrame({"grade": [5, 3], "x": 0.0, "a": "new"})

    def codes(rows):
        return responses(design, family, replay(design, rows, response=True))

    np.testing.assert_array_equal(codes(rows), [2, 1])
    with pytest.raises(mb.DataError, match=r"1 of 2 responses.*such as 4; it has 2, 3, 5"):
        codes(rows.assign(grade=[5, 4]))


def test_two_outcomes_of_crossed_and_new_levels(make):
    """A new level of one factor in rows of a known and of a new level of the other."""
    effects = {names.ranef("c"): np.array([[0.5], [-0.5]]), names.sd("c"): [0.6]}
    effects |= {names.ranef("a"): np.zeros((3, 1))}
    post = known(make, "yes ~ 1 + (1 | a) + (1 | c)", mb.Bernoulli(), **effects)
    rows = pd.DataFrame({"yes": ["yes", "yes", "no"], "a": "new", "c": ["p", "p", "other"]})
    grid = np.linspace(-5, 5, 401)
    a, c = np.meshgrid(grid, grid, indexing="ij")
    log_joint = stats.norm.logpdf(a, 0, 0.8) + stats.norm.logpdf(c, 0, 0.6)
    log_joint += 2 * np.log(special.expit(0.4 + a + 0.5)) + np.log(special.expit(-0.4 - a - c))
    w = special.softmax(log_joint)
    found = condition_on(post, rows).ranef()
    assert found["level"].tolist() == ["new", "other"]
    for row, values in zip(found.itertuples(), (a, c), strict=True):
        mean = np.sum(w * values)
        sd = np.sqrt(np.sum(w * (values - mean) ** 2))
        assert row.mean == pytest.approx(mean, abs=5 * sd / np.sqrt(S))
        assert row.sd == pytest.approx(sd, rel=0.03)


def test_asking_twice_gives_the_same_answer(make):
    post = known(make, "count ~ 1 + (1 | a)", mb.Poisson())
    rows = pd.DataFrame({"count": [9, 4], "a": "new"})
    one, two = condition_on(post, rows), condition_on(post, rows)
    pd.testing.assert_frame_equal(one.ranef(), two.ranef())
    pd.testing.assert_frame_equal(one.predict(rows[["a"]]), two.predict(rows[["a"]]))
    assert not one.ranef().equals(condition_on(post, rows, seed=8).ranef())


def test_rows_beyond_what_the_draws_know_are_reported(make):
    rng = np.random.default_rng(0)
    values = {names.INTERCEPT: rng.normal(0.4, 0.3, S), names.sd("a"): rng.gamma(9, 0.01, (S, 1))}
    post = known(make, "count ~ 1 + (1 | a)", mb.Poisson(), **values)
    rows = pd.DataFrame({"count": [20, 25, 18, 22, 30], "a": "new"})
    with pytest.warns(UserWarning, match=r"5 row\(s\) say more.*fit again with them"):
        result = condition_on(post, rows)
    assert not result.importance.reliable
    assert result.importance.ess < 100
    assert "fewer than 100" in repr(result)


def test_what_is_impossible_is_named(make):
    post = known(make, "count ~ 1 + (1 | a)", mb.Poisson())
    rows = pd.DataFrame({"count": [2.0, 1.5], "a": "new"}, index=["first", "second"])
    with pytest.raises(mb.DataError, match=r"1 of 2 responses.*poisson.*'second': 1.5"):
        condition_on(post, rows)
    shares = known(make, "count | trials(of) ~ 1 + (1 | a)", mb.Binomial())
    with pytest.raises(mb.DataError, match=r"lack the column\(s\) of trials\(of\)"):
        condition_on(shares, rows)
    with pytest.raises(mb.DataError, match=r"exceed trials"):
        condition_on(shares, rows.assign(count=9, of=8))


POSITIVE = {"good": [0.5, 3.0], "bad": [0.0, -1.0]}
COUNTS = {"good": [0.0, 3.0], "bad": [-1.0, 2.5]}
SUPPORT = {
    "gaussian": ("y", {"good": [-3.0, 2.5], "bad": []}),
    "student_t": ("y", {"good": [-3.0, 2.5], "bad": []}),
    "lognormal": ("y", POSITIVE),
    "gamma": ("y", POSITIVE),
    "beta": ("share", {"good": [0.2, 0.9], "bad": [0.0, 1.0, 1.5, -0.1]}),
    "bernoulli": ("zero", {"good": [0.0, 1.0], "bad": [2.0, 0.5, -1.0, 1e-9]}),
    "binomial": ("count | trials(of)", {"good": [0.0, 8.0], "bad": [-1.0, 2.5, 9.0]}),
    "poisson": ("count", COUNTS),
    "negative_binomial": ("count", COUNTS),
    "cumulative": ("rating", {"good": [1.0, 3.0], "bad": [0.0, 2.5, 4.0, -1.0]}),
}


@pytest.mark.filterwarnings("ignore:200 draws are:UserWarning")  # draws of any numbers carry little
@pytest.mark.parametrize("family", SUPPORT)
def test_responses_that_a_family_cannot_have_are_refused(family):
    """Whatever a formula for the density makes of them; those it can have are taken."""
    rng = np.random.default_rng(1)
    data = DATA.assign(
        y=rng.gamma(3, size=6), share=rng.uniform(size=6), zero=[0, 1, 0, 0, 1, 1],
        rating=[1, 2, 3, 1, 2, 3],
    )  # fmt: skip
    left, values = SUPPORT[family]
    post = hand_made(f"{left} ~ 1 + (1 | a)", data, family, 200, rng, {"thresholds": [-1.0, 2]})
    column = left.split(" ")[0]
    rows = pd.DataFrame({column: values["good"], "of": 8, "a": "new"}, index=["p", "q"])
    assert condition_on(post, rows).n == 2
    for value in values["bad"]:
        wrong = rows.assign(**{column: [values["good"][0], value]})
        with pytest.raises(mb.DataError, match=r"1 of 2 .*" + re.escape(f"{value:g}")):
            condition_on(post, wrong)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_responses_that_are_no_numbers_are_refused(make, value):
    post = known(make, "count ~ 1 + (1 | a)", mb.Gaussian(), **{names.SIGMA: np.ones(S)})
    with pytest.raises(mb.DataError, match=r"missing|finite"):
        condition_on(post, pd.DataFrame({"count": [1.0, value], "a": "new"}))


def test_responses_beyond_all_numbers_are_refused(make):
    post = known(make, "count ~ 1 + (1 | a)", mb.Gaussian(), **{names.SIGMA: np.ones(S)})
    with pytest.raises(mb.DataError, match="further from what the fit expects"):
        condition_on(post, pd.DataFrame({"count": [1.0, 1e200], "a": "new"}))


def test_weighted_quantiles():
    values = np.array([[3.0], [1.0], [2.0]])
    assert weighted_quantile(values, np.full(3, 1 / 3), 0.5)[0] == pytest.approx(2)
    many = np.random.default_rng(1).normal(size=(20_000, 1))
    weights = special.softmax(many[:, 0])  # N(0, 1) tilted to N(1, 1)
    assert weighted_quantile(many, weights, 0.975)[0] == pytest.approx(2.96, abs=0.15)


# effects on further parameters

ROWS = pd.DataFrame({"y": [2.5, 2, 4, -1], "count": [0, 5, 0, 7], "x": [0.0, 1, 2, 0], "a": "new"})
TOGETHER = np.array([[1, -0.6], [-0.6, 1]])


def zero_inflated(y, mu, zi):
    some = np.log1p(-zi) + stats.poisson.logpmf(y, np.exp(mu))
    return np.where(y == 0, np.logaddexp(some, np.log(zi)), some)


def normal(y, mu, sigma):
    return stats.norm.logpdf(y, mu, sigma)


COUNTED = ["count ~ x + (1 | a)", "zi ~ x + (1 | a)"]
FURTHER = {
    "across": (["y ~ x + (1 | p | a)", "sigma ~ x + (1 | p | a)"], "gaussian", TOGETHER, [0, 1]),
    "apart": (COUNTED, "zero_inflated_poisson", np.eye(2), [0, 1]),
    "zi alone": (["count ~ x", COUNTED[1]], "zero_inflated_poisson", np.eye(2), [1]),
}


@pytest.mark.parametrize("case", FURTHER)
def test_effects_on_further_parameters_against_draws_from_the_prior(case):
    formulas, family, cor, moving = FURTHER[case]
    rng, other = np.random.default_rng(1), formulas[1].split(" ")[0]
    density, inverse = (normal, np.exp) if other == "sigma" else (zero_inflated, special.expit)
    sd = np.array([0.8, 0.6])
    given = {"Intercept": 0.5, "fixef": 0.3, f"{other}_Intercept": -0.2, f"{other}_fixef": 0.1}
    given |= {"sd_a": sd[0], f"sd_{other}_a": sd[1], "cor_a": cor}
    data = DATA.assign(y=rng.normal(size=6))
    post = hand_made(formulas, data, family, S, rng, given)
    y, x = ROWS[formulas[0].split(" ")[0]].to_numpy(), ROWS["x"].to_numpy()
    b = stats.qmc.MultivariateNormalQMC([0, 0], np.outer(sd, sd) * cor, rng=rng).random(2**15)
    b *= np.isin([0, 1], moving)
    mu, own = 0.5 + 0.3 * x + b[:, [0]], inverse(-0.2 + 0.1 * x + b[:, [1]])
    weights = special.softmax(density(y, mu, own).sum(axis=1))
    mean = weights @ b
    found_sd = np.sqrt(weights @ (b - mean) ** 2)
    result = condition_on(post, ROWS)
    found = result.ranef()
    assert found["parameter"].tolist() == [["mu", other][k] for k in moving]
    np.testing.assert_allclose(found["mean"], mean[moving], atol=5 * found_sd.max() / np.sqrt(S))
    np.testing.assert_allclose(found["sd"], found_sd[moving], rtol=0.03)
    if len(moving) == 2:
        drawn = [v.to_numpy().ravel() for v in result.ranef(draws=True).data_vars.values()]
        r = (weights @ (b - mean).prod(axis=1)) / found_sd.prod()
        assert np.corrcoef(drawn)[0, 1] == pytest.approx(r, abs=0.08)
    shifts = dict(zip(("mu", "zi", "sigma"), (0.5, -0.2, -0.2), strict=True))
    shifted = found["mean"] + found["parameter"].map(shifts)
    np.testing.assert_allclose(
        result.coef().groupby("parameter", sort=False)["mean"].first(), shifted
    )
    value = result.predict(ROWS.iloc[[1]], target=other)
    spread = np.sqrt(weights @ (own[:, 1] - weights @ own[:, 1]) ** 2)
    assert value["mean"].item() == pytest.approx(weights @ own[:, 1], abs=5 * spread / np.sqrt(S))
    assert value["new"].item() == ""


def test_levels_of_the_fit_have_their_own_effects_on_further_parameters():
    """A new level of one factor in rows of a known one, which has an effect on zi."""
    rng = np.random.default_rng(1)
    formulas = ["count ~ 1 + (1 | a)", "zi ~ 1 + (1 | c)"]
    given = {"Intercept": 0.5, "zi_Intercept": -0.2, "sd_a": 0.8, "sd_zi_c": 0.6}
    given["ranef_zi_c"] = np.array([[1.5], [-1.5]])
    post = hand_made(formulas, DATA, "zero_inflated_poisson", S, rng, given)
    rows = pd.DataFrame({"count": [0, 0, 2], "a": "new", "c": "p"})
    zi = special.expit(1.3)
    density = lambda b: zero_inflated(rows["count"].to_numpy(), 0.5 + b, zi).sum()  # noqa: E731
    mean, sd, _ = on_a_grid(density, 0.8)
    close_to(condition_on(post, rows).ranef().iloc[0], mean, sd)
    with pytest.raises(
        mb.DataError, match=r"3 of 3 rows belong to levels that are in the fit \(a:"
    ):
        condition_on(post, rows.assign(a="b"))


# against fits with the rows among the data

PRIORS = {"Intercept": mb.Normal(0, 3), "fixef": mb.Normal(0, 2), "sd": mb.HalfNormal(1)}


def agrees_with_a_refit(formula, data, out, new, family, priors):
    """Means within 0.15 posterior sd of a fit that has the rows; and no longer the stranger's."""
    quiet = {"family": family, "priors": priors, "progress": False, "draws": 1000}
    before = mb.fit(formula, data[~out], seed=1, **quiet)
    refit = mb.fit(formula, data, seed=2, **quiet)
    result = before.condition_on(data[out])
    assert result.importance.reliable
    for kind in ("linear", "mean"):
        found, exact_ = result.predict(new, kind=kind), refit.predict(new, kind=kind)
        assert (np.abs(found["mean"] - exact_["mean"]) < 0.15 * exact_["sd"]).all()
        np.testing.assert_allclose(found["sd"], exact_["sd"], rtol=0.15)
    stranger = before.predict(new, kind="linear")
    known_ = refit.predict(new, kind="linear")
    assert (np.abs(stranger["mean"] - known_["mean"]) > 0.5 * known_["sd"]).all()
    keys = ["group", "level", "term"]
    both = result.ranef().merge(refit.ranef(), on=keys, suffixes=("", "_refit"))
    assert len(both) == len(result.ranef())
    assert (np.abs(both["mean"] - both["mean_refit"]) < 0.15 * both["sd_refit"]).all()


def test_a_new_herd_agrees_with_a_refit():
    data = mb.load_data("cbpp")
    out = (data["herd"].astype(str) == "8").to_numpy()
    formula = "incidence | trials(size) ~ period + (1 | herd)"
    agrees_with_a_refit(formula, data, out, data[out].head(1), "binomial", PRIORS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("formula", "group", "level"),
    [
        ("TICKS ~ YEAR + cHEIGHT + (1 | LOCATION / BROOD)", "BROOD", "601"),
        ("TICKS ~ YEAR + cHEIGHT + (1 | LOCATION) + (1 | BROOD)", "LOCATION", "36"),
        ("TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)", "BROOD", "601"),
    ],
)
def test_new_broods_and_locations_agree_with_a_refit(formula, group, level):
    data = mb.load_data("grouseticks")
    out = (data[group].astype(str) == level).to_numpy()
    priors = {k: v for k, v in PRIORS.items() if k != "fixef"}
    agrees_with_a_refit(formula, data, out, data[out].head(1), "poisson", priors)
