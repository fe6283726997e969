"""Every way in which data do not fit: the fact, the place, the counts, the remedy."""

import numpy as np
import pandas as pd
import pytest

from mixedbayes.design import build_design, check_effects, random_columns, replay
from mixedbayes.errors import DataError, FormulaError, MixedBayesError
from mixedbayes.formula import parse
from mixedbayes.formula.words import WORDS


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "y": [1.0, 2, 4, 3, 5, 7, 6, 9],
            "x": [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 5],
            "t": [1.0, 2, 0, 4, 5, 0, 7, 8],
            "f": list("aabbccab"),
            "g": [1, 1, 2, 2, 3, 3, 4, 4],
            "one": ["u"] * 8,
            "day": pd.date_range("2020-01-01", periods=8),
            "complex": np.ones(8) * 1j,
            "mixed": [1, "b", 2, "c", 3, "d", 4, "e"],
            "hole": [1.0, np.nan, 2, 3, np.nan, 5, 6, 7],
            "nothing": [np.nan] * 8,
            "n": [5, 5, 5, 5, 5, 8, 8, 9],
            "half": [5, 5, 5, 5, 5, 8, 8.5, 9],
            "w": [1.0, 1, 1, -2, 1, 0, 1, 1],
        },
        index=[f"r{i}" for i in range(8)],
    )


