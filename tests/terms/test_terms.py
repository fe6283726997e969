"""Terms and laws from outside the package: what takes them is right, what does not says why."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytest
import xarray as xr
from scipy import sparse, stats

import mixedbayes as mb
from mixedbayes.checks.evidence import log_evidence
from mixedbayes.checks.loo import loo
from mixedbayes.design.encoded import EncodedTerm
from mixedbayes.design.types import NewTerm
from mixedbayes.engines import marginal
from mixedbayes.engines.choose import choose_engine
from mixedbayes.errors import DataError, FormulaError, ModelError
from mixedbayes.marginal.density import MarginalDensity
from mixedbayes.marginal.kernel import kernel_for
from mixedbayes.marginal.setup import set_up
from mixedbayes.marginal.start import default_start
from mixedbayes.model.build import build
from mixedbayes.predict.condition import condition_on
from mixedbayes.predict.linear import predictor
from mixedbayes.predict.predict import predict
from mixedbayes.predict.prior import prior_predictive
from mixedbayes.predict.question import ask
from mixedbayes.predict.rows import prediction_rows
from mixedbayes.results.fitted import fitted
from mixedbayes.results.icc import icc
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.ranef import ranef
from mixedbayes.results.shrinkage import shrinkage
from mixedbayes.results.varcorr import varcorr
from mixedbayes.sample.settings import Settings
from mixedbayes.terms.base import Term
from mixedbayes.terms.covariance import Covariance
from mixedbayes.terms.law import NORMAL, Law
from mixedbayes.terms.registry import LAWS
from mixedbayes.terms.unstructured import UNSTRUCTURED
from tests.support.laplace_law import LaplaceLaw

J, N = 6, 60


@dataclass(frozen=True, eq=False)
class Sparse(Term):
    """One effect for each of some levels, by pieces."""

    name: str
    levels: pd.Index
    parts: tuple  # (refs, Z) of each piece
    R: np.ndarray | None = None  # levels have the covariance R R'
    terms: tuple = ("Intercept",)
    blocks: tuple = ((0,),)
    margins: tuple = ((),)
    left_out: tuple = ()
    factors: tuple = ("g",)
    covariance: Covariance = UNSTRUCTURED
    law: Law = NORMAL
    grouping: bool = True

    @property
    def pieces(self):
        return self.parts

    @property
    def joins(self):
        return self.R is not None

    def mixed(self, b):
        if self.R is None:
            return b
        return self.R @ b if isinstance(b, np.ndarray) else pm.math.dot(self.R, b)


def _membership(rng):
    """Each row in two of six levels, with weights that add up to 1."""
    first, second = rng.integers(0, J, N), rng.integers(0, J, N)
    second = np.where(second == first, (second + 1) % J, second)
    w = rng.uniform(0.2, 0.8, (N, 1))
    return Sparse("g", pd.Index(list("abcdef")), ((first, w), (second, 1 - w)))


def _smooth(rng):
    """A penalised basis: its functions are the levels, and every row lies in all of them."""
    x = rng.uniform(0, 1, N)
    basis = np.exp(-0.5 * ((x[:, None] - np.linspace(0, 1, J)) / 0.2) ** 2)
    parts = tuple((np.full(N, k), basis[:, k : k + 1]) for k in range(J))
    return Sparse("g", pd.Index([f"basis{k}" for k in range(J)]), parts, grouping=False)


def _known(rng):
    """A pedigree: levels with a known covariance."""
    A = 0.5 ** np.abs(np.subtract.outer(np.arange(J), np.arange(J)))
    parts = ((rng.integers(0, J, N), np.ones((N, 1))),)
    return Sparse("g", pd.Index(list("abcdef")), parts, np.linalg.cholesky(A))


TERMS = {
    "membership": (_membership, "rows lie in several levels of g"),
    "smooth": (_smooth, "rows lie in several levels of g"),
    "known structure": (_known, "the levels of g are related"),
}


def spec_with(term, family="gaussian"):
    """The model y ~ x + term, from that of a grouping factor."""
    rng = np.random.default_rng(3)
    b = rng.normal(size=(term.n_levels, 1))
    x, eta = rng.normal(size=N), np.zeros(N)
    term.add(eta, term.mixed(b))
    y = 1 + x + eta + rng.normal(0, 0.3, N) if family == "gaussian" else rng.poisson(3, N)
    data = pd.DataFrame({"x": x, "y": y, "g": np.arange(N) % J})
    spec = mb.Model("y ~ x + (1 | g)", data, family=family).spec
    return replace(spec, design=spec.design.each(lambda p: replace(p, groups=(term,))))


@pytest.fixture(params=TERMS)
def case(request):
    make, reason = TERMS[request.param]
    term = make(np.random.default_rng(5))
    return spec_with(term), term, reason


def test_the_operator_is_what_is_added(case):
    _, term, _ = case
    b, eta = np.random.default_rng(0).normal(size=(4, J, 1)), np.zeros((N, 4))
    term.add(eta, b)
    np.testing.assert_allclose(eta, term.operator() @ b[..., 0].T)
    some, rows = np.zeros((3, 4)), np.array([5, 2, 40])
    term.add(some, b, rows)
    np.testing.assert_allclose(some, eta[rows])


@dataclass(frozen=True, eq=False)
class Known(Sparse):
    """Related levels that say their precision."""

    @property
    def precision(self):
        return sparse.csc_array(np.linalg.inv(self.R @ self.R.T))

    @property
    def log_determinant(self):
        return -2 * np.log(np.diag(self.R)).sum()


def with_precision(term):
    return Known(term.name, term.levels, term.parts, term.R)


def test_normal_effects_integrate_out_of_normal_responses(case):
    """By the density of y, effects drawn back, and PyMC's model of the same density."""
    _, term, _ = case
    spec = spec_with(with_precision(term) if term.joins else term)
    chosen = choose_engine("auto", spec)
    assert str(chosen) == "Marginal()"
    assert "sparse precision" in chosen.engine.plan(spec, chosen)
    said = "population and group effects" if term.grouping else "population effects and the smooths"
    account = chosen.engine.account(spec, Settings(), chosen)
    assert f"The {said} were integrated out of the posterior in closed form" in account
    setup = set_up(spec.design, spec.priors)
    density, rng = MarginalDensity(setup.layout, setup.problem), np.random.default_rng(2)
    theta = rng.normal(0, 0.5, density.ndim)
    given = density.constrained(theta)
    R = np.eye(J) if term.R is None else term.R
    A = term.operator() @ R * given.sd["g"]
    (beta0, sd0), (beta1, sd1) = ((a.mu, a.sigma) for a in setup.population.priors)
    X = setup.population.columns(spec.priors.mu.moved(spec.design.mu), (0, 1))
    cov = A @ A.T + given.sigma**2 * np.eye(N) + X @ np.diag([sd0**2, sd1**2]) @ X.T
    expected = stats.multivariate_normal.logpdf(spec.design.y, X @ [beta0, beta1], cov)
    kernel, x = kernel_for(setup.problem), setup.problem.pack([given.L["g"]], given.sigma)
    found = kernel(x, np.empty(0), setup.problem.ints, setup.problem.floats)
    assert found == pytest.approx(expected, rel=1e-9)
    assert np.isfinite(default_start(density)).all()
    model = chosen.engine.model(spec, chosen)
    point = {"sd_g_log__": np.log(given.sd["g"]), "sigma_log__": np.log(given.sigma)}
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        logp = model.compile_logp(vars=model.observed_RVs, jacobian=False)(point)
        replicates = pm.draw(model.observed_RVs[0], 3, random_seed=1)
    assert logp == pytest.approx(expected, rel=1e-9)
    assert replicates.std(axis=0).min() > 0


