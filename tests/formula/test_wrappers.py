"""`cens(...)` and `trunc(...)` on the left side."""

import pytest

from mixedbayes.errors import FormulaError
from mixedbayes.formula import canonical, parse, parse_all

UNDERSTOOD = {
    "y|cens(c)~x": "y | cens(c) ~ 1 + x",
    "y | cens(c, `upper end`) ~ x": "y | cens(c, `upper end`) ~ 1 + x",
    "y | cens(c, upper=y2) ~ x": "y | cens(c, y2) ~ 1 + x",
    "y | cens(y >= 100) ~ x": "y | cens(y >= 100) ~ 1 + x",
    "y | trunc(0, 100) ~ x": "y | trunc(lower=0, upper=100) ~ 1 + x",
    "y | trunc(-1) ~ x": "y | trunc(lower=-1) ~ 1 + x",
    "y | trunc(upper='my cap') ~ x": "y | trunc(upper=`my cap`) ~ 1 + x",
    "y | trunc(a, b) + cens(c) + weights(w) ~ x": (
        "y | weights(w) + cens(c) + trunc(lower=a, upper=b) ~ 1 + x"
    ),
}
REFUSED = {
    "y | cens() ~ x": "cens() takes how each row is censored",
    "y | cens(1) ~ x": "cens() takes how each row is censored",
    "y | cens(c, d, e) ~ x": "cens() takes how each row is censored",
    "y | cens(c, lower=d) ~ x": "cens() takes how each row is censored",
    "y | cens(c) + cens(d) ~ x": "cens() is given twice",
    "y | trunc() ~ x": "trunc() takes the bounds",
    "y | trunc(1, 2, 3) ~ x": "trunc() takes the bounds",
    "y | trunc(1, lower=2) ~ x": "trunc() takes the bounds",
    "y | trunc(True) ~ x": "trunc() takes the bounds",
    "y | trunc(ub=2) ~ x": "brms's ub= is upper= here",
    "y ~ cens(x)": "cens() belongs to the response",
}


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_one_canonical_text(text):
    assert canonical(text) == UNDERSTOOD[text]
    assert canonical(canonical(text)) == canonical(text)


@pytest.mark.parametrize("text", REFUSED)
def test_refused_with_the_place(text):
    with pytest.raises(FormulaError) as error:
        parse(text)
    assert REFUSED[text] in str(error.value)
    assert "^" in str(error.value)


def test_truncation_of_a_number_is_still_a_function_on_the_right():
    assert parse("y ~ trunc(x)").fixed == "1 + trunc(x)"


def test_a_parameter_has_no_limits():
    with pytest.raises(FormulaError, match="name of a parameter"):
        parse_all(["y ~ x", "sigma | trunc(0) ~ x"])
