"""y | mi(): the posterior of the observed rows, and exact draws of those that are missing."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedbayes as mb
from mixedbayes.errors import DataError, FormulaError, ModelError
from mixedbayes.formula import parse
from mixedbayes.formula.parser import canonical


def frame(rows=120, groups=10, seed=4):
    """Missing at random: the larger x, the more often y is missing."""
    rng = np.random.default_rng(seed)
    g, x = np.arange(rows) % groups, rng.normal(size=rows)
    u = rng.normal(size=groups)
    y = 1 + 0.5 * x + 0.8 * u[g] + 0.6 * rng.normal(size=rows)
    data = pd.DataFrame(
        {
            "y": y,
            "x": x,
            "g": [f"g{k}" for k in g],
            "count": rng.poisson(np.exp(0.2 * y)).astype(float),
            "yes": rng.choice(["no", "yes"], rows),
            "grade": pd.Categorical(
                rng.choice(["a", "b", "c"], rows), ["a", "b", "c"], ordered=True
            ),
            "part": rng.integers(0, 5, rows).astype(float),
            "n": 5,
        },
        index=[f"row {k}" for k in range(rows)],
    )
    gone = rng.random(rows) < stats.norm.cdf(x - 0.5)
    return data, gone


def with_gaps(*columns, **other):
    data, gone = frame(**other)
    out = data.copy()
    for column in columns or ("y",):
        out.loc[gone, column] = None
    return out, data, gone


@pytest.fixture(scope="module")
def fitted():
    data, _, _ = with_gaps()
    return mb.fit("y | mi() ~ x + (1 | g)", data, seed=1, chains=2, draws=500, progress=False)


# ---- the formula and the rows --------------------------------------------------------------------


def test_the_formula_is_read_and_written():
    formula = parse("y | mi() + weights(w) ~ x")
    assert formula.response.mi
    assert canonical(formula) == "y | weights(w) + mi() ~ 1 + x"
    assert not parse("y ~ x").response.mi


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("y | mi(s) ~ x", r"mi\(\) takes no argument.*y \| se\(s, sigma=True\)"),
        ("y | mi() + cens(c) ~ x", r"mi\(\) and cens\(\) both say"),
        ("y | mi() + mi() ~ x", r"mi\(\) is given twice"),
    ],
)
def test_what_mi_does_not_mean_is_refused(formula, said):
    with pytest.raises(FormulaError, match=f"(?s){said}"):
        parse(formula)


def test_rows_without_a_response_stay_and_others_are_left_out():
    data, _, gone = with_gaps()
    at = np.flatnonzero(~gone)[:2]
    data.iloc[at, data.columns.get_loc("x")] = np.nan
    both = np.flatnonzero(gone)[0]
    data.iloc[both, data.columns.get_loc("x")] = np.nan  # lacks both: it cannot be predicted
    model = mb.Model("y | mi() ~ x + (1 | g)", data)
    assert model.design.n == (~gone).sum() - 2
    assert model.design.unobserved.tolist() == [k for k in np.flatnonzero(gone) if k != both]
    assert model.design.dropped == {"x": 3}
    assert f"3 of {len(data)} rows left out: missing x in 3" in model.notes
    unknown, known = gone.sum() - 1, model.design.n
    said = f"{unknown} of {unknown + known} rows have no y, mi(): they say nothing"
    assert any(note.startswith(said) for note in model.notes)


def test_an_error_asked_for_is_of_other_columns():
    data, _, _ = with_gaps()
    mb.Model("y | mi() ~ x", data, missing="error")
    data.iloc[0, data.columns.get_loc("x")] = np.nan
    with pytest.raises(DataError, match=r"1 of 120 rows have missing values: x in 1"):
        mb.Model("y | mi() ~ x", data, missing="error")


def test_nothing_missing_is_nothing_to_predict():
    data, _ = frame()
    fit = mb.fit("y | mi() ~ x", data, seed=1, chains=1, draws=50, progress=False)
    assert len(fit.missing()) == 0
    assert [len(d) for d in fit.imputed(2)] == [120, 120]


def test_no_response_at_all_is_refused():
    data, _ = frame()
    with pytest.raises(DataError, match="no row has a response"):
        mb.Model("y | mi() ~ x", data.assign(y=np.nan))


def test_levels_without_any_response_are_refused_where_they_have_no_law():
    data, _, gone = with_gaps()
    data["arm"] = np.where(gone, "c", np.where(np.arange(120) % 2, "a", "b"))
    with pytest.raises(DataError, match=r"rows have no y, mi\(\).*arm has 1 level.* 'c'.*join"):
        mb.Model("y | mi() ~ arm", data)


def test_counts_in_several_columns_are_refused():
    data, _ = frame()
    data = data.assign(a=1.0, b=2.0, c=[np.nan, *[3.0] * 119])
    with pytest.raises(DataError, match="several columns has no total where they are missing"):
        mb.Model("cbind(a, b, c) | mi() ~ x", data, family="multinomial")


# ---- the posterior -------------------------------------------------------------------------------


def test_the_posterior_is_that_of_the_observed_rows(fitted):
    data, _, _ = with_gaps()
    alone = mb.fit("y ~ x + (1 | g)", data, seed=1, chains=2, draws=500, progress=False)
    np.testing.assert_array_equal(fitted.fixef(draws=True), alone.fixef(draws=True))
    assert float(fitted.loo().elpd) == pytest.approx(float(alone.loo().elpd))
    assert len(fitted.residuals()) == fitted.model.design.n


def test_missing_responses_have_the_conditional_distribution(fitted):
    """Means and variances against those of a dense normal, averaged over the draws."""
    data, _, gone = with_gaps()
    post = fitted.posterior
    sd, sigma = post.sd("g")[:, 0], post.stacked("sigma")
    beta = np.column_stack([post.intercept(), post.fixef()])
    X = np.column_stack([np.ones(120), data["x"]])
    same = (data["g"].to_numpy()[:, None] == data["g"].to_numpy()).astype(float)
    first, second = np.zeros(gone.sum()), np.zeros(gone.sum())
    for s in range(0, post.n_draws, 4):
        V = sd[s] ** 2 * same + sigma[s] ** 2 * np.eye(120)
        K = np.linalg.solve(V[np.ix_(~gone, ~gone)], V[np.ix_(~gone, gone)]).T
        m = X @ beta[s]
        mean = m[gone] + K @ (data["y"][~gone] - m[~gone])
        first += mean
        second += mean**2 + np.diag(V[np.ix_(gone, gone)] - K @ V[np.ix_(~gone, gone)])
    count = len(range(0, post.n_draws, 4))
    mean = first / count
    expected = np.sqrt(second / count - mean**2)
    table = fitted.missing()
    assert table.index.tolist() == data.index[gone].tolist()
    assert np.abs(table["mean"].astype(float) - mean).max() < 0.15 * expected.max()
    np.testing.assert_allclose(table["sd"].astype(float), expected, rtol=0.1)


def test_draws_and_tables_say_the_same(fitted):
    draws = fitted.missing(draws=True)
    table = fitted.missing()
    assert draws["obs"].to_numpy().tolist() == table.index.tolist()
    low = draws.quantile(0.025, ("chain", "draw")).to_numpy()
    np.testing.assert_allclose(table["lower"].astype(float), low)
    assert table.equals(fitted.missing())
    mean = fitted.missing(kind="mean")
    assert (mean["sd"].astype(float) < table["sd"].astype(float)).all()


def test_tables_of_rows_say_that_they_are_of_observed_ones(fitted):
    n, gone = fitted.model.design.n, len(fitted.missing())
    said = f"Of the {n} observed rows; the {gone} without a response are in missing()."
    for table in (fitted.fitted(), fitted.fitted(kind="linear"), fitted.residuals()):
        assert table.attrs["note"] == said
    assert f"{gone} rows without a response stayed in the model" in str(fitted.methods())


def test_true_values_are_covered():
    data, whole, gone = with_gaps(rows=1500, groups=30, seed=9)
    fit = mb.fit("y | mi() ~ x + (1 | g)", data, seed=1, chains=2, draws=500, progress=False)
    table = fit.missing(prob=0.8)
    truth = whole["y"][gone]
    inside = (table["lower"].astype(float) < truth) & (truth < table["upper"].astype(float))
    low, high = stats.binom(gone.sum(), 0.8).ppf([0.001, 0.999]) / gone.sum()
    assert low < inside.mean() < high
    complete = mb.fit("y ~ x + (1 | g)", whole, seed=1, chains=2, draws=500, progress=False)
    slope, best = (f.fixef().set_index("term").loc["x"].astype(float) for f in (fit, complete))
    assert abs(slope["mean"] - best["mean"]) < 3 * slope["sd"]


def test_a_group_without_any_response_is_drawn_once_for_all_its_rows():
    data, _, _ = with_gaps()
    data.loc[data["g"] == "g3", "y"] = np.nan
    fit = mb.fit("y | mi() ~ x + (1 | g)", data, seed=1, chains=2, draws=500, progress=False)
    table = fit.missing()
    assert (table["new"][table["g"] == "g3"] == "g").all()
    draws = fit.missing(draws=True, kind="mean")
    own = draws[..., (table["g"] == "g3").to_numpy()].to_numpy().reshape(1000, -1)
    slope = fit.posterior.fixef()[:, 0]
    x = table["x"][table["g"] == "g3"].to_numpy(float)
    rest = own - slope[:, None] * x
    np.testing.assert_allclose(rest, np.broadcast_to(rest[:, :1], rest.shape), atol=1e-8)


@pytest.mark.parametrize(
    ("formula", "family", "columns"),
    [
        ("count | mi() ~ x + (1 | g)", "poisson", ("count",)),
        ("yes | mi() ~ x", "bernoulli", ("yes",)),
        ("grade | mi() ~ x", "cumulative", ("grade",)),
        ("part | trials(n) + mi() ~ x", "binomial", ("part",)),
        ("log(count + 1) | mi() ~ x", "gaussian", ("count",)),
    ],
)
def test_other_families_fill_in_what_they_can_have(formula, family, columns):
    data, whole, gone = with_gaps(*columns)
    fit = mb.fit(formula, data, family=family, seed=1, chains=2, draws=100, progress=False)
    assert len(fit.missing()) == gone.sum()
    sets = fit.imputed(3)
    (column,) = columns
    for filled in sets:
        assert not filled[column].isna().any()
        assert (filled[column][~gone] == whole[column][~gone]).all()
        if family != "gaussian":
            known = {"poisson": range(1000), "binomial": range(6)}.get(family, set(whole[column]))
            assert set(filled[column][gone]) <= set(known)
        assert filled.index.equals(data.index)
    assert any((sets[0][column] != s[column]).any() for s in sets[1:])


def test_categories_without_an_order_have_probabilities():
    data, _, gone = with_gaps("yes")
    data["kind"] = np.where(np.arange(120) % 3, data["yes"], "other")
    data.loc[gone, "kind"] = None
    fit = mb.fit("kind | mi() ~ x", data, family="categorical", seed=1, chains=2, draws=100,
                 progress=False)  # fmt: skip
    table = fit.missing()
    sums = table.groupby(level=0)["mean"].sum().astype(float)
    np.testing.assert_allclose(sums, 1)
    assert set(fit.imputed(1)[0]["kind"]) == {"no", "yes", "other"}


# ---- data sets -----------------------------------------------------------------------------------


def test_data_sets_hold_draws_of_different_posterior_draws(fitted):
    sets = fitted.imputed(4)
    draws = fitted.missing(draws=True).to_numpy().reshape(fitted.posterior.n_draws, -1)
    data, whole, gone = with_gaps()
    for at, filled in zip(np.linspace(0, 999, 4).round().astype(int), sets, strict=True):
        np.testing.assert_array_equal(filled["y"][gone], draws[at])
        np.testing.assert_array_equal(filled["y"][~gone], whole["y"][~gone])
        assert list(filled) == ["y", "x", "g"]
    assert data["y"].isna().sum() == gone.sum()


def test_data_sets_may_have_all_columns_of_the_data(fitted):
    data, _, _ = with_gaps()
    (filled,) = fitted.imputed(1, data=data)
    assert list(filled) == list(data)
    with pytest.raises(DataError, match="119 rows, and the fit was made of 120"):
        fitted.imputed(1, data=data.iloc[1:])
    with pytest.raises(ModelError, match="from 1 to 1000"):
        fitted.imputed(0)


def test_polars_come_back_as_polars():
    polars = pytest.importorskip("polars")
    data, _, gone = with_gaps()
    fit = mb.fit("y | mi() ~ x + (1 | g)", polars.from_pandas(data), seed=1, chains=1, draws=100,
                 progress=False)  # fmt: skip
    (filled,) = fit.imputed(1)
    assert isinstance(filled, polars.DataFrame)
    assert filled["y"].null_count() == 0
    assert len(fit.missing()) == gone.sum()


def test_without_mi_the_remedy_is_said():
    data, _, _ = with_gaps()
    fit = mb.fit("y ~ x", data, seed=1, chains=1, draws=50, progress=False)
    with pytest.raises(ModelError, match=r"write y \| mi\(\) ~ .* or predict\(\) them"):
        fit.missing()
    with pytest.raises(ModelError, match=r"write y \| mi\(\)"):
        fit.imputed()


def test_files_know_the_rows(fitted, tmp_path):
    fitted.save(tmp_path / "fit.nc")
    again = mb.load(tmp_path / "fit.nc")
    assert again.missing().equals(fitted.missing())


def test_brms_has_the_same_formula(fitted):
    code = fitted.model.code("brms")
    assert "y | mi() ~" in code
    assert "lmer(y ~" in fitted.model.code("lme4")
