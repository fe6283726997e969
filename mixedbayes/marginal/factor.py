"""The way down, compiled by itself: likelihood, draws and moments begin with it."""

import numpy as np

from mixedbayes import jit
from mixedbayes.marginal.bordered import bordered_factor
from mixedbayes.marginal.forward import chain_work, eliminate
from mixedbayes.marginal.fronts import read_header
from mixedbayes.marginal.likelihood import internal_factors, sampled_shift


@jit.njit(
    "Tuple((f8, f8[::1], f8[::1], f8[:, ::1], f8[::1], f8[::1], f8[::1]))"
    "(f8[::1], i8[::1], f8[::1])",
    short_loops=True,
    python=False,
    nogil=True,
    error_model="numpy",
)
def factor(x, ints, floats):
    """The factor of H at parameters x, of a Problem's `ints` and `floats`.

    Returns half the log determinant of H, NaN where it is not positive definite; L of
    `internal_factors`; the fronts F and the dense block S of `eliminate` and `bordered_factor`;
    delta, m and the shift of `sampled_shift`.
    """
    h = read_header(ints)
    scale = 1.0 / x[x.size - h.r - 1] ** 2
    L = internal_factors(h, ints, floats, x)
    delta, m, shift, yy = sampled_shift(h, ints, floats, x)
    F, S = np.zeros(chain_work(h, ints)), np.empty((h.D + 1, h.D + 1))
    half_log_det = eliminate(h, ints, floats, L, scale, shift, yy, m, F, S)
    half_log_det += bordered_factor(h, ints, S)
    return half_log_det, L, F, S, delta, m, shift


call_factor = jit.called(factor)
