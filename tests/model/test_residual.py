"""Correlated residuals in PyMC: the density of the rows, draws of them, free variables, priors."""

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytest
from scipy import stats

import mixedbayes as mb
from mixedbayes.errors import DataError, ModelError, PriorError
from mixedbayes.model.free import free_variables
from mixedbayes.model.log_prior import log_priors
from mixedbayes.model.residual import correlated_response
from mixedbayes.terms.registry import RESIDUALS

PLAIN = pytensor.compile.Mode(linker="py", optimizer=None)
CASES = {
    "ar1": "ar1(visit | id)",
    "ar1 by arm": "ar1(visit | id, by=arm)",
    "unstr": "unstr(visit | id)",
    "unstr by arm": "unstr(visit | id, by=arm)",
    "toep by arm": "toep(week | id, by=arm)",
    "homtoep": "homtoep(week | id)",
    "ou": "ou(time | id)",
    "ou by arm": "ou(time | id, by=arm)",
    "cosy": "cosy(id)",
    "cs": "cs(visit | id)",
    "hetar1": "hetar1(visit | id)",
    "arma11": "arma11(week | id)",
    "arma11 by arm": "arma11(visit | id, by=arm)",
}


def frame():
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"visit": np.tile([1, 2, 4], 5), "id": np.repeat(list("edcba"), 3)})
    d = d.assign(week=d.visit.map({1: 1, 2: 2, 4: 3}), time=d.visit**1.5, x=rng.normal(size=15))
    d = d.assign(arm=np.where(d.id < "c", "drug", "placebo"), y=rng.normal(size=15))
    return d.assign(w=rng.uniform(0.5, 2, 15)).drop(index=[3, 8]).sample(frac=1, random_state=2)


def model(residual, formula="y ~ x", **how):
    return mb.Model(formula, frame(), residual=residual, **how)


def drawn(m, seed=0):
    """One value of every named parameter that the priors of the residual's have."""
    own, rng = m.design.residual, np.random.default_rng(seed)
    numbers = own.parameters({s: a.prior for s, a in m.spec.priors.residual.items()})
    z = np.stack([number.draw(own.n_arms, rng) for number in numbers], axis=-1)
    return own.named(z[None])


def dense(own, draws, sd):
    """(n, n) covariance of the rows."""
    n, R = len(own.refs), own.correlations(draws)[0]
    cov = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if own.refs[i] == own.refs[j]:
                r = R[own.arm_of_row[i], own.places[i], own.places[j]]
                cov[i, j] = sd[i] * sd[j] * r
    return cov


