"""log p(y) where the effects are integrated out numerically: importance sampling at the mode."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from scipy import special

from mixedbayes.design.types import Design
from mixedbayes.families.base import Family
from mixedbayes.interrupts import later
from mixedbayes.joint.search import start
from mixedbayes.priors.types import Priors
from mixedbayes.quadrature.density import QuadratureDensity
from mixedbayes.quadrature.obstacle import effects_of_level
from mixedbayes.quadrature.resolve import Resolved, resolve
from mixedbayes.quadrature.rule import Rule

stats = later("scipy.stats")

POINTS = 4000
_NU = 5.0  # degrees of freedom of the points' t distribution, wider than the posterior
_WIDER = 1.3  # spread of the points, in posterior sds


def integrated(
    design: Design, family: Family, priors: Priors, nodes: int | None, cores: int
) -> Resolved:
    """The density without effects of one factor or two nested ones; nodes as in `resolve`."""
    q = effects_of_level(design)
    plain = QuadratureDensity.of(design, family, priors, Rule.product(1, q))
    joint = plain.layout.joint
    return resolve(plain, np.concatenate([start(joint), joint.start()]), nodes, cores)


def log_evidence(
    resolved: Resolved, rng: np.random.Generator, cores: int, points: int = POINTS
) -> tuple[float, float]:
    """log p(y) and its Monte Carlo error, from points of a t distribution around the mode."""
    white, d = replace(resolved.white, surrogate=None), resolved.white.ndim
    shape = _WIDER**2 * np.eye(d)
    at = stats.multivariate_t(np.zeros(d), shape, df=_NU)
    z = at.rvs(points, random_state=rng).reshape(points, d)
    with ThreadPoolExecutor(cores) as pool:
        values = np.array(list(pool.map(white.logp, z)))
    ratios = values - at.logpdf(z)
    log = float(special.logsumexp(ratios) - np.log(points))
    weights = np.exp(ratios - log)
    return log, float(np.std(weights, ddof=1) / np.sqrt(points))
