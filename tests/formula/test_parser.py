"""The grammar, form by form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixedbayes.errors import FormulaError
from mixedbayes.formula import canonical, parse, parse_all

# formula -> canonical text
FORMS = {
    "y~x": "y ~ 1 + x",
    "y ~ 1": "y ~ 1",
    "y ~ 0 + (1 | g)": "y ~ 0 + (1 | g)",
    "y ~ x - 1": "y ~ 0 + x",
    "y ~ -1 + x": "y ~ 0 + x",
    "y ~ 0 + x + 1": "y ~ 1 + x",
    "y ~ x - 0": "y ~ 1 + x",
    "y ~ x + x": "y ~ 1 + x",
    "y ~ (x + z)": "y ~ 1 + x + z",
    "y ~ a:b + b:a": "y ~ 1 + a:b",
    "y ~ x*z": "y ~ 1 + x + z + x:z",
    "y ~ x*z + w": "y ~ 1 + x + z + w + x:z",
    "y ~ a*b*c - a:b:c": "y ~ 1 + a + b + c + a:b + a:c + b:c",
    "y ~ (a*b + b*c)**3": "y ~ 1 + a + b + c + a:b + b:c + a:c + a:b:c",
    "y ~ (a + b + c)**2": "y ~ 1 + a + b + c + a:b + a:c + b:c",
    "y ~ (a + b)/c": "y ~ 1 + a + b + a:b:c",
    "y ~ (a + b)**2": "y ~ 1 + a + b + a:b",
    "y ~ (a + b)^2 - b": "y ~ 1 + a + a:b",
    "y ~ (a + b):c": "y ~ 1 + a:c + b:c",
    "y ~ a/b": "y ~ 1 + a + a:b",
    "y ~ a + b - (a + b) + c": "y ~ 1 + c",
    "y ~ I(x^2)": "y ~ 1 + I(x**2)",
    "y ~ I( -x+2*( a>=b ) )": "y ~ 1 + I(-x + 2*(a >= b))",
    "y ~ log(x) + scale(x) + center(x)": "y ~ 1 + log(x) + scale(x) + center(x)",
    "y ~ poly(x,2,raw=TRUE)": "y ~ 1 + poly(x, 2, raw=True)",
    "y ~ bs(x, df = 4)": "y ~ 1 + bs(x, df=4)",
    "y ~ bs(x, knots=[1,2.5])": "y ~ 1 + bs(x, knots=[1, 2.5])",
    "y ~ C(x, contr.treatment('b'))": 'y ~ 1 + C(x, contr.treatment("b"))',
    "y ~ C(x, contr.treatment('\"b\"'))": "y ~ 1 + C(x, contr.treatment('\"b\"'))",
    "y ~ offset(log(t)) + x + offset(u)": "y ~ 1 + x + offset(log(t)) + offset(u)",
    "y ~ (x|g)": "y ~ 1 + (1 + x | g)",
    "y ~ (1 + x | g)": "y ~ 1 + (1 + x | g)",
    "y ~ (x||g)": "y ~ 1 + (1 + x || g)",
    "y ~ (0 + x | g)": "y ~ 1 + (0 + x | g)",
    "y ~ (x - 1 | g)": "y ~ 1 + (0 + x | g)",
    "y ~ (x*z | g)": "y ~ 1 + (1 + x + z + x:z | g)",
    "y ~ (1|g) + (0+x|g)": "y ~ 1 + (1 | g) + (0 + x | g)",
    "y ~ (1|a) + (1|b)": "y ~ 1 + (1 | a) + (1 | b)",
    "y ~ ((1|a) + (1|b)) + x": "y ~ 1 + x + (1 | a) + (1 | b)",
    "y ~ (1|a/b)": "y ~ 1 + (1 | a) + (1 | a:b)",
    "y ~ (1|a/b/c)": "y ~ 1 + (1 | a) + (1 | a:b) + (1 | a:b:c)",
    "y ~ (1|a:b/c)": "y ~ 1 + (1 | a:b) + (1 | a:b:c)",
    "y ~ (1|(a:b))": "y ~ 1 + (1 | a:b)",
    "y ~ (x||a/b)": "y ~ 1 + (1 + x || a) + (1 + x || a:b)",
    "`odd y` ~ `x 1`": "`odd y` ~ 1 + `x 1`",
    "'odd y' ~ \"x 1\"": "`odd y` ~ 1 + `x 1`",
    "y ~ log(`x 1`) + (`x 1` | 'g 1')": "y ~ 1 + log(`x 1`) + (1 + `x 1` | `g 1`)",
    "y ~ `x` + (1 | `g`)": "y ~ 1 + x + (1 | g)",
    "y ~ Sepal.Length": "y ~ 1 + Sepal.Length",
    "größe ~ åge": "größe ~ 1 + åge",
    "log(y) ~ x": "log(y) ~ 1 + x",
    "y/100 ~ x": "y/100 ~ 1 + x",
    "s|trials(n) ~ x": "s | trials(n) ~ 1 + x",
    "s|trials(10) ~ x": "s | trials(10) ~ 1 + x",
    "y|weights(1/v) ~ x": "y | weights(1/v) ~ 1 + x",
    "s | weights(w) + trials('n n') ~ x": "s | trials(`n n`) + weights(w) ~ 1 + x",
    "y ~ a\n  + b": "y ~ 1 + a + b",
    "y ~ (x|p|g)+(1|2|h/k)": "y ~ 1 + (1 + x | p | g) + (1 | 2 | h) + (1 | 2 | h:k)",
}


@pytest.mark.parametrize(("text", "expected"), FORMS.items())
def test_form(text, expected):
    assert canonical(text) == expected
    assert canonical(expected) == expected


def test_parts():
    text = "s | trials(n) + weights(w) ~ x + offset(log(t)) + (x || a/b)"
    formula = parse(text)
    assert formula.text == text
    assert (formula.response.text, formula.response.trials, formula.response.weights) == (
        "s", "n", "w",
    )  # fmt: skip
    assert formula.fixed == "1 + x"
    assert formula.offsets == ("log(t)",)
    assert [bar.group for bar in formula.random] == ["a", "a:b"]
    assert {bar.text for bar in formula.random} == {"(x || a/b)"}
    assert not any(bar.correlated for bar in formula.random)


def test_spans_are_places_in_the_text():
    formula = parse("log(y) ~ x +  (x |  g)")
    span, bar = formula.response.span, formula.random[0].span
    assert formula.text[span.start : span.end] == "log(y)"
    assert formula.text[bar.start : bar.end] == "(x |  g)"
    assert formula.random[0].text == "(x | g)"


def test_ids_belong_to_one_factor_in_all_formulas():
    found = parse_all(["y ~ (x | p | g/h) + (1 | k)", "sigma ~ (1 | p | g)", "nu ~ (1 | p | g:h)"])
    assert [(b.group, b.id) for b in found.random] == [("g", "p"), ("g:h", "p"), ("k", "")]
    with pytest.raises(FormulaError, match=r"different factors.*\n.*\n.*\n.*\| p \| g:h\)"):
        parse_all(["y ~ (1 | p | g:h)", "sigma ~ (1 | p | h)"])


def test_no_random_part():
    assert parse("y ~ x").random == ()


# property: canonical text is a fixed point, whatever is put together

_names = st.sampled_from(["x", "z", "w.1", "`a b`", "'c d'"])
_calls = st.sampled_from(["log({})", "I({}**2)", "poly({}, 2)", "C({}, contr.sum)", "I(-{} + 1)"])
_factors = st.one_of(_names, st.builds(str.format, _calls, st.sampled_from(["x", "z", "`a b`"])))
_terms = st.recursive(
    _factors,
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+*:/"), inner),
    max_leaves=5,
)
_bars = st.builds(
    "({}{} {} {})".format,
    st.sampled_from(["", "0 + ", "1 + "]),
    _terms,
    st.sampled_from(["|", "||"]),
    st.sampled_from(["g", "g/h", "g:h", "`g h`"]),
)


@given(_terms, _bars, st.sampled_from(["", "0 + ", "1 + "]))
def test_canonical_is_a_fixed_point(terms, bar, intercept):
    formula = parse(f"y ~ {intercept}{terms} + {bar}")
    text = canonical(formula)
    again = parse(text)
    assert canonical(again) == text
    assert (again.fixed, again.offsets) == (formula.fixed, formula.offsets)
    assert [(b.effects, b.factors, b.correlated) for b in again.random] == [
        (b.effects, b.factors, b.correlated) for b in formula.random
    ]


@given(st.text(alphabet="yxg01+-*/:|~()[]`'\".,=<> \n{}_", max_size=30))
def test_any_text_parses_or_says_why(text):
    try:
        formula = parse(text)
    except FormulaError:
        return
    assert canonical(canonical(formula)) == canonical(formula)
