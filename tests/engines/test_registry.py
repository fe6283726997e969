"""A further engine is one class and one line of the registry; every other stage takes it."""

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.engines import registry
from mixedbayes.engines.base import Engine, Unsuitable
from mixedbayes.engines.joint import JointEngine
from mixedbayes.model.formulations import Formulation
from mixedbayes.report.sections import session_code
from mixedbayes.report.source import Source
from mixedbayes.sample.result import SamplingResult

SHORT = {"draws": 30, "tune": 50, "chains": 2, "seed": 1, "progress": False}


@dataclass(frozen=True)
class Grid(Formulation):
    points: int = 5


@dataclass(frozen=True)
class GridEngine(Engine):
    """Takes intercepts of one grouping factor; here by way of the joint engine."""

    name: ClassVar[str] = "grid"
    formulations: ClassVar[tuple[type[Formulation], ...]] = (Grid,)
    reason: ClassVar[str] = "one intercept for each level is summed over a grid"

    def obstacle(self, spec) -> str | None:
        terms = [g.terms for g in spec.design.mu.groups]
        return None if len(terms) == 1 and len(terms[0]) == 1 else "too much for a grid"

    def plan(self, spec, chosen) -> str:
        return f"{chosen.groups['g'].points} points for each level"

    def sample(self, spec, settings, chosen) -> SamplingResult:
        return JointEngine().sample(spec, settings, chosen)


@pytest.fixture
def with_grid(monkeypatch):
    first, _, *others = registry.ENGINES
    monkeypatch.setattr(registry, "ENGINES", (first, GridEngine(), *others))


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(8), 6)
    x = rng.normal(size=48)
    y = rng.random(48) < 1 / (1 + np.exp(-x - rng.normal(size=8)[g]))
    return pd.DataFrame({"y": y.astype(int), "x": x, "g": np.array(list("abcdefgh"))[g]})


def model(data, formula="y ~ x + (1 | g)", **given):
    return mb.Model(formula, data, **{"family": "bernoulli", **given})


def test_it_is_chosen_in_its_place(with_grid, data):
    found = model(data).formulation
    assert (found.engine, found.groups) == (GridEngine(), {"g": Grid()})
    assert found.reason == (
        "the bernoulli family has no closed form; one intercept for each level is summed over "
        "a grid"
    )
    slopes = model(data, "y ~ x + (x | g)").formulation
    assert slopes.engine.name == "joint"
    assert "no closed form; too much for a grid; each level" in slopes.reason
    assert model(data, family="gaussian").formulation.engine.name == "marginal"


def test_it_is_asked_for_by_its_object_and_refused_with_its_obstacle(with_grid, data):
    asked = model(data, formulation=Grid(9)).formulation
    assert (asked.groups, asked.reason) == ({"g": Grid(9)}, "as asked")
    with pytest.raises(mb.ModelError, match=r"Grid\(\) is not possible here: too much for a"):
        model(data, "y ~ x + (x | g)", formulation=Grid())
    with pytest.raises(mb.ModelError, match=r"mb.Marginal\(\), mb.Grid\(\), mb.Parti"):
        model(data, formulation="quadratic")
    with pytest.raises(mb.ModelError, match=r"formulation of g: .*; Grid\(\) deals"):
        model(data, formulation={"g": Grid()})
    with pytest.raises(mb.SamplingError, match=r"needs formulation=Marginal\(\)"):
        model(data).fit(effects="summary")


def test_every_stage_takes_it(with_grid, data, tmp_path):
    asked = model(data, formulation=Grid(9))
    said = re.sub(r"\s+", " ", str(asked))
    assert "sampling Grid(): as asked" in said
    assert "plan 9 points for each level" in said
    fit = asked.fit(**SHORT, cache=tmp_path)
    assert "nutpie, seed 1, Grid()" in str(fit.summary())
    source = Source(fit.posterior, {}, prob=0.95)
    assert "formulation=mb.Grid(points=9)," in session_code(source)
    assert asked.pymc.free_RVs
    for loaded in (mb.load(fit.save(tmp_path / "f.nc")), asked.fit(**SHORT, cache=tmp_path)):
        assert loaded.formulation == loaded.model.formulation == asked.formulation
        assert loaded.idata["posterior"].equals(fit.idata["posterior"])


def test_a_file_of_an_engine_that_is_not_there_says_so(data, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "ENGINES", (GridEngine(), *registry.ENGINES[1:]))
    path = model(data).fit(**SHORT).save(tmp_path / "f.nc")
    monkeypatch.undo()
    with pytest.raises(mb.FileError, match="its engine 'grid' is unknown"):
        mb.load(path)


def test_what_was_asked_for_is_not_left_for_another_engine(with_grid, data, monkeypatch):
    """Whatever its reason is called."""

    def sample(self, spec, settings, chosen):
        raise Unsuitable("the grid is too coarse")

    monkeypatch.setattr(GridEngine, "sample", sample)
    with pytest.raises(Unsuitable, match="too coarse"):
        model(data, formulation=Grid(9)).fit(**SHORT)
    monkeypatch.setattr(registry, "ENGINES", registry.ENGINES[1:])  # the grid is the first one
    monkeypatch.setattr(GridEngine, "reason", "as asked it is summed")
    found = model(data).fit(**SHORT)
    assert found.formulation.engine.name == "joint"
    assert found.formulation.reason.startswith("the grid is too coarse; each level")
    assert not found.formulation.asked
