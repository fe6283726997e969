"""Model, fit and Fit as users meet them: names, labels, files, frames, representations."""

import inspect
from dataclasses import replace
from html.parser import HTMLParser

import arviz as az
import numpy as np
import pandas as pd
import polars as pl
import pytest

import mixedbayes as mb
from mixedbayes.engines.marginal import MarginalEngine
from mixedbayes.sample.tree import without_derived

SLEEP = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture(scope="module")
def sleep():
    return mb.load_data("sleepstudy")


@pytest.fixture(scope="module")
def fit(sleep):
    return mb.fit(SLEEP, sleep, draws=300, seed=1, progress=False)


def test_fit_takes_what_model_and_its_fit_take():
    both = inspect.signature(mb.Model).parameters | inspect.signature(mb.Model.fit).parameters
    own = inspect.signature(mb.fit).parameters
    assert set(own) == set(both) - {"self"}
    defaults = {k: p.default for k, p in own.items()}
    inner = inspect.signature(mb.Model.fit).parameters
    # without a formulation of its own, a fit takes the model's
    same = [k for k in inner if k not in ("self", "formulation")]
    assert {k: defaults[k] for k in same} == {k: inner[k].default for k in same}


def test_effects_of_one_factor():
    data = mb.load_data("penicillin")
    fit = mb.fit("diameter ~ 1 + (1 | plate) + (1 | sample)", data, draws=50, chains=2, seed=1,
                 progress=False)  # fmt: skip
    for table in (fit.ranef, fit.coef):
        assert set(table(group="sample")["group"]) == {"sample"}
        assert len(table()) == 24 + 6
    with pytest.raises(mb.ModelError, match="'Sample' is not a grouping factor"):
        fit.ranef(group="Sample")


def test_a_fit_of_given_draws_leaves_their_tree_as_it_was(fit):
    given = without_derived(fit.idata)
    before = given.copy(deep=True)
    other = mb.Fit(fit.model, replace(fit.posterior, idata=given))
    assert {"log_likelihood", "log_prior"} <= set(other.idata.children) - set(given.children)
    other.posterior_predictive()
    assert given.identical(before)
    assert other.model.spec is other.posterior.spec


def test_one_line_and_two_steps_give_the_same_draws(sleep, fit):
    again = mb.Model(SLEEP, sleep).fit(300, seed=1, progress=False)
    assert again.idata["posterior"].equals(fit.idata["posterior"])


def test_the_draws_carry_the_users_names(fit):
    post = fit.idata["posterior"]
    assert set(fit.idata.children) >= {
        "posterior", "sample_stats", "observed_data", "constant_data",
    }  # fmt: skip
    assert post["fixef"].dims == ("chain", "draw", "term")
    assert post["cor_Subject"].dims == ("chain", "draw", "Subject_term", "Subject_term_bis")
    effect = post["ranef_Subject"].sel(Subject="308", Subject_term="Days")
    row = fit.ranef().query("level == '308' and term == 'Days'").iloc[0]
    assert float(effect.mean()) == pytest.approx(row["mean"])
    assert float(fit.idata["observed_data"]["Reaction"][0]) == 249.56
    assert fit.idata["posterior"].attrs["seed"] == fit.settings.seed == 1


@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto:UserWarning")
def test_arviz_takes_the_draws(fit):
    table = az.summary(fit.idata, var_names=["Intercept", "sd_Subject"])
    assert list(table.index) == ["Intercept", "sd_Subject[Intercept]", "sd_Subject[Days]"]
    fit.log_likelihood()
    assert az.loo(fit.idata, pointwise=False).n_data_points == 180


def test_nested_factors_have_names_without_colons():
    fit = mb.fit("strength ~ 1 + (1 | batch/cask)", mb.load_data("pastes"), draws=100, seed=1,
                 progress=False)  # fmt: skip
    post = fit.idata["posterior"]
    assert {"sd_batch", "sd_batch_cask", "ranef_batch_cask"} <= set(post.data_vars)
    assert not any(c in str(name) for name in post.variables for c in ":|")
    assert list(post["batch_cask"].to_numpy()[:3]) == ["A:a", "A:b", "A:c"]


def test_numbers_as_levels_stay_numbers():
    data = pd.DataFrame(
        {"y": np.random.default_rng(1).normal(size=60), "g": np.arange(60) % 6 + 10}
    )
    fit = mb.fit("y ~ 1 + (1 | g)", data, draws=50, seed=1, progress=False)
    assert fit.ranef()["level"].tolist() == [10, 11, 12, 13, 14, 15]
    assert fit.idata["posterior"]["g"].dtype.kind == "i"


