import gzip

import pandas as pd
import pytest

from mixedbayes.cli.read import read_table
from mixedbayes.errors import DataError


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_group_labels_with_leading_zeros_stay_as_written(tmp_path):
    path = write(tmp_path / "d.csv", "y,g,h\n1,007,7\n2,010,10\n")
    frame = read_table(path, labels={"g", "h"})
    assert frame["g"].tolist() == ["007", "010"]
    assert frame["h"].tolist() == [7, 10]
    assert frame["y"].tolist() == [1, 2]


def test_missing_labels_stay_missing(tmp_path):
    frame = read_table(write(tmp_path / "d.csv", "y,g\n1,3\n2,\n"), labels={"g"})
    assert frame["g"].isna().tolist() == [False, True]
    assert frame["g"].iloc[0] == 3


def test_a_factor_that_is_no_column_is_left_to_the_design(tmp_path):
    frame = read_table(write(tmp_path / "d.csv", "y\n1\n"), labels=())
    assert list(read_table(tmp_path / "d.csv", labels={"g"})) == list(frame) == ["y"]


def test_tabs_gzip_byte_order_mark_and_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    expected = pd.DataFrame({"y": [1.5, 2.5], "g": ["a", "b"]})
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"y,g\n1.5,a\n2.5,b\n"))
    (tmp_path / "b.csv").write_bytes(b"\xef\xbb\xbfy,g\n1.5,a\n2.5,b\n")
    write(tmp_path / "c.tsv", "y\tg\n1.5\ta\n2.5\tb\n")
    expected.to_parquet(tmp_path / "d.parquet")
    for name in ("a.csv.gz", "b.csv", "c.tsv", "d.parquet"):
        pd.testing.assert_frame_equal(read_table(tmp_path / name), expected)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.xlsx", b"PK", r"not one of \.csv"),
        ("d.csv", b"", "not a UTF-8 table"),
        ("d.csv", b"y,g\n", "the table has no rows"),
        ("d.csv", b"y,g\n\xff\xfe,1\n", "not a UTF-8 table"),
        ("d.csv", b"y,g\n1,2\n1,2,3,4\n", "not a UTF-8 table with a header"),
        ("d.csv.gz", b"not gzip", "not a"),
        ("d.parquet", b"not parquet", "not a Parquet file"),
    ],
)
def test_a_file_that_is_no_table(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_table(tmp_path / name)
    assert name in str(caught.value)
