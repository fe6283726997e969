"""Thousands of effects besides the largest factor's: a sparse factor, as exact as a dense one."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.joint import scoring
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


def said(formula, data, **given):
    model = mb.Model(formula, data, family="poisson", **given)
    return obstacle(model.design, model.family, model.spec.priors)


def test_which_are_taken_and_which_are_too_dense():
    rng, J = np.random.default_rng(1), 2500
    a = np.tile(np.arange(J), 4)
    data = pd.DataFrame({"a": a, "near": (a + 1) % J, "far": rng.permutation(a), "c": a // 2})
    data = data.assign(y=rng.poisson(1, len(a)), d=rng.permutation(a), e=rng.permutation(a))
    assert said("y ~ 1 + (1 | mm(a, near))", data) is None
    assert said("y ~ 1 + (1 | mm(a, near)) + (1 | c)", data) is None
    crossed = said("y ~ 1 + (1 | a) + (1 | d) + (1 | e) + (1 | far)", data)
    assert crossed == (
        "7,500 effects besides the largest factor's are too many to sample together, coupled as "
        "they are"
    )
    known = {"A": mb.Relation(np.eye(J), list(range(J)))}
    related = said("y ~ 1 + (1 | gr(a, cov=A))", data, known=known)
    assert related.startswith("the 2,500 levels of a[A] are related, more than 1,000")
