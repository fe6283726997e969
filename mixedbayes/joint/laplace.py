"""Laplace's approximation of the joint posterior: where chains start, and in which units they move.

For given variance parameters phi the effects and coefficients e are found by Fisher scoring; their
precision H is sparse. phi is found at the highest point of

    log p(phi, e(phi), y) - 1/2 log |H(phi)|,

the posterior of phi with e integrated out approximately (Tierney & Kadane 1986,
doi:10.1080/01621459.1986.10478240; Rue, Martino & Chopin 2009,
doi:10.1111/j.1467-9868.2008.00700.x). Nothing in the posterior depends on it: it is a starting
point, a metric and a parametrisation for the exact density.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.joint.centring import (
    choose_coordinates,
    from_standardised,
    standardising,
    turn,
)
from mixedbayes.joint.coordinates import Coordinates
from mixedbayes.joint.density import JointDensity
from mixedbayes.joint.scoring import Conditional, Scoring
from mixedbayes.joint.search import Hyper, covariance, highest, start
from mixedbayes.theta.logpriors import IDENTITY
from mixedbayes.theta.tails import TailTransform, fit_tails
from mixedbayes.theta.whitening import Whitening

_STEP = 0.1  # of the differences that give slopes


@dataclass(frozen=True, eq=False)
class Approximation(Whitening):
    """A normal approximation of the posterior in theta, parameters written in `coordinates`.

    `hyper` is the Cholesky factor of the covariance of the variance parameters, `slopes` how
    effects and coefficients move with them, `factor` that of their precision given these.
    """

    coordinates: Coordinates
    converged: bool


def approximate(density: JointDensity) -> Approximation:
    """The approximation for a density, and the coordinates in which it is closest.

    Raises numpy.linalg.LinAlgError where no mode is found.
    """
    scoring = Scoring(density)
    plain = Hyper(scoring, TailTransform.identity())
    t, converged = highest(plain, start(density.layout))
    eligible = density.layout.table.codes[: len(t), 1] != IDENTITY
    spread = covariance(plain, t)
    with np.errstate(all="ignore"):  # far out, where numbers may have no end
        tails = fit_tails(plain.value, t, spread, eligible)
    hyper = plain
    if tails.bent:
        hyper = Hyper(scoring, tails)
        t, converged = highest(hyper, tails.t(t))
    spread = covariance(hyper, t)
    at = hyper.conditional(t)
    if turn(scoring, tails.phi(t), at):
        at = hyper.conditional(t)
    coordinates = choose_coordinates(scoring, t, at, tails)

    def effects(t: Floats, at: Conditional) -> Floats:
        return from_standardised(scoring, tails.phi(t), at.effects, coordinates)

    slopes = np.empty((len(at.effects), len(t)))
    for i, step in enumerate(_STEP * np.eye(len(t))):
        low, high = (effects(x, hyper.conditional(x)) for x in (t - step, t + step))
        slopes[:, i] = (high - low) / (2 * _STEP)
    T, _ = standardising(scoring, tails.phi(t), coordinates)
    factor = scoring.factor(tails.phi(t), at, T)
    mode = np.concatenate([t, effects(t, at)])
    return Approximation(mode, np.linalg.cholesky(spread), slopes, factor, coordinates, converged)
