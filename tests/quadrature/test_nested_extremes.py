"""Nested factors whose sds are tiny or huge, of counts far apart and of levels that are all alike,
against sums over lattices of thousands of nodes."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

import mixedbayes as mb
from mixedbayes.quadrature.density import QuadratureDensity
from mixedbayes.quadrature.rule import Rule

# Of each level of each tree: of counts their sum, of outcomes their share.
TREES = {
    "poisson": [[0, 0, 0], [0, 5000, 0], [5000, 4800], [0], [3, 1, 0, 2], [1, 200, 0, 0, 0]],
    "bernoulli": [[0, 0, 0], [1, 1, 1], [0, 1, 0], [1], [0.5, 0.5, 0, 1], [0.3, 1, 0]],
}
SDS = [(0.4, 0.3), (0.05, 2.0), (1.5, 0.05), (6.0, 6.0)]  # inner, outer


def trees(family):
    rng, rows, level = np.random.default_rng(0), [], 0
    for a, tree in enumerate(TREES[family]):
        for own in tree:
            n = rng.integers(1, 4 if family == "poisson" else 12)
            y = rng.multinomial(own, np.ones(n) / n) if family == "poisson" else rng.random(n) < own
            rows += [(int(v), a, level) for v in y]
            level += 1
    return pd.DataFrame(rows, columns=["y", "a", "b"]).assign(x=rng.normal(size=len(rows)).round(2))


def message(family, y, eta, s, total):
    """Of a level the function that its rows leave of t, what the effects above add up to."""
    low, high, n = -9 * total - 8, 9 * total + 8, 4001
    for narrow in (True, False):
        w = np.linspace(low, high, n)
        at = eta[:, None] + w
        each = y[:, None] * at - (np.exp(at) if family == "poisson" else np.logaddexp(0, at))
        f = each.sum(axis=0)
        if narrow:
            near = np.flatnonzero(
                f - w**2 / (2 * total**2) > (f - w**2 / (2 * total**2)).max() - 4e3
            )
            low, high = w[max(near[0] - 1, 0)], w[min(near[-1] + 1, n - 1)]
            n = int(np.clip(3 * (high - low) / min(s, 1 / np.sqrt(1 + y.sum())), 400, 8_000))

    def of(t):
        z = (w - t[:, None]) / s
        scale = np.log((w[1] - w[0]) / (s * np.sqrt(2 * np.pi)))
        return special.logsumexp(f - 0.5 * z * z, axis=1) + scale

    return of


def by_sums(family, data, eta, s, above):
    """(A,) log likelihood of each tree, but for what depends on the data alone."""
    found = []
    for a in np.unique(data.a):
        mine = data.a == a
        levels = [
            message(family, data.y[own].to_numpy(), eta[own], s, np.hypot(s, above))
            for own in (mine & (data.b == b) for b in np.unique(data.b[mine]))
        ]
        t = np.linspace(-9 * above - 8, 9 * above + 8, 601)
        for _ in range(3):
            g = sum(m(t) for m in levels) - t * t / (2 * above**2)
            near = np.flatnonzero(g > g.max() - 40)
            low, high = t[max(near[0] - 1, 0)], t[min(near[-1] + 1, len(t) - 1)]
            log = special.logsumexp(g) + np.log((t[1] - t[0]) / (above * np.sqrt(2 * np.pi)))
            t = np.linspace(low, high, 65)
        found.append(log)
    return np.array(found)


def density(family):
    data = trees(family)
    spec = mb.Model("y ~ x + (1 | a/b)", data, family=family).spec
    given = spec.design, spec.family, spec.priors
    return data, QuadratureDensity.of(*given, Rule.product(9, 1))


def point(found, s, above):
    (inner, outer), theta = found.layout.joint.groups, np.zeros(found.ndim)
    assert inner.n_levels > outer.n_levels
    theta[:] = np.log(s), np.log(above), 0.5, 0.3
    return theta


def of_trees(found, nodes, theta):
    each, last = found.by(Rule.product(nodes, 1)).groups(theta)[0], found.tree.levels[-1]
    return each[-len(last) :][np.argsort(last)]


@pytest.mark.parametrize("family", ["poisson", "bernoulli"])
def test_values(family):
    """Errors of each tree are small by few nodes, wherever sds are, and vanish with more."""
    data, found = density(family)
    columns = found.layout.joint.columns(found.layout.joint.design.mu.X)[:, 0]
    exact = [by_sums(family, data, 0.5 + 0.3 * columns, *sds) for sds in SDS]
    points = [point(found, *sds) for sds in SDS]
    constant = of_trees(found, 45, points[0]) - exact[0]
    for sds, theta, expected in zip(SDS, points, exact, strict=True):
        large = max(sds)
        few, more, many = (of_trees(found, k, theta) - constant for k in (9, 15, 45))
        bound = 2e-4 if large < 1 else 0.02 if large < 3 else 0.2
        np.testing.assert_allclose(few, expected, atol=bound, rtol=0)
        np.testing.assert_allclose(more, expected, atol=bound / (2 if large > 3 else 10), rtol=0)
        np.testing.assert_allclose(many, expected, atol=1e-2 if large > 3 else 1e-4, rtol=0)


@pytest.mark.parametrize("family", ["poisson", "bernoulli"])
def test_slopes_are_those_of_values(family):
    """Where each t has nodes of its own, where they are one lattice, and where lattices grow."""
    _, found = density(family)
    fine = found.by(Rule.product(31, 1))
    for sds in SDS[:-1]:
        theta = point(found, *sds)
        gradient = fine.logp_grad(theta)[1]
        steps = 1e-4 * np.eye(fine.ndim)
        expected = [(fine.logp(theta + e) - fine.logp(theta - e)) / 2e-4 for e in steps]
        np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=5e-3)


def test_nothing_jumps():
    """Lattices get further nodes as sds grow; the curvature at a mode comes from differences."""
    _, found = density("bernoulli")
    path = [point(found, np.exp(u), 1.0) for u in np.arange(-1.0, 0.0, 0.002)]
    values, slopes = zip(*(found.logp_grad(theta) for theta in path), strict=True)
    assert np.abs(np.diff(values, 2)).max() < 2e-4
    assert np.abs(np.diff(slopes, 2, axis=0)).max() < 2e-3


@pytest.mark.parametrize("sds", [(1e-30, 0.5), (0.5, 1e-30), (1e-200, 1e-200)])
def test_sds_of_nothing_are_the_limit(sds):
    _, found = density("poisson")
    near = point(found, *np.maximum(sds, 1e-5))
    theta = point(found, *sds)
    np.testing.assert_allclose(of_trees(found, 9, theta), of_trees(found, 9, near), rtol=1e-5)
    (value, slope), prior = found.logp_grad(theta), found.logp_grad(near)[1]
    assert np.isfinite(value)
    np.testing.assert_allclose(slope, prior, rtol=1e-3, atol=0.02)
