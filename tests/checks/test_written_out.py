"""Rows that count several times are judged as the same rows written out."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mixedbayes as mb
from mixedbayes.checks.check import collinearity, levels
from mixedbayes.checks.elpd import compare_elpd
from mixedbayes.checks.leave_out import folds, kfold
from mixedbayes.checks.log_likelihood import by_observation, copies, of_one
from mixedbayes.checks.loo import smoothed
from mixedbayes.checks.own import Own
from mixedbayes.checks.predictive import (
    PRIOR_DRAWS,
    replicated,
    written_out_predictive,
)
from mixedbayes.checks.residual import residuals, spread, written_out
from mixedbayes.plots.residuals import residuals as drawn_residuals
from mixedbayes.predict.prior import prior_predictive
from mixedbayes.results.icc import icc
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.r2 import explained, r2
from mixedbayes.results.varcorr import varcorr

FAMILIES = ("bernoulli", "poisson", "negative_binomial", "beta", "cumulative")
J, N, DRAWS = 6, 48, 60


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    d = pd.DataFrame({"g": np.arange(N) % J, "x": rng.normal(1, 1, N), "z": rng.normal(size=N)})
    d["w"] = rng.integers(1, 6, N) + 30 * (d.x > 1.5)
    d["bernoulli"] = (d.x + rng.normal(size=N) > 1).astype(int)
    d["poisson"] = rng.poisson(np.exp(0.5 * d.x))
    d["negative_binomial"] = rng.poisson(np.exp(0.5 * d.x) * rng.gamma(2, 0.5, N))
    d["beta"] = rng.beta(2, 3, N)
    d["cumulative"] = rng.permutation(np.arange(N) % 3)
    return d


def posterior(formula, data, family):
    """Draws near one another of a model's parameters, the same for all ways to write the data."""
    spec = mb.Model(formula, data, family=family).spec
    rng, dims = np.random.default_rng(2), ("chain", "draw")

    def near(value):
        shape = (2, DRAWS, *np.shape(value))
        return np.asarray(value, float) + 0.1 * rng.normal(size=shape)

    values = {
        "fixef": ((*dims, "term"), near([0.4, -0.2])),
        "sd_g": ((*dims, "g_term"), np.abs(near([0.5]))),
        "ranef_g": ((*dims, "g", "g_term"), near(np.zeros((J, 1)))),
    }
    if spec.design.mu.intercept:
        values["Intercept"] = (dims, near(0.3))
    for name in spec.family.estimated(spec.design):
        vector = name == "thresholds"
        drawn = np.sort(near([-0.5, 0.8])) if vector else near(3.0)
        values[name] = ((*dims, "threshold") if vector else dims, drawn)
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(values)})
    return Posterior(spec, tree)


@pytest.fixture(params=FAMILIES)
def both(request, rows):
    """Posterior and model of the weighted rows, and of the rows written out."""
    name, right = request.param, "x + z + (1 | g)"
    written = rows.loc[rows.index.repeat(rows.w)].reset_index(drop=True)
    return (
        posterior(f"{name} | weights(w) ~ {right}", rows, name),
        posterior(f"{name} ~ {right}", written, name),
    )


def assert_same(a, b):
    """Diagnostics apart: they go by ranks, and equal draws may differ in the last digit."""
    a, b = (t.drop(columns=["ess_bulk", "rhat"]) for t in (a, b))
    pd.testing.assert_frame_equal(a, b, rtol=1e-6)


def test_shares_of_variance_are_those_of_the_rows_written_out(both):
    weighted, written = both
    assert_same(varcorr(weighted), varcorr(written))
    for scale in ("link", "response"):
        assert_same(icc(weighted, scale=scale), icc(written, scale=scale))
        assert_same(r2(weighted, scale=scale), r2(written, scale=scale))


def test_shares_of_variance_of_trials_are_those_of_the_single_outcomes(rows):
    d = rows.assign(k=np.random.default_rng(1).binomial(rows.w, 0.3))
    single = d.loc[d.index.repeat(d.w)]
    single = single.assign(b=(single.groupby(level=0).cumcount() < single.k).astype(int))
    together = posterior("k | trials(w) ~ x + z + (1 | g)", d, "binomial")
    apart = posterior("b ~ x + z + (1 | g)", single, "bernoulli")
    for table in (icc, r2):
        assert_same(table(together), table(apart))


