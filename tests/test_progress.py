"""One display in a terminal or a notebook, silence elsewhere."""

import re
import sys
import threading
import types

import pytest

from mixedbayes import progress
from mixedbayes.sample.density import sample_density
from mixedbayes.sample.settings import Settings


def sample():
    given = Settings(draws=200, chains=2, seed=1, progress=True)
    return sample_density(
        lambda t: (-0.5 * float(t @ t), -t), given, ndim=2, initial_point=lambda r: r.normal(size=2)
    )


def test_nothing_is_written_where_the_output_is_no_terminal(capfd):
    sample()
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(progress, "_in_terminal", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")


@pytest.mark.usefixtures("terminal")
def test_a_terminal_shows_draws_divergences_and_speed(capsys):
    with progress.Draws(4, 1200, wanted=True) as display:
        display.update(300, 0, tuning=True)
        display.update(1200, 2, tuning=False)
    out = capsys.readouterr().out
    assert "Sampling 4 chains" in out
    assert "1,200/1,200 draws, 2 divergences" in out
    assert "draws/s" in out


@pytest.mark.usefixtures("terminal")
def test_a_terminal_stays_empty_when_no_progress_is_wanted(capsys):
    with progress.Draws(4, 1200, wanted=False) as display:
        display.update(1200, 2, tuning=False)
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("terminal")
def test_a_run_ends_with_all_draws_shown(capsys):
    sample()
    assert "1,200/1,200 draws" in capsys.readouterr().out


class Handle:
    shown: list[str] = []  # noqa: RUF012

    def update(self, html):
        self.shown.append(html)


@pytest.fixture
def notebook(monkeypatch):
    """IPython as it is in a kernel, as far as the display asks."""
    shell = type("ZMQInteractiveShell", (), {})()
    display = types.ModuleType("IPython.display")
    display.HTML = str
    handle = Handle()
    handle.shown = []
    display.display = lambda html, display_id: handle.shown.append(html) or handle
    package = types.ModuleType("IPython")
    package.get_ipython = lambda: shell
    package.display = display
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return handle


def test_a_notebook_shows_one_display_that_is_updated(notebook, capfd):
    sample()
    first, *_, last = notebook.shown
    assert '<progress value="0" max="1200"></progress>' in first
    assert '<progress value="1200" max="1200"></progress>' in last
    assert last.startswith("Sampling 2 chains")
    assert "1,200/1,200 draws" in last
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("terminal")
def test_compilation_says_that_it_happens_once_and_how_many(capsys):
    with progress.Compiling(wanted=True) as told:
        told("density")
        told("draws")
    out = capsys.readouterr().out
    assert re.search(rf"{progress.COMPILING}: 2, \d+\.\d s", out)


@pytest.mark.usefixtures("terminal")
def test_compilation_makes_way_for_draws_and_comes_back(capsys):
    with progress.Compiling(wanted=True) as told:
        told("density")
        with progress.Draws(4, 10, wanted=True) as draws:
            draws.update(10, 0, tuning=False)
        told("draws")
    out = capsys.readouterr().out
    first, then, last = (out.rindex(s) for s in (": 1, ", "10/10 draws", ": 2, "))
    assert first < then < last


@pytest.mark.usefixtures("terminal")
def test_compilation_in_another_thread_is_counted_but_not_shown(capsys):
    with progress.Compiling(wanted=True) as told:
        thread = threading.Thread(target=told, args=["density"])
        thread.start()
        thread.join()
        assert told.count == 1
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("wanted", "compiled"), [(True, 0), (False, 1)])
def test_nothing_is_said_where_nothing_is_compiled_or_nothing_is_wanted(capsys, wanted, compiled):
    with progress.Compiling(wanted=wanted) as told:
        for _ in range(compiled):
            told("density")
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("terminal")
def test_a_total_that_is_not_known_is_known_at_the_end(capsys):
    with progress.display("Reading", None, "rows") as display:
        display.shown = -1.0  # longer ago than an update waits for
        display.update(1200)
        display._bars.refresh()
        display.finish(3400)
    out = capsys.readouterr().out
    assert "1,200 rows" in out
    assert "3,400/3,400 rows" in out


def test_a_notebook_counts_where_the_total_is_not_known(notebook):
    with progress.display("Reading", None, "rows") as display:
        display.shown = -1.0
        display.update(1200)
        display.finish(3400)
    shown = notebook.shown
    assert shown[0].startswith("Reading 0 rows")
    assert shown[1].startswith("Reading 1,200 rows")
    assert "progress" not in shown[1]
    assert 'value="3400" max="3400"' in shown[-1]
