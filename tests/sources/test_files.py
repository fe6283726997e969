"""Files, folders and globs give the rows that a data frame in memory has."""

import os
import threading
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from source_data import NAMES, assert_same, in_memory, read, rows

from mixedbayes import sources
from mixedbayes.errors import DataError

SIZES = (1, 5, 7, 1000)


def parquet(table, path, rows_of_group=6):
    pq.write_table(table, path, row_group_size=rows_of_group)


def stream(table, path):
    with pa.ipc.new_stream(str(path), table.schema) as out:
        out.write_table(table, max_chunksize=6)


WRITERS = {
    "parquet": parquet,
    "pq": parquet,
    "feather": lambda t, p: pa.feather.write_feather(t, str(p), chunksize=6),
    "arrow": stream,
}


def folder(path, write, ending, table=None, n=3):
    """Rows in files of unequal length."""
    table = rows() if table is None else table
    cuts = [0, *(5 + 9 * k for k in range(n - 1)), table.num_rows]
    for k in range(n):
        write(table.slice(cuts[k], cuts[k + 1] - cuts[k]), path / f"{k}.{ending}")
    return path


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ending", WRITERS)
def test_a_folder_has_the_rows_and_types_of_the_frame(tmp_path, ending, size):
    where = folder(tmp_path, WRITERS[ending], ending)
    source = sources.open(where)
    for _ in range(2):
        assert_same(read(source, size=size), in_memory(rows()))
    assert source.rows == rows().num_rows


@pytest.mark.parametrize("ending", WRITERS)
def test_only_the_columns_that_are_asked_for_in_the_order_asked(tmp_path, ending):
    source = sources.open(folder(tmp_path, WRITERS[ending], ending))
    (batch, *_) = source.batches(["g", "y"])
    assert batch.schema.names == ["g", "y"]


def test_a_list_is_read_in_its_order_and_a_glob_by_names(tmp_path):
    where = folder(tmp_path, parquet, "parquet")
    files = [str(where / f"{k}.parquet") for k in (2, 0, 1)]
    turned = pa.concat_tables(pq.read_table(f) for f in files)
    assert_same(read(sources.open(files)), in_memory(turned))
    assert_same(read(sources.open(str(where / "*.parquet"))), in_memory(rows()))
    assert_same(read(sources.open(where / "1.parquet")), in_memory(pq.read_table(files[2])))


def test_messages_say_what_the_data_are(tmp_path):
    folder(tmp_path, parquet, "parquet")
    assert sources.open(tmp_path).describe() == f"3 Parquet files in {tmp_path}/"
    assert sources.open(f"{tmp_path}/*.pa*").describe() == f"3 Parquet files in {tmp_path}/*.pa*"
    one = str(tmp_path / "0.parquet")
    assert sources.open(one).describe() == f"Parquet file {one}"
    two = sources.open([one, str(tmp_path / "2.parquet")])
    assert two.describe() == "2 Parquet files in a list of 2 paths"


def test_keys_of_folders_are_columns(tmp_path):
    table = rows()
    whole = table.append_column("year", pa.array([2020 + k % 3 for k in range(table.num_rows)]))
    whole = whole.append_column("land", pa.array(["a b", "c/d"] * 11 + ["a b"]))
    ds.write_dataset(
        whole, tmp_path, format="parquet", partitioning=["year", "land"], partitioning_flavor="hive"
    )
    (tmp_path / "_SUCCESS").write_text("")
    source, names = sources.open(tmp_path), ["count", "year", "land"]
    found = read(source, names).sort_values("count", ignore_index=True)
    assert_same(found, in_memory(whole, names))
    assert source.names[-2:] == ("year", "land")
    one = read(sources.open(f"{tmp_path}/year=2021/*"), names)
    assert set(one["land"]) == {"a b", "c/d"}
    assert set(one["year"]) == {2021}


def test_a_key_that_its_files_contradict_is_named(tmp_path):
    for year in (2020, 2021):
        (tmp_path / f"year={year}").mkdir()
        own = {"y": [1.0, 2.0], "year": pa.array([str(year)] * 2).dictionary_encode()}
        pq.write_table(pa.table(own), tmp_path / f"year={year}" / "a.parquet")
    assert read(sources.open(tmp_path), ["year"])["year"].tolist() == ["2020"] * 2 + ["2021"] * 2
    (tmp_path / "year=2021").rename(tmp_path / "year=2022")
    with pytest.raises(DataError, match=r"a\.parquet has year = '2021' .* says year = 2022"):
        list(sources.open(tmp_path).batches(["year"]))
    assert read(sources.open(tmp_path), ["y"])["y"].tolist() == [1.0, 2.0] * 2


