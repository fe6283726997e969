"""A response outside the support is refused with its row, its value and the family that fits."""

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from family_values import needs_trials
from scipy import stats

import mixedbayes as mb
from mixedbayes.design import build_design, replay
from mixedbayes.errors import DataError, ModelError
from mixedbayes.families import words
from mixedbayes.families.base import Family
from mixedbayes.families.registry import FAMILIES, as_family
from tests.support.logistic import Logistic

WRONG = {
    "gaussian": (["a", "b", "c"], "categorical", "cumulative"),
    "student_t": (["a", "b", "a"], "categorical", "bernoulli"),
    "skew_normal": (["a", "b", "c"], "categorical", "cumulative"),
    "exgaussian": (["a", "b", "c"], "categorical", "cumulative"),
    "asymmetric_laplace": (["a", "b", "c"], "categorical", "cumulative"),
    "shifted_lognormal": ([1.0, -2.5, 0.0], "-2.5 in row 'r1' (2 of 3 rows", "gaussian"),
    "lognormal": ([1.0, -2.5, 0.0], "-2.5 in row 'r1' (2 of 3 rows", "gaussian"),
    "gamma": ([1.5, 0.0, 2.0], "0 in row 'r1' (1 of 3 rows", "hurdle_gamma"),
    "weibull": ([1.5, 0.0, 2.0], "0 in row 'r1' (1 of 3 rows", "hurdle_gamma"),
    "exponential": ([1.5, -1.0, 2.0], "-1 in row 'r1' (1 of 3 rows", "gaussian"),
    "inverse_gaussian": ([1.5, 0.0, 2.0], "0 in row 'r1' (1 of 3 rows", "hurdle_gamma"),
    "hurdle_gamma": ([1.5, 0.0, -2.0], "-2 in row 'r2' (1 of 3 rows", "gaussian"),
    "hurdle_lognormal": ([1.5, 0.0, -2.0], "-2 in row 'r2' (1 of 3 rows", "gaussian"),
    "von_mises": (
        [0.5, 3.5, -3.1],
        "3.5 in row 'r1'",
        "arctan2(sin(deg2rad(y)), cos(deg2rad(y))) ~ ...",
    ),
    "zero_one_inflated_beta": ([0.5, 3.5, 0.0], "3.5 in row 'r1'", "hurdle_gamma"),
    "ordered_beta": ([0.5, -1.0, 1.0], "-1 in row 'r1' (1 of 3 rows", "gaussian"),
    "beta": ([0.5, 3.5, 0.1], "3.5 in row 'r1' (1 of 3 rows", "gamma"),
    "bernoulli": ([0.0, 1.0, 2.0], "2 in row 'r2' (1 of 3 rows", "poisson"),
    "binomial": ([0.25, 0.5, 0.75], "number of trials", "shares"),
    "poisson": ([0.0, 1.0, 1.5], "1.5 in row 'r2' (1 of 3 rows", "hurdle_gamma"),
    "negative_binomial": ([-1.0, 1.0, 4.0], "-1 in row 'r0' (1 of 3 rows", "gaussian"),
    **dict.fromkeys(
        ("cumulative", "sratio", "cratio", "acat", "categorical"),
        ([1.0, 2.0, 2.5], "2.5 in row 'r2' (1 of 3 rows", "gamma"),
    ),
}


UNORDERED_TEXT = (["a", "b", "c"], "y")  # no family without an entry above takes it


def design(y, response="y", **columns):
    index = [f"r{i}" for i in range(len(y))]
    return build_design(f"{response} ~ 1", pd.DataFrame({"y": y, **columns}, index=index))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_first_offending_row_is_named(name):
    y, *expected = WRONG.get(name, UNORDERED_TEXT)
    with pytest.raises(DataError) as raised:
        FAMILIES[name]().prepare(design(y))
    for part in (name, *expected):
        assert part in str(raised.value)


@pytest.mark.parametrize(
    "name", [n for n, k in FAMILIES.items() if not (k.columns or needs_trials(k()))]
)
def test_trials_are_for_the_binomial(name):
    with pytest.raises(DataError, match=r"trials\(n\) is for binomial counts"):
        FAMILIES[name]().prepare(design([1.0, 2.0, 3.0], "y | trials(n)", n=[5, 5, 5]))


