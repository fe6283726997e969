"""Smooths, memberships, related levels, arms and structured covariances in the joint density."""

import math

import numpy as np
import pandas as pd
import pytensor
import pytest
from scipy import special

import mixedbayes as mb
from mixedbayes.engines.base import factors
from mixedbayes.joint import scoring as scoring_module
from mixedbayes.joint.coordinates import Coordinates, Fall
from mixedbayes.joint.density import JointDensity
from mixedbayes.joint.laplace import approximate
from mixedbayes.joint.scoring import Scoring
from mixedbayes.joint.search import start
from mixedbayes.model.build import build
from mixedbayes.model.formulations import NonCentered
from mixedbayes.model.free import free_variables
from mixedbayes.theta.logpriors import TANH
from tests.support.bends import bends

J = 8
A = np.exp(-np.abs(np.subtract.outer(np.arange(J), np.arange(J))) / 3)
KNOWN = {
    "A": mb.Relation(A, list(range(J))),
    "Q": mb.Relation(np.linalg.inv(A), list(range(J)), precision=True),
    "W": mb.icar((np.eye(J, k=1) + np.eye(J, k=-1), list(range(J)))),
}
CASES = {
    "smooth": ("poisson", "counts ~ s(x, k=6)"),
    "smooth and group": ("bernoulli", "either ~ s(x, k=5) + (1 | g)"),
    "smooth by arm": ("poisson", "counts ~ arm + s(x, by=arm, k=5)"),
    "curves of levels": ("poisson", "counts ~ s(x, g, bs='fs', k=5)"),
    "tensor, membership": ("poisson", "counts ~ t2(x, z, k=3) + (1 | mm(a, b))"),
    "weighted membership": (
        "negative_binomial", "counts ~ z + (z | mm(a, b, weights=(w, v))) + (1 | g)",
    ),
    "related": ("gamma", "positive ~ z + (1 + z | gr(a, cov=A))"),
    "nested, related": (
        "poisson", "counts ~ z + (1 + z | g) + (1 | row) + (1 | a) + (1 | gr(a, cov=A))",
    ),
    "related, precision": ("poisson", "counts ~ z + (1 | gr(a, precision=Q)) + (1 | a)"),
    "related, singular": ("poisson", "counts ~ z + (1 | gr(a, cov=W))"),
    "related membership": ("poisson", "counts ~ z + (1 | mm(a, b, cov=A))"),
    "ordered": ("cumulative", "ordered ~ z + (1 | gr(a, cov=A)) + s(x, k=5)"),
    "arms": ("poisson", "counts ~ z + (z | gr(g, by=arm))"),
    "autoregressive": ("poisson", "counts ~ z + ar1(visit | g)"),
    "compound symmetry": ("bernoulli", "either ~ z + cs(C(visit) | g) + s(x, k=5)"),
    "sigma": ("gaussian", ["y ~ s(x, k=6)", "sigma ~ s(x, k=5) + (1 | g)"]),
    "sigma, related": (
        "gaussian", ["y ~ s(x, k=5) + (1 | mm(a, b))", "sigma ~ (1 | gr(a, cov=A))"],
    ),
    "across": ("gaussian", ["y ~ z + (z | p | g) + s(x, k=5)", "sigma ~ (1 | p | g)"]),
    "several responses": (
        {"counts": "poisson", "either": "bernoulli"},
        "mv(counts, either, rescor=False) ~ z + s(x, k=5) + (1 | p | gr(a, cov=A))",
    ),
    "shape": ("negative_binomial", ["counts ~ s(x, k=5)", "shape ~ (1 | mm(a, b))"]),
}  # fmt: skip


def data(n=80):
    rng = np.random.default_rng(1)
    a, g = rng.integers(0, J, n), np.arange(n) % 5
    frame = pd.DataFrame({"x": rng.uniform(0, 1, n), "z": rng.normal(size=n), "a": a})
    frame["b"], frame["w"] = (a + 1 + rng.integers(0, J - 1, n)) % J, rng.uniform(0.2, 0.8, n)
    frame["row"] = np.arange(n)
    frame["v"], frame["g"] = 1 - frame["w"], g.astype(str)
    frame["arm"], frame["visit"] = np.where(g < 2, "p", "q"), np.arange(n) // 5 % 3
    frame["counts"], frame["either"] = rng.poisson(3, n), rng.integers(0, 2, n)
    frame["positive"], frame["ordered"] = rng.gamma(2, 1, n), rng.integers(0, 3, n)
    return frame.assign(y=rng.normal(size=n))


def make(family, formula, **given):
    known = {k: v for k, v in KNOWN.items() if f"={k})" in str(formula)} or None
    return mb.Model(formula, data(), family=family, known=known, **given)


