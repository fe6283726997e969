"""Arrow's own format, also called Feather."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

from mixedbayes.errors import DataError
from mixedbayes.sources.formats.base import Format, Head, Part, damaged
from mixedbayes.sources.libraries import arrow

_FILE, _FIRST_FEATHER = b"ARROW1", b"FEA1"


class Ipc(Format):
    """Files of record batches; also what was written as a stream."""

    name = "Arrow IPC"
    endings = (".feather", ".arrow", ".ipc", ".arrows")

    def head(self, path: str) -> Head:
        pa = arrow()
        try:
            with open(path, "rb") as file:
                begin = file.read(len(_FILE))
            if begin.startswith(_FIRST_FEATHER):
                raise DataError(
                    f"{path}: Feather of the first version, which newer versions of Arrow do not "
                    "write; write it again, as Parquet for example"
                )
            with pa.OSFile(path) as file, _reader(file, begin, None) as reader:
                schema = reader.schema.remove_metadata()
            rows = None
            if begin == _FILE:
                dataset, fs = arrow("pyarrow.dataset"), arrow("pyarrow.fs").LocalFileSystem()
                rows = dataset.IpcFileFormat().make_fragment(path, fs).count_rows()
            return Head(schema, rows)
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, DataError):
                raise
            raise damaged(self.name, path, "", error) from error

    def read(
        self, parts: Sequence[Part], columns: list[str], schema: Any, size: int
    ) -> Generator[tuple[Part, Any]]:
        for part in parts:
            own = part.head.schema
            number = [k for k, name in enumerate(own.names) if name in columns]
            for batch in self._batches(part.path, number):
                yield part, batch

    def _batches(self, path: str, fields: list[int]) -> Iterator[Any]:
        pa, done = arrow(), 0
        try:
            with open(path, "rb") as file:
                begin = file.read(len(_FILE))
            with pa.OSFile(path) as file, _reader(file, begin, fields) as reader:
                if begin == _FILE:
                    for done in range(reader.num_record_batches):
                        yield reader.get_batch(done)
                else:
                    for batch in reader:
                        yield batch
                        done += 1
        except pa.lib.ArrowCancelled:
            raise
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, DataError):
                raise
            raise damaged(self.name, path, f"record batch {done} ", error) from error


def _reader(file: Any, begin: bytes, fields: list[int] | None) -> Any:
    ipc = arrow("pyarrow.ipc")
    options = ipc.IpcReadOptions(included_fields=fields)
    kind = ipc.open_file if begin == _FILE else ipc.open_stream
    return kind(file, options=options)
