"""numba: code that is compiled into other code is optimised and translated there, once.

numba optimises every function by itself and makes machine code of it, again with each function that
calls it. While a function is `alone` here, what it calls is kept as it was lowered; all of it is
linked into the one function, and only that is optimised and translated. Compilation then takes less
than half the time. With `jit`, the only module that relies on numba's internals.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import llvmlite.binding
from llvmlite.ir.types import Type
from numba.core import compiler, ir, types
from numba.core.codegen import JITCodeLibrary, _parse_refprune_flags
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import _FunctionCompiler  # type: ignore[attr-defined]
from numba.core.environment import lookup_environment
from numba.core.registry import CPUDispatcher, cpu_target
from numba.core.targetconfig import ConfigStack
from numba.core.types.functions import BaseFunction

ONE_AT_A_TIME = global_compiler_lock  # threads compile one after another
if hasattr(os, "register_at_fork"):  # a fork waits for them, or would wait for ever for the lock
    os.register_at_fork(
        before=ONE_AT_A_TIME.acquire,
        after_in_parent=ONE_AT_A_TIME.release,
        after_in_child=ONE_AT_A_TIME.release,
    )
_ENVIRONMENT = "_ZN08NumbaEnv"  # how the names of functions' environments begin


class _Session:
    """The compilation of one function with all that it calls."""

    def __init__(self, name: str, short_loops: bool, before: Callable[[], None]) -> None:
        self.name, self.short_loops, self.open = name, short_loops, True
        self.before = before

    def library(self, codegen: Any, name: str) -> Any:
        """What numba keeps a function's code in."""
        if name == self.name:
            return _Whole(codegen, name, self)
        flags = ConfigStack.top_or_none()
        if flags is not None and flags.no_cpython_wrapper:  # Python cannot call it
            return _Part(codegen, name, self)
        return JITCodeLibrary(codegen, name)


class _Environments:
    """The code generator, for a part: it has no place for an environment yet."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, name: str, environment: Any) -> None:
        """Done when the whole is translated."""


class _Part(JITCodeLibrary):
    """Code that is only linked into other code; where it is needed by itself it is finished."""

    def __init__(self, codegen: Any, name: str, session: _Session) -> None:
        super().__init__(codegen, name)
        self._session, self._pending = session, True
        self._own: list[str] = []  # functions that nothing but `bare` lets a linker drop

    @property
    def codegen(self) -> Any:
        return _Environments(self._codegen) if self._pending else self._codegen

    @property
    def pending(self) -> bool:
        return self._pending

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def finalize(self) -> None:
        self._raise_if_finalized()
        self._finalized = True

    def bare(self) -> Any:
        """The module, without what it calls; another may hold the same functions."""
        self._ensure_finalized()
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage.name == "external":
                function.linkage = "linkonce_odr"
                self._own.append(function.name)
        return self._final_module

    def parts(self) -> list[Any]:
        return list(self._linking_libraries)

    def get_pointer_to_function(self, name: str) -> int:
        if self._pending and self._session.open:
            return 0
        self._finish()
        return int(super().get_pointer_to_function(name))

    def _get_module_for_linking(self) -> Any:
        self._finish()
        return super()._get_module_for_linking()

    def _finish(self) -> None:
        """As numba does at once."""
        if self._pending:
            self._pending, self._finalized = False, False
            for name in self._own:
                self._final_module.get_function(name).linkage = "external"
            _link_parts(self)
            super().finalize()
            _set_environments(self)


class _Whole(JITCodeLibrary):
    """A function with all that it calls."""

    def __init__(self, codegen: Any, name: str, session: _Session) -> None:
        super().__init__(codegen, name)
        self._session = session

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        if not self._session.short_loops:
            super()._optimize_final_module()
            return
        options = llvmlite.binding.create_pipeline_tuning_options(speed_level=2)
        options.slp_vectorization = options.loop_vectorization = options.loop_unrolling = False
        builder = llvmlite.binding.create_pass_builder(self._codegen._tm, options)
        passes = builder.getModulePassManager()
        passes.add_refprune_pass(_parse_refprune_flags())
        passes.run(self._final_module, builder)

    def _finalize_final_module(self) -> None:
        self._session.before()
        super()._finalize_final_module()

    def finalize(self) -> None:
        _link_parts(self)
        super().finalize()
        _set_environments(self)


def _link_parts(library: Any) -> None:
    """Link all parts that a library calls, and parts of these; what remains is numba's to link."""
    seen, waiting, others = set(), [*library._linking_libraries], []
    while waiting:
        found = waiting.pop(0)
        if found in seen:
            continue
        seen.add(found)
        if isinstance(found, _Part) and found.pending:
            library._reload_init.update(found._reload_init)
            library._final_module.link_in(found.bare(), preserve=True)
            waiting += found.parts()
        else:
            others.append(found)
    library._linking_libraries = others


