"""`load` of files that were damaged or changed: FileError and nothing else; and what comes back."""

import contextlib
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mixedbayes as mb
from mixedbayes.api import keep
from mixedbayes.engines.run import Run
from mixedbayes.results import store
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.store import GROUP
from tests.support.files import changed, edited, sealed

SHORT = {"draws": 30, "tune": 50, "chains": 2, "seed": 1, "progress": False}


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(8), 6)
    x = rng.normal(size=48)
    y = x + rng.normal(size=8)[g] + rng.normal(size=48) / 2
    data = pd.DataFrame({"y": y, "x": x, "g": np.array(list("abcdefgh"))[g]})
    data.attrs["units"] = {"x": "ms"}
    return mb.fit("y ~ x + (x | g)", data, formulation=mb.Marginal(max_dense=1234), **SHORT)


@pytest.fixture(scope="module")
def kept(fit, tmp_path_factory):
    return fit.save(tmp_path_factory.mktemp("fit") / "kept.nc")


@pytest.fixture
def path(kept, tmp_path):
    return shutil.copy(kept, tmp_path / "fit.nc")


@pytest.fixture(scope="module")
def content(kept):
    return store._load(kept)[0]


@pytest.fixture
def load(kept, content, monkeypatch):
    """Loads the file, with a change to its description or its arrays as if it stood there."""

    def load(meta=lambda meta: None, tree=lambda tree: None):
        monkeypatch.setattr(store, "_load", lambda _: (edited(content, meta, tree), True))
        return mb.load(kept)

    return load


def test_a_change_of_nothing_is_loaded(load, fit):
    assert str(load()) == str(fit)


def test_a_file_changed_in_nothing_is_loaded(fit, path):
    assert str(mb.load(changed(path))) == str(fit)


# ---- what comes back ----------------------------------------------------------------------------


def test_the_models_formulation_comes_back(fit, path):
    loaded = mb.load(path)
    assert loaded.formulation == fit.formulation == loaded.model.formulation
    assert loaded.model.formulation.groups == {"g": mb.Marginal(max_dense=1234)}


@pytest.mark.parametrize("of_model", ["auto", mb.Centered(), {"g": mb.Centered()}], ids=str)
@pytest.mark.parametrize(
    "of_fit", [mb.Marginal(7), mb.Centered(), {"g": mb.NonCentered()}], ids=str
)
def test_formulations_of_model_and_fit_are_told_apart(fit, tmp_path, of_model, of_fit):
    model = mb.Model(fit.model.formula.text, fit.model.data, formulation=of_model)
    run = Run(fit.settings, model._chosen(of_fit))
    other = mb.Fit(model, Posterior(model.spec, fit.idata, run))
    loaded = mb.load(other.save(tmp_path / "f.nc"))
    assert loaded.model.formulation == model.formulation
    assert loaded.formulation == other.formulation


