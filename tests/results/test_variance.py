"""ICC and R2: bounds, weights, values of covariates, families other than the gaussian."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mixedbayes.data import load_data
from mixedbayes.design import build_design
from mixedbayes.errors import ModelError
from mixedbayes.families.binomial import Binomial
from mixedbayes.families.gaussian import Gaussian
from mixedbayes.families.links import Identity, Log, Logit
from mixedbayes.families.poisson import Poisson
from mixedbayes.families.student_t import StudentTFamily
from mixedbayes.formula import parse
from mixedbayes.results.icc import icc, icc_kernel
from mixedbayes.results.r2 import batch, r2, r2_kernel
from mixedbayes.results.varcorr import varcorr
from mixedbayes.results.variance import (
    Components,
    average_response,
    components,
    covariance,
    infinite_note,
    mean_square,
    quadratic,
    ratio,
    trace_product,
    warn_of_infinite,
)

S, N = 3, 12
draws = st.floats(-1e4, 1e4)
positive = st.floats(0, 1e4)


@given(
    arrays(float, (S, 2), elements=draws),
    arrays(float, (N, 2), elements=draws),
    arrays(float, (S, 2, 3), elements=draws),
    arrays(float, (N, 2), elements=draws),
    arrays(float, S, elements=st.floats(1e-3, 1e4)),
)
def test_shares_lie_between_0_and_1(beta, X, root, Z, sigma):
    parts = Components(
        fixed=quadratic(beta, covariance(X)),
        groups={"a": trace_product(root @ np.swapaxes(root, 1, 2), mean_square(Z))},
        residual=sigma**2,
    )
    for shares in (icc_kernel(parts), r2_kernel(parts)):
        assert (shares >= 0).all()
        assert (shares <= 1).all()
    adjusted, unadjusted = icc_kernel(parts)
    assert (unadjusted <= adjusted).all()
    marginal, conditional = r2_kernel(parts)
    assert (marginal <= conditional).all()


@given(arrays(float, (N, 3), elements=draws), arrays(float, (S, 3), elements=draws))
def test_the_quadratic_form_is_the_variance_over_the_rows(X, beta):
    expected = (beta @ X.T).var(axis=1, ddof=1)
    scale = (np.abs(beta) @ np.abs(X).T).max() ** 2 + 1e-12
    np.testing.assert_allclose(quadratic(beta, covariance(X)), expected, atol=1e-9 * scale)


def test_covariance_does_not_lose_digits_far_from_zero():
    x = np.random.default_rng(0).normal(size=(70_000, 2))
    np.testing.assert_allclose(covariance(x + 1e7), np.cov(x.T), rtol=1e-6)
    np.testing.assert_allclose(covariance(x), np.cov(x.T), rtol=1e-10)


def test_the_mean_over_the_rows_is_what_counts(sleep):
    g = sleep.group("Subject")
    cov = sleep.cov("Subject")
    by_row = np.einsum("nt,stu,nu->sn", g.Z, cov, g.Z).mean(axis=1)
    expected = (by_row / (by_row + sleep.stacked("sigma") ** 2)).mean()
    assert icc(sleep).query("kind == 'adjusted'")["mean"].iloc[0] == pytest.approx(expected)


def test_rows_of_the_table(nested):
    table = icc(nested)
    assert table["group"].tolist() == ["batch", "batch:cask", "all"] * 2
    assert table["kind"].tolist() == ["adjusted"] * 3 + ["unadjusted"] * 3
    both = table.query("kind == 'adjusted'").set_index("group")["mean"]
    assert both["all"] == pytest.approx(both["batch"] + both["batch:cask"])
    found = icc(nested, draws=True)
    assert found["adjusted"].dims == ("chain", "draw", "group")
    whole = found["unadjusted"].sel(group="all").to_numpy()
    assert whole.mean() == pytest.approx(r2(nested)["mean"][1])


def test_r2_draws(sleep):
    found = r2(sleep, draws=True)
    assert found["marginal"].dims == ("chain", "draw")
    assert float(found["conditional"].mean()) == pytest.approx(r2(sleep)["mean"][1])


def test_no_variance_at_all_has_no_share():
    assert np.isnan(ratio(np.zeros(1), np.zeros(1))).all()


def test_precision_weights_scale_the_residual(make):
    data = load_data("dyestuff")
    group = make.group(data, "Batch", {"Intercept": 1.0})
    weights = np.linspace(0.5, 4, 30)
    values = {"sigma": np.full((1, 2), 2.0), "Intercept": np.zeros((1, 2))}
    values["sd_Batch"] = np.full((1, 2, 1), 1.5)
    post = make.posterior(make.design(data, "Yield", {}, [group], weights=weights), values)
    residual = 4 * np.mean(1 / weights)
    assert icc(post)["mean"][0] == pytest.approx(2.25 / (2.25 + residual))


# ---- values of covariates ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_factors(make):
    """Slopes over one factor, an intercept over the other."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.normal(size=40), "f": list("uvwx") * 10})
    data["a"], data["b"] = np.arange(40) % 5, np.arange(40) % 4
    data["y"] = rng.normal(size=40)
    return make.random(build_design(parse("y ~ x + (x + log(x**2 + 1) | a) + (1 | b)"), data))


