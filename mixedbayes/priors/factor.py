"""The parameters of one grouping factor's covariance as coordinates, with their priors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.distributions import LKJ, Prior
from mixedbayes.priors.links import link_blocks, link_roots
from mixedbayes.priors.types import PredictorPriors
from mixedbayes.terms.covariance import Covariance, Number, sd_places
from mixedbayes.terms.unstructured import UNSTRUCTURED
from mixedbayes.theta import logpriors
from mixedbayes.theta.logpriors import Coordinate

Floats = NDArray[np.float64]


_UNIFORM = LKJ(1.0)  # where nothing is correlated, and none is read


@dataclass(frozen=True, eq=False)
class FactorParameters:
    """The sds, then the numbers z of each block of correlated effects, in the order of `blocks`.

    Where the roots of two neighbours say all of the correlations, a chain's, kernels take an sd for
    each block, and these roots (2, 2) of each of the neighbours' `distances`, in the place of L.
    """

    name: str  # "Subject"
    terms: tuple[str, ...]  # (q,)
    blocks: tuple[tuple[int, ...], ...]  # partition of range(q): correlated within a block
    sd: tuple[Prior, ...]  # (m,) each once: effects may share one
    cor: Prior = _UNIFORM  # of each block's correlations
    n_levels: int = 0  # of a sampled factor, whose effects are coordinates too
    covariance: Covariance = UNSTRUCTURED
    distances: Floats | None = None  # of neighbours in the chain

    @classmethod
    def of(
        cls,
        group: GroupDesign,
        priors: PredictorPriors,
        *,
        sampled: bool = False,
        distances: Floats | None = None,
    ) -> FactorParameters:
        """The parameters of one grouping factor of a design under its priors."""
        return cls(
            group.name,
            group.terms,
            group.blocks,
            tuple(a.prior for a in priors.sd[group.name]),
            priors.cor[group.name].prior if group.correlated else _UNIFORM,
            group.n_levels if sampled else 0,
            group.covariance,
            distances,
        )

    @property
    def q(self) -> int:
        return len(self.terms)

    @cached_property
    def sd_places(self) -> tuple[int, ...]:
        """(q,) which of `sd` each effect has."""
        return sd_places(self.blocks, self.covariance)

    @cached_property
    def sets(self) -> tuple[tuple[tuple[int, ...], tuple[Number, ...]], ...]:
        """The effects of each block, in order, and its numbers z."""
        sets = map(sorted, self.blocks)
        return tuple(
            (tuple(own), self.covariance.parameters(len(own), self.cor) if len(own) > 1 else ())
            for own in sets
        )

    @property
    def size(self) -> int:
        """How many coordinates there are."""
        return len(self.sd) + sum(len(z) for _, z in self.sets)

    def coordinates(self) -> Iterator[tuple[str, Coordinate]]:
        sd, cor = names.sd(self.name), names.cor(self.name)
        for k, prior in enumerate(self.sd):
            where = f"{sd}[{self.terms[self.sd_places.index(k)]}]"
            yield where, logpriors.coordinate(prior, positive=True, where=where)
        for own, parameters in self.sets:
            for m, z in enumerate(parameters, 1):
                of = ", ".join(self.terms[own[i]] for i in z.of)
                yield f"{cor}[{of or m}]", z.coordinate()

    def roots(self, x: Floats, left: Floats) -> tuple[Floats, Floats]:
        """sd (..., q) and W (..., q, q) from the coordinates' values x (..., size).

        `left` is sqrt(1 - x^2) of correlations.
        """
        sd, at = x[..., list(self.sd_places)], len(self.sd)
        W = np.zeros((*x.shape[:-1], self.q, self.q))
        for own, z in self.sets:
            here = slice(at, at + len(z))
            if len(own) == 1:
                W[..., own[0], own[0]] = 1.0
            else:
                root = self.covariance.root(x[..., here], len(own), left[..., here])
                W[..., *np.ix_(own, own)] = root
            at += len(z)
        return sd, W

    def links(self, z: Floats) -> Floats:
        """(..., n_links) roots of a chain's neighbours, from its numbers z (..., m)."""
        assert self.distances is not None
        return link_roots(self.covariance, z, self.distances)

    def values(self, sd: Floats, cor: Floats) -> Floats:
        """x (..., size) from sds (..., q) and correlations (..., q, q), z (..., m) of a chain."""
        first = [self.sd_places.index(k) for k in range(len(self.sd))]
        parts = [np.asarray(sd, float)[..., first]]
        if self.distances is not None:
            return np.concatenate([*parts, cor], axis=-1)
        for own, z in self.sets:
            if z:
                parts.append(self.covariance.inverse(cor[..., *np.ix_(own, own)]))
        return np.concatenate(parts, axis=-1)

    def record(self, first: int, out: int, links: int = 0) -> list[int]:
        """The blocks that `terms.roots` reads, for coordinates from `first` on and L at `out`, or
        an sd for each block there, and the roots of a chain's neighbours at `links`.
        """
        record, z = [], first + len(self.sd)
        if self.distances is not None:
            for k, (own, _) in enumerate(self.sets):
                record += [0, 0, 1, z, out + k, 1, 0, first + self.sd_places[own[0]], 0]
            return record + link_blocks(self.covariance, self.distances, z, links)
        for own, parameters in self.sets:
            addresses = self.covariance.addresses if len(own) > 1 else (0, 0)
            sds = (first + self.sd_places[k] for k in own)
            at = self.covariance.positions(len(own)).view(np.int64).tolist()
            record += [*addresses, len(own), z, out, self.q, *own, *sds, *at]
            z += len(parameters)
        return record

    @property
    def root_size(self) -> int:
        """How many numbers the W of all blocks have."""
        if self.distances is not None:
            return self.n_entries + self.n_links
        return sum(len(own) ** 2 for own, _ in self.sets)

    @property
    def n_entries(self) -> int:
        """Of L, as kernels take it: of a chain the sds of blocks."""
        return self.q**2 if self.distances is None else len(self.blocks)

    @property
    def n_links(self) -> int:
        """Entries of the roots of a chain's neighbours."""
        return 0 if self.distances is None else 4 * len(self.distances)
