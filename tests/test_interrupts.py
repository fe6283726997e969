"""Ctrl-C waits for what must not be torn, and is then raised. Processes signal themselves."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from mixedbayes.interrupts import uninterrupted


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_is_raised_at_the_end_of_the_outermost_block():
    def act():
        with uninterrupted():
            with uninterrupted():
                interrupt()
                reached.append("inner")
            reached.append("outer")

    reached = []
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        act()
    assert reached == ["inner", "outer"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_an_error_on_the_way_does_not_swallow_it():
    @uninterrupted()
    def act():
        interrupt()
        raise ImportError

    with pytest.raises(KeyboardInterrupt) as caught:
        act()
    assert isinstance(caught.value.__context__, ImportError)


def test_without_an_interrupt_nothing_happens():
    with uninterrupted():
        pass
    with pytest.raises(ZeroDivisionError), uninterrupted():
        raise ZeroDivisionError
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_other_threads_and_other_handlers_are_left_alone():
    def act(found):
        with uninterrupted():
            found.append(signal.getsignal(signal.SIGINT))

    own, found = signal.getsignal(signal.SIGINT), []
    thread = threading.Thread(target=act, args=(found,))
    thread.start()
    thread.join()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        act(found)
    finally:
        signal.signal(signal.SIGINT, own)
    assert found == [own, signal.SIG_IGN]


# Interrupts itself at the first import of a module, or at numba's first compilation; then does what
# it was about again.
SCRIPT = """
    import builtins, os, signal, sys
    import mixedbayes as mb

    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)

    class Finder:
        def find_spec(self, name, path, target=None):
            if name == {module!r}:
                sys.meta_path.remove(self)
                try:
                    interrupt()
                except BaseException:  # as importlib's own callbacks do
                    print("swallowed")
            return None

    sys.meta_path.insert(0, Finder())
    def act():
        {act}
    try:
        act()
        print("went on")
    except KeyboardInterrupt:
        print("interrupted")
    act()
    print("done")
"""
FIT = """
        data = mb.load_data("sleepstudy")
        return mb.fit("Reaction ~ Days + (1 | Subject)", data, draws=20, tune=50, chains=1,
                      seed=1, progress=False)
"""
PLOT = """
        from mixedbayes.plots.fitted import plot_fitted
        from mixedbayes.plots.with_matplotlib import draw
        import matplotlib.pyplot
"""


@pytest.mark.parametrize(
    ("module", "act"),
    [
        ("numba.core.dispatcher", FIT),
        ("llvmlite.binding", FIT),
        ("matplotlib._path", PLOT),
        ("matplotlib.ft2font", PLOT),
        ("pandas._libs.lib", "mb.load_data('sleepstudy')"),
    ],
)
def test_an_interrupt_while_a_library_loads_is_raised_and_leaves_it_whole(module, act):
    code = textwrap.dedent(SCRIPT.format(module=module, act=act.strip("\n").lstrip()))
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.stdout.split() == ["interrupted", "done"], run.stdout + run.stderr


def test_a_module_that_is_put_off_is_imported_when_something_of_it_is_read():
    code = """
import sys
from mixedbayes.interrupts import put_off
with put_off("colorsys"):
    import colorsys as later
    print(isinstance(later, type(sys)), hasattr(sys.modules["colorsys"], "__file__"))
    import colorsys as there
with put_off("xml"):
    import xml.dom
    from xml.dom import Node
print(there is sys.modules["colorsys"], later.rgb_to_hsv is there.rgb_to_hsv, "xml" in sys.modules)
with put_off("wave"):
    import wave
print("wave" in sys.modules, callable(wave.open), "wave" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True"] * 5 + ["False", "True", "True"]
