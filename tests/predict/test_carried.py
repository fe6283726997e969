"""New rows of groups whose residuals are known: forecasts and missing visits, beside dense normals.

Draws are all the same, so that predictive draws have one distribution.
"""

import numpy as np
import pandas as pd
import pytest
from correlated import covariance, posterior, the_same, visits
from scipy import stats

import mixedbayes as mb
from mixedbayes.design import replay, replay_residual
from mixedbayes.errors import DataError, ModelError
from mixedbayes.predict.carried import given_rows
from mixedbayes.predict.condition import condition_on
from mixedbayes.predict.missing import imputed, missing
from mixedbayes.predict.predict import predict
from mixedbayes.predict.question import ask
from mixedbayes.results.correlated import row_sds
from mixedbayes.results.fitted import linear_predictor
from mixedbayes.results.pooled import Pooled
from mixedbayes.terms.given_rows import joined

CASES = {
    "ar1": ("ar1(visit | id)", "y | weights(w) ~ x"),
    "ar1 by arm": ("ar1(visit | id, by=arm)", "y ~ x"),
    "unstr": ("unstr(visit | id)", "y ~ x"),
    "ou": ("ou(time | id)", ["y ~ x", "sigma ~ x"]),
    "cosy": ("cosy(id)", "y ~ x"),
    "cs": ("cs(visit | id)", "y ~ x"),
    "arma11": ("arma11(visit | id)", "y ~ x"),
    "toep": ("toep(visit | id)", "y ~ x"),
    "beside effects": ("ar1(visit | id)", "y ~ x + (1 | id)"),
}
DRAWS = 3000


def gaps(d):
    """Rows at the visits that groups lack, two groups' and one of a new group."""
    every = {(i, v) for i in sorted(set(d.id)) for v in range(1, 5)}
    lacking = sorted(every - set(zip(d.id, d.visit, strict=True)))
    rows = [*lacking, ("new", 1), ("new", 3)]
    new = pd.DataFrame(rows, columns=["id", "visit"])
    arms = d.groupby("id").arm.first()
    new["arm"] = new.id.map(arms).fillna("drug")
    x = np.linspace(-1, 1, len(new))
    return new.assign(x=x, time=new.visit**1.5, w=np.linspace(0.7, 1.5, len(new)))


def expected(post, new):
    """Mean and covariance of new rows given the fitted ones, in the first draw, from dense ones."""
    d, n = post.design, post.design.n
    eta = post.intercept()[0] + new.x.to_numpy() * post.fixef()[0, 0]
    for g in d.factors:
        own = dict(zip(map(str, g.levels), post.ranef(g.name)[0, :, 0], strict=True))
        eta = eta + [own[i] for i in new.id]
    if d.further:
        X = replay(d, new, parameter="sigma").X
        sd = np.exp(post.intercept("sigma")[0] + X @ post.fixef("sigma")[0])
    else:
        sd = post.stacked("sigma")[0] / np.sqrt(
            new.w if d.weights is not None else np.ones(len(new))
        )
    both = joined(d.residual, replay_residual(d, new))
    V = covariance(post, 0, both, np.concatenate([row_sds(post, np.arange(n))[0], sd]))
    K = np.linalg.solve(V[:n, :n], V[:n, n:]).T
    r = d.y - linear_predictor(post, slice(None))[:, 0]
    return eta + K @ r, V[n:, n:] - K @ V[:n, n:]


@pytest.fixture(params=CASES)
def post(request):
    residual, formula = CASES[request.param]
    return the_same(posterior(residual, formula, draws=DRAWS))


def test_new_rows_of_known_groups_are_given_their_residuals(post):
    new = gaps(visits())
    old = new[new.id != "new"].reset_index(drop=True)
    mean, V = expected(post, old)
    y = predict(post, old, draws=True, seed=2)
    drawn = y.to_numpy().reshape(-1, len(old))
    sd = np.sqrt(np.diag(V))
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=5 * sd.max() / np.sqrt(len(drawn)))
    np.testing.assert_allclose(np.cov(drawn.T), V, atol=0.08 * sd.max() ** 2)
    assert "3 of 3 rows are given the residuals of their id's rows" in y.attrs["note"]
    table = predict(post, old, seed=2)
    np.testing.assert_allclose(table["mean"], mean, rtol=1e-8)
    np.testing.assert_allclose(table["sd"], sd, rtol=0.05)
    assert table.attrs["note"] == y.attrs["note"]
    high = predict(post, old, target="quantile(0.9)")
    np.testing.assert_allclose(high["mean"], stats.norm(mean, sd).ppf(0.9), rtol=1e-6)
    above = predict(post, old, target="P(y > 0.3)")
    np.testing.assert_allclose(above["mean"], stats.norm(mean, sd).sf(0.3), rtol=1e-6)


