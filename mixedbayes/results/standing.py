"""Rows that stand for those of a source, in files: further columns of the frame, and plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.design.standing import Apart, Floats, Standing
from mixedbayes.errors import FileError
from mixedbayes.results.files import Each

# What a file says of them; see `results.files`.
KIND = {
    "log_weights": float,
    "inverse_weights": float,
    "total": int,
    "used": int,
    "dropped": Each(int),
    "moments": bool,
    "source": str,
    "weighted": bool,
    "computed": Each(int),  # number of columns
    "fields": Each([str]),
    "numbers": [str],
    "states": Each(Each((float, [float], [[float]]))),
    "ranges": Each([float]),
    "parts?": Each(int),  # of grouping columns, where rows take part in some of them
}
ROWS, _WEIGHTS, _COMPUTED = "(rows)", "(weights)", "(computed {}, {})"
_TOGETHER, _SINGLE, _ACTIVE = "(together)", "(single)", "(active {})"


def encode(frame: pd.DataFrame, standing: Standing) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The frame with what its rows stand for, and the rest in plain types."""
    further: dict[str, Floats] = {ROWS: standing.counts}
    if standing.weights is not None:
        further[_WEIGHTS] = standing.weights
    for k, columns in enumerate(standing.computed.values()):
        further |= {_COMPUTED.format(k, j): column for j, column in enumerate(columns.T)}
    said: dict[str, Any] = {}
    if (apart := standing.apart) is not None:
        said["parts"] = {name: int(part) for name, part in apart.parts.items()}
        further |= {_TOGETHER: apart.counts, _SINGLE: apart.single.astype(float)}
        further |= {_ACTIVE.format(k): own.astype(float) for k, own in enumerate(apart.active.T)}
    if taken := sorted(further.keys() & set(frame.columns)):
        raise FileError(f"a column is called {taken[0]!r}, as files call what rows stand for")
    own = frame.assign(**further)
    own.attrs = frame.attrs
    return own, {
        "log_weights": float(standing.log_weights),
        "inverse_weights": float(standing.inverse_weights),
        "total": int(standing.total),
        "used": int(standing.used),
        "dropped": {name: int(n) for name, n in standing.dropped.items()},
        "moments": standing.moments,
        "source": standing.source,
        "weighted": standing.weights is not None,
        "computed": {text: columns.shape[1] for text, columns in standing.computed.items()},
        "fields": {text: list(names) for text, names in standing.fields.items()},
        "numbers": sorted(standing.numbers),
        "states": {
            text: {
                name: value if isinstance(value, list) else float(value)  # type: ignore[arg-type]
                for name, value in state.items()
            }
            for text, state in standing.states.items()
        },
        "ranges": {name: [float(v) for v in ends] for name, ends in standing.ranges.items()},
        **said,
    }


def decode(frame: pd.DataFrame, said: Mapping[str, Any]) -> tuple[pd.DataFrame, Standing]:
    """The frame, and what its rows stand for; FileError where the two do not agree."""
    computed = {
        text: [_COMPUTED.format(k, j) for j in range(width)]
        for k, (text, width) in enumerate(said["computed"].items())
    }
    own = [ROWS, *([_WEIGHTS] if said["weighted"] else [])]
    own += [name for names in computed.values() for name in names]
    parts = said.get("parts", {})
    active = [_ACTIVE.format(k) for k in range(max(parts.values(), default=-1) + 1)]
    own += [_TOGETHER, _SINGLE, *active] if parts else []
    numbers = {name: _numbers(frame, name) for name in own}
    counts, weights = numbers[ROWS], numbers.get(_WEIGHTS)
    least = 0.0 if weights is None or parts else weights.min(initial=0.0)
    if min(counts.min(initial=0.0), least) < 0:
        raise FileError("rows stand for fewer than no rows")
    apart = None
    if parts:
        there = np.stack([numbers[name] > 0 for name in active], axis=1)
        apart = Apart(parts, there, numbers[_SINGLE].astype(np.int64), numbers[_TOGETHER])
        if weights is None or not np.array_equal(apart.rows_of(0), counts):
            raise FileError("rows stand for others in all parts of the model than in the first")
    if not np.isclose(counts.sum(), said["used"], rtol=1e-6) or said["used"] > said["total"]:
        raise FileError(f"rows stand for {counts.sum():,.0f} rows, and not for {said['used']:,}")
    standing = Standing(
        counts,
        weights,
        said["log_weights"],
        said["inverse_weights"],
        said["total"],
        said["used"],
        said["dropped"],
        said["moments"],
        said["source"],
        {text: _columns(numbers, names, len(frame)) for text, names in computed.items()},
        {text: tuple(names) for text, names in said["fields"].items()},
        frozenset(said["numbers"]),
        said["states"],
        {name: (ends[0], ends[1]) for name, ends in said["ranges"].items()},
        apart,
    )
    left = frame.drop(columns=own)
    left.attrs = frame.attrs
    return left, standing


def _columns(numbers: Mapping[str, Floats], names: list[str], n: int) -> Floats:
    return np.stack([numbers[name] for name in names], axis=1) if names else np.zeros((n, 0))


def _numbers(frame: pd.DataFrame, name: str) -> Floats:
    if name not in frame or not pd.api.types.is_float_dtype(frame[name].dtype):
        raise FileError(f"its column {name!r} is missing, or holds no numbers")
    values = np.array(frame[name], np.float64)  # compiled code takes no read-only memory
    if not np.isfinite(values).all():
        raise FileError(f"its column {name!r} is not finite")
    return values