# formula, pieces of the message in their order
ERRORS = [
    ("y ~ Days", ["no column 'Days' in the data", "    y ~ Days\n        ^^^^"]),
    ("y ~ X", ["no column 'X'", "did you mean x?"]),
    ("y ~ x + (1 | compleks)", ["no column 'compleks'", "^^^^^^^^", "did you mean complex?"]),
    ("yy ~ x", ["no column 'yy'", "    yy ~ x\n    ^^", "did you mean y?"]),
    ("y ~ log(xx)", ["no column 'xx'", "        log(xx)".strip(), "           ^^".strip()]),
    ("y ~ `x `", ["no column 'x '", "did you mean x?"]),
    ("y | weights(v) ~ x", ["no column 'v'", "^"]),
    ("y ~ day", ["day holds datetime64", "make it a number"]),
    ("y ~ complex", ["complex holds complex numbers", "real part"]),
    ("y ~ mixed", ["mixed holds values of several or unknown kinds", "astype"]),
    ("y ~ log(t)", ["log(t) is not finite in 2 of 8 rows, first in row 'r2' (-inf)", "leave them"]),
    ("y ~ sqrt(-x)", ["sqrt(-x) is not finite in 8 of 8 rows, first in row 'r0' (nan)"]),
    ("y ~ I(x/t)", ["I(x/t) is not finite in 2 of 8 rows, first in row 'r2' (inf)"]),
    ("y ~ I(9**9**9**9)", ["I(9**9**9**9) is inf"]),
    ("y ~ f + I(f + 1)", ["f is a category: there is no arithmetic with it"]),
    ("y ~ log(f)", ["f is a category: there is no arithmetic with it"]),
    ("y ~ I(poly(x, 2) + 1)", ["poly(x, 2) is several columns: there is no arithmetic"]),
    ('y ~ I("x" + 1)', ['"x" is a text: there is no arithmetic', "backticks"]),
    ('y ~ I(f == "z")', ["f has no level 'z'", "'a', 'b', 'c'"]),
    ("y ~ scale(one)", ["one is a category"]),
    ("y ~ scale(I(0*x))", ["scale(I(0*x)): the values are constant"]),
    ("y ~ log(x, t)", ["log(x, t): log takes 1 column(s), only"]),
    ("y ~ poly(x, 0)", ["degree is a whole number from 1 to 200, not 0"]),
    ("y ~ poly(x, 10**9)", ["degree is a whole number"]),
    ("y ~ poly(x, 8)", ["degree 8 needs more than 8 distinct values"]),
    ("y ~ bs(x, df=100000000)", ["df is a whole number from 1 to 200"]),
    ("y ~ bs(x, df=1)", ["bs(x, df=1) cannot be computed"]),
    ("y ~ bs(x, colour=3)", ["there is no setting 'colour'", "knots"]),
    ("y ~ C(f, 3)", ["C(f, 3): write C(x)", "contr.sum"]),
    ('y ~ C(f, contr.treatment("z"))', ["C(f, contr.treatment", "'z'", "levels are 'a', 'b', 'c'"]),
    ('y ~ C(f, levels=["a", "b"])', ["levels lacks 'c', which the data have"]),
    ("y ~ C(n, levels=[5, 5, 8, 9])", ["levels has 5 more than once", "name each once"]),
    ("y ~ C(n, levels=3)", ["C(n, levels=3): levels is a list of the levels"]),
    ("y ~ C(n, levels=n)", ["levels is a list of the levels"]),
    ("y ~ C(n, levels=[5, None])", ["levels is a list of the levels"]),
    ("y ~ log(center())", ["center(): give it a column first: center(x)"]),
    ("y ~ I(center(x=x))", ["center(x=x): give it a column first"]),
    ("y ~ log(C())", ["C(): write C(x)"]),
    ("y ~ I(f == x)", ["f == x: f is a category, which is compared with one of its levels: 'a'"]),
    ("y ~ I(x == f)", ["x == f: f is a category"]),
    ("y ~ I(f != f)", ["f is a category", "make a column of True and False"]),
    ('y ~ I(f == ["a"])', ["f is a category", "'a', 'b', 'c'"]),
    ("y ~ poly(x, 2, f)", ["f is a column: lists and settings hold numbers or texts only"]),
    ("y ~ C(f, contr.treatment(x))", ["x is a column: lists and settings"]),
    ("y ~ bs(x, df=f)", ["f is a column: lists and settings"]),
    ("y ~ round(f)", ["f is a category: there is no arithmetic with it"]),
    ("y ~ round(x, 0.5)", ["round(x, 0.5): the number of digits is a whole number, not 0.5"]),
    ("y ~ C(f, Sum)", ["no column 'Sum'", "write C(x, contr.sum)"]),
    ("y ~ one", ["population part: one has the single level 'u' in the 8 rows", "leave it out"]),
    ("y ~ (one | g)", ["(one | g): one has the single level 'u'"]),
    ("y ~ (0 + I(0*x) | g)", ["(0 + I(0*x) | g)", "is 0 in every row", "nothing varies"]),
    ("y ~ x + (x + I(1 - x) || g)", ["(x + I(1 - x) || g)", "I(1 - x) is determined by x"]),
    ("y ~ x + (poly(x, 4)*f | g)", ["(poly(x, 4)*f | g): 15 coefficients for 8 rows", "leave"]),
    ("y ~ poly(x, 4)*f", ["population part: 15 coefficients for 8 rows", "(1 | g)"]),
    ("y ~ (1 | one)", ["grouping factor one has the single level 'u' in 8 rows", "leave its bar"]),
    ("y ~ nothing", ["none of the 8 rows is complete: missing values of nothing in 8"]),
    ("day ~ x", ["day holds datetime64"]),
    ("poly(y, 2) ~ x", ["the response poly(y, 2) has 2 columns, not one"]),
    ("y | weights(w) ~ x", ["weights(w): 2 of 8 values are not positive", "first in row 'r3': -2"]),
    ("y | weights(f) ~ x", ["f is a category, where numbers are needed"]),
    ("y | weights(poly(x, 2)) ~ x", ["poly(x, 2) has 2 columns, not one"]),
    ("y | trials(half) ~ x", ["trials(half): 1 of 8 values are not whole", "'r6': 8.5"]),
    ("y | trials(t) ~ x", ["trials(t): 2 of 8 values are not whole numbers from 1", "'r2': 0"]),
    ("n | trials(y) ~ x", ["n: 6 of 8 values exceed trials(y)", "first in row 'r0': 5"]),
    ("x | trials(n) ~ t", ["x: 4 of 8 values are not whole numbers from 0", "not their share",
                               "write round(x*n) | trials(n) ~ ..."]),
    ("f | trials(n) ~ x", ["f is a category; with trials() it is a count"]),
    ("y ~ offset(f) + x", ["f is a category, where numbers are needed"]),
    ('y ~ offset(C(x)) + x', ["C(x) is a category"]),
    ("y ~ bs(x, knots=[x, 2])", ["x is a column: lists and settings hold numbers or texts only"]),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "pieces"), ERRORS, ids=[formula for formula, _ in ERRORS])
def test_data_do_not_fit(formula, pieces):
    with pytest.raises(DataError) as raised:
        build_design(formula, frame())
    message, at = str(raised.value), 0
    for piece in pieces:
        assert piece in message[at:], message
        at = message.index(piece, at) + len(piece)


