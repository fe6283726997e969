"""Tables and a picture of performance, from the benchmarks' results that the repository keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
PEERS = {
    "ours": "mixedbayes", "bambi": "bambi", "brms": "brms", "rstanarm": "rstanarm", "lme4": "lme4",
    "glmmTMB": "glmmTMB", "mgcv": "mgcv", "nlme": "nlme",
}  # fmt: skip


def cases() -> list[str]:
    """Cases that we and somebody else were measured on."""
    from benchmarks.cases import CASES
    from benchmarks.summaries import Measured

    def beside(name: str) -> bool:
        return any(Measured.of(name, t) for t in PEERS if t != "ours")

    return [c for c in CASES if Measured.of(c, "ours") and beside(c)]


def rows() -> Iterator[tuple[str, str, str, float, float | None, float | None]]:
    """Case, formula, tool, seconds, lowest ESS, ESS per second."""
    from benchmarks.cases import CASES
    from benchmarks.summaries import Measured

    for case in cases():
        for tool, label in PEERS.items():
            m = Measured.of(case, tool)
            if m and m.seconds() is not None:
                yield (case, CASES[case].formula, label, m.seconds(), m.ess(), m.ess_per_second())


def comparison() -> str:
    """The table of `rows`."""
    lines = [
        "| case | model | tool | seconds | lowest ESS | ESS per second |",
        "|---|---|---|---:|---:|---:|",
    ]
    before = ""
    for case, formula, tool, seconds, ess, rate in rows():
        first = case != before
        cells = (
            case.replace("_", " ") if first else "",
            f"`{formula}`".replace("|", "\\|") if first else "",
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
    return f"{said} ({good / len(fits):.1%}). Designs in which some did not: {', '.join(below)}.\n"


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
    record = json.loads((RESULTS / "large.json").read_text(encoding="utf-8"))
    fits = sorted((v["rows"], v["seconds"]) for k, v in record.items() if k.startswith("fit/"))
    (least, first), (most, last) = fits[0], fits[-1]
    slope = (last - first) / (most - least)
    one = last + slope * (10**9 - most)
    ten = one - slope * (10**9 - 10**8)
    return (
        f"Whole fits of {least:,} and {most:,} rows took {first:.1f} and {last:.1f} s: "
        f"{1e6 * slope:.3f} s for each further million rows, and {first - slope * least:.1f} s "
        f"that do not depend on rows. A billion rows on that machine then take about {one:.0f} s; "
        f"on ten of them, each reading a tenth, about {ten:.0f} s, before what the network adds. "
        "This is a calculation, not a measurement: files of that size come from discs, and ten "
        "machines were not there.\n"
    )


def targets() -> str:
    """What was aimed at, and what was measured."""
    from benchmarks import targets as t

    lines = [line for line in t.table().splitlines() if "not measured" not in line]
    return "\n".join(lines) + "\n"


def machines() -> str:
    """On what it was measured."""
    from benchmarks.machine import sentence
    from benchmarks.run import load

    said: dict[str, list[str]] = {}
    for case in cases():
        if machine := load(case)["machine"]:
            said.setdefault(sentence(machine), []).append(case.replace("_", " "))
    return "\n".join(f"- {', '.join(names)}: {words}" for words, names in said.items()) + "\n"


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
    axes.set_yticks(range(len(names)), [n.replace("_", " ") for n in names])
    axes.invert_yaxis()
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False)
    return figure


def _number(v: float | None) -> str:
    if v is None:
        return ""
    return f"{v:,.0f}" if v >= 100 else f"{v:.3g}"
