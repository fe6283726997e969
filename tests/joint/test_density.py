"""The compiled joint density against the same density written by hand, and its gradient."""

import numpy as np
import pytest

import mixedbayes as mb
from mixedbayes.joint.coordinates import Coordinates
from mixedbayes.joint.laplace import approximate
from mixedbayes.theta.logpriors import TANH
from mixedbayes.theta.whitening import Whitening, factorise
from tests.support.bends import bends

FAMILIES = [
    "bernoulli", "binomial", "poisson", "negative_binomial", "gaussian", "student_t", "lognormal",
    "gamma", "beta", "cumulative",
]  # fmt: skip
LINKED = {
    f"{kind.name}, {link.name}": kind(link=link)
    for kind, links in {
        mb.Gaussian: (mb.Log(), mb.Inverse()),
        mb.StudentTFamily: (mb.Log(), mb.Inverse()),
        mb.GammaFamily: (mb.Inverse(), mb.Identity()),
        mb.Beta: (mb.Probit(), mb.Cloglog()),
        mb.Poisson: (mb.Identity(),),
        mb.NegativeBinomial: (mb.Identity(),),
    }.items()
    for link in links
}
CASES = {
    **{name: {"family": family} for name, family in LINKED.items()},
    **{
        f"weighted {name}": {"family": family, "response": "y | weights(w)", "groups": "crossed"}
        for name, family in LINKED.items()
    },
    "offset, identity": {"family": mb.Poisson(link=mb.Identity()), "offset": True},
    **{family: {"family": family} for family in FAMILIES},
    "probit": {"family": mb.Binomial(link=mb.Probit())},
    "cloglog": {"family": mb.Binomial(link=mb.Cloglog())},
    "ordered probit": {"family": mb.Cumulative(link=mb.Probit())},
    "ordered, no groups": {"family": "cumulative", "groups": "none"},
    "ordered, nested": {"family": "cumulative", "groups": "nested"},
    "thresholds at zero": {"family": "cumulative", "priors": {"thresholds": mb.StudentT(4, 1, 2)}},
    "no groups": {"groups": "none"},
    "separate slopes": {"groups": "separate slopes"},
    "nested": {"groups": "nested"},
    "crossed": {"groups": "crossed"},
    "offset": {"offset": True},
    **{
        f"weighted {f}": {"family": f, "response": "y | weights(w)"}
        for f in FAMILIES
        if f != "binomial"
    },
    "intercept at zero": {"priors": {"Intercept": mb.Normal(0.5, 2)}},
    "other priors": {
        "priors": {
            "fixef": mb.StudentT(3, 0, 1),
            "sd": {"g": {"Intercept": mb.HalfNormal(1), "x": mb.InverseGamma(2, 1)}},
            "cor": mb.LKJ(3),
        }
    },
}


def point(density, seed=0):
    """A point (d,) where every family's density is finite and not far from its bulk."""
    theta = 0.4 * np.random.default_rng(seed).normal(size=density.ndim) + 0.1
    if density.data.front.positive:
        theta[density.layout.coefficient_start] += 16
    return theta


def written_somehow(layout):
    """Coordinates centred in every degree, and tails transformed to the left and to the right."""
    rng, h = np.random.default_rng(1), layout.n_hyper
    tails = bends(layout.variance_starts, np.flatnonzero(layout.table.codes[:h, 1] == TANH))
    noise = [rng.normal(size=(g.n_levels, len(g.terms), len(g.terms))) for g in layout.groups]
    scores = tuple(rng.normal(size=A.shape[:2]) for A in noise)
    information = tuple(2 * A @ A.transpose(0, 2, 1) for A in noise)
    return Coordinates(information, tails, scores=scores)


def whitening(layout):
    """A mode and a factor of some precision."""
    rng, h = np.random.default_rng(2), layout.n_hyper
    n, d = layout.ndim - h, layout.ndim
    q, n_first = 1 if layout.first is None else layout.first.width, layout.n_first
    noise = 0.1 * rng.normal(size=(n, n))
    H = noise @ noise.T + np.diag(rng.uniform(1, 3, n))
    blocks = np.array([H[i : i + q, i : i + q] for i in range(0, n_first, q)]).reshape(-1, q, q)
    for i in range(0, n_first, q):  # the first factor's levels are independent given the rest
        H[i : i + q, :i] = H[i : i + q, i + q : n_first] = 0.0
    from scipy import sparse

    factor = factorise(blocks, sparse.csr_array(H[:n_first, n_first:]), H[n_first:, n_first:])
    C = np.tril(0.1 * rng.normal(size=(h, h))) + 0.5 * np.eye(h)
    return Whitening(0.1 * rng.normal(size=d), C, 0.2 * rng.normal(size=(n, h)), factor)


