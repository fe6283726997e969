"""The targets, what was measured, and whether they are met: python -m benchmarks.targets

From the results that are kept; it measures nothing. Times are medians, compiling included and
importing excluded; an effective sample size (ESS) is the lowest of all population-level
parameters, bulk or tail; memory is the largest of the whole process.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.cases import CASES
from benchmarks.run import load
from benchmarks.summaries import Measured, over

GLMMS = tuple(name for name in CASES if name.startswith("glmm_") and CASES[name].peers)
FAMILIES = tuple(name for name in CASES if name.startswith("family_"))
TERMS = tuple(name for name in CASES if name.startswith("term_"))
MEGABYTE = 2.0**20 / 1e9  # in GB


@dataclass(frozen=True)
class Target:
    """A measured number and its bound."""

    case: str
    what: str
    value: float | None
    bound: float
    at_least: bool
    unit: str = ""

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def row(self) -> str:
        """A line of the table."""
        sign = ">=" if self.at_least else "<="
        verdict = {None: "not measured", True: "met", False: f"missed by {self._missed()}"}
        value = "" if self.value is None else f"{self.value:.3g}{self.unit}"
        return (
            f"| {self.case} | {self.what} | {sign} {self.bound:g}{self.unit} | {value} | "
            f"{verdict[self.met]} |"
        )

    def _missed(self) -> str:
        if not self.value:
            return "all of it"
        ratio = self.bound / self.value if self.at_least else self.value / self.bound
        return f"a factor of {ratio:.3g}"


def targets() -> Iterator[Target]:
    """All of them, in the order of the table."""
    yield from _against_bambi()
    yield from _generalised()
    for case in FAMILIES:
        name = f"{case.removeprefix('family_')}, {CASES[case].family}"
        yield _ratio(name, case, 5)
    yield from _terms()
    yield from _large()
    yield Target(
        "import mixedbayes", "time", Measured.of("import", "ours").get("seconds"), 0.3, False, " s"
    )


def _against_bambi() -> Iterator[Target]:
    ours, bambi = Measured.of("sleepstudy", "ours"), Measured.of("sleepstudy", "bambi")
    first, second = "sleepstudy, first fit", "sleepstudy, second fit, other data"
    faster = over(bambi.seconds(), ours.seconds())
    yield Target(first, "times faster than bambi", faster, 5, True, " x")
    yield _ratio(first, "sleepstudy", 20)
    yield Target(second, "total", ours.seconds("second_fit"), 1.0, False, " s")
    yield _ratio(second, "sleepstudy", 50, "second_fit")
    yield _ratio("penicillin, crossed", "penicillin", 100)
    yield _ratio("gpa, 1,200 rows, 200 groups", "gpa", 30)


def _generalised() -> Iterator[Target]:
    for case in GLMMS:
        name = f"{case.removeprefix('glmm_')}, {CASES[case].family}"
        yield _ratio(name, case, 3)
        ours, bambi = (Measured.of(case, tool).seconds() for tool in ("ours", "bambi"))
        yield Target(name, "times faster than bambi", over(bambi, ours), 1, True, " x")


def _terms() -> Iterator[Target]:
    for case in TERMS:
        name, peers = case.removeprefix("term_").replace("_", ", "), CASES[case].peers
        if "brms" in peers:
            yield _ratio(name, case, 50, peer="brms")
        if "mgcv" in peers:
            ours, gam = (Measured.of(case, tool).seconds() for tool in ("ours", "mgcv"))
            what = "total against gam's point estimate"
            yield Target(name, what, over(ours, gam), 10, False, " x")


def _large() -> Iterator[Target]:
    name, ours = "InstEval, 73,421 rows", Measured.of("insteval", "ours")
    lme4 = Measured.of("insteval", "lme4").seconds() or 29.0
    yield Target(name, "lowest ESS", ours.ess(), 400, True)
    yield Target(name, "total", ours.seconds(), 60, False, " s")
    yield Target(name, "total against lme4's point estimate", ours.seconds(), lme4, False, " s")
    name, ours = "10,000,000 rows, 1,000 groups", Measured.of("slopes_10m_rows", "ours")
    gradient = Measured.of("slopes_10k_rows", "ours").get("gradient_us")
    more = over(ours.get("gradient_us"), gradient)
    yield Target(name, "gradient against 10,000 rows", more, 1.2, False, " x")
    yield Target(name, "total", ours.seconds(), 60, False, " s")
    yield Target(name, "memory", _gigabytes(ours), 4, False, " GB")
    name, ours = "1,000,000 groups of 5 rows", Measured.of("slopes_1m_groups", "ours")
    yield Target(name, "lowest ESS", ours.ess(), 400, True)
    yield Target(name, "total", ours.seconds(), 1200, False, " s")
    yield Target(name, "memory", _gigabytes(ours), 8, False, " GB")
    yield Target(
        "nested, 1,000 to 100,000 inner levels", "exponent of the gradient's time in the levels",
        _exponent("nested_1k", "nested_100k", 100), 1.1, False,
    )  # fmt: skip


def _ratio(name: str, case: str, bound: float, fit: str = "fit", peer: str = "bambi") -> Target:
    ours, other = (Measured.of(case, t).ess_per_second(fit) for t in ("ours", peer))
    return Target(name, f"ESS per second against {peer}", over(ours, other), bound, True, " x")


def _gigabytes(m: Measured) -> float | None:
    peak = m.get("fit", "peak_mb")
    return None if peak is None else peak * MEGABYTE


def _exponent(small: str, large: str, times: float) -> float | None:
    more = over(
        Measured.of(large, "ours").get("gradient_us"), Measured.of(small, "ours").get("gradient_us")
    )
    return None if more is None else math.log(more) / math.log(times)


def table() -> str:
    """The targets as a markdown table."""
    lines = ["| case | what | target | measured | |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(t.row() for t in targets())])


def main() -> None:
    """Print the table, and on how busy a machine it was measured."""
    print(table())
    loads = [
        run["load"]
        for case in ("sleepstudy", "penicillin", "gpa", "insteval", *GLMMS)
        for runs in load(case)["measured"].values()
        for run in runs
    ]
    if loads:
        print(f"\nLoad of the machine before each measurement: {min(loads)} to {max(loads)}.")


if __name__ == "__main__":
    main()
