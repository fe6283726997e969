"""Hypotheses about named draws beside closed forms."""

import re

import numpy as np
import pytest
from scipy import signal, stats

from mixedbayes.errors import FormulaError, ModelError
from mixedbayes.results.hypotheses import hypotheses, statement_draws
from mixedbayes.results.library import answer

S, CHAINS = 8000, 4
POSTERIOR = {"a": (1.0, 0.5), "b": (2.0, 0.5), "c - a": (0.3, 1.0)}  # mean and sd of normals


@pytest.fixture(scope="module")
def draws():
    rng = np.random.default_rng(1)
    return {name: rng.normal(m, s, S) for name, (m, s) in POSTERIOR.items()}


@pytest.fixture(scope="module")
def prior():
    rng = np.random.default_rng(2)
    return {name: rng.normal(0, 2, 100_000) for name in POSTERIOR}


def table(*texts, draws, **options):
    return hypotheses(texts, draws, chains=CHAINS, **options).set_index("hypothesis")


def test_estimates_and_probabilities_of_comparisons(draws):
    found = table("b - a > 0", "b < a", "a > 1.5", "`c - a` >= 0", draws=draws, prob=0.9)
    z = stats.norm.ppf(0.95)
    for text, mean, sd, p in [
        ("b - a > 0", 1, 0.5**0.5, stats.norm.sf(0, 1, 0.5**0.5)),
        ("b < a", 1, 0.5**0.5, stats.norm.cdf(0, 1, 0.5**0.5)),
        ("a > 1.5", -0.5, 0.5, stats.norm.sf(1)),
        ("`c - a` >= 0", 0.3, 1, stats.norm.sf(-0.3)),
    ]:
        row = found.loc[text]
        assert row["estimate"] == pytest.approx(mean, abs=0.05)
        assert row["sd"] == pytest.approx(sd, rel=0.05)
        assert row["lower"] == pytest.approx(mean - z * sd, abs=0.1)
        assert row["upper"] == pytest.approx(mean + z * sd, abs=0.1)
        assert abs(row["probability"] - p) < 4 * row["mcse"]
        assert row["mcse"] == pytest.approx(np.sqrt(p * (1 - p) / S), rel=0.15)
    assert {"evidence_ratio", "prior_probability"}.isdisjoint(found)
    assert "evidence" not in found.attrs["note"]


def test_the_error_of_a_probability_counts_autocorrelation():
    rho = 0.9
    e = np.random.default_rng(3).normal(size=(CHAINS, 20_000))
    x = signal.lfilter([np.sqrt(1 - rho**2)], [1, -rho], e, axis=1)
    found = hypotheses(["x > 0"], {"x": x.ravel()}, chains=CHAINS)
    k = np.arange(1, 400)  # of signs of a normal AR(1): correlation 2 / pi asin(rho^k)
    tau = 1 + 2 * np.sum(2 / np.pi * np.arcsin(rho**k))
    assert found["mcse"][0] == pytest.approx(np.sqrt(0.25 * tau / x.size), rel=0.15)


def test_chains_and_joint_statements_are_of_the_same_draws(draws):
    a, b, c = draws.values()
    for text, meant in [
        ("0 < a < b", (a > 0) & (a < b)),
        ("a > 1 and b > 2", (a > 1) & (b > 2)),
        ("a > 1 or b > 2 and `c - a` > 0", (a > 1) | ((b > 2) & (c > 0))),
        ("not (a > 1 or b > 2)", ~((a > 1) | (b > 2))),
        ("abs(a - b) < .3", np.abs(a - b) < 0.3),
        ("max(a, b, `c - a`) > 2", np.maximum(np.maximum(a, b), c) > 2),
        ("exp(a) / (1 + exp(a)) > inv_logit(1) + 1e-9", a > 1),
        ("-a^2 < -2 ** 2 * .25", a**2 > 1),
        ("sqrt(abs(a)) * 2 > 2", np.abs(a) > 1),
        ("logit(inv_logit(a)) + log(exp(b)) > 3", a + b > 3),
        ("min(a, b) >= 1.5", np.minimum(a, b) >= 1.5),
    ]:
        row = table(text, draws=draws).loc[text]
        assert row["probability"] == pytest.approx(meant.mean(), abs=1e-3)
    assert table("0 < a < b", draws=draws)["estimate"].isna().all()


def test_expressions_are_only_estimated(draws):
    row = table("b / 2 - a", draws=draws).iloc[0]
    assert row["estimate"] == pytest.approx(np.mean(draws["b"] / 2 - draws["a"]))
    assert np.isnan(row["probability"])
    assert np.isnan(row["mcse"])


def test_evidence_is_the_posterior_over_the_prior_odds(draws, prior):
    found = table("b > a", "a > 1", "a > 0 and b > 0", "`c - a` < 0", draws=draws, prior=prior)
    for text, before in [
        ("b > a", 0.5),
        ("a > 1", stats.norm.sf(0.5)),
        ("a > 0 and b > 0", 0.25),
        ("`c - a` < 0", 0.5),
    ]:
        row = found.loc[text]
        odds = row["probability"] / (1 - row["probability"])
        assert row["prior_probability"] == pytest.approx(before, abs=0.006)
        ratio = odds * (1 - row["prior_probability"]) / row["prior_probability"]
        assert row["evidence_ratio"] == pytest.approx(ratio)


