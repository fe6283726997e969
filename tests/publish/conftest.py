"""A few fits, and posteriors of every kind made by hand."""

import numpy as np
import pandas as pd
import pytest
from hand_made import hand_made
from nasty import NASTY

import mixedbayes as mb


def _nasty_frame():
    rng = np.random.default_rng(4)
    n = 60
    return pd.DataFrame(
        {
            "y": rng.poisson(3.0, n),
            "z": rng.normal(size=n),
            "my x_1 $%": rng.normal(size=n),
            "f_1": np.where(rng.random(n) < 0.5, "a", NASTY),
            "school id": [f"{NASTY} {k}" for k in rng.integers(0, 6, n)],
            "grade": pd.Categorical.from_codes(
                rng.integers(0, 3, n), ["low", "mid_1", NASTY], ordered=True
            ),
            "won": rng.integers(0, 4, n),
            "tries": np.full(n, 5),
            "team": rng.integers(0, 5, n).astype(bool),
        }
    )


FORMULAS = {
    "counts": ("y ~ `my x_1 $%` * f_1 + (`my x_1 $%` | `school id`)", "poisson"),
    "ordered": ("grade ~ z + (1 | `school id`)", "cumulative"),
    "shares": ("won | trials(tries) ~ z + (1 | team)", "binomial"),
    "spread": (["z ~ f_1 + (1 | team)", "sigma ~ f_1 + (1 | team)"], "gaussian"),
    "crossed": ("z ~ 1 + (1 | `school id`) + (1 | team)", "student_t"),
    "line": ("z ~ f_1", "gaussian"),
    "nothing": ("z ~ 0 + (1 | team)", "gaussian"),
}


@pytest.fixture(scope="session")
def posteriors():
    """Of several families and structures, of any numbers, with names that formats could obey."""
    steps = np.random.default_rng(9).gamma(5.0, 0.2, (120, 2))
    data, given = _nasty_frame(), {"thresholds": np.cumsum(steps, axis=1) - 1.0}
    return {
        name: hand_made(formula, data, family, 120, np.random.default_rng(k), given)
        for k, (name, (formula, family)) in enumerate(FORMULAS.items())
    }


@pytest.fixture(scope="session")
def sleep():
    """A fit of the sleep study, by NUTS."""
    return mb.fit(
        "Reaction ~ Days + (Days | Subject)", mb.load_data("sleepstudy"),
        draws=400, chains=2, seed=1, target_accept=0.93, progress=False,
    )  # fmt: skip


@pytest.fixture(scope="session")
def herds():
    """A fit of binomial counts."""
    return mb.fit(
        "incidence | trials(size) ~ period + (1 | herd)", mb.load_data("cbpp"), family="binomial",
        draws=300, chains=2, seed=1, progress=False,
    )  # fmt: skip
