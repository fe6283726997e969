"""Designs of any terms, with the multivariate normal density and dense algebra beside them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import block_diag
from scipy.stats import multivariate_normal

from mixedbayes.marginal.kernel import kernel_for
from mixedbayes.marginal.sparse.problem import build_sparse_problem
from mixedbayes.marginal.sparse.products import Effects


def pedigree(rng, J):
    """Inverse relationships of J animals, a third of them founders (Henderson 1976)."""
    founders, K = max(2, J // 3), np.zeros((J, J))
    for i in range(J):
        parents = {*rng.integers(0, i, 2).tolist()} if i >= founders else set()
        line = np.zeros(J)
        line[[i, *parents]] = [1.0, *(-0.5 for _ in parents)]
        K += np.outer(line, line) / (1 - 0.25 * len(parents))
    return sparse.csc_array(K), np.linalg.slogdet(K)[1]


def columns(rng, n, q):
    return np.column_stack([np.ones(n), rng.normal(size=(n, q))])[:, :q]


def grouping(rng, n, J, q=1):
    return Effects(((rng.integers(0, J, n), columns(rng, n, q)),), J)


def smooth(rng, n, J):
    x = rng.uniform(0, 1, n)
    basis = np.exp(-0.5 * ((x[:, None] - np.linspace(0, 1, J)) / 0.2) ** 2)
    return Effects([(np.full(n, k), basis[:, k : k + 1]) for k in range(J)], J)


def membership(rng, n, J, q=1):
    """In three levels, perhaps in one of them twice, with one weight of zero."""
    w, Z = rng.dirichlet(np.ones(3), n), columns(rng, n, q)
    w[::5] = [0.4, 0.6, 0.0]
    return Effects([(rng.integers(0, J, n), w[:, k : k + 1] * Z) for k in range(3)], J)


def related(rng, n, J, q=1):
    """A pedigree, whose founders have no rows."""
    return Effects(((rng.integers(J // 3, J, n), columns(rng, n, q)),), J, *pedigree(rng, J))


# kind, levels, effects
DESIGNS = {
    "no effects": (),
    "smooth": ((smooth, 6),),
    "one level": ((grouping, 1), (membership, 4)),
    "membership of slopes": ((membership, 8, 2),),
    "pedigree": ((related, 50),),
    "related slopes and groups": ((related, 30, 2), (grouping, 5)),
    "two smooths and everything": (
        (smooth, 5), (smooth, 7), (grouping, 40, 2), (grouping, 6), (membership, 12), (related, 20),
    ),
    "more levels than rows": ((related, 45), (grouping, 20, 3), (membership, 30)),
}  # fmt: skip
EXTRAS = ("weights", "offset", "sampled columns", "sampled factors")


@dataclass(frozen=True)
class Case:
    """A design, its prior and one value of the parameters."""

    y: Any
    X: Any
    terms: list
    L: list
    sigma: float
    prior: dict
    v: Any = None
    options: dict = field(default_factory=dict)

    def problem(self, **changes):
        return build_sparse_problem(
            self.y, self.X, self.terms, **{**self.prior, **self.options, **changes}
        )

    def operators(self):
        """A (n, J q) of each term, and the columns of v."""
        n, found = len(self.y), []
        for t in self.terms:
            A = np.zeros((n, t.n_levels, t.width))
            for refs, Z in t.pieces:
                A[np.arange(n), refs] += Z
            found.append(A.reshape(n, -1))
        V = [self.options.get("X_sampled", np.empty((n, 0)))]
        for refs, Z, J in self.options.get("sampled_factors", ()):
            A = np.zeros((n, J, Z.shape[1]))
            A[np.arange(n), refs] = Z
            V.append(A.reshape(n, -1))
        return found, np.hstack(V)

    def covariances(self, L=None):
        """(J q, J q) of the effects of each term."""
        found = []
        for t, root in zip(self.terms, self.L if L is None else L, strict=True):
            K = np.eye(t.n_levels) if t.precision is None else t.precision.toarray()
            found.append(np.kron(np.linalg.inv(K), np.tril(root) @ np.tril(root).T))
        return found

    def residual(self, sigma):
        return sigma**2 * np.diag(1 / self.options.get("weights", np.ones(len(self.y))))

    def centred(self, v=None):
        """y less offset and v."""
        v = self.v if v is None else v
        _, V = self.operators()
        return self.y - self.options.get("offset", 0) - (V @ v if V.shape[1] else 0)

    def log_density(self, L=None, sigma=None, v=None, R=None):
        P0, m = self.prior["prior_precision"], self.prior["prior_mean"]
        cov = self.residual(self.sigma if sigma is None else sigma) if R is None else R
        cov = cov + self.X @ np.linalg.solve(P0, self.X.T)
        for A, C in zip(self.operators()[0], self.covariances(L), strict=True):
            cov += A @ C @ A.T
        return multivariate_normal.logpdf(self.centred(v), self.X @ m, cov)

    def posterior(self):
        """Mean and covariance of all effects and beta, L not singular."""
        A = np.hstack([*self.operators()[0], self.X])
        prior = [np.linalg.inv(C) for C in self.covariances()]
        P = block_diag(*prior, self.prior["prior_precision"])
        m = np.concatenate([np.zeros(len(P) - len(self.prior["prior_mean"])),
                            self.prior["prior_mean"]])  # fmt: skip
        W = np.linalg.inv(self.residual(self.sigma))
        V = np.linalg.inv(A.T @ W @ A + P)
        return V @ (A.T @ W @ self.centred() + P @ m), V


def make(design, seed=0, extras=(), n=60, p=2):
    rng = np.random.default_rng(seed)
    terms = [kind(rng, n, *sizes) for kind, *sizes in DESIGNS[design]]
    half, options, r = rng.normal(size=(p, p)), {}, 0
    if "weights" in extras:
        options["weights"] = rng.uniform(0.3, 3, n)
    if "offset" in extras:
        options["offset"] = rng.normal(size=n)
    if "sampled columns" in extras:
        options["X_sampled"] = rng.normal(2, 1, size=(n, 2))
        r += 2
    if "sampled factors" in extras:
        options["sampled_factors"] = [(rng.integers(0, 4, n), columns(rng, n, 2), 4)]
        r += 8
    prior = {"prior_mean": rng.normal(size=p), "prior_precision": half @ half.T + np.eye(p)}
    return Case(
        rng.normal(3, 2, n), columns(rng, n, p), terms,
        [np.tril(rng.normal(size=(t.width,) * 2)) for t in terms], 0.8, prior,
        rng.normal(size=r) if r else None, options,
    )  # fmt: skip


def evaluate(problem, x):
    gradient = np.full(x.size, np.nan)
    value = kernel_for(problem)(x, gradient, problem.ints, problem.floats)
    assert kernel_for(problem)(x, np.empty(0), problem.ints, problem.floats) == value
    return value, gradient


def differences(f, x, free, h=1e-5):
    steps = h * np.eye(x.size)[free]
    return np.array([(f(x + s) - f(x - s)) / (2 * h) for s in steps])
