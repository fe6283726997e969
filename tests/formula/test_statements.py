"""Statements about quantities: how they are read, and what is said of mistakes."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixedbayes.errors import FormulaError
from mixedbayes.formula.nodes import Call, Literal, Name, Operation, Sign
from mixedbayes.formula.statements import Comparison, Joint, Not, parse_statement, plain


def written(node):
    """The tree in full parentheses."""
    match node:
        case Literal(value=value):
            return f"{value:g}"
        case Name(name=name):
            return name
        case Sign(operator=operator, operand=operand):
            return f"({operator}{written(operand)})"
        case Operation(operator=operator, left=left, right=right):
            return f"({written(left)} {operator} {written(right)})"
        case Call(function=function, arguments=arguments):
            return f"{function}({', '.join(map(written, arguments))})"
        case Comparison(operators=operators, sides=sides):
            rest = (f" {o} {written(s)}" for o, s in zip(operators, sides[1:], strict=True))
            return f"[{written(sides[0])}{''.join(rest)}]"
        case Joint(word=word, parts=parts):
            return "{" + f" {word} ".join(map(written, parts)) + "}"
        case Not(part=part):
            return f"not {written(part)}"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Days > 0", "[Days > 0]"),
        ("a - b - c", "((a - b) - c)"),
        ("a / b / c * d", "(((a / b) / c) * d)"),
        ("-2^2", "(-(2 ** 2))"),
        ("2**-1^2", "(2 ** (-(1 ** 2)))"),
        ("a ^ b ^ c", "(a ** (b ** c))"),
        ("-a * b", "((-a) * b)"),
        ("a < b <= c", "[a < b <= c]"),
        ("a == b", "[a = b]"),
        ("a = .5e1", "[a = 5]"),
        ("a > 0 and b > 0 or not c > 0", "{{[a > 0] and [b > 0]} or not [c > 0]}"),
        ("a > 0 and (b > 0 or c > 0)", "{[a > 0] and {[b > 0] or [c > 0]}}"),
        ("not not a > 0", "not not [a > 0]"),
        ("(a) > (0)", "[a > 0]"),
        ("max(a, b, min(c, 1)) - abs(-a)", "(max(a, b, min(c, 1)) - abs((-a)))"),
        ("inv_logit(Intercept + x)", "inv_logit((Intercept + x))"),
        ("arm[b]:x - poly(x, 2)[1]", "(arm[b]:x - poly(x, 2)[1])"),
        ("coef[Subject=308, Days]", "coef[Subject=308, Days]"),
        ('coef[g="a, b", x] / 2', '(coef[g="a, b", x] / 2)'),
        ("sd_w[Machine[B]]/sigma>.1", "[(sd_w[Machine[B]] / sigma) > 0.1]"),
        ("`odd name` > 0", "[odd name > 0]"),
        ("`odd name`:x > 0", "[`odd name`:x > 0]"),
        ("not `not` > 0 or `and` - `or` > 0", "{not [not > 0] or [(and - or) > 0]}"),
        ("fixef[not] > 0", "[fixef[not] > 0]"),
        ("thresholds[low|high] > -1", "[thresholds[low|high] > (-1)]"),
        ("a\n> 0", "[a > 0]"),
    ],
)
def test_what_is_read(text, meant):
    assert written(parse_statement(text, lambda name: False)) == meant


def test_a_name_that_looks_like_a_function_is_the_name_where_there_is_one():
    known = {"log(x)", "log(x):z"}
    assert written(parse_statement("log(x) > 0", known.__contains__)) == "[log(x) > 0]"
    assert isinstance(parse_statement("log(x)", known.__contains__), Name)
    assert isinstance(parse_statement("log(x):z", known.__contains__), Name)
    assert isinstance(parse_statement("log((x))", known.__contains__), Call)


@pytest.mark.parametrize(
    ("text", "place", "fact", "remedy"),
    [
        ("a >", "", "ends after `>`", "complete it"),
        ("> 0", ">", "found `>`", "name missing"),
        ("not > 0", ">", "found `>`", "backticks"),
        ("a and", "a", "compares nothing", "a > 0 and b > 0"),
        ("a > 0 and b", "b", "compares nothing", "a > 0 and b > 0"),
        ("not a", "a", "beside `not` compares nothing", "a > 0"),
        ("a > 0 and", "", "ends after `and`", "complete it"),
        ("(a > 0", "(", "`(` is never closed", "add a `)`"),
        ("x[1", "[", "`[` is never closed", "add a `]`"),
        ("a)", ")", "`)` cannot stand here", "understood are"),
        ("(a > 0) + 1", "a > 0", "a comparison is no number", "join comparisons"),
        ("max(a > 0, 1)", "a > 0", "a comparison is no number", "join comparisons"),
        ("(a > 0) > 1", "a > 0", "a comparison is no number", "join comparisons"),
        ("a = b and c > 0", "a = b", "cannot stand beside `and`", "abs(a - b) < 0.1"),
        ("not a == b", "a == b", "cannot stand beside `not`", "by itself"),
        ("a < b = c", "a < b = c", "equality in a chain", "a = b"),
        ("a b", "b", "missing operator between `a` and `b`", "backticks"),
        ("2 a", "a", "missing operator between `2` and `a`", "backticks"),
        ("a & b", "&", "unexpected character '&'", 'write "and"'),
        ("a > 0 || b > 0", "||", "`||` is not understood", 'write "or"'),
        ("a > 0 | b > 0", "|", "`|` is not understood", 'write "or"'),
        ("a != b", "!=", "`!=` is not understood", 'write "not"'),
        ("!a", "!", "unexpected character '!'", 'write "not"'),
        ("a ≥ 0", "≥", "unexpected character '≥'", "write >="),
        ("a ~ b", "~", "`~` cannot stand here", "understood are"),
        ("a % 2", "%", "`%` cannot stand here", "understood are"),
        ("min(a)", "min(a)", "takes two values or more, not 1", "min(a, b)"),
        ("exp(a, b)", "exp(a, b)", "takes one value, not 2", "exp(a)"),
        ("exp()", "exp()", "takes one value, not 0", "exp(a)"),
        ("a > 'b'", "b", "found `b`", "backticks"),
    ],
)
def test_mistakes(text, place, fact, remedy):
    with pytest.raises(FormulaError) as error:
        parse_statement(text, lambda name: False)
    said, line, carets, *end = str(error.value).split("\n")
    assert fact in said
    assert remedy in " ".join(end)
    start, width = carets.index("^"), carets.count("^")
    marked = line[start : start + width]
    assert marked.strip("'") == place


@pytest.mark.parametrize("text", [3, "", "  ", "a + " * 3000 + "a", "(" * 400 + "a" + ")" * 400,
                                  "a + " * 300 + "a", "-" * 400 + "a", "a" + "^a" * 400,
                                  "f" + "[" * 400, "not " * 400 + "a > 0"])  # fmt: skip
def test_what_is_no_statement(text):
    with pytest.raises(FormulaError, match=r"text such as|is empty|characters|nested|operators"):
        parse_statement(text, lambda name: False)


@given(st.text(alphabet="abx019.()[]+-*/^<>=,:&|!`'\" \n", max_size=30))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(FormulaError):
        assert hasattr(parse_statement(text, lambda name: "a" in name), "span")


NUMBERS = st.floats(0.5, 2).map(lambda x: f"{x:.3f}")
VALUES = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, st.sampled_from("+-*"), inner).map(" ".join),
        inner.map(lambda x: f"- {x}"),
    ),
    max_leaves=8,
)


def number(node):
    match node:
        case Literal(value=value):
            return value
        case Sign(operand=operand):
            return -number(operand)
        case Operation(operator=operator, left=left, right=right):
            a, b = number(left), number(right)
            return {"+": a + b, "-": a - b, "*": a * b, "/": np.divide(a, b)}[operator]


@given(VALUES)
def test_arithmetic_has_the_precedence_of_python(text):
    with np.errstate(all="ignore"):
        expected = eval(text, {"__builtins__": {}}) if "/" not in text else None
        found = number(parse_statement(text, lambda name: False))
    if expected is not None:
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_names_are_alike_but_for_blanks_and_quotes():
    assert plain("poly(x, 2)[1]") == plain("poly(x,2)[1]") == "poly(x,2)[1]"
    assert plain('coef[g="a b", x]') == plain("coef[g=a b,x]")
