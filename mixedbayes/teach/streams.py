"""Random numbers by purpose, so that changing one part of a simulation leaves the others alone."""

from __future__ import annotations

import hashlib
import secrets

import numpy as np

from mixedbayes.errors import ModelError


def checked_seed(seed: int | None) -> int:
    """The user's seed; one drawn from the system where there is none."""
    if seed is None:
        return secrets.randbelow(2**31)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ModelError(f"seed={seed!r} is not a whole number from 0")
    return int(seed)


def stream(seed: int, purpose: str) -> np.random.Generator:
    """A generator that depends on the seed and on what it is for, nothing else."""
    digest = hashlib.blake2b(purpose.encode(), digest_size=16).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "little")])
