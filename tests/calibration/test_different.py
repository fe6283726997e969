"""Responses of different families with correlated effects: parameters drawn from their priors are
found again."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixedbayes as mb

SEED, SETS = 5, 60
FORMULA = "mv(size, count, hit, rescor=False) ~ x + (1 | p | g)"
KINDS = {"size": "gaussian", "count": "poisson", "hit": "bernoulli"}
PRIORS = {
    "fixef": mb.Normal(0, 0.7), "sd": mb.HalfNormal(0.7), "cor": mb.LKJ(1.5),
    "sigma": {"fixef": mb.Normal(0, 0.5)},
}  # fmt: skip


def frame():
    """30 levels of six rows, of which some lack a response or two."""
    rng = np.random.default_rng(SEED)
    data = pd.DataFrame({"g": np.repeat(np.arange(30), 6), "x": rng.normal(size=180)})
    data["size"], data["count"] = rng.normal(size=180), rng.poisson(2, 180).astype(float)
    data["hit"] = rng.integers(0, 2, 180).astype(float)
    for name in KINDS:
        data.loc[rng.random(180) < 0.15, name] = np.nan
    return data


def ranks(sets=SETS):
    """(sets,) share of draws below the truth, by parameter."""
    data = frame()
    first = mb.Model(FORMULA, data, family=KINDS, priors=PRIORS)
    drawn = first.prior_predictive(sets, seed=SEED)
    (y,) = (v.to_numpy()[0] for v in drawn["prior_predictive"].data_vars.values())
    every, found = first.design.several, {}
    for k in range(sets):
        made = data.copy()
        for j, name in enumerate(every.names):
            at = every.rows[every.units[every.at(j)]]
            made.loc[made.index[at], name] = y[k, every.at(j)]
        model = mb.Model(FORMULA, made, family=KINDS, priors=PRIORS)
        post = model.fit(300, chains=2, seed=k, progress=False).posterior
        for variable in ("fixef", "sigma_fixef", "sd_g", "cor_g"):
            draws = np.moveaxis(post.stacked(variable), 0, -1)
            truth = np.asarray(drawn["prior"][variable].to_numpy()[0, k])
            below = np.asarray((draws < truth[..., None]).mean(axis=-1))
            if variable == "cor_g":
                below = below[np.tril_indices(3, -1)]
            for i, value in enumerate(below.ravel()):
                found.setdefault(f"{variable} {i}", []).append(float(value))
    return {name: np.array(values) for name, values in found.items()}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_ranks_are_uniform_and_intervals_cover():
    found = ranks()
    assert len(found) == 6 + 1 + 3 + 3
    for what, u in found.items():
        assert stats.kstest(u, "uniform").pvalue > 1e-3, what
        assert 0.78 <= np.mean((u > 0.05) & (u < 0.95)) <= 0.99, what