REQUESTS = {
    "defaults": {},
    "strict": {"missing": "error", "formulation": mb.Marginal(max_dense=7)},
    "centred": {"formulation": {"g": mb.Centered()}, "missing": "drop"},
    "whole": {"formulation": mb.NonCentered(), "priors": {"sigma": mb.HalfNormal(3)}},
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_loaded_model_was_asked_for_what_the_first_was(fit, tmp_path, name):
    asked = REQUESTS[name]
    first = mb.Model(
        "y ~ x + offset(twice(x)) + (x | g)", fit.model.data, **asked, functions=FUNCTIONS
    )
    post = replace(fit.posterior, spec=first.spec, run=Run(fit.settings, first.formulation))
    loaded = mb.load(mb.Fit(first, post).save(tmp_path / "f.nc"), functions=FUNCTIONS)
    again = loaded.model
    assert again.asked == first.asked
    assert again.asked == keep.Asked(asked.get("formulation", "auto"), asked.get("missing", "drop"))
    assert again.formulation == first.formulation
    assert again.spec.priors.given == asked.get("priors", {})
    assert set(again.functions) == {"twice"}
    assert repr(again) == repr(first)
    gaps = again.data.assign(x=again.data["x"].where(again.data["x"] > 0))
    strict = again.asked.missing == "error"
    with pytest.raises(mb.DataError) if strict else contextlib.nullcontext():
        mb.Model("y ~ x + (x | g)", gaps, missing=again.asked.missing)


FUNCTIONS = {"twice": lambda x: 2 * x}


def test_what_was_kept_of_the_effects_is_asked_for_again(fit, tmp_path):
    short = fit.model.fit(**SHORT, effects="summary")
    loaded = mb.load(short.save(tmp_path / "f.nc"))
    assert loaded.settings == short.settings
    assert loaded.settings.effects == "summary"
    again = loaded.model.fit(**vars(loaded.settings))
    assert again.idata["posterior"].equals(short.idata["posterior"])
    assert "ranef_summary" in again.idata.children
    assert not again.posterior.has_ranef("g")


def test_a_joint_formulation_comes_back(fit, tmp_path):
    data = fit.model.data.assign(y=(fit.model.data["y"] > 0).astype(int))
    model = mb.Model("y ~ x + (1 | g)", data, family="bernoulli")
    assert model.formulation.engine.name == "joint"
    loaded = mb.load(model.fit(**SHORT).save(tmp_path / "f.nc"))
    assert loaded.model.formulation == loaded.formulation == model.formulation


def test_the_cache_gives_the_users_own_model(fit, tmp_path):
    def again():
        data = fit.model.data.assign(x=fit.model.data["x"] + 1)
        model = mb.Model("y ~ x + (1 | g)", data, formulation=mb.Marginal(max_dense=np.int64(7)))
        return model, model.fit(**SHORT, cache=tmp_path)

    (_, first), (model, second) = again(), again()
    assert second.idata["posterior"].equals(first.idata["posterior"])
    assert len(list(tmp_path.iterdir())) == 1
    assert second.model is model
    assert second.formulation == model.formulation


@pytest.mark.parametrize("kind", [np.int64, np.int8, np.uint16])
def test_numbers_of_numpy_are_kept_like_pythons(fit, tmp_path, kind):
    given = {
        "draws": kind(20), "tune": kind(50), "chains": kind(1), "cores": kind(1), "seed": kind(3),
        "max_treedepth": kind(9), "target_accept": np.float32(0.9), "progress": np.False_,
    }  # fmt: skip
    asked = {
        "formulation": mb.Marginal(kind(9)), "priors": {"fixef": mb.Normal(np.float32(0), kind(3))},
    }  # fmt: skip
    found = mb.fit("y ~ x + (1 | g)", fit.model.data, **asked, **given, cache=tmp_path)
    assert mb.load(found.save(tmp_path / "f.nc")).settings == found.settings
    assert {type(v) for v in vars(found.settings).values()} == {int, float, bool, str}


# ---- damage -------------------------------------------------------------------------------------


def test_no_damage_is_passed_over(path):
    content = path.read_bytes()
    rng = np.random.default_rng(1)
    for i in range(60):
        damaged, at = bytearray(content), rng.integers(len(content))
        if i % 3 == 0:
            damaged[at] ^= 1 << rng.integers(8)
        elif i % 3 == 1:
            damaged[at : at + 512] = rng.bytes(min(512, len(content) - at))
        else:
            damaged = damaged[:at]
        path.write_bytes(damaged)
        with pytest.raises(mb.FileError):
            mb.load(path)


def test_damage_that_was_sealed_again_is_a_file_error_or_harmless(path):
    content = path.read_bytes()
    rng = np.random.default_rng(2)
    for _ in range(5):
        damaged = bytearray(content)
        for at in rng.integers(len(content), size=3):
            damaged[at] ^= 1 << rng.integers(8)
        path.write_bytes(sealed(bytes(damaged)))
        with contextlib.suppress(mb.FileError):
            assert isinstance(mb.load(path), mb.Fit)


def put(*keys, value):
    """A change of a description: one value replaced, or taken out where it is None."""

    def change(meta):
        for key in keys[:-1]:
            meta = meta[key]
        if value is DELETE:
            del meta[keys[-1]]
        else:
            meta[keys[-1]] = value

    return change


DELETE = object()
DEEP = []
for _ in range(600):
    DEEP = [DEEP]

TOP = ["formula", "family", "link", "priors", "settings", "versions", "extra", "frame"]
INNER = [
    *(("settings", name) for name in ("draws", "seed", "sampler", "progress", "target_accept")),
    *(
        ("extra", name)
        for name in ("formulation", "asked", "note", "others", "intercept_at_means", "units")
    ),
    *(("extra", "formulation", name) for name in ("groups", "engine")),
    *(("extra", "formulation", "groups", *g) for g in (["g"], ["g", "name"], ["g", "max_dense"])),
    ("extra", "asked", "formulation"), ("extra", "asked", "formulation", "name"),
    ("extra", "asked", "missing"), ("settings", "effects"),
    *(("frame", name) for name in ("columns", "index", "names")),
    ("frame", "columns", 0, "key"), ("frame", "columns", 0, "dtype"),
    ("frame", "columns", 0, "kind"), ("frame", "columns", 0, "name"), ("frame", "columns", 0),
    ("frame", "index", "names"),
]  # fmt: skip
PLACES = [*((name,) for name in TOP), *INNER]
VALUES = {
    "absent": DELETE, "list": [1, "a", None], "deep": DEEP, "object": {"a": {"b": 1}},
    "number": -7.5, "text": "\0 nonsense", "huge": 10**30,
}  # fmt: skip
ALLOWED = {  # changes to something that a fit can have
    ("text", ("extra", "note")), ("huge", ("settings", "draws")),
    *((kind, ("extra", "formulation", "groups", "g", "max_dense")) for kind in ("huge", "absent")),
}  # fmt: skip


@pytest.mark.parametrize("kind", VALUES)
def test_descriptions_that_were_edited_are_refused(load, kind):
    for place in PLACES:
        if (kind, place) in ALLOWED:
            continue
        with pytest.raises(mb.FileError):
            pytest.fail(f"{place} as {kind}: {load(put(*place, value=VALUES[kind]))!r:.0}")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("formula", value="y ~ x + (x | h)"), "made again"),
        (put("formula", value="y ~ x + (x | g"), "could not be read"),
        (put("formula", value="y ~ f(x) + (x | g)"), "functions="),
        (put("formula", value="y ~ 1 + (1 | g)"), r"cor_g|sd_g|made again"),
        (put("formula", value="y ~ x + z + (x | g)"), "made again"),
        (
            put("formula", value=f"y ~ ({' + '.join(['x'] * 40)})**10 + (x | g)"),
            "could not be read",
        ),
        (put("formula", value="y ~ (x*g*y*x*g*y)**10 + (x | g)"), "could not be read"),
        (put("formula", value=f"y ~ {'(' * 5000}x{')' * 5000}"), "could not be read"),
        (put("family", value="weibull"), "made again"),
        (put("family", value="poisson"), "made again"),
        (put("link", value="cauchit"), "made again"),
        (put("priors", value={"sigma": {"prior": "Prior"}}), "unknown prior"),
        (put("priors", value={"sigma": {"prior": "Normal", "mu": 0}}), "made again"),
        (put("priors", value={"sigma": {"prior": "__import__", "name": "os"}}), "unknown prior"),
        (put("priors", value={"zeta": {"prior": "Normal", "mu": 0, "sigma": 1}}), "zeta"),
        (put("settings", "draws", value=0), "must be at least 1"),
        (put("settings", "seed", value=2**40), "too large"),
        (put("settings", "sampler", value="stan"), "valid samplers"),
        (put("settings", "more", value=1), "'more', which is not known"),
        (
            put("extra", "formulation", "groups", "g", "name", value="Quadratic"),
            "'Quadratic' is un",
        ),
        (put("extra", "library", value="os"), "a library that is not known"),
        (put("extra", "formulation", "groups", value={}), "other grouping factors"),
        (put("extra", "asked", "formulation", "max_dense", value=-1), "max_dense=-1"),
        (put("extra", "others", value=["sigma ~ x"]), "no sigma_Intercept"),
        (put("extra", "others", value=["tau ~ x"]), "tau"),
        (put("frame", "index", value={"names": [None], "range": [0, 10**12, 1]}), "rows of"),
        (put("frame", "columns", 0, "dtype", value="V9999"), "not known"),
        (lambda meta: [meta], "not an object"),
        (lambda meta: "text", "not an object"),
    ],
)
def test_what_was_edited_is_named(load, change, said):
    with pytest.raises(mb.FileError, match=said):
        load(change)


