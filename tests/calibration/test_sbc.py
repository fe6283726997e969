"""Simulation-based calibration of the samplers; minutes, so left out by default."""

import pytest

from benchmarks import sbc
from benchmarks.calibration import store
from benchmarks.calibration.store import Study
from benchmarks.calibration.structures import ALL, RESPONSES, STRUCTURES, TERMS
from benchmarks.calibration.study import SAMPLERS, WRONG, simulate
from benchmarks.sbc import LEVEL, SEED, study
from mixedbayes.engines.base import Unsuitable
from mixedbayes.lab.uniformity import holm

CALIBRATED = [("marginal", s, 500) for s in STRUCTURES]
CALIBRATED += [("marginal", s, 300) for s in TERMS]
CALIBRATED += [("marginal", s, 300) for s in RESPONSES]
CALIBRATED += [("noncentered", s, 100) for s in ("intercept", "slopes", "nested", "crossed")]
CALIBRATED += [("partially_centered", s, 200) for s in (*STRUCTURES, "poisson", "bernoulli")]
FAMILIES = ("zero_inflated_poisson", "beta_binomial", "weibull_censored")
CALIBRATED += [("partially_centered", s, 300) for s in FAMILIES]


def _lowest(sampler: str, structure: str, n: int) -> float:
    """Lowest p-value over all quantities, adjusted for their number."""
    found = Study(sampler, structure, ALL[structure].formula, SEED)
    found = found.added(study(sampler, structure, list(range(n))))
    assert not found.refused
    return min(holm(found.p_values()).values())


@pytest.mark.slow
@pytest.mark.parametrize(("sampler", "structure", "n"), CALIBRATED)
def test_ranks_are_uniform(sampler, structure, n):
    assert _lowest(sampler, structure, n) > LEVEL


@pytest.mark.slow
@pytest.mark.parametrize("sampler", WRONG)
@pytest.mark.parametrize("structure", ["intercept", "slopes"])
def test_a_wrong_sampler_is_found(sampler, structure):
    assert _lowest(sampler, structure, 150) < LEVEL


def test_a_simulation_depends_on_nothing_but_its_number():
    first, again = (simulate("slopes", "marginal", 3, SEED) for _ in range(2))
    other = simulate("slopes", "marginal", 4, SEED)
    assert first.ranks == again.ranks
    assert first.ranks != other.ranks
    assert set(first.ranks) == set(other.ranks)
    assert {"Intercept", "fixef[x]", "sigma", "sd_g[x]", "cor_g", "icc", "log_lik"} <= set(
        first.ranks
    )


def test_a_simulation_of_several_responses_has_the_quantities_of_each_and_of_all():
    found = simulate("mv_gaussian", "marginal", 2, SEED).ranks
    own = {f"{name} {of}" for name in "ab" for of in ("Intercept", "sigma", "icc", "fixef[x]")}
    assert own <= set(found)
    assert {"rho[1, 0]", "cor_g[a_Intercept, b_Intercept]", "log_lik"} <= set(found)


def test_tables_name_the_structure_of_residuals():
    assert ALL["residual_ar1"].said == 'y ~ x + (1 | g), residual="ar1(visit | g)"'
    assert ALL["smooth"].said == ALL["smooth"].formula


def test_data_that_an_engine_refuses_are_counted_and_said(tmp_path, monkeypatch, capsys):
    """They stop no study, are kept with it, and are not tried again."""
    asked = []

    def sample(spec, settings):
        asked.append(spec)
        if len(asked) == 2:
            raise Unsuitable("several modes")
        return SAMPLERS["marginal"](spec, settings)

    monkeypatch.setitem(SAMPLERS, "choosy", sample)
    monkeypatch.setattr(store, "FOLDER", tmp_path)
    sbc.go_on("choosy", "intercept", 3, 1, float("inf"))
    said = capsys.readouterr().out
    assert "choosy intercept, simulation 1 refused: several modes" in said
    assert "n=   2" in said
    kept = store.load(tmp_path / "choosy_intercept.json")
    assert [s.number for s in kept.simulations] == [0, 2]
    assert [(r.number, r.said) for r in kept.refused] == [(1, "several modes")]
    assert kept.missing(3) == []
    assert "1 more were refused" in said
    assert "1 more were refused" in sbc._table([kept])
