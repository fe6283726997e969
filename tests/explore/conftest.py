"""Fits whose pages are looked at, each made once, and the page's mathematics without a browser."""

import json
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from fitted_once import fitted_once

import mixedbayes as mb
from mixedbayes.explore.page import SCRIPTS

NASTY = "<script>alert('no')</script>&\"<b>{{"


def _sleep():
    data = mb.load_data("sleepstudy_partial")
    data["Subject"] = data["Subject"].cat.rename_categories({"372": NASTY})
    return "Reaction ~ Days + (Days | Subject)", data, {}


def _simpson():
    return "V2 ~ V1 + (1 | Group)", mb.load_data("simpson"), {}


def _gpa():
    data = mb.load_data("gpa")
    data = data[data["student"].isin(data["student"].unique()[:30])].copy()
    data["when"] = 2000.0 + data["occasion"]
    return "gpa ~ when * sex + (when | student)", data, {}


def _apart():
    return "Reaction ~ Days + (Days || Subject)", mb.load_data("sleepstudy"), {}


def _slope():
    return "PCV ~ time + breed + (0 + time | animal_id)", mb.load_data("ex33"), {}


def _schools():
    return "y | se(sigma) ~ 1 + (1 | school)", mb.load_data("eight_schools"), {}


def _crossed():
    return "diameter ~ 1 + (1 | plate) + (1 | sample)", mb.load_data("penicillin"), {}


def _machines():
    data = mb.load_data("machines")
    data["w"] = np.where(data.index % 3, 1.0, 2.0)
    return "score | weights(w) ~ Machine + offset(0.1 * w) + (1 | Worker)", data, {}


def _bent():
    data = mb.load_data("sleepstudy")
    priors = {"fixef": mb.Normal(1, 30)}
    return "Reaction ~ Days + I(Days**2) + (1 | Subject)", data, {"priors": priors}


def _far():
    """Groups a few units apart, a million from zero, one of which has a name of nothing."""
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(8), 5), np.tile(np.arange(5), 8)
    y = 1e6 + rng.normal(size=8)[g] + 0.5 * x + 0.3 * rng.normal(size=40)
    name = np.array(["", *(f"g{k}" for k in range(1, 8))])[g]
    return "y ~ x + (1 | g)", pd.DataFrame({"y": y, "x": x, "g": name}), {}


MODELS = {
    "sleep": _sleep, "simpson": _simpson, "gpa": _gpa, "apart": _apart, "slope": _slope,
    "schools": _schools, "crossed": _crossed, "machines": _machines, "bent": _bent,
    "far": _far,
}  # fmt: skip


@pytest.fixture(scope="session")
def fitted():
    """A fit by the name of its model, made when first asked for."""
    return fitted_once(MODELS, draws=50, tune=200, chains=2)


@pytest.fixture(scope="session")
def javascript():
    """The functions of the page in an engine of their own: all but what needs a document."""
    engine = pytest.importorskip("quickjs", reason="needs quickjs-ng, of the extra test")
    context = engine.Context()
    for name in SCRIPTS[:-1]:
        source = files("mixedbayes.explore").joinpath("assets", name)
        context.eval(source.read_text(encoding="utf-8"))
    return context


@pytest.fixture(scope="session")
def pooled(javascript):
    """Calls a function of the page by name, without a browser."""

    def call(function, *arguments):
        said = ", ".join(json.dumps(a) for a in arguments)
        # NaN and infinity are no JSON
        text = javascript.eval(
            f"JSON.stringify({function}({said}),"
            "(k, v) => typeof v === 'number' && !isFinite(v) ? String(v) : v)"
        )
        return json.loads(text)

    return call


@pytest.fixture(scope="session")
def page(fitted, tmp_path_factory):
    """Path of a model's page."""
    folder, made = tmp_path_factory.mktemp("pages"), {}

    def get(name):
        if name not in made:
            made[name] = fitted(name).explore(folder / f"{name}.html")
        return made[name]

    return get
