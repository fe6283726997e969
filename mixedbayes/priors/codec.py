"""The user's priors as plain data, for files and cache keys, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mixedbayes import distributions
from mixedbayes.distributions import Prior
from mixedbayes.errors import PriorError

KEY = "prior"


def encode(value: Any) -> Any:
    """Priors, also inside dictionaries, as JSON-able data: {"prior": "Normal", "mu": 0, ...}."""
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, Prior):
        return {KEY: type(value).__name__, **asdict(value)}
    raise PriorError(f"not a prior: {value!r}")


def decode(data: Mapping[str, Any]) -> Any:
    """Inverse of `encode`."""
    if KEY not in data:
        return {k: decode(v) for k, v in data.items()}
    name = data[KEY]
    if name not in distributions.__all__ or name == "Prior":
        raise PriorError(f"unknown prior {name!r} in the file")
    return getattr(distributions, name)(**{k: v for k, v in data.items() if k != KEY})
