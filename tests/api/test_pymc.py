"""PyMC and ArviZ as clients of a fit: what they compute from `idata` and `model.pymc` is ours."""

import warnings

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr

import mixedbayes as mb
from mixedbayes.checks.log_likelihood import by_observation
from mixedbayes.checks.sensitivity import log_prior
from mixedbayes.model.coords import dims_of
from mixedbayes.model.data import data_of
from mixedbayes.report.sections import session
from mixedbayes.report.source import Source

QUICK = {"compile_kwargs": {"mode": "FAST_COMPILE"}, "progressbar": False}
TERMS = "x + (x | g)"
CASES = {
    "gaussian": f"y | weights(w) ~ {TERMS} + offset(o)",
    "student_t": f"y ~ {TERMS}",
    "lognormal": f"size | weights(w) ~ {TERMS}",
    "gamma": f"size | weights(w) ~ {TERMS}",
    "beta": f"share | weights(w) ~ {TERMS}",
    "bernoulli": f"k > 2 ~ {TERMS}",
    "binomial": f"k | trials(n) + weights(w) ~ {TERMS}",
    "poisson": f"count | weights(w) ~ {TERMS} + offset(o)",
    "negative_binomial": f"count ~ {TERMS}",
    "cumulative": "grade | weights(w) ~ x + (1 | g)",
    "a formula for sigma": [f"y ~ {TERMS}", "sigma ~ x + (1 | g) + offset(o)"],
}
WITHOUT_MATRICES = {"var_names": ["~^(cor|u)_"], "filter_vars": "regex"}
SLOW = pytest.mark.slow
FEW = ["gaussian", "binomial", "cumulative", "a formula for sigma"]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(6), 8)
    x, n = rng.normal(3, 1, 48), rng.integers(4, 9, 48)
    eta = 0.3 * (x - 3) + 0.5 * rng.normal(size=6)[g] + 0.3 * rng.normal(size=6)[g] * (x - 3)
    y = eta + rng.normal(size=48) / 2
    share = 1 / (1 + np.exp(-y))
    return pd.DataFrame(
        {
            "g": [f"level {k}" for k in g],
            "x": x,
            "y": y,
            "size": np.exp(y),
            "share": share,
            "n": n,
            "k": rng.binomial(n, share),
            "count": rng.poisson(np.exp(eta + 1)),
            "grade": pd.cut(y, [-9, -0.5, 0.5, 9], labels=["low", "middle", "high"]),
            "w": rng.integers(1, 4, 48),
            "o": rng.normal(size=48) / 9,
        }
    )


@pytest.fixture(scope="module")
def fit_of(data):
    fits = {}

    def fit(case):
        if case not in fits:
            family = case if isinstance(CASES[case], str) else "gaussian"
            model = mb.Model(CASES[case], data, family=family)
            fits[case] = model.fit(draws=100, chains=2, seed=1, progress=False)
        return fits[case]

    return fit


def response(dataset):
    (found,) = dataset.data_vars.values()
    return found


def log_likelihood(model, trace):
    found = pm.stats.compute_log_likelihood(
        trace, model=model, extend_inferencedata=False, **QUICK
    )  # fmt: skip
    return response(found)


