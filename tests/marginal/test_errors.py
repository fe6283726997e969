"""Residuals with correlations and a sigma of their own, by the multivariate normal density."""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sparse_cases import EXTRAS, Case, columns, differences, evaluate, make

from mixedbayes.distributions import LKJ, InverseGamma
from mixedbayes.errors import ModelError
from mixedbayes.marginal.sparse.entries import Correlations, Errors, find_entries
from mixedbayes.terms.registry import COVARIANCES

CHAINS = ("ar1", "ou", "hetar1")
EQUAL = ("cs", "homcs")


@dataclass(frozen=True)
class Noise:
    """One residual: rows, structure, its numbers by arm, and sigma's coefficients."""

    errors: Errors
    structure: Any
    z: Any  # (arms, m)
    scale: Any  # sigma, or coefficients

    def sigma(self, scale):
        e = self.errors
        n = len(e.correlations.refs)
        if e.columns is None:
            return np.full(n, scale[0])
        return np.exp(e.columns @ scale + (0 if e.offset is None else e.offset))

    def matrices(self, z):
        T = len(self.errors.correlations.positions)
        return [root @ root.T for root in self.structure.root(z, T)]

    def covariance(self, z, scale, weights):
        c, sd = self.errors.correlations, self.sigma(scale) / np.sqrt(weights)
        R = np.stack(self.matrices(z))
        arms = np.zeros(len(sd), int) if c.arms is None else c.arms
        found = R[arms[:, None], c.places[:, None], c.places[None]]
        return np.outer(sd, sd) * np.where(c.refs[:, None] == c.refs[None], found, 0.0)

    def numbers(self, z, scale):
        """The residual's part of the parameter vector."""
        c, parts = self.errors.correlations, []
        for a, sizes in enumerate(c.sizes):
            if c.kind == "any":
                parts.append(self.structure.root(z[a], len(c.positions)).ravel())
                continue
            for gap, _ in zip(c.distances[a], sizes, strict=True):
                if c.kind == "equal":
                    parts.append(ar1_pair(z[a, 0], 1).ravel())
                    continue
                pair = replace(self.structure, at=(0.0, float(gap)))
                # a step of ar1 is that of all positions
                root = pair.root(z[a], 2) if pair.name == "ou" else ar1_pair(z[a, 0], gap)
                parts.append(root.ravel())
        return np.concatenate([*parts, scale])


def ar1_pair(rho, steps):
    r = rho ** int(steps)
    return np.array([[1, 0], [r, np.sqrt(1 - r * r)]])


def noise(name, rng, n, *, T=5, arms=1, sigma="number", J=None):
    """Groups of one to T rows, some of one; positions that some groups lack."""
    at = np.arange(float(T)) if name != "ou" else np.sort(rng.uniform(0, 4, T))
    structure = COVARIANCES[name].placed(at, "visit")
    J = J or n // 3
    while True:
        slots = rng.permutation(J * T)[:n]
        refs, places = slots // T, slots % T
        if (np.bincount(refs, minlength=J) == 1).any():
            break
    prior = InverseGamma(3, 3) if name == "ou" else LKJ(2)
    numbers = structure.parameters(T, prior)
    z = np.column_stack([p.draw(arms, rng) for p in numbers])
    own = None if arms == 1 else rng.integers(0, arms, J)[refs]
    kind = "chain" if name in CHAINS else "equal" if name in EQUAL else "any"
    c = Correlations(refs, places, structure.positions(T), kind, own, arms)
    if sigma == "number":
        return Noise(Errors(correlations=c), structure, z, np.array([0.8]))
    classes = {"classes": np.eye(T)[places], "halves": np.eye(2)[(places > 2).astype(int)]}
    X = classes[sigma] if sigma in classes else columns(rng, n, 2)
    offset = rng.normal(size=n) if sigma == "offset" else None
    return Noise(Errors(X, offset, c), structure, z, 0.3 * rng.normal(size=X.shape[1]))


def problem_of(case, noise):
    return case.problem(errors=noise.errors)


