"""Models with correlated residuals or a formula for sigma: the density of theta, nlme's
likelihoods, effects and draws.
"""

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from residual_models import residual_spec
from scipy.stats import multivariate_normal

import mixedbayes as mb
from mixedbayes.checks.evidence import unconstrained
from mixedbayes.engines.choose import choose_engine
from mixedbayes.errors import ModelError
from mixedbayes.marginal.density import MarginalDensity
from mixedbayes.marginal.effects import conditional_moments, draw_effects
from mixedbayes.marginal.kernel import kernel_for
from mixedbayes.marginal.mode import find_mode
from mixedbayes.marginal.parameters import Constrained
from mixedbayes.marginal.setup import products_of, set_up
from mixedbayes.marginal.sparse.problem import build_sparse_problem
from mixedbayes.marginal.sparse.products import Effects
from mixedbayes.model.coords import dims_of
from mixedbayes.model.marginal import constrained_of, variables
from mixedbayes.results.posterior import Posterior
from mixedbayes.sample.settings import Settings


def frame(seed=0, J=14, T=5):
    """Patients in arms with visits, of which some are missing, in no order."""
    rng = np.random.default_rng(seed)
    d = pd.DataFrame({"id": np.repeat(np.arange(J), T), "visit": np.tile(np.arange(T), J)})
    d["arm"] = np.where(d.id % 2, "drug", "placebo")
    d["site"] = rng.choice(list("abc"), J)[d.id]
    d["time"] = d.visit + rng.uniform(-0.3, 0.3, len(d))
    d["x"], d["w"] = rng.normal(2, 1, len(d)), rng.uniform(0.5, 2, len(d))
    d["y"] = 3 + 0.5 * d.x + rng.normal(0, 1, J)[d.id] + rng.normal(0, 1, len(d))
    d = d.drop(index=rng.choice(len(d), 12, replace=False)).sample(frac=1, random_state=seed)
    return d[(d.id != 3) | (d.visit == d.visit[d.id == 3].min())]  # a group of one row


# formula, residual, priors
MODELS = {
    "ar1": ("y ~ x + (1 | site)", "ar1(visit | id)", {}),
    "ar1 by arm": ("y ~ x", "ar1(visit | id, by=arm)", {"fixef": mb.StudentT(3, 0, 1)}),
    "ou": ("y | weights(w) ~ x + (x | site)", "ou(time | id)", {}),
    "arma11": ("y ~ x + s(x, k=5)", "arma11(visit | id)", {}),
    "cosy": ("y ~ x + (1 | site)", "cosy(id)", {}),
    "unstr by arm": ("y ~ visit * arm", "unstr(visit | id, by=arm)", {}),
    "toep": ("y ~ x + (1 | site) + (1 | arm)", "toep(visit | id)", {"rho": mb.LKJ(3)}),
    "hetar1": ("y ~ x", "hetar1(visit | id)", {}),
    "cs, sigma": (["y ~ x + (1 | id)", "sigma ~ x * arm"], "cs(visit | id)", {}),
    "cosy, sigma": (["y | weights(w) ~ x + (1 | site)", "sigma ~ x"], "cosy(id, by=arm)", {}),
    "sigma": (["y | weights(w) ~ x + (1 | id) + (1 | site)", "sigma ~ x + offset(w)"], None, {}),
    "sigma of classes": (["y ~ x + (x | id)", "sigma ~ 0 + arm"], None, {}),
    "known sds": ("y | se(w) ~ x", "ar1(visit | id)", {}),
}


def made(name):
    formula, residual, priors = MODELS[name]
    data = frame()
    family = None
    if name == "known sds":
        from mixedbayes.families.known_errors import GaussianKnown

        family = GaussianKnown()
    return data, residual_spec(formula, data, residual, priors, family)


def covariance(spec, setup, c):
    """(n, n) of the response given the population effects."""
    design = spec.design
    weights = np.ones(design.n) if design.weights is None else design.weights
    log_sigma = np.full(design.n, np.log(c.sigma))
    if setup.log_sigma is not None:
        predictor = spec.priors.predictor("sigma").moved(design.predictor("sigma"))
        columns = setup.log_sigma.columns(predictor, setup.log_sigma.sampled)
        log_sigma = columns @ c.log_sigma
        log_sigma = log_sigma + (0 if predictor.offset is None else predictor.offset)
    sd = np.exp(log_sigma) / np.sqrt(weights)
    R = np.eye(design.n)
    if (own := design.residual) is not None:
        every = own.correlations(own.named(c.numbers))
        arms = own.arm_of_row
        R = every[arms[:, None], own.places[:, None], own.places[None]]
        R = np.where(own.refs[:, None] == own.refs[None], R, 0.0)
    found = np.outer(sd, sd) * R
    for g in spec.priors.mu.moved(design.mu).groups:
        A = np.zeros((design.n, g.n_levels, len(g.terms)))
        for refs, Z in g.pieces:
            A[np.arange(design.n), refs] += Z
        A = A.reshape(design.n, -1)
        L = np.kron(np.eye(g.n_levels), c.L[g.name])
        found += A @ L @ L.T @ A.T
    return found


