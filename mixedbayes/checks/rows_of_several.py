"""Log densities of rows with several responses: each row's that are known, jointly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mixedbayes import names
from mixedbayes.design.limits import limits_of
from mixedbayes.design.types import Design, Floats, Ints, Responses
from mixedbayes.families.arrays import some
from mixedbayes.families.limited import log_density
from mixedbayes.results.correlated import whitened
from mixedbayes.results.fitted import linear_predictor, row_parameters
from mixedbayes.results.posterior import Posterior

ROW = names.ROW  # dimension of the rows of the frame


def by_row(post: Posterior, units: Ints | None = None) -> Floats:
    """(S, u) log p of the known responses of some rows of the frame, given all effects."""
    every = post.design.several
    assert every is not None
    units = np.arange(every.m) if units is None else units
    rows = np.flatnonzero(np.isin(every.units, units))
    order = np.argsort(units, kind="stable")
    place = order[np.searchsorted(units[order], every.units[rows])]
    density = _of_rows(post, rows) if post.design.residual is None else whitened(post, rows)[1]
    found = np.zeros((len(units), post.n_draws))
    np.add.at(found, place, density.T)
    return found.T


def _of_rows(post: Posterior, rows: Ints) -> Floats:
    """(S, r) of rows that are independent given effects."""
    family, design, every = post.family, post.design, post.design.several
    assert every is not None
    eta, parameters = linear_predictor(post, rows).T, row_parameters(post, rows)
    if not family.by_response:
        w = None if design.weights is None else design.weights[rows]
        return family.log_density(design.y[rows], family.inverse(eta, np), parameters, weights=w)
    found = np.empty(eta.shape)
    for k, part in enumerate(design.parts):
        here, own = np.flatnonzero(every.places[rows] == k), family.of_response(k)
        at, totals = np.searchsorted(every.at(k), rows[here]), own.totals(part)
        h, mine = family.of_rows(k, eta, parameters, lambda x, here=here: some(x, here), np)
        found[:, here] = log_density(
            own, part.y[at], own.inverse(h, np), mine, limits=limits_of(part, at),
            weights=None if part.weights is None else part.weights[at],
            trials=None if totals is None else totals[at],
        )  # fmt: skip
    return found


def first_rows(design: Design) -> Ints:
    """(m,) the first row of each row of the frame."""
    assert design.several is not None
    return np.unique(design.several.units, return_index=True)[1]


def some_rows(every: Responses, rows: Ints, take: Callable[[Design, Ints], Design]) -> Responses:
    """The responses of some rows of the design of all; `take` gives some rows of one of them."""
    units, codes = np.unique(every.units[rows], return_inverse=True)
    parts = tuple(
        take(part, np.flatnonzero(np.isin(every.at(k), rows))) for k, part in enumerate(every.parts)
    )
    return replace(
        every,
        parts=parts,
        units=codes,
        places=every.places[rows],
        index=every.index[units],
        rows=every.rows[units],
    )


def of_the_frame(design: Design) -> Design:
    """A design whose rows are the frame's that are used; of one response itself."""
    every = design.several
    if every is None:
        return design
    return replace(every.parts[0], y=np.zeros(every.m), index=every.index, rows=every.rows)
