"""Formulas made by a grammar, sensible and not: a design in bounded time, or an error of ours.

Run it for longer with `MIXEDBAYES_FUZZ=20000 pytest tests/design/test_fuzz.py`.
"""

import os
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixedbayes.design import build_design, replay
from mixedbayes.design.functions import REGISTERED
from mixedbayes.errors import MixedBayesError
from mixedbayes.formula.words import WORDS

EXAMPLES = int(os.environ.get("MIXEDBAYES_FUZZ", "150"))
LONGEST = 5.0  # seconds of processor time for one formula
MOST = 4200  # characters of a message

_rng = np.random.default_rng(1)
DATA = pd.DataFrame(
    {
        "y": _rng.normal(size=30),
        "x": _rng.normal(size=30),
        "z": _rng.integers(0, 3, 30),
        "f": _rng.choice(list("abc"), 30),
        "b": _rng.choice([True, False], 30),
        "g": np.repeat(list("pqrstu"), 5),
        "n": 9,
        "c": pd.Categorical(_rng.choice(["lo", "hi"], 30), categories=["lo", "hi", "never"]),
        "odd name": _rng.normal(size=30),
    }
)

names = st.sampled_from(
    ["y", "x", "z", "f", "b", "g", "n", "c", "`odd name`", "'odd name'", "nowhere", "pi", "True",
     "None", "C", "log", "contr.sum", "Sum"]
)  # fmt: skip
literals = st.sampled_from(
    ["0", "1", "2", "-1", "0.5", "1e999", "10**9", "9**9**9", '"a"', "'z'", "[1, 2]", "[]",
     '["a", "b", "c"]', "[x]", "[[1]]", "TRUE", "NULL", "3"]
)  # fmt: skip
functions = st.sampled_from([*sorted(REGISTERED), *sorted(WORDS), "offset", "trials", "eval"])
keys = st.sampled_from(["levels", "contrasts", "degree", "df", "knots", "raw", "x", "base", "out"])
signs = st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "^", "<", "<=", "==", "!=", ">"])
joins = st.sampled_from(["+", "-", "*", ":", "/", "**", "^", "%in%", "", "|", "||"])


def _calls(inner):
    named = st.tuples(keys, inner).map("=".join)
    arguments = st.lists(st.one_of(inner, inner, named), max_size=3).map(", ".join)
    return st.tuples(functions, arguments).map(lambda c: f"{c[0]}({c[1]})")


expressions = st.recursive(
    st.one_of(names, names, literals),
    lambda inner: st.one_of(
        _calls(inner),
        _calls(inner),
        st.tuples(inner, signs, inner).map(" ".join),
        inner.map("({})".format),
        inner.map("-{}".format),
    ),
    max_leaves=6,
)
terms = st.recursive(
    st.one_of(names, _calls(expressions), st.sampled_from(["0", "1", "x", "f"])),
    lambda inner: st.one_of(
        st.tuples(inner, joins, inner).map(" ".join),
        inner.map("({})".format),
        st.tuples(inner, st.sampled_from("12359")).map(lambda c: f"({c[0]})**{c[1]}"),
        st.tuples(inner, st.sampled_from(["|", "||"]), inner).map(lambda c: f"({' '.join(c)})"),
        st.tuples(inner, st.integers(2, 45)).map(lambda c: f"({' + '.join([c[0]] * c[1])})"),
        st.tuples(inner, st.integers(2, 16)).map(lambda c: "*".join([f"({c[0]})"] * c[1])),
    ),
    max_leaves=8,
)
lefts = st.one_of(
    st.sampled_from(["y", "y", "y", "n", "f", "y | weights(n)", "z | trials(n)"]),
    expressions,
    st.tuples(expressions, _calls(expressions)).map(" | ".join),
)
formulas = st.one_of(
    st.tuples(lefts, terms).map(" ~ ".join),
    st.tuples(st.just("y"), terms, terms).map(lambda c: f"{c[0]} ~ {c[1]} + ({c[2]} | g)"),
    st.text(alphabet="yxzfg01+-*/:|~()[]`'\"^, .=<>%ICl\n\t", max_size=40).map("y ~ {}".format),
)


def check(formula):
    """A design that new data can be seen through, or an error of ours, short and soon."""
    started, message = time.process_time(), ""
    try:
        replay(build_design(formula, DATA), DATA)
    except MixedBayesError as error:
        message = str(error)
    assert len(message) < MOST
    assert time.process_time() - started < LONGEST


@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(formulas)
def test_any_formula_is_a_design_or_an_error_of_ours(formula):
    check(formula)


BASES = ["x", "f", "log(x)", "center()", "I(g == x)", "(x | g)"]


@pytest.mark.parametrize("join", ["+", "*", ":", "/", "-", "|", ","])
@pytest.mark.parametrize("times", [40, 1000])
def test_repetition(join, times):
    for base in BASES if times < 100 else BASES[1:2]:
        long = f" {join} ".join([base] * times)
        for formula in ("y ~ {}", "y ~ ({})**10", "y ~ I({})", "y ~ ({} | g)"):
            check(formula.format(long))
