"""Engines and libraries give the rows that a data frame in memory has, batch by batch."""

import pickle
import sqlite3
from contextlib import closing

import dask.dataframe as dd
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from source_data import NAMES, assert_same, in_memory, read, rows

from mixedbayes import sources
from mixedbayes.errors import DataError, MissingExtraError
from mixedbayes.sources import libraries

SIZES = (1, 7, 1000)


@pytest.fixture
def connection():
    with duckdb.connect() as own:
        own.register("arrow_rows", rows())
        own.execute("create table d as select * from arrow_rows")
        yield own


@pytest.fixture
def folder(tmp_path):
    for k in range(3):
        pq.write_table(rows().slice(8 * k, 8), tmp_path / f"{k}.parquet", row_group_size=3)
    return tmp_path


# tables and data frames


@pytest.mark.parametrize("size", SIZES)
def test_arrow_tables(size):
    assert_same(read(sources.open(rows()), size=size), in_memory(rows()))
    (batch,) = rows().to_batches()
    assert_same(read(sources.open(batch), size=size), in_memory(rows()))


@pytest.mark.parametrize("size", SIZES)
def test_data_frames_of_pandas_and_polars(size):
    frame = in_memory(rows())
    assert_same(read(sources.open(frame), size=size), frame)
    assert_same(read(sources.open(frame.set_index("g")), ["y", "x"]), frame[["y", "x"]])
    own = pl.from_arrow(rows().drop_columns(["arm"]))
    labels = pl.Series((["dose", "control", "arm"] * len(own))[: len(own)])
    own = own.with_columns(
        labels.cast(pl.Categorical).alias("unordered"),
        labels.cast(pl.Enum(["dose", "arm", "control"])).alias("declared"),
    )
    names = own.columns
    assert_same(read(sources.open(own), names, size), in_memory(own, names))


# datasets of Arrow


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_datasets(tmp_path, ending, size):
    ds.write_dataset(rows(), tmp_path, format=ending, max_rows_per_file=9, max_rows_per_group=4)
    dataset = ds.dataset(tmp_path, format=ending)
    for _ in range(2):
        source = sources.open(dataset)
        assert_same(read(source, size=size), in_memory(dataset.to_table()))
    assert source.describe() == "a dataset of 3 fragments"


def test_a_filter_of_a_dataset_and_its_partitions(tmp_path):
    ds.write_dataset(
        rows(), tmp_path, format="parquet", partitioning=["g"], partitioning_flavor="hive"
    )
    whole = ds.dataset(tmp_path, partitioning="hive")
    some = whole.filter(ds.field("count") < 11)
    for dataset in (whole, some):
        source, names = sources.open(dataset), ["count", "g", "y"]
        assert_same(read(source, names), in_memory(dataset.to_table(), names))
    source = sources.open(whole)
    pieces = [pickle.loads(pickle.dumps(p)) for p in source.pieces(names)]
    assert len(pieces) == 4
    batches = [b for p in pieces for b in p.batches(names)]
    assert_same(in_memory(pa.Table.from_batches(batches), names), read(source, names))
    with pytest.raises(DataError, match="dataset with a filter cannot be read by other processes"):
        pickle.dumps(sources.open(some))


def test_a_dataset_says_which_fragment_and_row_group_are_bad(folder):
    source = sources.open(ds.dataset(folder))
    path = folder / "1.parquet"
    at = pq.ParquetFile(path).metadata.row_group(1).column(0).dictionary_page_offset
    content = bytearray(path.read_bytes())
    content[at : at + 12] = b"\xff" * 12
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"1\.parquet, row groups 0 to 2 cannot be read"):
        list(source.batches(["y"]))
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"1\.parquet.* cannot be read: .*Parquet"):
        list(sources.open(ds.dataset(folder)).batches(["y"]))


def test_a_fragment_that_lacks_a_column_is_named(folder):
    pq.write_table(rows().drop_columns(["x"]), folder / "2.parquet")
    with pytest.raises(DataError, match=r"'x' is missing in 1 of 3 fragments .*2\.parquet"):
        sources.open(ds.dataset(folder)).batches(["x"])


# DuckDB


@pytest.mark.parametrize("size", SIZES)
def test_duckdb(connection, size):
    expected = in_memory(connection.table("d").to_arrow_table())
    for data in (connection.table("d"), (connection, "select * from d")):
        source = sources.open(data)
        for _ in range(2):
            assert_same(read(source, size=size), expected)


