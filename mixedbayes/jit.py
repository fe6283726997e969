"""numba's decorators for code that is kept on disk, where there is a place for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

from mixedbayes.interrupts import uninterrupted


def njit(signature: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` with ``cache=True`` where that is possible, compiled at once."""
    return _kept(numba.njit, signature, options)


def cfunc(signature: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.cfunc` with ``cache=True`` where that is possible."""
    return _kept(numba.cfunc, signature, options)


def _kept(
    decorator: Any, signature: Any, options: dict[str, Any]
) -> Callable[[Callable[..., Any]], Any]:
    def decorate(function: Callable[..., Any]) -> Any:
        with uninterrupted():
            try:
                return decorator(signature, cache=True, **options)(function)
            except Exception:
                # Neither the installation nor the user's cache can be written (numba's "cannot
                # cache function"), the disk is full, or what lies there is damaged. An error of
                # the function itself comes again.
                return decorator(signature, **options)(function)

    return decorate
