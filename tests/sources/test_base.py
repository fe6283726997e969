"""What every source does with what a kind reads."""

import pyarrow as pa
import pytest

from mixedbayes import sources
from mixedbayes.errors import DataError
from mixedbayes.sources.base import Whole
from mixedbayes.sources.categories import Categories


def table(n=10):
    return pa.table({"y": [float(k) for k in range(n)], "g": [str(k % 3) for k in range(n)]})


def whole(source, columns, size):
    batches = list(source.batches(columns, size))
    return batches, pa.Table.from_batches(batches)


@pytest.mark.parametrize("size", [1, 3, 7, 10, 1000])
@pytest.mark.parametrize("chunks", [1, 2, 9])
def test_batches_have_all_rows_in_their_order_again_and_again(size, chunks):
    data = pa.concat_tables([table().slice(k, 1) for k in range(10)]) if chunks == 9 else table()
    source = sources.open(data)
    for _ in range(2):
        batches, found = whole(source, ["g", "y"], size)
        assert found.to_pydict() == {name: data.column(name).to_pylist() for name in ("g", "y")}
        assert all(1 <= b.num_rows <= size for b in batches)
    assert source.rows == 10


def test_small_batches_are_put_together():
    data = pa.concat_tables([table(2)] * 50)
    batches, _ = whole(sources.open(data), ["y"], 20)
    assert len(batches) < 12


def test_only_columns_that_are_there_once():
    source = sources.open(table())
    with pytest.raises(DataError, match="no column 'x'; there are 'y', 'g'"):
        source.batches(["y", "x"])
    twice = sources.open(pa.table([[1], [2]], names=["a", "a"]))
    with pytest.raises(DataError, match="more than one column 'a'"):
        twice.batches(["a"])


def test_no_rows_are_refused():
    with pytest.raises(DataError, match="a table of 0 rows x 2 columns: no rows"):
        list(sources.open(table(0)).batches(["y"]))


class Changing(Whole):
    """One row more in each pass."""

    seen = 0

    @classmethod
    def takes(cls, data):
        return False

    @classmethod
    def opened(cls, data):
        return cls()

    def describe(self):
        return "a changing table"

    schema = table().schema

    def _read(self, columns, size):
        self.seen += 1
        yield table(self.seen).select(columns)


def test_a_source_that_changes_between_passes_is_refused():
    source = Changing()
    list(source.batches(["y"]))
    with pytest.raises(DataError, match=r"changed while it was read: 1 rows in an earlier pass, 2"):
        list(source.batches(["y"]))


def test_pieces_have_the_rows_among_them():
    data = pa.concat_tables([table(1000)] * 300)
    pieces = sources.open(data).pieces(["y", "g"])
    assert len(pieces) > 1
    found = pa.concat_tables([whole(p, ["y", "g"], 1 << 17)[1] for p in pieces])
    assert found.equals(data)


def test_categories_that_agree_keep_their_order_and_others_are_sorted():
    def column(values, ordered=False):
        kind = pa.dictionary(pa.int32(), pa.string(), ordered=ordered)
        return pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), values).cast(kind)

    same, apart = Categories("g"), Categories("g")
    for _ in range(2):
        same.add(column(["c", "a"]))
    assert same.levels() == ("c", "a")
    apart.add(column(["c", "a"]))
    apart.add(column(["b", "c"]))
    assert apart.levels() == ("a", "b", "c")
    assert same.combine(apart).levels() == ("a", "b", "c")
    ordered = Categories("g")
    ordered.add(pa.DictionaryArray.from_arrays([0], ["low", "high"], ordered=True))
    with pytest.raises(DataError, match="ordered categories of column 'g' differ"):
        ordered.add(pa.DictionaryArray.from_arrays([0], ["low", "mid", "high"], ordered=True))
