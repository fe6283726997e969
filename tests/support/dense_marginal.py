"""The marginal likelihood in plain dense NumPy: the oracle of the compiled kernel.

`value_and_grad_reference` works on the cross-products of a `Problem` as one dense matrix.
`log_density_dense` does not even use those: it evaluates the multivariate normal density of y with
its n x n covariance.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag, cho_factor, cho_solve
from scipy.stats import multivariate_normal

from mixedbayes.marginal.plan import Factor, Floats
from mixedbayes.marginal.problem import Problem


def value_and_grad_reference(
    problem: Problem, L: Sequence[Floats], sigma: float, v: Floats | None = None
) -> tuple[float, list[Floats], float, Floats]:
    """log p(y | L, sigma, v) and its derivatives (dL_1..dL_K, dsigma, dv), by dense matrices.

    With H = Lambda' M Lambda / sigma^2 + P and h = Lambda' c / sigma^2 + P m, mu = H^-1 h and
    K = H^-1 + mu mu' (the second moments of the effects given y),

        log p = const - n log sigma - log|H| / 2 - (y'Wy / sigma^2 + m'Pm - h' mu) / 2
        dL_k  = tril sum_g (c_g mu_g' - (M Lambda K)_gg) / sigma^2

    by Fisher's identity; L is never inverted.
    """
    problem.pack(L, sigma, v)
    h, part = problem.header, problem.sections
    delta, shift = _sampled_shift(problem, v)
    M, c, cV, yy = _cross_products(problem, delta)
    Lambda = _lambda(problem, L)
    n_u = int(part["var0"][-1])
    P = block_diag(np.eye(n_u), part["P0"])
    prior = np.concatenate([np.zeros(n_u), part["m0"] + shift])
    H = Lambda.T @ M @ Lambda / sigma**2 + P
    h = Lambda.T @ c / sigma**2 + P @ prior
    factor = cho_factor(H, lower=True)
    mu = cho_solve(factor, h)
    quad = yy / sigma**2 + prior @ P @ prior - h @ mu
    log_det = 2 * np.log(np.diagonal(factor[0])).sum()
    logp = part["constants"][0] - problem.n * np.log(sigma) - 0.5 * (log_det + quad)

    K = cho_solve(factor, np.eye(len(h))) + np.outer(mu, mu)
    Q = (np.outer(c, mu) - M @ Lambda @ K) / sigma**2
    residual = yy - 2 * c @ Lambda @ mu + np.sum((M @ Lambda) * (Lambda @ K))
    dsigma = -problem.n / sigma + residual / sigma**3
    dv = _grad_sampled(problem, cV, Lambda @ mu, shift, sigma)
    return logp, _sum_blocks(problem, Q), dsigma, dv


def log_density_dense(
    y: Floats,
    X: Floats,
    factors: Sequence[Factor],
    L: Sequence[Floats],
    sigma: float,
    *,
    weights: Floats | None = None,
    offset: Floats | None = None,
    prior_mean: Floats,
    prior_precision: Floats,
    v: Floats | None = None,
    X_sampled: Floats | None = None,
    sampled_factors: Sequence[Factor] = (),
) -> float:
    """log N(y; mean, covariance) with the full (n, n) covariance; proper priors only."""
    mean = X @ prior_mean + (0 if offset is None else offset)
    if v is not None:
        mean = mean + sampled_columns(X_sampled, sampled_factors, len(y)) @ v
    noise = np.ones(len(y)) if weights is None else 1 / np.asarray(weights)
    cov = sigma**2 * np.diag(noise) + X @ np.linalg.solve(prior_precision, X.T)
    for (refs, Z, J), factor in zip(factors, L, strict=True):
        A = indicator_columns(refs, Z, J) @ np.kron(np.eye(J), factor)
        cov += A @ A.T
    return float(multivariate_normal.logpdf(y, mean, cov))


def indicator_columns(refs: NDArray[np.integer], Z: Floats, J: int) -> Floats:
    """Dense (n, J q) design of one factor, level by level."""
    n, q = Z.shape
    A = np.zeros((n, J, q))
    A[np.arange(n), refs] = Z
    return A.reshape(n, J * q)


def sampled_columns(X_sampled: Floats | None, factors: Sequence[Factor], n: int) -> Floats:
    """Dense (n, r) design of the coefficients v."""
    X_sampled = np.empty((n, 0)) if X_sampled is None else X_sampled
    return np.hstack([X_sampled, *(indicator_columns(*f) for f in factors)])


def _sampled_shift(problem: Problem, v: Floats | None) -> tuple[Floats, Floats]:
    """v from its least-squares fit in the internal basis, and the prior mean's shift."""
    part, rx = problem.sections, problem.header.rx
    if v is None or len(v) == 0:
        return np.zeros(0), np.zeros(problem.n_population)
    delta = np.array(v, float)
    delta[:rx] = part["TV"] @ delta[:rx] - part["v0"]
    return delta, part["R"] @ delta[:rx]


def _cross_products(problem: Problem, delta: Floats):
    """M over all effects and population columns, c, c of the sampled columns, y'Wy."""
    part = problem.sections
    M, c = _dense_fronts(problem)
    yy, cV = part["XX"][-1, -1], np.zeros(0)
    if len(delta):
        t = _dense_sampled(problem) @ delta
        cV = part["vy"] - t[len(c) :]
        yy -= delta @ (part["vy"] + cV)
        c = c - t[: len(c)]
    return M, c, cV, yy


def _dense_fronts(problem: Problem) -> tuple[Floats, Floats]:
    h, part = problem.header, problem.sections
    n_u, p = int(part["var0"][-1]), h.p
    M, c = np.zeros((n_u + p, n_u + p)), np.zeros(n_u + p)
    crossed_q = np.repeat(part["q"][h.n_chain :], part["levels"][h.n_chain :])
    var = int(part["var0"][h.n_chain]) + np.cumsum(crossed_q) - crossed_q
    var_of = dict(zip(part["col"][:-1].tolist(), var.tolist(), strict=True))
    for k in range(h.K):
        q = int(part["q"][k])
        for node in range(part["node0"][k], part["node0"][k + 1]):
            own = part["var0"][k] + (node - part["node0"][k]) * q
            columns = slice(own, own + q)
            rows = list(range(own, own + q))
            up = node
            for a in range(k + 1, h.n_chain):
                up = part["parent"][up]
                start = part["var0"][a] + (up - part["node0"][a]) * part["q"][a]
                rows += range(start, start + part["q"][a])
            if part["blk_fac"].size:
                for b in range(part["blk_ptr"][node], part["blk_ptr"][node + 1]):
                    start = var_of[int(part["blk_col"][b])]
                    rows += range(start, start + part["q"][part["blk_fac"][b]])
            rows += range(n_u, n_u + p)
            front = part["fronts"][part["off"][node] : part["off"][node + 1]].reshape(-1, q)
            M[np.array(rows)[:, None], np.arange(own, own + q)] = front[:-1]
            M[np.arange(own, own + q)[:, None], rows] = front[:-1].T
            c[columns] = front[-1]
    M[n_u:, n_u:] = part["XX"][:-1, :-1]
    c[n_u:] = part["XX"][-1, :-1]
    return M, c


def _dense_sampled(problem: Problem) -> Floats:
    h, part = problem.header, problem.sections
    G = np.zeros((len(part["v_ptr"]) - 1, h.r))
    for row in range(len(G)):
        at = slice(part["v_ptr"][row], part["v_ptr"][row + 1])
        G[row, part["v_idx"][at]] = part["v_val"][at]
    return G


def _basis(problem: Problem, k: int) -> Floats:
    part = problem.sections
    q = int(part["q"][k])
    return part["T"][part["t0"][k] : part["t0"][k] + q * q].reshape(q, q)


def _lambda(problem: Problem, L: Sequence[Floats]) -> Floats:
    """Spherical effects and population effects to coefficients of the internal columns."""
    h, part = problem.header, problem.sections
    blocks = [
        np.kron(np.eye(part["levels"][k]), _basis(problem, k) @ np.tril(L[user]))
        for k, user in enumerate(problem.plan.order)
    ]
    return block_diag(*blocks, np.eye(h.p))


def _sum_blocks(problem: Problem, Q: Floats) -> list[Floats]:
    """Lower triangles of the sums over levels of the diagonal blocks, the caller's order."""
    part = problem.sections
    dL = [np.zeros((q, q)) for q in problem.widths]
    for k, user in enumerate(problem.plan.order):
        at, q = slice(part["var0"][k], part["var0"][k + 1]), int(part["q"][k])
        blocks = Q[at, at].reshape(part["levels"][k], q, part["levels"][k], q)
        total = np.einsum("gigj->ij", blocks)
        dL[user] = np.tril(_basis(problem, k).T @ total)
    return dL


def _grad_sampled(problem: Problem, cV: Floats, w: Floats, shift: Floats, sigma: float) -> Floats:
    """d/dv: through the residual, and through the prior mean of the shifted population effects."""
    h, part, rx = problem.header, problem.sections, problem.header.rx
    if h.r == 0:
        return np.zeros(0)
    grad = (cV - _dense_sampled(problem)[: len(w)].T @ w) / sigma**2
    beta = w[len(w) - h.p :]
    grad[:rx] += part["R"].T @ part["P0"] @ (beta - part["m0"] - shift)
    grad[:rx] = part["TV"].T @ grad[:rx]
    return grad