def density_of(model):
    return JointDensity.of(model.design, model.family, model.spec.priors)


def turned(density, seed=3):
    """Effects centred in every degree, turned where they may be, and tails transformed; the
    intercept has some of those with one level a row beside it.
    """
    rng, layout = np.random.default_rng(seed), density.layout
    noise = [rng.normal(size=(s.n_levels, s.width, s.width)) for s in layout.sampled]
    tails, mixes = bends(layout.variance_starts), []
    for s in layout.sampled:
        V = np.linalg.qr(rng.normal(size=(s.n_levels, s.n_levels)))[0] if s.turns else None
        mixes.append(V if V is None or s.root is None else s.root @ V)
    information = tuple(2 * K @ K.transpose(0, 2, 1) for K in noise)
    whole = layout.design.mu.intercept
    shares = [
        rng.normal(size=s.n_levels) / s.n_levels if whole and s.common else None
        for s in layout.sampled
    ]
    scores = tuple(rng.normal(size=K.shape[:2]) for K in information)
    falls = [None] * len(information)
    for link in layout.links:
        if layout.sampled[link.finer].width == layout.sampled[link.coarser].width == 1:
            rates = rng.uniform(0.1, 0.4, layout.sampled[link.coarser].n_levels)
            falls[link.coarser] = Fall(link.finer, 1.3, rates)
    written = Coordinates(
        information, tails, tuple(mixes), tuple(shares), scores, tuple(falls)
    )  # fmt: skip
    return density.whitened(density.whitening, written)


def log_jacobian(density, theta):
    """Of u in theta, for given variances, and of the tails."""
    layout, coordinates, h = density.layout, density.coordinates, density.layout.n_hyper
    sds, Ws, _ = layout.hyper(coordinates.tails.phi(theta[:h]))
    total = float(coordinates.tails.log_slope(theta[:h]))
    for k, (sd, W) in enumerate(zip(sds, Ws, strict=True)):
        S, K = sd[:, None] * W, coordinates.known(k, sds)[0]
        total -= np.linalg.slogdet(np.eye(len(S)) + S.T @ K @ S)[1].sum() / 2
    return total


def pymc_log_density(spec, draws):
    """Of the pm.Model whose effects are not centred, at each of draws of its parameters."""
    model, free = build(spec, dict.fromkeys(factors(spec), NonCentered())), free_variables(spec)
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        log_density, found = model.compile_logp(), []
        for i in range(len(next(iter(draws.values())))):
            point = {}
            for variable in model.free_RVs:
                name, transform = variable.name, model.rvs_to_transforms[variable]
                if name in draws:
                    x = draws[name][i]
                else:
                    x = free[name].function(*(draws[of][[i]] for of in free[name].of))[0]
                if transform is not None:
                    x = transform.forward(np.asarray(x, float), *variable.owner.inputs).eval()
                point[model.rvs_to_values[variable].name] = np.asarray(x, float)
            found.append(float(log_density(point)))
    return np.array(found)


@pytest.mark.parametrize("case", CASES)
def test_the_density_is_that_of_pymc(case):
    model = make(*CASES[case])
    density = density_of(model)
    layout = density.layout
    theta = 0.3 * np.random.default_rng(2).normal(size=(2, density.ndim)) + 0.1
    if "singular" in case:  # u that make no b do not follow from it
        theta[:, layout.n_hyper :][:, layout.spans()[0]] *= (
            abs(layout.sampled[0].root).max(0) > 1e-6
        )
    else:
        density = turned(density)
    expected = pymc_log_density(model.spec, layout.named(theta, density.coordinates))
    # PyMC's partial correlation is of 2 t; and thresholds that are sorted there come in any order
    codes = layout.table.codes[: layout.n_hyper, 1]
    expected += np.sum(codes == TANH) * math.log(2) + special.gammaln(layout.n_thresholds + 1)
    expected += [log_jacobian(density, one) for one in theta]
    found = [density.logp_grad(one)[0] for one in theta]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("case", CASES)
def test_the_gradient_is_that_of_differences(case):
    density, h = turned(density_of(make(*CASES[case]))), 1e-6
    z = 0.3 * np.random.default_rng(2).normal(size=density.ndim) + 0.1
    _, gradient = density.logp_grad(z)
    steps = h * np.eye(density.ndim)
    found = [(density.logp_grad(z + e)[0] - density.logp_grad(z - e)[0]) / (2 * h) for e in steps]
    np.testing.assert_allclose(gradient, found, rtol=1e-6, atol=1e-5)


