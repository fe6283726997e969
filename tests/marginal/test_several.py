"""Several normal responses, exactly: the marginal density, its gradient and missing entries."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from several_responses import APART, CORRELATED, PLAIN, SMOOTH, STRUCTURED, frame, kin

import mixedbayes as mb
from mixedbayes.design.several_terms import called
from mixedbayes.marginal.density import Likelihood, MarginalDensity
from mixedbayes.marginal.setup import set_up


def dense(spec, c):
    """log p(y | variances), by the (n, n) covariance."""
    design, priors = spec.priors.moved(spec.design), spec.priors
    mu, sigma, n = design.predictors[0], design.predictor("sigma"), design.n
    free = list(priors.mu.plain)
    normals, X = [priors.mu.fixef[k].prior for k in free], mu.X[:, free]
    mean = X @ [p.mu for p in normals] + (0 if mu.offset is None else mu.offset)
    if priors.mu.monotonic:
        mean = mean + np.delete(mu.X, free, axis=1) @ c.v
    cov = X @ np.diag([p.sigma**2 for p in normals]) @ X.T
    for g in mu.groups:
        A, L = g.operator().toarray(), c.L[g.name]
        own = np.eye(g.n_levels) if g.related_to is None else g.related_to.covariance
        cov += A @ np.kron(own, L @ L.T) @ A.T
    sd = np.exp(sigma.X @ c.log_sigma)
    sd = sd if design.weights is None else sd / np.sqrt(design.weights)
    R = np.eye(n)
    if design.residual is not None:
        own = design.residual
        every = own.structure.root(c.numbers, own.n_positions)[0]
        every = every @ every.T
        same = own.refs[:, None] == own.refs
        R = np.where(same, every[np.ix_(own.places, own.places)], 0.0)
    return stats.multivariate_normal.logpdf(design.y, mean, cov + R * np.outer(sd, sd))


def at_random(formulas, d, seed):
    spec = mb.Model(formulas, d, known=kin() if "cov=A" in formulas[0] else None).spec
    setup = set_up(spec.design, spec.priors)
    theta = 0.4 * np.random.default_rng(seed).normal(size=setup.layout.ndim)
    c = setup.layout.constrained(theta)
    L = [c.L[f.name] for f in setup.layout.integrated]
    x = setup.problem.pack(L, c.residual, c.v)
    likelihood = Likelihood.of(setup.problem)
    value = likelihood.function(x, np.empty(0), likelihood.ints, likelihood.floats)
    return spec, setup, theta, c, value


@pytest.mark.parametrize("formulas", [CORRELATED, PLAIN, APART, SMOOTH, STRUCTURED])
def test_the_marginal_density_is_that_of_the_dense_normal(formulas):
    for seed in (1, 2):
        spec, setup, theta, c, value = at_random(formulas, frame(), seed)
        assert value == pytest.approx(dense(spec, c), abs=1e-8)
    density = MarginalDensity(setup.layout, setup.problem)
    _, slope = density.logp_grad(theta)
    for k in range(len(theta)):
        h = np.zeros(len(theta))
        h[k] = 1e-5
        both = [density.logp_grad(theta + s * h)[0] for s in (1, -1)]
        assert (both[0] - both[1]) / 2e-5 == pytest.approx(slope[k], rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    "right",
    [
        "age + (1 | child)",
        "age + s(o, k=4) + (1 | mm(school, school2))",
        "age + (0 + ar1(visit) | child) + (1 | gr(school, by=arm))",
    ],
)
def test_responses_without_anything_in_common_are_models_by_themselves(right):
    d = frame(missing="s(" not in right)  # curves are made for all rows of the frame
    d["arm"] = d["school"] % 2
    _, _, _, c, value = at_random([f"mv(weight, height, rescor=False) ~ {right}"], d, 3)
    total = 0.0
    for k, name in enumerate(("weight", "height")):
        one = mb.Model([f"{name} ~ {right}", "sigma ~ 1"], d).spec
        own, roots = set_up(one.design, one.priors), []
        for f in own.layout.integrated:
            g = one.design.mu.group(f.name)
            whole = c.L[called(name, g)]
            q = len(g.terms)
            mine = slice(None) if called(name, g) != f.name else slice(k * q, (k + 1) * q)
            roots.append(whole[mine, mine])
        x = own.problem.pack(roots, c.log_sigma[k : k + 1], np.zeros(0))
        likelihood = Likelihood.of(own.problem)
        total += likelihood.function(x, np.empty(0), likelihood.ints, likelihood.floats)
    assert value == pytest.approx(total, abs=1e-8)


def test_kin_of_which_none_are_related_are_plain_levels():
    nobody = {"A": pd.DataFrame(np.eye(7), range(7), range(7))}
    found = []
    for formula in (PLAIN[0], PLAIN[0].replace("child)", "gr(child, cov=A))")):
        known = nobody if "cov" in formula else None
        spec = mb.Model(formula, frame(), known=known).spec
        setup = set_up(spec.design, spec.priors)
        density = MarginalDensity(setup.layout, setup.problem)
        found.append(density.logp_grad(np.linspace(-0.5, 0.5, setup.layout.ndim)))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-12)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-9)


def test_a_missing_response_is_integrated_out():
    """p(known) is p(known, missing) over the missing one, by quadrature."""
    d = frame(n=12, missing=False)
    other = d.copy()
    other.loc[5, "height"] = np.nan
    spec, _, _, at, value = at_random(PLAIN, other, 4)
    whole = mb.Model(PLAIN, d).spec  # under the priors of the others, whatever the value
    place = list(whole.design.labels).index("5:height")
    grid, logs = np.linspace(-60, 60, 2401), []
    for y in grid:
        values = whole.design.y.copy()
        values[place] = y
        design = replace(whole.design, y=values)
        logs.append(dense(replace(whole, design=design, priors=spec.priors), at))
    total = np.logaddexp.reduce(logs) + np.log(grid[1] - grid[0])
    assert total == pytest.approx(value, abs=1e-6)
