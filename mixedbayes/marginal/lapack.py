"""LAPACK's Cholesky factor and inverse, and BLAS's products, inside compiled code.

The routines are those that SciPy ships. They are bound by name, not by address, so that the
compiled code can be kept in numba's disk cache: the symbols must exist before it is loaded, which
importing this module ensures. All arguments are pointers; a character is a pointer to its code.
"""

from typing import Any

from numba import types
from numba.extending import get_cython_function_address

from mixedbayes import jit

_INT, _DOUBLE = types.CPointer(types.int32), types.CPointer(types.float64)


def _bind(library: str, routine: str, arguments: str) -> Any:
    """`arguments`: i for integers and characters, d for doubles."""
    symbol = f"mixedbayes_{routine}"
    jit.bind(symbol, get_cython_function_address(f"scipy.linalg.cython_{library}", routine))
    kinds = [{"i": _INT, "d": _DOUBLE}[a] for a in arguments]
    return types.ExternalFunction(symbol, types.void(*kinds))


dpotrf = _bind("lapack", "dpotrf", "iidii")  # uplo, n, a, lda, info
dpotri = _bind("lapack", "dpotri", "iidii")
# side, uplo, transa, diag, m, n, alpha, a, lda, b, ldb
dtrsm = _bind("blas", "dtrsm", "iiiiiiddidi")
dsyrk = _bind("blas", "dsyrk", "iiiiddiddi")  # uplo, trans, n, k, alpha, a, lda, beta, c, ldc
# side, uplo, m, n, alpha, a, lda, b, ldb, beta, c, ldc
dsymm = _bind("blas", "dsymm", "iiiiddididdi")
# transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc
dgemm = _bind("blas", "dgemm", "iiiiiddididdi")