def test_which_groups_are_asked_about_says_what_is_known():
    post = the_same(posterior("ar1(visit | id)", "y ~ x + (1 | arm)"))
    new = gaps(visits())
    sigma = post.stacked("sigma")[0]
    alone = predict(post, new, groups=["arm"], seed=2)
    for groups in (["arm"], "typical", "new"):
        found = predict(post, new, groups=groups, seed=2)
        assert "are those of new groups: drawn whatever" in found.attrs["note"], groups
    assert abs(alone["sd"] - sigma).max() < 0.4 * sigma
    both = predict(post, new, groups=["arm", "id"], seed=2)
    pd.testing.assert_frame_equal(both, predict(post, new, seed=2))
    known = (new.id != "new").to_numpy()
    assert (abs(both["mean"] - alone["mean"])[known] > 1e-6).all()
    np.testing.assert_allclose(both["mean"][~known], alone["mean"][~known])
    with pytest.raises(ModelError, match="'visit' is not a grouping factor"):
        predict(post, new, groups=["visit"])
    mean = predict(post, new, kind="mean")
    np.testing.assert_allclose(mean["mean"], predict(post, new, kind="linear")["mean"])
    assert "note" not in mean.attrs


def test_a_visit_that_its_group_has_is_observed_anew():
    post = the_same(posterior("ar1(visit | id)", draws=DRAWS))
    d = visits().sort_values(["id", "visit"], ignore_index=True)
    again = predict(post, d, draws=True, seed=1).to_numpy().reshape(-1, len(d))
    V = covariance(post, 0, replay_residual(post.design, d), np.full(len(d), 1.0))
    V *= post.stacked("sigma")[0] ** 2
    np.testing.assert_allclose(np.cov(again.T), V, atol=0.1 * V[0, 0])
    new = pd.concat([d, gaps(visits())[["id", "visit", "x"]]], ignore_index=True)
    found = predict(post, new, seed=1)
    assert found.attrs["note"] == (
        "3 of 34 rows are given the residuals of their id's rows, ar1(visit | id); 29 at visit of "
        "these are observed anew, whatever was observed there; 2 are of new groups."
    )
    joint = predict(post, new, draws=True, seed=1).to_numpy().reshape(-1, len(new))
    assert abs(np.corrcoef(joint.T)[:29, 29:32]).max() < 0.08
    twice = predict(post, pd.concat([new, new]), seed=1)
    np.testing.assert_allclose(twice["mean"][34:], found["mean"])
    with pytest.raises(DataError, match="has 2 rows at visit"):
        predict(post, pd.concat([new, new]), draws=True)


def test_new_rows_that_do_not_say_their_group_or_visit():
    post = posterior("ar1(visit | id)")
    new = gaps(visits())
    table = predict(post, new[["x"]])
    assert "as the new data do not say their id" in table.attrs["note"]
    with pytest.raises(DataError, match=r"lack 1 column\(s\): visit\. .*groups=\"new\""):
        predict(post, new[["x", "id"]])
    predict(post, new[["x", "id"]], groups="new")
    with pytest.raises(DataError, match=r"lack 1 column\(s\): id\..*the table, draws=False"):
        predict(post, new[["x", "visit"]], draws=True)
    free = predict(posterior("homtoep(visit | id)"), new[3:].assign(visit=7))  # of new groups alone
    assert "are those of new groups" in free.attrs["note"]
    assert len(predict(post, new[:0])) == 0
    assert predict(post, new[:0], draws=True).shape == (2, 20, 0)


def test_predictions_of_the_response_before_its_transform():
    d = visits()
    d["y"] = np.exp(d.y / 4)
    post = the_same(posterior("ar1(visit | id)", "log(y) ~ x", d))
    old = gaps(d)[:3]
    mean, V = expected(post, old)
    found = predict(post, old, scale="original", seed=1)
    np.testing.assert_allclose(found["mean"], np.exp(mean + np.diag(V) / 2), rtol=1e-6)


def test_groups_of_many_rows_are_read_next_to_the_new_ones():
    d = pd.DataFrame({"visit": np.arange(3000), "id": "a"})
    d["y"] = np.random.default_rng(1).normal(size=3000)
    new = pd.DataFrame({"visit": [3000, 3004, 3001], "id": "a"})
    for residual in ("ar1(visit | id)", "cosy(id)"):
        post = posterior(residual, "y ~ 1", d)
        rho, s = post.stacked("rho"), 7
        e = post.design.y - post.intercept()[s]
        if residual.startswith("ar1"):
            mean = e[-1] * rho[s] ** np.array([1, 5, 2])
        else:
            mean = np.full(3, rho[s] * e.sum() / (1 + 2999 * rho[s]))
        given, _ = given_rows(post, new, ask(post.design, "auto", "response"), None, draws=True)
        found = given.single(np.arange(3))[0][s] * post.stacked("sigma")[s]
        np.testing.assert_allclose(found, mean, rtol=1e-8)


# ---- responses that are missing, and new groups ------------------------------------------------


