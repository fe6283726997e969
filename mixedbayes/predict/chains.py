"""Effects in long chains, `ar1(visit | g)` and `ou(time | g)` of many times: no (T, T) matrices.

Each effect depends on its neighbours alone, so that new levels are drawn from the first time to the
last, and an effect at another time given those at the times around it:

    b_t = r_t b_(t-1) + sd s_t z,    s_t^2 = 1 - r_t^2;
    b_t | b_l, b_r ~ N((r_1 (1 - r_2^2) b_l + r_2 (1 - r_1^2) b_r) / (1 - r_1^2 r_2^2),
                       sd^2 (1 - r_1^2) (1 - r_2^2) / (1 - r_1^2 r_2^2))

with the correlations r_1 of t and l, and r_2 of t and r.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mixedbayes.design.types import Floats, GroupDesign, Ints
from mixedbayes.predict.streams import level_stream
from mixedbayes.results.posterior import Posterior

MANY = 60  # effects of a level from which on they are taken so


@dataclass(frozen=True, eq=False)
class LongChain:
    """The effects of one factor on one parameter, in every draw."""

    block: list[int]  # places of the effects in the chain, ascending
    at: Floats  # (T,) their positions
    z: list[Floats]  # of each number of the structure (S, 1)
    g: GroupDesign
    sd: Floats  # (S, q) of all effects

    @classmethod
    def of(cls, post: Posterior, g: GroupDesign, parameter: str) -> LongChain | None:
        """None where it is no chain, or a short one, or its effects are not normal."""
        longest = max(g.blocks, key=len)
        block, structure = sorted(longest), g.covariance
        chain = structure.chain and structure.one_sd and len(block) > MANY
        if not chain or not g.law.normal or g.related_to is not None or g.arms is not None:
            return None
        z = g.numbers_of(post.cor_numbers(g.name, parameter))
        numbers = [z[:, m, None] for m in range(z.shape[1])]
        sd = post.sd(g.name, parameter)
        return cls(block, structure.positions(len(block)), numbers, g, sd)

    def positions(self, others: Sequence[float]) -> Floats:
        """Where other levels of the variable are, in the units of `at`."""
        known = np.array(self.g.covariance.at)
        unit = (known[-1] - known[0]) / (self.at[-1] - self.at[0])
        return self.at[0] + (np.asarray(others, float) - known[0]) / unit

    def between(self, distances: Floats) -> Floats:
        """(S, D) correlations."""
        return np.asarray(self.g.covariance.between(self.z, distances))

    def anew(self, seed: int, factor: str, levels: Iterable[str]) -> Floats:
        """(k, q, S) effects of levels that were not seen."""
        r = self.between(np.diff(self.at)).T  # (T - 1, S)
        s = np.sqrt(np.maximum((1 - r) * (1 + r), 0.0))
        shape = (len(self.g.terms), len(self.sd))
        b = np.stack([level_stream(seed, factor, text).standard_normal(shape) for text in levels])
        for k in range(1, len(self.block)):
            b[:, self.block[k]] *= s[k - 1]
            b[:, self.block[k]] += r[k - 1] * b[:, self.block[k - 1]]
        b *= self.sd.T
        return b

    def extended(
        self,
        b: Floats,
        given: Sequence[float],
        wanted: Sequence[float],
        seed: int,
        factor: str,
        levels: Sequence[str],
    ) -> Floats:
        """(u, q + given + wanted, S) effects b (u, q + given, S) of u levels, and those at other
        positions.
        """
        if not len(b):
            return np.zeros((0, b.shape[1] + len(wanted), b.shape[2]))
        q, sd = len(self.g.terms), self.sd[:, self.block[0]]
        at = np.concatenate([self.at, self.positions(given)])
        place = [*self.block, *range(q, q + len(given))]
        streams = (level_stream(seed, f"{factor}, other positions", text) for text in levels)
        z = np.stack([s.standard_normal((len(wanted), b.shape[2])) for s in streams])
        out = np.concatenate([b, z], axis=1)
        first = b.shape[1]
        for k, t in enumerate(self.positions(wanted)):
            weights, left = self._bridge(at, float(t))
            own = first + k
            out[:, own] *= sd * left
            for other, weight in weights:
                out[:, own] += weight * out[:, place[other]]
            at, place = np.append(at, t), [*place, own]
        return out

    def _bridge(self, at: Floats, t: float) -> tuple[list[tuple[int, Floats]], Floats]:
        """Weights (S,) of the effects around position t, and the sd that they leave of 1."""
        before, after = np.flatnonzero(at < t), np.flatnonzero(at > t)
        near: list[int] = []
        near += [int(before[np.argmax(at[before])])] if len(before) else []
        near += [int(after[np.argmin(at[after])])] if len(after) else []
        r = self.between(np.abs(at[near] - t)).T  # (1 or 2, S)
        if len(near) == 1:
            return [(near[0], r[0])], np.sqrt(np.maximum((1 - r[0]) * (1 + r[0]), 0.0))
        apart = np.maximum((1 - r[0] * r[1]) * (1 + r[0] * r[1]), 1e-300)
        left, right = (1 - r[0]) * (1 + r[0]), (1 - r[1]) * (1 + r[1])
        weights = [(near[0], r[0] * right / apart), (near[1], r[1] * left / apart)]
        return weights, np.sqrt(np.maximum(left * right / apart, 0.0))

    def collapsed(self, Z: Floats) -> tuple[Floats, Floats]:
        """Of levels that are not named: columns (m, d) and root (d, d, S) with which a row, which
        has one position, has the variance that it has with all.
        """
        q = len(self.g.terms)
        apart = [k for k in range(q) if k not in set(self.block)]
        own: Ints = np.array([*self.block, *range(q, Z.shape[1])])
        columns = np.column_stack([Z[:, apart], Z[:, own].sum(axis=1)])
        sd = self.sd[:, [*apart, self.block[0]]].T  # (d, S)
        return columns, np.eye(len(sd))[:, :, None] * sd[None]
