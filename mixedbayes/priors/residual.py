"""The correlations of residuals as coordinates, with their priors, and as roots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import Residual
from mixedbayes.priors.links import link_blocks, link_graph, link_roots, root_block
from mixedbayes.priors.types import Priors
from mixedbayes.terms.covariance import Covariance, Number
from mixedbayes.theta.logpriors import Coordinate

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ResidualParameters:
    """The numbers z of each arm; and their roots, W (T, T) of each.

    Or of pairs of positions, W (2, 2) for each distance, where these say all: of neighbours in a
    chain, or of any two where all correlations are equal.
    """

    residual: Residual
    of_arm: tuple[Number, ...]
    distances: tuple[Floats, ...]  # by arm; none where roots are of all positions

    @classmethod
    def of(
        cls, residual: Residual, priors: Priors, distances: Sequence[Floats]
    ) -> ResidualParameters:
        """Of a design's residuals, with these distances."""
        return cls(residual, residual.parameters(priors.correlations), tuple(distances))

    @property
    def structure(self) -> Covariance:
        return self.residual.structure

    @property
    def shape(self) -> tuple[int, int]:
        """Arms, and numbers of each."""
        return self.residual.n_arms, len(self.of_arm)

    @property
    def size(self) -> int:
        """How many coordinates there are."""
        return self.residual.n_arms * len(self.of_arm)

    @cached_property
    def n_roots(self) -> int:
        """Entries of all roots."""
        if self.distances:
            return sum(4 * len(own) for own in self.distances)
        return self.residual.n_arms * self.residual.n_positions**2

    def coordinates(self) -> Iterator[tuple[str, Coordinate]]:
        own, symbols = self.residual, self.residual.symbols
        several = len(self.of_arm) > len(symbols)
        labels = own.coords.get(names.POSITION, [])
        for a in range(own.n_arms):
            arm = [own.coords[names.group_dim(own.by)][a]] if own.arm_levels else []
            for m, z in enumerate(self.of_arm):
                told = [labels[i] for i in z.of] or ([str(m + 1)] if several else [])
                inside = ", ".join([*arm, *told])
                symbol = symbols[0] if several or len(symbols) == 1 else symbols[m]
                yield symbol + (f"[{inside}]" if inside else ""), z.coordinate()

    def start(self) -> Floats:
        """(A, m) the medians of the priors."""
        one = [float(z.distribution().median()) for z in self.of_arm]
        return np.tile(one, (self.residual.n_arms, 1))

    def roots(self, z: Floats, left: Floats) -> Floats:
        """(..., n_roots) from z (..., A, m); `left` is sqrt(1 - z^2) of those below 1."""
        lead, parts = z.shape[:-2], []
        for a in range(self.residual.n_arms):
            if self.distances:
                W = link_roots(self.structure, z[..., a, :], self.distances[a])
            else:
                W = self.structure.root(z[..., a, :], self.residual.n_positions, left[..., a, :])
            parts.append(W.reshape(*lead, -1))
        return np.concatenate(parts, axis=-1)

    def graph(self, arms: Sequence[Sequence[Any]], xp: Any) -> Any:
        """(n_roots,) from the numbers z of each arm, scalars of a graph."""
        parts = []
        for a, z in enumerate(arms):
            if self.distances:
                W = link_graph(self.structure, z, self.distances[a], xp)
            else:
                k, left = self.residual.n_positions, [xp.sqrt(1 - x**2) for x in z]
                rows = self.structure.rows(z, left, xp.constant(1.0), k)
                none = xp.constant(0.0)
                W = xp.stack([xp.stack([*row, *[none] * (k - len(row))]) for row in rows])
            parts.append(W.ravel())
        return xp.concatenate(parts)

    def record(self, first: int, out: int) -> list[int]:
        """The blocks that `terms.roots` reads: coordinates from `first` on, roots at `out`."""
        record, T = list[int](), self.residual.n_positions
        for a in range(self.residual.n_arms):
            z = first + a * len(self.of_arm)
            if not self.distances:
                record += root_block(self.structure, self.structure.positions(T), z, out)
                out += T * T
            else:
                record += link_blocks(self.structure, self.distances[a], z, out)
                out += 4 * len(self.distances[a])
        return record
