"""Nested factors: effects integrated from the finest to the coarsest, against grids."""

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import mixedbayes as mb
from mixedbayes import jit
from mixedbayes.joint.density import JointDensity
from mixedbayes.quadrature import evidence
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
    density = QuadratureDensity.of(*given, Rule.product(41, 1))
    theta = 0.2 * np.random.default_rng(2).normal(size=density.ndim)
    return data, JointDensity.of(*given), density, theta


def log_mass(family, y, eta):
    if family == "poisson":
        return y * eta - np.exp(eta) - special.gammaln(y + 1)
    return y * eta - np.logaddexp(0, eta)


def integrated(family, levels, scales, y, eta, x, w, depth=0, rows=slice(None)):
    """log likelihood (len(x), ...) of rows, all effects from `depth` on integrated on a grid.

    `levels` are codes of rows, the coarsest factor first; x and w nodes and log weights; of what
    lies above the rows have eta (n, ...).
    """
    if depth == len(levels):
        return log_mass(family, y[rows].reshape(-1, *[1] * (eta.ndim - 1)), eta).sum(axis=0)
    total = 0.0
    own = levels[depth][rows]
    for level in np.unique(own):
        here = np.flatnonzero(own == level)
        inside = np.arange(len(y))[rows][here]
        more = eta[here][..., None] + scales[depth] * x
        value = integrated(family, levels, scales, y, more, x, w, depth + 1, inside)
        total = total + special.logsumexp(value + w, axis=-1)
    return total


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


def three(family, n=(2, 2, 2, 2)):
    """Coarsest levels, levels within each, within each of those, and rows."""
    rng = np.random.default_rng(4)
    a, b, c = (np.repeat(np.arange(np.prod(n[:k])), np.prod(n[k:])) for k in (1, 2, 3))
    data = pd.DataFrame({"a": a, "b": b, "c": c, "x": rng.normal(size=np.prod(n))})
    data = data.sample(frac=0.8, random_state=1).reset_index(drop=True)
    eta = 0.3 + 0.3 * data.x + rng.normal(size=n[0])[data.a]
    y = rng.poisson(np.exp(eta)) if family == "poisson" else rng.random(len(data)) < 0.6
    return data.assign(y=y.astype(int))


def grid_value(family, data, joint, theta):
    layout = joint.layout
    h, n = layout.n_hyper, layout.n_effects
    sds = dict(zip([g.name for g in layout.groups], layout.hyper(theta[None, :h])[0], strict=True))
    order = sorted(layout.groups, key=lambda g: g.n_levels)
    scales = [float(sds[g.name][0, 0]) for g in order]
    levels = [np.asarray(g.refs).ravel() for g in order]
    eta = theta[h] + layout.columns(layout.design.mu.X) @ theta[h + 1 :]
    at_zero = joint.logp_grad(np.concatenate([theta[:h], np.zeros(n), theta[h:]]))[0]
    y, x = data["y"].to_numpy(), np.linspace(-7, 7, 57)
    w = stats.norm.logpdf(x) + np.log(x[1] - x[0])
    found = integrated(family, levels, scales, y, eta, x, w)
    return at_zero - log_mass(family, y, eta).sum() + n * 0.5 * np.log(2 * np.pi) + float(found)


@pytest.mark.parametrize("family", ["poisson", "bernoulli"])
def test_three_levels(family):
    data = three(family)
    spec = mb.Model("y ~ x + (1 | a) + (1 | c) + (1 | b)", data, family=family).spec
    given = spec.design, spec.family, spec.priors
    joint, density = JointDensity.of(*given), QuadratureDensity.of(*given, Rule.product(31, 1))
    theta = 0.2 * np.random.default_rng(2).normal(size=density.ndim)
    assert density.logp(theta) == pytest.approx(grid_value(family, data, joint, theta), abs=1e-8)
    steps = 1e-5 * np.eye(density.ndim)
    expected = [(density.logp(theta + e) - density.logp(theta - e)) / 2e-5 for e in steps]
    np.testing.assert_allclose(density.logp_grad(theta)[1], expected, rtol=1e-5, atol=1e-5)
    few = density.by(Rule.product(9, 1))
    assert few.logp(theta) == pytest.approx(density.logp(theta), abs=5e-3)
    assert few.started(theta).logp(theta) == pytest.approx(few.logp(theta), abs=1e-4)


