"""The simulated data sets: R's random numbers drawn again, and the estimates that the texts print.

The estimates are found here by maximising the restricted likelihood with NumPy and SciPy alone.
"""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import ndtri

from mixedbayes.data import load_data


def r_normals(seed, n):
    """The first n normal numbers of R after set.seed(seed): Mersenne Twister and inversion."""
    words = []
    for step in range(50 + 1 + 624):
        seed = (69069 * seed + 1) % 2**32
        if step > 50:
            words.append(seed)
    twister = np.random.RandomState()
    twister.set_state(("MT19937", np.array(words, dtype=np.uint32), 624))
    uniform = twister.randint(0, 2**32, (n, 2), dtype=np.uint32) / 2**32
    return ndtri((np.floor(2**27 * uniform[:, 0]) + uniform[:, 1]) / 2**27)


def with_covariance(raw, cov):
    """(J, 2) effects with exactly this sample covariance, as MASS::mvrnorm(empirical = TRUE)."""
    raw = raw - raw.mean(axis=0)
    white = raw @ np.linalg.svd(raw, full_matrices=False)[2].T
    white /= white.std(axis=0, ddof=1)
    values, vectors = np.linalg.eigh(cov)
    turn = vectors[:, ::-1] * np.sign(vectors[0, ::-1]) * [1, -1]  # R's order and signs
    return white @ (turn * np.sqrt(values[::-1])).T


def arrays(name, group, slopes):
    """y (J, n_j), X (J, n_j, 2) and the columns that vary (J, n_j, q) of a balanced data set."""
    data = load_data(name)
    J = data[group].nunique()
    y, x = (data[c].to_numpy().reshape(J, -1) for c in ("y", "x"))
    X = np.stack([np.ones_like(x), x], axis=-1)
    return y, X, X if slopes else X[..., :1]


def restricted(theta, y, X, Z):
    """-2 log restricted likelihood, beta and its covariance; theta = Cholesky of Psi, log sigma."""
    q = Z.shape[-1]
    L = np.zeros((q, q))
    L[np.tril_indices(q)] = theta[:-1]
    V = Z @ (L @ L.T) @ Z.swapaxes(-1, -2) + np.exp(2 * theta[-1]) * np.eye(y.shape[1])
    solved = np.linalg.solve(V, X)
    gram = np.einsum("jnp,jnr->pr", X, solved)
    beta = np.linalg.solve(gram, np.einsum("jnp,jn->p", solved, y))
    e = y - X @ beta
    quad = np.einsum("jn,jn->", e, np.linalg.solve(V, e[..., None])[..., 0])
    logdet = np.linalg.slogdet(V)[1].sum() + np.linalg.slogdet(gram)[1]
    return quad + logdet + (y.size - len(beta)) * np.log(2 * np.pi), beta, np.linalg.inv(gram)


def reml(name, group, slopes):
    """Standard deviations, correlation, sigma, beta, its standard errors, and the criterion."""
    y, X, Z = arrays(name, group, slopes)
    start = [1.0, 0.0, 1.0, 0.0] if slopes else [1.0, 0.0]
    best = minimize(lambda t: restricted(t, y, X, Z)[0], start, tol=1e-10)
    criterion, beta, cov = restricted(best.x, y, X, Z)
    L = np.zeros((Z.shape[-1],) * 2)
    L[np.tril_indices(len(L))] = best.x[:-1]
    psi = L @ L.T
    sd = np.sqrt(np.diag(psi))
    cor = psi[0, -1] / (sd[0] * sd[-1])
    return sd, cor, np.exp(best.x[-1]), beta, np.sqrt(np.diag(cov)), criterion


def test_the_first_numbers_are_those_of_r():
    expected = [-1.2070657, 0.2774292, 1.0844412, -2.3456977, 0.4291247]  # set.seed(1234); rnorm(5)
    np.testing.assert_allclose(r_normals(1234, 5), expected, atol=5e-8)


@pytest.mark.parametrize(
    ("name", "effect", "J", "m", "tau", "sigma", "beta"),
    [
        ("sim_seed002", "u", 100, 3, 0.5, 0.25, (2, 0.5)),
        ("sim_seed003_intercepts", "gamma", 100, 10, 0.5, 1.0, (3, 0.75)),
    ],
)
def test_random_intercepts_are_drawn_again(name, effect, J, m, tau, sigma, beta):
    z = r_normals(1234, J + 2 * J * m)
    effects, e, x = tau * z[:J], sigma * z[J : J + J * m], z[J + J * m :]
    y = beta[0] + beta[1] * x + np.repeat(effects, m) + e
    shipped = load_data(name)
    np.testing.assert_allclose(shipped["x"], x, atol=1e-13)
    np.testing.assert_allclose(shipped["y"], y, atol=1e-13)
    np.testing.assert_allclose(load_data(f"{name}_truth")[effect], effects, atol=1e-13)


def test_intercepts_and_slopes_are_drawn_again_and_constructed_in_three_ways(reference):
    z = r_normals(1234, 2200)
    gamma = with_covariance(z[:200].reshape(2, 100).T, [[1, 0.25], [0.25, 1]])
    e, x, cluster = z[200:1200], z[1200:], np.repeat(np.arange(100), 10)
    X, beta = np.column_stack([np.ones(1000), x]), np.array([3, 0.75])
    Z = np.zeros((1000, 200))
    for j in range(100):
        Z[cluster == j, 2 * j : 2 * j + 2] = X[cluster == j]
    first = beta[0] + gamma[cluster, 0] + (beta[1] + gamma[cluster, 1]) * x + e
    second = X @ beta + (X * gamma[cluster]).sum(axis=1) + e
    third = X @ beta + Z @ gamma.ravel() + e
    printed = reference("seed_targets")["fits"]["clark_sim2"]["y_head"]
    for y in (first, second, third):
        np.testing.assert_allclose(y[:6], printed, atol=5e-8)
        np.testing.assert_allclose(y, load_data("sim_seed003_slopes")["y"], atol=1e-12)
    truth = load_data("sim_seed003_slopes_truth")[["gamma_int", "gamma_x"]]
    np.testing.assert_allclose(truth, gamma, atol=1e-12)


def test_estimates_of_random_intercepts_as_printed(reference):
    text = reference("seed_targets")["fits"]["clark_sim1"]
    sd, _, sigma, beta, se, criterion = reml("sim_seed003_intercepts", "clus", slopes=False)
    np.testing.assert_allclose([*sd, sigma], text["sd"], atol=6e-5)
    np.testing.assert_allclose(beta, text["b"], atol=6e-6)
    np.testing.assert_allclose(se, text["se"], atol=6e-6)
    assert criterion == pytest.approx(text["REML"], abs=0.06)


def test_estimates_of_intercepts_and_slopes_as_printed(reference):
    text = reference("seed_targets")["fits"]["clark_sim2"]
    sd, cor, sigma, beta, se, criterion = reml("sim_seed003_slopes", "clus", slopes=True)
    np.testing.assert_allclose([*sd, sigma], text["sd"], atol=6e-5)
    assert cor == pytest.approx(text["cor"], abs=6e-3)
    np.testing.assert_allclose(beta, text["b"], atol=6e-5)
    np.testing.assert_allclose(se, text["se"], atol=6e-5)
    assert criterion == pytest.approx(text["REML"], abs=0.06)