def test_shares_of_zero_and_one_point_to_families_that_have_them():
    match = r"0 in row 'r1' \(1 of 3 rows are 0 or 1\).*ordered_beta.*binomial"
    with pytest.raises(DataError, match=match):
        FAMILIES["beta"]().prepare(design([0.5, 0.0, 0.1]))
    for name in ("ordered_beta", "zero_one_inflated_beta"):
        FAMILIES[name]().prepare(design([0.5, 0.0, 0.1]))
        with pytest.raises(DataError, match=r"0 or 1 in all 3 rows.*'bernoulli' fits"):
            FAMILIES[name]().prepare(design([0.0, 1.0, 1.0]))


@pytest.mark.parametrize(
    ("y", "written"),
    [([10.0, 350.0, 20.0], "arctan2(sin(deg2rad(y)), cos(deg2rad(y)))"),
     ([0.1, 6.2, 3.0], "arctan2(sin(y), cos(y))")],
)  # fmt: skip
def test_angles_in_other_units_have_a_remedy_that_works(y, written):
    with pytest.raises(DataError, match=re.escape(written)):
        FAMILIES["von_mises"]().prepare(design(y))
    FAMILIES["von_mises"]().prepare(design(y, written))


def test_directions_near_the_end_of_the_link_are_noted():
    prepared = FAMILIES["von_mises"]().prepare(design([3.0, -3.1, 2.9]))
    assert any("near the end of the link's range" in note for note in prepared.notes)
    assert not FAMILIES["von_mises"]().prepare(design([0.3, -0.1, 0.2])).notes


SHARES = pd.DataFrame({"k": np.arange(1, 100), "n": 100})
SHARES["p"] = SHARES.k / SHARES.n
SHARES["made"] = SHARES.p * SHARES.n  # 29 becomes 28.999999999999996


@pytest.mark.parametrize("response", ["round(p*n)", "p*n", "made", "k"])
def test_shares_become_counts(response):
    made = build_design(f"{response} | trials(n) ~ 1", SHARES)
    np.testing.assert_array_equal(FAMILIES["binomial"]().prepare(made).y, SHARES.k)
    again = replay(made, SHARES, response=True)
    np.testing.assert_array_equal(again.y, SHARES.k)


@pytest.mark.parametrize(
    ("response", "family", "first"),
    [("p | trials(n)", "gaussian", 0), ("p", "binomial", 0), ("p", "bernoulli", 1)],
)
def test_the_remedy_for_shares_is_the_form_that_works(response, family, first):
    data = SHARES.assign(p=SHARES.p.where(SHARES.k > first, 0.0))
    with pytest.raises(DataError, match=r"round\(p\*n\) \| trials\(n\)"):
        mb.Model(f"{response} ~ 1", data, family=family)


def test_counts_that_are_whole_but_for_rounding():
    with pytest.raises(DataError, match=r"28\.999999999999996, .*\(write round\(made\) ~ ...\)"):
        FAMILIES["poisson"]().prepare(build_design("made ~ 1", SHARES.iloc[28:]))
    y = FAMILIES["poisson"]().prepare(build_design("round(made) ~ 1", SHARES)).y
    np.testing.assert_array_equal(y, SHARES.k)


def test_a_share_of_trials_that_is_not_whole_is_refused():
    data = SHARES.assign(k=SHARES.k + 1e-4)
    with pytest.raises(DataError, match="99 of 99 values are not whole numbers from 0"):
        build_design("k | trials(n) ~ 1", data)


@pytest.mark.parametrize("name", ["poisson", "negative_binomial"])
def test_counts_of_zero_only(name):
    family, zeros = FAMILIES[name](), design(np.zeros(20))
    assert family.prepare(zeros).notes == ("y is 0 in every row",)
    assert family.location(zeros) == pytest.approx(np.log(0.5 / 20))
    counted = build_design("y | weights(w) ~ 1", pd.DataFrame({"y": np.zeros(5), "w": 4.0}))
    counted = family.prepare(counted) if family.repeats_rows else counted
    assert family.location(family.counted(counted)) == pytest.approx(np.log(0.5 / 20))
    with pytest.raises(DataError, match=r"0 in all 20 rows.*use the log link"):
        FAMILIES[name](mb.Identity()).prepare(zeros)


