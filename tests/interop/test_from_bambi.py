"""A fitted Bambi model: the same numbers under our names, and what has no counterpart refused."""

import logging

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.interop.from_bambi import prior_of, translated

bmb = pytest.importorskip("bambi", minversion="0.21", reason="needs the extra: bambi")
pm = pytest.importorskip("pymc")

# Of formulae, which reads text columns as pandas 2 had them.
pytestmark = pytest.mark.filterwarnings("ignore:For backward compatibility, 'str' dtypes")

logging.getLogger("pymc").setLevel(logging.ERROR)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(4)
    n = 60
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": rng.normal(3, 1, size=n),
            "t": rng.uniform(1, 5, size=n),
            "f": rng.choice(["low", "mid", "top"], size=n),
            "h": rng.choice(["no", "yes"], size=n),
            "g": rng.choice(["b", "a", "d", "c"], size=n),
            "a": rng.choice(["A", "B", "C"], size=n),
            "b": rng.choice(["1", "2", "3", "4"], size=n),
            "y": rng.gamma(4, 1, size=n),
            "count": rng.poisson(3, size=n),
            "trials": rng.integers(5, 9, size=n),
            "w": rng.integers(1, 4, size=n),
        }
    )
    frame["hits"] = rng.binomial(frame["trials"], 0.4)
    frame["hit"] = rng.integers(0, 2, size=n)
    frame["share"] = rng.uniform(0.1, 0.9, size=n)
    return frame[~((frame["a"] == "A") & (frame["b"] == "4"))].reset_index(drop=True)


def drawn(model, draws=7):
    """What a fit of the model returns, with draws of the prior in place of the posterior."""
    model.build()
    with model.backend.model:
        tree = pm.sample_prior_predictive(
            draws=draws, random_seed=2, compile_kwargs={"mode": "FAST_COMPILE"}
        )
    prior = tree["prior"].to_dataset()
    kept = [v for v in prior if v not in model.family.likelihood.params or prior[v].ndim == 2]
    attrs = {"inference_library": "pymc", "tuning_steps": 100}
    posterior = prior[[v for v in kept if not v.endswith("_offset")]].assign_attrs(attrs)
    return xr.DataTree.from_dict({"posterior": posterior})


CASES = {
    "factor and interaction": ("y ~ x * f + (x | g)", {}),
    "no intercept": ("y ~ 0 + f + (0 + f | g)", {}),
    "factor that varies": ("y ~ f + (f | g)", {}),
    "two factors crossed in the mean": ("y ~ f * h + (1 | g)", {}),
    "nested": ("y ~ x + (1 | a / b)", {}),
    "crossed, slopes on one": ("y ~ x + (x | g) + (1 | a)", {}),
    "slope alone": ("y ~ x + (0 + x | g)", {}),
    "transformed columns": ("y ~ np.log(t) + center(z) + I(x ** 2) + (1 | g)", {}),
    "spline": ("y ~ bs(z, df=5) + (1 | g)", {}),
    "offset": ("count ~ x + offset(np.log(t)) + (1 | g)", {"family": "poisson"}),
    "counts": ("count ~ f + (x | g)", {"family": "negativebinomial"}),
    "trials": ("p(hits, trials) ~ x + (1 | g)", {"family": "binomial"}),
    "probit": ("hit ~ x + (1 | g)", {"family": "bernoulli", "link": "probit"}),
    "weights": ("weighted(count, w) ~ x + (1 | g)", {"family": "poisson"}),
    "gamma": ("y ~ x + (1 | g)", {"family": "gamma", "link": "log"}),
    "beta": ("share ~ x + (1 | g)", {"family": "beta"}),
    "student": ("y ~ x + (1 | g)", {"family": "t"}),
    "not centred": ("y ~ x + f + (1 | g)", {"center_predictors": False}),
    "without groups": ("y ~ x + f", {}),
}


