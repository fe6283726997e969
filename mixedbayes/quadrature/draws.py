"""Effects drawn from their distribution given the other parameters, group by group.

p(u_j | y_j, theta) is proportional to exp(l_j(u)), which is close to a normal density at its mode.
Proposals come from a t distribution there, in units of the curvature, and are accepted by
independence Metropolis; nearly all are, so that some steps forget the first one, which is not
weighed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from mixedbayes.design.types import Floats, Ints
from mixedbayes.errors import SamplingError
from mixedbayes.marginal.summaries import EffectsSummary
from mixedbayes.quadrature.density import QuadratureDensity
from mixedbayes.quadrature.kernel import draw_effects
from mixedbayes.quadrature.nested import draw_nested

_TRIES = 6  # proposals: the first one, and steps of Metropolis
_LEAST = 0.7  # share of accepted proposals; below it there are more
_MORE = 48
SUMMARISED = 1000  # draws that summaries are made of, at most
_NUMBERS = 20_000_000  # that are drawn at a time


def draw(
    density: QuadratureDensity, phi: Floats, coefficients: Floats, rng: np.random.Generator,
    cores: int,
) -> Floats:  # fmt: skip
    """b (S, J, q), all effects of levels, given phi (S, h), without tails, and coefficients (S, p).

    Raises SamplingError where a group's effects have no mode.
    """
    q, J = density.modes.shape
    b = np.empty((len(phi), J, q))
    for levels, part in _parts(density, phi, coefficients, rng, cores):
        b[:, levels] = part
    return b


def draw_all(
    density: QuadratureDensity, phi: Floats, coefficients: Floats, rng: np.random.Generator,
    cores: int,
) -> list[Floats]:  # fmt: skip
    """b (S, J, q) of each factor, as `draw`: of the one, or of several nested ones.

    Raises SamplingError where a group's effects have no mode.
    """
    tree = density.tree
    if tree is None:
        return density.layout.split(draw(density, phi, coefficients, rng, cores))
    points = np.ascontiguousarray(np.concatenate([phi, coefficients], axis=1))
    S, name = density.layout.roots(phi), density.layout.joint.groups[0].name
    drawn = np.empty((len(phi), tree.n_levels))
    keys, record = rng.integers(2**64, size=len(phi), dtype=np.uint64), density.record

    def one(s: int) -> float:
        accepted = draw_nested(points[s], keys[s], _TRIES, drawn[s], record)
        if accepted < _LEAST:
            accepted = draw_nested(points[s], keys[s], _MORE, drawn[s], record)
        return float(accepted)

    with ThreadPoolExecutor(cores) as pool:
        accepted = np.array(list(pool.map(one, range(len(phi)))))
    _require(accepted, name)
    return [(S[:, k, k, None] * u)[..., None] for k, u in enumerate(tree.split(drawn))]


def _require(accepted: Floats, name: str) -> None:
    if not np.isfinite(accepted).all():
        raise SamplingError(
            f"the effects of {name} have no mode given some draws of the other parameters; use "
            "formulation=mb.PartiallyCentered()"
        )


def summarise(
    density: QuadratureDensity, phi: Floats, coefficients: Floats, population: Floats,
    rng: np.random.Generator, cores: int, probs: Sequence[float],
) -> tuple[EffectsSummary, EffectsSummary]:  # fmt: skip
    """Summaries of effects on the original scale, and of those + population (S, q), of some draws.

    Raises SamplingError where a group's effects have no mode.
    """
    some = np.linspace(0, len(phi) - 1, min(len(phi), SUMMARISED)).astype(int)
    q, J = density.modes.shape
    (g,) = density.layout.joint.groups
    placed = density.layout.placed.get(g.name)
    kept = [
        EffectsSummary(np.empty((J, q)), np.empty((J, q)), np.empty((len(probs), J, q)))
        for _ in range(2)
    ]
    given = phi[some], coefficients[some]
    for levels, part in _parts(density, *given, rng, cores):
        b = part if placed is None else placed.effects(part)
        for out, values in zip(kept, (b, b + population[some, None]), strict=True):
            out.mean[levels], out.sd[levels] = values.mean(axis=0), values.std(axis=0, ddof=1)
            out.quantiles[:, levels] = np.quantile(values, probs, axis=0)
    return kept[0], kept[1]


def _parts(
    density: QuadratureDensity, phi: Floats, coefficients: Floats, rng: np.random.Generator,
    cores: int,
) -> Iterator[tuple[Ints, Floats]]:  # fmt: skip
    """Levels (j,) and draws (S, j, q) of their effects, of all levels in turn."""
    S, name = density.layout.roots(phi), density.layout.joint.groups[0].name
    points = np.ascontiguousarray(np.concatenate([phi, coefficients], axis=1))
    q, groups, record = len(density.modes), density.blocks.groups, density.record
    keys = rng.integers(2**64, size=len(phi), dtype=np.uint64)
    enough = max(1, _NUMBERS // (len(phi) * q))
    cuts = np.unique([*np.searchsorted(groups, np.arange(0, groups[-1], enough)), len(groups) - 1])
    with ThreadPoolExecutor(cores) as pool:
        for first, last in pairwise(cuts):
            levels = density.blocks.levels[groups[first] : groups[last]]
            b = np.empty((len(phi), len(levels), q))

            def one(s: int, first: int = first, last: int = last, b: Floats = b) -> float:
                u = np.empty(b.shape[:0:-1])
                given = points[s], first, last, keys[s]
                accepted = draw_effects(*given, _TRIES, u.ravel(), record)
                if accepted < _LEAST:
                    accepted = draw_effects(*given, _MORE, u.ravel(), record)
                b[s] = (S[s] @ u).T
                return float(accepted)

            accepted = np.array(list(pool.map(one, range(len(phi)))))
            _require(accepted, name)
            yield levels, b
