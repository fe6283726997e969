"""What is kept of group effects whose draws would not fit in memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Probabilities kept of effects that are summarised: the ends of the usual intervals.
QUANTILES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995)


@dataclass(frozen=True, eq=False)
class EffectsSummary:
    """Posterior summaries of one factor's effects, on their original (link) scale."""

    mean: Floats  # (J, q)
    sd: Floats  # (J, q)
    quantiles: Floats  # (number of probabilities, J, q)
