"""Memberships, known relations, variances by arm and Student-t effects: densities, draws, words."""

import numpy as np
import pandas as pd
import pytensor
import pytest
import xarray as xr
from hand_made import hand_made
from scipy import linalg, sparse, stats

import mixedbayes as mb
from mixedbayes.checks.held_out import HeldOut
from mixedbayes.checks.loo import loo
from mixedbayes.design import replay
from mixedbayes.engines.run import Run
from mixedbayes.errors import DataError, FormulaError, ModelError, PriorError
from mixedbayes.estimands.grid import grid
from mixedbayes.estimands.means import means
from mixedbayes.plots.fitted import plot_fitted
from mixedbayes.plots.predictive import facets_of
from mixedbayes.plots.residuals import plot_residuals
from mixedbayes.plots.simpson import plot_simpson
from mixedbayes.predict.condition import condition_on
from mixedbayes.predict.predict import predict
from mixedbayes.predict.prior import prior_predictive
from mixedbayes.report.pictures import pooling_figures
from mixedbayes.report.source import Source
from mixedbayes.results.icc import icc
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.r2 import explained
from mixedbayes.results.ranef import coef, ranef
from mixedbayes.results.shrinkage import shrinkage
from mixedbayes.results.varcorr import varcorr
from mixedbayes.sample.settings import Settings

K = 12  # rows of each level
LEVELS = list("abcde")
RHO = 0.6
AR = RHO ** np.abs(np.subtract.outer(np.arange(7), np.arange(7)))  # over levels a to g


def frame(seed=0, levels=LEVELS):
    rng = np.random.default_rng(seed)
    n = K * len(levels)
    g = np.repeat(levels, K)
    arm = np.where(np.isin(g, ["a", "b"]), "new", "old")
    h, w = rng.permutation(g), rng.uniform(0.2, 0.8, n)
    x, y = rng.normal(size=n), rng.normal(size=n)
    return pd.DataFrame({"y": y, "x": x, "g": g, "h": h, "w": w, "v": 1 - w, "arm": arm})


def posterior(model, draws=40, seed=2):
    """Draws from the prior as a fit's, without one."""
    tree = prior_predictive(model.spec, draws, seed)
    run = Run(Settings(draws, 20, 1, seed=1), model.formulation, "")
    data = {"posterior": tree["prior"].to_dataset()}
    return Posterior(model.spec, xr.DataTree.from_dict(data), run)


def A(levels=tuple("abcdefg")):
    return pd.DataFrame(AR[: len(levels), : len(levels)], levels, levels)


def linear(post, new=None, **asked):
    found = predict(post, new, kind="linear", draws=True, seed=1, **asked)
    return found.to_numpy().reshape(post.n_draws, -1)


def log_density(model, **values):
    """Of rows and effects u, at one point."""
    graph = model.build(mb.NonCentered())
    point = {v.name: np.asarray(values[v.name], float) for v in graph.value_vars}
    effects = [v for v in graph.free_RVs if v.name.startswith("u_")]
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        return graph.compile_logp([*graph.observed_RVs, *effects], jacobian=False)(point)


# ---- memberships -----------------------------------------------------------------------------


MM = "y ~ x + (1 | mm(g, h, weights=(w, v)))"


def test_a_row_of_a_membership_has_the_weighted_effects_of_its_levels():
    data = frame()
    model = mb.Model(MM, data)
    rng = np.random.default_rng(4)
    u, sd, sigma, beta, level = rng.normal(size=(5, 1)), 0.7, 0.4, 0.9, 1.2
    found = log_density(
        model, u_ranef_mm_g_h=u, sd_mm_g_h_log__=np.log([sd]), sigma_log__=np.log(sigma),
        fixef=[beta], Intercept_at_means=level,
    )  # fmt: skip
    b = dict(zip(LEVELS, u[:, 0] * sd, strict=True))
    eta = level + beta * (data.x - data.x.mean()) + data.w * data.g.map(b) + data.v * data.h.map(b)
    expected = stats.norm(eta, sigma).logpdf(data.y).sum() + stats.norm.logpdf(u).sum()
    assert found == pytest.approx(expected)


def test_levels_are_those_of_all_places():
    data = frame().assign(h=lambda d: d.h.where(d.h != "a", "z"))
    g = mb.Model(MM, data).design.mu.groups[0]
    assert list(g.levels) == [*LEVELS, "z"]
    rows = np.array([((data.g == level) | (data.h == level)).sum() for level in g.levels])
    np.testing.assert_array_equal(g.rows_per_level, rows)


def test_weights_are_divided_by_their_sum_unless_they_are_kept():
    data = frame().assign(w=2.0, v=1.0)
    plain = mb.Model(MM, data).design.mu.groups[0]
    np.testing.assert_allclose(plain.weights, np.tile([2 / 3, 1 / 3], (len(data), 1)))
    kept = mb.Model(MM.replace("(w, v)", "(w, v), scale=False"), data)
    np.testing.assert_allclose(kept.design.mu.groups[0].weights, [[2.0, 1.0]] * len(data))
    equal = mb.Model("y ~ x + (1 | mm(g, h))", data).design.mu.groups[0]
    np.testing.assert_allclose(equal.weights, 0.5)