# CSV


def text_rows():
    data = rows().select(["y", "x", "holes", "count", "visits", "yes", "g", "day"]).to_pandas()
    data = data.round(3)  # older versions of pandas miss the last digit of more
    data["label"] = ["x, y", 'say "so"', "two\nlines"] * 7 + ["NA", ""]
    return data.assign(day=data["day"].astype(str), empty=[None] * len(data))


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz", "tsv.gz", "csv.bz2"])
@pytest.mark.parametrize("size", [3, 1000])
def test_csv_is_read_as_pandas_reads_it(tmp_path, ending, size):
    data, separator = text_rows(), "\t" if "tsv" in ending else ","
    for k in range(2):
        data[k::2].to_csv(tmp_path / f"{k}.{ending}", index=False, sep=separator)
    files = [tmp_path / f"{k}.{ending}" for k in range(2)]
    whole = pd.concat([pd.read_csv(f, sep=separator) for f in files], ignore_index=True)
    names = list(data.columns)
    for _ in range(2):
        found = read(sources.open(tmp_path), names, size)
        pd.testing.assert_frame_equal(found, in_memory(whole, names), check_exact=True)


@pytest.mark.parametrize(
    ("separator", "decimal"), [(";", "."), (";", ","), ("\t", ","), ("|", ".")]
)
@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_csv_of_other_separators(tmp_path, separator, decimal, ending):
    """What separates columns, and the decimal point of numbers, are those of the file."""
    data = text_rows()
    data["two, or more"] = data["x"]
    data["part"] = [f"{k}.{k}" for k in range(len(data))]  # of a version, say
    path = tmp_path / f"a.{ending}"
    data.to_csv(path, index=False, sep=separator, decimal=decimal, encoding="utf-8-sig")
    names = [name for name in data.columns if name != "part"]
    expected = pd.read_csv(path, sep=separator, decimal=decimal, encoding="utf-8-sig")
    found = read(sources.open(path), names)
    pd.testing.assert_frame_equal(found, in_memory(expected, names))


def test_what_separates_columns_is_in_rows_as_well(tmp_path):
    for text, names in {
        "time (h; min; s),y\n3,2\n": ["time (h; min; s)", "y"],
        "share (of x, y);y;z\n3;2;1\n": ["share (of x, y)", "y", "z"],
        "y;x\n": ["y", "x"],
        "y\n1\n": ["y"],
    }.items():
        (tmp_path / "a.csv").write_text(text)
        assert list(sources.open(tmp_path / "a.csv").names) == names


def test_labels_of_which_some_files_have_whole_numbers_alone(tmp_path):
    """A column's type is that of all its values, in whichever files they are."""
    (tmp_path / "a.csv").write_text("g,x\n1,1\n02,2\n")
    (tmp_path / "b.csv").write_text("g,x\nA3,4.5\n1,3\n")
    (tmp_path / "c.csv").write_text("g,x\n7,3\n")
    found = read(sources.open(tmp_path), ["g", "x"])
    assert found["g"].tolist() == ["1", "02", "A3", "1", "7"]
    assert found["x"].tolist() == [1, 2, 4.5, 3, 3]
    (tmp_path / "c.csv").write_text("g,x\n7,?\n")
    with pytest.raises(
        DataError, match=r"'x' is numbers \(double\) in .*b\.csv and text in .*c\.csv"
    ):
        list(sources.open(tmp_path).batches(["x"]))


def test_the_types_of_a_long_csv_are_those_of_all_its_values(tmp_path, monkeypatch):
    monkeypatch.setattr("mixedbayes.sources.formats.csv._BLOCK", 400)
    n = 300
    data = pd.DataFrame(
        {
            "late_text": [*range(n - 1), "end"],
            "late_double": [*range(n - 1), 0.5],
            "late_number": [None] * (n - 1) + [7],
            "late_flag": [None] * (n - 1) + [True],
            "number": range(n),
            "text": [f"t{k}" for k in range(n)],
        }
    ).astype({"late_number": "Int64", "late_flag": object})
    data.to_csv(tmp_path / "d.csv", index=False)
    source, names = sources.open(tmp_path / "d.csv"), list(data.columns)
    kinds = dict(zip(names, source.typed(names).types, strict=True))
    assert list(map(str, kinds.values())) == [
        "string",
        "double",
        "int64",
        "bool",
        "int64",
        "string",
    ]
    found = read(source, names, 50)
    assert found["late_text"].tolist() == [str(k) for k in data["late_text"]]
    assert found["late_double"].tolist() == data["late_double"].tolist()
    pieces = source.pieces(["late_double"])
    kinds = {b.schema.field(0).type for p in pieces for b in p.batches(["late_double"])}
    assert kinds == {pa.float64()}


