"""Random numbers by purpose: each stream depends on the seed and on what it is for, nothing else.

A new level's effects depend on the seed, the factor and the label. They are the same in whichever
rows, and in whichever call, the label stands.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

import numpy as np

from mixedbayes.errors import ModelError
from mixedbayes.results.posterior import Posterior

ROWS: Final = 1
LEVELS: Final = 2
RESAMPLING: Final = 3
EFFECTS: Final = 4
CORRELATED: Final = 14
MISSING: Final = 17


def seed_of(post: Posterior, seed: int | None) -> int:
    """The user's seed, or else the fit's own, so that asking twice gives the same answer.

    A posterior without a record of its seed counts as one of seed 0.
    """
    if seed is None:
        attrs = {**post.idata["posterior"].attrs, **post.idata.attrs}
        return int(attrs.get("seed", 0))
    return checked_seed(seed)


def checked_seed(seed: int | None) -> int:
    """The user's seed; one drawn from the system where there is none."""
    if seed is None:
        return secrets.randbelow(2**31)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ModelError(f"seed={seed!r} is not a whole number from 0")
    return int(seed)


def stream(seed: int, purpose: int, *key: int) -> np.random.Generator:
    return np.random.default_rng([seed, purpose, *key])


def level_stream(seed: int, factor: str, level: str) -> np.random.Generator:
    """The stream of one level of one factor."""
    digest = hashlib.blake2b(f"{factor}\0{level}".encode(), digest_size=16).digest()
    return stream(seed, LEVELS, int.from_bytes(digest, "little"))


def named_stream(seed: int, purpose: str) -> np.random.Generator:
    """The stream of a purpose said in words."""
    digest = hashlib.blake2b(purpose.encode(), digest_size=16).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "little")])
