"""Effects in chains, ar1 and ou, through their sparse precision: the dense route is the oracle."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.checks.evidence import unconstrained
from mixedbayes.marginal import chained
from mixedbayes.marginal.chained import Chained
from mixedbayes.marginal.density import MarginalDensity
from mixedbayes.marginal.effects import conditional_moments
from mixedbayes.marginal.kernel import kernel_for
from mixedbayes.marginal.mode import find_mode
from mixedbayes.marginal.setup import set_up
from mixedbayes.model.coords import dims_of
from mixedbayes.model.marginal import build_marginal, constrained_of, simulate, variables
from mixedbayes.results.posterior import Posterior
from mixedbayes.terms.registry import COVARIANCES
from mixedbayes.theta.logpriors import LOG

J, T = 5, 11


def frame(seed=0):
    """Subjects at times, of which some are missing, in no order."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0, 9, T))
    d = pd.DataFrame({"id": np.repeat(np.arange(J), T), "visit": np.tile(np.arange(T), J)})
    d["week"] = np.array([0, 1, 2, 4, 5, 6, 8, 12, 13, 14, 20])[d.visit]
    d["time"], d["x"], d["w"] = times[d.visit], rng.normal(2, 1, len(d)), rng.uniform(0.5, 2, J * T)
    d["site"], d["visit2"] = rng.integers(0, 4, len(d)), d.visit
    d["animal"] = d.id.map(dict(enumerate("abcde")))
    d["y"] = 3 + 0.5 * d.x + rng.normal(0, 1, J)[d.id] + rng.normal(0, 1, len(d))
    gone = rng.choice(len(d), 9, replace=False)
    return d.drop(index=gone).sample(frac=1, random_state=seed)


def kin():
    A = 0.5 ** np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    return mb.Relation(A, list("abcde"))


# formula, what else Model takes
MODELS = {
    "ar1": ("y ~ x + ar1(visit | id)", {}),
    "ar1 with gaps": ("y ~ x + ar1(week | id)", {}),
    "ou": ("y | weights(w) ~ x + ou(time | id)", {}),
    "beside groups": ("y ~ x + (1 | id) + ou(time | id) + (1 | site) + (1 | visit2)", {}),
    "beside slopes": ("y ~ x + ar1(visit | id) + (x | site)", {}),
    "residuals": ("y ~ x + ou(time | id)", {"residual": "ar1(visit | site, by=w2)"}),
    "ou beside residuals": ("y ~ ou(time | id)", {"residual": "ar1(visit | site)"}),
    "sampled": ("y ~ x + ar1(visit | id)", {"priors": {"fixef": mb.StudentT(3, 0, 1)}}),
    "sigma": (["y ~ ar1(visit | id) + s(x, k=5)", "sigma ~ x"], {}),
    "related": ("y ~ x + ar1(visit | gr(animal, cov=A))", {"known": {"A": kin()}}),
}  # fmt: skip


def spec_of(name):
    formula, given = MODELS[name]
    data = frame()
    if "residual" in given:  # one row of each visit in a group
        data = data.assign(site=data.id, w2=np.where(data.id > 2, "a", "b"))
    return mb.Model(formula, data, **given).spec


def set_ups(spec, monkeypatch):
    """Through the precision, and dense."""
    sparse = set_up(spec.design, spec.priors)
    monkeypatch.setattr(chained, "FEWEST", 1000)
    return sparse, set_up(spec.design, spec.priors)


@pytest.mark.parametrize("name", MODELS)
def test_density_and_gradient_are_those_of_dense_covariances(name, monkeypatch):
    sparse, dense = set_ups(spec_of(name), monkeypatch)
    assert len(sparse.chains) == 1
    assert not dense.chains
    one, other = (MarginalDensity(s.layout, s.problem) for s in (sparse, dense))
    assert one.layout.names == other.layout.names
    rng = np.random.default_rng(1)
    for theta in (np.zeros(one.ndim), *rng.normal(0, 0.7, (3, one.ndim))):
        (found, slopes), (value, gradient) = one.logp_grad(theta), other.logp_grad(theta)
        assert found == pytest.approx(value, rel=1e-10, abs=1e-9)
        np.testing.assert_allclose(slopes, gradient, rtol=1e-8, atol=1e-8)
        assert one.logp(theta) == found