# two outcomes

YES = np.array([0, 1, 1, 0, 1, 0])
TWO = {
    "numbers": (YES, "y"),
    "booleans": (YES == 1, "y"),
    "nullable": (pd.array(YES == 1, dtype="boolean"), "y"),
    "objects": ((YES == 1).astype(object), "y"),
    "category of booleans": (pd.Categorical(YES == 1), "y"),
    "category of numbers": (pd.Categorical(YES + 1), "y"),
    "text": (np.where(YES, "yes", "no"), "y"),
    "1 and 2": (YES + 1, "I(y == 2)"),
    "1.0 and 2.0": (YES + 1.0, "I(y == 2)"),
    "-1 and 1": (2 * YES - 1, "I(y == 1)"),
    "0 and 2": (2 * YES, "I(y == 2)"),
    "5.5 and 7.5": (5.5 + 2 * YES, "I(y == 7.5)"),
}


@pytest.mark.parametrize(("y", "written"), TWO.values(), ids=TWO)
def test_two_values_are_two_outcomes(y, written):
    if written != "y":
        with pytest.raises(DataError) as raised:
            FAMILIES["bernoulli"]().prepare(design(y))
        assert f"family='bernoulli' with {written} fits" in str(raised.value)
    np.testing.assert_array_equal(FAMILIES["bernoulli"]().prepare(design(y, written)).y, YES)


@pytest.mark.parametrize("levels", [["no", "yes"], ["yes", "no"], [False, True]])
@pytest.mark.parametrize("observed", [0, 1])
def test_one_outcome_of_two_that_are_declared(levels, observed):
    made = design(pd.Categorical([levels[observed]] * 4, categories=levels))
    prepared = FAMILIES["bernoulli"]().prepare(made)
    assert prepared.y.tolist() == [observed] * 4
    assert prepared.response_levels == tuple(levels)
    new = replay(made, pd.DataFrame({"y": levels}), response=True)
    assert (new.y.tolist(), new.response_levels) == ([0.0, 1.0], tuple(levels))


def test_one_outcome_of_unknown_many():
    with pytest.raises(DataError, match=r"single level 'no' in all 3 rows; name both outcomes"):
        FAMILIES["bernoulli"]().prepare(design(["no", "no", "no"]))


# ordered categories

WORDS = ["medium", "low", "high", "low"]
CODES = [1.0, 0.0, 2.0, 0.0]
ORDER = ["low", "medium", "high"]
ORDERED = {
    "an ordered category": (pd.Categorical(WORDS, ORDER, ordered=True), "y"),
    "levels in the formula": (WORDS, 'C(y, levels=["low", "medium", "high"])'),
    "a category and levels in the formula": (
        pd.Categorical(WORDS),
        'C(y, levels=["low", "medium", "high"])',
    ),
    "whole numbers": ([2, 1, 3, 1], "y"),
    "a category of numbers": (pd.Categorical([5, -1, 10, -1]), "y"),
    "cut": (pd.cut([2.0, 1, 3, 1], [0, 1.5, 2.5, 9]), "y"),
    "times": (pd.Categorical([pd.Timestamp(2020, month, 1) for month in (2, 1, 3, 1)]), "y"),
}  # fmt: skip
UNORDERED = {
    "text": WORDS,
    "a category": pd.Categorical(WORDS, ORDER),
    "a category of the alphabet": pd.Categorical(WORDS),
    "text of pandas": pd.array(WORDS, dtype="string"),
    "numbers against their order": pd.Categorical([2, 1, 3, 1], [3, 1, 2]),
}


@pytest.mark.parametrize(("y", "written"), ORDERED.values(), ids=ORDERED)
def test_an_order_that_is_stated(y, written):
    assert FAMILIES["cumulative"]().prepare(design(y, written)).y.tolist() == CODES


@pytest.mark.parametrize("y", UNORDERED.values(), ids=UNORDERED)
def test_an_order_that_is_nowhere_stated(y):
    with pytest.raises(DataError, match=r"without an order .*C\(y, levels=\[\.\.\.\]\) ~"):
        FAMILIES["cumulative"]().prepare(design(y))