def test_a_place_without_a_level_counts_nothing():
    data = frame()
    data.loc[:9, "h"] = None
    g = mb.Model("y ~ x + (1 | mm(g, h))", data).design.mu.groups[0]
    assert len(g.refs) == len(data)
    np.testing.assert_allclose(g.weights[:10], [[1.0, 0.0]] * 10)
    data.loc[:9, "v"] = np.nan
    weighted = mb.Model(MM, data).design.mu.groups[0]
    np.testing.assert_allclose(weighted.weights[:10], [[1.0, 0.0]] * 10)
    data.loc[3, "g"] = None
    assert mb.Model(MM, data).notes[0].startswith("1 of 60 rows left out: missing g in 1")


def test_one_place_is_the_plain_factor():
    one, plain = (mb.Model(f"y ~ x + (x | {g})", frame()) for g in ("mm(g)", "g"))
    assert type(one.design.mu.groups[0]) is type(plain.design.mu.groups[0])
    assert str(one.formulation) == str(plain.formulation)
    np.testing.assert_array_equal(one.design.mu.groups[0].refs, plain.design.mu.groups[0].refs)
    assert one.priors["prior"].tolist() == plain.priors["prior"].tolist()


def test_new_rows_mix_levels_of_the_fit_with_new_ones():
    post = posterior(mb.Model("y ~ x + (1 + x | mm(g, h, weights=(w, v)))", frame()))
    new = pd.DataFrame({"x": [1.0, 2, 0, 0], "g": ["a", "zz", "zz", "b"],
                        "h": ["b", "c", "yy", "b"],
                        "w": [0.3, 0.3, 0.5, 0.6], "v": [0.7, 0.7, 0.5, 0.4]})  # fmt: skip
    eta = linear(post, new) - linear(post, new, groups="typical")
    b = post.ranef("mm(g, h)")
    np.testing.assert_allclose(eta[:, 0], (0.3 * b[:, 0] + 0.7 * b[:, 1]).sum(axis=1))
    np.testing.assert_allclose(eta[:, 3], b[:, 1, 0])  # the same level twice
    rest = (eta[:, 1] - 0.7 * (b[:, 2] @ [1, 2])) / 0.3  # zz at x = 2
    sd = np.sqrt(np.einsum("i,sij,j->s", [1, 2], post.cov("mm(g, h)"), [1, 2]))
    assert stats.kstest(rest / sd, "norm").pvalue > 1e-3
    answer = predict(post, new, seed=1)
    assert answer["new"].tolist() == ["", "mm(g, h)", "mm(g, h)", ""]


def test_a_place_of_weight_0_is_no_new_level():
    post = posterior(mb.Model(MM, frame()))
    new = pd.DataFrame({"x": [0.0], "g": ["a"], "h": ["zz"], "w": [1.0], "v": [0.0]})
    found = linear(post, new) - linear(post, new, groups="typical")
    np.testing.assert_allclose(found[:, 0], post.ranef("mm(g, h)")[:, 0, 0])
    assert predict(post, new, seed=1)["new"].tolist() == [""]


def test_the_share_of_variance_counts_a_level_that_stands_twice_as_one():
    data = frame().assign(h=lambda d: d.g)
    twice, once = (posterior(mb.Model(f"y ~ x + (1 | {g})", data)) for g in ("mm(g, h)", "g"))
    np.testing.assert_allclose(icc(twice)["mean"], icc(once)["mean"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w": -1.0}, "weights are below 0 in 60 of 60 rows"),
        ({"w": 0.0, "v": 0.0}, "all weights are 0 in 60 of 60 rows"),
        ({"h": None}, "a place without a level has a weight"),
        ({"g": 3}, "its places have levels of several kinds"),
    ],
)
def test_what_is_wrong_with_memberships_is_said(change, message):
    with pytest.raises(DataError, match=message):
        mb.Model(MM, frame().assign(**change))


def test_rows_brought_by_new_levels_of_a_membership_are_conditioned_on():
    """With known variances the posterior of new levels is that of one regression."""
    post = posterior(mb.Model(MM, frame()), draws=3)
    new = pd.DataFrame({"y": [2.0, 1, 0.5], "x": 0.0, "g": ["p", "p", "a"], "h": ["q", "b", "q"],
                        "w": [0.5, 0.8, 0.5], "v": [0.5, 0.2, 0.5]})  # fmt: skip
    with pytest.warns(UserWarning, match="3 draws are too few"):
        found = condition_on(post, new)
    b, sd = post.ranef("mm(g, h)")[..., 0], post.sd("mm(g, h)")[:, 0]
    Z = np.array([[0.5, 0.5], [0.8, 0], [0, 0.5]])  # of p and q
    for s in range(3):
        rest = new.y - post.intercept()[s] - np.array([0, 0.2 * b[s, 1], 0.5 * b[s, 0]])
        noise = post.parameters()["sigma"][s] ** 2
        precision = Z.T @ Z / noise + np.eye(2) / sd[s] ** 2
        mean = np.linalg.solve(precision, Z.T @ rest / noise)
        np.testing.assert_allclose(found.effects.mean[s], mean, rtol=1e-6)