@pytest.mark.parametrize("name", MODELS)
def test_the_density_of_theta_is_that_of_the_normal_response(name):
    _, spec = made(name)
    setup = set_up(spec.design, spec.priors)
    density, rng = MarginalDensity(setup.layout, setup.problem), np.random.default_rng(1)
    theta = 0.4 * rng.normal(size=density.ndim)
    c = setup.layout.constrained(theta)
    _, gradient = density.logp_grad(theta)

    population, design = setup.population, spec.design
    predictor = spec.priors.mu.moved(design.mu)
    X, V = (population.columns(predictor, k) for k in (population.integrated, population.sampled))
    mean, precision = population.prior_moments()
    cov = covariance(spec, setup, c) + X @ np.linalg.solve(precision, X.T)
    likelihood = multivariate_normal.logpdf(design.y, X @ mean + V @ c.v, cov)
    alone = kernel_for(setup.problem)
    residual = c.residual if setup.problem.n_residual > 1 else float(c.residual[0])
    x = setup.problem.pack([c.L[g.name] for g in setup.integrated], residual, c.v)
    found = alone(x, np.empty(0), setup.problem.ints, setup.problem.floats)
    assert found == pytest.approx(likelihood, rel=1e-8)

    steps = 1e-5 * np.eye(density.ndim)
    slopes = [(density.logp(theta + s) - density.logp(theta - s)) / 2e-5 for s in steps]
    np.testing.assert_allclose(gradient, slopes, 1e-6, 1e-6 * np.abs(slopes).max())
    np.testing.assert_allclose(setup.layout.unconstrained(c), theta, 1e-8, 1e-8)
    assert len(set(setup.layout.names)) == density.ndim


def test_coordinates_have_names():
    _, spec = made("unstr by arm")
    names = set_up(spec.design, spec.priors).layout.names
    assert names[:2] == ("rho[drug, 1, 0]", "rho[drug, 2, 0]")
    assert "rho[placebo, 4, 3]" in names
    assert any(name.startswith("sigma_") for name in names)
    _, spec = made("arma11")
    assert {"rho", "theta", "sigma"} < set(set_up(spec.design, spec.priors).layout.names)


@pytest.mark.parametrize("name", ["ou", "unstr by arm", "cs, sigma"])
def test_effects_are_drawn_given_the_rest(name):
    """Means of draws and moments, by generalised least squares."""
    _, spec = made(name)
    setup = set_up(spec.design, spec.priors)
    mode = find_mode(MarginalDensity(setup.layout, setup.problem))
    c, S = setup.layout.constrained(mode.theta), 4000
    mean, precision = setup.population.prior_moments()
    X = setup.population.columns(spec.priors.mu.moved(spec.design.mu), setup.population.integrated)
    W = np.linalg.inv(covariance(spec, setup, c))
    V = np.linalg.inv(X.T @ W @ X + precision)
    expected = V @ (X.T @ W @ spec.design.y + precision @ mean)
    L = [np.tile(c.L[g.name], (S, 1, 1)) for g in setup.integrated]
    residual = np.tile(c.residual, (S, 1))
    rng = np.random.default_rng(0)
    beta, _ = draw_effects(setup.problem, L, residual, np.tile(c.v, (S, 1)), rng)
    z = (beta.mean(axis=0) - expected) / np.sqrt(np.diag(V) / S)
    assert np.abs(z).max() < 4.5
    np.testing.assert_allclose(beta.std(axis=0), np.sqrt(np.diag(V)), rtol=0.06)


# ---- nlme --------------------------------------------------------------------------------------


