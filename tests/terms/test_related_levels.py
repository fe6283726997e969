"""Memberships and relations against REML of the dense likelihood and exact posteriors; pedigrees,
trees and neighbours against their definitions."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.design.kin import inbreeding
from mixedbayes.errors import DataError
from mixedbayes.sample.health import mcse_mean

SCHOOLS = "mm(school1, school2, school3)"
MEMBERSHIP = "y ~ x + (1 | mm(school1, school2, school3, weights=(w1, w2, w3)))"
PHYLOGENY = "y ~ x + (1 | gr(species, cov=A)) + (1 | species)"
ALONE = "y ~ x + (1 | gr(species, cov=A))"
# Of the reference's sds, the factor here.
FACTORS = {"sd_school": SCHOOLS, "sd_species_phylo": "species[A]", "sd_species": "species"}


@pytest.fixture(scope="module")
def cases(request):
    found = request.getfixturevalue("reference")("related_levels")
    data = {k: pd.DataFrame(found[k]["data"]) for k in ("membership", "phylogeny")}
    known = {"A": mb.phylogeny(found["phylogeny"]["tree"])}
    return {
        "membership": (MEMBERSHIP, data["membership"], None, found["membership"]),
        "phylogeny": (PHYLOGENY, data["phylogeny"], known, found["phylogeny"]),
        "phylogeny_alone": (ALONE, data["phylogeny"], known, found["phylogeny_alone"]),
    }


CASES = ["membership", "phylogeny", "phylogeny_alone"]


@pytest.mark.parametrize("case", CASES)
def test_restricted_likelihood_and_predictions_at_the_estimates(cases, case):
    """From operators and known covariances, at the REML estimates of another program."""
    formula, data, known, found = cases[case]
    design = mb.Model(formula, data, known=known).design
    reml, X = found["REML"], np.column_stack([np.ones(design.n), design.mu.X])
    V = reml["sds"]["sigma"] ** 2 * np.eye(design.n)
    parts = {}
    for name, sd in reml["sds"].items():
        if name == "sigma":
            continue
        g = design.mu.group(FACTORS[name])
        A = np.eye(g.n_levels) if g.relation is None else g.relation.covariance
        parts[name] = g.levels, sd**2 * A @ g.operator().T.toarray()  # covariance of b and y
        V += g.operator() @ parts[name][1]
    W = np.linalg.inv(V)
    beta = np.linalg.solve(X.T @ W @ X, X.T @ W @ design.y)
    r = design.y - X @ beta
    value = -0.5 * ((design.n - 2) * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + r @ W @ r)
    value -= 0.5 * np.linalg.slogdet(X.T @ W @ X)[1]
    assert value == pytest.approx(reml["logLik"], abs=1e-6)
    np.testing.assert_allclose(beta, reml["fixed"], rtol=1e-7)
    for name, (levels, cross) in parts.items():
        theirs = reml["effects"][name]
        assert levels.tolist() == theirs["levels"]
        np.testing.assert_allclose(cross @ W @ r, theirs["blup"], atol=1e-7)


def _priors(said):
    normal = {k: mb.Normal(said[k]["mean"], said[k]["sd"]) for k in ("Intercept", "x")}
    sd = mb.Exponential(said["every_sd"]["rate"])
    return {"Intercept": normal["Intercept"], "fixef": {"x": normal["x"]}, "sd": sd, "sigma": sd}


@pytest.mark.slow
@pytest.mark.parametrize("formulation", [mb.Marginal(), mb.PartiallyCentered()], ids=str)
@pytest.mark.parametrize("case", CASES)
def test_posteriors_are_the_exact_ones(cases, case, formulation):
    formula, data, known, found = cases[case]
    fit = mb.fit(
        formula, data, known=known, priors=_priors(found["exact"]["priors"]), draws=2000, seed=1,
        formulation=formulation, progress=False,
    )  # fmt: skip
    post = fit.posterior

    def draws(name):
        if name in ("b_Intercept", "b_x", "sigma"):
            return {
                "b_Intercept": post.intercept(), "b_x": post.fixef()[:, 0],
                "sigma": post.stacked("sigma"),
            }[name]  # fmt: skip
        if name in FACTORS:
            return post.sd(FACTORS[name])[:, 0]
        of, level = name.removeprefix("r_").removesuffix("]").split("[")
        group = FACTORS[f"sd_{of}"]
        at = fit.model.design.mu.group(group).levels.get_loc(level)
        return post.ranef(group)[:, at, 0]

    for name, (mean, sd) in found["exact"]["parameters"].items():
        x = draws(name)
        error = mcse_mean(x.reshape(1, *post.shape))[0]
        assert abs(x.mean() - mean) < 4 * error + 0.01 * sd, name


# ---- pedigrees -------------------------------------------------------------------------------


def random_pedigree(n, seed):
    """Animals with parents among those before them, some unknown, full and half sibs, inbred."""
    rng = np.random.default_rng(seed)
    parents = np.full((n, 2), -1)
    for i in range(3, n):
        parents[i] = rng.integers(max(0, i - 8), i, 2)
        parents[i, rng.random(2) < 0.15] = -1
    return parents


def tabular(parents):
    """The relationship matrix, by its definition: row by row from those of the parents."""
    n = len(parents)
    A = np.zeros((n, n))
    for i, (s, d) in enumerate(parents):
        known = [p for p in (s, d) if p >= 0]
        for j in range(i):
            A[i, j] = A[j, i] = 0.5 * sum(A[j, p] for p in known)
        A[i, i] = 1 + (0.5 * A[s, d] if len(known) == 2 else 0.0)
    return A


def as_frame(parents, order=None):
    ids = np.array([f"animal {k}" for k in range(len(parents))], object)
    columns = [np.where(p >= 0, ids[p], None) for p in parents.T]
    frame = pd.DataFrame({"id": ids, "sire": columns[0], "dam": columns[1]})
    return frame if order is None else frame.iloc[order]


@pytest.mark.parametrize("seed", range(3))
def test_a_pedigree_is_the_inverse_of_the_relationship_matrix(seed):
    parents = random_pedigree(40, seed)
    A = tabular(parents)
    assert np.diag(A).max() > 1.1  # inbred animals are among them
    order = np.random.default_rng(seed).permutation(40)
    Q = mb.pedigree(as_frame(parents, order))
    at = [int(label.split()[1]) for label in Q.levels]
    np.testing.assert_allclose(Q.matrix.toarray(), np.linalg.inv(A)[np.ix_(at, at)], atol=1e-10)
    np.testing.assert_allclose(Q.diagonal, np.diag(A)[at])
    np.testing.assert_allclose(inbreeding(parents), np.diag(A) - 1, atol=1e-12)


def test_parents_without_a_row_are_founders_and_zero_is_unknown():
    frame = pd.DataFrame({"id": [7, 8], "sire": [1, 7], "dam": [0, 2]})
    Q = mb.pedigree(frame)
    assert sorted(Q.levels) == [1, 2, 7, 8]
    at = {level: k for k, level in enumerate(Q.levels)}
    A = np.linalg.inv(Q.matrix.toarray())
    assert A[at[7], at[1]] == pytest.approx(0.5)
    assert A[at[8], at[1]] == pytest.approx(0.25)
    assert A[at[8], at[2]] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"id": ["a", "a"], "sire": None, "dam": None}, "1 animals stand twice"),
        ({"id": ["a", "b"], "sire": ["b", "a"], "dam": None}, "descend from themselves"),
        ({"id": ["a", None], "sire": None, "dam": None}, "id is missing in 1 rows"),
        ({"animal": ["a"], "sire": None, "dam": None}, "the pedigree has no column 'id'"),
    ],
)
def test_what_is_wrong_with_a_pedigree_is_said(frame, message):
    with pytest.raises(DataError, match=message):
        mb.pedigree(pd.DataFrame(frame))


# ---- trees and neighbours --------------------------------------------------------------------


def test_a_tree_is_the_covariance_of_brownian_motion():
    tree = "(('a b':1.5,b[comment]:2)x:1,(c:1,(d:0.5,e:1e-1):.5):0.5);"
    expected = [[2.5, 1, 0, 0, 0], [1, 3, 0, 0, 0], [0, 0, 1.5, 0.5, 0.5],
                [0, 0, 0.5, 1.5, 1], [0, 0, 0.5, 1, 1.1]]  # fmt: skip
    found = mb.phylogeny(tree, correlation=False)
    assert found.levels.tolist() == ["a b", "b", "c", "d", "e"]
    np.testing.assert_allclose(found.matrix, expected)
    np.testing.assert_allclose(np.diag(mb.phylogeny(tree).matrix), 1)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ("a", "a tree is a text in Newick's format"),
        ("((a:1,b:1):1,c);", "1 branches of the tree have no length, or a negative one: c"),
        ("((a:1,b:-1):1,c:1);", "negative one: b"),
        ("((a:1,b:1):1,c:1;", "never closed"),
        ("(a:1,b:1)),c:1);", "outside parentheses|without a `\\(`"),
        ("(a:x,b:1);", "without a number"),
        ("(a:1,a:1);", "1 labels stand twice: 'a'"),
    ],
)
def test_what_is_wrong_with_a_tree_is_said(tree, message):
    with pytest.raises(DataError, match=message):
        mb.phylogeny(tree)


W = pd.DataFrame(np.eye(5, k=1) + np.eye(5, k=-1), list("abcde"), list("abcde"))


def test_a_proper_autoregression_has_the_conditionals_of_its_neighbours():
    Q = mb.car(W, rho=0.8).matrix.toarray()
    for i in range(5):
        weights = -Q[i] / Q[i, i]
        weights[i] = 0
        np.testing.assert_allclose(weights, 0.8 * W.to_numpy()[i] / W.to_numpy()[i].sum())
        assert Q[i, i] == W.to_numpy()[i].sum()


def test_an_intrinsic_autoregression_is_scaled_and_adds_up_to_zero():
    islands = W.copy()
    islands.loc["c", "d"] = islands.loc["d", "c"] = 0.0  # a-b-c, d-e
    S = mb.icar(islands)
    assert S.rank == 3
    for own in (slice(0, 3), slice(3, 5)):
        part = S.matrix[own, own]
        np.testing.assert_allclose(part.sum(axis=0), 0, atol=1e-12)
        assert np.mean(np.log(np.diag(part))) == pytest.approx(0, abs=1e-12)
        some = islands.to_numpy()[own, own]
        L = np.diag(some.sum(axis=0)) - some
        np.testing.assert_allclose(
            L @ part @ L, L * (part @ L)[0, 0] / (np.linalg.pinv(L) @ L)[0, 0], atol=1e-10
        )
    np.testing.assert_array_equal(S.matrix[:3, 3:], 0)
    alone = mb.icar((np.zeros((2, 2)), ["a", "b"]))
    np.testing.assert_array_equal(alone.matrix, np.eye(2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mb.car(W, 1.0), "mb.icar"),
        (lambda: mb.car(W, -0.1), "rho=-0.1 is not a number from 0 to below 1"),
        (
            lambda: mb.car((np.zeros((2, 2)), ["a", "b"]), 0.5),
            "2 levels have no neighbours: 'a', 'b'",
        ),
        (lambda: mb.icar(-W), "negative or not finite"),
        (lambda: mb.icar((np.triu(W), list("abcde"))), "not symmetric: between 'a' and 'b'"),
        (lambda: mb.icar(W.to_numpy()), "without the labels of its levels"),
    ],
)
def test_what_is_wrong_with_neighbours_is_said(make, message):
    with pytest.raises(DataError, match=message):
        make()
