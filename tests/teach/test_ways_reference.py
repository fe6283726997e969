"""The forms against what is computed without them: from the data frame, by lme4, by sampling."""

from dataclasses import dataclass

import arviz as az
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import logsumexp

import mixedbayes as mb
from mixedbayes import names


@dataclass(frozen=True)
class Case:
    """A model, and where its columns and lme4's results are."""

    formula: str
    data: str
    reference: str
    x: tuple[str, ...] = ()  # covariates
    slopes: bool = False  # whether they vary too
    lme4: tuple[tuple[str, str], ...] = ()  # our factor, lme4's name of it


CASES = {
    "random intercept": Case(
        "Reaction ~ Days + (1 | Subject)",
        "sleepstudy",
        "lme4_sleepstudy_intercept",
        ("Days",),
        lme4=(("Subject", "Subject"),),
    ),
    "correlated slopes": Case(
        "Reaction ~ Days + (Days | Subject)",
        "sleepstudy",
        "lme4_sleepstudy_days_subject",
        ("Days",),
        True,
        (("Subject", "Subject"),),
    ),
    "nested": Case(
        "strength ~ 1 + (1 | batch/cask)",
        "pastes",
        "lme4_pastes_nested",
        lme4=(("batch", "batch"), ("batch:cask", "cask:batch")),
    ),
    "crossed": Case(
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        "penicillin",
        "lme4_penicillin_crossed",
        lme4=(("plate", "plate"), ("sample", "sample")),
    ),
}
EXACT = 1e-8


@dataclass(frozen=True)
class Plain:
    """The same model's arrays from the data frame alone, factors in the order of `Case.lme4`."""

    y: np.ndarray
    X: np.ndarray
    Z: np.ndarray  # (n, all effects), effects of one level together
    labels: tuple[list[str], ...]


def plain(case):
    frame = mb.load_data(case.data)
    y = frame[case.formula.split()[0]].to_numpy(float)
    X = np.column_stack([np.ones(len(frame)), *(frame[x] for x in case.x)])
    blocks, labels = [], []
    for ours, _ in case.lme4:
        label = frame[ours.split(":")].astype(str).agg(":".join, axis=1)
        levels = list(dict.fromkeys(label))  # by appearance: which level is where is no matter
        indicator = pd.get_dummies(label)[levels].to_numpy(float)
        columns = X if case.slopes else X[:, :1]
        blocks.append((indicator[:, :, None] * columns[:, None, :]).reshape(len(frame), -1))
        labels.append(levels)
    return Plain(y, X, np.hstack(blocks), tuple(labels))


@pytest.fixture(scope="module", params=CASES)
def case(request):
    chosen = CASES[request.param]
    model = mb.Model(chosen.formula, mb.load_data(chosen.data))
    return chosen, model, mb.ways(model)


def run(case, key, kind, reference):
    """What one form's text leaves behind at the estimates of lme4; with these and the arrays."""
    chosen, model, ways = case
    estimates = reference(chosen.reference)[kind]
    covs = {v["group"]: np.array(v["cov"]) for v in estimates["varcomp"]}
    values, _, rest = ways.setup.partition("mu = X @ beta")
    space = {"model": model}
    exec(values, space)
    space["beta"] = np.array(estimates["fixed"]["estimate"])
    space["sigma"] = estimates["residual_sd"]
    for ours, theirs in chosen.lme4:
        space[f"Psi_{ours.replace(':', '_')}"] = covs[theirs]
    exec(f"mu = X @ beta{rest}", space)
    exec(ways[key].code, space)
    arrays = plain(chosen)
    parts = [
        np.kron(np.eye(len(levels)), covs[theirs])
        for levels, (_, theirs) in zip(arrays.labels, chosen.lme4, strict=True)
    ]
    sizes = np.cumsum([0, *(len(p) for p in parts)])
    Psi = np.zeros((sizes[-1], sizes[-1]))
    for start, p in zip(sizes, parts, strict=False):
        Psi[start : start + len(p), start : start + len(p)] = p
    Sigma = arrays.Z @ Psi @ arrays.Z.T + space["sigma"] ** 2 * np.eye(len(arrays.y))
    return space, estimates, arrays, Sigma