def test_enums_of_polars_are_ordered():
    pl = pytest.importorskip("polars")
    data = pl.DataFrame({"y": pl.Series(WORDS, dtype=pl.Enum(ORDER))})
    assert FAMILIES["cumulative"]().prepare(build_design("y ~ 1", data)).y.tolist() == CODES


CONSTANT = ("0 + f", "-1 + f + x", "0 + f:h", "0 + f * x", "0 + one + x", "0 + x + I(1 - x)")
SPLINES = "0 + bs(x, df=4, include_intercept=True)"
VARYING = ("0 + x", "0 + f:x", "f", "f:h", "1 + x + I(1 - x)")


@pytest.fixture(scope="module")
def rated():
    rng = np.random.default_rng(1)
    f, h = np.tile(["a", "b", "c"], 20), np.repeat(["u", "v"], 30)
    columns = {"f": f, "h": h, "x": rng.normal(size=60), "one": 2.0}
    return pd.DataFrame(columns | {"y": rng.integers(1, 5, 60)})


@pytest.mark.parametrize("right", [*CONSTANT, SPLINES])
def test_columns_that_hold_a_constant_are_refused_beside_thresholds(rated, right):
    with pytest.raises(DataError, match=r"the thresholds of the cumulative .* leave `0 \+`"):
        mb.Model(f"y ~ {right}", rated, family="cumulative")
    mb.Model(f"y ~ {right.removeprefix('0 + ').removeprefix('-1 + ')}", rated, family="cumulative")


@pytest.mark.parametrize("right", VARYING)
def test_with_thresholds_the_columns_have_full_rank(rated, right):
    X = mb.Model(f"y ~ {right}", rated, family="cumulative").design.mu.X
    assert np.linalg.matrix_rank(np.column_stack([np.ones(60), X])) == X.shape[1] + 1


def test_two_categories_are_not_an_ordered_response():
    with pytest.raises(DataError, match=r"2 different values.*bernoulli"):
        FAMILIES["cumulative"]().prepare(design([0.0, 1.0, 1.0]))


def test_three_categories_are_not_bernoulli():
    with pytest.raises(DataError, match=r"3 levels.*cumulative"):
        FAMILIES["bernoulli"]().prepare(design(["a", "b", "c"]))


@pytest.mark.parametrize(
    "y", [[0.0, 1.0, 1.0], [False, True, True], ["no", "yes", "yes"]], ids=["01", "bool", "text"]
)
def test_second_level_is_the_success(y):
    prepared = FAMILIES["bernoulli"]().prepare(design(y))
    np.testing.assert_array_equal(prepared.y, [0, 1, 1])
    assert any("'yes'" in note for note in prepared.notes) == (y[0] == "no")


def test_ordered_categories_become_codes_without_gaps():
    y = pd.Categorical(["hi", "lo", "lo", "mid"], ["none", "lo", "mid", "hi"], ordered=True)
    prepared = FAMILIES["cumulative"]().prepare(design(y))
    np.testing.assert_array_equal(prepared.y, [2, 0, 0, 1])
    assert prepared.response_levels == ("lo", "mid", "hi")
    assert not prepared.mu.intercept
    assert any("lo < mid < hi" in note for note in prepared.notes)
    labels = FAMILIES["cumulative"]().labels("thresholds", prepared)
    assert labels == ("lo|mid", "mid|hi")


@pytest.mark.parametrize("name", FAMILIES)
def test_families_by_name_class_and_object(name):
    kind = FAMILIES[name]
    assert as_family(name) == as_family(kind) == as_family(kind()) == kind()


def test_unknown_family_names_the_near_one():
    with pytest.raises(ModelError, match="Did you mean 'negative_binomial'"):
        as_family("negativebinomial")


@pytest.mark.parametrize(
    ("word", "ours"),
    [("nbinom2", "negative_binomial"), ("normal", "gaussian"), ("t", "student_t"),
     ("ordinal", "cumulative"), ("Neg. Binomial", "negative_binomial"), ("lnorm", "lognormal")],
)  # fmt: skip
def test_families_of_other_packages_that_are_here(word, ours):
    with pytest.raises(ModelError, match=f"It is called '{ours}' here"):
        as_family(word)


