"""Linear algebra runs in the thread that calls it, whichever library was loaded when."""

import sys
import types

import threadpoolctl

from mixedbayes.numerics import threads


def of_libraries():
    found = threadpoolctl.threadpool_info()
    return [one["num_threads"] for one in found if one["user_api"] == "blas"]


def test_one_thread_in_the_block_and_as_many_as_before_after_it():
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = of_libraries()
        with threads.one_blas_thread():
            assert set(of_libraries()) == {1}
            with threads.one_blas_thread():
                assert set(of_libraries()) == {1}
            assert set(of_libraries()) == {1}
        assert of_libraries() == before


def test_libraries_are_looked_for_again_where_a_module_has_been_loaded(monkeypatch):
    looked = []

    class Controller(threadpoolctl.ThreadpoolController):
        def __init__(self):
            looked.append(len(sys.modules))
            super().__init__()

    monkeypatch.setattr(threads, "ThreadpoolController", Controller)
    threads._libraries.cache_clear()
    for _ in range(2):
        with threads.one_blas_thread():
            pass
    assert len(looked) == 1
    monkeypatch.setitem(sys.modules, "a_library_for_a_test", types.ModuleType("one"))
    with threads.one_blas_thread():
        pass
    assert len(looked) == 2
    threads._libraries.cache_clear()
