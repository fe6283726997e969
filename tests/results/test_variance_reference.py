"""ICC, R2 and variance shares at REML estimates: the numbers of lme4 and of Nakagawa's formulas."""

import numpy as np
import pandas as pd
import pytest

from mixedbayes.data import load_data
from mixedbayes.results.icc import icc
from mixedbayes.results.r2 import r2
from mixedbayes.results.varcorr import varcorr
from mixedbayes.results.variance import components


def dummies(data, column):
    categories = data[column].cat.categories
    return {f"{column}[T.{c}]": (data[column] == c).to_numpy(float) for c in categories[1:]}


def designs(make):
    sleep, gpa, machines = load_data("sleepstudy"), load_data("gpa"), load_data("machines")
    pastes, penicillin, ex33 = load_data("pastes"), load_data("penicillin"), load_data("ex33")
    group, design = make.group, make.design
    days, occasion, worker = {"Days": sleep["Days"]}, {"occasion": gpa["occasion"]}, "Worker"
    one = {"Intercept": 1.0}
    machine = dummies(machines, "Machine")
    return {
        "sleepstudy_intercept": design(sleep, "Reaction", days, [group(sleep, "Subject", one)]),
        "sleepstudy_slope": design(sleep, "Reaction", days, [group(sleep, "Subject", days)]),
        "sleepstudy_days_subject": make.sleepstudy(),
        "sleepstudy_days_subject_uncor": make.sleepstudy(blocks=((0,), (1,))),
        "gpa_intercept": design(gpa, "gpa", occasion, [group(gpa, "student", one)]),
        "gpa_slope": design(gpa, "gpa", occasion, [group(gpa, "student", one | occasion)]),
        "gpa_sex": design(gpa, "gpa", occasion | dummies(gpa, "sex"), [group(gpa, "student", one)]),
        "machines": design(machines, "score", machine, [group(machines, worker, one | machine)]),
        "machines_interaction": design(
            machines,
            "score",
            machine,
            [group(machines, worker, one), group(machines, (worker, "Machine"), one)],
        ),
        "pastes_nested": design(
            pastes,
            "strength",
            {},
            [group(pastes, "batch", one), group(pastes, ("batch", "cask"), one)],
        ),
        "penicillin_crossed": design(
            penicillin,
            "diameter",
            {},
            [group(penicillin, "plate", one), group(penicillin, "sample", one)],
        ),
        "ex33_slope": design(
            ex33,
            "PCV",
            {"time": ex33["time"]},
            [group(ex33, "animal_id", {"time": ex33["time"]})],
        ),
    }


@pytest.fixture(scope="module")
def all_designs(make):
    return designs(make)


# sleepstudy_days_subject_uncor is not among them: the reference counts only the intercept of `||`.
NAMES = [
    "sleepstudy_intercept",
    "sleepstudy_slope",
    "sleepstudy_days_subject",
    "gpa_intercept",
    "gpa_slope",
    "gpa_sex",
    "machines",
    "machines_interaction",
    "pastes_nested",
    "penicillin_crossed",
    "ex33_slope",
]


@pytest.mark.parametrize("name", NAMES)
def test_icc_and_r2_are_those_of_the_reference(make, all_designs, name):
    reml = make.reference(f"lme4_{name}")["REML"]
    post = make.reml(all_designs[name], f"lme4_{name}")
    table = icc(post)
    # of all factors together where there are several, else of the one
    found = table[table["group"] == table["group"].iloc[-1]].set_index("kind")["mean"]
    explained = r2(post).set_index("kind")["mean"]
    for kind in ("adjusted", "unadjusted"):
        assert found[kind] == pytest.approx(reml["icc"][kind], rel=1e-9)
    for kind in ("marginal", "conditional"):
        assert explained[kind] == pytest.approx(reml["r2_nakagawa"][kind], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_shares_add_up_and_agree_with_the_icc(make, all_designs, name):
    post = make.reml(all_designs[name], f"lme4_{name}")
    table = varcorr(post)
    assert table.loc[table["kind"] == "cor", ["variance", "share"]].isna().all(axis=None)
    whole = components(post).random + components(post).residual
    common = {}  # what pairs of effects have in common, over the whole
    for g in post.design.mu.groups:
        square, cov = g.Z.T @ g.Z / post.design.n, post.cov(g.name)
        off = cov * square - np.eye(len(square)) * (cov * square)
        common[g.name] = float((off.sum(axis=(1, 2)) / whole).mean())
    assert table["share"].sum() + sum(common.values()) == pytest.approx(1)
    groups = table[table["group"] != "Residual"].groupby("group")["share"].sum()
    groups += pd.Series(common)
    found = icc(post).query("kind == 'adjusted' and group != 'all'").set_index("group")["mean"]
    np.testing.assert_allclose(groups[found.index], found, rtol=1e-12)


def test_uncorrelated_slopes_count_in_full(make, all_designs):
    post = make.reml(
        all_designs["sleepstudy_days_subject_uncor"], "lme4_sleepstudy_days_subject_uncor"
    )
    reml = make.reference("lme4_sleepstudy_days_subject_uncor")["REML"]
    intercept, slope = (c["var"][0] for c in reml["varcomp"])
    random = intercept + slope * np.mean(np.arange(10.0) ** 2)
    found = icc(post).set_index(["group", "kind"])["mean"]
    expected = random / (random + reml["residual_sd"] ** 2)
    assert found["Subject", "adjusted"] == pytest.approx(expected, rel=1e-12)


def test_crossed_factors_divide_the_icc_by_their_variances(make, all_designs):
    post = make.reml(all_designs["penicillin_crossed"], "lme4_penicillin_crossed")
    found = icc(post).query("kind == 'adjusted'").set_index("group")["mean"]
    variances = {"plate": 0.7169082127448779, "sample": 3.73091786828693}
    residual = 0.5499231391240257**2
    for group, variance in variances.items():
        assert found[group] == pytest.approx(variance / (sum(variances.values()) + residual))