UNKNOWN_FUNCTIONS = [
    ("y ~ x + car(W, gr=g)", "unknown function 'car'", "(1 | gr(area, precision=Q))"),
    ("y ~ s(x, xt=list(W))", "unknown function 'list'", "a list in brackets"),
    ("Surv(time, status) ~ x", "unknown function 'Surv'", "cens(censored)"),
    ("cbind(y, n) ~ x", "unknown function 'cbind'", "of several responses mv(y, ...)"),
    ("y ~ lgo(x)", "unknown function 'lgo'", "log"),
    ("y ~ np.log(x)", "unknown function 'np.log'", "did you mean log?"),
    ("y ~ Scale(x)", "unknown function 'Scale'", "did you mean scale?"),
    ("y ~ (mine(x) | g)", "unknown function 'mine'", 'functions={"mine": ...}'),
    ("cbind(y, n) ~ x", "unknown function 'cbind'", "write y | trials(n) ~ ..., where n counts"),
    ("y ~ relevel(f, ref=2)", "unknown function 'relevel'", 'write C(f, contr.treatment("level"))'),
    ("y ~ factor(`x`)", "unknown function 'factor'", "C(x) makes one of numbers"),
    ("y ~ C(f, Treatment('b'))", "unknown function 'Treatment'", 'contr.treatment("level")'),
    ("y ~ pi(x)", "unknown function 'pi'", "plain name"),
]


@pytest.mark.parametrize(("formula", "fact", "remedy"), UNKNOWN_FUNCTIONS)
def test_unknown_function(formula, fact, remedy):
    with pytest.raises(FormulaError) as raised:
        build_design(formula, frame())
    first, line, carets, last = str(raised.value).split("\n")
    assert first == fact
    assert line.strip() == formula
    name = fact.split("'")[1]
    assert line[carets.index("^") :][: len(name)] == name
    assert remedy in last


FRAMES = {
    "dictionary": ({"y": [1.0], "x": [2.0]}, r"are a dict, not a data frame.*pandas\.DataFrame"),
    "none": (None, "are a NoneType, not a data frame"),
    "number": (5, "are an int, not a data frame"),
    "series": (pd.Series([1.0], name="y"), "are a Series, not a data frame"),
    "array": (np.ones((3, 2)), "are a ndarray, not a data frame"),
    "no rows": (pd.DataFrame({"y": [], "x": []}), r"have no rows \(2 columns\)"),
    "numbered columns": (pd.DataFrame(np.ones((3, 2))), "2 of 2 column names are not text: 0, 1"),
    "twice": (
        pd.DataFrame(np.ones((3, 3)), columns=["y", "x", "x"]),
        "1 column names more than once: 'x'; rename",
    ),
}


@pytest.mark.parametrize(("data", "message"), FRAMES.values(), ids=FRAMES)
def test_not_a_frame(data, message):
    with pytest.raises(DataError, match=message):
        build_design("y ~ x", data)


def test_missing_values_as_an_error():
    with pytest.raises(DataError, match=r"2 of 8 rows have missing values: hole in 2; first.*'r1'"):
        build_design("y ~ hole", frame(), missing="error")


def test_unknown_treatment_of_missing_values():
    with pytest.raises(DataError, match='missing is "drop" or "error", not \'ignore\''):
        build_design("y ~ x", frame(), missing="ignore")


def test_names_that_fall_together():
    data = frame().assign(a=list("uuvvuuvv"), b=list("mnmnmnmn"), a_b=list("rrsstttt"))
    with pytest.raises(DataError, match="'a:b' and 'a_b' would both be called 'a_b'"):
        build_design("y ~ 1 + (1 | a:b) + (1 | a_b)", data)


def test_combinations_that_are_written_alike():
    data = pd.DataFrame({"y": [1.0, 2, 3], "a": ["p:q", "p", "p"], "b": ["r", "q:r", "r"]})
    with pytest.raises(DataError, match="both written 'p:q:r'"):
        build_design("y ~ 1 + (1 | a:b)", data)


def test_columns_of_one_name():
    data = frame().assign(**{"f[b]": np.arange(8.0) ** 2})
    with pytest.raises(DataError, match=r"two columns would be called 'f\[b\]'"):
        build_design("y ~ f + `f[b]`", data)
    with pytest.raises(DataError, match="two columns would be called 'Intercept'"):
        build_design("y ~ Intercept", frame().assign(Intercept=frame().x))