# what differs by file


def put(path, **files):
    for name, table in files.items():
        pq.write_table(pa.table(table), path / f"{name}.parquet")
    return sources.open(path)


def test_numbers_are_promoted_and_what_is_missing_takes_the_type_of_the_rest(tmp_path):
    source = put(
        tmp_path,
        a={"i": pa.array([1], pa.int32()), "d": pa.array([1], pa.int64()), "n": pa.nulls(1)},
        b={"i": pa.array([2], pa.int64()), "d": pa.array([0.5]), "n": pa.array(["t"])},
    )
    assert list(map(str, source.typed(["i", "d", "n"]).types)) == ["int64", "double", "string"]
    assert read(source, ["i", "d"]).to_dict("list") == {"i": [1, 2], "d": [1.0, 0.5]}


def test_text_against_numbers_names_both_files(tmp_path):
    source = put(tmp_path, a={"g": [1], "x": [1]}, b={"g": ["one"], "x": [2]})
    with pytest.raises(DataError, match=r"column 'g' is numbers \(int64\) in .*a\.parquet and text "
                       r"in .*b\.parquet"):  # fmt: skip
        list(source.batches(["g"]))
    assert read(source, ["x"])["x"].tolist() == [1, 2]  # a column that is not used may differ


def test_a_number_that_no_double_equals_is_refused_with_its_file(tmp_path):
    source = put(tmp_path, a={"id": [0.5]}, b={"id": [2**60 + 1]})
    with pytest.raises(DataError, match=r"column 'id' of .*b\.parquet cannot be read as numbers"):
        list(source.batches(["id"]))


def test_moments_with_a_zone_and_without_are_refused(tmp_path):
    a, b = (pa.array([0], pa.timestamp("us", zone)) for zone in (None, "UTC"))
    source = put(tmp_path, a={"t": a}, b={"t": b})
    with pytest.raises(DataError, match=r"timestamp\[us\] in .*and timestamp\[us, tz=UTC\] in"):
        source.typed(["t"])


def test_a_column_that_some_files_lack_is_named_with_them(tmp_path):
    source = put(tmp_path, a={"y": [1], "x": [1]}, b={"y": [1]}, c={"y": [1]})
    with pytest.raises(DataError, match=r"'x' is missing in 2 of 3 files: .*b\.parquet'"):
        source.batches(["y", "x"])


def test_categories_that_differ_by_file_come_with_their_batches(tmp_path):
    source = put(
        tmp_path,
        a={"g": pa.DictionaryArray.from_arrays([0, 1], ["b", "c"])},
        b={"g": pa.DictionaryArray.from_arrays([1, 0], ["a", "b"])},
        c={"g": ["z"]},
    )
    assert source.typed(["g"]).types == [pa.string()]  # one file has text
    assert read(source, ["g"])["g"].tolist() == ["b", "c", "b", "a", "z"]
    two = sources.open([tmp_path / "a.parquet", tmp_path / "b.parquet"])
    seen = sources.Categories("g")
    for batch in two.batches(["g"]):
        seen.add(batch.column("g"))
    assert seen.levels() == ("a", "b", "c")
    assert read(two, ["g"])["g"].tolist() == ["b", "c", "b", "a"]


# what cannot be read


@pytest.mark.parametrize("ending", WRITERS)
def test_a_damaged_file_is_named(tmp_path, ending):
    folder(tmp_path, WRITERS[ending], ending)
    (tmp_path / f"1.{ending}").write_bytes(b"no such thing" * 9)
    with pytest.raises(DataError, match=rf"1\.{ending}: the file cannot be read as"):
        sources.open(tmp_path)


