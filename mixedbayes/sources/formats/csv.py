"""CSV and TSV, compressed or not.

Values are read as pandas reads them: what stands for missing, True and False, and dates stay text.
A column's type is that of all its values. Arrow guesses it from the first block of a file, so that
the columns of longer files are read once more, before the first pass, to see whether it holds.
Columns are separated by what is as often in the header as in the line below; where that is no
comma, numbers have the decimal point that more of those at the beginning have.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from mixedbayes.errors import DataError
from mixedbayes.sources.formats.base import Format, Head, Part
from mixedbayes.sources.libraries import arrow
from mixedbayes.sources.types import first_line

_BLOCK = 4 * 2**20  # bytes
_COMPRESSED = (".gz", ".bz2", ".zst", ".lz4")
_MISSING = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
]  # fmt: skip
_WHOLE = r"^(0|-?[1-9][0-9]{0,17})$"  # as Python writes it
_HEADER = 2**16  # bytes, in which the first line ends
_SEPARATORS = b",;\t|"  # the first of those that are as frequent
_COLUMN = re.compile(r"In CSV column #(\d+): (?:Row #\d+: )?CSV conversion error")


class Csv(Format):
    """One header line, and what separates its names; in .tsv tabs."""

    name = "CSV"
    untyped = True
    endings = tuple(f"{e}{c}" for e in (".csv", ".tsv") for c in ("", *_COMPRESSED))

    def head(self, path: str) -> Head:
        pa = arrow()
        with _opened(path, [], {}) as reader:
            guess = reader.schema
        fields = [pa.field(f.name, _as_pandas(f.type)) for f in guess]
        return Head(pa.schema(fields))

    def read(
        self, parts: Sequence[Part], columns: list[str], schema: Any, size: int
    ) -> Generator[tuple[Part, Any]]:
        for part in parts:
            own = [name for name in columns if name in part.head.schema.names]
            kinds = {name: schema.field(name).type for name in own}
            try:
                reader = _opened(part.path, own, kinds)
            except arrow().ArrowInvalid as error:
                raise _damaged(part.path, error) from error
            with reader:
                yield from ((part, batch) for batch in _batches(reader, part.path))

    def settled(self, part: Part, columns: Sequence[str]) -> Mapping[str, Any]:
        pa, schema = arrow(), part.head.schema
        own = [name for name in columns if name in schema.names and name not in part.settled]
        kinds = {name: schema.field(name).type for name in own}
        compressed = part.path.lower().endswith(_COMPRESSED)
        if part.stamp[0] < _BLOCK and not compressed:
            return kinds  # the first block is the file
        guessed = {n for n, kind in kinds.items() if pa.types.is_null(kind)}
        while open_ := [name for name, kind in kinds.items() if kind != pa.string()]:
            try:
                with _opened(part.path, open_, kinds) as reader:
                    for _ in reader:
                        pass
                return kinds
            except pa.ArrowInvalid as error:
                if (found := _COLUMN.search(str(error))) is None:
                    raise _damaged(part.path, error) from error
                name = open_[_number(found, schema.names, open_)]
                kinds[name] = _wider(kinds[name], name in guessed)
        return kinds

    def texts(self, part: Part, columns: Sequence[str]) -> list[str]:
        pa, pc = arrow(), arrow("pyarrow.compute")
        own = [name for name in columns if name in part.head.schema.names]
        found: dict[str, None] = {}
        if not own:
            return []
        with _opened(part.path, own, dict.fromkeys(own, pa.string())) as reader:
            for batch in _batches(reader, part.path):
                for name in own:
                    plain = pc.match_substring_regex(batch.column(name), _WHOLE)
                    if pc.any(pc.invert(plain)).as_py():
                        found[name] = None
        return list(found)


def _number(found: re.Match[str], names: list[str], included: list[str]) -> int:
    """Of the included columns, the one that Arrow means: it counts those of the file."""
    return included.index(names[int(found[1])])


def _wider(kind: Any, guessed: bool) -> Any:
    """The next type, of a column whose first block was empty (guessed) or had this one."""
    pa = arrow()
    chain = [pa.null(), pa.int64(), *([pa.bool_()] if guessed else []), pa.float64(), pa.string()]
    return chain[chain.index(kind) + 1] if kind in chain else pa.string()


def _as_pandas(kind: Any) -> Any:
    """The type that pandas would have."""
    pa = arrow()
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    kept = numbers or pa.types.is_boolean(kind) or pa.types.is_null(kind)
    return kind if kept else pa.string()


def _opened(path: str, columns: list[str], kinds: Mapping[str, Any]) -> Any:
    """Arrow's reader of some columns ([]: all) in these types, where there are any."""
    pa, csv = arrow(), arrow("pyarrow.csv")
    try:
        separator, decimal = _written(path)
        stream = pa.input_stream(path, compression="detect")
        return csv.open_csv(
            stream,
            read_options=csv.ReadOptions(block_size=_BLOCK),
            parse_options=csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                decimal_point=decimal,
                include_columns=columns or None,
                column_types={name: kinds[name] for name in columns},
                null_values=_MISSING,
                true_values=["True", "TRUE", "true"],
                false_values=["False", "FALSE", "false"],
                strings_can_be_null=True,
            ),
        )
    except pa.lib.ArrowCancelled:
        raise
    except (pa.ArrowException, OSError) as error:
        if columns and _COLUMN.search(str(error)):
            raise  # a type that does not hold
        raise _damaged(path, error) from error


def _written(path: str) -> tuple[str, str]:
    """What separates the columns of a file, and the decimal point of its numbers."""
    with arrow().input_stream(path, compression="detect") as stream:
        begin = stream.read(_HEADER)
        names, first, *_ = (*re.sub(rb'"[^"]*"', b"", begin).split(b"\n", 2), b"")
        both = [s for s in _SEPARATORS if 0 < names.count(s) == first.count(s)]
        tabs = ".tsv" in path.lower().rpartition("/")[2]
        separator = b"\t" if tabs else bytes([max(both or _SEPARATORS, key=names.count)])
        if separator == b",":
            return ",", "."
        begin += stream.read(_BLOCK - _HEADER)
    edge = b"[" + separator + b"\r\n]"
    number = rb'(?<=%s)"?[-+]?[0-9]*%s[0-9]+"?(?=%s)'
    points, commas = (len(re.findall(number % (edge, p, edge), begin)) for p in (rb"\.", b","))
    return separator.decode(), "," if commas > points else "."


def _batches(reader: Any, path: str) -> Iterator[Any]:
    pa = arrow()
    try:
        yield from reader
    except pa.lib.ArrowCancelled:
        raise
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def _damaged(path: str, error: BaseException) -> DataError:
    said = first_line(error)
    if "Empty CSV" in said:
        return DataError(f"{path}: the file is empty; a table has at least a header line")
    return DataError(f"{path}: not a UTF-8 table with a header: {said}")
