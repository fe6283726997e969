"""The likelihood of a model with one variance beside sigma, as functions of their ratio alone.

With one effect in each level of one term, b = L u with u ~ N(0, K^-1), and lambda = |L| / sigma,

    P = K + lambda^2 Z'W Z,   S = D' (W - lambda^2 W Z P^-1 Z'W) D,   D = (X, y),

are functions of lambda, whatever sigma is; given these few numbers, log|P| and S (p + 1, p + 1),
the density and its gradient cost nothing. They are analytic in log lambda, with no pole nearer to
the real axis than pi / 2, so that a Chebyshev series on each stretch of length 2 has all digits
from 20 factorisations (Trefethen, Approximation Theory and Approximation Practice, 2013, theorem
8.2). Next to lambda = 0 the series is in lambda^2, whose nearest pole is -1 / mu for the largest
eigenvalue mu of K^-1 Z'W Z: the stretches begin below 1 / sqrt(mu), so that neither units nor
weights matter. Beyond the stretches the sparse kernel itself is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from scipy import linalg, sparse
from scipy.sparse import linalg as sparse_linalg

from mixedbayes import jit
from mixedbayes.marginal.density import Likelihood
from mixedbayes.marginal.evaluate import LIKELIHOOD_SIGNATURE
from mixedbayes.marginal.plan import Floats
from mixedbayes.marginal.problem import Problem
from mixedbayes.marginal.sparse.kernel import sparse_core
from mixedbayes.marginal.sparse.products import Effects

_STRETCHES, _WIDTH = 5, 2.0  # of log lambda
_BELOW = 1.0  # log lambda at the first one, below that of 1 / sqrt(mu)
_STEPS = 30  # of the power method
_NODES = 20
_MOST_COLUMNS = 6  # p
_DENSE = 0.2  # share of entries from which on a precision is factored as a dense one
_HEAD = 3
_SYMBOL = "mixedbayes_sparse_core"

jit.bind(_SYMBOL, jit.address(sparse_core, LIKELIHOOD_SIGNATURE))
_sparse = jit.symbol_caller(_SYMBOL, LIKELIHOOD_SIGNATURE)


def ratio_likelihood(
    problem: Problem,
    terms: list[Effects],
    y: Floats,
    X: Floats,
    weights: Floats | None,
    offset: Floats | None,
) -> Likelihood | None:
    """The likelihood of `problem`, made of these; None where it has more variances, sampled
    coefficients, a residual of another kind than one sigma, or many population columns.
    """
    if not problem.sparse or len(terms) != 1 or problem.n_residual > 1 or problem.n_sampled:
        return None
    (term,), p, parts = terms, problem.n_population, problem.sections
    if term.width > 1 or term.n_kinds or p > _MOST_COLUMNS or parts["scale_X"].size:
        return None
    x = X @ problem.beta_map
    e = (y if offset is None else y - offset) - x @ problem.beta_fit
    of, first = _functions(term, np.column_stack([x, e]), weights)
    m = 1 + (p + 1) * (p + 2) // 2
    series = [_series(lambda s: of(math.sqrt(s)), 0.0, math.exp(2 * first), m)]
    for start in first + _WIDTH * np.arange(_STRETCHES):
        series.append(_series(lambda t: of(math.exp(t)), start, start + _WIDTH, m))
    fixed = [np.append(parts["constants"], first), parts["P0"].ravel(), parts["m0"]]
    floats = [*fixed, *(s.ravel() for s in series)]
    head = np.concatenate(floats)
    ints = np.array([p, m, head.size], np.int64)
    return Likelihood(
        ratio_core,
        np.concatenate([ints, problem.ints]),
        np.concatenate([head, problem.floats]),
    )


def _functions(
    term: Effects, D: Floats, weights: Floats | None
) -> tuple[Callable[[float], Floats], float]:
    """log|P| and the lower triangle of S, row by row, as functions of lambda; the log lambda below
    which they are series in lambda^2.
    """
    n, J = len(D), term.n_levels
    every = [
        sparse.csr_array((Z[:, 0], (np.arange(n), refs)), shape=(n, J)) for refs, Z in term.pieces
    ]
    A = sparse.csc_array(sum(every[1:], every[0]))
    w = np.ones(n) if weights is None else weights
    G, C = sparse.csc_array(A.T @ (A * w[:, None])), A.T @ (D * w[:, None])
    K = sparse.eye_array(J, format="csc") if term.precision is None else term.precision
    K, whole = sparse.csc_array(K), D.T @ (D * w[:, None])
    dense = (K + G).nnz > _DENSE * J * J
    lower = np.tril_indices(D.shape[1])

    def factored(P: Any) -> tuple[float, Callable[[Floats], Floats]]:
        """log|P|, and what solves P x = b."""
        if dense:
            root = linalg.cho_factor(P.toarray(), lower=True)
            return 2 * np.log(np.diag(root[0])).sum(), lambda b: linalg.cho_solve(root, b)
        found = sparse_linalg.splu(
            sparse.csc_array(P), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )  # fmt: skip
        return np.log(found.U.diagonal()).sum(), found.solve

    def of(ratio: float) -> Floats:
        log_det, solve = factored(K + ratio**2 * G)
        inside = C.T @ solve(np.ascontiguousarray(C))
        return np.concatenate([[log_det], (whole - ratio**2 * inside)[lower]])

    _, solve = factored(K)
    return of, -0.5 * math.log(_largest(lambda b: solve(G @ b), J)) - _BELOW


def _largest(apply: Callable[[Floats], Floats], J: int) -> float:
    """About the largest eigenvalue of a matrix (J, J) with none below 0; 1 where all are 0.

    By the power method: what it lacks after so many steps is less than the distance to the pole.
    """
    b, found = np.random.default_rng(0).standard_normal(J), 0.0
    for _ in range(_STEPS):
        b = apply(b)
        found = float(np.linalg.norm(b))
        if not found > 0.0:
            return 1.0
        b /= found
    return found


def _series(of: Callable[[float], Floats], low: float, high: float, m: int) -> Floats:
    """(m, nodes) Chebyshev coefficients of m functions between two points."""
    at = chebyshev.chebpts1(_NODES)
    values = np.array([of(0.5 * (low + high) + 0.5 * (high - low) * u) for u in at])
    basis = chebyshev.chebvander(at, _NODES - 1)  # orthogonal at these points
    scale = np.full(_NODES, 2.0 / _NODES)
    scale[0] = 1.0 / _NODES
    found = (basis.T @ values) * scale[:, None]
    return np.ascontiguousarray(found.T.reshape(m, _NODES))


@jit.njit(LIKELIHOOD_SIGNATURE, nogil=True, error_model="numpy")
def ratio_core(x, grad, ints, floats):
    """As `sparse.kernel.sparse_core`, x = (L, sigma)."""
    p, m, size = ints[0], ints[1], ints[2]
    L, sigma, exact = x[0], x[1], grad.size > 0
    ratio = abs(L) / sigma
    t = math.log(ratio) if ratio > 0.0 else -math.inf
    first = floats[2]
    if not sigma > 0.0 or not math.isfinite(ratio) or t >= first + _STRETCHES * _WIDTH:
        return _sparse(x, grad, ints[_HEAD:], floats[size:])
    if t < first:
        high = math.exp(2.0 * first)
        stretch, u, du = 0, 2.0 * ratio * ratio / high - 1.0, 4.0 * ratio * ratio / high
    else:
        stretch = 1 + int((t - first) / _WIDTH)
        u = 2.0 * (t - first) / _WIDTH - 2.0 * (stretch - 1) - 1.0
        du = 2.0 / _WIDTH
    at = 3 + p * p + p + stretch * m * _NODES
    f, df = np.empty(m), np.empty(m)  # values, and derivatives in log lambda
    for k in range(m):
        b1 = b2 = d1 = d2 = 0.0
        for j in range(_NODES - 1, 0, -1):
            b1, b2, d1, d2 = (
                2.0 * u * b1 - b2 + floats[at + j], b1,
                2.0 * u * d1 - d2 + 2.0 * b1, d1,
            )  # fmt: skip
        f[k] = u * b1 - b2 + floats[at]
        df[k] = (u * d1 - d2 + b1) * du
        at += _NODES
    s = 1.0 / (sigma * sigma)
    Q, h, dh = np.empty((p, p)), np.empty(p), np.empty(p)
    quadratic = s * f[m - 1]
    for i in range(p):
        h[i] = s * f[1 + p * (p + 1) // 2 + i]
        for j in range(p):
            low, top = min(i, j), max(i, j)
            P0 = floats[3 + i * p + j]
            Q[i, j] = P0 + s * f[1 + top * (top + 1) // 2 + low]
            h[i] += P0 * floats[3 + p * p + j]
            quadratic += floats[3 + p * p + i] * P0 * floats[3 + p * p + j]
    half_log_det = 0.5 * f[0]
    for i in range(p):  # Q = C C', in its lower triangle
        for j in range(i + 1):
            total = Q[i, j]
            for k in range(j):
                total -= Q[i, k] * Q[j, k]
            if i == j:
                if not total > 0.0:
                    grad[:] = 0.0
                    return -math.inf
                Q[i, i] = math.sqrt(total)
                half_log_det += math.log(Q[i, i])
            else:
                Q[i, j] = total / Q[j, j]
    for i in range(p):  # C^-1 h, then the mean Q^-1 h
        total = h[i]
        for k in range(i):
            total -= Q[i, k] * dh[k]
        dh[i] = total / Q[i, i]
        quadratic -= dh[i] * dh[i]
    value = floats[0] - floats[1] * math.log(sigma) - half_log_det - 0.5 * quadratic
    if not exact or not math.isfinite(value):
        grad[:] = 0.0
        return value if math.isfinite(value) else -math.inf
    for i in range(p - 1, -1, -1):
        total = dh[i]
        for k in range(i + 1, p):
            total -= Q[k, i] * dh[k]
        dh[i] = total / Q[i, i]
    inverse = np.zeros((p, p))  # C^-1
    for j in range(p):
        for i in range(j, p):
            total = 1.0 if i == j else 0.0
            for k in range(j, i):
                total -= Q[i, k] * inverse[k, j]
            inverse[i, j] = total / Q[i, i]
    # d value / d log lambda at sigma, and d / d log sigma at lambda, of S / sigma^2
    by_ratio, by_sigma = -0.5 * df[0], -floats[1]
    for i in range(p + 1):
        for j in range(i + 1):
            k = 1 + i * (i + 1) // 2 + j
            a = dh[i] if i < p else -1.0
            b = dh[j] if j < p else -1.0
            second = a * b
            if i < p:
                for c in range(i, p):
                    second += inverse[c, i] * inverse[c, j]
            share = -0.5 * second * (1.0 if i == j else 2.0) * s
            by_ratio += share * df[k]
            by_sigma -= 2.0 * share * f[k]
    grad[0] = by_ratio / L if L != 0.0 else 0.0
    grad[1] = (by_sigma - by_ratio) / sigma
    return value