# ---- known relations -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cov", "precision"])
def test_related_effects_have_the_known_covariance(kind):
    """The density of u, and b = R u, are those of b ~ N(0, sd^2 A)."""
    data = frame()
    known = A() if kind == "cov" else (sparse.csc_array(np.linalg.inv(AR)), list("abcdefg"))
    model = mb.Model(f"y ~ x + (1 | gr(g, {kind}=A))", data, known={"A": known})
    g = model.design.mu.groups[0]
    keep = len(LEVELS) if kind == "cov" else 7  # all levels of a precision have effects
    assert g.n_levels == keep
    np.testing.assert_allclose(g.relation.root @ g.relation.root.T, AR[:keep, :keep])
    np.testing.assert_allclose(g.precision.toarray(), np.linalg.inv(AR[:keep, :keep]), atol=1e-12)
    assert g.log_determinant == pytest.approx(-np.linalg.slogdet(AR[:keep, :keep])[1])
    b = np.random.default_rng(3).normal(size=(keep, 2))
    np.testing.assert_allclose(g.mixed(g.unmixed(b)), b)
    u = np.random.default_rng(4).normal(size=(keep, 1))
    found = log_density(
        model, u_ranef_g_A=u, sd_g_A_log__=np.log([0.7]), sigma_log__=np.log(0.4), fixef=[0.9],
        Intercept_at_means=1.2,
    )  # fmt: skip
    effects = dict(zip(g.levels, g.relation.root @ u[:, 0] * 0.7, strict=True))
    eta = 1.2 + 0.9 * (data.x - data.x.mean()) + data.g.map(effects)
    expected = stats.norm(eta, 0.4).logpdf(data.y).sum() + stats.norm.logpdf(u).sum()
    assert found == pytest.approx(expected)


def test_levels_without_rows_are_integrated_out_of_a_covariance_and_stay_in_a_precision():
    """Leaving rows out of a precision would condition on the levels, not integrate them out."""
    few = frame(levels=["a", "g"])
    inverse = mb.Relation(np.linalg.inv(AR), list("abcdefg"), precision=True)
    terms = [
        mb.Model(f"y ~ x + (1 | gr(g, {kind}=A))", few, known={"A": known}).design.mu.groups[0]
        for kind, known in (("cov", A()), ("precision", inverse))
    ]
    assert [t.n_levels for t in terms] == [2, 7]
    both = [
        t.operator().toarray() @ t.relation.covariance @ t.operator().toarray().T for t in terms
    ]
    np.testing.assert_allclose(*both)


def test_the_identity_is_the_plain_factor():
    data, eye = frame(), pd.DataFrame(np.eye(5), LEVELS, LEVELS)
    known = mb.Model("y ~ x + (x | gr(g, cov=A))", data, known={"A": eye})
    plain = mb.Model("y ~ x + (x | g)", data)
    a, b = known.design.mu.groups[0], plain.design.mu.groups[0]
    np.testing.assert_array_equal(a.relation.root, np.eye(5))
    np.testing.assert_array_equal(a.operator().toarray(), b.operator().toarray())
    assert known.priors["prior"].tolist() == plain.priors["prior"].tolist()
    np.testing.assert_allclose(icc(posterior(known))["mean"], icc(posterior(plain))["mean"])


def test_new_levels_are_predicted_from_those_of_the_fit():
    """Given b of the fit they are normal, by the conditional distribution of the known one."""
    model = mb.Model("y ~ 1 + (1 | gr(g, cov=A))", frame(), known={"A": A()})
    post = posterior(model, draws=4000)
    new = pd.DataFrame({"g": ["a", "f", "g"]})
    eta = linear(post, new) - post.intercept()[:, None]
    b, sd = post.ranef("g[A]")[..., 0], post.sd("g[A]")[:, 0]
    np.testing.assert_allclose(eta[:, 0], b[:, 0])
    W = linalg.solve(AR[:5, :5], AR[:5, 5:]).T
    left = AR[5:, 5:] - W @ AR[:5, 5:]
    z = (eta[:, 1:] - b @ W.T) / sd[:, None]
    np.testing.assert_allclose(np.cov(z.T), left, atol=0.05)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=0.05)
    # all anew: the same levels share a draw, and are related as the matrix says
    anew = (linear(post, new, groups="new") - post.intercept()[:, None]) / sd[:, None]
    np.testing.assert_allclose(np.cov(anew.T), AR[np.ix_([0, 5, 6], [0, 5, 6])], atol=0.08)
    with pytest.raises(DataError, match=r"A lacks 1 of the levels of g\[A\] in these rows: 'h'"):
        predict(post, pd.DataFrame({"g": ["h"]}))
    assert linear(post, pd.DataFrame({"g": ["h"]}), groups="typical").shape == (4000, 1)


