import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made
from scipy import linalg, special

import mixedbayes as mb
from mixedbayes.checks.within import candidates, mundlak, within_between, working

J, M = 30, 10
G = np.repeat(np.arange(J), M)


def data(rng, within=0.3, between=-0.4):
    x = rng.normal(size=J)[G] + rng.normal(size=J * M)
    mean = pd.Series(x).groupby(G).transform("mean").to_numpy()
    y = within * (x - mean) + between * mean + 0.7 * rng.normal(size=J)[G]
    return pd.DataFrame(
        {
            "y": 100 + y + rng.normal(size=J * M),
            "x": 2000 + x,
            "x_mean": mean,
            "z": rng.normal(size=J)[G],
            "w": rng.uniform(0.5, 2, J * M),
            "s": np.linspace(0.1, 2, J * M),
            "g": G,
            "h": rng.integers(0, 8, J * M),
        }
    )


def posterior(formula, table, family="gaussian", known=None, **given):
    given = {"sigma": 1.0, "sd_g": 0.7, "sd_h": 0.5} | given
    return hand_made(formula, table, family, 50, np.random.default_rng(0), given, known)


def by_hand(post, name):
    """Coefficient of the group mean and its standard error, by dense generalised least squares."""
    design = post.design
    g = design.mu.group(name)
    k = design.mu.terms.index("x")
    mean = pd.Series(design.mu.X[:, k]).groupby(g.refs).transform("mean").to_numpy()
    w = np.ones(design.n) if design.weights is None else design.weights
    V = np.diag(1.0 / w + (1.0 if design.formula.response.se_adds else 0.0))
    for f in design.mu.groups:
        cov = post.cov(f.name).mean(axis=0)
        between = np.eye(f.n_levels) if f.related_to is None else f.related_to.covariance
        A = f.operator().toarray()
        V += A @ np.kron(between, cov) @ A.T
    A = np.column_stack([np.ones(design.n), design.mu.X, mean])
    y = design.y if design.mu.offset is None else design.y - design.mu.offset
    left = A.T @ linalg.solve(V, A, assume_a="pos")
    beta = linalg.solve(left, A.T @ linalg.solve(V, y, assume_a="pos"))
    return beta[1 + k], beta[-1], np.sqrt(linalg.inv(left)[-1, -1])


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x + (1 | g)",
        "y ~ x + z + (x | g)",
        "y ~ x + (1 | g) + (1 | h)",
        "y | weights(w) ~ x + offset(z) + (1 | g)",
        "y | se(s) ~ x + (1 | g)",
        "y | se(s, sigma=True) ~ x + (1 | g)",
    ],
)
def test_the_group_mean_is_added_by_least_squares(formula):
    post = posterior(formula, data(np.random.default_rng(1)))
    table = mundlak(post, candidates(post.design.mu)).set_index(["group", "term"])
    row = table.loc[("g", "x")]
    expected = by_hand(post, "g")
    np.testing.assert_allclose(row[["within", "difference", "se"]], expected, rtol=1e-5)
    assert row["between"] == pytest.approx(row["within"] + row["difference"])


@pytest.mark.parametrize(
    "term",
    [
        "(x | mm(h, k, weights=(w, v)))",
        "(1 | gr(h, cov=K))",
        "(1 | gr(h, precision=Q))",
        "(x | gr(g, by=arm))",
        "s(t, k=5)",
        's(t, k=4) + s(t, h, bs="fs", k=4)',
    ],
)
def test_terms_of_every_kind_are_in_the_covariance(term):
    rng = np.random.default_rng(1)
    table = data(rng)
    table = table.assign(
        k=rng.integers(0, 8, J * M), v=rng.uniform(size=J * M), t=rng.uniform(size=J * M),
        arm=np.where(table["g"] % 2, "a", "b"),
    )  # fmt: skip
    K = 0.6 ** np.abs(np.subtract.outer(np.arange(8), np.arange(8)))
    known = {
        "K": mb.Relation(K, range(8)),
        "Q": mb.Relation(np.linalg.inv(K) / 2, range(8), precision=True),
    }
    plain = "" if "(x | gr(g" in term else " + (1 | g)"
    known = {name: given for name, given in known.items() if f"={name}" in term}
    post = posterior(f"y ~ x + {term}{plain}", table, known=known)
    table = mundlak(post, candidates(post.design.mu)).set_index(["group", "term"])
    row = table.loc[("g", "x")]
    expected = by_hand(post, "g")
    np.testing.assert_allclose(row[["within", "difference", "se"]], expected, rtol=1e-5)


