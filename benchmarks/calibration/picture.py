"""The difference between the ranks' distribution function and the uniform one, by quantity."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from benchmarks.calibration.store import Study
from benchmarks.calibration.study import MOST
from benchmarks.calibration.uniformity import band, counts_below, points

_COLUMNS = 5


def draw_study(study: Study, path: Path) -> None:
    """One panel per quantity: ECDF minus uniform, in the simultaneous 95 % band."""
    ranks, p = study.ranks(), study.p_values()
    n, z = len(study.simulations), points(MOST)
    low, high = (edge / n - z for edge in band(n, MOST, 0.05))
    rows = math.ceil(len(ranks) / _COLUMNS)
    figure, axes = plt.subplots(
        rows, _COLUMNS, figsize=(2.3 * _COLUMNS, 1.8 * rows), sharex=True, sharey=True,
        layout="constrained", squeeze=False,
    )  # fmt: skip
    for ax, (name, r) in zip(axes.flat, ranks.items(), strict=False):
        ax.fill_between(z, low, high, color="0.85", lw=0)
        ax.axhline(0, color="0.6", lw=0.6)
        ax.step(z, counts_below(r, MOST) / n - z, where="mid", color="C0", lw=1)
        ax.set_title(f"{name}  p = {p[name]:.2g}", fontsize=7)
        ax.tick_params(labelsize=6)
    for ax in axes.flat[len(ranks) :]:
        ax.set_axis_off()
    most = 1.6 * float(np.max(np.abs([low, high])))
    axes[0, 0].set_ylim(-most, most)
    figure.suptitle(
        f"{study.sampler}, {study.formula}: {n} simulations, ECDF of the ranks minus uniform, "
        "simultaneous 95 % band",
        fontsize=9,
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)
