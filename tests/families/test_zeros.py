"""Zero inflation and hurdles: far tails, draws, information, and questions about zeros."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made
from scipy import special, stats

import mixedbayes as mb
from mixedbayes.checks.assumptions import zeros
from mixedbayes.design import build_design
from mixedbayes.errors import DataError, ModelError
from mixedbayes.estimands.means import means
from mixedbayes.families.fronts import CODES, bits_of
from mixedbayes.families.hurdle import truncated_draws
from mixedbayes.families.links import Cloglog, Logit, Probit
from mixedbayes.families.registry import FAMILIES, as_family
from mixedbayes.joint.data import compiled_of, row_data
from mixedbayes.joint.density import JointDensity
from mixedbayes.joint.loop import loop_of
from mixedbayes.predict.predict import predict

ZERO_PARTS = [n for n in FAMILIES if n.startswith(("zero_inflated_", "hurdle_"))]


def row(name, y, t, odds, shape=None, link=Logit):
    """log p, slope in t and in the predictor of the share, of one row whose share has a formula."""
    family = as_family(name)
    design = build_design("y ~ 1", pd.DataFrame({"y": [float(y)]}))
    rows, m = family.rows(design), len(family.parameters)
    loop, own = loop_of(*compiled_of(family), m), CODES[link] << bits_of(m) * (m - 1)
    slope, free = np.empty(2), np.array([] if shape is None else [shape])
    value = loop(
        own, np.array([t, odds]), rows.y, rows.size, rows.extra, free, slope, np.zeros(m - 1)
    )
    return value, slope[0], slope[1]


@pytest.mark.parametrize("odds", [-600.0, -40.0, 0.3, 40.0, 600.0])
def test_a_share_of_zeros_near_nothing_and_everything_keeps_its_digits(odds):
    """log odds of the share, far beyond where it rounds to 0 or 1."""
    log_zi, log_rest = special.log_expit(odds), special.log_expit(-odds)
    for y, t in ((0, -1.0), (0, 6.0), (3, 1.0)):
        mean = np.exp(t)
        value, slope, by_odds = row("zero_inflated_poisson", y, t, odds)
        if y:
            expected = log_rest + y * t - mean - (y * np.log(y) - y)  # the rest is the constant's
            assert value == pytest.approx(expected, rel=1e-14)
            assert slope == pytest.approx(y - mean, rel=1e-13)
            assert by_odds == pytest.approx(-special.expit(odds), rel=1e-14)
            continue
        total = np.logaddexp(log_zi, log_rest - mean)
        assert value == pytest.approx(total, rel=1e-14)
        share = np.exp(log_rest - mean - total)
        assert slope == pytest.approx(-share * mean, rel=1e-12)
        given = np.exp(log_zi + log_rest - total) * -np.expm1(-mean)
        assert by_odds == pytest.approx(given, rel=1e-12)


@pytest.mark.parametrize("kind", [Probit, Cloglog])
@pytest.mark.parametrize("eta", [-25.0, -6.0, 0.3, 3.0, 5.0])
def test_through_other_links_too(kind, eta):
    link = kind()
    log_zi, log_rest = (float(f(eta, np)) for f in (link.log_inverse, link.log_rest))
    rate = np.exp(float(link.log_slope(eta, np)) - log_zi)  # of log zi
    value, _, slope = row("hurdle_poisson", 0, 1.0, eta, link=kind)
    assert value == pytest.approx(log_zi, rel=1e-13)
    assert slope == pytest.approx(rate, rel=1e-11)
    some = row("hurdle_poisson", 3, 1.0, eta, link=kind)
    none = row("hurdle_poisson", 3, 1.0, -800.0)
    assert some[0] - none[0] == pytest.approx(log_rest, rel=1e-11, abs=1e-14)
    assert some[2] == pytest.approx(-np.exp(log_zi - log_rest) * rate, rel=1e-11)


@pytest.mark.parametrize("t", [-600.0, -30.0, -5.0, 0.5, 6.0])
@pytest.mark.parametrize("y", [1, 2, 7])
def test_a_truncated_count_is_exact_where_zeros_are_all_or_nothing(t, y):
    """log p = y t - mu - log y! - log(1 - exp(-mu)): of y = 1 nearly 0 for a small mean."""
    mean = np.exp(t)
    value, slope, _ = row("hurdle_poisson", y, t, -1.0)
    value -= special.gammaln(y + 1) - (y * np.log(y) - y)  # the row's constant
    log_some = np.log(-np.expm1(-mean))
    expected = special.log_expit(1.0) + (y * t - log_some) - mean - special.gammaln(y + 1)
    assert value == pytest.approx(expected, rel=1e-13, abs=1e-12)
    ratio = mean / np.expm1(mean) if mean < 700 else 0.0
    assert slope == pytest.approx(y - mean - ratio, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("shape", [None, 2.0])
@pytest.mark.parametrize("y", [1, 2])
def test_a_mean_without_digits_leaves_ones(y, shape):
    """1 - p0 is the mean then, and rows, densities and distribution functions agree."""
    t, name = -800.0, "hurdle_poisson" if shape is None else "hurdle_negative_binomial"
    near, slope, by_odds = row(name, y, -650.0, -1.0, shape)
    value, far_slope, far_by_odds = row(name, y, t, -1.0, shape)
    assert value == pytest.approx(near + (y - 1) * (t + 650.0), rel=1e-12)
    assert (far_slope, far_by_odds) == pytest.approx((slope, by_odds), rel=1e-12, abs=1e-12)
    assert slope == pytest.approx(y - 1, abs=1e-12)
    own = {"hu": np.array([special.expit(-1.0)])} | (
        {} if shape is None else {"shape": np.array([shape])}
    )
    density = as_family(name).log_density(np.array([float(y)]), np.zeros((1, 1)), own)[0, 0]
    assert density == pytest.approx(special.log_expit(1.0) if y == 1 else -np.inf)


@pytest.mark.parametrize("shape", [1e-6, 0.5, 1e8])
@pytest.mark.parametrize("t", [-20.0, 0.0, 9.0])
def test_a_truncated_negative_binomial_is_exact_at_any_shape(shape, t):
    """The share of ones among counts above 0, which has a closed form."""
    mean = np.exp(t)
    log_p0 = -shape * np.log1p(mean / shape)
    log_one = log_p0 + t - np.log1p(mean / shape)
    value, _, _ = row("hurdle_negative_binomial", 1, t, -1.0, shape)
    expected = special.log_expit(1.0) + log_one - np.log(-np.expm1(log_p0))
    assert value == pytest.approx(expected, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("mean", [1e-7, 0.02, 0.5, 30.0])
@pytest.mark.parametrize("shape", [None, 0.05, 3.0])
def test_counts_above_zero_are_drawn_as_they_are_distributed(mean, shape):
    family = mb.Poisson() if shape is None else mb.NegativeBinomial()
    parameters = {} if shape is None else {"shape": np.full(1, shape)}
    mu = np.full((1, 10_000), mean)
    y = truncated_draws(family, mu, parameters, np.random.default_rng(3))[0]
    assert y.min() >= 1
    some = -np.expm1(family.log_density(np.zeros(1), mu[:, :1], parameters)[0, 0])
    for k in (1.0, 2.0, 5.0):
        p = np.exp(family.log_density(np.array([k]), mu[:, :1], parameters)[0, 0]) / some
        assert np.mean(y == k) == pytest.approx(p, abs=5 * np.sqrt(max(p * (1 - p), 1e-5) / 1e4))


@pytest.mark.parametrize("eta", [-1.5, 0.4])
@pytest.mark.parametrize("name", ["zero_inflated_poisson", "zero_inflated_binomial",
                                  "hurdle_poisson", "hurdle_negative_binomial"])  # fmt: skip
def test_information_is_the_variance_of_the_score(name, eta):
    """About eta and about the log odds of the share; of binomial rows with all their trials."""
    family, n, h = as_family(name), 40_000, 1e-4
    share = family.parameters[-1]
    values = {"shape": 2.0, share: 0.3}
    p = {k: np.array([values[k]]) for k in family.parameters}
    trials = np.array([5]) if family.trials else None
    many = None if trials is None else np.full(n, 5)
    rng = np.random.default_rng(1)
    mu = np.full((1, n), family.inverse(np.array(eta), np))
    y = family.simulate(mu, p, rng, trials=many)[0]

    def log_p(eta, odds):
        at = {**p, share: special.expit(np.array([odds]))}
        mu = np.full((1, n), family.inverse(np.array(eta), np))
        return family.log_density(y, mu, at, trials=many)[0]

    odds, at = special.logit(0.3), np.array([[eta]])
    for found, score in (
        (family.row_information(at, p, trials), log_p(eta + h, odds) - log_p(eta - h, odds)),
        (
            family.row_parameter_information(share, at, p, trials),
            log_p(eta, odds + h) - log_p(eta, odds - h),
        ),
    ):
        squares = (score / (2 * h)) ** 2
        error = squares.std() / np.sqrt(n)
        assert found[0, 0] == pytest.approx(squares.mean(), abs=5 * error)


def test_rows_that_differ_in_the_formula_for_zeros_are_not_added_up():
    """Rows are equal where they are in the predictors of the mean and of zi."""
    rng = np.random.default_rng(2)
    d = pd.DataFrame(
        {"z": np.arange(400) % 7.0, "y": rng.poisson(1.5, 400) * (rng.uniform(size=400) > 0.3)}
    )
    alone = mb.Model("y ~ 1", d, family="zero_inflated_poisson")
    assert len(row_data(alone.design, alone.family).y) < 12
    both = mb.Model(["y ~ 1", "zi ~ z"], d, family="zero_inflated_poisson")
    density = JointDensity.of(both.design, both.family, both.spec.priors)
    assert density.data.n_mean == len(d.drop_duplicates())
    theta = np.array([0.4, -0.8, 0.2])
    eta = {"mu": theta[0], "zi": theta[1] + theta[2] * (d.z - d.z.mean()).to_numpy()}
    own = {"zi": special.expit(eta["zi"])[None]}
    expected = both.family.log_density(
        d.y.to_numpy(float), np.full((1, 400), np.exp(0.4)), own
    ).sum()
    prior = 0.0
    for predictor, at in zip(both.spec.priors.predictors, ([0.4], [-0.8, 0.2]), strict=True):
        for a, x in zip((predictor.intercept, *predictor.fixef), at, strict=True):
            prior += stats.norm(a.prior.mu, a.prior.sigma).logpdf(x)
    assert density.logp_grad(theta)[0] == pytest.approx(expected + prior, rel=1e-12)


# ---- questions -----------------------------------------------------------------------------------


def data(n=40):
    rng = np.random.default_rng(3)
    return pd.DataFrame({"x": rng.normal(size=n), "g": np.arange(n) % 8, "n": 6}).assign(
        k=rng.binomial(6, 0.4, n)
    )


@pytest.mark.parametrize("name", [*ZERO_PARTS, "poisson", "beta_binomial", "negative_binomial1"])
@pytest.mark.parametrize("groups", ["typical", "average"])
def test_zeros_and_the_mean_above_them_are_those_of_simulated_responses(name, groups):
    family = as_family(name)
    given = {"Intercept": -0.4, "fixef": 0.5, "sd_g": [0.7], "shape": 1.5, "phi": 3.0, "sigma": 0.6,
             "zi": 0.2, "hu": 0.3}  # fmt: skip
    left = "k | trials(n)" if family.trials else "k"
    rng = np.random.default_rng(5)
    post = hand_made(f"{left} ~ x + (1 | g)", data(), name, 1, rng, given)
    new = pd.DataFrame({"x": [0.3], "n": [6], "g": ["new"]})
    S = 100_000
    eta = -0.4 + 0.5 * 0.3 + (0.7 * rng.normal(size=S) if groups == "average" else 0.0)
    own = {k: np.array([given[k]]) for k in family.parameters}
    trials = np.full(S, 6) if family.trials else None
    mu = family.inverse(np.broadcast_to(eta, (1, S)), np)
    y = family.simulate(mu, own, rng, trials=trials)[0] / (6 if family.trials else 1)
    zero = predict(post, new, groups=groups, target="P(k = 0)")["mean"].iloc[0]
    assert zero == pytest.approx(np.mean(y == 0), abs=0.008)
    above = predict(post, new, groups=groups, target="positive mean")["mean"].iloc[0]
    error = y[y > 0].std() / np.sqrt(np.sum(y > 0))
    assert above == pytest.approx(y[y > 0].mean(), abs=5 * error)
    share = family.parameters[-1] if name in ZERO_PARTS else None
    if share:
        found = means(post, target=share)
        assert found["mean"].iloc[0] == pytest.approx(given[share])


def test_a_mean_above_zero_needs_zeros():
    d = data()
    post = hand_made("x ~ k + (1 | g)", d, "gaussian", 3, np.random.default_rng(4))
    with pytest.raises(ModelError, match=r"positive mean.*x is gaussian here: use target=\"mean\""):
        predict(post, target="positive mean")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("poisson", 'family="zero_inflated_poisson" or "hurdle_poisson"'),
        ("negative_binomial", 'family="zero_inflated_negative_binomial" or "hurdle_negative'),
        ("binomial", 'family="zero_inflated_binomial"'),
        ("zero_inflated_poisson", 'family="zero_inflated_negative_binomial"'),
    ],
)
def test_too_many_zeros_have_families_of_their_own(name, said):
    data = pd.DataFrame({"y": np.repeat([0, 3], 25), "n": 5})
    left = "y | trials(n)" if name == "binomial" else "y"
    spec = mb.Model(f"{left} ~ 1", data, family=name).spec
    family = spec.family
    post = SimpleNamespace(family=family, design=spec.design)
    rng = np.random.default_rng(0)
    few = SimpleNamespace(y=np.repeat([0, 3], 25), simulated=rng.poisson(2.0, (200, 50)))
    found = zeros(few, post)
    assert found.look
    assert said in found.said
    for each in (family.inflated, family.hurdle, family.wider):
        assert each is None or each in FAMILIES
    many = SimpleNamespace(y=np.full(50, 3), simulated=rng.poisson(1.0, (200, 50)))
    told = zeros(many, post).said
    assert ("any share of zeros" in told) == (family.hurdle is not None)


@pytest.mark.parametrize("name", ZERO_PARTS)
def test_nothing_but_zeros_is_refused_or_fitted_by_the_prior(name):
    family = as_family(name)
    left = "y | trials(n)" if family.trials else "y"
    d = pd.DataFrame({"y": np.zeros(5), "n": 4, "x": np.arange(5.0)})
    if family.atoms:
        with pytest.raises(DataError, match=r"0 in all 5 rows.*bernoulli"):
            mb.Model(f"{left} ~ x", d, family=name)
    else:
        model = mb.Model(f"{left} ~ x", d, family=name)
        assert np.isfinite(family.location(model.design))
