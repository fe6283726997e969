"""Posteriors made by hand: designs from plain data frames, draws from a generator or one draw."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from specs import spec_of

from mixedbayes import names
from mixedbayes.data import load_data
from mixedbayes.design.types import Design, GroupDesign, LinearPredictor
from mixedbayes.formula.types import Formula, Response, Span
from mixedbayes.results.posterior import Posterior

REFERENCE = Path(__file__).parents[1] / "reference"


def make_group(data, factors, columns, blocks=None):
    """A factor, or the combinations of several, with the columns (term -> (n,)) that vary."""
    factors = (factors,) if isinstance(factors, str) else tuple(factors)
    if len(factors) == 1:
        codes, levels = pd.factorize(data[factors[0]], sort=True)
        parts = pd.DataFrame({factors[0]: levels})
        levels = pd.Index(levels)
    else:
        by = data.groupby(list(factors), observed=True, sort=True)
        codes = by.ngroup().to_numpy()
        parts = by.size().reset_index()[list(factors)]
        levels = pd.Index([":".join(map(str, key)) for key in parts.to_numpy()], dtype="str")
    q = len(columns)
    return GroupDesign(
        name=":".join(factors),
        factors=factors,
        levels=levels,
        parts=parts,
        refs=codes,
        terms=tuple(columns),
        Z=np.column_stack([np.broadcast_to(c, len(data)) for c in columns.values()]).astype(float),
        blocks=blocks or (tuple(range(q)),),
    )


def make_design(data, response, X, groups, *, text="", intercept=True, offset=None, weights=None):
    """A design for a response column; X maps a term to its (n,) column."""
    y = data[response].to_numpy(float)
    columns = np.column_stack([np.asarray(c, float) for c in X.values()]) if X else None
    if columns is None:
        columns = np.zeros((len(y), 0))
    mu = LinearPredictor("mu", intercept, tuple(X), columns, tuple(groups), offset)
    return Design(
        formula=Formula(text, Response(response, Span(0, 0)), "1", (), ()),
        response=response,
        y=y,
        predictors=(mu,),
        weights=weights,
        trials=None,
        response_levels=None,
        index=data.index,
        rows=np.arange(len(y)),
    )


def dims_of(design, name):
    for g in design.mu.groups:
        level, term = names.group_dim(g.name), names.group_term_dim(g.name)
        found = {
            names.sd(g.name): (term,),
            names.cor(g.name): (term, names.group_term_bis_dim(g.name)),
            names.ranef(g.name): (level, term),
        }
        if name in found:
            return found[name]
    return (names.TERM,) if name == names.FIXEF else ()


def make_posterior(design, values, family=None, attrs=None, stats=None):
    """Draws by variable name, each (chains, draws, ...), with the labels that a fit gives them."""
    coords = {names.TERM: list(design.mu.terms)} if design.mu.terms else {}
    for g in design.mu.groups:
        coords[names.group_dim(g.name)] = g.levels.to_numpy()
        coords[names.group_term_dim(g.name)] = list(g.terms)
        coords[names.group_term_bis_dim(g.name)] = list(g.terms)
    chains, draws = next(iter(values.values())).shape[:2]
    coords |= {names.CHAIN: np.arange(chains), names.DRAW: np.arange(draws)}
    variables = {
        name: ((names.CHAIN, names.DRAW, *dims_of(design, name)), v) for name, v in values.items()
    }
    used = {d for dims, _ in variables.values() for d in dims}
    posterior = xr.Dataset(variables, {k: v for k, v in coords.items() if k in used}, attrs)
    tree = {"posterior": posterior}
    if stats is not None:
        tree["sample_stats"] = xr.Dataset(
            {k: ((names.CHAIN, names.DRAW), v) for k, v in stats.items()},
            {k: coords[k] for k in (names.CHAIN, names.DRAW)},
        )
    return Posterior(spec_of(design, family), xr.DataTree.from_dict(tree))


def random_posterior(design, chains=2, draws=50, seed=0, sigma=1.0):
    """Independent draws of every parameter: the numbers mean nothing, the shapes all do."""
    rng = np.random.default_rng(seed)
    size = chains, draws
    values = {"sigma": sigma * rng.gamma(50, 0.02, size)}
    if design.mu.intercept:
        values[names.INTERCEPT] = rng.normal(3, 1, size)
    if design.mu.terms:
        values[names.FIXEF] = rng.normal(1, 0.5, (*size, len(design.mu.terms)))
    for g in design.mu.groups:
        q = len(g.terms)
        sd = rng.gamma(2, 0.5, (*size, q))
        cor = np.zeros((*size, q, q)) + np.eye(q)
        for block in g.blocks:
            a = rng.normal(size=(*size, len(block), len(block) + 1))
            cov = a @ np.swapaxes(a, -1, -2)
            scale = np.sqrt(np.einsum("...ii->...i", cov))
            cor[..., np.ix_(block, block)[0], np.ix_(block, block)[1]] = (
                cov / scale[..., :, None] / scale[..., None, :]
            )
        L = np.linalg.cholesky(cor * sd[..., :, None] * sd[..., None, :] + 1e-12 * np.eye(q))
        u = rng.normal(size=(*size, g.n_levels, q))
        values |= {names.sd(g.name): sd, names.ranef(g.name): np.einsum("cdij,cdgj->cdgi", L, u)}
        if g.correlated:
            values[names.cor(g.name)] = cor
    return make_posterior(design, values)


def reference(name):
    return json.loads((REFERENCE / f"{name}.json").read_text())


def lme4_group(design, component):
    """The design's factor that an lme4 component is about; lme4 names cask:batch in its order."""
    wanted = set(component["group"].split(":"))
    return next(g for g in design.mu.groups if set(g.factors) == wanted)


