"""Checks of several responses: rows of the frame left out, and evidence."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.checks.evidence import log_evidence
from mixedbayes.checks.held_out import HeldOut
from mixedbayes.checks.leave_out import anchored, leave_out, take
from mixedbayes.checks.rows_of_several import by_row
from mixedbayes.design import build_design

FORMULAS = ["mv(weight, height) ~ age + (1 | p | child)", "height ~ age + sex + (1 | p | child)"]


def frame(n=60):
    rng = np.random.default_rng(4)
    d = pd.DataFrame({"child": np.arange(n) % 12, "age": rng.uniform(2, 9, n).round(2)})
    d["sex"] = np.where(np.arange(n) % 12 % 2, "m", "f")
    b, e = rng.normal(size=(12, 2)), rng.normal(size=(n, 2))
    d["weight"] = 3 + 2 * d["age"] + b[d["child"], 0] + e[:, 0]
    d["height"] = 60 + 6 * d["age"] + 3 * b[d["child"]].sum(1) + 2 * (e[:, 0] + e[:, 1])
    d.loc[[3, 8], "weight"] = np.nan
    d.loc[[4, 20], "height"] = np.nan
    return d


@pytest.fixture(scope="module")
def fit():
    return mb.fit(FORMULAS, frame(), draws=200, tune=200, chains=2, seed=1, progress=False)


def test_rows_of_the_frame_are_left_out_with_all_their_responses():
    d, gone = frame(), [3, 5, 41]
    design = build_design(FORMULAS, d)
    units = design.several.units
    found = take(design, np.flatnonzero(~np.isin(units, gone)))
    own = build_design(FORMULAS, d.drop(index=gone))
    np.testing.assert_array_equal(found.y, own.y)
    np.testing.assert_array_equal(found.several.units, own.several.units)
    np.testing.assert_array_equal(found.several.places, own.several.places)
    np.testing.assert_array_equal(found.several.frame_labels, own.several.frame_labels)
    np.testing.assert_array_equal(found.mu.X, own.mu.X)
    for a, b in zip(found.parts, own.parts, strict=True):
        np.testing.assert_array_equal(a.y, b.y)
        np.testing.assert_array_equal(a.mu.X, b.mu.X)
        assert list(a.index) == list(b.index)


def test_a_row_is_scored_by_a_fit_without_it(fit):
    """As by a fit of the other rows under the same priors, whose draws are of a sampler."""
    post = fit.posterior
    held_out = HeldOut.of(post.design, post.family, "observation")
    found = leave_out(post, held_out, np.array([7]), 7)
    spec = anchored(post.spec)
    rows = np.flatnonzero(post.design.several.units != 7)
    assert take(spec.design, rows).n == post.design.n - 2
    weights = np.exp(-by_row(post, np.array([7]))[:, 0])
    harmonic = -np.log(weights.mean())
    error = weights.std() / weights.mean() / np.sqrt(len(weights) / 3)
    assert found.converged
    assert found.log_density[0] == pytest.approx(harmonic, abs=4 * error + 0.02)


def test_folds_are_of_rows_of_the_frame_or_of_groups(fit):
    found, loo = fit.kfold(3, seed=2), fit.loo(refit=False, progress=False)
    assert found.n_data_points == 60
    assert found.elpd_i.dims == ("row",)
    assert set(found.fold) == {0, 1, 2}
    assert abs(found.elpd - loo.elpd) < 10
    assert "60 observations" in str(found)
    groups = fit.kfold(2, by="child", seed=2)
    assert groups.elpd_i.dims == ("child",)
    assert groups.n_data_points == 12
    assert groups.elpd < found.elpd


def test_rows_that_move_the_posterior_are_fitted_without(fit):
    d = frame()
    d.loc[10, ["weight", "height"]] = d.loc[10, ["weight", "height"]] + [5.0, -9.0]
    odd = mb.fit(FORMULAS, d, draws=150, tune=150, chains=2, seed=1, progress=False)
    first = odd.loo(refit=False, progress=False)
    assert 10 in first.elpd_i["row"].to_numpy()[first.high]
    found = odd.loo(progress=False)
    assert found.refitted
    assert not len(found.high)
    assert "the model was fitted again" in str(found)


def test_the_evidence_of_responses_with_nothing_in_common_is_that_of_their_own_models():
    d = frame()
    quick = {"draws": 400, "tune": 200, "chains": 2, "seed": 1, "progress": False}
    both = mb.fit("mv(weight, height, rescor=False) ~ age + (1 | child)", d, **quick)
    found = log_evidence(both.posterior, seed=3)
    total, variance = 0.0, found.error**2
    for name in ("weight", "height"):
        own = mb.fit([f"{name} ~ age + (1 | child)", "sigma ~ 1"], d, **quick)
        one = log_evidence(own.posterior, seed=3)
        total, variance = total + float(one), variance + one.error**2
    assert abs(float(found) - total) < 4 * np.sqrt(variance) + 0.01


def test_a_study_is_planned_by_a_pilot_with_all_its_responses(fit):
    made = mb.study(fit=fit).data(seed=3)
    assert len(made) == 60
    assert made[["weight", "height"]].notna().all().all()
    assert np.corrcoef(made["height"], made["age"])[0, 1] > 0.8
    again = mb.study(fit=fit).data({"child": 5}, seed=3)
    assert again["child"].nunique() == 5
