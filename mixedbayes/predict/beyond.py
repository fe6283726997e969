"""Effects at positions where the fit has none, such as other times of `ou(time | g)`.

With b the effects of a level at known positions and b' those at others, normal together with one
sd, R their correlations and K = R_b'b R_bb^-1,

    b' = K b + sd C z,    C C' = R_b'b' - K R_bb',    z ~ N(0, I):

their distribution given those that are known, in every draw of the parameters (simple kriging).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixedbayes.design.types import Floats, GroupDesign
from mixedbayes.predict.streams import level_stream
from mixedbayes.results.posterior import Posterior


@dataclass(frozen=True, eq=False)
class Extension:
    """From effects of a factor at known positions to those at w others; draws last."""

    K: Floats  # (w, g, S), g effects that are known: all of the fit, then those at `given`
    root: Floats  # (w, w, S) sd C

    @classmethod
    def of(
        cls,
        post: Posterior,
        g: GroupDesign,
        parameter: str,
        wanted: Sequence[float],
        given: Sequence[float] = (),
    ) -> Extension:
        """To effects at the positions `wanted`, from those of the fit and at `given` others."""
        longest = max(g.blocks, key=len)
        block = list(longest)
        own, q, w = g.covariance, len(g.terms), len(wanted)
        whole = own.placed((*own.at, *given, *wanted), own.of)
        size = len(block) + len(given)
        R = whole.matrix(g.told_cor(post.cor(g.name, parameter)), size + w)
        K = np.linalg.solve(R[:, :size, :size], R[:, :size, size:]).transpose(0, 2, 1)
        left = R[:, size:, size:] - K @ R[:, :size, size:]
        values, vectors = np.linalg.eigh(left)
        C = (vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]) @ vectors.transpose(0, 2, 1)
        every = np.zeros((len(K), w, q + len(given)))
        every[:, :, [*block, *range(q, q + len(given))]] = K
        sd = post.sd(g.name, parameter)[:, block[0]]
        return cls(
            np.ascontiguousarray(every.transpose(1, 2, 0)),
            np.ascontiguousarray((sd[:, None, None] * C).transpose(1, 2, 0)),
        )

    def effects(self, b: Floats, seed: int, factor: str, levels: Sequence[str]) -> Floats:
        """(u, g + w, S) effects b (u, g, S) of u levels, and those at the other positions."""
        if not len(b):
            return np.zeros((0, b.shape[1] + len(self.K), b.shape[2]))
        shape = self.root.shape[1:]
        streams = (level_stream(seed, f"{factor}, other positions", text) for text in levels)
        z = np.stack([stream.standard_normal(shape) for stream in streams])
        found = np.einsum("wgs,ugs->uws", self.K, b) + np.einsum("wvs,uvs->uws", self.root, z)
        return np.concatenate([b, found], axis=1)

    def roots(self, root: Floats) -> Floats:
        """(g + w, d + w, S) root of all effects, from that of those known (g, d, S)."""
        (g, d, S), w = root.shape, len(self.K)
        out = np.zeros((g + w, d + w, S))
        out[:g, :d] = root
        out[g:, :d] = np.einsum("wgs,gds->wds", self.K, root)
        out[g:, d:] = self.root
        return out


def aligned(Z: Floats, at: Sequence[float], every: Sequence[float]) -> Floats:
    """Columns (m, q + len(every)), from those of the fit's q effects and of positions `at`."""
    if tuple(at) == tuple(every):
        return Z
    q = Z.shape[1] - len(at)
    out = np.zeros((len(Z), q + len(every)))
    out[:, :q] = Z[:, :q]
    out[:, [q + list(every).index(v) for v in at]] = Z[:, q:]
    return out
