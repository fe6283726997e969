"""Splines, polynomials and contrasts: formulaic's, behind a narrow door.

This is the only module that imports formulaic, and only when a formula asks for one of these.
Formulas are never handed to formulaic as text: it would evaluate Python.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.design.types import Floats
from mixedbayes.errors import DataError

_MOST_COLUMNS = 200  # of one spline or polynomial
_SETTINGS = frozenset(
    ("df", "knots", "degree", "include_intercept", "lower_bound", "upper_bound", "constraints",
     "extrapolation")
)  # fmt: skip


def poly(state: dict[str, Any], x: Floats, degree: int = 1, raw: bool = False) -> Floats:
    """Polynomial of a degree: orthonormal columns, or the plain powers with raw=True: (n, degree).

    The basis is orthogonal over the fitted data and kept for new data, as R's `poly`.
    """
    from formulaic.transforms import poly as transform

    degree = _whole("degree", degree)
    if not isinstance(raw, bool | np.bool_):
        raise DataError(f"raw must be True or False, got {raw!r}")
    if degree >= len(np.unique(x)) and not state and not raw:
        raise DataError(f"degree {degree} needs more than {degree} distinct values")
    found = np.asarray(transform(x, degree, raw=raw, _state=state), dtype=np.float64)
    for name, learned in state.items():  # numbers in their order, as rows in batches have them
        if isinstance(learned, dict):
            state[name] = [float(learned[k]) for k in sorted(learned)]
    return found


def bs(state: dict[str, Any], x: Floats, df: Any = None, **settings: Any) -> Floats:
    """B-spline basis (n, df), with the knots of the fitted data, as R's `splines::bs`.

    `df`, `knots`, `degree`, `include_intercept`, `lower_bound`, `upper_bound`, and
    `extrapolation`: "raise" (default) for values outside the bounds, or "extend", "clip", "zero".
    """
    from formulaic.transforms import basis_spline

    return _spline(basis_spline, state, x, {"df": df, **settings})


def cr(state: dict[str, Any], x: Floats, df: Any = None, **settings: Any) -> Floats:
    """Natural cubic regression spline (n, df), as `cr` of R's mgcv.

    Centred over the fitted data, so that it stands next to an intercept; constraints=None keeps
    the constant in it.
    """
    from formulaic.transforms import natural_cubic_spline

    return _spline(natural_cubic_spline, state, x, {"df": df, "constraints": "center", **settings})


def cc(state: dict[str, Any], x: Floats, df: Any = None, **settings: Any) -> Floats:
    """Cyclic cubic regression spline (n, df), as `cc` of R's mgcv; centred like `cr`."""
    from formulaic.transforms import cyclic_cubic_spline

    return _spline(cyclic_cubic_spline, state, x, {"df": df, "constraints": "center", **settings})


def _spline(transform: Any, state: dict[str, Any], x: Floats, settings: dict[str, Any]) -> Floats:
    for name in settings.keys() - _SETTINGS:
        meant = "; mgcv's k is df here" if name == "k" else ""
        raise DataError(
            f"there is no setting {name!r}{meant}; there are {', '.join(sorted(_SETTINGS))}"
        )
    for name in ("df", "degree"):
        if settings.get(name) is not None:
            settings[name] = _whole(name, settings[name])
    knots = settings.get("knots")
    if knots is not None and len(knots) > _MOST_COLUMNS:
        raise DataError(f"{len(knots)} knots; at most {_MOST_COLUMNS}")
    if knots is None and settings.get("df") is None and "constraints" in settings:
        raise DataError("say how many columns the spline has, as in df=4, or give its knots")
    if isinstance(known := state.get("constraints"), list):
        state["constraints"] = np.asarray(known, np.float64)
    basis = transform(x, _state=state, **settings)
    return np.column_stack([np.asarray(column, dtype=np.float64) for column in basis.values()])


def _whole(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _MOST_COLUMNS:
        raise DataError(f"{name} is a whole number from 1 to {_MOST_COLUMNS}, not {value!r}")
    return value


# contrasts


@dataclass(frozen=True)
class Contrast:
    """What makes a contrast of formulaic's, by name; a class, so that it can be pickled."""

    name: str

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        from formulaic.transforms import ContrastsRegistry

        return getattr(ContrastsRegistry, self.name)(*arguments, **settings)


CONTRASTS: dict[str, Callable[..., Any]] = {
    f"contr.{name}": Contrast(name)
    for name in ("treatment", "sum", "helmert", "poly", "diff", "SAS")
}


def coding(contrast: Any, levels: pd.Index, *, full: bool) -> tuple[Floats, tuple[Any, ...]]:
    """Coding matrix (J, k) of a factor, and what each of its columns is called.

    `full`: one indicator column for each level. Otherwise the contrast's J - 1 columns; without a
    contrast, indicators of all levels but the first.
    """
    labels = levels.tolist()
    if full or contrast is None:
        start = 0 if full else 1
        return np.eye(len(labels))[:, start:], tuple(labels[start:])
    matrix = contrast.get_coding_matrix(labels, reduced_rank=True)
    return np.asarray(matrix, dtype=np.float64), tuple(matrix.columns)


def is_contrast(value: Any) -> bool:
    return hasattr(value, "get_coding_matrix")