def test_icc_is_a_function_of_the_covariate(make):
    design = build_design(parse("Reaction ~ Days + (Days | Subject)"), load_data("sleepstudy"))
    post = make.reml(design, "lme4_sleepstudy_days_subject")
    table = icc(post, at={"Days": [0, 5, 9]})
    var0, var1, cov, residual = 612.0899380, 35.0716605, 9.6043337, 25.5918156**2
    days = np.array([0, 5, 9])
    between = var0 + 2 * days * cov + days**2 * var1
    one = table[table["group"] == "Subject"]
    np.testing.assert_allclose(one["mean"], between / (between + residual), rtol=1e-8)
    assert one["Days"].tolist() == [0, 5, 9]
    assert set(table["kind"]) == {"adjusted"}


def test_other_factors_keep_their_mean_over_the_rows(two_factors):
    table = icc(two_factors, at={"x": [-1.0, 2.0]}).set_index(["group", "x"])["mean"]
    z = np.array([1, 2.0, np.log(5)])
    a = np.einsum("t,stu,u->s", z, two_factors.cov("a"), z)
    b, residual = two_factors.sd("b")[:, 0] ** 2, two_factors.stacked("sigma") ** 2
    assert table["a", 2.0] == pytest.approx(np.mean(a / (a + b + residual)))
    assert table["b", 2.0] == pytest.approx(np.mean(b / (a + b + residual)))
    assert table["all", 2.0] == pytest.approx(table["a", 2.0] + table["b", 2.0])


def test_points_are_all_combinations_or_the_rows_of_a_frame(make):
    data = pd.DataFrame(
        {"y": np.arange(24.0) ** 1.5, "x": np.arange(24) % 5, "z": np.arange(24) % 7}
    )
    data["g"] = np.arange(24) % 3
    post = make.random(build_design(parse("y ~ 1 + (x + z | g)"), data))
    grid = icc(post, at={"x": [0, 1], "z": 3})
    assert grid.query("group == 'g'")[["x", "z"]].to_numpy().tolist() == [[0, 3], [1, 3]]
    rows = icc(post, at=pd.DataFrame({"x": [0, 1], "z": [3, 4]}, index=[5, 5]))
    assert set(rows["group"]) == {"g"}
    assert rows[["x", "z"]].to_numpy().tolist() == [[0, 3], [1, 4]]
    found = icc(post, at={"x": [0, 1], "z": 3}, draws=True)["adjusted"]
    assert found.dims == ("chain", "draw", "group", "point")
    assert found["x"].to_numpy().tolist() == [0, 1]


def test_a_covariate_that_no_effect_depends_on_is_refused(two_factors):
    with pytest.raises(ModelError, match="does not depend on 'f': it depends on x"):
        icc(two_factors, at={"f": ["u"]})


def test_intercepts_depend_on_nothing(make):
    post = make.random(build_design(parse("Yield ~ 1 + (1 | Batch)"), load_data("dyestuff")))
    with pytest.raises(ModelError, match="the group effects are intercepts"):
        icc(post, at={"Yield": [1]})


@pytest.mark.parametrize("at", [{}, {"x": []}])
def test_at_needs_values(two_factors, at):
    with pytest.raises(ModelError, match="give for example"):
        icc(two_factors, at=at)


def test_no_groups_no_icc(make):
    data = load_data("sleepstudy")
    post = make.random(make.design(data, "Reaction", {"Days": data["Days"]}, []))
    with pytest.raises(ModelError, match="no group effects, so no intraclass correlation"):
        icc(post)


# ---- other families ---------------------------------------------------------------------------


