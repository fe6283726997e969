"""numba: code that is kept on disk for as long as its sources stay as they are, calls by address.

numba finds kept code by the file of the compiled function alone, and by its closure, in which
functions are never the same twice. Here code is found by the sources of every function that is
compiled into it, so that it never outlives one of them, and loops that are made for a function are
kept as well. This module and `linking` alone rely on numba's internals; tests/test_jit.py says on
which.
"""

from __future__ import annotations

import marshal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from itertools import count
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary, WeakSet
from zlib import crc32

import llvmlite.binding
import numba
from numba.core import caching, cgutils
from numba.core.ccallback import CFunc
from numba.core.dispatcher import Dispatcher
from numba.core.runtime.nrt import rtsys
from numba.core.typeconv import Conversion as Conversion
from numba.extending import _Intrinsic
from numba.np.unsafe.ndarray import to_fixed_tuple as to_fixed_tuple

from mixedbayes import beside
from mixedbayes.interrupts import uninterrupted
from mixedbayes.linking import ONE_AT_A_TIME, WATCHING, Alone, Inner, alone

_DOUBLES = numba.types.CPointer(numba.types.float64)
# A log density with its gradient, as nutpie calls it:
# int64 f(uint64 n, double *theta, double *gradient, double *value, void *data)
# returns 0, or a positive number where the density is 0 or not finite.
LOGP_SIGNATURE = numba.types.int64(
    numba.types.uint64, _DOUBLES, _DOUBLES, _DOUBLES, numba.types.voidptr
)

_PACKAGE = f"{__name__.partition('.')[0]}."
_PLAIN = (bool, int, float, complex, str, tuple, type(None))
_UNKEPT: WeakSet[FunctionType] = WeakSet()
# Functions with names of their own, and whether they can be kept.
_APART: WeakKeyDictionary[FunctionType, bool] = WeakKeyDictionary()
_NUMBER = count()
_CALLED: dict[Any, tuple[str, Any]] = {}  # by the function behind what `called` gives


def unkept(function: Any) -> Any:
    """The function, marked so that no code into which it is compiled is kept on disk.

    Of a function that reads what sources do not say, such as arrays or addresses.
    """
    _UNKEPT.add(_plain(function))
    return function


def inner(function: Any = None, **options: Any) -> Any:
    """`numba.njit` for functions that other compiled functions call.

    They are compiled when the first of these is, for the types that it hands over, constants not
    told apart; see `linking`. Division by zero is NumPy's, unless `error_model` says otherwise.
    """
    if function is None:
        return lambda given: inner(given, **options)
    return Inner(function, {"nopython": True, "error_model": "numpy", **options})


def njit(
    signature: Any, *, short_loops: bool = False, python: bool = True, **options: Any
) -> Callable[[Callable[..., Any]], Function]:
    """`numba.njit` for this signature alone, compiled or found on disk when it is first used.

    With `short_loops` none is unrolled or vectorised, which makes half the machine code. Without
    `python` only compiled code calls it, by `called`, which spares what unpacks Python's arguments.
    """
    return lambda function: Function(function, signature, options, short_loops, python)


def cfunc(signature: Any, **options: Any) -> Callable[[Callable[..., Any]], CFunction]:
    """`numba.cfunc`, compiled or found on disk when its address is first asked for."""
    return lambda function: CFunction(function, signature, options)


class Function(Alone):
    """What `njit` makes: a function that Python calls, and compiled code calls by `called`."""

    def __init__(
        self, function: Callable[..., Any], signature: Any, options: Any, short_loops: bool,
        python: bool,
    ) -> None:  # fmt: skip
        super().__init__(function, {"nopython": True, **options}, python)
        self.declared, self._short_loops = signature, short_loops
        self.symbol = f"{function.__module__}.{function.__qualname__}"

    @property
    def signature(self) -> Any:
        """Types of its result and arguments."""
        arguments, returned = numba.core.sigutils.normalize_signature(self.declared)
        return returned(*arguments)

    @cached_property
    def needed(self) -> list[Function]:
        """Functions that it calls by their symbols."""
        return [function for _, function in _called_by(self.py_func)]

    @property
    def needs(self) -> list[str]:
        return [f.symbol for f in self.needed]

    def ready(self) -> None:
        if not self._can_compile:
            return
        with beside.turn(self.symbol) as made:
            if made and (told := WATCHING.get()) is not None:
                told(self.symbol.rpartition(".")[2])
            with ONE_AT_A_TIME:
                if self._can_compile:  # no other thread has been here
                    _compile(self, self.py_func)

    def make(self, kept: Any, before: Callable[[], None]) -> None:
        """Compile it, or find it in what is kept."""
        self._cache = kept or caching.NullCache()
        with alone(self.py_func, self._short_loops, before):
            self.compile(self.declared)
        self.disable_compile()


