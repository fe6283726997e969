"""Effects of the levels of a variable: spellings, positions, and what is refused."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mixedbayes as mb
from mixedbayes.design import axis, build_design
from mixedbayes.errors import DataError, FormulaError, PriorError
from mixedbayes.formula import parse
from mixedbayes.formula.parser import canonical


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    text = np.tile(["v1", "v10", "v2", "v3"], 30)
    levels = ["v1", "v2", "never", "v3", "v10"]
    return pd.DataFrame({
        "y": rng.normal(size=120), "a g": np.repeat(np.arange(15), 8), "x": rng.normal(size=120),
        "my visit": np.tile([1, 2, 4, 7], 30), "t": np.tile([0.5, 0.7, 3.0], 40), "text": text,
        "cat": pd.Categorical(text), "one": 3, "flag": np.tile([True, False], 60),
        "gap": pd.Categorical(text, levels, ordered=True), "month": np.tile([0, 6, 12, 18], 30),
        "o": rng.integers(1, 4, 120),
    })  # fmt: skip


@pytest.mark.parametrize(
    ("spelled", "is_"),
    [
        ("ar1(visit | g)", "ar1(0 + visit | g)"),
        ("(0 + ar1(visit) | g)", "ar1(0 + visit | g)"),
        ("(ar1(visit) - 1 | g)", "ar1(0 + visit | g)"),
        ("cs(0 + visit | g)", "cs(0 + visit | g)"),
        ("(0 + cs(visit) | g)", "cs(0 + visit | g)"),
        ("cs(1 + x | g)", "cs(1 + x | g)"),
        ("ou(log(t) | a/b)", "ou(0 + log(t) | a) + ou(0 + log(t) | a:b)"),
        ("us(x | g)", "(1 + x | g)"),
        ("us(x | p | g)", "(1 + x | p | g)"),
        ("(0 + us(visit) | g)", "(0 + visit | g)"),
        ("diag(x | g)", "(1 + x || g)"),
        ("homtoep(`my visit` | `a g`)", "homtoep(0 + `my visit` | `a g`)"),
    ],
)
def test_spellings_of_one_meaning(spelled, is_):
    formula = parse(f"y ~ {spelled}")
    assert canonical(formula) == f"y ~ 1 + {is_}"
    assert canonical(canonical(formula)) == canonical(formula)


@pytest.mark.parametrize(
    ("bars", "said"),
    [
        ("(ar1(visit) | g)", r"write ar1\(visit \| g\) for these(?s:.*)\(1 \| g\) \+ ar1"),
        ("(0 + ar1(visit) + x | g)", "stands by itself"),
        ("ar1(1 + visit | g)", r"bars of their own: \(1 \| g\) \+ ar1\(visit \| g\)"),
        ("ar1(visit:x | g)", "the levels of one variable"),
        ("cs(visit + x | g)", r"write it: cs\(1 \+ visit \+ x \| g\), or cs\(0 \+"),
        ("(0 + ar1(visit) || g)", r"write ar1\(visit \| g\)"),
        ("ar1(visit | p | g)", "effects with an id have correlations without structure"),
        ("cs(visit | g, hom=True)", "homcs and cs"),
        ("(0 + ar1(1) | g)", "has one variable"),
        ("ar1(visit)", "its effects vary over a grouping factor"),
        ("homdiag(visit | g)", r"write \(1 \| g:x\)"),
    ],
)
def test_what_is_ambiguous_is_refused(bars, said):
    with pytest.raises((FormulaError, DataError), match=said):
        build_design(f"y ~ {bars}", pd.DataFrame({"y": [1.0, 2], "visit": [1, 2], "g": [1, 2]}))


@pytest.mark.parametrize(
    ("bars", "at", "terms"),
    [
        ("ar1(`my visit` | `a g`)", (1, 2, 4, 7), ("my visit[1]", "my visit[2]")),
        ("ar1(C(`my visit`) | `a g`)", (0, 1, 2, 3), ("C(`my visit`)[1]", "C(`my visit`)[2]")),
        ("ar1(gap | `a g`)", (0, 1, 3, 4), ("gap[v1]", "gap[v2]")),
        ("toep(month | `a g`)", (0, 6, 12, 18), ("month[0]", "month[6]")),
        ("ou(t | `a g`)", (0.5, 0.7, 3.0), ("t[0.5]", "t[0.7]")),
        ("cs(text | `a g`)", (0, 1, 2, 3), ("text[v1]", "text[v10]")),
        ("ar1(flag | `a g`)", (0, 1), ("flag[0]", "flag[1]")),
    ],
)
def test_positions_and_names_of_effects(data, bars, at, terms):
    for frame in (data, pl.from_pandas(data.drop(columns="gap"))):
        if "gap" in bars and frame is not data:
            continue
        (g,) = build_design(f"y ~ {bars}", frame).mu.groups
        assert g.covariance.at == at
        assert g.terms[:2] == terms
        np.testing.assert_array_equal(g.Z.sum(axis=1), 1)
        alone = len(g.sd_terms) == len(g.terms)
        assert alone == (g.covariance.name in ("cs", "toep"))


@pytest.mark.parametrize(
    ("bars", "said"),
    [
        ("ar1(text | `a g`)", r"whose order as visits is not known(?s:.*)pandas.Categorical"),
        ("ou(text | `a g`)", r"times are numbers(?s:.*)ar1\(text \| `a g`\)"),
        ("ar1(x | `a g`)", r"whole numbers or categories(?s:.*)ou\(x \| `a g`\)"),
        ("cs(x | `a g`)", r"cs\(C\(x\) \| `a g`\)(?s:.*)cs\(1 \+ x \| `a g`\)"),
        ("toep(`my visit` | `a g`)", "not equally far apart"),
        ("toep(gap | `a g`)", "remove_unused_categories"),
        ("ar1(one | `a g`)", r"one is 3 in every row(?s:.*)write \(1 \| `a g`\)"),
        ("ar1(poly(x, 2) | `a g`)", "2 columns, not one"),
        ("ar1(month | `a g`) + ou(t | `a g`)", "covariances of several structures"),
    ],
)
def test_what_has_no_positions_is_refused(data, bars, said):
    with pytest.raises(DataError, match=said):
        build_design(f"y ~ {bars}", data)


def test_notes_say_the_order_of_categories_and_what_many_levels_cost(data):
    (note,) = build_design("y ~ ar1(cat | `a g`)", data).notes
    assert "in the order of its categories, 'v1', 'v10'" in note
    assert not build_design("y ~ ar1(gap | `a g`)", data).notes
    many = pd.DataFrame({"y": np.arange(900.0), "g": np.arange(900) % 30, "t": np.arange(900) % 90})
    assert "t has 90 levels" in build_design("y ~ toep(t | g)", many).notes[-1]
    with pytest.raises(DataError, match=r"at most 400: round t(?s:.*)ar1\(t \| g\)"):
        build_design("y ~ toep(t | g)", many.assign(t=np.arange(900)))


def test_times_of_a_chain_cost_in_proportion_where_the_response_is_normal(monkeypatch):
    each = np.arange(900)
    many = pd.DataFrame({"y": each % 7, "g": each % 9, "t": each // 9})
    assert not mb.Model("y ~ ou(t | g)", many).notes
    (note,) = mb.Model("y ~ ou(t | g)", many, family="poisson").notes
    assert "t has 100 levels" in note
    assert "with the cube" in note
    far = pd.concat([many.assign(t=many["t"] + 0.001 * k) for k in range(5)])
    assert len(build_design("y ~ ou(t | g)", far).mu.groups[0].terms) == 500
    counts = mb.Model("y ~ ou(t | g)", far, family="poisson")
    assert counts.formulation.engine.name == "pymc"
    assert "500 levels, whose dense covariance" in counts.formulation.reason
    monkeypatch.setattr(axis, "MOST_NUMBERS", 2_000_000)
    with pytest.raises(DataError, match=r"500 levels in 4,500 rows(?s:.*)2,250,000, more than"):
        build_design("y ~ ou(t | g)", far)


def test_one_level_is_enough_where_its_effects_follow_each_other():
    one = pd.DataFrame({"y": np.arange(40) % 7, "g": "a", "t": np.arange(40)})
    build_design("y ~ ar1(t | g)", one)
    for bars in ("(1 | g) + ar1(t | g)", "toep(t | g)"):
        with pytest.raises(DataError, match="the single level 'a' in 40 rows"):
            build_design(f"y ~ {bars}", one)


def test_effects_of_each_row_are_told_from_the_residual_where_a_structure_does(data):
    once = data.iloc[::2].groupby("a g").head(4)
    mb.Model("y ~ ar1(month | `a g`)", once.assign(month=np.tile([0, 6, 12, 18], 15)))
    with pytest.raises(DataError, match=r"60 effects for 60 rows; use \(1 \| a g\) or more rows"):
        mb.Model("y ~ homcs(C(month) | `a g`)", once.assign(month=np.tile([0, 6, 12, 18], 15)))


def test_priors_of_structures(data):
    priors = {"sd": {"a g": {"month": mb.HalfNormal(2)}}, "cor": {"a g": mb.Uniform(0, 0.9)}}
    model = mb.Model("y ~ ar1(month | `a g`)", data, priors=priors)
    table = model.priors.set_index("parameter")
    assert table.loc["sd_a_g", "prior"] == "HalfNormal(2)"
    assert table.loc["cor_a_g", "prior"] == "Uniform(0, 0.9)"
    default = mb.Model("y ~ ou(t | `a g`)", data).priors.set_index("parameter")
    assert (
        "95 % from half of the typical step, 1.25, to twice the span, 2.5"
        in default.loc["cor_a_g", "derived_from"]
    )
    with pytest.raises(
        PriorError, match=r"'month\[0\]' is not a parameter here: valid names: month"
    ):
        mb.Model("y ~ ar1(month | `a g`)", data, priors={"sd": {"a g": {"month[0]": mb.Flat()}}})


def test_cs_in_a_bar_of_an_ordered_response_is_ambiguous(data):
    for family in ("acat", "cumulative"):
        with pytest.raises(FormulaError, match=r"for these write cs\(0 \+ cat \| `a g`\)"):
            mb.Model("o ~ x + (0 + cs(cat) | `a g`)", data, family=family)
    assert mb.Model("o ~ cs(cat | `a g`)", data, family="acat").design.mu.groups
    assert mb.Model("y ~ (0 + cs(cat) | `a g`)", data).design.mu.groups


def test_code_for_lme4(data):
    code = mb.Model("y ~ x + ar1(month | `a g`)", data).code("lme4")
    assert "ar1(0 + factor(month) | `a g`)" in code
    assert "cs(0 + text | `a g`)" in mb.Model("y ~ cs(text | `a g`)", data).code("lme4")
    with pytest.raises(mb.errors.ModelError, match="one step apart, and those of my visit are not"):
        mb.Model("y ~ ar1(`my visit` | `a g`)", data).code("lme4")
