"""Effects drawn from their exact distribution given the other parameters, group by group.

p(u_j | y_j, theta) is proportional to exp(l_j(u)), which is close to a normal density at its mode.
Proposals come from a t distribution there, in units of the curvature, and are accepted by
independence Metropolis; nearly all are, so that some steps forget the first one.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.errors import SamplingError
from mixedbayes.quadrature.density import QuadratureDensity
from mixedbayes.quadrature.kernel import draw_effects

_TRIES = 6  # proposals: the first one, and steps of Metropolis
_LEAST = 0.7  # share of accepted proposals; below it there are more
_MORE = 48


def draw(
    density: QuadratureDensity, phi: Floats, coefficients: Floats, rng: np.random.Generator,
    cores: int,
) -> Floats:  # fmt: skip
    """b (S, J, q) given phi (S, h), without tails, and coefficients (S, p), of a whole density.

    Raises SamplingError where a group's effects have no mode.
    """
    joint = density.layout.joint
    sds, Ws, _ = joint.hyper(phi)
    S = sds[0][..., None] * Ws[0]
    points = np.ascontiguousarray(np.concatenate([phi, coefficients], axis=1))
    q, J = density.modes.shape
    b, record = np.empty((len(phi), J, q)), density.record
    keys = rng.integers(2**64, size=len(phi), dtype=np.uint64)
    levels, blocks = density.blocks.levels, len(density.blocks.groups) - 1

    def one(s: int) -> float:
        u = np.empty((q, J))
        given = points[s], 0, blocks, keys[s]
        accepted = draw_effects(*given, _TRIES, u.ravel(), record)
        if accepted < _LEAST:
            accepted = draw_effects(*given, _MORE, u.ravel(), record)
        b[s, levels] = (S[s] @ u).T
        return float(accepted)

    with ThreadPoolExecutor(cores) as pool:
        accepted = np.array(list(pool.map(one, range(len(phi)))))
    if not np.isfinite(accepted).all():
        raise SamplingError(
            f"the effects of {joint.groups[0].name} have no mode given some draws of the other "
            "parameters; use formulation=mb.PartiallyCentered()"
        )
    return b
