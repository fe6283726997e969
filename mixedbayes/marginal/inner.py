"""How the functions of the kernel are compiled.

Inner functions are not called from Python, so they get no wrapper for it; and long ones that only
the entry points call are inlined before compilation. Otherwise a first compilation would optimise
the same code again and again, once for every function around it.
"""

from hashlib import blake2b
from pathlib import Path
from typing import Any

from numba import njit

_MODULES = [
    "backward", "bordered", "conditional", "dense", "draws", "forward", "fronts", "general",
    "inner", "lapack", "layout", "likelihood", "moments", "single", "single_draws",
    "single_moments",
]  # fmt: skip
_NO_WRAPPERS: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
inner = njit(error_model="numpy", **_NO_WRAPPERS)
inline = njit(error_model="numpy", inline="always")


def source_digest() -> int:
    """A number that changes with the source of any compiled module.

    The disk cache looks at the file of an entry point alone; an entry point that closes over this
    number is compiled again when any function that it calls has changed.
    """
    folder = Path(__file__).parent
    text = b"".join((folder / f"{name}.py").read_bytes() for name in _MODULES)
    return int.from_bytes(blake2b(text, digest_size=7).digest())