def set_draws(name, values):
    def change(tree):
        tree["posterior"] = xr.DataTree(tree["posterior"].to_dataset().assign({name: values(tree)}))

    return change


def nan(tree):
    draws = tree["posterior"]["ranef_g"].copy(deep=True)
    draws[1, 2, 3, 0] = np.nan
    return draws


def shorter(dim):
    def change(tree):
        tree["posterior"] = xr.DataTree(tree["posterior"].to_dataset().isel({dim: slice(None, -1)}))

    return change


def without(group, name):
    def change(tree):
        tree[group] = xr.DataTree(tree[group].to_dataset().drop_vars(name))

    return change


def no_group(name):
    return lambda tree: tree.__delitem__(name)


def a_format_of_text(tree):
    tree[GROUP].attrs["format"] = "two"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_draws("ranef_g", nan), "1 of the 960 draws of ranef_g are not finite"),
        (set_draws("sigma", lambda t: t["posterior"]["sigma"] * np.inf), "60 of the 60 draws"),
        (set_draws("sigma", lambda t: t["posterior"]["sigma"].astype(str)), "not numbers"),
        (set_draws("sigma", lambda t: t["posterior"]["sd_g"]), "sigma is"),
        (set_draws("sigma", lambda t: t["posterior"]["sigma"].isel(chain=0)), "sigma is 30 draw"),
        (shorter("g"), "ranef_g is .*7 g.*8 g"),
        (shorter("g_term"), "1 g_term"),
        (shorter("draw"), "29 of draw|30 of draw"),
        (without("posterior", "sigma"), "no sigma"),
        (without("posterior", "ranef_g"), "no ranef_g"),
        (without(GROUP, "c0"), "KeyError"),
        (no_group("posterior"), "no draws"),
        (no_group(GROUP), r"not one written by a fit's save\(\)"),
        (a_format_of_text, "ValueError"),
    ],
)
def test_draws_that_are_not_the_models_are_refused(load, change, said):
    with pytest.raises(mb.FileError, match=said):
        load(tree=change)


def test_a_fit_whose_draws_are_not_finite_is_not_saved(fit, tmp_path):
    idata = fit.idata.copy(deep=True)
    idata["posterior"]["sigma"][0, 0] = np.nan
    broken = mb.Fit(fit.model, replace(fit.posterior, idata=idata))
    with pytest.raises(mb.FileError, match="1 of the 60 draws of sigma are not finite"):
        broken.save(tmp_path / "f.nc")
    assert not list(tmp_path.iterdir())


def test_an_older_format_says_who_wrote_it(load):
    def older(tree):
        tree[GROUP].attrs["format"] = 1

    with pytest.raises(mb.FileError, match=r"format 1, written by mixedbayes 0\.0\.9; .* format 3"):
        load(put("versions", "mixedbayes", value="0.0.9"), older)


@pytest.mark.parametrize("path", [None, 3, b"fit.nc", "fit\0.nc", "n" * 300, "", "/dev/null"])
def test_what_names_no_file_is_refused(fit, tmp_path, path):
    place = tmp_path / path if isinstance(path, str) and path else path
    for act in (mb.load, fit.save):
        with pytest.raises(mb.FileError):
            act(place)
    assert not list(tmp_path.iterdir())