def test_a_duckdb_column_of_any_name(connection):
    name = 'odd "name".x'
    connection.execute('create table odd as select 1 as "odd ""name"".x", 2 as b')
    assert read(sources.open(connection.table("odd")), [name])[name].tolist() == [1]


def test_a_query_with_parameters(connection):
    query = "select * from d where count > ?"
    ((n,),) = connection.sql("select count(*) from d where count > 4").fetchall()
    source = sources.open((connection, query, [4]))
    for _ in range(2):
        assert 0 < sum(b.num_rows for b in source.batches(["y"])) == n < rows().num_rows
    with pytest.raises(DataError, match=r"cannot be run.*not provided"):
        sources.open((connection, query))


def test_duckdb_hands_its_connection_back_after_each_pass(connection):
    source = sources.open(connection.table("d"))
    batches = source.batches(["y"], 2)
    next(batches)
    batches.close()
    assert connection.sql("select count(*) from d").fetchall() == [(rows().num_rows,)]


def test_what_duckdb_says_is_passed_on(connection):
    with pytest.raises(
        DataError, match=r"'select nope from d' cannot be run: .*\"nope\" not found"
    ):
        sources.open((connection, "select nope from d"))
    with pytest.raises(DataError, match=r"pass \(connection, \"select"):
        sources.open(connection)
    boom = sources.open((connection, "select error('boom') as y from d"))
    with pytest.raises(DataError, match=r"DuckDB query .* cannot be read: .*boom"):
        list(boom.batches(["y"]))
    with pytest.raises(DataError, match=r"no column 'z'; there are 'y', 'x'"):
        sources.open((connection, "select y, x from d")).batches(["z"])


def test_a_query_of_other_rows_each_time_is_refused(connection):
    source = sources.open(connection.table("d"))
    list(source.batches(["y"]))
    connection.execute("delete from d where count = 3")
    with pytest.raises(DataError, match=r"a DuckDB relation changed .*: 23 rows in an earlier"):
        list(source.batches(["y"]))


def test_a_relation_does_not_travel(connection):
    with pytest.raises(DataError, match="write it to Parquet files"):
        pickle.dumps(sources.open(connection.table("d")))


# Polars


@pytest.mark.parametrize("size", SIZES)
def test_lazy_frames(size):
    frame = pl.from_arrow(rows().drop_columns(["arm"])).with_columns(
        sex=pl.Series(["m", "f", None] * 7 + ["f", "f"], dtype=pl.Enum(["m", "f", "other"])),
        land=pl.Series(["z", "a"] * 11 + ["b"], dtype=pl.Categorical),
        wide=pl.Series(range(23), dtype=pl.Int32),
    )
    source = sources.open(frame.lazy())
    for _ in range(2):
        assert_same(read(source, frame.columns, size), in_memory(frame, frame.columns))


def test_a_lazy_frame_reads_files_and_passes_on_what_fails(folder):
    lazy = pl.scan_parquet(folder).filter(pl.col("count") > 4)
    assert read(sources.open(lazy), ["count"])["count"].tolist() == list(range(5, 23))
    with pytest.raises(DataError, match='LazyFrame cannot be read: unable to find column "nope"'):
        sources.open(lazy.select("nope")).batches(["nope"])
    late = pl.LazyFrame({"a": ["1"] * 5000 + ["x"]}).select(pl.col("a").cast(pl.Int64))
    with pytest.raises(DataError, match="LazyFrame cannot be read: conversion"):
        list(sources.open(late).batches(["a"], 100))


def test_a_function_that_fails_in_a_lazy_frame_is_said():
    def fails(s):
        raise ZeroDivisionError("no such y")

    lazy = (
        pl.DataFrame({"y": [1.0]}).lazy().with_columns(y=pl.col("y").map_batches(fails, pl.Float64))
    )
    with pytest.raises(DataError, match=r"LazyFrame cannot be read: .*no such y"):
        list(sources.open(lazy).batches(["y"]))


def test_a_polars_that_loses_errors_is_refused(monkeypatch):
    monkeypatch.setattr(pl, "__version__", "1.37.1")
    with pytest.raises(MissingExtraError, match=r"Polars 1\.37\.1 loses .* pip install --upgrade"):
        sources.open(pl.LazyFrame())


