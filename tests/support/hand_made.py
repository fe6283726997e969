"""Posteriors made by hand."""

import numpy as np
import xarray as xr

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.model.coords import dims_of, model_coords
from mixedbayes.results.posterior import Posterior


def hand_made(formula, data, family, draws, rng, given=None, known=None):
    """A posterior of a few draws, of any numbers but those given by name."""
    spec = mb.Model(formula, data, family=family, known=known).spec
    coords, values = model_coords(spec), {}
    for name, dims in dims_of(spec).items():
        size = (1, draws, *(len(coords[d]) for d in dims))
        fixed = (given or {}).get(name)
        drawn = rng.gamma(2, 0.3, size) if fixed is None else np.broadcast_to(fixed, size)
        values[name] = ("chain", "draw", *dims), drawn
    for g in spec.design.mu.groups:
        if g.correlated and not g.cor_terms and spec.design.joined(g.name) is None:
            q = len(g.terms)
            cor = np.broadcast_to(np.where(np.eye(q), 1.0, 0.4), (1, draws, q, q))
            name = names.cor(g.name)
            values[name] = values[name][0], cor
    used = {d for dims, _ in values.values() for d in dims}
    dataset = xr.Dataset(values, {d: v for d, v in coords.items() if d in used})
    tree = xr.DataTree.from_dict({"posterior": dataset})
    return Posterior(spec, tree)
