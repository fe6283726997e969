"""Models for the sampler: other data of the same structure need no compiling."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.model.coords import dims_of
from mixedbayes.sample import compiled
from mixedbayes.sample.nutpie import run_nuts
from mixedbayes.sample.settings import Settings

TERMS = "x + c + (x | g)"
CASES = {
    "gaussian": f"y | weights(w) ~ {TERMS} + offset(o)",
    "student_t": f"y ~ {TERMS}",
    "lognormal": f"exp(y) | weights(w) ~ {TERMS}",
    "gamma": f"exp(y) | weights(w) ~ {TERMS}",
    "beta": f"share ~ {TERMS}",
    "bernoulli": f"y > 0 ~ {TERMS}",
    "binomial": f"count | trials(n) ~ {TERMS}",
    "poisson": f"count | weights(w) ~ {TERMS} + offset(o)",
    "negative_binomial": f"count ~ {TERMS}",
    "cumulative": "count ~ x + (1 | g)",
}
SPREAD = ["y ~ 1 + (1 | g)", "sigma ~ x + (1 | g)"]


def frame(seed, rows=60):
    """Rows of other data: other numbers, other scales, other levels of each row."""
    rng = np.random.default_rng(seed)
    g = rng.permutation(np.arange(rows) % 5)
    y = rng.normal(seed, 1 + seed, rows)
    return pd.DataFrame(
        {
            "y": y,
            "x": rng.normal(3, 1 + seed, rows),
            "c": rng.permutation(["a", "b"] * (rows // 2)),
            "g": [f"{seed}{k}" for k in g],
            "count": rng.permutation(np.arange(rows) % 4),
            "n": rng.integers(4, 9, rows),
            "share": rng.uniform(0.1, 0.9, rows),
            "w": rng.integers(1, 4, rows).astype(float),
            "o": rng.normal(size=rows),
        }
    )


def for_the_sampler(formula, family, data, formulation):
    model = mb.Model(formula, data, family=family, formulation=formulation)
    chosen, keep = model.formulation, list(dims_of(model.spec))
    return model, chosen.engine.with_effects(model.spec, chosen, reusable=True), keep


def structures(formula, family, formulation):
    for seed, rows in ((0, 60), (1, 80)):
        _, model, keep = for_the_sampler(formula, family, frame(seed, rows), formulation)
        yield compiled._structure(model, keep)


@pytest.mark.parametrize("formulation", [mb.NonCentered(), mb.Centered()], ids=str)
@pytest.mark.parametrize("family", CASES)
def test_other_data_are_the_same_structure(family, formulation):
    first, second = structures(CASES[family], family, formulation)
    assert first is not None
    assert first.equals(second)


def test_also_where_a_parameter_has_a_formula():
    first, second = structures(SPREAD, "gaussian", mb.NonCentered())
    assert first.equals(second)


def test_another_formula_is_another_structure():
    formulas = (CASES["student_t"], "y ~ x + (x | g)", "y ~ x + c + (1 | g)")
    a, b, c = (next(structures(f, "student_t", mb.NonCentered())) for f in formulas)
    assert not a.equals(b)
    assert not a.equals(c)


@pytest.mark.parametrize("family", ["gaussian", "binomial"])
def test_both_kinds_of_model_are_one_density(family):
    formulation = mb.NonCentered()
    model, shared, _ = for_the_sampler(CASES[family], family, frame(1), formulation)
    point = shared.initial_point()
    values = [m.compile_logp(mode="FAST_COMPILE")(point) for m in (model.pymc, shared)]
    assert values[0] == pytest.approx(values[1], rel=1e-12)


def test_a_model_that_is_handed_out_depends_on_its_data_alone():
    from pytensor.compile.sharedvalue import SharedVariable
    from pytensor.graph.traversal import ancestors

    model = mb.Model(CASES["poisson"], frame(0), family="poisson", formulation=mb.NonCentered())
    known = {*model.pymc.data_vars, *model.pymc.dim_lengths.values()}
    names = [v.name for v in ancestors([model.pymc.logp()]) if isinstance(v, SharedVariable)]
    assert names
    assert set(names) <= {v.name for v in known}


def test_a_second_fit_compiles_nothing_and_has_its_own_posterior(monkeypatch):
    """Its draws are those of its own density, by PyMC, at its own draws."""
    formula, formulation = "y ~ 1 + (1 | g)", mb.NonCentered()
    mb.fit(
        formula, frame(0), formulation=formulation,
        draws=20, tune=20, chains=1, seed=1, progress=False,
    )  # fmt: skip
    calls = []
    monkeypatch.setattr(compiled, "compile_pymc", lambda *a: calls.append(a))
    model, shared, keep = for_the_sampler(formula, "gaussian", frame(1, 80), formulation)
    fit = model.fit(draws=20, tune=20, chains=1, seed=1, progress=False)
    assert calls == []
    assert list(fit.ranef()["level"]) == [f"1{k}" for k in range(5)]

    again = compiled.compile_model(shared, keep)
    settings = Settings(draws=20, tune=20, chains=1, cores=1, seed=1, target_accept=0.9)
    free = ["u_ranef_g", "Intercept"]
    run = run_nuts(again, settings, keep=[*free, "sd_g", "sigma"])
    logp = model.pymc.compile_logp(mode="FAST_COMPILE")
    for k in range(0, 20, 5):
        point = {name: run.draws[name][0, k] for name in free}
        point |= {f"{name}_log__": np.log(run.draws[name][0, k]) for name in ("sd_g", "sigma")}
        assert logp(point) == pytest.approx(float(run.stats["lp"][0, k]), rel=1e-9)


@pytest.mark.parametrize("group", ["X", "weights", "trials", "offset"])
def test_factors_may_have_the_names_of_a_model_s_data(group):
    data = frame(0).rename(columns={"g": group})
    model = mb.Model(
        f"count | trials(n) ~ x + offset(o) + (1 | {group})",
        data,
        family="binomial",
        formulation=mb.NonCentered(),
    )
    assert model.pymc.coords[f"{group}_level"] == tuple(model.design.mu.groups[0].levels)