def test_a_response_named_like_a_parameter_has_a_name_of_its_own():
    data = mb.load_data("dyestuff").rename(columns={"Yield": "sigma"})
    fit = mb.fit("sigma ~ 1 + (1 | Batch)", data, draws=50, seed=1, progress=False)
    assert list(fit.idata["observed_data"].data_vars) == ["sigma_response"]


@pytest.mark.parametrize("convert", [pl.from_pandas, lambda d: pl.from_pandas(d).to_arrow()])
def test_other_data_frames_are_taken(sleep, fit, convert):
    plain = sleep.assign(Subject=sleep["Subject"].astype(str))
    other = mb.fit(SLEEP, convert(plain), draws=300, seed=1, progress=False)
    np.testing.assert_array_equal(
        other.idata["posterior"]["sigma"], fit.idata["posterior"]["sigma"]
    )


def test_the_data_frame_is_not_changed(sleep):
    before = sleep.copy(deep=True)
    mb.fit(SLEEP, sleep, draws=20, tune=20, seed=1, progress=False).predict(sleep)
    pd.testing.assert_frame_equal(sleep, before)


def test_rows_with_missing_values_are_counted(sleep):
    data = sleep.assign(Days=sleep["Days"].astype(float))
    data.loc[[3, 7], "Days"] = np.nan
    model = mb.Model(SLEEP, data)
    assert model.design.n == 178
    assert dict(model.design.dropped) == {"Days": 2}
    assert "2 of 180 rows" in " ".join(str(model).split())
    with pytest.raises(mb.DataError, match="Days"):
        mb.Model(SLEEP, data, missing="error")


def test_saved_and_loaded_it_says_the_same(fit, tmp_path, sleep):
    loaded = mb.load(fit.save(tmp_path / "sleep.nc"))
    assert str(loaded) == str(fit)
    assert loaded.idata["posterior"].equals(fit.idata["posterior"])
    assert str(loaded.model) == str(fit.model)
    pd.testing.assert_frame_equal(loaded.predict(sleep.head()), fit.predict(sleep.head()))
    assert loaded.settings == fit.settings


def test_priors_and_functions_survive_a_file(sleep, tmp_path):
    model = mb.Model(
        "Reaction ~ twice(Days) + (1 | Subject)",
        sleep,
        priors={"fixef": mb.Normal(0, 3), "sigma": mb.HalfNormal(40)},
        functions={"twice": lambda x: 2 * x},
    )
    path = model.fit(50, seed=1, progress=False).save(tmp_path / "f.nc")
    with pytest.raises(mb.FileError, match="functions="):
        mb.load(path)
    loaded = mb.load(path, functions={"twice": lambda x: 2 * x})
    pd.testing.assert_frame_equal(loaded.model.priors, model.priors)


OWN = {
    "log": ("Reaction ~ log(Days) + (1 | Subject)", lambda x: 100 * x),  # also built in
    "scale": ("Reaction ~ I(scale(Days)) + (1 | Subject)", np.sqrt),
    "pi": ("Reaction ~ Days + I(pi*Days**2) + (1 | Subject)", 2.0),
    "late": ("Reaction ~ Days + (0 + late(Days) | Subject)", lambda x: x > 5),
    "double": ("Reaction ~ Days + offset(double(Days)) + (1 | Subject)", lambda x: 2 * x),
}


@pytest.mark.parametrize("name", OWN)
def test_own_functions_are_asked_for_and_no_others_taken(sleep, tmp_path, name):
    formula, function = OWN[name]
    other = {"exp": np.sqrt, "unused": np.sqrt}
    model = mb.Model(formula, sleep, functions={name: function, "unused": np.log})
    path = model.fit(20, tune=50, chains=1, seed=1, progress=False).save(tmp_path / "f.nc")
    for given in (None, {}, other):
        with pytest.raises(mb.FileError, match=f'functions={{"{name}": ...}}'):
            mb.load(path, functions=given)
    again = mb.load(path, functions={name: function, **other}).model
    np.testing.assert_array_equal(again.design.mu.X, model.design.mu.X)
    np.testing.assert_array_equal(again.design.mu.groups[0].Z, model.design.mu.groups[0].Z)
    assert set(again.functions) == {name}
    changed = 2.0 + 1e-6 if name == "pi" else lambda x: function(x) * (1 + 1e-6 * (x == 9))
    with pytest.raises(mb.FileError, match=r"other values|not those"):
        mb.load(path, functions={name: changed})


