"""Thousands of effects besides the largest factor's: a sparse factor, as exact as a dense one."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.joint import fill, scoring
from mixedbayes.joint.density import JointDensity, obstacle
from mixedbayes.joint.laplace import approximate
from mixedbayes.numerics.threads import one_blas_thread
from mixedbayes.theta import whitening
from mixedbayes.theta.sparse_root import SparseRoot


def frame(n=300):
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"a": rng.integers(0, 30, n), "x": rng.normal(size=n)})
    data["b"] = data["a"] * 3 + rng.integers(0, 3, n)
    data["k"] = rng.integers(0, 6, n).astype(str)
    return data.assign(y=rng.poisson(2, n))


def density_of(model):
    return JointDensity.of(model.design, model.family, model.spec.priors)


FORMULAS = [
    "y ~ x + (1 | mm(a, b))",
    "y ~ x + (1 + x | a) + (1 | b)",
    "y ~ s(x, k=6) + (1 | mm(a, b)) + (x | b)",
    "y ~ s(x, k, bs='fs', k=5)",
    "y ~ x + (1 | a) + (1 | b) + (1 | k)",  # the intercept has k's effects beside it
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_approximation_is_that_of_a_dense_factor(formula, monkeypatch):
    model = mb.Model(formula, frame(), family="poisson")
    with one_blas_thread():
        compared(model, monkeypatch)


def compared(model, monkeypatch):
    dense = approximate(density_of(model))
    monkeypatch.setattr(whitening, "DENSEST", 0)
    monkeypatch.setattr(scoring, "DENSEST", 0)
    plain = density_of(model)
    found = approximate(plain)
    assert isinstance(found.factor.root, SparseRoot)
    np.testing.assert_allclose(found.mode, dense.mode, atol=1e-7)
    both = (near.coordinates.information for near in (found, dense))
    for K, expected in zip(*both, strict=True):
        np.testing.assert_allclose(K, expected, atol=1e-7)
    assert found.log_det == pytest.approx(dense.log_det, abs=1e-7)
    units = np.eye(plain.ndim)
    M, expected = (near.to_theta(units) - near.mode for near in (found, dense))
    np.testing.assert_allclose(M.T @ M, expected.T @ expected, atol=1e-7)
    # the compiled map is the same, and its transpose gives the gradient
    white, z = plain.whitened(found, found.coordinates), 0.3 * np.sin(np.arange(plain.ndim))
    identity = whitening.Whitening.identity(
        len(found.hyper), plain.layout.n_first, found.factor.width,
        plain.ndim - len(found.hyper) - plain.layout.n_first,
    )  # fmt: skip
    there = plain.whitened(identity, found.coordinates).logp_grad(found.to_theta(z))[0]
    value, gradient = white.logp_grad(z)
    assert value == pytest.approx(there + found.log_det, abs=1e-8)
    step = 1e-6
    slopes = [
        (white.logp_grad(z + step * e)[0] - white.logp_grad(z - step * e)[0]) / (2 * step)
        for e in units
    ]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-5)


def loosely(monkeypatch):
    monkeypatch.setattr(whitening, "DENSEST", 0)
    monkeypatch.setattr(scoring, "DENSEST", 0)
    monkeypatch.setattr(scoring, "filled", lambda design: True)


@pytest.mark.parametrize("formula", ["y ~ x + (1 | a) + (1 + x | b)", "y ~ x + (1 | mm(a, b))"])
def test_a_metric_of_blocks_and_directions_is_close_and_the_density_exact(formula, monkeypatch):
    model = mb.Model(formula, frame(), family="poisson")
    with one_blas_thread():
        dense = approximate(density_of(model))
        loosely(monkeypatch)
        plain = density_of(model)
        found = approximate(plain)
    assert found.factor.root.scales.size
    h = len(found.hyper)
    sd = np.sqrt(np.diag(dense.hyper @ dense.hyper.T))
    np.testing.assert_allclose(found.mode[:h], dense.mode[:h], atol=0.5 * sd.max())
    white, z = plain.whitened(found, found.coordinates), 0.3 * np.sin(np.arange(plain.ndim))
    identity = whitening.Whitening.identity(
        h, plain.layout.n_first, found.factor.width, plain.ndim - h - plain.layout.n_first
    )
    there = plain.whitened(identity, found.coordinates).logp_grad(found.to_theta(z))[0]
    value, gradient = white.logp_grad(z)
    assert value == pytest.approx(there + found.log_det, abs=1e-8)
    step = 1e-6
    slopes = [
        (white.logp_grad(z + step * e)[0] - white.logp_grad(z - step * e)[0]) / (2 * step)
        for e in np.eye(plain.ndim)
    ]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-5)


def test_the_posterior_does_not_depend_on_the_metric(monkeypatch):
    rng = np.random.default_rng(3)
    data = pd.DataFrame({k: rng.integers(0, 60, 1500) for k in "abc"})
    eta = sum(0.6 * rng.normal(size=60)[data[k]] for k in "abc")
    data["y"] = rng.poisson(np.exp(eta))
    formula = "y ~ 1 + (1 | a) + (1 | b) + (1 | c)"
    given = {"family": "poisson", "progress": False, "seed": 1}
    expected = mb.fit(formula, data, **given)
    loosely(monkeypatch)
    found = mb.fit(formula, data, **given)
    assert found.diagnostics().ok, found.diagnostics().messages
    for name in ("Intercept", "sd_a", "sd_b", "sd_c"):
        one, two = (f.idata.posterior[name].to_numpy().ravel() for f in (found, expected))
        assert one.mean() == pytest.approx(two.mean(), abs=0.15 * two.std()), name
        assert one.std() == pytest.approx(two.std(), rel=0.15), name


@pytest.mark.slow
def test_two_thousand_levels_crossed_with_as_many_and_few_departments_converge():
    rng, J, n = np.random.default_rng(5), 2200, 15_000
    at = {k: rng.integers(0, size, n) for k, size in {"a": J, "b": J, "dept": 14}.items()}
    sds = {"a": 0.8, "b": 0.6, "dept": 0.3}
    eta = 0.3 + sum(sds[k] * rng.normal(size=i.max() + 1)[i] for k, i in at.items())
    data = pd.DataFrame({**at, "y": rng.binomial(1, 1 / (1 + np.exp(-eta)))})
    model = mb.Model("y ~ 1 + (1 | a) + (1 | b) + (1 | dept)", data, family="bernoulli")
    assert fill.filled(model.design)
    found = model.fit(seed=1, progress=False).diagnostics()
    assert found.ok, str(found)
    assert found.table["ess_bulk"].min() > 400


def said(formula, data, **given):
    model = mb.Model(formula, data, family="poisson", **given)
    return obstacle(model.design, model.family, model.spec.priors)


def test_which_are_taken():
    rng, J = np.random.default_rng(1), 2500
    a = np.tile(np.arange(J), 4)
    data = pd.DataFrame({"a": a, "near": (a + 1) % J, "far": rng.permutation(a), "c": a // 2})
    data = data.assign(y=rng.poisson(1, len(a)), d=rng.permutation(a), e=rng.permutation(a))
    assert said("y ~ 1 + (1 | mm(a, near))", data) is None
    assert said("y ~ 1 + (1 | mm(a, near)) + (1 | c)", data) is None
    assert said("y ~ 1 + (1 | a) + (1 | d) + (1 | e) + (1 | far)", data) is None
    known = {"A": mb.Relation(np.eye(J), list(range(J)))}
    related = said("y ~ 1 + (1 | gr(a, cov=A))", data, known=known)
    assert related == (
        "the 2,500 levels of a[A] are related: every gradient of effects that are sampled together "
        "would multiply a full matrix of 6,250,000 numbers (50 MB) twice, which is done up to "
        "1,000 levels; a Gaussian response takes any number by a sparse precision, such as that of "
        "mb.pedigree"
    )
    student = said("y ~ 1 + (1 | gr(c, law='student'))", data)
    assert student == (
        "the effects over c are student, not normal, and the compiled density's coordinates and "
        'mode are those of normal effects; law="normal" is sampled there'
    )