def test_function_that_gives_too_few_values():
    with pytest.raises(DataError, match=r"short\(x\) gave 3 values for 8 rows"):
        build_design("y ~ short(x)", frame(), functions={"short": lambda x: x[:3]})


def test_function_that_fails():
    def fail(x):
        raise RuntimeError("no luck")

    with pytest.raises(DataError, match=r"fail\(x\) cannot be computed: no luck"):
        build_design("y ~ fail(x)", frame(), functions={"fail": fail})


def test_function_that_gives_no_numbers():
    with pytest.raises(DataError, match=r"odd\(x\) is a dict, not numbers"):
        build_design("y ~ odd(x)", frame(), functions={"odd": lambda x: {}})


@pytest.mark.parametrize("name", ["C", "offset", "a b", "", 3])
def test_function_of_an_impossible_name(name):
    with pytest.raises(DataError, match="cannot be the name of a function"):
        build_design("y ~ x", frame(), functions={name: abs})


# as many effects as rows

EFFECTS = {
    "y ~ x + (1 | row)": r"\(1 \| row\): 8 effects for 8 rows; .*leave this bar out",
    "y ~ x + (x | g)": r"\(x \| g\): 8 effects for 8 rows; use \(1 \| g\) or more rows",
    "y ~ x + (x + t || g) + (1 | f)": None,
    "y ~ x + (1 | g/f)": None,
    "y ~ x + (1 | g)": None,
}


@pytest.mark.parametrize(("formula", "message"), EFFECTS.items())
def test_as_many_effects_as_rows(formula, message):
    design = build_design(formula, frame().assign(row=range(8)))
    if message is None:
        check_effects(design)
    else:
        with pytest.raises(DataError, match=message):
            check_effects(design)


def test_effects_of_a_frame_of_eighteen_rows():
    sleep = pd.DataFrame({"Reaction": np.arange(18.0), "Days": np.arange(18.0) % 7})
    design = build_design("Reaction ~ Days + (Days | Subject)", sleep.assign(Subject=range(18)))
    with pytest.raises(DataError, match=r"^\(Days \| Subject\): 36 effects for 18 rows"):
        check_effects(design)


# new data


@pytest.fixture(scope="module")
def fitted():
    return build_design("y ~ x + log(n) + f + offset(half) + (x | g)", frame())


NEW = {
    "lacks a column": ({"x": None}, "lack 1 column.*: x; they have y, "),
    "lacks a group": ({"g": None}, "lack 1 column.*: g"),
    "number is text": ({"x": list("abcdefgh")}, "x was numbers in the fitted data and is text"),
    "text is number": ({"f": range(8)}, "f was text in the fitted data and is numbers here"),
    "missing": ({"x": [np.nan, *range(7)]}, "missing values, of 8 rows: x in 1"),
    "missing level": ({"g": [None, *range(7)]}, "missing values, of 8 rows: g in 1"),
    "level of a predictor": (
        {"f": list("abcdefgh")},
        r"f has 5 level\(s\) that the fitted data do not have: 'd', .*known are 'a', 'b', 'c'",
    ),
    "not finite": ({"n": [0, *range(1, 8)]}, r"log\(n\) is not finite in 1 of 8 rows.*'r0'"),
    "group as text": ({"g": list("12345678")}, "g was numbers in the fitted data and is text here"),
}


@pytest.mark.parametrize(("change", "message"), NEW.values(), ids=NEW)
def test_new_data_do_not_fit(fitted, change, message):
    new = frame().assign(**{k: v for k, v in change.items() if v is not None})
    new = new.drop(columns=[k for k, v in change.items() if v is None])
    with pytest.raises(DataError, match=message):
        replay(fitted, new)


def test_group_as_numbers_where_it_was_text():
    design = build_design("y ~ 1 + (1 | g)", frame().assign(g=frame().g.astype(str)))
    with pytest.raises(DataError, match="g was text in the fitted data and is numbers here"):
        replay(design, frame())


def test_unknown_grouping_factor(fitted):
    with pytest.raises(DataError, match="no grouping factor 'h'; the model has g"):
        random_columns(fitted, "h", frame())
    with pytest.raises(DataError, match="no grouping factor 'h'; the model has g"):
        replay(fitted, frame(), groups=["h"])


def test_response_of_new_rows_is_needed_when_asked(fitted):
    with pytest.raises(DataError, match=r"lack 1 column.*: y"):
        replay(fitted, frame().drop(columns="y"), response=True)


