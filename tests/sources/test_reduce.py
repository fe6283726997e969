"""A pass by several processes gives the sums of one."""

import functools
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import dask
import dask.dataframe as dd
import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from group_sums import combine, partial

import mixedbayes as mb
from mixedbayes import sources
from mixedbayes.errors import DataError, ModelError
from mixedbayes.sources.reduce import reduce, summed, together, tree

COLUMNS = ["y", "g"]


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(1)
    for k in range(5):
        n = 50 + k
        table = pa.table({"y": rng.normal(size=n), "g": rng.integers(0, 4, n), "more": range(n)})
        pq.write_table(table, tmp_path / f"{k}.parquet", row_group_size=20)
    return tmp_path


@pytest.fixture
def expected(folder):
    return partial(pq.read_table(folder).to_batches())


def test_the_two_functions_are_all_that_is_needed(folder, expected):
    pieces = sources.open(folder).pieces(COLUMNS)
    parts = [partial(piece.batches(COLUMNS)) for piece in pieces]
    np.testing.assert_allclose(functools.reduce(combine, parts), expected, rtol=1e-12)


def test_this_process(folder, expected):
    source = sources.open(folder)
    np.testing.assert_allclose(
        reduce(source, COLUMNS, partial, combine, size=7), expected, rtol=1e-12
    )
    assert source.counted == 260


def test_executors_of_threads_and_processes_have_the_same_digits(folder, expected):
    source = sources.open(folder)
    with ThreadPoolExecutor(2) as pool:
        threads = reduce(source, COLUMNS, partial, combine, on=pool)
    with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as pool:
        processes = reduce(source, COLUMNS, partial, combine, on=pool)
    np.testing.assert_array_equal(threads, processes)
    np.testing.assert_allclose(threads, expected, rtol=1e-12)


def test_a_tree_keeps_the_order():
    assert tree(list("abcdefg"), lambda a, b: f"({a}{b})") == "(((ab)(cd))((ef)g))"
    assert tree(["a"], lambda a, b: "") == "a"


def test_rows_are_counted_over_all_pieces(folder):
    source = sources.open(folder)
    source.expect(259)
    with (
        ThreadPoolExecutor(1) as pool,
        pytest.raises(DataError, match="259 rows in an earlier pass, 260 in this one"),
    ):
        reduce(source, COLUMNS, partial, combine, on=pool)


def test_pieces_without_rows_are_part_of_the_whole(tmp_path):
    pq.write_table(pa.table({"y": [1.0], "g": [2]}), tmp_path / "a.parquet")
    none = pa.table({"y": pa.array([], pa.float64()), "g": pa.array([], pa.int64())})
    pq.write_table(none, tmp_path / "b.parquet")
    with ThreadPoolExecutor(1) as pool:
        found = reduce(sources.open(tmp_path), COLUMNS, partial, combine, on=pool)
    assert found.tolist() == [[0, 0, 1, 0], [0, 0, 1, 0]]


def test_errors_come_from_where_they_are(folder):
    source = sources.open(folder)
    (folder / "3.parquet").write_bytes(b"gone")
    with ThreadPoolExecutor(1) as pool, pytest.raises(DataError, match=r"3\.parquet changed"):
        reduce(source, COLUMNS, partial, combine, on=pool)
    with pytest.raises(ModelError, match="on=int is not understood: give None, an executor"):
        reduce(source, COLUMNS, partial, combine, on=3)
    relation = sources.open(duckdb.sql("select 1.0 as y, 1 as g"))
    with (
        ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as pool,
        pytest.raises(DataError, match="write it to Parquet files"),
    ):
        reduce(relation, COLUMNS, partial, combine, on=pool)


def test_a_dask_data_frame_is_reduced_where_it_is(folder, expected):
    frame = dd.from_pandas(pq.read_table(folder).to_pandas(), npartitions=3)
    with dask.config.set(scheduler="synchronous"):
        found = reduce(sources.open(frame), COLUMNS, partial, combine)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def killing_once(batches):
    """`partial` in a worker that is killed the first time that one comes here."""
    flag = os.environ["MIXEDBAYES_KILLED"]
    if not os.path.exists(flag):
        with open(flag, "x"):
            time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)
    return partial(batches)


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing_but_time(folder, expected, monkeypatch):
    from distributed import Client, LocalCluster

    flag = folder / "killed.flag"
    monkeypatch.setenv("MIXEDBAYES_KILLED", str(flag))
    source = sources.open(folder / "*.parquet")
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
            silence_logs=50,
        ) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        calm = reduce(source, COLUMNS, partial, combine, on=client)
        found = reduce(source, COLUMNS, killing_once, combine, on=client)
        frame = dd.from_pandas(pq.read_table(folder / "0.parquet").to_pandas(), npartitions=2)
        part = reduce(sources.open(frame), COLUMNS, partial, combine)
        files = str(folder / "*.parquet")
        there = mb.Model("y ~ more + (more | g)", mb.source(files, on=client)).design
    assert flag.exists()
    alone = mb.Model("y ~ more + (more | g)", files).design
    np.testing.assert_array_equal(there.y, alone.y)
    np.testing.assert_array_equal(there.mu.X, alone.mu.X)
    np.testing.assert_array_equal(found, calm)
    with ThreadPoolExecutor(1) as pool:
        here = reduce(source, COLUMNS, partial, combine, on=pool)
    np.testing.assert_array_equal(found, here)
    np.testing.assert_allclose(part, partial(pq.read_table(folder / "0.parquet").to_batches()))


def test_the_way_for_other_engines_is_by_tasks_of_pieces(folder, expected):
    pieces = sources.open(folder).pieces(COLUMNS)
    parts = [summed(piece, COLUMNS, partial) for piece in pieces]
    rows, sums = tree(parts, functools.partial(together, combine=combine))
    assert rows == 260
    np.testing.assert_allclose(sums, expected, rtol=1e-12)
