"""Thousands of effects besides the largest factor's: which are taken, and how."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from mixedbayes.design.types import Design
from mixedbayes.joint.sampled import Sampled, in_order
from mixedbayes.marginal.sparse.order import minimum_degree

_MOST_COUPLINGS = 3_000_000  # pairs of effects that are coupled
_MOST = 1_000_000  # entries of the factor, which takes a second to make, and a hundred are
_MOST_TURNED = 1000  # levels that are related, whose effects are a full matrix times others


def too_many(design: Design, size: int) -> str | None:
    """Why so many effects besides the largest factor's are too many; None where they are not."""
    for g in design.mu.groups:
        if g.joins and g.n_levels > _MOST_TURNED:
            J = g.n_levels
            return (
                f"the {J:,} levels of {g.name} are related: every gradient of effects that are "
                f"sampled together would multiply a full matrix of {J * J:,} numbers "
                f"({8e-6 * J * J:,.0f} MB) twice, which is done up to {_MOST_TURNED:,} levels; a "
                "Gaussian response takes any number by a sparse precision, such as that of "
                "mb.pedigree"
            )
    if not design.further:
        return None
    return (
        f"{size:,} effects besides the largest factor's are too many to sample together, with "
        f"formulas for {', '.join(design.further)}"
    )


def filled(design: Design) -> bool:
    """Whether the factor of the effects besides the largest factor's has too many entries."""
    return _filled(*_split(design), design.n)


def _split(design: Design) -> tuple[Sampled | None, list[Sampled]]:
    found = in_order(design.mu.groups)
    first = found[0] if found and found[0].plain else None
    return first, found[int(first is not None) :]


def _filled(first: Sampled | None, rest: list[Sampled], n: int) -> bool:
    rows = np.arange(n)
    parts = [sparse.csr_array(s.Z) if s.dense else s.columns(rows) for s in rest]
    A = sparse.csr_array(sparse.hstack(parts, format="csr"))
    if _pairs(A) > _MOST_COUPLINGS:
        return True
    S = A.T @ A + sparse.eye_array(A.shape[1])
    if first is not None:
        assert first.refs is not None
        by_level = sparse.csr_array((np.ones(n), first.refs[:, 0], np.arange(n + 1)),
                                    shape=(n, first.n_levels))  # fmt: skip
        met = sparse.csr_array(by_level.T @ abs(A))
        if _pairs(met) > _MOST_COUPLINGS:
            return True
        S = S + 1e-3 * (met.T @ met)  # in the places of the Schur complement
    ones, none = np.ones(S.shape[0], np.int64), np.zeros(S.shape[0], np.int64)
    order = minimum_degree(sparse.csr_array(S), ones, none)
    return len(order.met) + len(order.tail) ** 2 / 2 > _MOST


def _pairs(A: sparse.csr_array) -> int:
    """Entries of A' A, at most."""
    return int((np.diff(A.indptr).astype(float) ** 2).sum())
