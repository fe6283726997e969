"""The marginal likelihood and its gradient, compiled: blocked elimination and selected inverse.

With v = (u, beta, -1) the extended vector of effects, population effects and response, the joint
density is exp(-v' H v / 2) up to constants, H = Lambda' M Lambda / sigma^2 + P with the response as
its last row and column. Eliminating all but the last variable gives log|H| and the quadratic form
(the last pivot). Walking back gives the second moments E[v v' | y] on the pattern of M, effects and
response alike, and with them every derivative:

    d log p / d L_k = -tril sum_g (M Lambda E[v v'])_gg / sigma^2

The compiled functions take the flat arrays of a problem (see `layout`), allocate their own work
space, hold no state and release the interpreter lock: threads may call them at the same time.
"""

import numpy as np

from mixedbayes import jit
from mixedbayes.marginal.backward import call_go_back
from mixedbayes.marginal.bordered import bordered_inverse, bordered_mean
from mixedbayes.marginal.dense import add_means
from mixedbayes.marginal.factor import call_factor
from mixedbayes.marginal.fronts import read_header
from mixedbayes.marginal.likelihood import gradient_factors, gradient_sampled, prior_moment


@jit.njit(
    "f8(f8[::1], f8[::1], i8[::1], f8[::1])", short_loops=True, nogil=True, error_model="numpy"
)
def general_core(x, grad, ints, floats):
    """log p at x = (L_1 row by row, ..., L_K, sigma, v); writes the gradient into `grad`.

    `ints` and `floats` are those of a Problem. Upper triangles of x are ignored, and zero in grad.
    An empty `grad` asks for the value alone, which is a third of the work.
    """
    h = read_header(ints)
    n = floats[h.constants + 1]
    grad[:] = 0.0
    sigma = x[x.size - h.r - 1]
    if not (sigma > 0.0 and np.isfinite(sigma)):
        return -np.inf
    scale = 1.0 / sigma**2
    half_log_det, L, F, S, delta, m, shift = call_factor(x, ints, floats)
    if not np.isfinite(half_log_det):
        return -np.inf
    quadratic = S[h.D, h.D]
    value = floats[h.constants] - n * np.log(sigma) - half_log_det - 0.5 * quadratic
    if grad.size == 0:
        return value
    mu = bordered_mean(h, ints, S)
    bordered_inverse(h, ints, S)
    add_means(S, mu, h.D)
    Q = np.zeros(L.size)
    w = np.empty(h.n_effects if h.r > 0 else 0)
    trace = call_go_back(ints, floats, L, scale, shift, F, S, Q, w)

    gradient_factors(h, ints, floats, Q, sigma, grad)
    beta = mu[h.D - h.p :]
    prior = prior_moment(h, ints, floats, S, beta, m)
    grad[x.size - h.r - 1] = (h.n_effects + h.p + quadratic - trace - prior - n) / sigma
    if h.r > 0:
        gradient_sampled(h, ints, floats, delta, w, beta, m, sigma, grad[x.size - h.r :])
    return value