def test_residuals_are_those_of_the_rows_written_out(both):
    weighted, written = both
    a, b = residuals(weighted, seed=1), residuals(written, seed=1)
    np.testing.assert_allclose(a.data, b.data, rtol=1e-9)
    np.testing.assert_allclose(a.replicated, b.replicated, rtol=1e-9)
    a, b = drawn_residuals(weighted, seed=1), drawn_residuals(written, seed=1)
    np.testing.assert_allclose(a.fitted, b.fitted, rtol=1e-9)
    np.testing.assert_allclose(a.value, b.value, atol=1e-7)


def test_levels_and_collinearity_are_those_of_the_rows_written_out(both):
    weighted, written = both
    assert levels(weighted.design).said == levels(written.design).said
    mine, theirs = collinearity(weighted.design), collinearity(written.design)
    pd.testing.assert_frame_equal(mine.table, theirs.table)


def test_one_of_the_copies_is_an_observation(both):
    weighted, written = both
    repeats = weighted.design.weights.astype(int)
    one = np.repeat(of_one(weighted), repeats, axis=1)
    np.testing.assert_allclose(one, by_observation(written))
    sizes = np.repeat(Own.of(weighted).sizes, repeats, axis=0)
    np.testing.assert_array_equal(sizes, Own.of(written).sizes)


def assert_same_scores(mine, theirs, repeats):
    each = np.repeat(np.asarray(mine.elpd_i) / repeats, repeats)
    np.testing.assert_allclose(each, theirs.elpd_i, rtol=1e-6)
    for what in ("elpd", "se", "p", "n_data_points"):
        assert getattr(mine, what) == pytest.approx(getattr(theirs, what), rel=1e-6)
    assert f"stand for {repeats.sum():,} observations" in str(mine)


def test_leaving_one_of_the_copies_out(both):
    repeats = both[0].design.weights.astype(int)
    mine, theirs = (smoothed(p, "observation") for p in both)
    assert_same_scores(mine, theirs, repeats)
    np.testing.assert_allclose(np.repeat(mine.pareto_k, repeats), theirs.pareto_k, atol=1e-5)
    theirs.replace(0, -9.0, 0.0, "refitted")
    mine.replace(0, -9.0, 0.0, "refitted")
    missing = (repeats[0] - 1) * (-9.0 - theirs.elpd_i.to_numpy()[1])
    assert mine.elpd == pytest.approx(theirs.elpd + missing)


def test_comparisons_are_those_of_the_rows_written_out(both):
    tables = []
    for post in both:
        mu = replace(post.design.mu, X=post.design.mu.X[:, ::-1])
        moved = post.with_design(replace(post.design, predictors=(mu,)))
        two = [smoothed(p, "observation") for p in (post, moved)]
        tables.append(compare_elpd({"a": two[0], "b": two[1]}, "pseudo-BMA"))
    pd.testing.assert_frame_equal(*tables, rtol=1e-4, atol=1e-6)


def test_copies_that_few_others_know_are_left_out_with_effects_integrated(rows):
    few = rows.head(J).assign(w=[1, 2, 3, 1, 2, 3])
    written = few.loc[few.index.repeat(few.w)].reset_index(drop=True)
    right = "x + z + (1 | g)"
    for name in ("bernoulli", "poisson"):
        mine, theirs = (
            smoothed(posterior(f"{left} ~ {right}", d, name), "observation")
            for left, d in ((f"{name} | weights(w)", few), (name, written))
        )
        assert (mine.how == "integrated").all()
        assert_same_scores(mine, theirs, few.w.to_numpy())


@pytest.mark.parametrize("k", [2, 5, 400])
def test_folds_divide_the_copies(rows, k):
    d = rows.head(12).assign(w=rows.w.head(12) % 4 + 1)
    written = d.loc[d.index.repeat(d.w)].reset_index(drop=True)
    designs, found = [], []
    for left, data in (("poisson | weights(w)", d), ("poisson", written)):
        post = posterior(f"{left} ~ x + z + (1 | g)", data, "poisson")

        def sample(spec, number, post=post):
            designs.append((number, spec.design))
            return post.draws

        found.append(kfold(replace(post, run=SimpleNamespace(again=sample)), k, seed=4))
    assert_same_totals(*found, d.w.to_numpy())
    half = len(designs) // 2
    for (number, mine), (other, theirs) in zip(designs[:half], designs[half:], strict=True):
        assert number == other
        np.testing.assert_array_equal(np.repeat(mine.y, mine.weights.astype(int)), theirs.y)
        np.testing.assert_array_equal(mine.mu.counts, mine.weights)