class CFunction:
    """What `cfunc` makes: a function that C calls."""

    def __init__(self, function: Callable[..., Any], signature: Any, options: Any) -> None:
        self.py_func, self.declared, self._options = function, signature, options
        self._made: Any = None

    def ready(self) -> None:
        if self._made is None:
            with ONE_AT_A_TIME:
                if self._made is None:
                    _compile(self, self.py_func)

    def make(self, kept: Any, before: Callable[[], None]) -> None:
        signature = numba.core.sigutils.normalize_signature(self.declared)
        made: Any = CFunc(self.py_func, signature, {}, self._options)
        if kept is not None:
            made._cache = kept
        with alone(self.py_func, before=before):
            made.compile()
        self._made = made

    @property
    def address(self) -> int:
        self.ready()
        return int(self._made.address)

    @property
    def ctypes(self) -> Any:
        """As ctypes calls it."""
        self.ready()
        return self._made.ctypes


def _compile(made: Function | CFunction, function: Any) -> None:
    """Make it ready, with all that it calls by symbols, which others may compile meanwhile."""
    kept = _kept(function) if _named_apart(function) else None

    def bound() -> None:
        for symbol, needed in _called_by(function):
            needed.ready()
            bind(symbol, address(needed, needed.signature))

    if kept is not None and kept.begun:
        bound()
    with uninterrupted():
        made.make(kept, bound)


def _kept(function: Any) -> _Kept | None:
    """Where its code is kept; None where neither the installation nor the user's cache can be
    written, which numba says as "cannot cache function".
    """
    try:
        return _Kept(function)
    except (RuntimeError, OSError):
        return None


def _named_apart(function: Any) -> bool:
    """Give it a name of its own, by which its code is linked and kept; whether it can be kept."""
    if function not in _APART:
        known = all(part is not None for part in _parts(function, set()))
        own = f"_{stamp(function):08x}" if known else f"_unkept_{next(_NUMBER)}"
        function.__qualname__ += own
        _APART[function] = known
    return _APART[function]


class _Kept(caching.FunctionCache):
    """numba's cache on disk, with the sources as the key."""

    def _index_key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
        return signature, codegen.magic_tuple(), stamp(self._py_func)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            if not self._py_func.__module__.startswith(_PACKAGE):
                return super().load_overload(sig, target_context)
            # ours needs numba's runtime, and not its declarations, which take long to load
            rtsys.initialize(target_context)
            return self._load_overload(sig, target_context)
        except Exception:  # whatever reading a damaged file meets; the function is compiled anew
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):  # the disk is full, or the folder no longer writable
            super().save_overload(sig, data)

    @property
    def begun(self) -> bool:
        """Whether there is code of some version of the function."""
        return Path(self._cache_file._index_path).exists()


# ---- in other processes --------------------------------------------------------------------------


def ahead(*functions: Function) -> None:
    """Share those that are not on disk with other processes, which compile them while this goes on.

    Those that they call by symbol come before them. Whoever needs a function waits until it is
    made, and compiles it here where nobody has begun it, or where that failed; see `beside`.
    """
    if beside.possible() and (missing := [*dict.fromkeys(_all_missing(functions))]):
        beside.share(missing)


def _all_missing(functions: Iterable[Function]) -> Iterator[Function]:
    for f in functions:
        if _is_missing(f):
            yield from _all_missing(f.needed)
            yield f


def _is_missing(f: Function) -> bool:
    """Whether nobody compiles it, it could be kept, and can be found by its module and name."""
    module, _, name = f.symbol.rpartition(".")
    found = getattr(sys.modules.get(module), name, None) is f and module != "__main__"
    if beside.shared(f.symbol) or not f._can_compile or not found or not _named_apart(f.py_func):
        return False
    kept = _kept(f.py_func)
    return kept is not None and not kept.begun


@contextmanager
def watched(told: Callable[[str], None]) -> Iterator[None]:
    """In this block `told` gets the name of each function that is not on disk, when its
    compilation begins, if it is this thread that compiles it; those of blocks around it as well.
    """
    around = WATCHING.get()

    def both(name: str) -> None:
        told(name)
        if around is not None:
            around(name)

    token = WATCHING.set(both)
    try:
        yield
    finally:
        WATCHING.reset(token)


def kept_in(function: Function) -> Path | None:
    """The folder where a function's code is kept on disk; None where none can be written."""
    kept = _kept(function.py_func)
    return None if kept is None else Path(kept.cache_path)


def stamp(function: Any) -> int:
    """A number that says what is compiled into a function: files, and constants from elsewhere."""
    said = 0
    for part in _parts(_plain(function), set()):
        said = crc32(part or b"", said)
    return said


