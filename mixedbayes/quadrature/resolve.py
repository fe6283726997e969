"""How many nodes: as few as leave the posterior as it is; and what a finer rule would change."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.marginal.mode import Mode, find_mode, transform_tails, whiten
from mixedbayes.quadrature.density import QuadratureDensity
from mixedbayes.quadrature.rule import Rule

# Nodes in each dimension that are tried, by the number of dimensions.
LADDER = {1: (5, 7, 9, 11, 15, 21, 31, 45), 2: (5, 7, 9, 11, 15, 21), 3: (5, 7, 9, 11)}
# Of nested factors, whose lattices get further nodes as sds grow: fewer at first, and a value would
# change by so much where they do that the search for the mode stops short of it.
NESTED = (9, 11, 15, 21, 31, 45)
UNRESOLVED = 0.1  # change of the log posterior by a finer rule that no number of nodes may leave
_CHANGE = 0.01  # of the log density, once its mean is taken off, that counts as none
_POINTS = 12  # at which it is looked at, draws from the normal approximation
_DEEP = 50.0  # below the highest of them, from where on what the log density is does not matter
# Nested factors: distances, in posterior sds, at which a rule must not have mass where none is, as
# it had if steps of lattices were far too long there.
_FAR = (3.0, 4.5, 6.0)
_ABOVE = 2.0  # that the log density is at most above the mode's
_CHECKS = 100  # draws that are weighed by a finer rule


@dataclass(frozen=True, eq=False)
class Resolved:
    """The density in the units of its mode's curvature, by a rule that is fine enough."""

    white: QuadratureDensity
    mode: Mode
    nodes: int  # in each dimension
    change: float  # of its logarithm by the next finer rule
    far: float = 0.0  # of the density far from the mode, beside the mode's, by the next finer rule

    @property
    def explodes(self) -> bool:
        """Whether it is of no use, however many nodes the user asked for."""
        return not self.far < UNRESOLVED

    def trouble(self, factors: Sequence[str]) -> str | None:
        """That no rule is fine enough for the effects of these factors; None where it is."""
        if self.explodes:
            return (
                f"the effects of {' and '.join(factors)} cannot be integrated out: {_FAR[0]:g} to "
                f"{_FAR[-1]:g} posterior sds from the mode their sds are so large that "
                f"{self.nodes} nodes in each dimension are too few for their integrals"
            )
        if self.change < UNRESOLVED:
            return None
        return (
            f"the effects of {' and '.join(factors)} cannot be integrated out: their density has "
            "several modes or long tails in some levels, so that the log posterior by "
            f"{self.nodes} nodes in each dimension changes by {self.change:.2g} with a finer rule"
        )


def resolve(plain: QuadratureDensity, start: Floats, nodes: int | None, cores: int) -> Resolved:
    """Search for the mode, and raise the number of nodes until it no longer matters.

    `nodes` may be given.
    """
    q = len(plain.modes)
    ladder = (LADDER[q] if plain.tree is None else NESTED) if nodes is None else (nodes,)
    density = plain.by(Rule.product(ladder[0], q))
    mode = find_mode(density, start)
    density = density.started(mode.theta)
    step, change = 0, _change(density, mode, _finer(ladder[0], q), cores)
    while change > _CHANGE and step + 1 < len(ladder):
        step += 1
        density = density.by(Rule.product(ladder[step], q))
        change = _change(density, mode, _finer(ladder[step], q), cores)
    if step:
        mode = find_mode(density, mode.theta)
        density = density.started(mode.theta)
    density, mode = transform_tails(density, mode)
    white = whiten(density, mode)
    if white.tree is None:
        return Resolved(white, mode, ladder[step], change)
    far = _far(white, _finer(ladder[step], q), cores)
    while not far < UNRESOLVED and step + 1 < len(ladder):
        step += 1
        white = white.by(Rule.product(ladder[step], q))
        far = _far(white, _finer(ladder[step], q), cores)
    return Resolved(white, mode, ladder[step], change, far)


def _finer(k: int, q: int) -> int:
    """Nodes of the rule with which one of k is compared."""
    return next((more for more in LADDER[q] if more > k), k + 8)


def _far(white: QuadratureDensity, finer: int, cores: int) -> float:
    """The largest change of the density beside the mode's, far from it, by a finer rule.

    Infinite where it is far above the mode's by both.
    """
    axes = np.eye(white.ndim)
    z = np.concatenate([0.0 * axes[:1], *(by * axes for size in _FAR for by in (-size, size))])
    found = []
    with ThreadPoolExecutor(cores) as pool:
        for d in (white, white.by(Rule.product(finer, len(white.modes)))):
            values = np.array(list(pool.map(d.logp, z)))
            found.append(np.exp(np.minimum(values[1:] - values[0], _ABOVE)))
    if max(map(np.max, found)) >= np.exp(_ABOVE):
        return np.inf
    return float(np.max(np.abs(found[1] - found[0])))


def _change(density: QuadratureDensity, mode: Mode, finer: int, cores: int) -> float:
    """The largest change of the log density by a finer rule, at draws from the approximation."""
    z = np.random.default_rng(0).standard_normal((_POINTS, density.ndim))
    return float(np.abs(_differences(density, mode.to_theta(z), finer, cores, _DEEP)).max())


def _differences(
    density: QuadratureDensity, t: Floats, finer: int, cores: int, deep: float = np.inf
) -> Floats:
    """(S,) log density by the finer rule less that by the rule, at t (S, d), less their mean.

    Both are taken to be no further than `deep` below the highest.
    """
    other = density.by(Rule.product(finer, len(density.modes)))
    with ThreadPoolExecutor(cores) as pool:
        low, high = (np.array(list(pool.map(d.logp, t))) for d in (density, other))
    found = np.maximum(high, high.max() - deep) - np.maximum(low, low.max() - deep)
    return np.where(np.isfinite(found), found - found[np.isfinite(found)].mean(), np.inf)


def shift(resolved: Resolved, eta: Floats, cores: int) -> float:
    """By how many sds the next finer rule moves the mean of a coordinate, most of all: of draws
    eta (S, d), some of which are weighed by the ratio of the densities.
    """
    white, finer = resolved.white, _finer(resolved.nodes, len(resolved.white.modes))
    some = eta[:: max(1, len(eta) // _CHECKS)]
    plain = replace(white, surrogate=None)
    weights = np.exp(_differences(plain, some, finer, cores))
    moved = weights @ (some - some.mean(axis=0)) / weights.sum()
    return float(np.abs(moved / some.std(axis=0)).max())
