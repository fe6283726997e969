"""How far each effect is centred, and the change of coordinates as a matrix."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from mixedbayes.design.types import Floats
from mixedbayes.joint.coordinates import Coordinates, Fall, upper_root
from mixedbayes.joint.layout import JointLayout
from mixedbayes.joint.prior_precision import prior_precision
from mixedbayes.joint.scoring import Conditional, Scoring
from mixedbayes.theta.tails import TailTransform
from mixedbayes.theta.whitening import CholeskyFactor

_AWAY = 12.0  # of a log sd, to where it is hardly more than 0
_MOST = 0.999  # share of the information that a finer factor's effects may take


def choose_coordinates(
    scoring: Scoring, t: Floats, at: Conditional, tails: TailTransform
) -> Coordinates:
    """Information K of every level at the mode, where the precision of its u is I + S' K S.

    It is that given coarser factors' effects, and not knowing the finer factors'.
    """
    layout, phi = scoring.layout, tails.phi(t)
    sds, Ws, _ = layout.hyper(phi)
    shares = _shares(scoring, phi, at)
    factor = _sheared(scoring, phi, at, shares)
    found = _information(factor, layout, _roots(sds, Ws))
    falls = list[Fall | None]()
    for k, own in enumerate(layout.sampled):
        finer = [link.finer for link in layout.links if link.coarser == k]
        falls.append(None)
        if finer and own.width == layout.sampled[finer[-1]].width == 1:
            without = phi.copy()
            without[layout.variance_starts[finer[-1]]] -= _AWAY
            left = layout.hyper(without)[0][finer[-1]][0] ** 2
            there = _sheared(scoring, without, at, shares)
            K = _information(there, layout, _roots(sds, Ws))[k][:, 0, 0]
            share = 1 - found[k][:, 0, 0] / np.maximum(K, 1e-300)
            v = float(sds[finer[-1]][0] ** 2)
            falls[k] = Fall(finer[-1], v, np.clip(share, 0.0, _MOST) / (v - left))
    mixes = scoring.density.coordinates.mixes
    scores = _scores(layout, at, _roots(sds, Ws), Coordinates(tuple(found), tails, mixes, shares))
    return Coordinates(tuple(found), tails, mixes, shares, scores, tuple(falls))


def _scores(
    layout: JointLayout, at: Conditional, roots: list[Floats], coordinates: Coordinates
) -> tuple[Floats, ...]:
    """h (J, q) of each factor, for which x is 0 at the mode.

    There u is S' times the slope in b of all but its own prior, which is h - K (a + b).
    """
    b: list[Floats] = [np.zeros(0)] * len(roots)
    scores = list(b)
    for k, (span, S) in reversed(list(enumerate(zip(layout.spans(), roots, strict=True)))):
        u = at.effects[span].reshape(-1, len(S))
        total = b[k] = u @ S.T
        for link in layout.links:
            if link.finer == k:
                total = total.copy()
                total[:, link.term] += b[link.coarser][link.above, link.term_above]
        K = coordinates.information[k]
        scores[k] = np.einsum("jst,jt->js", K, total) + np.linalg.solve(S.T, u.T).T
        b[k] = coordinates.in_rows(k, b[k])
    return tuple(scores)


def _information(factor: CholeskyFactor, layout: JointLayout, roots: list[Floats]) -> list[Floats]:
    """K (J, q, q) of each factor's levels, for roots S (q, q), with I + S' K S their precision."""
    found, blocks = [], factor.level_blocks(layout.spans(), [len(S) for S in roots])
    for S, P in zip(roots, blocks, strict=True):
        half = np.linalg.solve(S.T, P - np.eye(len(S)))
        K = np.linalg.solve(S.T, half.transpose(0, 2, 1))
        values, vectors = np.linalg.eigh(K + K.transpose(0, 2, 1))
        values = np.maximum(values, 0.0) / 2
        found.append((vectors * values[:, None, :]) @ vectors.transpose(0, 2, 1))
    return found


def turn(scoring: Scoring, phi: Floats, at: Conditional) -> bool:
    """Turn u of related or overlapping levels, so that what is known of it at the mode is diagonal.

    Of several effects a level the sum over these. False where there are no such levels.
    """
    density, layout = scoring.density, scoring.layout
    which = [own.turns or layout.with_intercept(k) for k, own in enumerate(layout.sampled)]
    if not any(which):
        return False
    factor = _sheared(scoring, phi, at, _shares(scoring, phi, at))
    mixes, turns = list(density.coordinates.mixes), list[Floats | None]()
    for k, (own, span) in enumerate(zip(layout.sampled, layout.spans(), strict=True)):
        turns.append(None)
        if which[k]:
            J, q = own.n_levels, own.width
            known = factor.given_later(span).reshape(J, q, J, q).trace(axis1=1, axis2=3)
            V = np.linalg.eigh((known + known.T) / 2)[1]
            mix = mixes[k]
            mixes[k], turns[k] = V if mix is None else mix @ V, V
    scoring.turn(mixes, turns)
    return True


def _shares(scoring: Scoring, phi: Floats, at: Conditional) -> tuple[Floats | None, ...]:
    """Shares of effects in the intercept's coordinate, for which the two are not correlated."""
    layout, spans = scoring.layout, scoring.layout.spans()
    which = [layout.with_intercept(k) for k in range(len(spans))]
    if not any(which):
        return ()
    sds, Ws, _ = layout.hyper(phi[None])
    cuts = np.zeros(0)
    prior = prior_precision(layout, at.effects[layout.n_effects :], cuts)[0, 0]
    shares: list[Floats | None] = []
    for k, (span, sd, W) in enumerate(zip(spans, sds, Ws, strict=True)):
        shares.append(None)
        if which[k]:
            known = at.factor.given_later(span, layout.n_effects)
            both = known[-1, :-1][:: layout.sampled[k].width]
            shares[k] = both / (known[-1, -1] - prior) / (sd[0, 0] * W[0, 0, 0])
    return tuple(shares)


