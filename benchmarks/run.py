"""Time cases, ours and the peers' in the same run; see README.md.

    python -m benchmarks.run sleepstudy gpa penicillin
    python -m benchmarks.run insteval --tools ours lme4 --repeat 1

Every measurement is a fresh process. What is kept already is not measured again, unless --again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import mixedbayes as mb
from benchmarks.cases import CASES, Case
from benchmarks.machine import RESULTS, ROOT, describe, run_within
from benchmarks.peers import has_tool, run_r

TOOLS = (
    *("ours", "ours_cold", "bambi", "bambi_pymc"),
    *("lme4", "glmmTMB", "mgcv", "nlme", "brms", "rstanarm"),
)
IMPORTS = "import"
_ERROR = "error:"  # begins a failure that another run may not meet
_IMPORT = "import time; t = time.perf_counter(); import mixedbayes; print(time.perf_counter() - t)"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    names = [name for name, case in CASES.items() if case.family == "gaussian"]
    parser.add_argument("cases", nargs="+", choices=[*names, IMPORTS], metavar="CASE")
    add_options(parser, TOOLS, repeat=3, limit=570.0)
    given = parser.parse_args()
    worker("warm", [], given.limit)
    for name in given.cases:
        measure(name, given.tools, given.repeat, given.limit, given.again)


def add_options(
    parser: argparse.ArgumentParser, tools: Sequence[str], repeat: int, limit: float
) -> None:
    """What a measurement can be told, with the defaults given here."""
    more = parser.add_argument
    more("--tools", nargs="*", choices=TOOLS, default=list(tools), help="who is measured")
    more("--repeat", type=int, default=repeat, help="measurements of each tool, in all")
    more("--limit", type=float, default=limit, help="seconds for one measurement")
    more("--again", action="store_true", help="forget what is kept of these tools")


def measure_kind(
    module: str, doc: str | None, prefix: str, tools: Sequence[str], repeat: int, limit: float
) -> None:
    """The command line of the cases whose names begin with a prefix, which it leaves out."""
    known = tuple(name.removeprefix(prefix) for name in CASES if name.startswith(prefix))
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(known)}; or all")
    add_options(parser, tools, repeat, limit)
    given = parser.parse_args()
    if unknown := [name for name in given.cases if name not in known]:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(known)}")
    names = [prefix + name for name in given.cases or known]
    if "ours" in given.tools:
        one_of_each = {CASES[name].script or name: name for name in reversed(names)}
        worker("warm", list(one_of_each.values()), given.limit)
    for name in names:
        measure(name, given.tools, given.repeat, given.limit, given.again)


def measure(name: str, tools: list[str], repeat: int, limit: float, again: bool) -> None:
    """Measure in turn, so that a passing load on the machine meets all tools alike."""
    kept = load(name)
    tools = ["ours"] if name == IMPORTS else [t for t in tools if _applies(t, CASES[name])]
    if again:
        kept["measured"] = {t: v for t, v in kept["measured"].items() if t not in tools}
    for k in range(repeat):
        for tool in tools:
            done = kept["measured"].setdefault(tool, [])
            done[:] = [r for r in done if not str(r.get("failed", "")).startswith(_ERROR)]
            if len(done) <= k:
                load_before = round(os.getloadavg()[0], 2)
                result = _imports() if name == IMPORTS else _ONE[tool](name, limit, k + 1)
                done.append(result | {"load": load_before})
                kept["machine"] = describe()
                save(name, kept)
                print(f"{name:20s} {tool:10s} {_line(result)}", flush=True)


def load(name: str) -> dict[str, Any]:
    """What is kept of a case, or an empty record of it."""
    path = RESULTS / f"{name}.json"
    if path.exists():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    about = {"structure": "", "formula": "", "note": ""}
    if name in CASES:
        case = CASES[name]
        about = {
            "structure": case.structure,
            "formula": "; ".join(case.formulas),
            "note": case.note,
        }
    return {"case": name, **about, "machine": {}, "measured": {}}


def save(name: str, record: dict[str, Any]) -> None:
    """Write a case's file whole."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    part = RESULTS / f"{name}.part"
    part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(part, RESULTS / f"{name}.json")


