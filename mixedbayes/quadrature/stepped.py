"""Monotonic effects of a record, compiled apart, and called by address where there are any.

See `joint.stepped`.
"""

from mixedbayes import jit
from mixedbayes.joint.stepped import column_slopes, columns_of
from mixedbayes.quadrature.sections import PLAIN, STEPPED, STEPPED_SIGNATURE
from mixedbayes.theta.record import ints


@jit.njit(STEPPED_SIGNATURE, nogil=True, error_model="numpy")
def stepped(effects, point, beta, d_beta, d_effects, d_point, record):
    """Fills beta (p,); or, where d_beta is not empty, adds to d_effects and d_point."""
    plain, steps = ints(record, PLAIN), ints(record, STEPPED)
    if d_beta.size > 0:
        column_slopes(plain, steps, effects, point, d_beta, d_effects, d_point)
    else:
        columns_of(plain, steps, effects, point, beta)


def address() -> int:
    """That of `stepped`."""
    return jit.address(stepped, STEPPED_SIGNATURE)
