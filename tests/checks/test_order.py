import numpy as np
import pandas as pd
import pytest
from correlated import drawn
from hand_made import hand_made

import mixedbayes as mb
from mixedbayes.checks import order
from mixedbayes.checks.order import autocorrelation, follow, given_order
from mixedbayes.checks.residual import residuals

J, M = 30, 20
G, T = np.repeat(np.arange(J), M), np.tile(np.arange(M), J)


def series(rho, seed=1):
    """AR(1) errors of variance 1 in each of J series."""
    rng = np.random.default_rng(seed)
    e = rng.normal(size=(J, M))
    for t in range(1, M):
        e[:, t] = rho * e[:, t - 1] + np.sqrt(1 - rho**2) * e[:, t]
    return e.ravel()


def posterior(data, formula="y ~ x + (1 | g)", family="gaussian"):
    """Under the true parameters: no slope, no effects, sigma 1."""
    known = {"Intercept": 0.0, "fixef": 0.0, "ranef_g": 0.0, "sigma": 1.0}
    return hand_made(formula, data, family, 400, np.random.default_rng(0), known)


def data(y, **columns):
    x = np.random.default_rng(3).normal(size=len(y))
    return pd.DataFrame({"y": y, "x": x, "g": G[: len(y)], **columns})


def check(post, order=None):
    return autocorrelation(post, residuals(post, 1), 1, order)


def test_rows_that_follow_each_other():
    said = check(posterior(data(series(0.7))))
    assert said.look
    assert "within g in row order is 0.65, of replicates" in said.said
    assert "p < 0.005, limit 0.01" in said.said
    assert "by the response of the row before as a predictor" in said.said
    assert "(time | g)" in said.said
    assert said.table["data"][0] == pytest.approx(0.7, abs=0.1)
    assert 'Where time runs otherwise, check(order=data["time"]) goes by it' in said.said
    assert not check(posterior(data(series(0.0)))).look


def test_the_response_of_the_row_before_takes_it():
    y = series(0.7, 2)
    before = np.where(T > 0, np.roll(y, 1), np.nan)
    table = data(y, before=before)[T > 0]
    known = {"Intercept": 0.0, "fixef": [0.0, 0.7], "ranef_g": 0.0, "sigma": np.sqrt(1 - 0.49)}
    rng = np.random.default_rng(0)
    post = hand_made("y ~ x + before + (1 | g)", table, "gaussian", 400, rng, known)
    assert not check(post).look


def test_along_a_column_that_looks_like_time():
    mixed = data(series(0.7), week=T).sample(frac=1, random_state=1)
    said = check(posterior(mixed, "y ~ x + week + (1 | g)"))
    assert said.look
    assert "within g along week" in said.said
    assert "slopes of each g, (week | g)" in said.said
    slopes = check(posterior(mixed, "y ~ x + week + (week | g)"))
    assert "slopes of each" not in slopes.said


@pytest.mark.parametrize("name", ["time", "Days", "year", "t", "age_c", "visitNo", "week.nr"])
def test_names_of_time(name):
    assert bool(order._TIME.search(name)) is (name != "visitNo")


@pytest.mark.parametrize(
    "name", ["treatment", "dosage", "language", "x", "today", "ratio", "state"]
)
def test_names_that_are_not_of_time(name):
    assert not order._TIME.search(name)


def test_without_groups_only_along_time():
    y = series(0.7)[:200]
    assert follow(posterior(data(y), "y ~ x").design) is None
    said = check(posterior(data(y, day=np.arange(200)), "y ~ day"))
    assert said.look
    assert "residuals along day" in said.said


def test_rows_sorted_by_the_response_say_nothing():
    table = data(series(0.0)).sort_values(["g", "y"])
    assert check(posterior(table)) is None