@pytest.mark.parametrize(("formula", "options"), CASES.values(), ids=CASES)
def test_the_linear_predictor_is_bambis(data, formula, options):
    model = bmb.Model(formula, data, **options)
    idata = drawn(model)
    fit = mb.from_bambi(model, idata)
    parent = model.family.likelihood.parent
    said = model.predict(idata, kind="response_params", inplace=False)
    theirs = model.family.link[parent].link(said["posterior"][parent].to_numpy())
    ours = fit.fitted(kind="linear", draws=True).to_numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9 * np.abs(theirs).max())


def test_a_share_of_zeros_is_one_minus_bambis(data):
    formula = bmb.Formula("count ~ x", "psi ~ x + (1 | g)")
    priors = {"psi": {"Intercept": bmb.Prior("Normal", mu=1, sigma=2)}}
    model = bmb.Model(formula, data, family="zero_inflated_poisson", priors=priors)
    idata = drawn(model)
    fit = mb.from_bambi(model, idata)
    assert fit.model.spec.priors.predictor("zi").intercept.prior == mb.Normal(-1, 2)
    psi = model.predict(idata, kind="response_params", inplace=False)["posterior"]["psi"]
    zi = fit.predict(target="zi", draws=True).to_numpy()
    np.testing.assert_allclose(zi, 1 - psi.to_numpy(), rtol=1e-9)
    flat = {"psi": bmb.Prior("Uniform", lower=0, upper=0.8)}
    model = bmb.Model("count ~ x", data, family="zero_inflated_poisson", priors=flat)
    model.build()
    own = {v: (("chain", "draw"), np.linspace(0.1, 0.4, 8).reshape(2, 4)) for v in ("psi", "x")}
    own["Intercept"] = own["x"]
    idata = xr.DataTree.from_dict({"posterior": xr.Dataset(own)})
    fit = mb.from_bambi(model, idata)
    assert fit.model.spec.priors.parameters["zi"].prior == mb.Uniform(1 - 0.8, 1)
    np.testing.assert_array_equal(fit.idata["posterior"]["zi"], 1 - idata["posterior"]["psi"])
    known = bmb.Model(bmb.Formula("count ~ x", "psi ~ offset(z)"), data, family="hurdle_poisson")
    known.build()
    with pytest.raises(mb.ModelError, match="psi of Bambi's model is 1 - hu here, and has an off"):
        translated(known)


def test_a_further_parameters_formula_is_translated_too(data):
    formula = bmb.Formula("y ~ x + (1 | g)", "sigma ~ f + (1 | a)")
    model = bmb.Model(formula, data)
    idata = drawn(model)
    fit = mb.from_bambi(model, idata)
    assert fit.model.formula.others[0].text == "sigma ~ 1 + f + (1 | a)"
    theirs = idata["posterior"]
    ours = fit.idata["posterior"]
    for term, level in (("f[mid]", "mid"), ("f[top]", "top")):
        np.testing.assert_array_equal(
            ours["sigma_fixef"].sel(sigma_term=term), theirs["sigma_f"].sel(sigma_f_dim=level)
        )
    np.testing.assert_array_equal(ours["sd_sigma_a"][..., 0], theirs["sigma_1|a_sigma"])
    np.testing.assert_array_equal(
        ours["ranef_sigma_a"].sel(a="B")[..., 0], theirs["sigma_1|a"].sel(a__factor_dim="B")
    )


def test_levels_that_do_not_occur_are_left_out(data):
    """formulae makes every combination a:b a level; ours are those that occur."""
    model = bmb.Model("y ~ x + (1 | a / b)", data)
    idata = drawn(model)
    fit = mb.from_bambi(model, idata)
    pairs = fit.idata["posterior"]["ranef_a_b"].sizes["a_b"]
    assert pairs == len(data.groupby(["a", "b"])) < 12
    assert idata["posterior"].sizes["a:b__factor_dim"] >= pairs


def test_aliases_are_followed(data):
    model = bmb.Model("y ~ x + (x | g)", data)
    plain = mb.from_bambi(model, drawn(model)).idata["posterior"]
    model.set_alias({"x": "slope", "x|g": "slopes", "sigma": "noise", "Intercept": "start"})
    idata = drawn(model)
    assert {"slope", "slopes", "slopes_noise", "noise", "start"} <= set(idata["posterior"])
    named = mb.from_bambi(model, idata).idata["posterior"]
    assert set(named) == set(plain)
    np.testing.assert_array_equal(named["fixef"][..., 0], idata["posterior"]["slope"])


