"""The density over theta against dense normals, SciPy's prior densities and numeric Jacobians."""

import ctypes
import threading
from dataclasses import dataclass

import numpy as np
import pytest
from dense_marginal import log_density_dense
from numba import njit, objmode
from scipy import integrate, stats

from mixedbayes import distributions as d
from mixedbayes.errors import PriorError
from mixedbayes.marginal.density import Likelihood, MarginalDensity
from mixedbayes.marginal.evaluate import LIKELIHOOD_SIGNATURE
from mixedbayes.marginal.parameters import Constrained, Layout
from mixedbayes.marginal.problem import build_problem
from mixedbayes.priors.factor import FactorParameters
from mixedbayes.theta import logpriors


@dataclass(frozen=True, eq=False)
class Dense:
    """y ~ N(X m0 + X_s v, sigma^2 / w + sum Z L L' Z' + X P0^-1 X'), with dense matrices."""

    y: np.ndarray
    mean: np.ndarray
    noise: np.ndarray  # (n,) 1 / weights
    fixed: np.ndarray  # (n, n) X P0^-1 X'
    factors: tuple[tuple[np.ndarray, np.ndarray], ...]  # refs, Z
    sampled: np.ndarray  # (n, r) design of v

    def covariance(self, L, sigma):
        V = np.diag(sigma**2 * self.noise) + self.fixed
        for (refs, Z), chol in zip(self.factors, L, strict=True):
            V += (Z @ (chol @ chol.T) @ Z.T) * (refs[:, None] == refs)
        return V

    def logp(self, L, sigma, v):
        mean = self.mean + self.sampled @ v
        return stats.multivariate_normal.logpdf(self.y, mean, self.covariance(L, sigma))


PYTHON = []  # likelihoods in Python, by number


@njit(LIKELIHOOD_SIGNATURE)
def call_python(x, gradient, ints, floats):
    with objmode(value="float64"):
        value = PYTHON[ints[0]](x, gradient)
    return 1.0 * value


def python_likelihood(layout, function):
    """(L, sigma, v) -> (logp, dL, dsigma, dv), as the compiled function that a density calls."""
    widths = [f.q for f in layout.integrated]

    def call(x, gradient):
        ends = np.cumsum([0] + [q * q for q in widths])
        L = [x[a:b].reshape(q, q) for a, b, q in zip(ends, ends[1:], widths, strict=False)]
        logp, dL, dsigma, dv = function(L, x[ends[-1]], x[ends[-1] + 1 :])
        if gradient.size:  # else the value alone is asked for
            gradient[:] = np.concatenate([*(d.ravel() for d in dL), [dsigma], dv])
        return logp

    PYTHON.append(call)
    return Likelihood(call_python, np.array([len(PYTHON) - 1]), np.zeros(0))


def dense_density(layout, problem):
    def function(L, sigma, v):
        inverse = np.linalg.inv(problem.covariance(L, sigma))
        a = inverse @ (problem.y - problem.mean - problem.sampled @ v)
        G = (np.outer(a, a) - inverse) / 2  # d logp / d covariance
        dL = [
            np.tril(2 * Z.T @ (G * (refs[:, None] == refs)) @ Z @ chol)
            for (refs, Z), chol in zip(problem.factors, L, strict=True)
        ]
        dsigma = 2 * sigma * np.sum(np.diag(G) * problem.noise)
        return problem.logp(L, sigma, v), dL, dsigma, problem.sampled.T @ a

    return MarginalDensity(layout, None, likelihood=python_likelihood(layout, function))


def constant_density(layout, value=0.0):
    def function(L, sigma, v):
        return value, [np.zeros_like(chol) for chol in L], 0.0, np.zeros(len(v))

    return MarginalDensity(layout, None, likelihood=python_likelihood(layout, function))


def blocks_of(q):
    return (tuple(range(q)),)


def factor(name, q, prior=None, eta=1.5, blocks=None, n_levels=0):
    terms = tuple("abcd"[:q])
    prior = prior or d.Exponential(0.7)
    return FactorParameters(name, terms, blocks or blocks_of(q), (prior,) * q, d.LKJ(eta), n_levels)


