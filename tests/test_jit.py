"""Compiled code is kept on disk where it can be, and compiled all the same where it cannot."""

import errno
import importlib.util
import inspect
import os
import pickle
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numba
import numpy as np
import pytest
from llvmlite.ir.types import Type
from numba.core import caching, cgutils, codegen, dispatcher, ir, sigutils
from numba.core.ccallback import CFunc
from numba.core.dispatcher import Dispatcher
from numba.core.types.functions import BaseFunction
from numba.extending import _Intrinsic

from mixedbayes import beside, jit, linking

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


def test_an_error_of_the_code_itself_is_raised_without_a_second_compilation(tmp_path):
    file, begun = tmp_path / "wrong.py", []
    file.write_text(SOURCE.replace("return 2 * n", "return not_a_name(n)"))
    spec = importlib.util.spec_from_file_location("wrong_for_a_test", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with jit.watched(begun.append), pytest.raises(Exception, match="not_a_name"):
        module.twice(1)
    assert len(begun) == 1


@pytest.fixture
def module(tmp_path, monkeypatch):
    """One that other processes can import too."""
    other = SOURCE.replace("twice", "thrice").replace("2 * n", "3 * n")
    (tmp_path / "twice_elsewhere.py").write_text(SOURCE + other)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(beside, "available_cores", lambda: 2)
    monkeypatch.setattr(beside, "_SHARED", None)
    yield importlib.import_module("twice_elsewhere")
    del sys.modules["twice_elsewhere"]
    if beside._SHARED is not None:
        beside._SHARED.end()


def test_another_process_compiles_ahead(module):
    begun = []
    jit.ahead(module.twice, module.thrice)
    jit.ahead(module.twice)
    (child,) = beside._SHARED.children
    assert child.wait(60) == 0
    with jit.watched(begun.append):
        assert module.twice(21) == 42
        assert module.thrice(14) == 42
    assert begun == []


def test_a_process_that_was_started_before_a_fit_waits_for_what_the_fit_needs(module):
    begun = []
    beside.share([beside.Named("twice_elsewhere.twice")], more=True)
    (child,) = beside._SHARED.children
    until = time.monotonic() + 60
    while beside._SHARED.where and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.2)
    jit.ahead(module.twice, module.thrice)
    assert beside._SHARED.children == [child]
    assert child.wait(60) == 0
    with jit.watched(begun.append):
        assert module.thrice(14) == 42
        assert module.twice(21) == 42
    assert begun == []


def test_what_is_named_is_compiled_here_where_no_process_begins_it(module, monkeypatch):
    monkeypatch.setattr(beside.Shared, "_start", lambda self, module: None)
    beside.share([beside.Named("twice_elsewhere.twice"), beside.Named("twice_elsewhere.thrice")])
    beside._SHARED.where["twice_elsewhere.twice"] = "there"
    monkeypatch.setattr(beside, "_MOST_SECONDS", 0.5)
    assert module.twice(21) == 42
    assert not module.thrice._can_compile