def test_priors_are_bambis(data):
    priors = {
        "Intercept": bmb.Prior("StudentT", nu=4, mu=1, sigma=3),
        "x": bmb.Prior("Normal", mu=1, sigma=2),
        "f": bmb.Prior("Normal", mu=[0.0, 1.0], sigma=[2.0, 3.0]),
        "1|g": bmb.Prior("Normal", mu=0, sigma=bmb.Prior("Gamma", mu=2, sigma=1)),
        "x|g": bmb.Prior("Normal", mu=0, sigma=bmb.Prior("HalfCauchy", beta=2)),
        "sigma": bmb.Prior("Exponential", lam=0.5),
    }
    model = bmb.Model("y ~ x + f + (x | g)", data, priors=priors)
    fit = mb.from_bambi(model, drawn(model))
    found = fit.model.spec.priors
    assert found.mu.intercept.prior == mb.StudentT(4, 1, 3)
    assert found.mu.intercept_at_means
    assert [a.prior for a in found.mu.fixef] == [
        mb.Normal(1, 2),
        mb.Normal(0, 2),
        mb.Normal(1, 3),
    ]
    assert [a.prior for a in found.mu.sd["g"]] == [mb.Gamma(4, 2), mb.HalfCauchy(2)]
    assert found.parameters["sigma"].prior == mb.Exponential(0.5)
    plain = bmb.Model("y ~ x + f + (x | g)", data, priors=priors, center_predictors=False)
    assert not mb.from_bambi(plain, drawn(plain)).model.spec.priors.mu.intercept_at_means


def test_a_saved_fit_keeps_where_the_intercepts_prior_is(data, tmp_path):
    model = bmb.Model("y ~ x + (1 | g)", data)
    fit = mb.from_bambi(model, drawn(model))
    loaded = mb.load(fit.save(tmp_path / "bambi.nc"))
    assert loaded.model.priors.equals(fit.model.priors)
    assert loaded.note == fit.note
    assert loaded.fixef().equals(fit.fixef())


def test_the_note_says_where_the_draws_are_from(data):
    model = bmb.Model("y ~ x + (x | g)", data)
    fit = mb.from_bambi(model, drawn(model))
    assert "Bambi" in fit.note
    assert "||" in fit.note
    assert fit.model.formula.text == "y ~ 1 + x + (1 + x || g)"
    assert str(fit.formulation) == "NonCentered()"


# ---- beside our own fit -----------------------------------------------------------------------

SLEEP = {
    "Intercept": mb.Normal(300, 250),
    "fixef": mb.Normal(0, 50),
    "sd": mb.Exponential(0.02),
    "sigma": mb.Exponential(0.02),
}
HERDS = {"Intercept": mb.Normal(0, 5), "fixef": mb.Normal(0, 2), "sd": mb.Exponential(1)}
FITS = {
    "gaussian": ("sleepstudy", "Reaction ~ Days + (Days || Subject)", SLEEP, {}),
    "binomial": (
        "cbpp",
        "incidence | trials(size) ~ period + (1 | herd)",
        HERDS,
        {"family": "binomial"},
    ),
}


@pytest.fixture(scope="module", params=FITS)
def both(request):
    """Our fit, Bambi's draws of the same model, and these as a fit."""
    name, formula, priors, options = FITS[request.param]
    model = mb.Model(formula, mb.load_data(name), priors=priors, **options)
    theirs = model.to_bambi()
    theirs.build()
    idata = theirs.fit(
        draws=1000, tune=1000, chains=2, random_seed=1, target_accept=0.9, progressbar=False
    )
    ours = model.fit(draws=1000, chains=2, seed=1, progress=False)
    return ours, idata, mb.from_bambi(theirs, idata)