def _parts(function: FunctionType, seen: set[FunctionType]) -> Iterator[bytes | None]:
    """The sources of a function and of those that it calls, depth first; None of `unkept` ones."""
    if function in seen:
        return
    seen.add(function)
    if function in _UNKEPT:
        yield None
        return
    code = function.__code__
    yield _source(code)
    cells = [c.cell_contents for c in function.__closure__ or ()]
    named = dict(zip(code.co_freevars, cells, strict=True))
    names = sorted(_names(code))
    named |= {name: function.__globals__.get(name) for name in names if name not in named}
    for name, value in sorted(named.items()):
        inside = [getattr(value, other, None) for other in names] if _is_module(value) else [value]
        for found in inside:
            if isinstance(found, _PLAIN):
                yield f"{name}={found!r}".encode()
            elif isinstance(found, FunctionType | Dispatcher | _Intrinsic):
                yield repr(getattr(found, "targetoptions", None)).encode()
                yield from _parts(_plain(found), seen)


def _is_module(value: Any) -> bool:
    return isinstance(value, ModuleType) and not value.__name__.startswith(("numpy", "math"))


def _names(code: CodeType) -> set[str]:
    """Names that a function reads from its module, functions within it as well."""
    inner = [_names(c) for c in code.co_consts if isinstance(c, CodeType)]
    return set(code.co_names).union(*inner)


def _plain(function: Any) -> Any:
    """The Python function that was compiled."""
    return getattr(function, "py_func", getattr(function, "_defn", function))


def _source(code: CodeType) -> bytes:
    said = f"{code.co_qualname} {code.co_firstlineno}".encode()
    return said + (_file(code.co_filename) or marshal.dumps(code))


@cache
def _file(name: str) -> bytes | None:
    try:
        return Path(name).read_bytes()
    except OSError:
        return None


def _called_by(function: Any) -> Iterator[tuple[str, Function]]:
    """Symbols and functions that compiled code of this function calls by them."""
    seen: set[FunctionType] = set()
    for _ in _parts(function, seen):
        pass
    yield from (_CALLED[part] for part in seen if part in _CALLED)


def called(function: Function) -> Any:
    """f(*arguments), for compiled code: calls a function of `njit` that is compiled by itself.

    It is compiled before those that call it, and kept by itself.
    """
    made = symbol_caller(function.symbol, function.signature)
    _CALLED[_plain(made)] = function.symbol, function
    return made


def address(function: Any, signature: Any) -> int:
    """Address of a function that `njit` compiles for this signature, for `caller`."""
    result = function.get_compile_result(signature)
    return int(result.library.get_pointer_to_function(result.fndesc.llvm_func_name))


def bind(symbol: str, address: int) -> None:
    """Let compiled code find what is at an address by this name."""
    llvmlite.binding.add_symbol(symbol, address)


@numba.extending.intrinsic
def pointer(_typingctx: Any, _address: Any) -> Any:
    """pointer(address), for compiled code: what is there, for `numba.carray`."""

    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return numba.types.voidptr(numba.types.int64), codegen


@numba.extending.intrinsic
def bits(_typingctx: Any, _value: Any) -> Any:
    """bits(x), for compiled code: those of a real number, as an integer."""

    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], cgutils.intp_t)

    return numba.types.int64(numba.types.float64), codegen


@numba.extending.intrinsic
def from_bits(_typingctx: Any, _value: Any) -> Any:
    """from_bits(k), for compiled code: the real number with these bits."""

    def codegen(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(numba.types.float64))

    return numba.types.float64(numba.types.int64), codegen


def caller(signature: Any) -> Any:
    """f(address, *arguments), for compiled code: calls what was compiled for this signature.

    Code that is called by name would be compiled into the caller's again.
    """
    returned, kinds = signature.return_type, signature.args

    def typed(_typingctx: Any, _address: Any, *_arguments: Any) -> Any:
        def codegen(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            kind = context.call_conv.get_function_type(returned, kinds)
            f = builder.inttoptr(args[0], kind.as_pointer())
            return _call(context, builder, f, signature, args[1])

        return returned(numba.types.int64, numba.types.Tuple(kinds)), codegen

    return numba.extending.intrinsic(typed)


def symbol_caller(symbol: str, signature: Any) -> Any:
    """f(*arguments), for compiled code: calls what is bound to a symbol when it is loaded."""
    returned, kinds = signature.return_type, signature.args

    def typed(_typingctx: Any, *_arguments: Any) -> Any:
        def codegen(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            kind = context.call_conv.get_function_type(returned, kinds)
            f = cgutils.get_or_insert_function(builder.module, kind, symbol)
            return _call(context, builder, f, signature, args[0])

        return returned(numba.types.Tuple(kinds)), codegen

    return numba.extending.intrinsic(typed)


def _call(context: Any, builder: Any, f: Any, signature: Any, given: Any) -> Any:
    """The call of a function, with a tuple of arguments; its exceptions are the caller's."""
    kinds, convention = signature.args, context.call_conv
    values = [builder.extract_value(given, i) for i in range(len(kinds))]
    status, value = convention.call_function(builder, f, signature.return_type, kinds, values)
    with cgutils.if_unlikely(builder, status.is_error):
        convention.return_status_propagate(builder, status)
    return value
