"""Medians over the measurements that are kept of a case."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.run import load

FITS = ("fit", "second_fit")


@dataclass(frozen=True)
class Measured:
    """One tool on one case."""

    case: str
    tool: str
    runs: list[dict[str, Any]]  # those that did not fail

    @classmethod
    def of(cls, case: str, tool: str) -> Measured:
        runs = load(case)["measured"].get(tool, [])
        return cls(case, tool, [r for r in runs if "failed" not in r])

    def __bool__(self) -> bool:
        return bool(self.runs)

    def get(self, *keys: str) -> float | None:
        """Median of a number that lies under these keys; None where no measurement has it."""
        found = [v for r in self.runs if (v := _under(r, keys)) is not None]
        return float(median(found)) if found else None

    def seconds(self, fit: str = "fit", stage: str = "total") -> float | None:
        return self.get(fit, "seconds", stage)

    def ess(self, fit: str = "fit", of: str = "ess") -> float | None:
        """Lowest bulk or tail ESS, whichever is lower."""
        sizes = [self.get(fit, of, kind) for kind in ("bulk", "tail")]
        return min((s for s in sizes if s is not None), default=None)

    def ess_per_second(self, fit: str = "fit") -> float | None:
        return self.get(fit, "ess_per_second")


def over(a: float | None, b: float | None) -> float | None:
    """a / b, where both are known."""
    return a / b if a is not None and b else None


def _under(record: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        if not isinstance(record, dict) or key not in record:
            return None
        record = record[key]
    return record
