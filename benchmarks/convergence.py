"""How often default fits converge: python -m benchmarks.convergence; see README.md.

    python -m benchmarks.convergence
    python -m benchmarks.convergence wards growth --seeds 20 --again

Every shipped data set and every design of `benchmarks.designs`, each with the default priors and
settings and twenty seeds; a design's data are simulated anew for every seed. A fit converges where
every population-level parameter has rhat < 1.01 and bulk and tail ESS > 400, and nothing diverged.
What is kept already is not fitted again, unless --again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

import mixedbayes as mb
from benchmarks.cases import CASES
from benchmarks.designs import DESIGNS, Design
from benchmarks.machine import RESULTS, describe

PATH = RESULTS / "convergence.json"
RHAT, ESS = 1.01, 400
_EFFECTS = ("ranef_", "coef_")
SHIPPED: Mapping[str, tuple[str | list[str], str]] = {
    "cake": ("angle ~ recipe * temp + (1 | recipe:replicate)", "gaussian"),
    "cbpp": (CASES["glmm_cbpp"].formula, "binomial"),
    "dyestuff": ("Yield ~ 1 + (1 | Batch)", "gaussian"),
    "dyestuff2": ("Yield ~ 1 + (1 | Batch)", "gaussian"),
    "ex33": ("PCV ~ time + (0 + time | animal_id)", "gaussian"),
    "gpa": ("gpa ~ occasion + sex + (occasion | student)", "gaussian"),
    "grouseticks": (CASES["glmm_grouseticks"].formula, "poisson"),
    "kidney": (CASES["family_kidney"].formula, "weibull"),
    "machines": ("score ~ Machine + (Machine | Worker)", "gaussian"),
    "owls": (CASES["family_owls"].formulas, "zero_inflated_poisson"),
    "pastes": ("strength ~ 1 + (1 | batch/cask)", "gaussian"),
    "penicillin": ("diameter ~ 1 + (1 | plate) + (1 | sample)", "gaussian"),
    "radon": ("log_radon ~ floor + log_uranium + (floor | county)", "gaussian"),
    "sim_seed002": ("y ~ x + (1 | groups)", "gaussian"),
    "sim_seed003_intercepts": ("y ~ x + (1 | clus)", "gaussian"),
    "sim_seed003_marginal": ("y ~ x + (x | clus)", "gaussian"),
    "sim_seed003_slopes": ("y ~ x + (x | clus)", "gaussian"),
    "simpson": ("V2 ~ V1 + (1 | Group)", "gaussian"),
    "sleepstudy": ("Reaction ~ Days + (Days | Subject)", "gaussian"),
    "sleepstudy_partial": ("Reaction ~ Days + (Days | Subject)", "gaussian"),
    "verbagg": (CASES["glmm_verbagg"].formula, "bernoulli"),
    "wine": (CASES["family_wine"].formula, "cumulative"),
}


def _shipped(name: str) -> Design:
    formula, family = SHIPPED[name]
    return Design(formula, lambda rng: mb.load_data(name), family)


def cases() -> dict[str, Design]:
    """Every case by name: the shipped data, then the designs."""
    return {**{name: _shipped(name) for name in SHIPPED}, **DESIGNS}


def one(design: Design, seed: int, **settings: Any) -> dict[str, Any]:
    """The health of one fit's population-level parameters, and its seconds."""
    data = design.make(np.random.default_rng(1000 + seed))
    wall, processor = time.perf_counter(), time.process_time()
    try:
        fit = mb.fit(
            design.formula, data, family=design.family, seed=seed, progress=False, **settings
        )
    except mb.MixedBayesError as error:
        return {"seed": seed, "failed": str(error)}
    seconds = time.perf_counter() - wall, time.process_time() - processor
    report = fit.diagnostics()
    return {
        "seed": seed,
        **health(report.table),
        "divergences": report.divergences,
        "converged": fit.converged,
        "seconds": round(seconds[0], 3),
        "processor": round(seconds[1], 3),
    }


def health(table: pd.DataFrame) -> dict[str, Any]:
    """Worst rhat, bulk and tail ESS of the population-level parameters, and of which."""
    table = table[[not str(name).startswith(_EFFECTS) for name in table.index]]
    out: dict[str, Any] = {}
    for column, worst in (("rhat", "idxmax"), ("ess_bulk", "idxmin"), ("ess_tail", "idxmin")):
        name = getattr(table[column], worst)()
        out[column] = round(float(table.loc[name, column]), 4 if column == "rhat" else 0)
        out[f"{column}_of"] = str(name)
    return out


