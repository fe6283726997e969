"""Default priors do not depend on how the same data are written, nor on the weights' unit."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb

REPEATING = ("bernoulli", "poisson", "negative_binomial", "beta", "cumulative")
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
