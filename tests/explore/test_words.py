"""Numbers as a page writes them."""

import pytest


@pytest.mark.parametrize(
    ("value", "given", "text"),
    [
        (251.4049, [], "251.4"),
        (0.000012345678, [], "0.00001235"),
        (1000000.4849, [], "1000000"),
        (1000000.4849, [4, 1.0], "1000000.48"),
        (-1000000.4849, [4, 20.0], "−1000000.5"),
        (251.4049, [4, 25.0], "251.4"),
        (0.0, [4, 1.0], "0"),
        (3.2e12, [], "3.2e12"),
        (-6.155e-11, [], "−6.155e−11"),
        (123456789.0, [4, 1000.0], "1.2345679e8"),
        (1234.0, [15], "1234"),
    ],
)
def test_as_many_digits_as_tell_numbers_apart(pooled, value, given, text):
    assert pooled("number", value, *given) == text


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0, 1),
        (999997.2, 1000009.1),
        (-4e12, 6e12),
        (1e-9, 4e-9),
        (2015, 2019),
        (1e9, 1e9 + 0.4),
        (-4.9, 4.9),
    ],
)
@pytest.mark.parametrize("most", [2, 4, 5])
def test_places_along_an_axis_are_told_apart(pooled, low, high, most):
    found = pooled("written", pooled("ticks", low, high, most))
    assert len({text for _, text in found}) == len(found) > 1
    for place, text in found:
        assert float(text.replace("−", "-")) == pytest.approx(place, rel=1e-11, abs=1e-12 * high)
        assert len(text) <= 13
