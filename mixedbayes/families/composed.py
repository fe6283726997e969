"""One compiled row density of several families: each row's is that of its response."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from mixedbayes.families.links import Identity
from mixedbayes.families.rows import RowDensity, compiled, shared_of_row


@cache
def composed(densities: tuple[RowDensity, ...], places: tuple[tuple[int, ...], ...]) -> RowDensity:
    """Rows whose last parameter is the number of their response, 0, 1, ....

    places
        Of each response's own parameters among all of them, the last one not among these.
    """
    m = 1 + max((k for own in places for k in own), default=-1)
    pairs = zip(densities, places, strict=True)
    odds = sorted({own[k] for density, own in pairs for k in density.odds})
    row: Any = _impossible(m)
    for k in reversed(range(len(densities))):
        row = _either(k, densities[k], places[k], m, row)
    return RowDensity(
        row,
        Identity,
        concave=all(d.concave for d in densities),
        smooth=all(d.smooth for d in densities),
        odds=tuple(odds),
    )


def _impossible(m: int) -> Any:
    """Of a row of no response, which there is not."""
    nothing = _put((), m)

    @compiled
    def row(t, y, size, extra, parameters, shared):
        return 0.0, 0.0, nothing(())

    return row


def _either(k: int, density: RowDensity, places: tuple[int, ...], m: int, others: Any) -> Any:
    """The rows of the k-th response, and those of others."""
    own, once, take, put = density.row, density.once, _take(places), _put(places, m)
    whole = shared_of_row(density.kept)

    @compiled
    def row(t, y, size, extra, parameters, shared):
        if parameters[m] == k:
            mine = take(parameters)
            value, slope, d = own(t, y, size, extra, mine, whole(y, size, extra, mine, once(mine)))
            return value, slope, put(d)
        return others(t, y, size, extra, parameters, shared)

    return row


def _take(places: Sequence[int]) -> Any:
    """Some of a tuple."""
    if not places:

        @compiled
        def none(values):
            return ()

        return none
    first, rest = places[0], _take(places[1:])

    @compiled
    def some(values):
        return (values[first], *rest(values))

    return some


def _put(places: Sequence[int], m: int, at: int = 0) -> Any:
    """Derivatives by all m parameters and by the response's number, from those by some."""
    if at > m:

        @compiled
        def none(values):
            return ()

        return none
    rest = _put(places, m, at + 1)
    if at in places:
        k = tuple(places).index(at)

        @compiled
        def there(values):
            return (values[k], *rest(values))

        return there

    @compiled
    def zero(values):
        return (0.0, *rest(values))

    return zero
