"""The true correlations of simulated residuals: the user's numbers, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mixedbayes.design.types import Design, Floats, Residual
from mixedbayes.errors import ModelError
from mixedbayes.names import SIGMA


def residual_values(own: Residual, given: Mapping[str, Any]) -> dict[str, Floats]:
    """By the names of draws, (...) or (A, ...), from what the user said of each parameter.

    A number is that of all arms; so is that of all pairs, without structure. Lags have a list of
    numbers, no structure a matrix, and arms a dictionary by their labels.
    """
    out: dict[str, Floats] = {}
    for symbol in own.symbols:
        if symbol not in given:
            raise ModelError(
                f"residuals are {own.text}, and {symbol} is not given: {symbol}={_example(symbol)}"
            )
        value = given[symbol]
        if not own.arm_levels:
            out[symbol] = _one(own, symbol, value)
            continue
        arms = [str(level) for level in own.arm_levels]
        by_arm = value if isinstance(value, Mapping) else dict.fromkeys(arms, value)
        named = {str(arm): number for arm, number in by_arm.items()}
        if set(named) != set(arms):
            raise ModelError(
                f"{symbol} is to be given for each {own.by}, {', '.join(arms)}; it is for "
                f"{', '.join(named) or 'none'}"
            )
        out[symbol] = np.stack([_one(own, symbol, named[arm]) for arm in arms])
    _check(own, out)
    return out


def _one(own: Residual, symbol: str, value: Any) -> Floats:
    shape = tuple(len(own.coords[d]) for d in own.dims[symbol])[bool(own.arm_levels) :]
    try:
        found = np.asarray(value, float)
    except (TypeError, ValueError):
        found = np.full(1, np.nan)
    if found.ndim == 0 and len(shape) == 2:
        found = np.where(np.eye(shape[0], dtype=bool), 1.0, found)
    if found.shape != shape or not np.isfinite(found).all():
        size = " x ".join(map(str, shape)) or "one number"
        raise ModelError(f"{symbol} of residuals {own.text} is {size}, got {value!r}")
    return found


def _check(own: Residual, values: Mapping[str, Floats]) -> None:
    R = own.correlations(values)
    fine = np.isfinite(R).all() and np.allclose(R, np.swapaxes(R, -1, -2))
    if fine:
        fine = bool(np.allclose(np.diagonal(R, axis1=-2, axis2=-1), 1))
    if fine:
        fine = bool((np.linalg.eigvalsh(R) > 0).all())
    if not fine:
        said = ", ".join(f"{name}={np.asarray(v).tolist()}" for name, v in values.items())
        raise ModelError(
            f"{said}: no {own.n_positions} residuals of one group have these correlations, "
            f"{own.text}; choose values nearer to independence"
        )


def _example(symbol: str) -> str:
    return "3.0" if symbol == "range" else "0.5"


def with_plain_sigma(design: Design, own: Mapping[str, Any], said: bool) -> Mapping[str, Any]:
    """One number of sigma as that of all positions and arms, where the structure gave the formula.

    `said` is whether the user wrote a formula of sigma.
    """
    value = own.get(SIGMA)
    if said or SIGMA not in design.further or isinstance(value, Mapping):
        return own
    number = 1.0 if value is None else float(value)
    if not 0 < number < np.inf:
        raise ModelError(f"sigma must be greater than 0, got {value!r}")
    terms = design.predictor(SIGMA).terms
    return {**own, SIGMA: {"fixef": dict.fromkeys(terms, float(np.log(number)))}}
