"""What the user should know, in words."""

import numpy as np
import pandas as pd
import pytest

from mixedbayes.design import build_design


def frame(n: int = 24) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "year": 2000.0 + np.arange(n) // 4,
            "g": np.arange(n) % 6,
            "few": np.arange(n) % 3,
            "measured": rng.normal(size=n),
            "row": np.arange(n),
        }
    )


def notes(formula: str, **changes: object) -> tuple[str, ...]:
    return build_design(formula, frame().assign(**changes)).notes


def test_nothing_to_say():
    assert notes("y ~ x + (x | g)") == ()


def test_few_levels():
    (note,) = notes("y ~ x + (1 | few)")
    assert note.startswith("few has 3 levels; under 5")


def test_levels_with_one_row():
    g = [*range(5), *[5] * 19]
    assert notes("y ~ x + (1 | g)", g=g) == ("5 of 6 levels of g have one row",)


def test_a_level_in_each_row():
    assert notes("y ~ x + (1 | row)") == ("row has a level in each of the 24 rows",)


def test_measurement_as_grouping_factor():
    first, second = notes("y ~ x + (1 | measured)")
    assert first == "measured has a level in each of the 24 rows"
    assert "24 different fractional numbers in 24 rows" in second


def test_slope_far_from_zero():
    (note,) = notes("y ~ year + (year | g)")
    assert "year lies far from zero (2000 to 2005)" in note
    assert "center(year)" in note


def test_slope_near_zero_or_without_intercept_is_fine():
    assert notes("y ~ year + (center(year) | g)") == ()
    assert notes("y ~ year + (0 + year | g)") == ()
    assert notes("y ~ year + (1 | g)") == ()


def test_indicators_are_not_far_from_zero():
    rare = np.where(np.arange(24) == 0, "a", "b")
    assert notes("y ~ 1 + (rare | g)", rare=rare) == ()
    assert notes("y ~ 1 + (flag | g)", flag=rare == "b") == ()


def test_constant_response():
    assert notes("y ~ x", y=3.0) == ("y is 3 in every row",)


def test_slope_of_a_property_of_the_levels():
    (note,) = notes("y ~ 1 + (z + x | g)", z=np.arange(24) % 6 - 2.0)
    assert note.startswith("z never changes within a level of g")
    assert notes("y ~ 1 + (0 + z | g)", z=np.arange(24) % 6 - 2.0) == ()


# coding, where R has another

FLAG = np.arange(24) % 5 < 2


@pytest.mark.parametrize("flag", [FLAG, pd.array(FLAG, dtype="boolean"), FLAG.astype(object)])
def test_booleans_where_r_has_an_effect_for_each_value(flag):
    for formula, where in {
        "y ~ 0 + flag + (1 | g)": "the population part",
        "y ~ x + (0 + flag | g)": "(0 + flag | g)",
        "y ~ x + x:flag + flag:f + (1 | g)": "the population part",
    }.items():
        (note,) = notes(formula, flag=flag, f=list("abc") * 8)
        assert note.startswith(f"flag holds True and False, which count as 1 and 0 in {where};")
        assert note.endswith("C(flag) gives those")
    for formula in ("y ~ flag*f + (1 | g)", "y ~ x*flag + (flag | g)", "y ~ x + (x:flag + x | g)"):
        assert notes(formula, flag=flag, f=list("abc") * 8) == ()


def test_the_remedy_gives_an_effect_for_each_value():
    design = build_design("y ~ x + (0 + C(flag) | g)", frame().assign(flag=FLAG))
    assert design.mu.groups[0].terms == ("C(flag)[False]", "C(flag)[True]")
    assert design.notes == ()


def test_ordered_predictors_are_not_polynomials():
    dose = pd.Categorical(["lo", "mid", "hi"] * 8, ["none", "lo", "mid", "hi"], ordered=True)
    (note,) = notes("y ~ x + dose + (1 | g)", dose=dose)
    assert note.startswith("dose is ordered: each of its levels is compared with 'lo'")
    design = build_design("y ~ C(dose, contr.poly)", frame().assign(dose=dose))
    assert [t.rpartition("[")[2] for t in design.mu.terms] == [".L]", ".Q]"]
    assert design.notes == ()
    assert notes("y ~ x + dose + (1 | g)", dose=pd.Categorical(dose, ordered=False)) == ()