def predictive(model, trace, **options):
    """PyMC's replicates; nothing but the response is drawn."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Numba will use object mode")
        with model:
            return pm.sample_posterior_predictive(trace, random_seed=2, **QUICK, **options)


def agree(theirs, ours):
    """The same distribution in every row, to the error of as many replicates."""
    sample = ["chain", "draw"]
    error = ours.std(sample) * np.sqrt(2 / (ours.sizes["chain"] * ours.sizes["draw"]))
    apart = abs(theirs.mean(sample) - ours.mean(sample)) / error
    assert float(apart.max()) < 5
    assert float(theirs.std() / ours.std()) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("case", "formulation"),
    [
        pytest.param(case, kind, marks=() if kind == mb.NonCentered() or case in FEW else SLOW)
        for case in CASES
        for kind in (mb.NonCentered(), mb.Centered())
    ],
    ids=str,
)
def test_pymc_s_densities_and_replicates_are_ours(case, formulation, fit_of):
    fit = fit_of(case)
    model = fit.model.build(formulation)
    ours = response(fit.log_likelihood())
    theirs = log_likelihood(model, fit.idata)
    assert theirs.dims == ours.dims
    np.testing.assert_array_equal(theirs["obs"], ours["obs"])
    np.testing.assert_allclose(theirs, ours, rtol=1e-7, atol=1e-9 + rounding(fit))

    prior = pm.stats.compute_log_prior(
        fit.idata, model=model, extend_inferencedata=False, **QUICK
    )  # fmt: skip
    hyper = prior[[v for v in prior.data_vars if "ranef" not in v]]
    own = fit.idata["log_prior"].to_dataset()
    assert set(own.data_vars) == set(hyper.data_vars)
    for name in hyper.data_vars:
        assert own[name].dims == hyper[name].dims
        np.testing.assert_allclose(own[name], hyper[name], rtol=1e-7, atol=1e-9)
    total = hyper.to_stacked_array("number", ("chain", "draw")).sum("number")
    apart = total.to_numpy().ravel() - log_prior(fit.posterior)
    assert np.ptp(apart) < 1e-8  # but for a constant: PyMC has (r + 1) / 2 for a correlation r

    drawn = response(predictive(model, fit.idata)["posterior_predictive"])
    kept = response(fit.posterior_predictive())
    assert drawn.dtype.kind == kept.dtype.kind == ("i" if fit.model.family.discrete else "f")
    agree(drawn, kept)


def rounding(fit):
    """What PyMC loses in differences of lgamma at large shapes, of nearly Poisson counts."""
    draws = fit.idata["posterior"].to_dataset()
    if fit.model.family.name != "negative_binomial" or "shape" not in draws:
        return 0.0
    return 10 * np.finfo(float).eps * float((draws["shape"] * np.log(draws["shape"])).max())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:.*draws are worth:UserWarning")
def test_every_draw_of_a_count_is_an_integer(case, fit_of, data):
    fit = fit_of(case)
    new = data.head(2).assign(g="another")
    drawn = [fit.predict(new, groups=groups, draws=True) for groups in ("auto", "typical", "new")]
    drawn.append(fit.predict(groups="average", draws=True))
    if not fit.model.design.further:
        drawn.append(fit.condition_on(new).predict(new, draws=True))
    drawn.append(response(fit.posterior_predictive("new")))
    assert {x.dtype.kind for x in drawn} == {"i" if fit.model.family.discrete else "f"}
    for kind in ("mean", "linear"):
        assert fit.predict(new, kind=kind, draws=True).dtype == float


@pytest.mark.parametrize("case", FEW)
def test_new_rows_by_set_data(case, fit_of, data):
    """Other rows, in another number, through pm.Data; the means stay those of the fit's rows."""
    fit = fit_of(case)
    family, formula = fit.model.family, CASES[case]
    new = data.iloc[[3, 17, 40, 41, 47, 0]].assign(x=lambda d: d["x"] + 1)
    rows = data_of(mb.Model(formula, pd.concat([data, new]), family=family).spec)
    model = fit.model.build("auto")
    assert set(rows) < set(model.named_vars)
    name = model.observed_RVs[0].name
    y = fit.idata["observed_data"][name].to_numpy()[:6]
    with model:
        values = {key: values[-6:] for key, (_, values) in rows.items()}
        pm.set_data({**values, f"{name}_data": y}, coords={"obs": list("abcdef")})
    drawn = response(predictive(model, fit.idata, predictions=True)["predictions"])
    assert drawn["obs"].to_numpy().tolist() == list("abcdef")
    ours = fit.predict(new, kind="response", draws=True)
    assert ours.dtype.kind == drawn.dtype.kind
    agree(drawn, ours.assign_coords(obs=drawn["obs"]))
    assert log_likelihood(model, fit.idata).sizes["obs"] == 6


