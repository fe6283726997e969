"""New levels that a known relation has, conditioned on given the effects of the fit's levels."""

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made
from scipy import stats

import mixedbayes as mb
from mixedbayes.errors import DataError, ModelError
from mixedbayes.predict.condition import condition_on

TREE = "((a:1,b:1):2,(c:2,(d:1,(e:0.5,f:0.5):0.5):1):1);"
FITTED = ["a", "c", "d"]


def frame(seed=1):
    rng = np.random.default_rng(seed)
    d = pd.DataFrame({"species": np.repeat(FITTED, 8), "x": rng.normal(size=24)})
    return d.assign(y=d.species.map({"a": 2.0, "c": -1, "d": -2}) + d.x + rng.normal(size=24))


@pytest.fixture(scope="module")
def known():
    return {"A": mb.phylogeny(TREE)}


def fitted(known, formula, **how):
    return mb.fit(formula, frame(), known=known, chains=1, draws=400, seed=1, progress=False, **how)


def covariance(known, rows, columns):
    A = known["A"]
    matrix = pd.DataFrame(np.asarray(A.matrix), A.levels, A.levels)
    return matrix.loc[rows, columns].to_numpy()


@pytest.mark.parametrize("bar", ["1", "x"])
def test_effects_are_normal_given_those_of_the_fit_and_the_rows(known, bar):
    fit = fitted(known, f"y ~ x + ({bar} | gr(species, cov=A))")
    post, factor = fit.posterior, "species[A]"
    rows = pd.DataFrame({"species": ["e", "b", "e"], "x": [0.2, -1, 1], "y": [-2.5, 3, -1.0]})
    found = fit.condition_on(rows, seed=1)
    new = found.levels[factor].levels.tolist()
    s, q = 11, len(post.group(factor).terms)
    b = post.ranef(factor)[s]  # (J, q)
    own = post.group(factor).levels.tolist()
    W = covariance(known, new, own) @ np.linalg.inv(covariance(known, own, own))
    left = covariance(known, new, new) - W @ covariance(known, own, new)
    prior_mean = (W @ b).ravel()
    V = np.kron(left, post.cov(factor)[s])
    Z = np.column_stack([np.ones(3), rows.x])[:, :q]
    A = np.zeros((3, 2 * q))
    for i, level in enumerate(rows.species):
        k = new.index(level)
        A[i, k * q : (k + 1) * q] = Z[i]
    noise = post.stacked("sigma")[s] ** 2 * np.eye(3)
    r = rows.y - post.intercept()[s] - rows.x * post.fixef()[s, 0] - A @ prior_mean
    gain = V @ A.T @ np.linalg.inv(A @ V @ A.T + noise)
    mean, after = prior_mean + gain @ r, V - gain @ A @ V
    np.testing.assert_allclose(found.effects.mean[s], mean, rtol=1e-8)
    np.testing.assert_allclose(found.effects.sd[s], np.sqrt(np.diag(after)), rtol=1e-7)
    assert set(found.ranef().level) == set(new)


def test_other_new_levels_are_given_the_conditioned_ones(known):
    fit = fitted(known, "y ~ x + (1 | gr(species, cov=A))")
    near = pd.DataFrame({"species": "f", "x": [0.0]})
    far = fit.predict(near, kind="mean")["mean"][0]
    rows = pd.DataFrame({"species": "e", "x": 0.0, "y": np.full(20, 5.0)})
    with pytest.warns(UserWarning, match="fit again"):
        found = fit.condition_on(rows)
    e, f = (found.predict(near.assign(species=s), kind="mean")["mean"][0] for s in "ef")
    assert 3 < e < 6
    assert far < 0 < f


def test_other_families_and_what_the_relation_lacks(known):
    d = frame().assign(count=np.random.default_rng(2).poisson(3, 24))
    rng, formula = np.random.default_rng(3), "count ~ x + (1 | gr(species, cov=A))"
    post = hand_made(formula, d, "poisson", 400, rng, known=known)
    rows = pd.DataFrame({"species": ["e", "e"], "x": 0.0, "count": [2, 9]})
    found, own = condition_on(post, rows, seed=1).ranef(), ["a", "c", "d"]
    w = covariance(known, ["e"], own) @ np.linalg.inv(covariance(known, own, own))
    mean = post.ranef("species[A]")[:, :, 0] @ w[0]
    left = covariance(known, ["e"], ["e"])[0, 0] - (w @ covariance(known, own, ["e"]))[0, 0]
    b = np.linspace(-8, 8, 2001)[:, None]
    mu = np.exp(post.intercept() + b)
    p = stats.norm(mean, post.sd("species[A]")[:, 0] * np.sqrt(left)).pdf(b)
    p = p * stats.poisson(mu).pmf(2) * stats.poisson(mu).pmf(9)
    expected = (b * p).sum() / p.sum()
    sd = np.sqrt((b**2 * p).sum() / p.sum() - expected**2)
    assert found["mean"][0] == pytest.approx(expected, abs=0.15 * sd)
    assert found["sd"][0] == pytest.approx(sd, rel=0.15)
    with pytest.raises(DataError, match=r"A lacks 1 of the levels of species\[A\].*'zebra'"):
        condition_on(post, rows.assign(species=["e", "zebra"]))
    student = "y ~ x + (1 | gr(species, cov=A, law='student'))"
    heavy = hand_made(student, frame(), "gaussian", 4, rng, known=known)
    with pytest.raises(ModelError, match="that are normal"):
        condition_on(heavy, rows.rename(columns={"count": "y"}))