@pytest.mark.parametrize("ending", ["parquet", "feather", "csv"])
def test_a_file_of_no_bytes_is_named(tmp_path, ending):
    (tmp_path / f"a.{ending}").write_bytes(b"")
    with pytest.raises(DataError, match=rf"a\.{ending}: the file"):
        sources.open(tmp_path)


def test_a_damaged_row_group_is_named(tmp_path):
    folder(tmp_path, parquet, "parquet", rows().select(["y", "count"]))
    path = tmp_path / "1.parquet"
    at = pq.ParquetFile(path).metadata.row_group(1).column(0).dictionary_page_offset
    content = bytearray(path.read_bytes())
    content[at : at + 12] = b"\xff" * 12
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"1\.parquet: row group 1 of 2 cannot be read as Parquet"):
        list(sources.open(tmp_path).batches(["y"]))


def test_a_damaged_batch_of_arrow_is_named(tmp_path):
    path = tmp_path / "a.arrow"
    stream(rows(), path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(DataError, match=r"a\.arrow: record batch [12] cannot be read as Arrow IPC"):
        list(sources.open(path).batches(["y"]))


def test_a_bad_line_of_csv_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("y,x\n1,2\n1,2,3\n")
    with pytest.raises(DataError, match=r"a\.csv: not a UTF-8 table with a header: .*got 3: 1,2,3"):
        list(sources.open(tmp_path).batches(["y"]))


def test_text_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"y,g\n1,\xff\xfe\n")
    (tmp_path / "b.csv").write_bytes(b"y,g\n1,b\n")
    with pytest.raises(DataError, match=r"a\.csv: not a UTF-8 table"):
        list(sources.open(tmp_path).batches(["g"]))


@pytest.mark.parametrize("empty", ["", " ", ["", "b.parquet"]])
def test_an_empty_path_is_no_folder(empty, tmp_path, monkeypatch):
    put(tmp_path, b={"y": [1.0]})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"the path '\s*' is empty"):
        sources.open(empty)


def test_files_without_rows_are_passed_over_unless_all_are(tmp_path):
    source = put(tmp_path, a={"y": [1.0]}, b={"y": pa.array([], pa.float64())})
    assert read(source, ["y"])["y"].tolist() == [1.0]
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(DataError, match=r"Parquet file .*b\.parquet: no rows"):
        list(sources.open(tmp_path).batches(["y"]))


