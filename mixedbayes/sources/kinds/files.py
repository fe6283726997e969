"""Files, folders and globs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mixedbayes.errors import DataError, listed
from mixedbayes.sources import paths, types
from mixedbayes.sources.ahead import ahead
from mixedbayes.sources.base import Source, as_parts
from mixedbayes.sources.formats.base import Format, Head, Part, stamp
from mixedbayes.sources.formats.csv import Csv
from mixedbayes.sources.formats.ipc import Ipc
from mixedbayes.sources.formats.parquet import Parquet
from mixedbayes.sources.libraries import arrow

FORMATS: tuple[Format, ...] = (Parquet(), Csv(), Ipc())
ENDINGS = tuple(ending for form in FORMATS for ending in form.endings)


@dataclass(eq=False)
class Files(Source):
    """Files of one format, in their order."""

    form: Format
    parts: Sequence[Part]
    given: str  # as the user named them
    fixed: Any = None  # the schema of a piece, which is that of the whole
    labels: frozenset[str] = frozenset()  # columns whose values stay as they are written

    @classmethod
    def takes(cls, data: Any) -> bool:
        return paths.is_path(data)

    @classmethod
    def opened(cls, data: Any) -> Source:
        given, found = paths.files(data, ENDINGS)
        form, known = _format(found), list[Head]()
        keys = paths.typed([paths.keys(path) for path in found])
        parts = [
            Part(path, _shared(form.head(path), known), stamp(path), tuple(own.items()))
            for path, own in zip(found, keys, strict=True)
        ]
        return cls(form, parts, given)

    def describe(self) -> str:
        n = len({part.path for part in self.parts})
        if n == 1:
            groups = self.parts[0].groups
            own = "" if groups is None else _row_groups(groups)
            return f"{own}{self.form.name} file {self.parts[0].path}"
        where = f"{self.given.rstrip('/')}/" if Path(self.given).is_dir() else self.given
        return f"{n:,} {self.form.name} files in {where}"

    @cached_property
    def names(self) -> tuple[str, ...]:
        if self.fixed is not None:
            return tuple(self.fixed.names)
        most: Counter[str] = Counter()
        for schema in {id(p.head.schema): p.head.schema for p in self.parts}.values():
            most |= Counter(schema.names)
        return (*most.elements(), *(name for name in self._keys() if name not in most))

    @cached_property
    def schema(self) -> Any:
        return self._unified(list(dict.fromkeys(self.names)))

    def _types(self, columns: list[str]) -> Any:
        if self.fixed is not None:
            return super()._types(columns)
        self._settle(columns)
        return self._unified(columns)

    def _settle(self, columns: list[str]) -> None:
        """Find the types of columns that the beginning of a file only lets guess."""
        self.parts = [_retyped(p, self.form.settled(p, columns), columns) for p in self.parts]
        if own := [name for name in columns if name in self.labels]:
            texts = {name for part in self.parts for name in self.form.texts(part, own)}
            kinds = dict.fromkeys(texts, arrow().string())
            self.parts = [_retyped(p, _there(kinds, p), own) for p in self.parts]
            self.labels -= {*own}  # their types are known now

    def labelled(self, columns: Iterable[str]) -> Source:
        return replace(self, labels=frozenset(columns))

    def _unified(self, columns: list[str]) -> Any:
        if self.fixed is not None:
            return self.fixed
        pa = arrow()
        keys = {
            name: _of_key([dict(p.keys).get(name) for p in self.parts]) for name in self._keys()
        }
        each: dict[int, tuple[str, Any]] = {}
        for part in self.parts:
            schema = part.head.schema
            if id(schema) not in each:
                names = [name for name in columns if schema.names.count(name) == 1]
                own = [schema.field(name) for name in names]
                own += [pa.field(n, k) for n, k in keys.items() if n in columns and n not in names]
                each[id(schema)] = (part.path, pa.schema(own))
        unified = types.unified(list(each.values()), untyped=self.form.untyped)
        return pa.schema([unified.field(name) for name in columns if name in unified.names])

    def _keys(self) -> list[str]:
        return list(dict.fromkeys(name for part in self.parts for name, _ in part.keys))

    def _check(self, columns: list[str]) -> None:
        super()._check(columns)
        for name in columns:
            absent = [
                p.path for p in self.parts if name not in (*p.head.schema.names, *dict(p.keys))
            ]
            if absent:
                raise DataError(
                    f"column {name!r} is missing in {len(absent):,} of {len(self.parts):,} files: "
                    f"{listed(absent, 3)}. Add it to them, or leave them out"
                )

    @property
    def rows(self) -> int | None:
        each = [_rows(part) for part in self.parts]
        return self.counted if None in each else sum(n for n in each if n is not None)

    def _placed(self, columns: list[str], schema: Any, size: int) -> Iterator[tuple[str, Any]]:
        for part in self.parts:
            _check_unchanged(part)
        for part, batch in ahead(self.form.read(self.parts, columns, schema, size)):
            if batch.num_rows:
                yield part.path, _with_keys(batch, part, columns, schema)

    def pieces(self, columns: Sequence[str]) -> list[Source]:
        fixed = self.typed(columns)
        made: list[Source] = []
        for part in self.parts:
            made += [Files(self.form, [own], self.given, fixed) for own in self.form.pieces(part)]
        return as_parts(made)


def _format(found: list[str]) -> Format:
    """The one format of all files."""
    by: Counter[str] = Counter()
    for path in found:
        if paths.ending(path, ENDINGS) is None:
            raise DataError(f"{path}: not one of {', '.join(ENDINGS)}")
        by[next(f.name for f in FORMATS if paths.ending(path, f.endings))] += 1
    if len(by) > 1:
        counts = ", ".join(f"{n:,} {name}" for name, n in by.items())
        raise DataError(f"the files are of several formats: {counts}. Name those of one format")
    return next(f for f in FORMATS if f.name in by)


def _row_groups(groups: Sequence[int]) -> str:
    return f"row group{'s' * (len(groups) > 1)} {', '.join(map(str, groups))} of "


def _shared(head: Head, known: list[Head]) -> Head:
    """The head, with the schema of an earlier file where it is the same, for memory's sake."""
    same = next((k.schema for k in known if k.schema.equals(head.schema)), None)
    if same is None:
        known.append(head)
    return head if same is None else replace(head, schema=same)


