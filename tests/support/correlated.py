"""Posteriors of models with correlated residuals, made by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.engines.run import Run
from mixedbayes.model.coords import dims_of, model_coords
from mixedbayes.results.posterior import Posterior
from mixedbayes.sample.settings import Settings


def visits(groups=8, T=4, seed=1, drop=3):
    """A frame of groups with some visits missing, in no order."""
    rng = np.random.default_rng(seed)
    n = groups * T
    d = pd.DataFrame({"visit": np.tile(np.arange(1, T + 1), groups)})
    d["id"] = np.repeat([f"p{k:02d}" for k in range(groups)], T)
    d["arm"] = np.where(d.id < f"p{groups // 2:02d}", "drug", "placebo")
    d = d.assign(x=rng.normal(size=n), time=d.visit**1.5, w=rng.uniform(0.5, 2, n))
    d["y"] = rng.normal(size=n) + d.x
    gone = rng.choice(n, drop, replace=False)
    return d.drop(index=gone).sample(frac=1, random_state=seed).reset_index(drop=True)


def drawn(model, draws=20, seed=0, chains=2):
    """Draws of every named parameter: those of the priors, but sds near 1."""
    spec, rng = model.spec, np.random.default_rng(seed)
    own = spec.design.residual
    numbers = own.parameters({s: a.prior for s, a in spec.priors.residual.items()})
    S = chains * draws
    z = np.stack([number.draw(S * own.n_arms, rng) for number in numbers], axis=-1)
    values = own.named(z.reshape(S, own.n_arms, -1))
    coords = model_coords(spec)
    for name, dims in dims_of(spec).items():
        if name in values:
            continue
        shape = (S, *(len(coords[d]) for d in dims))
        positive = name == names.SIGMA or name.startswith("sd_")
        values[name] = rng.uniform(0.6, 1.4, shape) if positive else 0.3 * rng.normal(size=shape)
        if name.startswith("cor_"):
            values[name] = np.broadcast_to(np.eye(shape[-1]), shape).copy()
    dims = {n: (names.CHAIN, names.DRAW, *dims_of(spec)[n]) for n in values}
    used = {d for own in dims.values() for d in own}
    data = {n: (dims[n], v.reshape(chains, draws, *v.shape[1:])) for n, v in values.items()}
    labels = {d: v for d, v in coords.items() if d in used}
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(data, labels)})
    return Posterior(spec, tree, Run(Settings(draws, 200, chains), model.formulation, ""))


def posterior(residual, formula="y ~ x", d=None, draws=20, **how):
    """A model and hand-made draws of its parameters."""
    model = mb.Model(formula, visits() if d is None else d, residual=residual, **how)
    return drawn(model, draws)


def the_same(post):
    """Draws that are all the first, so that replicates have one covariance."""
    tree = post.idata.copy()
    data = tree["posterior"].to_dataset()
    same = {n: v.copy(data=np.broadcast_to(v.to_numpy()[:1, :1], v.shape)) for n, v in data.items()}
    tree["posterior"].dataset = data.assign(same)
    return replace(post, idata=tree)


def covariance(post, s, own=None, sd=None):
    """(n, n) residual covariance of the rows in one draw."""
    from mixedbayes.results.correlated import row_sds

    own = post.design.residual if own is None else own
    n = len(own.refs)
    sd = row_sds(post, np.arange(n))[s] if sd is None else sd
    R = own.correlations({k: v[s] for k, v in post.correlations().items()})
    same = own.refs[:, None] == own.refs
    arm = own.arm_of_row
    return np.outer(sd, sd) * np.where(same, R[arm[:, None], own.places[:, None], own.places], 0.0)