LAYOUTS = {
    "none": Layout((), d.HalfCauchy(1.0)),
    "intercept": Layout((factor("g", 1),), d.Exponential(1.0)),
    "correlated": Layout((factor("g", 2),), d.HalfNormal(2.0)),
    "three": Layout((factor("g", 3, d.HalfStudentT(3, 2.0)),), d.Uniform(0, 20)),
    "blocks": Layout(
        (factor("g", 4, d.Gamma(2, 1), blocks=((0, 2, 3), (1,))),), d.InverseGamma(3, 2)
    ),
    "crossed": Layout((factor("g", 2, d.Normal(0.5, 1)), factor("h", 1)), d.Exponential(1.0)),
    "coefficients": Layout(
        (factor("g", 2),),
        d.Exponential(1.0),
        (("x", d.StudentT(4, 0.5, 2)), ("z", d.Gamma(2, 2)), ("w", d.Uniform(-2, 3))),
    ),
    "sampled": Layout(
        (factor("g", 2), factor("h", 2, n_levels=4)), d.Exponential(1.0), (("x", d.Cauchy(0, 2)),)
    ),
}


def dense_problem(layout, rng, n=24):
    factors = tuple((rng.integers(0, 5, n), rng.normal(size=(n, f.q))) for f in layout.integrated)
    columns = [rng.normal(size=(n, len(layout.coefficients)))]
    for f in layout.sampled:
        refs, Z = rng.integers(0, f.n_levels, n), rng.normal(size=(n, f.q))
        one_hot = (refs[:, None] == np.arange(f.n_levels)).astype(float)
        columns.append((one_hot[:, :, None] * Z[:, None, :]).reshape(n, -1))
    X = rng.normal(size=(n, 2))
    return Dense(
        rng.normal(size=n) * 2,
        X @ [0.3, -0.2],
        1 / rng.uniform(0.5, 2, n),
        X @ np.diag([4.0, 0.25]) @ X.T,
        factors,
        np.concatenate(columns, axis=1),
    )


def central_gradient(f, x, h=1e-3):
    """Sixth-order differences: exact to about 1e-12 for smooth functions of order 1."""
    columns = []
    for i in range(x.size):
        e = np.zeros(x.size)
        e[i] = h
        columns.append(
            sum(
                c * (np.asarray(f(x + k * e)) - f(x - k * e))
                for k, c in ((1, 3 / 4), (2, -3 / 20), (3, 1 / 60))
            )
            / h
        )
    return np.stack(columns, axis=-1)


def free_parameters(layout, theta):
    """The parameters that the priors are densities of: sds, correlations below the diagonal, ..."""
    c = layout.constrained(theta)
    parts = []
    for f in layout.factors:
        parts.append(c.sd[f.name])
        parts.append([c.cor[f.name][i, j] for b in f.blocks for i in b for j in b if j < i])
    parts += [[c.sigma], c.coefficients, *(u.ravel() for u in c.spherical.values())]
    return np.concatenate([np.ravel(p) for p in parts])


def positive_logpdf(prior, x):
    if isinstance(prior, d.Uniform):
        return stats.uniform(max(prior.lower, 0), prior.upper - max(prior.lower, 0)).logpdf(x)
    truncated = prior.support == "real" and prior.proper
    return prior.logpdf(x) - (prior.frozen().logsf(0) if truncated else 0)


def independent_logp(layout, problem, theta):
    c = layout.constrained(theta)
    total = problem.logp([c.L[f.name] for f in layout.integrated], c.sigma, c.v)
    total += positive_logpdf(layout.sigma, c.sigma)
    for f in layout.factors:
        total += sum(positive_logpdf(p, x) for p, x in zip(f.sd, c.sd[f.name], strict=True))
        lkj = f.cor
        total += sum(lkj.logpdf(c.cor[f.name][np.ix_(b, b)]) for b in f.blocks)
    pairs = zip(layout.coefficients, c.coefficients, strict=True)
    total += sum(prior.logpdf(x) for (_, prior), x in pairs)
    total += sum(stats.norm.logpdf(u).sum() for u in c.spherical.values())
    jacobian = central_gradient(lambda t: free_parameters(layout, t), theta)
    return total + np.linalg.slogdet(jacobian)[1]


