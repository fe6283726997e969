"""One value and one gradient of the marginal likelihood, by kernel: `python -m benchmarks.kernels`.

Designs whose terms are no grouping factors, which the sparse kernel alone takes; and designs of
grouping factors, which it takes as well, beside the kernel that is used for them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from mixedbayes.data.load import load_data
from mixedbayes.marginal.kernel import kernel_for
from mixedbayes.marginal.problem import Problem, build_problem
from mixedbayes.marginal.sparse.problem import build_sparse_problem
from mixedbayes.marginal.sparse.products import Effects, Floats
from mixedbayes.numerics.threads import one_blas_thread

N = 10_000  # rows, where the data do not say


@dataclass(frozen=True)
class Case:
    name: str
    n: int
    terms: list[Effects]


def grouping(refs: Floats, q: int = 1) -> Effects:
    codes = np.asarray(refs)
    Z = np.ones((len(codes), q))
    Z[:, 1:] = np.linspace(-1, 1, len(codes))[:, None]
    return Effects(((codes, Z),), int(codes.max()) + 1)


def smooth(rng: np.random.Generator, k: int) -> Effects:
    x = rng.uniform(size=N)
    basis = np.exp(-0.5 * ((x[:, None] - np.linspace(0, 1, k)) * k) ** 2)
    return Effects([(np.full(N, j), basis[:, j : j + 1]) for j in range(k)], k)


def membership(rng: np.random.Generator, J: int) -> Effects:
    weights = rng.dirichlet(np.ones(3), N)
    return Effects([(rng.integers(0, J, N), weights[:, j : j + 1]) for j in range(3)], J)


def pedigree(rng: np.random.Generator, generations: int, size: int) -> Effects:
    """Each generation has 25 sires and half as many dams as animals."""
    lines, scales, J = [], [], generations * size
    for i in range(J):
        before = (i // size - 1) * size
        parents = [before + rng.integers(25), before + size // 2 + rng.integers(size // 2)]
        line = {i: 1.0} | (dict.fromkeys(map(int, parents), -0.5) if before >= 0 else {})
        lines += [(i, j, x) for j, x in line.items()]
        scales.append(2.0 if before >= 0 else 1.0)
    rows, columns, values = map(np.array, zip(*lines, strict=True))
    T = sparse.csr_array((values, (rows, columns)), shape=(J, J))
    K = sparse.csc_array(T.T @ sparse.diags_array(scales) @ T)
    log_determinant = float(np.log(scales).sum())  # T is triangular, with ones
    return Effects(((rng.integers(0, J, N), np.ones((N, 1))),), J, K, log_determinant)


def cases(rng: np.random.Generator) -> Iterator[Case]:
    groups = rng.integers(0, 1000, N)
    yield Case("pedigree of 5,000", N, [pedigree(rng, 10, 500)])
    yield Case("10 smooths of 10", N, [smooth(rng, 10) for _ in range(10)])
    yield Case("smooth, slopes of 1,000 groups", N, [smooth(rng, 20), grouping(groups, 2)])
    yield Case("membership in 3 of 1,000", N, [membership(rng, 1000)])
    yield Case("penicillin", 144, [grouping(np.repeat(np.arange(24), 6)),
                                   grouping(np.tile(np.arange(6), 24))])  # fmt: skip
    data = load_data("insteval")
    codes = [data[c].astype("category").cat.codes.to_numpy(int) for c in ("s", "d", "dept")]
    yield Case("InstEval", len(data), [grouping(c) for c in codes])
    yield Case("slopes of 1,000 groups", N, [grouping(groups, 2)])
    yield Case("1,000 crossed with 200", N, [grouping(groups), grouping(rng.integers(0, 200, N))])


def milliseconds(function: Callable[[], object], repeat: int) -> float:
    """The fastest."""
    best = np.inf
    for _ in range(repeat):
        began = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - began)
    return 1e3 * float(best)


def measure(problem: Problem, repeat: int) -> tuple[float, float]:
    """Milliseconds of a value, and of a gradient."""
    kernel = kernel_for(problem)
    x = problem.pack([0.7 * np.eye(q) for q in problem.widths], 0.9)
    given = problem.ints, problem.floats
    return (
        milliseconds(lambda: kernel(x, np.empty(0), *given), repeat),
        milliseconds(lambda: kernel(x, np.empty(x.size), *given), repeat),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=20)
    repeat, rng = parser.parse_args().repeat, np.random.default_rng(1)
    print(f"{'':32}{'value':>10}{'gradient':>10} ms", flush=True)
    with one_blas_thread():
        for case in cases(rng):
            y, X = rng.normal(size=case.n), np.ones((case.n, 3))
            X[:, 1:] = rng.normal(size=(case.n, 2))
            prior = {"prior_mean": np.zeros(3), "prior_precision": np.eye(3)}
            known = {"sparse": build_sparse_problem(y, X, case.terms, **prior)}
            if all(len(t.pieces) == 1 and t.precision is None for t in case.terms):
                factors = [(*t.pieces[0], t.n_levels) for t in case.terms]
                known["own kernel"] = build_problem(y, X, factors, **prior)
            for kind, problem in known.items():
                value, gradient = measure(problem, repeat)
                said = f"{case.name}, {kind}" if len(known) > 1 else case.name
                print(f"{said:32}{value:10.3f}{gradient:10.3f}", flush=True)


if __name__ == "__main__":
    main()