def test_outcomes_written_out_say_nothing():
    """Successes and failures of a cell below each other, as they come from counts."""
    rng = np.random.default_rng(1)
    yes = np.concatenate([np.sort(rng.integers(0, 2, 10)) for _ in range(J * M // 10)])
    cells = pd.DataFrame({"y": yes, "x": np.arange(J * M) // 10 % 3, "g": G})
    assert check(posterior(cells, family="bernoulli")) is None


def test_growth_is_in_order_of_the_response_by_its_own_nature():
    table = data(5.0 * T + series(0.7), time=T)
    assert follow(posterior(table, "y ~ time + (1 | g)").design).along == "time"
    unnamed = follow(posterior(table.assign(dose=T), "y ~ dose + (1 | g)").design)
    assert unnamed is not None
    assert unnamed.along is None


def test_of_many_rows_whole_levels_are_looked_at(monkeypatch):
    post = posterior(data(series(0.7)))
    monkeypatch.setattr(order, "MOST_ROWS", 200)
    said = check(post)
    assert said.look
    assert said.table["pairs"][0] == 190


def test_few_rows_are_no_series():
    few = data(series(0.7)[:60]).assign(g=np.arange(60) // 2)
    assert check(posterior(few)) is None


@pytest.fixture(scope="module")
def mixed():
    """Rows in no order, of which the time is known and not in the model."""
    return data(series(0.7), week=T).sample(frac=1, random_state=1)


@pytest.mark.parametrize(
    "order",
    [
        lambda d: d["week"],
        lambda d: pd.Timestamp("2020-01-06") + pd.to_timedelta(7 * d["week"], "D"),
        lambda d: [f"week {t:02}" for t in d["week"]],
        lambda d: pd.Categorical(-d["week"], -np.arange(M), ordered=True),
        lambda d: d["week"].astype("Int64"),
    ],
)
def test_in_an_order_that_the_model_does_not_know(mixed, order):
    post = posterior(mixed)
    assert "in row order" in check(post).said
    asked = order(mixed)
    said = check(post, given_order(post.design, asked))
    assert said.look
    assert f"within g along {getattr(asked, 'name', 'the order given')} is 0.6" in said.said
    assert "Where time" not in said.said
    assert said.table["pairs"][0] == J * (M - 1)


def test_in_the_order_of_a_column_that_the_model_reads(mixed):
    post = posterior(mixed, "y ~ x + week + (1 | g)")
    given = given_order(post.design, "week")
    np.testing.assert_array_equal(given.place, mixed["week"])
    assert check(post, given).look
    with pytest.raises(
        mb.ModelError, match=r'keeps .* \(y, x, week, g\); give .* order=data\["t"\]'
    ):
        given_order(post.design, "t")


def test_an_order_of_the_rows_used_alone(mixed):
    gaps = mixed.assign(x=mixed["x"].where(np.arange(len(mixed)) % 7 > 0))
    post = posterior(gaps)
    whole = given_order(post.design, gaps["week"])
    used = given_order(post.design, gaps["week"].loc[post.design.index])
    known = whole.place[post.design.rows]
    np.testing.assert_array_equal(known, used.place[post.design.rows])
    np.testing.assert_array_equal(known, gaps["week"].dropna().loc[post.design.index])
    assert whole.key == used.key
    assert given_order(post.design, gaps["week"].where(gaps["x"].notna())).key == whole.key


def test_orders_that_are_none(mixed):
    post, ask = posterior(mixed), mixed["week"]
    cases = {
        r"shape \(7,\): .* each of the 600 rows": ask.head(7),
        r"shape \(600, 2\)": np.c_[ask, ask],
        r"rows in another order than the data": ask.sort_index(),
        r"3 of 600 rows used have no value of week": ask.where(np.arange(600) > 2),
        r"values of the order given do not sort": [*ask.head(599), "late"],
    }
    for message, asked in cases.items():
        with pytest.raises(mb.ModelError, match=message):
            given_order(post.design, asked)


def test_an_order_without_steps_is_said_to_have_none(mixed):
    post = posterior(mixed)
    said = check(post, given_order(post.design, np.zeros(600)))
    assert said.said == "Not looked for: fewer than 20 rows follow another along the order given."
    assert not said.look
    counts = mixed.assign(y=1, w=2)
    many = hand_made(
        "y | weights(w) ~ x + (1 | g)", counts, "poisson", 100, np.random.default_rng(0)
    )
    said = check(many, given_order(many.design, counts["week"]))
    assert said.said == "Not looked for: rows that count several times have no order."


# ---- the structure of residuals that takes it ----------------------------------------------------


def along(y, times, family="gaussian"):
    known = {"Intercept": 0.0, "fixef": 0.0, "ranef_g": 0.0, "sigma": 1.0}
    table = data(y, Days=times).drop(columns="x")
    return hand_made("y ~ Days + (1 | g)", table, family, 400, np.random.default_rng(0), known)


def test_it_is_named_in_the_words_of_residual():
    said = check(along(series(0.6), T)).said
    assert 'residual="ar1(Days | g)" takes what carries over from row to row' in said
    assert "or slopes of each g, (Days | g)" in said
    said = check(along(series(0.6), np.sqrt(T))).said
    assert 'residual="ou(Days | g)" takes' in said


def test_it_is_one_that_the_model_takes():
    y = series(0.6)
    post = along(y, T)
    term = order.residual_term(post.design, follow(post.design))
    text = term.removeprefix('residual="').removesuffix('"')
    mb.Model("y ~ Days + (1 | g)", data(y, Days=T), residual=text)


def test_it_is_not_named_where_it_cannot_be():
    twice = along(series(0.6), T // 2)  # two rows of a level at one time
    assert "residual=" not in check(twice, given_order(twice.design, T)).said
    known = {"Intercept": 0.0, "fixef": 0.0, "ranef_g": 0.0, "sigma": 1.0, "nu": 8.0}
    table, rng = data(series(0.6), Days=T).drop(columns="x"), np.random.default_rng(0)
    heavy = hand_made("y ~ Days + (1 | g)", table, "student_t", 400, rng, known)
    assert "residual=" not in check(heavy).said


@pytest.mark.parametrize("rho", [0.0, 0.7])
def test_no_alarm_where_there_is_nothing_over_seeds(rho):
    """Independent rows; and correlated ones whose model has the correlation."""
    looks = []
    for seed in range(12):
        table = data(series(rho, seed), Days=T).drop(columns="x")
        if rho == 0:
            looks.append(check(along(series(0.0, seed), T)).look)
            continue
        model = mb.Model("y ~ Days", table, residual="ar1(Days | g)")
        looks.append(check(known_rho(model, rho)).look)
    assert sum(looks) <= 1


def test_what_a_structure_leaves_is_found():
    table = data(series(0.7, 3), Days=T).drop(columns="x")
    said = check(known_rho(mb.Model("y ~ Days", table, residual="ar1(Days | g)"), 0.2))
    assert said.look
    assert "residuals given those before them, by ar1(Days | g), is 0.5" in said.said
    assert "arma11 and toep say more than ar1" in said.said


def known_rho(model, rho, draws=200):
    values = {"Intercept": 0.0, "fixef": np.zeros(1), "sigma": 1.0, "rho": rho}
    post = drawn(model, draws)
    tree = post.idata["posterior"].to_dataset()
    same = {n: (x.dims, np.broadcast_to(values[str(n)], x.shape).copy()) for n, x in tree.items()}
    post.idata["posterior"].dataset = tree.assign(same)
    return post