def test_where_no_thread_can_be_started_no_process_stays(module, monkeypatch):
    begun, popen = [], subprocess.Popen

    def no_more(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(
        beside.subprocess, "Popen", lambda *a, **kw: begun.append(popen(*a, **kw)) or begun[-1]
    )
    monkeypatch.setattr(beside.threading.Thread, "start", no_more)
    beside.share([beside.Named("twice_elsewhere.twice")], more=True)
    assert [child.poll() is not None for child in begun] == [True]
    assert beside._SHARED.children == []
    assert module.twice(21) == 42


def test_what_functions_call_by_symbol_is_shared_before_them(module, monkeypatch):
    shared = []
    monkeypatch.setattr(beside, "share", shared.extend)
    monkeypatch.setattr(jit, "_is_missing", lambda f: f is not module.c_twice)
    twice = jit.called(module.twice)

    @jit.njit("i8(i8)")
    def calls(n):
        return twice(n)

    jit.ahead(calls, module.thrice, module.twice)
    assert shared == [module.twice, calls, module.thrice]


def test_what_nobody_has_begun_is_compiled_here_and_where_one_waits_another(module, monkeypatch):
    begun = []
    slow = beside._CHILD.replace("getattr", "import time; time.sleep(3); getattr")
    monkeypatch.setattr(beside, "_CHILD", slow)
    jit.ahead(module.twice, module.thrice)
    shared = beside._SHARED
    while shared.where["twice_elsewhere.twice"] == "left":
        time.sleep(0.01)
    with jit.watched(begun.append):
        assert module.twice(21) == 42  # made there, while the other one is compiled here
    assert [name.partition("_")[0] for name in begun] == ["thrice", "twice"]
    assert not module.thrice._can_compile
    assert shared.where == {}


def test_a_function_is_not_begun_before_those_that_it_calls_by_symbol(monkeypatch):
    class Made:
        def __init__(self, symbol, *needs):
            self.symbol, self.needs = symbol, needs

    monkeypatch.setattr(beside.Shared, "_start", lambda self, module: None)
    shared = beside.Shared()
    shared.add([Made("m.core"), Made("m.density", "m.core"), Made("m.other")])
    assert shared._take("there") == "m.core"
    assert shared._take("there") == "m.other"
    assert shared._take("there") is None
    shared.done("m.core")
    assert shared._take("here") == "m.density"


@pytest.mark.parametrize("child", ["raise SystemExit(1)", "print(flush=True); sys.stdin.read()"])
def test_where_that_fails_or_takes_long_it_is_compiled_here(module, child, monkeypatch):
    begun = []
    monkeypatch.setattr(beside, "_CHILD", f"import sys\n{child}")
    monkeypatch.setattr(beside, "_MOST_SECONDS", 2.0)
    jit.ahead(module.twice)
    (child,) = beside._SHARED.children
    if "read" in child.args[-1]:
        while beside._SHARED.where["twice_elsewhere.twice"] == "left":
            time.sleep(0.01)
    with jit.watched(begun.append):
        assert module.twice(21) == 42
    assert len(begun) == 1
    assert child.wait(60) is not None


def test_no_process_is_started_where_none_helps(module, monkeypatch):
    @jit.njit("i8(i8)")
    def local(n):
        return n

    jit.ahead(local)  # which no other process finds
    values = (sys, "executable", "/opt/application"), (beside, "available_cores", lambda: 1)
    for where, name, value in values:
        with monkeypatch.context() as patch:
            patch.setattr(where, name, value)
            jit.ahead(module.twice)
    assert beside._SHARED is None
    assert module.twice(21) == 42
    jit.ahead(module.twice)  # which is compiled
    assert beside._SHARED is None


def test_processes_end_with_this_one(module):
    jit.ahead(module.twice)
    (child,) = beside._SHARED.children
    beside._SHARED.end()
    assert child.wait(60) is not None
    assert module.twice(21) == 42


ENDED = """
import time
from mixedbayes import beside
beside._CHILD = beside._CHILD.replace("    getattr", "    import time; time.sleep(60); getattr")
shared = beside.Shared()
shared.functions["m.f"], shared.where["m.f"] = None, "left"
shared._take = lambda to: shared.where.update({"m.f": to}) or "m.f"
shared._start("colorsys")
while shared.where["m.f"] == "left":
    time.sleep(0.01)
time.sleep(0.2)
print(shared.children[0].pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux says who lives")
def test_processes_end_with_one_that_is_killed():
    """At once, whatever they are compiling."""
    args = [sys.executable, "-c", ENDED]
    with subprocess.Popen(args, stdout=subprocess.PIPE, text=True) as process:
        child = int(process.stdout.readline())
        assert _lives(child)
        process.kill()
    until = time.monotonic() + 20
    while _lives(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _lives(child)


def _lives(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@jit.inner
def _multiplied_and_added(a, b, c):
    return a * b + c


@jit.njit("f8(f8, f8, f8)", fastmath={"contract"})
def _contracted(a, b, c):
    return _multiplied_and_added(a, b, c)


@jit.njit("f8(f8, f8, f8)")
def _exact(a, b, c):
    return _multiplied_and_added(a, b, c)


def test_code_does_not_depend_on_which_caller_was_compiled_first():
    """The product is 1 - 2^-60, which rounds to 1 where it is not added in the same instruction."""
    given = 1.0 + 2.0**-30, 1.0 - 2.0**-30, -1.0
    assert _contracted(*given) in (0.0, -(2.0**-60))
    assert _exact(*given) == 0.0


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
        (caching.FunctionCache, "load_overload", "self sig target_context"),
        (caching.FunctionCache, "save_overload", "self sig data"),
        (caching.FunctionCache, "flush", "self"),
        (CFunc, "__init__", "self pyfunc sig locals options"),
        (BaseFunction, "get_call_type", "self context args kws"),
        (ir.Inst, "_rec_list_vars", "self val"),
        (Type, "get_abi_size", "self target_data context"),
        (Type, "get_abi_alignment", "self target_data context"),
        (CFunc, "compile", "self"),
        (Dispatcher, "compile", "self sig"),
        (Dispatcher, "disable_compile", "self"),
        (Dispatcher, "get_compile_result", "self sig"),
        (sigutils, "normalize_signature", "sig"),
        (cgutils, "get_or_insert_function", "module fnty name"),
        (cgutils, "if_unlikely", "builder pred"),
        (codegen.JITCodeLibrary, "__init__", "self codegen name"),
        (codegen.JITCodeLibrary, "finalize", "self"),
        (codegen.JITCodeLibrary, "add_linking_library", "self library"),
        (codegen.JITCodeLibrary, "get_pointer_to_function", "self name"),
        (codegen.JITCodeLibrary, "_get_module_for_linking", "self"),
        (codegen.JITCodeLibrary, "_optimize_functions", "self ll_module"),
        (codegen.JITCodeLibrary, "_optimize_final_module", "self"),
        (codegen.CPUCodegen, "create_library", "self name"),
        (codegen.JITCPUCodegen, "set_env", "self env_name env"),
        (codegen, "_parse_refprune_flags", ""),
        (dispatcher._FunctionCompiler, "_customize_flags", "self flags"),
        (Dispatcher, "get_call_template", "self args kws"),
        (Dispatcher, "add_overload", "self cres"),
        (Dispatcher, "_compile_for_args", "self"),
    ],
)
def test_functions_of_numba(owner, name, parameters):
    assert hasattr(owner, name), f"{VERSION}: {owner.__name__} has no {name}"
    found = list(inspect.signature(getattr(owner, name)).parameters)
    expected = parameters.split()
    changed = f"{VERSION}: {owner.__name__}.{name} takes {', '.join(found)}"
    assert found[: len(expected)] == expected, changed


def test_variables_of_instructions_are_those_that_numba_finds():
    compiled = numba.njit(lambda x, n: {n: (x[n], [x[n + 1], (n, x)])}[n][1][1][1].sum())
    func_ir = numba.core.compiler.run_frontend(compiled.py_func)
    instructions = [i for block in func_ir.blocks.values() for i in block.body]
    assert len(instructions) > 20
    for i in instructions:
        found = linking._variables(i, i.__dict__)
        assert found == i._rec_list_vars(i.__dict__), VERSION
        assert linking._variables(i, found) == found


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
import time
from numba import njit, types
from mixedbayes import beside, jit

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


COUNTED = """
import numba.core.event as event
from numba import njit, types
from mixedbayes import beside, jit

compiled = []

class Listener(event.Listener):
    def on_start(self, event):
        compiled.append(event.data["dispatcher"].py_func.__name__)

    def on_end(self, event):
        pass

event.register("numba:compile", Listener())

@jit.inner
def power(x, n):
    out = 1.0
    for _ in range(n):
        out *= x
    return out

@jit.njit(types.float64(types.float64))
def both(x):
    return power(x, 2) + power(x, 3)

@jit.njit(types.float64(types.float64))
def also(x):
    return power(x, 4)

twice = jit.called(both)

@jit.njit("f8(f8)", python=False)
def half(x):
    return 0.5 * x

halved = jit.called(half)

@jit.njit("f8(f8)")
def by_half(x):
    return halved(x) + halved(x)

@jit.njit(types.float64(types.float64))
def by_symbol(x):
    return twice(x) + twice(x + 1.0)

@njit
def of_a_user(x):
    return power(x, 2) + by_symbol(x)

"""


def printed(source):
    command = [sys.executable, "-c", source]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """Runs lines after those of COUNTED, in a process that keeps code in a folder of its own."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kept"))
    file = tmp_path / "counted.py"

    def run(*lines):
        file.write_text(COUNTED)
        code = "; ".join(["import sys", f"sys.path.insert(0, {str(tmp_path)!r})",
                          "from counted import *", *lines])  # fmt: skip
        return printed(code)

    return run


