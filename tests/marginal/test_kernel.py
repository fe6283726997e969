"""The marginal likelihood: compiled = dense reference = multivariate normal density."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from dense_marginal import log_density_dense, value_and_grad_reference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixedbayes.marginal import clusters
from mixedbayes.marginal.effects import conditional_moments, draw_effects
from mixedbayes.marginal.kernel import general_kernel, kernel_for, value_and_grad
from mixedbayes.marginal.problem import build_problem

EXTRAS = ("weights", "offset", "sampled columns", "sampled factors")
shared = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def flat(problem, result):
    """Value and gradient as one vector."""
    logp, dL, dsigma, dv = result
    return np.concatenate([[logp], *(d.ravel() for d in dL), [dsigma], dv])


def close(a, b, rtol):
    scale = np.maximum(1, np.abs(b))
    return np.max(np.abs(a - b) / scale, initial=0) < rtol


@shared
@given(
    seed=st.integers(0, 10**6),
    extras=st.sets(st.sampled_from(EXTRAS)),
    p=st.integers(0, 3),
)
def test_value_is_the_multivariate_normal_density(case, structure, seed, extras, p):
    c = case(structure, seed, *extras, p=p)
    problem = c.problem()
    expected = c.log_density()
    assert value_and_grad(problem, c.L, c.sigma, c.v)[0] == pytest.approx(expected, rel=1e-8)
    assert value_and_grad_reference(problem, c.L, c.sigma, c.v)[0] == pytest.approx(
        expected, rel=1e-8
    )


@shared
@given(seed=st.integers(0, 10**6), extras=st.sets(st.sampled_from(EXTRAS)), p=st.integers(0, 3))
def test_compiled_equals_reference(case, structure, seed, extras, p):
    c = case(structure, seed, *extras, p=p)
    problem = c.problem()
    got = flat(problem, value_and_grad(problem, c.L, c.sigma, c.v))
    expected = flat(problem, value_and_grad_reference(problem, c.L, c.sigma, c.v))
    assert close(got, expected, 1e-10)


def test_the_value_alone_is_the_value_with_its_gradient(case, structure):
    c = case(structure, 3, "sampled columns")
    problem = c.problem()
    x = problem.pack(c.L, c.sigma, c.v)
    for kernel in (kernel_for(problem), general_kernel()):
        both = kernel(x, np.empty(x.size), problem.ints, problem.floats)
        assert kernel(x, np.empty(0), problem.ints, problem.floats) == both


@pytest.mark.parametrize("extras", [(), EXTRAS])
def test_gradient_matches_finite_differences_of_the_density(case, structure, extras):
    c = case(structure, 5, *extras)
    problem = c.problem()
    x = problem.pack(c.L, c.sigma, c.v)
    got = flat(problem, value_and_grad(problem, c.L, c.sigma, c.v))[1:]
    free = problem.pack([np.ones((q, q)) for q in problem.widths], 1.0, np.ones(problem.n_sampled))

    def density(x):
        L, sigma, v = problem.unpack(x)
        return c.log_density(L, sigma, v if len(v) else None)

    h = 1e-5
    for i in np.flatnonzero(free):
        step = np.eye(len(x))[i] * h
        numeric = (density(x + step) - density(x - step)) / (2 * h)
        assert got[i] == pytest.approx(numeric, rel=2e-5, abs=2e-5)
    assert not got[free == 0].any()


@pytest.mark.parametrize("name", ["scalar", "vector of two", "nested vectors", "crossed vectors"])
def test_gradient_is_finite_and_right_at_the_boundary(case, name):
    """Standard deviations of 0, and correlations of 1 and -1: L is singular."""
    c = case(name, 11)
    problem = c.problem()
    boundary = []
    for L in c.L:
        L = L.copy()
        L[-1, -1] = 0.0
        boundary.append(L)
    for L in (boundary, [np.zeros_like(L) for L in c.L]):
        got = flat(problem, value_and_grad(problem, L, c.sigma))
        assert np.isfinite(got).all()
        assert close(got, flat(problem, value_and_grad_reference(problem, L, c.sigma)), 1e-10)


def test_both_kernels_agree_on_one_factor(case):
    c = case("vector of two", 3, *EXTRAS)
    problem = c.problem()
    x = problem.pack(c.L, c.sigma, c.v)
    one, other = np.empty_like(x), np.empty_like(x)
    assert kernel_for(problem) is not general_kernel()
    a = kernel_for(problem)(x, one, problem.ints, problem.floats)
    b = general_kernel()(x, other, problem.ints, problem.floats)
    assert a == pytest.approx(b, rel=1e-12)
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sigma", [0.0, -1.0, np.nan, np.inf])
def test_impossible_sigma_has_density_zero(case, structure, sigma):
    c = case(structure, 2)
    problem = c.problem()
    got = flat(problem, value_and_grad(problem, c.L, sigma))
    assert got[0] == -np.inf
    assert not got[1:].any()


def test_overflow_has_density_zero(case, structure):
    c = case(structure, 2)
    problem = c.problem()
    got = flat(problem, value_and_grad(problem, [np.full_like(L, 1e200) for L in c.L], 1e-200))
    assert got[0] == -np.inf
    assert not got[1:].any()


@pytest.mark.parametrize("extras", [(), EXTRAS])
def test_row_order_does_not_matter(case, structure, extras):
    c = case(structure, 7, *extras)
    other = c.rows(np.random.default_rng(0).permutation(len(c.y)))
    a, b = c.problem(), other.problem()
    assert close(
        flat(a, value_and_grad(a, c.L, c.sigma, c.v)),
        flat(b, value_and_grad(b, c.L, c.sigma, c.v)),
        1e-9,
    )


def test_labels_of_levels_do_not_matter(case, structure):
    c = case(structure, 8)
    rng = np.random.default_rng(1)
    relabelled = [(rng.permutation(J)[refs], Z, J) for refs, Z, J in c.factors]
    a = c.problem()
    prior = {"prior_mean": c.prior_mean, "prior_precision": c.prior_precision}
    b = build_problem(c.y, c.X, relabelled, **prior)
    assert close(
        flat(a, value_and_grad(a, c.L, c.sigma)), flat(b, value_and_grad(b, c.L, c.sigma)), 1e-9
    )


def test_levels_without_rows_change_nothing(case, structure):
    c = case(structure, 8)
    prior = {"prior_mean": c.prior_mean, "prior_precision": c.prior_precision}
    more = build_problem(c.y, c.X, [(refs, Z, J + 2) for refs, Z, J in c.factors], **prior)
    a = c.problem()
    assert close(
        flat(more, value_and_grad(more, c.L, c.sigma)),
        flat(a, value_and_grad(a, c.L, c.sigma)),
        1e-9,
    )


def test_threads_share_nothing(case):
    c = case("nested and crossed vectors", 4)
    problem = c.problem()
    kernel = kernel_for(problem)
    points = [problem.pack(c.L, s) for s in np.linspace(0.5, 3, 200)]

    def evaluate(x):
        grad = np.empty_like(x)
        return kernel(x, grad, problem.ints, problem.floats), grad

    alone = [evaluate(x) for x in points]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(evaluate, points))
    for (a, da), (b, db) in zip(alone, together, strict=True):
        assert a == b
        np.testing.assert_array_equal(da, db)


def test_sleepstudy_value_of_an_independent_computation(sleepstudy):
    y, X, refs = sleepstudy
    prior = {
        "prior_mean": np.array([250.0, 0.0]),
        "prior_precision": np.diag([250.0**-2, 50.0**-2]),
    }
    problem = build_problem(y, X, [(refs, X, 18)], **prior)
    L = [np.array([[24.7, 0.0], [0.4, 5.9]])]
    logp, dL, dsigma, _ = value_and_grad(problem, L, 25.6)
    assert logp == pytest.approx(-883.10831419, abs=5e-9)
    assert dL[0][[0, 1, 1], [0, 0, 1]] == pytest.approx(
        [0.00093810, -0.0014151, 0.0045527], rel=3e-4
    )
    assert dsigma == pytest.approx(-0.0028159, rel=1e-4)
    assert log_density_dense(y, X, [(refs, X, 18)], L, 25.6, **prior) == pytest.approx(
        logp, rel=1e-10
    )


def test_wrong_shapes_are_explained(case):
    from mixedbayes.errors import ModelError

    problem = case("crossed", 1).problem()
    with pytest.raises(ModelError, match="1 factors L given for 2"):
        value_and_grad(problem, [np.eye(1)], 1.0)
    with pytest.raises(ModelError, match=r"L\[0\] has shape \(2, 2\)"):
        value_and_grad(problem, [np.eye(2), np.eye(1)], 1.0)
    with pytest.raises(ModelError, match="v has 3 values for 0"):
        value_and_grad(problem, [np.eye(1), np.eye(1)], 1.0, np.ones(3))


@pytest.fixture
def clustered(monkeypatch):
    """Two crossed factors whose levels meet within three regions only, and one that spans them."""
    monkeypatch.setattr(clusters, "_WORTH_A_LOOK", 0)
    monkeypatch.setattr(clusters, "_GAIN", 1.0)
    rng = np.random.default_rng(4)
    n = 240
    region = rng.integers(0, 3, n)
    pupil = region * 40 + rng.integers(0, 40, n)
    teacher = region * 6 + rng.integers(0, 6, n)
    columns = np.column_stack([np.ones(n), rng.normal(size=n)])
    factors = [
        (teacher, columns, 18),
        (rng.integers(0, 3, n), columns[:, :1], 3),
        (pupil, columns[:, :1], 120),
    ]
    return rng.normal(size=n), columns, factors


def test_clusters_of_crossed_levels_are_found_and_change_nothing(clustered, monkeypatch):
    y, X, factors = clustered
    prior = {"prior_mean": np.zeros(2), "prior_precision": np.eye(2)}
    L = [np.array([[0.7, 0], [0.3, 0.5]]), np.array([[0.4]]), np.array([[0.6]])]
    problem = build_problem(y, X, factors, **prior)
    assert problem.plan.clusters == (12, 12)  # the third region stays with the rest
    assert "(41 columns, 24 of them in 2 separate groups)" in str(problem.plan)
    got = value_and_grad(problem, L, 0.9)
    assert got[0] == pytest.approx(log_density_dense(y, X, factors, L, 0.9, **prior), rel=1e-10)
    expected = flat(problem, value_and_grad_reference(problem, L, 0.9))
    assert close(flat(problem, got), expected, 1e-10)

    mean, cov = conditional_moments(problem, L, 0.9)
    monkeypatch.setattr(clusters, "_WORTH_A_LOOK", 10**6)
    whole = build_problem(y, X, factors, **prior)
    assert whole.plan.clusters == ()
    other_mean, other_cov = conditional_moments(whole, L, 0.9)
    for a, b in zip(mean + cov, other_mean + other_cov, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_draws_with_clusters(clustered):
    y, X, factors = clustered
    problem = build_problem(y, X, factors, prior_mean=np.zeros(2), prior_precision=np.eye(2))
    assert problem.plan.clusters
    L, S = [np.array([[0.7, 0], [0.3, 0.5]]), np.array([[0.4]]), np.array([[0.6]])], 4_000
    mean, cov = conditional_moments(problem, L, 0.9)
    draws = draw_effects(
        problem, [np.tile(f, (S, 1, 1)) for f in L], np.full(S, 0.9), None, np.random.default_rng(0)
    )[1]
    for x, m, s in zip(draws, mean, cov, strict=True):
        sd = np.sqrt(np.einsum("gii->gi", s))
        assert (np.abs(x.mean(axis=0) - m) / (sd / np.sqrt(S))).max() < 4.5
        np.testing.assert_allclose(x.std(axis=0), sd, rtol=0.07)
