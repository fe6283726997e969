"""Curves of smooths and their degrees of freedom, of draws that are made here."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mixedbayes as mb
from mixedbayes.errors import ModelError
from mixedbayes.predict.predict import predict
from mixedbayes.results.fitted import fitted
from mixedbayes.results.icc import icc
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.r2 import r2
from mixedbayes.results.ranef import ranef
from mixedbayes.results.smooths import bends, edf, smooths
from mixedbayes.results.summary import summary
from mixedbayes.results.varcorr import varcorr


def posterior(spec, sds, sigma, draws=1):
    """Draws that all are the mean of the effects given the sds, with flat population effects."""
    mu, y = spec.design.mu, spec.design.y
    blocks = [g.operator().toarray() for g in mu.groups]
    B = np.column_stack([np.ones(len(y)), mu.X, *blocks])
    p = 1 + len(mu.terms)
    shrunk = [np.full(Z.shape[1], (sigma / sd) ** 2) for Z, sd in zip(blocks, sds, strict=True)]
    G = np.linalg.inv(B.T @ B + np.diag(np.concatenate([np.zeros(p), *shrunk])))
    b = G @ B.T @ y
    out = {"Intercept": ((), b[0]), "sigma": ((), sigma), "fixef": (("term",), b[1:p])}
    for g, sd in zip(mu.groups, sds, strict=True):
        tag = mb.names.identifier(g.name)
        out[f"sd_{tag}"] = ((f"{tag}_term",), np.array([sd]))
        out[f"ranef_{tag}"] = ((tag, f"{tag}_term"), b[p : p + g.n_levels, None])
        p += g.n_levels
    shape = (2, draws)
    made = {
        name: (("chain", "draw", *dims), np.broadcast_to(v, shape + np.shape(v)))
        for name, (dims, v) in out.items()
    }
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(made)})
    return Posterior(spec, tree), B @ b


@pytest.fixture(scope="module")
def mcycle(reference):
    """At mgcv's REML estimates of the variances."""
    own = reference("mgcv_smooths")["mcycle"]
    data = pd.DataFrame({"times": own["times"], "accel": own["accel"]})
    spec = mb.Model("accel ~ s(times, k=20)", data).spec
    s = spec.design.columns.smooths[0]
    unit = s.curve.space.functions.unit**1.5 * s.curve.units[0]
    reml = own["tp"]["REML"]
    return own["tp"], *posterior(spec, [reml["sd"] * unit], reml["sigma"], 2)


def test_degrees_of_freedom_are_those_of_mgcv(mcycle):
    own, post, _ = mcycle
    found = edf(post)
    assert list(found["smooth"]) == ["s(times)"]
    assert found["functions"].iloc[0] == 19
    assert found["mean"].iloc[0] == pytest.approx(own["REML"]["edf"], abs=1e-6)
    assert edf(post, draws=True).sizes == {"sample": 4, "smooth": 1}


def test_the_curve_is_that_of_mgcv(mcycle):
    own, post, y = mcycle
    first = own["pairs"][0]
    at = pd.DataFrame({"times": own["at"]})
    whole = predict(post, at, kind="mean")["mean"]
    np.testing.assert_allclose(whole, first["fitted"], atol=1e-6)
    np.testing.assert_allclose(fitted(post)["mean"], y, atol=1e-9)
    table = smooths(post, n=7)
    assert list(table.columns[:2]) == ["smooth", "times"]
    same = predict(post, table[["times"]], kind="mean")["mean"] - post.intercept()[0]
    np.testing.assert_allclose(table["mean"], same, atol=1e-9)
    drawn = smooths(post, n=7, draws=True)["s(times)"]
    assert drawn.dims == ("chain", "draw", "point")
    np.testing.assert_allclose(drawn["times"], table["times"])


def test_tables_keep_smooths_apart_from_groups(mcycle):
    _, post, y = mcycle
    assert list(varcorr(post)["group"]) == ["Residual"]
    assert bends(post)["mean"].iloc[0] == pytest.approx(post.sd("s(times)")[0, 0])
    assert ranef(post).empty
    with pytest.raises(ModelError, match="no group effects"):
        icc(post)
    share = np.var(y, ddof=1) / (np.var(y, ddof=1) + post.residual_scale[0] ** 2)
    assert r2(post)["mean"].iloc[0] == pytest.approx(share)
    text = str(summary(post))
    assert "smooths  s(times): 18 functions" in text
    assert "groups" not in text.split("\n\n")[0]
    assert "sd s(times)" in text


@pytest.fixture(scope="module")
def curves(reference):
    own = reference("mgcv_smooths")["curves"]
    data = pd.DataFrame({k: own[k] for k in ("y", "time", "id", "arm")})
    data["dose"] = np.linspace(-1, 2, len(data))
    return own, data