def test_related_and_independent_effects_of_one_factor_have_names_of_their_own(tmp_path):
    model = mb.Model("y ~ x + (1 | gr(g, cov=A)) + (1 | g)", frame(), known={"A": A()})
    assert [g.name for g in model.design.mu.groups] == ["g[A]", "g"]
    post = posterior(model, draws=6)
    assert varcorr(post)["group"].tolist() == ["g[A]", "g", "Residual"]
    table = ranef(post, group="g[A]")
    assert table["level"].tolist() == LEVELS
    again = mb.load(mb.Fit(model, post).save(tmp_path / "fit.nc"))
    np.testing.assert_array_equal(again.model.design.mu.groups[0].relation.relation.matrix, AR)
    pd.testing.assert_frame_equal(again.ranef(), ranef(post))


def test_files_keep_sparse_precisions_and_their_labels(tmp_path):
    family = pd.DataFrame(
        {"id": [1, 2, 3, 4], "sire": [None, None, 1, 1], "dam": [None, None, 2, 3]}
    )
    data = frame().assign(animal=lambda d: np.arange(len(d)) % 4 + 1)
    Q = mb.pedigree(family)
    model = mb.Model("y ~ x + (1 | gr(animal, precision=Q))", data, known={"Q": Q})
    again = mb.load(mb.Fit(model, posterior(model, draws=4)).save(tmp_path / "fit.nc"))
    kept = again.model.design.mu.groups[0].relation.relation
    assert sparse.issparse(kept.matrix)
    np.testing.assert_array_equal(kept.matrix.toarray(), Q.matrix.toarray())
    np.testing.assert_array_equal(kept.diagonal, Q.diagonal)
    assert kept.levels.tolist() == [1, 2, 3, 4]


SYMMETRIC = np.array([[1, 0.9, 0.1], [0.9, 1, 0.9], [0.1, 0.9, 1]])


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({}, r"names A, which is not given: pass known=\{\"A\": A\}"),
        ({"A": A(), "B": A()}, "known= has 'B', which no bar names"),
        ({"A": AR}, "a matrix without the labels of its levels; give a data frame"),
        ({"A": A(("a", "b", "c"))}, "lacks 2 of the 5 levels of g: 'd', 'e'"),
        ({"A": (AR, list("abcdeff"))}, "1 labels stand twice: 'f'"),
        (
            {"A": (np.triu(AR), list("abcdefg"))},
            "not symmetric: between 'a' and 'b' it is 0.6 and 0",
        ),
        ({"A": (AR - 2 * np.eye(7), list("abcdefg"))}, "the variance of 'a' is -1, not positive"),
        (
            {"A": (np.ones((7, 7)), list("abcdefg"))},
            "not positive definite over the levels of the ",
        ),
        ({"A": (AR[:, :3], list("abcdefg"))}, "it is 7 x 3, and has to be square"),
        ({"A": (AR, list("abc"))}, "7 rows and 3 labels"),
        ({"A": (np.where(AR == 1, np.nan, AR), list("abcdefg"))}, "7 of its values are not finite"),
        ({"A": "A"}, "it is of type str; give a data frame"),
        ([A()], "known= is a dictionary"),
    ],
)
def test_what_is_wrong_with_a_relation_is_said(known, message):
    with pytest.raises(DataError, match=message):
        mb.Model("y ~ x + (1 | gr(g, cov=A))", frame(), known=known)


def test_labels_of_another_type_are_pointed_at():
    data = frame().assign(g=np.repeat(np.arange(5), K))
    with pytest.raises(DataError, match=r"has the level '0' \(text\) where g has 0 \(a number\)"):
        mb.Model("y ~ (1 | gr(g, cov=A))", data, known={"A": A(tuple("01234"))})


def test_levels_that_are_numbers_are_said_as_numbers():
    data = frame().assign(g=np.repeat(np.arange(5), K))
    for wrong, said in (
        (np.triu(AR), "between 0 and 1 it is 0.6 and 0"),
        (AR - 2 * np.eye(7), "the variance of 0 is -1, not positive"),
    ):
        with pytest.raises(DataError, match=said):
            mb.Model("y ~ (1 | gr(g, cov=A))", data, known={"A": (wrong, range(7))})
    data["arm"] = np.where(data["g"] < 2, 10, 20)
    model = mb.Model("y ~ x + (1 | gr(g, by=arm))", data)
    with pytest.raises(DataError, match="g 0 is in arm 10 in the fit, and in 20 in 1 of 2 rows"):
        replay(model.design, data.iloc[[0, -1]].assign(arm=20))


def test_a_singular_precision_names_the_ways_out():
    W = np.eye(5, k=1) + np.eye(5, k=-1)
    intrinsic = np.diag(W.sum(axis=0)) - W
    with pytest.raises(DataError, match=r"mb.icar\(W\), or mb.car\(W, rho\)"):
        mb.Model("y ~ (1 | gr(g, precision=Q))", frame(), known={"Q": (intrinsic, LEVELS)})
    for S, kind in ((mb.icar((W, LEVELS)), "cov"), (mb.car((W, LEVELS), 0.9), "precision")):
        g = mb.Model(f"y ~ (1 | gr(g, {kind}=S))", frame(), known={"S": S}).design.mu.groups[0]
        assert np.isfinite(g.relation.root).all()