def test_a_factor_that_is_too_dense_is_left_to_another_engine(monkeypatch):
    spec = spec_with(_smooth(np.random.default_rng(5)))
    monkeypatch.setattr(marginal, "MAX_DENSE", 7)
    chosen = choose_engine("auto", spec)
    assert str(chosen) == "PartiallyCentered()"
    assert "the effects of g needs a dense block of 8 columns, more than 7" in chosen.reason
    asked = choose_engine(mb.Marginal(max_dense=8), spec)
    assert "8 columns in its largest dense block" in asked.engine.plan(spec, asked)
    few = choose_engine(mb.Marginal(max_dense=7), spec)
    with pytest.raises(ModelError, match=r"use formulation=mb\.PartiallyCentered\(\), or mb\."):
        few.engine.model(spec, few)


def test_engines_say_what_they_leave_to_others(case):
    spec, term, reason = case
    if term.joins:  # without a precision
        assert reason in choose_engine("auto", spec).reason
        with pytest.raises(ModelError, match=reason):
            choose_engine(mb.Marginal(), spec)
    counts = spec_with(term, "poisson")
    assert str(choose_engine("auto", counts)) == "PartiallyCentered()"
    with pytest.raises(ModelError, match=reason):
        choose_engine(mb.Quadrature(), counts)
    with pytest.raises(ModelError, match=reason):
        build(spec, choose_engine(mb.Centered(), spec).groups)


