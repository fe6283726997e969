"""Effects of visits and times: parameters drawn from their priors are found again."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedbayes as mb

SEED, SETS = 5, 60
BARS = {
    "cs": "cs(C(visit) | g)",
    "ar1": "(1 | g) + ar1(visit | g)",
    "ou": "ou(time | g)",
    "toep": "homtoep(C(visit) | g)",
}


def frame():
    """40 levels at most of five visits, some of them twice."""
    rng = np.random.default_rng(SEED)
    g, visit = np.repeat(np.arange(40), 5), np.tile([1, 2, 3, 5, 8], 40)
    data = pd.DataFrame({"g": g, "visit": visit, "x": rng.normal(size=200)})
    data["time"] = data["visit"].map({1: 0.3, 2: 0.5, 3: 2.0, 5: 2.2, 8: 6.0})
    rows = np.concatenate([np.flatnonzero(rng.random(200) < share) for share in (0.9, 0.5)])
    return data.iloc[rows].reset_index(drop=True).assign(y=rng.normal(size=len(rows)))


def ranks(name, sets=SETS):
    """(sets,) share of draws below the truth, by parameter."""
    data = frame()
    cor = mb.InverseGamma(3, 4) if name == "ou" else mb.LKJ(2)
    priors = {
        "Intercept": mb.Normal(0, 2), "fixef": mb.Normal(0, 1), "sd": mb.HalfNormal(1),
        "sigma": mb.HalfNormal(1), "cor": cor,
    }  # fmt: skip
    formula = f"y ~ x + {BARS[name]}"
    drawn = mb.Model(formula, data, priors=priors).prior_predictive(sets, seed=SEED)
    y = drawn["prior_predictive"]["y"].to_numpy()[0]
    found: dict[str, list[float]] = {}
    for k in range(sets):
        model = mb.Model(formula, data.assign(y=y[k]), priors=priors)
        post = model.fit(300, chains=2, seed=k, progress=False).posterior
        for variable in ("Intercept", "fixef", "sigma", "sd_g", "cor_g"):
            draws = np.moveaxis(post.stacked(variable), 0, -1)
            truth = np.asarray(drawn["prior"][variable].to_numpy()[0, k])
            below = np.atleast_1d((draws < truth[..., None]).mean(axis=-1))
            for i, value in enumerate(below):
                found.setdefault(f"{variable} {i}", []).append(float(value))
    return {name: np.array(values) for name, values in found.items()}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", BARS)
def test_ranks_are_uniform_and_intervals_cover(name):
    for what, u in ranks(name).items():
        assert stats.kstest(u, "uniform").pvalue > 1e-3, what
        assert 0.78 <= np.mean((u > 0.05) & (u < 0.95)) <= 0.99, what
