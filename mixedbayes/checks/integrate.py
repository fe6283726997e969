"""Group effects integrated out where there is no closed form, given each posterior draw.

log p(y_g | theta) = log of the integral over u of exp(f(u)) / (2 pi)^(D/2), with
f(u) = sum over rows of log p(y_i | eta_i + z_i' L u, theta) - u'u / 2. Of few effects it is made by
adaptive Gauss-Hermite quadrature: the nodes are placed at the mode of f in units of its curvature
there (Pinheiro & Bates 1995, doi:10.1080/10618600.1995.10474663). Of more, effects are proposed
about the mode and the integral is their mean weight, whose Pareto k tells how far to trust it.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy import special

from mixedbayes.design.types import Floats
from mixedbayes.predict.newton import Given, peak

NODES = {1: 15, 2: 9, 3: 7}  # per dimension, by number of effects
PROPOSALS = 32  # in each draw, where there are more effects


def log_integral(given: Given) -> Floats:
    """(S,) log p(y_g | theta), at most three effects integrated out by quadrature."""
    at = peak(given)
    q = given.size
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES[q])
    terms = []
    for chosen in product(range(len(nodes)), repeat=q):
        z = nodes[list(chosen)]
        shift = np.log(weights[list(chosen)]).sum() + 0.5 * z @ z
        terms.append(given.value(at.mode + at.root @ z) + shift)
    return special.logsumexp(terms, axis=0) + at.log_det - 0.5 * q * np.log(2 * np.pi)