def effects(case, estimates):
    """{(factor, label): lme4's modes of its effects}, labels with our order of their parts."""
    out = {}
    for ours, theirs in case.lme4:
        table = estimates["ranef"][theirs]
        for j, label in enumerate(table["levels"]):
            own = ":".join(reversed(label.split(":"))) if ours != theirs else label
            out[ours, own] = [table["cond_mode"][t][j] for t in table["terms"]]
    return out


def ours(model):
    """(factor, label) of every level, in the order of the forms' effects."""
    return [(g.name, str(level)) for g in model.design.mu.groups for level in g.levels]


# ---- means, covariances, densities, from the data frame -----------------------------------------


@pytest.mark.parametrize("key", ["1a", "1b", "3a", "3b", "3c"])
def test_means_are_those_of_the_data_frame(case, key):
    """Each level's effects times the columns of its rows, the level found by its label."""
    chosen, model, ways = case
    space = {"model": model}
    exec(ways.setup, space)
    exec(ways[key].code, space)
    frame, arrays = mb.load_data(chosen.data), plain(chosen)
    expected = arrays.X @ space["beta"]
    for g in model.design.mu.groups:
        label = frame[g.name.split(":")].astype(str).agg(":".join, axis=1)
        gamma = pd.DataFrame(space[f"gamma_{g.name.replace(':', '_')}"], index=map(str, g.levels))
        columns = arrays.X[:, : len(g.terms)]
        expected += (columns * gamma.loc[label].to_numpy()).sum(axis=1)
    np.testing.assert_allclose(space["left"], expected, rtol=EXACT)


