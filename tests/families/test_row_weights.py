"""Default priors do not depend on how the same data are written, nor on the weights' unit."""

import numpy as np
import pandas as pd
import pytest
from family_values import needs_trials, values_of

import mixedbayes as mb
from mixedbayes.design.counted import quantile
from mixedbayes.families.registry import FAMILIES

REPEATING = ("bernoulli", "poisson", "negative_binomial", "beta", "cumulative")
COUNTED = [name for name, family in FAMILIES.items() if family.repeats_rows and not family.columns]
OTHER_LINKS = [
    mb.families.Exgaussian(link=mb.Log()),
    mb.families.AsymmetricLaplace(quantile=0.9),
    mb.families.AsymmetricLaplace(link=mb.Log(), quantile=0.2),
    mb.families.Weibull(link=mb.Identity()),
]
DIVIDING = ("gaussian", "student_t", "lognormal", "gamma")


@pytest.fixture(scope="module")
def rows():
    """Rows of few groups, with counts that go with the predictor and the response."""
    rng = np.random.default_rng(3)
    n = 40
    d = pd.DataFrame({"g": np.arange(n) % 5, "x": rng.normal(2015, 3, n), "o": rng.normal(size=n)})
    d["w"] = rng.integers(1, 40, n) + 200 * (d.x > 2016)
    d["poisson"] = rng.poisson(np.exp(0.2 * (d.x - 2015)))
    d["negative_binomial"] = d["poisson"]
    d["bernoulli"] = (rng.uniform(size=n) < 1 / (1 + np.exp(2015 - d.x))).astype(int)
    d["beta"] = rng.beta(2, 3, n)
    d["cumulative"] = rng.integers(1, 4, n)
    d["positive"] = rng.gamma(3, np.exp(0.1 * (d.x - 2015)))
    return d


def table(model):
    numbers = model.priors["prior"].str.findall(r"[-+.\de]*\d").explode().astype(float)
    return model.priors.drop(columns=["prior", "derived_from"]), numbers.to_numpy()


def assert_same_priors(a, b):
    (names, mine), (others, theirs) = table(a), table(b)
    pd.testing.assert_frame_equal(names, others)
    np.testing.assert_allclose(mine, theirs, rtol=1e-3)


@pytest.mark.parametrize("family", REPEATING)
@pytest.mark.parametrize("right", ["x + (x | g)", "x + offset(o) + (1 | g)"])
def test_a_row_that_counts_w_times_is_w_rows(rows, family, right):
    written = rows.loc[rows.index.repeat(rows.w)]
    weighted = mb.Model(f"{family} | weights(w) ~ {right}", rows, family=family)
    repeated = mb.Model(f"{family} ~ {right}", written, family=family)
    assert_same_priors(weighted, repeated)
    plain = mb.Model(f"{family} ~ {right}", rows, family=family)
    with pytest.raises(AssertionError):
        assert_same_priors(weighted, plain)


def simulated(family, rows):
    """The rows with responses y of the family, some of them 0 where it has zeros."""
    rng, n = np.random.default_rng(5), len(rows)
    trials = rng.integers(2, 9, n)
    mu = family.inverse(0.5 + 0.05 * np.abs(rows.x.to_numpy() - 2015)[None], np)
    own = {name: value[1:2] for name, value in values_of(family).items()}
    y = family.simulate(mu, own, rng, trials=trials)[0]
    return rows.assign(y=family.reported(y), n=trials)


@pytest.mark.parametrize("family", [*(FAMILIES[name]() for name in COUNTED), *OTHER_LINKS],
                         ids=lambda family: family.described)  # fmt: skip
def test_every_family_that_repeats_rows_sees_them_written_out(rows, family):
    """In its own priors, and in those of formulas for its parameters."""
    d = simulated(family, rows)
    d["w"] = 1 + 30 * (d.y > d.y.median()) + np.arange(len(d)) % 3
    written = d.loc[d.index.repeat(d.w)]
    trials = needs_trials(family)
    once, counted = ("y | trials(n)", "y | trials(n) + weights(w)") if trials else (
        "y", "y | weights(w)")  # fmt: skip
    own = [f"{name} ~ x" for name in family.distributional]
    for more in ([], own) if own else ([],):
        weighted = mb.Model([f"{counted} ~ x + (1 | g)", *more], d, family=family)
        repeated = mb.Model([f"{once} ~ x + (1 | g)", *more], written, family=family)
        assert_same_priors(weighted, repeated)


