"""Ratios: names by family and link, exact quantiles, median odds ratios, and what is refused."""

import re
from dataclasses import replace

import arviz_stats as az
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedbayes as mb
from mixedbayes.families.registry import FAMILIES
from mixedbayes.results.fixef import fixef
from mixedbayes.results.ratios import fixef_ratios, level_terms, ratio_of, varcorr_ratios
from mixedbayes.results.summary import summary

NAMES = {
    ("gaussian", "log"): "ratio of means",
    ("student_t", "log"): "ratio of means",
    ("lognormal", "identity"): "ratio of means",
    ("hurdle_lognormal", "identity"): "ratio of means",
    ("shifted_lognormal", "identity"): "ratio of means beyond ndt",
    ("gamma", "log"): "ratio of means",
    ("beta", "logit"): "odds ratio",
    ("beta", "cloglog"): "hazard ratio",
    ("bernoulli", "logit"): "odds ratio",
    ("bernoulli", "cloglog"): "hazard ratio",
    ("binomial", "logit"): "odds ratio",
    ("binomial", "cloglog"): "hazard ratio",
    ("poisson", "log"): "rate ratio",
    ("negative_binomial", "log"): "rate ratio",
    ("categorical", "logit"): "relative-risk ratio",
    ("multinomial", "logit"): "relative-risk ratio",
    ("cumulative", "logit"): "odds ratio",
    ("sratio", "logit"): "odds ratio",
    ("cratio", "logit"): "odds ratio",
    ("cratio", "cloglog"): "hazard ratio",
}
BY_LINK = {  # of families that have no entry above
    "log": "rate ratio|ratio of means",
    "logit": "odds ratio",
    "cloglog": "hazard ratio",
}
CASES = [(name, link) for name, kind in FAMILIES.items() for link in kind.mean_links]


@pytest.fixture
def posterior(make):
    """Draws of an intercept, a slope and two grouping factors; of a family's parameters, 1, or
    0.5 where they are probabilities."""

    def of(family, groups=("g", "k")):
        rng, n = np.random.default_rng(3), 40
        data = pd.DataFrame({"g": np.arange(n) % 6, "k": np.arange(n) % 5})
        data["x"], data["y"] = rng.normal(size=n), rng.integers(0, 2, n).astype(float)
        found = [make.group(data, g, {"Intercept": np.ones(n)}) for g in groups]
        design = make.design(data, "y", {"x": data.x.to_numpy()}, found, text="y ~ x")
        values = {
            "Intercept": rng.normal(-1, 0.3, (2, 500)),
            "fixef": rng.normal(0.7, 0.2, (2, 500, 1)),
        }
        values |= {f"sd_{g}": rng.gamma(4, 0.2, (2, 500, 1)) for g in groups}
        shares = {p.name for p in family.declared if isinstance(p.link, mb.Logit)}
        values |= {p: np.full((2, 500), 0.5 if p in shares else 1.0) for p in family.parameters}
        return make.posterior(design, values, family)

    return of


@pytest.mark.parametrize(("name", "link"), CASES, ids=lambda v: getattr(v, "__name__", v))
def test_every_family_and_link_has_its_ratio_or_a_reason(name, link, posterior):
    family = FAMILIES[name](link=link())
    design = posterior(mb.Gaussian()).design
    by_link = BY_LINK.get(link.name) if name not in {known for known, _ in NAMES} else None
    if expected := NAMES.get((name, link.name), by_link):
        assert re.fullmatch(expected, ratio_of(family, design).name)
    else:
        reason = {"identity": "own unit", "probit": "latent normal", "inverse": "1 / mean"}
        reason |= {"cloglog": "exp(-effect)", "tan_half": "differences on the tan_half scale"}
        with pytest.raises(mb.ModelError, match=rf"{name} family with {link.name}.*") as raised:
            ratio_of(family, design)
        assert reason[link.name] in str(raised.value)


def test_medians_and_intervals_are_exp_of_the_effects(posterior):
    post = posterior(mb.Bernoulli())
    table = fixef_ratios(post, prob=0.9)
    expected = ["term", "odds ratio", "lower", "upper", "prob_positive", "ess_bulk", "rhat"]
    assert list(table.columns) == expected
    assert list(table["term"]) == ["Intercept (baseline odds)", "x"]
    beta = np.column_stack([post.intercept(), post.fixef()])
    np.testing.assert_allclose(table["odds ratio"], np.exp(np.median(beta, axis=0)), rtol=1e-12)
    plain = fixef(post, prob=0.9)
    for end in ("lower", "upper"):
        np.testing.assert_allclose(np.log(table[end]), plain[end], rtol=1e-12)
    assert table["prob_positive"].tolist() == plain["prob_positive"].tolist()
    draws = fixef_ratios(post, draws=True)
    assert draws.name == "odds ratio"
    np.testing.assert_allclose(draws.sel(term="x").to_numpy().ravel(), np.exp(beta[:, 1]))


