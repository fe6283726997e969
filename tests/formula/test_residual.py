"""The structure of residuals as text."""

import pandas as pd
import pytest

from mixedbayes.design import build_design
from mixedbayes.errors import FormulaError
from mixedbayes.formula import parse, parse_residual, with_residual


@pytest.mark.parametrize(
    ("text", "structure", "of", "factors", "by"),
    [
        ("ar1(visit | patient)", "ar1", "visit", ("patient",), ""),
        ("unstr(visit|patient,by=arm)", "us", "visit", ("patient",), "arm"),
        ("us(C(visit) | site:patient)", "us", "C(visit)", ("site", "patient"), ""),
        ("cosy(patient)", "homcs", "", ("patient",), ""),
        ("cosy(visit | patient)", "homcs", "visit", ("patient",), ""),
        ("homcs(a:b, by=arm)", "homcs", "", ("a", "b"), "arm"),
        ("ou(`odd time` | `the group`)", "ou", "`odd time`", ("the group",), ""),
        ("toep(visit | g)", "toep", "visit", ("g",), ""),
        ("hetar1(log(t) | g)", "hetar1", "log(t)", ("g",), ""),
    ],
)
def test_what_is_said(text, structure, of, factors, by):
    found = parse_residual(text)
    assert (found.structure, found.of, found.factors, found.by) == (structure, of, factors, by)
    assert found.group == ":".join(factors)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a text"),
        (3, "not int"),
        ("ar2(visit | g)", r"`ar2` is no structure(?s:.*)\^\^\^(?s:.*)did you mean ar1"),
        ("corCAR1(form = ~ t | g)", r'write residual="ou\(t \| g\)"'),
        ("ar(time = week, gr = id, p = 1)", r'write residual="ar1\(week \| id\)"'),
        ("corCompSymm(form = ~ 1 | id)", r'write residual="cosy\(id\)"'),
        ("corSymm(form = ~ 1 | id)", r'write residual="unstr\(visit \| id\)"'),
        ("cosy(gr = id)", r'write residual="cosy\(id\)"'),
        ("ma(week | id)", r'residual="arma11\(week \| id\)"'),
        ("varIdent(form = ~ 1 | f)", r"sigma ~ 0 \+"),
        ("corGaus(form = ~ t | g)", r'in space are not offered.*residual="ou\(t \| g\)"'),
        ("(1 | g)", r"stand in the formula, y ~ x \+ \(1 \| g\)"),
        ("~ ar1(t | g)", r'leave out the `~`: residual="ar1\(t \| g\)"'),
        ("ar1(t | g) + (1 | g)", "keep one; effects of groups go into the formula"),
        ("diag(visit | g)", "no structure"),
        ("ar1(visit)", r"ar1\(visit \| patient\) where visit is their order"),
        ("car1(t | g)", r'write residual="ou\(t \| g\)"'),
        ("ar1(visit | gr(id, cov=A))", r"\(1 \| gr\(id, cov=A\)\)"),
        ("ar1(patient)", r"in an order(?s:.*)\^{7}(?s:.*)ar1\(visit \| patient\)"),
        ("ar1", "of the rows of groups"),
        ("ar1()", "a variable and a grouping factor"),
        ("ar1(visit || g)", "one structure"),
        ("ar1(visit + 1 | g)", "one variable"),
        ("ar1(visit | a/b)", r"one factor(?s:.*)write ar1\(visit \| a:b\)"),
        ("ar1(visit | g, cov=TRUE)", "by= alone"),
        ("ar1(visit | g, by=a:b)", "by= is a column"),
        ("ar1(visit | g) + 1", "residuals have one structure"),
        ("ar1(visit | g) x", "missing operator"),
        ("ar1(visit | g", "never closed"),
        ("unstr(time=week, gr=id)", r'write residual="unstr\(week \| id\)"'),
        ("y ~ ar1(visit | g)", "no structure"),
    ],
)
def test_what_is_wrong_is_shown_in_its_place(text, said):
    with pytest.raises(FormulaError, match=said):
        parse_residual(text)


def test_a_formula_carries_it():
    formula = with_residual(parse("y ~ x"), "ar1(visit | g)")
    assert formula.residual.text == "ar1(visit | g)"
    assert with_residual(parse("y ~ x"), None).residual is None


@pytest.mark.parametrize(
    ("term", "said"),
    [
        ("ar(time = week, gr = id)", r"ar1\(week \| id\)"),
        ("cosy(gr = id)", r"cosy\(id\)"),
        ("corAR1(form = ~ week | id)", r"ar1\(week \| id\)"),
        ("varIdent(form = ~ 1 | f)", "sigma ~ 0"),
    ],
)
def test_in_a_formula_their_arguments_are_read(term, said):
    with pytest.raises(FormulaError, match=said):
        parse(f"y ~ x + {term}")


@pytest.mark.parametrize("term", ["ar(time, gr=g)", "unstr(time, g)", "cosy(g)", "arma(time, g)"])
def test_in_a_formula_the_words_of_others_lead_there(term):
    d = pd.DataFrame({"y": [1.0, 2, 4], "time": [1, 2, 3], "g": list("aab")})
    with pytest.raises(FormulaError, match='residual="'):
        build_design(f"y ~ 1 + {term}", d)