def one_draw(make, data, response, fixed, group, beta, sd, family, **own):
    design = make.design(data, response, fixed, [make.group(data, group, {"Intercept": 1.0})])
    values = {"Intercept": np.full((1, 1), beta[0]), f"sd_{group}": np.full((1, 1, 1), sd)}
    if fixed:
        values["fixef"] = np.array(beta[1:], float).reshape(1, 1, -1)
    values |= {name: np.full((1, 1), v) for name, v in own.items()}
    return make.posterior(design, values, family)


def test_logit_models_have_the_latent_residual_of_the_logistic(make, reference):
    data = load_data("cbpp")
    fixed = {f"period[T.{p}]": (data["period"].astype(str) == str(p)) for p in (2, 3, 4)}
    fit = reference("lme4_cbpp_binomial")["Laplace"]
    sd = fit["varcomp"][0]["sd"][0]
    beta = fit["fixed"]["estimate"]
    post = one_draw(make, data, "incidence", fixed, "herd", beta, sd, Binomial())
    table = icc(post)
    assert table["group"].tolist() == ["herd", "herd"]  # what all have is what the one has
    found = table.set_index("kind")["mean"]
    explained = r2(post).set_index("kind")["mean"]
    assert found["adjusted"] == pytest.approx(fit["icc"]["adjusted"], rel=1e-9)
    assert found["unadjusted"] == pytest.approx(fit["icc"]["unadjusted"], rel=1e-9)
    assert explained["marginal"] == pytest.approx(fit["r2_nakagawa"]["marginal"], rel=1e-9)
    assert varcorr(post)["group"].tolist() == ["herd"]


def test_counts_have_the_residual_at_their_mean_under_the_model(make):
    data = pd.DataFrame({"y": np.arange(20), "g": np.arange(20) % 5})
    post = one_draw(make, data, "y", {}, "g", [0.7], 0.6, Poisson())
    mean = np.exp(0.7 + 0.6**2 / 2)
    assert components(post).residual[0] == pytest.approx(np.log1p(1 / mean))
    expected = 0.36 / (0.36 + np.log1p(1 / mean))
    assert icc(post)["mean"][0] == pytest.approx(expected)


def test_the_average_response_is_that_of_a_normal_predictor():
    eta = np.random.default_rng(0).normal(0.3, 1.2, 1_000_000)
    center, variance = np.array([0.3]), np.array([1.44])
    for link in (Log(), Logit()):
        simulated = link.inverse(eta, np).mean()
        assert average_response(link, center, variance)[0] == pytest.approx(simulated, rel=0.01)
    assert average_response(Log(), center, variance)[0] == pytest.approx(np.exp(0.3 + 0.72))
    assert average_response(Identity(), center, variance)[0] == 0.3


def test_an_infinite_residual_leaves_nothing_to_the_groups(make):
    data = load_data("dyestuff")
    post = one_draw(
        make, data, "Yield", {}, "Batch", [1500], 40.0, StudentTFamily(), sigma=50.0, nu=1.5
    )
    assert icc(post)["mean"].tolist() == [0, 0]
    assert varcorr(post)["share"].tolist() == [0, 1]
    assert "In 1 of 1 draws nu is at most 2" in infinite_note(post)
    with pytest.warns(UserWarning, match="no finite variance: ICC and R2 are 0 there"):
        warn_of_infinite(post)


def test_a_finite_residual_needs_no_word(make):
    data = load_data("dyestuff")
    post = one_draw(
        make, data, "Yield", {}, "Batch", [1500], 40.0, StudentTFamily(), sigma=50.0, nu=2.5
    )
    assert infinite_note(post) == ""
    warn_of_infinite(post)


def test_the_gaussian_on_another_link_is_taken_to_the_link_scale(make):
    data = load_data("dyestuff")
    post = one_draw(make, data, "Yield", {}, "Batch", [2.0], 0.1, Gaussian(Log()), sigma=1.0)
    mean = np.exp(2.0 + 0.005)
    assert components(post).residual[0] == pytest.approx(1 / mean**2)


def test_rounding_explains_nothing():
    eps = np.random.default_rng(1).normal(size=(50, 8))
    for shift in (3.0, 57.3, 1234.5):
        assert batch(eps + shift, eps)[0] == 0.0
    assert (eps + 1234.5).var(axis=1, ddof=1).mean() != eps.var(axis=1, ddof=1).mean()