def passes(found: Mapping[str, Any]) -> bool:
    """Whether a fit meets the criteria."""
    return (
        "failed" not in found
        and found["rhat"] < RHAT
        and min(found["ess_bulk"], found["ess_tail"]) > ESS
        and found["divergences"] == 0
    )


def load() -> dict[str, Any]:
    """What is kept: {"machine": ..., "cases": {name: [fit, ...]}}."""
    if PATH.exists():
        return dict(json.loads(PATH.read_text(encoding="utf-8")))
    return {"machine": {}, "cases": {}}


def save(kept: dict[str, Any]) -> None:
    """One line for each fit."""
    cases_ = ",\n".join(
        f"{json.dumps(name)}: [\n" + ",\n".join(map(json.dumps, fits)) + "\n]"
        for name, fits in kept["cases"].items()
    )
    part = PATH.with_suffix(".part")
    text = f'{{"machine": {json.dumps(kept["machine"])},\n"cases": {{\n{cases_}\n}}}}\n'
    part.write_text(text, encoding="utf-8")
    os.replace(part, PATH)


def line(name: str, fits: list[dict[str, Any]]) -> str:
    """One case in a line: how many converge, the worst numbers, median seconds."""
    good = [f for f in fits if "failed" not in f]
    text = f"{name:24s} {sum(map(passes, fits)):3d} of {len(fits):3d}"
    if not good:
        return f"{text}  {fits[0]['failed'] if fits else ''}"
    rhat = max(good, key=lambda f: f["rhat"])
    kind = min(("ess_bulk", "ess_tail"), key=lambda k: min(f[k] for f in good))
    low = min(good, key=lambda f: f[kind])
    divergences = sum(f["divergences"] for f in good)
    return (
        f"{text}  rhat {rhat['rhat']:.3f} ({rhat['rhat_of']})  {kind} {low[kind]:.0f} "
        f"({low[kind + '_of']})  {divergences} divergences  "
        f"{np.median([f['seconds'] for f in good]):.2f} s "
        f"({np.median([f['processor'] for f in good]):.2f} s of processor)"
    )


def table(kept: Mapping[str, list[dict[str, Any]]]) -> Iterable[str]:
    """Markdown: a line for each case, and the rate over all."""
    yield "| case | converged | worst rhat | lowest ESS | divergences | seconds | of processor |"
    yield "|---|---|---|---|---|---|---|"
    every = [fit for found in kept.values() for fit in found]
    for name, fits in [*kept.items(), ("all", every)]:
        good = [f for f in fits if "failed" not in f]
        if not good:
            continue
        cells = (
            f"{sum(map(passes, fits))} of {len(fits)}",
            f"{max(f['rhat'] for f in good):.3f}",
            f"{min(min(f['ess_bulk'], f['ess_tail']) for f in good):,.0f}",
            f"{sum(f['divergences'] for f in good)}",
            *(f"{np.median([f[k] for f in good]):.2f}" for k in ("seconds", "processor")),
        )
        yield f"| {name} | {' | '.join(cells)} |"


def go_on(
    names: Iterable[str], seeds: int, minutes: float, again: bool,
    keep: Callable[[dict[str, Any]], None] = save,
) -> dict[str, Any]:  # fmt: skip
    """Fit what is missing, until the time is up; each case is kept when it is done."""
    kept, every = load(), cases()
    deadline = time.monotonic() + 60 * minutes
    for name in names:
        fits = [] if again else kept["cases"].get(name, [])
        done = {f["seed"] for f in fits}
        for seed in range(1, seeds + 1):
            if seed not in done and time.monotonic() < deadline:
                if not done and not fits:
                    one(every[name], 1, draws=20, tune=20)  # compiled, or read from the disk
                fits.append(one(every[name], seed))
        if fits:
            kept["cases"][name] = fits
            kept["machine"] = describe()
            keep(kept)
            print(line(name, fits), flush=True)
    return kept


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.convergence",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help="names; all when left out")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=9.0, help="start no fit after this time")
    parser.add_argument("--again", action="store_true", help="fit again what is kept")
    given = parser.parse_args()
    names = given.cases or list(cases())
    if unknown := [name for name in names if name not in cases()]:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(cases())}")
    kept = go_on(names, given.seeds, given.minutes, given.again)
    fits = [f for name in names for f in kept["cases"].get(name, [])]
    if fits:
        print(f"{sum(map(passes, fits)):,} of {len(fits):,} default fits converged.")


if __name__ == "__main__":
    main()