def test_trees_in_several_blocks():
    """More rows than a block has; each level in its place."""
    data = three("bernoulli", (150, 3, 2, 3))
    spec = mb.Model("y ~ x + (1 | a / b)", data, family="bernoulli").spec
    given = spec.design, spec.family, spec.priors
    joint, density = JointDensity.of(*given), QuadratureDensity.of(*given, Rule.product(25, 1))
    assert len(density.blocks.groups) > 2
    theta = 0.2 * np.random.default_rng(2).normal(size=density.ndim)
    assert density.logp(theta) == pytest.approx(
        grid_value("bernoulli", data, joint, theta), rel=1e-9
    )
    each, u = density.groups(theta)
    others = [density.by(Rule.product(k, 1)).logp(theta) for k in (11, 15, 19, 21)]
    np.testing.assert_allclose(others, density.logp(theta), atol=1e-3)
    assert np.count_nonzero(each) == 150
    inner, outer = density.tree.split(u)
    near = JointDensity.of(*given).logp_grad(
        np.concatenate([theta[:2], inner[0], outer[0], theta[2:]])
    )[1]
    assert np.abs(near[2:-2]).max() < 0.05  # modes of all effects together


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


def test_draws_of_three_levels():
    """Means of all effects given the rest, beside NUTS' over the effects by importance weights."""
    data = three("poisson")
    spec = mb.Model("y ~ x + (1 | a/b/c)", data, family="poisson").spec
    given = spec.design, spec.family, spec.priors
    joint, density = JointDensity.of(*given), QuadratureDensity.of(*given, Rule.product(15, 1))
    theta = 0.2 * np.random.default_rng(2).normal(size=density.ndim)
    h, S, rng = joint.layout.n_hyper, 4000, np.random.default_rng(3)
    points = np.broadcast_to(theta, (S, len(theta)))
    drawn = draw_all(density, points[:, :h], points[:, h:], rng, 2)
    sds = [s[0, 0] for s in joint.layout.hyper(theta[None, :h])[0]]
    own = np.concatenate([b[:, :, 0] / s for b, s in zip(drawn, sds, strict=True)], axis=1)
    centre, cov = own.mean(axis=0), np.cov(own.T)
    near = stats.multivariate_t(centre, cov, df=8, seed=1)
    u = near.rvs(40_000)
    log = np.array([joint.logp_grad(np.concatenate([theta[:h], v, theta[h:]]))[0] for v in u])
    weights = np.exp(log - near.logpdf(u) - (log - near.logpdf(u)).max())
    weights /= weights.sum()
    assert 1 / (weights**2).sum() > 10_000
    mean = weights @ u
    sd = np.sqrt(weights @ (u - mean) ** 2)
    np.testing.assert_allclose(centre, mean, atol=5 / np.sqrt(S))
    np.testing.assert_allclose(own.std(axis=0), sd, rtol=0.08)
    np.testing.assert_allclose(
        np.corrcoef(own.T), (u - mean).T @ ((u - mean) * weights[:, None]) / np.outer(sd, sd),
        atol=0.08,
    )  # fmt: skip


def test_chosen_where_it_is_faster():
    """From 1,000 levels on, 100 of them the coarsest."""
    many = three("poisson", (200, 5, 1, 2))
    chosen = mb.Model("y ~ x + (1 | a/b)", many, family="poisson").formulation
    assert str(chosen) == "Quadrature()"
    for few, said in [((99, 12, 1, 1), "99 of them the coarsest"), ((150, 5, 1, 2), "869 levels")]:
        data = three("poisson", few)
        chosen = mb.Model("y ~ x + (1 | a/b)", data, family="poisson").formulation
        assert chosen.engine.name == "joint"
        assert said in chosen.reason
    asked = mb.Model("y ~ x + (1 | a/b)", data, family="poisson", formulation=mb.Quadrature())
    assert str(asked.formulation) == "Quadrature()"


