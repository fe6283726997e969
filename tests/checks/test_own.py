import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made
from scipy import special, stats

import mixedbayes as mb
from mixedbayes.checks.group_density import integral
from mixedbayes.checks.own import Own, without_own

RNG = np.random.default_rng(5)
N, DRAWS = 48, 3
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=N),
        "count": RNG.poisson(4, N),
        "x": RNG.normal(size=N),
        "row": np.arange(N),
        "pair": np.arange(N) // 2,
        "four": np.arange(N) // 4,
        "other": np.arange(N) % 24,
        "a": np.repeat(np.arange(6), 8),
    }
)


def posterior(formula, family="gaussian"):
    return hand_made(formula, DATA, family, DRAWS, RNG)


@pytest.mark.parametrize(
    ("formula", "few"),
    [
        ("y ~ x + (1 | a)", 0),
        ("count ~ x + (1 | row)", N),
        ("count ~ x + (1 | pair)", N),
        ("y ~ x + (1 | four)", 0),
        ("y ~ x + (x | four)", N),
        ("y ~ x + (1 | a/pair)", N),
        ("y ~ x", 0),
    ],
)
def test_levels_of_few_rows_are_found(formula, few):
    family = "poisson" if formula.startswith("count") else "gaussian"
    assert len(Own.of(posterior(formula, family)).rows) == few


def test_effects_of_another_parameter_count_too():
    own = Own.of(posterior(["y ~ x + (1 | a)", "sigma ~ 1 + (1 | pair)"]))
    assert [(p, g.name, level) for p, g, level in own.blocks(5)] == [("sigma", "pair", 2)]


@pytest.mark.parametrize(
    "formula",
    ["y ~ x + (x | a)", "y ~ x + (1 | a) + (1 | pair)", "y ~ x + (1 | pair) + (1 | other)"],
)
def test_an_observation_given_the_rest_in_the_normal_model(formula):
    """The conditional normal density, of all effects that move together."""
    post = posterior(formula)
    design, own, row = post.design, Own.of(post), 3
    blocks = own.blocks(row)
    rows = np.flatnonzero(np.any([g.refs == level for _, g, level in blocks], axis=0))
    found = without_own(post, own, np.array([row]))[:, 0]
    for s in range(DRAWS):
        mean = post.intercept()[s] + design.mu.X[rows] @ post.fixef()[s]
        cov = np.eye(len(rows)) * post.parameters()["sigma"][s] ** 2
        for g in design.mu.groups:
            level = {h.name: level for _, h, level in blocks}.get(g.name)
            mine = g.refs[rows] == level
            Z = g.Z[rows] * mine[:, None]
            cov = cov + Z @ post.cov(g.name)[s] @ Z.T
            b = post.ranef(g.name)[s][g.refs[rows]]
            mean = mean + np.sum(g.Z[rows] * b, axis=1) * ~mine
        i, others = rows == row, rows != row
        gain = cov[i][:, others] @ np.linalg.inv(cov[others][:, others])
        centre = mean[i] + gain @ (design.y[rows] - mean)[others]
        spread = cov[i][:, i] - gain @ cov[others][:, i]
        expected = stats.norm.logpdf(design.y[row], centre, np.sqrt(spread[0]))
        assert found[s] == pytest.approx(expected[0])


@pytest.mark.parametrize(
    "formula",
    ["y ~ x + (x | four)", "y ~ x + (1 | a/pair)", "y ~ x + (1 | pair) + (1 | other)"],
)
def test_all_rows_at_once_are_densities_with_and_without_each(formula):
    """Of levels that are taken together as of those that are not."""
    post = posterior(formula)
    own = Own.of(post)
    rows = own.rows[::-1]
    found = without_own(post, own, rows)
    for at, row in enumerate(rows):
        blocks = own.blocks(row)
        every = np.flatnonzero(np.any([g.refs == level for _, g, level in blocks], axis=0))
        whole, known = (integral(post, blocks, r)[0] for r in (every, every[every != row]))
        np.testing.assert_allclose(found[:, at], whole - known, rtol=0, atol=1e-10)


def exact(y, refs):
    """(n,) log p(y_i | all other rows): a grid over intercept and sd, quadrature over effects."""
    a, tau = (
        grid.ravel() for grid in np.meshgrid(np.linspace(-1, 3, 81), np.linspace(0.01, 4, 90))
    )
    z, w = np.polynomial.hermite_e.hermegauss(60)
    log_w = np.log(w / w.sum())
    log_prior = stats.norm.logpdf(a, 1, 1) + stats.expon.logpdf(tau, scale=1)
    rows = stats.poisson.logpmf(y[:, None, None], np.exp(a[:, None] + tau[:, None] * z))

    def level(j, without=None):
        keep = (refs == j) & (np.arange(len(y)) != without)
        return special.logsumexp(rows[keep].sum(axis=0) + log_w, axis=1)

    levels = np.array([level(j) for j in range(refs.max() + 1)])
    whole = special.logsumexp(levels.sum(axis=0) + log_prior)
    out = [levels.sum(axis=0) - levels[j] + level(j, i) + log_prior for i, j in enumerate(refs)]
    return whole - special.logsumexp(out, axis=1)


@pytest.mark.parametrize("size", [1, 2])
def test_leaving_rows_out_agrees_with_quadrature(size):
    """An effect of each row, or of each pair, that its rows alone know."""
    rng = np.random.default_rng(2)
    refs = np.repeat(np.arange(40 // size), size)
    y = rng.poisson(np.exp(1 + rng.normal(size=40 // size)[refs]))
    priors = {"Intercept": mb.Normal(1, 1), "sd": mb.Exponential(1)}
    data = pd.DataFrame({"y": y, "g": refs})
    fit = mb.fit("y ~ 1 + (1 | g)", data, family="poisson", priors=priors, seed=1, progress=False)
    found, expected = fit.loo(refit=False), exact(y, refs)
    np.testing.assert_allclose(found.elpd_i, expected, atol=0.05)
    assert found.elpd == pytest.approx(expected.sum(), abs=0.2)
    assert (found.how == "integrated").all()
    assert "For all observations the effects of groups with few rows are" in found.verdict
    assert found.p > 10