def reml_posterior(design, name):
    """REML estimates of lme4 as a posterior of a single draw."""
    reml = reference(name)["REML"]
    beta = np.array(reml["fixed"]["estimate"], float)
    values = {"sigma": np.full((1, 1), reml["residual_sd"])}
    if design.mu.intercept:
        values[names.INTERCEPT] = beta[:1].reshape(1, 1)
        beta = beta[1:]
    if design.mu.terms:
        values[names.FIXEF] = beta.reshape(1, 1, -1)
    for g in design.mu.groups:
        found = [c for c in reml["varcomp"] if lme4_group(design, c) is g]
        values[names.sd(g.name)] = np.concatenate([c["sd"] for c in found]).reshape(1, 1, -1)
        if g.correlated:
            (component,) = found
            values[names.cor(g.name)] = np.array(component["corr"], float)[None, None]
        modes = [m for k, m in reml.get("ranef", {}).items() if set(k.split(":")) == set(g.factors)]
        if modes and len(g.factors) == 1:
            labels = [str(v) for v in g.levels]
            order = [modes[0]["levels"].index(label) for label in labels]
            b = np.column_stack([np.array(v)[order] for v in modes[0]["cond_mode"].values()])
            values[names.ranef(g.name)] = b[None, None]
    return make_posterior(design, values)


def sleepstudy(slopes=True, blocks=None):
    data = load_data("sleepstudy")
    columns = {"Intercept": 1.0} | ({"Days": data["Days"]} if slopes else {})
    groups = [make_group(data, "Subject", columns, blocks)]
    text = "Reaction ~ Days + (Days | Subject)" if slopes else "Reaction ~ Days + (1 | Subject)"
    return make_design(data, "Reaction", {"Days": data["Days"]}, groups, text=text)


@pytest.fixture(scope="session")
def make():
    """The builders of this file, by name."""
    return SimpleNamespace(
        group=make_group,
        design=make_design,
        posterior=make_posterior,
        random=random_posterior,
        reml=reml_posterior,
        reference=reference,
        sleepstudy=sleepstudy,
    )


@pytest.fixture(scope="session")
def sleep(make):
    """sleepstudy, (Days | Subject), with draws of every parameter."""
    return random_posterior(sleepstudy(), sigma=5.0)


@pytest.fixture(scope="session")
def nested():
    """pastes, (1 | batch/cask): a factor and a nested one, string levels."""
    data = load_data("pastes")
    groups = [
        make_group(data, "batch", {"Intercept": 1.0}),
        make_group(data, ("batch", "cask"), {"Intercept": 1.0}),
    ]
    design = make_design(data, "strength", {}, groups, text="strength ~ 1 + (1 | batch/cask)")
    return random_posterior(design)