CANONICAL = ["smooth by arm", "curves of levels", "tensor, membership", "related, precision"]


@pytest.mark.parametrize("dense", [0, 10**6])
@pytest.mark.parametrize("case", CANONICAL)
def test_the_precision_is_the_curvature_at_the_mode(case, dense, monkeypatch):
    """Of counts with a log link, whose expected information is the observed one."""
    monkeypatch.setattr(scoring_module, "_DENSE", dense)
    density = density_of(make(*CASES[case]))
    phi, scoring, h = start(density.layout), Scoring(density), 1e-5
    at = scoring.conditional(phi)
    _, gradient = density.logp_grad(np.concatenate([phi, at.effects]))
    np.testing.assert_allclose(gradient[len(phi) :], 0, atol=1e-2)

    def slopes(e):
        return density.logp_grad(np.concatenate([phi, e]))[1][len(phi) :]

    steps = h * np.eye(len(at.effects))
    H = -np.array([(slopes(at.effects + e) - slopes(at.effects - e)) / (2 * h) for e in steps])
    x = np.random.default_rng(0).normal(size=len(H))
    np.testing.assert_allclose(H @ at.factor.solve(x), x, rtol=1e-4, atol=1e-4)
    assert 2 * at.factor.log_det == pytest.approx(np.linalg.slogdet(H)[1], rel=1e-5)


def test_what_is_known_of_turned_effects_is_diagonal_at_the_mode():
    density = density_of(make(*CASES["ordered"]))
    near = approximate(density)
    assert near.converged
    layout, h = density.layout, density.layout.n_hyper
    white = density.whitened(near, near.coordinates)
    z, step = np.zeros(density.ndim), 1e-4
    units = step * np.eye(density.ndim)
    H = -np.array([(white.logp_grad(z + e)[1] - white.logp_grad(z - e)[1]) / (2 * step)
                   for e in units])  # fmt: skip
    np.testing.assert_allclose(H[h:, h:], np.eye(len(H) - h), atol=0.2)  # Laplace's units
    assert all(s.turns for s in layout.sampled)
    for s, span in zip(layout.sampled, layout.spans(), strict=True):
        known = near.factor.given_later(span)
        off = known - np.diag(np.diag(known))
        assert np.abs(off).max() < 0.02 * np.diag(known).max(), s.term.name


# ---- limits --------------------------------------------------------------------------------------


def same(first, second):
    theta = 0.3 * np.random.default_rng(2).normal(size=first.ndim)
    found, expected = first.logp_grad(theta), second.logp_grad(theta)
    assert found[0] == pytest.approx(expected[0], rel=1e-12)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-10, atol=1e-10)


def test_membership_in_one_level_is_the_plain_factor():
    frame = data().assign(one=1.0, none=0.0)
    formula = "counts ~ z + (1 + z | mm(a, b, weights=(one, none)))"
    member = mb.Model(formula, frame, family="poisson")
    same(density_of(member), density_of(make("poisson", "counts ~ z + (1 + z | a)")))


def test_levels_that_are_related_to_themselves_alone_are_a_plain_factor():
    known = {"I": mb.Relation(np.eye(J), list(range(J)))}
    formula = "counts ~ z + (1 + z | gr(a, cov=I))"
    related = mb.Model(formula, data(), family="poisson", known=known)
    same(density_of(related), density_of(make("poisson", "counts ~ z + (1 + z | a)")))


def test_a_smooth_that_does_not_bend_is_its_null_space():
    priors = {"fixef": mb.Normal(0, 2)}
    density = density_of(make("poisson", "counts ~ s(x, k=6)", priors=priors))
    straight = density_of(make("poisson", "counts ~ x", priors=priors))
    theta, at = np.zeros(density.ndim), density.layout.coefficient_start
    theta[0] = -30.0
    theta[1:at] = np.random.default_rng(0).normal(size=at - 1)
    x, column = data()["x"].to_numpy(), density.sections["X"][:, 0]
    ratio = (x - x.mean())[0] / column[0]
    np.testing.assert_allclose(column * ratio, x - x.mean(), atol=1e-12)
    changes = []
    for of, unit in ((density, 1.0), (straight, 1 / ratio)):
        begin, values = of.layout.coefficient_start, []
        for intercept, slope in ((0.5, 0.2), (1.0, -0.3)):
            point = theta.copy() if of is density else np.zeros(of.ndim)
            point[begin:] = intercept, slope * unit
            prior = -0.125 * point[begin + 1] ** 2
            values.append(of.logp_grad(point)[0] - prior)
        changes.append(values[1] - values[0])
    assert changes[0] == pytest.approx(changes[1], abs=1e-8)
