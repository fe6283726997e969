"""Types of columns: the few that batches have, and one for all files.

What a data frame in memory tells apart is told apart here: whole numbers and doubles of their
width, True and False, text, categories, times with unit and zone. How a file lays these out is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mixedbayes.errors import DataError
from mixedbayes.sources.libraries import arrow

_INT64_DIGITS = 18  # of a decimal that always is an int64


def plain(kind: Any) -> Any:
    """The type in which batches have a column of this type.

    Text of any layout is `string`, binary `binary`; categories are dictionaries with int32 codes;
    runs are written out; dates of 64 bits are dates. Decimals are whole numbers where they have
    no digits after the point, and doubles otherwise. A column that is wholly missing is one of
    doubles.
    """
    pa = arrow()
    types = pa.types
    if types.is_dictionary(kind):
        return pa.dictionary(pa.int32(), plain(kind.value_type), ordered=kind.ordered)
    if types.is_run_end_encoded(kind):
        return plain(kind.value_type)
    if types.is_large_string(kind) or types.is_string_view(kind):
        return pa.string()
    if types.is_large_binary(kind) or types.is_binary_view(kind):
        return pa.binary()
    if types.is_decimal(kind):
        return pa.int64() if kind.scale <= 0 else pa.float64()
    if types.is_float16(kind):
        return pa.float32()
    if types.is_date64(kind):
        return pa.date32()
    if types.is_null(kind):
        return pa.float64()
    return kind


def plain_schema(schema: Any) -> Any:
    """A schema in these types, without metadata."""
    pa = arrow()
    return pa.schema([pa.field(f.name, plain(f.type)) for f in schema])


def unified(schemas: Sequence[tuple[str, Any]], *, untyped: bool = False) -> Any:
    """One schema for all of (where, schema): columns in the order in which they first appear.

    Whole numbers and doubles are promoted as Arrow promotes them, text and categories of text make
    text, and what is wholly missing somewhere has the type that it has elsewhere. Of files whose
    values have no types, whole numbers in one and text in another are text, too.

    Raises
    ------
    DataError
        If a column's types have nothing in common; the message has both places.
    """
    pa = arrow()
    first: dict[str, tuple[str, Any]] = {}
    for where, schema in schemas:
        for field in schema:
            if field.name not in first:
                first[field.name] = (where, field.type)
            elif first[field.name][1] != field.type:
                before, known = first[field.name]
                if untyped and _labels(known, field.type):
                    kind = pa.string()
                else:
                    kind = _common(field.name, before, known, where, field.type)
                first[field.name] = (where if kind == field.type else before, kind)
    return plain_schema(pa.schema([pa.field(name, kind) for name, (_, kind) in first.items()]))


def _labels(a: Any, b: Any) -> bool:
    """Whether one is text, and the other whole numbers, which may be labels of the same kind."""
    types = arrow().types
    return any(types.is_string(x) and types.is_integer(y) for x, y in ((a, b), (b, a)))


def _common(name: str, here: str, a: Any, there: str, b: Any) -> Any:
    pa = arrow()
    types = pa.types
    if types.is_null(a) or types.is_null(b):
        return b if types.is_null(a) else a
    pair = [plain(a), plain(b)]
    if pair[0] == pair[1]:
        return pair[0]
    if all(map(types.is_dictionary, pair)) and pair[0].value_type == pair[1].value_type:
        return pa.dictionary(pa.int32(), pair[0].value_type)  # ordered in one only
    pair = [k.value_type if types.is_dictionary(k) else k for k in pair]
    fields = [pa.schema([pa.field(name, k)]) for k in pair]
    numbers = [types.is_integer(k) or types.is_floating(k) for k in pair]
    moments = [types.is_timestamp(k) or types.is_date(k) for k in pair]
    if pair[0] == pair[1] or all(numbers) or all(moments) or all(map(types.is_duration, pair)):
        try:
            return pa.unify_schemas(fields, promote_options="permissive").field(0).type
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            pass  # such as times with a zone and without
    raise DataError(
        f"column {name!r} is {said(a)} in {here} and {said(b)} in {there}, which have no type in "
        "common; write it with one type in all of them"
    )


def said(kind: Any) -> str:
    """A type in the words of users."""
    types = arrow().types
    if types.is_dictionary(kind):
        return f"categories ({said(kind.value_type)})"
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    if types.is_boolean(kind):
        return "True and False"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return f"numbers ({kind})"
    return str(kind)


def cast(batch: Any, schema: Any, where: str) -> Any:
    """A batch in the types of `schema`, which has the same columns.

    Raises
    ------
    DataError
        If a value has no place in its type, such as a whole number that no double equals; the
        message names the column and `where`.
    """
    pa = arrow()
    if batch.schema.equals(schema):
        return batch
    columns = []
    for field in schema:
        try:
            columns.append(_column(batch.column(field.name), field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DataError(
                f"column {field.name!r} of {where} cannot be read as {said(field.type)}, the type "
                f"that it has throughout: {first_line(error)}"
            ) from error
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _column(column: Any, kind: Any) -> Any:
    pa = arrow()
    types = pa.types
    if types.is_run_end_encoded(column.type):
        column = arrow("pyarrow.compute").run_end_decode(column)
    if column.type == kind:
        return column
    if not types.is_dictionary(column.type):
        if types.is_dictionary(kind):
            return _column(column.dictionary_encode(), kind)
        if types.is_decimal(column.type) and types.is_floating(kind):
            return column.cast(kind, safe=False)  # the nearest double
        return column.cast(kind)
    if not types.is_dictionary(kind):
        return column.dictionary_decode().cast(kind)
    codes = column.indices.cast(kind.index_type)
    values = column.dictionary.cast(kind.value_type)
    if values.null_count:
        mapped = pa.array(_places(values), kind.index_type)
        codes, values = mapped.take(codes), values.drop_null()
    return pa.DictionaryArray.from_arrays(codes, values, ordered=kind.ordered)


def _places(values: Any) -> list[int | None]:
    """Of each value its place among those that are not missing."""
    places, present = [], iter(range(len(values)))
    for valid in values.is_valid().to_pylist():
        places.append(next(present) if valid else None)
    return places


def first_line(error: BaseException) -> str:
    """What a library says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