def test_effects_are_bambis_to_the_last_digit(both):
    ours, idata, fit = both
    (g,) = fit.model.design.mu.groups
    table = fit.ranef().set_index(["level", "term"])["mean"]
    for term in g.terms:
        effect = "1" if term == names.INTERCEPT else term
        means = idata["posterior"][f"{effect}|{g.name}"].mean(("chain", "draw")).to_series()
        for level, mean in means.items():
            assert abs(table[str(level), term] - mean) < 1e-12 * max(1, abs(mean))
    assert fit.model.design.mu.terms == ours.model.design.mu.terms


def test_tables_agree_with_our_own_fit(both):
    ours, _, fit = both
    tables = ["fixef", "varcorr", "ranef", "coef", "icc", "r2"]
    for table in tables:
        a, b = getattr(ours, table)(), getattr(fit, table)()
        error = np.hypot(a["sd"] / np.sqrt(a["ess_bulk"]), b["sd"] / np.sqrt(b["ess_bulk"]))
        far = np.abs(a["mean"] - b["mean"]) > 4.5 * error
        assert not far.any(), f"{table}: {a[far]}"
        assert (np.abs(np.log(a["sd"] / b["sd"])) < 0.25).all(), table
    assert len(fit.ranef()) == len(ours.ranef())


def test_shrinkage_prediction_and_checks_work(both):
    ours, _, fit = both
    new = fit.model.data.head(3)
    a, b = (f.predict(new, kind="mean") for f in (ours, fit))
    assert (np.abs(a["mean"] - b["mean"]) < 0.2 * a["sd"]).all()
    assert len(fit.check().findings) == len(ours.check().findings)
    if fit.model.family.name == "gaussian":
        a, b = ours.shrinkage(), fit.shrinkage()
        np.testing.assert_allclose(a["pooling"], b["pooling"], atol=0.02)
        np.testing.assert_allclose(a["no_pooling"], b["no_pooling"], rtol=1e-9)
    assert az.summary(fit.idata).shape[0] > 10


# ---- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "options", "said"),
    [
        ("y ~ x + (1 | g)", {"family": "laplace"}, "family 'laplace'"),
        ("y ~ x + hsgp(z, m=5, c=2)", {}, "Gaussian processes"),
        ("truncated(y, 0, 99) ~ x", {}, "truncated"),
        ("weighted(y, w) ~ x", {}, "a weight multiplies"),
        ("y ~ x + standardize(z)", {}, "standardize"),
        ("y ~ x", {"priors": {"x": bmb.Prior("Laplace", mu=0, b=1)}}, "Laplace"),
        ("y ~ x", {"priors": {"sigma": 2.0}}, "sigma is 2"),
        ("y ~ x", {"potentials": [("x", lambda x: -(x**2))]}, "potential"),
    ],
)
def test_what_has_no_counterpart_is_refused(data, formula, options, said):
    model = bmb.Model(formula, data, **options)
    with pytest.raises(mb.ModelError, match=said):
        mb.from_bambi(model, xr.DataTree())


def test_columns_coded_in_another_way_are_refused(data):
    """formulae's scale() divides by the sd with n, ours with n - 1, as R does."""
    model = bmb.Model("y ~ scale(z) + (1 | g)", data)
    with pytest.raises(mb.ModelError, match=r"numbers of scale\(z\) here \(among: scale\(z\)\)"):
        mb.from_bambi(model, drawn(model))


def test_a_posterior_of_another_model_is_refused(data):
    model, other = (bmb.Model(f, data) for f in ("y ~ x + (1 | g)", "y ~ z + (1 | g)"))
    with pytest.raises(mb.ModelError, match=r"no 'x'.*variables are"):
        mb.from_bambi(model, drawn(other))
    with pytest.raises(mb.ModelError, match="no group 'posterior'"):
        mb.from_bambi(model, xr.DataTree())


def test_a_prior_with_arguments_of_another_kind_is_refused():
    with pytest.raises(mb.ModelError, match="parametrised"):
        prior_of(bmb.Prior("HalfStudentT", nu=3, lam=2), "sigma")