@pytest.mark.parametrize(("text", "at"), [("a = 0.7", 0.7), ("2 * a == 0", 0.0), ("b = a", None)])
def test_an_equality_has_the_ratio_of_savage_and_dickey(draws, prior, text, at):
    if at is None:
        after, before = stats.norm.pdf(0, 1, 0.5**0.5), stats.norm.pdf(0, 0, 8**0.5)
    else:
        after, before = stats.norm.pdf(at, 1, 0.5), stats.norm.pdf(at, 0, 2)
    row = table(text, draws=draws, prior=prior).iloc[0]
    assert row["evidence_ratio"] == pytest.approx(after / before, rel=0.12)
    assert np.isnan(row["probability"])
    assert np.isnan(row["prior_probability"])


def test_what_has_no_evidence_says_why(draws, prior):
    some = {name: values for name, values in prior.items() if name != "b"}
    found = hypotheses(
        ["b > a", "a > 0", "a > -90", "a = 4", "log(a + 20) > 3"],
        draws,
        chains=CHAINS,
        prior=some | {"a": prior["a"] * 5},
    )
    assert found["evidence_ratio"].isna().tolist() == [True, False, True, True, True]
    note = found.attrs["note"]
    assert "No evidence ratio of b > a: b has no prior draws." in note
    assert "a > -90: of 100,000 draws from the prior 100,000 agree with it" in note
    assert "a = 4: too few draws of the posterior lie near the point" in note
    assert "log(a + 20) > 3: log(a + 20) > 3 is not a number in some draws from the prior" in note


def test_certainty_is_shown_no_greater_than_draws_allow(draws, prior):
    found = hypotheses(["a > -3", "a > 4", "a > -.5"], draws, chains=CHAINS, prior=prior)
    assert found["probability"][:2].tolist() == [1, 0]
    assert found["evidence_ratio"][0] == np.inf
    assert (found["mcse"][:2] > 0.8 / S).all()
    assert (found["mcse"][:2] < 2 / S).all()
    shown = repr(found)
    first, second, third = shown.splitlines()[2:5]
    assert "> 0.999" in first
    assert "< 0.0004" in second
    assert " inf" not in shown
    assert " 1 " not in first
    assert re.search(r" 0\.99\d\d ", third)
    assert ">" not in third.removeprefix("a > -.5")
    html = found._repr_html_()
    assert "&gt; 0.999" in html
    assert "inf" not in html
    assert "> 0.999" not in repr(found[["hypothesis", "estimate"]])


def test_a_region_of_practical_equivalence_is_asked_for(draws):
    found = table("a - b", "a > b", "a > 0 and b > 0", draws=draws, rope=(-1, 0))
    share = np.mean((draws["a"] - draws["b"] >= -1) & (draws["a"] <= draws["b"]))
    assert found["in_rope"].tolist()[:2] == pytest.approx([share, share])
    assert np.isnan(found["in_rope"].iloc[2])
    assert "from -1 to 0" in found.attrs["note"]
    assert "in_rope" not in table("a - b", draws=draws)
    for bad in (0.1, (1, -1), (0, 0), ("a", "b"), (1, 2, 3), (np.nan, 1)):
        with pytest.raises(ModelError, match="lower and the upper end"):
            table("a - b", draws=draws, rope=bad)


def test_draws_of_statements(draws):
    found = statement_draws(["a > b", "a = b", "a > 0 or b > 0"], draws, chains=CHAINS)
    assert found.sizes == {"chain": CHAINS, "draw": S // CHAINS, "hypothesis": 3}
    first = found.sel(hypothesis="a > b")
    np.testing.assert_array_equal(first["estimate"].values.ravel(), draws["a"] - draws["b"])
    np.testing.assert_array_equal(first["holds"].values.ravel(), draws["a"] > draws["b"])
    assert found.sel(hypothesis="a = b")["holds"].isnull().all()
    assert found.sel(hypothesis="a > 0 or b > 0")["estimate"].isnull().all()


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("aa > 0", "aa", "there is no quantity `aa`.*did you mean a"),
        ("zzzzz > 0", "zzzzz", "known are a, b, c - a"),
        ("1 + 1 > 0", "1 + 1 > 0", "no quantity in it"),
        ("b > log(a)", "log(a)", r"log\(a\) is not finite in \d+ of 8,000 draws"),
        ("a > 1 / (b - b)", "1 / (b - b)", "not finite in 8,000 of 8,000"),
        ("a > 1 / 0", "1 / 0", "1 / 0 is not finite"),
    ],
)
def test_mistakes_are_shown_in_their_place(draws, text, place, said):
    with pytest.raises(FormulaError, match=f"(?s){said}") as error:
        table(text, draws=draws)
    _, line, carets, *_ = str(error.value).split("\n")
    assert line[carets.index("^") :][: carets.count("^")] == place


def test_names_that_are_alike_are_told_apart():
    x = np.arange(8.0)
    known = {"g[a b]": x, "g[ab]": -x}
    found = hypotheses(["`g[a b]`", "g[ab]", "g[a b]"], known, chains=2)
    assert found["estimate"].tolist() == [3.5, -3.5, 3.5]
    with pytest.raises(FormulaError, match=r"may be `g\[a b\]` or `g\[ab\]`"):
        hypotheses(["g[ a b]"], known, chains=2)


def test_there_is_a_hypothesis(draws):
    with pytest.raises(ModelError, match="no hypothesis"):
        table(draws=draws)


def test_the_table_is_handed_out_in_the_library_of_the_data(draws):
    found = hypotheses(["a > b", "a"], draws, chains=CHAINS)
    assert answer(found, "pandas") is found
    polars = answer(found, "polars")
    assert polars.columns == found.columns.tolist()
    assert polars["probability"].to_list() == [found["probability"][0], None]
