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

_STEPS = 5  # of Metropolis, after the first proposal
_NU = 6.0  # degrees of freedom of the proposals
_LEAST = 0.7  # share of accepted proposals; below it more steps are taken
_MORE = 8  # times as many


def draw(
    density: QuadratureDensity, phi: Floats, coefficients: Floats, rng: np.random.Generator,
    cores: int,
) -> Floats:  # fmt: skip
    """b (S, J, q) given phi (S, h), without tails, and coefficients (S, p), of a whole density.

    Raises SamplingError where a group's effects have no mode.
    """
    joint = density.layout.joint
    sds, Ws, _ = joint.hyper(phi)
    points = np.ascontiguousarray(np.concatenate([phi, coefficients], axis=1))
    u = np.empty((len(phi), *density.modes.shape))
    seeds = rng.spawn(len(phi))

    def one(s: int) -> float:
        accepted = _draw(density, points[s], seeds[s], u[s].reshape(-1), _STEPS)
        if accepted < _LEAST:
            accepted = _draw(density, points[s], seeds[s], u[s].reshape(-1), _MORE * _STEPS)
        return accepted

    with ThreadPoolExecutor(cores) as pool:
        accepted = np.array(list(pool.map(one, range(len(phi)))))
    if not np.isfinite(accepted).all():
        raise SamplingError(
            f"the effects of {joint.groups[0].name} have no mode given some draws of the other "
            "parameters; use formulation=mb.PartiallyCentered()"
        )
    return np.einsum("sab,sgb->sga", sds[0][..., None] * Ws[0], u)


def _draw(
    density: QuadratureDensity, point: Floats, rng: np.random.Generator, out: Floats, steps: int
) -> float:
    J, q = density.modes.shape
    t = rng.standard_normal((J, steps + 1, q))
    t /= np.sqrt(rng.chisquare(_NU, (J, steps + 1, 1)) / _NU)
    log_uniforms = np.log(rng.uniform(size=J * steps))
    return float(draw_effects(point, _NU, t.ravel(), log_uniforms, out, density.record))
