"""A small hierarchical pm.Model for every sampler, and hand-made chains."""

from collections.abc import Callable

import numpy as np
import pymc as pm
import pytest
import xarray as xr

GROUPS = list("abcdef")


def schools(rows: int = 30, seed: int = 0) -> pm.Model:
    """Six groups, non-centred, unit residual sd; the data are pm.Data."""
    rng = np.random.default_rng(seed)
    codes = np.arange(rows) % len(GROUPS)
    y = rng.normal(size=len(GROUPS))[codes] + rng.normal(size=rows)
    with pm.Model(coords={"g": GROUPS, "obs": np.arange(rows)}) as model:
        mu = pm.Normal("mu", 0.0, 3.0)
        sd = pm.HalfNormal("sd", 1.0)
        u = pm.Normal("u", dims="g")
        b = pm.Deterministic("b", sd * u, dims="g")
        refs = pm.Data("refs", codes, dims="obs")
        pm.Normal("y", mu + b[refs], 1.0, observed=pm.Data("data", y, dims="obs"), dims="obs")
    return model


@pytest.fixture(scope="session")
def make_model() -> Callable[..., pm.Model]:
    return schools


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.fixture
def statistics() -> Callable[..., xr.Dataset]:
    def make(chains: int = 4, draws: int = 1000, **counts: int) -> xr.Dataset:
        """Statistics of a healthy run; counts of diverging or reached_max_treedepth draws."""
        energy = np.random.default_rng(1).normal(size=(chains, draws))
        table = {"energy": (("chain", "draw"), energy)}
        for name in ("diverging", "reached_max_treedepth"):
            flags = np.arange(chains * draws) < counts.get(name, 0)
            table[name] = (("chain", "draw"), flags.reshape(chains, draws))
        return xr.Dataset(table)

    return make


@pytest.fixture
def healthy(rng: np.random.Generator) -> Callable[..., xr.Dataset]:
    def make(chains: int = 4, draws: int = 1000) -> xr.Dataset:
        """Independent draws under the names of a model with correlated slopes."""
        shape = (chains, draws)
        cor = np.ones((*shape, 2, 2))
        cor[..., 0, 1] = cor[..., 1, 0] = rng.uniform(-1, 1, size=shape)
        sample, terms = ("chain", "draw"), ["Intercept", "Days"]
        return xr.Dataset(
            {
                "sigma": (sample, rng.gamma(5, size=shape)),
                "sd_Subject": ((*sample, "Subject_term"), rng.gamma(5, size=(*shape, 2))),
                "cor_Subject": ((*sample, "Subject_term", "Subject_term_bis"), cor),
            },
            {"Subject_term": terms, "Subject_term_bis": terms},
        )

    return make
