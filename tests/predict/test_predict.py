import io
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from mixedbayes import names
from mixedbayes.data import load_data
from mixedbayes.errors import DataError, ModelError
from mixedbayes.predict import evaluate as blocks
from mixedbayes.predict import linear
from mixedbayes.predict import predict as module
from mixedbayes.predict.predict import predict

SLOPES = "Reaction ~ Days + (Days | Subject)"
NESTED = "strength ~ 1 + (1 | batch/cask)"
CROSSED = "diameter ~ 1 + (1 | plate) + (1 | sample)"


@pytest.fixture(scope="module")
def sleep():
    return load_data("sleepstudy")


@pytest.fixture(scope="module")
def post(make, sleep):
    return make.random(SLOPES, sleep)


@pytest.fixture(scope="module")
def nested(make):
    return make.random(NESTED, load_data("pastes"))


def reml(make, reference, formula, name, data):
    """lme4's REML estimates, in every draw."""
    found = reference(f"lme4_{name}")["REML"]
    estimate = found["fixed"]["estimate"]
    values = {
        names.INTERCEPT: estimate[0],
        names.FIXEF: estimate[1:],
        names.SIGMA: found["residual_sd"],
    }
    for component in found["varcomp"]:
        group = component["group"]
        values[names.sd(group)] = component["sd"]
        if len(component["sd"]) > 1:
            values[names.cor(group)] = component["corr"]
        modes = found["ranef"][group]
        order = sorted(range(len(modes["levels"])), key=lambda k: int(modes["levels"][k]))
        effects = np.column_stack([np.array(v)[order] for v in modes["cond_mode"].values()])
        values[names.ranef(group)] = effects
    return make.posterior(formula, data, values), found


# known answers


def test_a_typical_student_of_gpa_is_the_teaching_text_s(make, reference):
    data = load_data("gpa")
    post, _ = reml(make, reference, "gpa ~ occasion + (1 | student)", "gpa_intercept", data)
    new = pd.DataFrame({"occasion": range(6)})
    found = predict(post, new, groups="typical", kind="mean")
    expected = [2.599214, 2.705529, 2.811843, 2.918157, 3.024471, 3.130786]
    np.testing.assert_allclose(found["mean"], expected, atol=5.1e-7)
    np.testing.assert_allclose(found["sd"], 0, atol=1e-12)


@pytest.mark.parametrize("kind", ["mean", "linear"])
def test_predictions_are_lme4_s_with_and_without_group_effects(make, reference, sleep, kind):
    post, found = reml(make, reference, SLOPES, "sleepstudy_days_subject", sleep)
    own = predict(post, sleep, kind=kind)["mean"]
    np.testing.assert_allclose(own, found["predict"]["with_group_effects"], rtol=1e-8)
    np.testing.assert_array_equal(predict(post, kind=kind)["mean"], own)
    typical = predict(post, groups="typical", kind=kind)["mean"]
    np.testing.assert_allclose(typical, found["predict"]["without_group_effects"], rtol=1e-8)


def test_a_new_observation_varies_by_groups_residual_and_parameters(make, sleep):
    """sd^2 = Var(intercept) + 2 x Cov + ... + z' Sigma z + sigma^2, each term from its source."""
    s, x = 40_000, 4.0
    rng = np.random.default_rng(3)
    sd, rho, sigma = np.array([24.0, 6.0]), 0.3, 20.0
    beta = rng.multivariate_normal([250, 10], [[36.0, -3.0], [-3.0, 2.0]], s)
    post = make.posterior(
        SLOPES,
        sleep,
        {
            names.INTERCEPT: beta[:, 0],
            names.FIXEF: beta[:, 1:],
            names.SIGMA: sigma,
            names.sd("Subject"): sd,
            names.cor("Subject"): [[1, rho], [rho, 1]],
        },
    )
    z = np.array([1, x])
    cov = np.array([[1, rho], [rho, 1]]) * np.outer(sd, sd)
    between, parameters = z @ cov @ z, np.var(beta @ z, ddof=1)
    new = pd.DataFrame({"Days": [x], "Subject": ["stranger"]})
    tolerance = 4 * np.sqrt(2 / s)
    for groups in ("auto", "new", "average"):
        found = predict(post, new, groups=groups)
        total = between + parameters + sigma**2
        assert found["sd"].item() ** 2 == pytest.approx(total, rel=tolerance)
        assert found["mean"].item() == pytest.approx(
            np.mean(beta @ z), abs=4 * np.sqrt((total - parameters) / s)
        )
        width = found["upper"].item() - found["lower"].item()
        assert width == pytest.approx(2 * 1.96 * np.sqrt(total), rel=0.03)
    for groups in ("auto", "new"):
        mean = predict(post, new, groups=groups, kind="mean")
        assert mean["sd"].item() ** 2 == pytest.approx(between + parameters, rel=tolerance)
    average = predict(post, new, groups="average", kind="mean")
    assert average["sd"].item() ** 2 == pytest.approx(parameters, rel=1e-12)


