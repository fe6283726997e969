"""The sparse kernel: any terms, by the multivariate normal density and dense algebra."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sparse_cases import (
    DESIGNS,
    EXTRAS,
    Case,
    columns,
    differences,
    evaluate,
    make,
)

import mixedbayes as mb
from mixedbayes.errors import ModelError
from mixedbayes.marginal import setup as setups
from mixedbayes.marginal.effects import (
    Shift,
    conditional_moments,
    draw_effects,
    effects_moments,
)
from mixedbayes.marginal.kernel import general_kernel, kernel_for
from mixedbayes.marginal.problem import build_problem
from mixedbayes.marginal.setup import set_up
from mixedbayes.marginal.sparse.core import GRADIENT, sparse_pass
from mixedbayes.marginal.sparse.order import minimum_degree
from mixedbayes.marginal.sparse.problem import build_sparse_problem
from mixedbayes.marginal.sparse.products import Effects
from mixedbayes.marginal.sparse.tree import build_tree


@pytest.mark.parametrize("extras", [(), EXTRAS])
@pytest.mark.parametrize("design", DESIGNS)
def test_value_and_gradient_are_those_of_the_normal_density(design, extras):
    c = make(design, 1, extras)
    problem = c.problem()
    x = problem.pack(c.L, c.sigma, c.v)

    def density(x):
        L, sigma, v = problem.unpack(x)
        return c.log_density(L, sigma, v)

    value, gradient = evaluate(problem, x)
    assert value == pytest.approx(density(x), rel=1e-10)
    free = problem.pack([np.ones_like(f) for f in c.L], 1.0, np.ones(problem.n_sampled)) != 0
    np.testing.assert_allclose(gradient[free], differences(density, x, free), 2e-6, 2e-6)
    assert not gradient[~free].any()


@pytest.mark.parametrize("structure", ["nested and crossed vectors", "crossed", "vector of two"])
def test_grouping_factors_have_the_value_of_their_own_kernels(case, structure):
    c = case(structure, 7, *EXTRAS)
    plain, terms = c.problem(), [Effects(((refs, Z),), J) for refs, Z, J in c.factors]
    prior = {"prior_mean": c.prior_mean, "prior_precision": c.prior_precision}
    other = build_sparse_problem(c.y, c.X, terms, **prior, **c.options)
    x = plain.pack(c.L, c.sigma, c.v)
    for kernel in (kernel_for(plain), general_kernel()):
        gradient = np.empty(x.size)
        value = kernel(x, gradient, plain.ints, plain.floats)
        found, slopes = evaluate(other, x)
        assert found == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(slopes, gradient, 1e-9, 1e-9)


def large_fronts(rng, n=1500):
    """Two factors that are crossed in each of three regions: wide fronts below others."""
    region = np.arange(n) % 3
    return [(region * 35 + rng.integers(0, 35, n), 105) for _ in range(2)]


def equal_leaves(rng):
    """Two factors each of whose levels meet: many leaves with the same rows."""
    a, b = np.divmod(np.arange(70 * 25), 25)
    return [(a, 70), (b, 25)]


@pytest.mark.parametrize("kind", [large_fronts, equal_leaves])
def test_what_is_done_by_blas_is_right(kind):
    rng = np.random.default_rng(2)
    factors = [(refs, np.ones((len(refs), 1)), J) for refs, J in kind(rng)]
    n = len(factors[0][0])
    X, y = columns(rng, n, 2), rng.normal(size=n)
    prior = {"prior_mean": np.zeros(2), "prior_precision": np.eye(2)}
    plain = build_problem(y, X, factors, **prior)
    other = build_sparse_problem(y, X, [Effects(((r, Z),), J) for r, Z, J in factors], **prior)
    parts = other.sections
    own = np.diff(parts["col"][parts["first"]])
    large = own**2 * (own + parts["n_rows"]) > 16_000
    assert (large & (parts["n_rows"] > 0)).any() if kind is large_fronts else (own == 1).sum() > 50
    L = [np.array([[0.5 + 0.2 * k]]) for k in range(len(factors))]
    x = plain.pack(L, 0.9)
    gradient = np.empty(x.size)
    value = kernel_for(plain)(x, gradient, plain.ints, plain.floats)
    found, slopes = evaluate(other, x)
    assert found == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(slopes, gradient, 1e-9, 1e-9)
    for a, b in zip(conditional_moments(plain, L, 0.9), conditional_moments(other, L, 0.9),
                    strict=True):  # fmt: skip
        for one, two in zip(a, b, strict=True):
            np.testing.assert_allclose(one, two, 1e-8, 1e-10)


def test_flat_directions_are_those_of_the_other_kernels(case):
    c = case("crossed", 3)
    prior = {"prior_mean": np.zeros(2), "prior_precision": np.diag([0.0, 0.25])}
    terms = [Effects(((refs, Z),), J) for refs, Z, J in c.factors]
    plain = build_problem(c.y, c.X, c.factors, **prior)
    other = build_sparse_problem(c.y, c.X, terms, **prior)
    x = plain.pack(c.L, c.sigma)
    value = kernel_for(plain)(x, np.empty(0), plain.ints, plain.floats)
    assert evaluate(other, x)[0] == pytest.approx(value, rel=1e-12)


# ---- effects ---------------------------------------------------------------------------------


@pytest.mark.parametrize("design", ["two smooths and everything", "more levels than rows"])
def test_moments_are_those_of_dense_algebra(design):
    c = make(design, 2, EXTRAS)
    problem = c.problem()
    mean, V = c.posterior()
    found, blocks = conditional_moments(problem, c.L, c.sigma, c.v)
    at = 0
    for m, B in zip(found, blocks, strict=True):
        own = slice(at, at + m.size)
        np.testing.assert_allclose(m.ravel(), mean[own], 1e-7, 1e-9)
        J, q = m.shape
        expected = np.einsum("gigj->gij", V[own, own].reshape(J, q, J, q))
        np.testing.assert_allclose(B, expected, 1e-7, 1e-10)
        at += m.size


def test_shifted_moments_have_the_covariance_with_population_effects():
    """Of all levels, also of ancestors without rows, which the factor does not join to these."""
    c = make("related slopes and groups", 4, ("weights",))
    (term, _), (mean, V) = c.terms, c.posterior()
    given = [f[None] for f in c.L], np.array([c.sigma])
    shifts = [Shift(np.eye(2), np.zeros((1, 2))), Shift(np.array([[1.0, 0]]), np.zeros((1, 1)))]
    _, (slopes, groups) = effects_moments(c.problem(), *given, None, probs=(0.5,), shifts=shifts)
    m, p = term.n_levels * 2, len(mean) - 2
    both = np.hstack([np.eye(m), np.zeros((m, 5)), np.kron(np.ones((term.n_levels, 1)), np.eye(2))])
    np.testing.assert_allclose(slopes.mean.ravel(), both @ mean, 1e-8)
    np.testing.assert_allclose(slopes.sd.ravel() ** 2, np.diag(both @ V @ both.T), 1e-8)
    np.testing.assert_allclose(groups.mean.ravel(), mean[m : m + 5] + mean[p], 1e-8)


@pytest.mark.parametrize("design", ["two smooths and everything", "more levels than rows"])
def test_draws_are_those_of_the_conditional_distribution(design):
    c, S = make(design, 3, EXTRAS), 2000
    mean, V = c.posterior()
    L, v = [np.tile(f, (S, 1, 1)) for f in c.L], np.tile(c.v, (S, 1))
    beta, effects = draw_effects(c.problem(), L, np.full(S, c.sigma), v, np.random.default_rng(0))
    draws = np.hstack([*(b.reshape(S, -1) for b in effects), beta])
    z = np.linalg.solve(np.linalg.cholesky(V), (draws - mean).T)  # N(0, I)
    assert np.abs(z.mean(axis=1)).max() * np.sqrt(S) < 4.5
    away = (z @ z.T / S - np.eye(len(z))) * np.sqrt(S)
    assert np.abs(away).max() < 6
    assert np.mean(away**2) == pytest.approx(1, abs=0.1)  # 2 on the diagonal


# ---- what is built on later --------------------------------------------------------------------


def ar1(rho, J):
    """Numbers and matrices whose sum is the precision of an autoregression, and its log det."""
    inner = np.diag([0.0, *np.ones(J - 2), 0.0])
    beside = np.diag(np.ones(J - 1), 1) + np.diag(np.ones(J - 1), -1)
    kappa = np.array([1.0, rho**2, -rho]) / (1 - rho**2)
    return kappa, (np.eye(J), inner, beside), -(J - 1) * np.log(1 - rho**2)


def test_weights_of_precisions_have_derivatives():
    """Levels follow each other; the products are those of sigma 1."""
    c = make("related slopes and groups", 5, ("offset", "sampled columns"))
    n, rng = len(c.y), np.random.default_rng(1)
    kappa, parts, log_det = ar1(0.6, 25)
    pieces = ((rng.integers(0, 25, n), columns(rng, n, 2)),)
    follow = Effects(pieces, 25, parts=[sparse.csc_array(K) for K in parts])
    c = replace(c, terms=[*c.terms, follow], L=[*c.L, np.array([[0.7, 0], [0.2, 0.5]])])
    problem = c.problem()
    at = sum(t.width**2 for t in c.terms)
    x = np.concatenate([*(f.ravel() for f in c.L), [1.0], kappa, c.v])
    products, none = problem.sections["g_val"], np.empty(0)  # of sigma 1

    def density(x):
        """But for the log determinant, which the caller adds."""
        _, *kappa = x[at : at + 4]
        K = sum(k * part for k, part in zip(kappa, parts, strict=True))
        known = replace(follow, precision=sparse.csc_array(K), parts=())
        L = problem.unpack(np.concatenate([x[:at], [1.0]]))[0]
        own = replace(c, terms=[*c.terms[:-1], known])
        value = own.log_density(L, v=x[at + 4 :], R=np.eye(n))
        return value - 0.5 * 2 * np.linalg.slogdet(K)[1]

    gradient, adjoint = np.zeros(x.size), np.zeros(products.size)
    own = (products, gradient, adjoint, none, none, none, none)
    value = sparse_pass(GRADIENT, x, *own, problem.ints, problem.floats)
    assert value == pytest.approx(density(x), rel=1e-10)
    assert log_det == pytest.approx(np.linalg.slogdet(sum(map(np.multiply, kappa, parts)))[1])
    free = np.ones(x.size, bool)
    free[at] = False
    free[:at] = np.concatenate([np.tril(np.ones_like(f)).ravel() for f in c.L]) == 1
    np.testing.assert_allclose(gradient[free], differences(density, x, free), 2e-6, 2e-6)


# ---- edges -----------------------------------------------------------------------------------


def test_effects_without_variance_are_the_regression():
    c = make("two smooths and everything", 6)
    problem = c.problem()
    value, gradient = evaluate(problem, problem.pack([0 * f for f in c.L], c.sigma))
    assert value == pytest.approx(c.log_density([0 * f for f in c.L]), rel=1e-11)
    assert np.isfinite(gradient).all()
    singular = [np.tril(np.ones_like(f)) * [1.0, *np.zeros(len(f) - 1)] for f in c.L]
    value, gradient = evaluate(problem, problem.pack(singular, c.sigma))
    assert value == pytest.approx(c.log_density(singular), rel=1e-10)
    assert np.isfinite(gradient).all()


def test_huge_variances():
    c = make("pedigree", 6)
    value, _ = evaluate(c.problem(), c.problem().pack([np.array([[1e8]])], c.sigma))
    A, C, n = c.operators()[0][0], c.covariances([np.array([[1.0]])])[0], len(c.y)
    # log density of y with covariance 1e16 A C A' + B, by the eigenvectors of A C A'
    B = c.residual(c.sigma) + c.X @ np.linalg.solve(c.prior["prior_precision"], c.X.T)
    root = np.linalg.cholesky(B)
    inside = np.linalg.solve(root, A @ C @ A.T) @ np.linalg.inv(root).T
    w, U = np.linalg.eigh(0.5 * (inside + inside.T))
    w = 1 + 1e16 * np.where(w > 1e-9, w, 0)
    e = U.T @ np.linalg.solve(root, c.centred() - c.X @ c.prior["prior_mean"])
    log_det = np.log(w).sum() + 2 * np.log(np.diag(root)).sum()
    expected = -0.5 * (n * np.log(2 * np.pi) + log_det + np.sum(e**2 / w))
    assert value == pytest.approx(expected, rel=1e-8)


def test_badly_scaled_columns():
    """Years near 2000 in a column of a membership, values near 1e9 in another."""
    c = make("membership of slopes", 8)
    year = 2000 + np.arange(60) % 10
    pieces = [(refs, Z[:, :1]) for refs, Z in c.terms[0].pieces]
    moved = [(refs, w * np.column_stack([np.ones(60), year])) for refs, w in pieces]
    plain = [(refs, w * np.column_stack([np.ones(60), year - 2000])) for refs, w in pieces]
    L = np.array([[1.1, 0], [0.2, 0.4]])
    shift = np.array([[1, -2000.0], [0, 1]])  # effects of the columns 1 and year
    far = np.linalg.cholesky(shift @ L @ L.T @ shift.T)
    a = Case(c.y, c.X, [Effects(moved, 8)], [far], c.sigma, c.prior)
    b = Case(c.y, c.X, [Effects(plain, 8)], [L], c.sigma, c.prior)
    expected = b.log_density()
    assert evaluate(b.problem(), b.problem().pack(b.L, b.sigma))[0] == pytest.approx(expected)
    assert evaluate(a.problem(), a.problem().pack(a.L, a.sigma))[0] == pytest.approx(
        expected, rel=1e-8
    )


@pytest.mark.parametrize("sigma", [0.0, -1.0, np.nan, np.inf, 1e-200])
def test_impossible_values_have_density_zero(sigma):
    c = make("related slopes and groups")
    problem = c.problem()
    L = [np.full_like(f, 1e200) if sigma == 1e-200 else f for f in c.L]
    value, gradient = evaluate(problem, problem.pack(L, sigma))
    assert value == -np.inf
    assert not gradient.any()


def test_order_and_names_of_levels_do_not_matter():
    c = make("more levels than rows", 9)
    rng = np.random.default_rng(0)
    terms, rows = [], rng.permutation(60)
    for t in c.terms:
        code = rng.permutation(t.n_levels)
        back = np.argsort(code)
        K = None if t.precision is None else t.precision[back][:, back]
        pieces = [(code[refs][rows], Z[rows]) for refs, Z in t.pieces]
        terms.append(Effects(pieces, t.n_levels, K, t.log_determinant))
    other = Case(c.y[rows], c.X[rows], terms, c.L, c.sigma, c.prior)
    x = c.problem().pack(c.L, c.sigma)
    (a, da), (b, db) = evaluate(c.problem(), x), evaluate(other.problem(), x)
    assert a == pytest.approx(b, rel=1e-12)
    np.testing.assert_allclose(da, db, 1e-9, 1e-9)


# ---- order and fronts ------------------------------------------------------------------------


def factor_entries(graph, order):
    """Entries of the factor in this order, by elimination."""
    left, count = graph[np.ix_(order, order)].copy(), 0
    for i in range(len(left)):
        near = np.flatnonzero(left[i, i + 1 :]) + i + 1
        left[np.ix_(near, near)] = True
        count += 1 + len(near)
    return count


def test_minimum_degree_finds_orders_without_fill():
    for n in (1, 2, 50, 400):
        path = sparse.diags_array([np.ones(n - 1), np.ones(n - 1)], offsets=[1, -1], shape=(n, n))
        star = sparse.lil_array((n, n))
        star[0, 1:] = star[1:, 0] = 1
        for graph in (path, star):
            graph = sparse.csr_array(graph)
            found = minimum_degree(graph, np.ones(n, int), np.zeros(n, int))
            order = [*found.order, *found.tail]
            assert sorted(order) == list(range(n))
            assert factor_entries(graph.toarray() != 0, order) == 2 * n - 1


def test_fronts_hold_the_factor():
    rng = np.random.default_rng(1)
    for n, share in ((40, 0.05), (120, 0.02), (30, 0.6)):
        graph = rng.random((n, n)) < share
        graph |= graph.T
        width, last = rng.integers(1, 4, n), (np.arange(n) % 17 == 3).astype(int)
        found = minimum_degree(sparse.csr_array(graph), width, last)
        tree = build_tree(found, width)
        assert sorted(tree.nodes) == list(range(n))
        assert list(tree.nodes[-last.sum() :]) == list(np.flatnonzero(last))
        # rows of a front hold what elimination in this order couples
        left = graph[np.ix_(tree.nodes, tree.nodes)] | np.eye(n, dtype=bool)
        for s in range(len(tree.n_rows)):
            rows = set(tree.rows[tree.at[s] : tree.at[s] + tree.n_rows[s]])
            for k in range(tree.first[s], tree.first[s + 1]):
                near = np.flatnonzero(left[k, k + 1 :]) + k + 1
                left[np.ix_(near, near)] = True
                for j in near[near >= tree.first[s + 1]]:
                    assert {*range(tree.col[j], tree.col[j + 1])} <= rows


def test_the_plan_in_words_and_its_limit():
    problem = make("related slopes and groups").problem(names=["animal", "pen"])
    assert str(problem.plan).startswith(
        "animal: 30 levels x 2 effects, related, pen: 5 levels x 1 effect, 2 population columns: "
        "sparse precision, "
    )
    with pytest.raises(ModelError, match=r"needs a dense block of \d+ columns, more than 10; use"):
        make("two smooths and everything").problem(max_dense=10)


def test_smooths_are_drawn_with_the_population_where_groups_are_summarised(monkeypatch):
    rng, n, S = np.random.default_rng(0), 80, 3000
    x, g = rng.uniform(size=n), np.arange(n) % 6
    data = pd.DataFrame({"x": x, "g": g, "y": np.sin(6 * x) + rng.normal(0, 0.3, n)})
    spec = mb.Model("y ~ s(x, k=6) + (1 | g)", data).spec
    setup = set_up(spec.design, spec.priors)
    constrained = setup.layout.constrained(np.zeros((S, setup.layout.ndim)))
    monkeypatch.setattr(setups, "_DRAWN", 1000)  # in several parts
    values, kept = setup.summaries(constrained, np.random.default_rng(1), (0.5,))
    assert list(kept) == ["g"]
    whole = setup.parameters(constrained, np.random.default_rng(2))
    names = ("Intercept", "fixef", "ranef_s_x")
    some, every = (np.hstack([v[k].reshape(S, -1) for k in names]) for v in (values, whole))
    sd = every.std(axis=0)
    assert np.abs(some.mean(axis=0) - every.mean(axis=0)).max() < (4.5 * sd / np.sqrt(S / 2)).max()
    away = (np.cov(some.T) - np.cov(every.T)) / np.outer(sd, sd)
    assert np.abs(away).max() < 4.5 * 2 / np.sqrt(S)
