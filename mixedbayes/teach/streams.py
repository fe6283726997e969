"""Random numbers by purpose, so that changing one part of a simulation leaves the others alone."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, purpose: str) -> np.random.Generator:
    """A generator that depends on the seed and on what it is for, nothing else."""
    digest = hashlib.blake2b(purpose.encode(), digest_size=16).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "little")])
