import pytest

from mixedbayes.plots.labels import Labels

UNITS = {"Reaction": "ms", "Days": "day"}


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("Intercept", "Reaction (ms)"),
        ("Days", "Reaction per unit of Days (ms/day)"),
        ("Machine[T.B]", "difference in Reaction (ms)"),
        ("Machine[B]", "Reaction (ms)"),
        ("Days:age", "Reaction per unit of Days : age"),
    ],
)
def test_coefficients_have_units(term, expected):
    assert Labels("Reaction", units=UNITS).coefficient(term) == expected


def test_no_unit_no_brackets():
    assert Labels("Reaction").coefficient("Days") == "Reaction per unit of Days"
    assert Labels("Reaction", units={"Reaction": "ms"}).coefficient("Days").endswith("of Days")


def test_the_link_scale_is_named():
    labels = Labels("TICKS", "log", {"HEIGHT": "m"})
    assert labels.coefficient("Intercept") == "TICKS (log scale)"
    assert labels.coefficient("HEIGHT") == "TICKS per unit of HEIGHT (log scale)"
    assert labels.coefficient("YEAR[T.96]") == "difference in TICKS (log scale)"
    assert labels.observed == "TICKS"


def test_coded_terms_read_as_words():
    assert Labels("y").term("Machine[T.B]") == "Machine B"
    assert Labels("y").term("Machine[T.B]:Days") == "Machine B : Days"
