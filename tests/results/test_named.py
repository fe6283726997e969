"""Every number of a fit by its name."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made

import mixedbayes as mb
from mixedbayes.results.fixef import fixef, parameters
from mixedbayes.results.icc import icc
from mixedbayes.results.named import Named
from mixedbayes.results.quantities import quantities as describe
from mixedbayes.results.r2 import r2
from mixedbayes.results.ranef import coef, ranef
from mixedbayes.results.statements import evaluated
from mixedbayes.results.varcorr import varcorr

S = 12


@pytest.fixture(scope="module")
def post():
    """Nested and crossed factors of text, numbers and truths, odd names, a formula for sigma."""
    rng = np.random.default_rng(1)
    n = 48
    data = pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "odd name": rng.normal(size=n),
            "x": rng.normal(size=n),
            "w": rng.normal(size=n),
            "batch": np.repeat(["p q", "r, s"], n // 2),
            "cask": np.tile([1, 2, 3], n // 3),
            "old": np.tile([True, False], n // 2),
            "arm": np.tile(["a", "b", "b=c"], n // 3),
        }
    )
    formula = (
        "y ~ x * arm + `odd name` + poly(w, 2) + log(x**2) + (1 + x | batch/cask) + (0 + x | old)"
    )
    return hand_made([formula, "sigma ~ old + (1 | batch)"], data, "gaussian", S, rng)


@pytest.fixture(scope="module")
def named(post):
    return Named(post)


def mean(named, text):
    return named.draws(named.find(text)).mean()


def test_names_are_those_of_the_tables(post, named):
    for row in fixef(post).itertuples():
        assert named.find(row.term) == row.term
        assert mean(named, row.term) == pytest.approx(row.mean)
        assert named.find(f"fixef[{row.term}]") == row.term
    for row in varcorr(post).itertuples():
        tag = "sigma_" if row.parameter == "sigma" else ""
        of = [t.removeprefix("sigma_") for t in (row.term, row.term2) if isinstance(t, str)]
        for group in {row.group, row.group.replace(":", "_")}:
            text = f"{row.kind}_{tag}{group}[{', '.join(of)}]"
            assert mean(named, text) == pytest.approx(row.mean), text
    for kind, table in (("ranef", ranef(post)), ("coef", coef(post))):
        found = list(named.of_levels(kind))
        assert len(found) == len(table)
        for row, of in zip(table.itertuples(), found, strict=True):
            assert named.find(of.name) == of.name
            assert mean(named, of.name) == pytest.approx(row.mean)
            level = f"'{row.level}'" if "," in str(row.level) else row.level
            assert named.find(f"{kind}[{row.group}={level}, {row.term}]") == of.name
    for row in icc(post).itertuples():
        text = f"icc[{row.group}]" if row.kind == "adjusted" else f"icc[{row.group}, {row.kind}]"
        assert mean(named, text) == pytest.approx(row.mean)
    for row in r2(post).itertuples():
        assert mean(named, f"r2[{row.kind}]") == pytest.approx(row.mean)
    assert all(named.find(name) == name for name in named.names)
    for row in describe(post).itertuples():
        assert mean(named, row.quantity) == pytest.approx(row.mean)
        assert row.quantity.removesuffix(", adjusted]") in " ".join(named.names)
    assert "sd_sigma_batch[Intercept]" in list(describe(post)["quantity"])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("poly(w,2)[1]", "poly(w, 2)[1]"),
        ("`odd name`", "odd name"),
        ("fixef[odd name]", "odd name"),
        ("x:arm[b]", "x:arm[b]"),
        ("arm['b=c']", "arm[b=c]"),
        ("cor_batch[Intercept,x]", "cor_batch[Intercept, x]"),
        ("cor_batch[x, Intercept]", "cor_batch[Intercept, x]"),
        ("cor_batch:cask[x, Intercept]", "cor_batch_cask[Intercept, x]"),
        ("coef[batch=p q, x]", "coef[batch=p q, x]"),
        ("coef[batch='r, s', Intercept]", 'coef[batch="r, s", Intercept]'),
        ("ranef[batch:cask=p q:1, x]", "ranef[batch:cask=p q:1, x]"),
        ("ranef[batch=p q, cask=2, x]", "ranef[batch:cask=p q:2, x]"),
        ("ranef[cask=2, batch='r, s', x]", 'ranef[batch:cask="r, s:2", x]'),
        ("ranef[batch=p q, sigma_Intercept]", "ranef[batch=p q, sigma_Intercept]"),
        ("ranef[old=True]", "ranef[old=True, x]"),
        ("coef[old=False, Intercept]", "coef[old=False, Intercept]"),
        ("icc[ all ]", "icc[all]"),
    ],
)
def test_other_ways_to_write_a_name(named, text, name):
    assert named.find(text) == name
    assert evaluated([text], named, 1)


@pytest.mark.parametrize(
    ("text", "fact", "remedy"),
    [
        ("xx", "no quantity `xx`", "did you mean x"),
        ("f(x)", "no quantity `f(x)`", "Functions are exp, log"),
        ("coef[batch=zz, x]", "no level of batch called `zz`", "p q"),
        ("coef[batch=p q, cask=9, x]", "no level of cask called `9`", "1, 2, 3"),
        ("coef[who=1, x]", "who is no grouping factor", "it has batch, batch:cask, old"),
        ("coef[cask=1, x]", "cask is no grouping factor", "coef[batch=p q, Intercept]"),
        (
            "coef[batch=p q, zz]",
            "no effect `zz` varies over batch",
            "Intercept, x, sigma_Intercept",
        ),
        ("coef[batch=p q]", "does not say which effect", "Intercept, x, sigma_Intercept"),
        ("coef[batch=p q, x, Intercept]", "names 2 effects", "write for example"),
        ("ranef[x]", "names no level", "ranef[batch=p q, Intercept]"),
        ("ranef[batch=a&b, x]", "not understood", "in quotes"),
    ],
)
def test_what_is_no_name(named, text, fact, remedy):
    assert named.find(text) is None
    said = named.unknown(text)
    assert fact in said[0]
    assert remedy in said[1]


def test_names_that_two_share_are_told_apart():
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"y": rng.normal(size=20), "sigma": rng.normal(size=20)})
    named = Named(hand_made("y ~ sigma", data, "gaussian", S, rng))
    assert named.names[:3] == ["Intercept", "fixef[sigma]", "parameters[sigma]"]
    assert named.find("sigma") is None
    assert named.unknown("sigma") == (
        "`sigma` may be fixef[sigma] or parameters[sigma]",
        "write which",
    )
    assert mean(named, "fixef[sigma]") == pytest.approx(fixef(named.post)["mean"][1])
    assert mean(named, "parameters[sigma]") == pytest.approx(parameters(named.post)["mean"][0])


def test_elements_of_vectors_and_models_without_groups():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"y": pd.Categorical(rng.choice(["lo", "mid", "hi"], 60), ordered=True)})
    named = Named(hand_made("y ~ 1", data, "cumulative", S, rng))
    table = parameters(named.post)
    for row in table.itertuples():
        assert mean(named, f"thresholds[{row.element}]") == pytest.approx(row.mean)
    assert named.find("icc[g]") is None
    assert "no group effects" in named.unknown("coef[g=1, x]")[0]


def test_levels_that_were_summarised_say_so(named):
    idata = named.post.idata.copy()
    idata["posterior"] = idata["posterior"].to_dataset().drop_vars("ranef_old")
    fewer = Named(replace(named.post, idata=idata))
    with pytest.raises(mb.ModelError, match="only their summaries were kept"):
        fewer.draws(fewer.find("ranef[old=True, x]"))
    assert fewer.draws(fewer.find("coef[old=True, Intercept]")).shape == (S,)