def _set_environments(library: Any) -> None:
    """Tell translated code where the environments of its functions are."""
    for variable in library._final_module.global_variables:
        name = variable.name
        found = lookup_environment(name) if name.startswith(_ENVIRONMENT) else None
        if found is not None and library._codegen._engine.get_global_value_address(name):
            library._codegen.set_env(name, found)


class _Remembered:
    """What calls of numba's own functions were found to return, by the types of arguments.

    numba looks through dozens of declarations for each sum of two numbers, and again whenever it
    learns the type of another variable.
    """

    def __init__(self) -> None:
        self._plain = BaseFunction.get_call_type
        self._found: dict[Any, tuple[Any, Any]] = {}

    def __call__(self, of: Any, context: Any, args: Any, kws: Any) -> Any:
        key = id(of), args, tuple(kws.items()), ConfigStack.top_or_none()
        if key not in self._found:
            found = self._plain(of, context, args, kws)
            self._found[key] = of, found  # which keeps its number from being another one's
        return self._found[key][1]


def _of_type(method: Any) -> Any:
    """What LLVM says of a type, for which llvmlite writes and reads a module, asked for once."""
    known: dict[tuple[str, int], int] = {}

    def asked(self: Any, target_data: Any, context: Any = None) -> int:
        key = str(self), id(target_data)
        if key not in known:
            known[key] = method(self, target_data, context)
        return known[key]

    return asked


def _variables(self: Any, value: Any) -> list[Any]:
    """The variables in what an instruction holds, which numba asks again after every pass.

    As numba finds them, without a call for each thing in which there are none.
    """
    if isinstance(value, ir.Var):
        return [value]
    if isinstance(value, ir.Inst):
        return list(value.list_vars())
    found: list[Any] = []
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return found
    for part in value:
        kind = type(part)
        if kind is ir.Var:
            found.append(part)
        elif kind is not ir.Loc and kind is not str and part is not None:
            found += _variables(self, part)
    return found


_REMEMBERED = _Remembered()
_QUICKER = (
    (BaseFunction, "get_call_type", lambda *given: _REMEMBERED(*given)),
    (ir.Inst, "_rec_list_vars", _variables),
    (Type, "get_abi_size", _of_type(Type.get_abi_size)),
    (Type, "get_abi_alignment", _of_type(Type.get_abi_alignment)),
)


@contextmanager
def _quickly() -> Iterator[None]:
    """In this block, in which no other thread compiles, without what is looked up again and again.

    Compilation makes millions of small objects, of which few are garbage in circles.
    """
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in _QUICKER]
    rarely, collecting = (100_000, 20, 100), gc.get_threshold()
    gc.set_threshold(*rarely)
    for owner, name, method in _QUICKER:
        setattr(owner, name, method)
    try:
        yield
    finally:
        for owner, name, method in before:
            setattr(owner, name, method)
        gc.set_threshold(*collecting)


@contextmanager
def alone(
    function: Any, short_loops: bool = False, before: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Compile a function in this block with all that it calls as one.

    Loops that are short are neither unrolled nor vectorised: half the machine code. `before` is
    called before its machine code is put where it can be called.
    """
    codegen = cpu_target.target_context.codegen()
    with ONE_AT_A_TIME:
        usual = codegen.__dict__.get("_library_class")
        session = _Session(function.__qualname__, short_loops, before)
        codegen._library_class = _Libraries(session)
        try:
            with _quickly(), ConfigStack().enter(_own_flags()):
                yield
        finally:
            session.open = False
            if usual is None:
                del codegen._library_class
            else:
                codegen._library_class = usual


class _Libraries:
    """In the place of the code generator's class of libraries."""

    def __init__(self, session: _Session) -> None:
        self._session = session

    def __call__(self, codegen: Any, name: str, **_options: Any) -> Any:
        return self._session.library(codegen, name)

    def __getattr__(self, name: str) -> Any:
        return getattr(JITCodeLibrary, name)


class _Flags(compiler.Flags):
    """numba's, compared faster: it looks for every implementation by them."""

    __slots__ = ()
    _HASH = hash(compiler.Flags())

    def __hash__(self) -> int:
        return self._HASH

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, compiler.Flags):
            return NotImplemented
        own, others = self._values, other._values
        options: Any = compiler.Flags.options
        return own == others or all(
            own.get(name, options[name].default) == others.get(name, options[name].default)
            for name in own.keys() | others.keys()
        )


