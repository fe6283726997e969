import subprocess
import sys

import pytest

import mixedbayes.cli.compile as command


@pytest.fixture
def one_kind(monkeypatch):
    monkeypatch.setattr(command, "KINDS", command.KINDS[:1])


@pytest.mark.usefixtures("one_kind")
def test_says_what_it_fits_and_where_code_is_kept(run):
    run("compile")
    result = run("compile")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "one grouping factor: Reaction ~ Days + (Days | Subject)" in result.stderr
    assert "all was compiled before; they are kept in" in result.stderr


def test_help_says_what_for_and_what_is_left(run):
    text = " ".join(run("compile", "--help").stdout.split())
    for said in ("once for this installation", "containers", "another family"):
        assert said in text


def test_where_nothing_can_be_kept_it_is_an_error(run, monkeypatch):
    monkeypatch.setattr("mixedbayes.jit.kept_in", lambda _function: None)
    result = run("compile")
    assert result.exit_code == 1
    assert "set NUMBA_CACHE_DIR" in result.stderr


FITTED = """
import mixedbayes as mb
from mixedbayes.jit import watched
with watched(print):
    model = mb.Model("Reaction ~ Days + (Days | Subject)", mb.load_data("sleepstudy"))
    model.fit(draws=50, tune=50, chains=1, seed=1, progress=False)
"""
COMPILED = """
import mixedbayes.cli.compile as command
from mixedbayes.cli import main
command.KINDS = command.KINDS[:1]
main(["compile"])
"""


@pytest.mark.slow
def test_a_fit_after_it_compiles_nothing_and_one_before_it_does(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))

    def run(source):
        found = subprocess.run([sys.executable, "-W", "ignore", "-c", source],
                               capture_output=True, text=True, check=True)  # fmt: skip
        return found.stdout.split(), found.stderr

    _, said = run(COMPILED)
    assert "compiled" in said
    assert "functions in" in said
    assert run(FITTED)[0] == []
    for path in tmp_path.rglob("*.nbi"):
        path.unlink()
    assert "density" in run(FITTED)[0]