def test_rows_that_are_not_concave_are_integrated_on_request_alone():
    many = three("poisson", (200, 5, 1, 2))
    model = mb.Model("y ~ x + (1 | a/b)", many, family="zero_inflated_poisson")
    assert model.formulation.engine.name == "joint"
    assert "not log-concave are integrated out where" in model.formulation.reason


@pytest.mark.parametrize(
    ("effects", "names"),
    [
        ("(1 | a/b)", {"nested", "draw_nested"}),
        ("(1 | a)", {"draw_effects"}),
    ],
)
def test_what_a_first_fit_needs_is_compiled_beside_it(monkeypatch, effects, names):
    class Told(Exception):
        pass

    def ahead(*functions):
        raise Told({f.symbol.rpartition(".")[2] for f in functions})

    monkeypatch.setattr(jit, "ahead", ahead)
    model = mb.Model(f"y ~ x + {effects}", few(), family="poisson", formulation=mb.Quadrature())
    with pytest.raises(Told) as told:
        model.fit(progress=False)
    common = {"find_modes", "expect", "integrate", "marginal"}
    common |= {"to_theta", "to_z", "chain", "accepted_turns"}
    assert told.value.args == (names | common,)


def spread():
    """Counts of levels so far apart that few nodes do not follow them where sds are larger."""
    counts = (
        "0 1 0 0 1 1 0 0 1 28 31 36 4 4 3 2 0 1 0 0 0 0 0 0 3 0 1 3 2 3 8 2 6 0 0 0 "
        "0 0 1 1 1 2 4 3 1 0 0 1 3 1 2 0 0 0 0 0 0 1 1 1 1 1 0 1 0 0 214 218 223 0 0 0"
    )
    b = np.repeat(np.arange(24), 3)
    a = np.repeat(np.arange(8), 3 * np.tile([2, 3, 4, 3], 2))
    x = np.random.default_rng(72).normal(0.5, 1, 72).round(2)
    return pd.DataFrame({"y": [int(y) for y in counts.split()], "x": x, "a": a, "b": b})


def test_counts_far_apart_are_integrated_by_few_nodes():
    """Also where sds are 6 posterior sds larger or smaller than likely."""
    priors = {"Intercept": mb.Normal(0.5, 1), "fixef": mb.Normal(0, 0.5), "sd": mb.HalfNormal(1)}
    model = mb.Model("y ~ x + (1 | a/b)", spread(), family="poisson", priors=priors)
    given = model.spec.design, model.spec.family, model.spec.priors
    found = evidence.integrated(*given, None, 1)
    assert found.nodes <= 15
    assert max(found.change, found.far) < 0.01
    fine = found.white.by(Rule.product(45, 1))
    for z in 6.0 * np.concatenate([np.eye(4), -np.eye(4)]):
        assert found.white.logp(z) == pytest.approx(fine.logp(z), abs=0.5)


def test_summaries_of_nested_levels_are_refused_before_anything_is_sampled():
    model = mb.Model("y ~ x + (1 | a/b)", few(), family="poisson", formulation=mb.Quadrature())
    with pytest.raises(mb.SamplingError, match="of one factor on the mean"):
        model.fit(effects="summary", progress=False)


@pytest.mark.parametrize(
    ("effects", "said"),
    [
        ("(x | a/b)", "a:b lies within a, and levels have several effects"),
        ("(0 + x | a) + (1 | a:b)", "a:b lies within a, and their effects differ"),
        ("(1 | a) + (1 | z)", "levels of z lie in several levels of a"),
        ("(1 | a) + (1 | w)", "levels each, so that neither is the finer one"),
    ],
)
def test_others_are_refused(effects, said):
    data = few().assign(z=np.arange(18) % 5, w=few()["a"].to_numpy()[::-1])
    with pytest.raises(mb.ModelError, match=said):
        mb.Model(f"y ~ x + {effects}", data, family="poisson", formulation=mb.Quadrature())