def density(case, noise, L, z, scale, v):
    weights = case.options.get("weights", np.ones(len(case.y)))
    return case.log_density(L, v=v, R=noise.covariance(z, scale, weights))


CASES = [
    ("ar1", "no effects", (), {}),
    ("ar1", "two smooths and everything", EXTRAS, {"arms": 2}),
    ("ou", "related slopes and groups", ("weights",), {"sigma": "offset"}),
    ("ou", "membership of slopes", ("offset",), {"arms": 3, "sigma": "classes"}),
    ("hetar1", "one level", ("sampled columns",), {"sigma": "classes"}),
    ("us", "no effects", ("weights",), {"sigma": "classes", "arms": 2}),
    ("us", "related slopes and groups", EXTRAS, {}),
    ("toep", "smooth", ("weights",), {"sigma": "classes"}),
    ("cs", "membership of slopes", ("sampled factors",), {"sigma": "continuous"}),
    ("homcs", "more levels than rows", (), {"arms": 2}),
    ("homcs", "two smooths and everything", EXTRAS, {"arms": 2, "sigma": "offset"}),
    ("homcs", "related slopes and groups", ("sampled columns", "weights"), {"sigma": "halves"}),
    ("homtoep", "pedigree", ("offset",), {"sigma": "offset", "T": 9}),
    ("us", "smooth", ("weights",), {"T": 30, "J": 40}),  # sizes that BLAS takes
]