@pytest.mark.parametrize("name", LAYOUTS)
def test_density_is_likelihood_times_priors_times_jacobians(name):
    layout, rng = LAYOUTS[name], np.random.default_rng(3)
    problem = dense_problem(layout, rng)
    density = dense_density(layout, problem)
    for _ in range(4):
        theta = rng.normal(size=layout.ndim) * 0.8
        logp, _ = density.logp_grad(theta)
        assert logp == pytest.approx(independent_logp(layout, problem, theta), rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("name", LAYOUTS)
def test_gradient_matches_differences(name):
    layout, rng = LAYOUTS[name], np.random.default_rng(4)
    density = dense_density(layout, dense_problem(layout, rng))
    for _ in range(3):
        theta = rng.normal(size=layout.ndim) * 0.8
        logp, grad = density.logp_grad(theta)
        np.testing.assert_allclose(
            grad, central_gradient(density.logp, theta), rtol=1e-7, atol=1e-7
        )
        assert density.logp(theta) == logp


POSITIVE = [
    d.Normal(-1, 2),
    d.StudentT(3, 1, 2),
    d.Cauchy(2, 3),
    d.HalfNormal(2),
    d.HalfStudentT(4, 3),
    d.HalfCauchy(2),
    d.Exponential(0.3),
    d.Gamma(2.5, 1.3),
    d.InverseGamma(3, 2),
    d.Uniform(0, 4),
    d.Uniform(1, 3),
    d.Uniform(-1, 2),
    d.Flat(),
]
REAL = [*POSITIVE[:3], d.Uniform(-2, 3), d.Gamma(2, 1), d.Flat()]


def table_logp(coordinate, t):
    table = logpriors.tabulate([coordinate])
    out = np.empty((3, 1))
    return logpriors.log_prior(np.array([t]), table.codes, table.numbers, out), out[:, 0]


@pytest.mark.parametrize(
    ("prior", "positive"),
    [*((p, True) for p in POSITIVE), *((p, False) for p in REAL)],
    ids=str,
)
def test_each_prior_has_its_density_and_derivative(prior, positive):
    coordinate = logpriors.coordinate(prior, positive=positive)
    for t in (-2.3, -0.4, 0.0, 0.9, 1.8):
        logp, (x, slope, grad) = table_logp(coordinate, t)
        density = positive_logpdf(prior, x) if positive else prior.logpdf(x)
        assert logp == pytest.approx(density + np.log(slope), abs=1e-11)
        step = central_gradient(lambda s: table_logp(coordinate, s[0])[0], np.array([t]))
        assert grad == pytest.approx(step[0], rel=1e-8, abs=1e-8)
        moved = central_gradient(lambda s: table_logp(coordinate, s[0])[1][0], np.array([t]))
        assert slope == pytest.approx(moved[0], rel=1e-8)


@pytest.mark.parametrize("prior", [p for p in POSITIVE if p.proper], ids=str)
def test_priors_integrate_to_one_over_their_coordinate(prior):
    coordinate = logpriors.coordinate(prior, positive=True)
    total, _ = integrate.quad(
        lambda t: np.exp(table_logp(coordinate, t)[0]), -60, 60, limit=400, points=[-3, 0, 3]
    )
    assert total == pytest.approx(1, abs=1e-7)


def test_uniform_without_positive_values_is_refused():
    with pytest.raises(PriorError, match=r"sd_g\[a\].*no values above 0"):
        _ = Layout((factor("g", 1, d.Uniform(-2, 0)),), d.Exponential(1)).table


@pytest.mark.parametrize("eta", [0.7, 1.0, 2.0, 5.0])
def test_correlation_prior_integrates_to_one(eta):
    density = constant_density(Layout((factor("g", 2, eta=eta),), d.Exponential(1)))
    base = np.array([0.3, -0.2, 0.0, 0.1])

    def marginal(t):
        theta = base.copy()
        theta[2] = t
        return np.exp(density.logp(theta))

    rest = sum(
        table_logp(logpriors.coordinate(d.Exponential(r), positive=True), t)[0]
        for r, t in ((0.7, 0.3), (0.7, -0.2), (1.0, 0.1))
    )
    total, _ = integrate.quad(marginal, -40, 40, points=[0])
    assert np.log(total) == pytest.approx(rest, abs=1e-7)


@pytest.mark.parametrize("eta", [1.0, 3.0])
def test_correlations_of_three_terms_have_the_lkj_margins(eta):
    """Under LKJ each (1 + rho) / 2 ~ Beta(b, b) with b = eta - 1 + q / 2; grid over 3 partials."""
    t, step = np.linspace(-8.5 / eta**0.5, 8.5 / eta**0.5, 35, retstep=True)
    layout = Layout((factor("g", 3, eta=eta),), d.Exponential(1))
    theta = np.zeros((t.size**3, layout.ndim))
    theta[:, 3:6] = np.stack(np.meshgrid(t, t, t, indexing="ij"), -1).reshape(-1, 3)
    density = constant_density(layout)
    mass = np.exp(np.array([density.logp(x) for x in theta]) - density_at_zero(layout))
    mass *= step**3
    assert mass.sum() == pytest.approx(1, abs=2e-5)
    cor = layout.constrained(theta).cor["g"]
    expected = 1 / (2 * (eta - 1 + 1.5) + 1)
    for i, j in ((1, 0), (2, 0), (2, 1)):
        assert np.sum(mass * cor[:, i, j] ** 2) == pytest.approx(expected, abs=1e-4)


def density_at_zero(layout):
    """Log density of the coordinates at 0 that are not correlations."""
    rates = [0.7] * layout.factors[0].q + [1.0]
    return sum(
        table_logp(logpriors.coordinate(d.Exponential(r), positive=True), 0.0)[0] for r in rates
    )


@pytest.mark.parametrize("name", LAYOUTS)
def test_theta_and_parameters_are_each_others_inverse(name):
    layout = LAYOUTS[name]
    theta = np.random.default_rng(5).normal(size=(3, 2, layout.ndim)) * 1.5
    c = layout.constrained(theta)
    np.testing.assert_allclose(layout.unconstrained(c), theta, atol=1e-9)
    for f in layout.factors:
        covariance = c.cor[f.name] * c.sd[f.name][..., None] * c.sd[f.name][..., None, :]
        np.testing.assert_allclose(
            c.L[f.name] @ np.swapaxes(c.L[f.name], -1, -2), covariance, atol=1e-12
        )
    assert len(layout.names) == layout.ndim


def test_perfect_correlations_have_finite_coordinates():
    layout = LAYOUTS["three"]
    c = layout.constrained(np.zeros(layout.ndim))
    at_edge = Constrained(c.sd, {"g": np.ones((3, 3))}, c.L, c.sigma, c.coefficients, c.spherical)
    theta = layout.unconstrained(at_edge)
    assert np.all(np.isfinite(theta))
    np.testing.assert_allclose(layout.constrained(theta).cor["g"][:, 0], 1, atol=1e-12)


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("size", [40.0, 400.0, 1e4, 1e300])
def test_huge_coordinates_give_numbers_or_minus_infinity(name, size):
    layout, rng = LAYOUTS[name], np.random.default_rng(6)
    density = constant_density(layout)
    for sign in (1, -1):
        for i in range(min(layout.ndim, 8)):
            theta = rng.normal(size=layout.ndim)
            theta[i] = sign * size
            logp, grad = density.logp_grad(theta)
            assert not np.isnan(logp)
            assert logp < np.inf
            assert np.all(np.isfinite(grad))
            if logp == -np.inf:
                assert not grad.any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_likelihood_that_is_not_finite_is_minus_infinity(value):
    layout = LAYOUTS["correlated"]
    logp, grad = constant_density(layout, value).logp_grad(np.zeros(layout.ndim))
    assert logp == -np.inf
    assert not grad.any()


def test_threads_do_not_disturb_each_other():
    layout, rng = LAYOUTS["sampled"], np.random.default_rng(7)
    density = dense_density(layout, dense_problem(layout, rng))
    thetas = rng.normal(size=(40, layout.ndim))
    expected = [density.logp_grad(t) for t in thetas]
    found = [[] for _ in range(4)]
    threads = [
        threading.Thread(target=lambda out=out: out.extend(map(density.logp_grad, thetas)))
        for out in found
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for out in found:
        for (a, g), (b, h) in zip(expected, out, strict=True):
            assert a == b
            np.testing.assert_array_equal(g, h)


# --- with the compiled likelihood of a problem


@pytest.fixture(scope="module")
def compiled():
    """Density of a small problem, and the data it was made of."""
    rng, n = np.random.default_rng(8), 40
    layout = LAYOUTS["sampled"]
    X, w = rng.normal(size=(n, 2)), rng.uniform(0.5, 2, n)
    Z = {f.name: rng.normal(size=(n, f.q)) for f in layout.factors}
    refs = {f.name: np.arange(n) % (f.n_levels or 5) for f in layout.factors}
    rows = {f.name: (refs[f.name], Z[f.name], f.n_levels or 5) for f in layout.factors}
    data = {
        "weights": w,
        "prior_mean": np.array([0.3, -0.2]),
        "prior_precision": np.diag([0.25, 4.0]),
        "X_sampled": rng.normal(size=(n, 1)),
        "sampled_factors": [rows["h"]],
    }
    y = rng.normal(size=n) * 2
    return MarginalDensity(layout, build_problem(y, X, [rows["g"]], **data)), y, X, rows, data


def test_compiled_likelihood_is_the_dense_one(compiled):
    density, y, X, rows, data = compiled
    prior = constant_density(density.layout)
    for theta in np.random.default_rng(9).normal(size=(5, density.ndim)) * 0.7:
        c = density.constrained(theta)
        expected = log_density_dense(y, X, [rows["g"]], [c.L["g"]], c.sigma, v=c.v, **data)
        logp, grad = density.logp_grad(theta)
        assert logp == pytest.approx(expected + prior.logp(theta), rel=1e-9)
        np.testing.assert_allclose(
            grad, central_gradient(density.logp, theta), rtol=1e-6, atol=1e-6
        )


def test_c_function_is_the_same_density(compiled):
    density = compiled[0]
    doubles = ctypes.POINTER(ctypes.c_double)
    kind = ctypes.CFUNCTYPE(
        ctypes.c_int64, ctypes.c_uint64, doubles, doubles, doubles, ctypes.c_void_p
    )
    function = kind(density.c_address)
    for scale, status in ((0.5, 0), (1e4, 1)):
        theta = scale * np.random.default_rng(10).normal(size=density.ndim)
        grad, value = np.full(density.ndim, np.nan), np.zeros(1)
        pointers = [a.ctypes.data_as(doubles) for a in (theta, grad, value)]
        assert function(density.ndim, *pointers, density.c_data) == status
        expected = density.logp_grad(theta)
        assert value[0] == expected[0]
        np.testing.assert_array_equal(grad, expected[1])


@pytest.mark.parametrize("size", [15.0, 60.0, 400.0, 1e5])
def test_compiled_likelihood_never_gives_nan(compiled, size):
    density, rng = compiled[0], np.random.default_rng(11)
    for _ in range(20):
        logp, grad = density.logp_grad(rng.choice([-size, size, 0.3], density.ndim))
        assert logp < np.inf
        assert np.all(np.isfinite(grad))


def test_theta_of_another_length_is_an_error(compiled):
    with pytest.raises(ValueError, match=r"shape \(3,\) for 16 coordinates"):
        compiled[0].logp_grad(np.zeros(3))
