"""One pass over a source by several processes, as a tree of sums.

A pass is two functions. `partial(batches)` makes sums of an iterator of record batches;
`combine(a, b)` puts two such sums together. Both are functions of a module, so that they can
travel, and `combine` is associative. Every engine that can map and reduce runs a pass by these two,
and `reduce` has three of them: this process, `concurrent.futures`, and Dask.

Ray, with the pieces of the same source::

    import ray
    from mixedbayes import sources
    from mixedbayes.sources.reduce import summed, together, tree

    pieces = sources.open("data/").pieces(columns)
    one, two = ray.remote(summed), ray.remote(together)
    parts = [one.remote(piece, columns, partial) for piece in pieces]
    rows, sums = ray.get(tree(parts, lambda a, b: two.remote(a, b, combine)))

Spark, with a data frame of its own, whose partitions come as record batches::

    def of_partition(batches):
        yield pa.RecordBatch.from_pydict({"sums": [pickle.dumps(partial(batches))]})

    parts = frame.select(columns).mapInArrow(of_partition, "sums binary").toLocalIterator()
    sums = functools.reduce(combine, (pickle.loads(row.sums) for row in parts))

where the batches have Spark's types, and `types.plain_schema` and `types.cast` give those of the
other sources.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing
from functools import partial as bound
from typing import Any

from mixedbayes.errors import ModelError
from mixedbayes.sources.base import SIZE, Source
from mixedbayes.sources.libraries import library, made_by

type Partial[S] = Callable[[Iterator[Any]], S]
type Combine[S] = Callable[[S, S], S]
type Summed[S] = tuple[int, S]  # rows, and the sums of them


def reduce[S](
    source: Source,
    columns: Sequence[str],
    partial: Partial[S],
    combine: Combine[S],
    *,
    on: Any = None,
    size: int = SIZE,
) -> S:
    """Sums over all rows of a source.

    The tree is the same wherever it runs, and neighbours are combined, so that sums of the same
    pieces have the same digits.

    Parameters
    ----------
    source
        Whose `pieces` are read.
    columns
        Names of the columns that `partial` gets.
    partial, combine
        See above. `partial` may get no batch at all, of a piece without rows.
    on
        None: this process, batch after batch, without pieces, or where the source's own passes run,
        `Source.on`. A `concurrent.futures.Executor`; a `dask.distributed.Client`, which runs a
        piece again where a worker is lost; or "dask", whichever scheduler of Dask is active.
    size
        Rows of a batch.

    Raises
    ------
    DataError
        As `Source.batches` does.
    ModelError
        If `on` is something else.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from mixedbayes import sources
    >>> rows = lambda batches: sum(batch.num_rows for batch in batches)
    >>> reduce(sources.open(pa.table({"y": [1.0, 2.0, 3.0]})), ["y"], rows, int.__add__)
    3
    """
    columns = list(dict.fromkeys(columns))
    source.typed(columns)
    on = source.on if on is None else on
    where = next((kind for kind in PLACES if kind.takes(on)), None)
    if where is None:
        raise ModelError(
            f"on={type(on).__name__} is not understood: give None, an executor of "
            'concurrent.futures, a dask.distributed.Client, or "dask"'
        )
    rows, sums = where.run(source, on, columns, partial, combine, size)
    source.expect(rows)
    return sums


def summed[S](piece: Source, columns: list[str], partial: Partial[S], size: int = SIZE) -> Summed:
    """Rows of one piece, and their sums; a task."""
    rows = 0

    def counted(batches: Iterator[Any]) -> Iterator[Any]:
        nonlocal rows
        for batch in batches:
            rows += batch.num_rows
            yield batch

    with closing(piece.batches(columns, size)) as batches:  # what reads ahead ends with it
        sums = partial(counted(batches))
    return rows, sums


def together[S](a: Summed, b: Summed, combine: Combine[S]) -> Summed:
    """Two results of `summed`, or of itself; a task."""
    return a[0] + b[0], combine(a[1], b[1])


def tree[T](things: Sequence[T], both: Callable[[T, T], T]) -> T:
    """One of many, by putting neighbours together, level by level."""
    level = list(things)
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [both(a, b) for a, b in pairs] + ([level[-1]] if len(level) % 2 else [])
    return level[0]


DASK = "dask"


class Place(ABC):
    """Where a pass runs."""

    @abstractmethod
    def takes(self, on: Any) -> bool:
        """Whether it runs there."""

    @abstractmethod
    def run(
        self, source: Source, on: Any, columns: list[str], partial: Any, combine: Any, size: int
    ) -> Summed:
        """Rows and sums of the whole source."""


class Dask(Place):
    """Tasks of Dask: on a client's workers, or on whatever scheduler is active."""

    def takes(self, on: Any) -> bool:
        return made_by(on, "distributed", "Client") or (isinstance(on, str) and on == DASK)

    def run(
        self, source: Source, on: Any, columns: list[str], partial: Any, combine: Any, size: int
    ) -> Summed:
        dask = library("dask", "dask", "a pass by Dask")
        one, two = dask.delayed(summed, pure=False), dask.delayed(together, pure=False)
        parts = [one(piece, columns, partial, size) for piece in source.pieces(columns)]
        root = tree(parts, lambda a, b: two(a, b, combine))
        if isinstance(on, str):
            return dask.compute(root)[0]
        future = on.compute(root)
        try:
            return future.result()
        finally:
            future.cancel()  # what is not done yet after an error or Ctrl-C


class Pool(Place):
    """Processes or threads of an executor of concurrent.futures."""

    def takes(self, on: Any) -> bool:
        return isinstance(on, Executor)

    def run(
        self, source: Source, on: Any, columns: list[str], partial: Any, combine: Any, size: int
    ) -> Summed:
        task = bound(summed, columns=columns, partial=partial, size=size)
        parts = [on.submit(task, piece) for piece in source.pieces(columns)]
        try:
            return tree([p.result() for p in parts], bound(together, combine=combine))
        finally:
            for part in parts:
                part.cancel()


class Here(Place):
    """This process, one batch after the other."""

    def takes(self, on: Any) -> bool:
        return on is None

    def run(
        self, source: Source, on: Any, columns: list[str], partial: Any, combine: Any, size: int
    ) -> Summed:
        return summed(source, columns, partial, size)


PLACES: tuple[Place, ...] = (Dask(), Pool(), Here())
