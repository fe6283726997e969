"""Responses that some rows of several lack, given those that they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.design import replay
from mixedbayes.design.several import right_of
from mixedbayes.design.types import Floats, Ints
from mixedbayes.design.used import used_columns
from mixedbayes.errors import ModelError
from mixedbayes.predict.predict import predict
from mixedbayes.predict.question import Kind
from mixedbayes.predict.streams import MISSING, seed_of, stream
from mixedbayes.results.correlated import standardised
from mixedbayes.results.library import beside
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.several import each, one_below_the_other
from mixedbayes.results.tables import Description


@dataclass(frozen=True, eq=False)
class Lacking:
    """The rows of the frame that lack one of the responses, and have another."""

    post: Posterior  # of this response by itself
    units: Ints  # (m,) among the frame's rows that are used
    frame: pd.DataFrame  # (m, columns) without responses, but for those that right sides read
    labels: list[str]  # (m,) "3:height"


def lacking(post: Posterior) -> dict[str, Lacking]:
    """By response, those that some rows lack.

    ModelError where no row lacks any.
    """
    every = post.design.several
    assert every is not None
    read, found = right_of(post.design), {}
    own = {n for part in post.design.parts for n in used_columns(part.formula).response} - read
    for k, (name, alone) in enumerate(each(post).items()):
        units = np.setdiff1d(np.arange(every.m), every.units[every.at(k)])
        if not len(units):
            continue
        frame = post.design.whole.iloc[every.rows[units]]
        frame = frame[[n for n in frame if n not in own]]
        labels = [f"{row}:{name}" for row in every.frame_labels[units]]
        found[name] = Lacking(alone, units, frame, labels)
    if not found:
        raise ModelError(
            f"no row that is used lacks one of {', '.join(every.names)}: rows without any of them "
            "are left out, and predict() has the responses of any rows"
        )
    return found


def missing_of_several(
    post: Posterior, kind: Kind | None, how: Description, *, draws: bool, seed: int | None,
    plain: Mapping[str, Any],
) -> Any:  # fmt: skip
    """`missing` of several responses; `plain` are options of `predict` for tables."""
    there = lacking(post)
    drawn = dict(_drawn(post, there, seed)) if kind != "mean" and kind != "linear" else {}
    if draws:
        found = []
        for name, own in there.items():
            values = drawn.get(name)
            if values is None:
                values = _by_itself(own, kind or "response", seed)
            if values.ndim > 2:
                raise ModelError(
                    f"draws of {name} have several numbers in a row: ask for a table, or for this "
                    f"response by itself, fit.response({name!r})"
                )
            found.append(values)
        shape = (*post.shape, -1)
        labels = [label for own in there.values() for label in own.labels]
        return xr.DataArray(
            np.concatenate(found, axis=1).reshape(shape),
            dims=(names.CHAIN, names.DRAW, names.OBS),
            coords={names.OBS: labels},
        )
    tables = {}
    for name, own in there.items():
        if name in drawn:
            table = pd.DataFrame(how.plain(drawn[name].T, post.shape[0]), index=own.frame.index)
            tables[name] = beside(own.frame, table, 1)
            continue
        unordered = own.post.family.unordered
        asked = kind or ("mean" if unordered else "response")
        tables[name] = predict(
            own.post, own.frame, kind=asked, seed=seed, progress=False, **plain
        )  # fmt: skip
    return one_below_the_other(tables)


def _by_itself(own: Lacking, kind: Kind, seed: int | None) -> Floats:
    """(S, m, ...) of a response that depends on no other given the effects."""
    found = predict(own.post, own.frame, kind=kind, draws=True, seed=seed, progress=False)
    values = found.transpose(names.CHAIN, names.DRAW, ...).to_numpy()
    return np.asarray(values.reshape(own.post.n_draws, *values.shape[2:]))


def _drawn(
    post: Posterior, there: Mapping[str, Lacking], seed: int | None
) -> Iterator[tuple[str, Floats]]:
    """(S, m) responses by name whose residuals are correlated with those that their rows have.

    All that a row lacks are drawn together: residuals e in units of their sds are N(K e_o, R_mm -
    K R_om) given those that it has, with K = R_mo R_oo^-1.
    """
    every = post.design.several
    assert every is not None
    if not every.correlated:
        return
    rho, rng = post.stacked("rho"), stream(seed_of(post, seed), MISSING)
    known = np.full((every.m, len(every.names)), -1)
    known[every.units, every.places] = np.arange(post.design.n)
    short = np.flatnonzero((known < 0).any(axis=1))  # of all units, those that lack something
    known = known[short]
    there_are = known >= 0
    e = standardised(post, known[there_are])[0]
    known[there_are] = np.arange(e.shape[1])
    made = np.zeros((post.n_draws, *known.shape))
    patterns, of = np.unique(there_are, axis=0, return_inverse=True)
    for p, pattern in enumerate(patterns):
        units = np.flatnonzero(of.ravel() == p)
        o, m = np.flatnonzero(pattern), np.flatnonzero(~pattern)
        R_mo = rho[:, m][:, :, o]
        K = np.linalg.solve(rho[:, o][:, :, o], R_mo.transpose(0, 2, 1)).transpose(0, 2, 1)
        left = rho[:, m][:, :, m] - K @ R_mo.transpose(0, 2, 1)
        root = np.linalg.cholesky(left)
        seen = e[:, known[units][:, o]]  # (S, u, o)
        z = rng.standard_normal((post.n_draws, len(units), len(m)))
        own = np.einsum("smo,suo->sum", K, seen) + np.einsum("smk,suk->sum", root, z)
        made[:, units[:, None], m] = own
    for k, name in enumerate(every.names):
        if name in there:
            own = there[name]
            eta, sd = _by_itself(own, "linear", seed), _sd(own)
            yield name, eta + sd * made[:, np.searchsorted(short, own.units), k]


def _sd(own: Lacking) -> Floats:
    """(S, m) residual sds of the rows."""
    found = predict(own.post, own.frame, target=names.SIGMA, draws=True, progress=False)
    sigma = found.transpose(names.CHAIN, names.DRAW, ...).to_numpy()
    sigma = sigma.reshape(own.post.n_draws, -1)
    weights = replay(own.post.design, own.frame, groups=()).weights
    return np.asarray(sigma if weights is None else sigma / np.sqrt(weights))
