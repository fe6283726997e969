"""A thread reads ahead, in order, no further than a few batches, and ends with who uses them."""

import os
import signal
import threading
import time

import pytest

from mixedbayes.sources import ahead as module
from mixedbayes.sources.ahead import ahead


def counted(n, seen, fails_at=None, pause=0.0):
    for k in range(n):
        if k == fails_at:
            raise ValueError(f"at {k}")
        time.sleep(pause)
        seen.append(k)
        yield k


def test_everything_comes_in_its_order():
    seen = []
    assert list(ahead(counted(100, seen))) == list(range(100)) == seen


def test_no_more_than_a_few_are_read_ahead():
    seen = []
    batches = ahead(counted(100, seen))
    next(batches)
    time.sleep(0.2)
    assert len(seen) <= module._DEPTH + 2
    batches.close()
    assert len(seen) <= module._DEPTH + 3


def test_what_the_reader_raises_comes_in_its_place():
    found, batches = [], ahead(counted(10, [], fails_at=3))
    with pytest.raises(ValueError, match="at 3"):
        found.extend(batches)
    assert found == [0, 1, 2]


def test_ctrl_c_ends_the_wait_and_the_thread():
    before = threading.active_count()
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        list(ahead(counted(1000, [], pause=0.05)))
    timer.join()
    assert threading.active_count() == before


def test_the_reader_is_closed_where_it_stands():
    closed = []

    def read():
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    batches = ahead(read())
    next(batches)
    batches.close()
    assert closed == [True]