def worker(
    module: str, arguments: list[str], limit: float, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Run benchmarks.workers.MODULE in a fresh process; the last argument is where it writes."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.json")
        command = [sys.executable, "-m", f"benchmarks.workers.{module}", *arguments]
        command = [str(out) if a == "OUT" else a for a in command]
        begin = time.perf_counter()
        run = run_within(command, limit, environment)
        if run is None:
            return {"failed": f"took more than {limit:.0f} s"}
        if run.returncode:
            reason = (run.stderr.strip().splitlines() or ["no message"])[-1][:300]
            return {"failed": f"{_ERROR} {reason}"}
        result = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
        return result | {"process_seconds": time.perf_counter() - begin}


def _ours(name: str, limit: float, seed: int) -> dict[str, Any]:
    return worker(_module(name), [name, "OUT", _fits(name), str(seed)], limit)


def _ours_cold(name: str, limit: float, seed: int) -> dict[str, Any]:
    """Nothing compiled on disk, as after an installation."""
    with tempfile.TemporaryDirectory() as cache:
        arguments = [name, "OUT", "1", str(seed)]
        return worker(_module(name), arguments, limit, {"NUMBA_CACHE_DIR": cache})


def _module(name: str) -> str:
    """Our worker: that of the marginal sampler takes the time of its stages as well."""
    return "ours" if CASES[name].family == "gaussian" else "glmm"


def _bambi(name: str, limit: float, seed: int) -> dict[str, Any]:
    return worker("bambi", [name, "OUT", _fits(name), str(seed)], limit)


def _bambi_pymc(name: str, limit: float, seed: int) -> dict[str, Any]:
    """By PyMC's own NUTS, which is what bambi uses unless told otherwise."""
    return worker("bambi", [name, "OUT", _fits(name), str(seed), "pymc"], limit)


def _fits(name: str) -> str:
    """Two, the second with other data, where that does not take long."""
    case = CASES[name]
    grouped = case.family == "gaussian" and case.script is None
    small = grouped and case.peers and len(case.make()) < 10_000
    return "2" if small else "1"


def _in_r(tool: str) -> Callable[[str, float, int], dict[str, Any]]:
    def one(name: str, limit: float, seed: int) -> dict[str, Any]:
        return run_r(tool, CASES[name], limit, seed)

    return one


_ONE: Mapping[str, Callable[[str, float, int], dict[str, Any]]] = {
    "ours": _ours,
    "ours_cold": _ours_cold,
    "bambi": _bambi,
    "bambi_pymc": _bambi_pymc,
    **{tool: _in_r(tool) for tool in TOOLS[4:]},
}


def _applies(tool: str, case: Case) -> bool:
    if tool == "ours":
        return True
    if tool == "ours_cold":
        return bool(case.peers)
    return tool in case.peers and has_tool(tool)


def _imports() -> dict[str, Any]:
    """`import mixedbayes` alone, in a fresh process."""
    run = subprocess.run(
        [sys.executable, "-c", _IMPORT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {"seconds": float(run.stdout), "version": mb.__version__}


def _line(result: dict[str, Any]) -> str:
    if "failed" in result:
        return str(result["failed"])
    if "seconds" in result:
        return f"{result['seconds']:.3f} s"
    fit = result.get("fit", {})
    total = fit.get("seconds", {}).get("total")
    parts = [f"{total:.2f} s" if total is not None else "no fit"]
    if fit.get("ess"):
        parts.append(f"lowest ESS {min(fit['ess']['bulk'], fit['ess']['tail']):.0f}")
    if "gradient_us" in result:
        parts.append(f"{result['gradient_us']:.1f} us a gradient")
    if fit.get("peak_mb"):
        parts.append(f"{fit['peak_mb']:.0f} MB")
    return ", ".join(parts)


if __name__ == "__main__":
    main()
