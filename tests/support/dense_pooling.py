"""Coefficients of groups given the variances, by least squares of all rows and priors."""

from dataclasses import dataclass

import numpy as np
from scipy import linalg


@dataclass
class Dense:
    """Rows as they are in the data: effects and coefficients by orthogonal least squares."""

    X: np.ndarray  # (n, m) population columns, the intercept first
    Z: np.ndarray  # (n, q)
    y: np.ndarray
    w: np.ndarray
    refs: np.ndarray
    J: int
    placed: np.ndarray  # (m, m) what the priors are of, as a linear map of the coefficients
    prior: np.ndarray  # (2, m) means and sds
    rows: list  # the population term of each of the group's, or None
    back: np.ndarray  # (m, m) coefficients at zero, of those of X

    @classmethod
    def of(cls, sums):
        design, g = sums.post.design, sums.group
        mu = design.mu
        X = np.column_stack([*([np.ones(design.n)] if mu.intercept else []), mu.X])
        m = X.shape[1]
        placed = sums.population.placed(np.eye(m)).T
        prior = np.array([(p.mu, p.sigma) for p in sums.population.priors]).T
        w = np.ones(design.n) if design.weights is None else design.weights
        terms, back = sums.coordinates.population, np.eye(m)
        Z = g.Z @ np.linalg.inv(sums.coordinates.shown)
        if (at := sums.coordinates.at) is not None:  # at = (when, 2002); columns 1, when, sex, both
            back[0, 1] = back[2, 3] = -at[1]
        rows = [terms.index(t) if t in terms else None for t in g.terms]
        return cls(
            X @ back, Z, sums.y, w, g.refs, g.n_levels, placed @ back, prior, rows, back
        )  # fmt: skip

    def given(self, sd, cor, sigma, weights):
        """Coefficients, their sds, effects and pooling factors; population coefficients first."""
        q, m, J = len(sd), self.X.shape[1], self.J
        root = np.array([[1.0, 0.0], [cor, np.sqrt(1 - cor**2)]])[:q, :q]
        L = np.diag(sd) @ root
        half = np.sqrt(self.w * weights[self.refs]) / sigma
        A = np.zeros((len(self.y), J * q + m))
        for i, j in enumerate(self.refs):
            A[i, j * q : (j + 1) * q] = half[i] * (self.Z[i] @ L)
        A[:, J * q :] = half[:, None] * self.X
        mean, spread = self.prior
        prior = np.column_stack([np.zeros((m, J * q)), self.placed / spread[:, None]])
        A = np.concatenate([A, np.eye(J * q, J * q + m), prior])
        right = np.concatenate([half * self.y, np.zeros(J * q), mean / spread])
        Q, upper = np.linalg.qr(A)
        found, cov, H = linalg.solve_triangular(upper, Q.T @ right), *refined(A, upper)
        beta, u = found[J * q :], found[: J * q].reshape(J, q)
        shared = np.array([0.0 if k is None else beta[k] for k in self.rows])
        sds, factors = np.empty((J, q)), np.empty((J, q))
        for j in range(J):
            pick = np.zeros((q, len(H)))
            pick[:, j * q : (j + 1) * q] = L
            for t, k in enumerate(self.rows):
                if k is not None:
                    pick[t, J * q + k] = 1.0
            sds[j] = np.sqrt(np.einsum("ti,ij,tj->t", pick, cov, pick))
            own = linalg.inv(H[j * q : (j + 1) * q, j * q : (j + 1) * q].astype(float))
            factors[j] = np.einsum("ti,ij,tj->t", root, own, root)
        return {
            "population": self.back @ beta,
            "population sd": np.sqrt(np.diag(self.back @ cov[J * q :, J * q :] @ self.back.T)),
            "effect": u @ L.T,
            "coef": shared + u @ L.T,
            "sd": sds,
            "pooling": factors,
        }


def refined(A, upper):
    """(A'A)^-1 and A'A, by Newton's steps in extended precision from the root in doubles."""
    root, A = linalg.inv(upper), A.astype(np.longdouble)
    H, inverse = A.T @ A, (root @ root.T).astype(np.longdouble)
    for _ in range(2):
        inverse = inverse + inverse @ (np.eye(len(H)) - H @ inverse)
    return inverse, H