@pytest.mark.parametrize("rho", [-0.9999, 0.0, 1 - 1e-9])
def test_extreme_correlations(rho, monkeypatch):
    spec = spec_of("ar1")
    one, other = (MarginalDensity(s.layout, s.problem) for s in set_ups(spec, monkeypatch))
    theta = np.array([0.3, np.arctanh(rho), -0.2])
    assert one.logp(theta) == pytest.approx(other.logp(theta), rel=1e-7)


@pytest.mark.parametrize("name", ["ar1 with gaps", "beside groups", "related"])
def test_effects_have_the_moments_of_dense_covariances(name, monkeypatch):
    spec = spec_of(name)
    sparse, dense = set_ups(spec, monkeypatch)
    theta = np.random.default_rng(2).normal(0, 0.5, MarginalDensity(dense.layout, None).ndim)
    known = dense.layout.constrained(theta)
    L = [known.L[g.name] for g in dense.integrated]
    means, covs = conditional_moments(dense.problem, L, known.residual, known.v)
    S = 3000
    many = sparse.layout.constrained(np.tile(theta, (S, 1)))
    drawn = sparse.parameters(many, np.random.default_rng(3))
    kept, summaries = sparse.summaries(
        sparse.layout.constrained(np.tile(theta, (2, 1))), np.random.default_rng(4), (0.025, 0.5)
    )
    assert kept.keys() == {k for k in drawn if not k.startswith("ranef")}
    for g, mean, cov in zip(dense.integrated, means, covs, strict=True):
        b = drawn[names.ranef(g.name)]
        sd = np.sqrt(np.einsum("gtt->gt", cov))
        assert np.abs(b.mean(axis=0) - mean).max() < 4.5 * sd.max() / np.sqrt(S)
        for j in range(len(cov)):
            np.testing.assert_allclose(np.cov(b[:, j].T), cov[j], atol=0.1 * sd.max() ** 2)
        np.testing.assert_allclose(summaries[g.name][0].mean, mean, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(summaries[g.name][0].sd, sd, rtol=1e-8)
    told = {k: v for k, v in drawn.items() if k.startswith(("sd_", "cor_", "sigma"))}
    dense_told = dense.parameters(
        dense.layout.constrained(np.tile(theta, (2, 1))), np.random.default_rng(3)
    )
    for k, v in told.items():
        np.testing.assert_allclose(v[0], dense_told[k][0], rtol=1e-10)


def test_the_marginal_model_of_pymc_has_the_density():
    """log p of two points differs by as much, but for the Jacobians of the coordinates."""
    spec = spec_of("ou beside residuals")
    setup = set_up(spec.design, spec.priors)
    density, layout = MarginalDensity(setup.layout, setup.problem), setup.layout
    model = build_marginal(spec, setup)
    logp = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    theta = np.random.default_rng(5).normal(0, 0.4, (2, layout.ndim))
    c = layout.constrained(theta)
    draws = setup.parameters(c, np.random.default_rng(0))
    again = constrained_of(setup, {name: draws[name] for name in variables(setup)})
    np.testing.assert_allclose(layout.unconstrained(again), theta, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(again.residual, c.residual, rtol=1e-8)

    def theirs(k):
        values = {
            "sd_id": c.sd["id"][k, :1], "sigma": c.sigma[k], "partial_cor": c.cor["id"][k],
            "partial_rho": (1 + c.numbers[k].ravel()) / 2,
        }  # fmt: skip
        point = {}
        for rv, value in zip(model.free_RVs, model.value_vars, strict=True):
            x = next(x for name, x in values.items() if rv.name.startswith(name))
            logit = rv.name == "partial_rho"
            t = np.log(x) - np.log1p(-x) if logit else np.log(x)
            point[value.name] = np.reshape(t, rv.eval(mode="FAST_COMPILE").shape)
        return float(logp(point))

    def ours(k):
        rho = c.numbers[k].ravel()
        slopes = theta[k][layout.table.codes[:, 1] == LOG].sum() + np.log1p(-(rho**2)).sum()
        return density.logp(theta[k]) - slopes

    assert theirs(0) - theirs(1) == pytest.approx(ours(0) - ours(1), abs=1e-7)


def test_simulated_responses_have_the_covariance():
    spec = spec_of("ar1 with gaps")
    setup = set_up(spec.design, spec.priors)
    theta = np.array([0.4, 0.8, -0.7])
    c = setup.layout.constrained(theta)
    population = [mb.Normal(0.0, 1e-9)] * len(setup.population.priors)
    object.__setattr__(setup.population, "priors", tuple(population))
    L, rng = setup.factors(c), np.random.default_rng(6)
    y = np.array([simulate(setup, spec.design, L, c.residual, c.v, rng) for _ in range(4000)])
    (g,) = spec.design.mu.groups
    week = np.array(g.covariance.at)[np.argmax(g.Z, axis=1)]
    same = g.refs[:, None] == g.refs
    R = np.tanh(0.8) ** np.abs(np.subtract.outer(week, week)) * same
    expected = np.exp(0.8) * R + np.exp(-1.4) * np.eye(len(week))
    z = np.linalg.solve(np.linalg.cholesky(expected), y.T)
    away = (z @ z.T / 4000 - np.eye(len(z))) * np.sqrt(4000)
    assert np.mean(away**2) == pytest.approx(1, abs=0.1)


def test_free_variables_are_found_again(monkeypatch):
    """Spherical effects and unit numbers of the joint model, from draws."""
    spec = spec_of("beside groups")
    sparse, dense = set_ups(spec, monkeypatch)
    theta = np.random.default_rng(7).normal(0, 0.4, (3, sparse.layout.ndim))
    draws = sparse.parameters(sparse.layout.constrained(theta), np.random.default_rng(8))
    own = Posterior(spec, posterior_of(draws, spec))
    np.testing.assert_allclose(unconstrained(own, sparse)[0], theta, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(unconstrained(own, dense)[0], theta, rtol=1e-6, atol=1e-7)


def posterior_of(draws, spec):
    dims = dims_of(spec)
    return xr.DataTree.from_dict({
        "posterior": xr.Dataset({
            name: (("chain", "draw", *dims[name]), value[None]) for name, value in draws.items()
        })
    })  # fmt: skip


def test_few_effects_and_other_structures_stay_dense():
    data = frame()
    for bars, chain in (
        ("ar1(visit | id)", True), ("toep(visit | id)", False), ("hetar1(visit | id)", False),
        ("(x | id)", False), ("ou(site | id)", False),
    ):  # fmt: skip
        (g,) = mb.Model(f"y ~ {bars}", data).design.mu.groups
        assert (Chained.of(g) is not None) == chain


@pytest.mark.parametrize(("structure", "n_times"), [("ar1", 400), ("ou", 2000)])
def test_long_series(structure, n_times):
    """Sizes that a dense covariance could not have: the exact density of a normal series."""
    rng = np.random.default_rng(9)
    time = np.arange(n_times) if structure == "ar1" else np.sort(rng.uniform(0, 100, n_times))
    y = np.cumsum(rng.normal(0, 0.1, n_times)) + rng.normal(0, 0.3, n_times)
    data = pd.DataFrame({"y": y, "g": "a", "time": time})
    spec = mb.Model(f"y ~ {structure}(time | g)", data).spec
    setup = set_up(spec.design, spec.priors)
    density = MarginalDensity(setup.layout, setup.problem)
    mode = find_mode(density)
    assert mode.converged
    c = setup.layout.constrained(mode.theta)
    if n_times > 400:
        return
    R = COVARIANCES[structure].placed(time, "time").matrix(c.cor["g"], n_times)
    (intercept,) = setup.population.priors
    cov = float(c.sd["g"][0]) ** 2 * R + float(c.sigma) ** 2 * np.eye(n_times)
    mean = np.full(n_times, intercept.mu)
    exact = stats.multivariate_normal.logpdf(y, mean, cov + intercept.sigma**2)
    x = setup.problem.pack(setup.factors(c), c.residual, c.v)
    value = kernel_for(setup.problem)(x, np.empty(0), setup.problem.ints, setup.problem.floats)
    assert value == pytest.approx(exact, rel=1e-9)