def test_the_scale_of_a_relation_is_a_note_and_in_the_default_prior():
    data, big = frame(), A() * 25
    model = mb.Model("y ~ x + (1 | gr(g, cov=A))", data, known={"A": big})
    assert "the variances of levels in A average 25: sd_g_A is the sd of a level" in model.notes[-1]
    unit = mb.Model("y ~ x + (1 | gr(g, cov=A))", data, known={"A": A()})
    rates = [m.spec.priors.mu.sd["g[A]"][0].prior.lam for m in (model, unit)]
    assert rates[0] == pytest.approx(5 * rates[1])


@pytest.mark.parametrize("make", [lambda a: a.reset_index(names="id"), lambda a: a.iloc[::-1],
                                  lambda a: a.sample(frac=1, axis=1, random_state=1),
                                  lambda a: xr.DataArray(a, [("i", a.index), ("j", a.index)]),
                                  lambda a: (sparse.coo_array(a.to_numpy()), a.index)])  # fmt: skip
def test_a_relation_comes_in_many_forms(make):
    model = mb.Model("y ~ x + (1 | gr(g, cov=A))", frame(), known={"A": make(A())})
    np.testing.assert_allclose(model.design.mu.groups[0].relation.covariance, AR[:5, :5])


# ---- by arm ----------------------------------------------------------------------------------


BY = "y ~ x + (x | gr(g, by=arm))"


def test_each_arm_has_sds_and_correlations_of_its_own():
    model = mb.Model(BY, frame())
    g = model.design.mu.groups[0]
    assert g.terms == ("Intercept:armnew", "x:armnew", "Intercept:armold", "x:armold")
    assert g.blocks == ((0, 1), (2, 3))
    np.testing.assert_array_equal(
        g.Z[:K], np.column_stack([np.ones(K), frame().x[:K], np.zeros((K, 2))])
    )
    assert str(model.formulation).startswith("Marginal")  # the exact engine takes it
    table = varcorr(posterior(model, draws=8))
    assert table["term"].tolist()[:4] == list(g.terms)
    assert table["kind"].tolist() == ["sd"] * 4 + ["cor"] * 2 + ["sd"]


def test_levels_have_the_effects_of_their_arm_alone():
    post = posterior(mb.Model(BY, frame()), draws=8)
    table = ranef(post)
    assert table.groupby("level")["term"].agg(list).to_dict() == {
        "a": ["Intercept:armnew", "x:armnew"], "b": ["Intercept:armnew", "x:armnew"],
        **{level: ["Intercept:armold", "x:armold"] for level in "cde"},
    }  # fmt: skip
    slopes = coef(post)
    mean = (post.fixef()[:, 0] + post.ranef("g")[:, 2, 3]).mean()
    assert slopes.query("level == 'c' and term == 'x:armold'")["mean"].item() == pytest.approx(mean)
    assert np.isnan(ranef(post, wide=True).loc["a", "x:armold"])


def test_a_new_level_takes_the_variances_of_its_arm():
    post = posterior(mb.Model("y ~ 1 + (1 | gr(g, by=arm))", frame()), draws=3000)
    new = pd.DataFrame({"g": ["zz", "yy", "a"], "arm": ["new", "old", "new"]})
    eta = linear(post, new) - post.intercept()[:, None]
    z = eta[:, :2] / post.sd("g")
    np.testing.assert_allclose(np.cov(z.T), np.eye(2), atol=0.06)
    np.testing.assert_allclose(eta[:, 2], post.ranef("g")[:, 0, 0])
    with pytest.raises(DataError, match="g 'a' is in arm 'new' in the fit, and in 'old' in 1 of 1"):
        predict(post, pd.DataFrame({"g": ["a"], "arm": ["old"]}))
    with pytest.raises(DataError, match="arm is 'other' in 1 of 1 rows"):
        predict(post, pd.DataFrame({"g": ["zz"], "arm": ["other"]}))


def test_a_new_level_is_conditioned_on_in_its_arm():
    post = posterior(mb.Model(BY, frame()), draws=200)
    new = pd.DataFrame({"y": [2.0, 1, 0], "x": [0, 1.0, 2], "g": ["p", "p", "q"],
                        "arm": ["new", "new", "old"]})  # fmt: skip
    with pytest.warns(UserWarning, match="draws"):
        found = condition_on(post, new)
    terms = [["Intercept:armnew", "x:armnew"], ["Intercept:armold", "x:armold"]]
    for table in (found.ranef(), found.coef()):
        assert table.groupby("level")["term"].agg(list).tolist() == terms
    weights = found.importance.weights
    shift = found.coef()["mean"] - found.ranef()["mean"]
    np.testing.assert_allclose(shift[0], weights @ post.intercept(), rtol=1e-6)
    np.testing.assert_allclose(shift[1], weights @ post.fixef()[:, 0], rtol=1e-6)
    with pytest.raises(DataError, match=r"1 of 2 new levels of g are in several .* such as 'p'"):
        condition_on(post, new.assign(arm=["new", "old", "old"]))


