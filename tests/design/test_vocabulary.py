"""What a formula may say is listed, and every example of it is a model."""

import re

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.design.functions import REGISTERED
from mixedbayes.design.vocabulary import PARTS, WORDS
from mixedbayes.formula.counts import COUNTS
from mixedbayes.formula.parser import _WRAPPERS
from mixedbayes.formula.smooths import SMOOTHS
from mixedbayes.smooths.registry import BASES
from mixedbayes.terms.registry import COVARIANCES, LAWS, RESIDUALS, SYNONYMS


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    n = 96
    made = pd.DataFrame({name: rng.normal(size=n) for name in ("y", "x", "z")})
    made["s"], made["t"] = rng.uniform(0.5, 1, n), np.tile(np.arange(1.0, 5.0), n // 4)
    made["visit"] = np.tile(np.arange(1, 5), n // 4)
    made["g"] = np.repeat([f"g{k}" for k in range(n // 4)], 4)
    made["g2"] = np.roll(made["g"], 4)
    made["h"] = np.where(made["visit"] < 3, "a", "b")
    made["arm"] = np.repeat(["a", "b", "c"], n // 3)
    made["count"], made["n"] = rng.integers(0, 5, n), 6
    for k in (1, 2, 3):
        made[f"c{k}"] = rng.integers(1, 5, n)
    made["w"] = rng.integers(1, 4, n)
    made["kind"] = rng.integers(0, 2, n)
    made["side"] = np.tile(["none", "right", "interval", "left"], n // 4)
    made["upper"], made["u"], made["v"] = made["t"] + 1, 0.3, 0.7
    levels = ["low", "middle", "high"]
    made["rating"] = pd.Categorical(rng.choice(levels, n), levels, ordered=True)
    return made


def has_word(text, name):
    """Whether a formula has a name, and not as a part of a longer one."""
    return re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", text) is not None


def test_a_part_of_a_longer_name_is_no_word():
    assert has_word("y ~ 1 + ar1(visit | g)", "ar1")
    assert not has_word("y ~ 1 + hetar1(visit | g)", "ar1")
    assert not has_word("y ~ C(arm, contr.sum)", "sum")


@pytest.mark.parametrize("word", WORDS, ids=lambda w: f"{w.part}-{w.function}")
def test_an_example_is_a_model(rows, word):
    formula, related = word.example, pd.DataFrame(np.eye(24), *[rows["g"].unique()] * 2)
    more = eval(f"dict({word.arguments})", {"A": related, "Q": related})
    if word.part == "residual":
        formula, more["residual"] = "y ~ x", word.example
    if word.part == "group":  # more rows than effects
        rows = pd.concat([rows, rows.assign(y=-rows["y"])], ignore_index=True)
    assert word.part == "operator" or has_word(word.example, word.function.partition("(")[0])
    assert mb.Model(formula, rows, **more).design.n % len(rows) == 0


def test_bases_and_laws_have_examples():
    said = " ".join(word.example for word in WORDS)
    assert not [name for name in BASES if f'bs="{name}"' not in said]
    assert not [name for name in LAWS if name != "normal" and f'law="{name}"' not in said]


def listed(*parts):
    return {word.function.partition("(")[0] for word in WORDS if word.part in parts}


def test_all_that_is_known_is_listed():
    ours = {name for name, f in REGISTERED.items() if not isinstance(f, np.ufunc)}
    assert ours | {"offset", "cs"} <= listed("predictor")
    assert {*_WRAPPERS, *COUNTS, "mv"} == listed("response")
    assert {*SMOOTHS} == listed("smooth")
    assert {*COVARIANCES, "gr", "mm"} == listed("group")
    assert {*RESIDUALS} <= {SYNONYMS.get(w, w) for w in listed("residual")}
    assert {*SYNONYMS} <= listed("residual")
    assert {n for n in listed("predictor") if n not in ("offset", "cs")} <= {*REGISTERED}


def test_it_is_a_table():
    found = mb.formula_functions()
    assert found.columns.tolist() == ["function", "part", "says", "example", "arguments"]
    assert len(found) == len(WORDS)
    assert sum(len(mb.formula_functions(part)) for part in PARTS) == len(WORDS)
    with pytest.raises(mb.ModelError, match="part='left' is not one of operator, response"):
        mb.formula_functions("left")


def test_the_package_lists_them_too():
    pieces = re.findall("``(.+?)``", mb.__doc__)
    listed = {*pieces, *(piece.partition("(")[0] for piece in pieces)}
    lacking = {w.function for w in WORDS if w.part == "operator"} - listed
    lacking |= {w.function.partition("(")[0] for w in WORDS if w.part != "operator"} - listed
    assert lacking == set()
