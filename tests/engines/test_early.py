"""What first fits of every model compile is begun while libraries load, where nothing is kept."""

import multiprocessing
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from mixedbayes import beside
from mixedbayes.engines import early


@pytest.fixture
def shared(monkeypatch):
    found = []
    monkeypatch.setattr(beside, "possible", lambda: True)
    monkeypatch.setattr(beside, "share", lambda functions, more: found.extend(functions))
    return found


def test_names_are_those_of_compiled_functions():
    for symbol in early.NEEDED:
        module, _, name = symbol.rpartition(".")
        assert getattr(import_module(module), name).symbol == symbol


def test_it_is_begun_where_the_folder_of_kept_code_is_empty(shared, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    early.begin()
    assert [f.symbol for f in shared] == list(early.NEEDED)


def test_nothing_is_begun_where_code_is_kept(shared, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    code = "from mixedbayes.theta.whitening import to_theta; to_theta.ready()"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert list(tmp_path.rglob("*.nbi"))
    early.begin()
    assert shared == []


def test_nothing_is_begun_where_code_cannot_be_kept_beside_its_sources(shared, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(early.os, "access", lambda *_: False)
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    early.begin()
    assert shared == []


def test_nothing_is_begun_with_one_processor(shared, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(beside, "possible", lambda: False)
    early.begin()
    assert shared == []


@pytest.mark.parametrize("way", ["spawn", "fork"])
def test_processes_of_a_pool_begin_none_of_their_own(way, tmp_path):
    if way not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {way} here")
    (tmp_path / "asked.py").write_text(
        "from mixedbayes import beside\nfrom mixedbayes.engines import early\n\n\n"
        "def begun(_):\n"
        "    found = []\n"
        "    beside.possible = lambda: True\n"
        "    beside.share = lambda these, more: found.append(these)\n"
        "    early.begin()\n"
        "    return len(found)\n"
    )
    code = (
        "import multiprocessing\nfrom asked import begun\n\n"
        "if __name__ == '__main__':\n"
        f"    with multiprocessing.get_context({way!r}).Pool(1) as pool:\n"
        "        print(pool.map(begun, [1])[0], begun(1))\n"
    )
    (tmp_path / "pool.py").write_text(code)
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    found = subprocess.run(
        [sys.executable, tmp_path / "pool.py"], env=environment, capture_output=True, text=True
    )
    assert found.stdout.split() == ["0", "1"], found.stderr


@pytest.mark.parametrize("name", ["Model", "fit", "Quadrature"])
def test_it_is_begun_before_libraries_load(name):
    code = (
        "import sys; import mixedbayes as mb; from mixedbayes.engines import early\n"
        f"early.begin = lambda: sys.exit('pandas' in sys.modules); mb.{name}"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