def test_new_effects_have_the_covariance_of_their_own_draw(make, sleep):
    """Half of the draws have a perfect negative correlation, half have no slopes at all."""
    s = 20_000
    cor = np.ones((s, 2, 2))
    cor[:, 0, 1] = cor[:, 1, 0] = -1
    sd = np.array([[2.0, 1.0]] * (s // 2) + [[3.0, 0.0]] * (s // 2))
    values = {
        names.INTERCEPT: 0,
        names.FIXEF: [0],
        names.SIGMA: 1,
        names.sd("Subject"): sd,
        names.cor("Subject"): cor,
    }
    post = make.posterior(SLOPES, sleep, values)
    new = pd.DataFrame({"Days": [0.0, 1.0, 2.0], "Subject": "stranger"})
    eta = predict(post, new, kind="linear", draws=True).to_numpy().reshape(s, 3)
    first, second = eta[: s // 2], eta[s // 2 :]
    np.testing.assert_allclose(first[:, 1], first[:, 0] / 2, atol=1e-7)
    np.testing.assert_allclose(first[:, 2], 0, atol=1e-7)
    np.testing.assert_allclose(second[:, 2], second[:, 0], atol=1e-7)
    tolerance = 4 / np.sqrt(s)
    assert np.std(first[:, 0]) == pytest.approx(2, rel=tolerance)
    assert np.std(second[:, 0]) == pytest.approx(3, rel=tolerance)


# old and new levels


def test_old_and_new_levels_are_told_apart_row_by_row(post, sleep):
    new = pd.DataFrame({"Days": [2, 2, 5], "Subject": ["308", "x", "335"]}, index=["a", "b", "c"])
    mixed = predict(post, new, kind="linear", draws=True)
    old = predict(post, new.iloc[[0, 2]], kind="linear", draws=True)
    np.testing.assert_array_equal(mixed.sel(obs=["a", "c"]), old)
    levels = list(post.design.mu.groups[0].levels)
    b = post.ranef("Subject")[:, [levels.index("308"), levels.index("335")]]
    z = np.array([[1, 2], [1, 5]])
    eta = post.intercept()[:, None] + post.fixef() * [2, 5] + (b * z).sum(axis=2)
    np.testing.assert_allclose(old.to_numpy().reshape(-1, 2), eta, rtol=1e-12)
    typical = predict(post, new, groups="typical", kind="linear", draws=True)
    assert (mixed.sel(obs="b") != typical.sel(obs="b")).all()


def test_rows_that_share_a_new_label_share_its_draw(post):
    new = pd.DataFrame({"Days": [1, 1, 1, 4], "Subject": ["x", "y", "x", "y"]})
    eta = predict(post, new, kind="linear", draws=True)
    np.testing.assert_array_equal(eta[..., 0], eta[..., 2])
    assert (eta[..., 0] != eta[..., 1]).all()
    assert abs(xr.corr(eta[..., 0], eta[..., 1])) < 0.5
    drawn = predict(post, new, groups="new", kind="linear", draws=True)
    np.testing.assert_array_equal(drawn, eta)


def test_a_new_label_has_the_same_effects_in_whichever_rows_it_stands(post):
    one = pd.DataFrame({"Days": [3], "Subject": ["x"]})
    many = pd.DataFrame({"Days": 3, "Subject": ["308", *map(str, range(1, 200)), "x"]})
    alone = predict(post, one, kind="mean", draws=True)
    among = predict(post, many, kind="mean", draws=True)
    np.testing.assert_array_equal(alone[..., 0], among[..., -1])


def test_every_row_is_a_group_never_seen(post):
    new = pd.DataFrame({"Days": [2, 2], "Subject": ["308", "308"]})
    eta = predict(post, new, groups="new", kind="linear", draws=True)
    own = predict(post, new, kind="linear", draws=True)
    assert (eta != own).all()
    np.testing.assert_array_equal(eta[..., 0], eta[..., 1])
    lacking = predict(post, new[["Days"]], groups="new", kind="linear", draws=True)
    assert (lacking[..., 0] != lacking[..., 1]).all()
    sd = np.sqrt(
        np.mean((lacking - predict(post, new, groups="typical", kind="linear", draws=True)) ** 2)
    )
    z = np.array([1, 2])
    expected = np.sqrt(np.mean(np.einsum("i,sij,j->s", z, post.cov("Subject"), z)))
    assert float(sd) == pytest.approx(expected, rel=0.15)


def test_a_new_cask_of_a_known_batch_keeps_the_batch_s_effect(nested):
    new = pd.DataFrame({"batch": ["A", "A", "Z"], "cask": ["a", "new", "a"]})
    eta = predict(nested, new, kind="linear", draws=True).to_numpy().reshape(-1, 3)
    base = nested.intercept()
    g, inner = nested.design.mu.groups
    batch = nested.ranef("batch")[:, list(g.levels).index("A"), 0]
    cask = nested.ranef(inner.name)[:, list(inner.levels).index("A:a"), 0]
    np.testing.assert_allclose(eta[:, 0], base + batch + cask, rtol=1e-12)
    drawn = eta[:, 1] - base - batch
    scaled = drawn / nested.sd(inner.name)[:, 0]
    assert np.mean(scaled**2) == pytest.approx(1, rel=0.35)
    assert np.abs(drawn - cask).min() > 0
    both = (eta[:, 2] - base) / np.sqrt(
        nested.sd("batch")[:, 0] ** 2 + nested.sd(inner.name)[:, 0] ** 2
    )
    assert np.mean(both**2) == pytest.approx(1, rel=0.35)


def test_crossed_factors_are_new_or_known_by_themselves(make):
    post = make.random(CROSSED, load_data("penicillin"))
    plate, sample = post.design.mu.groups
    new = pd.DataFrame({"plate": [plate.levels[0], "?"], "sample": ["?", sample.levels[2]]})
    eta = predict(post, new, kind="linear", draws=True).to_numpy().reshape(-1, 2)
    left = eta - post.intercept()[:, None]
    left[:, 0] -= post.ranef("plate")[:, 0, 0]
    left[:, 1] -= post.ranef("sample")[:, 2, 0]
    scaled = left / np.column_stack([post.sd("sample")[:, 0], post.sd("plate")[:, 0]])
    np.testing.assert_allclose(np.mean(scaled**2, axis=0), 1, rtol=0.35)


def test_a_list_of_factors_leaves_the_others_at_zero(make):
    post = make.random(CROSSED, load_data("penicillin"))
    levels = post.design.mu.group("plate").levels
    new = pd.DataFrame({"plate": levels[:3]})
    eta = predict(post, new, groups=["plate"], kind="linear", draws=True)
    expected = post.intercept()[:, None] + post.ranef("plate")[:, :3, 0]
    np.testing.assert_allclose(eta.to_numpy().reshape(-1, 3), expected, rtol=1e-12)
    none = predict(post, new, groups=[], kind="linear", draws=True)
    typical = predict(post, new, groups="typical", kind="linear", draws=True)
    np.testing.assert_array_equal(none, typical)


def test_the_average_linear_predictor_is_that_of_a_typical_group(post, sleep):
    for kind in ("linear", "mean"):  # the same for the identity link
        pd.testing.assert_frame_equal(
            predict(post, groups="average", kind=kind), predict(post, groups="typical", kind=kind)
        )


# the same answer again


@pytest.mark.parametrize("groups", ["auto", "typical", "average", "new", ["Subject"]])
def test_asking_twice_gives_the_same_answer_and_changes_nothing(post, sleep, groups):
    before = post.idata["posterior"].to_dataset().copy(deep=True)
    new = sleep.iloc[::20].assign(Subject=lambda d: ["308", *map(str, range(len(d) - 1))])
    copy = new.copy()
    first, second = predict(post, new, groups=groups), predict(post, new, groups=groups)
    pd.testing.assert_frame_equal(first, second)
    pd.testing.assert_frame_equal(first, predict(post, new, groups=groups, seed=1))
    assert not first.equals(predict(post, new, groups=groups, seed=2))
    np.testing.assert_allclose(
        first["mean"], predict(post, new, groups=groups, kind="mean")["mean"], rtol=1e-12
    )
    marked = ["new"] if groups in ("auto", ["Subject"]) else []
    assert list(first.columns) == [*new, "mean", "sd", "lower", "upper", *marked]
    pd.testing.assert_frame_equal(first[list(new)], new)
    pd.testing.assert_frame_equal(new, copy)
    xr.testing.assert_identical(post.idata["posterior"].to_dataset(), before)
    assert list(post.idata.children) == ["posterior"]


@pytest.fixture
def several_blocks(sleep):
    rng = np.random.default_rng(0)
    names_ = [*sleep["Subject"].unique(), *map(str, range(50))]
    return pd.DataFrame({"Days": rng.integers(0, 10, 300), "Subject": rng.choice(names_, 300)})


@pytest.mark.parametrize("groups", ["auto", "new", "average"])
def test_the_table_describes_the_draws_of_all_blocks(post, several_blocks, groups):
    table = predict(post, several_blocks, groups=groups, prob=0.8)
    draws = predict(post, several_blocks, groups=groups, draws=True)
    assert draws.dims == ("chain", "draw", "obs")
    assert draws.shape == (*post.shape, 300)
    values = draws.to_numpy().reshape(-1, 300)
    np.testing.assert_allclose(table["sd"], values.std(axis=0, ddof=1), rtol=1e-12)
    np.testing.assert_allclose(
        table[["lower", "upper"]].T, np.quantile(values, [0.1, 0.9], axis=0), rtol=1e-12
    )


@pytest.mark.parametrize("kind", ["mean", "linear"])
def test_the_size_of_blocks_plays_no_role(post, several_blocks, kind, monkeypatch):
    small = predict(post, several_blocks, kind=kind)
    monkeypatch.setattr(module, "BLOCK_ROWS", 1000)
    pd.testing.assert_frame_equal(predict(post, several_blocks, kind=kind), small, rtol=1e-12)


def test_threads_play_no_role(post, several_blocks, monkeypatch):
    one = predict(post, several_blocks)
    monkeypatch.setattr(blocks, "LARGE", 0)
    pd.testing.assert_frame_equal(predict(post, several_blocks), one)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("shown", [True, False])
def test_progress_of_large_predictions_is_shown(post, several_blocks, monkeypatch, shown):
    monkeypatch.setattr(blocks, "LARGE", 0)
    monkeypatch.setattr(sys, "stdout", Terminal())
    predict(post, several_blocks, progress=shown)
    said = sys.stdout.getvalue()
    assert ("Predicting" in said and "300/300" in said) == shown
    assert shown or not said


def test_effects_of_new_levels_are_the_same_kept_or_drawn_in_each_block(
    post, several_blocks, monkeypatch
):
    kept = predict(post, several_blocks)
    monkeypatch.setattr(linear, "MOST_KEPT", 0)
    pd.testing.assert_frame_equal(predict(post, several_blocks), kept)


def test_an_error_in_a_thread_reaches_the_caller(monkeypatch):
    monkeypatch.setattr(blocks, "LARGE", 0)
    done = []

    def work(block):
        done.append(block)
        raise DataError("no")

    with pytest.raises(DataError, match="no"):
        blocks.run([(0, slice(0, 5)), (1, slice(5, 9))], work, 10, shown=True)
    assert done


# offsets, weights, indices


def test_offsets_count_once(make, sleep):
    data = sleep.assign(shift=np.arange(180.0))
    values = {names.INTERCEPT: 1, names.SIGMA: 1, names.sd("Subject"): [0.0]}
    formula = "Reaction ~ 1 + offset(shift) + (1 | Subject)"
    post = make.posterior(formula, data, values)
    new = pd.DataFrame({"shift": [5.0, 7.0], "Subject": "x"})
    np.testing.assert_allclose(predict(post, new, kind="linear")["mean"], [6, 8])


def test_a_heavier_row_varies_less(make, sleep):
    data = sleep.assign(w=1.0)
    values = {names.INTERCEPT: np.zeros(10_000), names.SIGMA: 3, names.sd("Subject"): [0.0]}
    post = make.posterior("Reaction | weights(w) ~ 1 + (1 | Subject)", data, values)
    new = pd.DataFrame({"w": [1.0, 9.0], "Subject": "x"})
    np.testing.assert_allclose(predict(post, new)["sd"], [3, 1], rtol=0.03)
    with pytest.raises(DataError, match=r"depends on weights\(w\)"):
        predict(post, new[["Subject"]])
    assert predict(post, new[["Subject"]], kind="mean")["mean"].tolist() == [0, 0]


def test_labels_of_rows_that_repeat_are_replaced_by_positions_in_draws(post):
    new = pd.DataFrame({"Days": [1, 2], "Subject": "x"}, index=[7, 7])
    assert predict(post, new).index.tolist() == [7, 7]
    assert predict(post, new, draws=True)["obs"].to_numpy().tolist() == [0, 1]


def test_no_rows_give_an_empty_table(post):
    new = pd.DataFrame({"Days": np.zeros(0), "Subject": np.zeros(0, str)})
    assert list(predict(post, new)) == [*new, "mean", "sd", "lower", "upper", "new"]
    assert len(predict(post, new)) == 0


def test_a_model_without_group_effects_predicts(make, sleep):
    post = make.posterior(
        "Reaction ~ Days", sleep, {names.INTERCEPT: 1, names.FIXEF: [2], names.SIGMA: 1}
    )
    new = pd.DataFrame({"Days": [3.0]})
    for groups in ("auto", "typical", "average", "new", []):
        assert predict(post, new, groups=groups, kind="mean")["mean"].item() == 7


# only summaries of group effects


@pytest.fixture(scope="module")
def summarised(post):
    kept = post.draws.drop_vars(names.ranef("Subject"))
    return replace(post, idata=xr.DataTree.from_dict({"posterior": kept}))


def test_without_draws_of_group_effects_only_known_levels_are_refused(post, summarised, sleep):
    new = pd.DataFrame({"Days": [1], "Subject": ["x"]})
    for groups in ("auto", "typical", "average", "new"):
        pd.testing.assert_frame_equal(
            predict(summarised, new, groups=groups), predict(post, new, groups=groups)
        )
    for groups in ("typical", "average", "new"):
        assert len(predict(summarised, groups=groups)) == 180
    with pytest.raises(ModelError, match="only their summaries were kept"):
        predict(summarised, sleep.head(1))


# errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": "all"}, '"auto", "typical", "average", "new" or a list'),
        ({"groups": "Subject"}, r"write groups=\['Subject'\]"),
        ({"groups": ["Item"]}, "'Item' is not a grouping factor of this model, which has Subject"),
        ({"groups": None}, "neither a word nor a list"),
        ({"kind": "eta"}, '"response".*"mean".*"linear"'),
        ({"prob": 95}, "not a probability"),
        ({"seed": -1}, "whole number from 0"),
        ({"seed": 1.5}, "whole number from 0"),
    ],
)
def test_a_question_that_is_not_understood(post, options, message):
    with pytest.raises(ModelError, match=message):
        predict(post, **options)


@pytest.mark.parametrize("groups", ["auto", "new", "average", "typical"])
def test_missing_columns_are_named(post, groups):
    with pytest.raises(DataError, match=r"lack 1 column.*Days"):
        predict(post, pd.DataFrame({"Subject": ["308"]}), groups=groups)


def test_columns_of_another_type_or_without_levels_are_named(post):
    with pytest.raises(DataError, match=r"lack 1 column.*Subject"):
        predict(post, pd.DataFrame({"Days": [1]}))
    with pytest.raises(DataError, match="Days was numbers in the fitted data and is text here"):
        predict(post, pd.DataFrame({"Days": ["1"], "Subject": ["308"]}))
    with pytest.raises(DataError, match="Subject was text in the fitted data and is numbers"):
        predict(post, pd.DataFrame({"Days": [1], "Subject": [308]}))


def test_draws_that_would_not_fit_are_refused_with_their_size(post):
    new = pd.DataFrame({"Days": np.zeros(1_000_000), "Subject": "x"})
    with pytest.raises(ModelError, match=r"1,000,000 rows x 400 draws would take 3.2 GB"):
        predict(post, new, draws=True)
