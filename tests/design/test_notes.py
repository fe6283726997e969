"""What the user should know, in words."""

import numpy as np
import pandas as pd

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
