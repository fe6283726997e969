"""Every kind of mistake in a formula: the fact, the place, the remedy."""

import time

import pytest

from mixedbayes.errors import DataError, FormulaError
from mixedbayes.formula import Span, caret, parse, parse_terms

# formula, what the carets stand under, fact, remedy
MISTAKES = [
    ("y", "", "no `~`", "response ~ terms"),
    ("y ~", "", "ends after `~`", "complete it"),
    ("~ x", "~", "nothing to the left of `~`", "name the response"),
    ("y ~ x ~ z", "~", "a second `~`", "has one"),
    ("1 ~ x", "1", "response has no column", "name the response"),
    ("y | se(s) + weights(w) ~ x", "~", "both say how precise", "s / sqrt(w)"),
    ("y | se(s, sigma=2) ~ x", "se(s, sigma=2)", "se() takes the column", "sigma=True"),
    ("y | se(s, t) ~ x", "se(s, t)", "se() takes the column", "sigma=True"),
    ("y | se(s) + se(t) ~ x", "se(t)", "given twice", "one of them"),
    ("y | rate() ~ x", "rate()", "takes one argument", "name a column"),
    ("y ~ trunc(0, 1) + x", "trunc(0, 1)", "belongs to the response", "on the left"),
    ("y | cens(2 * k, u) ~ x", "cens(2 * k, u)", "is a column", "make a column"),
    ("y ~ se(s) + x", "se(s)", "belongs to the response", "on the left"),
    ("y ~ x z", "z", "missing operator between `x` and `z`", "`+`"),
    ("y ~ x 'z w'", "'z w'", "missing operator between `x` and `z w`", "`+`"),
    ("y ~ 2x", "x", "missing operator between `2` and `x`", "`+`"),
    ("y ~ x + (1 | g) (1 | h)", "(", "missing operator", "`+`"),
    ("y ~ (x | g", "(", "`(` is never closed", "add a `)`"),
    ("y ~ log(x", "(", "`(` is never closed", "add a `)`"),
    ("y ~ bs(x, knots=[1, 2", "[", "`[` is never closed", "add a `]`"),
    ("y ~ x)", ")", "`)` without a `(`", "remove it"),
    ("y ~ ()", ")", "nothing between the parentheses", "write a term"),
    ("y ~ x | g", "|", "`|` outside parentheses", "(x | g)"),
    ("y ~ x || g", "||", "`||` outside parentheses", "(x | g)"),
    ("y ~ (| g)", "|", "nothing to the left of the bar", "(1 | g)"),
    ("y ~ (1 | )", "| )", "nothing to the right of the bar", "(1 | g)"),
    ("y ~ (0 | g)", "0", "nothing varies over the groups", "(0 + x | g)"),
    ("y ~ (1 | ID | g | h)", "|", "a third bar in one parenthesis", "(x | id | g)"),
    ("y ~ (1 | a + b | g)", "a + b", "between two bars stands an id", "(1 | a) + (1 | b)"),
    ("y ~ (1 | `a b` | g)", "`a b`", "between two bars stands an id", "(1 | a) + (1 | b)"),
    ("y ~ (1 || p | g)", "|| p |", "`||` says that effects are not", "(x || g) without an id"),
    ("y ~ (1 | p || g)", "| p ||", "`||` says that effects are not", "(x || g) without an id"),
    ("y ~ (1 | p |)", "|)", "nothing to the right of the second bar", "(1 | id | g)"),
    ("y ~ (1 | p | g) + (0 + x | p | g)", "(0 + x | p | g)", "stands twice", "(1 + x | p | g)"),
    ("y ~ (1 | p | g) + (1 | p | h)", "(1 | p | h)", "different factors", "write another id"),
    ("y ~ (1 | g) * x", "(1 | g)", "can only be added", "(x*z | g)"),
    ("y ~ x:(1 | g)", "(1 | g)", "can only be added", "(x*z | g)"),
    ("y ~ x - (1 | g)", "(1 | g)", "`-` before a bar", "leave it out"),
    ("y ~ ((1 | a) | g)", "(1 | a)", "a bar or an offset inside a bar", "outside"),
    ("y ~ (offset(t) | g)", "t", "a bar or an offset inside a bar", "outside"),
    ("y ~ (1 | g/)", ")", "found `)`", "name missing"),
    ("y ~ (1 | log(g))", "log(g)", "a grouping factor is a column", "make a column of it"),
    ("y ~ (1 | a*b)", "a*b", "a grouping factor is a column", "(1 | a) + (1 | b) + (1 | a:b)"),
    ("y ~ (1 | a + b)", "a + b", "a grouping factor is a column", "(1 | a) + (1 | b)"),
    ("y ~ (1 | 3)", "3", "a grouping factor is a column", "name a column"),
    ("y ~ (1 | a/a)", "a/a", "`a` stands twice", "name it once"),
    ("y ~ (1 | g) + (x | g)", "(x | g)", "`Intercept` varies over `g` twice", "(0 + x | g)"),
    ("y ~ (x | g) + (0 + x || g)", "(0 + x || g)", "`x` varies over `g` twice", "one of them"),
    ("y ~ (1 | a/b) + (1 | a)", "(1 | a)", "`Intercept` varies over `a` twice", "one of them"),
    ("y ~ (1 | a:b) + (0 + x | b:a)", "(0 + x | b:a)", "`b:a` is the same factor", "a:b in both"),
    ("y | foo(n) ~ x", "foo(n)", "`foo(n)` is no property of the response", "trials(...)"),
    ("y | n ~ x", "n", "`n` is no property of the response", "weights(...)"),
    ("y | trials(n) + trials(m) ~ x", "trials(m)", "given twice", "keep one"),
    ("y | trials(n, m) ~ x", "trials(n, m)", "takes one argument", "y | trials(n)"),
    ("y ~ x + weights(w)", "weights(w)", "belongs to the response", "y | weights(...)"),
    ("y ~ x:offset(t)", "offset(t)", "only be added", "+ offset(...)"),
    ("y ~ offset(t, u)", "offset(t, u)", "offset() takes one argument", "offset(log(t))"),
    ("y ~ `x", "`", "never closed", "close the backtick"),
    ('y ~ "x', '"', "never closed", "close the quote"),
    ("y ~ `` + x", "``", "a column name is empty", "between backticks"),
    ("y ~ x $ z", "$", "unexpected character '$'", "backticks"),
    ("y ~ x − z", "−", "unexpected character", "plain minus"),
    ("y ~ .", ".", "unexpected character '.'", "name the columns"),
    ("y ~ {x}", "{", "unexpected character '{'", "functions={...}"),
    ("y ~ x %in% z", "%", "`%in%` is not understood", "write b:a for b %in% a"),
    ("y ~ x % z", "%", "`%` cannot stand here", "I(...)"),
    ("y ~ rr(x | g)", "|", "`|` inside a call", "write (x | g)"),
    ("y ~ arma(0 + t | g)", "|", "`|` inside a call", 'residual="arma11'),
    ("y ~ (1 | factor(g))", "factor(g)", "a grouping factor is a column", "(1 | g)"),
    ("y ~ (1 | interaction(a, b))", "interaction(a, b)", "a grouping factor", "(1 | a:b)"),
    ("y | Surv(c) ~ x", "Surv(c)", "no property of the response", "write y | cens(censored)"),
    ("y ~ x > 3", ">", "`>` cannot stand here", "I(x > 3)"),
    ("y ~ x + + z", "+", "two signs in a row", "keep one"),
    ("y ~ x + * z", "*", "found `*`", "name missing"),
    ("y ~ x**2", "x**2", "`x` to a power is `x`", "I(x**2)"),
    ("y ~ x**(a + b)", "x**(a + b)", "`x` to a power is `x`", "I(x**(a + b))"),
    ("y ~ x**(1 | g)", "x**(1 | g)", "`x` to a power is `x`", "I(x**(1 | g))"),
    ("y ~ (a + b)**z", "z", "is a whole number", "(a + b)**2"),
    ("y ~ (a + b)**99", "99", "is a whole number", "(a + b)**2"),
    ("y ~ x/2", "2", "a number is not a term", "I(x/2)"),
    ("y ~ x + 2", "2", "a number is not a term", "offset(...)"),
    ("y ~ x - z", "z", "no term `z` before this", "I(a - b)"),
    ("y ~ (a - b):z", "b", "`-` inside a product", "write the product out"),
    ("y ~ f()", "f()", "f() has no argument", "f(x)"),
    ("y ~ f(x, k=1, 3)", "3", "a plain argument after a named one", "put it first"),
    ("y ~ f(x, k=1, k=2)", "k", "`k` is given twice", "keep one"),
    ("y ~ exp(0 + t | g)", "|", "`|` inside a call", "write ou(t | g)"),
    ("y ~ csh(t | g)", "|", "`|` inside a call", "write cs(t | g)"),
    ("y ~ ar(time=t, gr=g)", "ar(time=t, gr=g)", "`ar` is of residuals", "ar1(t | g)"),
    ("y ~ s(x, by=a:b)", ":", "`:` joins terms, and here one column", "make a column of the"),
    ("y ~ f(x | g)", "|", "`|` inside a call", "own parenthesis"),
    ("y ~ x[0]", "[", "missing operator", "`+`"),
    ("y ~ [x]", "[", "a list is not a term", "join terms by +"),
]


