"""Structures of covariances, over the registry and one from outside it, in all their carriers."""

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from dense_marginal import log_density_dense
from scipy import integrate

import mixedbayes as mb
from mixedbayes.distributions import LKJ, Normal
from mixedbayes.errors import DataError, FormulaError, ModelError, PriorError
from mixedbayes.marginal.density import MarginalDensity
from mixedbayes.marginal.setup import set_up
from mixedbayes.model.covariance import correlation_factor
from mixedbayes.numerics import correlation
from mixedbayes.priors.factor import FactorParameters
from mixedbayes.terms.registry import COVARIANCES
from mixedbayes.terms.roots import root_slopes, roots
from tests.support.compound_symmetry import CompoundSymmetry

ALL = {**COVARIANCES, "cs": CompoundSymmetry()}
BLOCKS = {
    "one": ((0,),),
    "apart": ((0,), (1,)),
    "joined": ((0, 1, 2, 3),),
    "interleaved": ((3, 0), (1, 4, 2)),
    "one apart": ((1, 2), (0,)),
}


@pytest.fixture(params=[c for c in ALL.values() if c.correlated], ids=lambda c: c.name)
def covariance(request):
    return request.param


@pytest.fixture(params=BLOCKS)
def factor(covariance, request):
    blocks = BLOCKS[request.param]
    terms = tuple("abcde"[: sum(map(len, blocks))])
    return FactorParameters(
        "g", terms, blocks, (mb.HalfNormal(1),) * len(terms), LKJ(1.5), covariance=covariance
    )


def values(factor, size=3):
    """x (size, factor.size): sds, then numbers anywhere in their intervals."""
    rng = np.random.default_rng(1)
    x = [rng.uniform(0.3, 2, size) for _ in factor.terms]
    x += [n.of_unit(rng.uniform(0.03, 0.97, size)) for _, own in factor.sets for n in own]
    return np.stack(x, axis=-1)


def compiled(factor, x, slope=None):
    """L (q, q) by compiled code; with derivatives in it also those in the coordinates t."""
    q, numbers = factor.q, [n for _, own in factor.sets for n in own]
    width = [n.upper - n.lower for n in numbers]
    share = np.array([n.to_unit(v) for n, v in zip(numbers, x[q:], strict=True)])
    # dx/dt as the table of priors has it: of a partial correlation tanh's, else the logit's
    slopes = [
        1 - v**2 if n.lower == -1 and n.upper == 1 else w * p * (1 - p)
        for n, v, w, p in zip(numbers, x[q:], width, share, strict=True)
    ]
    work = np.array([x, [*x[:q], *slopes], np.full(len(x), 5.0)])
    record, W, L = np.array(factor.record(0, 0)), np.empty(factor.root_size), np.zeros(q * q)
    roots(work, record, W, L)
    if slope is not None:
        root_slopes(work, record, W, slope.ravel())
    return L.reshape(q, q), work[2] - 5, work[1]


def test_roots_have_rows_of_length_one_and_blocks_are_apart(factor):
    _, W = factor.roots(values(factor), np.sqrt(np.maximum(1 - values(factor) ** 2, 0)))
    np.testing.assert_allclose((W**2).sum(axis=-1), 1)
    assert np.array_equal(W, np.tril(W))
    together = np.zeros((factor.q, factor.q), bool)
    for block in factor.blocks:
        together[np.ix_(block, block)] = True
    assert not correlation.matrix(W)[:, ~together].any()


def test_numbers_are_found_again(factor):
    x = values(factor)
    sd, W = factor.roots(x, np.sqrt(np.maximum(1 - x**2, 0)))
    np.testing.assert_allclose(factor.values(sd, correlation.matrix(W)), x, rtol=1e-9)


def test_compiled_roots_are_those_of_arrays(factor):
    for x in values(factor):
        sd, W = factor.roots(x, np.sqrt(np.maximum(1 - x**2, 0)))
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
    k, x = 4, np.random.default_rng(2).uniform(0.05, 0.95, 6)
    numbers = covariance.parameters(k, LKJ(2.0))
    x = x[: len(numbers)]
    with pm.Model() as model:
        W = correlation_factor("x", covariance, k, LKJ(2.0))
    f = pm.pytensorf.compile(model.free_RVs, W, mode="FAST_COMPILE")
    z = np.array([n.of_unit(v) for n, v in zip(numbers, x, strict=True)])
    np.testing.assert_allclose(f(x), covariance.root(z, k))


def test_draws_have_the_margin_that_is_said(covariance):
    W = covariance.draw(3, LKJ(1.5), 20_000, np.random.default_rng(4))
    cor, margin = correlation.matrix(W), covariance.margin(3, LKJ(1.5)).distribution()
    for i, j in ((1, 0), (2, 0), (2, 1)):
        u = np.sort(margin.cdf(cor[:, i, j]))
        assert np.abs(u - (np.arange(20_000) + 0.5) / 20_000).max() < 1.95 / np.sqrt(20_000)


