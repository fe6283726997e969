"""How far each effect is centred, and the change of coordinates as a matrix."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from mixedbayes.design.types import Floats
from mixedbayes.joint.coordinates import Bend, Coordinates, scales
from mixedbayes.joint.scoring import Conditional, Scoring


def choose(scoring: Scoring, t: Floats, at: Conditional, bend: Bend) -> Coordinates:
    """Information and coupling of every effect, from the posterior of u at the mode.

    The covariance V of the u of a level is that given coarser factors' effects, finer ones unknown.
    Of its i-th term, given those before it, v is the variance, and c' u its mean's dependence on
    them; I and rho are such that x depends on neither s nor u there.
    """
    layout, information = scoring.layout, np.zeros(scoring.layout.n_effects)
    sds, Ws, _ = layout.hyper(bend.phi(t))
    spans, coupling = layout.spans(), []
    blocks = at.factor.level_blocks(spans, [len(sd) for sd in sds])
    for k, (span, precision) in enumerate(zip(spans, blocks, strict=True)):
        q, S = len(sds[k]), sds[k][:, None] * Ws[k]
        root = np.linalg.cholesky(np.linalg.inv(precision))
        v = np.clip(root[:, range(q), range(q)] ** 2, 1e-12, 1 - 1e-12)  # (J, q)
        information[span] = ((1 - v) / v / np.diag(S) ** 2).ravel()
        rho = np.zeros((len(v), q, q))
        for i in range(1, q):
            c = np.linalg.solve(root[:, :i, :i].transpose(0, 2, 1), root[:, i, :i, None])[..., 0]
            moved = c * (S[i, i] / (1 - v[:, i]))[:, None] + S[i, :i]  # g / pull = s / (1 - v)
            rho[:, i, :i] = -np.linalg.solve(S[:i, :i].T, moved.T).T
        coupling.append(rho)
    return Coordinates(information, tuple(coupling), bend)


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
        rows, information = sparse.csr_array(whole[spans[k]]), coordinates.information[spans[k]]
        g, pull = scales(information.reshape(J, q), sds[k] * np.diag(Ws[k]))
        for link in layout.links:
            if link.finer == k:
                above = link.above * len(sds[link.coarser]) + link.term_above
                own = np.arange(J) * q + link.term
                total = b_rows[link.coarser][above]
                place = sparse.csr_array((np.ones(J), (own, np.arange(J))), shape=(J * q, J))
                rows = rows - _diagonal(pull.ravel()) @ place @ total
        # x less the coarser factors' pull is a multiple of u, block diagonal by level
        S = sds[k][:, None] * Ws[k]
        blocks = pull[:, :, None] * (np.tril(S, -1) + coordinates.coupling[k] @ S)
        blocks[:, range(q), range(q)] = g  # the diagonal was 0
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
