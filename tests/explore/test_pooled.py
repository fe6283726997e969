"""The page's coefficients, in JavaScript, against least squares of all rows and priors in NumPy."""

from fractions import Fraction

import numpy as np
import pytest
from dense_pooling import Dense

from mixedbayes.explore.content import model
from mixedbayes.explore.sums import sums_of
from mixedbayes.plots.multiples import varying_group
from mixedbayes.results.shrinkage import own_response

NAMES = ["sleep", "simpson", "gpa", "apart", "slope", "schools", "crossed", "machines", "bent"]
CLOSE = {"rtol": 1e-10, "atol": 1e-10}


def arrays(found):
    number = np.vectorize(float, otypes=[float])
    return {
        "population": number(found["population"]["coef"]),
        "population sd": number(found["population"]["sd"]),
        **{k: number([g[k] for g in found["groups"]]) for k in ("effect", "coef", "sd", "pooling")},
        "own": number([g["own"] for g in found["groups"]]),
    }


@pytest.fixture(scope="module")
def case(fitted):
    """Sums, their model as the page has it, and the dense rows."""
    made = {}

    def get(name):
        if name not in made:
            post = fitted(name).posterior
            sums = sums_of(post, varying_group(post, None))
            made[name] = sums, model(sums) | {"groups": sums.groups.tolist()}, Dense.of(sums)
        return made[name]

    return get


def state(sums, **changed):
    """At the posterior means."""
    cor = 0.0 if sums.cor is None else float(sums.cor.mean())
    sigma = 1.0 if sums.sigma is None else float(sums.sigma.mean())
    weights = [1.0] * sums.group.n_levels
    return {"sd": sums.sd.mean(axis=0).tolist(), "cor": cor, "sigma": sigma, "weights": weights,
            "newcomer": None} | changed  # fmt: skip


