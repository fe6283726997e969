"""What the priors of coefficients add to the precision of effects and coefficients."""

from __future__ import annotations

import numpy as np

from mixedbayes.design.types import Floats, Ints
from mixedbayes.joint.layout import JointLayout
from mixedbayes.priors.placement import Centre, Cuts
from mixedbayes.theta.logpriors import NORMAL, STUDENT


def prior_precision(
    layout: JointLayout, coefficients: Floats, thresholds: Floats, m: Floats | None = None
) -> Floats:
    """(p, p) prior precision of the coefficients, at coefficients (p,) and thresholds (k,).

    m are the means of their columns, those of the layout by default.

    A prior of the intercept at zero, a - m b with the intercept a at the columns' means m and the
    slopes b, couples them; so do priors of thresholds at zero, c + m b, for given c at the means.
    """
    h, k = layout.n_hyper, len(thresholds)
    m = layout.centre.means if m is None else m
    codes, numbers = layout.table.codes[h - k :], layout.table.numbers[h - k :]
    at = np.concatenate([thresholds, coefficients])
    at_zero = layout.level_at_zero
    if at_zero and k:
        at[:k] = Cuts(m[:, None]).thresholds_at_zero(thresholds, coefficients)
    elif at_zero:
        at[0] = Centre(m).intercept_at_zero(at[0], coefficients[1:])
    found = _precisions(codes, numbers, at)
    out = np.diag(found[k:])
    if at_zero and k:
        out += found[:k].sum() * np.outer(m, m)
    elif at_zero:
        row = np.append(1.0, -m)
        out[0, 0] = 0.0
        out += found[0] * np.outer(row, row)
    return out


def _precisions(codes: Ints, numbers: Floats, at: Floats) -> Floats:
    """Precision of each prior at its argument; 0 where it is flat.

    Of a t that of the normal density which touches it there and lies below: it falls off in the
    tails, where the density is not concave, and a step in its units leads up from anywhere.
    """
    _, location, scale, nu, _, _ = numbers.T
    found = np.zeros(len(at))
    bell, heavy = codes[:, 0] == NORMAL, codes[:, 0] == STUDENT
    found[bell] = scale[bell] ** -2.0
    r = (at[heavy] - location[heavy]) / scale[heavy]
    found[heavy] = (nu[heavy] + 1) / (nu[heavy] + r**2) / scale[heavy] ** 2
    return found
