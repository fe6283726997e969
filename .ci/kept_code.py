"""Fits over code that other processes compiled and kept have the draws of those processes.

`python .ci/kept_code.py` runs each fit in a process of its own, which compiles what was not kept,
then all of them, twice, in one more process, and compares the draws. It proves most in a fresh
clone, where nothing is kept.
"""

import subprocess
import sys
from zlib import crc32

import numpy as np

import mixedbayes as mb

SLEEP = "Reaction ~ Days + (Days | Subject)"
TICKS = "TICKS ~ YEAR + (1 | BROOD) + (1 | LOCATION)"
HERDS = "incidence | trials(size) ~ period + (1 | herd)"
FITS = {
    "gaussian": (SLEEP, "sleepstudy", {}),
    "sigma of its own": ([SLEEP, "sigma ~ Days"], "sleepstudy", {}),
    "poisson": (TICKS, "grouseticks", {"family": "poisson"}),
    "negative_binomial": (TICKS, "grouseticks", {"family": "negative_binomial"}),
    "binomial": (HERDS, "cbpp", {"family": "binomial"}),
}


def draws(name: str) -> str:
    """A number for all draws of a fit."""
    formula, data, options = FITS[name]
    frame = mb.load_data(data)
    fit = mb.fit(formula, frame, draws=50, tune=100, chains=2, seed=1, progress=False, **options)
    said = 0
    for variable in fit.idata.posterior.data_vars.values():
        said = crc32(np.ascontiguousarray(variable.to_numpy()).tobytes(), said)
    return f"{name}: {said:08x}"


def in_a_process(*names: str) -> list[str]:
    command = [sys.executable, __file__, *names]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()


def main() -> None:
    compiled = [line for name in FITS for line in in_a_process(name)]
    kept = in_a_process(*FITS, *FITS)
    print(*compiled, sep="\n")
    if kept != compiled * 2:
        sys.exit("over kept code the draws are others:\n" + "\n".join(kept))


if __name__ == "__main__":
    if names := sys.argv[1:]:
        print(*map(draws, names), sep="\n")
    else:
        main()