def test_levels_are_asked_about_in_their_arm():
    post = posterior(mb.Model("y ~ x + arm + (1 | gr(g, by=arm))", frame()))
    arm = np.array([0, 0, 1, 1, 1])
    b = np.take_along_axis(post.ranef("g"), arm[None, :, None], axis=2)[..., 0]
    x = frame()["x"].mean()
    eta = post.intercept()[:, None] + post.fixef()[:, :1] * x + post.fixef()[:, 1:] * arm + b
    table = means(post, "g")
    assert table.table["g"].tolist() == LEVELS
    np.testing.assert_allclose(table.table["mean"], eta.mean(axis=0))
    assert grid(post, g="all")["arm"].tolist() == ["new", "new", "old", "old", "old"]
    assert set(grid(post, arm="all")[["arm", "g"]].itertuples(index=False, name=None)) == {
        ("new", "a"), ("old", "c")
    }  # fmt: skip
    assert len(grid(post, g="all", arm="all")) == 5
    picture = plot_simpson(post, "g", x="x").axes[0]
    lines = [line for line in picture.lines if len(line.get_xdata()) == 2]
    ends = np.concatenate([line.get_data() for line in lines], axis=1).T
    for level, a in zip(LEVELS, arm, strict=True):
        start = frame().query("g == @level")["x"].min()
        mean = (eta[:, LEVELS.index(level)] + post.fixef()[:, 0] * (start - x)).mean()
        assert np.abs(ends - [start, mean]).sum(axis=1).min() < 1e-9, (level, a)


def test_batches_of_coefficients_are_those_of_an_arm():
    """As if each arm were a factor of its own."""
    post = posterior(mb.Model(BY, frame().assign(z=np.repeat([0.0, 1, 0, 1, 2], K))), draws=30)
    table = explained(post).set_index("term")
    assert table["n"].tolist() == [2, 2, 3, 3, 60]
    b = post.ranef("g")[:, 2:, 2]
    pooling = 1 - b.mean(axis=0).var(ddof=1) / b.var(axis=1, ddof=1).mean()
    assert table.loc["Intercept:armold", "pooling"] == pytest.approx(pooling)
    level = "y ~ z + (1 | gr(g, by=arm))"
    post = posterior(mb.Model(level, frame().assign(z=np.repeat([0.0, 1, 0, 1, 2], K))), draws=30)
    b = post.ranef("g")[:, 2:, 1]
    theta = b + post.fixef() * [0, 1, 2]
    r2 = 1 - b.var(axis=1, ddof=1).mean() / theta.var(axis=1, ddof=1).mean()
    assert explained(post).set_index("term").loc["Intercept:armold", "r2"] == pytest.approx(r2)


def test_one_arm_is_the_plain_factor():
    data = frame().assign(arm="all")
    arms, plain = mb.Model(BY, data), mb.Model("y ~ x + (x | g)", data)
    a, b = arms.design.mu.groups[0], plain.design.mu.groups[0]
    np.testing.assert_array_equal(a.Z, b.Z)
    assert (a.blocks, a.margins) == (b.blocks, b.margins)
    assert arms.priors["prior"].tolist() == plain.priors["prior"].tolist()
    assert "x:armall" in arms.code("brms") or "by = arm" in arms.code("brms")


def test_a_level_in_two_arms_is_refused():
    data = frame()
    data.loc[3, "arm"] = "old"
    said = r"1 of the 5 levels of g are in several .* such as 'a', which is in 'new', 'old' \(row 3"
    with pytest.raises(DataError, match=said):
        mb.Model(BY, data)


def test_levels_of_a_relation_without_rows_have_no_panel():
    """Of a precision all levels have effects; "f" and "g" have none of the rows."""
    Q = np.linalg.inv(AR)
    known = {"Q": pd.DataFrame((Q + Q.T) / 2, list("abcdefg"), list("abcdefg"))}
    rng = np.random.default_rng(2)
    data = frame().assign(y=lambda d: d["x"] + rng.normal(size=len(d)))
    post = hand_made("y ~ x + (x | gr(g, precision=Q))", data, "gaussian", 40, rng, known=known)
    assert post.design.mu.groups[0].n_levels == 7
    titles = [ax.get_title("left") for ax in plot_fitted(post, "g[Q]").axes]
    assert [t[-1] for t in titles] == list("abcde")
    with pytest.raises(ModelError, match=r"f of g.* has no rows to draw"):
        plot_fitted(post, "g[Q]", levels=["a", "f"])
    means = data.groupby("g")[["x", "y"]].mean().to_numpy()
    slope = np.polyfit(*means.T, 1, w=np.sqrt(data.groupby("g").size()))[0]
    said = [t.get_text() for t in plot_simpson(post).legends[0].get_texts()]
    assert any(f"means: slope {slope:.3g}" in t for t in said), said
    (picture,) = pooling_figures(Source(post, None, 0.9))
    assert [level["name"] for level in picture.extra["levels"]] == list("abcde")


# ---- Student-t effects -----------------------------------------------------------------------


