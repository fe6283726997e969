"""Structures of covariances, over the registry and one from outside it, in all their carriers."""

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
from dense_marginal import log_density_dense
from scipy import integrate

import mixedbayes as mb
from mixedbayes.distributions import LKJ, Normal
from mixedbayes.errors import DataError, FormulaError, ModelError, PriorError
from mixedbayes.marginal.density import MarginalDensity
from mixedbayes.marginal.setup import set_up
from mixedbayes.model.covariance import chain_factor, correlation_factor
from mixedbayes.numerics import correlation
from mixedbayes.priors.factor import FactorParameters
from mixedbayes.terms.covariance import sd_places
from mixedbayes.terms.registry import COVARIANCES
from mixedbayes.terms.roots import root_slopes, roots
from tests.support.antedependence import Antedependence

ALL = {**COVARIANCES, "ante": Antedependence()}
CASES = {
    **{name: c for name, c in ALL.items() if c.correlated},
    "ar1 with gaps": COVARIANCES["ar1"].placed((3.0, 9.0, 18.0, 21.0), "week"),
    "ou at times": COVARIANCES["ou"].placed((0.5, 0.7, 3.0, 9.5), "time"),
}
BLOCKS = {
    "one": ((0,),),
    "apart": ((0,), (1,)),
    "joined": ((0, 1, 2, 3),),
    "interleaved": ((3, 0), (1, 4, 2)),
    "one apart": ((1, 2), (0,)),
}


def prior_of(covariance):
    """Another one than the default, of the kind that the structure takes."""
    return LKJ(1.5) if not covariance.refusal(LKJ(1.5)) else mb.Gamma(2, 0.5)


@pytest.fixture(params=CASES)
def covariance(request):
    return CASES[request.param]


@pytest.fixture(params=BLOCKS)
def factor(covariance, request):
    blocks = BLOCKS[request.param]
    terms = tuple("abcde"[: sum(map(len, blocks))])
    sds = (mb.HalfNormal(1),) * (max(sd_places(blocks, covariance)) + 1)
    return FactorParameters("g", terms, blocks, sds, prior_of(covariance), covariance=covariance)


def drawn(number, rng, size):
    """Values of a number anywhere in its interval."""
    if number.prior is not None:
        return rng.uniform(0.3, 8, size)
    return number.of_unit(rng.uniform(0.03, 0.97, size))


def values(factor, size=3):
    """x (size, factor.size): sds, then numbers anywhere in their intervals."""
    rng = np.random.default_rng(1)
    x = [rng.uniform(0.3, 2, size) for _ in factor.sd]
    x += [drawn(n, rng, size) for _, own in factor.sets for n in own]
    return np.stack(x, axis=-1)


def left_of(x):
    """sqrt(1 - x^2) as the engines have it, of what it exists of."""
    return np.sqrt(np.maximum(1 - x**2, 0))


def slope_of(number, value):
    """dx/dt as the table of priors has it: of a positive number exp's, of a partial correlation
    tanh's, else the logit's."""
    if number.prior is not None:
        return value
    if (number.lower, number.upper) == (-1, 1):
        return 1 - value**2
    share = number.to_unit(value)
    return (number.upper - number.lower) * share * (1 - share)


def compiled(factor, x, slope=None):
    """L (q, q) by compiled code; with derivatives in it also those in the coordinates t."""
    q, m, numbers = factor.q, len(factor.sd), [n for _, own in factor.sets for n in own]
    slopes = [slope_of(n, v) for n, v in zip(numbers, x[m:], strict=True)]
    work = np.array([x, [*x[:m], *slopes], np.full(len(x), 5.0)])
    record, W, L = np.array(factor.record(0, 0)), np.empty(factor.root_size), np.zeros(q * q)
    roots(work, record, W, L)
    if slope is not None:
        root_slopes(work, record, W, slope.ravel())
    return L.reshape(q, q), work[2] - 5, work[1]


def test_roots_have_rows_of_length_one_and_blocks_are_apart(factor):
    _, W = factor.roots(values(factor), left_of(values(factor)))
    np.testing.assert_allclose((W**2).sum(axis=-1), 1)
    assert np.array_equal(W, np.tril(W))
    together = np.zeros((factor.q, factor.q), bool)
    for block in factor.blocks:
        together[np.ix_(block, block)] = True
    assert not correlation.matrix(W)[:, ~together].any()


