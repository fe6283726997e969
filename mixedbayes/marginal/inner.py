"""How the inner functions of the kernel are compiled.

Only the entry points are called from Python, so the others get no wrapper for it: that halves the
time of the first compilation.
"""

from numba import njit

inner = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