@pytest.mark.parametrize("key", ["4a", "5a"])
def test_covariances_are_those_of_the_data_frame(case, key, reference):
    space, _, _, Sigma = run(case, key, "REML", reference)
    expected = Sigma if key == "5a" else np.diag(Sigma)
    np.testing.assert_allclose(space["left"], expected, rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(space["right"], expected, rtol=EXACT, atol=EXACT)


def test_shares_of_variance_are_those_of_lme4(case, reference):
    space, estimates, _, _ = run(case, "4a", "REML", reference)
    assert sum(space["icc"].values()) == pytest.approx(estimates["icc"]["adjusted"], rel=1e-6)


@pytest.mark.parametrize("key", ["4b", "5b"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_log_densities_are_the_maximum_of_lme4(case, key, side, reference):
    """log p(y) at the maximum-likelihood estimates, whichever way it is computed."""
    space, estimates, _, _ = run(case, key, "ML", reference)
    assert float(space[side]) == pytest.approx(estimates["logLik"], rel=EXACT)


# ---- estimates, from lme4 -----------------------------------------------------------------------


def test_combined_regressions_are_the_coefficients_of_lme4(case, reference):
    """Population + mode, for the first factor, given the others' effects."""
    chosen, model, ways = case
    estimates = reference(chosen.reference)["REML"]
    modes = effects(chosen, estimates)
    # Form 2 takes the other factors' effects as given: give it those of lme4.
    space = {"model": model}
    exec(ways.setup, space)
    space["beta"] = np.array(estimates["fixed"]["estimate"])
    space["sigma"] = estimates["residual_sd"]
    covs = {v["group"]: np.array(v["cov"]) for v in estimates["varcomp"]}
    for g, (name, theirs) in zip(model.design.mu.groups, chosen.lme4, strict=True):
        assert g.name == name
        tag = name.replace(":", "_")
        space[f"Psi_{tag}"] = covs[theirs]
        space[f"gamma_{tag}"] = np.array([modes[name, str(level)] for level in g.levels])
    exec(ways["2"].code, space)
    first = model.design.mu.groups[0]
    expected = [space["population"] + modes[first.name, str(level)] for level in first.levels]
    for side in ("left", "right"):
        # lme4's modes are the joint ones, so that each factor's are conditional on the others'.
        np.testing.assert_allclose(space[side], expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("side", ["left", "right"])
def test_penalised_solution_is_that_of_lme4(case, side, reference):
    chosen, model, _ = case
    space, estimates, _, _ = run(case, "6", "REML", reference)
    modes = effects(chosen, estimates)
    expected = [*estimates["fixed"]["estimate"]]
    for key in ours(model):
        expected += modes[key]
    np.testing.assert_allclose(space[side], expected, rtol=1e-7, atol=1e-7)


# ---- integrals and posteriors, by sampling ------------------------------------------------------


def test_the_conditional_density_integrates_to_the_marginal_one(case):
    """p(y) = E p(y | gamma) p(gamma) / q(gamma) over draws from q, p(gamma | y) with 1.2 times its
    variance. The Monte Carlo error is that of the mean of the weights.
    """
    _, model, ways = case
    space = {"model": model}
    exec(ways.setup, space)
    exec(ways["4b"].code, space)
    mean, cov = space["posterior"].mean, 1.2 * np.linalg.inv(space["precision"])
    draws = np.random.default_rng(1).multivariate_normal(mean, cov, 40_000, method="cholesky")
    eta = space["X"] @ space["beta"] + draws @ space["Z"].T
    log_w = stats.norm(eta, space["sigma"]).logpdf(space["y"]).sum(axis=1)
    log_w += stats.multivariate_normal(np.zeros(len(cov)), space["Psi"]).logpdf(draws)
    log_w -= stats.multivariate_normal(mean, cov).logpdf(draws)
    estimate = logsumexp(log_w) - np.log(len(draws))
    w = np.exp(log_w - estimate)
    error = w.std() / np.sqrt(len(w))
    assert error < 0.02
    assert abs(estimate - float(space["right"])) < 4 * error


def test_the_bayesian_density_is_that_of_the_model(case):
    """The sum of the parts, against the non-centred PyMC model that the package samples."""
    _, model, ways = case
    space = {"model": model}
    exec(ways.setup, space)
    exec(ways["7"].code, space)
    point, jacobian = {}, 0.0
    for name, value in space["values"].items():
        if name == "sigma" or name.startswith("sd_"):
            point[f"{name}_log__"] = np.log(value)
        elif name.startswith("C_"):
            # The package has z = (rho + 1) / 2 where the form has rho: p(z) = 2 p(rho).
            z = (value[1, 0] + 1) / 2
            point[f"partial_cor_{name[2:]}_logodds__"] = np.log([z / (1 - z)])
            jacobian += np.log(2)
        else:
            point[f"u_ranef_{name[2:]}" if name.startswith("u_") else name] = value
    own = model.build(mb.NonCentered())
    assert {v.name for v in own.value_vars} == set(point)
    density = own.compile_logp(jacobian=False, mode="FAST_COMPILE")(point)
    assert float(density) == pytest.approx(float(space["left"]) + jacobian, rel=EXACT)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:PyTensor could not link to a BLAS")
@pytest.mark.parametrize("name", CASES)
def test_sampling_the_bayesian_form_gives_the_exact_posterior(name):
    """Its draws against those of the marginal sampler, every parameter and every effect."""
    import pymc as pm

    chosen = CASES[name]
    model = mb.Model(chosen.formula, mb.load_data(chosen.data))
    ways = mb.ways(model)
    space = {"model": model}
    exec(ways.setup, space)
    exec(ways["7"].code, space)
    sampled = pm.sample(
        1000, model=space["pymc_model"], random_seed=1, progressbar=False, target_accept=0.95
    )["posterior"]
    exact = model.fit(seed=2, progress=False).idata["posterior"]
    pairs = [("sigma", "sigma"), ("Intercept", "Intercept")]
    pairs += [("fixef", "fixef")] if model.design.mu.terms else []
    for g in model.design.mu.groups:
        tag = g.name.replace(":", "_")
        pairs += [(f"sd_{tag}", names.sd(g.name)), (f"ranef_{tag}", names.ranef(g.name))]
    z = []
    for theirs, own in pairs:
        a, b = sampled[theirs], exact[own]
        for what, method in (("mean", "mean"), ("sd", "std")):
            values = [np.asarray(getattr(v, method)(("chain", "draw"))) for v in (a, b)]
            errors = [np.asarray(az.mcse(v, method=what)) for v in (a, b)]
            z.append(((values[0] - values[1]) / np.hypot(*errors)).ravel())
    z = np.concatenate(z)
    assert np.abs(z).max() < stats.norm.isf(1e-4 / 2 / len(z))
