"""Compiled code is kept on disk where it can be, and compiled all the same where it cannot."""

import errno
import importlib.util
import inspect
import pickle
import subprocess
import sys

import numba
import numpy as np
import pytest
from numba.core import caching, cgutils, sigutils
from numba.core.ccallback import CFunc
from numba.core.dispatcher import Dispatcher
from numba.extending import _Intrinsic

from mixedbayes import jit

SOURCE = """
from mixedbayes import jit
from numba import types

@jit.njit("i8(i8)", nogil=True)
def twice(n):
    return 2 * n

@jit.cfunc(types.int64(types.int64))
def c_twice(n):
    return 2 * n
"""


def made(folder):
    file = folder / "twice.py"
    file.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("twice_for_a_test", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.twice(21), module.c_twice.ctypes(21)


@pytest.fixture(autouse=True)
def no_cache_of_the_user(monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "/dev/null/nowhere")


def test_code_is_kept_beside_its_source(tmp_path):
    assert made(tmp_path) == (42, 42)
    assert len(list((tmp_path / "__pycache__").glob("*.nbc"))) == 2


def test_code_that_another_version_of_numba_kept_is_compiled_again(tmp_path, monkeypatch):
    def versions():
        return [pickle.loads(p.read_bytes()) for p in (tmp_path / "__pycache__").glob("*.nbi")]

    for version in (numba.__version__, "0.0", "0.0"):
        monkeypatch.setattr(numba, "__version__", version)
        assert made(tmp_path) == (42, 42)
        assert versions() == [version] * 2


def test_where_no_folder_can_be_written_code_is_compiled_without(tmp_path):
    (tmp_path / "__pycache__").write_text("a file in the folder's place")
    assert made(tmp_path) == (42, 42)


def test_a_full_disk_does_not_stop_compilation(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "save", full)
    assert made(tmp_path) == (42, 42)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x80\x04"])
def test_damaged_code_is_compiled_again(tmp_path, content):
    made(tmp_path)
    for path in (tmp_path / "__pycache__").glob("*.nb*"):
        path.write_bytes(content)
    assert made(tmp_path) == (42, 42)


def test_an_error_of_the_code_itself_is_raised():
    with pytest.raises(Exception, match="not_a_name"):
        jit.njit("i8(i8)")(lambda n: not_a_name(n))  # noqa: F821


# What jit.py relies on inside numba; a failure says what another version has changed.
VERSION = f"numba {numba.__version__}"
SIGNATURE = numba.types.float64(numba.types.float64, numba.types.int64)


@jit.njit(SIGNATURE)
def divided(x, n):
    if n == 0:
        raise ZeroDivisionError("by nothing")
    return x / n


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (caching.FunctionCache, "__init__", "self py_func"),
        (caching.FunctionCache, "_index_key", "self sig codegen"),
        (CFunc, "__init__", "self pyfunc sig locals options"),
        (CFunc, "compile", "self"),
        (Dispatcher, "compile", "self sig"),
        (Dispatcher, "disable_compile", "self"),
        (Dispatcher, "get_compile_result", "self sig"),
        (sigutils, "normalize_signature", "sig"),
        (cgutils, "get_or_insert_function", "module fnty name"),
        (cgutils, "if_unlikely", "builder pred"),
    ],
)
def test_functions_of_numba(owner, name, parameters):
    assert hasattr(owner, name), f"{VERSION}: {owner.__name__} has no {name}"
    found = list(inspect.signature(getattr(owner, name)).parameters)
    expected = parameters.split()
    changed = f"{VERSION}: {owner.__name__}.{name} takes {', '.join(found)}"
    assert found[: len(expected)] == expected, changed


def test_attributes_of_compiled_code():
    """Those by which code is kept, found again and called by its address."""
    c_function = numba.cfunc(numba.types.int64(numba.types.int64))(lambda n: n)
    result = divided.get_compile_result(SIGNATURE)
    relied_on = {
        "Dispatcher._cache": lambda: hasattr(divided, "_cache"),
        "Dispatcher.py_func": lambda: divided.py_func(6.0, 3) == 2.0,
        "Dispatcher.targetoptions": lambda: "nopython" in divided.targetoptions,
        "CFunc._cache": lambda: hasattr(c_function, "_cache"),
        "CFunc.address": lambda: c_function.address > 0,
        "_Intrinsic._defn": lambda: callable(jit.pointer._defn),
        "_Intrinsic": lambda: isinstance(jit.pointer, _Intrinsic),
        "FunctionCache._py_func": lambda: caching.FunctionCache(made)._py_func is made,
        "magic_tuple": lambda: isinstance(result.library.codegen.magic_tuple(), tuple),
        "get_pointer_to_function": lambda: jit.address(divided, SIGNATURE) > 0,
    }
    for name, is_there in relied_on.items():
        try:
            assert is_there(), f"{VERSION}: {name} is not what it was"
        except AttributeError as error:
            pytest.fail(f"{VERSION}: {name} is not what it was: {error}")


def test_calls_by_address_and_by_symbol_pass_values_and_errors():
    by_address, address = jit.caller(SIGNATURE), jit.address(divided, SIGNATURE)
    jit.bind("mixedbayes_divided_for_a_test", address)
    by_symbol = jit.symbol_caller("mixedbayes_divided_for_a_test", SIGNATURE)

    @numba.njit
    def both(where, x, n):
        return by_address(where, x, n), by_symbol(x, n)

    assert both(address, 3.0, 2) == (1.5, 1.5), f"{VERSION}: its call convention has changed"
    for call in (lambda: both(address, 1.0, 0), lambda: divided(1.0, 0)):
        with pytest.raises(ZeroDivisionError, match="by nothing"):
            call()


def test_fixed_tuples():
    @numba.njit
    def place(shape, at):
        return np.zeros(jit.to_fixed_tuple(shape, 2))[jit.to_fixed_tuple(at, 2)]

    assert place(np.array([3, 4]), np.array([2, 3])) == 0.0, f"{VERSION}: to_fixed_tuple changed"


CLOSURES = """
import sys
from numba import njit, types
from mixedbayes import jit

SIGNATURE = types.int64(types.int64)
call = jit.caller(SIGNATURE)

@njit
def at(address, n):
    return call(address, n)

@njit
def twice(n):
    return 2 * n

@njit
def thrice(n):
    return 3 * n

def made(inner):
    @jit.njit(SIGNATURE)
    def outer(n):
        return inner(n)
    return outer

functions = [made({"twice": twice, "thrice": thrice}[name]) for name in sys.argv[1:]]
for function in functions:
    print(at(jit.address(function, SIGNATURE), 7))
"""


def test_functions_of_one_name_that_other_processes_kept_are_told_apart(tmp_path):
    file = tmp_path / "closures.py"
    file.write_text(CLOSURES)

    def run(*names):
        command = [sys.executable, str(file), *names]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert (run("twice"), run("thrice")) == (["14"], ["21"])
    assert run("twice", "thrice") == ["14", "21"]
