"""Write results/README.md from the results that are kept: python -m benchmarks.table"""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks import convergence, targets
from benchmarks.cases import CASES
from benchmarks.machine import RESULTS, sentence
from benchmarks.run import IMPORTS, TOOLS, load
from benchmarks.summaries import Measured, over

STAGES = ("model", "setup", "compile", "mode", "start", "tune", "sample", "effects", "other")
_NAMES = {
    "bambi": "bambi, nutpie",
    "bambi_pymc": "bambi, PyMC's NUTS",
    "ours": "mixedbayes",
    "ours_cold": "mixedbayes, nothing compiled on disk",
}


def main() -> None:
    """Three tables: targets, tools by case, and where our time goes."""
    kept = [name for name in CASES if load(name)["measured"]]
    text = "\n".join(
        [
            "# Benchmarks: results",
            "",
            "Written by `python -m benchmarks.table`; how to read it is in the folder above. "
            "Times are medians, seconds, without importing.",
            "",
            "## Targets",
            "",
            targets.table(),
            "",
            "## Tools",
            "",
            *_tools(kept),
            "",
            "## Convergence by default",
            "",
            *convergence.table(convergence.load()["cases"]),
            "",
            "## Where the time goes",
            "",
            *_stages(kept),
            "",
            "## Machines",
            "",
            *(f"- {n}: {sentence(m)}" for n in [*kept, IMPORTS] if (m := load(n)["machine"])),
            "",
        ]
    )
    (RESULTS / "README.md").write_text(text, encoding="utf-8")
    print(text)


def _tools(cases: Iterable[str]) -> Iterable[str]:
    yield (
        "| structure | case | tool | runs | first fit | second fit | draws | lowest ESS | "
        "of the effects | ESS/s | ours over it | divergences | memory, MB |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    for name in cases:
        record = load(name)
        mine = Measured.of(name, "ours").ess_per_second()
        for tool in TOOLS:
            m = Measured.of(name, tool)
            failed = [r["failed"] for r in record["measured"].get(tool, []) if "failed" in r]
            if not m and failed:
                yield f"| {record['structure']} | {name} | {tool} | {failed[0]} |{' |' * 9}"
            if not m:
                continue
            ratio = over(mine, m.ess_per_second()) if not tool.startswith("ours") else None
            cells = (
                m.seconds(), m.seconds("second_fit"), m.get("fit", "draws"), m.ess(),
                m.ess(of="ess_effects"), m.ess_per_second(), ratio, m.get("fit", "divergences"),
                m.get("fit", "peak_mb"),
            )  # fmt: skip
            label = _NAMES.get(tool, tool)
            yield f"| {record['structure']} | {name} | {label} | {len(m.runs)} | {_cells(cells)} |"
        if record["note"]:
            yield f"| | {name} | {record['note']} |{' |' * 10}"


def _stages(cases: Iterable[str]) -> Iterable[str]:
    yield f"| case | fit | gradient, us | import | {' | '.join(STAGES)} | total | summary |"
    yield f"|{'---|' * (len(STAGES) + 6)}"
    for name in cases:
        for tool, fit, label in (
            ("ours", "fit", "first"),
            ("ours", "second_fit", "second"),
            ("ours_cold", "fit", "first, nothing compiled on disk"),
        ):
            m = Measured.of(name, tool)
            if m.seconds(fit) is None:
                continue
            import_all = m.get("import_all") if fit == "fit" else None
            numbers = [m.get("gradient_us"), import_all]
            numbers += [m.seconds(fit, s) for s in (*STAGES, "total", "summary")]
            yield f"| {name} | {label} | {_cells(numbers)} |"


def _cells(numbers: Iterable[float | None]) -> str:
    return " | ".join("" if v is None else _number(v) for v in numbers)


def _number(v: float) -> str:
    if v == 0 or v >= 100:
        return f"{v:,.0f}"
    return f"{v:.3g}"


if __name__ == "__main__":
    main()