BOTH = {"normal": NORMAL, "laplace": LaplaceLaw()}


@pytest.mark.parametrize("law", BOTH)
def test_the_graph_has_the_density_of_the_sum(case, law):
    spec, term, _ = case
    term = replace(term, law=BOTH[law])
    spec = replace(spec, design=spec.design.each(lambda p: replace(p, groups=(term,))))
    model = build(spec, choose_engine(mb.NonCentered(), spec).groups)
    rng = np.random.default_rng(1)
    u, sd, sigma, beta, at_means = rng.normal(size=(J, 1)), 0.7, 0.4, 0.9, 1.2
    point = {
        "u_ranef_g": u, "sd_g_log__": np.log([sd]), "sigma_log__": np.log(sigma),
        "fixef": np.array([beta]), "Intercept_at_means": np.array(at_means),
    }  # fmt: skip
    point = {v.name: point[v.name] for v in model.value_vars}
    both = [*model.observed_RVs, model["u_ranef_g"]]
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        found = model.compile_logp(both, jacobian=False)(point)
    R = np.eye(J) if term.R is None else term.R
    x = spec.design.mu.X[:, 0]
    eta = at_means + beta * (x - x.mean()) + term.operator() @ (R @ u[:, 0] * sd)
    expected = stats.norm(eta, sigma).logpdf(spec.design.y).sum()
    expected += (stats.norm if law == "normal" else stats.laplace).logpdf(u).sum()
    assert found == pytest.approx(expected)


def test_prior_draws_have_the_covariance_of_the_term(case):
    spec, term, _ = case
    prior = prior_predictive(spec, 4000, 2)["prior"]
    b = prior["ranef_g"].to_numpy()[0, :, :, 0] / prior["sd_g"].to_numpy()[0]
    R = np.eye(J) if term.R is None else term.R
    np.testing.assert_allclose(np.cov(b.T), R @ R.T, atol=0.12)


def of_prior(spec, draws=4000):
    """Draws from the prior as a posterior."""
    tree = prior_predictive(spec, draws, 2)
    return Posterior(spec, xr.DataTree.from_dict({"posterior": tree["prior"].to_dataset()}))


def test_tables_and_fitted_values_of_a_membership():
    term = _membership(np.random.default_rng(5))
    spec = spec_with(term)
    post = of_prior(spec, 200)
    assert list(ranef(post)["level"]) == list("abcdef")
    assert list(varcorr(post)["kind"]) == ["sd", "sd"]
    b = post.ranef("g")
    eta = post.intercept()[:, None] + post.fixef() @ spec.design.mu.X.T
    eta += b[..., 0] @ term.operator().T
    np.testing.assert_allclose(fitted(post)["mean"], eta.mean(axis=0))
    # the share of variance of a row: the sum of its squared weights
    squares = sum((Z**2).mean() for _, Z in term.pieces)
    group = post.sd("g")[:, 0] ** 2 * squares
    expected = np.mean(group / (group + post.parameters()["sigma"] ** 2))
    assert icc(post)["mean"].iloc[0] == pytest.approx(expected)


# ---- new rows --------------------------------------------------------------------------------


def test_rows_have_the_effects_of_all_their_levels(case):
    spec, term, _ = case
    post = of_prior(spec, 50)
    population = post.intercept()[:, None] + post.fixef() @ spec.design.mu.X.T
    whole = population + post.ranef("g")[..., 0] @ term.operator().T
    found = predict(post, None, kind="linear", draws=True).to_numpy().reshape(50, N)
    np.testing.assert_allclose(found, whole)
    found = predict(post, None, kind="linear", draws=True, groups="typical").to_numpy()
    np.testing.assert_allclose(found.reshape(50, N), population if term.grouping else whole)


def test_a_row_without_named_levels_has_the_variance_of_as_many_different_ones():
    term = _membership(np.random.default_rng(5))
    post = of_prior(spec_with(term), 100)
    population = post.intercept()[:, None] + post.fixef() @ post.design.mu.X.T
    mean = predict(post, None, kind="linear", groups="average")["mean"]
    np.testing.assert_allclose(mean, population.mean(axis=0))
    part = predictor(
        post, prediction_rows(post.design, None, ask(post.design, "average", "mean")), 0, {}
    )
    squares = sum(Z[:, 0] ** 2 for _, Z in term.pieces)
    np.testing.assert_allclose(
        part.variance(slice(None)), squares[:, None] * post.sd("g")[:, 0] ** 2
    )