def test_missing_responses_are_drawn_given_their_group():
    d = visits()
    lacking = gaps(d).assign(y=np.nan)
    both = pd.concat([d, lacking], ignore_index=True)
    post = the_same(posterior("unstr(visit | id)", "y | mi() ~ x", both, draws=DRAWS))
    assert post.design.n == len(d)
    old = lacking[:3]
    mean, V = expected(post, old)
    table = missing(post, seed=1)
    np.testing.assert_allclose(table["mean"][:3], mean, rtol=1e-8)
    sd = np.sqrt(np.diag(V))
    np.testing.assert_allclose(table["sd"][:3], sd, rtol=0.05)
    assert "3 of 5 rows are given the residuals" in table.attrs["note"]
    drawn = missing(post, draws=True, seed=1).to_numpy().reshape(-1, 5)
    np.testing.assert_allclose(np.cov(drawn[:, :3].T), V, atol=0.08 * sd.max() ** 2)
    filled = imputed(post, 400, seed=1)
    y = np.stack([f.y[len(d) : len(d) + 3] for f in filled])
    np.testing.assert_allclose(y.mean(axis=0), mean, atol=4 * sd.max() / 20)


def test_missing_responses_at_places_of_others_are_refused():
    d = visits()
    twice = pd.concat([d, d[:2].assign(y=np.nan)], ignore_index=True)
    with pytest.raises(DataError, match=r"2 rows have no y.*2 of them are at the visit of a row"):
        mb.Model("y | mi() ~ x", twice, residual="ar1(visit | id)")
    beyond = pd.concat([d, d[:2].assign(y=np.nan, visit=9)], ignore_index=True)
    with pytest.raises(DataError, match=r"2 rows have no y, mi\(\), and some.*visit has 1 value"):
        mb.Model("y | mi() ~ x", beyond, residual="homtoep(visit | id)")
    rows = d.assign(y=d.y.where(d.index > 3))
    fit = mb.Model("y | mi() ~ x", rows, residual="cosy(id)")
    assert fit.design.unobserved.tolist() == [0, 1, 2, 3]


def test_of_several_data_sets_each_has_its_own_residuals():
    d, new = visits(), gaps(visits())[:3]
    sets = {str(k): posterior("ar1(visit | id)", d=d.assign(y=d.y + k * d.x)) for k in (1, 5)}
    found = predict(Pooled.of(sets), new)["mean"]
    each = [predict(one, new)["mean"] for one in sets.values()]
    np.testing.assert_allclose(found, np.mean(each, axis=0))
    assert abs(each[0] - each[1]).min() > 1e-3
    sets["3"] = posterior("ar1(visit | id)", d=d.drop(index=4))
    with pytest.raises(ModelError, match="data set 3 has other rows than the first"):
        predict(Pooled.of(sets), new)
    assert len(predict(Pooled.of(sets), new, groups="new")) == 3


@pytest.mark.parametrize("formula", ["y ~ x", "y ~ x + (x | id)"])
def test_new_groups_that_are_conditioned_on_are_given_their_residuals(formula):
    post = the_same(posterior("ar1(visit | id)", formula, draws=DRAWS))
    rows = pd.DataFrame({"visit": [1, 2, 4], "id": "n", "x": [0.1, -1, 2], "y": [1.0, 2, 0]})
    new = pd.DataFrame({"visit": [3, 5], "id": "n", "x": [0.5, 1.0]})
    found = condition_on(post, rows, seed=1)
    assert "id n" in repr(found)
    x, at = np.append(rows.x, new.x), np.append(rows.visit, new.visit)
    sigma, rho = post.stacked("sigma")[0], post.stacked("rho")[0]
    V = sigma**2 * rho ** np.abs(np.subtract.outer(at, at))
    if "id" in formula:
        Z = np.column_stack([np.ones(5), x])
        V = V + Z @ post.cov("id")[0] @ Z.T
    eta = post.intercept()[0] + x * post.fixef()[0, 0]
    K = np.linalg.solve(V[:3, :3], V[:3, 3:]).T
    mean, left = eta[3:] + K @ (rows.y - eta[:3]), V[3:, 3:] - K @ V[:3, 3:]
    y = found.predict(new, draws=True, seed=3).to_numpy().reshape(-1, 2)
    np.testing.assert_allclose(y.mean(axis=0), mean, atol=0.08)
    np.testing.assert_allclose(np.cov(y.T), left, atol=0.12)
    table = found.predict(new, seed=3)
    np.testing.assert_allclose(table["mean"], mean, atol=0.05)
    np.testing.assert_allclose(table["sd"], np.sqrt(np.diag(left)), rtol=0.06)
    assert "2 of 2 rows are given" in table.attrs["note"]
    known = found.predict(gaps(visits())[:3], seed=3)
    np.testing.assert_allclose(known["mean"], predict(post, gaps(visits())[:3])["mean"], atol=1e-8)


def test_a_new_group_in_a_known_level_can_be_conditioned_on():
    post = posterior("ar1(visit | id)", "y ~ x + (1 | arm)", draws=200)
    rows = visits()[:2].assign(id="n", arm="drug", visit=[1, 2])
    found = condition_on(post, rows, seed=1)
    assert found.effects.mean.shape == (400, 0)
    assert 1 < found.importance.ess < 400
    with pytest.raises(DataError, match="fit again with the rows added"):
        condition_on(post, visits()[:2])