@pytest.mark.parametrize("case", FEW)
def test_interventions_and_observed_parameters(case, fit_of):
    fit = fit_of(case)
    model, name = fit.model.pymc, fit.model.pymc.observed_RVs[0].name
    beta = np.array([0.7])
    done = predictive(pm.do(model, {"fixef": beta}), fit.idata)["posterior_predictive"]
    changed = fit.idata.copy()
    posterior = fit.posterior.draws
    moved = {"fixef": xr.full_like(posterior["fixef"], 0.7)}
    shift = (posterior["fixef"] - 0.7).sel(term="x", drop=True) * fit.model.design.mu.means[0]
    for level, sign in (("Intercept", 1), ("thresholds", -1)):
        if level in posterior:  # what stays is the value at the means, where the prior is
            moved[level] = posterior[level] + sign * shift
    changed["posterior"] = xr.DataTree(posterior.assign(moved))
    other = mb.from_pymc(fit.model, changed)
    agree(done[name], response(other.posterior_predictive()))

    known = pm.observe(model, {"fixef": beta})
    assert {v.name for v in known.observed_RVs} == {name, "fixef"}
    assert np.isfinite(known.compile_logp(mode="FAST_COMPILE")(known.initial_point()))


@pytest.mark.parametrize("case", FEW)
def test_a_trace_of_pymc_becomes_a_fit(case, fit_of):
    """By draws of PyMC's own, in its own tree: here from the prior, which needs no sampling."""
    model = fit_of(case).model
    for formulation in (mb.NonCentered(), mb.Centered()):
        pymc = model.build(formulation)
        with pymc, np.errstate(all="ignore"):
            names = [v.name for v in (*pymc.free_RVs, *pymc.deterministics)]
            drawn = pm.sample_prior_predictive(
                40, random_seed=1, var_names=names, compile_kwargs=QUICK["compile_kwargs"]
            )
        trace = xr.DataTree.from_dict({"posterior": drawn["prior"].to_dataset()})
        fit = mb.from_pymc(model, trace)
        assert fit.formulation.groups["g"] == formulation
        np.testing.assert_allclose(
            response(fit.log_likelihood()), log_likelihood(pymc, trace), rtol=1e-9, atol=1e-9
        )
        # and ours in PyMC's place again
        np.testing.assert_allclose(
            log_likelihood(pymc, fit.idata), log_likelihood(pymc, trace), rtol=1e-9, atol=1e-9
        )
        ranef = trace["posterior"]["ranef_g"].to_numpy()
        np.testing.assert_array_equal(fit.posterior.ranef("g"), ranef[0])


def marginal_trace(fit):
    """What PyMC would keep of the marginal model, at the draws of a fit."""
    pymc = fit.model.build(mb.Marginal())
    names = [v.name for v in (*pymc.free_RVs, *pymc.deterministics)]
    return pymc, xr.DataTree.from_dict({"posterior": fit.idata["posterior"].to_dataset()[names]})


@pytest.mark.parametrize("prior", [mb.Normal(0, 5), mb.StudentT(4, 0, 5)], ids=str)
def test_a_trace_of_the_marginal_model_gets_its_effects(data, prior):
    """Also where coefficients stay in NUTS; the effects are those of the fit in distribution."""
    model = mb.Model("y ~ x + (x | g)", data, priors={"fixef": prior, "Intercept": prior})
    fit = model.fit(draws=500, chains=2, seed=3, progress=False)
    pymc, trace = marginal_trace(fit)
    assert "ranef_g" not in trace["posterior"]
    own = mb.from_pymc(model, trace, seed=5)
    assert own.formulation.engine.name == "marginal"
    assert "seed" not in dict(own.summary().facts)["draws"]
    assert "those of a trace, and not repeated" in session(Source(own.posterior, None, 0.95))
    for name in ("ranef_g", "fixef", "Intercept"):
        a, b = (f.idata["posterior"][name] for f in (own, fit))
        sample = ["chain", "draw"]
        assert float((abs(a.mean(sample) - b.mean(sample)) / b.std(sample)).max()) < 0.25
        assert float(abs(np.log(a.std(sample) / b.std(sample))).max()) < 0.25
    total = log_likelihood(pymc, fit.idata)
    assert total.dims == ("chain", "draw")
    assert np.isfinite(total).all()


