"""Which effects over a factor an id correlates across formulas."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from mixedbayes.design.build import build_design
from mixedbayes.design.checks import check_across
from mixedbayes.errors import DataError
from mixedbayes.terms.unstructured import Unstructured

FORMULAS = [
    "y ~ x + (x | p | g) + (0 + z | g) + (1 | h)",
    "sigma ~ (1 | q | g) + (0 + x | p | g) + (1 | h)",
    "nu ~ (1 | q | g)",
]


@dataclasses.dataclass(frozen=True)
class Other(Unstructured):
    """Any other structure of correlations."""

    name = "other"


def frame(n=24):
    rng = np.random.default_rng(5)
    data = pd.DataFrame(rng.normal(size=(n, 3)), columns=["y", "x", "z"])
    return data.assign(g=np.arange(n) % 6, h=np.arange(n) % 5)


def test_all_effects_over_the_factor_are_one_and_an_id_is_a_block():
    design = build_design(FORMULAS, frame())
    (a,) = design.across
    assert a.name == "g"
    assert design.joined("g") is a
    assert design.joined("h") is None
    assert a.terms == ("Intercept", "x", "z", "sigma_Intercept", "sigma_x", "nu_Intercept")
    assert a.blocks == ((0, 1, 4), (2,), (3, 5))
    assert a.places == {"mu": slice(0, 3), "sigma": slice(3, 5), "nu": slice(5, 6)}
    columns = [g.Z for _, g in a.members]
    np.testing.assert_array_equal(a.effects.Z, np.concatenate(columns, axis=1))
    assert [design.formulated(*of) for of in (("sigma", "g"), ("sigma", "h"), ("mu", "h"))] == [
        "g", "sigma_h", "h",
    ]  # fmt: skip
    assert design.each(lambda p: p).across[0].terms == a.terms


def test_ids_that_meet_no_other_join_nothing():
    for formulas in (["y ~ (x | p | g)", "sigma ~ (1 | q | g)"], ["y ~ (x | p | g)"]):
        design = build_design(formulas, frame())
        assert design.across == ()
        notes = [note for note in design.notes if note.startswith("the id ")]
        assert len(notes) == len(formulas)
    nested = build_design(["y ~ (1 | p | g/h)", "sigma ~ (1 | p | g)"], frame())
    assert [a.name for a in nested.across] == ["g"]
    assert "the id p of effects over g:h stands in one formula alone" in nested.notes[-1]


def test_the_covariance_beside_an_id_has_no_structure():
    design = build_design(["y ~ (1 | p | g)", "sigma ~ (1 | p | g)", "nu ~ (x | g)"], frame())
    *others, nu = design.predictors
    odd = dataclasses.replace(
        nu, groups=(dataclasses.replace(nu.groups[0], covariance=Other()),)
    )  # fmt: skip
    with pytest.raises(DataError, match=r"those on nu have the covariance other\(\.\.\. \| g\)"):
        check_across([*others, odd])