@pytest.mark.parametrize(("text", "place", "fact", "remedy"), MISTAKES, ids=lambda v: str(v)[:30])
def test_mistake_is_shown(text, place, fact, remedy):
    with pytest.raises(FormulaError) as raised:
        parse(text)
    first, line, carets, last = str(raised.value).split("\n")
    assert fact in first
    assert line == f"    {text}"
    assert remedy in last
    start = carets.index("^")
    assert carets.strip() == "^" * max(1, len(place))
    assert line[start : start + len(place)] == place


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_empty_formula(empty):
    with pytest.raises(FormulaError, match=r"the formula is empty.*y ~ x"):
        parse(empty)


@pytest.mark.parametrize("other", [None, 3, ["y ~ x"], b"y ~ x"])
def test_not_a_text(other):
    with pytest.raises(FormulaError, match=rf"not {type(other).__name__}"):
        parse(other)


def test_second_line_is_the_one_shown():
    with pytest.raises(FormulaError) as raised:
        parse("y ~ a\n    + b c")
    assert "\n        + b c\n            ^\n" in str(raised.value)


def test_tabs_stay_under_the_carets():
    assert caret("\ty ~", Span(3, 4)) == "    \ty ~\n    \t  ^"


def test_place_in_a_long_line_stays_in_sight():
    text = "y ~ " + " + ".join(f"x{i}" for i in range(200)) + " z + w"
    with pytest.raises(FormulaError) as raised:
        parse(text)
    _, line, carets, _ = str(raised.value).split("\n")
    assert len(line) < 300
    assert line[carets.index("^")] == "z"


