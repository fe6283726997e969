"""What a `theta.record` of a density by quadrature has, and what is made of it first."""

import numpy as np
from numba import types

from mixedbayes import jit
from mixedbayes.joint.ordered import put_in_order
from mixedbayes.marginal.inner import inner
from mixedbayes.quadrature.rows import call
from mixedbayes.theta import whitening
from mixedbayes.theta.record import copy, ints, places, reals

# Sections of the record.
SECTIONS = (
    # h variances and family's parameters, of these m the family's, q, intercept?, is its prior at
    # zero?, addresses of the rows' function and
    # of `marginal`, numbers that are kept of a row, are rows concave?; address of `nested.nested`,
    # 0 where there are no nested factors; thresholds, which are the last of the family's
    # parameters, do they increase?; address of `stepped.stepped`, 0 where no effect is monotonic
    "sizes",
    "blocks",  # as terms.roots reads them
    # as `blocks.Blocks` has them: first group of each block, and J; first slot of each block; first
    # row of each slot, and n
    "groups", "firsts", "slots",
    "codes", "numbers",  # (d, 2), (d, 6) priors, see logpriors
    "nodes", "ratios",  # (q, K), (K,)
    # (q, J) where the search for the modes of u starts at `centre` (d,), which is theta without
    # tails; and how they move with it (d, q, J), without entries where that is not known. J is of
    # nested factors the number of all levels, the finest factor's first.
    "modes", "centre", "moves",
    # Rows of P predictors, n each: (q, P n), (p, P n) centred columns, (p,), (P n,); on which of
    # the predictors effects act (R,); and the steps of differences in the predictors (P n,)
    "Z", "X", "means", "offset", "acting", "steps",
    # Columns and steps of population effects as `JointLayout.stepped` has them, without entries
    # where none is monotonic, so that each is its column's
    "plain", "stepped",
    # Of nested factors, without entries where there are none: as `tree.levels_of` reads them, and
    # the place of each factor, the finest first, among the roots
    "tree", "above", "places",
    "y", "size", "extra",  # (n,)
    "tails",  # see theta.tails
    "constant",  # (1,)
    "terms", "coefficients", "square",  # of the surrogate, and the square of its radius
    *whitening.SECTIONS,
)  # fmt: skip
(SIZES, BLOCKS, GROUPS, FIRSTS, SLOTS, CODES, NUMBERS, NODES, RATIOS, MODES, CENTRE, MOVES, ZED,
 EX, MEANS, OFFSET, ACTING, STEPS, PLAIN, STEPPED, TREE, ABOVE,
 PLACES, WHY, SIZE, EXTRA, TAILS, CONSTANT, TERMS, COEFFICIENTS, SQUARE,
 WHITENING, *_) = (
    places(SECTIONS).values()
)  # fmt: skip
LOG_DET = WHITENING + whitening.LOG_DET
_u = np.uint64  # of indices, see `integral`
STEPPED_SIGNATURE = types.void(*(types.float64[::1],) * 6, types.int64[::1])
call_stepped = jit.caller(STEPPED_SIGNATURE)


@inner
def coefficients(record, effects, point):
    """Coefficients of the columns (p,), `point` as theta without tails."""
    at = ints(record, SIZES)[12]
    if at == 0:
        return effects
    beta, none = np.empty(reals(record, MEANS).size), np.empty(0)
    call_stepped(at, effects, point, beta, none, none, none, record)
    return beta


@inner
def linear_predictor(record, theta, h, intercept, beta, r0, r1):
    """eta (P, n) without the effects, of rows r0 to r1 of each predictor."""
    offset, X = reals(record, OFFSET), reals(record, EX)
    N, n = offset.size, reals(record, WHY).size
    eta, level = np.empty(N), theta[h] if intercept else 0.0
    for first in range(0, N, n):
        for i in range(first + r0, first + r1):
            eta[_u(i)] = offset[_u(i)] + level
        for j in range(beta.size):
            slope, at = beta[j], j * N
            for i in range(first + r0, first + r1):
                eta[_u(i)] += X[_u(at + i)] * slope
    return eta


@inner
def parameters_of(record, x):
    """The family's parameters (m,) from the variances and parameters x (h,) without links."""
    sizes = ints(record, SIZES)
    h, m, k = sizes[0], sizes[1], sizes[10]
    found = np.empty(m)
    copy(x[h - m : h], found)
    if sizes[11]:
        put_in_order(x[h - k : h], found[m - k :])
    return found


@inner
def keep(record, parameters, r0, r1):
    """What rows r0 to r1 hold for these parameters, see `RowDensity.kept`, row by row."""
    sizes, y, none = ints(record, SIZES), reals(record, WHY), np.empty(0)
    kept = np.empty(sizes[7] * y.size)
    if sizes[7] > 0:
        call(
            sizes[5], r0, reals(record, OFFSET)[r0:r1], y, reals(record, SIZE),
            reals(record, EXTRA), parameters, kept, none, none, none,
        )  # fmt: skip
    return kept


@inner
def first_modes(record, phi, u, J, j0, j1):
    """Fills u (q, J) of groups j0 to j1 with where the searches start."""
    start, moves, centre = reals(record, MODES), reals(record, MOVES), reals(record, CENTRE)
    for a in range(start.size // J):
        for i in range(a * J + j0, a * J + j1):
            u[_u(i)] = start[_u(i)]
        for c in range(phi.size if moves.size > 0 else 0):
            away, at = phi[c] - centre[c], c * start.size
            for i in range(a * J + j0, a * J + j1):
                u[_u(i)] += moves[_u(at + i)] * away