@pytest.mark.parametrize(
    ("word", "nearest"),
    [("compois", "negative_binomial"), ("bell", "negative_binomial"), ("tweedie", "gamma"),
     ("pareto", "lognormal"), ("hurdle_cumulative", "sratio"), ("cauchy", "student_t"),
     ("COM-Poisson", "negative_binomial"), ("categorical", "bernoulli")],
)  # fmt: skip
def test_families_of_other_packages_that_are_not(word, nearest):
    if re.sub(r"[^a-z]", "", word.lower()) in {name.replace("_", "") for name in FAMILIES}:
        pytest.skip("it is offered by now")
    with pytest.raises(ModelError, match=f"It is not offered; the nearest: .*{nearest}"):
        as_family(word)


@pytest.mark.parametrize(
    ("word", "said"),
    [("zipoisson", "called 'zero_inflated_poisson'"), ("hurdle_nb", "'hurdle_negative_binomial'"),
     ("zi gamma", "called 'hurdle_gamma'"), ("hurdle", "there are hurdle_gamma"),
     ("beta-binomial", "called 'beta_binomial'"), ("truncnorm", r"y \| trunc\(.*'gaussian'"),
     ("tobit", r"y \| cens\(.*'gaussian'"), ("rate", r"count \| rate\("),
     ("gaussian_log", r"Gaussian\(link=mb.Log\(\)\)"), ("log", r"Poisson\(link=mb.Log\(\)\)"),
     ("ordered_logit", r"Cumulative\(link=mb.Logit\(\)\)"), ("counts", "'poisson'"),
     ("bernouli", "'bernoulli'"), ("possion", "'poisson'"), ("gauss", "'gaussian'"),
     ("binomial(link='probit')", "'binomial'"), ("coxph", "weibull.*cens"),
     (stats.gamma, "Did you mean 'gamma'"), (stats.norm(), "'gaussian'")],
)  # fmt: skip
def test_names_made_of_parts_and_misspelt_ones(word, said):
    with pytest.raises(ModelError, match=f"is not known.*{said}"):
        as_family(word)


@pytest.mark.parametrize("word", ["ziplogit", "family", "", 3, None, ["gaussian"]])
def test_nothing_is_proposed_where_nothing_is_near(word):
    with pytest.raises(ModelError, match=r"acat\.$"):
        as_family(word)


def test_words_of_other_packages_are_no_names_of_ours():
    same = [word for kind in FAMILIES.values() for word in kind.elsewhere.names]
    assert len(set(same)) == len(same)
    assert not set(same) & set(FAMILIES)


@pytest.mark.parametrize("word", ["logistic", "Logistic distribution", "logistic-distribution"])
def test_a_family_that_is_registered_is_no_longer_one_that_is_not_offered(word, monkeypatch):
    assert "logistic_distribution" in words.NEAREST
    monkeypatch.setitem(FAMILIES, Logistic.name, Logistic)
    try:
        assert as_family(word) == Logistic()
    except ModelError as error:
        assert "It is called 'logistic' here" in str(error)  # noqa: PT017


@dataclass(frozen=True)
class OwnPoisson(mb.Poisson):
    """A family of a user's own."""


@dataclass(frozen=True)
class OwnFamily(Family):
    """Another."""

    mean_links = (mb.Log,)
    link: mb.Log = field(default_factory=mb.Log)


@dataclass(frozen=True)
class OwnLog(mb.Log):
    """A link of a user's own."""


@pytest.mark.parametrize("family", [OwnPoisson, OwnPoisson(), OwnFamily, OwnFamily(), Family])
def test_families_of_ones_own_are_refused_with_reasons(family):
    with pytest.raises(ModelError, match=r"a class of your own.*compiled.*mb.custom.*gaussian"):
        mb.Model("k ~ 1", SHARES, family=family)


def test_links_of_ones_own_are_refused():
    with pytest.raises(ModelError, match=r"OwnLog is a link of your own.*has mb.Log\(\)"):
        mb.Model("k ~ 1", SHARES, family=mb.Poisson(link=OwnLog()))


def test_a_prior_is_not_a_family():
    with pytest.raises(ModelError, match=r"is a prior. Did you mean 'gamma'"):
        as_family(mb.Gamma)


def test_links_are_the_familys_own():
    assert mb.Poisson(link=mb.Identity).link == mb.Identity()
    with pytest.raises(ModelError, match=r"poisson family has the links mb.Log\(\), mb.Identity"):
        mb.Poisson(link=mb.Logit())
