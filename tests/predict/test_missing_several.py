"""Responses that rows of several lack, given those that they have."""

import numpy as np
import pytest
from every_kind import families
from every_kind import frame as kinds_frame
from hand_made import hand_made
from several_responses import frame

from mixedbayes.errors import ModelError
from mixedbayes.predict.missing import missing
from mixedbayes.predict.predict import predict
from mixedbayes.results.several import each

FORMULAS = [
    "mv(weight, height, length) | weights(w) ~ age + (1 | p | child)",
    "sigma_length ~ age",
]
RHO = np.array([[1, 0.8, -0.5], [0.8, 1, -0.2], [-0.5, -0.2, 1]])


@pytest.fixture(scope="module")
def post():
    return hand_made(FORMULAS, frame(), "gaussian", 3, np.random.default_rng(2), {"rho": RHO})


def test_means_and_covariances_are_those_of_the_normal_given_the_row(post, monkeypatch):
    """By draws of zero and of unit vectors: y = mean + root z, row by row."""
    d, every = frame(), post.design.several

    def drawn(value, seed=1):
        class Fixed:
            def standard_normal(self, shape):
                return np.broadcast_to(np.resize(value, shape[-1]), shape)

        monkeypatch.setattr("mixedbayes.predict.missing_several.stream", lambda *_: Fixed())
        return missing(post, draws=True, seed=seed)

    centre, one, two = drawn([0.0]), drawn([1.0, 0.0]), drawn([0.0, 1.0])
    assert list(centre["obs"].to_numpy()) == [
        "2:weight", "9:weight", "10:weight", "2:height", "14:height", "14:length", "15:length",
        "21:length",
    ]  # fmt: skip
    s = 2
    for row, lack in (
        (9, ["weight"]),
        (2, ["weight", "height"]),
        (14, ["height", "length"]),
        (21, ["length"]),
    ):
        eta, sd = {}, {}
        for n in every.names:
            own = each(post)[n]
            new = d.iloc[[row]]
            eta[n] = predict(own, new, kind="linear", draws=True).to_numpy()[0, s, 0]
            sd[n] = predict(own, new, target="sigma", draws=True).to_numpy()[0, s, 0]
            sd[n] /= np.sqrt(d["w"][row])
        o = [n for n in every.names if n not in lack]
        at = {n: k for k, n in enumerate(every.names)}
        V = RHO * np.outer(list(sd.values()), list(sd.values()))
        i, j = [at[n] for n in lack], [at[n] for n in o]
        gain = V[np.ix_(i, j)] @ np.linalg.inv(V[np.ix_(j, j)])
        mean = [eta[n] for n in lack] + gain @ [d[n][row] - eta[n] for n in o]
        cov = V[np.ix_(i, i)] - gain @ V[np.ix_(j, i)]
        labels = [f"{row}:{n}" for n in lack]
        found = [x.sel(obs=labels).to_numpy()[0, s] for x in (centre, one, two)]
        np.testing.assert_allclose(found[0], mean, rtol=1e-9)
        root = np.stack([x - found[0] for x in found[1 : 1 + len(lack)]], axis=1)
        np.testing.assert_allclose(root @ root.T, cov, rtol=1e-8)


def test_the_table_has_a_row_for_each_response_that_a_row_lacks(post):
    table = missing(post, seed=1)
    assert table["response"].tolist() == ["weight"] * 3 + ["height"] * 2 + ["length"] * 3
    assert table.index.tolist() == [2, 9, 10, 2, 14, 14, 15, 21]
    assert (table["lower"] <= table["mean"]).all()
    assert "height" not in table
    mean = missing(post, kind="mean")
    own = predict(each(post)["height"], frame().iloc[[14]], kind="mean")
    found = mean[mean["response"] == "height"]["mean"]
    assert found[14] == pytest.approx(own["mean"].item())


def test_responses_of_different_families_are_drawn_by_their_own():
    kinds = {n: f for n, f in families().items() if n in ("weight", "rating", "mode")}
    formula = "mv(weight, rating, mode, rescor=False) ~ age + (1 | child)"
    given = {"thresholds_rating": [-0.6, 0.4]}
    post = hand_made([formula], kinds_frame(), kinds, 8, np.random.default_rng(3), given=given)
    table = missing(post, seed=1)
    assert table["response"].value_counts().to_dict() == {"mode": 6, "weight": 2, "rating": 1}
    shares = table[table["response"] == "mode"].groupby(level=0)["mean"].sum()
    np.testing.assert_allclose(shares, 1)
    drawn = missing(post, draws=True, seed=1)
    assert set(np.unique(drawn.sel(obs="4:rating"))) <= {1, 2, 3}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"kind": "median"}, "kind='median'"),
        ({"kind": "median", "draws": True}, "kind='median'"),
        ({"scale": "log"}, "scale='log'"),
        ({"kind": "linear", "scale": "original"}, "on its own scale"),
    ],
)
def test_a_question_that_is_none_is_refused(post, asked, said):
    with pytest.raises(ModelError, match=said):
        missing(post, **asked)


def test_where_nothing_is_lacking_it_is_said():
    d = frame(missing=False)
    post = hand_made(FORMULAS, d, "gaussian", 3, np.random.default_rng(2), {"rho": RHO})
    with pytest.raises(ModelError, match="no row that is used lacks one of weight, height, length"):
        missing(post)
