"""What the samplers do where the user leaves it open: trajectory, tuning, acceptance rate.

All of it was measured, and stands side by side here. ESS is the lowest of bulk and tail; gradients
are those of the tuning as well; runs are 4 x 1000 draws.

Trajectory of NUTS on a density in whitened coordinates, by its non-normality, which is 0 for
N(0, I); where few coordinates are left, proposals from a polynomial are tried first, see
`sample.transitions`:

    marginal  quarter turns  < 0.3  it is 0.1 to 0.2 with hundreds of levels, 0.25 with 60; beyond,
                                    the long left tail of a log sd holds single steps up at times
              turns          < 0.4  0.4 with 30 levels; beyond (penicillin 0.9, radon 1.4) turns
                                    reach such a tail less often than straight steps, and lose a
                                    third of the ESS (pastes)
              leapfrog       else   also without a surrogate of the gradient: the posterior is then
                                    far from normal, or its gradient takes microseconds
    quadrature quarter turns < 0.3  0.13 for counts in 1,000 groups with slopes
              turns          < 1    0.43 for binary rows: 73 effective draws a second by turns, 30
                                    by quarter turns, whose rhat is 1.011, 18 by leapfrog
              leapfrog       else
    joint     quarter turns  never  in the one step that NUTS takes them in: it is 0.6 and more
              turns          < 3    0.6 to 1.5 for binary, count and ordered responses, where turns
                                    halve the steps; 2.1 for binary rows in 297 x 113 levels beside
                                    14 of a small sd, 115 effective draws a second by turns, 42 by
                                    leapfrog; 18 for a correlation whose long tail makes them
                                    diverge
              leapfrog       else

    Turns need 3 gradients a draw instead of 5 in 3 coordinates, 7 instead of 15 on joint densities
    of 60 to 500 coordinates, for the same ESS a draw; quarter turns one, for four fifths of it.

From 250 coordinates on, a joint density has trajectories of quarter turns in some steps instead,
without trees: 3 gradients a draw, and more where needed, for half the ESS, in a third of the time
(`sample.turning`, whose tuning and acceptance rate stand there). Nothing but the number of steps
is adapted, so that long tails are reached less often than by NUTS. Left to NUTS are

    non-normality >= 1  rare binary outcomes in 400 groups, 1.3 to 1.6: 3 of 8 runs by quarter turns
                        do not converge (ess_tail 52); below 1, with 10 levels or more, 44 of 44
                        do, with ess_tail 573 and more
    levels < 10         of the smallest factor: 3 outer levels converge in 3 of 8 runs, by NUTS in
                        7; 4 crossed with 300 in 5 of 8, by NUTS in 8; 6 in 8 of 8, with ess_tail
                        449 where NUTS has 1090
    where the user sets an acceptance rate or a depth of trees, and where steps would be many.

Tuning of a density, by ESS per 1000 gradients:

    mass matrix  low rank     leapfrog, up to 20 coordinates. Low rank and diagonal: 78 and 76 for 6
                              whitened, skewed coordinates; 125 and 15 for 4 correlated 0.9, where
                              the whitening has failed
                 diagonal     else: low rank gains nothing then, and needs long tuning to be safe
    draws        400          100 to 400 change little
                 500          more than 20 coordinates
                 100          quarter turns
    acceptance   0.93         leapfrog; of 0.8, 0.9 and 0.93 the first gives a fifth more than the
                              second, but where a log sd has the long left tail of few groups it
                              diverges in 6 of 16,000 draws, 0.9 in 4 of 200,000, 0.93 in none
                 0.9          turns
                 0.98         turns, where a factor has fewer than 10 levels. The right tail of its
                              sd is long, and thresholds and coefficients grow with the sd there:
                              0.9 diverges in 10 of 800,000 draws (wine, 9 judges), 0.95 in none of
                              320,000. Of 300 counts of 20,000 crossed by 5, 40 and 4 levels, whose
                              intercept has the means of small factors, posteriors are so nearly
                              normal that steps at 0.95 are 0.87, from a tail over to where an sd
                              is too small: it diverges in 17 of 32,000 draws, 6 of 8 fits, 0.97
                              in 2, 0.98 in 2 of 48,000, with a fifth more effective draws for as
                              many gradients. Binary and ordered rows with 3 to 14 levels diverge at
                              neither, and have a sixth fewer effective draws a second at 0.98. With
                              more levels that tail is not met, and 0.95 costs up to a third (owls,
                              27 nests)
                 0.8          quarter turns

Tuning of a pm.Model with non-centred effects of 200 groups, by ESS per 1000 gradients:

    draws        500          nutpie: 18 with 300 draws, 16 with 500, 12 with 1000, and the same ESS
                              after tuning
                 1000         numpyro and PyMC adapt more slowly
    acceptance   0.9          costs what 0.8 does here, and leaves a third of the divergences in a
                              funnel
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mixedbayes.design.types import Floats
from mixedbayes.theta.whitening import non_normality

# How a step moves. "leapfrog": straight, between two pushes by the gradient. The others are for
# densities close to N(0, I): a step follows the motion under N(0, I) exactly, which turns position
# and momentum into one another, between two pushes by the rest of the gradient, so that its error
# is that of the rest (Shahbaba, Lan, Johnson & Neal 2014, doi:10.1007/s11222-012-9373-1).
# "turns": three steps are at most half a turn. "quarter_turn": a trajectory is one step, which
# forgets where it started.
Trajectory = Literal["leapfrog", "turns", "quarter_turn"]
LONGEST_STEP = {"turns": math.pi / 3, "quarter_turn": math.pi / 2}


@dataclass(frozen=True)
class Limits:
    """Non-normality below which each trajectory is used."""

    quarter_turn: float
    turns: float


MARGINAL = Limits(quarter_turn=0.3, turns=0.4)
QUADRATURE = Limits(quarter_turn=0.3, turns=1.0)
JOINT = Limits(quarter_turn=0.0, turns=3.0)
_POINTS = 32  # at which the non-normality of a density without a surrogate is measured

_SMALL = 20  # coordinates up to which the low-rank estimate gains
_TUNE, _TUNE_LARGE, _TUNE_QUARTER_TURN = 400, 500, 100
_MANY, _NEARLY_NORMAL = 250, 1.0  # coordinates and non-normality for quarter turns without trees
_FEW, _TARGET_ACCEPT_FEW = 10, 0.98  # levels of a factor
_TARGET_ACCEPT = {"leapfrog": 0.93, "turns": 0.9, "quarter_turn": 0.8}

MODEL_TUNE = {"nutpie": 500, "pymc": 1000, "numpyro": 1000}
MODEL_TARGET_ACCEPT = 0.9


def choose_trajectory(
    non_normality: float, limits: Limits, target_accept: float | None
) -> Trajectory:
    """The trajectory for a density of this non-normality; `nan` or `inf` where it is unknown.

    `target_accept` is the user's own, None where it is left open: an acceptance rate to tune a
    step size to, which a trajectory of one step of fixed length has no use for.
    """
    if not non_normality < limits.turns:
        return "leapfrog"
    one_step = non_normality < limits.quarter_turn and target_accept is None
    return "quarter_turn" if one_step else "turns"


def quarter_turns_serve(non_normality: float, ndim: int, fewest: float) -> bool:
    """Whether a joint density is sampled by `sample.turning`; `fewest`: levels of its smallest
    factor.
    """
    return ndim >= _MANY and non_normality < _NEARLY_NORMAL and fewest >= _FEW


def measured_non_normality(logp_grad: Callable[[Floats], tuple[float, Floats]], ndim: int) -> float:
    """Of a log density, at points drawn from N(0, I); infinite where it is not finite at one."""
    points = np.random.default_rng(0).standard_normal((_POINTS, ndim))
    values, gradients = zip(*map(logp_grad, points), strict=True)
    return non_normality(points, np.array(gradients)) if np.isfinite(values).all() else math.inf


@dataclass(frozen=True)
class Tuning:
    """Draws of tuning, acceptance rate, and nutpie's estimate of the mass matrix."""

    tune: int
    target_accept: float
    adaptation: Literal["diag", "low_rank"]


def density_tuning(trajectory: Trajectory, ndim: int, fewest: float = math.inf) -> Tuning:
    """For a density of `ndim` whitened coordinates; `fewest`: levels of the smallest factor."""
    tune = _TUNE if ndim <= _SMALL else _TUNE_LARGE
    low_rank = ndim <= _SMALL and trajectory == "leapfrog"
    return Tuning(
        tune if trajectory != "quarter_turn" else _TUNE_QUARTER_TURN,
        _TARGET_ACCEPT_FEW
        if trajectory == "turns" and fewest < _FEW
        else _TARGET_ACCEPT[trajectory],
        "low_rank" if low_rank else "diag",
    )
