"""Related levels beside the same levels unrelated, in models of counts and binary responses.

The intercept, what related effects have in common, and the two effects of one level are known
together and badly apart from each other: each pair made chains diverge or stay behind.
"""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.joint.density import JointDensity
from mixedbayes.joint.laplace import approximate

FORMULA = "y ~ x + (1 | gr(species, cov=A)) + (1 | species)"
QUANTITIES = ("Intercept", "sd_species", "sd_species_A")


def coalescent(J, rng):
    """Correlations of Brownian motion on a coalescent tree."""
    clades, shared, height = [[i] for i in range(J)], np.zeros((J, J)), 0.0
    while len(clades) > 1:
        k = len(clades)
        height += rng.exponential(2 / (k * (k - 1)))
        i, j = sorted(rng.choice(k, 2, replace=False))
        shared[np.ix_(clades[i], clades[j])] = shared[np.ix_(clades[j], clades[i])] = height
        clades[i] += clades.pop(j)
    species = [f"s{i:02d}" for i in range(J)]
    return pd.DataFrame(1 - shared / height, index=species, columns=species)


def simulated(family, seed):
    """30, 40 or 60 species; 4 to 12 rows each; sds of 0.3 to 1.2 and of 0.1 to 0.8."""
    rng, J = np.random.default_rng(1000 + seed), (30, 40, 60)[seed % 3]
    n = (4, 6, 8)[seed // 3 % 3] if family == "poisson" else 12
    A = coalescent(J, rng)
    related, own = rng.uniform(0.3, 1.2), rng.uniform(0.1, 0.8)
    root = np.linalg.cholesky(A.to_numpy() + 1e-10 * np.eye(J))
    b = related * root @ rng.normal(size=J) + own * rng.normal(size=J)
    at, x = np.repeat(np.arange(J), n), rng.normal(size=J * n)
    eta = 0.5 + 0.3 * x + b[at]
    p = 1 / (1 + np.exp(-eta))
    y = rng.poisson(np.exp(eta)) if family == "poisson" else rng.binomial(1, p)
    return mb.Model(
        FORMULA, pd.DataFrame({"y": y, "x": x, "species": A.index[at]}),
        family=family, known={"A": A},
    )  # fmt: skip


def test_the_posterior_is_nearly_normal_in_its_coordinates():
    """Gradients are those of N(0, I), also with either sd far out on the left."""
    model = simulated("poisson", 7)
    plain = JointDensity.of(model.design, model.family, model.spec.priors)
    near = approximate(plain)
    white = plain.whitened(near, near.coordinates)
    z = np.random.default_rng(0).standard_normal((64, white.ndim))
    z[:32, 0] -= 2
    z[32:, 1] -= 2
    away = np.array([white.logp_grad(row)[1] for row in z]) + z
    assert np.sqrt(np.mean(away**2, axis=0)).max() < 2


def test_chains_converge_that_diverged():
    fit = simulated("poisson", 7).fit(seed=7, progress=False)
    found = fit.diagnostics()
    assert found.ok, str(found)
    assert found.table.loc[["sd_species_A[Intercept]", "Intercept"], "ess_bulk"].min() > 1500


@pytest.mark.slow
@pytest.mark.parametrize(("family", "sets"), [("poisson", 12), ("bernoulli", 6)])
def test_all_simulated_data_sets_converge_by_default(family, sets):
    said = []
    for seed in range(sets):
        found = simulated(family, seed).fit(seed=seed, progress=False).diagnostics()
        if not found.ok:
            said.append(f"{seed}: {found}")
    assert not said, "\n".join(said)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "seed"), [("poisson", 6), ("bernoulli", 2)])
def test_the_posterior_is_that_of_pymc(family, seed):
    model = simulated(family, seed)
    settings = {"seed": 1, "progress": False, "draws": 2000}
    joint = model.fit(**settings)
    other = mb.Model(
        FORMULA, model.data, family=family, known={"A": model.known["A"]},
        formulation=mb.NonCentered(),
    ).fit(**settings, target_accept=0.99)  # fmt: skip
    for name in QUANTITIES:
        one, two = (fit.idata.posterior[name].to_numpy().ravel() for fit in (joint, other))
        assert one.mean() == pytest.approx(two.mean(), abs=0.1 * two.std()), name
        assert one.std() == pytest.approx(two.std(), rel=0.1), name
