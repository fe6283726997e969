"""Random designs of every structure that the elimination treats differently."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dense_marginal import log_density_dense

from mixedbayes.data.load import load_data
from mixedbayes.marginal.problem import Problem, build_problem


@dataclass(frozen=True)
class Case:
    """A design, its prior and one value of the parameters."""

    y: Any
    X: Any
    factors: list
    L: list
    sigma: float
    prior_mean: Any
    prior_precision: Any
    v: Any = None
    options: dict = field(default_factory=dict)  # weights, offset, X_sampled, sampled_factors

    def problem(self, **changes: Any) -> Problem:
        prior = {"prior_mean": self.prior_mean, "prior_precision": self.prior_precision}
        return build_problem(self.y, self.X, self.factors, **(prior | self.options | changes))

    def log_density(self, L: list | None = None, sigma: float | None = None, v: Any = None):
        """The multivariate normal density of y."""
        return log_density_dense(
            self.y,
            self.X,
            self.factors,
            self.L if L is None else L,
            self.sigma if sigma is None else sigma,
            prior_mean=self.prior_mean,
            prior_precision=self.prior_precision,
            v=self.v if v is None else v,
            **self.options,
        )

    def rows(self, order: Any) -> "Case":
        """The same data with its rows in another order."""
        take = lambda fs: [(refs[order], Z[order], J) for refs, Z, J in fs]  # noqa: E731
        options = {
            k: take(a) if k == "sampled_factors" else a[order] for k, a in self.options.items()
        }
        return replace(
            self, y=self.y[order], X=self.X[order], factors=take(self.factors), options=options
        )


# structure: levels and widths of the factors; "/" joins a factor to the coarser one it is nested in
STRUCTURES = {
    "none": "",
    "scalar": "9x1",
    "vector of two": "7x2",
    "vector of three": "6x3",
    "uncorrelated": "7x2u",
    "nested": "12x1/4x1",
    "nested in three": "12x1/6x1/2x1",
    "nested vectors": "12x2/4x3",
    "crossed": "8x1 5x1",
    "crossed in three": "9x1 5x1 4x1",
    "crossed vectors": "8x2 5x3",
    "nested and crossed": "12x1/4x1 5x1",
    "nested and crossed vectors": "12x2/6x1/3x2 5x2 3x1",
    "two nested pairs": "12x1/4x1 10x1/3x1",
    "same factor twice": "6x1/6x2",
    "many columns": "7x2 30x1",
}


def make_case(structure: str, seed: int, *extras: str, p: int = 2, n: int = 50) -> Case:
    """A random case; extras: "weights", "offset", "sampled columns", "sampled factors"."""
    rng = np.random.default_rng(seed)

    def columns(q: int):
        return np.column_stack([np.ones(n), rng.normal(size=(n, max(q - 1, 0)))])[:, :q]

    factors, L = [], []
    for chain in STRUCTURES[structure].split():
        refs, finer = None, 0
        for part in chain.split("/"):
            J, q = int(part.split("x")[0]), int(part.split("x")[1].rstrip("u"))
            if refs is None:
                refs = rng.integers(0, J, n)
            elif finer > J:
                refs = rng.integers(0, J, finer)[refs]
            finer = J
            factors.append((refs, columns(q), J))
            full = np.tril(rng.normal(size=(q, q)))
            L.append(np.diag(np.diagonal(full)) if part.endswith("u") else full)
    order = rng.permutation(len(factors))
    factors, L = [factors[k] for k in order], [L[k] for k in order]
    half = rng.normal(size=(p, p))
    options: dict = {}
    if "weights" in extras:
        options["weights"] = rng.uniform(0.3, 3, n)
    if "offset" in extras:
        options["offset"] = rng.normal(size=n)
    r = 0
    if "sampled columns" in extras:
        options["X_sampled"] = rng.normal(2, 1, size=(n, 2))
        r += 2
    if "sampled factors" in extras:
        options["sampled_factors"] = [
            (rng.integers(0, 4, n), columns(2), 4),
            (rng.integers(0, 3, n), columns(1), 3),
        ]
        r += 11
    return Case(
        rng.normal(3, 2, n), columns(p), factors, L, float(rng.uniform(0.5, 2)),
        rng.normal(size=p), half @ half.T + 0.1 * np.eye(p), rng.normal(size=r) if r else None,
        options,
    )  # fmt: skip


@pytest.fixture(params=list(STRUCTURES))
def structure(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def sleepstudy() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reaction (180,), [1, Days] (180, 2) and the subject of each row."""
    data = load_data("sleepstudy")
    X = np.column_stack([np.ones(len(data)), data["Days"].to_numpy(float)])
    return data["Reaction"].to_numpy(float), X, pd.factorize(data["Subject"])[0]


@pytest.fixture
def case() -> Callable[..., Case]:
    return make_case
