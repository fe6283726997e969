"""Compiled code is kept on disk where it can be, and compiled all the same where it cannot."""

import errno
import importlib.util

import pytest
from numba.core import caching

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
