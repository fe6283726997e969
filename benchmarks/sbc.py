"""Simulation-based calibration of the samplers; see README.md.

    python -m benchmarks.sbc run --sampler marginal --n 500
    python -m benchmarks.sbc report

A run goes on where an earlier one of the same study stopped, and stops by itself after --minutes.
Simulated data that the engine refuses are counted: the ranks are of the others alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from benchmarks.calibration import store
from benchmarks.calibration.store import FOLDER, Study
from benchmarks.calibration.structures import ALL, STRUCTURES
from benchmarks.calibration.study import SAMPLERS, WRONG, Refused, Simulation, simulate
from benchmarks.machine import sentence
from mixedbayes.lab.uniformity import holm

SEED = 20260
LEVEL = 0.01  # a study fails where a Holm-adjusted p-value is lower
_BATCH = 10


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sbc", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="add simulations to the studies")
    run.add_argument("--sampler", choices=[*SAMPLERS, *WRONG], default="marginal")
    run.add_argument("--structure", choices=list(ALL), nargs="*", default=list(STRUCTURES))
    run.add_argument("--n", type=int, default=500, help="simulations of each structure, in all")
    run.add_argument("--jobs", type=int, default=1, help="processes")
    run.add_argument("--minutes", type=float, default=9.0, help="stop after this time")
    commands.add_parser("report", help="pictures and table of what is kept")
    given = parser.parse_args()
    if given.command == "report":
        report()
    else:
        deadline = time.monotonic() + 60 * given.minutes
        for structure in given.structure:
            go_on(given.sampler, structure, given.n, given.jobs, deadline)


def study(
    sampler: str, structure: str, numbers: list[int], jobs: int = 1
) -> Iterator[Simulation | Refused]:
    """Simulations by number; the order and the number of processes make no difference."""
    arguments = [(structure, sampler, k, SEED) for k in numbers]
    if jobs == 1:
        yield from (simulate(*a) for a in arguments)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(simulate, *a) for a in arguments]
        try:
            for future in waiting:
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def go_on(sampler: str, structure: str, n: int, jobs: int, deadline: float) -> None:
    """Add simulations up to n, saving every few of them, until the deadline."""
    kept = Study(sampler, structure, ALL[structure].said, SEED)
    if kept.path.exists():
        kept = store.load(kept.path)
    new: list[Simulation | Refused] = []
    begin = time.monotonic()
    for one in study(sampler, structure, kept.missing(n), jobs):
        new.append(one)
        if isinstance(one, Refused):
            print(f"{sampler} {structure}, simulation {one.number} refused: {one.said}", flush=True)
        late = time.monotonic() > deadline
        if len(new) >= _BATCH or late:
            kept, new = kept.added(new), []
            kept.save()
        if late:
            break
    if new:
        kept = kept.added(new)
        kept.save()
    if kept.simulations or kept.refused:
        print(f"{_line(kept)}  {time.monotonic() - begin:.0f} s", flush=True)


def report() -> None:
    """Write a picture of each kept study, and the table results/sbc/README.md."""
    from benchmarks.calibration.picture import draw_study

    every = [store.load(path) for path in sorted(FOLDER.glob("*.json"))]
    kept = [one for one in every if one.simulations]
    for each in kept:
        draw_study(each, each.path.with_suffix(".png"))
        print(_line(each))
    (FOLDER / "README.md").write_text(_table(kept), encoding="utf-8")


def _line(kept: Study) -> str:
    p = kept.p_values()
    if not p:
        return f"{kept.sampler:12s} {kept.structure:10s} n=   0{_refused(kept)}"
    worst = min(p, key=p.__getitem__)
    adjusted = holm(p)[worst]
    return (
        f"{kept.sampler:12s} {kept.structure:10s} n={len(kept.simulations):4d}  lowest p "
        f"{p[worst]:.2g} ({worst}), adjusted {adjusted:.2g}: {_verdict(kept, adjusted)}"
        f"{_refused(kept)}"
    )


def _refused(kept: Study) -> str:
    """How many simulated data sets the engine refused; empty where none."""
    return f"; {len(kept.refused)} more were refused" if kept.refused else ""


def _verdict(kept: Study, adjusted: float) -> str:
    found = "not uniform" if adjusted < LEVEL else "uniform"
    return f"{found}, as it must be" if kept.sampler in WRONG and adjusted < LEVEL else found


def _table(kept: list[Study]) -> str:
    lines = [
        "# Simulation-based calibration: results",
        "",
        "Written by `python -m benchmarks.sbc report`. Ranks of true values among 99 nearly "
        "independent draws; p-values of Saeilynoja, Buerkner & Vehtari's (2022) test of "
        "uniformity, adjusted by Holm's method over all quantities of a study. A study fails "
        f"under {LEVEL}. Data that the engine refused have no ranks, and are counted. Samplers "
        "named `wrong_...` are wrong on purpose and have to fail.",
        "",
        "| sampler | structure | formula | n | quantities | divergences | lowest p | adjusted | |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for s in kept:
        p = s.p_values()
        worst = min(p, key=p.__getitem__)
        adjusted = holm(p)[worst]
        divergences = sum(one.divergences for one in s.simulations)
        draws = sum(one.draws for one in s.simulations)
        own = ALL[s.structure].said if s.structure in ALL else s.formula
        formula = own.replace("|", "\\|")
        lines.append(
            f"| {s.sampler} | {s.structure} | `{formula}` | {len(s.simulations)} | {len(p)} | "
            f"{divergences} of {draws:,} | {p[worst]:.2g} (`{worst}`) | {adjusted:.2g} | "
            f"{_verdict(s, adjusted)}{_refused(s)} |"
        )
    lines += ["", *(f"- {s.path.stem}: {sentence(dict(s.machine))}" for s in kept), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
