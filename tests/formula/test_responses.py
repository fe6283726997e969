"""Several responses on the left side."""

import pytest

from mixedbayes.errors import FormulaError
from mixedbayes.formula import parse_all
from mixedbayes.formula.responses import correlated, each, responses


def test_columns_that_mv_joins_are_responses():
    f = parse_all("mv(weight, `body height`) ~ age + (1 | p | child)")
    assert responses(f) == ("weight", "body height")
    assert correlated(f)
    assert not correlated(parse_all("mv(a, b, rescor=False) ~ x"))
    assert responses(parse_all("log(weight) ~ age")) == ()


def test_each_response_has_the_first_right_side_unless_it_has_its_own():
    f = parse_all(
        ["mv(a, b, c) | weights(w) ~ x + (1 | p | g)", "b ~ z + offset(o)", "sigma ~ x",
         "sigma_c ~ z"]
    )  # fmt: skip
    a, b, c = each(f)
    assert [own.text for own in (a, b, c)] == [
        "a ~ x + (1 | p | g)", "b ~ z + offset(o)", "c ~ x + (1 | p | g)",
    ]  # fmt: skip
    assert [own.response.text for own in (a, b, c)] == ["a", "b", "c"]
    assert (a.fixed, b.fixed, c.fixed) == ("1 + x", "1 + z", "1 + x")
    assert (b.random, b.offsets) == ((), ("o",))
    assert [[(o.of, o.fixed) for o in own.others] for own in (a, b, c)] == [
        [("sigma", "1 + x")], [("sigma", "1 + x")], [("sigma", "1 + z")],
    ]  # fmt: skip
    assert {own.response.weights for own in (a, b, c)} == {"w"}


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("mv(a) ~ x", "joins several responses"),
        ("mv(a, log(b)) ~ x", "columns by name"),
        ("mv(a, a) ~ x", "`a` is joined twice"),
        ("mv(a, b, rescor=0) ~ x", "rescor=False"),
        ("mv(a, b, cor=True) ~ x", "rescor=False"),
        ("mv(a, b) | mi() ~ x", "of which a row may lack some as it is"),
        (["mv(a, b) ~ x", "b | mi() ~ x"], "of which a row may lack some as it is"),
        (["mv(a, b) ~ x", "sigma | weights(w) ~ x"], "name of a response or a parameter"),
        ("mv(a, cbind(b, c)) ~ x", "columns by name"),
        (["mv(a, b) ~ x", "c ~ x"], "neither a response of"),
        (["mv(a, b) ~ x", "sigma_c ~ x"], "a, b, sigma, sigma_a, sigma_b"),
    ],
)
def test_what_is_not_understood_is_answered_with_its_place(formula, said):
    with pytest.raises(FormulaError, match=said):
        each(parse_all(formula))
