"""pm.Models by each sampler: the posterior, its labels, reproducibility, compiling once."""

from importlib.util import find_spec

import numpy as np
import pytest

from mixedbayes.errors import SamplingError
from mixedbayes.sample import compiled, health
from mixedbayes.sample.run import sample_model
from mixedbayes.sample.settings import Settings

KEEP = ["mu", "sd", "b"]


def run(model, *, keep=KEEP, **settings):
    given = {"draws": 400, "tune": 400, "seed": 1, "progress": False} | settings
    return sample_model(model, Settings(**given), keep=keep)


@pytest.fixture(scope="module")
def model(make_model):
    return make_model()


@pytest.fixture(scope="module")
def by_nutpie(model):
    return run(model)


@pytest.fixture(scope="module")
def by_pymc(model):
    return run(model, sampler="pymc", cores=1)


def test_only_what_is_kept_with_the_model_s_labels(by_nutpie, by_pymc):
    for result in (by_nutpie, by_pymc):
        assert list(result.posterior) == KEEP
        assert result.posterior["b"].dims == ("chain", "draw", "g")
        assert result.posterior["b"].shape == (4, 400, 6)
        assert list(result.posterior["g"].to_numpy()) == list("abcdef")
        assert result.posterior["sd"].min() > 0


def test_both_samplers_have_the_same_statistics(by_nutpie, by_pymc):
    assert set(by_nutpie.sample_stats) == set(by_pymc.sample_stats)
    assert by_nutpie.sample_stats["n_steps"].dims == ("chain", "draw")


def test_both_samplers_agree(by_nutpie, by_pymc):
    for name in KEEP:
        a, b = (
            np.moveaxis(r.posterior[name].to_numpy().reshape(4, 400, -1), -1, 0)
            for r in (by_nutpie, by_pymc)
        )
        error = np.hypot(health.mcse_mean(a), health.mcse_mean(b))
        assert np.all(np.abs(a.mean(axis=(1, 2)) - b.mean(axis=(1, 2))) < 4.5 * error)


def test_results_say_which_sampler(by_nutpie, by_pymc):
    assert (by_nutpie.sampler, by_pymc.sampler) == ("nutpie", "pymc")
    assert by_pymc.version.startswith("6")
    assert by_pymc.timings.sample > 0
    assert by_pymc.timings.tune > 0


def test_nutpie_repeats_the_draws_on_any_number_of_cores(model, by_nutpie):
    for cores in (1, 2):
        assert run(model, cores=cores).posterior.equals(by_nutpie.posterior)


def test_pymc_repeats_the_draws_on_any_number_of_cores(model, by_pymc):
    assert run(model, sampler="pymc", cores=2).posterior.equals(by_pymc.posterior)


def test_new_data_of_the_same_structure_are_not_compiled_again(make_model, by_nutpie, monkeypatch):
    other = make_model(rows=42, seed=5)
    fresh_one = run(make_model(rows=42, seed=5), keep=[*KEEP, "u"])  # compiled for its own keep
    monkeypatch.setattr(compiled, "compile_pymc", None)
    again = run(other)
    assert again.timings.compile < 5
    assert not again.posterior.equals(by_nutpie.posterior)
    assert again.posterior.equals(fresh_one.posterior[KEEP])


def test_another_constant_is_another_model(make_model):
    import pymc as pm

    def build(scale):
        with pm.Model() as model:
            pm.Normal("x", 0.0, scale)
        return compiled._structure(model, ["x"])

    assert build(1.0).equals(build(1.0))
    assert not build(1.0).equals(build(2.0))
    assert not build(1.0).equals(compiled._structure(make_model(), KEEP))


def test_other_levels_are_another_model(make_model):
    a, b = make_model(), make_model()
    b.set_dim("g", 7, coord_values=tuple("abcdefg"))
    assert not compiled._structure(a, KEEP).equals(compiled._structure(b, KEEP))


def test_chains_of_other_data_start_where_their_own_prior_is(monkeypatch):
    import pymc as pm

    def build(centre):
        with pm.Model() as model:
            pm.LogNormal("x", pm.Data("centre", centre), 1.0)
        return model

    first = compiled.compile_model(build(3.0), ["x"])
    fresh = compiled.compile_pymc(build(50.0), ["x"], None)
    monkeypatch.setattr(compiled, "compile_pymc", None)
    again = compiled.compile_model(build(50.0), ["x"])
    given = compiled.compile_model(build(50.0), ["x"], {"x": np.exp(47.0)})
    for seed in range(5):
        start = again.start(seed)
        assert start == fresh.start(seed)
        assert abs(start - 50) < 1.6
        assert given.start(seed) == pytest.approx(start - 3.5)
        assert first.start(seed) == pytest.approx(start - 47)


@pytest.mark.parametrize("argument", ["keep", "initial_points"])
def test_unknown_variables_list_the_known(model, argument):
    given = {"keep": KEEP} | {argument: {"tau": 1.0}}
    with pytest.raises(
        SamplingError, match=rf"{argument}: .* tau in the model; it has mu, sd, u, b"
    ):
        sample_model(model, Settings(progress=False), **given)


@pytest.mark.parametrize("sampler", ["nutpie", "pymc"])
def test_a_density_that_is_nowhere_finite_says_what_to_check(sampler):
    import pymc as pm

    with pm.Model() as model:
        x = pm.Normal("x")
        pm.Potential("impossible", x - np.inf)
    with pytest.raises(SamplingError, match="log density is finite"):
        run(model, keep=["x"], sampler=sampler, chains=1)


@pytest.mark.skipif(find_spec("numpyro") is None, reason="needs the extra numpyro")
def test_numpyro_agrees_and_repeats_the_draws(model, by_nutpie):
    first, again = (run(model, sampler="numpyro", cores=c) for c in (1, 2))
    assert first.posterior.equals(again.posterior)
    assert list(first.posterior["g"].to_numpy()) == list("abcdef")
    for name in ("mu", "sd"):
        a, b = (r.posterior[name].to_numpy()[None] for r in (first, by_nutpie))
        error = np.hypot(health.mcse_mean(a), health.mcse_mean(b))
        assert np.all(np.abs(a.mean() - b.mean()) < 4.5 * error)