def test_a_trace_that_does_not_fit_the_model_is_refused(fit_of, data):
    fit = fit_of("gaussian")
    tree = fit.idata
    posterior = tree["posterior"].to_dataset()

    def refused(message, posterior, model=fit.model, **groups):
        with pytest.raises(mb.ModelError, match=message):
            mb.from_pymc(model, xr.DataTree.from_dict({"posterior": posterior, **groups}))

    refused(
        "the trace lacks sigma, sd_g.*; it has Intercept, fixef",
        posterior[["Intercept", "fixef"]],
    )
    refused("without var_names=", posterior.drop_vars(["sigma"]))
    refused("other labels of g in the trace", posterior.assign_coords(g=list("abcdef")))
    refused("other labels of g in the trace", posterior.isel(g=slice(4)))
    refused("fixef has the dimensions", posterior.assign(fixef=posterior["Intercept"]))
    observed = tree["observed_data"].to_dataset()
    refused(r"other values of y \(48 rows\)", posterior, observed_data=observed + 1)
    other = fit_of("poisson").model
    refused("the trace lacks ", posterior.drop_vars("Intercept"), model=other)
    with pytest.raises(mb.ModelError, match="takes the mixedbayes Model"):
        mb.from_pymc(fit.model.pymc, tree)
    for nothing in (None, 3, {}, posterior, [posterior]):
        with pytest.raises(mb.ModelError, match=r"pm\.sample"):
            mb.from_pymc(fit.model, nothing)


def test_without_draws_of_the_effects_the_posterior_says_so(data):
    fit = mb.fit("y ~ x + (x | g)", data, draws=50, effects="summary", seed=1, progress=False)
    posterior = fit.idata["posterior"]
    assert "u_ranef_g" not in posterior
    assert "Intercept_at_means" in posterior
    assert "log_likelihood" not in fit.idata.children
    assert {"fixef", "sd_g_at_means", "sigma"} <= set(fit.idata["log_prior"].data_vars)
    assert posterior.attrs["without"].startswith("draws of ranef_g were not kept")
    with pytest.raises(KeyError):
        log_likelihood(fit.model.pymc, fit.idata)


# ---- ArviZ --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def complete(fit_of):
    """A fit as it comes, and replicates."""
    model = fit_of("negative_binomial").model
    fit = model.fit(draws=100, chains=2, seed=1, progress=False)
    fit.posterior_predictive()
    return fit


@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto:UserWarning")
def test_arviz_finds_what_it_needs(complete):
    tree = complete.idata
    assert tree["observed_data"]["count"].dtype == np.int64
    assert az.loo(tree).n_data_points == 48
    pit = response(az.loo_pit(tree))
    assert ((pit >= 0) & (pit <= 1)).all()
    assert "plot" in az.plot_ppc_rootogram(tree).viz


@pytest.mark.parametrize("case", ["gaussian", "poisson", "cumulative", "a formula for sigma"])
def test_power_scaling_by_arviz_is_ours(case, fit_of):
    """It scales the priors of parameters, not the distribution of the group effects."""
    fit = fit_of(case)
    found, ours = az.psense(fit.idata, var_names=["fixef", "sd_g"]), fit.prior_sensitivity()
    for name in ("fixef", "sd_g"):
        expected = ours.loc[ours["parameter"] == name, "prior"]
        np.testing.assert_allclose(found[name], expected, rtol=1e-6)
    table = az.psense_summary(fit.idata, **WITHOUT_MATRICES)
    assert {"fixef[x]", "sd_g[Intercept]"} <= set(table.index)
    assert np.isfinite(table[["prior", "likelihood"]].to_numpy()).all()
    assert az.plot_psense_dist(fit.idata, var_names=["fixef", "sd_g"]).viz is not None
    plt.close("all")


@pytest.mark.parametrize("case", CASES)
def test_densities_are_those_of_the_fit_where_they_are_read(case, fit_of):
    tree = fit_of(case).idata
    lazy = response(tree["log_likelihood"].to_dataset())
    post = fit_of(case).posterior
    own = by_observation(post).reshape(2, 100, 48)
    assert lazy.dims == ("chain", "draw", "obs")
    np.testing.assert_array_equal(lazy["obs"], tree["observed_data"]["obs"])
    np.testing.assert_array_equal(lazy, own)
    np.testing.assert_array_equal(lazy.isel(draw=7, obs=[3, 1]), own[:, 7, [3, 1]])


