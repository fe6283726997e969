"""Whether thousands of effects besides the largest factor's have a sparse factor."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from mixedbayes.design.types import Design
from mixedbayes.joint.sampled import Sampled, in_order
from mixedbayes.marginal.sparse.order import minimum_degree

_MOST_COUPLINGS = 3_000_000  # pairs of effects that are coupled
_MOST = 4_000_000  # entries of the factor, which each gradient reads twice
_MOST_TURNED = 1000  # levels that are related, whose effects are a full matrix times others


def too_dense(design: Design) -> str | None:
    """Why effects besides the largest factor's are too many; None where their factor is sparse."""
    for g in design.mu.groups:
        if g.joins and g.n_levels > _MOST_TURNED:
            return (
                f"the {g.n_levels:,} levels of {g.name} are related, more than {_MOST_TURNED:,}, "
                "beside which effects are not sampled together"
            )
    found = in_order(design.mu.groups)
    first = found[0] if found and found[0].plain else None
    rest = found[int(first is not None) :]
    size = sum(s.size for s in rest)
    said = f"{size:,} effects besides the largest factor's are too many to sample together"
    if design.further:
        return f"{said}, with formulas for {', '.join(design.further)}"
    return said + ", coupled as they are" if _filled(first, rest, design.n) else None


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
