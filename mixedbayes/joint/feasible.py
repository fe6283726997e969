"""Coefficients from which the search for effects can begin: every row's mean is possible there."""

from __future__ import annotations

import numpy as np
from scipy import optimize

from mixedbayes.design.types import Floats
from mixedbayes.joint.density import JointDensity


class Infeasible(np.linalg.LinAlgError):
    """No coefficients give every row a possible mean: there is no point to begin from."""


def feasible_coefficients(density: JointDensity, X: Floats, offset: Floats) -> Floats:
    """Coefficients (p,) at which the response is at its centre, or as near to it as is possible.

    Identity and inverse links of positive means need a positive predictor in every row. Where it
    is not positive at the centre, for want of an intercept or by offsets, the coefficients are
    those with the largest least predictor: a linear programme. X (m, p) and offset (m,) are those
    of the stacked rows.

    Raises Infeasible where no coefficients make all predictors positive.
    """
    found, n = density.layout.start(), density.data.n_mean
    if not density.data.front.positive or np.all(offset[:n] + X[:n] @ found > 0):
        return found
    family, design = density.layout.family, density.layout.design
    own = np.flatnonzero(X[:n].any(axis=0))
    centre = float(family.link.link(np.mean(design.y), np))
    best = optimize.linprog(
        np.append(np.zeros(len(own)), -1.0),
        A_ub=np.column_stack([-X[:n, own], np.ones(n)]),
        b_ub=offset[:n],
        bounds=[*[(None, None)] * len(own), (None, centre)],
    )
    if best.x is None or best.x[-1] <= 0:
        raise Infeasible(
            f"with the {family.link.name} link no coefficients give every row a possible mean"
        )
    found[own] = best.x[:-1]
    return found