def at_estimates(spec, known):
    """The numbers of the parameters, from nlme's."""
    setup, own = set_up(spec.design, spec.priors), spec.design.residual
    zero = setup.layout.constrained(np.zeros(setup.layout.ndim))
    sd = {g.name: np.array([known[f"sd_{t}"] if f"sd_{t}" in known else known[f"sd_{g.name}"]
                            for t in g.terms]) for g in setup.integrated}  # fmt: skip
    cor = dict(zero.cor)
    if "cor" in known:
        cor = {"Subject": np.array([[1, known["cor"]], [known["cor"], 1]])}
    c: Constrained = replace(zero, sd=sd, cor=cor)
    scales = [v for k, v in known.items() if k.startswith(("sigma_", "sd_day"))]
    if "log_sigma_slope" in known:
        c = replace(c, log_sigma=np.array([np.log(known["sigma"]), known["log_sigma_slope"]]))
    elif scales:
        c = replace(c, log_sigma=np.log(scales))
    else:
        c = replace(c, sigma=np.array(known["sigma"]))
    if own is not None:
        draws = {s: np.array(known.get("phi" if s == "rho" and "phi" in known else s, 0.0))
                 for s in own.symbols}  # fmt: skip
        if not own.labels:
            draws["rho"] = np.eye(3)
            at = np.tril_indices(3, -1)
            draws["rho"][at] = [known["cor_40"], known["cor_90"], known["cor_94"]]
            draws["rho"] = np.tril(draws["rho"]) + np.tril(draws["rho"], -1).T
        c = replace(c, numbers=own.numbers(draws))
    return setup, setup.layout.constrained(setup.layout.unconstrained(c))


FLAT = {"Intercept": mb.Flat(), "fixef": mb.Flat()}
NLME = {
    "sleepstudy_ar1": ("Reaction ~ Days", "ar1(Days | Subject)"),
    "sleepstudy_compsymm": ("Reaction ~ Days", "cosy(Subject)"),
    "sleepstudy_uncor_ar1": ("Reaction ~ Days + (Days || Subject)", "ar1(Days | Subject)"),
    "sleepstudy_slopes_ar1": ("Reaction ~ Days + (Days | Subject)", "ar1(Days | Subject)"),
    "sleepstudy_unstructured3": ("Reaction ~ C(Days)", "unstr(Days | Subject)"),
    "sleepstudy_sigma_days": (["Reaction ~ Days + (1 | Subject)", "sigma ~ Days"], None),
    "machines_varident": (["score ~ Machine + (1 | Worker)", "sigma ~ 0 + Machine"], None),
    "ovary_ar1": ("follicles ~ s1 + c1 + (1 | Mare)", "ar1(step | Mare)"),
    "ovary_arma11": ("follicles ~ s1 + c1 + (1 | Mare)", "arma11(step | Mare)"),
}


def data_of(name):
    data = mb.load_data(name.split("_", maxsplit=1)[0])
    if name.startswith("ovary"):
        turn = 2 * np.pi * data.Time
        data = data.assign(s1=np.sin(turn), c1=np.cos(turn), step=data.groupby("Mare").cumcount())
    return data[data.Days.isin([0, 4, 9])] if name.endswith("3") else data


def without_placement(spec):
    """Effects as they are at zero, as nlme has them."""

    def plain(p):
        return replace(p, placed={}, population=None, intercept_at_means=False)

    return replace(spec, priors=spec.priors.each(plain))