def test_nothing_is_compiled_before_it_is_used(counted):
    assert counted("print(len(compiled))", "both(2.0)", "print(compiled[0])") == ["0", "both"]


def test_an_inner_function_is_compiled_once_for_all_constants_and_callers(counted):
    found = counted("print(both(2.0), also(2.0))", "print(compiled.count('power'))")
    assert found == ["12.0", "16.0", "1"]


def test_inner_functions_can_be_called_from_python_and_from_plain_numba(counted):
    """Also where they have been compiled into another function before, and only there."""
    found = counted("print(both(2.0), power(3.0, 2))", "print(of_a_user(2.0))", "print(also(2.0))")
    assert found == ["12.0", "9.0", "52.0", "16.0"]


def test_what_is_called_by_symbol_is_kept_by_itself_and_found_again(counted):
    lines = ("print(by_symbol(2.0))", "print(sorted({*compiled} & {'both', 'by_symbol'}))")
    assert counted(*lines) == ["48.0", "['both',", "'by_symbol']"]
    assert counted(*lines) == ["48.0", "[]"]


def test_what_compiled_code_alone_calls_is_kept_too_and_no_function_of_python(counted):
    lines = ("print(by_half(3.0))", "print('half' in compiled, half.symbol)")
    assert counted(*lines) == ["3.0", "True", "counted.half"]
    assert counted(*lines) == ["3.0", "False", "counted.half"]
    raised = "try: half(1.0)\nexcept TypeError as error: print(type(error).__name__)"
    for before in ("pass", "half.ready()"):
        assert counted(before, f"exec({raised!r})") == ["TypeError"]