@pytest.mark.parametrize(("name", "design", "extras", "options"), CASES)
def test_value_and_gradient_are_those_of_the_normal_density(name, design, extras, options):
    rng = np.random.default_rng(sum(map(ord, name + design)))
    case = make(design, 3, extras)
    own = noise(name, rng, len(case.y), **options)
    problem = problem_of(case, own)
    x = problem.pack(case.L, own.numbers(own.z, own.scale), case.v)
    value, gradient = evaluate(problem, x)
    assert value == pytest.approx(density(case, own, case.L, own.z, own.scale, case.v), rel=1e-9)
    # along L, v and sigma; and along z, through the roots
    at, r = sum(t.width**2 for t in case.terms), problem.n_sampled
    roots = problem.n_residual - len(own.scale)

    def moved(t):
        L, residual, v = problem.unpack(t)
        scale = np.atleast_1d(residual)[roots:]
        return density(case, own, L, own.z, scale, v if r else None)

    free = problem.pack(
        [np.ones_like(f) for f in case.L],
        np.concatenate([np.zeros(roots), np.ones(len(own.scale))]), np.ones(r),
    ) != 0  # fmt: skip
    np.testing.assert_allclose(gradient[free], differences(moved, x, free), 2e-6, 2e-6)
    for _ in range(3):
        step = 1e-5 * rng.normal(size=own.z.shape)
        high, low = (
            density(case, own, case.L, own.z + s * step, own.scale, case.v) for s in (1, -1)
        )
        change = own.numbers(own.z + step, own.scale) - own.numbers(own.z - step, own.scale)
        found = gradient[at : at + problem.n_residual] @ change
        assert found == pytest.approx(high - low, rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("sigma", ["number", "continuous"])
@pytest.mark.parametrize("name", ["ar1", "homcs", "cs"])
def test_pairs_of_positions_have_the_density_of_their_matrix(name, sigma):
    """The same by closed forms, and by the inverse of each set of positions."""
    rng = np.random.default_rng(2)
    case = make("related slopes and groups", 5, ("weights",))
    pairs = noise(name, rng, 60, arms=2, sigma=sigma)
    c = pairs.errors.correlations
    dense = replace(pairs, errors=replace(pairs.errors, correlations=replace(c, kind="any")))
    values = []
    for own in (pairs, dense):
        problem = problem_of(case, own)
        x = problem.pack(case.L, own.numbers(own.z, own.scale), case.v)
        values.append(evaluate(problem, x)[0])
    assert values[0] == pytest.approx(values[1], rel=1e-11)


def test_sigma_with_a_formula_alone():
    case = make("two smooths and everything", 4, EXTRAS)
    rng = np.random.default_rng(0)
    for X in (columns(rng, 60, 2), np.eye(3)[rng.integers(0, 3, 60)]):
        gamma = np.array([0.2, -0.4, 0.1])[: X.shape[1]]
        problem = case.problem(errors=Errors(X))
        sd = np.exp(X @ gamma) / np.sqrt(case.options["weights"])
        expected = case.log_density(R=np.diag(sd**2))
        x = problem.pack(case.L, gamma, case.v)
        value, gradient = evaluate(problem, x)
        assert value == pytest.approx(expected, rel=1e-10)
        for k, g in enumerate(gradient[-problem.n_sampled - len(gamma) : -problem.n_sampled]):
            step = 1e-5 * np.eye(len(gamma))[k]
            ends = (case.log_density(R=np.diag((sd * np.exp(s * X @ step)) ** 2)) for s in (1, -1))
            assert g == pytest.approx(-np.subtract(*[*ends][::-1]) / 2e-5, rel=1e-5, abs=1e-6)


def test_no_correlation_is_the_independent_model():
    rng = np.random.default_rng(1)
    case = make("membership of slopes", 2, ("weights",))
    plain = case.problem()
    expected, slopes = evaluate(plain, plain.pack(case.L, 0.8, case.v))
    for name in ("ar1", "us", "cs"):
        own = noise(name, rng, 60)
        problem = problem_of(case, own)
        x = problem.pack(case.L, own.numbers(0 * own.z, own.scale), case.v)
        value, gradient = evaluate(problem, x)
        assert value == pytest.approx(expected, rel=1e-12)
        assert gradient[-1] == pytest.approx(slopes[-1], rel=1e-9)


def test_groups_with_the_same_positions_and_classes_share_their_entries():
    """200 patients x 8 visits, of which some leave: 36 entries a pattern."""
    rng = np.random.default_rng(3)
    left = rng.integers(5, 9, 200)
    refs, places = np.nonzero(np.arange(8) < left[:, None])
    c = Correlations(refs, places, np.arange(8.0), "any")
    found = find_entries(Errors(np.eye(8)[places], None, c), len(refs), None)
    assert len(found.of) == sum(m * (m + 1) // 2 for m in range(5, 9))
    chain = find_entries(Errors(correlations=replace(c, kind="chain")), len(refs), None)
    assert len(chain.of) == 4
    equal = find_entries(Errors(correlations=replace(c, kind="equal")), len(refs), None)
    assert len(equal.of) == 1 + 4


def test_equal_correlations_of_one_sigma_are_a_sum_for_each_group():
    """An inverse a I + b 1 1': no pairs of rows, and one base for all groups of a size."""
    sizes = np.array([20_000, 9_999, 9_999, 1])
    refs, places = np.repeat(np.arange(4), sizes), np.concatenate([*map(np.arange, sizes)])
    c = Correlations(refs, places, np.arange(20_000.0), "equal")
    found = find_entries(Errors(correlations=c), len(refs), None)
    assert len(found.rows) == len(refs) + 3
    assert len(found.of) == 2 + 2
    assert not len(found.one.base)


@pytest.mark.parametrize("sigma", ["classes", "continuous"])
def test_equal_correlations_of_thousands_of_rows_of_any_sigma_are_of_rank_one(sigma):
    """By the normal density of rows with a common effect, which costs as much as they are many."""
    rng = np.random.default_rng(4)
    sizes = np.array([20_000, 9_999, 1])
    refs, places = np.repeat(np.arange(3), sizes), np.concatenate([*map(np.arange, sizes)])
    n, rho = len(refs), 0.4
    c = Correlations(refs, places, np.arange(20_000.0), "equal")
    X = columns(rng, n, 2) if sigma == "continuous" else np.eye(2)[rng.integers(0, 2, n)]
    weights, gamma, at = rng.uniform(0.5, 2, n), np.array([-0.3, 0.2]), np.arange(20_000.0)
    own = Noise(Errors(X, None, c), COVARIANCES["homcs"].placed(at, "t"), np.array([[rho]]), gamma)
    prior = {"prior_mean": np.zeros(2), "prior_precision": np.eye(2)}
    case = Case(
        rng.normal(size=n), columns(rng, n, 2), [], [], 1.0, prior, options={"weights": weights}
    )
    started = time.process_time()
    problem = problem_of(case, own)
    assert problem.ints.size + problem.floats.size < 60 * n
    assert problem.plan.flops < 200 * n

    def inverse(A, rho, gamma):
        """R^-1 A and log|R|, group by group."""
        u, out, log_det = np.exp(-X @ gamma) * np.sqrt(weights), np.empty_like(A), 0.0
        for g, m in enumerate(sizes):
            here, whole = refs == g, 1 + (m - 1) * rho
            x = A[here] * u[here, None]
            x -= rho / whole * x.sum(axis=0)
            out[here] = x * u[here, None] / (1 - rho)
            log_det += (m - 1) * np.log1p(-rho) + np.log(whole) - 2 * np.log(u[here]).sum()
        return out, log_det

    def density(rho, gamma):
        both = np.column_stack([case.X, case.y])
        found, log_det = inverse(both, rho, gamma)
        S = both.T @ found
        P = np.eye(2) + S[:2, :2]
        quadratic = S[2, 2] - S[2, :2] @ np.linalg.solve(P, S[:2, 2])
        return -0.5 * (n * np.log(2 * np.pi) + log_det + np.linalg.slogdet(P)[1] + quadratic)

    x = problem.pack([], np.concatenate([ar1_pair(rho, 1).ravel(), gamma]))
    value, gradient = evaluate(problem, x)
    # some tenths of a second; the pairs of its rows, which are 2e8, took the memory of a machine
    assert time.process_time() - started < 20
    assert value == pytest.approx(density(rho, gamma), rel=1e-10)
    steps = 1e-5 * np.eye(3)
    slopes = [
        (density(rho + d[0], gamma + d[1:]) - density(rho - d[0], gamma - d[1:])) / 2e-5
        for d in steps
    ]
    root = (ar1_pair(rho + 1e-6, 1) - ar1_pair(rho - 1e-6, 1)).ravel() / 2e-6
    found = [gradient[:4] @ root, *gradient[4:]]
    np.testing.assert_allclose(found, slopes, rtol=1e-5, atol=1e-2)


def test_hundreds_of_times_are_a_chain_and_no_matrix():
    T, rng = 600, np.random.default_rng(0)
    at = np.arange(float(T))
    own = Noise(
        Errors(correlations=Correlations(np.zeros(T, int), rng.permutation(T), at, "chain")),
        COVARIANCES["ar1"].placed(at, "t"), np.array([[0.7]]), np.array([1.3]),
    )  # fmt: skip
    prior = {"prior_mean": np.zeros(1), "prior_precision": np.eye(1)}
    case = Case(rng.normal(size=T), np.ones((T, 1)), [], [], 1.0, prior)
    problem = problem_of(case, own)
    value, _ = evaluate(problem, problem.pack([], own.numbers(own.z, own.scale)))
    R = own.covariance(own.z, own.scale, np.ones(T)) + 1.0
    assert value == pytest.approx(multivariate_normal.logpdf(case.y, cov=R), rel=1e-10)
    dense = replace(own.errors, correlations=replace(own.errors.correlations, kind="any"))
    with pytest.raises(ModelError, match="600 positions, more than 400; use ar1"):
        case.problem(errors=dense)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_impossible_values_have_density_zero(bad):
    rng = np.random.default_rng(1)
    case = make("one level")
    for own in (noise("us", rng, 60), noise("ar1", rng, 60)):
        problem = problem_of(case, own)
        numbers = own.numbers(own.z, own.scale)
        numbers[-1] = bad
        value, gradient = evaluate(problem, problem.pack(case.L, numbers, case.v))
        assert value == -np.inf
        assert not gradient.any()