@pytest.mark.parametrize("order", [0.0, 0.1, 0.5, 0.83, 1.0])
def test_a_quantile_over_counts_is_that_of_the_rows_written_out(order):
    rng = np.random.default_rng(2)
    x, counts = rng.normal(size=30), rng.integers(1, 6, 30).astype(float)
    assert quantile(x, counts, order) == pytest.approx(
        np.quantile(np.repeat(x, counts.astype(int)), order)
    )
    shares = np.full(30, 1 / 30)
    assert quantile(x, shares, order) == pytest.approx(np.quantile(x, order))


@pytest.mark.parametrize(("family", "parameter"), [("negative_binomial", "shape"), ("beta", "phi")])
def test_a_parameter_with_a_formula_sees_the_same_rows(rows, family, parameter):
    written = rows.loc[rows.index.repeat(rows.w)]
    own = [f"{family} ~ x + (1 | g)", f"{parameter} ~ x + (1 | g)"]
    repeated = mb.Model(own, written, family=family)
    weighted = mb.Model([own[0].replace("~", "| weights(w) ~"), own[1]], rows, family=family)
    assert_same_priors(weighted, repeated)


def test_successes_written_out_weighted_and_added_up(rows):
    d = rows.assign(k=np.random.default_rng(1).binomial(rows.w, 0.3))
    written = d.loc[d.index.repeat(d.w)]
    written = written.assign(b=written.groupby(level=0).cumcount() < written.k)
    two = pd.concat([d.assign(b=1, m=d.k), d.assign(b=0, m=d.w - d.k)])
    trials = mb.Model("k | trials(w) ~ x + (x | g)", d, family="binomial")
    assert_same_priors(trials, mb.Model("b ~ x + (x | g)", written, family="bernoulli"))
    weighted = "b | weights(m) ~ x + (x | g)"
    assert_same_priors(trials, mb.Model(weighted, two[two.m > 0], family="bernoulli"))
    twice = mb.Model("k | trials(w) + weights(r) ~ x + (x | g)", d.assign(r=2), family="binomial")
    assert_same_priors(
        twice, mb.Model("k | trials(w) ~ x + (x | g)", pd.concat([d, d]), family="binomial")
    )


def residual_prior(model):
    prior = model.spec.priors.parameters
    name = "sigma" if "sigma" in prior else "shape"
    return prior[name].prior.frozen().ppf([0.1, 0.5, 0.9]), name


@pytest.mark.parametrize("family", DIVIDING)
@pytest.mark.parametrize("unit", [1e-6, 1e4, 1e6])
def test_the_residual_of_a_row_has_the_prior_it_had_in_other_units_of_weight(rows, family, unit):
    left = "positive | weights(v) ~ x + (1 | g)"
    v = rows.w / 50
    plain, name = residual_prior(mb.Model(left, rows.assign(v=v), family=family))
    scaled, _ = residual_prior(mb.Model(left, rows.assign(v=unit * v), family=family))
    factor = np.sqrt(unit) if name == "sigma" else 1 / unit
    np.testing.assert_allclose(scaled, plain * factor, rtol=1e-10)


@pytest.mark.parametrize("family", DIVIDING)
def test_weights_of_one_are_no_weights(rows, family):
    with_ = mb.Model("positive | weights(v) ~ x + (1 | g)", rows.assign(v=1.0), family=family)
    assert_same_priors(with_, mb.Model("positive ~ x + (1 | g)", rows, family=family))


@pytest.mark.parametrize("family", DIVIDING)
def test_a_formula_for_the_scale_follows_the_unit_of_the_weights(rows, family):
    name = "shape" if family == "gamma" else "sigma"
    formulas = ["positive | weights(v) ~ x + (1 | g)", f"{name} ~ x"]
    a, b = (
        mb.Model(formulas, rows.assign(v=unit * rows.w), family=family).spec.priors.predictor(name)
        for unit in (1.0, 1e4)
    )
    moved = b.intercept.prior.mu - a.intercept.prior.mu
    assert moved == pytest.approx(np.log(1e4) * (-1 if name == "shape" else 0.5))
    assert b.intercept.prior.sigma == a.intercept.prior.sigma