def test_nu_is_a_parameter_with_a_prior_or_given():
    data = frame()
    model = mb.Model('y ~ x + (1 | gr(g, law="student"))', data)
    assert model.priors.query("parameter == 'nu_g'")["prior"].item() == "Gamma(2, 0.1)"
    mine = mb.Model(model.formula.text, data, priors={"nu_g": mb.Gamma(4, 1)})
    assert str(mine.spec.priors.mu.laws["g"]["nu"].prior) == "Gamma(4, 1)"
    with pytest.raises(PriorError, match="nu_g is positive"):
        mb.Model(model.formula.text, data, priors={"nu_g": mb.Normal(0, 1)})
    given = mb.Model('y ~ x + (1 | gr(g, law="student", nu=4))', data)
    assert "nu_g" not in given.priors["parameter"].tolist()
    assert given.design.mu.groups[0].law.nu == 4


def test_the_density_of_student_effects_has_their_nu():
    data = frame()
    model = mb.Model('y ~ 1 + (1 | gr(g, law="student"))', data)
    u = np.random.default_rng(1).normal(size=(5, 1))
    found = log_density(
        model, u_ranef_g=u, sd_g_log__=np.log([0.7]), sigma_log__=np.log(0.4),
        nu_g_log__=np.log(3.5), Intercept=0.2,
    )  # fmt: skip
    eta = 0.2 + 0.7 * data.g.map(dict(zip(LEVELS, u[:, 0], strict=True)))
    expected = stats.norm(eta, 0.4).logpdf(data.y).sum() + stats.t(3.5).logpdf(u).sum()
    assert found == pytest.approx(expected)


def test_sds_are_scales_and_variances_know_nu():
    post = posterior(mb.Model('y ~ 1 + (1 | gr(g, law="student", nu=4))', frame()), draws=50)
    table, sd = varcorr(post), post.sd("g")[:, 0]
    assert table["mean"][0] == pytest.approx(sd.mean())
    assert table["variance"][0] == pytest.approx((2 * sd**2).mean())  # nu / (nu - 2)
    share = 2 * sd**2 / (2 * sd**2 + post.parameters()["sigma"] ** 2)
    assert icc(post)["mean"][0] == pytest.approx(share.mean())


def test_new_levels_have_the_nu_of_each_draw():
    post = posterior(mb.Model('y ~ 1 + (1 | gr(g, law="student"))', frame()), draws=4000)
    eta = linear(post, pd.DataFrame({"g": ["zz"]}))[:, 0] - post.intercept()
    nu = post.stacked("nu_g")
    assert stats.kstest(stats.t(nu).cdf(eta / post.sd("g")[:, 0]), "uniform").pvalue > 1e-3
    with pytest.raises(ModelError, match="the effects over g are student, not normal"):
        loo(post, "g", refit=False)


# ---- formulas --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bar", "message"),
    [
        ("gr(g)", "gr\\(\\) says nothing of the levels"),
        ("gr(g, dist='student')", 'the law of the effects is law="student"'),
        ("gr(g, cov=A, precision=Q)", "both say how the levels are related"),
        ("gr(g, cov='A')", "this is the name of a matrix in known="),
        ("gr(g/h, cov=A)", "A says how the levels of one column are related"),
        ("gr(g, nu=4)", 'write law="student", nu=4'),
        ("gr(g, law='student', nu=0)", "nu= is a number above 0"),
        ("mm(g, g)", "`g` stands twice in mm\\(\\)"),
        ("mm(g + 1, h)", "mm\\(\\) has columns"),
        ("mm(g, h, weights=w)", "mm\\(\\) has 2 column\\(s\\), and weights= has 1"),
        ("mm(g, h, by=arm)", "which may be in several groups of by="),
        ("mm(g, h, scale=False)", "scale= says whether weights= are divided"),
    ],
)
def test_what_is_wrong_with_a_bar_is_said(bar, message):
    with pytest.raises(FormulaError, match=message):
        mb.Model(f"y ~ x + (1 | {bar})", frame())


def test_a_level_in_several_arms_is_named_as_the_data_have_it():
    d = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.0], "g": [5, 5, 6, 6], "arm": list("aabb")})
    d = pd.concat([d, d.assign(arm="a")], ignore_index=True)
    with pytest.raises(DataError, match=r"several levels of arm, such as 6, which is in 'a', 'b'"):
        mb.Model("y ~ 1 + (1 | gr(g, by=arm))", d)


def test_effects_with_an_id_are_plain():
    both = ["y ~ (1 | p | gr(g, by=arm))", "sigma ~ (1 | p | gr(g, by=arm))"]
    with pytest.raises(FormulaError, match="and have one covariance at all levels"):
        mb.Model(both, frame())
    related = [text.replace("by=arm", "cov=A") for text in both]
    with pytest.raises(DataError, match="across the parameters of one response these are plain"):
        mb.Model(related, frame(), known={"A": A()})
    members = [text.replace("gr(g, by=arm)", "mm(g, h)") for text in both]
    with pytest.raises(DataError, match="by an id, and rows lie in several levels"):
        mb.Model(members, frame())