def test_numbers_are_found_again(factor):
    x = values(factor)
    sd, W = factor.roots(x, left_of(x))
    np.testing.assert_allclose(factor.values(sd, correlation.matrix(W)), x, rtol=1e-9)


def test_compiled_roots_are_those_of_arrays(factor):
    for x in values(factor):
        sd, W = factor.roots(x, left_of(x))
        np.testing.assert_allclose(compiled(factor, x)[0], sd[:, None] * W, atol=1e-14)


def test_compiled_slopes_are_differences(factor):
    weights = np.random.default_rng(3).normal(size=(factor.q, factor.q))
    x = values(factor)[0]
    _, found, d_x = compiled(factor, x, weights)
    step = 1e-6 * np.eye(len(x))
    moved = [[np.sum(weights * compiled(factor, x + s)[0]) for s in (h, -h)] for h in step]
    expected = [(up - down) / 2e-6 * d for (up, down), d in zip(moved, d_x, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


def test_the_graph_of_pytensor_is_that_of_arrays(covariance):
    k, prior, rng = 4, prior_of(covariance), np.random.default_rng(2)
    numbers = covariance.parameters(k, prior)
    z = np.array([drawn(n, rng, None) for n in numbers])
    with pm.Model() as model:
        W, told = correlation_factor("x", covariance, k, prior)
    told = pm.math.stack(told) if covariance.labels(k) else W
    f = pm.pytensorf.compile(model.free_RVs, [W, told], mode="FAST_COMPILE")
    W, told = f(np.array([n.to_unit(v) for n, v in zip(numbers, z, strict=True)]))
    np.testing.assert_allclose(W, covariance.root(z, k))
    if covariance.labels(k):
        np.testing.assert_allclose(told, covariance.numbers(W @ W.T))


def test_draws_have_the_margins_that_are_said(covariance):
    k, n, prior = 4, 20_000, prior_of(covariance)
    cor = correlation.matrix(covariance.draw(k, prior, n, np.random.default_rng(4)))
    margins = covariance.margins(k, prior)
    if covariance.labels(k):
        told = covariance.numbers(cor)
        np.testing.assert_allclose(covariance.matrix(told, k), cor, atol=1e-9)
    else:
        told, margins = cor[:, *np.tril_indices(k, -1)], margins[:1] * 6
    for own, margin in zip(told.T, margins, strict=True):
        u = np.sort(margin.cdf(own))
        assert np.abs(u - (np.arange(n) + 0.5) / n).max() < 2.2 / np.sqrt(n)


def test_densities_of_two_correlated_effects_integrate_to_one(covariance):
    own = covariance.placed((), "v")  # one step apart
    prior = prior_of(own)
    if own.kind == "range":
        reach = np.array([0.1, 1, 20])
        cor = own.matrix(reach[:, None], 2)
        np.testing.assert_allclose(own.log_density(cor, prior), prior.logpdf(reach))
        return

    def density(r):
        return np.exp(own.log_density(np.array([[1.0, r], [r, 1.0]]), prior))

    assert integrate.quad(density, -1, 1)[0] == pytest.approx(1)


def test_a_prior_of_another_kind_is_refused(covariance):
    with pytest.raises(PriorError, match=r"cor_g: .*(LKJ\(eta\)|range, a positive).*Normal"):
        covariance.check(Normal(0, 1), "cor_g")


@pytest.mark.parametrize(
    ("name", "prior", "said"),
    [
        ("ar1", mb.Uniform(-1.5, 0.5), "between -1 and 1"),
        ("cs", mb.Uniform(-0.6, 0.5), "between -0.5 and 1"),
        ("toep", mb.Uniform(0, 1), r"LKJ\(eta\)"),
        ("ou", LKJ(2), "positive number in units of the times"),
        ("ou", mb.Uniform(-1, 2), "positive number"),
        ("ou", mb.Flat(), "positive number"),
    ],
)
def test_a_prior_out_of_bounds_is_refused(name, prior, said):
    with pytest.raises(PriorError, match=said):
        COVARIANCES[name].placed((0.0, 1.0, 2.0), "v").check(prior, "cor_g")


# ---- what is known of each -------------------------------------------------------------------


def test_known_matrices():
    ar1, ou, cs, toep = (COVARIANCES[name] for name in ("ar1", "ou", "cs", "toep"))
    at = (2.0, 3.0, 7.0)
    lags = np.abs(np.subtract.outer(at, at))

    def matrix(covariance, *z):
        return correlation.matrix(covariance.root(np.array(z), 3))

    np.testing.assert_allclose(matrix(ar1.placed(at, "v"), -0.6), (-0.6) ** lags)
    np.testing.assert_allclose(matrix(ou.placed(at, "v"), 2.5), np.exp(-lags / 2.5))
    np.testing.assert_allclose(matrix(cs, 0.3), 0.3 + 0.7 * np.eye(3))
    np.testing.assert_allclose(matrix(ar1.placed(at, "v"), 0.0), np.eye(3))  # diag
    # given the effect between them, those two steps apart have the second number
    R = matrix(toep, 0.5, -0.4)
    assert R[2, 0] == pytest.approx(0.25 - 0.4 * (1 - 0.25))
    np.testing.assert_allclose([R[1, 0], R[2, 1]], 0.5)
    # without partial correlations after the first it is ar1
    np.testing.assert_allclose(matrix(toep, 0.5, 0.0), matrix(ar1, 0.5))


@pytest.mark.parametrize("name", ["ar1", "hetar1", "toep", "homtoep", "cs", "homcs"])
def test_of_two_effects_all_are_one(name):
    one, us = COVARIANCES[name], COVARIANCES["us"]
    z = np.array([[0.3], [-0.7]])
    np.testing.assert_allclose(one.root(z, 2), us.root(z, 2))
    assert one.parameters(2, LKJ(1.7))[0].coordinate() == us.parameters(2, LKJ(1.7))[0].coordinate()


def test_lags_are_those_of_the_smallest_step():
    months = COVARIANCES["ar1"].placed((6.0, 12.0, 24.0), "month")
    assert months.labels(3) == ("lag 6",)
    np.testing.assert_allclose(months.matrix(np.array([-0.5]), 3)[0], [1, -0.5, -0.125])
    assert COVARIANCES["toep"].placed((0.0, 3.0, 6.0), "m").labels(3) == ("lag 3", "lag 6")


@pytest.mark.parametrize("at", [(0.0, 1.0), (0.0, 0.1, 7.0), tuple(np.arange(40.0) ** 2)])
def test_the_default_range_is_between_a_step_and_the_span(at):
    prior, said = COVARIANCES["ou"].placed(at, "t").default()
    low, high = prior.frozen().ppf([0.025, 0.975])
    assert low == pytest.approx(np.median(np.diff(at)) / 2, rel=0.02)
    assert high == pytest.approx(2 * (at[-1] - at[0]), rel=0.02)
    assert "twice the span" in said


def test_ranges_beyond_all_numbers_have_roots():
    ou = COVARIANCES["ou"].placed((0.0, 1.0, 2.0), "t")
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        R = correlation.matrix(ou.root(np.array([[1e-5], [1e-300], [1e18]]), 3))
    np.testing.assert_allclose(R[:2], np.broadcast_to(np.eye(3), (2, 3, 3)))
    np.testing.assert_allclose(R[2], 1)


def test_a_partial_correlation_is_that_given_the_terms_before():
    z = np.array([0.3, -0.2, 0.6])
    inverse = np.linalg.inv(correlation.matrix(COVARIANCES["us"].root(z, 3)))
    given_first = -inverse[2, 1] / np.sqrt(inverse[1, 1] * inverse[2, 2])
    assert given_first == pytest.approx(0.6)


def test_singular_correlations_have_a_root():
    cor = np.ones((2, 3, 3))
    np.testing.assert_allclose(correlation.matrix(correlation.root(cor)), cor, atol=1e-6)


@pytest.mark.parametrize("eta", [0.5, 1.0, 3.0])
def test_shapes_of_partial_correlations_are_those_of_lkj(eta):
    shapes = [n.a for n in COVARIANCES["us"].parameters(4, LKJ(eta))]
    np.testing.assert_allclose(shapes, eta + (2 - np.array([0, 0, 1, 0, 1, 2])) / 2)
    (one,) = COVARIANCES["us"].parameters(2, LKJ(eta))  # one: (1 + r) / 2 ~ Beta(eta, eta)
    assert (one.a, one.b, one.of) == (eta, eta, (1, 0))


# ---- in a formula -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def visits():
    rng = np.random.default_rng(7)
    n, cor = 40, 0.6
    root = np.linalg.cholesky(np.full((3, 3), cor) + (1 - cor) * np.eye(3))
    b = rng.standard_normal((n, 3)) @ root.T * [1.0, 2.0, 1.5]
    at, who = np.tile(np.repeat(np.arange(3), 2), n), np.repeat(np.arange(n), 6)
    y = b[who, at] + rng.normal(0, 0.7, 6 * n)
    counts = rng.poisson(np.exp(0.3 * b[who, at]))
    return pd.DataFrame({"y": y, "k": counts, "visit": np.array(list("abc"))[at],
                                      "who": [f"p{w:02d}" for w in who]})  # fmt: skip


def test_a_structure_and_a_double_bar_contradict_each_other(visits):
    with pytest.raises(FormulaError, match=r"write cs\(x \| g\)"):
        mb.Model("y ~ cs(0 + visit || who)", visits)


def test_an_unknown_structure_is_refused_with_the_known_words(visits):
    with pytest.raises(FormulaError, match="no other structure is offered"):
        mb.Model("y ~ rr(0 + visit | who)", visits)


def test_bars_on_one_factor_have_one_structure(visits):
    data = visits.assign(x=np.arange(len(visits)), z=np.arange(len(visits)) % 5)
    with pytest.raises(DataError, match="the same in all bars"):
        mb.Model("y ~ cs(0 + visit | who) + (0 + x + z | who)", data)
    with pytest.raises(DataError, match=r"have one bar with a structure(?s:.*)\(1 \| who\)"):
        mb.Model("y ~ cs(0 + visit | who) + cs(0 + x + z | who)", data)


@pytest.fixture(scope="module")
def crossed():
    """Few levels of two factors, at visits and times with gaps."""
    rng = np.random.default_rng(11)
    n = 70
    week = rng.choice([1, 2, 4, 7], n)
    return pd.DataFrame({
        "y": rng.normal(size=n), "x": rng.normal(size=n), "week": week,
        "arm": np.array(list("uvw"))[rng.integers(0, 3, n)],
        "time": np.array([0.2, 0.9, 3.5, 3.6])[rng.integers(0, 4, n)],
        "month": rng.integers(0, 4, n) * 3, "who": rng.integers(0, 6, n),
        "site": rng.integers(0, 4, n),
    })  # fmt: skip


BARS = {
    "cs": ("cs(arm | who) + (x || site)", 3 + 1 + 2),
    "homcs": ("(1 | site) + homcs(arm | who)", 1 + 1 + 1),
    "ar1": ("ar1(week | who) + (x | site)", 1 + 1 + 3),
    "hetar1": ("(1 | who) + hetar1(week | who)", 1 + 4 + 1),
    "ou": ("ou(time | who:site) + ar1(week | site)", 1 + 1 + 1 + 1),
    "toep": ("toep(month | who) + ou(time | site)", 4 + 3 + 1 + 1),
    "homtoep": ("homtoep(month | who) + (0 + x | who)", 1 + 1 + 3),
}


@pytest.mark.parametrize("name", BARS)
def test_the_marginal_density_of_a_structure_is_the_dense_one(crossed, name):
    bars, ndim = BARS[name]
    spec = mb.Model(f"y ~ x + {bars}", crossed).spec
    setup = set_up(spec.design, spec.priors)
    density = MarginalDensity(setup.layout, setup.problem)
    assert density.ndim == ndim + 1
    rng = np.random.default_rng(5)
    X = np.column_stack([np.ones(spec.design.n), spec.design.mu.X - spec.design.mu.means])
    mean, precision = setup.population.prior_moments()
    theta = rng.normal(0, 0.5, (3, density.ndim))
    known = []
    for t in theta:
        at = setup.layout.constrained(t)
        groups = setup.integrated
        dense = log_density_dense(
            spec.design.y, X, [(g.refs, g.Z, g.n_levels) for g in groups],
            [at.L[g.name] for g in groups], float(at.sigma),
            prior_mean=mean, prior_precision=precision,
        )  # fmt: skip
        for g in groups:
            sd, cor = at.sd[g.name], g.every_cor(g.told_cor(at.cor[g.name]))
            np.testing.assert_allclose(at.L[g.name] @ at.L[g.name].T, cor * np.outer(sd, sd))
        known.append(density.logp(t) - dense - _log_prior(setup.layout, t))
    np.testing.assert_allclose(known, 0, atol=1e-8)
    for t in theta[:2]:
        steps = 1e-6 * np.eye(density.ndim)
        slopes = [(density.logp(t + s) - density.logp(t - s)) / 2e-6 for s in steps]
        np.testing.assert_allclose(density.logp_grad(t)[1], slopes, rtol=1e-5, atol=1e-4)


def _log_prior(layout, t):
    from mixedbayes.theta.logpriors import log_prior

    return log_prior(t, layout.table.codes, layout.table.numbers, np.empty((3, len(t))))


@pytest.mark.parametrize("response", ["y", "k"])
def test_a_structure_from_outside_is_fitted_and_told_everywhere(
    visits, with_ante, response, tmp_path
):
    family = {"y": "gaussian", "k": "poisson"}[response]
    data = visits.assign(visit=pd.Categorical(visits["visit"]))
    model = mb.Model(f"{response} ~ visit + ante(visit | who)", data, family=family)
    fit = model.fit(300, chains=2, seed=1, progress=False)
    cor = fit.varcorr().query("kind == 'cor'")
    assert list(cor["term"] + ", " + cor["term2"]) == ["visit, 1 and 2", "visit, 2 and 3"]
    assert cor["mean"].between(0.05, 0.9).all()
    assert fit.posterior.cor("who").shape == (600, 3, 3)
    assert np.isfinite(fit.icc()["mean"]).all()
    page = fit.report(tmp_path / "fit.html", checks=False).read_text().replace("\xa0", " ")
    assert "each effect depends on the one before it" in page
    again = mb.load(fit.save(tmp_path / "fit.nc"))
    assert again.model.design.mu.groups[0].covariance == Antedependence((0.0, 1.0, 2.0), "visit")
    np.testing.assert_array_equal(again.varcorr()["mean"], fit.varcorr()["mean"])
    for package in ("lme4", "brms", "bambi", "pymc"):
        with pytest.raises(ModelError):
            model.code(package)
    draws = model.prior_predictive(50, seed=1)["prior"]["cor_who"]
    assert list(draws["who_cor"]) == ["visit, 1 and 2", "visit, 2 and 3"]
    assert np.isfinite(fit.prior_sensitivity()["prior"]).all()
    point = model.build(mb.NonCentered()).initial_point()
    assert point["partial_cor_who_logodds__"].shape == (2,)


@pytest.fixture
def with_ante(monkeypatch):
    monkeypatch.setitem(COVARIANCES, "ante", Antedependence())


@pytest.mark.parametrize("name", ["ar1 with gaps", "ou at times"])
def test_the_graph_of_a_long_chain_has_few_nodes_and_the_same_root(name):
    covariance = CASES[name]
    prior, k = prior_of(covariance), len(covariance.at)
    z = pt.dscalar("z")
    root = chain_factor(covariance, [z], k)
    for value in (0.4, 0.0) if name.startswith("ar1") else (0.4, 9.0):
        expected = covariance.root(np.array([value]), k)
        found = root.eval({z: value}, mode="FAST_COMPILE")
        np.testing.assert_allclose(found, expected, atol=1e-14)
    with pm.Model() as model:
        W, _ = correlation_factor("x", covariance.placed(range(0, 90, 3), "t"), 30, prior)
    slope = pt.grad(W.sum(), model.free_RVs)  # at a correlation of 0 as well
    found = pm.pytensorf.compile(model.free_RVs, slope, mode="FAST_COMPILE")(np.array([0.5]))
    assert np.isfinite(found).all()
