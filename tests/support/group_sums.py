"""A pass whose two functions other processes can import."""

import numpy as np


def partial(batches):
    """Sums by group."""
    found = np.zeros((2, 4))
    for batch in batches:
        g, y = batch.column("g").to_numpy(), batch.column("y").to_numpy()
        found[0] += np.bincount(g, minlength=4)
        found[1] += np.bincount(g, y, minlength=4)
    return found


def combine(a, b):
    return a + b
