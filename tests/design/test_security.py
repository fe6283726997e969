"""A formula from a file or a command line cannot run code, read files or exhaust memory."""

import builtins
import os
import pickle

import numpy as np
import pandas as pd
import pytest

from mixedbayes.design import build_design, replay
from mixedbayes.design.functions import REGISTERED
from mixedbayes.errors import DataError, FormulaError, MixedBayesError

DATA = pd.DataFrame(
    {
        "y": [1.0, 2, 4, 3, 5, 6],
        "x": [0.5, 1, 1.5, 2, 2.5, 4],
        "n": [9, 9, 9, 9, 9, 9],
        "f": list("aabbab"),
        "g": [1, 1, 2, 2, 3, 3],
    }
)

CODE = [
    "__import__('os').system('touch owned')",
    "__import__('os')",
    "eval('1')",
    "exec('open(1)')",
    "open('owned', 'w')",
    "compile('1', '', 'eval')",
    "getattr(x, '__class__')",
    "globals()",
    "locals()",
    "vars(x)",
    "type(x)",
    "print(x)",
    "input(x)",
    "help(x)",
    "x.__class__",
    "x.__class__.__mro__",
    "x.tofile('owned')",
    "x.to_csv('owned')",
    "().__class__.__bases__[0].__subclasses__()",
    "(1).__class__",
    "'{0.__class__}'.format(x)",
    "f'{x}'",
    "f(x)",
    "'%s' % x",
    "np.load('owned')",
    "np.lib.npyio.DataSource('.')",
    "numpy.log(x)",
    "log.__self__",
    "log.__globals__",
    "scale.__globals__",
    "I.__globals__",
    "contr.treatment.__init__",
    "contr.custom(x)",
    "contr.__dict__",
    "load('owned')",
    "fromfile('owned')",
    "genfromtxt('owned')",
    "frompyfunc(log, 1, 1)",
    "memmap('owned')",
    "vectorize(log)",
    "apply_along_axis(log, 0, x)",
    "lag(x)",
    "hashed(x)",
    "Q('x')",
    "{__import__('os')}",
    "{x}",
    "`__import__('os').system('touch owned')`",
    "I(`x; __import__('os')`)",
    "(lambda: 1)()",
    "lambda: 1",
    "[a for a in x]",
    "[x for x in [1]]",
    "(x := 3)",
    "I(x := 3)",
    "x if x else x",
    "I(x if 1 else 2)",
    "x[0]",
    "I(x[0])",
    "I(x)[0]",
    "*x",
    "**x",
    "I(*x)",
    "I(**x)",
    "I(x; y)",
    "I(x\n\nimport os)",
    "I(@x)",
    "I(x or y)",
    "I(not x)",
    "I(x is y)",
    "I(await x)",
    "I(...)",
    "I(x, y=__import__('os'))",
    "bs(x, _state=1)",
    "bs(x, _context=1)",
    "poly(x, 2, _state=1)",
    "scale(x, state=1)",
    "center(x, x)",
    "log(x, out=x)",
    "log(x, x)",
    "log(x, where=True)",
    "add(x, x, x)",
    "add.reduce(x)",
    "add.at(x, 0, 1)",
    "log(x, dtype=object)",
    "matmul(x, x)",
    "modf(x)",
    "C(x, contr.treatment(__import__('os')))",
    "C(f, levels=__builtins__)",
    "__builtins__",
    "__name__",
    "__FORMULAIC_STATE__",
    "self",
    "pandas",
    "I",
    "log",
    "C",
    "scale",
]
PLACES = {
    "population": "y ~ x + {}",
    "effects": "y ~ x + ({} | g)",
    "group": "y ~ x + (1 | {})",
    "offset": "y ~ offset({}) + x",
    "weights": "y | weights({}) ~ x",
    "trials": "y | trials({}) ~ x",
    "response": "{} ~ x",
    "argument": "y ~ log({})",
    "keyword": "y ~ bs(x, df={})",
    "contrast": "y ~ C(f, {})",
    "list": "y ~ bs(x, knots=[{}])",
}