def test_threads_that_ask_at_once_compile_once(counted):
    found = counted(
        "from concurrent.futures import ThreadPoolExecutor as Pool",
        "print(*Pool(4).map(also, [1.0] * 8))", "print(compiled.count('also'))",
    )  # fmt: skip
    assert found == ["1.0"] * 8 + ["1"]


FORKED = """
import os, threading, time
from counted import *

thread = threading.Thread(target=both, args=(2.0,))
thread.start()
while "both" not in compiled:
    time.sleep(0.001)
child = os.fork()
if child == 0:
    print(also(1.0), flush=True)
    os._exit(0)
until = time.monotonic() + 60
while not (ended := os.waitpid(child, os.WNOHANG)[0]) and time.monotonic() < until:
    time.sleep(0.01)
print("ended" if ended else os.kill(child, 9) or "hangs")
thread.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_process_that_is_forked_while_a_thread_compiles_can_compile(counted):
    assert counted(f"exec({FORKED!r})")[-2:] == ["1.0", "ended"]


def test_an_error_inside_compiled_parts_reaches_python():
    @jit.inner
    def strict(n):
        if n < 0:
            raise ValueError("negative")
        return n

    @jit.njit("i8(i8)")
    def outer(n):
        return strict(n)

    assert outer(3) == 3
    with pytest.raises(ValueError, match="negative"):
        outer(-1)


def test_a_watcher_hears_of_what_is_not_on_disk(counted):
    lines = ("from mixedbayes.jit import watched", "told = []",
             "exec('with watched(told.append): by_symbol(1.0)')", "print(*told)")  # fmt: skip
    assert counted(*lines) == ["by_symbol", "both"]  # which is waited for where it is called
    assert counted(*lines) == []


def test_the_folder_of_kept_code(tmp_path):
    file = tmp_path / "twice.py"
    file.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("twice_kept", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert jit.kept_in(module.twice) == tmp_path / "__pycache__"
    shutil.rmtree(tmp_path / "__pycache__")
    (tmp_path / "__pycache__").write_text("a file in the folder's place")
    assert jit.kept_in(module.twice) is None