def _there(kinds: Mapping[str, Any], part: Part) -> dict[str, Any]:
    """Of columns that a file has."""
    return {name: kind for name, kind in kinds.items() if name in part.head.schema.names}


def _retyped(part: Part, kinds: Mapping[str, Any], columns: Sequence[str]) -> Part:
    """The part with types that were found for these columns."""
    schema, pa = part.head.schema, arrow()
    settled = part.settled | frozenset(columns)
    if all(schema.field(name).type == kind for name, kind in kinds.items()):
        return part if settled == part.settled else replace(part, settled=settled)
    fields = [pa.field(f.name, kinds.get(f.name, f.type)) for f in schema]
    return replace(part, head=replace(part.head, schema=pa.schema(fields)), settled=settled)


def _of_key(values: Sequence[Any]) -> Any:
    """The type of a folders' key."""
    pa = arrow()
    return pa.int64() if any(isinstance(v, int) for v in values) else pa.string()


def _with_keys(batch: Any, part: Part, columns: list[str], schema: Any) -> Any:
    """With the keys of the folders; DataError where the file has another value of one."""
    pa = arrow()
    for name, value in part.keys:
        if name in columns and name not in batch.schema.names:
            kind = schema.field(name).type
            column = pa.repeat(pa.scalar(value, kind), batch.num_rows)
            batch = batch.append_column(name, column)
        elif name in columns:
            _check_key(batch.column(name), part.path, name, value)
    return batch


def _check_key(column: Any, path: str, name: str, value: Any) -> None:
    """Raise DataError where a file has another label or whole number than its folder says."""
    labels = [v for v in column.unique().to_pylist() if isinstance(v, int | str)]
    if other := [v for v in labels if v != value and str(v) != str(value)]:
        raise DataError(
            f"{path} has {name} = {other[0]!r} in some row, and lies in a folder that says "
            f"{name} = {value!r}: leave the column out of the file, or move it"
        )


def _rows(part: Part) -> int | None:
    groups = part.head.groups
    if part.groups is None or groups is None:
        return part.head.rows
    return sum(groups[k] for k in part.groups)


def _check_unchanged(part: Part) -> None:
    """Raise DataError if a file is not the one that was opened."""
    try:
        now = stamp(part.path)
    except OSError as error:
        raise DataError(f"{part.path} was there when the data were opened: {error}") from error
    if now != part.stamp:
        raise DataError(
            f"{part.path} changed after it was opened: {part.stamp[0]:,} bytes then, {now[0]:,} "
            "now. Every pass has to see the same rows: open the data again when nobody writes them"
        )
