"""Smooths, memberships and kin with responses that are not Gaussian: default fits, and after."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb


def curve(x):
    return 1.5 * np.sin(6 * x)


def binary(seed, n=400, J=25):
    rng = np.random.default_rng(seed)
    x, g, b = rng.uniform(0, 1, n), rng.integers(0, J, n), rng.normal(0, 0.7, J)
    share = 1 / (1 + np.exp(-(curve(x) + b[g])))
    frame = pd.DataFrame({"x": x, "g": g.astype(str), "y": rng.binomial(1, share)})
    return "y ~ s(x) + (1 | g)", frame, "bernoulli", None


def counts(seed, n=300):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, n)
    frame = pd.DataFrame({"x": x, "y": rng.poisson(np.exp(0.5 + curve(x)))})
    return "y ~ s(x)", frame, "poisson", None


def members(seed, n=400, J=40):
    rng = np.random.default_rng(seed)
    a, b, w, u = *rng.integers(0, J, (2, n)), rng.uniform(0.2, 0.8, n), rng.normal(0, 0.6, J)
    eta = 0.5 + w * u[a] + (1 - w) * u[b]
    frame = pd.DataFrame({"a": a, "b": b, "w": w, "v": 1 - w, "y": rng.poisson(np.exp(eta))})
    return "y ~ 1 + (1 | mm(a, b, weights=(w, v)))", frame, "poisson", None


def kin(seed, J=60, k=3):
    """Species whose common history is the shorter of two random heights."""
    rng = np.random.default_rng(seed)
    depth = np.minimum.accumulate(rng.uniform(0, 0.9, J))
    A = np.minimum(depth[:, None], depth) + np.diag(1 - depth)
    b = np.linalg.cholesky(A) @ rng.normal(0, 0.8, J)
    species = np.repeat(np.arange(J), k)
    frame = pd.DataFrame({"species": species, "z": rng.normal(size=J * k)})
    frame["y"] = rng.poisson(np.exp(0.5 + 0.3 * frame["z"] + b[species]))
    known = {"A": mb.Relation(A, list(range(J)))}
    return "y ~ z + (1 | gr(species, cov=A))", frame, "poisson", known


def fitted(case, seed, **given):
    formula, data, family, known = case
    return mb.fit(
        formula, data, family=family, known=known, seed=seed, progress=False, **given
    )  # fmt: skip


@pytest.fixture(scope="module")
def smooth_and_group():
    return fitted(binary(0), 1, draws=400)


def test_the_curve_is_found(smooth_and_group):
    assert str(smooth_and_group.formulation) == "PartiallyCentered()"
    found = smooth_and_group.smooths()
    truth = curve(found["x"]) - curve(binary(0)[1]["x"]).mean()
    inside = (found["lower"] < truth) & (truth < found["upper"])
    assert inside.mean() > 0.8


def test_what_follows_a_fit(smooth_and_group, tmp_path):
    fit = smooth_and_group
    rows = binary(0)[1].iloc[:4]
    assert len(fit.predict(rows)) == 4
    assert np.isfinite(fit.loo().elpd)
    with pytest.raises(mb.errors.DataError, match="condition_on\\(\\) is for new levels"):
        fit.condition_on(rows)
    fit.save(tmp_path / "fit.nc")
    again = mb.load(tmp_path / "fit.nc")
    assert str(again.formulation) == "PartiallyCentered()"
    pd.testing.assert_frame_equal(again.smooths(), fit.smooths())
    words = fit.methods()
    assert "the group effects and smooths were partially centred" in str(words)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("case", [binary, counts, members, kin], ids=lambda case: case.__name__)
def test_default_fits_converge(case, seed):
    fit = fitted(case(seed), seed)
    assert fit.converged, fit.summary()
    assert not fit.idata["sample_stats"]["diverging"].any()
