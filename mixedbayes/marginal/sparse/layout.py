"""A sparse problem in two flat arrays; see `marginal.layout`, whose names are kept where possible.

Nodes are levels and population columns, in the order of their columns, which is that of
elimination; terms are the integrated ones and, last, the population. The *products* are one vector:
blocks of cross-products of all columns, products with the response, its square, and the products of
the sampled columns with the response and with all columns. They are G w with M weights w.
"""

from typing import NamedTuple

import numpy as np

from mixedbayes.marginal.plan import Floats, Ints


class Header(NamedTuple):
    """The first integers: counts, then where each section starts."""

    K: int  # integrated terms
    p: int  # integrated population columns
    r: int  # sampled coefficients
    rx: int  # of these, population columns
    n_effects: int
    n_columns: int  # of effects and population
    n_nodes: int
    n_fronts: int
    n_sets: int  # M
    n_bases: int  # numbers that weights are made of, see `weights`
    n_classes: int  # of rows with one sigma
    n_scales: int  # coefficients of log sigma; 0 where sigma itself is the parameter
    n_roots: int  # numbers of roots of the residual's correlations
    n_errors: int  # integers of their record
    n_links: int  # distances of neighbours in chains of effects
    n_ones: int  # groups G whose part of the inverse is of rank one, see `entries.RankOne`
    n_one: int  # most columns of one of them
    c: int  # in the products: (n_columns,) those with the response
    yy: int  # its square
    vy: int  # (r,) those of the sampled columns with it
    v_val: int  # those of all columns with the sampled columns, compressed by rows
    n_products: int
    n_kinds: int  # numbers by which parts of the precisions are multiplied, the first of them 1
    n_panels: int  # values of all fronts' own columns
    n_squares: int  # values of what is left of their rows, at one time
    n_leaf_rows: int  # most rows of a leaf
    n_product: int  # most values of rows x own columns
    widest: int  # largest q
    # sections of the integers
    q: int  # (K + 1,)
    l0: int  # (K + 1,) where L_k starts in the parameter vector; of the population, nowhere
    t0: int  # (K + 1,) where T_k starts in its section
    var0: int  # (K + 2,) first effect of each term, in the caller's order
    cov0: int  # (K + 1,) where the covariances of its levels start
    first: int  # for the arrays of the tree see tree.Tree
    col: int
    n_rows: int
    at: int
    rows: int
    rel: int
    fronts: int
    leaf0: int
    child_ptr: int
    children: int
    panel: int
    square: int
    term: int  # (n_nodes,)
    effect: int  # (n_nodes,) first effect in the caller's order; population columns follow them
    e_ptr: int  # (n_nodes,) where the edges of each node start; equal lists are kept once
    e_n: int  # (n_nodes,) how many
    edges: int  # place in the front of a node that it meets, itself first, times 256, and its term
    v_at: int  # (n_nodes,) where its blocks start in the products
    k_ptr: int  # (n_nodes + 1,) entries of the precisions
    k_row: int  # place in the front
    k_kind: int  # by which of these numbers each is multiplied
    v_ptr: int  # rows of the compressed products with the sampled columns
    v_idx: int
    g_ptr: int  # (M + 1,) columns of G
    g_row: int
    w_of: int  # (M, 3) of each weight the base, and the two classes
    errors: int  # record of the residual's correlations, see `entries`
    # (n_links, 2) of each distance how many neighbours have it, and the first of three numbers by
    # which parts of the precision are multiplied
    links: int
    one_base: int  # (G,) the base b of b t t'
    one_ptr: int  # (G + 1,) columns of the products that each t has
    sum_ptr: int  # (one_ptr[G] + 1,) what each of them is a sum of, times u
    sum_class: int
    one_at: int  # where the products of each two columns of a group are, twice; or -1
    # sections of the floats, everything in the internal, well-conditioned bases
    constants: int  # (2,) log density without what depends on the parameters; number of rows
    T: int  # changes of basis, row by row; 1 for the population
    XX: int  # (p + 1, p + 1) products of the population columns and the response
    P0: int  # (p, p) prior precision
    m0: int  # (p,) prior mean, least-squares fit subtracted
    R: int  # (p, rx) population columns' share in the sampled population columns
    TV: int  # (rx, rx) change of basis of the sampled population columns
    v0: int  # (rx,) their least-squares fit
    size: int  # (K,) variance of a row's effects, of sd 1 and columns of mean square 1
    k_val: int  # entries of the precisions
    g_val: int  # entries of G
    class_n: int  # (n_classes,) rows
    scale_X: int  # (n_classes, n_scales) columns of log sigma
    scale_0: int  # (n_classes,) its offset
    sum_val: int  # sums over rows of one class


COUNTS = Header._fields[: Header._fields.index("q")]
INTS = Header._fields[len(COUNTS) : Header._fields.index("constants")]
FLOATS = Header._fields[len(COUNTS) + len(INTS) :]


def pack(
    counts: dict[str, int], ints: dict[str, Ints], floats: dict[str, Floats]
) -> tuple[Ints, Floats]:
    """Both flat arrays."""
    whole = [np.asarray(ints[name], np.int64).ravel() for name in INTS]
    real = [np.asarray(floats[name], np.float64).ravel() for name in FLOATS]
    int_starts = len(Header._fields) + np.cumsum([0, *(s.size for s in whole[:-1])])
    float_starts = np.cumsum([0, *(v.size for v in real[:-1])])
    head = [*(counts[name] for name in COUNTS), *int_starts, *float_starts]
    return np.concatenate([np.array(head, np.int64), *whole]), np.concatenate(real)


def read_header(ints: Ints) -> Header:
    """The header; spelt out because it is compiled as well."""
    return Header(
        ints[0], ints[1], ints[2], ints[3], ints[4], ints[5], ints[6], ints[7], ints[8], ints[9],
        ints[10], ints[11], ints[12], ints[13], ints[14], ints[15], ints[16], ints[17], ints[18],
        ints[19], ints[20], ints[21], ints[22], ints[23], ints[24], ints[25], ints[26], ints[27],
        ints[28], ints[29], ints[30], ints[31], ints[32], ints[33], ints[34], ints[35], ints[36],
        ints[37], ints[38], ints[39], ints[40], ints[41], ints[42], ints[43], ints[44], ints[45],
        ints[46], ints[47], ints[48], ints[49], ints[50], ints[51], ints[52], ints[53], ints[54],
        ints[55], ints[56], ints[57], ints[58], ints[59], ints[60], ints[61], ints[62], ints[63],
        ints[64], ints[65], ints[66], ints[67], ints[68], ints[69], ints[70], ints[71], ints[72],
        ints[73], ints[74], ints[75], ints[76], ints[77], ints[78], ints[79], ints[80],
    )  # fmt: skip


def sections(ints: Ints, floats: Floats) -> dict[str, np.ndarray]:
    """Every section by name, as a view in its own shape."""
    h = read_header(ints)
    views: dict[str, np.ndarray] = {}
    for names, flat in ((INTS, ints), (FLOATS, floats)):
        ends = [*(getattr(h, name) for name in names[1:]), flat.size]
        views |= {n: flat[getattr(h, n) : end] for n, end in zip(names, ends, strict=True)}
    shapes = {
        "XX": (h.p + 1,) * 2, "P0": (h.p, h.p), "R": (h.p, h.rx), "TV": (h.rx, h.rx),
        "w_of": (h.n_sets, 3), "links": (h.n_links, 2), "scale_X": (h.n_classes, h.n_scales),
    }  # fmt: skip
    return views | {name: views[name].reshape(shape) for name, shape in shapes.items()}