@pytest.mark.parametrize(
    "text",
    [
        "y ~ " + "(" * 500 + "x" + ")" * 500,
        "y ~ I(" + "-" * 3000 + "x)",
        "y ~ I(" + "x + " * 3000 + "x)",
        "y ~ I(" + "[" * 3000 + "]" * 3000 + ")",
        "y ~ I(" + "2**" * 3000 + "x)",
        "y ~ " + "f(" * 3000 + "x" + ")" * 3000,
        "y ~ " + "*".join(f"x{i}" for i in range(3000)),
        "y ~ (1 | " + "/".join(f"x{i}" for i in range(3000)) + ")",
    ],
    ids=["parens", "signs", "sum", "lists", "powers", "calls", "products", "nesting"],
)
def test_depth_is_bounded(text):
    with pytest.raises(FormulaError, match="nested more than"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "y ~ (" + " + ".join(f"x{i}" for i in range(200)) + ")**9",
        "y ~ " + "*".join(f"x{i}" for i in range(60)),
        "y ~ (" + "*".join("abcdefghijkl") + ")*q",
    ],
    ids=["power", "product", "one more"],
)
def test_number_of_terms_is_bounded(text):
    with pytest.raises(FormulaError, match="more than 5000 terms"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("y ~ (" + "*".join("abcdefghijkl") + ")**10", "more than 1,000,000 products"),
        (
            "y ~ (" + "+".join(f"v{i}" for i in range(999)) + f"):`{'x' * 999}`",
            "500,000 characters",
        ),
    ],
    ids=["work", "length"],
)
def test_work_and_length_are_bounded(text, fact):
    started = time.process_time()
    with pytest.raises(FormulaError, match=fact):
        parse(text)
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("(" + " + ".join(["x"] * 40) + " + z)**10", 3),
        ("(x*z*a*b*h*g)**10", 63),
        ("*".join(["x"] * 14), 1),
        ("/".join(["x"] * 14), 1),
        (":".join(["x*z"] * 14), 3),
        ("(" + " + ".join(f"v{i}" for i in range(60)) + ")**2", 60 * 61 // 2),
    ],
)
def test_products_found_again_are_one_term(text, terms):
    started = time.process_time()
    assert len(parse_terms(text).terms) == terms
    assert time.process_time() - started < 2


def test_many_effects_over_many_factors():
    effects = " + ".join(f"v{i}" for i in range(60))
    started = time.process_time()
    formula = parse(f"y ~ (({effects})**2 | {'/'.join(f'g{i}' for i in range(100))})")
    assert time.process_time() - started < 5
    assert len(formula.random) == 100


@pytest.mark.parametrize(
    "text",
    [
        f"y ~ (0 | {'g' * 90_000})",
        f"y ~ `{'x' * 90_000}`**2",
        f"y ~ ({'a + ' * 20_000}b | g) + (a | g)",
        f"y ~ x {'z' * 90_000}",
        f"y | {'n' * 90_000}(m) ~ x",
        f"y ~ x - {'z' * 90_000}",
    ],
    ids=["bar", "power", "twice", "operator", "wrapper", "minus"],
)
def test_messages_are_bounded(text):
    with pytest.raises(FormulaError) as raised:
        parse(text)
    message = str(raised.value)
    assert len(message) < 4200
    assert message.split("\n")[-1]  # the remedy is there


def test_a_long_message_keeps_its_beginning_and_its_end():
    message = str(DataError("fact: " + "x" * 300_000 + "; the remedy"))
    assert message.startswith("fact: xxx")
    assert message.endswith("x; the remedy")
    assert "[296,018 characters left out]" in message
    assert len(message) < 4100


def test_length_is_bounded():
    with pytest.raises(FormulaError, match="200,004 characters"):
        parse("y ~ " + "x" * 200_000)


def test_a_thousand_columns_are_fine():
    names = [f"x{i}" for i in range(1000)]
    assert parse("y ~ " + " + ".join(names)).fixed == " + ".join(["1", *names])