@dataclass(frozen=True, eq=False)
class EncodedBasis(EncodedTerm):
    """The smooth's basis at new rows."""

    def new(self, rows):
        x = np.asarray(rows.table.columns["x"], float)
        basis = np.exp(-0.5 * ((x[:, None] - np.linspace(0, 1, J)) / 0.2) ** 2)
        codes = np.broadcast_to(np.arange(J), basis.shape)
        return NewTerm(self.name, np.ones((len(x), 1)), codes, basis)


def test_new_rows_are_seen_through_the_encoding_of_the_term():
    spec = spec_with(_smooth(np.random.default_rng(5)))
    columns = replace(spec.design.columns, terms={"g": EncodedBasis("g", ("x",), (), ())})
    post = of_prior(replace(spec, design=replace(spec.design, columns=columns)), 20)
    x = np.array([0.0, 0.3, 2.0])
    basis = np.exp(-0.5 * ((x[:, None] - np.linspace(0, 1, J)) / 0.2) ** 2)
    expected = post.intercept()[:, None] + post.fixef() * x + post.ranef("g")[..., 0] @ basis.T
    for groups in ("auto", "typical", "average", "new", []):
        found = predict(post, pd.DataFrame({"x": x}), kind="linear", draws=True, groups=groups)
        np.testing.assert_allclose(found.to_numpy().reshape(20, 3), expected)
    with pytest.raises(ModelError, match="'g' is not a grouping factor"):
        predict(post, pd.DataFrame({"x": x}), groups=["g"])


# ---- laws ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def heavy():
    who = np.repeat(np.arange(25), 4)
    data = pd.DataFrame({"y": np.random.default_rng(8).normal(size=100), "g": who})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LAWS, "laplace", LaplaceLaw())
        return mb.Model('y ~ 1 + (1 | gr(g, law="laplace"))', data).spec


def test_an_unknown_law_is_refused():
    data = pd.DataFrame({"y": np.arange(9.0), "g": np.arange(9) % 3})
    said = 'a law of the effects that is not known(?s:.*)write law="normal" or law="student"'
    with pytest.raises(FormulaError, match=said):
        mb.Model('y ~ (1 | gr(g, law="cauchy"))', data)


def test_bars_on_one_factor_have_one_law(monkeypatch):
    monkeypatch.setitem(LAWS, "laplace", LaplaceLaw())
    data = pd.DataFrame({"y": np.arange(20.0) % 7, "x": np.arange(20) % 3, "g": np.arange(20) % 4})
    with pytest.raises(DataError, match="several laws: write the same in all bars"):
        mb.Model('y ~ (1 | gr(g, law="laplace")) + (0 + x | g)', data)


def test_a_law_is_left_to_the_engine_that_takes_it(heavy):
    chosen = choose_engine("auto", heavy)
    assert "the effects over g are laplace, not normal" in chosen.reason
    assert str(chosen) == "NonCentered()"


def tails(u):
    """Share of draws beyond the central 95 % of Laplace's law."""
    return np.mean(np.abs(u) > stats.laplace.ppf(0.975))


def test_effects_are_drawn_from_the_law(heavy):
    post = of_prior(heavy)
    assert tails(post.ranef("g")[..., 0] / post.sd("g")) == pytest.approx(0.05, abs=0.004)
    new = pd.DataFrame({"g": np.arange(1000, 1040)})
    draws = predict(post, new, kind="linear", draws=True, seed=1).to_numpy().reshape(-1, 40)
    u = (draws - post.intercept()[:, None]) / post.sd("g")
    assert tails(u) == pytest.approx(0.05, abs=0.004)


def test_what_needs_normal_effects_says_so(heavy):
    post, new = of_prior(heavy, 100), pd.DataFrame({"g": [1000], "y": [1.0]})
    for refused in (
        lambda: predict(post, new, groups="average"),
        lambda: condition_on(post, new),
        lambda: shrinkage(post),
        lambda: log_evidence(post),
        lambda: loo(post, "g", refit=False),
    ):
        with pytest.raises(ModelError, match="the effects over g are laplace, not normal"):
            refused()
