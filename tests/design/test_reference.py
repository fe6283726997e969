"""Columns, levels and effects are those of lme4: X beta + Z b are its fitted values."""

from pathlib import Path

import numpy as np
import pytest

from mixedbayes.data import load_data
from mixedbayes.design import build_design

REFERENCE = Path(__file__).parents[1] / "reference"
GAUSSIAN = sorted(
    path.stem
    for path in REFERENCE.glob("lme4_*.json")
    if '"family": "gaussian"' in path.read_text(encoding="utf-8")
)


def as_in_r(term: str) -> str:
    """ "recipe[B]:temperature[185]" is "recipeB:temperature185" in R."""
    return "(Intercept)" if term == "Intercept" else term.replace("[", "").replace("]", "")


def effects(group, ranef: dict) -> np.ndarray:
    """lme4's conditional modes in the order of our levels and terms: (J, q)."""
    name = next(key for key in ranef if set(key.split(":")) == set(group.factors))
    table, order = ranef[name], name.split(":")
    labels = group.parts[order].astype(str).agg(":".join, axis=1)
    at = [table["levels"].index(label) for label in labels]
    return np.column_stack([np.array(table["cond_mode"][as_in_r(t)])[at] for t in group.terms])


def test_there_are_references():
    assert len(GAUSSIAN) > 20


@pytest.mark.parametrize("name", GAUSSIAN)
def test_fitted_values_of_lme4(name, reference):
    model = reference(name)
    fit = model["ML"]
    data = load_data(model["csv"].split(".")[0])
    design = build_design(model["formula"], data)
    names = ["(Intercept)"] * design.mu.intercept + [as_in_r(t) for t in design.mu.terms]
    assert names == (fit["fixed"]["names"] or [])
    assert sorted(g.n_levels for g in design.mu.groups) == sorted(fit["ngroups"].values())
    beta = np.array(fit["fixed"]["estimate"] or [], dtype=float)
    ones = np.ones((design.n, int(design.mu.intercept)))
    fixed = np.hstack([ones, design.mu.X]) @ beta
    varying = sum(
        (group.Z * effects(group, fit["ranef"])[group.refs]).sum(axis=1)
        for group in design.mu.groups
    )
    expected = np.array(fit["predict"]["with_group_effects"])
    np.testing.assert_allclose((fixed + varying)[: len(expected)], expected, rtol=1e-9)
