"""The first fit of an installation and of a process: what is compiled, and how long it takes.

    python -m benchmarks.first_fit [CASE ...]

Each case is fitted in a fresh process with nothing compiled on disk, and in another one after it.
Seconds are CPU time, which other work on the machine hardly changes: of the process of the fit, and
of the processes that compile for it beside it; with two cores and nothing else to do, the first is
about what the clock shows. After it come the functions
that took longest to compile, by their own seconds, and how many others there are.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from typing import Any

SHOWN = 14  # functions

CASES = {
    "single": ("sleepstudy", "Reaction ~ Days + (Days | Subject)", {}),
    "nested": ("pastes", "strength ~ 1 + (1 | batch / cask)", {}),
    "crossed": ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", {}),
    "smooth": ("sleepstudy", "Reaction ~ s(Days, k=5) + (1 | Subject)", {}),
    "residual": (
        "sleepstudy",
        "Reaction ~ Days + (1 | Subject)",
        {"residual": "ar1(Days | Subject)"},
    ),
    "poisson": ("grouseticks", "TICKS ~ YEAR + (1 | BROOD)", {"family": "poisson"}),
    "binomial": (
        "cbpp",
        "incidence | trials(size) ~ period + (1 | herd)",
        {"family": "binomial"},
    ),
    "quadrature": (
        "grouseticks",
        "TICKS ~ YEAR + (1 | BROOD)",
        {"family": "poisson", "formulation": "Quadrature"},
    ),
}


def fit(name: str) -> dict[str, Any]:
    """Fit a case in this process: seconds of CPU and of the clock, and what was compiled."""
    began, clock = time.process_time(), time.perf_counter()
    import mixedbayes as mb

    data, formula, options = CASES[name]
    if "formulation" in options:
        options = {**options, "formulation": getattr(mb, options["formulation"])()}
    frame = mb.load_data(data)
    listener = _listen()
    first = time.process_time()
    model = mb.Model(formula, frame, family=options.pop("family", "gaussian"), **_model(options))
    model.fit(seed=1, progress=False, **options)
    now, clock = time.process_time(), time.perf_counter() - clock
    return {
        "import": first - began,
        "fit": now - first,
        "beside": _of_children(),
        "waited": _waited(),
        "clock": clock,
        "compiled": dict(listener.own),
        "versions": dict(listener.count),
    }


def _of_children() -> float:
    """CPU seconds of the processes that compiled for this one, when they have ended."""
    from mixedbayes import beside

    if beside._SHARED is not None:
        beside._SHARED.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _waited() -> float:
    """Seconds in which this process had nothing to compile and waited for another."""
    from mixedbayes import beside

    return 0.0 if beside._SHARED is None else beside._SHARED.waited


def _model(options: dict[str, Any]) -> dict[str, Any]:
    return {key: options.pop(key) for key in ("residual", "formulation") if key in options}


def _listen() -> Any:
    """A listener of numba's compilations: by function, its own CPU seconds and its versions."""
    from numba.core import event

    class Listener(event.Listener):
        def __init__(self) -> None:
            self.own: dict[str, float] = defaultdict(float)
            self.count: dict[str, int] = defaultdict(int)
            self.stack: list[list[float]] = []

        def on_start(self, event: Any) -> None:
            self.stack.append([time.thread_time(), 0.0])

        def on_end(self, event: Any) -> None:
            began, inner = self.stack.pop()
            whole = time.thread_time() - began
            name = _named(event.data["dispatcher"])
            self.own[name] += whole - inner
            self.count[name] += 1
            if self.stack:
                self.stack[-1][1] += whole

    listener = Listener()
    event.register("numba:compile", listener)
    return listener


def _named(dispatcher: Any) -> str:
    function = getattr(dispatcher, "py_func", dispatcher)
    module = getattr(function, "__module__", "").replace("mixedbayes.", "")
    name = getattr(function, "__qualname__", repr(function)).split("_unkept")[0]
    return f"{module}.{name}"


def measure(name: str, folder: str) -> dict[str, Any]:
    """The case in a process of its own, with compiled code in this folder."""
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.first_fit", "--worker", name],
        env={**os.environ, "NUMBA_CACHE_DIR": folder},
        capture_output=True,
        text=True,
    )
    if run.returncode:
        raise SystemExit(run.stderr)
    result: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return result


def show(name: str, seconds: dict[str, Any], what: str) -> None:
    compiled = sorted(seconds["compiled"].items(), key=lambda item: -item[1])
    total = sum(seconds["compiled"].values())
    print(
        f"{name}, {what}: {seconds['import'] + seconds['fit']:.1f} s of CPU "
        f"(import {seconds['import']:.1f}), {seconds['beside']:.1f} beside it, "
        f"{seconds['clock']:.1f} s by the clock, of which {seconds['waited']:.1f} waiting; "
        f"compiled {sum(seconds['versions'].values())} in {total:.1f} s"
    )
    for function, own in compiled[:SHOWN]:
        print(f"  {own:6.2f}  {seconds['versions'][function]:3d}  {function}")
    if len(compiled) > SHOWN:
        rest = sum(own for _, own in compiled[SHOWN:])
        count = sum(seconds["versions"][f] for f, _ in compiled[SHOWN:])
        print(f"  {rest:6.2f}  {count:3d}  others")


def main(names: list[str]) -> None:
    for name in names or CASES:
        with tempfile.TemporaryDirectory() as folder:
            show(name, measure(name, folder), "nothing compiled")
            show(name, measure(name, folder), "next process")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(fit(sys.argv[2])))
    else:
        main(sys.argv[1:])
