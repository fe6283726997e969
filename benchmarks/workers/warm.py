"""Fill the disk cache of compiled functions, so that later processes load them.

python -m benchmarks.workers.warm [CASE ...]
"""

from __future__ import annotations

import sys

import mixedbayes as mb
from benchmarks.cases import CASES


def main(*names: str) -> None:
    """Small fits that need every compiled function: both kernels, draws and summaries."""
    for name in names or ("sleepstudy", "penicillin"):
        case = CASES[name]
        priors = dict(case.priors)
        data, more = case.make(), dict(case.arguments())
        model = mb.Model(case.formulas, data, family=case.family, priors=priors, **more)
        for effects in ("draws", "summary") if case.family == "gaussian" else ("draws",):
            model.fit(50, chains=2, seed=1, progress=False, effects=effects)


if __name__ == "__main__":
    main(*sys.argv[1:])
