"""Predictions at rows of every kind of term."""

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made

from mixedbayes.predict.predict import predict

rng = np.random.default_rng(3)
N = 48
DATA = pd.DataFrame({
    "x": rng.normal(size=N), "z": rng.uniform(0, 5, N), "w": rng.uniform(1, 2, N),
    "g": np.arange(N) % 6, "h": rng.integers(0, 6, N), "visit": np.arange(N) // 6,
    "f": np.where(np.arange(N) % 6 < 3, "a", "b"), "y": rng.normal(size=N),
    "level": pd.Categorical(rng.choice(["low", "mid", "top"], N), ordered=True),
})  # fmt: skip
KNOWN = {"A": pd.DataFrame(np.eye(6) + 0.5, range(6), range(6))}
TERMS = (
    "s(z, k=5)",
    's(z, k=5, bs="cr", by=f)',
    "s(z, k=5, by=x)",
    's(z, g, bs="fs", k=4)',
    "s(x, z, k=7)",
    "t2(x, z, k=4)",
    "mo(level)",
    "(x | mm(g, h, weights=(w, z)))",
    "(x | gr(g, cov=A))",
    "(x | gr(g, by=f))",
    '(x | gr(g, law="student"))',
    "cs(level | g)",
    "ar1(visit | g)",
    "ou(z | g)",
    "toep(visit | g)",
)


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("groups", ["auto", "typical", "new"])
def test_no_rows_give_an_empty_table(term, groups):
    known = KNOWN if "cov=" in term else None
    post = hand_made(f"y ~ x + {term}", DATA, "gaussian", 4, rng, known=known)
    found = predict(post, DATA[:0], groups=groups)
    assert len(found) == 0
    assert {"mean", "sd", "lower", "upper"} < {*found}
