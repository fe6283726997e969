"""Nested factors: the finer one's effects integrated given the coarser one's, against grids."""

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import mixedbayes as mb
from mixedbayes.joint.density import JointDensity
from mixedbayes.quadrature.density import QuadratureDensity
from mixedbayes.quadrature.draws import draw_all
from mixedbayes.quadrature.rule import Rule

GRID = np.linspace(-8, 8, 161)
STEP = GRID[1] - GRID[0]


def few():
    """Three outer levels with three, two and two inner ones."""
    rng = np.random.default_rng(1)
    inner = np.repeat(np.arange(7), [2, 3, 1, 4, 2, 3, 3])
    data = pd.DataFrame({"a": np.repeat([0, 1, 2], 6), "b": inner, "x": rng.normal(size=18)})
    return data.assign(y=rng.poisson(np.exp(0.4 + 0.3 * data.x)))


@pytest.fixture
def case():
    """Data, joint density, density by quadrature, and a point."""
    data = few()
    spec = mb.Model("y ~ x + (1 | a/b)", data, family="poisson").spec
    given = spec.design, spec.family, spec.priors
    density = QuadratureDensity.of(*given, Rule.product(25, 1))
    theta = 0.2 * np.random.default_rng(2).normal(size=density.ndim)
    return data, JointDensity.of(*given), density, theta


def by_grid(data, joint, theta):
    """The log density, and of each outer level its effect's weights and inner means given it."""
    layout = joint.layout
    h, n = layout.n_hyper, layout.n_effects
    (inner, outer), (sds, _, _) = layout.groups, layout.hyper(theta[None, :h])
    own, above = sds[0][0, 0], sds[1][0, 0]
    eta = theta[h] + layout.columns(layout.design.mu.X) @ theta[h + 1 :]
    at_zero = joint.logp_grad(np.concatenate([theta[:h], np.zeros(n), theta[h:]]))[0]
    y = data["y"].to_numpy()
    total = at_zero - stats.poisson.logpmf(y, np.exp(eta)).sum() + n * 0.5 * np.log(2 * np.pi)
    parents, refs = inner.parents(outer), np.asarray(inner.refs).ravel()
    weights, means = [], {}
    for a in range(outer.n_levels):
        log = stats.norm.logpdf(GRID)
        for j in np.flatnonzero(parents == a):
            rows = np.flatnonzero(refs == j)
            at = eta[rows, None, None] + above * GRID[:, None] + own * GRID
            each = stats.poisson.logpmf(y[rows, None, None], np.exp(at)).sum(axis=0)
            each = each + stats.norm.logpdf(GRID)
            sums = special.logsumexp(each, axis=1)
            log = log + sums + np.log(STEP)
            means[j] = np.exp(each - sums[:, None]) @ GRID
        total += special.logsumexp(log) + np.log(STEP)
        weights.append(np.exp(log - special.logsumexp(log)))
    return total, weights, [weights[parents[j]] @ means[j] for j in sorted(means)], (own, above)


def test_value_and_slopes(case):
    data, joint, density, theta = case
    assert density.logp(theta) == pytest.approx(by_grid(data, joint, theta)[0], abs=1e-8)
    steps = 1e-5 * np.eye(density.ndim)
    expected = [(density.logp(theta + e) - density.logp(theta - e)) / 2e-5 for e in steps]
    np.testing.assert_allclose(density.logp_grad(theta)[1], expected, rtol=1e-5, atol=1e-5)


def test_draws_have_the_moments_of_their_density(case):
    data, joint, density, theta = case
    _, weights, means, (own, above) = by_grid(data, joint, theta)
    S, h = 4000, joint.layout.n_hyper
    points = np.broadcast_to(theta, (S, len(theta)))
    near = density.by(Rule.product(11, 1))
    inner, outer = draw_all(near, points[:, :h], points[:, h:], np.random.default_rng(1), 2)
    for w, v in zip(weights, outer[:, :, 0].T / above, strict=True):
        mean = w @ GRID
        sd = np.sqrt(w @ GRID**2 - mean**2)
        assert v.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(S))
        assert v.std() == pytest.approx(sd, rel=0.06)
    np.testing.assert_allclose(inner[:, :, 0].mean(axis=0) / own, means, atol=4 / np.sqrt(S))


def test_the_posterior_is_that_of_all_effects():
    rng = np.random.default_rng(3)
    a = np.repeat(np.arange(20), 12)
    b = np.repeat(np.arange(60), 4)
    x = rng.normal(size=240)
    eta = 0.5 + 0.3 * x + 0.5 * rng.normal(size=20)[a] + 0.4 * rng.normal(size=60)[b]
    data = pd.DataFrame({"y": rng.poisson(np.exp(eta)), "x": x, "a": a, "b": b})
    fits = [
        mb.fit("y ~ x + (1 | a/b)", data, family="poisson", formulation=f, draws=500, seed=1,
               progress=False)
        for f in (mb.Quadrature(), mb.PartiallyCentered())
    ]  # fmt: skip
    one, other = (f.idata["posterior"] for f in fits)
    names = [name for name in map(str, one) if name.startswith(("sd_", "ranef_", "Inter", "fixef"))]
    assert len(names) >= 6
    for name in names:
        mean = [p[name].mean(("chain", "draw")).to_numpy() for p in (one, other)]
        sd = other[name].std(("chain", "draw")).to_numpy()
        assert np.abs((mean[0] - mean[1]) / sd).max() < 0.2
        ratio = one[name].std(("chain", "draw")).to_numpy() / sd
        assert np.abs(np.log(ratio)).max() < 0.2


def test_summaries_of_nested_levels_are_refused_before_anything_is_sampled():
    model = mb.Model("y ~ x + (1 | a/b)", few(), family="poisson", formulation=mb.Quadrature())
    with pytest.raises(mb.SamplingError, match="of one factor on the mean"):
        model.fit(effects="summary", progress=False)


def test_several_effects_of_nested_levels_are_refused():
    with pytest.raises(mb.ModelError, match=r"a:b lies within a, and levels have several effects"):
        mb.Model("y ~ x + (x | a/b)", few(), family="poisson", formulation=mb.Quadrature())
