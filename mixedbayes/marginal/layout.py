"""One problem in two flat arrays, integers and floats: what the compiled kernel reads.

Two arrays keep the cost of a call from Python small, and a compiled function that takes them works
for every problem: nothing has to be compiled again for other data.
"""

from typing import NamedTuple

import numpy as np

from mixedbayes.marginal.plan import Floats, Ints

N_COUNTS = 13
N_CONSTANTS = 2


class Index(NamedTuple):
    """The integer part of a problem; see `structure.Structure` for the meaning of each array."""

    K: int  # integrated factors
    n_chain: int
    p: int  # integrated population columns
    r: int  # sampled coefficients
    rx: int  # of these, population columns
    D: int  # dense columns, the p population columns last
    n_rows: int  # rows of the longest front
    q: Ints
    levels: Ints
    node0: Ints
    var0: Ints
    col0: Ints
    l0: Ints  # (K,) where L_k starts in the parameter vector
    t0: Ints  # (K,) where the change of basis of Z_k starts
    off: Ints
    parent: Ints
    blk_ptr: Ints
    blk_fac: Ints
    blk_col: Ints
    blk_row: Ints
    blk_up: Ints
    v_ptr: Ints  # rows of the compressed products with the sampled columns
    v_idx: Ints


class Values(NamedTuple):
    """The floating-point part: everything in the internal, well-conditioned bases."""

    constant: float  # terms of the log density that do not depend on the parameters
    n: float  # rows
    T: Floats  # basis changes of all Z_k, row by row
    XX: Floats  # (p + 1, p + 1) products of the population columns and the response
    P0: Floats  # (p, p) prior precision
    m0: Floats  # (p,) prior mean, least-squares fit subtracted
    R: Floats  # (p, rx) population columns' share in the sampled population columns
    TV: Floats  # (rx, rx) basis change of the sampled population columns
    v0: Floats  # (rx,) their least-squares fit
    vy: Floats  # (r,) products of the sampled columns with the response
    v_val: Floats  # products of all columns with the sampled columns, compressed by rows
    fronts: Floats


def read_index(ints: Ints) -> Index:
    """The sections of the integer array, as views."""
    K, n_chain, p, r, rx, D, n_rows = (
        ints[0], ints[1], ints[2], ints[3], ints[4], ints[5], ints[12],
    )  # fmt: skip
    n_nodes, n_parent, n_ptr, n_blk, n_vptr, nnz = (
        ints[6], ints[7], ints[8], ints[9], ints[10], ints[11],
    )  # fmt: skip
    s0 = N_COUNTS
    s1 = s0 + K
    s2 = s1 + K
    s3 = s2 + K + 1
    s4 = s3 + K + 1
    s5 = s4 + K
    s6 = s5 + K
    s7 = s6 + K
    s8 = s7 + n_nodes + 1
    s9 = s8 + n_parent
    s10 = s9 + n_ptr
    s11 = s10 + n_blk
    s12 = s11 + n_blk
    s13 = s12 + n_blk
    s14 = s13 + n_blk
    s15 = s14 + n_vptr
    return Index(
        K, n_chain, p, r, rx, D, n_rows,
        ints[s0:s1], ints[s1:s2], ints[s2:s3], ints[s3:s4], ints[s4:s5], ints[s5:s6],
        ints[s6:s7], ints[s7:s8], ints[s8:s9], ints[s9:s10], ints[s10:s11], ints[s11:s12],
        ints[s12:s13], ints[s13:s14], ints[s14:s15], ints[s15 : s15 + nnz],
    )  # fmt: skip


def read_values(ints: Ints, floats: Floats) -> Values:
    """The sections of the float array, as views."""
    K, p, r, rx, nnz = ints[0], ints[2], ints[3], ints[4], ints[11]
    n_basis = 0
    for k in range(K):
        n_basis += ints[N_COUNTS + k] ** 2
    s0 = N_CONSTANTS
    s1 = s0 + n_basis
    s2 = s1 + (p + 1) ** 2
    s3 = s2 + p * p
    s4 = s3 + p
    s5 = s4 + p * rx
    s6 = s5 + rx * rx
    s7 = s6 + rx
    s8 = s7 + r
    s9 = s8 + nnz
    return Values(
        floats[0], floats[1], floats[s0:s1],
        floats[s1:s2].reshape(p + 1, p + 1), floats[s2:s3].reshape(p, p), floats[s3:s4],
        floats[s4:s5].reshape(p, rx), floats[s5:s6].reshape(rx, rx), floats[s6:s7],
        floats[s7:s8], floats[s8:s9], floats[s9:],
    )  # fmt: skip


def pack_index(counts: list[int], sections: list[Ints]) -> Ints:
    """Counts (K, n_chain, p, r, rx, D, nodes, parents, pointers, blocks, v_ptr, nnz,
    longest front), then the sections."""
    assert len(counts) == N_COUNTS
    return np.concatenate([np.array(counts, np.int64), *sections]).astype(np.int64, copy=False)