def test_built_in_functions_stay_built_in_when_loaded(sleep, tmp_path):
    model = mb.Model("Reaction ~ log1p(Days) + (1 | Subject)", sleep)
    path = model.fit(20, tune=50, chains=1, seed=1, progress=False).save(tmp_path / "f.nc")
    again = mb.load(path, functions={"log1p": np.sqrt}).model
    np.testing.assert_array_equal(again.design.mu.X[:, 0], np.log1p(sleep["Days"]))


def test_the_cache_spares_sampling(sleep, tmp_path, monkeypatch):
    first = mb.fit(SLEEP, sleep, draws=50, seed=1, progress=False, cache=tmp_path)
    monkeypatch.setattr(MarginalEngine, "sample", lambda *a: pytest.fail("sampled again"))
    again = mb.fit(SLEEP, sleep, draws=50, seed=1, progress=False, cache=tmp_path)
    assert again.idata["posterior"].equals(first.idata["posterior"])


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2},
        {"draws": 60},
        {"priors": {"fixef": mb.Normal(0, 1)}},
        {"formula": "Reaction ~ Days + (Days || Subject)"},
        {"data": mb.load_data("sleepstudy").head(170)},
        {"effects": "summary"},
    ],
    ids=lambda c: next(iter(c)),
)
def test_the_cache_knows_what_changed(sleep, tmp_path, monkeypatch, change):
    asked = {"formula": SLEEP, "data": sleep, "draws": 50, "seed": 1} | {"cache": tmp_path}
    mb.fit(**asked, progress=False)
    monkeypatch.setattr(MarginalEngine, "sample", lambda *a: (_ for _ in ()).throw(EOFError))
    with pytest.raises(EOFError):
        mb.fit(**(asked | change), progress=False)


def test_a_cache_needs_a_seed_and_data_it_can_compare(sleep, tmp_path):
    with pytest.raises(mb.SamplingError, match="needs a seed"):
        mb.fit(SLEEP, sleep, draws=20, progress=False, cache=tmp_path)
    with pytest.raises(mb.SamplingError, match="cannot tell whether your functions"):
        mb.fit("Reaction ~ f(Days) + (1 | Subject)", sleep, functions={"f": np.sqrt}, seed=1,
               progress=False, cache=tmp_path)  # fmt: skip


def test_representations_are_text_and_html(fit):
    for thing in (fit.model, fit):
        text, html = repr(thing), thing._repr_html_()
        assert "Reaction ~ Days + (Days | Subject)" in text
        assert max(map(len, text.splitlines())) <= 100
        HTMLParser().feed(html)
        assert "<table" in html


def test_the_model_tells_formulation_and_plan(fit):
    text = " ".join(str(fit.model).split())
    assert "Marginal(): the response is Gaussian" in text
    assert "Subject: 18 levels x 2 effects eliminated in blocks" in text


def test_a_given_intercept_prior_is_at_zero_in_the_posterior_too():
    # Far from the data a sharp prior at zero must bend the line.
    data = mb.load_data("sleepstudy").assign(Days=lambda d: d["Days"] + 50)
    fit = mb.fit("Reaction ~ Days + (1 | Subject)", data, priors={"Intercept": mb.Normal(0, 1)},
                 draws=300, seed=1, progress=False)  # fmt: skip
    assert abs(fit.fixef().query("term == 'Intercept'")["mean"].item()) < 3


def test_moving_the_origin_moves_the_intercept_alone(sleep):
    moved = sleep.assign(Days=sleep["Days"] + 2000)
    a, b = (
        mb.fit("Reaction ~ Days + (1 | Subject)", d, draws=2000, seed=1, progress=False)
        for d in (sleep, moved)
    )
    x, y = (f.fixef().set_index("term") for f in (a, b))
    assert y.loc["Days", "mean"] == pytest.approx(x.loc["Days", "mean"], abs=0.05)
    assert y.loc["Days", "sd"] == pytest.approx(x.loc["Days", "sd"], rel=0.06)
    at_means = x.loc["Intercept", "mean"] - 2000 * x.loc["Days", "mean"]
    assert y.loc["Intercept", "mean"] == pytest.approx(at_means, rel=0.01)
