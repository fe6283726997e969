"""New rows of responses with categories, counts in columns, limits and trials beside others."""

import numpy as np
import pytest
from every_kind import THRESHOLDS, families, frame
from hand_made import hand_made
from scipy.special import logsumexp

from mixedbayes.checks.group_density import of_levels
from mixedbayes.errors import MixedBayesError
from mixedbayes.predict import condition
from mixedbayes.predict.predict import predict
from mixedbayes.results.fitted import linear_predictor
from mixedbayes.results.several import each
from mixedbayes.simulation.replicate import simulate_from_posterior

FORMULAS = [
    "mv(weight, step, hits, time, cbind(a, b, c), rescor=False) ~ age + (1 | child)",
    "weight | trunc(lower=4, upper=top) ~ age + (1 | child)",
    "hits | trials(tried) ~ age + (1 | child)",
    "time | cens(lost) ~ sex + (1 | child)",
]
KINDS = ("weight", "step", "hits", "time", "cbind(a,b,c)")


def data(missing=True):
    return frame(missing=missing).assign(top=lambda d: 12.5 + d["age"])


@pytest.fixture(scope="module")
def post():
    own = {name: family for name, family in families().items() if name in KINDS}
    given = {"thresholds_step": THRESHOLDS["thresholds_step"]}
    return hand_made(FORMULAS, data(), own, 9, np.random.default_rng(3), given=given)


def newcomer():
    """Rows of one child, in which codes of categories and of counts are not those of the fit."""
    new = data(missing=False).iloc[[1, 4, 9]].assign(child=99, step=[3.0, 4.0, 3.0], lost=[1, 0, 1])
    new[["a", "b", "c"]] = [[0, 0, 4], [1, 2, 3], [5, 1, 0]]
    return new


def density_of_new_rows(post, rows, monkeypatch):
    """(S, m) at the effects 0 of the new child."""
    kept = []

    def keep(data, seed):
        kept.append(data)
        raise StopIteration

    monkeypatch.setattr(condition, "weighted", keep)
    monkeypatch.setattr(condition, "exact", lambda data: keep(data, 0))
    with pytest.raises(StopIteration):
        condition.condition_on(post, rows, seed=1)
    some = np.arange(post.n_draws)
    return kept[0].density(some)(*kept[0].etas(some))


def test_a_newcomer_s_rows_have_the_density_of_each_response(post, monkeypatch):
    rows = newcomer()
    found = density_of_new_rows(post, rows, monkeypatch).reshape(post.n_draws, 3, -1)
    for k, (name, own) in enumerate(each(post).items()):
        expected = density_of_new_rows(own, rows, monkeypatch)
        np.testing.assert_allclose(found[:, :, k], expected, rtol=1e-10, err_msg=name)


@pytest.mark.parametrize(
    ("names", "more"),
    [
        (("weight", "mode"), []),
        (("weight", "cbind(a, b, c)"), []),
        (("weight", "hits", "time"), FORMULAS[1:]),
    ],
)
def test_a_child_that_is_left_out_has_the_density_of_each_response(names, more):
    """Its effects on different responses are independent, so that densities multiply."""
    formulas = [f"mv({', '.join(names)}, rescor=False) ~ age + (1 | child)", *more]
    own = {name.replace(" ", ""): families()[name.replace(" ", "")] for name in names}
    given = {} if more else {"cor_child": np.eye(3)}
    post = hand_made(formulas, data(), own, 5, np.random.default_rng(3), given=given)
    child = np.arange(3)
    found = of_levels(post, "child", child).log_density
    expected = sum(of_levels(own, "child", child).log_density for own in each(post).values())
    np.testing.assert_allclose(found, expected, atol=2e-3)  # by quadrature of three dimensions


def test_effects_on_all_categories_of_a_group_are_integrated_out():
    formula, kind = "mode ~ age + (1 | child)", families()["mode"]
    given = {"cor_child": np.array([[1, 0.5], [0.5, 1]])}
    post = hand_made([formula], data(), kind, 3, np.random.default_rng(3), given=given)
    rows, s = np.flatnonzero(post.group("child", "mu_foot").refs == 0), 1
    y = post.design.y[rows].astype(int)
    nodes, weights = np.polynomial.hermite_e.hermegauss(50)
    sd = [post.sd("child", p)[s, 0] for p in ("mu_bus", "mu_foot")]
    root = np.array([[sd[0], 0], [0.5 * sd[1], np.sqrt(0.75) * sd[1]]])
    eta = [linear_predictor(post, rows, p, without={"child": [0]})[:, s]
           for p in ("mu_bus", "mu_foot")]  # fmt: skip
    u, v = (x.ravel()[:, None] for x in np.meshgrid(nodes, nodes))
    h = np.stack([0 * u + 0 * y, eta[0] + root[0, 0] * u,
                  eta[1] + root[1, 0] * u + root[1, 1] * v])  # fmt: skip
    log_p = np.take_along_axis(h - logsumexp(h, axis=0), y[None, None, :], 0)[0].sum(axis=1)
    w = np.outer(weights, weights).ravel() / (2 * np.pi)
    expected = logsumexp(log_p, b=w)
    found = of_levels(post, "child", np.array([0])).log_density[s, 0]
    assert found == pytest.approx(expected, abs=1e-4)


def test_new_and_simulated_responses_are_between_their_bounds():
    kinds = {"weight": "gaussian", "hits": families()["hits"]}
    formulas = ["mv(weight, hits, rescor=False) ~ age + (1 | child)",
                "weight | trunc(7, top) ~ 1", "hits | trials(tried) ~ 1"]  # fmt: skip
    d = data(missing=False)
    d = d[d["weight"].between(7, 10)].assign(top=10.0)
    post = hand_made(formulas, d, kinds, 9, np.random.default_rng(3))
    made = simulate_from_posterior(post, seed=1)
    assert made["weight"].between(7, 10).all()
    assert (made["hits"] <= made["tried"]).all()
    new = data(missing=False)[["age", "sex", "child", "tried"]].assign(top=8.0)
    own = predict(post, new, kind="response", draws=True, seed=1).sel(response="weight")
    assert 7 <= float(own.min()) <= float(own.max()) <= 8
    assert float(own.std()) > 0.1
    with pytest.raises(MixedBayesError, match=r"trunc\(lower=7, upper=top\)"):
        predict(post, new.drop(columns="top"), kind="response", draws=True)


@pytest.mark.parametrize(("lacks", "said"), [("tried", r"trials\(tried\)"), ("top", "top")])
def test_columns_that_new_responses_depend_on_are_asked_for(post, lacks, said):
    new = data(missing=False).drop(columns=lacks).iloc[:4]
    with pytest.raises(MixedBayesError, match=said):
        predict(post, new, kind="response", draws=True)
    assert len(predict(post, new, kind="mean")) == 4 * (1 + 4 + 1 + 1 + 3)
    with pytest.raises(MixedBayesError, match=lacks):
        condition.condition_on(post, newcomer().drop(columns=lacks), seed=1)


def test_impossible_responses_of_a_newcomer_are_refused_by_their_own_family(post):
    rows = newcomer().assign(time=[-1.0, 2.0, 3.0])
    with pytest.raises(MixedBayesError, match="impossible in a weibull model"):
        condition.condition_on(post, rows, seed=1)
    rows = newcomer().assign(step=[3.0, 9.0, 3.0])
    with pytest.raises(MixedBayesError, match="categories that the fit has not seen, such as 9"):
        condition.condition_on(post, rows, seed=1)