def test_design_made_by_hand_has_no_replay(fitted):
    from dataclasses import replace

    with pytest.raises(DataError, match="made by hand"):
        replay(replace(fitted, columns=None), frame())


def test_second_bar_of_one_column_twice():
    data = frame().assign(**{"f[b]": np.arange(8.0) ** 2})
    with pytest.raises(DataError, match=r"f\[b\] varies over g twice"):
        build_design(parse("y ~ 1 + (0 + f | g) + (0 + `f[b]` | g)"), data)


def test_predictor_of_very_many_levels():
    data = pd.DataFrame({"y": np.zeros(30_000), "id": np.arange(30_000).astype(str)})
    with pytest.raises(DataError, match=r"id has 30,000 levels, a column for each.*\(1 \| id\)"):
        build_design("y ~ id", data)
    data["k"], data["m"] = data.id.str[:3], data.id.str[-2:]
    with pytest.raises(DataError, match=r"k:m makes [\d,]+ columns.*\(1 \| k:m\)"):
        build_design("y ~ k:m", data)


def test_grouping_factor_of_lists():
    data = pd.DataFrame({"y": [1.0, 2.0], "g": [[1], [2]]})
    with pytest.raises(DataError, match="g holds values that cannot be sorted into levels"):
        build_design("y ~ 1 + (1 | g)", data)


def test_contrast_of_impossible_settings():
    with pytest.raises(DataError, match=r"Its levels are 'a', 'b', 'c'"):
        build_design("y ~ C(f, contr.treatment([1, 2]))", frame())


WRITTEN = sorted({r for r in WORDS.values() if "write " in r} - {"write one model for each"})


def prefixes(remedy):
    """What a remedy says to write, shorter and shorter."""
    words = remedy.split("write ", 1)[1].replace("{x}", "x").split(" ")
    return [" ".join(words[:k]).rstrip(",;") for k in range(len(words), 0, -1)]


@pytest.mark.parametrize("remedy", [r for r in WRITTEN if r.count("~") + r.count("...") == 0])
def test_what_a_remedy_writes_can_be_written(remedy):
    """Of numbers between 0 and 1, whole ones, or categories where the remedy is about levels."""
    rng = np.random.default_rng(1)
    numbers = pd.DataFrame({"y": rng.normal(size=60), "x": rng.uniform(0.1, 0.9, 60)})
    numbers["z"] = rng.uniform(size=60)
    numbers["a"] = numbers["b"] = numbers["g"] = np.arange(60) % 6
    levels = numbers.assign(x=np.resize(["level", "low", "top"], 60))

    def builds(text):
        whole = numbers.assign(x=np.arange(60) // 6 % 3)
        for data in (numbers, numbers.assign(x=9 * numbers["x"]), levels, whole):
            try:
                design = build_design(f"y ~ {text}", data)
            except MixedBayesError:
                continue
            if design.mu.terms or design.mu.groups or design.mu.offset is not None:
                return True
        return False

    assert any(builds(text) for text in prefixes(remedy))


@pytest.mark.parametrize(
    ("call", "columns"), [("bs(x, 3)", 3), ("bs(x, 5)", 5), ("cr(x, 4)", 4), ("cc(x, 4)", 4)]
)
def test_splines_take_their_number_of_columns_as_r_does(call, columns):
    data = pd.DataFrame({"y": np.arange(40.0), "x": np.sin(np.arange(40.0))})
    X = build_design(f"y ~ {call}", data).mu.X
    assert X.shape[1] == columns
    named = build_design(f"y ~ {call.replace(', ', ', df=')}", data).mu.X
    np.testing.assert_array_equal(X, named)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("center(x, 3)", r"center\(x, 3\): it is called as center\(x\)"),
        ("poly(x, 2, 3)", r"raw must be True or False, got 3"),
        ("poly(x, df=2)", r"it is called as poly\(x, degree, raw\)"),
        ("bs(x, 4, 3)", r"it is called as bs\(x, df, \.\.\.\)"),
        ("bs(x, k=4)", "no setting 'k'; mgcv's k is df here"),
        ("cr(x)", r"cr\(x\): say how many columns the spline has, as in df=4"),
    ],
)
def test_transforms_say_how_they_are_called(call, said):
    data = pd.DataFrame({"y": np.arange(40.0), "x": np.sin(np.arange(40.0))})
    with pytest.raises(DataError, match=said):
        build_design(f"y ~ {call}", data)