@pytest.mark.parametrize("case", CASES)
def test_the_density_of_the_rows_is_that_of_their_covariance(case):
    m = model(CASES[case], "y | weights(w) ~ x" if case == "ar1" else "y ~ x")
    own, draws, spec = m.design.residual, drawn(m), m.spec
    free = {
        name: v.function(*(draws[of] for of in v.of))[0]
        for name, v in free_variables(spec).items()
        if set(v.of) <= set(own.symbols)
    }
    free |= {s: draws[s][0] for s in own.symbols if f"partial_{s}" not in free}
    beta, level = np.array([0.7]), 0.3
    built = m.pymc
    values = {built["fixef"]: beta, built["Intercept_at_means"]: np.array(level)}
    if m.design.further:
        logs = np.linspace(-0.5, 0.8, len(m.design.predictor("sigma").terms))
        values[built["sigma_fixef"]] = logs
        sd = np.exp(m.design.predictor("sigma").X @ logs)
    else:
        values[built["sigma"]] = np.array(1.3)
        sd = np.full(m.design.n, 1.3)
    if m.design.weights is not None:
        sd = sd / np.sqrt(m.design.weights)
    values |= {built[name]: value for name, value in free.items()}
    assert set(values) == set(built.free_RVs)
    y = built["y"]
    mu = level + (m.design.mu.X - m.design.mu.means) @ beta
    expected = stats.multivariate_normal(mu, dense(own, draws, sd)).logpdf(m.design.y)
    own_logp = pm.logp(y, built.rvs_to_values[y])
    given = {**values, built.rvs_to_values[y]: m.design.y}
    with pytensor.config.change_flags(mode=PLAIN):
        told = [built[s] for s in own.symbols]
        graph = pytensor.function(
            [], [own_logp, *told], givens=given, mode=PLAIN, on_unused_input="ignore"
        )
        found, *named = graph()
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    for symbol, value in zip(own.symbols, named, strict=True):
        np.testing.assert_allclose(value, draws[symbol][0], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("case", CASES)
def test_log_priors_are_those_of_the_numbers_on_their_intervals(case):
    m = model(CASES[case])
    own, draws = m.design.residual, drawn(m)
    found = {n: v for n, v in log_priors(m.spec).items() if set(v.of) <= set(own.symbols)}
    assert set(found) <= {*own.symbols, *(f"partial_{s}" for s in own.symbols)}
    z = own.numbers(draws)[0]
    numbers = own.parameters({s: a.prior for s, a in m.spec.priors.residual.items()})
    total = sum(
        number.unit_log_density(number.to_unit(z[a, k]))
        for a in range(own.n_arms)
        for k, number in enumerate(numbers)
    )
    value = sum(np.sum(v.function(*(draws[of] for of in v.of))) for v in found.values())
    np.testing.assert_allclose(value, total, rtol=1e-5)


def test_draws_have_the_covariance():
    m = model("ar1(visit | id)")
    own, sd = m.design.residual, np.linspace(0.5, 2, m.design.n)
    R = own.correlations({"rho": np.array(-0.7)})
    with pm.Model(coords={"obs": range(m.design.n)}):
        y = correlated_response("y", own, np.arange(m.design.n) * 1.0, sd, R, m.design.y, ("obs",))
        draws = (
            pm.draw(y, 4000, random_seed=1, mode=PLAIN)
            if False
            else pm.draw(y, 4000, random_seed=1)
        )
    expected = dense(own, {"rho": np.array([-0.7])}, sd)
    np.testing.assert_allclose(draws.mean(axis=0), np.arange(m.design.n), atol=0.15)
    np.testing.assert_allclose(
        np.cov(draws.T) / np.outer(sd, sd), expected / np.outer(sd, sd), atol=0.08
    )


def test_names_of_variables_and_dimensions():
    m = model("unstr(visit | id, by=arm)")
    assert m.pymc.named_vars_to_dims["rho"] == ("arm", "position", "position_bis")
    assert list(m.pymc.coords["position"]) == ["1", "2", "4"]
    assert m.pymc.named_vars_to_dims["y"] == ("obs",)


def test_what_clashes_is_said():
    d = frame().assign(position=lambda d: d.id)
    with pytest.raises(DataError, match="would both be called 'position'"):
        mb.Model("y ~ x + (1 | position)", d, residual="unstr(visit | id)")


# ---- priors --------------------------------------------------------------------------------------


def test_priors_of_the_user():
    m = model("ar1(visit | id)", priors={"rho": mb.Uniform(0, 1)})
    row = m.priors[m.priors.parameter == "rho"].iloc[0]
    assert (row.prior, row.derived_from) == ("Uniform(0, 1)", "given")
    m = model("ou(time | id)", priors={"range": mb.Gamma(2, 1)})
    assert str(m.spec.priors.residual["range"].prior) == "Gamma(2, 1)"


@pytest.mark.parametrize(
    ("residual", "priors", "said"),
    [
        ("ar1(visit | id)", {"rho": mb.Normal(0, 1)}, "LKJ"),
        ("ar1(visit | id)", {"rho": 2}, "an object such as mb.LKJ"),
        ("ou(time | id)", {"range": mb.LKJ(2)}, "range, a positive number"),
        ("ou(time | id)", {"rho": mb.LKJ(2)}, "'rho' is not a parameter here.*range"),
        (None, {"rho": mb.LKJ(2)}, "'rho' is not a parameter here"),
    ],
)
def test_priors_that_do_not_fit(residual, priors, said):
    with pytest.raises(PriorError, match=said):
        model(residual, priors=priors)


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "family", "said"),
    [
        ("y ~ x", "student_t", r"of normal residuals.*\+ ar1\(visit \| id\)"),
        ("k ~ x", "poisson", r"poisson family with the log link has none.*\+ ar1\(visit \| id\)"),
        ("p ~ x", mb.families.Gaussian(mb.Log()), "gaussian family with the log link"),
        ("y | trunc(lower=-9) ~ x", "gaussian", r"trunc\(lower=-9\)"),
        ("y | cens(c) ~ x", "gaussian", r"cens\(c\)"),
        ("y | se(w) ~ x", "gaussian", r"se\(w\)"),
        ("y | se(w, sigma=True) ~ x", "gaussian", r"se\(w, sigma=True\)"),
    ],
)
def test_what_has_no_normal_residuals_is_refused(formula, family, said):
    d = frame().assign(k=1, c=0, p=lambda d: np.exp(d.y))
    d.loc[0, "k"] = 2
    with pytest.raises(ModelError, match=said):
        mb.Model(formula, d, family=family, residual="ar1(visit | id)")


def test_engines_without_correlated_rows_say_so():
    with pytest.raises(ModelError, match=r"residuals are correlated, ar1\(visit \| id\)"):
        model("ar1(visit | id)", "y ~ x + (1 | arm)", formulation=mb.PartiallyCentered())
    assert set(RESIDUALS) >= {"us", "ar1", "ou", "toep", "homcs", "cs", "hetar1", "homtoep"}