@pytest.mark.parametrize("case", CASES)
def test_density_is_the_one_written_by_hand(case, joint):
    model = joint.make(**CASES[case])
    density = joint.density_of(model)
    layout, plain = density.layout, density.coordinates
    theta = point(density)
    assert density.logp_grad(theta)[0] == pytest.approx(
        joint.by_hand(model, layout, theta, plain), rel=1e-10
    )


@pytest.mark.parametrize("case", CASES)
def test_gradient_is_that_of_differences(case, joint):
    density = joint.density_of(joint.make(**CASES[case]))
    density = density.whitened(whitening(density.layout), written_somehow(density.layout))
    z, h = point(density), 1e-6
    _, gradient = density.logp_grad(z)
    steps = h * np.eye(density.ndim)
    found = [(density.logp_grad(z + e)[0] - density.logp_grad(z - e)[0]) / (2 * h) for e in steps]
    np.testing.assert_allclose(gradient, found, rtol=2e-5, atol=2e-4)


@pytest.mark.parametrize("groups", ["slopes", "separate slopes", "nested", "crossed"])
def test_coordinates_and_units_change_the_density_by_their_jacobian(groups, joint):
    model = joint.make(groups=groups)
    plain = joint.density_of(model)
    layout, coordinates = plain.layout, written_somehow(plain.layout)
    white = whitening(layout)
    density = plain.whitened(white, coordinates)
    z = point(density)
    h = layout.n_hyper
    e = np.eye(layout.ndim)
    M = np.array([dense_map(white.hyper, white.slopes, white.factor, column) for column in e]).T
    theta = white.mode + M @ z
    log_det = np.linalg.slogdet(M)[1]
    expected = joint.by_hand(model, layout, theta, coordinates) + log_det
    assert density.logp_grad(z)[0] == pytest.approx(expected, rel=1e-10)
    assert h > 0


def dense_map(C, slopes, factor, z):
    """M z by dense algebra."""
    h, n_first = len(C), factor.couplings.shape[0]
    J, q = factor.inner.shape[:2]
    L1 = np.zeros((n_first, n_first))
    for g in range(J):
        L1[g * q : g * q + q, g * q : g * q + q] = np.linalg.inv(factor.inner[g])
    K, L2 = factor.couplings.toarray(), np.linalg.inv(factor.outer)
    L = np.block([[L1, np.zeros_like(K)], [K.T, L2]])
    moved = C @ z[:h]
    return np.concatenate([moved, np.linalg.solve(L.T, z[h:]) + slopes @ moved])


@pytest.mark.parametrize("groups", ["none", "slopes", "nested", "crossed"])
@pytest.mark.parametrize("family", ["binomial", "negative_binomial", "cumulative"])
def test_draws_are_read_in_the_coordinates_of_the_walk(family, groups, joint):
    """theta by the approximation's own map has the density that the kernel gives to z."""
    model = joint.make(family, groups)
    plain = joint.density_of(model)
    near = approximate(plain)
    density = plain.whitened(near, near.coordinates)
    z = np.random.default_rng(3).normal(size=(2, plain.ndim))
    theta = near.to_theta(z)
    by_hand = [joint.by_hand(model, plain.layout, t, near.coordinates) for t in theta]
    found = [density.logp_grad(row)[0] for row in z]
    assert found[1] - found[0] == pytest.approx(by_hand[1] - by_hand[0], abs=1e-7)


@pytest.mark.parametrize("family", ["bernoulli", "binomial", "poisson", "cumulative"])
def test_equal_rows_are_added_up(family, joint):
    """Twice the data, in any order, is the same density as every row with weight 2."""
    model = joint.make(family, "crossed")
    data = model.data
    twice = mb.Model(
        model.formula.text, data.loc[np.r_[data.index, data.index[::-1]]].reset_index(drop=True),
        family=family, priors=None,
    )  # fmt: skip
    from dataclasses import replace

    weighted = replace(model.design, weights=np.full(model.design.n, 2.0))
    doubled = joint.density_of(twice)
    assert len(doubled.data.rows) <= model.design.n
    from mixedbayes.joint.density import JointDensity

    once = JointDensity.of(weighted, model.family, twice.spec.priors)
    theta = point(once)
    assert doubled.logp_grad(theta)[0] == pytest.approx(once.logp_grad(theta)[0], rel=1e-10)