def _sheared(
    scoring: Scoring, phi: Floats, at: Conditional, shares: tuple[Floats | None, ...]
) -> CholeskyFactor:
    """The factor of the precision of u and coefficients, with these in the intercept's place."""
    layout = scoring.layout
    plain = tuple(np.zeros((s.n_levels, s.width, s.width)) for s in layout.sampled)
    written = Coordinates(
        plain, TailTransform.identity(), scoring.density.coordinates.mixes, shares
    )
    return scoring.factor(phi, at, standardising(scoring, phi, written)[0])


def standardising(
    scoring: Scoring, phi: Floats, coordinates: Coordinates
) -> tuple[sparse.csr_array, Floats]:
    """T (N, N) and t (N,): effects as written, and coefficients, times T plus t are u and
    coefficients.
    """
    layout = scoring.layout
    spans, (sds, Ws, _) = layout.spans(), layout.hyper(phi)
    size = layout.ndim - layout.n_hyper
    whole = sparse.csr_array(sparse.eye_array(size, size + 1))  # and a column of constants
    one = sparse.csr_array(([1.0], ([0], [size])), shape=(1, size + 1))
    left = whole[layout.n_effects :]
    first = sparse.csr_array(np.eye(left.shape[0], 1))  # the intercept
    u_rows: list[sparse.csr_array] = [whole] * len(spans)
    b_rows: list[sparse.csr_array] = [whole] * len(spans)
    for k, S in reversed(list(enumerate(_roots(sds, Ws)))):
        J, q = layout.sampled[k].n_levels, len(S)
        K, h = coordinates.known(k, sds)
        KS = K @ S
        U = upper_root(np.eye(q) + S.T @ KS)
        shift = np.linalg.solve(U, (h @ S)[:, :, None])
        rows = sparse.csr_array(whole[spans[k]]) + sparse.csr_array(shift.reshape(-1, 1)) @ one
        for link in layout.links:
            if link.finer == k:
                above = link.above * len(sds[link.coarser]) + link.term_above
                own = np.arange(J) * q + link.term
                place = sparse.csr_array((np.ones(J), (own, np.arange(J))), shape=(J * q, J))
                moved = _blocks(np.linalg.solve(U, KS.transpose(0, 2, 1)))
                rows = rows - moved @ place @ b_rows[link.coarser][above]
        u_rows[k] = _blocks(np.linalg.inv(U).transpose(0, 2, 1)) @ rows
        b_rows[k] = sparse.csr_array(sparse.kron(sparse.eye_array(J), S)) @ u_rows[k]
        mix, share = coordinates.mix(k), coordinates.share(k)
        if share is not None:
            common = sparse.csr_array(share[None]) @ b_rows[k][::q]
            left = left - first @ common
        if mix is not None and any(link.coarser == k for link in layout.links):
            b_rows[k] = sparse.csr_array(sparse.kron(sparse.csr_array(mix), np.eye(q))) @ b_rows[k]
            if share is not None:
                ones = np.tile(np.arange(q) == 0, J).astype(float)[:, None]
                b_rows[k] = b_rows[k] - sparse.csr_array(ones) @ common
    found = sparse.csc_array(sparse.vstack([*u_rows, left]))
    return sparse.csr_array(found[:, :size]), found[:, [size]].toarray()[:, 0]


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
    T, shift = standardising(scoring, phi, coordinates)
    return linalg.spsolve(T.tocsc(), effects - shift)
