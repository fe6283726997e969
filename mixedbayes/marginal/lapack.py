"""LAPACK's Cholesky factor and inverse inside compiled code.

The routines are those that SciPy ships. They are bound by name, not by address, so that the
compiled code can be kept in numba's disk cache: the symbols must exist before it is loaded, which
importing this module ensures.
"""

import llvmlite.binding as llvm
from numba import types
from numba.extending import get_cython_function_address

_POINTER = types.CPointer(types.int32)
_SIGNATURE = types.void(
    _POINTER, _POINTER, types.CPointer(types.float64), _POINTER, _POINTER
)  # uplo, n, a, lda, info


def _bind(routine: str) -> types.ExternalFunction:
    symbol = f"mixedbayes_{routine}"
    llvm.add_symbol(symbol, get_cython_function_address("scipy.linalg.cython_lapack", routine))
    return types.ExternalFunction(symbol, _SIGNATURE)


dpotrf = _bind("dpotrf")
dpotri = _bind("dpotri")