def test_other_statistics_are_of_the_ratio(posterior):
    post = posterior(mb.Bernoulli())
    table = fixef_ratios(post, 0.9, statistics=["mean", "mad", "prob_positive"], interval="hdi")
    columns = ["mean", "mad", "prob_positive", "lower", "upper", "ess_bulk", "rhat"]
    assert list(table)[1:] == ["odds ratio", *columns]
    ratio = np.exp(post.fixef()[:, 0])
    found = table.iloc[1]
    assert found["mean"] == pytest.approx(ratio.mean())
    assert found["mad"] == pytest.approx(stats.median_abs_deviation(ratio))
    assert found["prob_positive"] == (ratio > 1).mean()
    np.testing.assert_allclose(found[["lower", "upper"]].astype(float), az.hdi(ratio, prob=0.9))
    plain = fixef_ratios(post, 0.9)
    for name in ("odds ratio", "prob_positive", "ess_bulk", "rhat"):
        np.testing.assert_array_equal(table[name], plain[name])
    sds = varcorr_ratios(post, statistics=["median"])
    np.testing.assert_allclose(sds["median"], sds["median odds ratio"], rtol=0.02)
    assert fixef(post, exponentiate=True, interval="hdi", prob=0.9)["lower"].equals(table["lower"])


LEVELS = {
    "odds ratio": "baseline odds", "hazard ratio": "baseline hazard",
    "rate ratio": "baseline mean", "ratio of means": "baseline mean",
    "relative-risk ratio": "baseline relative risk",
}  # fmt: skip
MEDIANS = {
    "lognormal": "baseline median", "hurdle_lognormal": "baseline median",
    "shifted_lognormal": "baseline median beyond ndt",
}  # fmt: skip


@pytest.mark.parametrize(("name", "link"), NAMES)
def test_the_intercept_is_named_by_what_it_is(name, link, posterior):
    kinds = {kind.name: kind for kind in FAMILIES[name].mean_links}
    post = posterior(FAMILIES[name](link=kinds[link]()))
    level = MEDIANS.get(name) or LEVELS[NAMES[name, link]]
    for terms in (
        fixef_ratios(post)["term"].tolist(),
        fixef_ratios(post, draws=True)["term"].to_numpy().tolist(),
    ):
        assert terms == [f"Intercept ({level})", "x"]
    if not post.family.thresholds:  # which need the prepared design
        assert f"Intercept ({level})" in str(summary(post, exponentiate=True))


def test_with_an_offset_the_baseline_is_a_rate(posterior):
    post = posterior(mb.Poisson())
    mu = replace(post.design.mu, offset=np.ones(post.design.n))
    exposed = post.with_design(replace(post.design, predictors=(mu,)))
    assert fixef_ratios(exposed)["term"].tolist() == ["Intercept (baseline rate)", "x"]


@pytest.mark.parametrize(
    ("right", "levels"),
    [
        ("0 + arm + x", ["arm[a]", "arm[b]"]),
        ("0 + arm:k", ["arm[a]:k[p]", "arm[b]:k[p]", "arm[a]:k[q]", "arm[b]:k[q]"]),
        ("0 + arm + k", ["arm[a]", "arm[b]"]),
        ("0 + arm*k + x", ["arm[a]", "arm[b]"]),
        ("0 + x", []),
        ("arm + x", ["Intercept"]),
        ("0 + poly(x, 2)", []),
    ],
)
def test_without_an_intercept_the_dummies_are_levels(right, levels):
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": np.arange(40) % 2, "x": rng.normal(size=40)})
    data["arm"], data["k"] = rng.choice(["a", "b"], 40), rng.choice(["p", "q"], 40)
    model = mb.Model(f"y ~ {right}", data, family="bernoulli")
    assert sorted(level_terms(model.design.mu)) == sorted(levels)


def test_median_odds_ratio_is_that_of_simulated_pairs_of_levels(posterior):
    post = posterior(mb.Bernoulli())
    table = varcorr_ratios(post).set_index("group")
    assert list(table.columns[:2]) == ["term", "median odds ratio"]
    sd = float(np.median(post.sd("g")))
    rng = np.random.default_rng(0)
    pairs = sd * rng.normal(size=(2, 400_000))
    simulated = np.median(np.exp(np.abs(pairs[0] - pairs[1])))
    assert table.loc["g", "median odds ratio"] == pytest.approx(simulated, rel=0.01)
    # Larsen & Merlo (2005): MOR = exp(0.95 tau)
    assert table.loc["g", "median odds ratio"] == pytest.approx(np.exp(0.9539 * sd), rel=1e-3)


def test_no_median_ratio_without_groups(posterior):
    with pytest.raises(mb.ModelError, match="no group effects, so no median rate ratio"):
        varcorr_ratios(posterior(mb.Poisson(), groups=()))


def test_a_sigma_of_its_own_makes_ratios_of_medians():
    data = pd.DataFrame({"y": np.exp(np.arange(9) / 4), "x": np.arange(9) % 3})
    model = mb.Model(["y ~ x", "sigma ~ x"], data, family="lognormal")
    assert ratio_of(model.family, model.design).name == "ratio of medians"


def test_the_summary_has_them_on_request(posterior):
    post = posterior(mb.Poisson())
    found = str(summary(post, exponentiate=True))
    assert "Population effects, rate ratio" in found
    assert "Group effects, median rate ratio of two levels" in found
    assert "rate ratio" not in str(summary(post))
    with pytest.raises(mb.ModelError, match="exponentiate=True has no meaning"):
        summary(posterior(mb.Gaussian()), exponentiate=True)
