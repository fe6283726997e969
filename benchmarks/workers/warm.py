"""Fill the disk cache of compiled functions, so that later processes load them."""

from __future__ import annotations

import mixedbayes as mb
from benchmarks.cases import CASES


def main() -> None:
    """Small fits that need every compiled function: both kernels, draws and summaries."""
    for name in ("sleepstudy", "penicillin"):
        case = CASES[name]
        model = mb.Model(case.formula, case.make())
        for effects in ("draws", "summary"):
            model.fit(50, chains=2, seed=1, progress=False, effects=effects)


if __name__ == "__main__":
    main()
