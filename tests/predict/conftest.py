"""Posteriors made by hand on designs that are built from formulas."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from specs import spec_of

from mixedbayes import names
from mixedbayes.design import build_design
from mixedbayes.results.posterior import Posterior

CHAINS = 2


def dims_of(design):
    out = {names.INTERCEPT: (), names.SIGMA: (), names.FIXEF: (names.TERM,)}
    for g in design.mu.groups:
        level, term = names.group_dim(g.name), names.group_term_dim(g.name)
        out[names.sd(g.name)] = (term,)
        out[names.cor(g.name)] = (term, names.group_term_bis_dim(g.name))
        out[names.ranef(g.name)] = (level, term)
    return out


def make_posterior(formula, data, values, family=None, seed=1):
    """A posterior from draws by name, each (S, ...) with S even, or from numbers without draws.

    Numbers are repeated: every draw is the same.
    """
    design = build_design(formula, data)
    dims = dict.fromkeys(values, ()) | dims_of(design)
    lengths = {len(v) for k, v in values.items() if np.ndim(v) > len(dims[k])}
    (s,) = lengths or {CHAINS}
    variables = {}
    for name, value in values.items():
        own = np.asarray(value, float)
        own = own if own.ndim > len(dims[name]) else np.broadcast_to(own, (s, *own.shape))
        own = own.reshape(CHAINS, s // CHAINS, *own.shape[1:])
        variables[name] = ((names.CHAIN, names.DRAW, *dims[name]), own)
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(variables, attrs={"seed": seed})})
    return Posterior(spec_of(design, family), tree)


def random_values(design, s, seed=0, scale=1.0):
    """Independent draws of every parameter; correlations from random covariance matrices."""
    rng = np.random.default_rng(seed)
    values = {names.SIGMA: scale * rng.gamma(50, 0.02, s)}
    if design.mu.intercept:
        values[names.INTERCEPT] = rng.normal(3, 0.3, s)
    if design.mu.terms:
        values[names.FIXEF] = rng.normal(1, 0.2, (s, len(design.mu.terms)))
    for g in design.mu.groups:
        q = len(g.terms)
        a = rng.normal(size=(s, q, q + 2))
        cov = a @ a.transpose(0, 2, 1) / (q + 2)
        sd = np.sqrt(np.diagonal(cov, axis1=1, axis2=2))
        values[names.sd(g.name)] = sd
        root = sd[:, :, None] * np.eye(q)
        if g.correlated:
            values[names.cor(g.name)] = cov / sd[:, :, None] / sd[:, None, :]
            root = np.linalg.cholesky(cov)
        u = rng.normal(size=(s, g.n_levels, q))
        values[names.ranef(g.name)] = u @ root.transpose(0, 2, 1)
    return values


def make_random(formula, data, s=400, seed=0, **options):
    values = random_values(build_design(formula, data), s, seed)
    return make_posterior(formula, data, values, **options)


@pytest.fixture(scope="session")
def make():
    """The builders of this file, by name."""
    return SimpleNamespace(
        posterior=make_posterior, random=make_random, random_values=random_values
    )
