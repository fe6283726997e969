"""How far each effect is centred, and the change of coordinates as a matrix."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from mixedbayes.design.types import Floats
from mixedbayes.joint.coordinates import Coordinates, upper_root
from mixedbayes.joint.scoring import Conditional, Scoring
from mixedbayes.theta.tails import TailTransform


def choose_coordinates(
    scoring: Scoring, t: Floats, at: Conditional, tails: TailTransform
) -> Coordinates:
    """Information K of every level at the mode, where the precision of its u is I + S' K S.

    It is that given coarser factors' effects, and not knowing the finer factors'.
    """
    layout = scoring.layout
    sds, Ws, _ = layout.hyper(tails.phi(t))
    found, blocks = [], at.factor.level_blocks(layout.spans(), [len(sd) for sd in sds])
    for S, P in zip(_roots(sds, Ws), blocks, strict=True):
        half = np.linalg.solve(S.T, P - np.eye(len(S)))
        K = np.linalg.solve(S.T, half.transpose(0, 2, 1))
        values, vectors = np.linalg.eigh(K + K.transpose(0, 2, 1))
        values = np.maximum(values, 0.0) / 2
        found.append((vectors * values[:, None, :]) @ vectors.transpose(0, 2, 1))
    return Coordinates(tuple(found), tails, scoring.density.coordinates.mixes)


def turn(scoring: Scoring, at: Conditional) -> None:
    """Turn u of related or overlapping levels, so that what is known of it at the mode is diagonal.

    Of several effects a level the sum over these.
    """
    density, layout = scoring.density, scoring.layout
    mixes, turns = list(density.coordinates.mixes), list[Floats | None]()
    for k, (own, span) in enumerate(zip(layout.sampled, layout.spans(), strict=True)):
        turns.append(None)
        if own.turns:
            J, q = own.n_levels, own.width
            known = at.factor.given_later(span).reshape(J, q, J, q).trace(axis1=1, axis2=3)
            V = np.linalg.eigh((known + known.T) / 2)[1]
            mix = mixes[k]
            mixes[k], turns[k] = V if mix is None else mix @ V, V
    scoring.turn(mixes, turns)


def standardising(scoring: Scoring, phi: Floats, coordinates: Coordinates) -> sparse.csr_array:
    """(N, N) from effects as written, and coefficients, to u and coefficients."""
    layout = scoring.layout
    spans, (sds, Ws, _) = layout.spans(), layout.hyper(phi)
    size = layout.ndim - layout.n_hyper
    whole = sparse.csr_array(sparse.eye_array(size))
    u_rows: list[sparse.csr_array] = [whole] * len(spans)
    b_rows: list[sparse.csr_array] = [whole] * len(spans)
    for k, S in reversed(list(enumerate(_roots(sds, Ws)))):
        J, q = layout.sampled[k].n_levels, len(S)
        KS = coordinates.information[k] @ S
        U = upper_root(np.eye(q) + S.T @ KS)
        rows = sparse.csr_array(whole[spans[k]])
        for link in layout.links:
            if link.finer == k:
                above = link.above * len(sds[link.coarser]) + link.term_above
                own = np.arange(J) * q + link.term
                place = sparse.csr_array((np.ones(J), (own, np.arange(J))), shape=(J * q, J))
                moved = _blocks(np.linalg.solve(U, KS.transpose(0, 2, 1)))
                rows = rows - moved @ place @ b_rows[link.coarser][above]
        u_rows[k] = _blocks(np.linalg.inv(U).transpose(0, 2, 1)) @ rows
        b_rows[k] = sparse.csr_array(sparse.kron(sparse.eye_array(J), S)) @ u_rows[k]
    return sparse.csr_array(sparse.vstack([*u_rows, whole[layout.n_effects :]]))


def _roots(sds: list[Floats], Ws: list[Floats]) -> list[Floats]:
    """S of each factor."""
    return [sd[:, None] * W for sd, W in zip(sds, Ws, strict=True)]


def _blocks(values: Floats) -> sparse.csr_array:
    """The block diagonal matrix of blocks (J, q, q)."""
    place = np.arange(len(values) + 1)
    return sparse.csr_array(sparse.bsr_array((np.ascontiguousarray(values), place[:-1], place)))


def from_standardised(
    scoring: Scoring, phi: Floats, effects: Floats, coordinates: Coordinates
) -> Floats:
    """Effects and coefficients (N,) as written in theta, from u and coefficients."""
    return linalg.spsolve(standardising(scoring, phi, coordinates).tocsc(), effects)