def _own_flags() -> Any:
    """What a function inherits that is compiled while another one is: nothing of that one's."""
    flags: Any = _Flags()
    flags.nrt = True
    return flags


class _Compiler(_FunctionCompiler):
    def _customize_flags(self, flags: Any) -> Any:
        return _Flags(flags)


# Called with the name of a function that is about to be compiled because it is not on disk.
WATCHING: ContextVar[Callable[[str], None] | None] = ContextVar("watching", default=None)


class _WholeCompiler(_Compiler):
    python = True  # whether Python calls it

    def _customize_flags(self, flags: Any) -> Any:
        flags.no_cfunc_wrapper = True  # nobody calls it by that: a sixth of the time
        flags.no_cpython_wrapper = not self.python
        return super()._customize_flags(flags)

    def compile(self, args: Any, return_type: Any) -> Any:
        if (told := WATCHING.get()) is not None:
            told(self.py_func.__name__)
        return super().compile(args, return_type)


class Alone(CPUDispatcher):
    """A dispatcher whose code is made when it is first used; `ready` makes it.

    Without `python` it cannot be called from Python: TypeError.
    """

    _can_compile: bool

    def __init__(self, function: Any, options: Any, python: bool = True) -> None:
        super().__init__(function, {}, options)
        self._compiler = _WholeCompiler(
            function, self.targetdescr, self.targetoptions, self.locals, compiler.Compiler
        )
        self._compiler.python = self._python = python

    def ready(self) -> None:
        """Compile it, unless it is compiled."""
        raise NotImplementedError

    def get_call_template(self, args: Any, kws: Any) -> Any:
        self.ready()
        return super().get_call_template(args, kws)

    def get_compile_result(self, sig: Any) -> Any:
        self.ready()
        return super().get_compile_result(sig)

    def _compile_for_args(self, *args: Any, **kws: Any) -> Any:
        """What a call from Python calls where nothing is compiled yet."""
        if not self._python:
            raise TypeError(f"{self.py_func.__name__}: only compiled code calls it")
        self.ready()
        return self

    def add_overload(self, cres: Any) -> None:
        if self._python:
            super().add_overload(cres)
        else:
            self.overloads[tuple(cres.signature.args)] = cres


class _PartCompiler(_Compiler):
    def _customize_flags(self, flags: Any) -> Any:
        flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        return super()._customize_flags(flags)


class Inner(CPUDispatcher):
    """A function that other compiled code calls; Python calls another compilation of it.

    Callers that may reassociate or contract sums have a version of their own, so that a function's
    code does not depend on who was compiled first.
    """

    def __init__(self, function: Any, options: Any) -> None:
        super().__init__(function, {}, options)
        self._compiler = _PartCompiler(
            function, self.targetdescr, self.targetoptions, self.locals, compiler.Compiler
        )
        self._for_python: Any = None
        self._versions: dict[frozenset[str], Inner] = {}

    def _version(self) -> Inner:
        """That for the function that is compiled."""
        flags = ConfigStack.top_or_none()
        key = frozenset(flags.fastmath.flags) if flags is not None else frozenset()
        if not key:
            return self
        if key not in self._versions:
            self._versions[key] = Inner(self.py_func, dict(self.targetoptions))
            self._versions[key]._versions[key] = self._versions[key]
        return self._versions[key]

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """One version for all constants."""
        plain = tuple(types.unliteral(a) for a in args)
        others = {k: types.unliteral(v) for k, v in kws.items()}
        own = self._version()
        return super(Inner, own).get_call_template(plain, others)

    def get_overload(self, sig: Any) -> Any:
        return super(Inner, self._version()).get_overload(sig)

    def add_overload(self, cres: Any) -> None:
        self.overloads[tuple(cres.signature.args)] = cres

    def _compile_for_args(self, *args: Any, **kws: Any) -> Any:
        if self._for_python is None:
            self._for_python = CPUDispatcher(self.py_func, {}, self.targetoptions)
        return self._for_python
