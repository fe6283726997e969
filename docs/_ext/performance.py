"""Tables and a picture of performance, from the benchmarks' results that the repository keeps."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
PEERS = {
    "ours": "mixedbayes", "bambi": "bambi", "brms": "brms", "rstanarm": "rstanarm", "lme4": "lme4",
    "glmmTMB": "glmmTMB", "mgcv": "mgcv", "nlme": "nlme",
}  # fmt: skip


IDLE = 1.5  # load of a machine on which nothing else runs, at the start of a benchmark


def cases() -> list[str]:
    """Cases that we and somebody else were measured on."""
    from benchmarks.cases import CASES
    from benchmarks.summaries import Measured

    def beside(name: str) -> bool:
        return any(Measured.of(name, t) for t in PEERS if t != "ours")

    return [c for c in CASES if Measured.of(c, "ours") and beside(c)]


def rows() -> Iterator[tuple[str, str, str, float, float | None, float | None]]:
    """Case, model, tool, seconds, lowest ESS, ESS per second."""
    from benchmarks.cases import CASES
    from benchmarks.summaries import Measured

    for case in cases():
        model = _model(CASES[case])
        for tool, label in PEERS.items():
            m = Measured.of(case, tool)
            if m and m.seconds() is not None:
                yield (case, model, label, m.seconds(), m.ess(), m.ess_per_second())


def _model(case: Any) -> str:
    """Formulas, correlated residuals, and a family other than the Gaussian one."""
    said = ", ".join(f"`{f}`" for f in case.formulas)
    if "residual" in (more := case.arguments()):
        said += f", residual `{more['residual']}`"
    return said + (f", {case.family.replace('_', ' ')}" if case.family != "gaussian" else "")


def _named(case: str) -> str:
    """A case without the group of benchmarks that it belongs to."""
    return re.sub("^(glmm|family|term)_", "", case).replace("_", " ")


def comparison() -> str:
    """The table of `rows`."""
    lines = [
        "| case | model | tool | seconds | lowest ESS | ESS per second |",
        "|---|---|---|---:|---:|---:|",
    ]
    before = ""
    for case, model, tool, seconds, ess, rate in rows():
        first = case != before
        cells = (
            _named(case) if first else "",
            model.replace("|", "\\|") if first else "",
            tool,
            _number(seconds),
            _number(ess),
            _number(rate),
        )
        lines.append(f"| {' | '.join(cells)} |")
        before = case
    return "\n".join(lines) + "\n"


def convergence() -> str:
    """How many default fits converged."""
    record = json.loads((RESULTS / "convergence.json").read_text(encoding="utf-8"))["cases"]
    fits = [f for runs in record.values() for f in runs]
    good = sum(f["converged"] for f in fits)
    worst = sorted((sum(f["converged"] for f in v) / len(v), k, len(v)) for k, v in record.items())
    below = [f"{k.replace('_', ' ')} ({share:.0%})" for share, k, _ in worst if share < 1]
    said = f"{good:,} of {len(fits):,} default fits of {len(record)} designs converged"
    rest = f" Designs in which some did not: {', '.join(below)}." if below else ""
    return f"{said} ({good / len(fits):.1%}).{rest}\n"


def large() -> str:
    """Whole fits by rows, with the memory of their processes."""
    record = json.loads((RESULTS / "large.json").read_text(encoding="utf-8"))
    found: dict[int, dict[str, Any]] = {}
    for key, value in record.items():
        if isinstance(value, dict) and "rows" in value:
            found.setdefault(value["rows"], {})[key.split("/")[0]] = value
    tools = [*dict.fromkeys(t for per in found.values() for t in per)]
    lines = [
        f"| rows | {' | '.join(f'{t}, s' for t in tools)} | largest memory, GB |",
        f"|---:|{'---:|' * (len(tools) + 1)}",
    ]
    for count, per in sorted(found.items()):
        times = (_number(per[t]["seconds"]) if t in per else "" for t in tools)
        memory = max(v["peak_mb"] for t, v in per.items() if "fit" in t or "ours" in t)
        lines.append(f"| {count:,} | {' | '.join(times)} | {memory / 1000:.2f} |")
    return "\n".join(lines) + "\n"


def paper() -> str:
    """What a billion rows take, by the slope of the whole fit over the rows that were measured."""
    from benchmarks.large import GROUPS as groups

    record = json.loads((RESULTS / "large.json").read_text(encoding="utf-8"))
    fits = sorted((v["rows"], v["seconds"]) for k, v in record.items() if k.startswith("fit/"))
    (least, first), (most, last) = fits[0], fits[-1]
    slope = (last - first) / (most - least)
    draws, tenth = first - slope * least, slope * 10**8
    size, cores = bytes_of_a_group(), record["fit/100"]["machine"]["cores"]
    return (
        f"Measured, on {cores} cores: whole fits of {least:,} and {most:,} rows took {first:.1f} "
        f"and {last:.1f} s. Each further million rows takes {1e6 * slope:.3f} s, and "
        f"{draws:.1f} s, most of them the draws, do not depend on rows.\n\n"
        "| rows | machines | reading, s | draws and the rest, s | whole fit, s |\n"
        "|---:|---:|---:|---:|---:|\n"
        f"| 1,000,000,000 | 1 | {10 * tenth:.1f} | {draws:.1f} | {10 * tenth + draws:.1f} |\n"
        f"| 1,000,000,000 | 10, with 100,000,000 each | {tenth:.1f} | {draws:.1f} | "
        f"{tenth + draws:.1f} |\n\n"
        f"From each machine {size:.0f} bytes travel for each group of `(x | g)`, the label and "
        f"the sums of both passes as they are sent: {size * groups / 1e6:.1f} MB for "
        f"{groups:,} groups, whatever the rows. The table is calculated from what was measured: "
        "files of that size come from discs and not from memory, and ten machines were not "
        "there.\n"
    )


def bytes_of_a_group() -> float:
    """What both passes of `y ~ x + (x | g)` send for one group more, as it is sent."""
    few, many = (_sent(groups) for groups in (1000, 2000))
    return (many - few) / 1000


def _sent(groups: int) -> int:
    """Bytes of what a process sends back of four rows of each group, in both passes."""
    import numpy as np
    import pyarrow as pa

    import mixedbayes as mb

    sizes: list[int] = []

    class Counting(ThreadPoolExecutor):
        def submit(self, work: Any, /, *given: Any, **named: Any) -> Any:
            def counted() -> Any:
                found = work(*given, **named)
                sizes.append(len(pickle.dumps(found)))
                return found

            return super().submit(counted)

    x = np.random.default_rng(1).normal(size=4 * groups)
    labels = np.repeat(np.arange(groups, dtype="int32"), 4)
    with Counting(1) as pool:
        mb.Model(
            "y ~ x + (x | g)", mb.source(pa.table({"y": x[::-1], "x": x, "g": labels}), on=pool)
        )
    return sum(sizes)


def targets() -> str:
    """What was aimed at, and what was measured."""
    from benchmarks import targets as t

    lines = [line for line in t.table().splitlines() if "not measured" not in line]
    whole = (re.sub(r"([<>]=) ([\d.,]+) (\w+)", "\\1\u00a0\\2\u00a0\\3", line) for line in lines)
    return "\n".join(whole).replace("<=", "≤").replace(">=", "≥").replace("_", " ") + "\n"


def machines() -> str:
    """On what it was measured: each machine with its versions once, and below it what and when."""
    from benchmarks.run import load

    said: dict[str, dict[str, list[str]]] = {}
    for case in cases():
        if not (m := load(case)["machine"]):
            continue
        packages = ", ".join(f"{k} {v}" for k, v in m["packages"].items())
        where = (
            f"{m['processor']}, {m['cores']} cores, {m['memory_gb']} GB, {m['system']}; "
            f"Python {m['python']}, {packages}"
        )
        changed = " with local changes" if m["changed"] else ""
        when = f"{m['date'][:10]}, revision {m['revision']}{changed}"
        busy = f" (load {m['load_at_start']})" if m["load_at_start"] > IDLE else ""
        said.setdefault(where, {}).setdefault(when, []).append(_named(case) + busy)
    lines = []
    for where, times in said.items():
        lines += [f"- {where}", ""]
        lines += [f"  - {when}: {', '.join(names)}" for when, names in sorted(times.items())]
        lines.append("")
    return "\n".join(lines)


def picture() -> Any:
    """ESS per second of each tool that samples, by case, on a logarithmic axis."""
    import matplotlib.pyplot as plt

    found = [(c, t, r) for c, _, t, _, _, r in rows() if r]
    names = [*dict.fromkeys(c for c, _, _ in found)]
    marks = {"mixedbayes": "o", "bambi": "s", "brms": "^", "rstanarm": "D"}
    figure, axes = plt.subplots(figsize=(7, 0.32 * len(names) + 1.2))
    for tool, mark in marks.items():
        own = [(names.index(c), r) for c, t, r in found if t == tool]
        if own:
            place, rate = zip(*own, strict=True)
            axes.plot(rate, place, mark, label=tool, markersize=7 if tool == "mixedbayes" else 6)
    axes.set(xscale="log", xlabel="lowest effective sample size per second, compiling included")
    axes.set_yticks(range(len(names)), _labels(names))
    axes.invert_yaxis()
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False)
    return figure


def _labels(names: list[str]) -> list[str]:
    """Names of cases; where two have one name, with the family."""
    from benchmarks.cases import CASES

    short = [_named(n) for n in names]
    return [
        s if short.count(s) == 1 else f"{s}, {CASES[n].family.replace('_', ' ')}"
        for n, s in zip(names, short, strict=True)
    ]


def _number(v: float | None) -> str:
    if v is None:
        return ""
    return f"{v:,.0f}" if v >= 100 else f"{v:.3g}"
