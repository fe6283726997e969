"""One problem in two flat arrays, integers and floats: what the compiled kernel reads.

Two arrays keep the cost of a call from Python small, and a compiled function that takes them works
for every problem: nothing has to be compiled again for other data.
"""

from typing import NamedTuple

import numpy as np

from mixedbayes.marginal.plan import Floats, Ints


class Header(NamedTuple):
    """The first integers: counts, then where each section starts."""

    K: int  # integrated factors
    n_chain: int
    p: int  # integrated population columns
    r: int  # sampled coefficients
    rx: int  # of these, population columns
    D: int  # dense columns, the p population columns last
    n_effects: int  # group effects
    n_rows: int  # rows of the longest front
    n_front: int  # values of the largest front
    n_blocks: int  # crossed blocks in all fronts
    n_clusters: int  # in the dense block
    # sections of the integers; for the arrays of the elimination see structure.Structure
    q: int
    levels: int
    node0: int
    var0: int
    col: int
    l0: int  # (K,) where L_k starts in the parameter vector
    t0: int  # (K,) where T_k starts in its section
    off: int
    parent: int
    blk_ptr: int
    blk_fac: int
    blk_col: int
    blk_row: int
    blk_up: int
    clu_ptr: int
    met_ptr: int
    met: int
    v_ptr: int  # rows of the compressed products with the sampled columns
    v_idx: int
    # sections of the floats, everything in the internal, well-conditioned bases
    constants: int  # (2,) log density without what depends on the parameters; number of rows
    T: int  # changes of basis of all Z_k, row by row
    XX: int  # (p + 1, p + 1) products of the population columns and the response
    P0: int  # (p, p) prior precision
    m0: int  # (p,) prior mean, least-squares fit subtracted
    R: int  # (p, rx) population columns' share in the sampled population columns
    TV: int  # (rx, rx) change of basis of the sampled population columns
    v0: int  # (rx,) their least-squares fit
    vy: int  # (r,) products of the sampled columns with the response
    v_val: int  # products of all columns with the sampled columns, compressed by rows
    fronts: int


COUNTS = Header._fields[: Header._fields.index("q")]
INTS = Header._fields[len(COUNTS) : Header._fields.index("constants")]
FLOATS = Header._fields[len(COUNTS) + len(INTS) :]


def pack(
    counts: dict[str, int], ints: dict[str, Ints], floats: dict[str, Floats], n_fronts: int
) -> tuple[Ints, Floats]:
    """Both flat arrays; the fronts, last of the floats, are zero."""
    sections = [np.asarray(ints[name], np.int64).ravel() for name in INTS]
    values = [np.asarray(floats[name], np.float64).ravel() for name in FLOATS[:-1]]
    int_starts = len(Header._fields) + np.cumsum([0, *(s.size for s in sections[:-1])])
    float_starts = np.cumsum([0, *(v.size for v in values)])
    head = [*(counts[name] for name in COUNTS), *int_starts, *float_starts]
    flat = np.zeros(int(float_starts[-1]) + n_fronts)
    flat[: float_starts[-1]] = np.concatenate(values)
    return np.concatenate([np.array(head, np.int64), *sections]), flat


def read_header(ints: Ints) -> Header:
    """The header; spelt out because it is compiled as well."""
    return Header(
        ints[0], ints[1], ints[2], ints[3], ints[4], ints[5], ints[6], ints[7], ints[8],
        ints[9], ints[10], ints[11], ints[12], ints[13], ints[14], ints[15], ints[16], ints[17],
        ints[18], ints[19], ints[20], ints[21], ints[22], ints[23], ints[24], ints[25], ints[26],
        ints[27], ints[28], ints[29], ints[30], ints[31], ints[32], ints[33], ints[34], ints[35],
        ints[36], ints[37], ints[38], ints[39], ints[40],
    )  # fmt: skip


def sections(ints: Ints, floats: Floats) -> dict[str, np.ndarray]:
    """Every section by name, as a view in its own shape."""
    h = read_header(ints)
    views: dict[str, np.ndarray] = {}
    for names, flat in ((INTS, ints), (FLOATS, floats)):
        ends = [*(getattr(h, name) for name in names[1:]), flat.size]
        views |= {n: flat[getattr(h, n) : end] for n, end in zip(names, ends, strict=True)}
    shapes = {"XX": (h.p + 1,) * 2, "P0": (h.p, h.p), "R": (h.p, h.rx), "TV": (h.rx, h.rx)}
    return views | {name: views[name].reshape(shape) for name, shape in shapes.items()}
