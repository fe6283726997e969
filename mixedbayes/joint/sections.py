"""What a `theta.record` of the joint density has."""

from mixedbayes.theta import whitening
from mixedbayes.theta.record import places

# Sections of the record.
SECTIONS = (
    # d, h, n rows, p columns, intercept?, prior of what takes its place at zero?, address of the
    # loop over the rows, coordinates of the family's parameters, vectors of thresholds, which
    # have formulas (see loop), number of thresholds, the last of those coordinates, and of
    # population effects, p unless some are monotonic
    "sizes",
    # (K, 13) q, J, place in roots, first effect, how rows have columns (see operator), place in
    # refs, Z and information, levels that a row lies in, first of its rows and the one after the
    # last, place in mixes or -1, place in shares or -1
    "factors",
    "blocks",  # as terms.roots reads them
    "refs",  # (m, k) of each factor, for the m rows that it has columns in
    "nests",  # (N, 5) finer and coarser factor, term of each, place in maps; by finer factor
    "maps",  # for each nest the coarser factor's level of each level of the finer one
    "codes",  # (h + coefficients, 2) priors, see logpriors
    "numbers",  # (h + coefficients, 6)
    "Z",  # (m, k, q) of each factor, or (m, J)
    "X",  # (n, p) centred columns
    "means",  # (p,)
    "plain",  # (P, 2) column and population effect, of those that are one another's
    # of each monotonic effect the number D of its steps, which effect it is, the coordinate of its
    # first share, and its D columns; see theta.simplex
    "steps",
    "offset",  # (n,)
    "y", "size", "extra",  # (n,)
    "information",  # K (J, q, q) of each factor, see coordinates
    "scores",  # h (J, q) likewise
    "mixes",  # (J, J) of those factors that have one, see coordinates
    "shares",  # (J,) likewise
    "falls",  # (D, 3) factor, finer factor, and place in `rates` of v_0 and m (J,), see coordinates
    "rates",
    "tails",  # see theta.tails
    "constant",  # (1,)
    "vectors",  # (V, 2) how many thresholds each vector has, and whether they increase
    *whitening.SECTIONS,
)  # fmt: skip
(SIZES, FACTORS, BLOCKS, REFS, NESTS, MAPS, CODES, NUMBERS, ZED, EX, MEANS, PLAIN, STEPS, OFFSET,
 WHY, SIZE, EXTRA, INFORMATION, SCORES, MIXES, SHARES, FALLS, RATES, TAILS, CONSTANT, VECTORS,
 WHITENING, *_) = places(SECTIONS).values()  # fmt: skip
LOG_DET = WHITENING + whitening.LOG_DET