@pytest.fixture
def alarm(monkeypatch, tmp_path):
    """Any way to code or files raises, for as long as a formula is read."""
    monkeypatch.chdir(tmp_path)

    def caught(*_args, **_kwargs):
        raise AssertionError("a formula reached code")

    def arm():
        for name in ("eval", "exec", "compile", "open", "input"):
            monkeypatch.setattr(builtins, name, caught)
        monkeypatch.setattr(os, "system", caught)
        monkeypatch.setattr(np, "load", caught)

    build_design("y ~ poly(x, 2) + C(f, contr.sum)", DATA)  # imports what is imported late
    arm()
    yield tmp_path
    monkeypatch.undo()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", PLACES)
def test_code_is_refused(place, alarm):
    accepted = []
    for code in CODE:
        try:
            build_design(PLACES[place].format(code), DATA)
        except MixedBayesError:
            continue
        accepted.append(code)
    assert accepted == []


@pytest.mark.parametrize("value", ["__import__('os')", "{x}", "x.__class__", "a`b", "I(y)"])
def test_levels_and_names_of_columns_are_only_labels(value, alarm):
    data = DATA.assign(f=[value, value, "b", "b", value, "c"], **{f"{value}'"[:12]: DATA.y})
    design = build_design("y ~ f + (1 | f)", data)
    assert f"f[{value}]" in design.mu.terms or value in design.mu.groups[0].levels
    assert replay(design, data).groups["f"].refs.tolist() == design.mu.groups[0].refs.tolist()


def test_a_column_can_have_a_name_like_code(alarm):
    name = "__import__('os')"
    design = build_design(f"y ~ `{name}`", DATA.assign(**{name: DATA.x}))
    assert design.mu.terms == (name,)
    np.testing.assert_array_equal(design.mu.X[:, 0], DATA.x)


def test_registered_functions_are_elementwise_or_ours():
    ours = {"I", "C", "pi", "center", "scale", "round", "poly", "bs", "cr", "cc", "mo"}
    for name, function in REGISTERED.items():
        if name in ours or name.startswith("contr."):
            continue
        assert isinstance(function, np.ufunc)
        assert function.signature is None


def test_a_design_can_be_pickled_with_all_it_calls():
    for text in ("I(round(x)) + scale(x)", "poly(log(x), 2)", "bs(x, df=3)", "C(g, contr.SAS)"):
        design = build_design(f"y ~ {text}", DATA)
        again = pickle.loads(pickle.dumps(design))
        np.testing.assert_array_equal(replay(again, DATA).X, design.mu.X)
    for function in REGISTERED.values():
        pickle.dumps(function)


def test_caller_decides_what_else_is_reached():
    with pytest.raises(FormulaError, match="unknown function 'square_it'"):
        build_design("y ~ square_it(x)", DATA)
    design = build_design("y ~ square_it(x)", DATA, functions={"square_it": lambda v: v**2})
    np.testing.assert_array_equal(design.mu.X[:, 0], DATA.x**2)


HEAVY = [
    "I(9**9**9**9**9)",
    "I((9**99)**(9**99))",
    "I(x**9**9**9)",
    "I(1e308*10)",
    "I('a'*999999999)",
    "I([1]*999999999)",
    "poly(x, 999999999)",
    "bs(x, df=999999999)",
    "bs(x, degree=999999999)",
    "cr(x, df=999999999)",
    "bs(x, knots=[" + ", ".join(["1"] * 1000) + "])",
    "I(" + "9" * 10_000 + ")",
    "I(x << 999999999)",
]


@pytest.mark.parametrize("code", HEAVY, ids=[code[:30] for code in HEAVY])
def test_heavy_expressions_are_refused_at_once(code):
    with pytest.raises((DataError, FormulaError)):
        build_design(f"y ~ {code}", DATA)
