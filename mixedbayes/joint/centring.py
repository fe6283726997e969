"""The choice of centring and pull for every effect, and the change of coordinates as a matrix."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from mixedbayes.design.types import Floats
from mixedbayes.joint.coordinates import Bend, Coordinates
from mixedbayes.joint.scoring import Conditional, Scoring

type Ratio = Callable[[float], Floats]

# Where in the posterior of a log sd the centring is best, in sds from the mode: one that is too
# strong for small sds makes a funnel there, one too weak for large sds does little harm.
_BELOW = -1.0
# Over the posterior, down to `_LOWEST` sds, the prior scale s^c of x shrinks at most so many times,
# unless the level's own rows hold the effect there as well: wholly so from a share of 1/2 on.
_LOWEST, _FUNNEL = -3.5, 1.5


def choose(scoring: Scoring, t: Floats, at: Conditional, spread: Floats, bend: Bend) -> Coordinates:
    """Centring and pull of every effect: the share of its variance that the data take away.

    The posterior variance of u, given coarser factors' effects and the terms before it in its
    level and not knowing the finer factors', is v = 1 / (1 + s^2 I) for some information I. That
    of s^c u does not change with s, to first order, for c = 1 - v; it is taken at a value of s
    somewhat below the mode. A change of m or of a coarser factor's effect by 1 moves u by
    -(1 - v) / s.
    """
    layout, phi = scoring.layout, bend.phi(t)
    centring, pull = np.zeros(layout.n_effects), np.zeros(layout.n_effects)
    sds, Ws, _ = layout.hyper(phi)
    spans = layout.spans()
    blocks = at.factor.level_blocks(spans, [len(sd) for sd in sds])
    for k, (span, precision) in enumerate(zip(spans, blocks, strict=True)):
        q, first = len(sds[k]), layout.variance_starts[k]
        v = np.linalg.cholesky(np.linalg.inv(precision))[:, range(q), range(q)] ** 2  # (J, q)
        v = np.clip(v, 1e-12, 1 - 1e-12)
        own = slice(first, first + q)

        def ratio(sds_away: float, own: slice = own, k: int = k) -> Floats:
            moved = t.copy()
            moved[own] += sds_away * spread[own]
            return layout.hyper(bend.phi(moved))[0][k] / sds[k]

        def share_at(sds_away: float, v: Floats = v, ratio: Ratio = ratio) -> Floats:
            signal = (1 - v) / v * ratio(sds_away) ** 2
            return signal / (1 + signal)

        bound = -np.log(_FUNNEL) / np.log(ratio(_LOWEST))
        share = np.minimum(share_at(_BELOW), np.maximum(bound, 2 * share_at(_LOWEST)))
        centring[span] = share.ravel()
        s = sds[k] * np.diag(Ws[k])
        pull[span] = ((1 - v) * s ** (share - 1)).ravel()
    return Coordinates(centring, pull, bend)


def unwritten(scoring: Scoring, phi: Floats, coordinates: Coordinates) -> sparse.csr_array:
    """(N, N) from effects as written, and coefficients, to u and coefficients."""
    layout = scoring.layout
    spans, (sds, Ws, _) = layout.spans(), layout.hyper(phi)
    size = layout.ndim - layout.n_hyper
    whole = sparse.csr_array(sparse.eye_array(size))
    u_rows: list[sparse.csr_array] = [whole] * len(spans)
    b_rows: list[sparse.csr_array] = [whole] * len(spans)
    for k in reversed(range(len(spans))):
        J, q = layout.groups[k].n_levels, len(sds[k])
        rows = sparse.csr_array(whole[spans[k]])
        for link in layout.links:
            if link.finer == k:
                above = link.above * len(sds[link.coarser]) + link.term_above
                own = np.arange(J) * q + link.term
                total = b_rows[link.coarser][above]
                place = sparse.csr_array((np.ones(J), (own, np.arange(J))), shape=(J * q, J))
                rows = rows - _diagonal(coordinates.pull[spans[k]]) @ place @ total
        # x less the coarser factors' pull is (s^c + pull m) u, block diagonal by level
        sd, W, q = sds[k], Ws[k], len(sds[k])
        c, pull = (v[spans[k]].reshape(J, q) for v in (coordinates.centring, coordinates.pull))
        blocks = pull[:, :, None] * np.tril(sd[:, None] * W, -1)
        blocks[:, range(q), range(q)] = (sd * np.diag(W)) ** c
        inverse = np.linalg.inv(blocks)
        place = np.arange(J + 1)
        to_u = sparse.csr_array(sparse.bsr_array((inverse, place[:-1], place)))
        u_rows[k] = to_u @ rows
        to_b = sparse.csr_array(sparse.kron(sparse.eye_array(J), sds[k][:, None] * Ws[k]))
        b_rows[k] = to_b @ u_rows[k]
    return sparse.csr_array(sparse.vstack([*u_rows, whole[layout.n_effects :]]))


def _diagonal(values: Floats) -> sparse.dia_array:
    return sparse.diags_array(values)


def written(scoring: Scoring, phi: Floats, effects: Floats, coordinates: Coordinates) -> Floats:
    """Effects and coefficients (N,) as written in theta, from u and coefficients."""
    return linalg.spsolve(unwritten(scoring, phi, coordinates).tocsc(), effects)