def test_a_file_that_changed_is_named(tmp_path):
    source = put(tmp_path, a={"y": [1.0]}, b={"y": [2.0]})
    list(source.batches(["y"]))
    pq.write_table(pa.table({"y": [1.0, 2.0, 3.0]}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"b\.parquet changed after it was opened"):
        list(source.batches(["y"]))
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(DataError, match=r"a\.parquet was there when the data were opened"):
        list(source.batches(["y"]))


# which files


def test_no_match_says_where_it_looked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.csv").write_text("y\n1\n")
    with pytest.raises(DataError, match=rf"data/\*\.csv: no file matches \(in {tmp_path}\)"):
        sources.open("data/*.csv")
    with pytest.raises(DataError, match=r"on\.csv: no such file or folder .*there are 'one\.csv'"):
        sources.open("on.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"none of the 0 files in this folder ends in \.parquet"):
        sources.open("empty")


def test_several_formats_are_refused_with_their_counts(tmp_path):
    folder(tmp_path, parquet, "parquet")
    (tmp_path / "more.csv").write_text("y\n1\n")
    with pytest.raises(DataError, match=r"several formats: 3 Parquet, 1 CSV"):
        sources.open(tmp_path)
    (tmp_path / "d.xlsx").write_text("")
    with pytest.raises(DataError, match=r"d\.xlsx: not one of \.parquet"):
        sources.open(tmp_path / "d.xlsx")


def test_a_file_named_twice_is_refused(tmp_path):
    folder(tmp_path, parquet, "parquet")
    with pytest.raises(DataError, match=r"0\.parquet' would be read more than once"):
        sources.open([tmp_path / "*.parquet", tmp_path / "0.parquet"])


def test_a_link_to_one_of_the_files_is_refused(tmp_path):
    folder(tmp_path, parquet, "parquet")
    (tmp_path / "9.parquet").symlink_to(tmp_path / "0.parquet")
    with pytest.raises(DataError, match=r"9\.parquet' would be read more than once.*no link"):
        sources.open(tmp_path)


def test_addresses_and_tables_with_a_log_have_their_remedy(tmp_path):
    with pytest.raises(DataError, match=r'pass pyarrow\.dataset\.dataset\("s3://b/d"\)'):
        sources.open("s3://b/d")
    (tmp_path / "_delta_log").mkdir()
    with pytest.raises(DataError, match=r"is a Delta table: .*deltalake\.DeltaTable"):
        sources.open(tmp_path)


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("y,y,x\n1,2,3\n")
    source = sources.open(tmp_path)
    with pytest.raises(DataError, match="more than one column 'y'"):
        source.batches(["y"])
    assert read(source, ["x"])["x"].tolist() == [3]


# pieces


@pytest.mark.parametrize("ending", [*WRITERS, "csv"])
def test_pieces_travel_and_have_the_rows_among_them(tmp_path, ending):
    import pickle

    if ending == "csv":
        pa.csv.write_csv(rows().select(["y", "g"]), tmp_path / "a.csv")
        names = ["y", "g"]
    else:
        folder(tmp_path, WRITERS[ending], ending)
        names = NAMES
    source = sources.open(tmp_path)
    pieces = [pickle.loads(pickle.dumps(p)) for p in source.pieces(names)]
    assert len(pieces) >= (1 if ending == "csv" else 3)
    batches = [b for p in pieces for b in p.batches(names)]
    whole = pa.Table.from_batches(batches).unify_dictionaries()
    assert_same(in_memory(whole, names), read(source, names))


def test_pieces_have_the_types_of_all_files(tmp_path):
    source = put(tmp_path, a={"x": [1]}, b={"x": [0.5]})
    kinds = [b.schema.types for p in source.pieces(["x"]) for b in p.batches(["x"])]
    assert kinds == [[pa.float64()]] * 2


def test_memory_is_that_of_some_batches(tmp_path):
    n, files = 50_000, 40
    table = pa.table({"y": np.random.default_rng(1).normal(size=n), "more": list(range(n))})
    for k in range(files):
        pq.write_table(table, tmp_path / f"{k}.parquet", row_group_size=n // 2)
    source, before, most = sources.open(tmp_path), pa.total_allocated_bytes(), 0
    for batch in source.batches(["y"], n // 2):
        time.sleep(0.002)  # whoever uses the rows is slower than who reads them
        assert batch.num_rows
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < files * n * 8 / 5  # bytes of the whole column; a fifth of them


def test_pieces_of_a_file_have_whole_row_groups(tmp_path, monkeypatch):
    parquet(rows(), tmp_path / "a.parquet", 4)  # 4, 4, 4, 4, 4, 3 rows
    monkeypatch.setattr("mixedbayes.sources.formats.parquet.PIECE", 9)
    pieces = sources.open(tmp_path).pieces(["y"])
    assert [p.rows for p in pieces] == [8, 8, 7]
    assert pieces[1].describe() == f"row groups 2, 3 of Parquet file {tmp_path}/a.parquet"


def test_who_stops_early_leaves_no_thread_behind(tmp_path):
    folder(tmp_path, parquet, "parquet")
    before = threading.active_count()
    batches = sources.open(tmp_path).batches(["y"], 1)
    next(batches)
    batches.close()
    assert threading.active_count() == before


def test_a_path_that_a_user_may_type(tmp_path, monkeypatch):
    folder(tmp_path, parquet, "PARQUET")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert sources.open("~/0.PARQUET").rows == 5
    assert sources.open(os.fspath(tmp_path) + "/").rows == rows().num_rows


def test_labels_as_they_are_written(tmp_path):
    """Grouping columns that are asked for so are whole numbers where all of them are written so."""
    rows = {"a.csv": "g,h,k,m,y\n1,007,1,True,01\n2,8,2,,02\n", "b.csv": "g,h,k,m,y\n,9,1.0,,3\n"}
    for name, text in rows.items():
        (tmp_path / name).write_text(text)
    source = sources.open(tmp_path).labelled(["g", "h", "k", "m", "absent"])
    found = pa.Table.from_batches(source.batches(["g", "h", "k", "m", "y"])).to_pydict()
    assert found == {
        "g": [1, 2, None],
        "h": ["007", "8", "9"],
        "k": ["1", "2", "1.0"],
        "m": ["True", None, None],
        "y": [1, 2, 3],
    }
    as_usual = pa.Table.from_batches(sources.open(tmp_path).batches(["h"])).to_pydict()
    assert as_usual == {"h": [7, 8, 9]}
