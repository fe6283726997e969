"""Gauss-Legendre's rule where compiled functions integrate over a range of their own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def legendre(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights (n,) of the rule on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return (nodes + 1.0) / 2.0, weights / 2.0