def test_tables_of_arviz_without_warnings(complete):
    """The documented way past the diagonal of correlation matrices, which never varies."""
    table = az.summary(complete.idata, **WITHOUT_MATRICES)
    assert not any(name.startswith(("cor_", "u_")) for name in table.index)
    assert "partial_cor_g[0]" in table.index
    assert "sd_g[Intercept]" in table.index
    full = fit_names(complete)
    assert {"cor_g", "ranef_g", "sd_g", "fixef", "Intercept"} <= full


def fit_names(fit):
    return set(map(str, fit.idata["posterior"].data_vars))


def test_tables_pictures_and_convergence_know_named_parameters_alone(complete):
    own = set(map(str, complete.posterior.draws.data_vars))
    assert own == set(dims_of(complete.model.spec))
    assert own >= {"Intercept", "fixef", "sd_g", "cor_g", "ranef_g", "shape"}
    assert not any("u_ranef" in name for name in complete.diagnostics().table.index)


@pytest.mark.parametrize("kind", ["netcdf", "zarr", "pickle"])
@pytest.mark.filterwarnings("ignore:Consolidated metadata:UserWarning")
def test_the_whole_tree_survives_files(kind, complete, tmp_path):
    import pickle

    tree = complete.idata
    if kind == "netcdf":
        tree.to_netcdf(tmp_path / "fit.nc", engine="h5netcdf")
        back = xr.load_datatree(tmp_path / "fit.nc", engine="h5netcdf")
    elif kind == "zarr":
        pytest.importorskip("zarr")
        tree.to_zarr(tmp_path / "fit.zarr")
        back = xr.open_datatree(tmp_path / "fit.zarr", engine="zarr")
    else:
        back = pickle.loads(pickle.dumps(tree))
    for name in ("posterior", "observed_data", "constant_data", "log_likelihood", "log_prior"):
        xr.testing.assert_equal(back[name].to_dataset(), tree[name].to_dataset())
    np.testing.assert_allclose(
        log_likelihood(complete.model.pymc, back), log_likelihood(complete.model.pymc, tree)
    )


def test_our_files_do_not_hold_what_is_derived(complete, tmp_path):
    path = complete.save(tmp_path / "fit.nc")
    stored = xr.load_datatree(path, engine="h5netcdf")
    assert "u_ranef_g" not in stored["posterior"]
    assert not {"log_prior", "log_likelihood"} & set(stored.children)
    again = mb.load(path)
    for name in fit_names(complete):
        a, b = (f.idata["posterior"][name] for f in (again, complete))
        xr.testing.assert_equal(a, b)


def test_derived_draws_are_read_by_pieces(complete):
    """Any selection is that of the whole array, as xarray's users make them."""
    u = complete.idata["posterior"]["u_ranef_g"]
    whole = u.to_numpy()
    assert whole.shape == (2, 100, 6, 2)
    np.testing.assert_array_equal(u.isel(draw=7).to_numpy(), whole[:, 7])
    np.testing.assert_array_equal(u[1, ::5, 2, 1].to_numpy(), whole[1, ::5, 2, 1])
    np.testing.assert_array_equal(u.isel(draw=[5, 3], chain=[1]).to_numpy(), whole[[1]][:, [5, 3]])
    thin = complete.idata.isel(draw=slice(None, None, 10), missing_dims="ignore")
    np.testing.assert_array_equal(thin["posterior"]["u_ranef_g"].to_numpy(), whole[:, ::10])
    copied = complete.idata.copy(deep=True)["posterior"]["u_ranef_g"]
    np.testing.assert_array_equal(copied.to_numpy(), whole)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["gaussian", "poisson", "cumulative"])
def test_pymc_s_sampler_finds_the_same_posterior(case, fit_of):
    model = fit_of(case).model
    ours = model.fit(draws=2000, seed=2, progress=False)
    for built in [model.pymc, *([model.build(mb.Marginal())] if case == "gaussian" else [])]:
        trace = pm.sample(
            1000, tune=1000, chains=4, random_seed=3, model=built, progressbar=False, quiet=True,
            nuts={"target_accept": 0.95},
        )  # fmt: skip
        own = mb.from_pymc(model, trace)
        a, b = own.fixef(), ours.fixef()
        np.testing.assert_allclose(a["mean"], b["mean"], atol=0.2 * b["sd"].max())
        np.testing.assert_allclose(own.ranef()["mean"], ours.ranef()["mean"], atol=0.15)
