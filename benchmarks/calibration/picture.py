"""The difference between the ranks' distribution function and the uniform one, by quantity."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt

from benchmarks.calibration.store import Study
from mixedbayes.lab.calibration import MOST
from mixedbayes.lab.uniformity import band, counts_below, points
from mixedbayes.plots.calibration import plot_ranks


def draw_study(study: Study, path: Path) -> None:
    """One panel per quantity: ECDF minus uniform, in the simultaneous 95 % band."""
    p, n, z = study.p_values(), len(study.simulations), points(MOST)
    low, high = (edge / n - z for edge in band(n, MOST, 0.05))
    found = {
        f"{name}  p = {p[name]:.2g}": counts_below(r, MOST) / n - z
        for name, r in study.ranks().items()
    }
    said = f"{study.sampler}, {study.formula}: {n} simulations, simultaneous 95 % band"
    figure = plot_ranks(z, found, low, high, said)
    figure.savefig(path, dpi=110)
    plt.close(figure)
