"""Large pieces of the kernel, compiled one by one.

A compiled function is optimised again with each function that calls it, which here would take most
of the time. A unit is compiled for its signature alone, and called by the name that it is bound to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types

from mixedbayes import jit

FLOATS, INTS, PLACE = types.float64[::1], types.int64[::1], types.int64


def unit(returned: Any, *arguments: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function for these types, to be called by other compiled functions."""
    signature = returned(*arguments)

    def decorate(function: Callable[..., Any]) -> Any:
        return jit.called(
            jit.njit(signature, python=False, nogil=True, error_model="numpy")(function)
        )

    return decorate