CHANGES = {
    "posterior mean": lambda s, q, J: {},
    "sds halved, correlated": lambda s, q, J: {"sd": [v / 2 for v in s["sd"]], "cor": -0.7},
    "complete pooling": lambda s, q, J: {"sd": [0.0] * q},
    "one sd zero": lambda s, q, J: {"sd": [s["sd"][0], *([0.0] * (q - 1))]},
    "correlation one": lambda s, q, J: {"cor": 1.0},
    "little noise": lambda s, q, J: {"sigma": s["sigma"] / 10},
    "weights": lambda s, q, J: {"weights": [0.0, 0.5, 2.0, *[1.0] * (J - 3)]},
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", CHANGES)
def test_the_page_computes_what_all_rows_say(case, pooled, name, change):
    sums, given, dense = case(name)
    at = state(sums)
    at |= CHANGES[change](at, len(at["sd"]), len(at["weights"]))
    found = arrays(pooled("pooled", given, at))
    wanted = dense.given(np.array(at["sd"]), at["cor"], at["sigma"], np.array(at["weights"]))
    for key, values in wanted.items():
        np.testing.assert_allclose(found[key], values.astype(float), **CLOSE, err_msg=key)


def test_little_noise_costs_no_digits(case, pooled):
    """Two thousand times less variance than there is, against rational numbers."""
    sums, given, dense = case("simpson")
    at = state(sums)
    at["sigma"] /= 50
    J, m, tau, s2 = dense.J, 2, Fraction(at["sd"][0]), Fraction(at["sigma"]) ** 2
    H = [[Fraction(int(a == b < J)) for a in range(J + m)] for b in range(J + m)]
    h = [Fraction(0)] * (J + m)
    parts = [
        ({int(j): tau, J: Fraction(X[0]), J + 1: Fraction(X[1])}, Fraction(y), 1 / s2)
        for j, X, y in zip(dense.refs, dense.X.tolist(), dense.y.tolist(), strict=True)
    ]
    for row, mean, sd in zip(dense.placed.tolist(), *dense.prior.tolist(), strict=True):
        own = {J + k: Fraction(v) for k, v in enumerate(row)}
        parts.append((own, Fraction(mean), 1 / Fraction(sd) ** 2))
    for row, y, weight in parts:
        for a, u in row.items():
            h[a] += u * y * weight
            for b, v in row.items():
                H[a][b] += u * v * weight
    for i in range(J + m):
        for r in range(i + 1, J + m):
            factor = H[r][i] / H[i][i]
            H[r] = [a - factor * b for a, b in zip(H[r], H[i], strict=True)]
            h[r] -= factor * h[i]
    solution = [Fraction(0)] * (J + m)
    for i in reversed(range(J + m)):
        rest = sum(H[i][k] * solution[k] for k in range(i + 1, J + m))
        solution[i] = (h[i] - rest) / H[i][i]
    found = arrays(pooled("pooled", given, at))
    exact = [float(v) for v in solution[J:]]
    np.testing.assert_allclose(found["population"], exact, rtol=1e-13)
    effects = [[float(v * tau)] for v in solution[:J]]
    np.testing.assert_allclose(found["effect"], effects, atol=1e-13)


@pytest.mark.parametrize("name", ["sleep", "simpson", "apart", "bent", "schools", "crossed"])
def test_no_pooling_is_least_squares_of_each_group(case, pooled, fitted, name):
    sums, given, dense = case(name)
    found = arrays(pooled("pooled", given, state(sums, none=True)))
    X, w, W = dense.X, dense.w, np.zeros((len(dense.y),) * 2)
    for j in range(dense.J):
        rows = np.flatnonzero(dense.refs == j)
        half = np.sqrt(w[rows])[:, None]
        Z = half * dense.Z[rows]
        W[np.ix_(rows, rows)] = half * (np.eye(len(rows)) - Z @ np.linalg.pinv(Z)) * half.T
    s2 = state(sums)["sigma"] ** 2
    mean, spread = dense.prior
    prior = dense.placed / spread[:, None]
    H = prior.T @ prior + X.T @ W @ X / s2
    h = prior.T @ (mean / spread) + X.T @ W @ dense.y / s2
    beta = np.linalg.solve(H, h)
    varies = [k for k in dense.rows if k is not None]
    rest = [k for k in range(X.shape[1]) if k not in varies]
    assert np.isnan(found["population"][varies]).all()
    np.testing.assert_allclose(found["population"][rest], beta[rest], rtol=1e-8)
    left = dense.y - X[:, rest] @ beta[rest]
    table = fitted(name).shrinkage()
    names = table[table["group"] == sums.group.name]["no_pooling"].to_numpy()
    known = ~np.isnan(names.reshape(dense.J, -1))
    assert (known == ~np.isnan(found["coef"])).all()
    for j in range(dense.J):
        rows, half = dense.refs == j, np.sqrt(w[dense.refs == j])
        alone = np.linalg.lstsq(half[:, None] * dense.Z[rows], half * left[rows])[0]
        np.testing.assert_allclose(found["coef"][j][known[j]], alone[known[j]], rtol=1e-8)
    assert (found["pooling"][known] == 0).all()


def test_own_estimates_are_those_of_the_shrinkage_table(case, pooled, fitted):
    sums, given, _ = case("sleep")
    found = arrays(pooled("pooled", given, state(sums)))
    table = fitted("sleep").shrinkage()
    own = table["no_pooling"].to_numpy().reshape(-1, 2)
    np.testing.assert_allclose(found["own"], own, rtol=1e-9)
    # At the posterior's middle the pooled coefficients are near its means.
    mean = table["partial_pooling"].to_numpy().reshape(-1, 2)
    spread = fitted("sleep").coef()["sd"].to_numpy().reshape(-1, 2)
    assert (np.abs(found["coef"] - mean) < 0.5 * spread).all()


@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_weights_are_copies_of_rows(case, pooled, weight):
    sums, given, _ = case("sleep")
    weights = np.ones(sums.group.n_levels)
    weights[3] = weight
    groups = np.array(given["groups"])
    groups[3, :9] *= np.sqrt(weight)  # a root of products
    groups[3, 9:] *= weight
    found = pooled("pooled", given, state(sums, weights=weights.tolist()))
    copied = pooled("pooled", given | {"groups": groups.tolist()}, state(sums))
    np.testing.assert_allclose(arrays(found)["coef"], arrays(copied)["coef"], **CLOSE)


def test_a_newcomer_is_a_group_more(case, pooled):
    """The last group's rows, typed again as those of somebody new, in the group's place."""
    sums, given, dense = case("sleep")
    X = sums.population.columns(sums.post.priors.mu.moved(sums.post.design.mu), (0, 1))
    rows = np.flatnonzero(dense.refs == 4)
    y = dense.y - X @ sums.coordinates.origin
    Z = sums.coordinates.Z(dense.Z)
    typed = [{"x": X[i].tolist(), "z": Z[i].tolist(), "y": y[i], "w": 1.0} for i in rows]
    own = pooled("sums", typed, 2, 2)
    np.testing.assert_allclose(own, given["groups"][4], **CLOSE)
    without = given | {"groups": [g for j, g in enumerate(given["groups"]) if j != 4]}
    weights = [1.0] * (sums.group.n_levels - 1)
    found = pooled("pooled", without, state(sums, weights=weights, newcomer=own))
    whole = pooled("pooled", given, state(sums))
    for key in ("coef", "own", "sd", "pooling"):
        np.testing.assert_allclose(found["newcomer"][key], whole["groups"][4][key], **CLOSE)
    np.testing.assert_allclose(found["c"], whole["c"], **CLOSE)


def test_a_response_far_from_zero_loses_no_digits(case, pooled):
    sums, given, _ = case("simpson")
    assert np.abs(np.array(given["groups"])[:, -2:]).max() < 1e4  # not sums of raw responses
    assert own_response(sums.post, sums.group) is not None
    assert pooled("layout", 2, 1)["size"] == len(given["groups"][0])
