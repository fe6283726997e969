"""Links in front of the compiled likelihoods.

A family's loop knows one predictor t: the mean of a normal or Student t, the logarithm of the mean
of a gamma or of counts, the log odds of the mean of a beta. For another link g, t is a function of
the linear predictor eta = g(mean): `apply` replaces eta by t and keeps dt / d eta, by which the
derivatives in t are multiplied afterwards.

Means that must be positive make identity and inverse links functions on a half line: where eta is
not positive, such a model's density is 0.
"""

from __future__ import annotations

import math

from numba import njit

from mixedbayes.joint.special import log_ndtr

NONE = 0  # t = eta
EXP, RECIPROCAL = 1, 2  # t = mean: exp(eta), 1 / eta
LOG, MINUS_LOG = 3, 4  # t = log mean: log(eta), -log(eta)
NORMAL_ODDS, GUMBEL_ODDS = 5, 6  # t = log odds of the mean Phi(eta), 1 - exp(-exp(eta))

# The density is 0 or has a pole at 0; the response's centre is on the positive side.
POSITIVE = (RECIPROCAL, LOG, MINUS_LOG)


@njit(error_model="numpy", nogil=True)
def apply(link, eta, rate):
    """Replace eta (n,) by t, fill rate (n,) with dt / d eta; whether all eta are possible."""
    for i in range(eta.size):
        x = eta[i]
        if link == EXP:
            eta[i] = rate[i] = math.exp(x) if x < 700.0 else math.inf
        elif link == RECIPROCAL:
            eta[i] = 1.0 / x
            rate[i] = -eta[i] * eta[i]
        elif link == NORMAL_ODDS:
            (below, hazard), (above, back) = log_ndtr(x), log_ndtr(-x)
            eta[i] = below - above
            rate[i] = hazard + back
        elif link == GUMBEL_ODDS:
            hazard = math.exp(min(x, 700.0))
            if hazard < 1e-300:
                rate[i] = 1.0
            else:
                share = -math.expm1(-hazard)
                eta[i], rate[i] = hazard + math.log(share), hazard / share
        else:
            if not x > 0.0:
                return False
            sign = 1.0 if link == LOG else -1.0
            eta[i], rate[i] = sign * math.log(x), sign / x
    return True