def test_brms_has_them_too():
    data = frame()
    models = {
        MM: "mm(g, h, weights = cbind(w, v))",
        "y ~ x + (1 | gr(g, cov=A))": "data2 = list(A = A)",
        'y ~ x + (1 | gr(g, law="student"))': 'gr(g, dist = "student")',
        "y ~ x + (1 | gr(g, by=arm))": "gr(g, by = arm)",
    }
    for formula, said in models.items():
        model = mb.Model(formula, data, known={"A": A()} if "A" in formula else None)
        assert said in model.code("brms")
        with pytest.raises(ModelError, match=r"code\('lme4'\) is not offered here"):
            model.code("lme4")


def test_brms_has_one_prior_for_an_effect_in_all_arms():
    """Its sds are a matrix, effects x arms, with a prior for each row of it."""
    model = mb.Model(BY, frame())
    assert "armnew" not in (code := model.code("brms"))
    assert 'group = "g", coef = "Intercept")' in code
    assert 'group = "g", coef = "x_at_means")' in code
    one = mb.HalfNormal(1)
    own = {"Intercept:armnew": one, "x:armnew": one, "Intercept:armold": one}
    given = {"sd": {"g": {**own, "x:armold": mb.HalfNormal(2)}}}
    with pytest.raises(ModelError, match="one prior for the sds of x over g in all levels of arm"):
        mb.Model(BY, frame(), priors=given).code("brms")


# ---- new levels beside related and unusual effects ---------------------------------------------


@pytest.mark.parametrize(
    ("bar", "known"),
    [("gr(g, cov=A)", {"A": A()}), ('gr(g, law="student", nu=4)', None), ("mm(g, h)", None)],
)
def test_new_levels_of_a_plain_factor_are_conditioned_on_beside_others(bar, known):
    """Given the other effects, in every draw those of one normal mean."""
    data = frame().assign(site=np.tile(list("uvw"), 20), z=np.linspace(0, 1, 60))
    model = mb.Model(f"y ~ x + s(z, k=4) + (1 | {bar}) + (1 | site)", data, known=known)
    post = posterior(model, draws=60)
    new = data.iloc[[0, 20, 40]].assign(site="new", y=[1.0, 2.0, 0.5])
    with pytest.warns(UserWarning, match="draws"):
        found = condition_on(post, new)
    other = next(g.name for g in model.design.mu.factors if g.name != "site")
    rest = new["y"].to_numpy() - linear(post, new, groups=[other])
    sigma2, sd2 = post.parameters()["sigma"] ** 2, post.sd("site")[:, 0] ** 2
    mean = rest.mean(axis=1) * sd2 / (sd2 + sigma2 / 3)
    V = sigma2[:, None, None] * np.eye(3) + sd2[:, None, None]
    log = [stats.multivariate_normal(cov=v).logpdf(r) for v, r in zip(V, rest, strict=True)]
    weights = np.exp(np.array(log) - np.max(log))
    weights /= weights.sum()
    table = found.ranef()
    assert table[["group", "level"]].to_numpy().tolist() == [["site", "new"]]
    if weights.max() < 0.2:  # smoothed weights are these where none stands out
        assert table["mean"][0] == pytest.approx(weights @ mean, abs=0.1 * np.sqrt(sd2.mean()))
    if post.closed_form:
        np.testing.assert_allclose(found.effects.mean[:, 0], mean, rtol=1e-6)


def test_new_levels_are_conditioned_on_where_their_relation_to_others_is_known():
    data = frame().assign(site=np.tile(list("uvw"), 20))
    model = mb.Model("y ~ x + (1 | gr(g, cov=A)) + (1 | site)", data, known={"A": A()})
    new = data.iloc[:2].assign(g="zz", site="new")
    with pytest.raises(DataError, match=r"A lacks 1 of the levels of g\[A\].*'zz'"):
        condition_on(posterior(model), new)


# ---- what levels that share rows cannot have -------------------------------------------------


def test_what_needs_rows_of_each_level_says_which_factor_has_none():
    post = posterior(mb.Model("y ~ x + (1 | mm(g, h)) + (1 | k)", frame().assign(k=frame()["g"])))
    shared = r"rows lie in several levels of mm\(g, h\)"
    with pytest.raises(ModelError, match=rf"by='mm\(g, h\)': {shared}; .* their own: k$"):
        facets_of(post.design, "mm(g, h)", 5)
    with pytest.raises(ModelError, match=rf"by='mm\(g, h\)': {shared}; choose from k, x, g, h"):
        plot_residuals(post, by="mm(g, h)")
    with pytest.raises(ModelError, match=rf"{shared}; see ranef\(\) and coef\(\)"):
        shrinkage(post)
    assert HeldOut.of(post.design, post.family, "group").target == "k"
    every = mb.Model("y ~ x + (1 | gr(g, cov=A)) + (1 | mm(g, h)) + (1 | h)", frame(),
                     known={"A": A()})  # fmt: skip
    said = r"'group' could mean g\[A\] or h, which are crossed; .* such as target='h'"
    with pytest.raises(ModelError, match=said):
        HeldOut.of(every.design, every.spec.family, "group")