def test_densities_of_two_correlated_effects_integrate_to_one(covariance):
    def density(r):
        cor = np.array([[1.0, r], [r, 1.0]])
        return np.exp(covariance.log_density(cor, LKJ(1.5)))

    assert integrate.quad(density, -1, 1)[0] == pytest.approx(1)


def test_a_prior_of_another_kind_is_refused(covariance):
    with pytest.raises(PriorError, match=r"cor_g: .*LKJ\(eta\).*Normal"):
        covariance.check(Normal(0, 1), "cor_g")


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


@pytest.fixture
def with_cs(monkeypatch):
    monkeypatch.setitem(COVARIANCES, "cs", CompoundSymmetry())


def test_a_structure_and_a_double_bar_contradict_each_other(visits, with_cs):
    with pytest.raises(FormulaError, match=r"write cs\(x \| g\)"):
        mb.Model("y ~ cs(0 + visit || who)", visits)


def test_an_unknown_structure_is_refused_with_the_known_words(visits):
    with pytest.raises(FormulaError, match="no other structure is offered"):
        mb.Model("y ~ cs(0 + visit | who)", visits)


def test_bars_on_one_factor_have_one_structure(visits, with_cs):
    data = visits.assign(x=np.arange(len(visits)), z=np.arange(len(visits)) % 5)
    with pytest.raises(DataError, match="the same in all bars"):
        mb.Model("y ~ cs(0 + visit | who) + (0 + x + z | who)", data)


def test_the_marginal_density_of_a_structure_is_the_dense_one(visits, with_cs):
    spec = mb.Model("y ~ visit + cs(0 + visit | who)", visits).spec
    setup = set_up(spec.design, spec.priors)
    density = MarginalDensity(setup.layout, setup.problem)
    assert density.ndim == 3 + 1 + 1
    g, rng = spec.design.mu.groups[0], np.random.default_rng(5)
    X = np.column_stack([np.ones(spec.design.n), spec.design.mu.X - spec.design.mu.means])
    mean, precision = setup.population.prior_moments()
    theta = rng.normal(0, 0.5, (3, density.ndim))
    known = []
    for t in theta:
        at = setup.layout.constrained(t)
        assert len(np.unique(np.round(at.cor["who"][np.tril_indices(3, -1)], 12))) == 1
        dense = log_density_dense(
            spec.design.y, X, [(g.refs, g.Z, g.n_levels)], [at.L["who"]], float(at.sigma),
            prior_mean=mean, prior_precision=precision,
        )  # fmt: skip
        known.append(density.logp(t) - dense - _log_prior(setup.layout, t))
    np.testing.assert_allclose(known, 0, atol=1e-8)
    for t in theta:
        steps = 1e-6 * np.eye(density.ndim)
        slopes = [(density.logp(t + s) - density.logp(t - s)) / 2e-6 for s in steps]
        np.testing.assert_allclose(density.logp_grad(t)[1], slopes, rtol=1e-5, atol=1e-4)


def _log_prior(layout, t):
    from mixedbayes.theta.logpriors import log_prior

    return log_prior(t, layout.table.codes, layout.table.numbers, np.empty((3, len(t))))


@pytest.mark.parametrize("response", ["y", "k"])
def test_a_structure_from_outside_is_fitted_and_told_everywhere(
    visits, with_cs, response, tmp_path
):
    family = {"y": "gaussian", "k": "poisson"}[response]
    model = mb.Model(f"{response} ~ visit + cs(0 + visit | who)", visits, family=family)
    fit = model.fit(300, chains=2, seed=1, progress=False)
    cor = fit.varcorr().query("kind == 'cor'")
    assert len(cor) == 3
    assert cor["mean"].nunique() == 1
    assert 0.2 < cor["mean"].iloc[0] < 0.9
    assert np.isfinite(fit.icc()["mean"]).all()
    page = fit.report(tmp_path / "fit.html", checks=False).read_text().replace("\xa0", " ")
    assert "one correlation for all pairs" in page
    again = mb.load(fit.save(tmp_path / "fit.nc"))
    assert again.model.design.mu.groups[0].covariance == CompoundSymmetry()
    np.testing.assert_array_equal(again.varcorr()["mean"], fit.varcorr()["mean"])
    assert "cs(0 + visit | who)" in model.code("lme4")
    with pytest.raises(ModelError, match=r"no code for pymc|writes Gaussian models"):
        model.code("pymc")
    draws = model.prior_predictive(50, seed=1)["prior"]["cor_who"].to_numpy()[0]
    np.testing.assert_allclose(draws[:, 1, 0], draws[:, 2, 1])
    assert np.isfinite(fit.prior_sensitivity()["prior"]).all()
    point = model.build(mb.NonCentered()).initial_point()
    assert point["partial_cor_who_logodds__"].shape == (1,)