def assert_same_totals(mine, theirs, repeats):
    row = np.repeat(np.arange(len(repeats)), repeats)
    np.testing.assert_allclose(mine.elpd_i, np.bincount(row, theirs.elpd_i), rtol=1e-9)
    assert mine.elpd == pytest.approx(theirs.elpd)
    assert mine.p == pytest.approx(theirs.p)
    assert mine.n_folds == theirs.n_folds
    assert (mine.fold.sum(axis=1) == repeats).all()


def test_very_many_copies_are_divided_evenly(monkeypatch):
    monkeypatch.setattr("mixedbayes.checks.leave_out.MOST_SHUFFLED", 50)
    copies = np.array([3.0, 40.0, 1e6])
    fold = folds(3, 10, 1, copies)
    np.testing.assert_array_equal(fold.sum(axis=1), copies)
    assert np.ptp(fold.sum(axis=0)) <= 1
    assert (fold[1:].min(axis=1) >= [4, 1e5]).all()


def test_what_is_left_out_is_said_where_it_is_not_one_of_equal_rows(rows):
    rng = np.random.default_rng(1)
    right = "x + z + (1 | g)"
    d = rows.assign(v=rows.w + 0.5, k=rng.binomial(rows.w, 0.3), one=1, b=rows.bernoulli)
    cases = {
        "poisson | weights(v)": ("poisson", "Weights are not whole numbers: a row is left out"),
        "k | trials(w)": ("binomial", "An observation is a row with all its trials"),
        "b | trials(one)": ("binomial", ""),
        "poisson | weights(one)": ("poisson", ""),
        "poisson": ("poisson", ""),
    }
    for left, (family, note) in cases.items():
        found = smoothed(posterior(f"{left} ~ {right}", d, family), "observation")
        assert found.held_out.note.startswith(note)
        assert (found.held_out.note == "") == (note == "")
        assert found.held_out.note in str(found)
        assert found.n_data_points == N


@pytest.mark.parametrize("prior", [False, True])
def test_replicates_are_those_of_the_rows_written_out(both, prior):
    weighted, written = both
    rows, drawn = written_out_predictive(weighted, "auto", 3, prior=prior)
    none, nothing = written_out_predictive(written, "auto", 3, prior=prior)
    assert none.design is written.design
    assert nothing is None
    np.testing.assert_array_equal(rows.design.y, written.design.y)
    if prior:
        found = prior_predictive(written.spec, PRIOR_DRAWS, 3)["prior_predictive"].to_dataset()
    else:
        found = replicated(written, "auto", 3)
    (y,), (expected,) = drawn.data_vars.values(), found.data_vars.values()
    np.testing.assert_allclose(y.to_numpy(), expected.to_numpy(), rtol=1e-9)


def test_what_a_level_explains_with_an_identity_link(rows):
    family = mb.Poisson(link=mb.Identity())
    written = rows.loc[rows.index.repeat(rows.w)]
    weighted = posterior("poisson | weights(w) ~ x + z + (1 | g)", rows, family)
    other = posterior("poisson ~ x + z + (1 | g)", written, family)
    a, b = (explained(p).set_index("group") for p in (weighted, other))
    np.testing.assert_allclose(
        a.loc["Residual", ["r2", "pooling"]].astype(float),
        b.loc["Residual", ["r2", "pooling"]].astype(float),
        rtol=1e-9,
    )


def test_many_copies_are_spread_evenly():
    counts = np.array([1e6, 3e6, 6e6])
    np.testing.assert_array_equal(np.bincount(spread(counts, 1000)), [100, 300, 600])
    np.testing.assert_array_equal(spread(np.ones(5), 10), np.arange(5))
    np.testing.assert_array_equal(spread(np.full(4, 0.25), 10), np.arange(4))
    np.testing.assert_array_equal(spread(np.array([1.5, 1.5]), 10), [0, 1, 1])


def test_weights_that_divide_the_variance_repeat_nothing(rows):
    spec = mb.Model("x | weights(w) ~ z + (1 | g)", rows).spec
    assert written_out(spec.design, spec.family, 10**6) is spec.design
    assert copies(spec.design, spec.family) is None
    some = written_out(replace(spec.design), spec.family, 12)
    assert some.n == len(some.weights) == 12
