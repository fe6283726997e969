"""What a formula may say is listed, and every example of it is a model."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.design.functions import REGISTERED
from mixedbayes.design.vocabulary import PARTS, WORDS
from mixedbayes.formula.counts import COUNTS
from mixedbayes.formula.parser import _WRAPPERS
from mixedbayes.formula.smooths import SMOOTHS
from mixedbayes.terms.registry import COVARIANCES, RESIDUALS, SYNONYMS

FAMILIES = {
    "trials": "binomial", "rate": "poisson", "offset": "poisson", "cbind": "multinomial",
    "c": "multinomial", "cs": "sratio",
}  # fmt: skip


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
    levels = ["low", "middle", "high"]
    made["rating"] = pd.Categorical(rng.choice(levels, n), levels, ordered=True)
    return made


@pytest.mark.parametrize("word", WORDS, ids=lambda w: f"{w.part}-{w.function}")
def test_an_example_is_a_model(rows, word):
    family = FAMILIES.get(word.function, "gaussian") if word.part != "group" else "gaussian"
    formula, residual = word.example, None
    if word.part == "residual":
        formula, residual = "y ~ x", word.example
    if word.part == "group":  # more rows than effects
        rows = pd.concat([rows, rows.assign(y=-rows["y"])], ignore_index=True)
    name = word.function.partition("(")[0]
    assert word.part == "operator" or name in word.example
    assert mb.Model(formula, rows, family=family, residual=residual).design.n % len(rows) == 0


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
    assert found.columns.tolist() == ["function", "part", "says", "example"]
    assert len(found) == len(WORDS)
    assert sum(len(mb.formula_functions(part)) for part in PARTS) == len(WORDS)
    with pytest.raises(mb.ModelError, match="part='left' is not one of operator, response"):
        mb.formula_functions("left")


def test_the_package_lists_them_too():
    lacking = [w.function for w in WORDS if w.function.partition("(")[0] not in mb.__doc__]
    assert lacking == []
