"""Smooths in formulas: what is read, and what is refused."""

import pytest

from mixedbayes.errors import FormulaError
from mixedbayes.formula import parse, parse_terms
from mixedbayes.formula.smooths import apart, refuse_inside


def read(text, own=()):
    fixed = parse(f"y ~ {text}").fixed
    return apart(parse_terms(fixed), fixed, own)


def test_what_a_smooth_says():
    rest, (one, two) = read('x + s(log(`odd name`), k=20, bs="cr", by=f) + t2(a, b, k=[4, 6])')
    assert str(rest) == "1 + x"
    assert (one.name, one.k, one.bases) == ("s(log(`odd name`))", (20,), ("cr",))
    assert one.by.name == "f"
    assert (two.name, two.k, two.bases) == ("t2(a, b)", (4, 6), ("cr", "cr"))
    _, (each,) = read('s(x, g, bs="fs", k=5)')
    assert (each.name, each.level.name, each.bases) == ("s(x, g)", "g", ("tp",))
    _, (period,) = read('s(month, bs="cc", knots=[-0.5, 11.5])')
    assert period.knots == (-0.5, 11.5)


@pytest.mark.parametrize("sizes", ["(4, 6)", "[4, 6]", "c(4, 6)"])
def test_lists_are_written_as_in_python_or_r(sizes):
    _, (surface,) = read(f"t2(a, b, k={sizes}, bs=c('cr', 'tp'))")
    assert (surface.k, surface.bases) == ((4, 6), ("cr", "tp"))


def test_a_function_of_the_caller_is_no_smooth():
    rest, found = read("s(x)", own=["s"])
    assert (str(rest), found) == ("1 + s(x)", [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s(x):z", r"only be added(?s:.*)write s\(x, by=z\)"),
        ("z*s(x)", r"only be added"),
        ('s(g, bs="re")', r"write \(1 \| g\)"),
        ('s(x, bs="ad")', r"takes bs= 'tp', 'cr', 'cc', 'ps'"),
        ('s(x, z, bs="cr")', r"s\(x, z\) for a thin plate(?s:.*)t2\(x, z\)"),
        ("s(x, m=2)", r"s\(\) has no m="),
        ('s(x, k="5")', r"k= is a whole number"),
        ("s(x, k=2.5)", r"k= is a whole number"),
        ("s(x, k=[5, 6])", r"k= has 2 values for 1 variable"),
        ("t2(x, z, k=[5, 6, 7])", r"k= has 3 values for 2 variable"),
        ("t2(x)", r"write s\(x\)"),
        ("s(x, x)", r"stands twice"),
        ("s(x, knots=[0, 1])", r'with bs="cr" \(k knots\), bs="cc"'),
        ('s(x, bs="fs")', r'write s\(x, g, bs="fs"\), the factor last'),
        ('s(x, g, bs="fs", by=f)', r"without by= and knots="),
        ('s(x, log(g), bs="fs")', r"a factor, which is a column"),
        ('t2(x, g, bs="fs")', r"bs='fs' is not offered"),
        ("s(x, knots=z)", r"knots= is a list of numbers"),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(FormulaError, match=message):
        read(text)


def test_no_smooth_stands_before_a_bar():
    bar = parse("y ~ (0 + s(x) | g)").random[0]
    with pytest.raises(FormulaError, match=r'write s\(x, g, bs="fs"\) in the place of the bar'):
        refuse_inside(parse_terms(bar.effects), bar.text)
