"""How the inner functions of the kernel are compiled.

They are not called from Python, so they get no wrapper for it; and those with a single caller are
inlined before compilation. Otherwise a first compilation would optimise the same code again and
again, once for every function around it.
"""

from numba import njit

inner = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
inline = njit(error_model="numpy", inline="always")