def test_nothing_is_said_where_effects_are_not_normal():
    table = data(np.random.default_rng(1))
    post = posterior('y ~ x + (1 | gr(h, law="student", nu=5)) + (1 | g)', table)
    assert len(candidates(post.design.mu))
    assert within_between(post) is None


def test_slopes_that_differ_are_named_with_the_term_that_takes_it():
    said = within_between(posterior("y ~ x + (1 | g)", data(np.random.default_rng(1))))
    assert said.look
    row = said.table.iloc[0]
    assert row["within"] == pytest.approx(0.3, abs=0.15)
    assert row["between"] == pytest.approx(-0.4, abs=0.3)
    assert 'data["x_mean"] = data.groupby("g")["x"].transform("mean")' in said.said


def test_nothing_is_left_to_say_with_the_mean_in_the_model():
    table = data(np.random.default_rng(1))
    assert within_between(posterior("y ~ x + x_mean + (1 | g)", table)) is None
    assert within_between(posterior("y ~ z + (1 | g)", table)) is None
    balanced = table.assign(x=np.tile(np.arange(M), J))
    assert within_between(posterior("y ~ x + (1 | g)", balanced)) is None


def test_alarms_are_as_rare_as_the_limit_says():
    p = [
        within_between(posterior("y ~ x + (1 | g)", data(np.random.default_rng(s), 0.3, 0.3)))
        .table["p"][0]
        for s in range(80)
    ]  # fmt: skip
    assert np.mean(np.array(p) < 0.025) < 0.1
    assert np.mean(p) == pytest.approx(0.5, abs=0.15)


def test_of_other_families_by_working_responses():
    """Of shares with effects known: two slopes on the link."""
    rng = np.random.default_rng(4)
    table = data(rng)
    mean = table.groupby("g")["x"].transform("mean")
    b = 0.7 * rng.normal(size=J)
    x = table["x"] - 2000
    for between in (0.8, -0.8):
        eta = 0.8 * (table["x"] - mean) + between * (mean - 2000) + b[G]
        shown = table.assign(x=x, y=rng.binomial(1, special.expit(eta)))
        b_known = (b + (between - 0.8) * (mean - 2000).groupby(G).first().to_numpy())[:, None]
        post = posterior(
            "y ~ x + (1 | g)", shown, "bernoulli", Intercept=0.0, fixef=[0.8], ranef_g=b_known
        )
        assert within_between(post).look is (between < 0)


@pytest.mark.parametrize("family", ["binomial", "beta_binomial", "zero_inflated_binomial"])
def test_information_is_that_of_all_trials_of_a_row(family):
    """slope^2 / Var[y / n] at a probability of 1/2; a tenth of the rows is 0 in any case."""
    rng = np.random.default_rng(5)
    table = data(rng).assign(n=lambda d: rng.integers(30, 90, len(d)))
    table["y"] = rng.binomial(table["n"], 0.5)
    post = posterior(
        "y | trials(n) + weights(w) ~ x + (1 | g)", table, family, Intercept=0.0, fixef=[0.0],
        ranef_g=np.zeros((J, 1)), phi=9.0, zi=0.1,
    )  # fmt: skip
    n = table["n"].to_numpy(float)
    expected = n / 4 / (1 + (n - 1) / 10) if family == "beta_binomial" else n / 4
    share = 0.9 if family == "zero_inflated_binomial" else 1.0
    np.testing.assert_allclose(working(post)[1], share * expected * table["w"], rtol=1e-4)