# Ibis


@pytest.mark.parametrize("size", SIZES)
def test_ibis_tables(size):
    ibis = pytest.importorskip("ibis")
    frame = pl.from_arrow(rows().select(["y", "x", "count", "g", "holes", "site"]))
    table = ibis.polars.connect({"d": frame.lazy()}).table("d")
    source = sources.open(table)
    for _ in range(2):
        assert_same(read(source, frame.columns, size), in_memory(frame, frame.columns))
    with pytest.raises(DataError, match="Parquet files"):
        pickle.dumps(source)
    with pytest.raises(DataError, match=r"Ibis table .* cannot be read by its backend"):
        list(sources.open(table.mutate(y=table.g.cast("int64"))).batches(["y"]))


@pytest.mark.filterwarnings("ignore:fetch_arrow_table")  # which Ibis calls
@pytest.mark.parametrize("size", SIZES)
def test_ibis_tables_of_duckdb(size, tmp_path):
    """Of files and of tables in memory; Ibis 12 cannot hand out batches of DuckDB from 2.0 on."""
    ibis = pytest.importorskip("ibis")
    names = ["y", "x", "count", "g"]
    frame = in_memory(rows().select(names), names)
    path = tmp_path / "rows.parquet"
    frame.to_parquet(path)
    for table in (ibis.duckdb.connect().read_parquet(path), ibis.memtable(rows().select(names))):
        source = sources.open(table)
        for _ in range(2):
            assert_same(read(source, names, size), frame)
    with pytest.raises(DataError, match=r"Ibis table .* cannot be read by its backend"):
        list(sources.open(table.mutate(y=table.g.cast("int64"))).batches(["y"]))


# Dask


@pytest.mark.parametrize("size", SIZES)
def test_dask_data_frames(size):
    frame = in_memory(rows()).drop(columns=["price"])
    names, source = list(frame.columns), sources.open(dd.from_pandas(frame, npartitions=4))
    for _ in range(2):
        assert_same(read(source, names, size), frame)
    assert len(source.pieces(["y"])) == 4
    assert source.describe() == "a Dask DataFrame of 4 partitions"


# what is none


class Frame:
    """Of a library that is not read in batches."""


def test_what_is_no_source_says_what_is():
    reader = pa.RecordBatchReader.from_batches(rows().schema, rows().to_batches())
    with pytest.raises(DataError, match=r"RecordBatchReader; it can be read once, .*read_all\(\)"):
        sources.open(reader)
    with (
        closing(sqlite3.connect(":memory:")) as database,
        pytest.raises(DataError, match=r"a sqlite3 Connection; attach the database to a DuckDB"),
    ):
        sources.open(database)
    for data in (Frame(), {"y": [1]}, np.zeros(3), None, 7, []):
        with pytest.raises(DataError, match="cannot be read in batches; pass a path, a list of"):
            sources.open(data)


def test_frames_in_memory_are_no_sources_and_all_else_is(connection, tmp_path):
    assert not any(map(sources.is_source, (rows(), pd.DataFrame(), pl.DataFrame(), None, {}, [])))
    for data in (
        "d.csv", tmp_path, ["a.csv", "b.csv"], ds.dataset(rows()), connection.table("d"),
        (connection, "select 1"), pl.LazyFrame(), sources.open(rows()),
    ):  # fmt: skip
        assert sources.is_source(data)
    assert not sources.is_source(pa.RecordBatchReader.from_batches(rows().schema, []))


def test_an_absent_library_has_its_command(monkeypatch):
    def absent(module):
        raise ImportError(module)

    monkeypatch.setattr(libraries, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r"pyarrow, .*pip install mixedbayes\[files\]"):
        sources.open("tests")
    with pytest.raises(MissingExtraError, match=r"needs dask, .*pip install mixedbayes\[dask\]"):
        libraries.library("dask.dataframe", "dask", "a pass by Dask")


def test_duckdb_streams(connection):
    connection.execute("set memory_limit = '100MB'; set temp_directory = ''")
    query = "select range::double as y from range(25_000_000)"  # 200 MB
    rows = sum(b.num_rows for b in sources.open((connection, query)).batches(["y"]))
    assert rows == 25_000_000


def test_names_of_all_types_are_read_from_each_kind():
    assert set(NAMES) == set(sources.open(rows()).names)