def test_curves_by_level_are_those_of_mgcv(curves):
    own, data = curves
    spec = mb.Model("y ~ arm + s(time, by=arm) + (1 | id)", data).spec
    curve = spec.design.columns.smooths[0].curve
    unit = curve.space.functions.unit**1.5 * curve.units[0]
    a, b, g = own["by_factor"]["sd"]
    post, y = posterior(spec, [g, a * unit, b * unit], own["by_factor"]["sigma"])
    np.testing.assert_allclose(y[::5], own["by_factor"]["every_fifth_row"]["fitted"], atol=1e-6)
    np.testing.assert_allclose(edf(post)["mean"], own["by_factor"]["edf"][:2], atol=1e-6)
    assert list(varcorr(post)["group"]) == ["id", "Residual"]
    every = smooths(post, n=5)
    assert list(every["smooth"].unique()) == ["s(time):arm[a]", "s(time):arm[b]"]
    pd.testing.assert_frame_equal(
        smooths(post, "s(time):arm[b]", n=5), every[5:].reset_index(drop=True)
    )
    assert len(smooths(post, "s(time)")) == 200
    with pytest.raises(ModelError, match=r"no smooth 's\(x\)'; the model has 's\(time\):arm\[a\]'"):
        smooths(post, "s(x)")


def test_the_curve_that_a_number_multiplies_is_an_effect(curves):
    _, data = curves
    spec = mb.Model("y ~ s(time, by=dose, k=5)", data).spec
    post, _ = posterior(spec, [0.5], 0.4)
    table = smooths(post, n=4)
    high, low = (
        predict(post, table[["time"]].assign(dose=d), kind="mean")["mean"] for d in (1.0, 0.0)
    )
    np.testing.assert_allclose(table["mean"], high - low, atol=1e-9)


def test_a_small_sd_leaves_the_straight_line(curves):
    _, data = curves
    spec = mb.Model("y ~ s(time)", data).spec
    post, y = posterior(spec, [1e-6], 0.5)
    line = np.polyval(np.polyfit(data["time"], data["y"], 1), data["time"])
    np.testing.assert_allclose(y, line, atol=1e-6)
    assert edf(post)["mean"].iloc[0] == pytest.approx(1, abs=1e-6)


def test_models_without_smooths_say_so(curves):
    _, data = curves
    post, _ = posterior(mb.Model("y ~ time + (1 | id)", data).spec, [0.5], 0.5)
    with pytest.raises(ModelError, match="the model has no smooths"):
        smooths(post)
    assert bends(post) is None


def test_surfaces_have_a_point_for_each_pair(curves):
    _, data = curves
    spec = mb.Model("y ~ t2(time, dose, k=4)", data).spec
    assert {str(a.prior) for _, of, a in spec.priors.rows() if of == "bend"} == {
        str(a.prior) for name, _, a in spec.priors.rows() if name == "sigma"
    }
    post, _ = posterior(spec, [0.1, 0.2, 0.3], 0.5)
    table = smooths(post, n=3)
    assert len(table) == 9
    same = predict(post, table[["time", "dose"]], kind="mean")["mean"] - post.intercept()[0]
    np.testing.assert_allclose(table["mean"], same, atol=1e-9)
    assert len(bends(post)) == 3
    assert len(edf(post)) == 1


@pytest.mark.parametrize("most", [0, 1000])
def test_curves_of_each_level_count_as_those_of_mgcv(curves, monkeypatch, most):
    """Levels, slopes and what bends; mgcv's slopes and levels are on axes of rounding errors."""
    own, data = curves
    monkeypatch.setattr("mixedbayes.results.smooths._DENSE", most)
    spec = mb.Model('y ~ s(time) + s(time, id, bs="fs", k=6)', data).spec
    one, each = (s.curve for s in spec.design.columns.smooths)
    units = [c.space.functions.unit**1.5 * c.units[0] for c in (one, each)]
    main, bend, level, slope = own["fs"]["sd"]
    sds = [main * units[0], bend * units[1], slope, level]
    post, y = posterior(spec, sds, own["fs"]["sigma"])
    known = own["fs"]["every_fifth_row"]
    assert np.max(np.abs(y[::5] - known["fitted"]) / known["se"]) < 0.2
    np.testing.assert_allclose(edf(post)["mean"], own["fs"]["edf"], atol=0.01)
    assert list(edf(post)["functions"]) == [9, 72]
    table = smooths(post, "s(time, id)[id03]", n=6)
    both = smooths(post, "s(time)", n=6)["mean"] + table["mean"]
    at = pd.DataFrame({"time": table["time"], "id": "id03"})
    whole = predict(post, at, kind="mean")["mean"] - post.intercept()[0]
    np.testing.assert_allclose(both, whole, atol=1e-9)
    typical = predict(post, at[["time"]], kind="mean", groups="typical")["mean"]
    np.testing.assert_allclose(typical - post.intercept()[0], smooths(post, "s(time)", n=6)["mean"])