@pytest.mark.parametrize("name", NLME)
def test_the_density_is_the_restricted_likelihood(name, reference):
    known, (formula, residual) = reference("nlme_residuals")[name], NLME[name]
    data = data_of(name)
    spec = without_placement(residual_spec(formula, data, residual, FLAT))
    setup, c = at_estimates(spec, known["REML"]["variance_parameters"])
    L, residual_numbers = [c.L[g.name] for g in setup.integrated], c.residual
    x = setup.problem.pack(L, residual_numbers, c.v)
    value = kernel_for(setup.problem)(x, np.empty(0), setup.problem.ints, setup.problem.floats)
    flat = 0.5 * setup.problem.n_population * np.log(2 * np.pi)  # of their integral
    assert value + flat == pytest.approx(known["REML"]["logLik"], abs=1e-6)
    if "effects" in known["REML"] and name != "sleepstudy_slopes_ar1":
        (b,), _ = conditional_moments(setup.problem, L, residual_numbers)
        levels = [str(level) for level in setup.integrated[0].levels]
        theirs = np.array([known["REML"]["effects"][level] for level in levels])
        np.testing.assert_allclose(b, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("name", NLME)
def test_the_density_is_the_likelihood_where_the_population_is_known(name, reference):
    known, (formula, residual) = reference("nlme_residuals")[name]["ML"], NLME[name]
    spec = without_placement(residual_spec(formula, data_of(name), residual, FLAT))
    setup, c = at_estimates(spec, known["variance_parameters"])
    X = np.column_stack([np.ones(spec.design.n), spec.design.mu.X])
    left = spec.design.y - X @ np.array([*known["fixed"].values()])
    terms = [Effects(g.pieces, g.n_levels) for g in setup.integrated]
    prior = {"prior_mean": np.zeros(0), "prior_precision": np.zeros((0, 0))}
    problem = build_sparse_problem(left, X[:, :0], terms, errors=setup.errors, **prior)
    x = problem.pack([c.L[g.name] for g in setup.integrated], c.residual)
    value = kernel_for(problem)(x, np.empty(0), problem.ints, problem.floats)
    assert value == pytest.approx(known["logLik"], abs=1e-6)


# ---- what reads draws back -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["unstr by arm", "arma11", "ou", "cs, sigma", "ar1 by arm"])
def test_coordinates_follow_from_named_draws(name):
    """Of tables and files; bridge sampling needs them."""
    _, spec = made(name)
    setup, rng = set_up(spec.design, spec.priors), np.random.default_rng(0)
    theta = 0.3 * rng.normal(size=(4, setup.layout.ndim))
    values = setup.parameters(setup.layout.constrained(theta), rng)
    dims = dims_of(spec)
    tree = xr.DataTree.from_dict({
        "posterior": xr.Dataset({
            name: (("chain", "draw", *dims[name]), v.reshape(2, 2, *v.shape[1:]))
            for name, v in values.items()
        })
    })  # fmt: skip
    found = unconstrained(Posterior(spec, tree), setup)
    np.testing.assert_allclose(found.reshape(4, -1), theta, 1e-6, 1e-6)


@pytest.mark.parametrize("name", ["ar1 by arm", "unstr by arm", "sigma"])
def test_the_model_in_pymc_has_the_same_density(name):
    """And what is drawn from it has the right covariance."""
    _, spec = made(name)
    chosen = choose_engine("auto", spec)
    model = chosen.engine.model(spec, chosen)
    setup = set_up(spec.design, spec.priors)
    density = MarginalDensity(setup.layout, setup.problem)
    _, named = chosen.engine.reading(spec, chosen)
    logp = model.compile_logp(mode="FAST_COMPILE")
    shown = [*model.free_RVs, *model.deterministics]
    values = model.replace_rvs_by_values(shown)
    read = model.compile_fn(values, point_fn=True, mode="FAST_COMPILE")
    points = [model.initial_point(random_seed=k) for k in (1, 2)]
    changes = []
    for k, point in enumerate(points):
        rng = np.random.default_rng(k)
        moved = {name: v + 0.1 * rng.normal(size=np.shape(v)) for name, v in point.items()}
        draws = {v.name: x[None] for v, x in zip(shown, read(moved), strict=True)}
        c = constrained_of(setup, draws)
        theta = setup.layout.unconstrained(c)[0]
        changes.append(float(logp(moved)) - density.logp(theta))
    # coordinates differ by known factors at most: (r + 1) / 2 on the logit scale is 2 atanh(r)
    assert changes[0] == pytest.approx(changes[1], abs=1e-6)
    assert named({name: draws[name] for name in variables(setup)}, 1)


# ---- which models are taken ------------------------------------------------------------------


def test_exchangeable_residuals_are_a_random_intercept():
    data = frame()
    cosy = residual_spec("y ~ x", data, "cosy(id)")
    plain = residual_spec("y ~ x + (1 | id)", data)
    a, b = (set_up(s.design, s.priors) for s in (cosy, plain))
    c = a.layout.constrained(np.array([0.4, 0.1]))
    rho, sigma = float(c.numbers[0, 0]), float(c.sigma)
    x = a.problem.pack([], c.residual)
    value = kernel_for(a.problem)(x, np.empty(0), a.problem.ints, a.problem.floats)
    y = b.problem.pack([np.array([[sigma * np.sqrt(rho)]])], sigma * np.sqrt(1 - rho))
    expected = kernel_for(b.problem)(y, np.empty(0), b.problem.ints, b.problem.floats)
    assert value == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        (["y ~ x", "sigma ~ x + (1 | id)"], "the formula of sigma has effects of id"),
        (["y ~ x", "sigma ~ s(x, k=5)"], "the formula of sigma has effects of"),
    ],
)
def test_effects_on_sigma_are_left_to_others(formula, reason):
    spec = residual_spec(formula, frame())
    assert reason in str(choose_engine("auto", spec).reason)
    with pytest.raises(ModelError, match=reason):
        choose_engine(mb.Marginal(), spec)


def test_a_chosen_link_of_sigma_is_left_to_others():
    family = mb.Gaussian(links={"sigma": mb.Softplus()})
    spec = residual_spec(["y ~ x", "sigma ~ x"], frame(), family=family)
    assert "sigma has a formula of its own" in str(choose_engine("auto", spec).reason)


