"""How the functions of the kernel are compiled.

Inner functions are not called from Python, so they get no wrapper for it; and long ones that only
the entry points call are inlined before compilation. Otherwise a first compilation would optimise
the same code again and again, once for every function around it.
"""

from typing import Any

from numba import njit

_NO_WRAPPERS: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
inner = njit(error_model="numpy", **_NO_WRAPPERS)
inline = njit(error_model="numpy", inline="always")