@pytest.mark.parametrize("name", MODELS)
def test_auto_is_marginal(name):
    _, spec = made(name)
    assert choose_engine("auto", spec).engine.name == "marginal"


def test_equal_residuals_of_thousands_of_rows_with_their_own_sigmas_are_integrated():
    """20,000 rows of one group, each of another sigma: no pairs of them."""
    rng, sizes = np.random.default_rng(0), [20_000, 200, 1]
    d = pd.DataFrame({"id": np.repeat(["a", "b", "c"], sizes)})
    d["x"], d["site"] = rng.normal(size=len(d)), rng.integers(0, 20, len(d))
    d["y"] = rng.normal(size=len(d)) * np.exp(0.2 * d.x)
    spec = residual_spec(["y ~ x + (1 | site)", "sigma ~ x"], d, "cosy(id)")
    assert choose_engine("auto", spec).engine.name == "marginal"
    started = time.process_time()
    setup = set_up(spec.design, spec.priors)
    assert setup.problem.plan.flops < 200 * len(d)
    assert time.process_time() - started < 5  # a tenth; pairs of 2,000 rows took as long


def test_columns_of_many_groups_of_equal_residuals_are_counted_once():
    """Groups whose own level is met by none else, of which each has few columns."""
    d = frame(J=400, T=20)
    spec = residual_spec(["y ~ x + (1 | id)", "sigma ~ x"], d, "cosy(id)")
    found = products_of(spec.design, spec.priors)
    rows = 4**2 * len(d)  # of two population columns, an effect and the response
    assert rows < found <= rows + 4 * 5 * 400


def test_too_many_products_are_left_to_others(monkeypatch):
    monkeypatch.setattr("mixedbayes.engines.marginal.MAX_PRODUCTS", 300)
    spec = residual_spec(["y ~ x + (1 | id)", "sigma ~ x"], frame())
    found = choose_engine("auto", spec)
    assert "so many distinct entries that their products with the columns are" in found.reason
    assert found.engine.name == "joint"
    few = residual_spec(["y ~ x + (1 | id)", "sigma ~ arm"], frame())
    assert choose_engine("auto", few).engine.name == "marginal"
    monkeypatch.setattr("mixedbayes.marginal.sparse.accumulate.MOST", 100)
    with pytest.raises(ModelError, match=r"distinct entries, and their products .* more than 100"):
        set_up(spec.design, spec.priors)
    monkeypatch.setattr("mixedbayes.marginal.sparse.accumulate.MOST", 1000)
    set_up(spec.design, spec.priors)
    beside = residual_spec(["y ~ x + (1 | id)", "sigma ~ x"], frame(), "cosy(site)")
    with pytest.raises(ModelError, match=r"distinct entries, .* more than 1,000; use formulation"):
        set_up(beside.design, beside.priors)


def test_the_account_names_what_stays_in_nuts():
    spec = residual_spec(["y ~ x + (1 | id)", "sigma ~ x"], frame(), "ar1(visit | id)")
    chosen = choose_engine("auto", spec)
    said = chosen.engine.account(spec, Settings(), chosen)
    assert "variance parameters, the correlations of residuals and the effects on sigma" in said
    assert "sparse precision" in chosen.engine.plan(spec, chosen)


def test_all_variances_known_leaves_nothing_to_sample():
    spec = residual_spec(["y ~ x", "sigma ~ 0 + offset(w)"], frame())
    with pytest.raises(ModelError, match="all variances are known"):
        choose_engine(mb.Marginal(), spec)
    groups = residual_spec(["y ~ x + (1 | id)", "sigma ~ 0 + offset(w)"], frame())
    setup = set_up(groups.design, groups.priors)
    assert setup.layout.names == ("sd_id[Intercept]",)
    c = setup.layout.constrained(np.zeros(1))
    x = setup.problem.pack([c.L["id"]], 1.0)
    value = kernel_for(setup.problem)(x, np.empty(0), setup.problem.ints, setup.problem.floats)
    w, design = groups.design.predictor("sigma").offset, groups.design
    mean, precision = setup.population.prior_moments()
    X = setup.population.columns(groups.priors.mu.moved(design.mu), setup.population.integrated)
    cov = np.diag(np.exp(2 * w)) + X @ np.linalg.solve(precision, X.T)
    refs = design.mu.groups[0].refs
    cov = cov + (refs[:, None] == refs[None])
    assert value == pytest.approx(multivariate_normal.logpdf(design.y, X @ mean, cov), rel=1e-9)
